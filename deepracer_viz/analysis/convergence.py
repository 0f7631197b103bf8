"""Has training converged, and how steady is the model since: progress, reward and entropy over the iterations.

Iteration N is driven by checkpoint c0 + N, and training on its drives makes checkpoint c0 + N + 1. All
figures of an iteration are those of the checkpoint that drove it, exploration included; its entropy is
the mean over the epochs of the policy update that followed.

Drives that were cut off are left out, as in :mod:`deepracer_viz.analysis.checkpoints`; drives known from
the metrics alone count like all others.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from deepracer_viz.analysis.intervals import wilson_interval
from deepracer_viz.analysis.trend import (
    LEVEL,
    MIN_ITERATIONS,
    NORMAL,
    STEADY_COMPLETION,
    completion_trend,
    ended,
    fit_trend,
    state_of,
)
from deepracer_viz.analysis.words import counted, percent

ENTROPY_SLOWED = 0.5
"""Entropy confirms a plateau when since then it falls less than this share as fast as before."""

_MEASURES = ["completion", "reward_total", "reward_mean", "progress_mean", "progress_min", "progress_max"]
_CONSISTENCY = [
    "phase",
    "first",
    "last",
    "episodes",
    "laps",
    "completion",
    "completion_low",
    "completion_high",
]
_CONSISTENCY += ["lap_mean", "lap_sd", "lap_sd_low", "lap_sd_high", "time_source"]
_USED = ["iteration", "checkpoint", "complete", "end_status", "progress", "reward", "time", "time_source"]
_UPDATES = {"entropy": "entropy", "policy_loss": "surrogate_loss", "kl_divergence": "kl_divergence"}
_SMOOTHED = [*_MEASURES, "reward_scaled", "entropy"]


@dataclass(frozen=True, eq=False)
class TrainingProgress:
    """What a training's drives and policy updates say about its convergence.

    Attributes
    ----------
    iterations : pandas.DataFrame
        One row per iteration that was driven or updated, ascending: ``iteration``, ``checkpoint`` (that
        drove it; -1 unknown), ``episodes`` and ``laps`` (numbers of drives and of finished ones),
        ``completion`` (share, 0 to 1), ``reward_total``, ``reward_mean`` (of the drives),
        ``progress_mean``, ``progress_min``, ``progress_max`` (%), ``entropy``, ``policy_loss``,
        ``kl_divergence`` (means over the epochs), ``lap_mean`` (s); each missing where there is none.
        ``reward_scaled`` is ``reward_total`` on a scale from 5 (its least value in the run) to 95 (its
        greatest), 50 where all are equal; missing for iterations with fewer than half the usual number
        of drives, whose total is small for that reason alone. ``<measure>_smooth`` is the moving average
        over this and the ``window - 1`` iterations before it, missing until the window is full, of
        completion, reward_total, reward_mean, reward_scaled, progress_mean, progress_min, progress_max
        and entropy. Iterations that are missing from the logs have no row and take no place in a window.
    markers : pandas.DataFrame
        ``name`` (in plain words), ``iteration``, ``value`` and ``measure``, the column the value is from.
    state : str
        ``"too short"``, ``"still learning"``, ``"converged"``, ``"over-trained"`` or ``"collapsed"``.
    converged_at : int or None
        Iteration from which mean progress rose no more; None where no such point was found.
    converged_low, converged_high : int or None
        Interval of that iteration.
    confidence : float
        Level of that interval and of all others here, 0 to 1.
    entropy_slope : (float, float, float) or None
        Change of entropy per iteration from ``converged_at`` on: estimate, low, high. None without that
        point or with fewer than four iterations of entropy after it.
    entropy_agrees : bool or None
        Whether entropy had fallen up to that point and hardly falls since; None where it cannot be told.
    loss : (float, float, float) or None
        Points of mean progress lost since the best stretch: estimate, low, high. Only for a model that
        is over-trained or collapsed.
    consistency : pandas.DataFrame
        One row per ``phase``, "before" and "since" ``converged_at``, or one row "all" where there is no such
        point or nothing before it; none without a drive:
        ``first``, ``last`` (iterations), ``episodes``, ``laps``, ``completion`` (0 to 1),
        ``completion_low``, ``completion_high``, ``lap_mean``, ``lap_sd`` (s; missing below 3 laps),
        ``lap_sd_low``, ``lap_sd_high`` (s; missing below 5 laps), and ``time_source`` of the lap times.
    evaluations : pandas.DataFrame
        Evaluation drives, one row per checkpoint: ``iteration`` (that it drove), ``checkpoint``,
        ``drives``, ``laps``, ``completion`` (0 to 1), ``low``, ``high``, ``progress_mean`` (%).
    evaluation_note : str
        Evaluation drives against training drives of the same checkpoints; "" without evaluations.
    entropy_note : str
        Which file would bring the entropy; "" where it is there.
    window : int
        Iterations in a moving average.
    smoothable : bool
        There are at least as many iterations as the window holds.
    method : str
        Which test was used, with its settings and its uncertainty.
    verdict : str
        The state in plain words, with its numbers and what to do next.
    """

    iterations: pd.DataFrame
    markers: pd.DataFrame
    state: str
    converged_at: int | None
    converged_low: int | None
    converged_high: int | None
    confidence: float
    entropy_slope: tuple[float, float, float] | None
    entropy_agrees: bool | None
    loss: tuple[float, float, float] | None
    consistency: pd.DataFrame
    evaluations: pd.DataFrame
    evaluation_note: str
    entropy_note: str
    window: int
    smoothable: bool
    method: str
    verdict: str


def training_progress(
    episodes: pd.DataFrame,
    policy_updates: pd.DataFrame | None = None,
    window: int = 3,
    evaluations: pd.DataFrame | None = None,
) -> TrainingProgress:
    """Lay a training out over its iterations and tell whether it has converged.

    Parameters
    ----------
    episodes : pandas.DataFrame
        Training episodes of a run. Cut-off drives and those of unknown iteration (-1) are left out.
    policy_updates : pandas.DataFrame, optional
        One row per training epoch: ``iteration``, ``surrogate_loss``, ``kl_divergence``, ``entropy``.
    window : int
        Iterations in the moving averages, from 1 on. The verdict does not depend on it.
    evaluations : pandas.DataFrame, optional
        Evaluation drives of checkpoints during training (``checkpoint, progress, complete, end_status``).

    Returns
    -------
    TrainingProgress

    Raises
    ------
    ValueError
        If ``window`` is not a whole number from 1 on.

    Notes
    -----
    *The test.* Mean progress over the iterations is described by the simplest of these curves that fits:
    a level; a straight line; and every curve of a level, a change, a level, a second change and a level,
    in which changes are straight, either may be missing or upwards or downwards, and every level may be of
    no length (segmented regression, [1]_, by weighted least squares with all knots tried [2]_). The
    simplest that fits is the least of chi-square + `PENALTY` x log(number of iterations) x parameters, knots
    among them. A change has to leave three iterations behind its middle, so that one odd iteration
    hardly makes a verdict. Trainings of more than `MAX_BLOCKS` iterations are fitted in blocks of them.

    *Noise.* The variance of an iteration's mean is that of a single drive, pooled within the iterations,
    over its number of drives. It is raised when the curve misses the points by more than that (checkpoints
    differ by more than their drives), and again by (1 + r) / (1 - r) when neighbouring residuals correlate
    by r [3]_; r is corrected upwards by parameters / iterations for what the fit has taken from it.

    *The verdict.* A curve that still rises at its end, or has been level for fewer than `MIN_PLATEAU`
    iterations: still learning. One that ends at least `MIN_LOSS` points below its best level, with an
    interval of the loss above zero and two of the newest three iterations down by half of it:
    over-trained, or collapsed when little of it is left (a model that was never better than `UNTRAINED` has
    nothing to lose). Else converged, where the last rise ends. A level
    run in which a change of `UNSETTLED` points could hide: too short.

    *Errors.* On simulated series of 20 to 28 iterations of 20 drives, with checkpoints that differ by 4
    points (autocorrelation 0.5), other verdicts than the deserved one came in 1.5 % of 200 series that
    still learnt, 4 % of the converged, 1.5 % of the over-trained, none of the collapsed, and 3 % of those
    that were level throughout; in 4.5 % of those too short (6 to 8 iterations of 5 drives).

    *Intervals.* By the profile likelihood: all curves with the same ups and downs that fit nearly as well.

    References
    ----------
    .. [1] Muggeo (2003). Estimating regression models with unknown break-points. Statistics in Medicine
       22, 3055-3071.
    .. [2] Lerman (1980). Fitting segmented regression models by grid search. Applied Statistics 29, 77-84.
    .. [3] Bayley and Hammersley (1946). The "effective" number of independent observations in an
       autocorrelated time series. Supplement to the Journal of the Royal Statistical Society 8, 184-197.
    """
    if window != int(window) or window < 1:
        raise ValueError(f"the window must be a whole number of iterations from 1 on, not {window}")
    window = int(window)
    drives = ended(episodes.loc[episodes["iteration"] >= 0, _USED])
    iterations = _iterations(drives, policy_updates, window)
    driven = iterations[iterations["episodes"] > 0]

    trend = fit_trend(drives, "progress")
    # In percent of its greatest mean, so that the same levels serve whatever a reward's size.
    size = float(driven["reward_mean"].abs().max())
    reward = fit_trend(drives.assign(reward=100 * drives["reward"] / (size or 1.0)), "reward")
    state = state_of(trend)
    at = low = high = None
    if state in ("converged", "over-trained", "collapsed"):
        at, low, high = trend.levelled
    slope, agrees = _entropy_since(iterations, at)
    consistency = _consistency(drives, at)
    rated = _evaluations(evaluations, driven)
    return TrainingProgress(
        iterations=iterations,
        markers=_markers(iterations),
        state=state,
        converged_at=at,
        converged_low=low,
        converged_high=high,
        confidence=LEVEL,
        entropy_slope=slope,
        entropy_agrees=agrees,
        loss=trend.loss if state in ("over-trained", "collapsed") else None,
        consistency=consistency,
        evaluations=rated,
        evaluation_note=_evaluation_note(rated, driven),
        entropy_note="" if iterations["entropy"].notna().any() else _NO_ENTROPY,
        window=window,
        smoothable=len(iterations) >= window,
        method=_METHOD,
        verdict=_verdict(state, trend, reward, slope, agrees, consistency, drives, driven),
    )


def _iterations(drives, policy_updates, window):
    number, place = np.unique(drives["iteration"].to_numpy(), return_inverse=True)
    complete, reward, progress, time = (
        drives[name].to_numpy(float) for name in ("complete", "reward", "progress", "time")
    )
    finished = complete == 1
    driven = {
        "checkpoint": _least(place, drives["checkpoint"].to_numpy(float), len(number)),
        "episodes": np.bincount(place, minlength=len(number)).astype(float),
        "laps": np.bincount(place, finished, len(number)),
        "completion": _mean(place, complete, len(number)),
        "reward_total": np.bincount(place, np.nan_to_num(reward), len(number)),
        "reward_mean": _mean(place, reward, len(number)),
        "progress_mean": _mean(place, progress, len(number)),
        "progress_min": _least(place, progress, len(number)),
        "progress_max": -_least(place, -progress, len(number)),
        "lap_mean": _mean(place[finished], time[finished], len(number)),
    }
    learnt, of_update = np.zeros(0, dtype=int), np.zeros(0, dtype=int)
    if policy_updates is not None:
        learnt, of_update = np.unique(policy_updates["iteration"].to_numpy(), return_inverse=True)
    iteration = np.union1d(number, learnt).astype("int32")

    def laid_out(values: np.ndarray, numbers: np.ndarray, otherwise: float = np.nan) -> np.ndarray:
        column = np.full(len(iteration), otherwise)
        column[np.searchsorted(iteration, numbers)] = values
        return column

    table = {name: laid_out(values, number) for name, values in driven.items()}
    for name, of_epoch in _UPDATES.items():
        values = policy_updates[of_epoch].to_numpy(float) if len(learnt) else np.zeros(0)
        table[name] = laid_out(_mean(of_update, values, len(learnt)), learnt)
    known = table["checkpoint"] >= 0
    offset = np.unique((table["checkpoint"] - iteration)[known])
    # Where all drives agree on c0, the checkpoint that drove iteration 0, it tells those of the others.
    usual = iteration + offset[0] if len(offset) == 1 else -1
    missing = np.isnan(table["checkpoint"])
    table["checkpoint"] = np.where(missing, usual, table["checkpoint"]).astype("int32")
    for name in ("episodes", "laps"):
        table[name] = np.nan_to_num(table[name]).astype("int32")
    table["reward_scaled"] = _scaled(table["reward_total"], table["episodes"])
    for name in _SMOOTHED:
        smooth = np.full(len(iteration), np.nan)
        if len(iteration) >= window:
            smooth[window - 1 :] = np.lib.stride_tricks.sliding_window_view(table[name], window).mean(axis=1)
        table[name + "_smooth"] = smooth
    return pd.DataFrame({"iteration": iteration} | table)


def _mean(place, values, count):
    """Mean of the known values at each of the places 0..count-1."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):  # 0/0 is the NaN of a place without any
        return np.bincount(place[known], values[known], count) / np.bincount(place[known], minlength=count)


