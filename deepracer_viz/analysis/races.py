"""What a checkpoint would do in a race: its chance to finish a lap, its lap time, and its odds.

A race is driven without exploration, from the start line. Three kinds of drives tell of it: the evaluation
drives of the checkpoint itself, which are like a race; its training drives, in which actions are drawn at
random, so that they fail more often and take another time; and the drives of both kinds of its neighbours in
training, which it resembles. The model weighs them by what the run itself shows.

*Finishing.* How far a drive comes follows an accelerated failure time model: the logarithm of the distance
(in laps) is logistic about the checkpoint's level, and a drive that finishes its lap is cut off there [1]_. The
level is a straight line in how far the checkpoint's training drives came, plus a random walk over the
checkpoints, plus a deviation of each checkpoint of its own. So an evaluation drive that fails at 90 % says
something else than one that fails at 5 %, and training counts as much as the run's evaluations have confirmed.

*Lap time.* A lap takes the checkpoint's level plus normal noise. The level is again a straight line, now in the
lap times of its training, plus a walk, plus a deviation of its own. Training laps are few while a policy learns,
and then their own level is uncertain over stretches of checkpoints; that uncertainty goes into the fit, as errors
in the variable [4]_, so that race laps may correct it.

Both are fitted by Laplace approximation at each point of a small grid of their scales, and the points are
averaged: those of lap time by their marginal likelihood [2]_, those of finishing by how well each foresees
which evaluation drives finish when those of one checkpoint at a time are left out (pseudo-Bayesian model
averaging [3]_), for of several pictures of where drives fail, that is the measure that matters. Among them are
some that give no weight to the place of a failure. Without evaluations, what stands in the place of the run's own
experience is what is usual (`USUAL_FINISH`, `USUAL_LAP_TIME`): such odds are training odds.

References
----------
.. [1] Kalbfleisch and Prentice (2002). The Statistical Analysis of Failure Time Data, 2nd ed., chapter 2.
.. [2] Rue, Martino and Chopin (2009). Approximate Bayesian inference for latent Gaussian models by using
   integrated nested Laplace approximations. Journal of the Royal Statistical Society B 71, 319-392.
.. [3] Yao, Vehtari, Simpson and Gelman (2018). Using stacking to average Bayesian predictive distributions.
   Bayesian Analysis 13, 917-1007.
.. [4] Carroll, Ruppert, Stefanski and Crainiceanu (2006). Measurement Error in Nonlinear Models, 2nd ed.,
   chapter 4.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from scipy import special

USUAL_FINISH = ((0.3, 0.75), (0.8, 0.4))
"""Mean and SD, before a run's own evaluations are seen, of the level (log laps) of a checkpoint whose training
drives come half round on average, and of its slope against the logit of that mean progress. With a usual scale
of 0.3 it makes some 70 % in a race, 95 % where training drives come three quarters round: an exploring drive
comes much less far than the same policy without exploration."""

USUAL_LAP_TIME = ((0.0, 0.08), (0.7, 0.3))
"""The same for lap times, as shares of the run's median lap: by how much a race lap takes longer than a training
lap, and how much of a difference between two checkpoints' training laps is found again in their race laps."""

PLACE_WEIGHT = 0.5
"""How much the place where a drive failed counts, beside the fact that it failed, if it counts at all. Drives of
one checkpoint tend to fail in the same corner, so that their places tell less than as many independent ones."""

INTERVAL = 0.9
"""Level of all intervals of predictions."""

MOST_KNOTS = 40
"""The walk over the checkpoints has a step of its own at each of up to this many; between them it is straight."""

MOST_BLOCKS = 250
"""In a run of more checkpoints than this, neighbours share what sets a checkpoint apart in finishing."""

MOST_DOUBTS = 8
"""In how many directions over the checkpoints, the widest ones, the level of training laps may be off."""

_LONG_RUN = 60.0
"""A run of more checkpoints than this is taken to change no more, over its whole length, than one of this many."""

_FINISH_WALKS, _FINISH_OWN, _FINISH_SCALES = (0.05, 0.15, 0.45), (0.01, 0.2, 0.6), (0.1, 0.2, 0.4)
_FINISH_GRID = [
    *product(_FINISH_WALKS, _FINISH_OWN, _FINISH_SCALES, (PLACE_WEIGHT,)),
    # Without places nothing but the line itself is seen, and one scale does for all.
    *product(_FINISH_WALKS, _FINISH_OWN, _FINISH_SCALES[1:2], (0.0,)),
]
_PROGRESS_WALKS, _PROGRESS_OWN, _PROGRESS_NOISE = (0.1, 0.3, 0.8), (0.02, 0.3), (0.6, 1.2)
_LAP_WALKS, _LAP_OWN = (0.002, 0.006, 0.018), (0.003, 0.012)
_LAP_NOISE = (0.004, 0.0065, 0.01, 0.016, 0.025, 0.04)
_TRAINING_LAP_NOISE = (0.012, 0.03, 0.06)

_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(5)
_NODE_WEIGHTS = _NODE_WEIGHTS / _NODE_WEIGHTS.sum()

