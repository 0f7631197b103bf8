"""Time lost because the car does not get, or does not do, what it is told."""

from collections.abc import Iterator

import numpy as np

from deepracer_viz.analysis.driving.comparison import Comparison
from deepracer_viz.analysis.driving.signs import commanded, not_reached, to_and_fro
from deepracer_viz.analysis.driving.stretch import PASSES, SPEEDS, WHERE, Claim, Stretch

MISSED = 1.12
"""From this many times the ratio of command to true speed elsewhere on, a command is not reached ..."""

FAST_ENOUGH = 0.95
"""... if the command is at least this share of the possible pace: else the car is slow because it is told to be."""

MORE_FLIPS = 2.0
"""From this many times as much to and fro as elsewhere on, speed commands fight each other ..."""

LEAST_FLIPS = 0.1
"""... if that is also this share of the highest command in each step."""


def command_not_reached(comparison: Comparison, stretches: list[Stretch]) -> Iterator[Claim]:
    """A true speed well below the command, where the command asks for no less than is possible.

    In corners sliding tyres are the cause; so only what is lost on straights counts.
    """
    missed, told = not_reached(comparison), commanded(comparison)
    for stretch in stretches:
        here, usual = stretch.here(missed), stretch.elsewhere(missed, comparison.known)
        command = stretch.here(told)
        if not here >= MISSED * usual or command < FAST_ENOUGH * (stretch.possible @ stretch.share):
            continue
        straight = float(stretch.share @ ~comparison.corner[stretch.cells])
        yield Claim(
            "command not reached",
            stretch.section,
            stretch.cells,
            straight * (here / usual - 1) / (MISSED - 1),
            f"In {stretch.section} ({WHERE}) {PASSES} are told to drive {command:.2f} m/s and reach "
            f"{command / here:.2f} m/s; elsewhere the command is {usual:.2f} times the true speed.",
            "The wheels spin or the command changes faster than the car can follow: take reward away for jumps of "
            "the speed, and offer speeds closer to each other among its actions.",
        )


def actions_fight_each_other(comparison: Comparison, stretches: list[Stretch]) -> Iterator[Claim]:
    """A speed command that changes and comes back from step to step, more than elsewhere."""
    flips = to_and_fro(comparison)
    top = float(np.nanmax(commanded(comparison)))
    for stretch in stretches:
        here, usual = stretch.here(flips), stretch.elsewhere(flips, comparison.known)
        least = max(MORE_FLIPS * np.nan_to_num(usual), LEAST_FLIPS * top)
        if not here > least:
            continue
        against = "" if np.isnan(usual) else f", {usual:.2f} m/s elsewhere"
        yield Claim(
            "actions fight each other",
            stretch.section,
            stretch.cells,
            here / least,
            f"In {stretch.section} ({WHERE}) the speed command of {PASSES} jumps to and fro by "
            f"{here:.2f} m/s in each step{against}; {SPEEDS}.",
            "Take reward away when the speed differs much from that of the step before, or train longer: the model "
            "has not decided there between fast and slow actions.",
        )
