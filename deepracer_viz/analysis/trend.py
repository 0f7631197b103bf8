"""Whether a measure still rises over the iterations, is level or has fallen: the curve that describes it."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import special

LEVEL = 0.95
"""Level of all intervals."""

MIN_ITERATIONS = 6
"""Fewest iterations that get a verdict: three to be best in and three to be worse in."""

MIN_PLATEAU = 5
"""Iterations without a rise that it takes to say that a rise is over."""

MAX_BLOCKS = 40
"""Longer trainings are judged by this many blocks of iterations, so that all knots can be tried at once."""

PENALTY = 2.0
"""Price of a parameter, in logarithms of the number of iterations.

The Bayesian information criterion asks 1. It knows nothing of the search for the best knots, which finds
something in pure noise too; with 2, about one flat series in 50 is taken for anything else.
"""

KNOT_SLACK = 5.02
"""How much worse (chi-square) a curve may fit and still tell where the rise may have ended.

It is the 97.5 % point of one degree of freedom. The likelihood of a knot has corners, and an interval by
the 95 % point (3.84) holds the true iteration of simulated series in 93 cases of 100; with this it is 96.
"""

MIN_LOSS = 5.0
"""A fall of fewer points of mean progress is not called a loss, however sure it is."""

UNTRAINED = 15.0
"""About the mean progress (%) of an untrained model: a model that was never better has nothing to lose."""

COLLAPSED = 0.25
"""A model that is left with no more than this share of its best progress has collapsed..."""

FORGOTTEN = 0.1
"""...as has one that kept no more than this share of what it had gained."""

UNSETTLED = 20.0
"""A run that may hide so large a change (points of mean progress) is too short to be called level."""

TREND_ITERATIONS = 5
"""Iterations that are judged together: with 20 drives each, completion is then good to about 10 points."""

STEADY_COMPLETION = 0.5
"""Below this share of finished drives a model gains more by finishing than by pace; a plateau there is no success."""

NORMAL = float(special.ndtri((1 + LEVEL) / 2))
"""Standard errors to either side of a normal interval of that level."""


def ended(drives):
    """Drives that came to an end, finished or not."""
    return drives[drives["complete"].astype(bool) | (drives["end_status"] != "in_progress")]


@dataclass(frozen=True)
class Trend:
    """The curve that describes a measure over the iterations. Levels are in the measure's unit."""

    outcome: str
    """"rising" at the end, "level", or "fallen" from its best."""
    levelled: tuple[int, int, int]
    """Iteration in which the last rise ended, and its interval; the first iteration without a rise."""
    rose: bool
    """There was a rise before that."""
    plateau: int
    """Iterations after that."""
    recovering: bool
    """It ends in a rise, although it has fallen."""
    first: float
    """Level at the start."""
    best: float
    """Highest level."""
    end: float
    """Level at the end."""
    best_iterations: tuple[int, int]
    """First and last iteration at the highest level."""
    slope: tuple[float, float, float]
    """Change per iteration within the last change: estimate and interval."""
    loss: tuple[float, float, float]
    """Highest level less that at the end: estimate and interval."""
    change: tuple[float, float, float]
    """Change since ``levelled`` by a straight line: estimate and interval."""


@dataclass(frozen=True)
class _Points:
    """What the curves are fitted to: iterations, or blocks of neighbouring ones where there are many."""

    time: np.ndarray
    begin: np.ndarray
    finish: np.ndarray
    iterations: np.ndarray
    mean: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class _Curves:
    """Every curve that was tried, one element each.

    The curve changes by ``a`` per iteration from knot 0 to knot 1, by ``b`` from knot 2 to knot 3, and is
    level elsewhere. Without a change its slope is 0 and its knots are the last point.
    """

    knots: np.ndarray
    a: np.ndarray
    b: np.ndarray
    variance_a: np.ndarray
    variance_b: np.ndarray
    covariance: np.ndarray
    level: np.ndarray
    chi: np.ndarray
    parameters: np.ndarray


