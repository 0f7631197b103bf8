"""One drive, step by step."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepracer_viz.analysis.passes import driven_rows
from deepracer_viz.track import Track


@dataclass(frozen=True, eq=False)
class LapTrace:
    """What the car did on one drive.

    Attributes
    ----------
    unique_episode : int
    complete : bool
        Whether it is a lap.
    time : float
        Lap time, or time driven until it ended (s).
    steps : pandas.DataFrame
        One row per driven step: ``step`` (from 0); ``time`` (s since the first of them); ``along`` (m along the track
        from waypoint 0, counted on past the start line; without a track the m driven); ``x``, ``y`` (m);
        ``true_speed`` (m/s, over the step before and the one after), ``speed`` (commanded, m/s), ``steering_angle``
        (degrees, left positive), ``reward``, ``progress`` (%), ``waypoint``, ``section`` ("" where unknown).
    length : float or None
        Of the track (m).
    """

    unique_episode: int
    complete: bool
    time: float
    steps: pd.DataFrame
    length: float | None


def lap_trace(
    steps: pd.DataFrame, episodes: pd.DataFrame, unique_episode: int, track: Track | None = None
) -> LapTrace:
    """Take one drive out of the step table.

    Parameters
    ----------
    steps : pandas.DataFrame
        Step table of whole episodes, sorted by unique_episode.
    episodes : pandas.DataFrame
        Their episodes.
    unique_episode : int
        Which one.
    track : Track, optional
        Where it was driven.

    Returns
    -------
    LapTrace
        ``steps`` is empty for a drive that is known from the metrics alone.

    Raises
    ------
    KeyError
        When there is no such episode.
    """
    of_episode = episodes[episodes["unique_episode"] == unique_episode]
    if of_episode.empty:
        raise KeyError(f"there is no episode {unique_episode}")
    first, stop = np.searchsorted(steps["unique_episode"].to_numpy(), [unique_episode, unique_episode + 1])
    rows = steps.iloc[first:stop]
    rows = rows[driven_rows(rows)]
    x, y, clock = (rows[name].to_numpy(float) for name in ("x", "y", "tstamp"))
    if track is None:
        along = np.cumsum(np.hypot(np.diff(x, prepend=x[:1]), np.diff(y, prepend=y[:1])))
    else:
        along = _unrolled(track.position(x, y, rows["closest_waypoint"])[0], track)
    table = pd.DataFrame(
        {
            "step": np.arange(len(rows)),
            "time": clock - clock[0] if len(rows) else clock,
            "along": along,
            "x": x,
            "y": y,
            "true_speed": _speed(x, y, clock),
            "speed": rows["speed"].to_numpy(float),
            "steering_angle": rows["steering_angle"].to_numpy(float),
            "reward": rows["reward"].to_numpy(float),
            "progress": rows["progress"].to_numpy(float),
            "waypoint": rows["closest_waypoint"].to_numpy(),
            "section": "" if track is None else track.section_of(rows["closest_waypoint"]),
        }
    )
    told = of_episode.iloc[0]
    return LapTrace(
        unique_episode=int(unique_episode),
        complete=bool(told["complete"]),
        time=float(told["time"]),
        steps=table,
        length=None if track is None else float(track.length),
    )


def beside(trace: LapTrace, other: LapTrace) -> pd.DataFrame:
    """Lay another drive beside one, wherever on the track either of them began.

    Parameters
    ----------
    trace, other : LapTrace
        Of the same track.

    Returns
    -------
    pandas.DataFrame
        The steps of ``other`` over the stretch that ``trace`` drove, with ``along`` counted as in ``trace``, in
        order of ``along``, and ``lap``, which lap of the track that is: a line is not to be drawn from one to the next.
    """
    if trace.length is None or trace.steps.empty or other.steps.empty:
        return other.steps.iloc[:0].assign(lap=np.zeros(0, dtype=int))
    low, high = trace.steps["along"].min(), trace.steps["along"].max()
    reach = other.steps["along"].min(), other.steps["along"].max()
    laps = range(int((low - reach[1]) // trace.length), int((high - reach[0]) // trace.length) + 1)
    shifted = pd.concat(
        [other.steps.assign(along=other.steps["along"] + lap * trace.length, lap=lap) for lap in laps]
    )
    return shifted[shifted["along"].between(low, high)].sort_values("along").reset_index(drop=True)


def _unrolled(along: np.ndarray, track: Track) -> np.ndarray:
    """Count on past the start line; a place that is not known stays so."""
    if not track.closed:
        return along
    known = np.isfinite(along)
    jumps = np.diff(along[known])
    laps = np.concatenate(
        [[0], np.cumsum((jumps < -track.length / 2).astype(int) - (jumps > track.length / 2))]
    )
    unrolled = along.copy()
    unrolled[known] += track.length * laps[: known.sum()]
    return unrolled


def _speed(x: np.ndarray, y: np.ndarray, clock: np.ndarray) -> np.ndarray:
    """Way over time from the step before to the step after; at the ends from the step itself."""
    if len(x) < 2:
        return np.full(len(x), np.nan)
    before, after = np.maximum(np.arange(len(x)) - 1, 0), np.minimum(np.arange(len(x)) + 1, len(x) - 1)
    metres = np.concatenate([[0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    seconds = clock[after] - clock[before]
    return np.divide(metres[after] - metres[before], seconds, out=np.full(len(x), np.nan), where=seconds > 0)
