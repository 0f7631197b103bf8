"""A model and the clones that continue it, as one history: several runs in, one run out."""

import re
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from deepracer_viz.logs.errors import LogError
from deepracer_viz.logs.formats import UNIX_TIME_FROM
from deepracer_viz.logs.report import ReadReport
from deepracer_viz.run import SAME_TRACK, TrainingRun

_CLONED = re.compile(r"(?:(?P<model>.*), )?checkpoint (?P<number>\d+)$")


class Continuation(NamedTuple):
    """Whether one training can be the clone that continues another.

    Attributes
    ----------
    possible : bool
    why : str
        The reason in one sentence.
    named : bool
        The second names the first as its origin.
    same_track : bool
        Nothing tells that they drove on different tracks.
    """

    possible: bool
    why: str
    named: bool = False
    same_track: bool = True


def begins_afresh(run: TrainingRun) -> bool:
    """Tell whether a training is known to continue no other one: its trainer log would name the model.

    Parameters
    ----------
    run : TrainingRun

    Returns
    -------
    bool
    """
    about = run.metadata
    return about.cloned_from is None and len(run.policy_updates) > 0 and about.first_checkpoint is not None


def can_follow(first: TrainingRun, second: TrainingRun) -> Continuation:
    """Say whether the second training can be a clone that continues the first.

    Parameters
    ----------
    first, second : TrainingRun

    Returns
    -------
    Continuation
        Possible unless something the two say speaks against it.
    """
    a, b = first.metadata, second.metadata
    one, other = first.name, second.name
    for run in (first, second):
        if run.episodes.empty:
            return Continuation(False, f"{run.name} holds no training drives.")
    if _same_job(first, second):
        return Continuation(False, f"{one} and {other} hold the same drives.")
    if a.ended is not None and b.started is not None and b.started < a.ended:
        return Continuation(False, f"{other} began before {one} ended.")
    if begins_afresh(second):
        return Continuation(False, f"The trainer log of {other} names no model that it was cloned from.")
    if not _same_outputs(first, second):
        return Continuation(
            False, f"{one} and {other} choose from different numbers of actions, which a clone cannot."
        )
    if None not in (a.algorithm, b.algorithm) and a.algorithm != b.algorithm:
        return Continuation(
            False, f"{one} learnt by {a.algorithm} and {other} by {b.algorithm}, which a clone cannot change."
        )
    same_track = _same_track(first, second)
    elsewhere = f" It drives another track ({_track_of(first)}, then {_track_of(second)})."
    elsewhere = "" if same_track else elsewhere
    if b.cloned_from is None:
        why = f"Nothing speaks against it, but {other} does not tell its origin.{elsewhere}"
        return Continuation(True, why, same_track=same_track)
    cloned = _CLONED.match(b.cloned_from)
    number = int(cloned["number"]) if cloned else None
    if cloned and cloned["model"] and _is_called(first, cloned["model"]):
        return Continuation(True, f"{other} is a clone of {b.cloned_from}.{elsewhere}", True, same_track)
    begins = a.first_checkpoint or 0
    ends = begins + _iterations(first)
    if a.first_checkpoint is not None and number is not None and not begins <= number <= ends:
        why = f"{other} is a clone of {b.cloned_from}, and {one} has checkpoints {begins} to {ends} alone."
        return Continuation(False, why)
    why = f"{other} is a clone of {b.cloned_from}; nothing tells whether that is {one}."
    return Continuation(True, why + elsewhere, same_track=same_track)


