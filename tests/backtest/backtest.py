"""Does the race model predict evaluation drives it has not seen? Against three simple predictions, job by job.

Each checkpoint's own evaluation drives are left out in turn and predicted from everything else. Run it with
``python -m tests.backtest.backtest FOLDER`` from the project's folder, FOLDER holding metrics or whole jobs.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

from deepracer_viz import load_run
from deepracer_viz.analysis.races import predict_races
from tests.backtest.simulated_runs import KINDS, simulate_run

METHODS = ("model", "training", "mean", "neighbours")
BANDWIDTH = 2.0
PSEUDO_DRIVES = 0.5
"""Finished and failed drives each that the simple predictions are given besides (Jeffreys' prior); training
completion takes one each (Laplace's rule)."""


def score(episodes: pd.DataFrame, evaluations: pd.DataFrame, every: int = 1) -> pd.DataFrame:
    """Score every prediction, summed over the evaluation drives of every ``every``-th checkpoint.

    Returns
    -------
    pandas.DataFrame
        One row per method: ``drives``, ``log_loss``, ``brier`` over them, ``laps``, ``crps`` (s) over those.
        Sums, so that those of several jobs can be added.
    """
    totals = {method: np.zeros(5) for method in METHODS}
    for checkpoint in np.unique(evaluations["checkpoint"])[::every]:
        own = evaluations["checkpoint"] == checkpoint
        left_out, others = evaluations[own], evaluations[~own]
        laps = left_out.loc[left_out["complete"], "time"].to_numpy()
        for method in METHODS:
            finish, mean, sd = _predict(method, checkpoint, episodes, others)
            finish = np.clip(finish, 1e-4, 1 - 1e-4)
            failed = len(left_out) - len(laps)
            totals[method] += [
                len(left_out),
                -len(laps) * np.log(finish) - failed * np.log1p(-finish),
                len(laps) * (1 - finish) ** 2 + failed * finish**2,
                len(laps),
                crps(laps, mean, sd).sum(),
            ]
    columns = ["drives", "log_loss", "brier", "laps", "crps"]
    return pd.DataFrame(totals, index=columns).T


def crps(times, mean, sd):
    """Continuous ranked probability score of a normal prediction (s).

    Gneiting and Raftery (2007). Strictly proper scoring rules, prediction, and estimation. Journal of the
    American Statistical Association 102, 359-378.
    """
    z = (times - mean) / sd
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return sd * (z * (2 * special.ndtr(z) - 1) + 2 * density - 1 / np.sqrt(np.pi))


def chance_of_gain(
    episodes: pd.DataFrame, evaluations: pd.DataFrame, draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Brier scores that chance would give, were the model's chance of every left-out checkpoint the true one.

    Parametric bootstrap of the outcomes, the predictions held as they are.

    Returns
    -------
    pandas.DataFrame
        One row per draw, the Brier scores of ``model`` and ``neighbours``, summed over the drives.
    """
    rng = np.random.default_rng(seed)
    totals = np.zeros((draws, 2))
    for checkpoint in np.unique(evaluations["checkpoint"]):
        own = evaluations["checkpoint"] == checkpoint
        said = np.array(
            [_predict(name, checkpoint, episodes, evaluations[~own])[0] for name in ("model", "neighbours")]
        )
        finished = rng.binomial(own.sum(), said[0], (draws, 1))
        totals += finished * (1 - said) ** 2 + (own.sum() - finished) * said**2
    return pd.DataFrame(totals, columns=["model", "neighbours"])


def gain_over_checkpoints(jobs: dict, draws: int = 10_000, seed: int = 0) -> np.ndarray:
    """Gain in Brier score over the neighbours, had the jobs had other checkpoints of the same kind.

    Bootstrap of the checkpoints of all jobs together, as `gain` puts them together.

    Returns
    -------
    numpy.ndarray
        Share by which the model's score is smaller, of each draw; shape (draws,).
    """
    scores = []
    for episodes, evaluations in jobs.values():
        for checkpoint, left_out in evaluations.groupby("checkpoint"):
            others = evaluations[evaluations["checkpoint"] != checkpoint]
            said = [_predict(name, checkpoint, episodes, others)[0] for name in ("model", "neighbours")]
            scores.append(((left_out["complete"].to_numpy()[:, None] - said) ** 2).sum(axis=0))
    scores = np.array(scores)
    drawn = np.random.default_rng(seed).multinomial(len(scores), np.full(len(scores), 1 / len(scores)), draws)
    model, neighbours = (drawn @ scores).T
    return 1 - model / neighbours


def of_truth(run) -> pd.Series:
    """Scores, as of `score`, of someone who knows the truth of a simulated run: no prediction does better."""
    truth = run.truth.set_index("checkpoint").reindex(run.evaluations["checkpoint"])
    finish, done = truth["finish"].clip(1e-4, 1 - 1e-4).to_numpy(), run.evaluations["complete"].to_numpy()
    times = run.evaluations["time"].to_numpy()
    of_laps = crps(times, truth["lap_time"].to_numpy(), truth["lap_sd"].to_numpy())[done]
    return pd.Series(
        {
            "drives": len(done),
            "log_loss": -np.log(np.where(done, finish, 1 - finish)).sum(),
            "brier": ((done - finish) ** 2).sum(),
            "laps": done.sum(),
            "crps": of_laps.sum(),
        }
    )


def _predict(method, checkpoint, episodes, others):
    """Chance to finish, mean and standard deviation (s) of a lap."""
    if method == "model":
        table = predict_races(episodes, others).checkpoints.set_index("checkpoint")
        return tuple(table.loc[checkpoint, ["finish", "lap_time", "lap_sd"]])
    everything = pd.concat([others, episodes[["checkpoint", "complete", "time"]]])
    fallback = others if others["complete"].any() else everything
    if method == "training":
        own = episodes[episodes["checkpoint"] == checkpoint]
        finish = (own["complete"].sum() + 1) / (len(own) + 2)
        return finish, *_normal(own, np.ones(len(own)), episodes)
    weight = np.ones(len(others))
    if method == "neighbours":
        weight = np.exp(-0.5 * ((others["checkpoint"] - checkpoint) / BANDWIDTH) ** 2).to_numpy()
    finish = ((weight * others["complete"]).sum() + PSEUDO_DRIVES) / (weight.sum() + 2 * PSEUDO_DRIVES)
    return finish, *_normal(others, weight, fallback)


def _normal(drives, weight, fallback):
    """Weighted mean and SD of the laps among drives; where they are too few, those of the fallback."""
    laps = drives["complete"].to_numpy()
    times, weight = drives.loc[drives["complete"], "time"].to_numpy(), weight[laps]
    usual = fallback.loc[fallback["complete"], "time"]
    usual_sd = usual.std() if len(usual) > 1 else 0.05 * usual.mean()
    if weight.sum() < 1e-6:
        return usual.mean(), usual_sd
    mean = np.average(times, weights=weight)
    # One lap's worth of the usual spread, so that two equal laps do not claim certainty.
    variance = (weight @ (times - mean) ** 2 + usual_sd**2) / (weight.sum() + 1)
    return mean, np.sqrt(variance)


def report(scores: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Mean scores of each job and of all together, one row per job and method."""
    together = sum(scores.values())
    tables = {**scores, "together": together}
    table = pd.concat(tables, names=["job", "method"])
    for name, n in (("log_loss", "drives"), ("brier", "drives"), ("crps", "laps")):
        table[name] = table[name] / table[n]
    return table


def gain(scores: pd.DataFrame) -> pd.Series:
    """Share by which the model is better than the best of the others, of each score."""
    measures = scores[["log_loss", "brier", "crps"]]
    return 1 - measures.loc["model"] / measures.drop("model").min()


def simulated_runs(n: int = 20, checkpoints: int = 30) -> dict:
    """Runs of every kind in turn."""
    return {
        f"{KINDS[i % len(KINDS)]} {i}": simulate_run(i, KINDS[i % len(KINDS)], checkpoints) for i in range(n)
    }


def real_jobs(folder: Path, names=("drfc-one-worker", "drfc-three-workers", "droa-2026.tar.gz")) -> dict:
    """Training and evaluation drives of the real jobs that have both."""
    runs = {name.removesuffix(".tar.gz"): load_run(Path(folder) / name) for name in names}
    return {name: (run.episodes, run.checkpoint_evaluations) for name, run in runs.items()}


if __name__ == "__main__":
    jobs = real_jobs(Path(sys.argv[1]))
    scores = {name: score(*drives) for name, drives in jobs.items()}
    print(report(scores).round(3).to_string(), gain(sum(scores.values())), sep="\n")
    drawn = sum(chance_of_gain(*drives, seed=i) for i, drives in enumerate(jobs.values()))
    share = 1 - drawn["model"] / drawn["neighbours"]
    print("Brier, by chance:", share.mean(), share.quantile([0.05, 0.95]).tolist(), (share >= 0.05).mean())
    share = gain_over_checkpoints(jobs)
    print("Brier, other checkpoints:", np.quantile(share, [0.05, 0.95]).tolist(), (share >= 0.05).mean())
    runs = simulated_runs()
    scores = {name: score(run.episodes, run.evaluations) for name, run in runs.items()}
    truth = sum(of_truth(run) for run in runs.values())
    print(report(scores).round(3).to_string(), gain(sum(scores.values())), truth, sep="\n")
