"""Steps in, one row per episode out: laps, lap times, how each episode ended."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from deepracer_viz.logs.formats import PUT_BACK, STATUSES, UNIX_TIME_FROM

STEP_SECONDS = 1 / 15
"""The simulator's official clock starts about one step (15 a second) before the first logged step (s)."""

LARGEST_HONEST_JUMP = 50.0
"""Progress that rises by more than this (percent) between two steps was wrapped at the line, not driven."""

TIME_SOURCES = ("official", "estimated", "wall clock")
"""Where a lap time comes from; see :func:`episode_table`."""

UNNUMBERED = -1
"""Stands for a ``unique_episode`` that is not given yet."""

END_STATUSES = (*STATUSES, "unknown")
_HELD = ("prepare", "pause")
_AT_A_TIME = 1 << 17  # steps that are summed up together

EPISODE_TYPES = {
    "worker": "int32",
    "iteration": "int32",
    "checkpoint": "int32",
    "episode": "int32",
    "unique_episode": "int32",
    "steps": "int32",
    "start_at": "float32",
    "progress": "float32",
    "complete": "bool",
    "time": "float64",
    "time_source": "category",
    "driven_time": "float64",
    "dist": "float32",
    "speed": "float32",
    "true_speed": "float32",
    "reward": "float64",
    "end_status": "category",
    "off_track": "int32",
    "crashed": "int32",
    "penalty": "float32",
    "tstamp": "float64",
    "traced": "bool",
}
"""Columns of an episode table and their types."""


def empty_episodes() -> pd.DataFrame:
    """Return an episode table without rows."""
    kinds = {name: "object" if kind == "category" else kind for name, kind in EPISODE_TYPES.items()}
    return with_episode_types(pd.DataFrame({name: np.empty(0, kind) for name, kind in kinds.items()}))


def with_episode_types(table: pd.DataFrame) -> pd.DataFrame:
    """Give a table the columns and types of an episode table; other columns stay behind them."""
    there = dict(table.dtypes)
    kinds = {name: kind for name, kind in EPISODE_TYPES.items() if kind != "category" and there[name] != kind}
    table = table.astype(kinds)
    table["time_source"] = pd.Categorical(table["time_source"], categories=TIME_SOURCES)
    table["end_status"] = pd.Categorical(table["end_status"], categories=END_STATUSES)
    return table[[*EPISODE_TYPES, *(c for c in table.columns if c not in EPISODE_TYPES)]]


