"""Every drive laid along the track, so that drives can be compared place by place.

Progress counts from the start of each drive, and steps come at moments, not at places. Here each drive is unrolled
along the centre-line, and what it did between two places is interpolated between the steps around them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd

from deepracer_viz.track import Track

NOT_DRIVING = ("prepare", "pause", "park")
"""Episode statuses of rows in which the car is held still; their pose may be left from an earlier drive."""

STANDING_START = 1.5
"""Seconds at the start of a drive that tell nothing of a place: the car takes so long to reach its speed."""

CELL = 0.1
"""Metres of a cell: about half of what a car drives in a step."""

MOST_CELLS = 600
"""Cells of a track at most; on a longer one they are longer."""

_LONGEST_STEP = 0.5  # s; and
_FURTHEST_STEP = 1.0  # m: rows come 15 times a second, so beyond these the simulator halted or lost rows
_COLUMNS = ["unique_episode", "tstamp", "x", "y", "closest_waypoint", "speed", "steering_angle"]
# m: how far short of a whole round the steps of a lap may end. The car has moved on from its start by the first
# step, and a lap by progress may be a little shorter on a centre-line that was rebuilt.
_SHORT = 0.5


@dataclass(frozen=True, eq=False)
class Traces:
    """Drives laid along the centre-line: rows are D drives, columns are P cells between P + 1 places.

    A drive is uninterrupted: it ends with its episode, with its lap, where the car is put back on the track, and
    where rows are lost.

    Attributes
    ----------
    drives : pandas.DataFrame
        One row per drive: unique_episode; complete (whether the drive is one complete lap, and nothing else);
        time (s from the first row of the episode to the step that completes the lap; NaN for other drives);
        begins, ends (m along the centre-line, unrolled: ends - begins is the centre-line that was driven, and
        ends % track length is where the drive ended); end_status ("" unless the episode ended with this drive).
    place : numpy.ndarray
        Shape (P + 1,), m along the centre-line from waypoint 0: the borders of the cells, ascending. Borders of
        sections are among them. On a closed track the last one is the first one again.
    section : numpy.ndarray of str
        Shape (P,). Section of each cell, "" where the track is unknown.
    at : numpy.ndarray
        Shape (D, P + 1), float64, s since the drive began (in its first row, in which it still stands) at which
        it crossed each border for the first time; NaN where it did not. A complete lap crosses every border.
    seconds : numpy.ndarray
        Shape (D, P), float32, s spent in each cell; NaN where the cell was not driven whole. The cell in which a
        complete lap begins and ends has both pieces together, so that a lap adds up to its time.
    metres : numpy.ndarray
        Shape (D, P), float32, m driven over ground in each cell. Like all that follows NaN where seconds is.
    offset : numpy.ndarray
        Shape (D, P), float32, m beside the centre-line, left positive; the mean over the time in the cell.
    commanded : numpy.ndarray
        Shape (D, P), float32, m/s; the mean over the time in the cell.
    steering : numpy.ndarray
        Shape (D, P), float32, degrees, left positive; the mean over the time in the cell.
    standing : numpy.ndarray of bool
        Shape (D, P). Whether the cell was driven within `STANDING_START` of a start from standstill, or is the
        one in which the drive begins: its speed tells nothing of the place. From the second lap of a race without
        a stop on it is but the step at the line.
    closed : bool
        Whether the end of the track is its start.
    """

    drives: pd.DataFrame
    place: np.ndarray
    section: np.ndarray
    at: np.ndarray
    seconds: np.ndarray
    metres: np.ndarray
    offset: np.ndarray
    commanded: np.ndarray
    steering: np.ndarray
    standing: np.ndarray
    closed: bool

    @cached_property
    def laps(self) -> "Traces":
        """The complete laps."""
        return self.pick(self.drives["complete"])

    def pick(self, rows) -> "Traces":
        """Some of the drives.

        Parameters
        ----------
        rows : array-like
            Numbers of the rows, in any order and as often as wanted, or one bool per row.

        Returns
        -------
        Traces
        """
        rows = np.asarray(rows)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(int)
        of_drives = {field.name: getattr(self, field.name) for field in fields(self)}
        of_drives = {
            name: part[rows] for name, part in of_drives.items() if np.ndim(part) == 2 and name != "drives"
        }
        return replace(self, drives=self.drives.iloc[rows].reset_index(drop=True), **of_drives)


def lay_along(steps: pd.DataFrame, episodes: pd.DataFrame, track: Track) -> Traces | None:
    """Lay all traced drives along the track.

    Parameters
    ----------
    steps : pandas.DataFrame
        Step table of whole episodes, rows of one episode following each other.
    episodes : pandas.DataFrame
        Their episodes; unique_episode, complete, traced, driven_time and end_status are used.
    track : Track
        Geometry.

    Returns
    -------
    Traces or None
        None where no driven step has a place on the track.
    """
    runs = unroll(steps, episodes, track)
    if not len(runs.table):
        return None
    place, section = borders(track, CELL)
    run, border, interpolate = runs.crossings(place)
    shape = (len(runs.table), len(place))
    closed, complete = track.closed, runs.table["complete"].to_numpy()

    def at_borders(values: np.ndarray, kind: type) -> np.ndarray:
        matrix = np.full(shape, np.nan, dtype=kind)
        matrix[run, border] = interpolate(values)
        if closed:
            matrix[:, -1] = matrix[:, 0]
        return matrix

    at = at_borders(runs.clock, np.float64)
    begun = np.diff(at, axis=1) < 0
    spent = in_cells(at, begun, np.where(complete, runs.table["time"], np.nan))
    # The lap before a flying one ended one step earlier, and that step belongs to neither.
    second = runs.clock[np.minimum(runs.first + 1, runs.last)]
    until = np.where(runs.from_standstill, STANDING_START, second)[:, None]
    standing = (at[:, :-1] < until) | (at[:, 1:] < until) | begun
    standing[np.isnan(spent)] = False

    took = np.diff(runs.clock, prepend=0)
    took[runs.first] = runs.clock[runs.first]
    offset_before = np.append(0, runs.offset[:-1])
    offset_before[runs.first] = runs.offset[runs.first]
    rates = {
        "metres": runs.metres,
        "offset": (offset_before + runs.offset) / 2 * took,
        "commanded": runs.steps["speed"].to_numpy(float) * took,
        "steering": runs.steps["steering_angle"].to_numpy(float) * took,
    }
    with np.errstate(invalid="ignore", divide="ignore"):
        answers = {}
        for name, rate in rates.items():
            total = runs.sums(rate)
            whole = np.where(complete, total[runs.last], np.nan)
            answers[name] = in_cells(at_borders(total, np.float32), begun, whole)
            if name != "metres":
                answers[name] /= spent
    return Traces(
        drives=runs.table,
        place=place,
        section=section,
        at=at,
        seconds=spent.astype(np.float32),
        standing=standing,
        closed=closed,
        **{name: values.astype(np.float32, copy=False) for name, values in answers.items()},
    )


def in_cells(at_borders: np.ndarray, begun: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """What drives added from border to border.

    Parameters
    ----------
    at_borders : numpy.ndarray
        Shape (D, P + 1), the sum at each border.
    begun : numpy.ndarray of bool
        Shape (D, P): the cell in which a drive comes round to where it began.
    whole : numpy.ndarray
        Shape (D,), the sum of a complete lap, NaN for other drives.

    Returns
    -------
    numpy.ndarray
        Shape (D, P).
    """
    added = np.diff(at_borders, axis=1)
    added[begun] += whole[np.nonzero(begun)[0]]
    return added


@dataclass(frozen=True, eq=False)
class Runs:
    """Driven steps with their place on the track, cut into runs; all arrays have one value per row of `steps`.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per run: the columns of `Traces.drives`.
    from_standstill : numpy.ndarray of bool
        Per run: whether it begins from standstill.
    steps : pandas.DataFrame
        The steps, with the columns of `driven_rows`.
    run : numpy.ndarray
        Number of the run.
    first, last : numpy.ndarray
        Per run: number of its first and of its last row.
    clock : numpy.ndarray
        s since the run began.
    along : numpy.ndarray
        m along the centre-line, unrolled: it goes on past the end of the track.
    offset : numpy.ndarray
        m beside the centre-line, left positive.
    metres : numpy.ndarray
        m driven over ground since the row before, 0 in first rows.
    period : float
        Length of a closed track (m), 0 of an open one.
    """

    table: pd.DataFrame
    from_standstill: np.ndarray
    steps: pd.DataFrame
    run: np.ndarray
    first: np.ndarray
    last: np.ndarray
    clock: np.ndarray
    along: np.ndarray
    offset: np.ndarray
    metres: np.ndarray
    period: float

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Running sum of the values within each run."""
        total = np.cumsum(values)
        return total - (total[self.first] - values[self.first])[self.run]

    def crossings(self, place: np.ndarray):
        """First crossing of each place by each run.

        Parameters
        ----------
        place : numpy.ndarray
            m along the centre-line, ascending. On a closed track the last one is the first one again, and no
            crossing is told of it.

        Returns
        -------
        run, number : numpy.ndarray
            Which run crosses which place.
        at : callable
            Interpolates an array with one value per row, 0 where runs begin, to these crossings.
        """
        # Borders are numbered on from round to round, so that a row has passed so many of them in all. A car
        # that rolls back does not pass a place twice.
        room = float(np.ptp(self.along)) + 1
        furthest = np.maximum.accumulate(self.along + self.run * room) - self.run * room
        passed = self._passed(furthest, place, "right")
        before = np.append(0, passed[:-1])
        before[self.first] = self._passed(self.along[self.first], place, "left")
        times = np.maximum(passed - before, 0)
        row = np.repeat(np.arange(len(times), dtype=np.int32), times)
        number = np.arange(len(row), dtype=np.int32) - np.repeat(np.cumsum(times) - times - before, times)
        run = self.run[row]
        around = len(place) - 1 if self.period else len(place)
        if self.period:
            again = number - before[self.first][run] >= around
            row, number, run = row[~again], number[~again], run[~again]
        lap, number = np.divmod(number, around)
        start = np.append(0, self.along[:-1])
        start[self.first] = self.along[self.first]
        reach = self.along - start
        share = place[number] + lap * self.period - start[row]
        # A border right where the run begins is crossed as it begins.
        share = np.divide(share, reach[row], out=np.zeros(len(row)), where=reach[row] > 0)

        def at(values: np.ndarray) -> np.ndarray:
            begin = np.append(0, values[:-1])
            begin[self.first] = 0
            return begin[row] + share * (values - begin)[row]

        return run, number, at

    def _passed(self, along: np.ndarray, place: np.ndarray, side: str) -> np.ndarray:
        """How many places lie before each position, counted on from round to round."""
        if not self.period:
            return np.searchsorted(place, along, side)
        lap, rest = np.divmod(along, self.period)
        return lap.astype(int) * (len(place) - 1) + np.searchsorted(place[:-1], rest, side)