def chain_runs(runs: list[TrainingRun], name: str | None = None, as_given: bool = False) -> TrainingRun:
    """Join a model and the clones that continue it, or the jobs of one model, into one history.

    Iterations, episodes and their ``unique_episode`` are numbered on. Checkpoints run on with the
    iterations, whatever the clone's own log calls them: iteration N is driven by checkpoint c0 + N throughout,
    c0 the first job's. A clone numbers its own from where its log says, mostly the one after the checkpoint it
    was cloned from, which need not be the last; the files keep those numbers. ``jobs`` of the answer tells them:
    checkpoint k of a job is its own ``first_checkpoint + k - (c0 + first_iteration)``.

    Times add up: the clock (``tstamp``) of each job begins where that of the job before ended, so the pauses
    between jobs do not count; ``wall_clock`` stays as it is. The track is the first job's, and so is what the
    metadata say of world, actions and settings; the best and last checkpoint are those of the last job.

    Parameters
    ----------
    runs : list of TrainingRun
        At least one.
    name : str, optional
        What to call the history; by the names of the jobs when omitted.
    as_given : bool
        Keep the order of the list. Otherwise it is that of their beginning where all tell it, else a clone
        comes after the model that it names, and lower first checkpoints come before higher ones.

    Returns
    -------
    TrainingRun
        Evaluations of all jobs are kept side by side. Differing tracks or actions are told in its report.

    Raises
    ------
    LogError
        There is nothing to join, or two of the runs are the same training.
    """
    if not runs:
        raise LogError("There is no model to join.")
    for i, run in enumerate(runs):
        twin = next((other for other in runs[:i] if _same_job(other, run)), None)
        if twin:
            raise LogError(f"{twin.name} and {run.name} hold the same drives; leave one of them out.")
    if len(runs) == 1:
        return runs[0]
    runs = list(runs) if as_given else _in_order(runs)
    first = runs[0]
    begin = first.metadata.first_checkpoint or 0
    iteration, episode, unique, unique_evaluation = 0, 0, 0, 0
    end = _end_of(first)
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in _TABLES}
    jobs, begun = [], []
    best = last = None
    for run in runs:
        shift = begin + iteration - (run.metadata.first_checkpoint or 0)
        steps, episodes = run.steps, run.episodes
        if begun and len(episodes):
            clock = _clock_from(episodes, end)
            steps, episodes = (_on_clock(table, clock) for table in (steps, episodes))
            end += (run.hours or 0) * 3600
        begun.append(iteration)
        numbers = {"iteration": iteration, "episode": episode, "unique_episode": unique}
        tables["steps"].append(_moved(steps, numbers))
        tables["episodes"].append(_moved(episodes, {**numbers, "checkpoint": shift}))
        tables["policy_updates"].append(_moved(run.policy_updates, {"iteration": iteration}))
        tables["checkpoint_evaluations"].append(_moved(run.checkpoint_evaluations, {"checkpoint": shift}))
        apart = {"unique_episode": unique_evaluation}
        tables["evaluation_steps"].append(_named(_moved(run.evaluation_steps, apart), run.name))
        known = _moved(run.evaluation_episodes, {**apart, "checkpoint": shift})
        tables["evaluation_episodes"].append(_named(known, run.name))
        jobs.append(_moved(run.jobs, {"first_iteration": iteration, "last_iteration": iteration}))
        about = run.metadata
        best, last = (
            None if k is None else k + shift for k in (about.best_checkpoint, about.last_checkpoint)
        )
        iteration += _iterations(run)
        episode += int(run.episodes["episode"].max()) + 1 if len(run.episodes) else 0
        unique += len(run.episodes)
        unique_evaluation += len(run.evaluation_episodes)
    raced = next((run for run in runs if run.evaluation_track is not None), first)
    jobs = pd.concat(jobs, ignore_index=True)
    return replace(
        first,
        name=name or ", then ".join(run.name for run in runs),
        **{name: _joined(parts) for name, parts in tables.items()},
        metadata=replace(
            first.metadata,
            best_checkpoint=best,
            last_checkpoint=last,
            ended=runs[-1].metadata.ended,
        ),
        report=_report_of(runs, begun),
        evaluation_track=raced.evaluation_track,
        evaluation_track_note=raced.evaluation_track_note,
        jobs=jobs,
    )


_TABLES = (
    "steps",
    "episodes",
    "policy_updates",
    "checkpoint_evaluations",
    "evaluation_steps",
    "evaluation_episodes",
)


def _in_order(runs: list[TrainingRun]) -> list[TrainingRun]:
    if all(run.metadata.started is not None for run in runs):
        return sorted(runs, key=lambda run: run.metadata.started)

    def depth(run: TrainingRun, below: tuple = ()) -> int:
        cloned = _CLONED.match(run.metadata.cloned_from or "")
        if not cloned:
            return 0
        others = [other for other in runs if other is not run and other not in below]
        named = [other for other in others if cloned["model"] and _is_called(other, cloned["model"])]
        return 1 + max((depth(other, (*below, run)) for other in named), default=0)

    return sorted(runs, key=lambda run: (depth(run), run.metadata.first_checkpoint or 0))


def _is_called(run: TrainingRun, model: str) -> bool:
    """Whether a run is called like a model; what stands round the name (a date, a file's ending) may differ."""
    return re.search(rf"(?<![^\W_]){re.escape(model)}(?![^\W_])", run.name) is not None


def _iterations(run: TrainingRun) -> int:
    """Iterations of a run, those that only its trainer log knows included."""
    numbers = [
        int(table["iteration"].max()) + 1 for table in (run.episodes, run.policy_updates) if len(table)
    ]
    return max(numbers, default=0)


def _same_job(one: TrainingRun, other: TrainingRun) -> bool:
    columns = ["episode", "steps", "progress", "time", "tstamp"]
    a, b = one.episodes[columns], other.episodes[columns]
    rows = min(len(a), len(b))
    return rows > 0 and a.iloc[:rows].equals(b.iloc[:rows])