def episode_table(steps: pd.DataFrame) -> pd.DataFrame:
    """Sum up each episode of a step table.

    Parameters
    ----------
    steps : pandas.DataFrame
        Step table of a run, sorted by ``unique_episode`` and ``steps``.

    Returns
    -------
    pandas.DataFrame
        One row per ``unique_episode``, in its order:

        worker, iteration, episode, unique_episode
            as in the steps; ``checkpoint`` equals ``iteration`` until a run shifts it.
        steps
            rows of the episode.
        start_at
            waypoint of the first step that was driven; NaN where there is none.
        progress
            highest progress reached (percent of the track, from the episode's own start).
        complete
            an honest lap: seen from its start on, progress reaches 100 on a step that was driven (not on the
            ``prepare`` row, whose pose can be the previous episode's) and never jumps up by more than 50
            between two steps, which happens where the car is put down just behind the line.
        time, time_source
            seconds until the lap was complete, or until the episode ended. ``"estimated"``: first to last
            step on the simulation clock plus 1/15 s, which meets the official time within 0.03 s; for the
            second and later laps of a race whose laps follow one another without a stop, from line to line.
            ``"wall clock"``: first to last step on the Unix clock of 2019-20, which ran up to 1 % off the
            simulation.
        driven_time
            seconds from the first step to the step that reaches 100 %, or to the last step.
        dist
            metres driven, summed over steps; being put back on the track is not driving.
        speed, true_speed
            mean commanded speed over the driven steps, and ``dist`` over the time since the first of them,
            penalties included (m/s).
        reward
            sum of the steps' rewards.
        end_status
            status of the last step; ``"lap_complete"`` for every lap; ``"in_progress"`` for an episode that
            is not there to its end, or not from its start; for logs that write no status ``"off_track"``
            where the last step is off the track, else ``"unknown"``.
        off_track, crashed
            number of such events.
        penalty
            seconds of penalty served (included in ``time``).
        tstamp
            time stamp of the first step (s).
        traced
            True: all of this comes from steps.
    """
    if steps.empty:
        return empty_episodes()
    unique = steps["unique_episode"].to_numpy()
    first = np.flatnonzero(np.r_[True, unique[1:] != unique[:-1]])
    # Some at a time: what is worked out on the way stays small, whatever the size of the run.
    begins = np.unique(np.searchsorted(first, np.arange(0, len(unique), _AT_A_TIME)))
    bounds = [*begins[begins < len(first)], len(first)]
    rows = np.append(first, len(unique))

    def part(begin: int, end: int) -> dict[str, np.ndarray]:
        # Where one episode goes on from the one before, that one is looked at too.
        before = int(begin > 0)
        columns = _sum_up(steps.iloc[rows[begin - before] : rows[end]])
        return {name: column[before:] for name, column in columns.items()}

    with ThreadPoolExecutor(max_workers=2) as pool:
        parts = list(pool.map(part, bounds[:-1], bounds[1:]))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    for name, words in (("time_source", TIME_SOURCES), ("end_status", END_STATUSES)):
        columns[name] = pd.Categorical.from_codes(columns[name], categories=words)
    return with_episode_types(pd.DataFrame(columns))