def _least(place, values, count):
    """Least known value at each of the places 0..count-1, each of which has one at least."""
    least = np.full(count, np.nan)
    np.fmin.at(least, place, values)
    return least


def _first_checkpoint(table):
    """Number c0 of the checkpoint that drove iteration 0, where all drives agree on it."""
    known = table["checkpoint"].to_numpy() >= 0
    offsets = np.unique((table["checkpoint"] - table["iteration"]).to_numpy()[known])
    return int(offsets[0]) if len(offsets) == 1 else None


def _scaled(total, episodes):
    """Totals on 5 to 95; those of iterations that were hardly begun say nothing and are left out."""
    driven = episodes > 0
    if not driven.any():
        return total
    total = np.where(episodes >= np.median(episodes[driven]) / 2, total, np.nan)
    least, greatest = np.nanmin(total), np.nanmax(total)
    if not greatest > least:
        return np.where(np.isnan(total), total, 50.0)
    return 5 + 90 * (total - least) / (greatest - least)


def _markers(iterations):
    found = []

    def best(name, measure):
        values = iterations[measure]
        if values.max() > 0 or (measure == "reward_scaled_smooth" and values.notna().any()):
            # Means of the same figures in another order differ in the last digit: the first of them counts.
            first = np.flatnonzero(values >= values.max() - 1e-9 * abs(values.max()))[0]
            found.append((name, first, measure))

    best("Best smoothed reward", "reward_scaled_smooth")
    best("Best smoothed progress", "progress_mean_smooth")
    smooth = iterations["completion_smooth"].dropna()
    if len(smooth) and smooth.iloc[-1] > 0:
        without = smooth[smooth == 0]
        holding = smooth.loc[without.index[-1] + 1 :] if len(without) else smooth
        found.append(("A completed lap in every window from here", holding.index[0], "completion_smooth"))
    best("Best smoothed completion", "completion_smooth")
    return pd.DataFrame(
        {
            "name": pd.Series([name for name, _, _ in found], dtype=str),
            "iteration": pd.Series([iterations["iteration"][row] for _, row, _ in found], dtype="int32"),
            "value": pd.Series([iterations[measure][row] for _, row, measure in found], dtype=float),
            "measure": pd.Series([measure for _, _, measure in found], dtype=str),
        }
    )


