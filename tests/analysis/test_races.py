import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import special

from deepracer_viz.analysis import races
from deepracer_viz.analysis.races import FORMATS, RaceFormat, RaceModel, predict_races, race_odds


def drives(*checkpoints):
    """Drives of checkpoints 0, 1, ...: a number is a lap time (s), "f40" a failure at 40 %."""
    rows = [
        (checkpoint, 100.0, True, float(drive))
        if not isinstance(drive, str)
        else (checkpoint, float(drive[1:]), False, 3.0)
        for checkpoint, of_checkpoint in enumerate(checkpoints)
        for drive in of_checkpoint
    ]
    table = pd.DataFrame(rows, columns=["checkpoint", "progress", "complete", "time"])
    return table.astype({"checkpoint": "int32", "complete": bool}).assign(
        end_status=np.where(table["complete"].astype(bool), "lap_complete", "off_track")
    )


def learning(checkpoints=12, per_checkpoint=20, seed=3):
    """Training drives that come farther from checkpoint to checkpoint."""
    rng = np.random.default_rng(seed)
    reach = rng.exponential(np.linspace(0.1, 2.5, checkpoints)[:, None], (checkpoints, per_checkpoint))
    return drives(*[[13.0 + rng.normal() / 3 if r >= 1 else f"f{100 * r:.0f}" for r in row] for row in reach])


def known(finish, lap_time, lap_sd):
    """A model that is sure of what it says."""
    finish, lap_time = np.atleast_1d(finish).astype(float), np.atleast_1d(lap_time).astype(float)
    table = pd.DataFrame({"checkpoint": np.arange(len(finish)), "finish": finish, "lap_time": lap_time})
    return RaceModel(table, False, False, (finish[None], lap_time[None], np.array([[lap_sd]])))


class TestFinishing:
    def test_who_comes_farther_in_training_finishes_more_often(self):
        finish = predict_races(learning()).checkpoints["finish"]
        assert finish.iloc[-1] > 0.7 > 0.25 > finish.iloc[0]

    def test_training_odds_are_wider_than_those_of_a_run_with_evaluations(self):
        training = learning()
        evaluations = drives(*[["f20"] * 5] * 5, *[[13.0] * 5] * 7)
        alone, both = predict_races(training), predict_races(training, evaluations)
        assert alone.training_odds and alone.usual_lap_times
        assert not both.training_odds and not both.usual_lap_times
        width = [(m.checkpoints["finish_high"] - m.checkpoints["finish_low"]).mean() for m in (alone, both)]
        assert width[1] < width[0]

    def test_a_run_whose_evaluations_all_fail_is_not_said_to_finish(self):
        evaluations = drives(*[["f20", "f30", "f25", "f40", "f35"]] * 12)
        assert predict_races(learning(), evaluations).checkpoints["finish"].max() < 0.15

    def test_an_evaluation_drive_that_nearly_finished_says_more_than_one_that_failed_early(self):
        training = drives(*[["f30"] * 20] * 6)
        near = drives(*[["f93", "f90", 13.0]] * 6)
        early = drives(*[["f5", "f6", 13.0]] * 6)
        near, early = (predict_races(training, e).checkpoints["finish"].mean() for e in (near, early))
        assert near > early

    def test_neighbours_speak_for_a_checkpoint_without_evaluations(self):
        training = drives(*[["f50"] * 20] * 9)
        good = drives(*[[13.0] * 5] * 4, [], *[[13.0] * 5] * 4)
        bad = drives(*[["f20"] * 5] * 4, [], *[["f20"] * 5] * 4)
        good, bad = (predict_races(training, e).checkpoints["finish"].iloc[4] for e in (good, bad))
        assert good > 0.85
        assert bad < 0.15

    def test_one_lucky_drive_is_drawn_to_its_neighbours(self):
        training = drives(*[["f30"] * 20] * 9)
        lucky = drives(*[["f30"] * 5] * 4, [13.0], *[["f30"] * 5] * 4)
        assert predict_races(training, lucky).checkpoints["finish"].iloc[4] < 0.5

    def test_intervals_hold_the_chance_and_stay_between_0_and_1(self):
        table = predict_races(learning(), drives(*[["f20", 13.0]] * 12)).checkpoints
        assert (table["finish_low"] <= table["finish"]).all() and (
            table["finish"] <= table["finish_high"]
        ).all()
        assert table[["finish_low", "finish_high"]].stack().between(0, 1).all()
        assert (table["lap_time_low"] <= table["lap_time"]).all()
        assert (table["lap_time"] <= table["lap_time_high"]).all()

    def test_drives_cut_off_or_of_no_checkpoint_do_not_count(self):
        training = learning()
        cut = drives(*[["f1"] * 30] * 12).assign(end_status="in_progress")
        strange = drives(["f1"] * 30).assign(checkpoint=-1)
        more = pd.concat([training, cut, strange], ignore_index=True)
        pd.testing.assert_frame_equal(predict_races(more).checkpoints, predict_races(training).checkpoints)


