"""Where things are on the track: a route file or geometry rebuilt from steps, its corners and straights.

A route is a list of waypoints along the centre-line, numbered in driving direction from the start line. In a
closed route the last waypoint usually repeats the first one; both numbers occur in logs, so both are kept.
"""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from tokenize import TokenError
from typing import BinaryIO

import numpy as np
import pandas as pd

from deepracer_viz.logs.errors import LogError

ROUTE_FILE = "route file"
REBUILT = "rebuilt from steps"

MAX_WAYPOINTS = 10_000
MIN_SEEN_WAYPOINTS = 5
"""Waypoints with a driven step that it takes to rebuild a track: fewer do not show a curve."""

_MAX_BYTES = MAX_WAYPOINTS * 6 * 16 + 12_000  # the widest float type, and the longest header numpy accepts
_HOW_TO = "Choose the route file of the track, a NumPy .npy file such as reinvent_base.npy."
# m: x and y of a step are the front of the car, this far ahead of the point that is placed at a start
_FRONT = 0.14
_FILL_GAP = 4  # unseen waypoints in a row that are interpolated; a longer stretch stays unknown
_AT_A_TIME = 1 << 17  # steps that are looked at together
_ENOUGH = 300_000  # steps that tell all about a track; of more than twice as many, so many are used
_USED = [
    "unique_episode",
    "steps",
    "x",
    "y",
    "yaw",
    "on_track",
    "closest_waypoint",
    "track_len",
    "episode_status",
]
# m: the driven points of one waypoint lie closer together than this (roads are up to 1.45 m wide)
_CONTRADICTION = 1.0

_CELL = 0.05  # m: resolution at which headings are smoothed and sections cut
_FARTHEST = 1e5  # m from the origin, ten times what a step may say
_MAX_CELLS = 40_000  # 2 km of track; the longest routes have about 100 m
# m: SD of the Gaussian that smooths headings; positions rebuilt from steps are noisier
_SMOOTHING = {ROUTE_FILE: 0.3, REBUILT: 0.4}
_BEND = 0.2  # 1/m: a corner reaches as far as the track bends more than this (radius 5 m) ...
_CORNER = 0.3  # 1/m: ... and somewhere bends more than this (radius 3.3 m)
_MIN_TURN = 20.0  # deg: a corner turns at least this much in all; less can be noise of a rebuilt track
_MIN_STRAIGHT = 1.0  # m: a shorter straight between two corners is part of them


