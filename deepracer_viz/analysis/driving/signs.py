"""Signs in what the car is told and what it does, cell by cell, that tell why a place is slow."""

from collections.abc import Callable
from functools import wraps

import numpy as np

from deepracer_viz.analysis.driving.comparison import Comparison

ABOUT = 2.0
"""Metres: what steering swings about is its mean over so many, more than a swing and less than a corner."""

HOLDS = 0.3
"""Metres over which steering is averaged: one or two steps, as a single one turns no car."""

FULL = 0.85
"""Share of the lock from which on the steering is at its end."""

BACK = 0.8
"""Metres within which a speed command that changes and comes back is to and fro: four steps at speed."""

STEP = 1 / 15
"""Seconds between two looks of the simulator."""


def _once(sign: Callable) -> Callable:
    """Work a sign out once for each comparison."""

    @wraps(sign)
    def kept(comparison: Comparison) -> np.ndarray | float:
        if sign.__name__ not in comparison.signs:
            comparison.signs[sign.__name__] = sign(comparison)
        return comparison.signs[sign.__name__]

    return kept


@_once
def swing(comparison: Comparison) -> np.ndarray:
    """How far steering, averaged over a step or two, swings about its local mean.

    Returns
    -------
    numpy.ndarray
        Shape (P,), degrees: root mean square over the drives, NaN where not known.
    """
    held, about = _held(comparison), comparison.mean(_steering(comparison), ABOUT)
    return np.sqrt(_over_drives((held - about) ** 2))


@_once
def lock(comparison: Comparison) -> float:
    """Largest steering angle that is used (degrees): the 99th percentile over drives and cells."""
    return float(np.nanquantile(np.abs(_steering(comparison)), 0.99))


@_once
def full_lock(comparison: Comparison) -> np.ndarray:
    """Share of the drives that steer into the corner as far as they can, averaged over a step or two.

    Returns
    -------
    numpy.ndarray
        Shape (P,), NaN where not known.
    """
    held = _held(comparison)
    inwards = np.sign(comparison.curvature) * held
    return _over_drives(np.where(np.isfinite(held), inwards >= FULL * lock(comparison), np.nan))


@_once
def commanded(comparison: Comparison) -> np.ndarray:
    """Mean commanded speed in each cell: shape (P,), m/s, NaN where not known."""
    return _over_drives(_flying(comparison, comparison.traces.commanded))


def not_reached(comparison: Comparison) -> np.ndarray:
    """Commanded over true speed (over ground) in each cell: shape (P,), 1 where the car does as it is told."""
    metres = _over_drives(_flying(comparison, comparison.traces.metres))
    told, usual = commanded(comparison), comparison.usual[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        speed = comparison.around(metres, 0.5) / comparison.around(usual, 0.5)
        return np.where(np.isfinite(usual), comparison.mean(told, 0.5) / speed, np.nan)


def to_and_fro(comparison: Comparison) -> np.ndarray:
    """By how much the speed command changes and comes back, in each step.

    Over `BACK` metres: the sum of all changes less what is left of them in the end.

    Returns
    -------
    numpy.ndarray
        Shape (P,), m/s per step, mean over the drives, NaN where not known.
    """
    told = _flying(comparison, comparison.traces.commanded)
    ahead = np.roll(told, -1, axis=1)
    if not comparison.track.closed:
        ahead[:, -1] = np.nan
    change = ahead - told
    left = np.abs(comparison.around(change, BACK))
    steps = comparison.around(comparison.seconds, BACK) / STEP
    flips = (comparison.around(np.abs(change), BACK) - left) / np.maximum(steps, 1)
    return _over_drives(np.where(np.isfinite(change), flips, np.nan))


@_once
def _steering(comparison: Comparison) -> np.ndarray:
    """Steering (degrees) that was driven at speed: shape (N, P)."""
    return _flying(comparison, comparison.traces.steering)


@_once
def _held(comparison: Comparison) -> np.ndarray:
    """The same, averaged over a step or two."""
    return comparison.mean(_steering(comparison), HOLDS)


def _flying(comparison: Comparison, values: np.ndarray) -> np.ndarray:
    """What was driven at speed; NaN elsewhere."""
    return np.where(np.isfinite(comparison.seconds), values, np.nan)


def _over_drives(values: np.ndarray) -> np.ndarray:
    """Mean over the drives of what is not NaN; NaN where there is nothing."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    return np.where(count > 0, np.where(known, values, 0).sum(axis=0) / np.maximum(count, 1), np.nan)
