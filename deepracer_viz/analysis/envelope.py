"""Performance envelope: how fast a model can go, and whether it is worth cloning again.

The lap times of one model are treated as independent draws from one distribution. Under a normal
curve the mean minus one, two and three standard deviations (SD) are the times that one lap in 6,
in 44 and in 741 is expected to beat: what the model can do on a good day. Where a test rejects the
normal curve, the laps seen decide instead of the curve.

The order of the laps is not looked at: choose a range of iterations over which the model hardly
changes, or the spread holds its learning too.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from deepracer_viz.analysis.intervals import wilson_interval
from deepracer_viz.analysis.normality import Normality, normality_of
from deepracer_viz.analysis.trend import STEADY_COMPLETION, CompletionTrend

MIN_LAPS = 8
"""Fewest laps that get a curve, markers and a chance.

With 8 laps the 95 % interval of the -3 SD marker already spans 4.4 SD, wider than the laps
themselves, and Shapiro-Wilk hardly ever finds anything; below that a model of the laps says less
than the laps.
"""

MAX_BINS = 60
"""Most bars of the histogram."""

WIDE_REACH = 0.04
"""Good laps at least this share faster than the median: consistency alone would win time."""

NARROW_REACH = 0.02
"""Good laps less than this share faster than the median: the model always drives near its best.

On a ten-second lap this is 0.2 s, three steps of a simulator that looks 15 times a second.
"""

RACE_CHANCE = 0.5
"""Every second lap beats the target: nothing is left to train for it."""

CLONE_CHANCE = float(special.ndtr(-2.0))
"""The target is no faster than the -2 SD marker: one lap in 44 (2.275 %) beats it."""


@dataclass(frozen=True, eq=False)
class PerformanceEnvelope:
    """What a model's lap times say about how fast it can go. All times in seconds."""

    n: int
    """Laps used."""
    dropped: int
    """Times left out: missing, infinite, zero or negative."""
    mean: float | None
    """Mean lap time; None without laps."""
    sd: float | None
    """Standard deviation of the sample (n - 1); None under two laps."""
    median: float | None
    """Median lap time; None without laps."""
    fastest: float | None
    """Fastest lap seen; None without laps."""
    markers: pd.DataFrame
    """Columns ``sd`` (-1, -2, -3), ``time``, ``low``, ``high`` (95 % interval of the true marker)
    and ``chance`` (share of laps under it by the normal curve, 0 to 1). Empty under `MIN_LAPS`."""
    empirical: pd.DataFrame
    """Columns ``chance`` (2.275 % and 0.135 % as shares) and ``time``, the percentile of the laps
    seen. Empty under `MIN_LAPS`."""
    empirical_note: str
    """Why the empirical percentiles cannot be faster than the fastest lap seen."""
    normality: Normality | None
    """Test of the normal curve; None under `MIN_LAPS` and where all laps are equal."""
    bins: pd.DataFrame
    """Histogram: columns ``low``, ``high`` (a lap lies in low <= time < high), ``laps`` and
    ``beyond`` (True for one last, wider bin that takes all laps far slower than the rest)."""
    curve: pd.DataFrame
    """The fitted normal curve: columns ``time`` and ``laps`` (expected in a bin of regular width
    centred there). Empty where there is none."""
    target: float | None
    """The time to beat, as given."""
    faster_laps: int | None
    """Laps seen under the target; None without a target."""
    chance: float | None
    """Chance that one completed lap is under the target, 0 to 1; None without a target and under
    `MIN_LAPS`."""
    low: float | None
    """Lower end of the 95 % interval of ``chance``."""
    high: float | None
    """Upper end of the 95 % interval of ``chance``."""
    chance_method: str | None
    """Where ``chance`` and its interval come from."""
    laps_to_expect: float | None
    """Mean number of laps until one is under the target, 1 / ``chance``; None where the chance is
    None or zero: the laps cannot say."""

    trend: CompletionTrend | None = None
    """How often the model finishes at the end of its training, where that was given."""

    @property
    def normal(self) -> bool:
        """Whether figures rest on the normal curve: it was tested and not rejected."""
        return self.normality is not None and self.normality.holds

    @property
    def good_lap(self) -> float | None:
        """Time that one lap in 44 beats (s): -2 SD, or the empirical percentile without the curve."""
        if self.n < MIN_LAPS:
            return None
        return float(self.markers["time"].iloc[1] if self.normal else self.empirical["time"].iloc[0])

    @property
    def reach(self) -> float | None:
        """How much faster than the median `good_lap` is, as a share of the median."""
        return None if self.good_lap is None else (self.median - self.good_lap) / self.median

    @property
    def best_case(self) -> float | None:
        """Fastest time to hope for (s): the fastest lap seen, or -3 SD where that is faster still.

        Without the normal curve the distance from the median to `good_lap` is stretched by half, as
        far as -3 SD lies beyond -2 SD.
        """
        if self.n < MIN_LAPS:
            return None
        stretched = self.median - 1.5 * (self.median - self.good_lap)
        return min(self.fastest, float(self.markers["time"].iloc[2]) if self.normal else stretched)

    @property
    def outlook(self) -> str:
        """What to do, one of seven words.

        "race it", "clone on", "one more clone", "start afresh": by pace alone; "go back" and "finish first"
        by completion as well; "too few laps" where neither can be told. A model that could be trained on is
        told to go back where it finishes less often than it once did, and to finish first where it finishes
        fewer than half of its newest drives.
        """
        if self.n < MIN_LAPS:
            return "too few laps"
        if self.target is None:
            levels = ((WIDE_REACH, "clone on"), (NARROW_REACH, "one more clone"))
            by_pace = next((word for level, word in levels if self.reach >= level), "start afresh")
        elif self.chance >= RACE_CHANCE:
            return "race it"
        elif self.chance < CLONE_CHANCE and self.best_case >= self.target:
            return "start afresh"
        else:
            by_pace = "clone on" if self.chance >= CLONE_CHANCE else "one more clone"
        if self.trend is None:
            return by_pace
        if self.trend.declined:
            return "go back"
        return "finish first" if self.trend.completion < STEADY_COMPLETION else by_pace

    @property
    def verdict(self) -> str:
        """The outlook in plain words, with the numbers it rests on."""
        if self.n < MIN_LAPS:
            return _too_few(self)
        if self.target is None:
            return f"{_what_it_does(self)} {_advice(self, _ADVICE_ON_REACH)}"
        return f"{_what_the_target_asks(self)} {_advice(self, _ADVICE_ON_TARGET)}"


