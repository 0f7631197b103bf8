"""Where the time goes: section times, what separates a typical lap from a fast one, and what could be joined.

All of it compares this model with itself: lap against lap, section by section.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from deepracer_viz.analysis.driving.comparison import resampled
from deepracer_viz.analysis.driving.kept import KeptTraces
from deepracer_viz.analysis.driving.traces import Traces, borders, driven_rows, lay_along, unroll
from deepracer_viz.analysis.words import counted
from deepracer_viz.track import Track, rebuild_track

FAST_SHARE = 0.1
"""Share of the laps that counts as the fast laps."""

LEAST_FAST = 3
"""Fewest fast laps: the mean of fewer is mostly the luck of one lap."""

LEAST_LAPS = 10
"""Fewest laps to compare: of fewer than ten, three fast ones would be hard to tell from the rest."""

STANDING = "standing start"
"""Name of the row of a `TimeAccount` that is no section: what starting from standstill costs."""

RESAMPLES = 500
"""Bootstrap samples behind each 95 % interval."""

SHUFFLES = 200
"""Times that the section times are dealt out to laps anew."""

AROUND = 1.0
"""Metres that are shown before and behind a section."""

SMOOTHING = 0.25
"""Metres to either side over which speed and steering are averaged: two to three steps in all."""

MOST_POINTS = 3000
"""Points of driven lines at most: about what a chart draws at once without a delay."""

_SECTION_TIME_TYPES = {
    "unique_episode": "int32",
    "section": "str",
    "time": "float64",
    "start_loss": "float64",
    "whole": "bool",
    "complete_lap": "bool",
}


def fast_and_typical(lap_times) -> tuple[np.ndarray, np.ndarray]:
    """Choose the laps that stand for fast driving, and those that stand for the usual driving.

    Parameters
    ----------
    lap_times : array-like
        Lap times in s.

    Returns
    -------
    fast, typical : numpy.ndarray
        Places in lap_times, fastest first: the fastest tenth, at least `LEAST_FAST` (all where there are fewer);
        and the middle half, between the quartiles.
    """
    order = np.argsort(np.asarray(lap_times, dtype=float), kind="stable")
    fast, typical = _parts(len(order))
    return order[fast], order[typical]


def _parts(n: int) -> tuple[slice, slice]:
    """Ranks of the fast and of the typical ones of n laps."""
    return slice(0, max(LEAST_FAST, int(n * FAST_SHARE))), slice(n // 4, n - n // 4)


def section_times(
    steps: pd.DataFrame,
    episodes: pd.DataFrame,
    track: Track | None = None,
    traces: Traces | KeptTraces | None = None,
    laps_only: bool = False,
) -> pd.DataFrame:
    """Seconds that each drive spent in each section of the track.

    The moments at which the car crosses the borders of the sections are interpolated between the steps around
    them; where it is on the track comes from its position, as progress counts from the start of each drive.

    Parameters
    ----------
    steps : pandas.DataFrame
        Step table of whole episodes, rows of one episode following each other.
    episodes : pandas.DataFrame
        Their episodes; unique_episode, complete, traced, driven_time and end_status are used.
    track : Track, optional
        Geometry; rebuilt from the steps where none is given.
    traces : Traces or KeptTraces, optional
        The same drives laid along the same track, where the caller has them: saves laying them again.
    laps_only : bool
        Rows of complete laps alone. Their times are in the traces already, so with these it takes next to nothing.

    Returns
    -------
    pandas.DataFrame
        One row per section that was passed whole, episode by episode, sections in order of the track:

        - unique_episode, section ("" on a stretch that the track does not know);
        - time (s): the sections of a complete lap add up to its driven_time, pauses of a lap that was put back on
          the track included;
        - start_loss (s): the part of time that is owed to a start from standstill: seconds spent on the metres
          of the first 1.5 s, minus the mean of the complete laps that pass these metres flying. 0 elsewhere, and
          where fewer than `LEAST_FAST` laps pass them flying;
        - whole: whether the section was passed in one go. False for the section in which a complete lap starts
          and ends: its time is the sum of both pieces;
        - complete_lap: whether the row belongs to a complete lap.

        Empty where no section was passed whole or the track cannot be rebuilt.
    """
    track = rebuild_track(steps) if track is None else track
    traces = lay_along(steps, episodes, track) if track is not None and traces is None else traces
    if traces is None:
        return pd.DataFrame({name: [] for name in _SECTION_TIME_TYPES}).astype(_SECTION_TIME_TYPES)
    place, name = borders(track)
    begin, end = _stretches(name, track)
    if laps_only:
        drives, at = _laps_at(place, steps, episodes, track, traces)
        of_laps = traces.drives["unique_episode"].isin(drives["unique_episode"]).to_numpy()
        whole_laps = np.array_equal(of_laps, traces.drives["complete"].to_numpy())
        traces = traces.laps if whole_laps else traces.pick(of_laps)
    else:
        drives, at = _at(place, steps, episodes, track)
        traces = traces.pick(np.arange(len(traces.drives)))

    complete = drives["complete"].to_numpy()
    time = at[:, end] - at[:, begin]
    whole = time > 0
    time = np.where(whole, time, time + drives["time"].to_numpy()[:, None])
    loss = _start_losses(traces, name[begin], drives["unique_episode"])
    row, section = np.nonzero(np.isfinite(time))
    return pd.DataFrame(
        {
            "unique_episode": drives["unique_episode"].to_numpy()[row].astype("int32"),
            "section": pd.array(name[begin], dtype="str")[section],
            "time": time[row, section],
            "start_loss": loss[row, section],
            "whole": whole[row, section],
            "complete_lap": complete[row],
        }
    )


def _at(
    place: np.ndarray, steps: pd.DataFrame, episodes: pd.DataFrame, track: Track
) -> tuple[pd.DataFrame, np.ndarray]:
    """Drives, a complete lap in one piece, and when each crossed each place (s since it began, NaN: did not)."""
    runs = unroll(steps, episodes, track, whole_laps=True)
    run, border, interpolate = runs.crossings(place)
    at = np.full((len(runs.table), len(place)), np.nan)
    at[run, border] = interpolate(runs.clock)
    if track.closed:
        at[:, -1] = at[:, 0]
    return runs.table, at


def _laps_at(
    place: np.ndarray,
    steps: pd.DataFrame,
    episodes: pd.DataFrame,
    track: Track,
    traces: Traces | KeptTraces,
) -> tuple[pd.DataFrame, np.ndarray]:
    """The complete laps of `_at`, taken from the traces where they are in one piece there too."""
    laps = traces.laps
    # Borders of sections are among those of the cells.
    at = laps.at[:, np.abs(laps.place[:, None] - place).argmin(axis=0)]
    known = episodes["complete"] & episodes["traced"]
    known &= ~episodes["unique_episode"].isin(laps.drives["unique_episode"])
    others = steps[steps["unique_episode"].isin(episodes.loc[known, "unique_episode"])] if known.any() else ()
    if not len(others):
        return laps.drives, at
    pieced, at_pieced = _at(place, others, episodes, track)
    complete = pieced["complete"].to_numpy()
    drives = pd.concat([laps.drives, pieced[complete]], ignore_index=True)
    order = np.argsort(drives["unique_episode"].to_numpy(), kind="stable")
    return drives.iloc[order].reset_index(drop=True), np.concatenate([at, at_pieced[complete]])[order]


def _stretches(name: np.ndarray, track: Track) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the borders at which each section begins and ends, sections in order of the track."""
    changes = name != np.roll(name, 1)
    if not track.closed or not changes.any():
        changes[0] = True
    begin = np.flatnonzero(changes)
    end = np.append(begin[1:], begin[0] if track.closed else len(name))
    known = list(track.sections["section"])
    order = np.argsort(
        [known.index(section) if section else len(known) for section in name[begin]], kind="stable"
    )
    return begin[order], end[order]