def _sum_up(steps: pd.DataFrame) -> dict[str, np.ndarray]:
    """Do the work of `episode_table` on some episodes; words are given as places in their list."""
    unique = steps["unique_episode"].to_numpy()
    first = np.flatnonzero(np.r_[True, unique[1:] != unique[:-1]])
    count = np.diff(np.r_[first, len(unique)])
    last = first + count - 1

    words = steps["episode_status"].cat.categories.tolist()
    status = steps["episode_status"].cat.codes.to_numpy()
    done = steps["done"].to_numpy()
    progress = steps["progress"].to_numpy()
    tstamp = steps["tstamp"].to_numpy()
    number = steps["steps"].to_numpy()
    worker = steps["worker"].to_numpy()

    def is_status(word: str, *others: str) -> np.ndarray:
        rows = status == words.index(word)
        for other in others:
            rows |= status == words.index(other)
        return rows

    def any_of(rows: np.ndarray) -> np.ndarray:
        return np.bitwise_or.reduceat(rows, first)

    def count_of(rows: np.ndarray) -> np.ndarray:
        return np.diff(np.searchsorted(np.flatnonzero(rows), np.append(first, len(unique))))

    def first_of(rows: np.ndarray) -> np.ndarray:
        """Place of the first of these rows in each episode; beyond the table where it has none."""
        places = np.append(np.flatnonzero(rows), len(unique))
        found = places[np.searchsorted(places, first)]
        return np.where(found <= last, found, len(unique))

    def only(rows: np.ndarray, values: np.ndarray, otherwise: float = 0) -> np.ndarray:
        # Many times faster than numpy.where.
        values = values.copy()
        values[~rows] = otherwise
        return values

    own = ~is_status("prepare")
    # Progress counts from the episode's own start, so that a high first value is a jump as well.
    before = np.r_[progress[:1], progress]
    before[first_of(own)] = 0
    before = before[:-1]
    reached = own & (progress >= 100)
    honest = any_of(reached) & ~any_of(own & (progress - before > LARGEST_HONEST_JUMP))
    end = np.where(honest, first_of(reached), last)

    # In a continuous race the step counter runs on: a lap then lasts from line to line.
    follows = np.zeros(len(first), dtype=bool)
    follows[1:] = (
        (number[first[1:]] == number[last[:-1]] + 1)
        & (number[first[1:]] > 1)
        & any_of(reached)[:-1]
        & (worker[first[1:]] == worker[first[:-1]])
    )
    # Simulators count steps from 0 or 1.
    from_start = (number[first] <= 2) | follows
    complete = honest & from_start

    driven_time = tstamp[end] - tstamp[first]
    wall_clock = tstamp[first] > UNIX_TIME_FROM
    time = np.where(wall_clock, driven_time, driven_time + STEP_SECONDS)
    time[1:] = np.where(follows[1:], tstamp[end[1:]] - tstamp[end[:-1]], time[1:])

    driven = ~is_status(*_HELD)
    first_driven = first_of(driven)
    drove = first_driven <= last
    first_driven = np.where(drove, first_driven, last)
    x, y = steps["x"].to_numpy(dtype="float64"), steps["y"].to_numpy(dtype="float64")
    # In place, and not by np.hypot, which guards against overflow: it takes five times as long.
    moved, aside = np.diff(x, prepend=x[:1]), np.diff(y, prepend=y[:1])
    moved *= moved
    moved += np.multiply(aside, aside, out=aside)
    np.sqrt(moved, out=moved)
    moved[1:][~(driven[1:] & driven[:-1])] = 0
    moved[first] = 0
    if (end < last).any():
        moved[np.arange(len(unique)) > np.repeat(end, count)] = 0
    dist = np.add.reduceat(moved, first)
    moving_time = tstamp[end] - tstamp[first_driven]
    commanded = np.add.reduceat(only(driven, steps["speed"].to_numpy().astype("float64")), first)

    off_at_end = ~steps["on_track"].to_numpy()[last]
    # A row without a status stands for the last of these.
    end_status = np.array([END_STATUSES.index(word) for word in (*words, "unknown")])[status[last]]
    end_status[(status[last] < 0) & off_at_end] = END_STATUSES.index("off_track")
    end_status[~done[last] | ~from_start] = END_STATUSES.index("in_progress")
    end_status[complete] = END_STATUSES.index("lap_complete")

    changes = np.r_[True, status[1:] != status[:-1]]
    changes[first] = True

    def begins(rows: np.ndarray) -> np.ndarray:
        rows = rows.copy()
        rows[1:] &= changes[1:] | ~rows[:-1]
        return rows

    def events(word: str) -> np.ndarray:
        return count_of(begins(is_status(word)))

    served = begins(is_status(*PUT_BACK) & ~done)
    return {
        "worker": worker[first],
        "iteration": steps["iteration"].to_numpy()[first],
        "checkpoint": steps["iteration"].to_numpy()[first],
        "episode": steps["episode"].to_numpy()[first],
        "unique_episode": unique[first],
        "steps": count,
        "start_at": np.where(drove, steps["closest_waypoint"].to_numpy()[first_driven], np.nan),
        # An episode cut off after its prepare row has driven nothing.
        "progress": np.where(drove, np.maximum.reduceat(only(own, progress, -np.inf), first), 0),
        "complete": complete,
        "time": time,
        "time_source": np.where(
            wall_clock, TIME_SOURCES.index("wall clock"), TIME_SOURCES.index("estimated")
        ),
        "driven_time": driven_time,
        "dist": dist,
        "speed": commanded / np.maximum(np.add.reduceat(driven.astype("int32"), first), 1),
        "true_speed": np.divide(dist, moving_time, out=np.zeros(len(dist)), where=moving_time > 0),
        "reward": np.add.reduceat(steps["reward"].to_numpy(dtype="float64"), first),
        "end_status": end_status,
        "off_track": events("off_track"),
        "crashed": events("crashed"),
        "penalty": np.add.reduceat(only(served, steps["pause_duration"].to_numpy()), first),
        "tstamp": tstamp[first],
        "traced": np.ones(len(first), dtype=bool),
    }


OFFICIAL_AGREES = 0.25
"""An official time this close (s) to the traced one belongs to the same episode (0.125 s was the largest seen)."""

WALL_CLOCK_AGREES = 0.05
"""The Unix clock of 2019-20 may be off by this share of the time."""


