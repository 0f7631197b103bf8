import dataclasses
import json
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from deepracer_viz.analysis.envelope import (
    CLONE_CHANCE,
    MAX_BINS,
    MIN_LAPS,
    performance_envelope,
)
from deepracer_viz.analysis.trend import CompletionTrend


def normal_laps(n, mean=12.0, sd=0.4):
    """Laps whose sample mean and standard deviation are exactly those given."""
    z = stats.norm.ppf((np.arange(n) + 0.5) / n)
    return mean + sd * (z - z.mean()) / z.std(ddof=1)


def skewed_laps(n=300):
    """Laps that pile up just over 11 s and trail off slowly: nothing like a normal curve."""
    return 11 + stats.expon.ppf((np.arange(n) + 0.5) / n)


def assert_same(one, other):
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, pd.DataFrame):
            pd.testing.assert_frame_equal(a, b, check_exact=True)
        else:
            assert a == b, field.name


def assert_clean(answer):
    """No NaN or infinity anywhere, and words to show."""
    for field in dataclasses.fields(answer):
        value = getattr(answer, field.name)
        if isinstance(value, pd.DataFrame):
            assert np.isfinite(value.to_numpy(dtype=float)).all(), field.name
        elif isinstance(value, float):
            assert np.isfinite(value), field.name
    assert answer.verdict.endswith(".")
    for word in ("nan", "None ", "inf "):
        assert word not in answer.verdict.replace("None of", "")


class TestNormalLaps:
    def test_mean_sd_and_markers_of_a_known_sample(self):
        answer = performance_envelope(normal_laps(50))
        assert answer.n == 50
        assert answer.mean == pytest.approx(12.0)
        assert answer.sd == pytest.approx(0.4)
        assert answer.median == pytest.approx(12.0)
        assert list(answer.markers["sd"]) == [-1, -2, -3]
        np.testing.assert_allclose(answer.markers["time"], [11.6, 11.2, 10.8])
        np.testing.assert_allclose(answer.markers["chance"], [0.1587, 0.02275, 0.00135], rtol=1e-3)
        assert answer.normality.test == "D'Agostino-Pearson K2"
        assert answer.normality.holds

    @pytest.mark.parametrize("n", [8, 42, 5000])
    def test_marker_intervals_are_those_of_the_non_central_t(self, n):
        markers = performance_envelope(normal_laps(n)).markers
        for k, low, high in zip((1, 2, 3), markers["low"], markers["high"], strict=True):
            t = stats.nct.ppf([0.975, 0.025], n - 1, k * np.sqrt(n)) / np.sqrt(n)
            np.testing.assert_allclose([low, high], 12 - 0.4 * t)

    def test_marker_intervals_agree_with_a_simulation(self):
        rng = np.random.default_rng(4)
        draws = rng.normal(size=(40_000, 10))
        factors = (draws.mean(axis=1) + 1) / draws.std(axis=1, ddof=1)
        low, high = performance_envelope(normal_laps(10, 12.0, 1.0)).markers.loc[0, ["low", "high"]]
        assert 12 - low == pytest.approx(np.quantile(factors, 0.975), rel=0.02)
        assert 12 - high == pytest.approx(np.quantile(factors, 0.025), abs=0.02)

    def test_intervals_cover_the_truth_about_95_times_in_100(self):
        rng = np.random.default_rng(7)
        truth, target, covered, chances = 12 - 0.5 * np.array([1, 2, 3]), 11.5, np.zeros(3), []
        for _ in range(400):
            answer = performance_envelope(rng.normal(12, 0.5, 12), target)
            covered += (answer.markers["low"] <= truth) & (truth <= answer.markers["high"])
            if answer.normal:
                chances.append(answer.low <= stats.norm.cdf(-1) <= answer.high)
        assert ((covered > 365) & (covered < 395)).all()
        assert len(chances) > 360
        assert 0.92 < np.mean(chances) < 0.98

    def test_chance_to_beat_a_target_is_the_normal_cdf(self):
        answer = performance_envelope(normal_laps(60), target=11.5)
        assert answer.chance == pytest.approx(stats.norm.cdf(11.5, 12.0, 0.4))
        assert answer.low < answer.chance < answer.high
        assert answer.laps_to_expect == pytest.approx(1 / answer.chance)
        assert "normal" in answer.chance_method

    def test_chance_interval_is_that_of_the_marker_turned_round(self):
        # The target at which the upper end is 2.275 % is the lower end of the -2 SD marker.
        laps = normal_laps(30)
        marker = performance_envelope(laps).markers.iloc[1]
        assert performance_envelope(laps, marker["low"]).high == pytest.approx(CLONE_CHANCE, rel=1e-4)
        assert performance_envelope(laps, marker["high"]).low == pytest.approx(CLONE_CHANCE, rel=1e-4)

    @pytest.mark.parametrize("sd", [0.4, 0.32, 0.31, 0.001])
    def test_a_target_far_off_is_practically_never_or_always_beaten(self, sd):
        never = performance_envelope(normal_laps(30, sd=sd), target=0.001)
        assert 0 < never.chance < 1e-190
        assert np.isfinite(never.laps_to_expect)
        assert "practically never" in never.verdict
        assert_clean(never)
        always = performance_envelope(normal_laps(30, sd=sd), target=1000)
        assert always.chance == always.laps_to_expect == 1
        assert_clean(always)

    def test_the_curve_holds_all_laps(self):
        answer = performance_envelope(normal_laps(200))
        width = answer.bins["high"].iloc[0] - answer.bins["low"].iloc[0]
        area = np.trapezoid(answer.curve["laps"], answer.curve["time"]) / width
        assert area == pytest.approx(200, rel=0.001)
        peak = answer.curve.loc[answer.curve["laps"].idxmax()]
        assert peak["time"] == pytest.approx(12.0)