def _start_losses(traces: Traces, sections: np.ndarray, unique_episode: pd.Series) -> np.ndarray:
    """Seconds lost to the start of each run in each section."""
    laps = traces.drives["complete"].to_numpy()
    flying = np.where(traces.standing[laps], np.nan, traces.seconds[laps])
    passes = np.isfinite(flying).sum(axis=0)
    usual = np.where(passes >= LEAST_FAST, np.nansum(flying, axis=0) / np.maximum(passes, 1), np.nan)
    opens = ~traces.drives["unique_episode"].duplicated().to_numpy()
    lost = np.where(traces.standing[opens], traces.seconds[opens] - usual, 0)
    lost = np.nan_to_num(lost) @ (traces.section[:, None] == sections)
    # Only the first run of an episode begins with its start; what is lost after a reset belongs to the reset.
    loss = np.zeros((len(unique_episode), len(sections)))
    loss[~unique_episode.duplicated().to_numpy()] = lost
    return loss


@dataclass(frozen=True, eq=False)
class TimeAccount:
    """What separates a typical lap from a fast one, split over the sections.

    Attributes
    ----------
    sections : pandas.DataFrame
        One row per section in order of the track: section; typical, fast and lost (s), lost = typical - fast;
        low and high, the 95 % interval of lost (s). Section times are without `section_times`' start_loss; where
        there is any, a last row, `STANDING`, holds it, so that the columns add up to the figures below. Empty
        where there are fewer than `LEAST_LAPS` laps.
    typical : float
        Median lap time (s); NaN where there are too few laps, like the next four.
    fast : float
        Mean lap time of the fastest tenth, at least `LEAST_FAST` laps (s).
    lost, low, high : float
        typical - fast, and its 95 % interval (s).
    laps, fast_laps, typical_laps : int
        Number of laps in all, among the fast ones, and in the middle half that stands for the typical lap.
    verdict : str
        The answer in plain words.
    """

    sections: pd.DataFrame
    typical: float
    fast: float
    lost: float
    low: float
    high: float
    laps: int
    fast_laps: int
    typical_laps: int
    verdict: str


