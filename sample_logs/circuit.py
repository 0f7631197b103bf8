"""The sample track: a circuit of our own, with a hairpin, five more corners and two straights of note.

Metres and radians; left is positive (turn of a corner, offset from the centre-line).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

WIDTH = 1.0  # m
WAYPOINTS = 132
FINE = 0.005  # m, spacing of the points that the centre-line is drawn with before waypoints are taken from it
SHORTEST_STRAIGHT = 0.6  # m, anything shorter belongs to the corner after it
START_BEFORE_CORNER = 0.65  # m
CORNERS = (  # x, y of a polygon's vertex, radius there (m), name; the two arcs of the hairpin touch
    (8.20, 0.00, 0.80, "hairpin at the end of the long straight"),
    (8.20, 1.60, 0.80, "hairpin at the end of the long straight"),
    (5.60, 1.60, 0.75, "right-hander after the hairpin"),
    (5.60, 4.40, 1.20, "wide left-hander"),
    (-0.30, 4.40, 1.10, "sharp left-hander after the start line"),
    (0.30, 2.20, 1.50, "right-hand kink"),
    (-0.70, 0.00, 0.90, "left-hander onto the long straight"),
)
STRAIGHTS = {0: "long straight", 4: "middle straight, with the start line"}  # by the corner that follows


@dataclass(frozen=True)
class Section:
    """A straight or a corner of the track.

    Attributes
    ----------
    name : str
        "S1", "T1", ... counted from the start line.
    words : str
        What a racer would call it.
    start, end : float
        Distance along the centre-line (m). `start` > `end` where the section crosses the start line.
    turn : float
        How far it turns (degrees, left positive); 0 for a straight.
    """

    name: str
    words: str
    start: float
    end: float
    turn: float

    def contains(self, distance: float) -> bool:
        """Tell whether the section holds a distance along the centre-line (m)."""
        if self.start <= self.end:
            return self.start <= distance <= self.end
        return distance >= self.start or distance <= self.end


@dataclass(frozen=True, eq=False)
class Circuit:
    """A closed track.

    Attributes
    ----------
    name : str
    center, inner, outer : numpy.ndarray
        (N, 2) in m; the last row repeats the first. `inner` is the left border.
    distance : numpy.ndarray
        (N,) m along the centre-line.
    width : float
        m between the borders.
    sections : tuple of Section
        In order from the start line.
    """

    name: str
    center: np.ndarray
    inner: np.ndarray
    outer: np.ndarray
    distance: np.ndarray
    width: float
    sections: tuple[Section, ...]

    @property
    def length(self) -> float:
        """Length of the centre-line in m."""
        return float(self.distance[-1])

    @property
    def route(self) -> np.ndarray:
        """(N, 6) float64: centre, inner and outer border, as route files hold them."""
        return np.hstack([self.center, self.inner, self.outer])

    def section(self, name: str) -> Section:
        """Return the section of that name, or the first one whose words begin so ("long straight")."""
        return next(s for s in self.sections if s.name == name or s.words.startswith(name))

    def waypoint(self, distance: float) -> int:
        """Return the waypoint nearest to a distance along the centre-line (m)."""
        return int(np.argmin(np.abs(self.distance[:-1] - distance % self.length)))

    def mirrored(self) -> Circuit:
        """Return the circuit as a mirror shows it: its left-handers are right-handers."""
        flip = np.array([1, -1])
        return replace(
            self,
            name=f"{self.name}_mirrored",
            center=self.center * flip,
            inner=self.outer * flip,
            outer=self.inner * flip,
            sections=tuple(replace(section, turn=-section.turn) for section in self.sections),
        )

    def at(self, distance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the points of the centre-line at these distances (m), and its heading there (radians)."""
        ahead, behind = self._point(distance + 0.05), self._point(distance - 0.05)
        step = ahead - behind
        return self._point(distance), np.arctan2(step[..., 1], step[..., 0])

    def _point(self, distance: np.ndarray) -> np.ndarray:
        within = np.asarray(distance) % self.length
        return np.stack([np.interp(within, self.distance, self.center[:, k]) for k in (0, 1)], axis=-1)


