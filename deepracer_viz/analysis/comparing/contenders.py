"""Who is compared: models, or ranges of iterations of one, and whether they drove on the same track."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepracer_viz.track import Track

MOST_CONTENDERS = 4
"""More lines than this on one chart cannot be told apart."""

SAME_LENGTH = 0.01
"""Track lengths that differ by no more than this share may belong to the same track."""

SAME_PLACE = 0.6
"""Metres, about half a road, that a waypoint of one track may lie beside the same waypoint of the other."""

_LEAST_POINTS = 5  # waypoints that both know, below which their places say nothing


@dataclass(frozen=True, eq=False)
class Contender:
    """One of those that are compared: the chosen drives of a model.

    Attributes
    ----------
    name : str
        What it is called everywhere.
    steps, episodes : pandas.DataFrame
        The chosen drives, as :class:`deepracer_viz.run.Drives` holds them.
    track : Track or None
        What they were driven on.
    world : str or None
        Name of the track in the simulator, for drives without a traced step.
    evaluations : pandas.DataFrame or None
        Evaluation drives of the same checkpoints during training.
    policy_updates : pandas.DataFrame or None
        Policy updates of the same iterations.
    hours : pandas.Series or None
        Hours of training at the end of each iteration, by iteration.
    """

    name: str
    steps: pd.DataFrame
    episodes: pd.DataFrame
    track: Track | None = None
    world: str | None = None
    evaluations: pd.DataFrame | None = None
    policy_updates: pd.DataFrame | None = None
    hours: pd.Series | None = None

    @property
    def of_training(self) -> bool:
        """Whether these are training drives, not those of separate evaluations."""
        return "stream" not in self.episodes


def track_differs(first: Contender, other: Contender) -> str:
    """Say why times of the two cannot be held against each other.

    The waypoints of both tracks have to lie at the same places, which also tells the two directions of a track
    apart. Where a model has no traced step, the name of the track has to be the same.

    Parameters
    ----------
    first, other : Contender

    Returns
    -------
    str
        One sentence; "" where both drove the same track in the same direction.
    """
    one, two = first.track, other.track
    if one is None or two is None:
        worlds = [contender.world and contender.world.lower() for contender in (first, other)]
        if worlds[0] and worlds[0] == worlds[1]:
            return ""
        if all(worlds):
            return f"{other.name} drove on {other.world}, {first.name} on {first.world}."
        return f"The logs do not tell whether {other.name} drove on the same track as {first.name}."
    if one is two:
        return ""
    if abs(one.length - two.length) > SAME_LENGTH * one.length:
        return (
            f"The track of {other.name} is {two.length:.1f} m long, that of {first.name} {one.length:.1f} m."
        )
    count = min(len(one.center), len(two.center))
    away = np.hypot(*(one.center[:count] - two.center[:count]).T)
    away = away[np.isfinite(away)]
    reach = SAME_PLACE + 2 * one.length / max(len(one.center), 1)
    if len(away) < _LEAST_POINTS or np.median(away) > reach:
        return (
            f"The waypoints of {other.name} lie at other places than those of {first.name}: it drove on another track, "
            "the other way round, or in a simulator that numbers them otherwise."
        )
    return ""


def on_one_track(contenders: list[Contender]) -> tuple[list[Contender], list[str]]:
    """Choose those that drove on the track of the first.

    Parameters
    ----------
    contenders : list of Contender

    Returns
    -------
    alike : list of Contender
        The first and those on the same track, in the same order.
    reasons : list of str
        One sentence for each of the others.
    """
    reasons = [track_differs(contenders[0], other) for other in contenders]
    alike = [contender for contender, reason in zip(contenders, reasons, strict=True) if not reason]
    return alike, [reason for reason in reasons if reason]


def shared_track(contenders: list[Contender]) -> Track | None:
    """Track that drives of all can be laid along: the first from a route file, else the first there is."""
    tracks = [contender.track for contender in contenders if contender.track is not None]
    return next((track for track in tracks if not track.approximate), tracks[0] if tracks else None)
