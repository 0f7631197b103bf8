import json
import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from deepracer_viz import load_run

# The error rates are measured on the fit alone: the whole answer takes ten times as long.
from deepracer_viz.analysis.convergence import _spread_interval, training_progress
from deepracer_viz.analysis.trend import MAX_BLOCKS, completion_trend, fit_trend, state_of

# A car that leaves the track with the same chance on every metre gets exponentially far, and no further
# than 100 %: few drives come anywhere near the mean, and the better the model the more of them finish.
REACH = np.exp(np.linspace(-1, 9, 2000))
MEAN_PROGRESS = REACH * (1 - np.exp(-100 / REACH))

STATES = {"too short", "still learning", "converged", "over-trained", "collapsed"}


def progress_of(mean, drives, rng):
    """Progress of drives, one row per iteration, whose expected progress (%) is given."""
    reach = np.interp(np.clip(mean, 1, 99.7), MEAN_PROGRESS, REACH)
    return np.minimum(rng.exponential(reach[:, None], (len(mean), drives)), 100)


def checkpoint_noise(mean, rng, sd=4.0, correlation=0.5):
    """Add what checkpoints differ by: neighbours resemble each other, and nothing is left at 0 and 100 %."""
    noise = rng.normal(0, sd, len(mean))
    for i in range(1, len(noise)):
        noise[i] = correlation * noise[i - 1] + np.sqrt(1 - correlation**2) * noise[i]
    return mean + noise * np.clip(np.minimum(mean, 100 - mean) / 20, 0, 1)


def episodes_of(progress, first_iteration=0, c0=0, reward=None):
    """Episode table of one row of drives per iteration; a reward per percent of progress by default."""
    progress = np.asarray(progress, dtype=float)
    iterations, drives = progress.shape
    iteration = np.repeat(np.arange(iterations, dtype="int32") + first_iteration, drives)
    flat = progress.ravel()
    done = flat >= 100
    numbers = np.arange(len(flat), dtype="int32")
    return pd.DataFrame(
        {
            "iteration": iteration,
            "checkpoint": iteration + np.int32(c0),
            "episode": numbers,
            "unique_episode": numbers,
            "progress": flat.astype("float32"),
            "complete": done,
            "time": np.where(done, 12 + 0.01 * (numbers % 7), flat / 10),
            "time_source": pd.Categorical(np.full(len(flat), "official")),
            "reward": flat * 1.5 if reward is None else np.broadcast_to(reward, flat.shape).astype(float),
            "end_status": pd.Categorical(np.where(done, "lap_complete", "off_track")),
            "traced": True,
        }
    )


