"""Step rows of single files in, clean streams of steps out.

A stream holds the steps that one worker of one job drove, from one kind of file: in order, without repeated
rows. Streams that describe the same drives, such as a log and the CSV files beside it, can be united so that
a step counts once.
"""

import re
from collections import Counter
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import pandas as pd

from deepracer_viz.logs.contents import Contents, CsvFile, LogFile
from deepracer_viz.logs.formats import PUT_BACK, STATUSES, STEP_COLUMNS, UNIX_TIME_FROM
from deepracer_viz.logs.report import ReadReport
from deepracer_viz.logs.steps import empty_steps, step_table, with_columns

UNKNOWN = -1
"""Stands for an iteration or checkpoint number that a file does not tell."""

SAME_DRIVES = 0.5
"""Two streams describe the same drives when at least this share of their common steps agree."""

MAX_STREAMS = 500
"""Streams that one source may hold; each is compared with each other."""

OTHER_TRACK = 0.01
"""A track whose length differs by more than this share is another one."""

_WORKER_FOLDER = re.compile(r"(?:^|/)(\d{1,4})(?:/[a-z-]*simtrace)?$")
_TRACE_FOLDER = re.compile(r"/?(?:training|evaluation)-simtrace$")
_FILE_ENDINGS = re.compile(r"(?i)(?:\.(?:log|csv|json|txt|gz))+$")


@dataclass(frozen=True, eq=False)
class StepStream:
    """Steps of one worker of one job from one kind of file.

    Attributes
    ----------
    name : str
        What to call it: the folder of its CSV files or the log's name.
    job : str or None
        ``"training"`` or ``"evaluation"``; None where neither the file nor the way of driving tells.
    worker : int or None
        0-based number of the simulator, None where the file does not tell.
    part : int or None
        None for a stream that is whole. CSV files whose names do not tell which of them belong together (the
        loose files of several workers or jobs) are a stream each, and this counts the files of the same name
        that came before.
    steps : pandas.DataFrame
        Sorted by episode and step, with two more columns: ``iteration`` (number of the CSV file) and
        ``checkpoint`` (the one that the log says was loaded), each -1 where the file does not tell.
    from_csv : bool
        CSV rows carry full precision and win over log rows.
    """

    name: str
    job: str | None
    worker: int | None
    part: int | None
    steps: pd.DataFrame
    from_csv: bool

    @property
    def key(self) -> np.ndarray:
        """One number per step, growing with episode and step."""
        return _key(self.steps)


def streams_of(contents: Contents, report: ReadReport) -> list[StepStream]:
    """Sort the step rows of a source into streams, in order and without repeated rows.

    Parameters
    ----------
    contents : Contents
        Files as read. Their step tables are taken out of it, so that each can be let go of.
    report : ReadReport
        Receives what was mended.

    Returns
    -------
    list of StepStream
        Those read from CSV files first.
    """
    folders: dict[str, list[CsvFile]] = {}
    for csv in contents.csvs:
        if len(csv.steps):
            folders.setdefault(csv.folder, []).append(csv)
    contents.csvs = []
    streams = []
    for folder, files in folders.items():
        files.sort(key=lambda csv: (csv.iteration is None, csv.iteration))
        if _follow_one_another(files):
            streams.append(_csv_stream(folder, files, None, report))
        else:
            seen: Counter[str] = Counter()
            for file in files:
                streams.append(_csv_stream(folder, [file], seen[file.name], report))
                seen[file.name] += 1
    streams += [_log_stream(log, report) for log in contents.logs if len(log.steps.steps)]
    if len(streams) > MAX_STREAMS:
        report.warn(
            f"The files hold the steps of {len(streams):,} jobs or workers; only the first {MAX_STREAMS:,} were used."
        )
    _tell_missing_workers(streams[:MAX_STREAMS], contents.logs, report)
    return streams[:MAX_STREAMS]


def _tell_missing_workers(streams: list[StepStream], logs: list[LogFile], report: ReadReport) -> None:
    """Warn where the numbers of the workers show that some of them are not there."""
    there = {stream.worker for stream in streams if stream.job == "training"}
    if not there or None in there:
        return
    told = max((log.facts.workers or 1 for log in logs), default=1)
    # A single one may lie in a numbered folder by chance.
    expected = max(told, max(there) + 1) if told > 1 or len(there) > 1 else 0
    # A log may claim any number of them.
    missing = list(islice((number for number in range(expected) if number not in there), 11))
    if missing:
        names = ", ".join(map(str, missing[:10])) + (", ..." if len(missing) > 10 else "")
        report.warn(
            f"The training had {expected:,} workers, but there are no steps of worker {names}: laps and means are of "
            "the others alone. Add the logs of the missing workers."
        )


