"""Speed and steering at every waypoint: how the car drives there, without a judgement."""

import numpy as np
import pandas as pd

from deepracer_viz.analysis.driving.traces import STANDING_START, driven_rows
from deepracer_viz.analysis.placed import DRIVEN, FIRST, FLYING, GRAIN, MOVING, TICK, PlacedSteps
from deepracer_viz.track import Track

_COUNTS = ("visits", "episodes")
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
    waypoint, driven = steps["closest_waypoint"].to_numpy(), placed.has(DRIVEN)
    count = int(waypoint.max(initial=-1, where=driven)) + 1
    # What is not driven goes to a waypoint more, which is left out.
    place = np.where(driven, waypoint, np.int32(count))

    def total(at: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
        # Part by part, so that what bincount widens them to stays in the processor's cache: half the time.
        parts = (slice(first, first + _AT_A_TIME) for first in range(0, max(len(at), 1), _AT_A_TIME))
        return sum(
            np.bincount(at[part], None if values is None else values[part], count + 1) for part in parts
        )[:count]

    visits = total(place)
    profile = {"visits": visits, "episodes": total(place[placed.has(FIRST)])}
    at_speed = np.where(placed.has(FLYING), place, np.int32(count))
    passed = total(at_speed) > 0
    if (visits > 0)[~passed].any():
        slow = placed.has(MOVING) & ~np.append(passed, True)[place]
        at_speed = np.where(slow, place, at_speed)
    with np.errstate(invalid="ignore"):  # 0/0 is the NaN of a waypoint that was never visited
        for prefix, column, values, at in (
            ("speed", "speed", placed.speed, place),
            ("steering", "steering_angle", placed.steering, place),
            ("true_speed", "true_speed", placed.true_speed, at_speed),
        ):
            counts = values.counts(at, count)
            profile[f"{prefix}_low"], profile[f"{prefix}_high"] = values.quantiles(counts, (0.25, 0.75))
            if column == "true_speed":
                profile[column] = total(at, placed.grains) * GRAIN / (total(at, placed.ticks) * TICK)
            elif values.exact:
                profile[column] = counts @ values.low / visits
            else:
                profile[column] = total(at, steps[column].to_numpy()) / visits
    return profile


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