def time_account(times: pd.DataFrame, seed: int = 0) -> TimeAccount:
    """Split the time between a typical and a fast lap over the sections.

    The fast lap is the mean of the fastest tenth of the laps. The typical lap is the median lap time, and medians
    of sections do not add up to it: so its sections are the means of the middle half of the laps by lap time (the
    interquartile mean, which stray laps do not move), all scaled by the one factor, close to 1, that makes them add
    up to the median. The parts then add up to the whole exactly.

    Laps in training start from standstill at places all round the track. A section is slower in the laps that
    start there, and it would depend on the luck of the start where the fast laps seem to win. So each section is
    compared without the time lost to the start, which has a part of its own. Where all laps start at one place,
    no lap passes it flying, and its sections are compared as they are, like with like.

    Fast laps are picked by their lap time, so a part of what separates them is luck; the intervals (percentile
    bootstrap over laps, in which fast and typical laps are picked anew each time; Efron and Tibshirani, An
    Introduction to the Bootstrap, 1993, chapter 13) say how much the parts would vary with other laps.

    Parameters
    ----------
    times : pandas.DataFrame
        Answer of `section_times`, or the rows of some of its episodes. Its complete laps count.
    seed : int
        Of the bootstrap.

    Returns
    -------
    TimeAccount
    """
    matrix, loss, names = _laps(times)
    n = len(matrix)
    if n < LEAST_LAPS:
        verdict = (
            f"The data cannot say what separates a typical lap from a fast one: {_count(n)} could be timed section "
            f"by section, at least {LEAST_LAPS} are needed. More drives that come round would tell."
        )
        empty = pd.DataFrame(columns=["section", "typical", "fast", "lost", "low", "high"])
        empty = empty.astype({"section": "str"} | dict.fromkeys(empty.columns[1:], "float64"))
        return TimeAccount(empty, *[np.nan] * 5, n, 0, 0, verdict)

    parts = matrix - loss
    if loss.any():
        parts, names = np.column_stack([parts, loss.sum(axis=1)]), [*names, STANDING]
    totals = parts.sum(axis=1)
    order = np.argsort(totals, kind="stable")
    parts, totals = parts[order], totals[order]
    typical, fast = (answer[0] for answer in _typical_and_fast(parts, totals, np.arange(n)[None]))
    # Laps are in order of their time, so sorted numbers of laps are a sample in order of its time. In as few bytes as
    # hold them they are sorted in a tenth of the time.
    drawn = np.random.default_rng(seed).integers(n, size=(RESAMPLES, n))
    drawn = np.sort(drawn.astype(np.min_scalar_type(n)), axis=1).astype(int)
    lost = np.subtract(*_typical_and_fast(parts, totals, drawn))
    low, high = np.quantile(lost, [0.025, 0.975], axis=0)
    sections = pd.DataFrame(
        {
            "section": pd.array(names, dtype="str"),
            "typical": typical,
            "fast": fast,
            "lost": typical - fast,
            "low": low,
            "high": high,
        }
    )
    low, high = np.quantile(lost.sum(axis=1), [0.025, 0.975])
    fast_ranks, typical_ranks = _parts(n)
    account = TimeAccount(
        sections=sections,
        typical=float(typical.sum()),
        fast=float(fast.sum()),
        lost=float((typical - fast).sum()),
        low=float(low),
        high=float(high),
        laps=n,
        fast_laps=len(totals[fast_ranks]),
        typical_laps=len(totals[typical_ranks]),
        verdict="",
    )
    return replace(account, verdict=_account_verdict(account))