def fit_trend(drives, measure):
    """Fit all curves of up to two changes and read the simplest that describes the measure, if it can be told."""
    values = drives[measure].to_numpy(float)
    known = np.isfinite(values)
    iterations, place = np.unique(drives["iteration"].to_numpy()[known], return_inverse=True)
    if len(iterations) < MIN_ITERATIONS:
        return None
    points = _points(iterations.astype(float), place, values[known])
    curves, n = _curves(points), len(points.time)
    price = PENALTY * np.log(n) * curves.parameters
    noise = _noise(points, curves, int(np.argmin(curves.chi + price)))
    chi = curves.chi / noise
    chosen = int(np.argmin(chi + price))

    # All levels are counted from the one at the start.
    length = np.diff(points.time[curves.knots], axis=0)[[0, 2]]
    between = curves.a * length[0]
    end = between + curves.b * length[1]
    # Where the last rise ends. One that does not bring back what was lost before it is not a rise.
    second_rises = (curves.b > 0) & (end >= 0)
    rise = np.where(second_rises, curves.knots[3], np.where(curves.a > 0, curves.knots[1], 0))

    # Curves with the same changes up and down, wherever their knots are.
    alike = (np.sign(curves.a) == np.sign(curves.a[chosen])) & (
        np.sign(curves.b) == np.sign(curves.b[chosen])
    )
    nearly = alike & (chi <= chi[chosen] + KNOT_SLACK)
    ends = rise[nearly & (rise > 0)] if rise[chosen] else rise[[chosen]]
    since = int(rise[chosen])
    middle = (points.begin[since] + points.finish[since]) // 2 if since else points.begin[0]
    low, high = (points.begin[ends.min()], points.finish[ends.max()]) if since else (middle, middle)

    # The loss is -(u a + v b). Each curve that fits nearly as well allows for as much more or less as
    # its distance to the limit leaves it: this is the profile likelihood of the loss.
    u, v = np.where(between > 0, 0, length[0]), length[1]
    loss = -(u * curves.a + v * curves.b)
    variance = u**2 * curves.variance_a + 2 * u * v * curves.covariance + v**2 * curves.variance_b
    left = NORMAL**2 - (chi - chi[chosen])
    nearly = alike & (left >= 0)
    reach = np.sqrt(left.clip(0) * variance * noise)
    loss_low, loss_high = float((loss - reach)[nearly].min()), float((loss + reach)[nearly].max())

    a, b, knots = curves.a[chosen], curves.b[chosen], curves.knots[:, chosen]
    level = curves.level[chosen]
    best = level + max(0.0, between[chosen], end[chosen])
    # At least two of the newest three have to be down, for a curve may bend to a single bad one at the end.
    stays_down = best - np.median(points.mean[-3:]) >= loss[chosen] / 2
    fallen = loss[chosen] >= MIN_LOSS and loss_low > 0 and stays_down
    plateau = n - since
    peak = (knots[1], knots[2]) if a > 0 else (0, knots[0])
    slope, spread = (a, curves.variance_a[chosen]) if b == 0 else (b, curves.variance_b[chosen])
    spread = NORMAL * np.sqrt(spread * noise)
    return Trend(
        outcome="fallen" if fallen else "rising" if since and plateau < MIN_PLATEAU else "level",
        levelled=(int(middle), int(low), int(high)),
        rose=since > 0,
        plateau=int(points.iterations[since + 1 :].sum()),
        recovering=bool(b > 0),
        first=float(level),
        best=float(best),
        end=float(level + end[chosen]),
        best_iterations=(int(points.begin[peak[0]]), int(points.finish[peak[1]])),
        slope=(float(slope), float(slope - spread), float(slope + spread)),
        loss=(float(loss[chosen]), max(loss_low, 0.0), loss_high),
        change=_change(points, since, noise),
    )