def _entropy_since(iterations, at):
    """Slope of entropy from an iteration on, and whether it confirms that training had settled there."""
    known = iterations.loc[iterations["entropy"].notna(), ["iteration", "entropy"]]
    since = known[known["iteration"] >= at] if at is not None else known.iloc[:0]
    n = len(since)
    if n < 4:
        return None, None
    time, entropy = since["iteration"].to_numpy(float), since["entropy"].to_numpy(float)
    time = time - time.mean()
    slope = float(time @ entropy / (time @ time))
    residual = entropy - entropy.mean() - slope * time
    squares = float(residual @ residual)
    correlation = float(residual[1:] @ residual[:-1]) / squares + 2 / n if squares > 0 else 0.0
    correlation = min(max(correlation, 0.0), 0.8)
    noise = squares / (n - 2) * (1 + correlation) / (1 - correlation)
    reach = float(special.stdtrit(n - 2, (1 + LEVEL) / 2) * np.sqrt(noise / (time @ time)))
    answer = (slope, slope - reach, slope + reach)

    before = known[known["iteration"] <= at]
    if len(before) < 3:
        return answer, None
    fall = before["entropy"].iloc[0] - before["entropy"].iloc[-1]
    fall /= before["iteration"].iloc[-1] - before["iteration"].iloc[0]
    settled = answer[1] <= 0 <= answer[2] or abs(slope) < ENTROPY_SLOWED * fall
    return answer, bool(fall > 0 and settled)


