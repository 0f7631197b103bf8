"""Streams of steps and official metrics in, the tables of a run out.

Here each stream finds its job and its worker, each episode its iteration and its official time.
"""

import re
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from deepracer_viz.episodes import (
    add_official,
    empty_episodes,
    episode_table,
    official_agreement,
    with_episode_types,
)
from deepracer_viz.logs.metadata import MetricsFile
from deepracer_viz.logs.report import ReadReport
from deepracer_viz.logs.steps import empty_steps, with_columns
from deepracer_viz.logs.streams import UNKNOWN, StepStream, agree, unite
from deepracer_viz.logs.trainer import TrainerLog

USUAL_EPISODES_PER_ITERATION = 20
"""What the AWS console trains with; used, with a warning, where no file tells the number."""

SAME_EPISODES = 0.5
"""Metrics belong to a stream when at least this share of their common episodes agree."""

MAX_COMPARISONS = 20_000
"""Pairs of a metrics file and a worker, or a stream of steps, that are compared: enough for 140 of each whose files
have lost their names."""

_WORKER_METRICS = re.compile(r"TrainingMetrics(?:_(\d{1,4}))?\.json$")
_EVALUATION_TYPES = {
    "checkpoint": "int32",
    "trial": "int32",
    "progress": "float64",
    "complete": "bool",
    "time": "float64",
    "end_status": "str",
}


def put_together(
    streams: list[StepStream], metrics: list[MetricsFile], report: ReadReport
) -> list[StepStream]:
    """Join the parts that belong together.

    Parts are CSV files whose names do not tell that. Those that agree with the same whole stream, such as a
    log, or with the same metrics belong together; of the others, those that came at the same turn.

    Parameters
    ----------
    streams : list of StepStream
    metrics : list of MetricsFile
    report : ReadReport
        Receives how files disagree.

    Returns
    -------
    list of StepStream
        None of them a part.
    """
    whole = [stream for stream in streams if stream.part is None]
    candidates = _candidates(metrics, len(streams) - len(whole))
    training = [m for m in metrics if m.kind == "training"]
    groups: dict[tuple, list[StepStream]] = {}
    for stream in streams:
        if stream.part is None:
            continue
        twin = next((other for other in whole if agree(other, stream)), None)
        match = None if twin else _best_match(episode_table(_provisional(stream.steps)), candidates)
        if twin:
            key = ("stream", whole.index(twin))
            stream = replace(stream, job=twin.job or stream.job, worker=twin.worker)
        elif match:
            key = ("metrics", metrics.index(match))
            worker = _worker_of(match, training.index(match)) if match in training else None
            stream = replace(stream, job=match.kind, worker=worker)
        else:
            key = ("turn", stream.part, stream.job)
        groups.setdefault(key, []).append(replace(stream, part=None))
    return [*whole, *(unite(group, report) for group in groups.values())]


def settle_jobs(streams: list[StepStream], metrics: list[MetricsFile]) -> list[StepStream]:
    """Give each stream the job that it does not tell itself.

    It is that of another stream with the same drives, else that of the metrics whose times agree with its
    own, else training, unless all metrics beside it are an evaluation's.

    Parameters
    ----------
    streams : list of StepStream
    metrics : list of MetricsFile

    Returns
    -------
    list of StepStream
        The same streams, ``job`` never None.
    """
    usual = "evaluation" if {m.kind for m in metrics} == {"evaluation"} else "training"
    candidates = _candidates(metrics, sum(stream.job is None for stream in streams))
    settled = []
    for stream in streams:
        job = stream.job
        if job is None:
            job = next((other.job for other in streams if other.job and agree(stream, other)), None)
        if job is None:
            match = _best_match(episode_table(_provisional(stream.steps)), candidates)
            job = match.kind if match else usual
        settled.append(replace(stream, job=job))
    return settled


