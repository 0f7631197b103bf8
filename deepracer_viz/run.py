"""One model's logs, read and put together: :func:`load_run` and the :class:`TrainingRun` it returns."""

import io
import os
import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import BinaryIO

import numpy as np
import pandas as pd

from deepracer_viz.assembly import (
    by_worker,
    checkpoint_evaluations,
    evaluation_tables,
    match_metrics,
    numbering_of,
    put_together,
    settle_jobs,
    training_tables,
)
from deepracer_viz.episodes import empty_episodes
from deepracer_viz.logs.contents import LOOKED_FOR, Contents, read_contents
from deepracer_viz.logs.errors import LogError
from deepracer_viz.logs.formats import UNIX_TIME_FROM
from deepracer_viz.logs.metadata import ActionSpace, LogFacts
from deepracer_viz.logs.report import FileReport, ReadReport
from deepracer_viz.logs.sources import Members, Progress, Source, entries_of
from deepracer_viz.logs.streams import streams_of
from deepracer_viz.logs.trainer import TrainerLog, read_trainer_log
from deepracer_viz.track import Track, load_track, track_for

_FILE_ENDINGS = re.compile(r"(?i)(?:\.(?:tar|gz|tgz|zip|log|csv|txt|json))+$")


@dataclass(frozen=True)
class RunMetadata:
    """Who a model is, as far as its logs say; a field they do not tell is None.

    Attributes
    ----------
    world : str
        Name of the track in the simulator.
    race_type : str
        ``"TIME_TRIAL"``, ``"OBJECT_AVOIDANCE"``, ``"HEAD_TO_BOT"``, ...
    action_space : ActionSpace
    hyperparameters : dict
    episodes_per_iteration : int
        Episodes of all workers together between two policy trainings.
    workers : int
        Number of simulators that drove side by side.
    first_checkpoint : int
        Number c0 of the checkpoint that drove iteration 0.
    cloned_from : str
        Model and checkpoint that the job started from.
    best_checkpoint, last_checkpoint : int
        As the trainer chose them when it wrote last (by mean progress of their evaluation drives).
    simulator_version, algorithm, network : str
    sensors : tuple of str
    log_format : str
        Vintage of the step lines.
    started, ended : float
        Unix time (s).
    """

    world: str | None = None
    race_type: str | None = None
    action_space: ActionSpace | None = None
    hyperparameters: dict | None = None
    episodes_per_iteration: int | None = None
    workers: int | None = None
    first_checkpoint: int | None = None
    cloned_from: str | None = None
    best_checkpoint: int | None = None
    last_checkpoint: int | None = None
    simulator_version: str | None = None
    algorithm: str | None = None
    network: str | None = None
    sensors: tuple[str, ...] | None = None
    log_format: str | None = None
    started: float | None = None
    ended: float | None = None


SAME_TRACK = 0.01
"""Track lengths that differ by no more than this share belong to the same track."""

START_LINE_SHARE = 0.025
"""Half the distance between two of training's starting places, as a share of the track's waypoints."""


@dataclass(frozen=True, eq=False)
class Drives:
    """A choice of a run's drives.

    Attributes
    ----------
    steps, episodes : pandas.DataFrame
        As in :class:`TrainingRun`, the chosen rows alone.
    track : Track or None
        The track they were driven on.
    track_note : str
        Where it comes from.
    """

    steps: pd.DataFrame
    episodes: pd.DataFrame
    track: Track | None
    track_note: str

    @cached_property
    def laps(self) -> pd.DataFrame:
        """The completed episodes among them."""
        return self.episodes[self.episodes["complete"]]

    @cached_property
    def hours(self) -> float | None:
        """Hours from the first of the drives to the end of the last, on the log's own clock."""
        since = self._hours_since_begin()
        return float(since.max()) if since.notna().any() else None

    @property
    def hours_by_iteration(self) -> pd.Series:
        """Hours from the first of the drives to the end of each iteration, by iteration; missing where unknown."""
        return self._hours_since_begin().groupby(self.episodes["iteration"]).max().cummax()

    def _hours_since_begin(self) -> pd.Series:
        """Hours from the first of the drives to the end of each."""
        begin = self.episodes["tstamp"]
        # Of a log on the Unix clock, the episodes that only the metrics know are on the simulation's.
        clock = [self.episodes["worker"], begin > UNIX_TIME_FROM]
        return (begin + self.episodes["time"] - begin.groupby(clock).transform("min")) / 3600

    def of_checkpoint(self, checkpoint: int) -> "Drives":
        """Return those of the drives that one checkpoint drove."""
        episodes = self.episodes[self.episodes["checkpoint"] == checkpoint]
        return replace(self, steps=_steps_of(episodes, self.steps), episodes=episodes)

    @property
    def steps_of_laps(self) -> pd.DataFrame:
        """The steps of the completed episodes."""
        return _steps_of(self.laps, self.steps)