_FARTHEST_LEVEL = 6.0
_LEAST_PROGRESS = 0.01
_SMALLEST_CURVATURE = 0.05
_MOST_STEPS, _CLOSE = 30, 0.01
_MOST_OFF_TRACKS, _NO_SHARE = 16, 1e-9
_TIMES = 64
_NEVER, _SURELY = -38.5, 8.3  # SDs beyond which the normal distribution function is 0 or 1 to the last digit
_SUREST, _LEAST_LOG_OVER = 1 - 1e-15, np.log(1e-12)


@dataclass(frozen=True)
class RaceFormat:
    """How a race is decided.

    Attributes
    ----------
    kind : str
        ``"best lap"``: the fastest of ``attempts`` laps. ``"mean of laps"``: the mean of ``laps`` laps in a
        row, the best of ``attempts`` tries, each of which ends with its first failure. ``"total time"``: the
        time of ``laps`` laps in which every off-track costs ``penalty`` and the car goes on.
    attempts : int
        Laps, or tries, that a driver has; of no meaning for the total time.
    laps : int
        Laps in a row; of no meaning for the best lap.
    penalty : float
        What an off-track costs (s), in the total time.
    target : float or None
        Lap time to beat (s), such as the leader's: the best lap and the mean have to be under it, the total
        under ``laps`` times it. None: to be faster than this run's other checkpoints.

    Raises
    ------
    ValueError
        For a kind that is not one of the three, counts that are not whole numbers from 1 on, a negative
        penalty or a target that is not a positive time.
    """

    kind: str = "best lap"
    attempts: int = 3
    laps: int = 3
    penalty: float = 2.0
    target: float | None = None

    def __post_init__(self):
        if self.kind not in FORMATS:
            raise ValueError(f"a race is decided by one of {', '.join(FORMATS)}, not {self.kind!r}")
        for name in ("attempts", "laps"):
            count = getattr(self, name)
            if count != int(count) or count < 1:
                raise ValueError(f"{name} must be a whole number from 1 on, not {count}")
        if not self.penalty >= 0:
            raise ValueError(f"the penalty must be a time in seconds, not {self.penalty}")
        if self.target is not None and not (np.isfinite(self.target) and self.target > 0):
            raise ValueError(f"the target must be a positive lap time in seconds, not {self.target}")

    @property
    def words(self) -> str:
        """How the race is decided, to end a sentence with."""
        if self.kind == "best lap":
            return f"in {self.attempts} attempt{'' if self.attempts == 1 else 's'}"
        if self.kind == "mean of laps":
            tries = "" if self.attempts == 1 else f", best of {self.attempts} tries"
            return f"on the mean of {self.laps} laps in a row{tries}"
        return f"on the total of {self.laps} laps with {self.penalty:g} s per off-track"


FORMATS = ("best lap", "mean of laps", "total time")
"""The kinds of races."""


@dataclass(frozen=True, eq=False)
class RaceModel:
    """What each checkpoint of a run would do on a lap of a race.

    Attributes
    ----------
    checkpoints : pandas.DataFrame
        One row per checkpoint with drives of any kind, by number: ``checkpoint``; ``finish``, the chance to
        finish a lap (0 to 1), with ``finish_low`` and ``finish_high``; ``lap_time``, the expected time of a
        finished lap (s), with ``lap_time_low`` and ``lap_time_high``; ``lap_sd``, the standard deviation (s)
        of one finished lap about ``lap_time``, what is not known of ``lap_time`` included. The intervals hold
        90 %. Times are missing where the whole run has no lap.
    training_odds : bool
        The run has no evaluation drives: the step from training to a race is the usual one, not its own.
    usual_lap_times : bool
        The same for lap times: no evaluation drive finished.
    draws : tuple of numpy.ndarray
        Equally likely versions of the truth, for sums over them: the chance to finish (versions, checkpoints),
        the mean lap time (versions, checkpoints; s; missing without laps) and the standard deviation of a
        lap (versions, 1; s).
    """

    checkpoints: pd.DataFrame
    training_odds: bool
    usual_lap_times: bool
    draws: tuple[np.ndarray, np.ndarray, np.ndarray]