def official_agreement(episodes: pd.DataFrame, official: pd.DataFrame) -> tuple[int, int]:
    """Count the finished episodes that a metrics table also holds, and those on which time and progress agree.

    Parameters
    ----------
    episodes : pandas.DataFrame
        Episode table of one worker, or of one evaluation.
    official : pandas.DataFrame
        Columns ``episode``, ``time`` (s), ``progress`` (percent, cut to whole numbers).

    Returns
    -------
    common, agreeing : int
    """
    finished = episodes[episodes["end_status"] != "in_progress"]
    # Each of many tables is held against each of many metrics files: a merge would take most of the reading.
    _, mine, theirs = np.intersect1d(finished["episode"], official["episode"], return_indices=True)
    time, told = finished["time"].to_numpy()[mine], official["time"].to_numpy()[theirs]
    wall_clock = (finished["time_source"] == "wall clock").to_numpy()[mine]
    near = np.abs(time - told) <= np.where(wall_clock, WALL_CLOCK_AGREES * time, OFFICIAL_AGREES)
    progress = finished["progress"].to_numpy().clip(0, 100)[mine]
    near &= np.abs(progress - official["progress"].to_numpy()[theirs]) < 1.5
    return len(mine), int(near.sum())


def add_official(episodes: pd.DataFrame, official: pd.DataFrame, identity: dict) -> pd.DataFrame:
    """Put official times into an episode table, and add the episodes that only the metrics know.

    Parameters
    ----------
    episodes : pandas.DataFrame
        Episode table of one worker, or of one evaluation.
    official : pandas.DataFrame
        Columns ``episode``, ``time`` (s), ``progress`` (percent), ``complete``, ``end_status``,
        ``start`` (s), and optionally ``reward``, ``off_track``, ``crashed``.
    identity : dict
        Columns that are the same for every row added (worker and the like).

    Returns
    -------
    pandas.DataFrame
        Every episode that either table holds. Where the trace does not hold the whole episode, the metrics'
        word on progress, completion and reward counts as well, and ``traced`` is False.
    """
    official = official.dropna(subset=["time"]).set_index("episode")
    official["end_status"] = official["end_status"].where(
        official["end_status"].isin(END_STATUSES), "unknown"
    )
    episodes = episodes.copy()
    known = episodes["episode"].isin(official.index)
    told = official.reindex(episodes["episode"]).set_axis(episodes.index)
    cut = known & (episodes["end_status"] == "in_progress")
    episodes.loc[known, "time"] = told.loc[known, "time"]
    episodes.loc[known, "time_source"] = "official"
    for name in ("progress", "complete", "end_status", "reward"):
        if name in told:
            rows = cut & told[name].notna()
            episodes.loc[rows, name] = told.loc[rows, name].astype(episodes[name].dtype)
    episodes.loc[cut, "traced"] = False
    for name in ("off_track", "crashed"):
        if name in told:
            episodes.loc[known, name] = told.loc[known, name].astype("int32")

    missing = official[~official.index.isin(episodes["episode"])].reset_index()
    if missing.empty:
        return episodes
    ended = {"off_track": missing["end_status"] == "off_track", "crashed": missing["end_status"] == "crashed"}
    rows = pd.DataFrame(
        {
            "episode": missing["episode"],
            "steps": 0,
            "start_at": np.nan,
            "progress": missing["progress"],
            "complete": missing["complete"],
            "time": missing["time"],
            "time_source": "official",
            "driven_time": np.nan,
            "dist": np.nan,
            "speed": np.nan,
            "true_speed": np.nan,
            "reward": missing.get("reward", np.nan),
            "end_status": missing["end_status"],
            **{name: missing.get(name, happened.astype("int32")) for name, happened in ended.items()},
            "penalty": np.nan,
            "tstamp": missing["start"],
            "traced": False,
            "unique_episode": UNNUMBERED,
            **identity,
        }
    )
    return pd.concat([episodes, with_episode_types(rows)], ignore_index=True)