class TestLapsThatAreNotNormal:
    def test_rejects_and_leans_on_the_laps_seen(self):
        answer = performance_envelope(skewed_laps())
        assert not answer.normality.holds
        assert answer.good_lap == answer.empirical["time"].iloc[0]
        assert answer.good_lap > answer.markers["time"].iloc[1] + 0.5
        assert "do not follow a normal curve" in answer.verdict
        assert f"{answer.good_lap:.2f} s" in answer.verdict

    def test_chance_is_the_share_seen_with_its_wilson_interval(self):
        laps = skewed_laps()
        answer = performance_envelope(laps, target=11.2)
        share = np.mean(laps < 11.2)
        assert answer.chance == pytest.approx(share)
        wilson = stats.binomtest(int((laps < 11.2).sum()), 300).proportion_ci(method="wilson")
        assert (answer.low, answer.high) == pytest.approx((wilson.low, wilson.high))
        assert "Wilson" in answer.chance_method

    def test_no_lap_under_the_target_leaves_the_number_of_laps_open(self):
        answer = performance_envelope(skewed_laps(), target=10.9)
        assert answer.faster_laps == 0
        assert answer.chance == 0
        assert answer.laps_to_expect is None
        assert 0 < answer.high < 0.02
        assert "cannot be told" in answer.verdict

    def test_the_test_goes_by_the_number_of_laps(self):
        assert performance_envelope(normal_laps(19)).normality.test == "Shapiro-Wilk"
        many = performance_envelope(normal_laps(20)).normality
        assert "D'Agostino" in many.test
        assert many.holds
        assert not performance_envelope(skewed_laps(6000)).normality.holds

    def test_false_alarms_come_at_5_percent(self):
        rng = np.random.default_rng(3)
        holds = [performance_envelope(rng.normal(12, 0.5, 30)).normal for _ in range(400)]
        assert 0.92 < np.mean(holds) < 0.98


class TestEmpirical:
    def test_percentiles_of_many_laps(self):
        empirical = performance_envelope(normal_laps(100_000)).empirical
        np.testing.assert_allclose(empirical["chance"], stats.norm.cdf([-2, -3]))
        np.testing.assert_allclose(empirical["time"], [11.2, 10.8], atol=0.002)

    @pytest.mark.parametrize("n", [8, 20, 100, 1000])
    def test_never_faster_than_the_fastest(self, n):
        answer = performance_envelope(normal_laps(n))
        assert (answer.empirical["time"] >= answer.fastest).all()
        assert answer.empirical["time"].is_monotonic_decreasing
        assert "fastest" in answer.empirical_note
        assert f"{n:,}" in answer.empirical_note