def predict_races(
    episodes: pd.DataFrame, evaluations: pd.DataFrame | None = None, seed: int = 0
) -> RaceModel:
    """Learn from all drives of a run what each of its checkpoints would do in a race.

    Parameters
    ----------
    episodes : pandas.DataFrame
        Training drives: ``checkpoint``, ``progress`` (%), ``complete``, ``time`` (s), ``end_status``,
        and ``start_at`` (waypoint) where it is known. Drives of unknown checkpoint (-1) and drives that
        were cut off are left out.
    evaluations : pandas.DataFrame, optional
        Evaluation drives during training: the same columns, all from the start line.
    seed : int
        Of the draws.

    Returns
    -------
    RaceModel
    """
    training, evaluations = (
        _usable(episodes),
        _usable(episodes.iloc[:0] if evaluations is None else evaluations),
    )
    numbers = np.union1d(training["checkpoint"], evaluations["checkpoint"])
    rng = np.random.default_rng(seed)
    versions = int(np.clip(2e6 / (_TIMES * max(len(numbers), 1)), 40, 500))
    if not len(numbers):
        nothing = np.zeros((versions, 0))
        columns = ["finish", "finish_low", "finish_high"]
        columns += ["lap_time", "lap_time_low", "lap_time_high", "lap_sd"]
        table = pd.DataFrame({"checkpoint": numbers.astype(int)} | {name: np.zeros(0) for name in columns})
        return RaceModel(table, True, True, (nothing, nothing, np.zeros((versions, 1))))

    walk = _walk(numbers)
    finish = _finishing(training, evaluations, numbers, walk)
    chance, chances = finish.chance(), finish.draw(rng, versions)
    low, high = np.quantile(chances, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2], axis=0)
    table = pd.DataFrame({"checkpoint": numbers.astype(int), "finish": chance})
    # The draws stand for the same distribution as the chance; an end beyond it would be their noise.
    table["finish_low"], table["finish_high"] = np.minimum(low, chance), np.maximum(high, chance)

    laps = _lap_times(training, evaluations, numbers, walk)
    if laps is None:
        times, noise = np.full((versions, len(numbers)), np.nan), np.full((versions, 1), np.nan)
        table[["lap_time", "lap_time_low", "lap_time_high", "lap_sd"]] = np.nan
    else:
        times, noise = laps.draw(rng, versions)
        table["lap_time"], table["lap_sd"] = laps.expected()
        low, high = np.quantile(times, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2], axis=0)
        table["lap_time_low"] = np.minimum(low, table["lap_time"])
        table["lap_time_high"] = np.maximum(high, table["lap_time"])
    return RaceModel(table, evaluations.empty, not evaluations["complete"].any(), (chances, times, noise))


def race_odds(model: RaceModel, race: RaceFormat) -> pd.DataFrame:
    """Work out what every checkpoint can expect of a race.

    Parameters
    ----------
    model : RaceModel
    race : RaceFormat

    Returns
    -------
    pandas.DataFrame
        One row per checkpoint, in the order of ``model.checkpoints``: ``checkpoint``; ``win_chance``, the
        chance (0 to 1) to beat the target, or, without one, to be faster than every other checkpoint of the
        run, with ``win_low`` and ``win_high``, between which the true chance lies with 90 %; ``result``, the
        expected result (s) of a race that yields one, with ``result_low`` and ``result_high``, between which
        that result falls with 90 %; ``result_chance``, the chance that the race yields one (always 1 in the
        total time). Missing where the run has no lap.

    Notes
    -----
    Given a checkpoint's chance p to finish and its normal lap time, the chance to beat t is
    1 - (1 - p Phi)^attempts for the best lap, the same with p^laps and the standard deviation divided by
    the root of laps for the mean, and for the total a sum over the Poisson number of off-tracks, of which
    -log p are to be expected on a lap. Laps of one checkpoint are taken as independent. These are averaged over
    the versions of the truth that the model holds likely. The chance to be the fastest is the integral, over the
    time, of the density of a checkpoint's result times the chance that no other is under it.
    """
    table = pd.DataFrame({"checkpoint": model.checkpoints["checkpoint"]})
    names = ["win_chance", "win_low", "win_high", "result", "result_low", "result_high", "result_chance"]
    chances, times, noise = model.draws
    if not len(table) or np.isnan(times).all():
        return table.assign(**dict.fromkeys(names, np.nan))
    edges = _edges(times, noise, race, chances)
    # A few versions at a time, whose arrays stay in the processor's cache.
    size = max(1, int(1e5 / (len(edges) * times.shape[1])))
    under, won = np.zeros((times.shape[1], len(edges))), []
    for start in range(0, len(times), size):
        part = slice(start, start + size)
        share, log_over = _chance_under(edges, chances[part], times[part], noise[part], race)
        under += share.sum(axis=0)
        won.append(
            _fastest(share, log_over)
            if race.target is None
            else _chance_under(_goal(race), chances[part], times[part], noise[part], race)[0][:, :, 0]
        )
    won, under = np.concatenate(won), under / len(times)
    table["win_chance"] = won.mean(axis=0)
    low, high = np.quantile(won, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2], axis=0)
    table["win_low"] = np.minimum(low, table["win_chance"])
    table["win_high"] = np.maximum(high, table["win_chance"])
    yields = under[:, -1]
    given = under / np.maximum(yields, 1e-12)[:, None]
    middles = (edges[1:] + edges[:-1]) / 2
    table["result"] = edges[0] * given[:, 0] + (np.diff(given, axis=1) * middles).sum(axis=1)
    for name, share in (("result_low", (1 - INTERVAL) / 2), ("result_high", (1 + INTERVAL) / 2)):
        table[name] = [np.interp(share, row, edges) for row in given]
    return table.assign(result_chance=yields)[["checkpoint", *names]]


def _usable(drives: pd.DataFrame) -> pd.DataFrame:
    """Drives that came to an end, of a known checkpoint."""
    ended = drives["complete"].astype(bool) | (drives["end_status"] != "in_progress")
    used = drives[ended & (drives["checkpoint"] >= 0) & drives["progress"].notna()]
    return used.assign(
        complete=used["complete"].astype(bool),
        share=(used["progress"].astype(float) / 100).clip(_LEAST_PROGRESS, 1),
    )


