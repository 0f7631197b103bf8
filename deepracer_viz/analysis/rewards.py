"""Rewards on the track, and which turn to work on next.

`reward_map` sums rewards up in cells and judges each section of the track.

Training explores: actions are drawn at random from the policy. So some counter-steering and scatter are chance,
the more the earlier in the training.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepracer_viz.analysis.intervals import wilson_interval
from deepracer_viz.analysis.passes import (
    BREAKS,
    DRIFT_STEPS,
    Driven,
    Places,
    broken_off,
    drifts_at_lock,
    driven_rows,
    over_steers,
)
from deepracer_viz.analysis.placed import COUNTED, ENDS, PlacedSteps
from deepracer_viz.analysis.words import counted, listed, percent
from deepracer_viz.track import Track

MAX_CELLS = 5_000
"""Cells at most: with track and ends beside them that is what a chart can carry."""

MAX_ENDS = 2_000
"""Early ends up to which each has a mark of its own."""

LEAST_WIDE = 0.05
"""Metres beyond the usual line that count as wide, whatever the spread."""

LEAST_VISITS = 5
"""Steps at a waypoint below which their spread is not told."""

LEAST_PASS = 5
"""Steps in a section below which they are no pass: a third of a second."""

LEAST_PASSES = 10
"""Passes of a turn below which over- and under-steering are not told."""

LEAST_ENDS = 5
"""Early ends in one turn below which it is not chosen for them."""

MOST_PASSES, SOME_PASSES = 0.5, 0.2
"""Share of the passes that makes a fault: this many, or the second if certainly more than in the other turns."""

MORE_SCATTERED = 1.25
"""From this many times the median of the turns on, a spread counts as scattered."""

EXIT = 1.0
"""Metres of straight after a turn whose early ends count for the turn: the car that lost it there is still leaving."""

WIDE_LINE = 0.1
"""Metres that the usual line lies further outside than in the other turns, from which on that is told."""

_BAND = (0.16, 0.5, 0.84)  # quantiles; half the width of the outer two is the SD where values are normal
_FEW = 20  # added to totals, so that a share of a handful is no large share
_LARGEST_PLANE = 4_000_000  # cells that are counted in one table; a few far away would make it too large
_STEP_COLUMNS = [
    "x",
    "y",
    "iteration",
    "episode",
    "unique_episode",
    "progress",
    "episode_status",
    "closest_waypoint",
]
_END_COLUMNS = ["x", "y", "end_status", "iteration", "episode", "unique_episode", "progress", "section"]


@dataclass(frozen=True, eq=False)
class RewardMap:
    """Where rewards were earned, and how each section of the track is driven.

    Attributes
    ----------
    cells : pandas.DataFrame
        One row per square cell with rewarded steps: ``x``, ``y`` (its centre, m), ``reward`` (mean), ``visits``
        (steps), ``section`` ("" where unknown).
    cell, asked : float
        Edge of a cell as drawn and as asked for (m); drawn larger where there would be more than `MAX_CELLS`.
    sections : pandas.DataFrame
        One row per section, the one to work on next first, corners before straights:

        - section, kind, waypoint_from, waypoint_to;
        - steps: driven ones; passes: unbroken drives of at least `LEAST_PASS` steps through it;
        - lateral_spread (m): at each waypoint half the width of the band that holds the middle 68 % of the steps,
          measured from the centre-line (one standard deviation where they are normal), averaged over the section;
          reward_spread: the same of the rewards. Both are net of place; NaN where fewer than `LEAST_VISITS` steps
          fell on every waypoint;
        - outside (m): how far the median line lies to the outside of the turn in its second half; NaN for
          straights;
        - off_track_share: share of the steps with a wheel off the track (0..1, NaN without steps);
        - episode_ends: drives that broke off here; episode_ends_share: of all that broke off; exit_ends: for
          corners those on the first `EXIT` metres of the straight after it; due_share: both together, of all
          that broke off;
        - over_steering, under_steering: shares of the passes, see `reward_map`; NaN for straights and for fewer
          than `LEAST_PASSES` passes;
        - score: what the order follows, see `reward_map`;
        - fault: "over-steering", "under-steering", "running wide", "scattered rewards" or "", see `reward_map`;
          reason: sentences with the numbers.
    ends : pandas.DataFrame
        Where drives broke off: x, y (m), end_status, iteration, episode, unique_episode, progress, section,
        ends. Up to `MAX_ENDS` every one has its row; beyond that those that lie close together and ended alike
        share the row of one of them, and ``ends`` is how many they are.
    early_ends : int
        Sum of ``ends``. In training an episode breaks off once; in an evaluation the car is put back and drives
        on, so that there can be several in one episode.
    steps, episodes : int
        Driven steps and their episodes behind the sections.
    drawn : int
        Steps behind the cells.
    has_negative : bool
        Whether the mean reward of any cell is negative.
    track : Track or None
        The track, as given.
    verdict : str
        Which turn to work on next and why, or that the data cannot say.
    """

    cells: pd.DataFrame
    cell: float
    asked: float
    sections: pd.DataFrame
    ends: pd.DataFrame
    early_ends: int
    steps: int
    episodes: int
    drawn: int
    has_negative: bool
    track: Track | None
    verdict: str

    @property
    def next_turn(self) -> str:
        """Name of the turn to work on next, "" where the data cannot say."""
        first = self.sections.head(1)
        turns = first.loc[_told(first) & (first["kind"] == "corner"), "section"]
        return "".join(turns)


def reward_map(
    steps: pd.DataFrame,
    track: Track | None = None,
    cell: float = 0.05,
    episodes: pd.DataFrame | None = None,
    shown: pd.DataFrame | None = None,
    placed: PlacedSteps | None = None,
) -> RewardMap:
    """Sum rewards up on the track, and rank its turns: which one to work on next.

    A pass of a turn **over-steers** if it steers beyond what its line needs and takes it back within the turn:
    steps that steer against the turn, with steps into the turn before and after them, undo at least
    `CORRECTION` of the steering into it (sum of angles). It **under-steers** if the car runs wide at full lock:
    in at least `DRIFT_STEPS` steps it is further outside than usual (by more than the lateral spread there and
    `LEAST_WIDE`) and still drifts outwards (by more than `LEAST_DRIFT`) although the steering has been at full
    lock into the turn for `LOCKED_STEPS` steps.

    Vehicle dynamics calls a car under-steering whose path bends less than its steering angle would bend it at
    neutral steer, atan(wheelbase / radius), and over-steering one that bends more (SAE J670 and ISO 8855;
    Gillespie, Fundamentals of Vehicle Dynamics, 1992, chapter 6; Milliken and Milliken, Race Car Vehicle
    Dynamics, 1995, chapter 5). A driver tells them apart by what he has to do, and so do the definitions above:
    counter-steer, or run out of steering. The angle itself is no measure here: simulated cars answer the
    steering late and turn at 1 to 2 m/s about a third as tightly as their wheelbase of 0.16 m suggests, so that
    by it every turn of every model would under-steer.

    Corners are ranked by ``4 a + 2 b + c``: a, the share of all early ends that fall into the corner or on the
    first `EXIT` metres of straight after it; b, its share of all steps with a wheel off the track; c, its share
    of the corners' lateral spreads added up; 20, 20 and 0.1 m are added to the totals, so that a share of
    little weighs little. What ends a drive costs most, what is merely untidy least. Sections with fewer than
    `LEAST_PASSES` passes and fewer than `LEAST_ENDS` early ends come after the others of their kind, straights
    after all corners.

    A turn's fault is over- or under-steering if at least `MOST_PASSES` of its passes show it, or `SOME_PASSES`
    and certainly more than in the other turns (the 95 % Wilson interval lies above their share); else "running
    wide" if its usual line lies `WIDE_LINE` further outside than theirs; else "scattered rewards" if its line
    or its rewards scatter `MORE_SCATTERED` times as much as in the median turn.

    Parameters
    ----------
    steps : pandas.DataFrame
        Step table of whole drives, rows of one episode following each other. Rows in which the car is held still
        (prepare, pause, a penalty) never count.
    track : Track, optional
        The track; without it there are cells and ends, but no sections.
    cell : float
        Edge of a cell (m).
    episodes : pandas.DataFrame, optional
        Their episodes: unique_episode, complete and end_status, for logs whose steps do not say how an episode
        ended, and traced, for the verdict to say where some have no steps.
    shown : pandas.DataFrame, optional
        Those of the steps that the cells show (see `choose_steps`); all of them when omitted.
    placed : PlacedSteps, optional
        What is known of the same steps on the same track, where it is at hand: much the fastest. Spreads then have
        the error of `deepracer_viz.analysis.placed.Binned.quantiles`, full lock is measured on the widest
        steering of all drives of the run, and a step within a micrometre of the edge of a cell may lie on either
        side of it.

    Returns
    -------
    RewardMap

    Raises
    ------
    ValueError
        If `cell` is not above 0.
    """
    if not cell > 0:
        raise ValueError(f"the edge of a cell must be more than 0 m, not {cell}")
    if placed is None or track is None:
        facts = _facts(Driven(steps.loc[driven_rows(steps)], track))
        broken = broken_off(steps)
    else:
        facts = _facts_of_placed(steps, track, placed)
        broken = np.flatnonzero(placed.has(ENDS))
    ends = _early_ends(steps.iloc[broken][_STEP_COLUMNS], episodes, track)
    sections = _ranked(_judged(_measured(facts, ends), len(ends)))
    if shown is None or shown is steps:
        rows = driven_rows(steps) if placed is None else placed.has(COUNTED)
        shown = steps
    else:
        rows = driven_rows(shown)
    cells, edge, drawn = _cells(shown, rows, facts.places, cell)
    count = facts.episodes
    return RewardMap(
        cells=cells,
        cell=edge,
        asked=cell,
        sections=sections,
        ends=_marks(ends),
        early_ends=len(ends),
        steps=facts.steps,
        episodes=count,
        drawn=drawn,
        has_negative=bool((cells["reward"] < 0).any()),
        track=track,
        verdict=_verdict(sections, len(ends), _drives(count, episodes), track),
    )


def _bands(place: np.ndarray, value: np.ndarray, count: int) -> np.ndarray:
    """Quantiles `_BAND` of the values at each of the places 0..count-1: shape (3, count); NaN for too few."""
    known = np.isfinite(value) & (place < count)
    place, value = place[known], value[known]
    answer = np.full((len(_BAND), count), np.nan)
    if not len(value):
        return answer
    # One sort for all places: each has a range of numbers to itself.
    room = 2 * np.abs(value).max() + 1
    ordered = np.sort(place * room + value)
    number = np.bincount(place, minlength=count)
    seen = np.flatnonzero(number >= LEAST_VISITS)
    first = (np.cumsum(number) - number)[seen]
    for row, share in zip(answer, _BAND, strict=True):
        at = first + (number[seen] - 1) * share
        below, above = ordered[np.floor(at).astype(int)], ordered[np.ceil(at).astype(int)]
        row[seen] = below + (above - below) * (at % 1) - seen * room
    return answer


def _mean(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else np.nan


def _median(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else np.nan


@dataclass(frozen=True, eq=False)
class _Facts:
    """What sections are judged by.

    ``offset`` and ``reward`` are the quantiles `_BAND` at each of the N waypoints, shape (3, N); ``steps_at`` and
    ``off_at`` count the steps, and those with a wheel off the track, at each waypoint, shape (N + 1,), the last one for
    waypoints that the track does not have; the others have one entry per pass.
    """

    places: Places
    offset: np.ndarray
    reward: np.ndarray
    steps_at: np.ndarray
    off_at: np.ndarray
    pass_section: np.ndarray
    pass_steps: np.ndarray
    over: np.ndarray
    under: np.ndarray
    steps: int
    episodes: int


def _facts(driven: Driven) -> _Facts:
    """Facts of driven steps."""
    if driven.track is None:
        offset = np.full(len(driven.x), np.nan)
    else:
        offset = driven.track.position(driven.x, driven.y, driven.waypoint)[1]
    lateral = _bands(driven.waypoint, offset, driven.waypoints)
    locked = drifts_at_lock(driven, offset)
    outward = -driven.side[driven.section[locked]] * offset[locked]
    wide = _is_wide(driven, lateral, driven.waypoint[locked], outward)
    return _Facts(
        places=driven,
        offset=lateral,
        reward=_bands(driven.waypoint, driven.reward, driven.waypoints),
        steps_at=np.bincount(driven.waypoint, minlength=driven.waypoints + 1),
        off_at=np.bincount(driven.waypoint[driven.off], minlength=driven.waypoints + 1),
        pass_section=driven.pass_section,
        pass_steps=driven.pass_steps,
        over=over_steers(driven),
        under=np.bincount(driven.passes[locked][wide], minlength=driven.pass_count) >= DRIFT_STEPS,
        steps=len(driven.x),
        episodes=len(np.unique(driven.episode)),
    )


def _facts_of_placed(steps: pd.DataFrame, track: Track, placed: PlacedSteps) -> _Facts:
    """The same, from what is known of the steps already."""
    places = Places(track)
    count = places.waypoints
    waypoint, counted = steps["closest_waypoint"].to_numpy(), placed.has(COUNTED)
    # Steps that do not count are put at one place more, behind the waypoints that the track does not have.
    waypoint = np.where((waypoint < 0) | (waypoint > count), np.int32(count), waypoint)
    waypoint = np.where(counted, waypoint, np.int32(count + 1))
    steps_at = np.bincount(waypoint, minlength=count + 2)[: count + 1]
    off = np.flatnonzero(~steps["on_track"].to_numpy(bool))
    lateral, reward = (
        value.quantiles(value.counts(waypoint, count + 1)[:count], _BAND, LEAST_VISITS)
        for value in (placed.offset, placed.reward)
    )
    wide = _is_wide(places, lateral, waypoint[placed.lock_row], placed.lock_outward)
    length = len(placed.pass_section)
    return _Facts(
        places=places,
        offset=lateral,
        reward=reward,
        steps_at=steps_at,
        off_at=np.bincount(waypoint[off], minlength=count + 2)[: count + 1],
        pass_section=placed.pass_section,
        pass_steps=placed.pass_steps,
        over=placed.pass_over,
        under=np.bincount(placed.lock_pass[wide], minlength=length) >= DRIFT_STEPS,
        steps=int(steps_at.sum()),
        episodes=len(np.unique(np.searchsorted(placed.first_row, placed.pass_row, "right"))),
    )


def _is_wide(places: Places, lateral: np.ndarray, waypoint: np.ndarray, outward: np.ndarray) -> np.ndarray:
    """Which steps of a turn are beyond the usual line at their waypoint by more than the lateral spread there."""
    low, line, high = (np.append(quantile, np.nan) for quantile in lateral)
    usual = -places.side[places.section_of_waypoint[waypoint]] * line[waypoint]
    return outward - usual > np.maximum((high - low)[waypoint] / 2, LEAST_WIDE)


def _measured(facts: _Facts, ends: pd.DataFrame) -> pd.DataFrame:
    """Measures of each section, in order of driving."""
    places = facts.places
    table = {name: places.sections[name] for name in ("section", "kind", "waypoint_from", "waypoint_to")}
    count, side, of_waypoint = len(places.sections), places.side[:-1], places.section_of_waypoint[:-1]
    low, line, high = facts.offset
    spread = (high - low) / 2
    low, _, high = facts.reward
    reward_spread = (high - low) / 2

    known = of_waypoint >= 0
    table["steps"], off = (
        np.bincount(of_waypoint[known], at[:-1][known], count).astype(np.int64)
        for at in (facts.steps_at, facts.off_at)
    )
    valid = (facts.pass_steps >= LEAST_PASS) & (facts.pass_section >= 0)
    table["passes"] = np.bincount(facts.pass_section[valid], minlength=count)
    table["lateral_spread"] = [_mean(spread[of_waypoint == row]) for row in range(count)]
    table["reward_spread"] = [_mean(reward_spread[of_waypoint == row]) for row in range(count)]
    ends_of = zip(table["waypoint_from"], table["waypoint_to"], strict=True)
    later = [_second_half(np.flatnonzero(of_waypoint == row), *ends) for row, ends in enumerate(ends_of)]
    table["outside"] = [-side[row] * _mean(line[later[row]]) if side[row] else np.nan for row in range(count)]
    table["off_track_share"] = np.where(table["steps"] > 0, off / np.maximum(table["steps"], 1), np.nan)

    table["episode_ends"] = np.array(
        [(ends["section"] == name).sum() for name in table["section"]], dtype=int
    )
    table["episode_ends_share"] = table["episode_ends"] / max(len(ends), 1)
    table["exit_ends"] = _exit_ends(places, ends)
    table["due_share"] = _due(table) / max(len(ends), 1)

    enough = (table["passes"] >= LEAST_PASSES) & (side != 0)
    for name, found in (("over_steering", facts.over), ("under_steering", facts.under)):
        hits = np.bincount(facts.pass_section[valid & found], minlength=count)
        table[name] = np.where(enough, hits / np.maximum(table["passes"], 1), np.nan)

    spreads = np.nan_to_num(table["lateral_spread"])
    corner = (table["kind"] == "corner").to_numpy(bool)
    table["score"] = (
        4 * (table["episode_ends"] + table["exit_ends"]) / (len(ends) + _FEW)
        + 2 * off / (off.sum() + _FEW)
        + spreads / (spreads[corner].sum() + 0.1)
    )
    return pd.DataFrame(table)


def _second_half(waypoints: np.ndarray, begin: int, end: int) -> np.ndarray:
    """Those of a section's waypoints that are in its second half."""
    if begin > end:
        first = waypoints >= begin
        waypoints = np.concatenate([waypoints[first], waypoints[~first]])
    return waypoints[len(waypoints) // 2 :]


def _early_ends(steps: pd.DataFrame, episodes: pd.DataFrame | None, track: Track | None) -> pd.DataFrame:
    """What is known of the steps in which drives broke off (see `broken_off`)."""
    status = steps["episode_status"].to_numpy(object)
    if episodes is not None:
        # Logs of 2019 write no status; what became of the episode is then told by its row.
        row = pd.Index(episodes["unique_episode"]).get_indexer(steps["unique_episode"])
        known = np.append(episodes["end_status"].to_numpy(object), np.nan)[row]
        status = np.where(steps["episode_status"].isin(BREAKS), status, known)
    status = np.where(pd.isna(status), "unknown", status)
    early = (status != "in_progress") & (status != "lap_complete")
    ends = steps[early]
    section = "" if track is None else track.section_of(ends["closest_waypoint"])
    return ends.assign(end_status=pd.array(status[early], dtype="str"), section=section)


def _exit_ends(places: Places, ends: pd.DataFrame) -> np.ndarray:
    """Early ends just after each corner, on the straight that follows it."""
    track, sections = places.track, places.sections
    if track is None:
        return np.zeros(0, dtype=int)
    along = track.position(ends["x"], ends["y"], ends["closest_waypoint"])[0]
    found = np.zeros(len(sections), dtype=int)
    names, kinds, starts = (sections[name].tolist() for name in ("section", "kind", "start"))
    ended_in = ends["section"].to_numpy(object)
    for row in range(len(sections) if track.closed else len(sections) - 1):
        after = (row + 1) % len(sections)
        if kinds[row] == "corner" and kinds[after] == "straight":
            beyond = (along - starts[after]) % track.length
            found[row] = int(((ended_in == names[after]) & (beyond < EXIT)).sum())
    return found


def _marks(ends: pd.DataFrame) -> pd.DataFrame:
    """Early ends few enough to draw."""
    marks = ends.reindex(columns=_END_COLUMNS).reset_index(drop=True).assign(ends=1)
    cell, (kind, statuses) = 0.05, pd.factorize(marks["end_status"])
    while len(marks) > MAX_ENDS:
        cell *= 2
        columns, lines = (np.floor(marks[axis].to_numpy() / cell).astype(np.int64) for axis in "xy")
        place = (columns - columns.min()) * (np.ptp(lines) + 1) + lines - lines.min()
        # Groups are numbered as they appear.
        group = pd.factorize(place * len(statuses) + kind)[0]
        first = np.unique(group, return_index=True)[1]
        together, kind = np.bincount(group, marks["ends"]).astype(int), kind[first]
        marks = marks.take(first).reset_index(drop=True).assign(ends=together)
    return marks


def _cells(
    steps: pd.DataFrame, rows: np.ndarray, places: Places, asked: float
) -> tuple[pd.DataFrame, float, int]:
    """Mean reward in each cell with a rewarded step; the edge of a cell; the steps behind them."""
    rows = rows & np.isfinite(steps["reward"].to_numpy())
    x, y, reward, waypoint = (
        values if rows.all() else values[rows]
        for values in (steps[name].to_numpy() for name in ("x", "y", "reward", "closest_waypoint"))
    )
    edge = asked
    while True:
        columns, lines = (np.floor(axis / edge).astype(np.int64) for axis in (x, y))
        left, low = columns.min(initial=0), lines.min(initial=0)
        wide, high = columns.max(initial=0) - left + 1, lines.max(initial=0) - low + 1
        number = (columns - left) * high + lines - low
        if wide * high <= _LARGEST_PLANE:
            kept = np.arange(wide * high)
        else:
            kept, number = np.unique(number, return_inverse=True)
        visits = np.bincount(number, minlength=len(kept))
        seen = np.flatnonzero(visits)
        if len(seen) <= MAX_CELLS:
            break
        # Whole centimetres, and at least one more.
        edge = np.ceil(100 * max(edge * np.sqrt(len(seen) / MAX_CELLS), edge + 0.005)) / 100
    total = np.bincount(number, reward, len(visits))
    where = np.full(len(visits), -1)
    where[number] = waypoint
    where = np.where((where >= 0) & (where < places.waypoints), where, places.waypoints)
    section = places.section_of_waypoint[where]
    names = np.array([*places.sections["section"], ""], dtype=object).astype("str")
    cells = pd.DataFrame(
        {
            "x": (kept[seen] // high + left + 0.5) * edge,
            "y": (kept[seen] % high + low + 0.5) * edge,
            "reward": total[seen] / visits[seen],
            "visits": visits[seen],
            "section": names[section[seen]],
        }
    )
    return cells, float(edge), len(x)


def _told(table: pd.DataFrame) -> pd.Series:
    """Sections with enough passes or early ends to be judged."""
    return (table["passes"] >= LEAST_PASSES) | (_due(table) >= LEAST_ENDS)


def _due(table):
    """Early ends that a section has to answer for."""
    return table["episode_ends"] + table["exit_ends"]


def _ranked(table: pd.DataFrame) -> pd.DataFrame:
    """Corners before straights, the highest score first."""
    order = np.lexsort([-table["score"], ~_told(table), table["kind"] != "corner"])
    return table.iloc[order].reset_index(drop=True)


def _judged(table: pd.DataFrame, ends: int) -> pd.DataFrame:
    """Add fault and reason."""
    corner = (table["kind"] == "corner").to_numpy(bool)
    faults, reasons = [], []
    for row in table.itertuples():
        fault, why = "", ""
        if row.kind == "corner" and row.steps:
            fault, why = _fault(row, _of_others(table, corner & (np.arange(len(table)) != row.Index)))
        faults.append(fault)
        reasons.append(f"{_happened(row, ends)} {why}".strip())
    return table.assign(fault=pd.array(faults, dtype="str"), reason=pd.array(reasons, dtype="str"))


def _of_others(table: pd.DataFrame, others: np.ndarray) -> dict[str, np.ndarray]:
    """What corners are held against."""
    names = ("passes", "over_steering", "under_steering", "outside", "lateral_spread", "reward_spread")
    return {name: table[name].to_numpy(float)[others] for name in names}


def _happened(row, ends: int) -> str:
    """What happens in a section, in numbers."""
    if not row.steps:
        return "No step was driven here."
    broke_off = f"{row.episode_ends:,} of {counted(ends, 'early end')} here"
    if row.exit_ends:
        broke_off += f" and {row.exit_ends:,} on the metre after it"
    off = f"a wheel off the track in {percent(row.off_track_share)} of {counted(row.steps, 'step')}"
    return f"{broke_off}, {off}." if ends else f"{off[0].upper()}{off[1:]}."


def _fault(row, others: dict[str, np.ndarray]) -> tuple[str, str]:
    """The fault of a corner, and the sentence that tells it with its numbers."""
    if row.passes < LEAST_PASSES:
        few = f"{counted(row.passes, 'pass')} of it {'is' if row.passes == 1 else 'are'} too few"
        return "", f"{few} to say why; {LEAST_PASSES} are needed."
    found = []
    for name, fault, words in (
        ("over_steering", "over-steering", "the car steers too much and corrects within the turn"),
        ("under_steering", "under-steering", "the car runs wide although it steers as far as it can"),
    ):
        share, known = getattr(row, name), np.isfinite(others[name])
        passes = others["passes"][known].sum()
        usual = others[name][known] @ others["passes"][known] / max(passes, 1)
        low = wilson_interval(round(share * row.passes), row.passes)[0]
        if share >= MOST_PASSES or (share >= SOME_PASSES and low > usual):
            more = share > usual
            elsewhere = f" ({percent(usual)} in the other turns{'' if more else ' too'})" if passes else ""
            passed = counted(row.passes, "pass")
            found.append((share, fault, f"In {percent(share)} of {passed} {words}{elsewhere}."))
    if found:
        return max(found)[1:]
    usual = _median(others["outside"])
    if row.outside >= WIDE_LINE and row.outside - usual >= WIDE_LINE:
        return "running wide", (
            f"In its second half the usual line lies {100 * row.outside:.0f} cm outside of the middle of the track, "
            f"{100 * (row.outside - usual):.0f} cm further out than in the median of the other turns."
        )
    if len(others["passes"]) >= 2:
        line, rewards = _median(others["lateral_spread"]), _median(others["reward_spread"])
        if row.lateral_spread >= MORE_SCATTERED * line:
            return "scattered rewards", (
                f"The line scatters by {100 * row.lateral_spread:.0f} cm to either side ({100 * line:.0f} cm in the "
                "median of the other turns)."
            )
        if row.reward_spread >= MORE_SCATTERED * rewards and row.reward_spread > 0:
            return "scattered rewards", (
                f"The reward at one place scatters by {_short(row.reward_spread)} up and down "
                f"({_short(rewards)} in the median of the other turns)."
            )
    return "", (
        f"In {counted(row.passes, 'pass')} neither over- nor under-steering, a wide line or scatter stands out from "
        "the other turns."
    )


_ADVICE = {
    "over-steering": "Take reward away for steering that changes sides within a turn, and offer smaller angles.",
    "under-steering": "Ask for less speed before it, or offer a slow action with a wider angle.",
    "running wide": "Pay more for the inner side of the track where it turns.",
    "scattered rewards": "Pay for one line there clearly, for instance by the distance from it.",
    "": "Look first at the speed at which it is entered.",
}


def _drives(count: int, episodes: pd.DataFrame | None) -> str:
    """How many drives were looked at, and that there are more where some have no steps; "" where there is none."""
    untraced = episodes is not None and "traced" in episodes and not episodes["traced"].all()
    return counted(count, "drive") + (" with recorded steps" if untraced else "") if count else ""


def _verdict(sections: pd.DataFrame, ends: int, drives: str, track: Track | None) -> str:
    """Say which turn to work on next."""
    if not drives:
        return "No driven steps are left to look at."
    corners = sections[sections["kind"] == "corner"]
    if corners.empty:
        unknown = (
            "the track is not known; a track file would show it" if track is None else "the track has no turn"
        )
        return f"Which turn to work on next cannot be told: {unknown} ({drives})."
    if not _told(corners).any():
        return (
            f"The data cannot say which turn to work on next: in {drives} no turn was driven {LEAST_PASSES} times or "
            f"ended {LEAST_ENDS} drives. More drives would tell."
        )
    first = corners.iloc[0]
    due = int(_due(first))
    why = _fault(first, _of_others(corners, np.arange(len(corners)) > 0))[1]
    if due >= LEAST_ENDS:
        place = "there" if not first["exit_ends"] else "there or on the metre after it"
        text = (
            f"Work on {first['section']} next: {due:,} of the {counted(ends, 'early end')} of {drives} happened "
            f"{place} ({percent(due / ends)}).{_rivals(first, corners.iloc[1:])}"
        )
    else:
        few = f"Only {counted(ends, 'drive')} ended early" if ends else f"None of {drives} ended early"
        if ends >= LEAST_ENDS:
            few = f"The {counted(ends, 'early end')} of {drives} lie too far apart to choose by"
        scatter = first["lateral_spread"]
        text = (
            f"{few}, so go by how the car drives: work on {first['section']} next, with a wheel off the track in "
            f"{percent(first['off_track_share'])} of {counted(first['steps'], 'step')}"
            + (
                f" and a line that scatters by {100 * scatter:.0f} cm to either side."
                if scatter >= 0
                else "."
            )
        )
    straight = sections[sections["kind"] == "straight"].nlargest(1, "episode_ends")
    if len(straight) and straight["episode_ends"].iloc[0] > max(due, LEAST_ENDS):
        name, count = straight[["section", "episode_ends"]].iloc[0]
        text += (
            f" Even more drives, {count:,}, ended on {name}, a straight: see whether the car weaves there."
        )
    return f"{text} {why}" + (f" {_ADVICE[first['fault']]}" if first["passes"] >= LEAST_PASSES else "")


def _rivals(first: pd.Series, others: pd.DataFrame) -> str:
    """Corners whose early ends are as many as far as chance can tell.

    The difference of two counts out of one total has a variance of at most their sum; within 1.96 standard
    deviations they cannot be told apart.
    """
    due = _due(others)
    near = others.loc[_due(first) - due <= 1.96 * np.sqrt(_due(first) + due), "section"].tolist()
    if not near:
        return ""
    if len(near) > 3:
        return f" By that count {len(near)} other turns may be just as bad; more drives would tell."
    return f" By that count {listed(near)} may be just as bad."


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
