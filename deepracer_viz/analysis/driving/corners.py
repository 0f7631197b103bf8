"""Time lost in corners."""

from collections.abc import Iterator

import numpy as np

from deepracer_viz.analysis.driving.comparison import Comparison
from deepracer_viz.analysis.driving.signs import commanded, full_lock, lock, swing
from deepracer_viz.analysis.driving.stretch import PASSES, SPEEDS, WHERE, Claim, Stretch

TOO_FAST = 1.1
"""From this share of the possible pace on a corner is entered too fast ..."""

FALLS = 0.15
"""... and a fall of the pace by this share, in the second half of a corner, is braking that belongs before it."""

TOLD = 0.9
"""Below this share of the possible pace a command is the reason of a low speed; above it is not."""

MORE_SWING = 2.0
"""From this many times the swing elsewhere in corners on, steering is corrected within the turn ..."""

LEAST_SWING = 1 / 6
"""... if that is also this share of the lock."""

AT_LOCK = 0.2
"""Share of the drives at full lock, more than elsewhere in corners, from which on they ask for too much turn ..."""

LEAST_LOST = 0.03
"""... if the corner is so many seconds slower than possible: in a tight corner full lock alone is no fault."""

BY_LINE = 0.5
"""Share of the lost time from which on the line explains it."""


def brakes_too_late(comparison: Comparison, stretches: list[Stretch]) -> Iterator[Claim]:
    """Braking in a corner instead of before it: in too fast, and slower than need be deep in it, as it is told.

    The car is faster on the way in than the corner allows, or loses speed in the second half of the corner, where
    it should gain some. What is gained on the way in is part of the bill. A line that is too long explains a slow
    corner better.
    """
    told = commanded(comparison)
    for stretch in stretches:
        corner = stretch.corner
        if not corner or stretch.by_line >= BY_LINE or not stretch.catches_up:
            continue
        if stretch.here(told) > TOLD * (stretch.possible @ stretch.share):
            continue
        strength = max((stretch.entry - 1) / (TOO_FAST - 1), stretch.falls_in(corner) / FALLS)
        if not strength >= 1:
            continue
        inside = np.isin(stretch.cells, comparison.cells_of(corner))
        deepest = np.where(inside, stretch.pace / stretch.possible, np.inf).argmin()
        at_best = np.fmax(stretch.possible, comparison.pace(comparison.usual_of_fast[0])[stretch.cells])
        entry = ""
        if stretch.entry >= TOO_FAST:
            entry = f"come in up to {100 * (stretch.entry - 1):.0f} % faster than it allows, and then "
        yield Claim(
            "brakes too late",
            corner,
            stretch.with_entry,
            strength,
            f"In {corner} ({WHERE}) {PASSES} {entry}are down to {stretch.pace[deepest]:.2f} m/s "
            f"where {at_best[deepest]:.2f} m/s is possible.",
            "Take reward away for high speed where the waypoints ahead turn, from a metre or two before the corner "
            "on, so that the car is slow enough when it turns in.",
            seen=False,
        )


def line_too_long(comparison: Comparison, stretches: list[Stretch]) -> Iterator[Claim]:
    """A line further out than in this model's other corners: at least `BY_LINE` of the lost time is the line's."""
    for stretch in stretches:
        corner, share = stretch.corner, stretch.by_line
        if not corner or share < BY_LINE:
            continue
        whole = Stretch(comparison, comparison.cells_of(corner))
        driven, centre = (round(float(m), 2) for m in (whole.driven, comparison.length[whole.cells].sum()))
        longer = f", {driven:.2f} m against the {centre:.2f} m of the centre-line" if driven > centre else ""
        yield Claim(
            "line too long",
            corner,
            stretch.cells,
            share / BY_LINE,
            f"In {corner} ({WHERE}) the line is further out than in the other corners{longer}: {SPEEDS}.",
            "Reward being on the inside of the track in the middle of this corner, or stop rewarding the "
            "centre-line there.",
        )


def over_steering(comparison: Comparison, stretches: list[Stretch]) -> Iterator[Claim]:
    """Steering that turns in too much and is corrected within the turn, `MORE_SWING` times as much as elsewhere."""
    swings, limit = swing(comparison), LEAST_SWING * lock(comparison)
    slow = {stretch.corner: stretch.with_corner for stretch in stretches if stretch.corner}
    # A car that corrects itself all through a corner is a little slow all through it, and nowhere much.
    for corner in comparison.corners:
        cells = comparison.cells_of(corner)
        place = Stretch(comparison, slow.get(corner, cells))
        here, usual = float(np.mean(swings[cells])), place.elsewhere(swings, comparison.corner)
        least = max(MORE_SWING * np.nan_to_num(usual), limit)
        if not here > least:
            continue
        against = "" if np.isnan(usual) else f", {usual:.0f}° in other corners"
        yield Claim(
            "over-steering",
            corner,
            place.cells,
            here / least,
            f"In {corner} ({WHERE}) the steering of {PASSES} is corrected by {here:.0f}° to and fro "
            f"within the turn{against}; {SPEEDS}.",
            "Take reward away for changes of the steering angle within a corner, and offer a medium steering angle "
            "so that the car need not choose between too much and too little.",
        )


def under_steering(comparison: Comparison, stretches: list[Stretch]) -> Iterator[Claim]:
    """Steering at its end in more drives than elsewhere in corners, while time is lost and not by braking."""
    full, told = full_lock(comparison), commanded(comparison)
    for stretch in stretches:
        corner = stretch.corner
        if not corner or comparison.lost[0, stretch.cells].sum() < LEAST_LOST:
            continue
        here, usual = stretch.here(full), stretch.elsewhere(full, comparison.corner)
        command = stretch.here(told) / (stretch.possible @ stretch.share)
        if not here >= usual + AT_LOCK or command < TOLD:
            continue
        yield Claim(
            "under-steering",
            corner,
            stretch.with_corner,
            (here - usual) / AT_LOCK,
            f"In {corner} ({WHERE}) {100 * here:.0f} % of {PASSES} steer as far as they can, "
            f"{100 * usual:.0f} % in other corners, and still the car runs wide; {SPEEDS}.",
            "Take reward away for high speed with full steering, and offer a slower action with full steering: the "
            "front wheels ask for more turn than the tyres can give.",
        )