def _consistency(drives, at):
    """Completion and spread of lap times before and since an iteration."""
    phases = [("all", drives)]
    if at is not None and (before := drives["iteration"] < at).any():
        phases = [("before", drives[before]), ("since", drives[~before])]
    rows = []
    for phase, part in phases if len(drives) else []:
        laps = part[part["complete"].astype(bool)]
        times = laps["time"].dropna().to_numpy(float)
        low, high = wilson_interval(len(laps), len(part))
        sd_low, sd_high = _spread_interval(times)
        rows.append(
            {
                "phase": phase,
                "first": part["iteration"].min(),
                "last": part["iteration"].max(),
                "episodes": len(part),
                "laps": len(laps),
                "completion": len(laps) / len(part),
                "completion_low": low,
                "completion_high": high,
                "lap_mean": times.mean() if len(times) else np.nan,
                "lap_sd": times.std(ddof=1) if len(times) >= 3 else np.nan,
                "lap_sd_low": sd_low,
                "lap_sd_high": sd_high,
                "time_source": ", ".join(sorted(laps["time_source"].astype(str).unique())),
            }
        )
    return pd.DataFrame(rows, columns=_CONSISTENCY)


def _spread_interval(times):
    """Interval of a standard deviation that does not rest on normal lap times.

    Bonett (2006). Approximate confidence interval for standard deviation of nonnormal distributions.
    Computational Statistics and Data Analysis 50, 775-782.
    """
    n = len(times)
    if n < 5:
        return np.nan, np.nan
    variance = times.var(ddof=1)
    if variance == 0:
        return 0.0, 0.0
    # Fourth moment about the trimmed mean, for it is the less biased with long tails.
    cut = int(n / (2 * np.sqrt(n - 4)))
    inner = np.sort(times)[cut : n - cut] if n > 2 * cut else times
    fourth = n * ((times - inner.mean()) ** 4).sum() / ((times - times.mean()) ** 2).sum() ** 2
    scale = n / (n - NORMAL)
    error = scale * np.sqrt(max(fourth - (n - 3) / n, 0) / (n - 1))
    low, high = np.exp(np.log(scale * variance) + np.array([-1, 1]) * NORMAL * error)
    return float(np.sqrt(low)), float(np.sqrt(high))


