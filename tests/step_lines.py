"""Writes step tables the way simulators of each vintage and the tools around them did, for tests of readers.

Written from the formats' own print strings and independent of the reader's table of vintages.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

CORE = "{episode},{steps},{x:.4f},{y:.4f},{yaw:.4f},{steer:.2f},{speed:.2f},{action},{reward:.4f},"
TAIL = "{done},{on_track},{progress:.4f},{closest_waypoint},{track_len:.2f},{tstamp}"
STATUS = ",{episode_status}"
PAUSE = STATUS + ",{pause_duration:.2f}"
CAMERAS = ",{c0:.3f},{c1},{c2:.3f},{c3}"


@dataclass(frozen=True)
class Vintage:
    """How one vintage prints a step."""

    form: str
    written: frozenset
    radians: bool = False
    unix: bool = False
    prepare: bool = True


def vintage(form: str, *optional: str, radians=False, unix=False, prepare=True) -> Vintage:
    return Vintage(form, frozenset(optional), radians, unix, prepare)


VINTAGES = {
    "2018 preview": vintage(
        CORE + "{total:.4f},0,{done},{on_track},{progress:.4f},{start_waypoint},{closest_waypoint},"
        "{track_len:.2f},{tstamp}",
        radians=True,
        unix=True,
        prepare=False,
    ),
    "2019": vintage(CORE + TAIL, radians=True, unix=True, prepare=False),
    "2019 workshop": vintage(CORE + TAIL + ",False,{total:.2f}", radians=True, unix=True, prepare=False),
    "2020": vintage(CORE + TAIL + STATUS, "episode_status", unix=True, prepare=False),
    "2021 to 2024": vintage(CORE + TAIL + PAUSE, "episode_status", "pause_duration"),
    "2022 with camera times": vintage(CORE + TAIL + PAUSE + CAMERAS, "episode_status", "pause_duration"),
    "2022 with camera times and real-time factor": vintage(
        CORE + TAIL + PAUSE + ",0.987" + CAMERAS, "episode_status", "pause_duration"
    ),
    "2024 to 2025": vintage(
        CORE + TAIL + PAUSE + ",{obstacle_crash_counter}",
        *("episode_status", "pause_duration", "obstacle_crash_counter"),
    ),
    "2026": vintage(
        CORE + TAIL + PAUSE + ",{obstacle_crash_counter},{wall_clock:.4f}",
        *("episode_status", "pause_duration", "obstacle_crash_counter", "wall_clock"),
    ),
}

ACTIONS: dict[str, Callable] = {
    "number": lambda row: str(row["action"]),
    "one space": lambda row: f"[{row['steer']!r} {row['speed']!r}]",
    "padded": lambda row: f"[{row['steer']:>13.8f}   {row['speed']:.8f}]",
    "comma": lambda row: f"[{row['steer']!r}, {row['speed']!r}]",
}


def random_steps(seed: int, episodes: int = 3, longest: int = 6) -> pd.DataFrame:
    """Make a step table with values a simulator can write, at the precision it writes."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, longest + 1, episodes)
    n = int(lengths.sum())
    number = np.concatenate([np.arange(1, length + 1) for length in lengths])
    last = np.append(number[1:] == 1, True)
    status = np.where(number == 1, "prepare", "in_progress").astype(object)
    status[last] = rng.choice(["off_track", "lap_complete", "crashed", "reversed"], last.sum())
    return pd.DataFrame(
        {
            "episode": np.repeat(np.arange(episodes), lengths) + rng.integers(0, 500),
            "steps": number,
            "x": rng.normal(0, 5, n).round(4),
            "y": rng.normal(0, 5, n).round(4),
            "yaw": rng.uniform(-180, 180, n).round(4),
            "steer": rng.choice([-30.0, -12.5, 0.0, 7.25, 30.0], n),
            "speed": rng.uniform(0.1, 4, n).round(2),
            "action": rng.integers(0, 21, n),
            "reward": rng.normal(1, 100, n).round(4),
            "done": last,
            "on_track": rng.random(n) < 0.7,
            "progress": np.where(status == "lap_complete", 100, rng.uniform(-5, 100, n)).round(4),
            "closest_waypoint": rng.integers(0, 300, n),
            "track_len": 17.67,
            "tstamp": 6.7 + np.cumsum(rng.uniform(0.05, 0.09, n)).round(3),
            "episode_status": status,
            "pause_duration": rng.choice([0.0, 2.99, 1.5, -0.01], n),
            "obstacle_crash_counter": rng.integers(0, 3, n),
            "wall_clock": (1.77e9 + np.cumsum(rng.uniform(0.05, 0.09, n))).round(4),
        }
    )


