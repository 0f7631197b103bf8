"""What lap times models can do, side by side, and the chance that one beats the other."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from deepracer_viz.analysis.comparing.contenders import Contender, on_one_track
from deepracer_viz.analysis.envelope import MIN_LAPS, performance_envelope
from deepracer_viz.analysis.intervals import wilson_interval
from deepracer_viz.analysis.trend import ended
from deepracer_viz.analysis.words import counted, listed, percent

LEAST_DRIVES = MIN_LAPS
"""Fewest drives of a contender for a chance to beat another: of fewer, the interval is nearly everything."""

RESAMPLES = 1000
"""Draws behind each 95 % interval."""

MOST_LEVELS = 300
"""Lap times are gathered in at most so many classes for the intervals; the chances themselves are exact."""

MOST_BINS = 120
"""Most bars of the histogram that all share; laps on different tracks may lie far apart."""

_LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class EnvelopeComparison:
    """Lap times of several contenders over each other.

    Attributes
    ----------
    models : pandas.DataFrame
        One row per contender, in the order given: ``name``; ``drives`` that came to an end; ``laps`` with a usable
        time; ``completion`` (0 to 1) with ``completion_low``, ``completion_high`` (95 % Wilson); ``fastest``,
        ``mean``, ``sd``, ``good_lap`` (s; the time that one lap in 44 beats: -2 SD where the normal curve is not
        rejected, else the percentile of the laps seen; missing under `MIN_LAPS` laps); ``normal`` (whether it is
        -2 SD); ``time_source``, every source of its lap times; ``ranked`` (whether it drove on the track of the
        first).
    bins : pandas.DataFrame
        Histogram with the same bins for all: ``name``, ``low``, ``high`` (s), ``laps``, ``share`` (of its laps, 0
        to 1), ``beyond`` (the last, wider bin of laps far slower than the rest).
    duels : pandas.DataFrame
        One row per pair on the same track and number of ``attempts``: ``a``, ``b``; ``chance`` (0 to 1) that the
        best of a's attempts beats the best of b's, with ``low``, ``high``; ``neither``, the chance that neither
        finishes; ``drives_a``, ``drives_b``. Chance and interval are missing under `LEAST_DRIVES` drives.
    attempts : int
        N of the best of N.
    elsewhere : list of str
        Why others are not ranked, one sentence each.
    verdict : str
        Who is faster, in plain words.
    """

    models: pd.DataFrame
    bins: pd.DataFrame
    duels: pd.DataFrame
    attempts: int
    elsewhere: list[str]
    verdict: str


def compare_envelopes(contenders: list[Contender], attempts: int = 3, seed: int = 0) -> EnvelopeComparison:
    """Lay the lap times of contenders over each other and work out who beats whom.

    Parameters
    ----------
    contenders : list of Contender
        One to four.
    attempts : int
        Attempts that each has in the best of N.
    seed : int
        Of the intervals.

    Returns
    -------
    EnvelopeComparison

    Notes
    -----
    *Chance to beat.* Every attempt is a drive as it was seen, finished or not, each as likely as any other; the
    drives of two contenders know nothing of each other. The best of N attempts is then later than t with the share
    of drives later than t to the power of N, a drive that did not finish being later than any time. Summed over all
    times that were seen the chance is exact; of equal times, and where neither finishes, each gets half (for N = 1
    this is the statistic of Mann and Whitney [1]_ over the product of the numbers). No curve is fitted: the chance
    to finish would be missing from it.

    *Interval.* Weights of the drives are drawn at random (the Bayesian bootstrap [2]_), and to each contender one
    more drive is added of which nothing is known [3]_. At the lower end a's unknown drive fails and b's is the
    fastest, at the upper end the other way round. So ten laps that were all faster than ten others are not taken
    for a certainty, and few drives give wide intervals, the wider the more attempts.

    References
    ----------
    .. [1] Mann and Whitney (1947). On a test of whether one of two random variables is stochastically larger than
       the other. Annals of Mathematical Statistics 18, 50-60.
    .. [2] Rubin (1981). The Bayesian bootstrap. Annals of Statistics 9, 130-134.
    .. [3] Hill (1968). Posterior distribution of percentiles: Bayes' theorem for sampling from a population.
       Journal of the American Statistical Association 63, 677-691.
    """
    alike, elsewhere = on_one_track(contenders)
    outcomes = {contender.name: _outcomes(contender.episodes) for contender in contenders}
    models = _models(contenders, outcomes, {contender.name for contender in alike})
    pairs = list(combinations([contender.name for contender in alike], 2))
    rows = [
        [one, other, n, *beats(outcomes[one], outcomes[other], n, seed)]
        for one, other in pairs
        for n in dict.fromkeys([1, attempts])
    ]
    columns = ["a", "b", "attempts", "chance", "low", "high", "neither", "drives_a", "drives_b"]
    duels = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[3:7], float))
    return EnvelopeComparison(
        models=models,
        bins=_bins(outcomes),
        duels=duels,
        attempts=attempts,
        elsewhere=elsewhere,
        verdict=_verdict(models, duels, attempts, elsewhere),
    )


def beats(one, other, attempts: int = 1, seed: int = 0) -> tuple[float, float, float, float, int, int]:
    """Chance that the best of some drives like ``one`` beats the best of as many like ``other``.

    Parameters
    ----------
    one, other : array_like
        Times (s) of the drives that were seen, infinite for those that did not finish.
    attempts : int
        Attempts that each has.
    seed : int
        Of the interval.

    Returns
    -------
    chance, low, high : float
        0 to 1, as in :func:`compare_envelopes`; missing under `LEAST_DRIVES` drives of either.
    neither : float
        Chance that neither finishes.
    drives_one, drives_other : int
        Their numbers.
    """
    one, other = (np.asarray(times, dtype=float) for times in (one, other))
    n = len(one), len(other)
    if min(n) < LEAST_DRIVES:
        return np.nan, np.nan, np.nan, np.nan, *n
    laps = [times[np.isfinite(times)] for times in (one, other)]
    levels = np.unique(np.concatenate(laps))
    # Drives at each time that was seen, and in the last place those that did not finish.
    counts = [
        np.append(np.bincount(np.searchsorted(levels, of_one), minlength=len(levels)), all_of - len(of_one))
        for of_one, all_of in zip(laps, n, strict=True)
    ]
    # Rounded so that what is certain reads 1 and not 0.9999999999999998.
    chance = round(float(_won(counts[0] / n[0], counts[1] / n[1], attempts)), 12)
    neither = float((counts[0][-1] / n[0] * counts[1][-1] / n[1]) ** attempts)

    group = np.arange(len(levels)) * min(MOST_LEVELS, len(levels)) // max(len(levels), 1)
    # The first class, before all times, is for the drive of which nothing is known.
    classes = [np.concatenate([[0], np.bincount(group, count[:-1]), count[-1:]]) for count in counts]
    random = np.random.default_rng(seed)
    drawn = [random.standard_gamma(count, (RESAMPLES, len(count))) for count in classes]
    unknown = random.standard_gamma(1.0, (2, RESAMPLES))
    ends = []
    for places, tail in (((-1, 0), 1 - _LEVEL), ((0, -1), 1 + _LEVEL)):
        weights = [weight.copy() for weight in drawn]
        for weight, place, more in zip(weights, places, unknown, strict=True):
            weight[:, place] += more
            weight /= weight.sum(axis=1, keepdims=True)
        ends.append(float(np.quantile(_won(*weights, attempts), tail / 2)))
    return chance, min(ends[0], chance), max(ends[1], chance), neither, *n


def _won(one: np.ndarray, other: np.ndarray, attempts: int) -> np.ndarray:
    """Chance of the first to be earlier, from the shares of drives at each level, ties and failures half."""
    shares = []
    for share in (one, other):
        # From the last level up, so that what is left over is exactly nothing there.
        later = np.cumsum(share[..., ::-1], axis=-1)[..., ::-1].clip(0, 1)
        best_later = np.concatenate([later[..., 1:], np.zeros_like(later[..., :1])], axis=-1) ** attempts
        shares.append((later**attempts - best_later, best_later))
    (at_one, _), (at_other, other_later) = shares
    return (at_one * (other_later + at_other / 2)).sum(axis=-1)


def _outcomes(episodes: pd.DataFrame) -> np.ndarray:
    """Times of the drives that came to an end, infinite where they did not finish; laps without a time left out."""
    drives = ended(episodes)
    complete, time = drives["complete"].to_numpy(bool), drives["time"].to_numpy(float)
    usable = np.isfinite(time) & (time > 0)
    return np.where(complete, time, np.inf)[usable | ~complete]


def _models(contenders: list[Contender], outcomes: dict[str, np.ndarray], ranked: set[str]) -> pd.DataFrame:
    rows = []
    for contender in contenders:
        times = outcomes[contender.name]
        laps = times[np.isfinite(times)]
        envelope = performance_envelope(laps)
        low, high = wilson_interval(len(laps), len(times))
        of_laps = contender.episodes[contender.episodes["complete"].astype(bool)]
        sources = of_laps["time_source"].astype(str)
        rows.append(
            {
                "name": contender.name,
                "drives": len(times),
                "laps": len(laps),
                "completion": len(laps) / len(times) if len(times) else np.nan,
                "completion_low": low if len(times) else np.nan,
                "completion_high": high if len(times) else np.nan,
                "fastest": envelope.fastest,
                "mean": envelope.mean,
                "sd": envelope.sd,
                "good_lap": envelope.good_lap,
                "normal": envelope.normal,
                "time_source": ", ".join(sorted(sources.unique())),
                "ranked": contender.name in ranked,
            }
        )
    figures = ["completion", "completion_low", "completion_high", "fastest", "mean", "sd", "good_lap"]
    return pd.DataFrame(rows).astype(dict.fromkeys(figures, float))


def _bins(outcomes: dict[str, np.ndarray]) -> pd.DataFrame:
    """Shares of laps in bins that are the same for all: as narrow as those that suit one of them alone."""
    laps = {name: times[np.isfinite(times)] for name, times in outcomes.items()}
    alone = [performance_envelope(times).bins for times in laps.values() if len(times)]
    columns = ["name", "low", "high", "laps", "share", "beyond"]
    if not alone:
        return pd.DataFrame({name: [] for name in columns}).astype({"name": str, "laps": int, "beyond": bool})
    regular = [bins[~bins["beyond"]] for bins in alone]
    first, last = min(bins["low"].min() for bins in regular), max(bins["high"].max() for bins in regular)
    width = min(float((bins["high"] - bins["low"]).iloc[0]) for bins in regular)
    width = max(width, (last - first) / MOST_BINS)
    # Rounded so that an edge reads 12.3 and not 12.3000000001; and the last one lies beyond all regular bins.
    edges = np.round(first + np.arange(int(np.ceil((last - first) / width - 1e-6)) + 1) * width, 9)
    slowest = max(times.max() for times in laps.values() if len(times))
    regular_bins = len(edges) - 1
    if slowest >= edges[-1]:
        edges = np.append(edges, np.nextafter(slowest, np.inf))
    beyond = np.arange(len(edges) - 1) >= regular_bins
    tables = [
        pd.DataFrame(
            {"name": name, "low": edges[:-1], "high": edges[1:], "laps": np.histogram(times, edges)[0]}
        ).assign(share=lambda table: table["laps"] / table["laps"].sum(), beyond=beyond)
        for name, times in laps.items()
        if len(times)
    ]
    return pd.concat(tables, ignore_index=True)[columns]


def _verdict(models: pd.DataFrame, duels: pd.DataFrame, attempts: int, elsewhere: list[str]) -> str:
    """Who beats whom, in plain words."""
    said = []
    told = duels.dropna(subset=["chance"])
    few = models[models["ranked"] & (models["drives"] < LEAST_DRIVES)]
    if len(told):
        leader = _leader(told[told["attempts"] == 1])
        of_leader = {
            n: {duel[0]: duel for row in rows.itertuples() if (duel := _seen_from(leader, row))}
            for n, rows in told.groupby("attempts")
        }
        rival = min(of_leader[1], key=lambda name: of_leader[1][name][1])
        single, best = of_leader[1][rival], of_leader[attempts][rival]
        said.append(
            f"{leader} beats {rival} {_odds(single)} of the time in a single attempt"
            + (f" and {_odds(best)} over the best of {attempts}" if attempts > 1 else "")
            + f" (n = {single[4]:,} and {single[5]:,} drives; one that does not finish loses, and where neither does "
            "each gets half)."
        )
        if len(of_leader[1]) > 1:
            said.append(f"{rival} comes closest to it.")
        several = [(best, f"over the best of {attempts}")] if attempts > 1 else []
        open_ones = [
            where for duel, where in [(single, "in a single attempt"), *several] if duel[2] <= 0.5 <= duel[3]
        ]
        if open_ones:
            said.append(f"These drives cannot tell the two apart {listed(open_ones)}: drive more.")
        elif best[1] < 0.5:
            said.append(
                f"With more attempts {rival} is the better choice: it fails more often, but is faster."
            )
    elif models["ranked"].sum() > 1 and few.empty:
        said.append("There is nothing to hold against each other.")
    if len(few):
        names = ", ".join(
            f"{row.name} ({counted(row.drives, 'drive')})" for row in few.itertuples(index=False)
        )
        said.append(
            f"Too few drives to say who beats whom, at least {LEAST_DRIVES} are needed: {names}. Let it drive more."
        )
    if elsewhere:
        said.append(f"{' '.join(elsewhere)} Lap times on different tracks are shown, not ranked.")
    return " ".join(said)


def _leader(duels: pd.DataFrame) -> str:
    """Who has the greatest mean chance against the others."""
    both = pd.concat(
        [
            duels[["a", "chance"]].set_axis(["name", "chance"], axis=1),
            duels[["b"]].assign(chance=1 - duels["chance"]).set_axis(["name", "chance"], axis=1),
        ]
    )
    return str(both.groupby("name", sort=False)["chance"].mean().idxmax())


def _seen_from(name: str, duel) -> tuple[str, float, float, float, int, int] | None:
    """Rival, chance, low, high and numbers of drives of a duel, from one side of it; None of a duel of others."""
    if duel.a == name:
        return duel.b, duel.chance, duel.low, duel.high, duel.drives_a, duel.drives_b
    if duel.b == name:
        return duel.a, 1 - duel.chance, 1 - duel.high, 1 - duel.low, duel.drives_b, duel.drives_a
    return None


def _odds(duel: tuple) -> str:
    return f"{percent(duel[1])} ({percent(duel[2])} to {percent(duel[3])})"
