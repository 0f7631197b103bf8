"""What this model could do: the speed that its own grip, acceleration, braking and top speed allow on a line.

The quasi-steady-state lap of racing engineering (Milliken and Milliken, Race Car Vehicle Dynamics, 1995, chapter
7): in every place the car is as fast as the curvature of its line lets it be, and between the corners it speeds up
and brakes as it can. The limits are not those of a model of the car, but what the same model shows elsewhere on the
track, so a place where it stays below them is a place where it could do better.
"""

from dataclasses import dataclass

import numpy as np

GRIP_SHARE = 0.75
"""Quantile, over the middle of a corner, of speed squared times curvature: the grip that is used there ..."""

CORNER_CORE = 0.7
"""... and the middle is where the line bends at least this share of the most it bends in that corner."""

SAME_GRIP = 1.0
"""A corner that uses less than this share of the grip of the median corner could be driven faster ..."""

MORE_GRIP = 1.1
"""... and one that seems to hold more than this many times that grip is entered too fast, not held."""

TOP_SHARE = 0.95
"""Quantile of the speeds on straights that is the top speed: reached on a twentieth of them."""

PUSH_SHARE = 0.75
"""Quantile, over the places where the car speeds up (or brakes), of how hard it does."""

HARDEST_SHARE = 0.9
"""Quantile of the same that is the hardest acceleration."""

_CHANGES = 0.2  # m/s2: below this a speed is steady
_OVER = 1.02  # the speed that the car tends to, as a share of the top speed that it is seen to reach
_NEAR_TOP = 0.95  # share of the top speed above which acceleration says nothing: it is used up
_REACH = 3  # cells before and after, over which a change of speed is measured


@dataclass(frozen=True, eq=False)
class Limits:
    """What a model reaches, for S samples of its drives.

    Attributes
    ----------
    top : numpy.ndarray
        Shape (S,), m/s.
    grip : numpy.ndarray
        Shape (S, P): sideways acceleration in the corner of each cell, m/s2.
    hardest : numpy.ndarray
        Shape (S,): acceleration from low speed, m/s2.
    push : numpy.ndarray
        Shape (S,), 1/s: near the top speed the acceleration is this times what is missing from the top speed.
    braking : numpy.ndarray
        Shape (S,), m/s2.
    """

    top: np.ndarray
    grip: np.ndarray
    hardest: np.ndarray
    push: np.ndarray
    braking: np.ndarray


def limits(
    speed: np.ndarray,
    curvature: np.ndarray,
    metres: np.ndarray,
    corners: list[np.ndarray],
    straight: np.ndarray,
    known: np.ndarray,
    closed: bool,
) -> Limits:
    """Read the limits of a model from how fast it usually is.

    Parameters
    ----------
    speed, curvature, metres : numpy.ndarray
        Shape (S, P): speed over ground (m/s), curvature of the driven line (1/m), length of the line in each cell
        (m), for S samples of the drives.
    corners : list of numpy.ndarray
        Cells of each corner.
    straight, known : numpy.ndarray of bool
        Shape (P,): cells of straights; cells in which the speed is known.
    closed : bool
        Whether the last cell leads to the first.

    Returns
    -------
    Limits
    """
    samples, cells = speed.shape
    square = speed**2
    ahead, back = (np.roll(square, -_REACH, axis=1), np.roll(square, _REACH, axis=1))
    between = sum(np.roll(metres, shift, axis=1) for shift in range(-_REACH, _REACH))
    valid = known & np.roll(known, _REACH) & np.roll(known, -_REACH)
    if not closed:
        valid[:_REACH] = valid[-_REACH:] = False
    change = (ahead - back)[:, valid] / (2 * between[:, valid])

    top_cells = known & straight if (known & straight).any() else known
    top = np.quantile(speed[:, top_cells], TOP_SHARE, axis=1)
    room = np.maximum(_OVER * top[:, None] - speed[:, valid], 1e-6)
    gaining = change > _CHANGES
    below = gaining & (speed[:, valid] < _NEAR_TOP * top[:, None])
    hardest = _quantile(np.where(gaining, change, np.nan), HARDEST_SHARE)
    push = _quantile(np.where(below, change / room, np.nan), PUSH_SHARE)
    braking = _quantile(np.where(change < -_CHANGES, -change, np.nan), PUSH_SHARE)

    grips = []
    for corner in corners:
        corner = corner[known[corner]]
        bend = np.abs(curvature[:, corner])
        core = bend >= CORNER_CORE * bend.max(axis=1, initial=0)[:, None]
        grips.append(
            _quantile(np.where(core, square[:, corner] * bend, np.nan), GRIP_SHARE, otherwise=np.nan)
        )
    grip = np.full((samples, cells), np.inf)
    if grips and np.isfinite(grips).any():
        grips = np.stack(grips, axis=1)
        usual = np.nanmedian(grips, axis=1)
        grip[:] = usual[:, None]
        for corner, own in zip(corners, grips.T, strict=True):
            grip[:, corner] = np.clip(np.nan_to_num(own), SAME_GRIP * usual, MORE_GRIP * usual)[:, None]
    return Limits(top=top, grip=grip, hardest=hardest, push=push, braking=braking)