@dataclass(frozen=True, eq=False)
class TrainingRun:
    """One training job of one model, everything its logs tell.

    Attributes
    ----------
    name : str
        What to call the model.
    steps : pandas.DataFrame
        One row per simulation step of the training drives: worker, iteration, episode, steps, x, y (m), yaw,
        steering_angle (degrees, left positive), speed (commanded, m/s), action, reward, done, on_track,
        progress (percent, from the episode's own start), closest_waypoint, track_len (m), tstamp (s),
        episode_status, pause_duration (s), obstacle_crash_counter, wall_clock (Unix s), unique_episode.
    episodes : pandas.DataFrame
        One row per training episode, see :func:`deepracer_viz.episodes.episode_table`; episodes that only
        the metrics know have ``traced`` False.
    policy_updates : pandas.DataFrame
        One row per training epoch: iteration, epoch, surrogate_loss, kl_divergence, entropy, learning_rate.
    checkpoint_evaluations : pandas.DataFrame
        One row per evaluation drive of a checkpoint during training: checkpoint, trial, progress, complete,
        time (s), end_status.
    evaluation_steps, evaluation_episodes : pandas.DataFrame
        The drives of separate evaluations and races: the same columns and ``stream``, which evaluation.
        ``checkpoint`` is -1 where the log does not say which one drove.
    metadata : RunMetadata
    report : ReadReport
        What was read, mended and left out.
    track, evaluation_track : Track or None
        The track of the training and of the evaluations, from a route file that fits or rebuilt from the
        steps; one and the same unless the evaluations were driven on another track.
    track_note, evaluation_track_note : str
        Which of the two, and why, in one sentence.
    jobs : pandas.DataFrame
        One row per training job, more than one where :func:`deepracer_viz.chain_runs` joined clones: name,
        first_iteration, last_iteration (both included), first_checkpoint (the number that the job's own log
        gives the checkpoint which drove its first iteration). Empty without training drives.
    """

    name: str
    steps: pd.DataFrame
    episodes: pd.DataFrame
    policy_updates: pd.DataFrame
    checkpoint_evaluations: pd.DataFrame
    evaluation_steps: pd.DataFrame
    evaluation_episodes: pd.DataFrame
    metadata: RunMetadata
    report: ReadReport
    track: Track | None
    track_note: str
    evaluation_track: Track | None
    evaluation_track_note: str
    jobs: pd.DataFrame = field(default_factory=lambda: jobs_of("", empty_episodes(), None))

    @property
    def laps(self) -> pd.DataFrame:
        """The completed training episodes."""
        return self.episodes[self.episodes["complete"]]

    @property
    def evaluation_laps(self) -> pd.DataFrame:
        """The completed laps of separate evaluations and races."""
        return self.evaluation_episodes[self.evaluation_episodes["complete"]]

    def drives(
        self,
        evaluations: bool = False,
        iterations: tuple[int, int] | None = None,
        from_start_line: bool = False,
        streams: list[str] | None = None,
    ) -> Drives:
        """Choose drives.

        Parameters
        ----------
        evaluations : bool
            The drives of separate evaluations and races instead of the training's.
        iterations : (int, int), optional
            First and last iteration, both included; for training drives.
        from_start_line : bool
            Only episodes that start at the line. Training moves the start round the track in steps of 5 %;
            a start within 2.5 % of the waypoints from waypoint 0 is the one at the line. Episodes known
            from the metrics alone have no known start and are left out.
        streams : list of str, optional
            Which evaluations; all of them when omitted.

        Returns
        -------
        Drives
        """
        steps, episodes = (
            (self.evaluation_steps, self.evaluation_episodes) if evaluations else (self.steps, self.episodes)
        )
        wanted = np.ones(len(episodes), dtype=bool)
        if iterations is not None and not evaluations:
            wanted &= episodes["iteration"].between(*iterations).to_numpy()
        if streams is not None and evaluations:
            wanted &= episodes["stream"].isin(streams).to_numpy()
        if from_start_line and len(steps):
            waypoints = int(steps["closest_waypoint"].max()) + 1
            start = episodes["start_at"].to_numpy()
            wanted &= np.minimum(start, waypoints - start) <= max(START_LINE_SHARE * waypoints, 1)
        where = (
            (self.evaluation_track, self.evaluation_track_note)
            if evaluations
            else (self.track, self.track_note)
        )
        if wanted.all():
            return Drives(steps, episodes, *where)
        return Drives(_steps_of(episodes[wanted], steps), episodes[wanted], *where)

    def learning(self, iterations: tuple[int, int] | None = None) -> dict[str, pd.DataFrame]:
        """Choose what the trainer and the evaluations of checkpoints say of some iterations.

        Parameters
        ----------
        iterations : (int, int), optional
            First and last iteration, both included; all of them when omitted.

        Returns
        -------
        dict
            ``policy_updates`` of these iterations, and ``evaluations``: the drives of
            ``checkpoint_evaluations`` by the checkpoints that drove them or came out of the last of them.
        """
        updates, evaluations = self.policy_updates, self.checkpoint_evaluations
        if iterations is not None:
            first, last = iterations
            drove = evaluations["checkpoint"] - (self.metadata.first_checkpoint or 0)
            updates = updates[updates["iteration"].between(first, last)]
            evaluations = evaluations[drove.between(first, last + 1)]
        return {"policy_updates": updates, "evaluations": evaluations}

    def on_routes(self, routes: list[Track]) -> "TrainingRun":
        """Return the same run on the first of these routes that fits it (else on the rebuilt track)."""
        return replace(self, **_tracks(self.steps, self.evaluation_steps, routes))

    @property
    def hours(self) -> float | None:
        """Hours from the first training drive to the end of the last, on the log's own clock."""
        return self.drives().hours

    @property
    def missing(self) -> list[str]:
        """One sentence for each kind of file that was not there: what is missing and what it would add."""
        sentences = []
        if self.steps.empty and self.evaluation_steps.empty:
            sentences.append(
                "No step lines were found: the simulation log (robomaker or simulation log) or the sim-trace "
                "CSV files would add lap times, speed, steering and the track."
            )
        elif self.steps.empty:
            sentences.append(
                "Only evaluation drives were found; the training's simulation log or sim-trace CSV files "
                "would add the checkpoints and how the model learnt."
            )
        if self.policy_updates.empty and any(file.kind == "trainer log" for file in self.report.files):
            sentences.append(
                "The trainer log holds no policy training lines (that of a SAC training never does), so there "
                "are no entropy and no losses to show."
            )
        elif self.policy_updates.empty:
            sentences.append(
                "No policy training lines were found: the trainer (SageMaker) log of a PPO training would add "
                "entropy and losses."
            )
        if not len(self.episodes) or not (self.episodes["time_source"] == "official").any():
            sentences.append(
                "No training metrics JSON was found: it would add official lap times and the evaluation drives "
                "of each checkpoint."
            )
        if len(self.episodes) and self.metadata.first_checkpoint is None:
            sentences.append(
                "No file tells the number of the first checkpoint, so numbers start at 0 as in a fresh job: the "
                "trainer log or the simulation log would tell."
            )
        if self.metadata.action_space is None:
            sentences.append("No model_metadata.json was found: it would tell the action space.")
        return sentences


