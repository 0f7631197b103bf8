"""A small track and drives on it whose places, times and speeds are known exactly."""

import io

import numpy as np
import pandas as pd

from deepracer_viz.episodes import episode_table
from deepracer_viz.logs.formats import STATUSES
from deepracer_viz.track import Track, load_track

ROW = 1 / 15  # s
STRAIGHT, RADIUS = 6.0, 1.5  # m
SECTIONS = ["S1", "T1", "S2", "T2"]


def track_of(center: np.ndarray) -> Track:
    """Track with these waypoints."""
    file = io.BytesIO()
    np.save(file, center)
    file.seek(0)
    return load_track(file)


def oval(count: int = 109) -> Track:
    """Two straights and two left-hand corners; the start line is in the middle of the first straight."""
    bend = np.pi * RADIUS
    length = 2 * (STRAIGHT + bend)
    along = (np.linspace(0, length, count) + STRAIGHT / 2) % length
    turn = (along - STRAIGHT) / RADIUS, (along - 2 * STRAIGHT - bend) / RADIUS
    parts = [along < STRAIGHT, along < STRAIGHT + bend, along < 2 * STRAIGHT + bend, along >= 0]
    half = STRAIGHT / 2
    x = [
        along - half,
        half + RADIUS * np.sin(turn[0]),
        half - along + STRAIGHT + bend,
        -half - RADIUS * np.sin(turn[1]),
    ]
    y = [-RADIUS + 0 * along, -RADIUS * np.cos(turn[0]), RADIUS + 0 * along, RADIUS * np.cos(turn[1])]
    return track_of(np.stack([np.select(parts, x), np.select(parts, y)], axis=1))


def steps_at(track: Track, place, tstamp, *, unique_episode=0, **columns) -> pd.DataFrame:
    """Steps of one episode on the centre-line, `place` metres along it at these times (s).

    `offset` (m to the left) shifts them sideways. The first row is a prepare row; the last one is done.
    """
    place, tstamp = (np.asarray(values, dtype=float) for values in (place, tstamp))
    count = len(place)
    at = np.append(track.distance, track.length)
    points = np.append(track.center, track.center[:1], axis=0) if track.closed else track.center
    at = at if track.closed else track.distance
    here = place % track.length if track.closed else place
    x, y = (np.interp(here, at, values) for values in points.T)
    edge = np.clip(np.searchsorted(at, here, "right") - 1, 0, len(at) - 2)
    heading = np.arctan2(points[edge + 1, 1] - points[edge, 1], points[edge + 1, 0] - points[edge, 0])
    offset = np.broadcast_to(columns.pop("offset", 0.0), count)
    status = np.full(count, "in_progress", dtype=object)
    status[0] = "prepare"
    progress = np.minimum(100 * (place - place[0]) / track.length, 100)
    if progress[-1] >= 100:
        status[-1] = "lap_complete"
    usual = {
        "worker": pd.Categorical([0] * count),
        "iteration": np.zeros(count, "int32"),
        "episode": np.full(count, unique_episode, "int32"),
        "steps": np.arange(1, count + 1, dtype="int32"),
        "x": x - offset * np.sin(heading),
        "y": y + offset * np.cos(heading),
        "yaw": np.degrees(heading).astype("float32"),
        "steering_angle": np.zeros(count, "float32"),
        "speed": np.ones(count, "float32"),
        "reward": np.ones(count, "float32"),
        "done": np.arange(count) == count - 1,
        "on_track": True,
        "progress": progress.astype("float32"),
        "closest_waypoint": np.abs(here[:, None] - track.distance).argmin(axis=1).astype("int32"),
        "track_len": np.float32(track.length),
        "tstamp": tstamp,
        "episode_status": status,
        "pause_duration": np.float32(0),
        "unique_episode": np.full(count, unique_episode, "int32"),
    }
    return pd.DataFrame(usual | columns)


def joined(*drives: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Steps of a run of these episodes, and its episode table."""
    steps = pd.concat(drives, ignore_index=True)
    steps["episode_status"] = pd.Categorical(steps["episode_status"], categories=STATUSES)
    return steps, episode_table(steps)


def drive(
    track: Track, speed, *, begin=0.0, share=1.0, standing=True, unique_episode=0, **columns
) -> pd.DataFrame:
    """Steps of one drive that goes `speed(place)` m/s from `begin` on, over this share of the track.

    A standing drive speeds up by 2.5 m/s2 from its first driven row on.
    """
    fine = np.linspace(0, share * track.length, 4001)
    pace = np.broadcast_to(speed((begin + fine[:-1]) % track.length), 4000).astype(float)
    if standing:
        pace = np.minimum(pace, np.sqrt(2 * 2.5 * (fine[:-1] + 1e-3)))
    clock = np.append(0, np.cumsum(np.diff(fine) / pace))
    rows = np.arange(0, clock[-1], ROW)
    # One more step, so that the last one lies beyond the end of the drive.
    rows = np.append(rows, rows[-1] + ROW)
    place = np.interp(rows, clock, fine)
    place[-1] += max(rows[-1] - clock[-1], 0) * pace[-1]
    # The car stands in the prepare row, one step before it moves.
    tstamp = 100.0 * (unique_episode + 1) + np.append(0, rows + ROW)
    place = begin + np.append(0, place)
    return steps_at(track, place, tstamp, unique_episode=unique_episode, **columns)


def laps(track: Track, speeds, *, starts=20, seed=0, **columns) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A run whose laps start in turn from places all round the track; `speeds` are functions of the place."""
    return joined(
        *(
            drive(
                track, speed, begin=number % starts / starts * track.length, unique_episode=number, **columns
            )
            for number, speed in enumerate(speeds)
        )
    )


def section_pace(track: Track, speeds: dict[str, float], usual: float = 2.0):
    """Speed that differs from the usual in these sections."""
    cells = np.arange(0, track.length, 0.01)
    pace = np.full(len(cells), usual)
    for row in track.sections.itertuples():
        inside = (cells >= row.start) & (cells < row.end)
        if row.start > row.end:
            inside = (cells >= row.start) | (cells < row.end)
        pace[inside] = speeds.get(row.section, usual)
    return lambda place: pace[np.minimum((np.asarray(place) / 0.01).astype(int), len(cells) - 1)]