def _evaluations(evaluations, driven):
    """Evaluation drives by checkpoint, beside the iteration that the checkpoint drove."""
    first = _first_checkpoint(driven)
    names = ["iteration", "checkpoint", "drives", "laps", "completion", "low", "high", "progress_mean"]
    if evaluations is None or evaluations.empty or first is None:
        types = ["int32"] * 4 + ["float64"] * 4
        return pd.DataFrame({name: np.zeros(0, kind) for name, kind in zip(names, types, strict=True)})
    ended = evaluations["complete"].astype(bool) | (evaluations["end_status"] != "in_progress")
    groups = evaluations[ended].groupby("checkpoint")
    complete, progress = groups["complete"], groups["progress"]
    table = pd.DataFrame(
        {"drives": complete.size(), "laps": complete.sum(), "progress_mean": progress.mean()}
    ).reset_index()
    table["iteration"] = table["checkpoint"] - first
    table["completion"] = table["laps"] / table["drives"]
    table["low"], table["high"] = wilson_interval(table["laps"], table["drives"])
    return table[names].astype(dict.fromkeys(names[:4], "int32") | {"progress_mean": float})


def _evaluation_note(evaluations, driven):
    """Evaluation against training drives of the same checkpoints, and what the difference means."""
    if evaluations.empty:
        return ""
    both = evaluations.merge(driven, on="iteration", suffixes=("", "_training"))
    if both.empty:
        return ""
    laps, drives = int(both["laps"].sum()), int(both["drives"].sum())
    trained, training = int(both["laps_training"].sum()), int(both["episodes"].sum())
    said = (
        f"In their evaluations, in which nothing is tried out, {laps} of {counted(drives, 'drive')} finished "
        f"({_share(laps, drives)}), in the training drives of the same "
        f"{counted(len(both), 'checkpoint')} {trained} of {training:,} ({_share(trained, training)})."
    )
    gap = (both["completion"] - both["completion_training"]).to_numpy()
    if len(gap) < MIN_ITERATIONS or laps + trained == 0:
        return f"{said} That is too little to tell a difference."
    reach = special.stdtrit(len(gap) - 1, (1 + LEVEL) / 2) * gap.std(ddof=1) / np.sqrt(len(gap))
    low, mean, high = (_signed(100 * value) for value in (gap.mean() - reach, gap.mean(), gap.mean() + reach))
    points = f"{mean} points, 95 % interval {low} to {high}"
    if gap.mean() - reach > 0:
        return (
            f"{said} Checkpoint by checkpoint the evaluations finished more often ({points}): trying things out "
            "costs laps in training, and a race goes like an evaluation."
        )
    if gap.mean() + reach < 0:
        return (
            f"{said} Checkpoint by checkpoint the evaluations finished less often ({points}), which is unusual: "
            "look whether evaluations start elsewhere on the track or drive the other way round."
        )
    return f"{said} Checkpoint by checkpoint that is no sure difference ({points})."