def unroll(steps: pd.DataFrame, episodes: pd.DataFrame, track: Track, whole_laps: bool = False) -> Runs:
    """Unroll the driven steps along the centre-line.

    Parameters
    ----------
    steps, episodes, track
        As for `lay_along`.
    whole_laps : bool
        Whether a complete lap is one run even where the car was put back on the track or rows are missing: its
        clock then runs on over the pause.

    Returns
    -------
    Runs
    """
    episode = steps["unique_episode"].to_numpy()
    opening = np.flatnonzero(np.diff(episode, prepend=-1) != 0)
    # Number in this table of the episode of each row, and what the episode table knows of it.
    index = np.repeat(np.arange(len(opening)), np.diff(np.append(opening, len(episode))))
    known = episodes.set_index("unique_episode").reindex(episode[opening])
    is_lap = known["complete"].eq(True).to_numpy() & known["traced"].eq(True).to_numpy()
    lap_time = np.where(is_lap, known["driven_time"].to_numpy(float), np.nan)
    began = steps["tstamp"].to_numpy()[opening]
    # The step counter of a race without a stop runs on from lap to lap.
    rolls = steps["steps"].to_numpy()[opening] > 2

    rows, metres, seconds, _ = driven_rows(steps)
    index = index[drives(steps)]
    along, offset = track.position(rows["x"], rows["y"], rows["closest_waypoint"])
    ground = np.cumsum(np.nan_to_num(metres))
    clock = rows["tstamp"].to_numpy() - began[index]
    in_lap = clock <= lap_time[index]
    changes = np.diff(index, prepend=-1) != 0
    begins = changes | np.isnan(seconds)
    if whole_laps:
        begins &= changes | ~in_lap
    begins[1:] |= in_lap[:-1] & ~in_lap[1:]
    run = np.cumsum(begins)

    placed = np.isfinite(along)
    rows, run, index, along, offset, ground, clock, in_lap = (
        values[placed] for values in (rows, run, index, along, offset, ground, clock, in_lap)
    )
    begins = np.diff(run, prepend=-1) != 0
    run = np.cumsum(begins) - 1
    first = np.flatnonzero(begins)
    last = np.append(first, len(run))[1:] - 1
    opens = np.diff(index[first], prepend=-1) != 0
    clock -= np.where(opens, 0, clock[first])[run]

    ahead = np.diff(along, prepend=0.0)
    if track.closed:
        ahead = (ahead + track.length / 2) % track.length - track.length / 2
    ahead[first] = along[first]
    along = np.cumsum(ahead)
    along -= (along[first] - ahead[first])[run]

    # A lap is complete here if it is one run that comes round.
    goal = along[first] + track.length if track.closed else np.full(len(first), track.distance[-1])
    complete = is_lap[index[first]] & opens & (along[last] >= goal - _SHORT)
    complete[:-1] &= opens[1:] | ~in_lap[first[1:]]
    if not track.closed:
        complete &= along[first] <= _SHORT
    ends_here = np.append(opens[1:], True)[: len(first)]
    status = known["end_status"].astype(object).fillna("").to_numpy()[index[first]]
    table = pd.DataFrame(
        {
            "unique_episode": episode[opening][index[first]],
            "complete": complete,
            "time": np.where(complete, lap_time[index[first]], np.nan),
            "begins": along[first],
            "ends": along[last],
            "end_status": pd.array(np.where(ends_here, status, ""), dtype="str"),
        }
    )
    # A lap ends where its start was by the count of the progress, a little before where the first step was seen.
    if track.closed:
        along[first[complete]] = np.minimum(along[first], along[last] - track.length)[complete]
    else:
        along[first[complete]], along[last[complete]] = 0.0, np.maximum(along[last], goal)[complete]
    metres = np.diff(ground, prepend=0)
    metres[first] = 0
    return Runs(
        table=table,
        from_standstill=~(opens & rolls[index[first]]),
        steps=rows,
        run=run,
        first=first,
        last=last,
        clock=clock,
        along=along,
        offset=offset,
        metres=metres,
        period=track.length if track.closed else 0.0,
    )


