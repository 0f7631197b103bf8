"""Steps of drives round a loop with two straights and two corners, made to order."""

import io

import numpy as np
import pandas as pd

from deepracer_viz import load_track

STRAIGHT, RADIUS, PACE = 6.0, 1.5, 0.1  # m; PACE: from step to step


def track_of(center):
    file = io.BytesIO()
    np.save(file, np.asarray(center, dtype=float))
    file.seek(0)
    return load_track(file)


def loop():
    """Two straights and two left-hand corners, waypoints 20 cm apart."""
    bend = np.pi * RADIUS
    along = np.linspace(0, 2 * (STRAIGHT + bend), 109)
    turn = (along - STRAIGHT) / RADIUS, (along - 2 * STRAIGHT - bend) / RADIUS
    parts = [along < STRAIGHT, along < STRAIGHT + bend, along < 2 * STRAIGHT + bend, along >= 0]
    x = [along, STRAIGHT + RADIUS * np.sin(turn[0]), 2 * STRAIGHT + bend - along, -RADIUS * np.sin(turn[1])]
    y = [-RADIUS + 0 * along, -RADIUS * np.cos(turn[0]), RADIUS + 0 * along, RADIUS * np.cos(turn[1])]
    track = track_of(np.stack([np.select(parts, x), np.select(parts, y)], axis=1))
    assert list(track.sections["section"]) == ["S1", "T1", "S2", "T2"]
    return track


def laps(track, count=30, offset=0.0, steering=0.0, reward=1.0, speed=2.0, share=1.0):
    """Steps of drives once round the track, PACE metres a step, from the start of T1 on.

    offset (m, left positive), steering (degrees), reward and speed (m/s) are numbers or functions of the section's
    name, metres into it, and the number of the drive, each of them an array of one entry per step.
    """
    starts = track.sections.set_index("section")["start"]
    begin = starts["T1"] + 0.05
    rows = int(share * track.length / PACE)
    drive, row = (values.ravel() for values in np.mgrid[:count, :rows])
    along = (begin + row * PACE) % track.length
    closed = np.append(track.center, track.center[:1], axis=0)
    at = np.append(track.distance, track.length)
    place = np.stack([np.interp(along, at, closed[:, axis]) for axis in (0, 1)])
    ahead = (
        np.stack([np.interp(along + 0.01, at, closed[:, axis], period=track.length) for axis in (0, 1)])
        - place
    )
    left = np.stack([-ahead[1], ahead[0]]) / np.hypot(*ahead)
    waypoint = np.abs(along[:, None] - track.distance[None, :-1]).argmin(axis=1)
    section = track.section_of(waypoint)
    into = (along - starts.loc[section].to_numpy() + 0.2) % track.length - 0.2

    def value(given):
        return given(section, into, drive) if callable(given) else np.full(len(drive), given)

    place = place + left * value(offset)
    last = row == rows - 1
    return pd.DataFrame(
        {
            "unique_episode": drive.astype("int32"),
            "episode": drive.astype("int32"),
            "iteration": np.int32(0),
            "steps": row.astype("int32") + 1,
            "x": place[0].astype("float32"),
            "y": place[1].astype("float32"),
            "steering_angle": value(steering).astype("float32"),
            "speed": value(speed).astype("float32"),
            "action": np.int16(-1),
            "reward": value(reward).astype("float32"),
            "done": last,
            "on_track": True,
            "progress": (100 * share * (row + 1) / rows).astype("float32"),
            "closest_waypoint": waypoint.astype("int32"),
            "pause_duration": np.float32(0),
            "episode_status": pd.Categorical(
                np.where(last & (share >= 1), "lap_complete", "in_progress"), categories=STATUSES
            ),
            "section": section,
            "into": into,
        }
    )


STATUSES = ["in_progress", "lap_complete", "off_track", "crashed", "prepare", "pause"]


def cut(steps, ends, status="off_track"):
    """End drives early: {drive: (section, metres into it)}."""
    kept = np.ones(len(steps), dtype=bool)
    steps = steps.copy()
    for drive, (section, metres) in ends.items():
        mine = steps["unique_episode"] == drive
        reached = steps[mine & (steps["section"] == section) & (steps["into"] >= metres)].index[0]
        kept &= ~(mine & (steps.index > reached)).to_numpy()
        steps.loc[reached, ["done", "on_track", "episode_status"]] = [True, False, status]
    return steps[kept].reset_index(drop=True)