_NO_ENTROPY = (
    "The trainer (SageMaker) log would bring the entropy, as far as it is that of a PPO training: a SAC "
    "training writes none."
)
_METHOD = (
    "Mean progress over the iterations is described by the simplest curve of levels and up to two straight "
    "changes (segmented regression, chosen by an information criterion with twice the penalty of BIC); the "
    "point of convergence is where its last rise ends, with a 95 % interval by the profile likelihood. The "
    "noise comes from the spread of single drives, raised where checkpoints differ by more than that or "
    "resemble their neighbours."
)


def _verdict(state, trend, reward, slope, agrees, consistency, drives, driven):
    """The state with its numbers, its witnesses, and what to do next."""
    if state == "too short":
        return _too_short(trend, drives, driven)
    first, last = int(driven["iteration"].iloc[0]), int(driven["iteration"].iloc[-1])
    if state == "still learning":
        return f"{_still_learning(trend, first, last)} {_reward_while_learning(reward)}{_TRAIN_ON}"
    words = _entropy_words(slope, agrees)
    if state == "converged":
        since = consistency.iloc[-1]
        witnesses = _reward_since(reward) + words
        return f"{_converged(trend, last, since)} {witnesses}{_after_converging(since)}"
    return _got_worse(state, trend, reward, words, drives, driven)


def _too_short(trend, drives, driven):
    if drives.empty:
        return "These logs hold no training drive of a known iteration, so there is no progress to judge."
    extent = f"{counted(len(driven), 'iteration')} with {counted(len(drives), 'drive')}"
    mean = f"mean progress is {drives['progress'].mean():.0f} % so far"
    if trend is None:
        return (
            f"Too short to tell: it takes {MIN_ITERATIONS} iterations to tell learning from luck, and these logs "
            f"hold {extent}; {mean}. Train on, or give the logs of the whole training."
        )
    change, low, high = trend.change
    return (
        f"Too short to tell: over {extent} mean progress changed by {_signed(change)} points, and with this spread "
        f"anything from {_signed(low)} to {_signed(high)} may be behind it; {mean}. Train on before judging."
    )


def _still_learning(trend, first, last):
    slope, low, high = trend.slope
    rose = f"Still learning: mean progress rose from {_progress(trend.first)} to {_progress(trend.end)}"
    if trend.plateau:
        return (
            f"{rose} until iteration {trend.levelled[0]}, and the {counted(trend.plateau, 'iteration')} since then "
            "cannot tell yet whether it stops there."
        )
    return (
        f"{rose} over iterations {first} to {last}, and was still rising at the end, by {slope:.1f} points per "
        f"iteration (95 % interval {low:.1f} to {high:.1f})."
    )


_TRAIN_ON = "Train on: clone the newest model that was saved (checkpoint), and look here again."


def _reward_while_learning(reward):
    if reward is None:
        return ""
    if reward.outcome == "fallen":
        return (
            "But its reward fell meanwhile: the reward function pays for something else than getting round; "
            "look at it first. "
        )
    return "Its reward rises with it. " if reward.outcome == "rising" else ""


def _converged(trend, last, since):
    at, low, high = trend.levelled
    change, least, most = (_signed(points) for points in trend.change)
    held = (
        f"mean progress has kept to about {_progress(trend.end)} (change until iteration {last}: {change} "
        f"points, 95 % interval {least} to {most}), and {since.laps:,} of {counted(since.episodes, 'drive')} "
        f"finished ({_share(since.laps, since.episodes, interval=True)})."
    )
    if not trend.rose:
        steady = since.completion >= STEADY_COMPLETION
        said = "Converged before these iterations" if steady else "Not improving"
        return f"{said}: from iteration {at}, the first here, on {held}"
    low_level = "" if since.completion >= STEADY_COMPLETION else ", but too low"
    return f"Converged at iteration {at} (95 % interval {low} to {high}){low_level}: since then {held}"