class TestLapTimes:
    def test_race_laps_move_the_training_laps(self):
        training = drives(*[[12.0, 12.2, 11.8, 12.1, 11.9] * 4] * 8)
        raced = drives(*[[13.0, 13.1, 12.9]] * 4)
        table = predict_races(training, raced).checkpoints
        assert table["lap_time"].iloc[-1] == pytest.approx(13.0, abs=0.2)
        assert table["lap_sd"].between(0.02, 0.5).all()

    def test_order_of_training_carries_over_in_part(self):
        training = drives(*[[t, t + 0.1, t - 0.1] * 6 for t in (14.0, 13.5, 13.0, 12.5, 12.0)])
        times = predict_races(training).checkpoints["lap_time"].to_numpy()
        assert (np.diff(times) < 0).all()
        assert 0.5 < times[0] - times[-1] < 2.0

    def test_few_laps_are_drawn_to_the_run(self):
        training = drives(*[[12.0, 12.1, 11.9] * 6] * 5, [10.0], *[[12.0, 12.1, 11.9] * 6] * 5)
        assert predict_races(training).checkpoints["lap_time"].iloc[5] > 10.5

    def test_a_training_level_that_rests_on_few_laps_leaves_the_race_lap_less_sure(self, monkeypatch):
        rng = np.random.default_rng(5)
        training = drives(*rng.normal(13, 0.5, (10, 20))[:5], *rng.normal(13, 0.5, (5, 1)))
        raced = drives(*[[13.0, 13.1, 12.9]] * 5)

        def width():
            table = predict_races(training, raced).checkpoints
            return (table["lap_time_high"] - table["lap_time_low"]).iloc[-1]

        uncertain = width()
        monkeypatch.setattr(races, "MOST_DOUBTS", 0)
        assert uncertain > 1.05 * width()

    def test_starts_elsewhere_are_put_on_the_scale_of_the_line(self):
        # Half of the checkpoints were driven from the line alone, half from elsewhere, where laps are shorter.
        start = np.tile([0.0, 60.0], 60)
        laps = drives(*[np.where(start[:20] == 0, 12.0, 11.0) for _ in range(6)]).assign(start_at=start)
        mixed = laps[(laps["checkpoint"] < 3) | (start == 0)]
        level = predict_races(mixed).checkpoints["lap_time"]
        unknown = predict_races(mixed.assign(start_at=np.nan)).checkpoints["lap_time"]
        assert level.iloc[-1] - level.iloc[0] < 0.5 * (unknown.iloc[-1] - unknown.iloc[0])