def _follow_one_another(files: list[CsvFile]) -> bool:
    """Whether each file holds later episodes than the file before, as the files of one worker do."""
    firsts = [int(csv.steps["episode"].min()) for csv in files]
    lasts = [int(csv.steps["episode"].max()) for csv in files]
    return all(first > last for first, last in zip(firsts[1:], lasts[:-1], strict=True))


def _csv_stream(folder: str, files: list[CsvFile], part: int | None, report: ReadReport) -> StepStream:
    numbers = [UNKNOWN if csv.iteration is None else csv.iteration for csv in files]
    iteration = np.repeat(np.array(numbers, dtype="int32"), [len(csv.steps) for csv in files])
    steps = _stack(files)
    steps["iteration"] = iteration
    steps["checkpoint"] = np.int32(UNKNOWN)
    name = _TRACE_FOLDER.sub("", folder).rpartition("/")[2] or folder or _FILE_ENDINGS.sub("", files[0].name)
    steps = mend(steps, name, report)
    # The innermost folder that says something counts.
    training, evaluation = folder.lower().rfind("training"), folder.lower().rfind("evaluation")
    job = None
    if drives_like_evaluation(steps) or evaluation > training:
        job = "evaluation"
    elif training > evaluation:
        job = "training"
    worker = _WORKER_FOLDER.search(folder)
    return StepStream(name, job, int(worker[1]) if worker else None, part, steps, from_csv=True)


def _stack(files: list[CsvFile]) -> pd.DataFrame:
    """Join the rows of files, which are taken out of them: column by column, so that no row is held twice."""
    tables, nothing = [], empty_steps()
    for csv in files:
        columns = dict(csv.steps.items())
        columns["episode_status"] = columns["episode_status"].cat.codes
        tables.append({name: columns[name].to_numpy() for name in STEP_COLUMNS})
        csv.steps = nothing
    # Of some thousand columns, joining them as pandas does would take longer than copying what they hold.
    columns = {name: np.concatenate([table.pop(name) for table in tables]) for name in STEP_COLUMNS}
    return step_table(columns)


def _log_stream(log: LogFile, report: ReadReport) -> StepStream:
    steps, log.steps.steps = log.steps.steps, log.steps.steps[:0]
    steps = with_columns(steps.assign(iteration=np.int32(UNKNOWN)), checkpoint=_loaded(log, steps))
    name = _FILE_ENDINGS.sub("", log.name.rpartition("/")[2])
    steps = mend(steps, name, report)
    job = None
    if log.facts.job_type:
        # Races have types of their own.
        job = "training" if log.facts.job_type == "TRAINING" else "evaluation"
    elif drives_like_evaluation(steps):
        job = "evaluation"
    return StepStream(name, job, log.facts.worker, None, steps, from_csv=False)


def _loaded(log: LogFile, steps: pd.DataFrame) -> np.ndarray:
    """Checkpoint that drove each step: the one that the log says was loaded before."""
    told = [
        (log.steps.rows_before(at), number)
        for at, path, number, _ in log.facts.restored
        if "pretrained" not in path
    ]
    if not told:
        return np.full(len(steps), UNKNOWN, dtype="int32")
    episode, number = steps["episode"].to_numpy(), steps["steps"].to_numpy()
    backwards = (episode[1:] < episode[:-1]) & (number[1:] > 1)
    if np.count_nonzero(backwards) * 100 > np.count_nonzero(episode[1:] != episode[:-1]):
        # In a shuffled export the place of a line tells nothing; the lowest checkpoint drove the first episode.
        lowest = min(number for _, number in told)
        return np.where(episode == episode.min(), lowest, UNKNOWN).astype("int32")
    rows, numbers = np.array(told).T
    numbers = np.append(UNKNOWN, numbers).astype("int32")
    return np.repeat(numbers, np.diff(rows, prepend=0, append=len(steps)))


