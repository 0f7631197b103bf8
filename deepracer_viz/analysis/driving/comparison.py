"""How the drives of a model pass every place of the track, beside how it could pass there.

What the model could do is worked out from its own limits (`possible`) on its own line, without the swings of that
line and without what it is wider in one corner than in its others. So a fault that is in every lap is found too.
All of it is repeated for resampled drives, so that every figure has an interval.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from deepracer_viz.analysis.driving.kept import KeptTraces
from deepracer_viz.analysis.driving.possible import limits, possible_speed
from deepracer_viz.analysis.driving.traces import Traces, lay_along
from deepracer_viz.track import Track

FAST_SHARE = 0.1
"""Share of the drives that counts as the fast ones."""

LEAST_FAST = 3
"""Fewest fast drives: the mean of fewer is mostly the luck of one."""

LEAST_LAPS = 10
"""Fewest drives to compare: of fewer than ten, three fast ones would be hard to tell from the rest."""

MOST_DRIVES = 2000
"""Drives that are compared at most, evenly picked: more would not narrow any interval that matters."""

RESAMPLES = 300
"""Bootstrap samples behind each interval."""

SLOWER = 0.96
"""Below this share of the possible pace a place is slow ..."""

AS_USUAL = 0.98
"""... and as far as the pace is below this share around it, the slow stretch goes."""

LEAST_STRETCH = 0.25
"""Metres below which a slow place is left out: what is shorter is less than two steps."""

WIDER = 0.09
"""Metres that the line of a corner lies further out than in other corners, from which on it is too long ..."""

SPREADS = 2.0
"""... if that is also this many times the spread (median absolute deviation, scaled to an SD) of the others."""

LEAST_CORNERS = 3
"""Corners that it takes to tell which line is usual for a model."""

_SMOOTH = 0.5  # m over which speeds are averaged: two to three steps
_HEADING = 0.3  # m: SD of the Gaussian that smooths the heading of a line
_BEND_ENDS = _HEADING  # m before and after a smoothed bend that the bend may really reach
_LINE = 0.5  # m: SD of the Gaussian that takes the swings out of a line


@dataclass(frozen=True, eq=False)
class Comparison:
    """N drives in the P cells of a track, and what S samples of them say; sample 0 is the drives themselves.

    Attributes
    ----------
    track : Track
    drives : pandas.DataFrame
        All traced drives, as in `Traces.drives`, and driven_time (s) of their episode.
    traces : Traces
        The N drives that are compared.
    laps : bool
        Whether they are complete laps; else these are too few, and all drives are compared.
    seconds : numpy.ndarray
        Shape (N, P), NaN where a cell was not driven whole, or just after a standing start.
    fast : numpy.ndarray of bool
        Shape (N,): the fast drives.
    known : numpy.ndarray of bool
        Shape (P,): cells that at least `LEAST_LAPS` of the drives passed at speed.
    length, curvature : numpy.ndarray
        Shape (P,), m and 1/m (left positive, 0 where unknown), of the centre-line.
    usual : numpy.ndarray
        Shape (S, P): mean seconds in each cell. NaN where not known, as are the next two.
    lost : numpy.ndarray
        Shape (S, P): seconds more than the model could take.
    usual_of_fast : numpy.ndarray
        Shape (S, P): mean seconds of the fast drives; NaN where fewer than `LEAST_FAST` of them count.
    lost_by_line : numpy.ndarray
        Shape (S, P): what of these seconds the line alone costs, where it is wider than in other corners.
    """

    track: Track
    drives: pd.DataFrame
    traces: Traces
    laps: bool
    seconds: np.ndarray
    fast: np.ndarray
    known: np.ndarray
    length: np.ndarray
    curvature: np.ndarray
    usual: np.ndarray
    usual_of_fast: np.ndarray
    lost: np.ndarray
    lost_by_line: np.ndarray

    def cost(self, cells: np.ndarray) -> np.ndarray:
        """Seconds lost in some cells in each sample: against what is possible, or what the fast drives took if less."""
        usual, lost, fast = (
            part[:, cells].sum(axis=1) for part in (self.usual, self.lost, self.usual_of_fast)
        )
        return np.fmax(lost, usual - fast)

    @cached_property
    def possible(self) -> np.ndarray:
        """Shape (P,): seconds that the model could take in each cell."""
        return self.usual[0] - self.lost[0]

    @cached_property
    def corners(self) -> list[str]:
        """Names of the corners, in driving order."""
        kinds = zip(self.sections, self.track.sections["kind"], strict=True)
        return [section for section, kind in kinds if kind == "corner"]

    @cached_property
    def sections(self) -> list[str]:
        """Names of the sections, in driving order."""
        return list(self.track.sections["section"])

    @cached_property
    def signs(self) -> dict[str, np.ndarray | float]:
        """Answers of the functions in `signs` by name: several kinds of findings ask for the same ones."""
        return {}

    @cached_property
    def corner(self) -> np.ndarray:
        """Shape (P,): whether the cell lies in a corner."""
        return np.isin(self.traces.section, self.corners)

    @cached_property
    def cell(self) -> float:
        """Metres of the median cell."""
        return float(np.median(self.length))

    @cached_property
    def usual_pace(self) -> np.ndarray:
        """Shape (P,): metres of centre-line per second (m/s) that are usual around each cell."""
        return self.pace(self.usual[0])

    @cached_property
    def possible_pace(self) -> np.ndarray:
        """Shape (P,): what the model could have of it."""
        return self.pace(self.possible)

    @cached_property
    def middle(self) -> np.ndarray:
        """Shape (P,): m along the centre-line of the middle of each cell."""
        return (self.traces.place[1:] + self.traces.place[:-1]) / 2

    def cells_of(self, section: str) -> np.ndarray:
        """Cells of a section in driving order."""
        if section not in self._cells:
            self._cells[section] = self.in_order(np.flatnonzero(self.traces.section == section))
        return self._cells[section]

    @cached_property
    def _cells(self) -> dict[str, np.ndarray]:
        """Answers of `cells_of`."""
        return {}

    def in_order(self, cells: np.ndarray) -> np.ndarray:
        """Cells, each once, in driving order: from the one after the widest gap on."""
        cells = np.unique(cells)
        gaps = np.diff(cells, append=cells[0] + len(self.length))
        return np.roll(cells, -int(np.argmax(gaps)) - 1) if self.track.closed else cells

    def window(self, metres: float) -> int:
        """Cells, an odd number, that are about so many metres."""
        return 2 * round(metres / self.cell / 2) + 1

    def around(self, values: np.ndarray, metres: float) -> np.ndarray:
        """Sum over some metres around each cell, along the last axis; NaN counts as 0."""
        reach = self.window(metres) // 2
        pad = [(0, 0)] * (values.ndim - 1) + [(reach + 1, reach)]
        mode = "wrap" if self.track.closed else "constant"
        total = np.cumsum(np.pad(np.nan_to_num(values), pad, mode=mode), axis=-1, dtype=float)
        return total[..., 2 * reach + 1 :] - total[..., : -2 * reach - 1]

    def mean(self, values: np.ndarray, metres: float) -> np.ndarray:
        """Mean over some metres around each cell, along the last axis, of what is not NaN."""
        known = np.isfinite(values)
        with np.errstate(invalid="ignore"):
            return np.where(
                known, self.around(values, metres) / np.maximum(self.around(known, metres), 1), np.nan
            )

    def pace(self, seconds: np.ndarray) -> np.ndarray:
        """Metres of centre-line per second (m/s) around each cell; NaN where the seconds are."""
        known = np.isfinite(seconds)
        with np.errstate(invalid="ignore", divide="ignore"):
            pace = self.around(self.length * known, _SMOOTH) / self.around(seconds, _SMOOTH)
        return np.where(known, pace, np.nan)

    def stretches(self) -> list[np.ndarray]:
        """Cells of each stretch that is slower than it could be, in driving order."""
        share = np.nan_to_num(self.usual_pace / self.possible_pace, nan=1.0)
        begin = (
            int(np.argmax(share)) if self.track.closed else 0
        )  # no slow stretch reaches over the best place
        share, length = np.roll(share, -begin), np.roll(self.length, -begin)
        slow = runs(share < SLOWER)
        found = []
        for number, cells in enumerate(slow):
            if length[cells].sum() < LEAST_STRETCH:
                continue
            first, last = cells[0], cells[-1]
            least = slow[number - 1][-1] + 1 if number else 0
            most = slow[number + 1][0] - 1 if number + 1 < len(slow) else len(share) - 1
            while first > least and share[first - 1] < AS_USUAL:
                first -= 1
            while last < most and share[last + 1] < AS_USUAL:
                last += 1
            found.append((np.arange(first, last + 1) + begin) % len(share))
        return found


def compare(
    steps: pd.DataFrame,
    episodes: pd.DataFrame,
    track: Track,
    traces: Traces | KeptTraces | None = None,
) -> Comparison | None:
    """Compare all laps, or all drives where laps are few.

    Parameters
    ----------
    steps, episodes, track
        As for `lay_along`.
    traces : Traces, optional
        Its answer for them, where it is at hand.

    Returns
    -------
    Comparison or None
        None where no place of the track was passed by `LEAST_LAPS` drives, standing starts left out.
    """
    traces = lay_along(steps, episodes, track) if traces is None else traces
    if traces is None:
        return None
    known = episodes.set_index("unique_episode")["driven_time"]
    drives = traces.drives.assign(driven_time=known.reindex(traces.drives["unique_episode"]).to_numpy(float))
    laps = len(traces.laps.drives) >= LEAST_LAPS
    traces = traces.laps if laps else traces
    count = len(traces.drives)
    if count > MOST_DRIVES or not laps:
        traces = traces.pick(np.linspace(0, count - 1, min(count, MOST_DRIVES)).astype(int))
    seconds = np.where(traces.standing, np.nan, traces.seconds)
    known = np.isfinite(seconds).sum(axis=0) >= LEAST_LAPS
    if not known.any():
        return None
    seconds[:, ~known] = np.nan
    middle = (traces.place[1:] + traces.place[:-1]) / 2
    bend = np.nan_to_num(track.curvature)
    nothing = np.zeros((1, len(known)))
    return _with_losses(
        Comparison(
            track=track,
            drives=drives,
            traces=traces,
            laps=laps,
            seconds=seconds,
            fast=_fast(seconds),
            known=known,
            length=np.diff(traces.place),
            curvature=np.interp(middle, track.distance, bend, period=track.length if track.closed else None),
            usual=nothing,
            usual_of_fast=nothing,
            lost=nothing,
            lost_by_line=nothing,
        )
    )


def _fast(seconds: np.ndarray) -> np.ndarray:
    """Choose the fastest tenth of the drives, at least three, by their time against the mean where they drove."""
    flying = np.isfinite(seconds)
    taken = np.nan_to_num(seconds)
    usual = taken.sum(axis=0) / np.maximum(flying.sum(axis=0), 1)
    ideal = flying @ usual
    judged = ideal >= 0.5 * ideal.max()  # a drive that passed little of the track may be lucky there
    pace = np.where(judged, taken.sum(axis=1) / np.maximum(ideal, 1e-9), np.inf)
    fast = np.argsort(pace, kind="stable")[: max(LEAST_FAST, int(judged.sum() * FAST_SHARE))]
    return judged & np.isin(np.arange(len(seconds)), fast)


def _with_losses(drives: Comparison) -> Comparison:
    """Add what is usual and what is lost, for the drives and for resamples of them."""
    count, closed = len(drives.seconds), drives.track.closed
    weights = resampled(np.random.default_rng(0), count, RESAMPLES)
    flying = np.isfinite(drives.seconds)
    total = weights @ flying.astype(np.float32)
    known = (total > 0).all(axis=0)
    parts = (drives.seconds, drives.traces.metres, drives.traces.offset)
    # Where nothing is known a car of 1 m/s on the centre-line stands in; it has no part in any answer.
    seconds, metres, offset = (
        np.where(
            known, weights @ np.where(flying, part, 0).astype(np.float32) / np.maximum(total, 1), otherwise
        )
        for part, otherwise in zip(parts, (drives.length, drives.length, 0), strict=True)
    )

    of_fast, flying_fast = weights[:, drives.fast], flying[drives.fast]
    fast_total = of_fast @ flying_fast.astype(np.float32)
    fast_seconds = (
        of_fast
        @ np.where(flying_fast, drives.seconds[drives.fast], 0).astype(np.float32)
        / np.maximum(fast_total, 1)
    )

    own_length = _spans(drives, offset)[1]
    even = _without_swings(drives, offset)
    shift = _further_in(drives, metres)
    # Cars that explore drive a little further than the mean of their lines is long.
    detour = np.median((metres / own_length)[:, known], axis=1, keepdims=True)
    lines = (even, even + shift) if shift.any() else (even,)
    shapes = [(bend, length * detour) for bend, length in (_shape(drives, line) for line in lines)]
    own = limits(
        drives.around(metres, _SMOOTH) / drives.around(seconds, _SMOOTH),
        shapes[0][0],
        metres,
        [drives.cells_of(name) for name in drives.corners],
        ~drives.corner,
        known,
        closed,
    )
    reach = drives.window(2 * _BEND_ENDS) // 2
    possible = [length / possible_speed(own, bend, length, closed, reach) for bend, length in shapes]
    on_even, on_better = possible[0], possible[-1]
    return replace(
        drives,
        known=known,
        usual=np.where(known, seconds, np.nan),
        usual_of_fast=np.where(known & (fast_total >= LEAST_FAST), fast_seconds, np.nan),
        lost=np.where(known, seconds - on_better, np.nan),
        lost_by_line=np.where(known, on_even - on_better, np.nan),
    )


def _without_swings(drives: Comparison, offset: np.ndarray) -> np.ndarray:
    """Offsets of the same lines, smoothed: shape (S, P), m."""
    return _gaussian(offset, _LINE / drives.cell, drives.track.closed)


def _further_in(drives: Comparison, metres: np.ndarray) -> np.ndarray:
    """How much further in (m, left positive) the model's line would be in corners if it were as in its others.

    The line of a corner is wider by how many metres it is longer, per radian of the turn.
    """
    shift = np.zeros_like(metres)
    corners = [cells for name in drives.corners if drives.known[cells := drives.cells_of(name)].all()]
    turns = [drives.curvature[cells] * drives.length[cells] for cells in corners]
    if len(corners) < LEAST_CORNERS:
        return shift
    wide = np.stack(
        [
            (metres - drives.length)[:, cells].sum(axis=1) / max(abs(turn.sum()), 1e-9)
            for cells, turn in zip(corners, turns, strict=True)
        ],
        axis=1,
    )
    for number, (cells, turn) in enumerate(zip(corners, turns, strict=True)):
        others = np.delete(wide, number, axis=1)
        excess = wide[:, number] - np.median(others, axis=1)
        spread = 1.4826 * np.median(np.abs(others[0] - np.median(others[0])))
        if excess[0] > max(WIDER, SPREADS * spread):
            bump = np.sin(np.pi * (np.arange(len(cells)) + 0.5) / len(cells)) ** 2
            bump *= turn.sum() / (turn @ bump)  # so that it is as much shorter
            shift[:, cells] = np.sign(turn.sum()) * excess[:, None] * bump
    return shift


def _spans(drives: Comparison, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From each cell of lines beside the centre-line to the next (complex, m), and length in it (m): shapes (S, P)."""
    track, closed = drives.track, drives.track.closed
    known = ~np.isnan(track.center[:, 0])
    center = track.center[known] @ [1, 1j]
    center = np.interp(drives.middle, track.distance[known], center, period=track.length if closed else None)
    ahead = np.roll(center, -1) - np.roll(center, 1)
    if not closed:
        ahead[[0, -1]] = center[[1, -1]] - center[[0, -2]]
    line = center + offset * 1j * ahead / np.maximum(np.abs(ahead), 1e-9)
    span = np.roll(line, -1, axis=-1) - line  # to the next cell
    if not closed:
        span[:, -1] = span[:, -2]
    after = np.abs(span)
    return span, (after + _before(after, closed)) / 2


