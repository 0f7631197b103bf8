"""A slow stretch of the track as the detectors look at it, and what they claim about it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from deepracer_viz.analysis.driving.comparison import Comparison, runs
from deepracer_viz.analysis.words import counted

_ENTRY = 3.0  # m before a stretch in which speed was carried into it
_TURN_IN = 1.0  # m before a corner that count as the way into it


AT_TOP = 0.95
"""From this share of the highest pace or command on a car is not slowing down, or not told to."""

LEAST_EARLIER = 0.3
"""Metres below which the evidence does not say how much earlier the brakes come: less is not told apart from noise."""

WHERE, PASSES, SPEEDS = "{where}", "{passes}", "{speeds}"
"""Stand in a claim's evidence for the words of the stretch that it is told of in the end."""


@dataclass(frozen=True, eq=False)
class Price:
    """What a claim costs, where that is not the time lost in its cells.

    Attributes
    ----------
    seconds, gain : numpy.ndarray
        Shape (S,): seconds per lap, and share of drives that would complete their lap besides, in each sample.
    share : float
        Share of the drives that show it.
    drives : int
        How many drives that is of.
    """

    seconds: np.ndarray
    gain: np.ndarray
    share: float
    drives: int


@dataclass(frozen=True, eq=False)
class Claim:
    """That a slow stretch is of one kind.

    Attributes
    ----------
    kind, section : str
        What it is, and the section that a racer would name.
    cells : numpy.ndarray
        Where, in driving order.
    strength : float
        How many times the threshold of its kind the sign of it reaches; 1 for kinds told by the shape alone.
    evidence, advice : str
        A sentence each. The evidence may hold `WHERE`, `PASSES` and `SPEEDS`.
    seen : bool
        Whether a sign of its own shows it; else it is told from where and how the pace is low.
    price : Price, optional
        None: the time that is lost in the cells.
    """

    kind: str
    section: str
    cells: np.ndarray
    strength: float
    evidence: str
    advice: str
    seen: bool = True
    price: Price | None = None