def _reward_since(reward):
    if reward is None:
        return ""
    if reward.outcome == "fallen":
        since = _in_words(reward.best_iterations)
        return f"Reward does not agree: it has fallen by {reward.loss[0]:.0f} % since {since}. "
    if reward.outcome == "rising":
        return (
            "Reward does not agree: it still rises, so the drives get no further but better by its measure. "
        )
    if reward.rose:
        at, low, high = reward.levelled
        return f"Reward agrees: its last rise ended at iteration {at} (95 % interval {low} to {high}). "
    return "Reward agrees: it does not rise either. "


def _entropy_words(slope, agrees):
    if slope is None:
        return ""
    figures = f"{slope[0]:+.2g} per iteration since, 95 % interval {slope[1]:+.2g} to {slope[2]:+.2g}"
    if agrees:
        return f"The model had made up its mind by then as well: its indecision (entropy) has settled ({figures}). "
    if slope[1] > 0:
        return f"The model gets less sure of what to do (its entropy rises: {figures}). "
    if agrees is None or slope[2] >= 0:
        return f"How undecided it is (entropy) tells nothing sure ({figures}). "
    return f"But the model still makes up its mind (its entropy goes on falling: {figures}). "


def _after_converging(since):
    if since.completion >= STEADY_COMPLETION:
        return (
            "More of the same training will hardly bring it further: race one of the models saved since (checkpoints), "
            "or for faster laps clone one with another reward, faster actions or other training settings."
        )
    return (
        f"It has stopped improving at a level {_how_low(since.completion)}, so neither race it nor train on "
        "unchanged: change the reward, the actions to choose from (action space) or the training settings "
        "(hyperparameters)."
    )


def _how_low(completion):
    return (
        "that rarely finishes" if completion < 0.1 else "at which it finishes fewer than half of its drives"
    )


def _got_worse(state, trend, reward, words, drives, driven):
    at, low, high = trend.levelled
    loss, least, most = trend.loss
    begun = f"converged at iteration {at} (95 % interval {low} to {high}), " if trend.rose else ""
    said = [
        f"{state.capitalize()}: {begun}best in {_in_words(trend.best_iterations)} with a mean progress of "
        f"{_progress(trend.best)}, and since then it lost {loss:.0f} points (95 % interval {least:.0f} to {most:.0f}), "
        "which is more than chance."
    ]
    if state == "collapsed":
        said.append("Little is left of what it had learnt.")
    if trend.recovering:
        said.append("It is rising again, but has not made up for it.")
    if reward is not None and reward.outcome != "fallen":
        said.append(
            "Its reward did not fall with it: the reward function pays for something else than getting round, so "
            "change that first."
        )
    trained = completion_trend(drives, state)
    if trained.best_laps:
        back, what = (
            (trained.best_from, trained.best_to),
            f"{trained.best_laps} of {trained.best_drives} drives finished",
        )
    else:
        back, what = trend.best_iterations, "it got furthest"
    checkpoints = driven.loc[driven["iteration"].between(*back) & (driven["checkpoint"] >= 0), "checkpoint"]
    named = (
        f" ({_in_words((checkpoints.min(), checkpoints.max()), 'checkpoint')})" if len(checkpoints) else ""
    )
    said.append(
        f"{words}Go back to {_in_words(back)}{named}, in which {what}: race or clone one of those, not the newest."
    )
    if state == "collapsed":
        said.append("Let the clone change less at a time (lower learning rate).")
    return " ".join(said)


def _in_words(ends, what="iteration"):
    return f"{what} {ends[0]}" if ends[0] == ends[1] else f"{what}s {ends[0]} to {ends[1]}"


def _signed(points):
    return f"{round(points):+d}"


def _progress(level):
    """A level of mean progress; a fitted curve may overshoot what progress can be."""
    return f"{min(max(level, 0), 100):.0f} %"


def _share(part, n, interval=False):
    """A share in percent, never rounded to a certainty it is not, with its 95 % interval where asked for."""
    if not interval:
        return percent(part / n)
    low, high = wilson_interval(part, n)
    return f"{percent(part / n)}, 95 % interval {percent(low)} to {percent(high)}"
