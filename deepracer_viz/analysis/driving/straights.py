"""Time lost on straights: before, after and between corners."""

from collections.abc import Iterator

import numpy as np

from deepracer_viz.analysis.driving.comparison import Comparison, runs
from deepracer_viz.analysis.driving.signs import commanded, lock, swing
from deepracer_viz.analysis.driving.stretch import AT_TOP, PASSES, SPEEDS, WHERE, Claim, Stretch

FIRST_PART = 0.25
"""Share of a straight in which lost time is the exit of the corner before it ..."""

LAST_PART = 0.55
"""... and share from which on it is the braking for the corner after it."""

MORE_SWING = 2.0
"""From this many times the swing elsewhere on, steering swings ..."""

LEAST_SWING = 1 / 6
"""... if that is also this share of the lock: less than that jitters around straight ahead."""

LEAST_WEAVE = 1.0
"""Metres of swinging that are weaving: less is one swing, as after a corner."""

LEAST_LONGER = 0.001
"""Share by which a way that swings is told to be longer than the track: less rounds to nothing."""


def slow_on_a_straight(comparison: Comparison, stretches: list[Stretch]) -> Iterator[Claim]:
    """Slower than this model's own top speed and acceleration allow, in the midst of a straight.

    The middle of the lost time lies neither in the first `FIRST_PART` of a straight, nor beyond `LAST_PART` of it,
    unless there is no corner that it could belong to.
    """
    told = commanded(comparison)
    for stretch in stretches:
        exits = stretch.along_section < FIRST_PART and stretch.neighbour(-1)
        brakes = stretch.along_section >= LAST_PART and stretch.neighbour(1)
        if stretch.in_corner or exits or brakes:
            continue
        if told[stretch.centre] > AT_TOP * np.nanmax(told):
            advice = (
                "The car is told to drive its highest speed there and does not get it: see whether it still steers "
                "there, or offer a faster action."
            )
        else:
            advice = (
                "Pay more reward for speed where the waypoints ahead are straight, for instance in proportion to it: "
                "the car is told to drive slower there than elsewhere."
            )
        yield Claim(
            "slow on a straight",
            stretch.section,
            stretch.cells,
            1.0,
            f"On {stretch.section} ({WHERE}) {SPEEDS}.",
            advice,
            seen=False,
        )


def brakes_too_early(comparison: Comparison, stretches: list[Stretch]) -> Iterator[Claim]:
    """Slower before a corner than this model's own braking asks for.

    The middle of the lost time lies beyond `LAST_PART` of the straight; or in a corner with more than one bend, and
    the stretch ends where the next bend allows no more.
    """
    for stretch in stretches:
        corner = stretch.section if stretch.in_corner else stretch.neighbour(1)
        before = not stretch.catches_up if stretch.in_corner else stretch.along_section >= LAST_PART
        if not corner or not before:
            continue
        yield Claim(
            "brakes too early",
            corner,
            stretch.cells,
            1.0,
            f"{'In' if stretch.in_corner else 'Before'} {corner} ({WHERE}) {stretch.earlier}{SPEEDS}.",
            "Pay for speed up to the corner: let the reward look fewer waypoints ahead before it asks for less "
            "speed, and offer a medium speed so that the car need not drop to the slowest.",
            seen=False,
        )


def slow_exit(comparison: Comparison, stretches: list[Stretch]) -> Iterator[Claim]:
    """Slower after a corner than this model's own acceleration allows.

    The middle of the lost time lies in the first `FIRST_PART` of the straight, or in the second half of the corner.
    """
    for stretch in stretches:
        corner = stretch.section if stretch.in_corner else stretch.neighbour(-1)
        after = (
            stretch.catches_up and stretch.along_section > 0.5
            if stretch.in_corner
            else stretch.along_section < FIRST_PART
        )
        if not corner or not after:
            continue
        yield Claim(
            "slow exit",
            corner,
            stretch.cells,
            1.0,
            f"After {corner} ({WHERE}) {SPEEDS}.",
            "Pay for speed as soon as the waypoints ahead are straight, and offer a fast action with moderate "
            "steering so that the car can speed up while it still turns.",
            seen=False,
        )


def weaving(comparison: Comparison, stretches: list[Stretch]) -> Iterator[Claim]:
    """Steering that swings to and fro on a straight, `MORE_SWING` times as far as elsewhere on straights.

    The swing is the root mean square of the steering, averaged over a step or two, about its mean over 2 m. Where
    more time is lost otherwise in the same stretch, only the part that swings is claimed.
    """
    swings, limit = swing(comparison), LEAST_SWING * lock(comparison)
    for stretch in stretches:
        usual = stretch.elsewhere(swings, ~comparison.corner)
        usual = stretch.elsewhere(swings, comparison.known) if np.isnan(usual) else usual
        least = max(MORE_SWING * np.nan_to_num(usual), limit)
        if stretch.in_corner or not stretch.here(swings) > least:
            swinging = (swings[stretch.cells] > least) & ~comparison.corner[stretch.cells]
            part = stretch.cells[max(runs(swinging), key=len, default=np.arange(0))]
            if comparison.length[part].sum() < LEAST_WEAVE:
                continue
            stretch = Stretch(comparison, part)
        here = stretch.here(swings)
        against = "" if np.isnan(usual) else f", {usual:.0f}° elsewhere"
        longer = stretch.driven / comparison.length[stretch.cells].sum() - 1
        way = f", and the way is {100 * longer:.1f} % longer than the track" if longer >= LEAST_LONGER else ""
        yield Claim(
            "weaving",
            stretch.section,
            stretch.cells,
            here / least,
            f"On {stretch.section} ({WHERE}) the steering of {PASSES} swings by {here:.0f}° to each "
            f"side{against}{way}.",
            "Take reward away when the steering angle changes sides or is large where the track is straight, and "
            "offer small steering angles among its actions.",
        )
