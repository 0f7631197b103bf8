"""Driven steps as arrays, and the passes of each section that they make."""

import numpy as np
import pandas as pd

from deepracer_viz.analysis.driving.traces import NOT_DRIVING
from deepracer_viz.track import Track

_FARTHEST = 10_000.0  # m: no track reaches there, a damaged number may


def driven_rows(steps: pd.DataFrame) -> np.ndarray:
    """Which rows are driven: the car is not held still, waits for nothing, and its place is known."""
    held = steps["episode_status"].isin(NOT_DRIVING).to_numpy()
    if "pause_duration" in steps:
        held = held | (steps["pause_duration"].to_numpy() > 0)
    return ~held & placed(steps)


def placed(steps: pd.DataFrame) -> np.ndarray:
    """Which rows tell where the car is."""
    return (np.abs(steps["x"].to_numpy()) < _FARTHEST) & (np.abs(steps["y"].to_numpy()) < _FARTHEST)


def sections_of(track: Track | None) -> pd.DataFrame:
    """Sections of the track, numbered from 0; none where it is not known."""
    if track is not None:
        return track.sections.reset_index(drop=True)
    return pd.DataFrame(
        {"section": [], "kind": [], "waypoint_from": [], "waypoint_to": [], "length": [], "turn": []}
    )


class Driven:
    """Driven steps as arrays, one entry per step, and their passes of the sections."""

    def __init__(self, steps: pd.DataFrame, track: Track | None):
        self.track = track
        self.sections = sections_of(track)
        self.x, self.y, self.speed, self.steering = (
            steps[name].to_numpy(np.float64) for name in ("x", "y", "speed", "steering_angle")
        )
        self.reward = steps["reward"].to_numpy(np.float64)
        self.off = ~steps["on_track"].to_numpy(bool)
        self.episode, number = steps["unique_episode"].to_numpy(), steps["steps"].to_numpy()
        waypoint = steps["closest_waypoint"].to_numpy().astype(np.int64)
        self.waypoints = 0 if track is None else len(track.center)
        known = (waypoint >= 0) & (waypoint < self.waypoints)
        self.waypoint = np.where(known, waypoint, self.waypoints)
        # Row of the section of each waypoint; -1, also for the entry after the last waypoint, is unknown.
        names = {name: row for row, name in enumerate(self.sections["section"])}
        codes = (
            [] if track is None else [names.get(name, -1) for name in track.section_of(range(self.waypoints))]
        )
        self.section_of_waypoint = np.array([*codes, -1])
        self.section = self.section_of_waypoint[self.waypoint]

        follows = np.zeros(len(self.x), dtype=bool)
        follows[1:] = (np.diff(self.episode) == 0) & (np.diff(number) == 1)
        self.metres = np.hypot(np.diff(self.x, prepend=np.nan), np.diff(self.y, prepend=np.nan))
        self.metres[~follows] = 0
        begins = ~follows
        begins[1:] |= np.diff(self.section) != 0
        self.begins = begins
        self.passes = np.cumsum(begins) - 1
        self.pass_section = self.section[begins]
        self.pass_count = len(self.pass_section)
        self.pass_steps = np.bincount(self.passes, minlength=self.pass_count)

    def in_pass(self, value: np.ndarray) -> np.ndarray:
        """Sum over the steps of each pass."""
        return np.bincount(self.passes, value, self.pass_count)
