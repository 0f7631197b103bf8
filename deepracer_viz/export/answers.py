"""All answers of the page for one choice of drives, in one object."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from deepracer_viz.analysis.actions import ActionUse, action_use
from deepracer_viz.analysis.checkpoints import CheckpointChoice, choose_checkpoint
from deepracer_viz.analysis.convergence import TrainingProgress, training_progress
from deepracer_viz.analysis.driving import (
    driving_profile,
    driving_verdict,
    find_inefficiencies,
    section_times,
    time_account,
)
from deepracer_viz.analysis.driving.timing import TimeAccount
from deepracer_viz.analysis.envelope import PerformanceEnvelope, performance_envelope
from deepracer_viz.analysis.placing import Placed, place
from deepracer_viz.analysis.races import RaceFormat
from deepracer_viz.analysis.rewards import RewardMap, reward_map
from deepracer_viz.analysis.trend import completion_trend
from deepracer_viz.run import Drives, TrainingRun


@dataclass(frozen=True, eq=False)
class Answers:
    """What the analyses say of a choice of drives.

    Attributes
    ----------
    run : TrainingRun
    drives : Drives
        The chosen drives.
    evaluations, from_start_line : bool
        Whether they are drives of separate evaluations; whether only drives from the start line were chosen.
    envelope : PerformanceEnvelope
    choice : CheckpointChoice or None
        None for drives of evaluations: their checkpoints are ranked by the training.
    progress : TrainingProgress or None
        None for drives of evaluations: nothing is learnt in them.
    findings : pandas.DataFrame
        Answer of :func:`~deepracer_viz.analysis.driving.find_inefficiencies`.
    section_times : pandas.DataFrame
        Answer of :func:`~deepracer_viz.analysis.driving.section_times`.
    account : TimeAccount
    profile : pandas.DataFrame
        Answer of :func:`~deepracer_viz.analysis.driving.driving_profile`.
    driving : str
        Verdict on the driving.
    rewards : RewardMap
    actions : ActionUse
    race : RaceFormat
        The race that the checkpoint is chosen for.
    """

    run: TrainingRun
    drives: Drives
    evaluations: bool
    from_start_line: bool
    envelope: PerformanceEnvelope
    choice: CheckpointChoice | None
    progress: TrainingProgress | None
    findings: pd.DataFrame
    section_times: pd.DataFrame
    account: TimeAccount
    profile: pd.DataFrame
    driving: str
    rewards: RewardMap
    actions: ActionUse
    race: RaceFormat


def answer(
    run: TrainingRun,
    evaluations: bool | None = None,
    iterations: tuple[int, int] | None = None,
    from_start_line: bool = False,
    streams: list[str] | None = None,
    race: RaceFormat | None = None,
    window: int = 3,
    placed: Placed | None = None,
) -> Answers:
    """Answer the questions of the page for a choice of drives.

    Parameters
    ----------
    run : TrainingRun
    evaluations : bool, optional
        Drives of separate evaluations instead of the training's; when omitted, only where there is no training.
    iterations, from_start_line, streams
        As for :meth:`TrainingRun.drives`.
    race : RaceFormat, optional
        The race and the lap time to beat; best of three laps without a target when omitted.
    window : int
        Iterations in the moving averages.
    placed : Placed, optional
        The chosen drives as :func:`~deepracer_viz.analysis.placing.place` returns them, where they are at hand.

    Returns
    -------
    Answers
    """
    evaluations = run.episodes.empty if evaluations is None else evaluations
    race = race or RaceFormat()
    drives = run.drives(evaluations, iterations, from_start_line, streams)
    steps, episodes, track = drives.steps, drives.episodes, drives.track
    space = run.metadata.action_space
    choice = progress = None
    if not evaluations:
        rated = run.checkpoint_evaluations
        choice = choose_checkpoint(
            episodes,
            # Checkpoints without a chosen drive are not in the race either.
            rated[rated["checkpoint"].isin(episodes["checkpoint"])],
            race=race,
            best=run.metadata.best_checkpoint,
            last=run.metadata.last_checkpoint,
            other_races=False,
        )
        progress = training_progress(episodes, window=window, **run.learning(iterations))
    if placed is None and track is not None and len(steps):
        placed = place(steps, episodes, track)
    known, traces = placed and placed.steps, placed and placed.traces
    findings = find_inefficiencies(steps, episodes, track, traces)
    times = section_times(steps, episodes, track, traces)
    return Answers(
        run=run,
        drives=drives,
        evaluations=evaluations,
        from_start_line=from_start_line,
        envelope=performance_envelope(
            drives.laps["time"], race.target, None if evaluations else completion_trend(episodes)
        ),
        choice=choice,
        progress=progress,
        findings=findings,
        section_times=times,
        account=time_account(times),
        profile=driving_profile(steps, track, known),
        driving=driving_verdict(findings, episodes),
        rewards=reward_map(steps, track, episodes=episodes, placed=known),
        actions=action_use(steps, space.actions if space else None, known),
        race=race,
    )


def _ranking(answers: Answers) -> pd.DataFrame:
    return pd.DataFrame() if answers.choice is None else answers.choice.ranking


def _iterations(answers: Answers) -> pd.DataFrame:
    return pd.DataFrame() if answers.progress is None else answers.progress.iterations


def _consistency(answers: Answers) -> pd.DataFrame:
    return pd.DataFrame() if answers.progress is None else answers.progress.consistency


ANSWER_TABLES: dict[str, tuple[str, Callable[[Answers], pd.DataFrame]]] = {
    "envelope": ("Best cases: lap times at -1, -2 and -3 SD.", lambda answers: answers.envelope.markers),
    "ranking": ("The checkpoints, best first.", _ranking),
    "iterations": ("Reward, progress, completion and entropy of each iteration.", _iterations),
    "consistency": ("How often and how evenly it finished, before it converged and since.", _consistency),
    "findings": ("Where the car loses time, costliest first.", lambda answers: answers.findings),
    "time_account": (
        "What a typical lap loses on a fast one, by section.",
        lambda answers: answers.account.sections,
    ),
    "section_times": ("Seconds of each drive in each section.", lambda answers: answers.section_times),
    "profile": ("Speed and steering at each waypoint.", lambda answers: answers.profile),
    "reward_sections": (
        "The turns and straights, the one to work on next first.",
        lambda answers: answers.rewards.sections,
    ),
    "reward_cells": ("Mean reward of each square of the map.", lambda answers: answers.rewards.cells),
    "actions": ("How often each action was taken.", lambda answers: answers.actions.table),
}
"""Tables of the answers: what each holds, and how it is taken from them."""
