"""Traces of all drives of a run, laid along the track once and kept in a third of their room.

Laying a million steps along the track takes half a second, and every choice of drives is a choice of rows of the
same answer. Only driven cells are kept: most drives of a young model come through few of them.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from deepracer_viz.analysis.driving.traces import Traces, in_cells, lay_along, whole_episodes
from deepracer_viz.track import Track

_AT_A_TIME = (
    1 << 16
)  # steps that are laid together: what laying them takes meanwhile is many times the answer
_RATES = ("metres", "offset", "commanded", "steering")
_LARGEST = 6e4  # what a half-precision number holds


@dataclass(frozen=True, eq=False)
class KeptTraces:
    """Drives along the track, in the place of `Traces` wherever drives are picked from them.

    Times are kept in single precision (exact to some microseconds) and metres, offset, speed and steering in half
    precision, which is good to 0.05 %: 12 bytes a driven cell and some 100 a drive.

    Attributes
    ----------
    drives : pandas.DataFrame
    place, section : numpy.ndarray
    closed : bool
        As in `Traces`.
    row : numpy.ndarray
        Which of the kept drives these are.
    at_first, cell_first : numpy.ndarray
        Per kept drive: where its values begin in `at` and in `rates`.
    at : numpy.ndarray
        float32: `Traces.at` where it is known, drive by drive.
    rates : dict of str to numpy.ndarray
        float16: metres, offset, commanded and steering of `Traces` where the seconds are known, drive by drive.
    crossed, standing : numpy.ndarray
        Per kept drive, one bit per border and per cell: where `Traces.at` is known, and `Traces.standing`.
    """

    drives: pd.DataFrame
    place: np.ndarray
    section: np.ndarray
    closed: bool
    row: np.ndarray
    at_first: np.ndarray
    cell_first: np.ndarray
    at: np.ndarray
    rates: dict[str, np.ndarray]
    crossed: np.ndarray
    standing: np.ndarray

    @property
    def nbytes(self) -> int:
        """Bytes that the kept arrays take."""
        arrays = (self.at_first, self.cell_first, self.at, *self.rates.values(), self.crossed, self.standing)
        return sum(array.nbytes for array in arrays) + int(self.drives.memory_usage().sum())

    def of(self, episodes: pd.DataFrame) -> "KeptTraces":
        """The drives of some of the episodes."""
        mine, wanted = self.drives["unique_episode"].to_numpy(), episodes["unique_episode"].to_numpy()
        listed = np.zeros(max(mine.max(initial=0), wanted.max(initial=0)) + 1, dtype=bool)
        listed[wanted] = True
        rows = np.flatnonzero(listed[mine])
        return replace(self, drives=self.drives.iloc[rows].reset_index(drop=True), row=self.row[rows])

    @cached_property
    def laps(self) -> Traces:
        """The complete laps, unpacked once for all that is asked about the same drives."""
        return self.pick(self.drives["complete"])

    def pick(self, rows) -> Traces:
        """Some of the drives, as `Traces.pick`."""
        rows = np.asarray(rows)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(int)
        drives, kept, count = self.drives.iloc[rows].reset_index(drop=True), self.row[rows], len(self.section)
        at = np.full((len(rows), count + 1), np.nan, dtype=np.float32)
        crossed = np.unpackbits(self.crossed[kept], axis=1, count=count + 1).view(bool)
        at[crossed] = self.at[_entries(self.at_first[kept], crossed.sum(axis=1))]
        if self.closed:
            at[:, -1] = at[:, 0]
        begun = np.diff(at, axis=1) < 0
        lap_time = np.where(drives["complete"], drives["time"], np.nan)
        seconds = in_cells(at.astype(np.float64), begun, lap_time).astype(np.float32)
        known = np.isfinite(seconds)
        entries = _entries(self.cell_first[kept], known.sum(axis=1))
        rates = {}
        for name, values in self.rates.items():
            rates[name] = np.full(known.shape, np.nan, dtype=np.float32)
            rates[name][known] = values[entries]
        standing = np.unpackbits(self.standing[kept], axis=1, count=count).view(bool)
        return Traces(
            drives=drives,
            place=self.place,
            section=self.section,
            at=at,
            seconds=seconds,
            standing=standing,
            closed=self.closed,
            **rates,
        )


def keep_traces(steps: pd.DataFrame, episodes: pd.DataFrame, track: Track) -> KeptTraces | None:
    """Lay all traced drives along the track, some at a time, and keep the answer.

    Parameters
    ----------
    steps, episodes, track
        As for `lay_along`.

    Returns
    -------
    KeptTraces or None
        None where no driven step has a place on the track.
    """
    laid = (lay_along(steps.iloc[rows], episodes, track) for rows in whole_episodes(steps, _AT_A_TIME))
    parts = [_packed(traces) for traces in laid if traces is not None]
    if not parts:
        return None
    shape = parts[0][0]
    drives, at, rates, crossed, standing, crossings, cells = zip(*(part[1:] for part in parts), strict=True)
    crossings, cells = np.concatenate(crossings), np.concatenate(cells)
    return KeptTraces(
        drives=pd.concat(drives, ignore_index=True),
        place=shape.place,
        section=shape.section,
        closed=shape.closed,
        row=np.arange(len(crossings), dtype=np.int32),
        at_first=np.cumsum(crossings) - crossings,
        cell_first=np.cumsum(cells) - cells,
        at=np.concatenate(at),
        rates={name: np.concatenate([part[name] for part in rates]) for name in _RATES},
        crossed=np.concatenate(crossed),
        standing=np.concatenate(standing),
    )


def _packed(traces: Traces) -> tuple:
    """The known values of some drives one after the other, which they are, and how many each drive has."""
    at = traces.at.astype(np.float32)
    crossed = np.isfinite(at)
    if traces.closed:
        crossed[:, -1] = False  # the first one again
    lap_time = np.where(traces.drives["complete"], traces.drives["time"], np.nan)
    known = np.isfinite(in_cells(at.astype(np.float64), np.diff(at, axis=1) < 0, lap_time))
    rates = {
        name: np.clip(getattr(traces, name)[known], -_LARGEST, _LARGEST).astype(np.float16) for name in _RATES
    }
    bits = (np.packbits(crossed, axis=1), np.packbits(traces.standing, axis=1))
    return traces.pick([]), traces.drives, at[crossed], rates, *bits, crossed.sum(axis=1), known.sum(axis=1)


def _entries(first: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Places of runs of so many values that begin at these places."""
    return np.arange(count.sum()) + np.repeat(first - (np.cumsum(count) - count), count)