def _walk(numbers: np.ndarray) -> np.ndarray:
    """Columns of a random walk over the checkpoints, one per step, that is zero in the mean."""
    places = numbers.astype(float)
    knots = places[np.unique(np.linspace(0, len(places) - 1, MOST_KNOTS).round().astype(int))]
    span = max(places[-1] - places[0], 1.0)
    steps = np.sqrt(np.diff(knots) * min(1.0, _LONG_RUN / span))
    at_knots = np.tril(np.ones((len(knots), len(steps))), -1) * steps
    before = np.clip(np.searchsorted(knots, places, side="right") - 1, 0, max(len(knots) - 2, 0))
    if len(knots) == 1:
        return np.zeros((1, 0))
    between = ((places - knots[before]) / (knots[before + 1] - knots[before]))[:, None]
    columns = (1 - between) * at_knots[before] + between * at_knots[before + 1]
    return columns - columns.mean(axis=0)


def _designs(columns: np.ndarray, walk: np.ndarray, walks: np.ndarray) -> np.ndarray:
    """Columns of the model for each scale of the walk: (scales, checkpoints, parameters)."""
    fixed = np.broadcast_to(columns, (len(walks), *columns.shape))
    return np.concatenate([fixed, walks[:, None, None] * walk], axis=2)


def _prior(usual, walk):
    """Mean and precision of the parameters: the given ones, then a standard normal per step of the walk."""
    mean, sd = np.array(usual).T
    steps = walk.shape[1]
    return np.append(mean, np.zeros(steps)), np.append(1 / sd**2, np.ones(steps))


def _shares(log_evidence):
    weights = np.exp(log_evidence - log_evidence.max())
    return weights / weights.sum()


def _picked(rng, weights, versions):
    """Number of versions of each point of the grid, as near to its weight as whole numbers come."""
    edges = np.floor(np.cumsum(weights) * versions + rng.random() * (1 - 1e-9))
    edges[-1] = versions
    return np.diff(edges, prepend=0).astype(int)


@dataclass(frozen=True, eq=False)
class _Levels:
    """Fitted levels of the checkpoints, at each point of the grid of scales."""

    designs: np.ndarray  # (points, checkpoints, parameters)
    parameters: np.ndarray  # (points, parameters)
    precision: np.ndarray  # (points, parameters, parameters)
    weights: np.ndarray  # (points,)
    own: np.ndarray  # (points, checkpoints) deviation of a checkpoint's own, expected at `parameters`
    own_slope: np.ndarray  # (points, checkpoints) by how much it falls as the rest of the level rises
    own_sd: np.ndarray  # (points, checkpoints)

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each checkpoint's level, at each point."""
        variance = _variances(self.designs, self.precision)
        return self._means(), np.sqrt(variance * (1 - self.own_slope) ** 2 + self.own_sd**2)

    def expected(self) -> np.ndarray:
        """Mean of each checkpoint's level (checkpoints,), over all points."""
        return self.weights @ self._means()

    def doubt(self) -> np.ndarray:
        """In what directions the levels may be off together, at the most likely point.

        Columns that, each times a standard normal number, add up to what is not known of the levels.
        """
        likeliest = self.weights.argmax()
        root = np.linalg.cholesky(np.linalg.inv(self.precision[likeliest]))
        together = self.designs[likeliest] @ root * (1 - self.own_slope[likeliest])[:, None]
        directions, sizes, _ = np.linalg.svd(together, full_matrices=False)
        return (directions * sizes)[:, :MOST_DOUBTS]

    def _means(self) -> np.ndarray:
        """Mean of each checkpoint's level at each point."""
        return (self.designs @ self.parameters[..., None])[..., 0] + self.own

    def draw(self, rng, versions: int) -> tuple[np.ndarray, np.ndarray]:
        """Draws of the levels (versions, checkpoints), and the point of the grid of each (versions,)."""
        levels, points = [], np.repeat(np.arange(len(self.weights)), _picked(rng, self.weights, versions))
        for point in np.unique(points):
            n = int((points == point).sum())
            root = np.linalg.cholesky(self.precision[point])
            steps = np.linalg.solve(root.T, rng.standard_normal((len(root), n))).T @ self.designs[point].T
            level = (self.designs[point] @ self.parameters[point]) + self.own[point]
            own = self.own_sd[point] * rng.standard_normal(steps.shape)
            levels.append(level + steps * (1 - self.own_slope[point]) + own)
        return np.concatenate(levels), points


def _variances(designs, precision):
    """Variance of each row of each design, given the precision of the parameters."""
    # Point by point: the arrays of a long run at all points together would not stay in the processor's cache.
    pairs = zip(designs, np.linalg.inv(precision), strict=True)
    return np.stack([((design @ covariance) * design).sum(axis=1) for design, covariance in pairs])