def updates(entropy, epochs=3, first_iteration=0):
    entropy = np.repeat(np.asarray(entropy, dtype=float), epochs)
    epoch = np.tile(np.arange(epochs), len(entropy) // epochs)
    return pd.DataFrame(
        {
            "iteration": first_iteration + np.arange(len(entropy)) // epochs,
            "epoch": epoch,
            "surrogate_loss": -0.1 * epoch,
            "kl_divergence": 0.01 * epoch,
            "entropy": entropy + 0.1 * (epoch - 1),
            "learning_rate": 3e-4,
        }
    )


def rising(n):
    return np.linspace(12, 75, n)


def plateau(n, level=88.0, knot=0.5):
    return np.interp(np.arange(n), [0, knot * n, n], [10, level, level])


def decline(n, end=50.0):
    return np.interp(np.arange(n), [0, 0.35 * n, 0.6 * n, n - 1], [10, 92, 92, end])


def collapse(n):
    return np.interp(np.arange(n), [0, 0.35 * n, 0.6 * n, 0.7 * n, n], [10, 90, 90, 8, 8])


def judged(mean, seed=5, drives=20, **given):
    return training_progress(
        episodes_of(progress_of(np.asarray(mean, float), drives, np.random.default_rng(seed))), **given
    )


def trend_of(mean, drives, rng):
    iteration = np.repeat(np.arange(len(mean)), drives)
    progress = progress_of(mean, drives, rng).ravel()
    return fit_trend(pd.DataFrame({"iteration": iteration, "progress": progress}), "progress")


def verdict_on(mean, drives, rng):
    return state_of(trend_of(mean, drives, rng))


# The verdicts


def test_still_learning():
    answer = judged(rising(24))
    assert answer.state == "still learning"
    assert answer.converged_at is answer.converged_low is answer.converged_high is answer.loss is None
    assert answer.entropy_slope is answer.entropy_agrees is None
    assert list(answer.consistency["phase"]) == ["all"]
    assert "still rising" in answer.verdict and "Train on" in answer.verdict


def test_a_rise_that_ended_just_now_is_still_learning():
    answer = judged(np.interp(np.arange(24), [0, 21, 23], [10, 95, 95]), drives=60)
    assert answer.state == "still learning"


def test_converged():
    answer = judged(
        plateau(30), policy_updates=updates(np.interp(np.arange(30), [0, 14, 29], [2.4, 1.0, 0.95]))
    )
    assert answer.state == "converged"
    assert answer.converged_low <= 15 <= answer.converged_high
    assert answer.converged_low <= answer.converged_at <= answer.converged_high <= 20
    assert answer.confidence == 0.95
    assert answer.entropy_agrees and -0.02 < answer.entropy_slope[0] < 0
    assert list(answer.consistency["phase"]) == ["before", "since"]
    assert f"Converged at iteration {answer.converged_at} " in answer.verdict
    assert (
        "Reward agrees" in answer.verdict
        and "made up its mind by then as well" in answer.verdict
        and "race one of the models" in answer.verdict
    )


@pytest.mark.parametrize("rose", [True, False])
def test_a_plateau_that_rarely_finishes_is_no_success(rose):
    answer = judged(np.interp(np.arange(30), [0, 12, 29], [4, 22, 22]) if rose else np.full(30, 4.0))
    assert answer.state == "converged"
    assert (answer.converged_at > 5) == rose
    assert "rarely finishes" in answer.verdict
    assert "change the reward, the actions to choose from (action space)" in answer.verdict
    assert "race one of the models" not in answer.verdict


def test_over_trained():
    answer = judged(decline(36))
    assert answer.state == "over-trained"
    assert answer.converged_low <= 13 <= answer.converged_high
    estimate, low, high = answer.loss
    assert 0 < low <= 42 <= high and low <= estimate <= high
    assert "more than chance" in answer.verdict
    assert f"it lost {estimate:.0f} points" in answer.verdict


def test_the_iterations_to_go_back_to_are_those_of_the_other_sections():
    episodes = episodes_of(progress_of(decline(36), 20, np.random.default_rng(5)), c0=7)
    trend = completion_trend(episodes)
    said = f"Go back to iterations {trend.best_from} to {trend.best_to} (checkpoints {trend.best_from + 7} to"
    assert said in training_progress(episodes).verdict


def test_collapsed():
    answer = judged(collapse(36))
    assert answer.state == "collapsed"
    assert answer.loss[1] > 50
    assert "Go back" in answer.verdict and "lower learning rate" in answer.verdict


def test_a_fall_without_any_lap_names_where_it_got_furthest():
    progress = np.minimum(
        progress_of(np.interp(np.arange(30), [0, 10, 18, 29], [5, 60, 60, 20]), 20, np.random.default_rng(1)),
        99,
    )
    answer = training_progress(episodes_of(progress))
    assert answer.state in ("over-trained", "collapsed")
    assert "in which it got furthest" in answer.verdict


def test_reward_that_rises_while_progress_falls_is_pointed_out():
    episodes = episodes_of(progress_of(decline(36), 20, np.random.default_rng(5)))
    episodes["reward"] = episodes["iteration"] * 2.0 + episodes["progress"] * 0.01
    assert "pays for something else" in training_progress(episodes).verdict


def test_reward_that_goes_its_own_way_does_not_agree():
    episodes = episodes_of(progress_of(plateau(30), 20, np.random.default_rng(5)))
    more = training_progress(episodes.assign(reward=episodes["iteration"] * 3.0)).verdict
    less = training_progress(episodes.assign(reward=200 - episodes["iteration"] * 3.0)).verdict
    assert "Reward does not agree: it still rises" in more
    assert "Reward does not agree: it has fallen" in less


@pytest.mark.parametrize("n", [1, 5])
def test_few_iterations_are_too_short(n):
    answer = judged(rising(n))
    assert answer.state == "too short" and answer.converged_at is None
    assert "6 iterations" in answer.verdict


def test_a_level_run_that_could_hide_a_change_is_too_short():
    answer = judged(np.full(7, 45.0), drives=4)
    assert answer.state == "too short"
    assert re.search(r"anything from -\d+ to \+\d+", answer.verdict)


@pytest.mark.parametrize("odd", [0, 12, 22, 23])
def test_one_odd_iteration_is_no_decline(odd):
    rng = np.random.default_rng(2)
    mean = np.full(24, 80.0)
    mean[odd] = 20
    found = Counter(verdict_on(mean, 20, rng) for _ in range(20))
    assert found["over-trained"] + found["collapsed"] <= 3


SERIES = {
    "still learning": (lambda rng, n: np.linspace(rng.uniform(5, 20), rng.uniform(50, 90), n), 0.04),
    "converged": (lambda rng, n: plateau(n, rng.uniform(55, 97), rng.uniform(0.3, 0.6)), 0.08),
    "over-trained": (lambda rng, n: decline(n, rng.uniform(45, 65)), 0.08),
    "collapsed": (lambda rng, n: collapse(n), 0.03),
}
"""For each verdict: random series that deserve it, and the share of other verdicts that is tolerated."""


@pytest.mark.parametrize("deserved", SERIES)
def test_error_rate_over_200_random_series(deserved, capsys):
    rng = np.random.default_rng(20)
    draw, bound = SERIES[deserved]
    found = Counter()
    for _ in range(200):
        mean = checkpoint_noise(draw(rng, int(rng.integers(20, 29))), rng)
        found[verdict_on(mean, 20, rng)] += 1
    errors = 1 - found[deserved] / 200
    with capsys.disabled():
        print(f"\n{deserved}: error rate {errors:.1%} of 200 series, {dict(found)}")
    assert errors <= bound


def test_a_level_series_is_hardly_ever_taken_for_a_change(capsys):
    rng = np.random.default_rng(21)
    found = Counter()
    for _ in range(200):
        mean = checkpoint_noise(np.full(int(rng.integers(20, 29)), rng.uniform(3, 95)), rng)
        found[verdict_on(mean, 20, rng)] += 1
    with capsys.disabled():
        print(f"\nlevel: {dict(found)}")
    assert found["converged"] + found["too short"] >= 188


def test_too_short_error_rate(capsys):
    rng = np.random.default_rng(22)
    found = Counter()
    for _ in range(200):
        mean = np.full(int(rng.integers(6, 9)), rng.uniform(30, 60))
        found[verdict_on(mean, 5, rng)] += 1
    with capsys.disabled():
        print(f"\ntoo short: {dict(found)}")
    assert found["too short"] >= 188


def test_the_interval_holds_the_true_iteration(capsys):
    rng = np.random.default_rng(23)
    held, width = [], []
    for _ in range(150):
        n, knot = 26, rng.uniform(0.3, 0.6)
        trend = trend_of(checkpoint_noise(plateau(n, rng.uniform(55, 97), knot), rng), 20, rng)
        if trend.rose:
            _, low, high = trend.levelled
            held.append(low <= round(knot * n) <= high)
            width.append(high - low)
    with capsys.disabled():
        print(f"\ninterval holds the true iteration in {np.mean(held):.1%}, mean width {np.mean(width):.1f}")
    assert np.mean(held) >= 0.9
    assert np.mean(width) <= 8


# Entropy


@pytest.mark.parametrize(
    "entropy, agrees, said",
    [
        (np.interp(np.arange(30), [0, 15, 29], [2.4, 1.0, 1.0]), True, "made up its mind by then as well"),
        (np.linspace(2.4, 0.4, 30), False, "goes on falling"),
        (np.interp(np.arange(30), [0, 15, 29], [2.4, 1.0, 2.2]), False, "its entropy rises"),
        (np.interp(np.arange(30), [0, 15, 29], [1.0, 2.0, 2.0]), False, "tells nothing sure"),
    ],
)
def test_entropy_as_second_witness(entropy, agrees, said):
    noise = np.random.default_rng(8).normal(0, 0.01, 30)
    answer = judged(plateau(30), policy_updates=updates(entropy + noise))
    assert answer.entropy_agrees is agrees
    assert said in answer.verdict
    assert answer.entropy_slope[1] < answer.entropy_slope[0] < answer.entropy_slope[2]


def test_entropy_slope_is_that_of_the_line():
    answer = judged(plateau(30), policy_updates=updates(3 - 0.05 * np.arange(30)))
    assert answer.entropy_slope == pytest.approx((-0.05, -0.05, -0.05))


def test_no_entropy():
    answer = judged(plateau(30))
    assert answer.entropy_slope is None and answer.entropy_agrees is None
    assert "trainer (SageMaker) log" in answer.entropy_note
    assert (
        answer.iterations[["entropy", "entropy_smooth", "policy_loss", "kl_divergence"]].isna().all(axis=None)
    )
    assert "ntropy" not in answer.verdict


def test_too_little_entropy_since_convergence_makes_no_witness():
    answer = judged(plateau(30), policy_updates=updates(np.linspace(2, 1.5, 14)))
    assert answer.entropy_slope is None and answer.entropy_agrees is None and answer.entropy_note == ""


# The table


def test_figures_of_each_iteration():
    episodes = episodes_of(
        [[10, 30, 100, 20], [100, 100, 50, 50]], first_iteration=4, c0=7, reward=[1, 2, 3, 4, 5, 6, 7, 8]
    )
    table = training_progress(episodes, updates([2.0, 1.5, 1.25], first_iteration=4)).iterations
    assert list(table["iteration"]) == [4, 5, 6]
    assert list(table["checkpoint"]) == [11, 12, 13]
    assert list(table["episodes"]) == [4, 4, 0] and list(table["laps"]) == [1, 2, 0]
    assert list(table["completion"][:2]) == [0.25, 0.5]
    assert list(table["progress_mean"][:2]) == [40, 75]
    assert list(table["progress_min"][:2]) == [10, 50] and list(table["progress_max"][:2]) == [100, 100]
    assert list(table["reward_total"][:2]) == [10, 26] and list(table["reward_mean"][:2]) == [2.5, 6.5]
    assert list(table["entropy"]) == pytest.approx([2.0, 1.5, 1.25])
    assert list(table["policy_loss"]) == pytest.approx([-0.1] * 3)
    assert list(table["kl_divergence"]) == pytest.approx([0.01] * 3)
    laps = episodes[episodes["complete"]]
    assert table["lap_mean"][1] == laps.loc[laps["iteration"] == 5, "time"].mean()
    driven_nowhere = ["completion", "reward_total", "progress_mean", "lap_mean", "reward_scaled"]
    assert table.loc[2, driven_nowhere].isna().all()


def test_smooth_is_the_mean_of_the_iterations_before():
    answer = judged(rising(9), window=4)
    assert answer.window == 4 and answer.smoothable
    for name in (
        "completion",
        "reward_total",
        "reward_mean",
        "reward_scaled",
        "progress_mean",
        "progress_min",
        "progress_max",
    ):
        raw, smooth = answer.iterations[name].to_numpy(), answer.iterations[name + "_smooth"].to_numpy()
        assert np.isnan(smooth[:3]).all()
        assert smooth[3:] == pytest.approx([raw[i - 3 : i + 1].mean() for i in range(3, 9)])


def test_missing_iterations_stay_missing():
    episodes = episodes_of(progress_of(plateau(30), 20, np.random.default_rng(5)))
    answer = training_progress(episodes[~episodes["iteration"].isin([3, 4, 20])])
    table = answer.iterations
    assert list(table["iteration"]) == [i for i in range(30) if i not in (3, 4, 20)]
    assert table.loc[table["iteration"] == 5, "progress_mean_smooth"].item() == pytest.approx(
        table.loc[table["iteration"].isin([1, 2, 5]), "progress_mean"].mean()
    )
    assert answer.state == "converged" and answer.converged_low <= 15 <= answer.converged_high


def test_reward_is_scaled_to_5_and_95():
    table = judged(rising(12)).iterations
    total, scaled = table["reward_total"], table["reward_scaled"]
    assert (scaled.min(), scaled.max()) == (5, 95)
    assert scaled.to_numpy() == pytest.approx(5 + 90 * (total - total.min()) / (total.max() - total.min()))


def test_an_iteration_that_was_hardly_begun_does_not_bend_the_scale():
    episodes = episodes_of(progress_of(rising(12), 20, np.random.default_rng(5)))
    table = training_progress(episodes[(episodes["iteration"] < 11) | (episodes["episode"] < 222)]).iterations
    assert table["episodes"].iloc[-1] == 2
    assert np.isnan(table["reward_scaled"].iloc[-1]) and table["reward_scaled"][:11].max() == 95
    assert table["reward_total"].notna().all()


@pytest.mark.parametrize("reward", [0.0, 7.0, -7.0])
def test_constant_reward(reward):
    answer = training_progress(episodes_of(np.full((8, 5), 40.0), reward=reward))
    assert (answer.iterations["reward_scaled"] == 50).all()
    assert answer.state == "converged" and answer.converged_at == 0
    assert "Reward agrees" in answer.verdict


def test_missing_rewards():
    episodes = episodes_of(progress_of(plateau(30), 20, np.random.default_rng(5)))
    some = training_progress(episodes.assign(reward=episodes["reward"].where(episodes["episode"] % 20 > 0)))
    assert some.state == "converged" and "Reward agrees" in some.verdict
    for mean in (plateau(30), decline(36), rising(24)):
        episodes = episodes_of(progress_of(mean, 20, np.random.default_rng(5))).assign(reward=np.nan)
        assert "eward" not in training_progress(episodes).verdict.replace("another reward", "")


def test_negative_reward():
    episodes = episodes_of(progress_of(plateau(30), 20, np.random.default_rng(5)))
    answer = training_progress(episodes.assign(reward=episodes["progress"] - 200.0))
    assert (answer.iterations["reward_scaled"].min(), answer.iterations["reward_scaled"].max()) == (5, 95)
    assert "Best smoothed reward" in set(answer.markers["name"])
    assert answer.state == "converged" and "Reward agrees" in answer.verdict


# Markers


def test_markers():
    table = [[10, 20], [100, 20], [10, 20], [10, 20], [10, 20], [100, 30], [20, 30], [100, 100], [90, 90]]
    answer = training_progress(episodes_of(table))
    markers = answer.markers.set_index("name")
    assert list(markers["measure"]) == [
        "reward_scaled_smooth",
        "progress_mean_smooth",
        "completion_smooth",
        "completion_smooth",
    ]
    # Iterations 5, 6 and 7 are the first of an unbroken series of windows with a lap: 3 to 5, 4 to 6, ...
    assert markers.loc["A completed lap in every window from here", "iteration"] == 5
    assert markers.loc["Best smoothed progress", "iteration"] == 8
    assert markers.loc["Best smoothed progress", "value"] == pytest.approx((25 + 100 + 90) / 3)
    assert markers.loc["Best smoothed completion", "iteration"] == 7
    smooth = answer.iterations.set_index("iteration")
    for name, row in markers.iterrows():
        assert row["value"] == smooth.loc[row["iteration"], row["measure"]], name


def test_markers_of_a_model_that_does_not_finish():
    assert list(judged(np.full(8, 5.0)).markers["name"]) == ["Best smoothed reward", "Best smoothed progress"]
    ends_without = training_progress(episodes_of([[100, 100]] * 4 + [[20, 30]] * 4)).markers
    assert "A completed lap in every window from here" not in set(ends_without["name"])


def test_a_lap_in_every_window_from_the_beginning():
    markers = training_progress(episodes_of([[100, 40]] * 5)).markers.set_index("name")
    assert markers.loc["A completed lap in every window from here", "iteration"] == 2


def test_fewer_iterations_than_the_window():
    answer = judged(rising(4), window=5)
    assert not answer.smoothable and answer.markers.empty
    assert answer.iterations["progress_mean_smooth"].isna().all()


@pytest.mark.parametrize("window", [0, -1, 2.5])
def test_window_must_be_a_whole_number(window):
    with pytest.raises(ValueError, match="window"):
        judged(rising(4), window=window)


# Consistency and evaluations


def test_consistency_before_and_since():
    episodes = episodes_of(progress_of(plateau(30), 20, np.random.default_rng(5)))
    answer = training_progress(episodes)
    before, since = (row for _, row in answer.consistency.iterrows())
    assert (before["last"], since["first"]) == (answer.converged_at - 1, answer.converged_at)
    part = episodes[episodes["iteration"] >= answer.converged_at]
    laps = part[part["complete"]]
    assert (since["episodes"], since["laps"]) == (len(part), len(laps))
    assert since["completion_low"] < since["completion"] == len(laps) / len(part) < since["completion_high"]
    assert since["lap_sd"] == pytest.approx(laps["time"].std())
    assert since["lap_sd_low"] < since["lap_sd"] < since["lap_sd_high"]
    assert since["time_source"] == "official"


def test_spread_of_lap_times_holds_without_a_normal_curve():
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(200):
        low, high = _spread_interval(10 + rng.exponential(1.0, 60))
        held += low <= 1.0 <= high
    assert held >= 175


def test_few_laps_have_no_spread():
    row = training_progress(episodes_of([[100, 100, 50]])).consistency.iloc[0]
    assert (
        row["laps"] == 2 and row["lap_mean"] > 0 and np.isnan(row["lap_sd"]) and np.isnan(row["lap_sd_low"])
    )
    row = training_progress(episodes_of([[100, 100, 100]])).consistency.iloc[0]
    assert row["lap_sd"] > 0 and np.isnan(row["lap_sd_low"])


def evaluation_drives(completion, c0=0, trials=5):
    done = np.concatenate([np.arange(trials) < round(share * trials) for share in completion])
    return pd.DataFrame(
        {
            "checkpoint": np.repeat(np.arange(len(completion)) + c0, trials),
            "trial": np.tile(np.arange(trials), len(completion)),
            "progress": np.where(done, 100.0, 30.0),
            "complete": done,
            "time": 12.0,
            "end_status": np.where(done, "lap_complete", "off_track"),
        }
    )


def test_evaluations_stand_beside_the_iteration_that_their_checkpoint_drove():
    drives = episodes_of(progress_of(rising(10), 20, np.random.default_rng(5)), c0=7)
    answer = training_progress(drives, evaluations=evaluation_drives([0, 0.2, 0.4, 1], c0=7))
    assert list(answer.evaluations["iteration"]) == [0, 1, 2, 3]
    assert list(answer.evaluations["checkpoint"]) == [7, 8, 9, 10]
    assert list(answer.evaluations["laps"]) == [0, 1, 2, 5]
    assert answer.evaluations["progress_mean"][2] == pytest.approx(58)
    assert (answer.evaluations["low"] <= answer.evaluations["completion"]).all()
    assert "8 of 20 drives finished (40 %)" in answer.evaluation_note


@pytest.mark.parametrize(
    "share, said",
    [(1.0, "trying things out costs laps"), (0.0, "unusual"), (None, "no sure difference")],
)
def test_evaluations_against_training_drives(share, said):
    drives = episodes_of(progress_of(np.full(12, 80.0), 20, np.random.default_rng(5)))
    trained = drives.groupby("iteration")["complete"].mean()
    completion = np.full(12, share) if share is not None else (trained * 5).round() / 5
    assert said in training_progress(drives, evaluations=evaluation_drives(completion)).evaluation_note


def test_evaluations_that_cannot_be_compared():
    drives = episodes_of(np.full((12, 20), 30.0))
    assert (
        "too little" in training_progress(drives, evaluations=evaluation_drives(np.zeros(12))).evaluation_note
    )
    assert "too little" in training_progress(drives, evaluations=evaluation_drives([1.0])).evaluation_note
    answer = training_progress(drives.iloc[:0], evaluations=evaluation_drives([1.0]))
    assert answer.evaluations.empty and answer.evaluation_note == ""


# Little, odd and much


def test_no_drive():
    answer = training_progress(episodes_of([[1.0]]).iloc[:0])
    assert answer.state == "too short" and answer.iterations.empty and answer.markers.empty
    assert answer.consistency.empty and answer.evaluations.empty and not answer.smoothable
    assert "no training drive" in answer.verdict


def test_policy_updates_alone():
    answer = training_progress(episodes_of([[1.0]]).iloc[:0], updates([2.0, 1.9, 1.8, 1.7]))
    assert list(answer.iterations["iteration"]) == [0, 1, 2, 3]
    assert (answer.iterations["checkpoint"] == -1).all() and answer.entropy_note == ""
    assert answer.state == "too short" and answer.smoothable


def test_cut_off_drives_and_unknown_iterations_are_left_out():
    episodes = episodes_of(np.full((8, 5), 40.0))
    odd = episodes.iloc[:4].assign(
        end_status=["in_progress", "in_progress", "off_track", "off_track"], progress=3.0
    )
    odd["iteration"] = np.array([7, 8, -1, -1], dtype="int32")
    answer = training_progress(pd.concat([episodes, odd], ignore_index=True))
    assert list(answer.iterations["episodes"]) == [5] * 8
    assert (answer.iterations["progress_min"] == 40).all()


def test_untraced_drives_count():
    episodes = episodes_of(progress_of(plateau(30), 20, np.random.default_rng(5)))
    untraced = episodes.assign(traced=False, steps=0, dist=np.nan)
    assert training_progress(untraced).verdict == training_progress(episodes).verdict


def test_all_laps():
    answer = training_progress(episodes_of(np.full((10, 20), 100.0)))
    assert answer.state == "converged" and answer.converged_at == 0
    assert "Converged before these iterations" in answer.verdict and "200 of 200" in answer.verdict


def test_one_drive_per_iteration():
    rng = np.random.default_rng(6)
    answer = training_progress(episodes_of(progress_of(np.full(20, 3.0), 1, rng)))
    assert answer.state in ("converged", "too short")
    exact = training_progress(episodes_of(np.linspace(10, 80, 20)[:, None]))
    assert exact.state == "still learning" and "by 3.7 points" in exact.verdict


def test_words_hold_no_missing_numbers():
    for mean in (rising(8), plateau(30), decline(36), collapse(36), np.full(6, 2.0), np.full(1, 50.0)):
        assert "nan" not in judged(mean).verdict.lower()


def test_long_training_is_judged_in_blocks():
    answer = judged(np.interp(np.arange(10_000), [0, 4_000, 10_000], [10, 85, 85]), drives=2)
    assert len(answer.iterations) == 10_000
    assert answer.state == "converged"
    assert answer.converged_low <= 4_000 <= answer.converged_high
    assert answer.converged_high - answer.converged_low < 8 * 10_000 / MAX_BLOCKS


# Real logs and sample models


def test_console_clone_against_its_raw_text(real_logs):
    folder = real_logs / "console-2020-clone"
    trainer = next(folder.glob("*-sagemaker.log")).read_text(errors="replace")
    entropy, iteration, last_of = {}, None, {}
    for line in trainer.splitlines():
        if found := re.search(r"Training> .*Episode=(\d+),.*Training iteration=(\d+)", line):
            iteration = int(found[2])
            last_of[int(found[1]) - 1] = iteration
        elif found := re.search(r"Policy training> .*Entropy=([-\d.e]+)", line):
            entropy.setdefault(iteration, []).append(float(found[1]))
    progress, reward = {}, Counter()
    for line in next(folder.glob("*-robomaker.log")).read_text(errors="replace").splitlines():
        if line.startswith("SIM_TRACE_LOG:"):
            part = line.split(":", 1)[1].split(",")
            progress[int(part[0])] = float(part[11])
            reward[int(part[0])] += float(part[8])

    run = load_run(folder)
    answer = training_progress(run.episodes, run.policy_updates, 3, run.checkpoint_evaluations)
    table = answer.iterations.set_index("iteration")
    assert list(table.index) == list(range(8)) and list(table["checkpoint"]) == list(range(7, 15))
    assert len(progress) == 160 and sum(len(values) for values in entropy.values()) == 77
    for i in range(8):
        drives = range(20 * i, 20 * i + 20)
        assert all(last_of.get(episode, i) == i for episode in drives)
        reached = [progress[episode] for episode in drives]
        assert table["episodes"][i] == 20
        assert table["entropy"][i] == pytest.approx(np.mean(entropy[i]), abs=1e-9)
        assert table["reward_total"][i] == pytest.approx(sum(reward[episode] for episode in drives), rel=1e-5)
        assert table["progress_mean"][i] == pytest.approx(np.mean(reached), abs=1e-3)
        assert table["progress_min"][i] == pytest.approx(min(reached), abs=1e-3)
        assert table["progress_max"][i] == pytest.approx(max(reached), abs=1e-3)
        assert table["completion"][i] == sum(value >= 100 for value in reached) / 20
    assert answer.state == "still learning"


@pytest.mark.parametrize(
    "name, state",
    [
        ("console-2022-continuous.tar.gz", "converged"),
        ("console-2022-robomaker.log", "too short"),
        ("console-2023-head-to-head.tar.gz", "too short"),
        ("console-2023-object-avoidance.tar.gz", "too short"),
        ("console-2023-sac.tar.gz", "too short"),
        ("drfc-one-worker", "still learning"),
        ("drfc-three-workers", "still learning"),
        ("droa-2026.tar.gz", "still learning"),
        ("workshop-2019-evaluation.log", "too short"),
    ],
)
def test_every_real_log_has_an_answer(real_logs, name, state):
    run = load_run(real_logs / name)
    answer = training_progress(run.episodes, run.policy_updates, 3, run.checkpoint_evaluations)
    assert answer.state == state
    assert "nan" not in (answer.verdict + answer.evaluation_note).lower()


@pytest.fixture(scope="module")
def samples(sample_logs):
    def judge(name):
        run = load_run(sample_logs / f"{name}.tar.gz")
        truth = json.loads((sample_logs / f"{name}.json").read_text())["truth"]
        return training_progress(run.episodes, run.policy_updates, 3, run.checkpoint_evaluations), truth

    return {
        name: judge(name)
        for name in ("over-trained", "steady-and-slow", "fast-but-fragile", "planted-faults")
    }


def test_over_trained_sample(samples):
    answer, truth = samples["over-trained"]
    assert answer.state == "over-trained"
    completion = np.array(truth["completion_by_iteration"])
    named = re.search(r"Go back to iterations (\d+) to (\d+) \(checkpoints (\d+) to (\d+)\)", answer.verdict)
    first, last = int(named[1]), int(named[2])
    assert (first, last) == (int(named[3]), int(named[4]))
    assert first <= truth["best_iteration"] <= last
    assert completion[first : last + 1].min() > 0.9
    assert answer.loss[1] > 30
    # The planted truth is that of a mean over five iterations, so it is good to two.
    assert answer.converged_low - 2 <= truth["converged_at_iteration"] <= answer.converged_high + 2


@pytest.mark.parametrize("name", ["steady-and-slow", "planted-faults"])
def test_converged_samples(samples, name):
    answer, truth = samples[name]
    assert answer.state == "converged" and answer.entropy_agrees
    # Progress levels off a little before completion, of which the planted truth is a mean over five iterations.
    assert answer.converged_low - 3 <= truth["converged_at_iteration"] <= answer.converged_high + 3
    assert "race one of the models" in answer.verdict


def test_sample_that_was_still_learning(samples):
    answer, truth = samples["fast-but-fragile"]
    assert truth["converged_at_iteration"] >= 28
    assert answer.state == "still learning"


def test_every_state_is_one_of_five(samples):
    assert {answer.state for answer, _ in samples.values()} <= STATES