@dataclass(frozen=True, eq=False)
class Stretch:
    """Cells in driving order in which a model is slower than it could be.

    Attributes
    ----------
    comparison : Comparison
    cells : numpy.ndarray
    """

    comparison: Comparison
    cells: np.ndarray

    @cached_property
    def seconds(self) -> np.ndarray:
        """Seconds of each drive that drove it whole."""
        seconds = self.comparison.seconds[:, self.cells].sum(axis=1)
        return seconds[np.isfinite(seconds)]

    @cached_property
    def share(self) -> np.ndarray:
        """Per cell: its share of the time that is lost here."""
        lost = np.maximum(self.comparison.lost[0, self.cells], 0)
        return lost / max(lost.sum(), 1e-9)

    @cached_property
    def pace(self) -> np.ndarray:
        """Per cell: usual pace (m/s of centre-line)."""
        return self.comparison.usual_pace[self.cells]

    @cached_property
    def possible(self) -> np.ndarray:
        """Per cell: pace that the model could have (m/s of centre-line)."""
        return self.comparison.possible_pace[self.cells]

    @cached_property
    def centre(self) -> int:
        """Cell by which half of the lost time is lost."""
        half = np.searchsorted(np.cumsum(self.share), 0.5)
        return int(self.cells[min(half, len(self.cells) - 1)])

    @property
    def section(self) -> str:
        """Section in which the middle of the lost time is."""
        return str(self.comparison.traces.section[self.centre])

    @property
    def corner(self) -> str:
        """The corner in which most of the lost time is; "" where most of it is on straights."""
        inside = self.comparison.corner[self.cells]
        if self.share @ inside < 0.5:
            return ""
        names = self.comparison.traces.section[self.cells]
        return str(max(set(names[inside]), key=lambda name: self.share @ (names == name)))

    @property
    def with_corner(self) -> np.ndarray:
        """Its cells, and all of the corner in which most of the time is lost."""
        return self.comparison.in_order(np.append(self.comparison.cells_of(self.corner), self.cells))

    @property
    def with_entry(self) -> np.ndarray:
        """Its cells, and those before it in which the car comes in too fast."""
        return np.append(self.carried_in, self.cells)

    @property
    def driven(self) -> float:
        """Mean metres over ground of the drives that drove it whole; NaN where none did."""
        comparison = self.comparison
        whole = np.isfinite(comparison.seconds[:, self.cells].sum(axis=1))
        metres = comparison.traces.metres[whole][:, self.cells].sum(axis=1)
        return float(metres.mean()) if whole.any() else np.nan

    @property
    def in_corner(self) -> bool:
        """Whether that section is a corner."""
        return bool(self.comparison.corner[self.centre])

    @property
    def along_section(self) -> float:
        """How far into its section the middle of the lost time is, 0 to 1."""
        cells = self.comparison.cells_of(self.section)
        return float((np.flatnonzero(cells == self.centre)[0] + 0.5) / len(cells))

    def neighbour(self, step: int) -> str:
        """Name of the corner next to its section, after it (1) or before it (-1); "" where there is none."""
        sections = self.comparison.sections
        if self.section not in sections:
            return ""
        at = sections.index(self.section) + step
        if self.comparison.track.closed:
            at %= len(sections)
        beside = sections[at] if 0 <= at < len(sections) else ""
        return beside if beside in self.comparison.corners else ""

    @cached_property
    def carried_in(self) -> np.ndarray:
        """Cells right before it in which the usual pace is above the possible one, in driving order."""
        comparison = self.comparison
        reach = comparison.window(_ENTRY)
        before = np.arange(self.cells[0] - reach, self.cells[0])
        before = before % len(comparison.length) if comparison.track.closed else before[before >= 0]
        faster = runs(comparison.lost[0, before] < 0)
        return before[faster[0][0] :] if faster else before[:0]

    @cached_property
    def entry(self) -> float:
        """Highest usual pace on the way into its corner, as a share of the possible pace there; NaN without one.

        The way in is the last metre before the corner and its first third.
        """
        comparison = self.comparison
        if not self.corner:
            return np.nan
        cells = comparison.cells_of(self.corner)
        reach = comparison.window(_TURN_IN)
        first = np.arange(cells[0] - reach, cells[0] + len(cells) // 3 + 1)
        first = first % len(comparison.length) if comparison.track.closed else first[first >= 0]
        pace, possible = comparison.usual_pace[first], comparison.possible_pace[first]
        return float(np.nanmax(pace / possible)) if np.isfinite(pace).any() else np.nan

    @cached_property
    def catches_up(self) -> bool:
        """Whether it ends because the car gains speed; else because it is no longer possible to be faster."""
        lowest = int(np.argmin(self.pace / self.possible))
        gained = np.log(self.pace[-1] / self.pace[lowest])
        return bool(gained >= np.log(self.possible[lowest] / self.possible[-1]))

    def falls_in(self, section: str) -> float:
        """By which share the usual pace falls in the second half of a section, within the stretch."""
        cells = self.comparison.cells_of(section)
        pace = self.pace[np.isin(self.cells, cells[len(cells) // 2 :])]
        return float(1 - pace.min() / pace[: pace.argmin() + 1].max()) if len(pace) else 0.0

    @cached_property
    def by_line(self) -> float:
        """Share of the lost time that the line alone costs."""
        comparison, cells = self.comparison, self.cells
        return float(comparison.lost_by_line[0, cells].sum() / max(comparison.lost[0, cells].sum(), 1e-9))

    def here(self, sign: np.ndarray) -> float:
        """Mean of a value per cell over the stretch, where time is lost."""
        return float(np.nan_to_num(sign[self.cells]) @ self.share)

    def elsewhere(self, sign: np.ndarray, among: np.ndarray) -> float:
        """Median of a value per cell over other cells among the given ones (a mask); NaN where there are none."""
        other = among & np.isfinite(sign)
        other[self.cells] = False
        return float(np.median(sign[other])) if other.any() else np.nan

    @property
    def waypoints(self) -> tuple[int, int]:
        """First and last waypoint; the first is the larger one where it crosses the start line."""
        place, track = self.comparison.traces.place, self.comparison.track
        ends = place[self.cells[0]], place[self.cells[-1] + 1]
        return tuple(int(np.nanargmin(np.abs(self._distance(track) - end))) for end in ends)

    @staticmethod
    def _distance(track) -> np.ndarray:
        return np.where(np.isnan(track.center[:, 0]), np.nan, track.distance)

    def fill_in(self, evidence: str) -> str:
        """The evidence of a claim, with the words of this stretch."""
        first, last = self.waypoints
        return evidence.format(
            where=f"waypoints {first}-{last}", passes=self.passes, speeds=f"{self.passes} {self.speeds}"
        )

    @property
    def passes(self) -> str:
        """In words: how many drives drove it whole."""
        return (
            counted(len(self.seconds), "lap")
            if self.comparison.laps
            else f"{counted(len(self.seconds), 'pass')} (too few complete laps)"
        )

    @property
    def speeds(self) -> str:
        """In words: the mean speed of all, and what shows that more can be had, which the cost is measured against.

        Like the cost, these are means cell by cell: a drive that began in the midst counts where it drove. What this
        model reaches elsewhere is no limit to it where its fast drives are faster still.
        """
        comparison = self.comparison
        metres = comparison.length[self.cells].sum()
        usual, fast, possible = (
            round(float(metres / seconds[self.cells].sum()), 2)
            for seconds in (comparison.usual[0], comparison.usual_of_fast[0], comparison.possible)
        )
        text, fastest = f"average {usual:.2f} m/s", f"the {comparison.fast.sum()} fastest"
        if fast > max(usual, possible):
            return f"{text}, {fastest} {fast:.2f} m/s"
        if fast > usual:
            text += f", {fastest} {fast:.2f} m/s"
        elif fast <= usual:  # which no comparison with NaN is
            text += f", {fastest} no more"
        return f"{text}, and {possible:.2f} m/s is possible with what this model reaches elsewhere"

    @property
    def earlier(self) -> str:
        """In words: how much earlier than they have to the brakes come, "" where that is not known."""
        slower = [pace < AT_TOP * pace[: len(pace) // 2 + 1].max() for pace in (self.pace, self.possible)]
        if not all(places.any() for places in slower):
            return ""
        place = self.comparison.length[self.cells].cumsum()
        slows, could = (place[places.argmax()] for places in slower)
        metres = could - slows
        return (
            f"the brakes come {metres:.1f} m earlier than they have to: " if metres >= LEAST_EARLIER else ""
        )