def _normal_levels(designs, usual, walk, own, noise, mean, n, within, spare) -> _Levels:
    """Levels of checkpoints from the means of ``n`` normal observations of each.

    ``within`` is the sum of squares about those means and ``spare`` its degrees of freedom.
    """
    prior, weight = _prior(usual, walk)
    seen = n > 0
    counts = np.maximum(n, 1)
    of_mean = np.where(seen, noise[:, None] ** 2 / counts, np.inf)
    variance = own[:, None] ** 2 + of_mean
    precision = 1 / variance
    values = np.where(seen, mean, 0.0)
    pairs = list(zip(designs, precision, strict=True))
    curvature = np.stack([design.T @ (design * each[:, None]) for design, each in pairs]) + np.diag(weight)
    pull = np.stack([(each * values) @ design for design, each in pairs]) + weight * prior
    parameters = np.linalg.solve(curvature, pull[..., None])[..., 0]
    rest = values - (designs @ parameters[..., None])[..., 0]
    log_evidence = (
        -0.5 * (rest**2 * precision).sum(axis=1)
        + 0.5 * np.where(seen, np.log(precision, where=seen, out=np.zeros_like(precision)), 0.0).sum(axis=1)
        - 0.5 * (weight * (parameters - prior) ** 2).sum(axis=1)
        - 0.5 * np.linalg.slogdet(curvature)[1]
        - 0.5 * within / noise**2
        - spare * np.log(noise)
    )
    kept = own[:, None] ** 2 * precision
    return _Levels(
        designs,
        parameters,
        curvature,
        _shares(log_evidence),
        own=kept * rest,
        own_slope=kept,
        own_sd=np.sqrt(own[:, None] ** 2 * (1 - kept)),
    )


def _smoothed(numbers, walk, mean, n, scales, within=0.0, spare=0.0) -> _Levels:
    """Levels of the checkpoints from the means of ``n`` observations each, smoothed over neighbours."""
    grid = np.array(list(product(*scales)))
    about = np.average(mean[n > 0], weights=n[n > 0])
    designs = _designs(np.ones((len(numbers), 1)), walk, grid[:, 0])
    return _normal_levels(designs, [(about, 10.0)], walk, grid[:, 1], grid[:, 2], mean, n, within, spare)


@dataclass(frozen=True, eq=False)
class _Finishing:
    levels: _Levels
    scales: np.ndarray  # (points,)

    def chance(self) -> np.ndarray:
        """Chance of each checkpoint to finish a lap."""
        mean, sd = self.levels.moments()
        at_nodes = special.expit((mean[..., None] + sd[..., None] * _NODES) / self.scales[:, None, None])
        return self.levels.weights @ (at_nodes @ _NODE_WEIGHTS)

    def draw(self, rng, versions):
        levels, points = self.levels.draw(rng, versions)
        # Versions of one point stand together; an order by chance pairs them freely with lap times.
        return rng.permutation(special.expit(levels / self.scales[points][:, None]))


def _finishing(training, evaluations, numbers, walk) -> _Finishing:
    progress = _training_progress(training, numbers, walk)
    walks, own, scales, places = np.array(_FINISH_GRID).T
    columns = np.column_stack([np.ones(len(numbers)), progress])
    designs = _designs(columns, walk, walks)
    levels = _survival_levels(designs, walk, own, scales, places, evaluations, numbers)
    return _Finishing(levels, scales)


def _training_progress(training, numbers, walk) -> np.ndarray:
    """Logit of the mean progress of each checkpoint's training drives, smoothed; 0 where there are none."""
    if training.empty:
        return np.zeros(len(numbers))
    place = np.searchsorted(numbers, training["checkpoint"])
    n = np.bincount(place, minlength=len(numbers))
    total = np.bincount(place, training["share"], minlength=len(numbers))
    mean = special.logit((total + 0.25) / (n + 0.5))
    # Every drive has a progress, so that, unlike lap times, it is known well enough to be taken as it is.
    return _smoothed(numbers, walk, mean, n, (_PROGRESS_WALKS, _PROGRESS_OWN, _PROGRESS_NOISE)).expected()