def driven_rows(steps: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    """Rows in which the car drives, with what it did since the row before.

    Parameters
    ----------
    steps : pandas.DataFrame
        Step table, rows of one episode following each other.

    Returns
    -------
    rows : pandas.DataFrame
        The rows in which the car is not held still and has a waypoint.
    metres, seconds : numpy.ndarray
        Since the row before. The seconds are NaN, and a drive begins, where that row belongs to another episode,
        is not driven, or is not one step earlier.
    running : numpy.ndarray
        Seconds since the drive began.
    """
    driven = drives(steps)
    episode = steps["unique_episode"].to_numpy()
    follows = np.zeros(len(steps), dtype=bool)
    follows[1:] = driven[:-1] & (episode[1:] == episode[:-1])
    x, y, seconds = (np.diff(steps[c].to_numpy(float), prepend=np.nan) for c in ("x", "y", "tstamp"))
    metres = np.hypot(x, y)
    follows &= (seconds > 0) & (seconds <= _LONGEST_STEP) & (metres <= _FURTHEST_STEP)
    seconds[~follows] = np.nan
    steps, metres, seconds = steps.loc[driven, _COLUMNS], metres[driven], seconds[driven]
    clock, begins = steps["tstamp"].to_numpy(), np.isnan(seconds)
    running = clock - clock[begins][np.cumsum(begins) - 1] if len(clock) else clock
    return steps, metres, seconds, running


def drives(steps: pd.DataFrame) -> np.ndarray:
    """Which rows are driven: the car is not held still, and its place on the track is known."""
    held = steps["episode_status"].isin(NOT_DRIVING).to_numpy()
    return ~held & (steps["closest_waypoint"].to_numpy() >= 0)


def whole_episodes(steps: pd.DataFrame, most: int) -> Iterator[slice]:
    """Cut a step table into parts of whole episodes, of so many rows at most where no episode is longer."""
    first = np.flatnonzero(np.diff(steps["unique_episode"].to_numpy(), prepend=-1))
    begin = 0
    for end, after in pairwise([*first[1:], len(steps), np.inf] if len(first) else []):
        if after - begin > most:
            yield slice(int(begin), int(end))
            begin = end


def borders(track: Track, size: float = np.inf, most: int = MOST_CELLS) -> tuple[np.ndarray, np.ndarray]:
    """Cut the centre-line into cells that lie in one section each.

    Parameters
    ----------
    track : Track
        Geometry.
    size : float
        Length (m) that the cells should have, as near as equal cells of a section come to it. Endless: one cell
        per section.
    most : int
        Cells at most; they are longer on a track that would have more.

    Returns
    -------
    place : numpy.ndarray
        Shape (P + 1,), m, ascending from 0 to the end of the track.
    section : numpy.ndarray of str
        Shape (P,), "" where the track is unknown.
    """
    end = track.length if track.closed else float(track.distance[-1])
    starts, ends = (np.clip(track.sections[name].to_numpy(float), 0, end) for name in ("start", "end"))
    edges = np.unique(np.concatenate([[0, end], starts, ends]))
    edges = edges[np.append(True, np.diff(edges) > 1e-6)]  # equal up to rounding is equal
    edges[-1] = end
    length = np.diff(edges)
    size = max(size, end / max(most - len(length), 1))
    count = np.maximum(np.rint(length / size), 1).astype(int)
    number = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    place = np.append(np.repeat(edges[:-1], count) + number * np.repeat(length / count, count), end)

    middle = (edges[1:] + edges[:-1]) / 2
    names = np.full(len(middle), "", dtype=object)
    for name, start, stop in zip(track.sections["section"], starts, ends, strict=True):
        over_line = start >= stop
        inside = (middle > start) | (middle < stop) if over_line else (middle > start) & (middle < stop)
        names[inside] = name
    return place, np.repeat(names, count).astype(str)