@dataclass(frozen=True, eq=False)
class Track:
    """Geometry of one track in the direction of driving.

    Attributes
    ----------
    name : str
        Name of the track or of its file.
    center : numpy.ndarray
        Shape (N, 2), m. Row i is waypoint i; NaN where no driven step told where the waypoint is.
    inner, outer : numpy.ndarray or None
        Shape (N, 2), m. The borders, None where unknown.
    source : str
        "route file" or "rebuilt from steps".
    length : float
        Length of the track in m. A track that was driven in part has its full length all the same.
    distance : numpy.ndarray
        Shape (N,), m along the centre-line from waypoint 0.
    curvature : numpy.ndarray
        Shape (N,), 1/m, smoothed, positive to the left; NaN where the track is unknown.
    sections : pandas.DataFrame
        Corners and straights in order of driving: section ("T1", "S1"), kind ("corner", "straight"),
        waypoint_from, waypoint_to (both inclusive), start, end and length (m), turn (deg, left positive).
        The section that crosses the start line has waypoint_from > waypoint_to and start > end.
    closed : bool
        Whether the end of the track is its start.
    """

    name: str
    center: np.ndarray
    inner: np.ndarray | None
    outer: np.ndarray | None
    source: str
    length: float
    distance: np.ndarray
    curvature: np.ndarray
    sections: pd.DataFrame
    closed: bool = True

    @property
    def approximate(self) -> bool:
        """Whether the geometry is an estimate from driven steps."""
        return self.source != ROUTE_FILE

    def section_of(self, waypoints: Iterable[int]) -> np.ndarray:
        """Name of the section at each of the waypoints.

        Parameters
        ----------
        waypoints : array-like of int
            Waypoint numbers, in any order and as often as wanted.

        Returns
        -------
        numpy.ndarray of str
            The name, "" where the waypoint is not on the track or its section is unknown.
        """
        number = np.asarray(waypoints, dtype=float)
        known = (number >= 0) & (number < len(self.center))
        return self._section_names[np.where(known, number, len(self.center)).astype(int)]

    @cached_property
    def _section_names(self) -> np.ndarray:
        """Section of each waypoint; the extra last entry is the answer for whatever is no waypoint, NaN included."""
        names = np.full(len(self.center) + 1, "", dtype=object)
        for row in self.sections.itertuples():
            if row.waypoint_from <= row.waypoint_to:
                names[row.waypoint_from : row.waypoint_to + 1] = row.section
            else:
                names[row.waypoint_from : -1] = row.section
                names[: row.waypoint_to + 1] = row.section
        return names.astype(str)

    def position(self, x, y, waypoint) -> tuple[np.ndarray, np.ndarray]:
        """Project points on the centre-line near their waypoint.

        Parameters
        ----------
        x, y : array-like of float
            Points in m, such as the x and y of steps.
        waypoint : array-like of int
            Closest waypoint of each point. It tells the parts of a track that run side by side apart.

        Returns
        -------
        along, offset : numpy.ndarray
            Metres along the centre-line from waypoint 0, and metres beside it, positive to the left of the
            driving direction. NaN where the waypoint or both its neighbours are unknown.
        """
        point = np.asarray(x, dtype=float) + 1j * np.asarray(y, dtype=float)
        number = np.asarray(waypoint, dtype=float)
        on_route = (number >= 0) & (number < len(self.center))
        number = np.where(on_route, number, 0).astype(int)
        begin, span, known = _segments(self.center, self.closed)
        start_at = np.append(self.distance, self.length)
        usable = known & (np.abs(span) > 0)

        best = np.full(point.shape, np.inf)
        along = np.full(point.shape, np.nan)
        offset = np.full(point.shape, np.nan)
        # Segment i leads from waypoint i to the next one. Two on either side of the waypoint, because a route
        # file may number its waypoints one or two apart from the simulator that wrote the log.
        for shift in (-1, 0, -2, 1):
            segment = number + shift
            if self.closed:
                segment %= len(begin)
            inside = on_route & (segment >= 0) & (segment < len(begin))
            segment = np.where(inside, segment, 0)
            inside &= usable[segment]
            step = np.where(inside, span[segment], 1)
            relative = (point - begin[segment]) * np.conj(step) / np.abs(step)  # real: along, imaginary: left
            fraction = np.clip(relative.real / np.abs(step), 0, 1)
            away = np.where(inside, np.abs(relative - fraction * np.abs(step)), np.inf)
            nearer = away < best - 1e-9
            best = np.where(nearer, away, best)
            reach = start_at[segment + 1] - start_at[segment]
            along = np.where(nearer, start_at[segment] + fraction * reach, along)
            offset = np.where(nearer, np.copysign(away, relative.imag), offset)
        return along, offset

    def outline(self, max_points: int = 1000) -> pd.DataFrame:
        """Lines to draw: the centre-line, and the borders where they are known.

        Parameters
        ----------
        max_points : int
            Points per line at most; a longer route is thinned evenly.

        Returns
        -------
        pandas.DataFrame
            x, y (m, NaN breaks the line), line ("centre", "inner", "outer"), waypoint, point (drawing order
            within the line; a closed line ends where it begins).
        """
        row = np.arange(0, len(self.center), max(1, -(-len(self.center) // max_points)))
        row = np.append(row, 0 if self.closed else len(self.center) - 1)
        lines = {"inner": self.inner, "outer": self.outer, "centre": self.center}
        return pd.concat(
            [
                pd.DataFrame(
                    {
                        "x": xy[row, 0],
                        "y": xy[row, 1],
                        "line": line,
                        "waypoint": row,
                        "point": range(len(row)),
                    }
                )
                for line, xy in lines.items()
                if xy is not None
            ],
            ignore_index=True,
        )


def load_track(path_or_file: str | PathLike | BinaryIO) -> Track:
    """Read a route file.

    Parameters
    ----------
    path_or_file : path or binary file
        A NumPy ``.npy`` file of shape (N, 6) (centre x, y; inner border x, y; outer border x, y) or (N, 2)
        (centre x, y) in metres. Nothing is ever unpickled and a bounded number of bytes is read.

    Returns
    -------
    Track

    Raises
    ------
    LogError
        If the file cannot be read or is not such an array.
    """
    if isinstance(path_or_file, (str, PathLike)):
        name = Path(path_or_file).name
        try:
            with open(path_or_file, "rb") as file:
                data = file.read(_MAX_BYTES + 1)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise LogError(f"The track file {name} could not be opened ({reason}). {_HOW_TO}") from error
    else:
        name = Path(str(getattr(path_or_file, "name", "") or "the upload")).name
        if path_or_file.seekable():
            path_or_file.seek(0)
        data = path_or_file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise LogError(
            f"The track file {name} is too large for a route, which has {MAX_WAYPOINTS:,} points at most. "
            f"{_HOW_TO}"
        )
    route = _read_route(data, name)
    center = route[:, 0:2]
    inner, outer = (route[:, 2:4], route[:, 4:6]) if route.shape[1] == 6 else (None, None)
    if len(np.unique(center, axis=0)) < 3:
        raise LogError(f"The track file {name} has fewer than three different points. {_HOW_TO}")
    length = np.hypot(*np.diff(center, axis=0).T).sum()
    if not 1.0 <= length <= _MAX_CELLS * _CELL:
        raise LogError(
            f"The track file {name} describes a route {length:.3g} m long; a route is in metres, "
            f"1 to {_MAX_CELLS * _CELL:,.0f} m long. {_HOW_TO}"
        )
    return _build(Path(name).stem, center, inner, outer, ROUTE_FILE)


def rebuild_track(steps: pd.DataFrame) -> Track | None:
    """Estimate the centre-line of the track from driven steps.

    A waypoint lies where the steps that were nearest to it were on average: exploring cars drive on either
    side. Training episodes start exactly on the centre-line, so the places of the starts correct the average
    around them. The borders stay unknown. Compared with route files, the centre-line is off sideways by 1 to
    2 cm in the median after hundreds of episodes, and by 5 to 15 cm after a few dozen short ones.

    Parameters
    ----------
    steps : pandas.DataFrame
        Step table; the columns unique_episode, steps, x, y, yaw, on_track, closest_waypoint, track_len and
        episode_status are used. Rows of one episode follow each other.

    Returns
    -------
    Track or None
        None where fewer than `MIN_SEEN_WAYPOINTS` waypoints have a driven step on the track, where these
        cover less than a metre, or where the steps contradict each other about where the waypoints are.
    """
    return _rebuild(steps)[0]


def track_for(steps: pd.DataFrame, route: Track | None = None) -> tuple[Track | None, str]:
    """Choose the geometry to show steps on: the route if it fits them, else one rebuilt from them.

    A route fits if its length is that of the log (within 1 %), it has all waypoints of the log, and the
    driven points lie on the road beside their waypoint. It is tried in both directions, and with and without
    the doubled points that newer simulators drop from a route before they number it.

    Parameters
    ----------
    steps : pandas.DataFrame
        Step table, as for `rebuild_track`.
    route : Track, optional
        Track from a route file.

    Returns
    -------
    track : Track or None
        None where the route does not fit and too little was driven to rebuild one.
    sentence : str
        Which geometry it is and why, in plain words.
    """
    if route is None:
        track, reason = _rebuild(steps)
        return track, f"No track file was given. {reason}"
    enough = _enough(steps)
    every = max(1, len(enough) // 50_000)  # plenty to judge a fit by
    parts = list(_driven_parts(enough))
    driven = pd.concat([part.iloc[::every] for part in parts])
    if driven.empty:
        unchecked = "which could not be checked: the log has no driven step on the track"
        return route, f"Track file {route.name}, {unchecked}."
    last = max(int(part["closest_waypoint"].max()) for part in parts if len(part))
    fitting, sentence = _fit(driven, last, route)
    if fitting is not None:
        return fitting, sentence
    track, reason = _rebuild(steps)
    return track, f"{sentence} {reason}"


def _read_route(data: bytes, name: str) -> np.ndarray:
    """Array of a route file as float64, checked; never unpickles."""
    wrong = LogError(f"The track file {name} is not a NumPy array file, or it is cut short. {_HOW_TO}")
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        read_header = (
            np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read_header(file)
    except (ValueError, EOFError, SyntaxError, TypeError, RecursionError, MemoryError, TokenError) as error:
        raise wrong from error
    # The header is judged before the numbers are read: a small file may claim a huge array.
    if dtype.hasobject or dtype.kind not in "fiu":
        raise LogError(f"The track file {name} holds {dtype.name} values instead of plain numbers. {_HOW_TO}")
    if len(shape) != 2 or shape[1] not in (2, 6) or not 3 <= shape[0] <= MAX_WAYPOINTS:
        size = " x ".join(str(count) for count in shape) or "a single value"
        raise LogError(
            f"The track file {name} has the size {size}; a route has 3 to {MAX_WAYPOINTS:,} rows "
            f"of 6 columns (centre, inner and outer x, y) or of 2 (centre x, y). {_HOW_TO}"
        )
    try:
        with np.errstate(over="ignore"):  # numbers of more than 64 bits
            route = np.load(io.BytesIO(data), allow_pickle=False).astype(float)
    except (ValueError, EOFError) as error:
        raise wrong from error
    if not np.isfinite(route).all():
        bad = int(np.flatnonzero(~np.isfinite(route).all(axis=1))[0])
        raise LogError(f"The track file {name} has no number at point {bad}. {_HOW_TO}")
    if (farthest := float(np.abs(route).max())) > _FARTHEST:
        raise LogError(
            f"The track file {name} has a point {farthest:.3g} m from the origin; a route is in metres. {_HOW_TO}"
        )
    return route


def _enough(steps: pd.DataFrame) -> pd.DataFrame:
    """Give the steps of some episodes of a very long run: more of them would not make places any surer.

    All of them where a waypoint that was seen would be missing.
    """
    share = _ENOUGH / max(len(steps), 1)
    if share > 0.5:
        return steps
    episode, waypoint = steps["unique_episode"].to_numpy(), steps["closest_waypoint"].to_numpy()
    # Multiples of the golden ratio lie evenly and never keep step with the starts, which go round the track.
    chosen = ((np.arange(episode.max() + 1) * (5**0.5 - 1) / 2) % 1 < share)[episode]
    rows = np.flatnonzero(chosen)
    seen = np.zeros(max(waypoint.max() + 1, 1), dtype=bool)
    seen[waypoint[rows]] = True
    # Column by column: choosing columns of a table copies the whole of them.
    return pd.DataFrame({name: steps[name].take(rows) for name in _USED}) if seen[waypoint].all() else steps


def _driven(steps: pd.DataFrame) -> pd.DataFrame:
    """Rows that tell where the track is: the car drives, with all wheels on the track.

    The first ("prepare") row of an episode may still hold the pose in which the previous one ended; in a
    pause the car is put back.
    """
    drives = ~steps["episode_status"].isin(["prepare", "pause", "park"]).to_numpy()
    drives &= steps["on_track"].to_numpy(bool) & (steps["closest_waypoint"].to_numpy() >= 0)
    return steps.loc[drives, ["unique_episode", "x", "y", "closest_waypoint", "track_len"]]


def _driven_parts(steps: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Give the same some rows at a time: what is worked out on the way stays small, whatever the size of the run."""
    for begin in range(0, max(len(steps), 1), _AT_A_TIME):
        yield _driven(steps.iloc[begin : begin + _AT_A_TIME])


def _fit(sample: pd.DataFrame, last: int, route: Track) -> tuple[Track | None, str]:
    """The route in the variant that fits driven steps with waypoints up to ``last``, or None; and a sentence on it."""
    track_len = float(sample["track_len"].median())
    facts = (
        f"Track file {route.name} does not fit: it has {len(route.center)} points and is {route.length:.2f} m"
        f" long, the log's track is {track_len:.2f} m with waypoints up to {last}"
    )
    if abs(route.length - track_len) > 0.01 * track_len:
        return None, facts + "."

    point = sample[["x", "y"]].to_numpy(float) @ [1, 1j]
    waypoint = sample["closest_waypoint"].to_numpy(int)
    reach = _reach(route)
    best, shares = None, {False: 0.0, True: 0.0}
    for dropped, backwards in ((False, False), (False, True), (True, False), (True, True)):
        rows = _rows(route, dropped, backwards)
        if rows is None or last >= len(rows):
            continue
        away = np.abs(point - (route.center[rows] @ [1, 1j])[waypoint])
        shares[backwards] = max(shares[backwards], float(np.mean(away <= reach)))
        misfit = np.mean(np.minimum(away, 2.0))  # m; a place elsewhere on the track is just wrong
        if best is None or misfit < best[0]:
            best = misfit, dropped, backwards, rows, float(np.median(away))
    if best is None:
        return None, facts + "."
    _, dropped, backwards, rows, typical = best
    share, other = shares[backwards], shares[not backwards]
    mixed = 0.25 < share < 0.9 <= share + other
    if share < 0.9 and not mixed:
        beside = f"only {share:.0%} of the driven points lie on the road beside their waypoint"
        return None, f"{facts}, and {beside}."

    track = route
    if dropped or backwards:
        borders = [None if line is None else line[rows] for line in (route.inner, route.outer)]
        track = _build(route.name, route.center[rows], *borders, ROUTE_FILE)
    parts = [f"Track file {route.name}"]
    if backwards:
        parts.append("driven in reverse")
    if dropped:
        parts.append("without the doubled points, which the simulator does not number")
    sentence = f"{', '.join(parts)}: it fits, driven points are {typical:.2f} m from their waypoint (median)."
    if mixed:
        sentence = (
            f"{', '.join(parts)}: it fits {share:.0%} of the driven points, and {other:.0%} fit the other "
            "direction. The car was driven both ways, so a waypoint number means two places, and what is "
            "shown per waypoint mixes them."
        )
    elif (shift := _numbering(track, point, waypoint)) != 0:
        sentence += (
            f" Its waypoint numbers are about {abs(shift)} {'above' if shift > 0 else 'below'} the log's,"
            " so places named by waypoint are off by that much."
        )
    return track, sentence


def _reach(route: Track) -> float:
    """How far from its waypoint a point on the road may be, in m."""
    width = 1.2 if route.inner is None else float(np.median(np.hypot(*(route.inner - route.outer).T)))
    # half the road, half the way to the next waypoint, and waypoint numbers that may be off by one or two
    return width / 2 + 2.0 * route.length / len(route.center)


def _rows(route: Track, dropped: bool, backwards: bool) -> np.ndarray | None:
    """Rows of the route in the order of a variant; None where nothing is doubled that could be dropped."""
    rows = np.arange(len(route.center))
    if dropped:
        doubled = np.append(False, np.abs(np.diff(route.center, axis=0)).max(axis=1) < 1e-6)
        if not doubled.any():
            return None
        rows = rows[~doubled]
    return rows[::-1] if backwards else rows


def _numbering(track: Track, point: np.ndarray, waypoint: np.ndarray) -> int:
    """Typical difference between the number of a point's nearest waypoint and the number in the log."""
    center = track.center @ [1, 1j]
    shifts = np.arange(-4, 5)
    few = slice(None, None, max(1, len(point) // 5000))
    near = waypoint[few, None] + shifts
    away = np.abs(point[few, None] - center[near % len(center)])
    away[(near < 0) | (near >= len(center))] = np.inf  # numbers at the start line are left to the others
    return int(np.median(shifts[away.argmin(axis=1)]))


def _rebuild(steps: pd.DataFrame) -> tuple[Track | None, str]:
    """The track rebuilt from steps, or None; and a sentence on it."""
    steps = _enough(steps)
    parts = list(_driven_parts(steps))
    count = max(int(part["closest_waypoint"].max()) + 1 if len(part) else 0 for part in parts)
    sums = np.zeros((3, count if count <= MAX_WAYPOINTS else 0))
    if sums.size:
        for part in parts:
            for total, weights in zip(sums, (None, part["x"], part["y"]), strict=True):
                total += np.bincount(part["closest_waypoint"], weights, count)
    visits = sums[0]
    seen = int((visits > 0).sum())
    too_little = (
        f"Too little was driven to rebuild the track: {seen} waypoints have steps on the track, "
        f"at least {MIN_SEEN_WAYPOINTS} along 1 m of track are needed. A track file would show it."
    )
    if seen < MIN_SEEN_WAYPOINTS:
        return None, too_little
    with np.errstate(invalid="ignore"):
        center = (sums[1:] / visits).T
    far = 0
    for part in parts:
        spread = part[["x", "y"]].to_numpy() - center[part["closest_waypoint"].to_numpy()]
        far += np.count_nonzero(np.hypot(*spread.T) > _CONTRADICTION)
    if 2 * far > visits.sum():
        return None, (
            "The track could not be rebuilt: the steps contradict each other about where the waypoints are, "
            "as when the car was driven both ways round or logs of different tracks are read together."
        )
    driven_length = float(np.hypot(*np.diff(center[visits > 0], axis=0).T).sum())
    if driven_length < 1.0:
        return None, too_little
    track_len = float(np.median(np.concatenate([part["track_len"] for part in parts])))
    if not track_len > 0:
        track_len = driven_length
    closed = _is_closed(center, parts, track_len)
    center = _fill_short_gaps(center, closed)
    distance = _along(center, closed, track_len)[0]
    center = _smooth(center, distance, visits, closed, track_len)
    center = _pull_to_starts(center, distance, closed, track_len, steps)
    track = _build("rebuilt track", center, None, None, REBUILT, closed, track_len)

    often = np.median(visits[visits > 0]) >= 20
    sentence = (
        f"The track was rebuilt from {int(visits.sum()):,} driven steps at {seen} waypoints; places are good to "
        f"about {'5 cm' if often else '10 cm, where little was driven 40 cm'}, and the borders are unknown."
    )
    unknown = int(np.isnan(center[:, 0]).sum())
    if unknown:
        sentence += (
            f" {unknown} waypoints are missing because the car was never there, so corners are numbered "
            "among the known ones alone."
        )
    elif not closed:
        sentence += " It ends where the car got to."
    return track, sentence


def _is_closed(center: np.ndarray, parts: list[pd.DataFrame], track_len: float) -> bool:
    """Whether the track is a loop, as far as driven steps tell."""
    for part in parts:
        drop = -np.diff(part["closest_waypoint"].to_numpy())
        same_episode = np.diff(part["unique_episode"].to_numpy()) == 0
        if ((drop > len(center) / 2) & same_episode).any() and len(center) > 8:
            return True  # a car went over the start line from the last waypoints to the first
    path = center[~np.isnan(center[:, 0])]
    gap = np.hypot(*(path[0] - path[-1]))
    driven_length = np.hypot(*np.diff(path, axis=0).T).sum()
    return bool(gap <= 0.05 * track_len and driven_length >= 0.8 * track_len)


def _fill_short_gaps(center: np.ndarray, closed: bool) -> np.ndarray:
    """Interpolate waypoints that are missing where at most `_FILL_GAP` in a row are."""
    missing = np.isnan(center[:, 0])
    index = np.arange(len(center))
    known = index[~missing]
    position = np.searchsorted(known, index)
    before, after = np.roll(known, 1)[position % len(known)], known[position % len(known)]
    gap = (after - before) % len(center) if closed else after - before
    short = missing & (gap > 0) & (gap <= _FILL_GAP + 1)
    filled = _interpolate(center, closed)
    return np.where((~missing | short)[:, None], filled, np.nan)


def _interpolate(center: np.ndarray, closed: bool) -> np.ndarray:
    """Centre-line without gaps: straight across them."""
    known = np.flatnonzero(~np.isnan(center[:, 0]))
    period = len(center) if closed else None
    return np.stack(
        [np.interp(np.arange(len(center)), known, xy[known], period=period) for xy in center.T], axis=1
    )


def _smooth(
    center: np.ndarray, distance: np.ndarray, visits: np.ndarray, closed: bool, length: float
) -> np.ndarray:
    """Smooth by a local line through the neighbouring waypoints, more so where there are few visits."""
    spread = np.clip(0.8 / np.sqrt(max(1.0, np.median(visits[visits > 0]))), 0.15, 0.5)  # m
    weight = np.where(np.isnan(center[:, 0]), 0, np.clip(visits, 1, 20))
    value = np.nan_to_num(center)
    index = np.arange(len(center))
    sums = np.zeros((3, len(center)))
    moments = np.zeros((2, *center.shape))
    for shift in range(-8, 9):
        lap, other = np.divmod(index + shift, len(center))
        ahead = distance[other] + lap * length - distance
        share = weight[other] * np.exp(-0.5 * (ahead / spread) ** 2) * (closed | (lap == 0))
        sums += share * ahead ** np.arange(3)[:, None]
        moments += (share * ahead ** np.arange(2)[:, None])[..., None] * value[other]
    determinant = sums[0] * sums[2] - sums[1] ** 2
    line = sums[2][:, None] * moments[0] - sums[1][:, None] * moments[1]
    stable = determinant > 1e-6 * sums[0] ** 2  # else all weight lies on one place
    with np.errstate(divide="ignore", invalid="ignore"):
        smooth = np.where(stable[:, None], line / determinant[:, None], moments[0] / sums[0][:, None])
    return np.where(np.isnan(center), np.nan, smooth)


def _pull_to_starts(
    center: np.ndarray, distance: np.ndarray, closed: bool, length: float, steps: pd.DataFrame
) -> np.ndarray:
    """Shift the centre-line sideways to the places where episodes started, fading away from them."""
    episode, number, waypoint, x, y, yaw = (
        steps[name].to_numpy() for name in ("unique_episode", "steps", "closest_waypoint", "x", "y", "yaw")
    )
    first = np.flatnonzero(np.append(True, episode[1:] != episode[:-1])[:-1])
    first = first[episode[first] == episode[first + 1]]
    # From the second lap of a continuous race on an episode begins in mid-drive, and steps go on counting.
    first = first[(number[first] <= 1) & (waypoint[first] >= 0) & (waypoint[first] < len(center))]
    # A pose left from the previous episode is given away by the jump to the next row.
    first = first[np.hypot(x[first] - x[first + 1], y[first] - y[first + 1]) < 0.5]
    waypoint, heading = waypoint[first], np.radians(yaw[first].astype(float))
    at = x[first] + 1j * y[first] - _FRONT * np.exp(1j * heading)

    path = _interpolate(center, closed) @ [1, 1j]
    tangent = np.gradient(path)
    if closed:
        tangent[[0, -1]] = path[[1, 0]] - path[[-1, -2]]
    left = 1j * tangent / np.maximum(np.abs(tangent), 1e-9)
    offset = pd.Series(((at - path[waypoint]) * np.conj(left[waypoint])).real).groupby(waypoint).median()
    # Starts of races with obstacles or other cars may be in a lane, a quarter of a metre beside the line.
    offset = offset[offset.abs() < 0.2]
    if offset.empty:
        return center
    ahead = np.abs(distance[:, None] - distance[offset.index])
    if closed:
        ahead = np.minimum(ahead, length - ahead)
    fade = np.clip(0.7 * length / 20, 0.6, 1.5)  # m; starts are commonly a twentieth of the track apart
    share = np.exp(-0.5 * (ahead / fade) ** 2)
    shift = share @ offset.to_numpy() / (share.sum(axis=1) + 0.2)
    return center + np.stack([shift * left.real, shift * left.imag], axis=1)


def _segments(center: np.ndarray, closed: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Begin and span of each segment as complex numbers (m), and whether both its ends are known."""
    points = center @ [1, 1j]
    ends = np.append(points, points[0]) if closed else points
    span = np.diff(ends)
    known = ~np.isnan(span)
    return np.where(known, ends[:-1], 0), np.where(known, span, 0), known


def _along(center: np.ndarray, closed: bool, track_len: float | None) -> tuple[np.ndarray, float]:
    """Distance of each waypoint from waypoint 0 along the centre-line, and the length of the whole, in m."""
    path = _interpolate(center, closed) @ [1, 1j]
    spans = np.abs(np.diff(np.append(path, path[0]) if closed else path))
    if closed and track_len is not None:
        known = _segments(center, closed)[2]
        missing = track_len - spans[known].sum()
        if not known.all() and missing > spans[~known].sum():
            spans = np.where(known, spans, missing / (~known).sum())  # an unseen stretch may bend
        else:
            spans *= track_len / spans.sum()
    distance = np.append(0, np.cumsum(spans))
    return distance[: len(center)], float(distance[-1])


def _build(
    name: str,
    center: np.ndarray,
    inner: np.ndarray | None,
    outer: np.ndarray | None,
    source: str,
    closed: bool | None = None,
    track_len: float | None = None,
) -> Track:
    """Put a track together from its centre-line: distances, curvature, sections."""
    if closed is None:  # some route files leave out the closing point
        open_length = _along(center, False, None)[1]
        closed = bool(np.hypot(*(center[0] - center[-1])) <= 0.05 * open_length)
    distance, covered = _along(center, closed, track_len)
    cells = int(np.clip(round(covered / _CELL), 8, _MAX_CELLS))
    turn = _turning(center, distance, covered, closed, cells, _SMOOTHING[source])
    middle = (np.arange(cells) + 0.5) * covered / cells
    curvature = np.interp(distance, middle, turn * cells / covered, period=covered if closed else None)
    curvature[np.isnan(center[:, 0])] = np.nan
    sections = _sections(turn, np.where(np.isnan(center[:, 0]), np.nan, distance), covered, closed)
    length = covered if track_len is None else track_len
    return Track(name, center, inner, outer, source, length, distance, curvature, sections, closed)


def _turning(
    center: np.ndarray, distance: np.ndarray, covered: float, closed: bool, cells: int, smoothing: float
) -> np.ndarray:
    """Change of heading (rad, left positive) within each of equally long cells of the centre-line.

    The direction of the centre-line is averaged as a vector with a Gaussian weight. On a circle of radius r
    that leaves the curvature at 1/r. A doubled waypoint has no extent and so no effect.
    """
    known = _segments(center, closed)[2]
    border = np.linspace(0, covered, cells + 1)
    path = _interpolate(center, closed) @ [1, 1j]
    if closed:
        path, distance = np.append(path, path[0]), np.append(distance, covered)
    direction = np.diff(np.interp(border, distance, path))
    segment = np.searchsorted(distance, (border[1:] + border[:-1]) / 2, side="right") - 1
    unknown = ~known[np.clip(segment, 0, len(known) - 1)]
    direction[unknown] = 0
    # a waypoint at the brink of an unknown stretch still has the heading of its known side
    unknown &= np.roll(unknown, 1) & np.roll(unknown, -1)
    width = smoothing * cells / covered
    reach = int(np.ceil(3 * width))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    padded = np.pad(direction, reach, mode="wrap") if closed else np.pad(direction, reach)
    smooth = np.convolve(padded, kernel, mode="valid")
    between = np.angle(smooth[1:] * np.conj(smooth[:-1]))
    seam = np.angle(smooth[0] * np.conj(smooth[-1])) if closed else 0.0
    change = np.concatenate([[seam], between, [seam]])  # at the borders of the cells
    turn = (change[1:] + change[:-1]) / 2
    return np.where(unknown, np.nan, turn)


def _sections(turn: np.ndarray, distance: np.ndarray, covered: float, closed: bool) -> pd.DataFrame:
    """Cut the track into corners and straights and name them from the start line.

    `turn` is the change of heading in each cell of the track; `distance` is NaN at unknown waypoints.
    """
    cell = covered / len(turn)
    at = np.where(np.isnan(distance), -1, np.minimum(distance / cell + 1e-9, len(turn) - 1)).astype(int)
    side = _corner_sides(turn, cell, closed)
    # A section between two waypoints has no number to be shown by; it joins the one before it.
    inhabited = np.isin(np.arange(len(turn)), at) | np.isnan(side)
    while empty := [cells for cells in _runs(side, closed) if not inhabited[cells].any()]:
        for cells in empty:
            side[cells] = side[cells[0] - 1]

    rows = []
    for cells in _runs(side, closed):
        first, last = cells[0], cells[-1]
        if np.isnan(side[first]):
            continue
        inside = np.flatnonzero(np.isin(at, cells))
        if first > last:  # it crosses the start line
            inside = np.append(inside[at[inside] >= first], inside[at[inside] <= last])
        rows.append(
            {
                "section": "",
                "kind": "corner" if side[first] else "straight",
                "waypoint_from": int(inside[0]),
                "waypoint_to": int(inside[-1]),
                "start": first * cell,
                "end": (last + 1) * cell,
                "length": len(cells) * cell,
                "turn": float(np.degrees(turn[cells].sum())),
            }
        )
    if rows and rows[-1]["start"] >= rows[-1]["end"] and rows[-1]["kind"] == "straight":
        rows.insert(0, rows.pop())
    counts = {"corner": 0, "straight": 0}
    for row in rows:
        counts[row["kind"]] += 1
        row["section"] = f"{'T' if row['kind'] == 'corner' else 'S'}{counts[row['kind']]}"
    columns = ["section", "kind", "waypoint_from", "waypoint_to", "start", "end", "length", "turn"]
    return pd.DataFrame(rows, columns=columns)


def _corner_sides(turn: np.ndarray, cell: float, closed: bool) -> np.ndarray:
    """Per cell 1 in a corner to the left, -1 to the right, 0 on a straight, NaN where unknown."""
    curvature = turn / cell
    side = np.where(np.abs(curvature) >= _BEND, np.sign(curvature), 0.0)
    side[np.isnan(curvature)] = np.nan
    side = _share_short_straights(side, cell, closed)
    for cells in _runs(side, closed):
        small = abs(np.degrees(turn[cells].sum())) < _MIN_TURN or np.abs(curvature[cells]).max() < _CORNER
        if small and side[cells[0]] != 0:
            side[cells] = side[cells] * 0
    return _share_short_straights(side, cell, closed)


def _share_short_straights(side: np.ndarray, cell: float, closed: bool) -> np.ndarray:
    """Give straights that are too short to the corners at their two ends, half to each."""
    side = side.copy()
    runs = _runs(side, closed)
    ends = range(len(runs)) if closed else range(1, len(runs) - 1)
    for number in ends if len(runs) > 1 else ():
        cells = runs[number]
        corners = side[[runs[number - 1][-1], runs[(number + 1) % len(runs)][0]]]
        if side[cells[0]] == 0 and len(cells) * cell < _MIN_STRAIGHT and not np.isnan(corners).any():
            side[cells] = np.repeat(corners, [len(cells) // 2, len(cells) - len(cells) // 2])
    return side


def _runs(side: np.ndarray, closed: bool) -> list[np.ndarray]:
    """Cells of each stretch with one value, in driving order; the one over the start line comes last."""
    before = np.roll(side, 1)
    changes = (side != before) & ~(np.isnan(side) & np.isnan(before))
    if not closed or not changes.any():
        changes[0] = True
    starts = np.flatnonzero(changes)
    return np.split(np.roll(np.arange(len(side)), -starts[0]), (starts - starts[0])[1:])