def build_circuit() -> Circuit:
    """Build the sample track: a polygon with rounded corners, driven counter-clockwise."""
    points, owner = _rounded_polygon(np.array([corner[:3] for corner in CORNERS]))
    first = next(k for k, words in STRAIGHTS.items() if "start line" in words)
    start = int(np.argmax(owner == first)) - round(START_BEFORE_CORNER / FINE)
    points, owner = np.roll(points, -start, axis=0), np.roll(owner, -start)

    # Averaging over some 30 cm lets the curvature grow over a short way, as on a real track.
    window = np.exp(-0.5 * (np.arange(-60, 61) / 20) ** 2)
    smooth = np.stack([circular_filter(points[:, k], window) for k in (0, 1)], axis=1)
    closed = np.vstack([smooth, smooth[:1]])
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    grid = np.linspace(0, along[-1], WAYPOINTS)
    center = np.stack([np.interp(grid, along, closed[:, k]) for k in (0, 1)], axis=1)
    center[-1] = center[0]
    distance = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(center, axis=0).T))])

    heading = np.roll(center[:-1], -1, axis=0) - np.roll(center[:-1], 1, axis=0)
    heading = np.vstack([heading, heading[:1]])
    normal = np.stack([-heading[:, 1], heading[:, 0]], axis=1) / np.hypot(*heading.T)[:, None]
    return Circuit(
        name="harbour_loop",
        center=center,
        inner=center + normal * WIDTH / 2,
        outer=center - normal * WIDTH / 2,
        distance=distance,
        width=WIDTH,
        sections=_sections(owner, along, points),
    )


def circular_filter(values: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Weighted moving average, by a window of odd length, of values on a closed curve."""
    reach = len(window) // 2
    padded = np.concatenate([values[-reach:], values, values[:reach]])
    return np.convolve(padded, window / window.sum(), mode="valid")


def _rounded_polygon(corner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return points every `FINE` m along a polygon with rounded corners, and the owner of each.

    The owner is k for the arc of corner k, and -k - 1 for the straight that leads to it.
    """
    arcs = []
    for k, (x, y, radius) in enumerate(corner):
        vertex = np.array([x, y])
        back, on = corner[k - 1, :2] - vertex, corner[(k + 1) % len(corner), :2] - vertex
        back, on = back / np.hypot(*back), on / np.hypot(*on)
        half = np.arccos(np.clip(back @ on, -1, 1)) / 2
        reach = radius / np.tan(half)
        middle = vertex + (back + on) / np.hypot(*(back + on)) * radius / np.sin(half)
        arcs.append((vertex + back * reach, vertex + on * reach, middle, radius))
    pieces, owners = [], []
    for k, (enter, leave, middle, radius) in enumerate(arcs):
        before = arcs[k - 1][1]
        count = int(np.hypot(*(enter - before)) / FINE)
        pieces.append(before + (enter - before) * np.linspace(0, 1, count, endpoint=False)[:, None])
        owners.append(np.full(count, -k - 1))
        begin, end = (np.arctan2(*(p - middle)[::-1]) for p in (enter, leave))
        turn = (end - begin + np.pi) % (2 * np.pi) - np.pi
        angle = begin + turn * np.linspace(0, 1, int(abs(turn) * radius / FINE), endpoint=False)
        pieces.append(middle + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1))
        owners.append(np.full(len(angle), k))
    return np.vstack(pieces), np.concatenate(owners)


def _sections(owner: np.ndarray, along: np.ndarray, points: np.ndarray) -> tuple[Section, ...]:
    """Turn the owner of each point into named sections, in order from the start line."""
    step = np.roll(points, -1, axis=0) - points
    angle = np.arctan2(step[:, 1], step[:, 0])
    bend = np.degrees((angle - np.roll(angle, 1) + np.pi) % (2 * np.pi) - np.pi)
    owner = np.where(owner == 1, 0, owner)  # both arcs of the hairpin
    for straight in np.unique(owner[owner < 0]):
        rows = np.flatnonzero(owner == straight)
        if len(rows) * FINE < SHORTEST_STRAIGHT:
            owner[rows] = -straight - 1
    first = np.flatnonzero(owner != np.roll(owner, 1))
    if owner[0] == owner[-1]:
        first = np.roll(first, 1)
    sections, count = [], {"S": 0, "T": 0}
    for k, begin in enumerate(first):
        end = first[(k + 1) % len(first)]
        rows = np.arange(begin, end if end > begin else end + len(owner)) % len(owner)
        kind = "T" if owner[begin] >= 0 else "S"
        count[kind] += 1
        if kind == "T":
            words, turn = CORNERS[owner[begin]][3], round(float(bend[rows].sum()), 1)
        else:
            words, turn = STRAIGHTS.get(-owner[begin] - 1, "short straight"), 0.0
        sections.append(Section(f"{kind}{count[kind]}", words, float(along[begin]), float(along[end]), turn))
    return tuple(sections)