class TestFewData:
    def check(self, model):
        table = model.checkpoints
        assert table["finish"].between(0, 1).all()
        for kind in FORMATS:
            for target in (None, 12.5):
                odds = race_odds(model, RaceFormat(kind, target=target))
                assert odds["win_chance"].between(0, 1 + 1e-9).all()
                assert odds["result"].notna().all()
                assert (odds["result_low"] <= odds["result_high"]).all()

    def test_no_drives(self):
        model = predict_races(learning().iloc[:0])
        assert model.checkpoints.empty
        assert race_odds(model, RaceFormat()).empty

    def test_one_checkpoint(self):
        self.check(predict_races(drives([12.0, "f30", 12.5])))
        model = predict_races(drives([12.0, "f30", 12.5]), drives([12.2]))
        self.check(model)
        assert race_odds(model, RaceFormat()).loc[0, "win_chance"] == pytest.approx(
            race_odds(model, RaceFormat()).loc[0, "result_chance"], abs=1e-6
        )

    def test_one_drive(self):
        self.check(predict_races(drives([12.0])))

    def test_no_laps_at_all(self):
        model = predict_races(drives(["f10"] * 20, ["f20"] * 20), drives(["f10"] * 5, ["f30"] * 5))
        assert model.checkpoints[["lap_time", "lap_sd"]].isna().all(axis=None)
        assert model.checkpoints["finish"].max() < 0.3
        assert race_odds(model, RaceFormat(target=12.0))["win_chance"].isna().all()

    def test_equal_laps(self):
        self.check(predict_races(drives(*[[12.0] * 20] * 3), drives(*[[12.0] * 5] * 3)))

    def test_evaluations_without_training(self):
        model = predict_races(learning().iloc[:0], drives([12.0, "f40"], [12.0, 12.1]))
        assert model.checkpoints["checkpoint"].tolist() == [0, 1]
        self.check(model)

    def test_gaps_between_checkpoints(self):
        training = learning()
        training = training.assign(checkpoint=training["checkpoint"] * 40 + 3)
        model = predict_races(training, drives(["f20"], *[[13.0] * 3] * 3).assign(checkpoint=3))
        assert model.checkpoints["checkpoint"].tolist() == list(range(3, 480, 40))
        self.check(model)

    def test_a_very_long_run(self):
        rng = np.random.default_rng(0)
        checkpoint = np.repeat(np.arange(10_000), 2)
        done = rng.random(len(checkpoint)) < np.linspace(0.05, 0.6, len(checkpoint))
        table = pd.DataFrame(
            {
                "checkpoint": checkpoint,
                "progress": np.where(done, 100.0, 40.0),
                "complete": done,
                "time": rng.normal(12, 0.3, len(checkpoint)),
                "end_status": np.where(done, "lap_complete", "off_track"),
            }
        )
        model = predict_races(table, table.iloc[::7])
        finish = model.checkpoints["finish"].to_numpy()
        assert len(finish) == 10_000
        assert finish[:1000].mean() < 0.3 < finish[-1000:].mean()
        assert race_odds(model, RaceFormat())["win_chance"].sum() == pytest.approx(1, abs=0.05)

    def test_the_same_drives_give_the_same_answer(self):
        one, two = (race_odds(predict_races(learning()), RaceFormat(target=13.0)) for _ in range(2))
        pd.testing.assert_frame_equal(one, two)