def performance_envelope(
    lap_times, target: float | None = None, trend: CompletionTrend | None = None
) -> PerformanceEnvelope:
    """How fast a model can go, from the times of its completed laps.

    Parameters
    ----------
    lap_times : array_like of float
        Lap times (s), in any order: a list, an array or ``run.laps["time"]``. Missing, infinite and
        non-positive times are dropped and counted.
    target : float, optional
        Time to beat (s).
    trend : CompletionTrend, optional
        How often the model finishes, from :func:`deepracer_viz.analysis.trend.completion_trend`: lap
        times know nothing of the drives that did not finish, and the advice should.

    Returns
    -------
    PerformanceEnvelope

    Raises
    ------
    ValueError
        If ``target`` is not a positive, finite number.

    Notes
    -----
    *Markers.* mean - k SD estimates the quantile of a normal distribution at k SD under its mean.
    Its 95 % interval is exact for normal laps, by the non-central t distribution: sqrt(n) (mean -
    quantile) / SD follows it with n - 1 degrees of freedom and non-centrality k sqrt(n) [1]_. Ends
    under zero are given as zero.

    *Normality.* Shapiro-Wilk under 20 laps, else the K2 test of D'Agostino and Pearson
    (:func:`~deepracer_viz.analysis.normality.normality_of`). Many laps reject small, harmless
    departures too; then there are also enough laps to do without the curve.

    *Empirical percentiles.* The median-unbiased estimator (type 8 of [2]_), never under the fastest.

    *Chance to beat the target.* By the fitted normal curve, its interval by inverting the
    non-central t distribution for the non-centrality [1]_. Where the normal curve is rejected, or
    all laps are equal: the share of laps seen under the target with its Wilson interval.

    *Histogram.* Bin width of Freedman and Diaconis [3]_, or of Sturges where that is narrower or the
    quartiles coincide, rounded down to 1, 2, 2.5 or 5 times a power of ten and never more than
    `MAX_BINS` bins. Laps more than three interquartile ranges above the upper quartile ("far out",
    [4]_) share one last bin, so that one lost minute does not flatten all the others.

    *Outlook.* With a target: its chance per lap is 50 % or more, "race it"; at least that of -2 SD
    (2.275 %), "clone on"; less than that, but `best_case` is under the target, "one more clone";
    else "start afresh". Without one, `reach` decides: how much faster than the median the -2 SD
    marker is (the empirical 2.275 percentile where the curve is rejected). At least 4 %, "clone on":
    making its good laps the usual ones wins time. Under 2 %, "start afresh": it always drives near
    its best, which only another action space or reward can move. Between them, "one more clone".
    The levels are conventions.

    References
    ----------
    .. [1] Meeker, Hahn and Escobar (2017). Statistical Intervals, 2nd ed., sections 4.4 and 4.5.
    .. [2] Hyndman and Fan (1996). Sample quantiles in statistical packages. The American
       Statistician 50, 361-365.
    .. [3] Freedman and Diaconis (1981). On the histogram as a density estimator.
       Zeitschrift für Wahrscheinlichkeitstheorie 57, 453-476.
    .. [4] Tukey (1977). Exploratory Data Analysis, section 2D.

    Examples
    --------
    >>> answer = performance_envelope([12.1, 12.4, 11.9, 12.6, 12.2, 12.3, 12.0, 12.5], target=12.0)
    >>> answer.n, round(answer.mean, 2)
    (8, 12.25)
    """
    if target is not None and not (np.isfinite(target) and target > 0):
        raise ValueError(f"the target must be a positive number of seconds, not {target!r}")
    given = pd.to_numeric(pd.Series(lap_times)).to_numpy(dtype=float, na_value=np.nan)
    times = np.sort(given[np.isfinite(given) & (given > 0)])
    n = len(times)
    enough = n >= MIN_LAPS
    # Equal laps: take their value as it is, where a computed mean could be off by one bit.
    equal = n > 0 and times[0] == times[-1]
    mean = float(times[0] if equal else times.mean()) if n else None
    sd = float(0 if equal else times.std(ddof=1)) if n > 1 else None
    normality = normality_of((times - mean) / sd) if enough and not equal else None
    bins = _bins(times)
    faster = None if target is None else int((times < target).sum())
    chance = low = high = method = None
    if enough and target is not None:
        if normality and normality.holds:
            chance, low, high = _normal_chance(n, (target - mean) / sd)
            method = "normal curve, interval by the non-central t distribution"
        else:
            chance, low, high = (float(v) for v in (faster / n, *wilson_interval(faster, n)))
            method = "share of the laps seen, Wilson interval"

    return PerformanceEnvelope(
        n=n,
        dropped=len(given) - n,
        mean=mean,
        sd=sd,
        median=float(np.median(times)) if n else None,
        fastest=float(times[0]) if n else None,
        markers=_markers(n, mean, sd) if enough else _empty("sd", "time", "low", "high", "chance"),
        empirical=_empirical(times) if enough else _empty("chance", "time"),
        empirical_note=_empirical_note(n),
        normality=normality,
        bins=bins,
        curve=_curve(n, mean, sd, bins) if normality else _empty("time", "laps"),
        target=None if target is None else float(target),
        faster_laps=faster,
        chance=chance,
        low=low,
        high=high,
        chance_method=method,
        laps_to_expect=1 / chance if chance else None,
        trend=trend,
    )