def load_run(
    source: Source,
    name: str | None = None,
    track: "Track | str | os.PathLike | BinaryIO | list | None" = None,
    on_progress: Progress | None = None,
) -> TrainingRun:
    """Read the logs of one model.

    Parameters
    ----------
    source : path, (file name, binary file), or an iterable of these
        A log, a sim-trace CSV, an archive (tar, gzip, zip) or a folder at any depth; several of them; or
        files as an upload gives them, which must be seekable and stay open. What each file is, is told by
        its content. In a folder, hidden files and links are passed over.
    name : str, optional
        What to call the model; taken from the source when omitted.
    track : Track, path or binary file, or a list of these, optional
        Route files; the first that fits what was driven is used.
    on_progress : callable, optional
        Called as ``on_progress(done_bytes, total_bytes)`` while reading goes on.

    Returns
    -------
    TrainingRun

    Raises
    ------
    LogError
        Nothing was recognised (no step, no policy update, no metrics); the message names each file and what
        was looked for in it. Also for a route file that cannot be read.
    """
    report = ReadReport()
    entries = entries_of(source)
    contents = read_contents(Members(entries, on_progress), report)
    return assemble(contents, report, name or name_of(entries), track)


def assemble(
    contents: Contents,
    report: ReadReport,
    name: str,
    track: "Track | str | os.PathLike | BinaryIO | list | None" = None,
) -> TrainingRun:
    """Put together what was read of one model.

    Parameters
    ----------
    contents : Contents
        Step tables are taken out of it.
    report : ReadReport
        Of the reading; receives what was mended.
    name : str
        What to call the model.
    track : Track, path or binary file, or a list of these, optional
        As in :func:`load_run`.

    Returns
    -------
    TrainingRun

    Raises
    ------
    LogError
        As :func:`load_run` does.
    """
    streams = put_together(streams_of(contents, report), contents.metrics, report)
    streams = settle_jobs(streams, contents.metrics)
    trainer = _trainer_of(contents)
    if not streams and trainer.policy_updates.empty and trainer.checkpoints.empty and not contents.metrics:
        raise LogError(_nothing_found(report))

    official = {kind: [m for m in contents.metrics if m.kind == kind] for kind in ("training", "evaluation")}
    training = by_worker([s for s in streams if s.job == "training"], report)
    evaluations = [s for s in streams if s.job == "evaluation"]
    streams.clear()
    is_evaluation = (evaluations or official["evaluation"]) and not (training or official["training"])
    facts = _facts_of(contents, "evaluation" if is_evaluation else "training")
    hyperparameters = _first([facts["hyperparameters"], *contents.hyperparameters])
    matched = match_metrics(official["training"], training, report)
    workers = max(facts["workers"] or 1, len({*training, *matched}))
    numbering = numbering_of(training, workers, hyperparameters, trainer, report)
    steps, episodes = training_tables(training, matched, numbering)
    evaluation_steps, evaluation_episodes = evaluation_tables(evaluations, official["evaluation"], report)

    tracks = _tracks(steps, evaluation_steps, _routes(track, contents, report))
    rated = checkpoint_evaluations(matched, numbering)
    best, last = _best_and_last(contents, trainer, rated)
    started, ended = _time_span(facts, evaluation_steps if is_evaluation else steps)
    described = contents.model_metadata
    metadata = RunMetadata(
        world=facts["world"],
        race_type=facts["race_type"],
        action_space=_first([*(m.action_space for m in described), facts["action_space"]]),
        hyperparameters=hyperparameters,
        episodes_per_iteration=numbering.per_worker * workers if len(episodes) else None,
        workers=workers if len(episodes) else None,
        first_checkpoint=numbering.first_checkpoint,
        cloned_from=_cloned_from(trainer),
        best_checkpoint=best,
        last_checkpoint=last,
        simulator_version=_first([facts["simapp_version"], *(m.version for m in described)]),
        algorithm=_first([facts["algorithm"], *(m.algorithm for m in described)]),
        network=_first([facts["network"], *(m.network for m in described)]),
        sensors=_first([facts["sensors"], *(m.sensors for m in described)]),
        log_format=_first([log.steps.format or None for log in contents.logs]),
        started=started,
        ended=ended,
    )
    return TrainingRun(
        name=name,
        steps=steps,
        episodes=episodes,
        policy_updates=trainer.policy_updates,
        checkpoint_evaluations=rated,
        evaluation_steps=evaluation_steps,
        evaluation_episodes=evaluation_episodes,
        metadata=metadata,
        report=report,
        jobs=jobs_of(name, episodes, numbering.first_checkpoint),
        **tracks,
    )