def _shape(drives: Comparison, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Curvature (1/m, left positive) and length (m) in each cell of lines beside the centre-line: shapes (S, P)."""
    span, length = _spans(drives, offset)
    smooth = _gaussian(span, _HEADING / drives.cell, drives.track.closed)
    turn = np.angle(smooth * np.conj(_before(smooth, drives.track.closed)))
    return turn / np.maximum(length, 1e-6), length


def _before(values: np.ndarray, closed: bool) -> np.ndarray:
    """The value of the cell before, along the last axis."""
    before = np.roll(values, 1, axis=-1)
    if not closed:
        before[..., 0] = values[..., 0]
    return before


def _gaussian(values: np.ndarray, width: float, closed: bool) -> np.ndarray:
    """Gaussian mean along the last axis with an SD of so many cells."""
    reach, count = int(np.ceil(3 * width)), values.shape[1]
    kernel = np.exp(-0.5 * (np.arange(-reach, 1) / width) ** 2)
    kernel /= 2 * kernel.sum() - 1
    padded = np.pad(values, ((0, 0), (reach, reach)), mode="wrap" if closed else "edge")
    total = kernel[-1] * values
    for n, share in enumerate(kernel[:-1]):  # cells as far ahead as behind have the same share
        total += share * (padded[:, n : n + count] + padded[:, 2 * reach - n : 2 * reach - n + count])
    return total


def resampled(random: np.random.Generator, count: int, samples: int) -> np.ndarray:
    """How often each of so many drives is in each bootstrap sample; sample 0 is the drives themselves.

    Returns
    -------
    numpy.ndarray
        Shape (samples + 1, count), float32.
    """
    weights = np.ones((samples + 1, count), dtype=np.float32)
    # Counting what is drawn takes a fraction of the time of drawing the counts.
    drawn = random.integers(count, size=(samples, count), dtype=np.int32) if count else ()
    for row, numbers in zip(weights[1:], drawn, strict=False):
        row[:] = np.bincount(numbers, minlength=count)
    return weights


def runs(mask: np.ndarray) -> list[np.ndarray]:
    """Indices of each unbroken stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    return [np.arange(begin, end) for begin, end in edges.reshape(-1, 2)]
