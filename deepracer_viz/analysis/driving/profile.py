"""Speed and steering at every waypoint: how the car drives there, without a judgement."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd

from deepracer_viz.analysis.driving.traces import STANDING_START, driven_rows
from deepracer_viz.analysis.placed import DRIVEN, FIRST, FLYING, GRAIN, MOVING, TICK, Blocks, PlacedSteps
from deepracer_viz.track import Track

_COUNTS = ("visits", "episodes")
_AT_SPEED = ("true_speeds", "grains", "ticks")
_BYTES_OF_BLOCKS = 1.0  # bytes of sums for each step: few blocks, but most of a long range is whole ones
_AT_A_TIME = 1 << 17  # steps that are added up together


def driving_profile(
    steps: pd.DataFrame, track: Track | None = None, placed: PlacedSteps | None = None
) -> pd.DataFrame:
    """Speed and steering at every waypoint, over all steps in which the car drives.

    Parameters
    ----------
    steps : pandas.DataFrame
        Step table, rows of one episode following each other.
    track : Track, optional
        Adds section, distance, x and y; its waypoints are in the table even if no step reached them.
    placed : PlacedSteps, optional
        What is known of the same steps, where it is at hand: much the fastest. Quartiles then have the error of
        `deepracer_viz.analysis.placed.Binned.quantiles`, and true speeds one of 0.02 mm and 0.01 ms a step.

    Returns
    -------
    pandas.DataFrame
        One row per waypoint from 0 on:

        - waypoint;
        - visits: steps whose closest waypoint it is; episodes: how many different ones they belong to;
        - speed, speed_low, speed_high: mean and quartiles of the commanded speed (m/s);
        - true_speed: metres driven in the steps that end here over the seconds they took (m/s); true_speed_low
          and true_speed_high: quartiles of the speed of single steps (m/s);
        - steering_angle, steering_low, steering_high: mean and quartiles (degrees, left positive);
        - with a track: section, distance (m from waypoint 0), x and y (m).

        What was never seen is NaN, not 0. Rows in which the car is held still do not count, and a true speed
        takes two driven rows of one episode, one after the other. The first `STANDING_START` seconds of a drive
        count for the true speed only where no other steps ended: training starts all round the track, and speeds
        from standstill would be dips in the picture of how the car drives there.
    """
    seen = _profile(steps) if placed is None else _profile_of_placed(steps, placed)
    count = max(len(track.center) if track is not None else 0, len(seen["visits"]))
    # What was never seen has no visit, and NaN for all else.
    profile = {
        name: np.pad(
            values.astype(float), (0, count - len(values)), constant_values=0 if name in _COUNTS else np.nan
        )
        for name, values in seen.items()
    }
    profile = {name: values.astype(int) if name in _COUNTS else values for name, values in profile.items()}
    profile["waypoint"] = np.arange(count, dtype=np.int32)
    order = [f"{name}{end}" for name in ("speed", "true_speed") for end in ("", "_low", "_high")]
    order = ["waypoint", "visits", "episodes", *order, "steering_angle", "steering_low", "steering_high"]
    table = pd.DataFrame({name: profile[name] for name in order})
    if track is not None:
        table["section"] = track.section_of(table["waypoint"])
        beyond = (0, count - len(track.center))
        table["distance"] = np.pad(track.distance, beyond, constant_values=np.nan)
        for axis, name in enumerate("xy"):
            table[name] = np.pad(track.center[:, axis], beyond, constant_values=np.nan)
    return table


def _profile(steps: pd.DataFrame) -> dict[str, np.ndarray]:
    """Columns of the profile, up to the last waypoint that was seen."""
    steps, metres, seconds, running = driven_rows(steps)
    waypoint = steps["closest_waypoint"].to_numpy()
    count = int(waypoint.max(initial=-1)) + 1
    episode = np.cumsum(np.diff(steps["unique_episode"].to_numpy(), prepend=-1) != 0) - 1
    visited = np.zeros((int(episode.max(initial=-1)) + 1, count), dtype=bool)
    visited[episode, waypoint] = True
    profile = {"visits": np.bincount(waypoint, minlength=count), "episodes": visited.sum(axis=0)}
    flying = np.isfinite(seconds) & (running >= STANDING_START)
    passed = np.bincount(waypoint[flying], minlength=count) > 0
    moved = flying | (np.isfinite(seconds) & ~passed[waypoint])
    place, metres, seconds = waypoint[moved], metres[moved], seconds[moved]
    speed, steering = (steps[name].to_numpy() for name in ("speed", "steering_angle"))
    with np.errstate(invalid="ignore"):  # 0/0 is the NaN of a waypoint that was never visited
        for name, value in (("speed", speed), ("steering_angle", steering)):
            profile[name] = np.bincount(waypoint, value, count) / profile["visits"]
        profile["true_speed"] = np.bincount(place, metres, count) / np.bincount(place, seconds, count)
    quartiles = [
        *_quartiles(waypoint, [speed, steering], count),
        *_quartiles(place, [(metres / seconds).astype(np.float32)], count),
    ]
    for prefix, (low, high) in zip(("speed", "steering", "true_speed"), quartiles, strict=True):
        profile[f"{prefix}_low"], profile[f"{prefix}_high"] = low, high
    return profile


def _profile_of_placed(steps: pd.DataFrame, placed: PlacedSteps) -> dict[str, np.ndarray]:
    """The same from what is known of the steps already."""
    sums = _summed(steps, placed)
    visits, speeds = sums["visits"], [sums[name] for name in _AT_SPEED]
    slow = (visits > 0) & (sums["flying"] == 0)
    if slow.any():
        waypoint = steps["closest_waypoint"].to_numpy()
        moving = np.flatnonzero(placed.has(DRIVEN) & placed.has(MOVING))
        moving = moving[slow[waypoint[moving]]]
        speeds = [
            known + more
            for known, more in zip(
                speeds, _at_speed(placed, moving, waypoint[moving], len(slow)), strict=True
            )
        ]
    true_speeds, metres, seconds = speeds
    profile = {"visits": visits, "episodes": sums["episodes"]}
    with np.errstate(invalid="ignore"):  # 0/0 is the NaN of a waypoint that was never visited
        for prefix, column, values, counts in (
            ("speed", "speed", placed.speed, sums["speeds"]),
            ("steering", "steering_angle", placed.steering, sums["steerings"]),
            ("true_speed", "true_speed", placed.true_speed, true_speeds),
        ):
            profile[f"{prefix}_low"], profile[f"{prefix}_high"] = values.quantiles(counts, (0.25, 0.75))
            if column == "true_speed":
                profile[column] = metres * GRAIN / (seconds * TICK)
            elif values.exact:
                profile[column] = counts @ values.low / visits
            else:
                profile[column] = sums[column] / visits
    return profile


def _summed(steps: pd.DataFrame, placed: PlacedSteps) -> dict[str, np.ndarray]:
    """Sums up to the last waypoint that was seen, step by step where no block of steps is summed up already."""
    inside, parts = placed.blocks.within(len(steps))
    rest = (slice(0, inside.start), slice(inside.stop, len(steps)))
    count = len(parts[0]["visits"]) if parts else _waypoints(steps, placed)
    parts = [*parts, *(sums_of_steps(steps, placed, rows, count) for rows in rest if rows.stop > rows.start)]
    parts = parts or [sums_of_steps(steps, placed, slice(0, 0), count)]
    total = {
        name: values.astype(float if values.dtype.kind == "f" else np.int64)
        for name, values in parts[0].items()
    }
    for part in parts[1:]:
        for name, values in part.items():
            total[name] += values
    seen = int(np.flatnonzero(total["visits"]).max(initial=-1)) + 1
    return {name: values[:seen] for name, values in total.items()}


def _waypoints(steps: pd.DataFrame, placed: PlacedSteps) -> int:
    """Number of waypoints up to the last one at which the car drives."""
    return int(steps["closest_waypoint"].to_numpy().max(initial=-1, where=placed.has(DRIVEN))) + 1


def sums_of_steps(steps: pd.DataFrame, placed: PlacedSteps, rows: slice, count: int) -> dict[str, np.ndarray]:
    """Sum up at each waypoint all that a profile is made of.

    Parameters
    ----------
    steps : pandas.DataFrame
        Step table.
    placed : PlacedSteps
        What is known of the same steps.
    rows : slice
        Which of the steps.
    count : int
        Number of waypoints; driven steps are at none beyond.

    Returns
    -------
    dict of str to numpy.ndarray
        One entry or row per waypoint: visits, episodes (first visits of a drive) and flying (steps at speed); speeds
        and steerings (steps in each bin), speed and steering_angle (sums; only where bins hold several values); and
        true_speeds (steps in each bin), grains and ticks of the steps at speed.
    """
    waypoint, flags = steps["closest_waypoint"].to_numpy()[rows], placed.flags[rows]
    # What is not driven goes to a waypoint more, which is left out.
    place = np.where((flags & DRIVEN) != 0, waypoint, np.int32(count))
    at_speed = np.where((flags & FLYING) != 0, place, np.int32(count))
    sums = {
        "visits": _total(place, count),
        "episodes": _total(place[(flags & FIRST) != 0], count),
        "flying": _total(at_speed, count),
    }
    for name, column, values in (
        ("speeds", "speed", placed.speed),
        ("steerings", "steering_angle", placed.steering),
    ):
        sums[name] = replace(values, code=values.code[rows]).counts(place, count)
        if not values.exact:
            sums[column] = _total(place, count, steps[column].to_numpy()[rows])
    return sums | dict(zip(_AT_SPEED, _at_speed(placed, rows, at_speed, count), strict=True))


def _at_speed(
    placed: PlacedSteps, rows: slice | np.ndarray, place: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps in each bin of the true speed, and sums of their grains and ticks, at each place."""
    counts = replace(placed.true_speed, code=placed.true_speed.code[rows]).counts(place, count)
    grains, ticks = (_total(place, count, values[rows]) for values in (placed.grains, placed.ticks))
    return counts, grains, ticks