def _empty(*columns: str) -> pd.DataFrame:
    return pd.DataFrame({column: pd.Series(dtype=float) for column in columns})


def _markers(n: int, mean: float, sd: float) -> pd.DataFrame:
    k = np.array([1, 2, 3])
    root = np.sqrt(n)
    far, near = (special.nctdtrit(n - 1, k * root, p) / root for p in (0.975, 0.025))
    times = {"time": mean - k * sd, "low": mean - far * sd, "high": mean - near * sd}
    # No lap takes less than no time: so wide a spread is itself far from normal.
    times = {name: np.maximum(values, 0.0) for name, values in times.items()}
    return pd.DataFrame({"sd": -k, **times, "chance": special.ndtr(-k)})


def _empirical(times: np.ndarray) -> pd.DataFrame:
    chances = special.ndtr([-2.0, -3.0])
    return pd.DataFrame({"chance": chances, "time": np.quantile(times, chances, method="median_unbiased")})


def _empirical_note(n: int) -> str:
    if n < MIN_LAPS:
        return f"Percentiles of the laps seen need at least {MIN_LAPS} laps."
    return (
        "A percentile of the laps seen can never be faster than the fastest of them: it reads off what "
        f"happened and does not guess beyond. 0.135 % is one lap in 741; there are {n:,}."
    )