def by_worker(streams: list[StepStream], report: ReadReport) -> dict[int, StepStream]:
    """Unite the training streams of each worker.

    Streams with the same drives are the same worker's whatever they are called.

    Parameters
    ----------
    streams : list of StepStream
        All of one training job.
    report : ReadReport
        Receives how files disagree.

    Returns
    -------
    dict of int to StepStream
        By number of the worker, in order.
    """
    groups: dict[int, list[StepStream]] = {}
    for stream in sorted(streams, key=lambda stream: not stream.from_csv):
        same = (worker for worker, group in groups.items() if any(agree(other, stream) for other in group))
        worker = next(same, stream.worker or 0)
        groups.setdefault(worker, []).append(stream)
    return {worker: unite(group, report) for worker, group in sorted(groups.items())}


@dataclass(frozen=True)
class Numbering:
    """How the episodes of a training are numbered.

    Attributes
    ----------
    workers : int
        Simulators that drove side by side.
    per_worker : int
        Episodes that each of them drives in one iteration.
    first_checkpoint : int or None
        Number c0 of the checkpoint that drove iteration 0; None where no file tells.
    """

    workers: int
    per_worker: int
    first_checkpoint: int | None


def numbering_of(
    training: dict[int, StepStream],
    workers: int,
    hyperparameters: dict | None,
    trainer: TrainerLog,
    report: ReadReport,
) -> Numbering:
    """Find out how the episodes of a training are numbered.

    The number of episodes in an iteration is what the CSV files show, else what the job was set up with,
    else what the checkpoints loaded or the trainer's lines show. The first checkpoint is the trainer's word,
    else follows from the first one that a simulator loaded.

    Parameters
    ----------
    training : dict of int to StepStream
    workers : int
    hyperparameters : dict or None
    trainer : TrainerLog
    report : ReadReport
        Receives a warning when a usual number had to be taken.

    Returns
    -------
    Numbering
    """
    per_worker = _episodes_per_worker(training, workers, hyperparameters, trainer)
    if per_worker is None:
        per_worker = max(USUAL_EPISODES_PER_ITERATION // workers, 1)
        if any((stream.steps["iteration"] == UNKNOWN).any() for stream in training.values()):
            report.warn(
                f"No file tells how many episodes make an iteration; {USUAL_EPISODES_PER_ITERATION} were "
                "assumed, as on the AWS console. The trainer log or hyperparameters.json would tell."
            )
    first_checkpoint = trainer.first_checkpoint
    if first_checkpoint is None:
        for stream in training.values():
            told = (stream.steps["checkpoint"] != UNKNOWN).to_numpy()
            if told.any():
                row = stream.steps.iloc[int(np.argmax(told))]
                iteration = row["iteration"] if row["iteration"] != UNKNOWN else row["episode"] // per_worker
                first_checkpoint = max(int(row["checkpoint"]) - int(iteration), 0)
                break
    return Numbering(workers, per_worker, first_checkpoint)


def _episodes_per_worker(
    training: dict[int, StepStream], workers: int, hyperparameters: dict | None, trainer: TrainerLog
) -> int | None:
    def counts(told: str) -> pd.Series:
        tables = [
            _at(_last_rows(stream.steps), stream.steps, told, "episode") for stream in training.values()
        ]
        tables = [table[table[told] != UNKNOWN].groupby(told)["episode"].nunique() for table in tables]
        return pd.concat(tables) if tables else pd.Series(dtype="int64")

    def most(numbers: pd.Series) -> int:
        # The last iteration may be cut off.
        return int(numbers.mode().max())

    in_files, at_checkpoints = counts("iteration"), counts("checkpoint")
    if len(in_files) > 1:
        return most(in_files)
    stated = (hyperparameters or {}).get("num_episodes_between_training")
    if isinstance(stated, int | float) and 1 <= stated <= 1e6:
        return max(int(stated) // workers, 1)
    if len(at_checkpoints) > 1:
        return most(at_checkpoints)
    if len(trainer.episodes):
        return most(trainer.episodes.groupby(["worker", "iteration"])["episode"].nunique())
    return most(in_files) if len(in_files) else None


def match_metrics(
    official: list[MetricsFile], training: dict[int, StepStream], report: ReadReport
) -> dict[int, MetricsFile]:
    """Find the worker that each training metrics file belongs to: the one whose episodes it agrees with.

    Parameters
    ----------
    official : list of MetricsFile
    training : dict of int to StepStream
    report : ReadReport
        Receives a warning for each file that describes something else.

    Returns
    -------
    dict of int to MetricsFile
        Workers without steps too; the file's name tells their number where DeepRacer for Cloud gave it. Of
        more than `MAX_COMPARISONS` pairs, only those of which the name tells are looked at.
    """
    traced = training if official else {}
    few = len(official) * len(traced) <= MAX_COMPARISONS
    tables = {worker: episode_table(_provisional(stream.steps)) for worker, stream in traced.items()}
    matched: dict[int, MetricsFile] = {}
    for metrics in official:
        named = _worker_of(metrics, 0)
        candidates = [w for w in tables if w not in matched and (few or w == named)]
        scores = {w: official_agreement(tables[w], metrics.episodes) for w in candidates}
        best = max(scores, key=lambda w: (scores[w][1], w == named), default=None)
        common, agreeing = scores.get(best, (0, 0))
        if not common and named not in matched:
            matched[named] = metrics
        elif common and agreeing >= SAME_EPISODES * common:
            matched[best] = metrics
        else:
            report.warn(
                f"{metrics.name} describes other drives than the steps or the metrics beside it ({agreeing} of "
                f"{common} episodes agree with the steps) and was left out; load it with its own log."
            )
    return matched


def training_tables(
    training: dict[int, StepStream], matched: dict[int, MetricsFile], numbering: Numbering
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Number the training drives and put the official results beside them.

    Parameters
    ----------
    training : dict of int to StepStream
        The streams are taken out of it, so that each can be let go of.
    matched : dict of int to MetricsFile
    numbering : Numbering

    Returns
    -------
    steps, episodes : pandas.DataFrame
        In the order of driving: by iteration, episode and worker.
    """
    frames, tables = [], []
    for worker in sorted({*training, *matched}):
        if worker not in training:
            table = empty_episodes()
        else:
            steps = _number_iterations(training.pop(worker).steps, numbering)
            frames.append(steps.assign(worker=np.int32(worker)))
            del steps
            table = episode_table(_provisional(frames[-1]))
        if worker in matched:
            identity = {"worker": worker, "iteration": UNKNOWN, "checkpoint": UNKNOWN}
            table = add_official(table, matched[worker].episodes, identity)
            counted = (table["episode"] // numbering.per_worker).astype("int32")
            table["iteration"] = table["iteration"].where(table["iteration"] != UNKNOWN, counted)
        tables.append(table)
    episodes = pd.concat(tables, ignore_index=True) if tables else empty_episodes()
    episodes = episodes.sort_values(["iteration", "episode", "worker"], kind="stable", ignore_index=True)
    episodes["unique_episode"] = np.arange(len(episodes), dtype="int32")
    episodes["checkpoint"] = episodes["iteration"] + np.int32(numbering.first_checkpoint or 0)
    return _with_step_types(_number_steps(frames, episodes)), with_episode_types(episodes)


def checkpoint_evaluations(matched: dict[int, MetricsFile], numbering: Numbering) -> pd.DataFrame:
    """List the evaluation drives that rated each checkpoint during training.

    A drive written after training episode e (1-based, per worker) rates the checkpoint that drove it.

    Parameters
    ----------
    matched : dict of int to MetricsFile
    numbering : Numbering

    Returns
    -------
    pandas.DataFrame
        checkpoint, trial (0-based within the checkpoint), progress (percent), complete, time (s), end_status.
    """
    tables = [metrics.checkpoint_evaluations for metrics in matched.values()]
    if not tables:
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _EVALUATION_TYPES.items()})
    table = pd.concat(tables, ignore_index=True)
    iteration = (table["after_episode"] - 1).clip(lower=0) // numbering.per_worker
    table["checkpoint"] = iteration + (numbering.first_checkpoint or 0)
    table["trial"] = table.groupby("checkpoint").cumcount()
    return table[list(_EVALUATION_TYPES)].astype(_EVALUATION_TYPES)


def evaluation_tables(
    streams: list[StepStream], official: list[MetricsFile], report: ReadReport
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Put separate evaluations and races together, one stream each.

    Parameters
    ----------
    streams : list of StepStream
    official : list of MetricsFile
        The evaluation metrics; those without steps make episodes of their own.
    report : ReadReport
        Receives how files disagree.

    Returns
    -------
    steps, episodes : pandas.DataFrame
        With one more column, ``stream``: which evaluation. ``checkpoint`` is -1 where no log tells which drove.
    """
    groups: list[list[StepStream]] = []
    for stream in sorted(streams, key=lambda stream: not stream.from_csv):
        same = next((group for group in groups if agree(group[0], stream)), None)
        if same is None:
            groups.append([stream])
        else:
            same.append(stream)
    left = list(official)
    most = len(_candidates(official, len(groups)))
    if groups and most < len(official):
        report.warn(
            f"There are {len(official):,} metrics files beside {len(groups):,} evaluations with steps; of each "
            f"evaluation only {most:,} of them were held against the steps, the others are listed by themselves."
        )
    frames, tables, names = [], [], []
    for group in groups:
        stream = unite(group, report)
        worker, checkpoint = stream.worker or 0, int(stream.steps["checkpoint"].max())
        steps = stream.steps.drop(columns="checkpoint")
        steps = steps.assign(worker=np.int32(worker), iteration=np.int32(UNKNOWN))
        table = episode_table(_provisional(steps)).assign(checkpoint=np.int32(checkpoint))
        match = _best_match(table, left[:most])
        if match:
            left.remove(match)
            identity = {"worker": worker, "iteration": UNKNOWN, "checkpoint": checkpoint}
            table = add_official(table, _official(match), identity)
        frames.append(steps)
        tables.append(table)
        names.append(stream.name)
    for metrics in left:
        identity = {"worker": 0, "iteration": UNKNOWN, "checkpoint": UNKNOWN}
        tables.append(add_official(empty_episodes(), _official(metrics), identity))
        names.append(metrics.name.rpartition("/")[2].removesuffix(".json"))
    return _join_evaluations(frames, tables, names)


def _join_evaluations(
    frames: list[pd.DataFrame], tables: list[pd.DataFrame], names: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Number the episodes of all evaluations through; the first of the tables have steps."""
    seen: Counter[str] = Counter()
    for i, name in enumerate(names):
        seen[name] += 1
        names[i] = name if seen[name] == 1 else f"{name} ({seen[name]})"
    begun = 0
    for i, (name, table) in enumerate(zip(names, tables, strict=True)):
        table = table.sort_values("episode", kind="stable", ignore_index=True).assign(stream=name)
        table["unique_episode"] = np.arange(begun, begun + len(table), dtype="int32")
        begun += len(table)
        tables[i] = table
        if i < len(frames):
            frames[i] = _number_steps([frames[i]], table).assign(stream=name)
    steps = pd.concat(frames, ignore_index=True) if frames else _number_steps([], empty_episodes())
    episodes = pd.concat(tables, ignore_index=True) if tables else empty_episodes()
    for table in (steps, episodes):
        table["stream"] = pd.Categorical(table.get("stream", []), categories=names)
    return _with_step_types(steps), with_episode_types(episodes)


def _worker_of(metrics: MetricsFile, otherwise: int) -> int:
    """Number of the worker in the name of its metrics, as DeepRacer for Cloud gives it."""
    number = _WORKER_METRICS.search(metrics.name)
    return int(number[1] or 0) if number else otherwise


def _official(metrics: MetricsFile) -> pd.DataFrame:
    """The drives of a metrics file by episode, whichever kind it is."""
    if metrics.kind == "training":
        return metrics.episodes
    drives = metrics.evaluation.rename(columns={"trial": "episode"})
    return drives.drop_duplicates("episode", keep="last")


def _candidates(metrics: list[MetricsFile], tables: int) -> list[MetricsFile]:
    """As many of the metrics, from the first on, as so many tables may be compared with."""
    return metrics[: MAX_COMPARISONS // max(tables, 1)]


def _best_match(table: pd.DataFrame, metrics: list[MetricsFile]) -> MetricsFile | None:
    """The metrics that agree with most of the episodes, None where none of them belongs to the table."""
    scored = [(official_agreement(table, _official(m)), m) for m in metrics]
    (common, agreeing), best = max(scored, key=lambda entry: entry[0][1], default=((0, 0), None))
    return best if agreeing and agreeing >= SAME_EPISODES * common else None


def _provisional(steps: pd.DataFrame) -> pd.DataFrame:
    """Number the episodes of one stream by themselves."""
    counts = np.diff(_last_rows(steps), prepend=-1)
    if "worker" not in steps:
        steps = steps.assign(worker=np.int32(0))
    return with_columns(steps, unique_episode=np.repeat(np.arange(len(counts), dtype="int32"), counts))


def _last_rows(steps: pd.DataFrame) -> np.ndarray:
    """Where the last row of each episode of a stream stands."""
    episode = steps["episode"].to_numpy()
    return np.r_[np.flatnonzero(episode[1:] != episode[:-1]), len(episode) - 1]


def _at(rows: np.ndarray, steps: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Some rows and columns: taking the columns first, as pandas does, would copy the whole of them."""
    return pd.DataFrame({name: steps[name].to_numpy()[rows] for name in columns})


def _number_iterations(steps: pd.DataFrame, numbering: Numbering) -> pd.DataFrame:
    """Give every episode its iteration: its CSV file's number, else by the checkpoint loaded, else counted."""
    episode = steps["episode"].to_numpy()
    last = _last_rows(steps)
    counts = np.diff(np.r_[-1, last])
    by_file = steps["iteration"].to_numpy()[last]
    loaded = steps["checkpoint"].to_numpy()[last]
    iteration = episode[last] // numbering.per_worker
    first_checkpoint = numbering.first_checkpoint
    if first_checkpoint is not None:
        iteration = np.where(loaded >= first_checkpoint, loaded - first_checkpoint, iteration)
    iteration = np.where(by_file != UNKNOWN, by_file, iteration)
    return with_columns(
        steps.drop(columns="checkpoint"), iteration=np.repeat(iteration.astype("int32"), counts)
    )


def _number_steps(frames: list[pd.DataFrame], episodes: pd.DataFrame) -> pd.DataFrame:
    """Join the steps of several workers, with the numbers and in the order of their episodes."""
    if not frames:
        none = {name: np.array([], dtype="int32") for name in ("worker", "iteration", "unique_episode")}
        return empty_steps().assign(**none)
    steps = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    traced = episodes[episodes["steps"] > 0]
    worker, episode = steps["worker"].to_numpy(), steps["episode"].to_numpy()
    changes = (worker[1:] != worker[:-1]) | (episode[1:] != episode[:-1])
    first = np.flatnonzero(np.append(True, changes)[: len(steps)])
    key = _episode_key(traced)
    order = np.argsort(key)
    place = order[np.searchsorted(key[order], _episode_key(_at(first, steps, "worker", "episode")))]
    numbers, counts = traced["unique_episode"].to_numpy()[place], np.diff(first, append=len(steps))
    unique = np.repeat(numbers, counts)
    frames.clear()
    if (numbers[1:] >= numbers[:-1]).all():
        return with_columns(steps, unique_episode=unique)
    # Within an episode the rows are in order. Column by column, so that the table is never held twice.
    order = np.argsort(unique, kind="stable")
    ordered = {}
    for name in list(steps.columns):
        ordered[name] = steps.pop(name).take(order).reset_index(drop=True)
    return pd.DataFrame(ordered | {"unique_episode": unique[order]}, copy=False)


def _with_step_types(steps: pd.DataFrame) -> pd.DataFrame:
    workers, iteration = steps["worker"].to_numpy(), steps["iteration"]
    # Looked at once for each row of steps of one worker.
    first = np.flatnonzero(np.append(True, workers[1:] != workers[:-1])[: len(workers)])
    kinds, codes = np.unique(workers[first], return_inverse=True)
    codes = np.repeat(codes.astype("int16"), np.diff(first, append=len(workers)))
    # Inserting copies no other column, as choosing columns in a new order would.
    steps = steps.drop(columns=["worker", "iteration"])
    steps.insert(0, "worker", pd.Categorical.from_codes(codes, categories=kinds))
    steps.insert(1, "iteration", iteration)
    return steps


def _episode_key(table: pd.DataFrame) -> np.ndarray:
    return (table["worker"].to_numpy(dtype="int64") << 32) + table["episode"].to_numpy()