class TestOutlook:
    @pytest.mark.parametrize(
        ("sd", "outlook"), [(0.48, "clone on"), (0.18, "one more clone"), (0.06, "start afresh")]
    )
    def test_without_a_target_the_spread_decides(self, sd, outlook):
        answer = performance_envelope(normal_laps(40, sd=sd))
        assert answer.reach == pytest.approx(2 * sd / 12)
        assert answer.outlook == outlook
        assert "40 laps" in answer.verdict
        assert "learning rate" in answer.verdict or "start afresh" in answer.verdict

    @pytest.mark.parametrize(
        ("target", "outlook"),
        [
            (12.1, "race it"),
            (11.9, "clone on"),
            (11.21, "clone on"),
            (11.19, "one more clone"),
            (10.81, "one more clone"),
            (10.79, "start afresh"),
        ],
    )
    def test_with_a_target_the_chance_decides(self, target, outlook):
        answer = performance_envelope(normal_laps(40), target)
        assert answer.outlook == outlook
        assert f"{target:.2f} s" in answer.verdict

    def test_a_lap_already_seen_under_the_target_is_never_a_reason_to_start_afresh(self):
        laps = np.append(skewed_laps(2000), 10.5)
        answer = performance_envelope(laps, target=10.6)
        assert answer.chance < 0.00135
        assert answer.outlook == "one more clone"

    def test_the_best_case_of_laps_that_are_not_normal_ignores_their_slow_tail(self):
        # Half a minute lost on a few laps widens the SD until -3 SD promises anything.
        laps = np.append(normal_laps(100, sd=0.1), [40.0, 42.0, 45.0])
        answer = performance_envelope(laps, target=11.0)
        assert answer.markers["time"].iloc[2] < 2
        assert answer.best_case > 11.5
        assert answer.outlook == "start afresh"
        assert f"{answer.best_case:.2f} s" in answer.verdict


class TestDegenerateCases:
    @pytest.mark.parametrize("target", [None, 12.0])
    @pytest.mark.parametrize("n", range(MIN_LAPS))
    def test_too_few_laps_show_the_data_alone(self, n, target):
        answer = performance_envelope(normal_laps(n) if n > 1 else [11.5] * n, target)
        assert answer.outlook == "too few laps"
        assert answer.n == n == answer.bins["laps"].sum()
        assert (answer.mean is None) == (answer.median is None) == (answer.fastest is None) == (n == 0)
        assert (answer.sd is None) == (n < 2)
        for table in (answer.markers, answer.empirical, answer.curve):
            assert len(table) == 0
        assert list(answer.markers) == ["sd", "time", "low", "high", "chance"]
        for value in (answer.normality, answer.chance, answer.low, answer.high, answer.laps_to_expect):
            assert value is None
        assert answer.good_lap is answer.best_case is answer.reach is None
        if n:
            assert f"{answer.fastest:.2f} s" in answer.verdict
        assert_clean(answer)

    def test_the_limit_itself_is_enough(self):
        assert len(performance_envelope(normal_laps(MIN_LAPS)).markers) == 3

    @pytest.mark.parametrize("target", [None, 12.0, 12.345, 13.0])
    @pytest.mark.parametrize("n", [2, 8, 6000])
    def test_equal_laps(self, n, target):
        answer = performance_envelope([12.345] * n, target)
        assert answer.sd == 0
        assert answer.mean == answer.median == answer.fastest == 12.345
        assert answer.normality is None
        assert list(answer.bins["laps"]) == [n]
        assert_clean(answer)
        if n >= MIN_LAPS:
            assert (answer.markers[["time", "low", "high"]] == 12.345).all(axis=None)
            assert answer.chance == (None if target is None else float(target == 13.0))
            assert answer.outlook == ("race it" if target == 13.0 else "start afresh")

    def test_times_that_are_no_times_are_dropped_and_counted(self):
        answer = performance_envelope([12.0, np.nan, np.inf, -np.inf, 0.0, -3.0, None, 13.0])
        assert (answer.n, answer.dropped, answer.mean) == (2, 6, 12.5)

    def test_nothing_but_rubbish(self):
        answer = performance_envelope([np.nan, -1.0], target=12)
        assert (answer.n, answer.dropped) == (0, 2)
        assert_clean(answer)

    @pytest.mark.parametrize("target", [0, -1.0, np.nan, np.inf])
    def test_a_target_that_is_no_time_is_refused(self, target):
        with pytest.raises(ValueError, match="target"):
            performance_envelope(normal_laps(10), target)

    def test_all_forms_of_input_and_any_order_give_the_same(self):
        laps = np.random.default_rng(1).normal(12, 0.4, 77)
        shuffled = np.random.default_rng(2).permutation(laps)
        expected = performance_envelope(laps, 11.5)
        table = pd.DataFrame({"time": shuffled}, index=range(100, 177))
        for given in (list(laps), shuffled, table["time"], table["time"].astype("Float64")):
            assert_same(performance_envelope(given, 11.5), expected)

    def test_a_spread_wider_than_the_mean_gives_no_negative_times(self):
        answer = performance_envelope(np.append(np.full(20, 10.0) + np.arange(20) / 100, 500.0))
        assert (answer.markers[["time", "low", "high"]] >= 0).all(axis=None)
        assert (answer.curve["time"] > 0).all()
        assert_clean(answer)