def possible_speed(
    limits: Limits, curvature: np.ndarray, metres: np.ndarray, closed: bool, reach: int = 0
) -> np.ndarray:
    """Highest speed on a line within the limits.

    Parameters
    ----------
    limits : Limits
    curvature, metres : numpy.ndarray
        Shape (S, P): of the line, as for `limits`.
    closed : bool
        Whether the last cell leads to the first.
    reach : int
        Cells before and after each bend in which the speed is held as well: smoothing makes a bend gentler at its
        ends than it is.

    Returns
    -------
    numpy.ndarray
        Shape (S, P), m/s.
    """
    cap = np.sqrt(limits.grip / np.maximum(np.abs(curvature), 1e-6))
    beside = np.pad(cap, ((0, 0), (reach, reach)), mode="wrap" if closed else "edge")
    cap = np.lib.stride_tricks.sliding_window_view(beside, 2 * reach + 1, axis=1).min(axis=2)
    # One row per cell is one block of memory, and a lap is walked cell by cell.
    speed, metres = np.minimum(cap, limits.top[:, None]).T.copy(), metres.T.copy()
    last = len(speed) - 1
    tends_to = _OVER * limits.top
    shed = 2 * limits.braking * metres
    # Twice round, as the end of the lap bears on its start; but the second time only as far as it does.
    for first_round in (True, False)[: 1 + closed]:
        for cell in range(last if closed else last - 1, -1, -1):
            after = speed[cell + 1 if cell < last else 0]
            braked = np.sqrt(after**2 + shed[cell])
            if not first_round and (speed[cell] <= braked).all():
                break
            np.minimum(speed[cell], braked, out=speed[cell])
    for first_round in (True, False)[: 1 + closed]:
        for cell in range(last + 1 if closed else last):
            before, after = speed[cell], speed[cell + 1 if cell < last else 0]
            push = np.minimum(limits.hardest, limits.push * np.maximum(tends_to - before, 0))
            gained = np.sqrt(before**2 + 2 * push * metres[cell])
            if not first_round and (after <= gained).all():
                break
            np.minimum(after, gained, out=after)
    return speed.T


def _quantile(values: np.ndarray, share: float, otherwise: float = np.inf) -> np.ndarray:
    """Quantile of each row without its NaN; `otherwise` where there is nothing else."""
    values = np.sort(values, axis=1)  # NaN last
    count = np.isfinite(values).sum(axis=1)
    if not values.shape[1]:
        return np.full(len(values), otherwise)
    place = np.maximum(count - 1, 0) * share
    row = np.arange(len(values))
    low, high = (values[row, bound.astype(int)] for bound in (np.floor(place), np.ceil(place)))
    return np.where(count > 0, low + (high - low) * (place % 1), otherwise)