def _survival_levels(designs, walk, own, scales, places, evaluations, numbers) -> _Levels:
    """Levels (log laps) from how far the evaluation drives came, by Newton's method at every point at once.

    The deviation of each checkpoint is integrated out over five Gauss-Hermite nodes.
    """
    # In a long run neighbours share a deviation, and drives that came about as far are one.
    blocks = min(len(numbers), MOST_BLOCKS)
    block = np.arange(len(numbers)) * blocks // len(numbers)
    share = evaluations["share"] if blocks == len(numbers) else evaluations["share"].round(1).clip(0.05)
    drives = (
        evaluations.assign(place=block[np.searchsorted(numbers, evaluations["checkpoint"])], share=share)
        .groupby(["place", "complete", "share"])
        .size()
        .reset_index(name="n")
    )
    place, done, n = (drives[name].to_numpy() for name in ("place", "complete", "n"))
    seen, first = np.unique(place, return_index=True)
    at = np.searchsorted(seen, place)
    distance = np.where(done, 0.0, np.log(np.minimum(drives["share"].to_numpy(), 0.995)))
    # A failed drive counts by its place with one weight, and by having failed at all with the other.
    by_place = np.where(done, 0.0, n) * places[:, None, None]
    by_fact = np.where(done, 0.0, n) - by_place
    passed = np.where(done, n, 0.0) + 2 * by_place
    inverse = 1 / scales[:, None, None]
    nodes = own[:, None, None] * _NODES[:, None]
    prior, weight = _prior(USUAL_FINISH, walk)
    first_of_block = np.searchsorted(block, np.arange(blocks))
    rows = np.add.reduceat(designs, first_of_block, axis=1) / np.bincount(block)[:, None]
    rows = rows[:, seen]
    parameters = np.tile(prior, (len(own), 1))

    def at_nodes(parameters, points):
        """Log likelihood of each checkpoint at each node, and its two derivatives by the level."""
        level = ((rows[points] @ parameters[..., None])[..., 0][:, None, :] + nodes[points])[:, :, at]
        scale, place, fact, all_places = inverse[points], by_place[points], by_fact[points], passed[points]
        to_place, to_line = (distance - level) * scale, -level * scale
        # numpy's exp and log are several times as fast as scipy's logistic functions.
        passing, failed = (
            1 / (1 + np.exp(np.minimum(to_place, 500))),
            1 / (1 + np.exp(np.minimum(-to_line, 500))),
        )
        ended = 1 - passing
        value = place * (to_place + np.log(scale)) + all_places * np.log(passing) + fact * np.log(failed)
        slope = (all_places * ended - place - fact * (1 - failed)) * scale
        bend = (all_places * ended * passing + fact * failed * (1 - failed)) * scale**2
        return (np.add.reduceat(part, first, axis=2) for part in (value, slope, bend))

    def over_nodes(parameters, points):
        """Log likelihood of each checkpoint, its derivatives, and how likely each node is."""
        value, slope, bend = at_nodes(parameters, points)
        value = value + np.log(_NODE_WEIGHTS)[:, None]
        highest = value.max(axis=1)
        likely = np.exp(value - highest[:, None])
        of_all = likely.sum(axis=1)
        total, likely = highest + np.log(of_all), likely / of_all[:, None]
        mean = (likely * slope).sum(axis=1)
        known = (likely * bend).sum(axis=1)
        curvature = known - ((likely * slope**2).sum(axis=1) - mean**2)
        return total, mean, np.maximum(curvature, _SMALLEST_CURVATURE * (known + 1)), likely

    if not len(seen):
        no_own = np.zeros(designs.shape[:2])
        return _Levels(
            designs,
            parameters,
            np.broadcast_to(np.diag(weight), (len(own), len(weight), len(weight))),
            np.full(len(own), 1 / len(own)),
            no_own,
            no_own,
            np.broadcast_to(own[:, None], no_own.shape),
        )

    def height(total, parameters):
        return total.sum(axis=1) - 0.5 * (weight * (parameters - prior) ** 2).sum(axis=1)

    def curvature_at(bend, points):
        return np.swapaxes(rows[points], 1, 2) @ (rows[points] * bend[..., None]) + np.diag(weight)

    points, length = np.arange(len(own)), np.ones(len(own))
    total, slope, bend, likely = over_nodes(parameters, points)
    for _ in range(_MOST_STEPS):
        pull = (rows[points] * slope[points][..., None]).sum(axis=1) - weight * (parameters[points] - prior)
        step = np.linalg.solve(curvature_at(bend[points], points), pull[..., None])[..., 0]
        going = (step * pull).sum(axis=1) > _CLOSE
        points, step = points[going], step[going]
        if not len(points):
            break
        there = parameters[points] + length[points][:, None] * step
        found = over_nodes(there, points)
        up = height(found[0], there) >= height(total[points], parameters[points]) - 1e-9
        # A step that leads down was too long: the point stays where it is and takes a quarter of it next.
        length[points] = np.where(up, np.minimum(1.0, 2 * length[points]), length[points] / 4)
        parameters[points[up]] = there[up]
        for known, new in zip((total, slope, bend, likely), found, strict=True):
            known[points[up]] = new[up]
    curvature = curvature_at(bend, np.arange(len(own)))
    level = (rows @ parameters[..., None])[..., 0]
    variance = _variances(rows, curvature)
    without = variance / np.maximum(1 - bend * variance, 0.05)
    level_without = level - without * slope
    finished = np.bincount(at, np.where(done, n, 0))
    failed = np.bincount(at, np.where(done, 0, n))
    foreseen = _foreseen(level_without, np.sqrt(without + own[:, None] ** 2), scales, finished, failed)
    mean = (likely * _NODES[:, None]).sum(axis=1)
    own_variance = (likely * _NODES[:, None] ** 2).sum(axis=1) - mean**2
    deviation, deviation_sd = (
        np.zeros(designs.shape[:2]),
        np.broadcast_to(own[:, None], designs.shape[:2]).copy(),
    )
    told = np.isin(block, seen)
    where = np.searchsorted(seen, block[told])
    deviation[:, told] = (own[:, None] * mean)[:, where]
    deviation_sd[:, told] = (own[:, None] * np.sqrt(np.maximum(own_variance, 0)))[:, where]
    return _Levels(
        designs,
        parameters,
        curvature,
        _shares(foreseen),
        own=deviation,
        own_slope=np.zeros_like(deviation),
        own_sd=deviation_sd,
    )