def _same_track(one: TrainingRun, other: TrainingRun) -> bool:
    if one.track is not None and other.track is not None:
        return abs(one.track.length - other.track.length) <= SAME_TRACK * one.track.length
    return None in (one.metadata.world, other.metadata.world) or one.metadata.world == other.metadata.world


def _track_of(run: TrainingRun) -> str:
    return run.metadata.world or (run.track.name if run.track else "unknown")


def _same_outputs(one: TrainingRun, other: TrainingRun) -> bool:
    """Whether the networks of two runs have as many outputs; unknown counts as that."""
    a, b = one.metadata.action_space, other.metadata.action_space
    if a is None or b is None:
        return True
    return a.kind == b.kind and (a.actions is None or b.actions is None or len(a.actions) == len(b.actions))


def _end_of(run: TrainingRun) -> float:
    """When the drives of a run end, on the clock of those that were traced (s); 0 where no time is known."""
    begin = run.episodes["tstamp"]
    unix = begin > UNIX_TIME_FROM
    same_clock = unix == unix[run.episodes["traced"]].any()
    end = (begin + run.episodes["time"])[same_clock].max()
    return 0.0 if pd.isna(end) else float(end)


def _clock_from(episodes: pd.DataFrame, begin: float) -> dict[bool, float]:
    """What to add to the simulation's clock (False) and to Unix time (True) so that the drives start at `begin`."""
    starts = episodes["tstamp"].groupby(episodes["tstamp"] > UNIX_TIME_FROM).min().dropna()
    return {bool(unix): begin - float(start) for unix, start in starts.items()}


def _on_clock(table: pd.DataFrame, clock: dict[bool, float]) -> pd.DataFrame:
    time = table["tstamp"].to_numpy()
    return table.assign(
        tstamp=time + np.where(time > UNIX_TIME_FROM, clock.get(True, 0), clock.get(False, 0))
    )


def _moved(table: pd.DataFrame, numbers: dict[str, int]) -> pd.DataFrame:
    """Number columns on; -1, which stands for unknown, stays."""
    columns = {}
    for name, by in numbers.items():
        values = table[name].to_numpy()
        columns[name] = np.where(values >= 0, values + by, values).astype(values.dtype)
    return table.assign(**columns)


def _named(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Tell the evaluations of several jobs apart by the name of their job."""
    streams = table["stream"].cat.rename_categories(lambda stream: f"{name}: {stream}")
    return table.assign(stream=streams)


def _joined(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Join tables of the same columns; those that are categories stay so."""
    kinds = parts[0].dtypes
    categories = {
        name: _joined_categories([part[name] for part in parts])
        for name, kind in kinds.items()
        if isinstance(kind, pd.CategoricalDtype)
    }
    bare = [part.drop(columns=list(categories)) for part in parts]
    return pd.concat(bare, ignore_index=True).assign(**categories)[list(kinds.index)]


def _joined_categories(parts: list[pd.Series]) -> pd.Categorical:
    filled = [part.cat.categories for part in parts if len(part)] or [parts[0].cat.categories]
    known = filled[0].append(filled[1:]).unique()
    # The code -1, no value, takes the last place, which says -1 again.
    codes = [np.r_[known.get_indexer(part.cat.categories), -1][part.cat.codes] for part in parts]
    return pd.Categorical.from_codes(np.concatenate(codes), known)


def _report_of(runs: list[TrainingRun], begun: list[int]) -> ReadReport:
    report = ReadReport()
    for run in runs:
        report.files += [replace(file, name=f"{run.name}/{file.name}") for file in run.report.files]
        for count in ("reordered", "duplicates", "dummy_rows", "only_in_log", "only_in_csv", "differing"):
            setattr(report, count, getattr(report, count) + getattr(run.report, count))
        for warning in run.report.warnings:
            report.warn(f"{run.name}: {warning}")
    for (before, run), iteration in zip(pairwise(runs), begun[1:], strict=True):
        since = f"From iteration {iteration} on, {run.name}"
        if not _same_track(before, run):
            report.warn(
                f"{since} drives another track ({_track_of(before)} before, {_track_of(run)} then): lap times "
                "before and after do not compare, and what is drawn on the track is of the first."
            )
        spaces = [r.metadata.action_space for r in (before, run)]
        if None not in spaces and spaces[0].describe() != spaces[1].describe():
            report.warn(
                f"{since} has other actions ({spaces[0].describe()} before, {spaces[1].describe()} then): the "
                "number of an action means something else before and after."
            )
        own, here = (r.metadata.first_checkpoint or 0 for r in (run, runs[0]))
        here += iteration
        if own != here:
            report.warn(
                f"Checkpoints run on: checkpoint {here} is the one that {run.name} calls {own}, and so on, and its "
                "files carry its own numbers."
            )
    return report