def drives_like_evaluation(steps: pd.DataFrame) -> bool:
    """Say whether the steps of one stream can only come from an evaluation or a race.

    In training the first mistake ends the episode. In an evaluation or a race the car is put back on the
    track after a penalty and drives on, and in a continuous race the step counter runs on over the line.

    Parameters
    ----------
    steps : pandas.DataFrame
        Rows of one stream, sorted by episode and step.

    Returns
    -------
    bool
    """
    status = steps["episode_status"].cat.codes.to_numpy()
    off = np.isin(status, [STATUSES.index(word) for word in PUT_BACK])
    if (off & ~steps["done"].to_numpy()).any() or (status == STATUSES.index("pause")).any():
        return True
    number, episode = steps["steps"].to_numpy(), steps["episode"].to_numpy()
    changes = episode[1:] != episode[:-1]
    runs_on = (episode[1:] == episode[:-1] + 1) & (number[1:] == number[:-1] + 1) & (number[1:] > 2)
    return bool(runs_on.sum() * 2 > changes.sum())


def mend(steps: pd.DataFrame, name: str, report: ReadReport) -> pd.DataFrame:
    """Put the rows of one file or folder in order and drop what stands in it twice.

    Shuffled exports are sorted; exact duplicates are dropped; the dummy reset with which simulators of 2019
    began (up to two rows of episode 0 before episode 0) is dropped. Where the episode counter starts again
    with different rows (files joined end to end), the later part is numbered on.

    Parameters
    ----------
    steps : pandas.DataFrame
        Rows in the order of the file.
    name : str
        The file, for messages.
    report : ReadReport
        Receives the counts.

    Returns
    -------
    pandas.DataFrame
        Strictly increasing in (episode, steps).
    """
    episode, number = steps["episode"].to_numpy(), steps["steps"].to_numpy()
    follows = (episode[1:] == episode[:-1]) & (number[1:] > number[:-1])
    if (follows | (episode[1:] > episode[:-1])).all():
        _tell_joined(steps, name, report)
        return steps
    restarts = 0
    key = _key(steps)
    same = steps.duplicated(["episode", "steps", "x", "y", "reward", "tstamp"])
    if same.any():
        report.duplicates += int(same.sum())
        steps = steps[~same]
        key = _key(steps)
    if len(np.unique(key)) < len(key):
        if steps["tstamp"].iloc[0] > UNIX_TIME_FROM:
            steps = steps.sort_values("tstamp", kind="stable")
        steps, restarts = _number_on(steps, name, report)
    steps = steps.sort_values(["episode", "steps"], kind="stable")
    place = steps.index.to_numpy()
    report.reordered += int((place < np.maximum.accumulate(place)).sum())
    steps = steps.reset_index(drop=True)
    if not restarts:
        _tell_joined(steps, name, report)
    return steps