def _foreseen(level, sd, scales, finished, failed) -> np.ndarray:
    """Log chance of the counts of finished and failed drives, at each point of the grid."""
    at_nodes = (level[..., None] + sd[..., None] * _NODES) / scales[:, None, None]
    value = -finished[:, None] * np.logaddexp(0, -at_nodes) - failed[:, None] * np.logaddexp(0, at_nodes)
    return special.logsumexp(value + np.log(_NODE_WEIGHTS), axis=2).sum(axis=1)


@dataclass(frozen=True, eq=False)
class _LapTimes:
    levels: _Levels
    noise: np.ndarray  # (points,) share of the unit
    unit: float  # s
    floor: float  # s; no lap is faster than this

    def expected(self) -> tuple[np.ndarray, np.ndarray]:
        """Expected time of a finished lap, and the standard deviation of one (s)."""
        mean, sd = self.levels.moments()
        weights = self.levels.weights
        middle = weights @ mean
        spread = weights @ (mean**2 + sd**2 + self.noise[:, None] ** 2) - middle**2
        return np.maximum(self.unit * middle, self.floor), self.unit * np.sqrt(spread)

    def draw(self, rng, versions):
        levels, points = self.levels.draw(rng, versions)
        return np.maximum(self.unit * levels, self.floor), self.unit * self.noise[points][:, None]


def _lap_times(training, evaluations, numbers, walk) -> _LapTimes | None:
    """Fit the lap times; None without any lap."""
    trained, raced = (drives[drives["complete"] & (drives["time"] > 0)] for drives in (training, evaluations))
    if trained.empty and raced.empty:
        return None
    unit = float((raced if trained.empty else trained)["time"].median())
    level, doubt = np.ones(len(numbers)), np.zeros((len(numbers), 0))
    if len(trained):
        levels = _training_levels(trained, unit, numbers, walk)
        level, doubt = levels.expected(), levels.doubt()
    n, mean, within = _of_checkpoints(raced["time"] / unit, raced["checkpoint"], numbers)
    grid = np.array(list(product(_LAP_WALKS, _LAP_OWN, _LAP_NOISE)))
    # About the middle of the laps that training has, so that offset and slope do not trade with each other.
    middle = (
        np.average(
            level,
            weights=np.bincount(np.searchsorted(numbers, trained["checkpoint"]), minlength=len(numbers)),
        )
        if len(trained)
        else 1.0
    )
    (offset, offset_sd), slope = USUAL_LAP_TIME
    # What is not known of the training laps comes in at the usual slope, as errors in the variable.
    columns = np.column_stack([np.ones(len(numbers)), level - middle, slope[0] * doubt])
    usual = [(middle + offset, offset_sd), slope, *[(0.0, 1.0)] * doubt.shape[1]]
    designs = _designs(columns, walk, grid[:, 0])
    levels = _normal_levels(
        designs, usual, walk, grid[:, 1], grid[:, 2], mean, n, within, n.sum() - (n > 0).sum()
    )
    floor = 0.5 * min(drives["time"].min() for drives in (trained, raced) if len(drives))
    return _LapTimes(levels, grid[:, 2], unit, float(floor))


def _of_checkpoints(values, checkpoints, numbers):
    """Number and mean of each checkpoint's values, and the sum of squares about those means."""
    place = np.searchsorted(numbers, checkpoints)
    values = values.to_numpy(dtype=float)
    n = np.bincount(place, minlength=len(numbers))
    mean = np.bincount(place, values, minlength=len(numbers)) / np.maximum(n, 1)
    return n, mean, float(((values - mean[place]) ** 2).sum())


def _training_levels(trained, unit, numbers, walk) -> _Levels:
    """Levels of the checkpoints' training laps in units, as of `_smoothed`."""
    times = trained["time"] / unit - _start_offset(trained) / unit
    n, mean, within = _of_checkpoints(times, trained["checkpoint"], numbers)
    return _smoothed(
        numbers, walk, mean, n, (_LAP_WALKS, _LAP_OWN, _TRAINING_LAP_NOISE), within, n.sum() - (n > 0).sum()
    )


def _start_offset(trained: pd.DataFrame) -> np.ndarray:
    """How much longer (s) each lap is for not having started at the line, as far as the laps can tell.

    The difference within checkpoints between laps from elsewhere and from the line, drawn towards zero as if
    eight pairs of laps without a difference had been seen besides.
    """
    if "start_at" not in trained or not trained["start_at"].notna().any():
        return np.zeros(len(trained))
    start = trained["start_at"].to_numpy(dtype=float)
    elsewhere = start > max(0.025 * (np.nanmax(start) + 1), 1)
    known = np.isfinite(start)
    place = np.unique(trained["checkpoint"], return_inverse=True)[1]
    times = trained["time"].to_numpy(dtype=float)
    sums = {}
    for name, rows in (("line", known & ~elsewhere), ("elsewhere", known & elsewhere)):
        count = np.bincount(place[rows], minlength=place.max() + 1)
        sums[name] = (
            count,
            np.bincount(place[rows], times[rows], minlength=place.max() + 1) / np.maximum(count, 1),
        )
    (at_line, line), (from_elsewhere, other) = sums["line"], sums["elsewhere"]
    pairs = at_line * from_elsewhere / np.maximum(at_line + from_elsewhere, 1)
    offset = (pairs * (other - line)).sum() / (pairs.sum() + 8)
    return np.where(known & elsewhere, offset, 0.0)