def _points(iteration, place, values):
    """Mean and precision of a measure for each iteration, or for each of ``MAX_BLOCKS`` blocks of them.

    ``place`` says to which of the iterations each value belongs.
    """
    size = np.bincount(place).astype(float)
    mean = np.bincount(place, values) / size
    within = ((values - mean[place]) ** 2).sum()
    if (size - 1).sum() >= len(size):
        variance = within / (size - 1).sum()
    else:
        # Too few iterations of several drives: neighbouring iterations are nearly repetitions.
        variance = (np.diff(mean) ** 2).sum() / (1 / size[1:] + 1 / size[:-1]).sum()
    # Not nothing, even where all drives are equal.
    variance = max(variance, 1e-6 * np.abs(mean).max() ** 2, 1e-12)

    count = len(size)
    block = np.arange(count) * min(count, MAX_BLOCKS) // count
    drives_of = np.bincount(block, size)
    first = np.flatnonzero(np.diff(block, prepend=-1))
    return _Points(
        time=np.bincount(block, iteration * size) / drives_of,
        begin=iteration[first].astype(int),
        finish=iteration[np.append(first[1:], count) - 1].astype(int),
        iterations=np.bincount(block),
        mean=np.bincount(block, mean * size) / drives_of,
        weight=drives_of / variance,
    )


@lru_cache(maxsize=8)
def _changes(n):
    """Knots of all changes and of all pairs of them, and the parameters of every curve, for n points."""
    # Three points come after the middle of the last change, and between the middles of two, so that a best
    # or worst level is never that of one odd iteration.
    start, stop = np.triu_indices(n, 1)
    kept = (start + stop >= 2) & (start + stop <= 2 * (n - 3))
    start, stop = start[kept], stop[kept]
    apart = (start + stop) - (start + stop)[:, None] >= 6
    one, two = np.nonzero((stop[:, None] <= start) & apart)
    at_end = np.full(len(start), n - 1)
    knots = [
        np.full((4, 1), n - 1),
        np.stack([start, stop, at_end, at_end]),
        np.stack([start[one], stop[one], start[two], stop[two]]),
    ]
    inner = (start > 0).astype(int) + (stop < n - 1)
    both = 1 + (start[one] > 0) + (stop[two] < n - 1) + (stop[one] < start[two])
    return start, stop, one, two, np.hstack(knots), np.concatenate([[1], 2 + inner, 3 + both])


def _curves(points):
    """Fit every curve by weighted least squares, in closed form."""
    time, weight = points.time, points.weight
    start, stop, one, two, knots, parameters = _changes(len(time))
    ramp = np.clip(time, time[start][:, None], time[stop][:, None]) - time[start][:, None]
    share = weight / weight.sum()
    ramp_mean, mean = ramp @ share, float(points.mean @ share)
    ramp, rest = ramp - ramp_mean[:, None], points.mean - mean
    products, on_ramp = (ramp * weight) @ ramp.T, (ramp * weight) @ rest
    own, cross = np.diag(products), products[one, two]
    first, second, on_first, on_second = own[one], own[two], on_ramp[one], on_ramp[two]
    det = first * second - cross**2
    a = (second * on_first - cross * on_second) / det
    b = (first * on_second - cross * on_first) / det
    total, single = float(weight @ rest**2), on_ramp / own

    none, nothing = np.zeros(1), np.zeros(len(start))
    level = [[mean], mean - single * ramp_mean, mean - a * ramp_mean[one] - b * ramp_mean[two]]
    chi = [[total], total - single * on_ramp, total - a * on_first - b * on_second]
    return _Curves(
        knots=knots,
        a=np.concatenate([none, single, a]),
        b=np.concatenate([none, nothing, b]),
        variance_a=np.concatenate([none, 1 / own, second / det]),
        variance_b=np.concatenate([none, nothing, first / det]),
        covariance=np.concatenate([none, nothing, -cross / det]),
        level=np.concatenate(level),
        chi=np.concatenate(chi).clip(0),
        parameters=parameters,
    )


def _noise(points, curves, chosen):
    """How many times more the points scatter about a curve than single drives explain, at least 1."""
    time, knots = points.time, points.time[curves.knots[:, chosen]]
    fitted = curves.level[chosen] + curves.a[chosen] * (np.clip(time, knots[0], knots[1]) - knots[0])
    fitted = fitted + curves.b[chosen] * (np.clip(time, knots[2], knots[3]) - knots[2])
    residual = (points.mean - fitted) * np.sqrt(points.weight)
    squares, n, parameters = float(residual @ residual), len(residual), curves.parameters[chosen]
    correlation = float(residual[1:] @ residual[:-1]) / squares + parameters / n if squares > 0 else 0.0
    correlation = min(max(correlation, 0.0), 0.8)
    return max(1.0, squares / max(n - parameters, 1)) * (1 + correlation) / (1 - correlation)