def _normal_chance(n: int, z: float) -> tuple[float, float, float]:
    """Chance that a normal draw is under mean + z SD, with its 95 % interval."""
    # Beyond 37 SD a chance is too small for a float, and its inverse would be infinite.
    z = float(np.clip(z, -37, 37))
    root = np.sqrt(n)
    low, high = (special.nctdtrinc(n - 1, p, z * root) / root for p in (0.975, 0.025))
    return tuple(float(special.ndtr(value)) for value in (z, low, high))


def _bins(times: np.ndarray) -> pd.DataFrame:
    n = len(times)
    if not n:
        return _empty("low", "high").assign(laps=pd.Series(dtype=int), beyond=pd.Series(dtype=bool))
    first, median, third = np.quantile(times, [0.25, 0.5, 0.75])
    # The fence keeps 3 % of the median away from the bulk even where half of the laps are equal.
    fence = third + 3 * max(third - first, median / 100)
    top = times[np.searchsorted(times, fence, side="right") - 1]
    span = top - times[0]
    widths = (span / (np.log2(n) + 1), 2 * (third - first) / np.cbrt(n))
    fitting = min((width for width in widths if width > 0), default=times[0] / 100)
    # Rounding down can halve a width, and two bins more come from the edges and the laps beyond.
    width = _round_down(max(fitting, span / (MAX_BINS / 2 - 1), 1e-6))
    start = np.floor(times[0] / width)
    count = int(np.floor(top / width) - start) + 1
    # Rounded so that an edge reads 12.3 and not 12.3000000001.
    edges = np.round((start + np.arange(count + 1)) * width, 9)
    place = np.floor(times / width) - start
    laps = np.bincount(np.minimum(place, count).astype(int), minlength=count + 1)
    table = pd.DataFrame({"low": edges, "high": np.append(edges[1:], times[-1]), "laps": laps})
    return table.assign(beyond=table.index == count).iloc[: count + (laps[count] > 0)]