def _goal(race: RaceFormat) -> np.ndarray:
    return np.array([race.target * (race.laps if race.kind == "total time" else 1)])


def _chance_under(goals, chances, times, noise, race: RaceFormat) -> tuple[np.ndarray, np.ndarray]:
    """Chance that the result of a race is under each goal (s), and log chance that it is not.

    Both have the shape (versions, checkpoints, goals).
    """
    chances, times, noise = chances[..., None], times[..., None], noise[..., None]
    if race.kind == "total time":
        off_tracks = -race.laps * np.log(np.maximum(chances, np.exp(-_FARTHEST_LEVEL)))
        under = np.zeros((*chances.shape[:2], len(goals)))
        left = np.ones_like(off_tracks)
        for count in range(_MOST_OFF_TRACKS):
            # The last term takes all that is left over, at the mean of it.
            last = count == _MOST_OFF_TRACKS - 1
            share = (
                left if last else special.xlogy(count, off_tracks) - off_tracks - special.gammaln(count + 1)
            )
            share = np.maximum(share if last else np.exp(share), 0)
            left = left - share
            # Of many checkpoints most have next to no chance of this very number, which takes most of the time.
            likely = share[..., 0] > _NO_SHARE
            share, off = share[likely], off_tracks[likely]
            time = race.laps * times[likely] + race.penalty * (np.maximum(off, count) if last else count)
            spread = np.broadcast_to(noise, times.shape)[likely] * np.sqrt(race.laps)
            under[likely] += share * special.ndtr((goals - time) / spread)
        return under, np.log1p(-np.minimum(under, _SUREST))
    laps = race.laps if race.kind == "mean of laps" else 1
    distance = (goals - times) * (np.sqrt(laps) / noise)
    # Most goals are far from a checkpoint's times: all of its laps are under them, or none.
    near = np.flatnonzero((distance > _NEVER) & (distance < _SURELY))
    finishes = chances**laps
    fast = finishes.ravel()[near // len(goals)] * special.ndtr(distance.ravel()[near])
    answers = []
    for of_all, of_near in zip(
        *(_in_attempts(share, race.attempts) for share in (finishes, fast)), strict=True
    ):
        answers.append((distance > 0) * of_all)
        answers[-1].ravel()[near] = of_near
    return tuple(answers)


def _in_attempts(chance: np.ndarray, attempts: int) -> tuple[np.ndarray, np.ndarray]:
    """Chance of at least one success in so many attempts, and log chance of none."""
    log_none = attempts * np.log1p(-np.minimum(chance, _SUREST))
    return -np.expm1(log_none), log_none


def _edges(times, noise, race: RaceFormat, chances) -> np.ndarray:
    """Times (s) from under every result to above all of them, closest where results are."""
    laps = {"best lap": 1, "mean of laps": race.laps, "total time": race.laps}[race.kind]
    total = laps if race.kind == "total time" else 1
    sd = noise * (total / np.sqrt(laps))
    around = np.concatenate(
        [(total * times + k * sd).ravel() for k in (-4, -3, -2, -1.4, -0.7, 0, 0.7, 1.4, 2, 3, 4)]
    )
    if race.kind == "total time":
        off_tracks = -race.laps * np.log(np.maximum(chances, np.exp(-_FARTHEST_LEVEL)))
        likely = off_tracks + np.sqrt(off_tracks)
        around = np.concatenate(
            [around, *((total * times + race.penalty * k * likely).ravel() for k in (0.3, 0.7, 1, 1.5, 3))]
        )
    # A race among many is decided at the fast end, so that the first of the equal shares is divided again.
    shares = np.linspace(0, 1, _TIMES - 9)
    return np.unique(np.quantile(around, np.concatenate([shares[1] * np.geomspace(1e-3, 0.8, 9), shares])))


def _fastest(under: np.ndarray, log_over: np.ndarray) -> np.ndarray:
    """Chance of each checkpoint to be the fastest: (versions, checkpoints) of (versions, checkpoints, times).

    `log_over` is the logarithm of the chance not to be under.
    """
    log_over = np.maximum(log_over, _LEAST_LOG_OVER)
    others = np.exp(log_over.sum(axis=1, keepdims=True) - log_over)
    # The mean of the others at both ends of each step, times what the checkpoint gains in it.
    won = under[:, :, 0] * (1 + others[:, :, 0]) / 2
    others[:, :, 1:] += others[:, :, :-1].copy()
    won += np.einsum("vct,vct->vc", np.diff(under, axis=2), others[:, :, 1:]) / 2
    # Together they win whenever one of them has a result; what is off that is the coarseness of the times.
    anyone = -np.expm1(log_over[:, :, -1].sum(axis=1, keepdims=True))
    return won * anyone / np.maximum(won.sum(axis=1, keepdims=True), 1e-300)