def _laps(times: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Section times and start losses of the complete laps, shape (laps, sections), and names of the sections."""
    laps = times[times["complete_lap"]]
    row, drives = pd.factorize(laps["unique_episode"])
    column, sections = pd.factorize(laps["section"])
    shape = len(drives), len(sections)
    cell, cells = row * len(sections) + column, len(drives) * len(sections)
    missing = np.bincount(cell, minlength=cells) == 0
    time, loss = (
        np.where(missing, np.nan, np.bincount(cell, laps[name], cells)).reshape(shape)
        for name in ("time", "start_loss")
    )
    return time, loss, list(sections)


def _typical_and_fast(
    parts: np.ndarray, totals: np.ndarray, drawn: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Parts of the typical and of the fast lap in each sample of laps; laps and samples in order of lap time."""
    n = drawn.shape[1]
    means = []
    for ranks in _parts(n):
        chosen = drawn[:, ranks] + n * np.arange(len(drawn))[:, None]
        weight = np.bincount(chosen.ravel(), minlength=drawn.size).reshape(drawn.shape)
        means.append(weight @ parts / chosen.shape[1])
    fast, typical = means
    median = (totals[drawn[:, (n - 1) // 2]] + totals[drawn[:, n // 2]]) / 2
    return typical * (median / typical.sum(axis=1))[:, None], fast


def _account_verdict(account: TimeAccount) -> str:
    """Where most of the time is lost, in plain words."""
    head = (
        f"A typical lap takes {account.typical:.2f} s, a fast one {account.fast:.2f} s (n = {account.laps} laps, "
        f"{account.fast_laps} of them fast)."
    )
    if account.lost < 0.005:
        return f"{head} There is nothing between them to be gained."
    parts = account.sections.to_dict("records")
    start = next((part for part in parts if part["section"] == STANDING), None)
    luck = ""
    if start is not None and start["low"] > 0 and start["lost"] >= 0.1 * account.lost:
        luck = (
            f" {start['lost']:.2f} s of it come from where the laps started from standstill, not from how they "
            "were driven."
        )
    worst = max((part for part in parts if part is not start), key=lambda part: part["lost"])
    if worst["low"] <= 0:
        return (
            f"{head} The {account.lost:.2f} s between them cannot be put down to one section with certainty; most, "
            f"{worst['lost']:.2f} s, seems to go in {_name(worst['section'])} (95 % interval {worst['low']:.2f} to "
            f"{worst['high']:.2f} s).{luck} More laps would tell."
        )
    return (
        f"{head} Of the {account.lost:.2f} s between them, {worst['lost']:.2f} s are lost in {_name(worst['section'])} "
        f"(95 % interval {worst['low']:.2f} to {worst['high']:.2f} s), more than anywhere else: work on it first.{luck}"
    )


def _name(section: str) -> str:
    return section or "the unknown part of the track"


def _count(n: int) -> str:
    return "no complete lap" if n == 0 else "1 complete lap" if n == 1 else f"{n} complete laps"


@dataclass(frozen=True, eq=False)
class BestLap:
    """The lap that the best times of all sections would make, and how much of it is the luck of picking.

    Attributes
    ----------
    sections : pandas.DataFrame
        One row per section in order of the track: section; best (s), unique_episode of the lap that drove it;
        fastest (s), the time of the fastest lap there. All without the time lost to the start.
    fastest : float
        Lap time of the fastest lap (s); NaN without a lap, like all that follows.
    unique_episode : int
        Which lap that is; -1 without a lap.
    best_sections : float
        Sum of the best section times, with the start of the fastest lap (s).
    shuffled, shuffled_low, shuffled_high : float
        The fastest of as many laps put together at random from the same section times, with the same start: mean
        and 95 % range over `SHUFFLES` deals (s).
    luck : float
        By how much the picking of best times flatters (s): from best_sections up to shuffled, or to fastest where
        that is less.
    gain : float
        What the fastest lap could gain by joining what the car already does (s): fastest - shuffled, at least 0.
    laps : int
        Number of laps.
    verdict : str
        The answer in plain words.
    """

    sections: pd.DataFrame
    fastest: float
    unique_episode: int
    best_sections: float
    shuffled: float
    shuffled_low: float
    shuffled_high: float
    luck: float
    gain: float
    laps: int
    verdict: str


def best_possible_lap(times: pd.DataFrame, seed: int = 0) -> BestLap:
    """Put the best times of all sections together, and say what such a sum is worth.

    The sum of the best section times is a lap that nobody drives: it takes the luckiest of n passes in every
    section at once, where a real lap is the luckiest of n as a whole. And a section may be fast only because the
    next one will be slow. The fair comparison deals the times of each section out to n laps at random and takes the
    fastest of them, many times. These laps are as lucky as the real ones, so

    - shuffled - best sections is the luck of picking, out of reach for any driving of this kind;
    - fastest - shuffled is what the fastest lap could gain if good sections went together as often as chance puts
      them together. Where it is not above 0, they already do, and only faster driving of sections helps.

    Laps of one checkpoint are compared best: over a whole training the pace drifts, and the dealt laps mix slow
    sections of early laps with fast ones of late laps.

    Parameters
    ----------
    times : pandas.DataFrame
        Answer of `section_times`, or the rows of some of its episodes. Its complete laps count: a drive that soon
        leaves the track may be faster than any lap can be.
    seed : int
        Of the shuffling.

    Returns
    -------
    BestLap
    """
    matrix, loss, names = _laps(times)
    n = len(matrix)
    numbers = times.loc[times["complete_lap"], "unique_episode"].unique()
    if not n:
        empty = pd.DataFrame(
            {
                "section": pd.Series(dtype="str"),
                "best": [],
                "unique_episode": pd.Series(dtype="int32"),
                "fastest": [],
            }
        )
        verdict = "There is no complete lap to put a better one together from."
        return BestLap(empty, np.nan, -1, *[np.nan] * 6, 0, verdict)
    parts = matrix - loss
    fastest = int(np.argmin(matrix.sum(axis=1)))
    start = float(loss[fastest].sum())
    best = parts.argmin(axis=0)
    sections = pd.DataFrame(
        {
            "section": pd.array(names, dtype="str"),
            "best": parts.min(axis=0),
            "unique_episode": numbers[best].astype("int32"),
            "fastest": parts[fastest],
        }
    )
    random = np.random.default_rng(seed)
    columns = parts.T.copy()  # one block of memory for each section, which is shuffled faster
    fast = np.sort([random.permuted(columns, axis=1).sum(axis=0).min() for _ in range(SHUFFLES)]) + start
    low, high = np.quantile(fast, [0.025, 0.975])
    answer = BestLap(
        sections=sections,
        fastest=float(matrix[fastest].sum()),
        unique_episode=int(numbers[fastest]),
        best_sections=float(sections["best"].sum()) + start,
        shuffled=float(fast.mean()),
        shuffled_low=float(low),
        shuffled_high=float(high),
        luck=float(min(fast.mean(), matrix[fastest].sum()) - sections["best"].sum() - start),
        gain=max(float(matrix[fastest].sum() - fast.mean()), 0.0),
        laps=n,
        verdict="",
    )
    return replace(answer, verdict=_best_verdict(answer))


def _best_verdict(answer: BestLap) -> str:
    """What the sum of the best sections is worth, in plain words."""
    # Differences alone: driven from the first step on, a lap is some hundredths of a second shorter than its official
    # time, which the page tells of the same lap.
    gap, dealt = answer.fastest - answer.best_sections, answer.shuffled - answer.fastest
    if answer.laps < LEAST_LAPS:
        return f"With fewer than {LEAST_LAPS} laps (n = {answer.laps}) the best time of every section says little."
    if gap < 0.005:
        return (
            "The fastest lap has the best time of every section: there is nothing to be joined "
            f"({counted(answer.laps, 'lap')})."
        )
    text = (
        f"With the best time of every section the fastest lap would be {gap:.2f} s faster. But the best of "
        f"{answer.laps} passes in every section is luck as well: the best of as many laps put together at random from "
        f"these section times is {abs(dealt):.2f} s {'slower' if dealt > 0 else 'faster'} than it. "
    )
    if answer.gain >= 0.05 and answer.fastest > answer.shuffled_high:
        return (
            f"{text}Of the {gap:.2f} s, {answer.luck:.2f} s are such luck, and {answer.gain:.2f} s are there "
            "to be had by a lap that joins good sections: the car gives away in one what it wins in another, so "
            "reward the time of the whole lap."
        )
    return (
        f"{text}So the fastest lap already joins its sections as well as can be expected, and more has to come from "
        "driving single sections faster."
    )


def time_delta(traces_a: Traces, traces_b: Traces, section: str | None = None, seed: int = 0) -> pd.DataFrame:
    """How much time one lap, or group of laps, loses on another along the track, and at which speed and steering.

    In each cell of the track the mean seconds of one group are compared with those of the other; the differences
    add up along the track. What is driven right after a standing start counts only where neither group has flying
    passes; where one has none but the other has, nothing can be compared.

    Parameters
    ----------
    traces_a, traces_b : Traces
        The two, from `deepracer_viz.analysis.driving.traces.lay_along` along the same track; `Traces.pick` chooses
        drives and `fast_and_typical` which.
    section : str, optional
        Only this section with `AROUND` before and behind it; the difference then adds up from there. Else the whole
        track, from the start line on.
    seed : int
        Of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        One row per cell, in order of driving:

        - place (m along the centre-line, going on past the start line): where the cell ends; section;
        - delta (s): time that a has lost on b from the first row to here, negative where it has won; delta_low,
          delta_high: its 95 % interval (percentile bootstrap over the drives of both groups). Two single drives
          differ by what they differ, so there both are delta. NaN where the cell cannot be compared; the sum goes
          on behind it;
        - speed_a, speed_b (m/s over ground), steering_a, steering_b (degrees, left positive): means of what was
          driven within `SMOOTHING` of here, as single steps jitter; NaN where nothing was.

        ``attrs["drives_a"]`` and ``attrs["drives_b"]`` hold the numbers of drives. An empty group gives NaN.

    Raises
    ------
    ValueError
        If the two were not laid along the same track, or it has no such section.
    """
    if not np.array_equal(traces_a.place, traces_b.place):
        raise ValueError("the drives are laid along two different tracks; lay both along the same one")
    cells, place = _around(traces_a, section)
    random = np.random.default_rng(seed)
    seconds = [traces.seconds[:, cells] for traces in (traces_a, traces_b)]
    known = [np.isfinite(values) for values in seconds]
    flying = [
        all_of & ~traces.standing[:, cells]
        for traces, all_of in zip((traces_a, traces_b), known, strict=True)
    ]
    neither = ~(flying[0].any(axis=0) | flying[1].any(axis=0))
    counted = [np.where(neither, *pair) for pair in zip(known, flying, strict=True)]
    comparable = counted[0].any(axis=0) & counted[1].any(axis=0)

    means, drawn = [], []
    for values, counts in zip(seconds, counted, strict=True):
        weights = resampled(random, len(values), RESAMPLES)
        with np.errstate(invalid="ignore", divide="ignore"):
            answers = (weights @ np.where(counts, values, 0)) / (weights @ counts.astype(np.float32))
        means.append(answers[0].astype(float))
        # A sample may miss all drives that know a cell; then it has the mean of all drives there.
        drawn.append(np.where(np.isfinite(answers[1:]), answers[1:], answers[0]))
    delta = np.where(comparable, means[0] - means[1], 0).cumsum()
    samples = np.where(comparable, drawn[0] - drawn[1], 0).cumsum(axis=1, dtype=float)
    low, high = np.quantile(samples, [0.025, 0.975], axis=0)
    table = {"place": place, "section": pd.array(traces_a.section[cells], dtype="str")}
    for name, value in (("delta", delta), ("delta_low", low), ("delta_high", high)):
        table[name] = np.where(comparable, value, np.nan)

    near = (np.abs(place[:, None] - place) <= SMOOTHING).astype(np.float32)
    for end, traces, all_of, flies in zip("ab", (traces_a, traces_b), known, flying, strict=True):
        used = np.where(flies.any(axis=0), flies, all_of)
        metres, spent, steering = (
            near @ np.where(used, values, 0).sum(axis=0, dtype=float)
            for values in (
                traces.metres[:, cells],
                traces.seconds[:, cells],
                traces.steering[:, cells] * traces.seconds[:, cells],
            )
        )
        driven = used.any(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            table[f"speed_{end}"] = np.where(driven, metres / spent, np.nan)
            table[f"steering_{end}"] = np.where(driven, steering / spent, np.nan)
    names = [
        "place",
        "section",
        "delta",
        "delta_low",
        "delta_high",
        "speed_a",
        "speed_b",
        "steering_a",
        "steering_b",
    ]
    answer = pd.DataFrame(table)[names]
    answer.attrs |= {"drives_a": len(traces_a.drives), "drives_b": len(traces_b.drives)}
    return answer


def _around(traces: Traces, section: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Cells of a section and a little around it, in order of driving, and where they end (m, unrolled)."""
    count = len(traces.section)
    if section is None:
        return np.arange(count), traces.place[1:]
    inside = np.flatnonzero(traces.section == section)
    if not len(inside):
        raise ValueError(f"the track has no section {section!r}")
    first, last = inside[0], inside[-1]
    gap = int(np.diff(inside).argmax()) if len(inside) > 1 else 0
    if traces.closed and len(inside) > 1 and inside[gap + 1] - inside[gap] > 1:
        first, last = inside[gap + 1], inside[gap] + count  # it crosses the start line
    margin = round(AROUND / float(np.diff(traces.place).mean()))
    first, last = first - margin, last + margin
    if not traces.closed:
        first, last = max(first, 0), min(last, count - 1)
    number = np.arange(first, min(last, first + count - 1) + 1)
    lap, cells = np.divmod(number, count)
    return cells, traces.place[cells + 1] + lap * traces.place[-1]


def driven_lines(steps: pd.DataFrame, unique_episodes, most: int = MOST_POINTS) -> pd.DataFrame:
    """Lines that the car drove, to be drawn on the map.

    Parameters
    ----------
    steps : pandas.DataFrame
        Step table, rows of one episode following each other.
    unique_episodes : array-like of int
        Which drives, those to be kept first where not all can be drawn.
    most : int
        Points at most. Whole drives are left out before points of a drive are thinned.

    Returns
    -------
    pandas.DataFrame
        One row per piece of a line, from one step to the next: unique_episode, x, y, x2, y2 (m), speed (m/s
        over ground, the mean of about a third of a second around, as single steps jitter). ``attrs["drives"]`` holds
        the number of drives in it, ``attrs["asked"]`` of those asked for that have steps.
    """
    wanted = pd.unique(np.asarray(unique_episodes, dtype="int64"))
    rows, metres, seconds, _ = driven_rows(steps[steps["unique_episode"].isin(wanted)])
    episode = rows["unique_episode"].to_numpy()
    pieces = pd.Series(episode).value_counts().reindex(wanted).dropna().astype(int)
    fitting = pieces.index[: max(int((pieces.cumsum() <= most).sum()), 1)]
    stride = max(-(-int(pieces.loc[fitting].sum()) // most), 1)

    drive = np.cumsum(np.isnan(seconds))
    clock, ground = rows["tstamp"].to_numpy(), np.cumsum(np.nan_to_num(metres))
    begins = np.diff(drive, prepend=-1) != 0
    since = np.arange(len(drive)) - np.flatnonzero(begins)[np.cumsum(begins) - 1]
    last = np.append(begins[1:], True)[: len(drive)]
    kept = np.flatnonzero(((since % stride == 0) | last) & np.isin(episode, fitting))
    one, two = kept[:-1], kept[1:]
    one, two = (ends[drive[one] == drive[two]] for ends in (one, two))
    x, y = rows["x"].to_numpy(), rows["y"].to_numpy()
    first = np.flatnonzero(begins)[np.cumsum(begins) - 1]
    final = np.flatnonzero(last)[np.cumsum(begins) - 1]
    before, after = np.maximum(one - 2, first[one]), np.minimum(two + 2, final[two])
    table = pd.DataFrame(
        {
            "unique_episode": episode[one],
            "x": x[one],
            "y": y[one],
            "x2": x[two],
            "y2": y[two],
            "speed": ((ground[after] - ground[before]) / (clock[after] - clock[before])).astype(np.float32),
        }
    )
    table.attrs |= {"drives": int(table["unique_episode"].nunique()), "asked": len(pieces)}
    return table
