"""Driven steps as arrays, and the passes of each section that they make."""

import numpy as np
import pandas as pd

from deepracer_viz.analysis.driving.traces import NOT_DRIVING
from deepracer_viz.track import Track

STRAIGHT_AHEAD = 3.0
"""Degrees of steering to either side that still count as straight ahead."""

FULL_LOCK = 0.9
"""From this share of the widest steering to that side on, the steering is at full lock."""

LOCKED_STEPS = 3
"""Steps (a fifth of a second) of full lock after which the car should have answered: steering takes time to act."""

CORRECTION = 0.25
"""Share of the steering into a turn that is taken back within it, from which on a pass over-steers."""

DRIFT_STEPS = 2
"""Steps of drifting outwards at full lock, from which on a pass under-steers: one may be a bump."""

LEAST_DRIFT = 0.005
"""Metres outwards in a step that count as drifting: less may be the corners between straight waypoint segments."""

BREAKS = ("off_track", "crashed", "reversed", "immobilized", "time_up")
"""Episode statuses of a drive that broke off."""

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


class Places:
    """Waypoints and sections of a track by their numbers."""

    def __init__(self, track: Track | None):
        self.track = track
        self.sections = sections_of(track)
        self.waypoints = 0 if track is None else len(track.center)
        # Row of the section of each waypoint; -1, also for the entry after the last waypoint, is unknown.
        names = {name: row for row, name in enumerate(self.sections["section"])}
        codes = (
            [] if track is None else [names.get(name, -1) for name in track.section_of(range(self.waypoints))]
        )
        self.section_of_waypoint = np.array([*codes, -1])
        # To which side each section turns, left positive; 0 for straights, and last for what is no section.
        turn = np.where(self.sections["kind"] == "corner", np.sign(self.sections["turn"].astype(float)), 0.0)
        self.side = np.append(turn, 0)


class Driven(Places):
    """Driven steps as arrays, one entry per step, and their passes of the sections."""

    def __init__(self, steps: pd.DataFrame, track: Track | None):
        super().__init__(track)
        self.x, self.y, self.speed, self.steering = (
            steps[name].to_numpy(np.float64) for name in ("x", "y", "speed", "steering_angle")
        )
        self.reward = steps["reward"].to_numpy(np.float64)
        self.off = ~steps["on_track"].to_numpy(bool)
        self.episode, number = steps["unique_episode"].to_numpy(), steps["steps"].to_numpy()
        waypoint = steps["closest_waypoint"].to_numpy().astype(np.int64)
        known = (waypoint >= 0) & (waypoint < self.waypoints)
        self.waypoint = np.where(known, waypoint, self.waypoints)
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


def over_steers(driven: Driven) -> np.ndarray:
    """Passes that take back at least `CORRECTION` of their steering into the turn within it."""
    turned = driven.steering * driven.side[driven.section]
    into, against = turned > STRAIGHT_AHEAD, turned < -STRAIGHT_AHEAD
    before = np.cumsum(into)
    before = before - (before - into)[driven.begins][driven.passes]
    within = against & (before > 0) & (before < driven.in_pass(into)[driven.passes])
    given, taken_back = driven.in_pass(turned * into), driven.in_pass(-turned * within)
    return (given > 0) & (taken_back >= CORRECTION * given)


def drifts_at_lock(
    driven: Driven, offset: np.ndarray, widest: tuple[float, float] | None = None
) -> np.ndarray:
    """Numbers of the steps that drift outwards after `LOCKED_STEPS` at full lock.

    Parameters
    ----------
    driven : Driven
    offset : numpy.ndarray
        m beside the centre-line, left positive.
    widest : (float, float), optional
        Widest steering to the right (not positive) and to the left (degrees); that of these steps when omitted.
    """
    sign = driven.side[driven.section]
    right, left = widest or (driven.steering.min(initial=0), driven.steering.max(initial=0))
    widest = np.where(sign > 0, left, -right)
    locked = (sign != 0) & (widest > STRAIGHT_AHEAD) & (driven.steering * sign >= FULL_LOCK * widest)
    drifting = np.diff(-sign * offset, prepend=np.nan) > LEAST_DRIFT
    for back in range(1, LOCKED_STEPS):
        same_pass = driven.passes[back:] == driven.passes[:-back]
        drifting[:back] = False
        drifting[back:] &= locked[:-back] & same_pass
    return np.flatnonzero(locked & drifting)


def broken_off(steps: pd.DataFrame) -> np.ndarray:
    """Numbers of the rows in which drives break off: the last of an episode that is no lap, or one with a penalty."""
    broke = steps["episode_status"].isin(BREAKS).to_numpy()
    lap = steps["episode_status"].isin(["lap_complete"]).to_numpy() | (steps["progress"].to_numpy() >= 100)
    rows = broke | (steps["done"].to_numpy(bool) & ~lap)
    again = np.diff(steps["unique_episode"].to_numpy(), prepend=-1) == 0
    again[1:] &= rows[:-1]
    return np.flatnonzero(rows & ~again & placed(steps))
