"""The criteria that the race model is held to."""

from functools import cache

import numpy as np
import pytest
from scipy import special

from deepracer_viz.analysis.races import RaceFormat, RaceModel, predict_races, race_odds
from tests.backtest.backtest import (
    chance_of_gain,
    crps,
    gain,
    gain_over_checkpoints,
    of_truth,
    real_jobs,
    score,
    simulated_runs,
)
from tests.backtest.simulated_runs import HOSTILE, simulate_run


@pytest.fixture(scope="module")
def runs():
    """Twenty-four runs of thirty checkpoints, and what the model says of them."""
    runs = simulated_runs(24).values()
    return [(run, predict_races(run.episodes, run.evaluations)) for run in runs]


@cache
def twenty():
    """Twenty runs of thirty checkpoints, by name, and the scores of each: most of the time of these tests."""
    runs = simulated_runs(20)
    return runs, {name: score(run.episodes, run.evaluations) for name, run in runs.items()}


def true_odds(run, race):
    """Odds of someone who knows the truth."""
    truth = run.truth
    draws = (
        truth[["finish"]].to_numpy().T,
        truth[["lap_time"]].to_numpy().T,
        truth[["lap_sd"]].to_numpy()[:1],
    )
    return race_odds(RaceModel(truth[["checkpoint"]], False, False, draws), race)["win_chance"].to_numpy()


def test_unseen_drives_of_simulated_runs_are_predicted_better():
    better = gain(sum(twenty()[1].values()))
    assert better[["log_loss", "brier", "crps"]].min() >= 0.05


def test_nobody_predicts_better_than_who_knows_the_truth():
    runs, scores = twenty()
    truth, scores = sum(of_truth(run) for run in runs.values()), sum(scores.values())
    assert truth[["drives", "laps"]].tolist() == scores.loc["model", ["drives", "laps"]].tolist()
    for name in ("log_loss", "brier", "crps"):
        assert truth[name] < scores[name].min()


@pytest.mark.parametrize("kind", HOSTILE)
def test_runs_that_do_not_fit_the_model_cost_it_little(kind):
    runs = [simulate_run(seed, kind) for seed in range(4)]
    better = gain(sum(score(run.episodes, run.evaluations, every=4) for run in runs))
    assert better[["log_loss", "brier"]].min() > -0.15


def test_unseen_drives_of_real_jobs_are_predicted_better(real_logs):
    better = gain(sum(score(*drives) for drives in real_jobs(real_logs).values()))
    assert better["log_loss"] >= 0.05
    # Less than 5 %, and within what chance makes of so few drives: see the note beside this file.
    assert better["brier"] >= 0.02
    assert better["crps"] >= 0.05


def test_what_is_given_70_percent_wins_about_70_percent(runs):
    said, true = [], []
    for run, model in runs:
        race = RaceFormat(target=float(run.truth["lap_time"].quantile(0.25)))
        said.append(race_odds(model, race)["win_chance"].to_numpy())
        true.append(true_odds(run, race))
    said, true = np.concatenate(said), np.concatenate(true)
    for low, high in ((0.2, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 0.95)):
        there = (said >= low) & (said < high)
        assert there.sum() > 15
        assert true[there].mean() == pytest.approx(said[there].mean(), abs=0.1)


def test_the_best_checkpoint_is_among_the_first_three(runs):
    found = []
    for run, model in runs:
        first = np.argsort(-race_odds(model, RaceFormat())["win_chance"].to_numpy())[:3]
        found.append(true_odds(run, RaceFormat()).argmax() in first)
    assert np.mean(found) >= 0.8


def test_intervals_hold_the_truth(runs):
    inside = [
        run.truth["finish"].between(table["finish_low"] - 1e-3, table["finish_high"] + 1e-3).mean()
        for run, table in ((run, model.checkpoints) for run, model in runs)
    ]
    assert np.mean(inside) > 0.75


def test_chance_of_gain_has_the_mean_of_its_formula():
    run = simulate_run(1, "typical", checkpoints=6)
    drawn = chance_of_gain(run.episodes, run.evaluations, draws=4000).mean()
    expected = 0.0
    for checkpoint in range(6):
        others = run.evaluations[run.evaluations["checkpoint"] != checkpoint]
        table = predict_races(run.episodes, others).checkpoints.set_index("checkpoint")
        expected += 5 * table.loc[checkpoint, "finish"] * (1 - table.loc[checkpoint, "finish"])
    assert drawn["model"] == pytest.approx(expected, rel=0.03)
    assert drawn["model"] < drawn["neighbours"]


def test_gain_over_checkpoints_lies_about_the_gain_found():
    run = simulate_run(1, "typical", checkpoints=8)
    scores = score(run.episodes, run.evaluations)["brier"]
    drawn = gain_over_checkpoints({"run": (run.episodes, run.evaluations)}, draws=2000)
    low, high = np.quantile(drawn, [0.05, 0.95])
    assert low < 1 - scores["model"] / scores["neighbours"] < high
    # A job twice over is the same truth, seen through twice as many checkpoints.
    twice = gain_over_checkpoints(dict.fromkeys("ab", (run.episodes, run.evaluations)), draws=2000)
    assert twice.std() == pytest.approx(drawn.std() / np.sqrt(2), rel=0.25)


def test_crps_of_a_normal_prediction_by_its_definition():
    grid = np.linspace(-10, 10, 200_001)
    squared = (special.ndtr((grid - 0.3) / 0.8) - (grid >= 1.1)) ** 2
    assert crps(1.1, 0.3, 0.8) == pytest.approx(np.trapezoid(squared, grid), abs=1e-4)