def jobs_of(name: str, episodes: pd.DataFrame, first_checkpoint: int | None) -> pd.DataFrame:
    """List the one job of a run that is not joined from several.

    Parameters
    ----------
    name : str
    episodes : pandas.DataFrame
        Its training episodes.
    first_checkpoint : int or None
        Number of the checkpoint that drove iteration 0; 0 where no file tells.

    Returns
    -------
    pandas.DataFrame
        As :attr:`TrainingRun.jobs`.
    """
    last = [int(episodes["iteration"].max())] if len(episodes) else []
    table = {"first_iteration": [0] * len(last), "last_iteration": last}
    table["first_checkpoint"] = [first_checkpoint or 0] * len(last)
    return pd.DataFrame(table, dtype="int32").assign(name=pd.Series([name] * len(last), dtype="str"))[
        ["name", *table]
    ]


def _steps_of(episodes: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """The steps of some of the episodes: a view of the table where these follow each other."""
    wanted, numbers = episodes["unique_episode"].to_numpy(), steps["unique_episode"].to_numpy()
    if not len(wanted) or not len(numbers):
        return steps.iloc[:0]
    listed = np.zeros(max(wanted.max(), numbers[-1]) + 1, dtype=bool)
    listed[wanted] = True
    span = np.array([wanted.min(), wanted.max() + 1], dtype=numbers.dtype)
    if listed[slice(*span)].all():
        return steps.iloc[slice(*np.searchsorted(numbers, span))]
    return steps[listed[numbers]]


def _first(values: list):
    return next((value for value in values if value is not None), None)


def name_of(entries: list) -> str:
    """Name a model after the first of the files or folders that hold it; "" where there is none."""
    if not entries:
        return ""
    entry = entries[0]
    name = entry[0].replace("\\", "/") if isinstance(entry, tuple) else os.path.abspath(entry)
    name = os.path.basename(name.rstrip("/"))
    return _FILE_ENDINGS.sub("", name) or name


def _nothing_found(report: ReadReport) -> str:
    if not report.files:
        return (
            "There is no file to read in it. Give the logs of a training; the README says where to get them."
        )
    files = "; ".join(f"{file.name} ({_account(file)})" for file in report.files[:20])
    more = f" and {len(report.files) - 20} more" if len(report.files) > 20 else ""
    return (
        f"Nothing of a DeepRacer training was recognised in: {files}{more}. Give the whole archive as it was "
        "downloaded, or a simulation log, a trainer log, sim-trace CSV files or a metrics JSON; the route file of a "
        f"track goes where a track file is asked for. Looked for {LOOKED_FOR}."
    )


def _account(file: FileReport) -> str:
    unreadable = f", {file.skipped.total:,} lines that could not be read" if file.skipped.total else ""
    return (file.note or file.kind) + unreadable


def _trainer_of(contents: Contents) -> TrainerLog:
    """The trainer's log; when there are several, the one with the most policy updates."""
    logs = [log.lines for log in contents.logs if log.is_trainer]
    return max(logs or [read_trainer_log(b"")], key=lambda t: (len(t.policy_updates), len(t.checkpoints)))


def _facts_of(contents: Contents, job: str) -> dict:
    """What the logs say about one job; the first log that tells a thing counts, those of the job first."""
    of_job = [log.facts for log in contents.logs if (log.facts.job_type or job.upper()) == job.upper()]
    rest = [log.facts for log in contents.logs if log.facts not in of_job]
    said = [*of_job, *contents.parameters, *rest]
    facts = {name: _first([getattr(facts, name) for facts in said]) for name in LogFacts.__dataclass_fields__}
    times = [time for facts in of_job for time in (facts.start, facts.end) if time is not None]
    return facts | {"start": min(times, default=None), "end": max(times, default=None)}


def _time_span(facts: dict, steps: pd.DataFrame) -> tuple[float | None, float | None]:
    """Unix time of the first and last moment that logs or steps tell; no end that is before the last drive's."""
    driven, times = 0, []
    if len(steps):
        stamps = steps["tstamp"].to_numpy()
        begin, end = stamps.min(), stamps.max()
        driven = end - begin
        if end > UNIX_TIME_FROM:
            times += [begin if begin > UNIX_TIME_FROM else stamps[stamps > UNIX_TIME_FROM].min(), end]
        # These two pass over the rows that have none.
        times += [extreme.reduce(steps["wall_clock"].to_numpy()) for extreme in (np.fmin, np.fmax)]
    times = [time for time in times if not np.isnan(time)]
    times += [time for time in (facts["start"], facts["end"]) if time is not None]
    if not times:
        return None, None
    started, ended = float(min(times)), float(max(times))
    # The wall clock of a simulation runs up to a few percent off the simulation's own.
    return started, ended if ended - started >= 0.9 * driven else None


def _routes(track, contents: Contents, report: ReadReport) -> list[Track]:
    """The route files that were given, then those among the logs that can be read."""
    given = track if isinstance(track, list) else [] if track is None else [track]
    routes = [route if isinstance(route, Track) else load_track(route) for route in given]
    for name, data in contents.routes:
        try:
            routes.append(load_track(io.BytesIO(data)))
        except LogError as error:
            report.warn(f"{name}: {error}")
    return routes


def _tracks(steps: pd.DataFrame, evaluation_steps: pd.DataFrame, routes: list[Track]) -> dict:
    """The track of the training and of the evaluations."""
    if evaluation_steps.empty or steps.empty:
        one = other = _track_of(evaluation_steps if steps.empty else steps, routes)
    elif _on_other_track(steps, evaluation_steps):
        one, other = _track_of(steps, routes), _track_of(evaluation_steps, routes)
    else:
        # Training starts lie on the centre-line and its drives wander over the whole width: of the same
        # track it knows more. Evaluations help where training never came round.
        known = set(steps["closest_waypoint"].unique())
        drives = steps
        if not known.issuperset(evaluation_steps["closest_waypoint"].unique()):
            # Episodes of the two are different ones although both are numbered from 0.
            apart = int(steps["unique_episode"].max()) + 1
            others = evaluation_steps.assign(unique_episode=evaluation_steps["unique_episode"] + apart)
            drives = pd.concat([steps, others], ignore_index=True)
        one = other = _track_of(drives, routes)
    names = ("track", "track_note", "evaluation_track", "evaluation_track_note")
    return dict(zip(names, (*one, *other), strict=True))


def _on_other_track(steps: pd.DataFrame, evaluation_steps: pd.DataFrame) -> bool:
    length, other = (float(table["track_len"].median()) for table in (steps, evaluation_steps))
    return abs(length - other) > SAME_TRACK * length


def _track_of(steps: pd.DataFrame, routes: list[Track]) -> tuple[Track | None, str]:
    """The first route that fits the steps, else the track rebuilt from them."""
    answers = [track_for(steps, route) for route in routes] or [track_for(steps)]
    return next((answer for answer in answers if answer[0] and not answer[0].approximate), answers[0])


def _best_and_last(
    contents: Contents, trainer: TrainerLog, rated: pd.DataFrame
) -> tuple[int | None, int | None]:
    for file in contents.checkpoints:
        if file.best:
            return file.best.number, file.last.number if file.last else None
    if trainer.best_checkpoint is not None or len(rated):
        # Metrics can go on long after a simulation log breaks off, and then its word is out of date.
        return trainer.best_checkpoint, trainer.last_checkpoint
    return _first([log.lines.best_checkpoint for log in contents.logs]), None


def _cloned_from(trainer: TrainerLog) -> str | None:
    if trainer.restored is None:
        return None
    checkpoint = f"checkpoint {trainer.restored[1]}"
    return f"{trainer.pretrained_model}, {checkpoint}" if trainer.pretrained_model else checkpoint