def _total(place: np.ndarray, count: int, values: np.ndarray | None = None) -> np.ndarray:
    """Sum of values (of ones, where there are none) at each place."""
    # Part by part, so that what bincount widens them to stays in the processor's cache: half the time.
    parts = (slice(first, first + _AT_A_TIME) for first in range(0, max(len(place), 1), _AT_A_TIME))
    return sum(
        np.bincount(place[part], None if values is None else values[part], count + 1) for part in parts
    )[:count]


def in_blocks(steps: pd.DataFrame, placed: PlacedSteps) -> Blocks:
    """Sum up the steps of a run in as many blocks as `_BYTES_OF_BLOCKS` for a step hold.

    Parameters
    ----------
    steps : pandas.DataFrame
        All steps.
    placed : PlacedSteps
        What is known of them.

    Returns
    -------
    Blocks
    """
    count = _waypoints(steps, placed)
    bins = sum(len(values.low) for values in (placed.speed, placed.steering, placed.true_speed))
    number = int(_BYTES_OF_BLOCKS * len(steps) / max(2 * count * bins, 1))
    if not number:
        return Blocks()
    borders = np.linspace(0, len(steps), number + 1).astype(int)
    sums = []
    for begin, end in pairwise(borders.tolist()):
        block = sums_of_steps(steps, placed, slice(begin, end), count)
        sums.append({name: _narrow(values) for name, values in block.items()})
    return Blocks(0, borders, tuple(sums))