class TestOdds:
    def test_a_tiny_chance_is_told_from_none(self):
        odds = race_odds(known([0.9, 0.9], [10.0, 20.0], 0.1), RaceFormat(attempts=1, target=9.0))
        assert odds["win_chance"].iloc[0] == pytest.approx(0.9 * special.ndtr(-10), rel=1e-9, abs=0)
        assert odds["win_chance"].iloc[1] == 0

    def test_best_lap_by_its_formula(self):
        odds = race_odds(known(0.6, 12.0, 0.3), RaceFormat(attempts=4, target=12.1)).iloc[0]
        assert odds.win_chance == pytest.approx(1 - (1 - 0.6 * special.ndtr(0.1 / 0.3)) ** 4)
        assert odds.result_chance == pytest.approx(1 - 0.4**4, abs=1e-3)

    def test_mean_of_laps_needs_all_of_them(self):
        race = RaceFormat("mean of laps", attempts=1, laps=3, target=12.1)
        odds = race_odds(known(0.6, 12.0, 0.3), race).iloc[0]
        assert odds.win_chance == pytest.approx(0.6**3 * special.ndtr(0.1 * np.sqrt(3) / 0.3))
        assert odds.result == pytest.approx(12.0, abs=0.01)

    @pytest.mark.parametrize("penalty", [0.0, 2.0])
    def test_total_time_as_simulated(self, penalty):
        race = RaceFormat("total time", laps=3, penalty=penalty, target=12.5)
        odds = race_odds(known(0.6, 12.0, 0.3), race).iloc[0]
        rng = np.random.default_rng(1)
        total = rng.normal(36, 0.3 * np.sqrt(3), 200_000) + penalty * rng.poisson(-3 * np.log(0.6), 200_000)
        assert odds.win_chance == pytest.approx((total < 37.5).mean(), abs=0.005)
        assert odds.result == pytest.approx(total.mean(), abs=0.1)
        assert [odds.result_low, odds.result_high] == pytest.approx(
            np.quantile(total, [0.05, 0.95]), abs=0.25
        )
        assert odds.result_chance == pytest.approx(1, abs=1e-3)

    @pytest.mark.parametrize("attempts", [1, 3])
    def test_being_the_fastest_as_simulated(self, attempts):
        finish, time = np.array([0.9, 0.4, 0.7]), np.array([12.3, 11.9, 12.1])
        odds = race_odds(known(finish, time, 0.2), RaceFormat(attempts=attempts))
        rng = np.random.default_rng(2)
        laps = rng.normal(time, 0.2, (100_000, attempts, 3))
        result = np.where(rng.random(laps.shape) < finish, laps, np.inf).min(axis=1)
        fastest = pd.Series(np.where(np.isinf(result.min(axis=1)), -1, result.argmin(axis=1)))
        won = fastest.value_counts(normalize=True).reindex(range(3))
        assert odds["win_chance"].tolist() == pytest.approx(won.tolist(), abs=0.02)
        best = result[:, 0][np.isfinite(result[:, 0])]
        assert odds["result"].iloc[0] == pytest.approx(best.mean(), abs=0.02)
        assert odds["result_low"].iloc[0] == pytest.approx(np.quantile(best, 0.05), abs=0.05)

    def test_more_attempts_and_a_slower_target_help(self):
        model = predict_races(learning(), drives(*[["f50", 13.0]] * 12))
        few, more = (race_odds(model, RaceFormat(attempts=n, target=13.0))["win_chance"] for n in (1, 5))
        slow = race_odds(model, RaceFormat(attempts=1, target=14.0))["win_chance"]
        assert (more > few).all() and (slow > few).all()

    def test_what_is_not_known_widens_the_odds(self):
        odds = race_odds(predict_races(learning()), RaceFormat(target=13.0)).iloc[-1]
        assert odds.win_low < odds.win_chance < odds.win_high
        assert race_odds(known(0.6, 12.0, 0.3), RaceFormat(target=12.0)).eval("win_high - win_low")[0] < 1e-9

    @pytest.mark.parametrize(
        "bad",
        [
            {"kind": "longest"},
            {"attempts": 0},
            {"attempts": 1.5},
            {"laps": 0},
            {"penalty": -1},
            {"target": 0},
            {"target": np.inf},
        ],
    )
    def test_impossible_races_are_refused(self, bad):
        with pytest.raises(ValueError):
            RaceFormat(**bad)

    def test_words(self):
        assert RaceFormat(attempts=1).words == "in 1 attempt"
        assert RaceFormat("mean of laps").words == "on the mean of 3 laps in a row, best of 3 tries"
        assert RaceFormat("total time", laps=5).words == "on the total of 5 laps with 2 s per off-track"


def test_answers_cannot_be_changed_and_drives_are_left_as_they_were():
    training = learning()
    before = training.copy()
    model = predict_races(training, training)
    pd.testing.assert_frame_equal(training, before)
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.training_odds = True