def _round_down(value: float) -> float:
    """Largest of 1, 2, 2.5 or 5 times a power of ten that is not over the value."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(step * power for step in (1, 2, 2.5, 5) if step * power <= value or step == 1))


def _curve(n: int, mean: float, sd: float, bins: pd.DataFrame) -> pd.DataFrame:
    z = np.linspace(-3.5, 3.5, 141)
    width = bins["high"].iloc[0] - bins["low"].iloc[0]
    laps = n * width / sd * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    curve = pd.DataFrame({"time": mean + z * sd, "laps": laps})
    return curve[curve["time"] > 0].reset_index(drop=True)


_ADVICE_ON_REACH = {
    "clone on": "There is room to win by driving the good laps more often: clone it and train on so "
    "that it tries out less (lower entropy) and changes less at a time (lower learning rate).",
    "one more clone": "Some room is left: give it one more clone that changes less at a time (lower "
    "learning rate), and start afresh if that brings no faster laps.",
    "start afresh": "It always drives near its best: for much more speed start afresh, with faster "
    "actions or a reward that pays for speed.",
}

_ADVICE_ON_TARGET = {
    "race it": "On pace it is ready: race the checkpoint that finishes most often.",
    "clone on": "The target is within reach: keep this model and clone it so that it tries out less "
    "(lower entropy) and changes less at a time (lower learning rate): its good laps then come more often.",
    "one more clone": "That is a long shot: give it one more clone, and start afresh if the chance does "
    "not grow.",
    "start afresh": "Start afresh, with faster actions or a reward that pays for speed.",
}


def _too_few(answer: PerformanceEnvelope) -> str:
    if not answer.n:
        return "No completed lap yet: a model has to finish laps before their times can say anything."
    laps, fastest = f"{answer.n} completed laps", f"the fastest in {answer.fastest:.2f} s"
    if answer.n == 1:
        laps, fastest = "One completed lap", f"in {answer.fastest:.2f} s"
    under = "" if answer.target is None else f", {answer.faster_laps or 'none'} under {answer.target:.2f} s"
    return f"{laps}{under}, {fastest}. Fewer than {MIN_LAPS} laps say nothing about what it could do."


def _what_it_does(answer: PerformanceEnvelope) -> str:
    start = (
        f"Over {answer.n:,} laps the median is {answer.median:.2f} s (half of them are faster), the fastest "
        f"{answer.fastest:.2f} s"
    )
    if answer.sd == 0:
        return f"All {answer.n:,} laps took {answer.fastest:.2f} s."
    gain = f"{_percent(answer.reach)} faster than the median"
    if not answer.normal:
        rejected = f"{start}. They do not follow a normal curve (the usual bell shape)"
        if answer.n * CLONE_CHANCE < 1:
            return (
                f"{rejected}, and of so few laps the best one in 44 is no more than the fastest one, {gain}."
            )
        return f"{rejected}, so the laps seen decide: one in 44 took {answer.good_lap:.2f} s or less, {gain}."
    two, three = answer.markers.iloc[1], answer.markers.iloc[2]
    return (
        f"{start}; expect one lap in 44 under {two.time:.2f} s (95 % interval {two.low:.2f} to "
        f"{two.high:.2f}), {gain}, and one in 741 under {three.time:.2f} s."
    )


def _what_the_target_asks(answer: PerformanceEnvelope) -> str:
    target, laps = f"{answer.target:.2f} s", f"{answer.n:,} laps"
    if answer.sd == 0:
        basis = f"all laps took {answer.fastest:.2f} s"
    elif answer.normal:
        basis = f"normal curve of {laps}"
    else:
        basis = f"counted in {laps}, as they do not follow a normal curve"
    interval = f"95 % interval {_percent(answer.low)} to {_percent(answer.high)}"
    if answer.low < 0.0001:
        interval = f"at most {_percent(answer.high)} by its 95 % interval"
    if not answer.chance:
        return f"None of {laps} beats {target}; how many it would take cannot be told ({interval}; {basis})."
    chance = f"The chance that a completed lap beats {target} is {_percent(answer.chance)}"
    return f"{chance}, {_odds(answer)} ({interval}; {basis})."


def _odds(answer: PerformanceEnvelope) -> str:
    if answer.chance >= 0.95:
        return "nearly every lap"
    if answer.chance >= 0.5:
        return f"about {10 * answer.chance:.0f} laps in 10"
    if answer.laps_to_expect > 100_000:
        return "practically never"
    return f"one lap in {answer.laps_to_expect:,.{0 if answer.laps_to_expect >= 9.95 else 1}f}"


def _advice(answer: PerformanceEnvelope, by_pace: dict[str, str]) -> str:
    trend = answer.trend
    newest = trend and f"{trend.laps} of its newest {trend.drives} drives finished"
    if answer.outlook == "go back":
        return (
            f"But it has got worse: {newest}, {trend.best_laps} of {trend.best_drives} in iterations "
            f"{trend.best_from} to {trend.best_to}. Clone one of the models saved then (checkpoints), not the newest."
        )
    if answer.outlook == "finish first":
        how = "train on until it gets round more often, and see to the pace after that"
        if trend.settled:
            how = "it has stopped improving, so change the reward, the actions or the training settings first"
        return f"But only {newest}: {how}."
    if answer.outlook == "start afresh" and answer.target is not None:
        return f"Even its best case, {answer.best_case:.2f} s, misses the target. {by_pace['start afresh']}"
    return by_pace[answer.outlook]


def _percent(share: float) -> str:
    percent = 100 * share
    if 0 < percent < 0.01:
        return "under 0.01 %"
    if 99.5 <= percent < 100:
        return "over 99 %"
    return f"{percent:.0f} %" if percent >= 9.95 else f"{percent:.2g} %"
