"""Places at which episodes end before their lap is complete."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from deepracer_viz.analysis.driving.comparison import RESAMPLES, Comparison, resampled
from deepracer_viz.analysis.driving.stretch import WHERE, Claim, Price, Stretch

NO_FAILURE = ("", "lap_complete", "in_progress", "unknown", "prepare", "pause", "park")
"""End statuses of drives that did not fail where they ended, or of which nobody knows."""

WITHIN = 1.5
"""Metres of centre-line that are one place: about as far as a car slides before it has left the track."""

LEAST_SHARE = 0.05
"""Share of the drives that end at a place, of those that come there, from which on it is told ..."""

MORE_OFTEN = 3.0
"""... if that is also this many times what it is elsewhere on as many metres."""

LEAST_ENDED = 3
"""Drives that must have ended at a place: fewer are accidents."""

MOST_PLACES = 3
"""Places told at most: beyond that it is the driving as a whole."""


@dataclass(frozen=True, eq=False)
class Ending:
    """A place at which episodes end, with S samples of the drives; sample 0 is the drives themselves.

    Attributes
    ----------
    cells : numpy.ndarray
        Cells of the place, in driving order.
    middle : int
        Cell in which the middle one of these episodes ended.
    passes, ended : int
        Drives that came there, and those that ended there.
    elsewhere : float
        Share of the drives that end on as many metres elsewhere.
    completion : float
        Share of the drives that come round, from anywhere on the track: the product of the shares that pass each
        cell.
    gain : numpy.ndarray
        Shape (S,): by how much that would grow if no drive ended at this place.
    seconds : numpy.ndarray
        Shape (S,): seconds that the drives which ended there took, per complete lap. NaN without a complete lap.
    """

    cells: np.ndarray
    middle: int
    passes: int
    ended: int
    elsewhere: float
    completion: float
    gain: np.ndarray
    seconds: np.ndarray


def episode_ends_here(comparison: Comparison, stretches: list[Stretch]) -> Iterator[Claim]:
    """A place at which far more drives end than elsewhere, whether it is slow or not.

    Its seconds per lap are what the drives that ended there took, shared out among the complete laps.
    """
    for ending in endings(comparison):
        section = str(comparison.traces.section[ending.middle])
        share = ending.ended / ending.passes
        yield Claim(
            "episode ends here",
            section,
            ending.cells,
            1.0,
            f"In {section or 'a place'} ({WHERE}) {ending.ended} of {ending.passes} drives that come there end "
            f"({100 * share:.0f} %; elsewhere {100 * ending.elsewhere:.1f} % on as many metres). Without that about "
            f"{100 * (ending.completion + ending.gain[0]):.0f} % of the drives would come round instead of "
            f"{100 * ending.completion:.0f} %.",
            "Make finishing worth more than speed here: take reward away near the border and for high speed where "
            "these waypoints are ahead, and see that an action slow enough for them exists.",
            price=Price(ending.seconds, ending.gain, share, ending.passes),
        )


def endings(comparison: Comparison) -> Iterator[Ending]:
    """Find the places at which episodes end far more often than elsewhere, the worst first.

    Parameters
    ----------
    comparison : Comparison
        All of its `drives` are looked at, laps or not.

    Yields
    ------
    Ending
    """
    drives, place, track = comparison.drives, comparison.traces.place, comparison.track
    failed = ~drives["end_status"].isin(NO_FAILURE).to_numpy()
    begins, ends = drives["begins"].to_numpy(), drives["ends"].to_numpy()
    count, cells = len(drives), len(place) - 1
    end_at = ends % place[-1] if track.closed else np.clip(ends, 0, place[-1] - 1e-9)
    end_cell = np.clip(np.searchsorted(place, end_at, "right") - 1, 0, cells - 1)
    # A row per drive is one block of memory, so that a place's drives are summed sample by sample at once.
    weights = resampled(np.random.default_rng(1), count, RESAMPLES).T.copy()
    laps = weights[drives["complete"].to_numpy()].sum(axis=0)
    driven_time = np.nan_to_num(drives["driven_time"].to_numpy())
    lost, came = _losses_and_comings(
        weights, np.where(failed, end_cell, -1), begins, ends, place, track.closed
    )
    survive = 1 - np.minimum(lost / np.maximum(came, 1), 1)
    length = comparison.length
    reach = max(1, round(WITHIN / comparison.cell))
    free = np.ones(cells, dtype=bool)
    passes, ended_here = came[0], lost[0]
    for _ in range(MOST_PLACES):
        windows = np.arange(cells)[:, None] + np.arange(reach)
        windows = windows % cells if track.closed else windows[windows[:, -1] < cells]
        sums = np.where(free[windows].all(axis=1), ended_here[windows].sum(axis=1), 0)
        if not sums.max(initial=0) >= LEAST_ENDED:
            return
        best = np.flatnonzero(sums == sums.max())
        window = windows[best[len(best) // 2]]  # the middle one of equally good ones
        inside = np.isin(np.arange(cells), window)
        free &= ~inside
        here = 1 - survive[:, window].prod(axis=1)
        metres = (passes * length)[free].sum()
        elsewhere = ended_here[free].sum() / max(metres, 1e-9) * WITHIN
        if here[0] < max(LEAST_SHARE, MORE_OFTEN * elsewhere):
            continue
        where = window[np.flatnonzero(ended_here[window])]
        middle = window[np.searchsorted(np.cumsum(ended_here[window]), sums.max() / 2)]
        span = np.isin(window, where)
        among = window[np.argmax(span) : len(span) - np.argmax(span[::-1])]
        completion = survive.prod(axis=1)
        others = np.where(inside, 1, survive).prod(axis=1)
        here_ended = failed & np.isin(end_cell, window)
        with np.errstate(invalid="ignore", divide="ignore"):
            seconds = np.where(laps > 0, driven_time[here_ended] @ weights[here_ended] / laps, np.nan)
        yield Ending(
            cells=among,
            middle=int(middle),
            passes=round(sums.max() / max(here[0], 1e-9)),
            ended=int(sums.max()),
            elsewhere=float(elsewhere),
            completion=float(completion[0]),
            gain=others - completion,
            seconds=seconds,
        )


def _losses_and_comings(
    weights: np.ndarray,
    end_cell: np.ndarray,
    begins: np.ndarray,
    ends: np.ndarray,
    place: np.ndarray,
    closed: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """How often the drives, weighted in shape (drives, S), end in each cell and come to it: shapes (S, P).

    A drive comes to the places from where it begins on, that of its begin included, up to where it ends, and to all
    of them again in every further round. So a sum along the track tells it. `end_cell` is -1 where none counts.
    """
    cells, rounds = len(place) - 1, np.zeros(len(begins))
    if closed:
        rounds = np.floor(ends / place[-1]) - np.floor(begins / place[-1])
        begins, ends = begins % place[-1], ends % place[-1]
    first = np.clip(np.searchsorted(place, begins, "right") - 1, 0, cells - 1)
    # Up to the cell before this one in its last round; cell P stands for none.
    ended = np.searchsorted(place[:-1], ends, "right")
    # All sums over the drives in one product: its first P rows are the losses, the others the changes of how many come
    # from one cell to the next.
    drive, lost = np.arange(len(begins)), np.flatnonzero(end_cell >= 0)
    entries = (
        (lost, end_cell[lost], 1),
        (drive, cells, rounds),
        (drive, cells + first, 1),
        (drive, cells + ended, -1),
    )
    of, row, value = (
        np.concatenate(column)
        for column in zip(*(np.broadcast_arrays(*entry) for entry in entries), strict=True)
    )
    sums = (
        sparse.csr_array((value.astype(np.float32), (row, of)), shape=(2 * cells + 1, len(drive))) @ weights
    )
    return sums[:cells].T.copy(), np.cumsum(sums[cells:-1].T, axis=1)