def as_vintage(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Give a table what this vintage has: its clock, its first status, radians."""
    table, about = table.copy(), VINTAGES[name]
    if about.unix:
        table["tstamp"] = 1.55e9 + table["tstamp"]
    if not about.prepare:
        table["episode_status"] = table["episode_status"].replace("prepare", "in_progress")
    if about.radians:
        # Steering is printed with two decimals, of radians too.
        table["yaw"] = np.radians(table["yaw"]).round(4)
        table["steer"] = np.radians(table["steer"]).round(2)
    return table


def bodies(table: pd.DataFrame, name: str, action: str = "number") -> list[str]:
    """Print each step as this vintage does, without the token."""
    form = VINTAGES[name].form
    extra = {"total": 1.5, "start_waypoint": 3, "c0": 1.25, "c1": 17, "c2": 1.26, "c3": 18}
    rows = table.to_dict("records")
    return [form.format(**{**row, **extra, "action": ACTIONS[action](row)}) for row in rows]


def lines(table: pd.DataFrame, name: str = "2021 to 2024", action: str = "number") -> list[str]:
    """Print each step as a whole line."""
    return [f"SIM_TRACE_LOG:{body}" for body in bodies(table, name, action)]


def log(table: pd.DataFrame, name: str = "2021 to 2024", action: str = "number") -> bytes:
    """Print a table as a plain log."""
    return "".join(f"{line}\n" for line in lines(table, name, action)).encode()


CSV_COLUMNS = {
    "episode": "episode",
    "steps": "steps",
    "x": "X",
    "y": "Y",
    "yaw": "yaw",
    "steer": "steer",
    "speed": "throttle",
    "action": "action",
    "reward": "reward",
    "done": "done",
    "on_track": "all_wheels_on_track",
    "progress": "progress",
    "closest_waypoint": "closest_waypoint",
    "track_len": "track_len",
    "tstamp": "tstamp",
    "episode_status": "episode_status",
    "pause_duration": "pause_duration",
    "obstacle_crash_counter": "obstacle_crash_counter",
    "wall_clock": "wall_clock",
}


def csv(table: pd.DataFrame, columns: int = 17) -> bytes:
    """Print a table as a sim-trace CSV file with that many columns."""
    names = list(CSV_COLUMNS)[:columns]
    rows = [",".join(CSV_COLUMNS[name] for name in names)]
    for row in table.to_dict("records"):
        row |= {"steps": float(row["steps"]), "progress": 100 if row["progress"] == 100 else row["progress"]}
        rows.append(",".join(str(row[name]) for name in names))
    return "".join(f"{row}\n" for row in rows).encode()


def drive(
    episodes: int | list[int] = 2,
    length: int = 10,
    first: int = 0,
    laps: tuple[int, ...] = (),
    begins: float = 10.0,
    between: float = 0.5,
) -> pd.DataFrame:
    """Make training drives: round a circle at 15 steps a second, off the track at the end unless a lap.

    Parameters
    ----------
    episodes : int or list of int
        How many, or their numbers.
    length : int
        Steps of each.
    first : int
        Number of the first.
    laps : tuple of int
        Numbers of the episodes that reach 100 %; the others reach 50 %.
    begins, between : float
        Clock at the first step, and seconds between episodes.
    """
    numbers = range(first, first + episodes) if isinstance(episodes, int) else episodes
    tables = []
    clock = begins
    for number in numbers:
        lap = number in laps
        step = np.arange(1, length + 1)
        share = (step - 1) / max(length - 1, 1)
        angle = 2 * math.pi * share * (1 if lap else 0.5) + number / 7
        tables.append(
            pd.DataFrame(
                {
                    "episode": number,
                    "steps": step,
                    "x": (3 * np.cos(angle)).round(4),
                    "y": (3 * np.sin(angle)).round(4),
                    "yaw": (np.degrees(angle) % 360 - 180).round(4),
                    "steer": 10.0,
                    "speed": 2.0,
                    "action": 3,
                    "reward": np.where(step == 1, 0.0, 1.5),
                    "done": step == length,
                    "on_track": (step < length) | lap,
                    "progress": (share * (100 if lap else 50)).round(4),
                    "closest_waypoint": (share * (49 if lap else 25)).astype(int),
                    "track_len": 18.85,
                    "tstamp": (clock + (step - 1) / 15).round(3),
                    "episode_status": "in_progress",
                    "pause_duration": 0.0,
                    "obstacle_crash_counter": 0,
                    "wall_clock": (1.77e9 + clock + (step - 1) / 15).round(4),
                }
            )
        )
        tables[-1].loc[0, "episode_status"] = "prepare"
        tables[-1].loc[length - 1, "episode_status"] = "lap_complete" if lap else "off_track"
        clock += (length - 1) / 15 + between
    return pd.concat(tables, ignore_index=True)