def _change(points, since, noise):
    """Change from a point to the last, by a straight line through all between."""
    time, weight, mean = points.time[since:], points.weight[since:], points.mean[since:]
    if len(time) < 3:
        return (np.nan, np.nan, np.nan)
    apart = time - np.average(time, weights=weight)
    spread = float(weight @ apart**2)
    span = time[-1] - time[0]
    change, reach = span * float(weight @ (apart * mean)) / spread, NORMAL * span * np.sqrt(noise / spread)
    return (float(change), float(change - reach), float(change + reach))


def state_of(trend):
    """Name the state of a training whose mean progress follows this curve.

    Parameters
    ----------
    trend : Trend or None

    Returns
    -------
    str
        "too short", "still learning", "converged", "over-trained" or "collapsed"; see
        :func:`deepracer_viz.analysis.convergence.training_progress`.
    """
    if trend is None:
        return "too short"
    if trend.outcome == "fallen" and trend.best >= UNTRAINED:
        kept, gained = trend.end - trend.first, trend.best - trend.first
        forgotten = trend.first < trend.best / 2 and kept <= FORGOTTEN * gained
        return "collapsed" if forgotten or trend.end <= COLLAPSED * trend.best else "over-trained"
    if trend.outcome == "rising":
        return "still learning"
    if not trend.rose and max(-trend.change[1], trend.change[2]) > UNSETTLED:
        return "too short"
    return "converged"


@dataclass(frozen=True)
class CompletionTrend:
    """How often a model finishes at the end of its training, beside when it finished most often.

    Attributes
    ----------
    laps, drives : int
        Finished and all drives of the newest iterations.
    best_laps, best_drives : int
        The same for the run of iterations in which it finished most often.
    best_from, best_to : int
        First and last of those iterations.
    state : str
        What its progress over the iterations says, see `state_of`.
    """

    laps: int
    drives: int
    best_laps: int
    best_drives: int
    best_from: int
    best_to: int
    state: str

    @property
    def declined(self) -> bool:
        """Whether it finished more often once, and its progress has fallen by more than chance."""
        worse = self.completion < self.best_laps / self.best_drives
        return worse and self.state in ("over-trained", "collapsed")

    @property
    def settled(self) -> bool:
        """Whether its progress has stopped rising."""
        return self.state == "converged"

    @property
    def completion(self) -> float:
        """Share of the newest drives that finished, 0 to 1."""
        return self.laps / self.drives


def completion_trend(episodes: pd.DataFrame, state: str | None = None) -> CompletionTrend | None:
    """Compare how often a model finishes at the end with how often it did at its best.

    Parameters
    ----------
    episodes : pandas.DataFrame
        Training episodes of a run. Drives that were cut off are left out.
    state : str, optional
        What their progress says, where it has been fitted already.

    Returns
    -------
    CompletionTrend or None
        Over runs of up to five iterations with drives; None without any drive.
    """
    drives = ended(episodes)
    if drives.empty:
        return None
    complete = drives.groupby("iteration")["complete"]
    counts = pd.DataFrame({"sum": complete.sum(), "size": complete.size()})
    window = min(TREND_ITERATIONS, len(counts))
    together = counts.rolling(window).sum().dropna().astype(int)
    best = int(np.argmax(together["sum"] / together["size"]))
    newest, top = together.iloc[-1], together.iloc[best]
    return CompletionTrend(
        laps=int(newest["sum"]),
        drives=int(newest["size"]),
        best_laps=int(top["sum"]),
        best_drives=int(top["size"]),
        best_from=int(counts.index[best]),
        best_to=int(counts.index[best + window - 1]),
        state=state or state_of(fit_trend(drives, "progress")),
    )