class TestHistogram:
    @pytest.mark.parametrize(
        "laps",
        [
            normal_laps(10),
            normal_laps(100_000),
            skewed_laps(),
            [12.0, 12.0000001],
            [0.1, 3000.0],
            [12.3] * 30 + [12.4, 60.0],
            np.append(normal_laps(50), 1e6),
            np.append(0.4, normal_laps(50)),
            np.round(normal_laps(500) * 15) / 15,
        ],
        ids=["ten", "many", "skewed", "nearly equal", "two apart", "half equal", "lost", "early", "grid"],
    )
    def test_every_lap_lies_in_one_of_at_most_60_bins(self, laps):
        bins = performance_envelope(laps).bins
        assert 1 <= len(bins) <= MAX_BINS
        assert bins["laps"].sum() == len(laps)
        assert (bins["high"] > bins["low"]).all()
        np.testing.assert_array_equal(bins["high"][:-1], bins["low"][1:])
        regular = bins[~bins["beyond"]]
        np.testing.assert_allclose(regular["high"] - regular["low"], bins["high"][0] - bins["low"][0])
        assert bins["low"].min() <= min(laps) + 1e-9
        assert bins["high"].max() >= max(laps) - 1e-9

    def test_counts_agree_with_numpy(self):
        laps = np.random.default_rng(5).normal(12, 0.4, 300)
        bins = performance_envelope(laps).bins
        counts, _ = np.histogram(laps, np.append(bins["low"], bins["high"].iloc[-1]))
        np.testing.assert_array_equal(bins["laps"], counts)

    def test_lost_laps_share_the_last_bin_and_leave_the_others_fine(self):
        laps = normal_laps(100)
        plain, lost = performance_envelope(laps).bins, performance_envelope([*laps, 61.0, 75.0]).bins
        assert not plain["beyond"].any()
        assert list(lost["beyond"]) == [False] * (len(lost) - 1) + [True]
        assert lost["laps"].iloc[-1] == 2
        assert lost["high"].iloc[-1] == 75.0
        pd.testing.assert_frame_equal(lost.iloc[:-1], plain)

    def test_edges_are_round(self):
        bins = performance_envelope(normal_laps(60)).bins
        assert all(len(f"{edge:g}") <= 5 for edge in bins["low"])


class TestRealLogs:
    def test_laps_of_a_real_training(self, real_logs):
        metrics = json.loads((real_logs / "drfc-one-worker/metrics/TrainingMetrics.json").read_text())
        laps = [
            entry["elapsed_time_in_milliseconds"] / 1000
            for entry in metrics["metrics"]
            if entry["phase"] == "training" and entry["episode_status"] == "Lap complete"
        ]
        answer = performance_envelope(laps, target=12.5)
        assert (answer.n, answer.fastest) == (42, 12.276)
        assert answer.mean == pytest.approx(np.mean(laps))
        assert answer.normal
        assert answer.markers["low"].iloc[1] < answer.fastest < answer.markers["high"].iloc[1]
        assert answer.outlook == "clone on"
        assert performance_envelope(laps, target=11.0).outlook == "start afresh"


class TestAdviceKnowsWhoDoesNotFinish:
    TIMES: ClassVar = np.random.default_rng(5).normal(12, 0.8, 60)

    @staticmethod
    def trend(laps, best=95, state="still learning"):
        return CompletionTrend(laps, 100, best, 100, 10, 14, state)

    def test_a_model_that_got_worse_goes_back(self):
        answer = performance_envelope(self.TIMES, trend=self.trend(10, state="over-trained"))
        assert answer.outlook == "go back"
        assert "10 of its newest 100 drives finished, 95 of 100 in iterations 10 to 14" in answer.verdict

    def test_a_model_that_rarely_finishes_sees_to_that_first(self):
        answer = performance_envelope(self.TIMES, trend=self.trend(30, best=30))
        assert answer.outlook == "finish first"
        assert "only 30 of its newest 100 drives finished: train on" in answer.verdict

    def test_a_model_that_rarely_finishes_and_stopped_improving_is_not_trained_on(self):
        answer = performance_envelope(self.TIMES, trend=self.trend(30, best=30, state="converged"))
        assert answer.outlook == "finish first"
        assert "it has stopped improving, so change" in answer.verdict

    def test_a_model_that_finishes_is_judged_by_pace(self):
        without = performance_envelope(self.TIMES)
        answer = performance_envelope(self.TIMES, trend=self.trend(90))
        assert answer.outlook == without.outlook
        assert answer.verdict == without.verdict

    def test_pace_that_cannot_do_it_stays_the_first_reason(self):
        answer = performance_envelope(self.TIMES, target=5.0, trend=self.trend(10, state="over-trained"))
        assert answer.outlook == "start afresh"
        assert "misses the target" in answer.verdict

    def test_too_few_laps_stay_too_few(self):
        assert performance_envelope([12.0, 13.0], trend=self.trend(10)).outlook == "too few laps"