def _tell_joined(steps: pd.DataFrame, name: str, report: ReadReport) -> None:
    """Warn where steps whose numbers fit together come from several jobs all the same."""
    episode = steps["episode"].to_numpy()
    first = np.flatnonzero(np.r_[True, episode[1:] != episode[:-1]])
    last = np.r_[first[1:] - 1, len(episode) - 1]
    # Three rows of each episode, so that no single garbled one tells a false story.
    first, last = first[last - first > 1], last[last - first > 1]
    if not len(first):
        return
    rows = np.array([first, (first + last) // 2, last])
    clock, length = steps["tstamp"].to_numpy()[rows], steps["track_len"].to_numpy()[rows]
    backwards = np.flatnonzero(clock.max(axis=0)[1:] < clock.min(axis=0)[:-1]) + 1
    if len(backwards):
        report.warn(
            f"In {name} the clock starts again {len(backwards)} time(s), first at episode "
            f"{episode[first[backwards[0]]]}, as if the logs of several jobs were joined. Load each job on its own."
        )
    usual = np.median(length)
    other = (np.abs(length - usual) > OTHER_TRACK * usual).all(axis=0)
    if other.any():
        report.warn(
            f"{name} holds episodes on tracks of different length ({usual:.2f} m and {length[0, other][0]:.2f} m), "
            "as if the logs of several jobs were joined. Load each job on its own."
        )


def _number_on(steps: pd.DataFrame, name: str, report: ReadReport) -> tuple[pd.DataFrame, int]:
    """Number the episodes of joined jobs on, after dropping a dummy start and single repeated steps.

    Also tells how often the counter started again.
    """
    episode, number = steps["episode"].to_numpy(), steps["steps"].to_numpy()
    begins = np.r_[False, (episode[1:] <= episode[:-1]) & (number[1:] <= 1) & (number[1:] <= number[:-1])]
    # One garbled row is no new beginning: the next row belongs to the same episode.
    begins &= np.r_[episode[1:] == episode[:-1], True]
    part = np.cumsum(begins)
    sizes = np.bincount(part)
    dummy = (part == 0) & (sizes[0] <= 2) & (len(sizes) > 1) & (episode == 0)
    if dummy.any():
        report.dummy_rows += int(dummy.sum())
        steps, part = steps[~dummy], part[~dummy]
    last = pd.Series(steps["episode"].to_numpy()).groupby(part).max()
    if len(last) > 1:
        offset = (last + 1).cumsum().shift(fill_value=0)
        numbers = steps["episode"].to_numpy() + offset.loc[part].to_numpy()
        steps = steps.assign(episode=numbers.astype("int32"))
        report.warn(
            f"In {name} the episode counter starts again {len(last) - 1} time(s), as if several jobs were "
            "joined; the later episodes were numbered on. Load each job on its own for exact numbers."
        )
    twice = steps.duplicated(["episode", "steps"])
    if twice.any():
        report.warn(
            f"{name} holds {int(twice.sum())} step(s) twice with different values; the first was kept."
        )
    return steps[~twice], len(last) - 1


def unite(streams: list[StepStream], report: ReadReport) -> StepStream:
    """Unite what several files say about the same worker of the same job; a step counts once.

    Values of CSV files win, because logs are rounded. A stream that contradicts the larger one on more than
    half of their common steps is another job: it is left out, with a warning.

    Parameters
    ----------
    streams : list of StepStream
        At least one.
    report : ReadReport
        Receives how the files disagree.

    Returns
    -------
    StepStream
    """
    first, *others = sorted(streams, key=lambda stream: (not stream.from_csv, -len(stream.steps)))
    for other in others:
        common, differing = _compare(first, other)
        if differing > SAME_DRIVES * common:
            report.warn(
                f"{other.name} describes another job than {first.name} "
                f"({differing} of {common} common steps differ) and was left out; load it on its own."
            )
            continue
        new = ~np.isin(other.key, first.key)
        if first.from_csv and not other.from_csv:
            report.only_in_log += int(new.sum())
            report.only_in_csv += len(first.steps) - common
            report.differing += differing
        else:
            report.duplicates += common
        first = replace(first, steps=_join(first.steps, other.steps, new))
    return first


def agree(one: StepStream, other: StepStream) -> bool:
    """Say whether two streams describe the same drives."""
    common, differing = _compare(one, other)
    return common > 0 and differing <= SAME_DRIVES * common


def _join(steps: pd.DataFrame, other: pd.DataFrame, new: np.ndarray) -> pd.DataFrame:
    """Append the new rows of ``other``, and take over the checkpoint numbers that only it tells."""
    told = other.groupby("episode")["checkpoint"].last()
    known = steps["checkpoint"].to_numpy()
    from_other = steps["episode"].map(told).fillna(UNKNOWN).to_numpy().astype("int32")
    steps = steps.assign(checkpoint=np.where(known == UNKNOWN, from_other, known))
    if not new.any():
        return steps
    steps = pd.concat([steps, other[new]], ignore_index=True)
    return steps.sort_values(["episode", "steps"], kind="stable", ignore_index=True)


def _compare(one: StepStream, other: StepStream) -> tuple[int, int]:
    """Count the common steps of two streams, and on how many of them position or time differ."""
    _, mine, theirs = np.intersect1d(one.key, other.key, assume_unique=True, return_indices=True)
    differs = np.zeros(len(mine), dtype=bool)
    for column, tolerance in (("x", 1e-3), ("y", 1e-3), ("tstamp", 1e-2)):
        a, b = one.steps[column].to_numpy()[mine], other.steps[column].to_numpy()[theirs]
        differs |= np.abs(a.astype("float64") - b) > tolerance
    return len(mine), int(differs.sum())


def _key(steps: pd.DataFrame) -> np.ndarray:
    return (steps["episode"].to_numpy(dtype="int64") << 32) + steps["steps"].to_numpy()