def _narrow(values: np.ndarray) -> np.ndarray:
    """Whole numbers in as few bytes as hold them."""
    return values if values.dtype.kind == "f" else values.astype(np.min_scalar_type(values.max(initial=0)))


def _quartiles(group: np.ndarray, columns: list[np.ndarray], count: int) -> list[np.ndarray]:
    """Lower and upper quartile of each column in the groups 0..count-1, linearly interpolated: shape (2, count)."""
    number = np.bincount(group, minlength=count)
    ends = np.cumsum(number)
    seen = np.flatnonzero(number)
    # Narrow whole numbers are sorted by radix, and many short sorts are quicker than a long one.
    order = np.argsort(group.astype(np.int16 if count < 2**15 else np.int32), kind="stable")
    answers = []
    for column in columns:
        value = column[order]
        for begin, end in zip(ends[seen] - number[seen], ends[seen], strict=True):
            value[begin:end].sort()
        quartiles = np.full((2, count), np.nan)
        for row, share in zip(quartiles, (0.25, 0.75), strict=True):
            at = ends[seen] - number[seen] + (number[seen] - 1) * share
            below, above = value[np.floor(at).astype(int)], value[np.ceil(at).astype(int)]
            row[seen] = below + (above - below) * (at % 1)
        answers.append(quartiles)
    return answers
