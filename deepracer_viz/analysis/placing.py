"""Derives once, for all drives of a run, what any choice of them needs again: see `Placed`."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from deepracer_viz.analysis.driving.kept import KeptTraces, keep_traces
from deepracer_viz.analysis.driving.profile import in_blocks
from deepracer_viz.analysis.driving.traces import STANDING_START, driven_rows, drives, whole_episodes
from deepracer_viz.analysis.passes import Driven, broken_off, drifts_at_lock, over_steers
from deepracer_viz.analysis.passes import driven_rows as counted_rows
from deepracer_viz.analysis.placed import (
    COUNTED,
    DRIVEN,
    ENDS,
    FIRST,
    FLYING,
    GRAIN,
    MOVING,
    TICK,
    PlacedSteps,
    binned,
)
from deepracer_viz.track import Track

_AT_A_TIME = (
    1 << 17
)  # steps that are looked at together: what is worked out meanwhile is ten times the answer


def place_steps(steps: pd.DataFrame, track: Track) -> PlacedSteps:
    """Work out what the track and the row before tell of each step.

    Parameters
    ----------
    steps : pandas.DataFrame
        Step table of whole drives, rows of one episode following each other, episodes in ascending order.
    track : Track
        The track.

    Returns
    -------
    PlacedSteps
    """
    episode = steps["unique_episode"].to_numpy()
    first_row = np.append(np.flatnonzero(np.diff(episode, prepend=-1)), len(steps))
    counted = counted_rows(steps)
    turned = steps["steering_angle"].to_numpy()
    widest = (float(turned.min(initial=0, where=counted)), float(turned.max(initial=0, where=counted)))
    flags = np.where(counted, COUNTED, np.uint8(0))
    flags[broken_off(steps)] |= ENDS
    true_speed, offset = (np.full(len(steps), np.nan, dtype=np.float32) for _ in range(2))
    ticks, grains = (np.zeros(len(steps), dtype=np.uint16) for _ in range(2))
    passes, locks, number = [], [], 0
    for part in whole_episodes(steps, _AT_A_TIME):
        some = steps.iloc[part]
        rows = part.start + np.flatnonzero(drives(some))
        driving, metres, seconds, running = driven_rows(some)
        moving = np.isfinite(seconds)
        flags[rows] |= DRIVEN
        flags[rows[moving]] |= MOVING
        flags[rows[moving & (running >= STANDING_START)]] |= FLYING
        waypoint = driving["closest_waypoint"].to_numpy().astype(np.int64)
        visit = driving["unique_episode"].to_numpy() * (waypoint.max(initial=0) + 1) + waypoint
        flags[rows[np.unique(visit, return_index=True)[1]]] |= FIRST
        metres, seconds, rows = metres[moving], seconds[moving], rows[moving]
        ticks[rows], grains[rows] = np.rint(seconds / TICK), np.rint(metres / GRAIN)
        true_speed[rows] = metres / seconds

        rows = part.start + np.flatnonzero(counted[part])
        driven = Driven(some[counted[part]], track)
        offset[rows] = beside = track.position(driven.x, driven.y, driven.waypoint)[1]
        locked = drifts_at_lock(driven, beside, widest)
        outward = -driven.side[driven.section[locked]] * beside[locked]
        passes.append((rows[driven.begins], driven.pass_section, driven.pass_steps, over_steers(driven)))
        locks.append((rows[locked], number + driven.passes[locked], outward))
        number += driven.pass_count
    pass_row, pass_section, pass_steps, pass_over = _joined(passes, (np.int32, np.int16, np.int32, bool))
    lock_row, lock_pass, lock_outward = _joined(locks, (np.int32, np.int32, np.float32))
    driving = (flags & DRIVEN) != 0
    placed = PlacedSteps(
        flags=flags,
        speed=binned(steps["speed"].to_numpy(), driving),
        steering=binned(steps["steering_angle"].to_numpy(), driving),
        true_speed=binned(true_speed, driving),
        offset=binned(offset, counted),
        reward=binned(steps["reward"].to_numpy(), counted),
        ticks=ticks,
        grains=grains,
        episode=episode[first_row[:-1]],
        first_row=first_row,
        pass_row=pass_row,
        pass_section=pass_section,
        pass_steps=pass_steps,
        pass_over=pass_over,
        lock_row=lock_row,
        lock_pass=lock_pass,
        lock_outward=lock_outward,
    )
    return replace(placed, blocks=in_blocks(steps, placed))


def _joined(parts: list[tuple], types: tuple) -> list[np.ndarray]:
    """Columns of the parts, one after the other."""
    columns = zip(*parts, strict=True) if parts else [()] * len(types)
    return [
        np.concatenate([np.zeros(0, dtype=kind), *column]).astype(kind)
        for column, kind in zip(columns, types, strict=True)
    ]


@dataclass(frozen=True, eq=False)
class Placed:
    """All that is derived once of a run's drives, or of some of them.

    Attributes
    ----------
    steps : PlacedSteps
    traces : KeptTraces or None
        None where no driven step has a place on the track.
    """

    steps: PlacedSteps
    traces: KeptTraces | None

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return self.steps.nbytes + (0 if self.traces is None else self.traces.nbytes)

    def of(self, episodes: pd.DataFrame) -> "Placed":
        """The part that belongs to some of the episodes."""
        return Placed(self.steps.of(episodes), None if self.traces is None else self.traces.of(episodes))


def place(steps: pd.DataFrame, episodes: pd.DataFrame, track: Track) -> Placed:
    """Derive all that choices of drives can be made from.

    Parameters
    ----------
    steps, episodes : pandas.DataFrame
        All drives of a run, as for `place_steps` and `lay_along`.
    track : Track
        The track.
    """
    return Placed(place_steps(steps, track), keep_traces(steps, episodes, track))
