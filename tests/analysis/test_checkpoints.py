import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from deepracer_viz.analysis.checkpoints import (
    choose_checkpoint,
    describe_drives,
    fast_laps,
    rank_checkpoints,
)
from deepracer_viz.analysis.intervals import wilson_interval


def drives(*outcomes, checkpoint=0, c0=0, source="official", status="off_track", progress=40.0):
    """Episodes of one checkpoint: a number is a lap time, None a drive that did not finish."""
    complete = [time is not None for time in outcomes]
    return pd.DataFrame(
        {
            "iteration": np.full(len(outcomes), checkpoint - c0, dtype="int32"),
            "checkpoint": np.full(len(outcomes), checkpoint, dtype="int32"),
            "progress": np.where(complete, 100, progress).astype("float32"),
            "complete": np.array(complete, dtype=bool),
            "time": [3.0 if time is None else float(time) for time in outcomes],
            "time_source": source,
            "end_status": np.where(complete, "lap_complete", status),
            "traced": True,
        }
    )


def run(*parts):
    episodes = pd.concat(parts, ignore_index=True)
    numbers = np.arange(len(episodes), dtype="int32")
    return episodes.assign(
        episode=numbers,
        unique_episode=numbers,
        time_source=episodes["time_source"].astype("category"),
        end_status=episodes["end_status"].astype("category"),
    )


def long_run(iterations, per_iteration=20, completion=0.5, seed=7):
    rng = np.random.default_rng(seed)
    times = rng.normal(12, 1, iterations * per_iteration)
    done = rng.random(times.size) < completion
    episodes = run(drives(*times))
    iteration = np.repeat(np.arange(iterations, dtype="int32"), per_iteration)
    return episodes.assign(complete=done, iteration=iteration, checkpoint=iteration)


@pytest.fixture
def four_checkpoints():
    """Checkpoint 4 steady, 5 fast and fragile, 6 worse than 4 in both, 3 without a lap."""
    return run(
        drives(*[None] * 10, checkpoint=3, c0=3, progress=55),
        drives(14, 14.2, 14.4, 14.6, 15, 15, 15, 15, None, None, checkpoint=4, c0=3),
        drives(11, 12, *[None] * 8, checkpoint=5, c0=3),
        drives(14.5, 14.9, 15.1, *[None] * 7, checkpoint=6, c0=3),
    )


class TestRanking:
    def test_known_ranks(self, four_checkpoints):
        table = rank_checkpoints(four_checkpoints)
        assert table["checkpoint"].tolist() == [4, 5, 6, 3]
        assert table["rank"].tolist() == [1, 2, 3, 4]
        assert table["iteration"].tolist() == [1, 2, 3, 0]
        assert table["model_file"].tolist() == ["model_4.pb", "model_5.pb", "model_6.pb", "model_3.pb"]
        assert table["on_frontier"].tolist() == [True, True, False, False]

    def test_figures_of_one_checkpoint(self, four_checkpoints):
        first = rank_checkpoints(four_checkpoints).iloc[0]
        assert (first.episodes, first.laps, first.completion) == (10, 8, 0.8)
        assert (first.completion_low, first.completion_high) == pytest.approx(wilson_interval(8, 10))
        times = [14, 14.2, 14.4, 14.6, 15, 15, 15, 15]
        q1, median, q3 = np.percentile(times, [25, 50, 75])
        assert (first.fastest, first.first_quartile, first["median"]) == pytest.approx((14, q1, median))
        assert first.spread == pytest.approx(q3 - q1)
        assert first.score == pytest.approx(q1 / wilson_interval(8, 10)[0])
        assert first.progress_mean == pytest.approx(0.8 * 100 + 0.2 * 40)
        assert first.time_source == "official"

    def test_without_laps_times_are_missing_and_mean_progress_ranks(self):
        table = rank_checkpoints(
            run(
                drives(None, None, checkpoint=0, progress=20),
                drives(None, None, checkpoint=1, progress=90),
                drives(30, None, None, None, checkpoint=2, progress=1),
            )
        )
        assert table["checkpoint"].tolist() == [2, 1, 0]
        assert table.loc[1:, ["fastest", "first_quartile", "median", "spread", "score"]].isna().all(axis=None)
        assert table["completion"].tolist() == [0.25, 0, 0]
        assert table["time_source"].tolist() == ["official", "", ""]

    def test_one_lap_has_times_and_no_spread(self):
        only = rank_checkpoints(run(drives(12.5, None))).iloc[0]
        assert only.fastest == only.first_quartile == only["median"] == 12.5
        assert np.isnan(only.spread)
        assert only.on_frontier

    def test_equal_checkpoints_are_all_on_the_frontier_and_the_later_comes_first(self):
        table = rank_checkpoints(run(*(drives(12, 13, None, checkpoint=k) for k in range(3))))
        assert table["checkpoint"].tolist() == [2, 1, 0]
        assert table["rank"].tolist() == [1, 2, 3]
        assert table["on_frontier"].all()

    def test_equal_in_one_and_worse_in_the_other_is_beaten(self):
        table = rank_checkpoints(
            run(
                drives(12, 12, None, None, checkpoint=0),
                drives(12, None, None, None, checkpoint=1),  # as fast, finishes less
                drives(12.1, 12.1, None, None, checkpoint=2),  # finishes as often, slower
            )
        )
        assert table.set_index("checkpoint")["on_frontier"].to_dict() == {0: True, 1: False, 2: False}

    def test_frontier_is_the_non_dominated_set_where_drives_are_equal(self):
        table = rank_checkpoints(long_run(60, seed=3)).sort_values("checkpoint")
        time, share = table["first_quartile"].to_numpy(), table["completion"].to_numpy()
        no_worse = (time[:, None] <= time) & (share[:, None] >= share)
        better = (time[:, None] < time) | (share[:, None] > share)
        beaten = (no_worse & better).any(axis=0)
        assert 1 < (~beaten).sum() < 20
        assert table["on_frontier"].tolist() == (~beaten).tolist()

    def test_one_lucky_drive_does_not_beat_many_good_ones(self):
        table = rank_checkpoints(run(drives(*[12.0] * 18, None, None), drives(11.9, checkpoint=1)))
        assert table["checkpoint"].tolist() == [0, 1]
        assert table["on_frontier"].all()

    def test_the_best_score_is_always_on_the_frontier(self):
        rng = np.random.default_rng(5)
        episodes = long_run(40, seed=5)
        table = rank_checkpoints(episodes[rng.random(len(episodes)) < 0.4])
        assert table["episodes"].nunique() > 5
        assert table.loc[table["score"].idxmin(), "rank"] == 1

    def test_drives_known_from_metrics_alone_count(self, four_checkpoints):
        untraced = four_checkpoints.assign(traced=False)
        pd.testing.assert_frame_equal(rank_checkpoints(untraced), rank_checkpoints(four_checkpoints))

    def test_a_drive_that_was_cut_off_counts_neither_way(self):
        whole = run(drives(12, 13, None, checkpoint=4))
        cut = run(
            drives(12, 13, None, checkpoint=4),
            drives(None, checkpoint=4, status="in_progress"),
            drives(None, checkpoint=5, status="in_progress"),
        )
        pd.testing.assert_frame_equal(rank_checkpoints(cut), rank_checkpoints(whole))

    def test_drives_of_unknown_checkpoint_are_left_out(self):
        known = run(drives(12, 13, None, checkpoint=4))
        both = run(drives(12, 13, None, checkpoint=4), drives(9, 9, checkpoint=-1))
        pd.testing.assert_frame_equal(rank_checkpoints(both), rank_checkpoints(known))

    def test_evaluations_are_reported_and_do_not_rank(self, four_checkpoints):
        evaluations = pd.DataFrame(
            {
                "checkpoint": [5, 5, 5, 5, 7],
                "trial": [0, 1, 2, 3, 0],
                "complete": [True, True, False, False, True],
                "end_status": ["lap_complete", "lap_complete", "off_track", "in_progress", "lap_complete"],
            }
        )
        table = rank_checkpoints(four_checkpoints, evaluations)
        assert table["checkpoint"].tolist() == [4, 5, 6, 3]
        assert table["evaluations"].tolist() == [0, 3, 0, 0]
        assert table["evaluation_completion"].iloc[1] == pytest.approx(2 / 3)
        assert table["evaluation_completion"].notna().sum() == 1

    def test_several_attempts(self):
        first = rank_checkpoints(run(drives(12, None, None, None)), attempts=2).iloc[0]
        assert first.finish_in_attempts == pytest.approx(1 - 0.75**2)
        low, high = wilson_interval(1, 4)
        assert first.finish_in_attempts_low == pytest.approx(1 - (1 - low) ** 2)
        assert first.finish_in_attempts_high == pytest.approx(1 - (1 - high) ** 2)
        alone = rank_checkpoints(run(drives(12, None, None, None)), attempts=1).iloc[0]
        assert alone.finish_in_attempts == alone.completion

    def test_target_counts_laps_under_it_among_all_drives(self):
        table = rank_checkpoints(run(drives(11, 12, 12.5, None, None)), target=12, attempts=3)
        assert table["beat_target_n"].iloc[0] == 1  # 12.0 does not beat 12
        assert table["beat_target"].iloc[0] == pytest.approx(0.2)
        assert table["beat_target_in_attempts"].iloc[0] == pytest.approx(1 - 0.8**3)
        low, high = wilson_interval(1, 5)
        assert table["beat_target_low"].iloc[0] == low
        assert table["beat_target_in_attempts_high"].iloc[0] == pytest.approx(1 - (1 - high) ** 3)
        assert "beat_target" not in rank_checkpoints(run(drives(11, 12)))

    @pytest.mark.parametrize("bad", [{"target": 0}, {"target": -1.0}, {"attempts": 0}, {"attempts": 1.5}])
    def test_impossible_questions_are_refused(self, four_checkpoints, bad):
        with pytest.raises(ValueError):
            rank_checkpoints(four_checkpoints, **bad)

    def test_no_drives_give_an_empty_table_of_the_same_columns(self, four_checkpoints):
        table = rank_checkpoints(four_checkpoints.iloc[:0], target=12)
        assert table.empty
        assert list(table) == list(rank_checkpoints(four_checkpoints, target=12))


class TestFastLaps:
    def test_fast_is_at_or_under_the_first_quartile_of_all_laps(self):
        laps = fast_laps(run(drives(10, 11, 12, 13, None), drives(14, checkpoint=1)))
        assert laps.quartile == 11
        assert laps.laps == 5
        assert sorted(laps.marks.loc[laps.marks["fast"], "time"]) == [10, 11]
        assert (laps.marks["laps"] == 1).all()

    def test_mean_and_best_of_the_laps_shown(self):
        table = fast_laps(run(drives(10, 11, 15), drives(16, None, checkpoint=1))).iterations
        fast, everything = table[table["fast_only"]], table[~table["fast_only"]]
        assert fast[["iteration", "laps", "mean", "best"]].to_numpy().tolist() == [[0, 1, 10, 10]]
        assert everything[["iteration", "laps", "mean", "best"]].to_numpy().tolist() == [
            [0, 3, 12, 10],
            [1, 1, 16, 16],
        ]
        assert (table["iteration"] == table["iteration_to"]).all()

    def test_equal_laps_are_all_fast(self):
        laps = fast_laps(run(drives(12, 12, 12)))
        assert laps.marks["fast"].all()

    def test_no_laps(self):
        laps = fast_laps(run(drives(None, None)))
        assert laps.laps == 0
        assert laps.marks.empty and laps.iterations.empty
        assert laps.time_sources == {}

    def test_first_checkpoint(self, four_checkpoints):
        assert fast_laps(four_checkpoints).first_checkpoint == 3
        assert fast_laps(run(drives(12), drives(12, checkpoint=9, c0=5))).first_checkpoint is None

    def test_sources_of_the_times_are_counted(self):
        laps = fast_laps(run(drives(12, 13), drives(14, None, source="estimated", checkpoint=1)))
        assert laps.time_sources == {"official": 2, "estimated": 1}
        assert laps.marks.set_index("time")["time_source"].to_dict() == {
            12: "official",
            13: "official",
            14: "estimated",
        }

    def test_laps_of_unknown_iteration_have_no_mark(self):
        laps = fast_laps(run(drives(12, 13, checkpoint=4), drives(9, checkpoint=7, c0=8)))
        assert laps.laps == 2
        assert laps.quartile == 12.25
        assert laps.time_sources == {"official": 3}

    def test_many_laps_share_marks_and_none_is_lost(self):
        episodes = long_run(10_000)
        laps = fast_laps(episodes)
        complete = episodes[episodes["complete"]]
        assert len(laps.marks) <= 5_000
        assert len(laps.iterations) <= 600
        assert laps.marks["laps"].sum() == laps.laps == len(complete)
        fast = laps.marks[laps.marks["fast"]]
        assert fast["laps"].sum() == (complete["time"] <= laps.quartile).sum()
        assert laps.marks["time"].min() == complete["time"].min()
        own = complete.set_index("unique_episode").loc[laps.marks["unique_episode"]]
        assert (own["time"].to_numpy() == laps.marks["time"].to_numpy()).all()
        assert (own["iteration"].to_numpy() == laps.marks["iteration"].to_numpy()).all()

    def test_blocks_of_iterations_hold_every_lap_once(self):
        episodes = long_run(1_000)
        table = fast_laps(episodes).iterations.query("not fast_only")
        complete = episodes[episodes["complete"]]
        assert table["laps"].sum() == len(complete)
        assert (table["iteration_to"] >= table["iteration"]).all()
        assert (table["iteration"].to_numpy()[1:] > table["iteration_to"].to_numpy()[:-1]).all()
        block = complete[complete["iteration"].between(*table.iloc[5][["iteration", "iteration_to"]])]
        assert table.iloc[5]["mean"] == pytest.approx(block["time"].mean())
        assert table.iloc[5]["best"] == block["time"].min()

    def test_many_equal_laps_in_one_iteration(self):
        laps = fast_laps(run(drives(*[12.0] * 9_000)))
        assert len(laps.marks) == 1
        assert laps.marks["laps"].iloc[0] == 9_000


class TestVerdict:
    def test_names_the_checkpoint_and_its_numbers(self, four_checkpoints):
        said = choose_checkpoint(four_checkpoints).verdict
        assert said.startswith("Race checkpoint 4 (model_4.pb): 8 of 10 drives finished (80 %, ")
        assert "95 % interval 49 % to 94 %" in said
        assert "14.35 s or better" in said
        assert "drove iteration 1; what training makes of those drives is checkpoint 5" in said

    def test_overlapping_intervals_are_said(self, four_checkpoints):
        said = choose_checkpoint(four_checkpoints).verdict
        assert "Checkpoint 5 comes next: faster (11.25 s) and finished less often (2 of 10 drives)" in said
        assert "overlap" in said

    def test_intervals_apart_are_not_called_overlapping(self):
        said = choose_checkpoint(
            run(drives(*[12.0] * 20), drives(11, 11, *[None] * 18, checkpoint=1))
        ).verdict
        assert "Checkpoint 1 comes next" in said
        assert "overlap" not in said

    def test_few_laps_are_said(self):
        said = choose_checkpoint(run(drives(12, *[None] * 9))).verdict
        assert said.startswith("Best so far is checkpoint 0")
        assert "1 lap of it is too few to rely on" in said
        assert "too few" not in choose_checkpoint(run(drives(*[12.0] * 5))).verdict

    def test_no_laps(self):
        said = choose_checkpoint(
            run(drives(None, None, progress=20), drives(None, None, checkpoint=1, progress=31.4)), target=12
        ).verdict
        assert said.startswith("None of 4 drives finished a lap. Checkpoint 1 came furthest, 31 %")
        assert "n = 2" in said

    @pytest.mark.parametrize("checkpoint", [0, -1])
    def test_nothing_to_choose_from(self, checkpoint):
        episodes = run(drives(12, 13, checkpoint=checkpoint))
        choice = choose_checkpoint(episodes if checkpoint < 0 else episodes.iloc[:0], target=12)
        assert choice.ranking.empty
        assert "nothing to choose from" in choice.verdict

    def test_mixed_clocks_are_said(self):
        mixed = run(drives(12, 13, 14), drives(14, source="wall clock", checkpoint=1))
        assert "different clocks (3 official, 1 wall clock)" in choose_checkpoint(mixed).verdict
        official = run(drives(12, 13, 14), drives(14, checkpoint=1))
        assert "clock" not in choose_checkpoint(official).verdict
        estimated = run(drives(12, 13, source="estimated"))
        assert "No lap time is official (all: estimated)." in choose_checkpoint(estimated).verdict

    def test_target(self, four_checkpoints):
        said = choose_checkpoint(four_checkpoints, target=12.5, attempts=3).verdict
        assert "2 of 10 drives of checkpoint 5 beat 12.50 s, which makes 49 % in 3 attempts" in said
        assert "checkpoint 4 did it 0 of 10 times" in said
        said = choose_checkpoint(four_checkpoints, target=14.1).verdict
        assert "2 of 10 drives of checkpoint 5 beat 14.10 s" in said
        assert "None of 40 drives beat 9.00 s" in choose_checkpoint(four_checkpoints, target=9).verdict

    def test_equal_chances_against_the_target_name_the_first(self):
        episodes = run(drives(12, 13, 13, None), drives(12.1, 14, 14, None, checkpoint=1))
        said = choose_checkpoint(episodes, target=12.5).verdict
        assert "1 of 4 drives of checkpoint 0 beat 12.50 s" in said
        assert "did it" not in said

    def test_certainty_is_not_claimed(self):
        said = choose_checkpoint(run(drives(*[12.0] * 19, None)), target=13, attempts=3).verdict
        assert "over 99 % in 3 attempts" in said

    def test_evaluations_of_the_first(self, four_checkpoints):
        evaluations = drives(13, 13, 13, None, checkpoint=4)
        assert "it finished 3 of 4" in choose_checkpoint(four_checkpoints, evaluations).verdict

    def test_unknown_iteration_is_not_named(self):
        said = choose_checkpoint(run(drives(12, 13, 14, 15, 16, checkpoint=7, c0=8))).verdict
        assert "Race checkpoint 7" in said
        assert "iteration" not in said

    @pytest.mark.parametrize("outcomes", [(12,), (None,), (12, None), (12, 12)])
    def test_no_verdict_shows_a_missing_number(self, outcomes):
        for target in (None, 12.5):
            assert "nan" not in choose_checkpoint(run(drives(*outcomes)), target=target).verdict


def test_answers_cannot_be_changed(four_checkpoints):
    choice = choose_checkpoint(four_checkpoints)
    with pytest.raises(dataclasses.FrozenInstanceError):
        choice.verdict = ""
    with pytest.raises(dataclasses.FrozenInstanceError):
        choice.laps.quartile = 0.0


def test_input_is_left_as_it_was(four_checkpoints):
    before = four_checkpoints.copy()
    choose_checkpoint(four_checkpoints, four_checkpoints, target=12)
    pd.testing.assert_frame_equal(four_checkpoints, before)


@pytest.fixture(scope="module")
def metrics_episodes(real_logs):
    """Training episodes and checkpoint evaluations of a real job, from its metrics file."""
    path = real_logs / "drfc-one-worker" / "metrics" / "TrainingMetrics.json"
    drives = pd.DataFrame(json.loads(path.read_text())["metrics"])
    drives["checkpoint"] = (drives["episode"] - 1) // 20
    table = drives.assign(
        iteration=drives["checkpoint"],
        episode=drives["episode"] - 1,
        unique_episode=drives["episode"] - 1,
        progress=drives["completion_percentage"].astype("float32"),
        complete=drives["episode_status"] == "Lap complete",
        time=drives["elapsed_time_in_milliseconds"] / 1000,
        time_source="official",
        end_status=drives["episode_status"].str.lower().str.replace(" ", "_"),
    )
    return table[table["phase"] == "training"], table[table["phase"] == "evaluation"]


def test_real_job(metrics_episodes):
    episodes, evaluations = metrics_episodes
    choice = choose_checkpoint(episodes, evaluations, target=13)
    table = choice.ranking.set_index("checkpoint")
    assert table["episodes"].sum() == 541
    assert table["laps"].sum() == choice.laps.laps == 42
    assert table["episodes"].loc[:26].eq(20).all() and table.loc[27, "episodes"] == 1
    assert table["evaluations"].sum() == len(evaluations) == 59
    assert table["fastest"].min() == table.loc[19, "fastest"] == 12.276
    assert choice.laps.quartile == pytest.approx(13.25725)
    assert choice.laps.marks["fast"].sum() == 11
    assert table.index[:5].tolist() == [22, 25, 20, 18, 19]
    assert table["on_frontier"].sum() == 5
    assert table["beat_target_n"].sum() == (episodes["complete"] & (episodes["time"] < 13)).sum() == 6
    assert choice.verdict.startswith("Race checkpoint 22 (model_22.pb): 8 of 20 drives finished (40 %")


class TestDescribeDrives:
    def test_names_numbers_and_their_interval(self):
        said = describe_drives(run(drives(12.5, 13.5, 14.5, None)))
        low, high = wilson_interval(3, 4)
        assert "3 of 4 drives finished (75 %" in said
        assert f"{low:.0%}".rstrip("%") in said
        assert f"{high:.0%}".rstrip("%") in said
        assert "12.50 s" in said
        assert "13.50 s" in said

    def test_without_a_lap(self):
        said = describe_drives(run(drives(None, None)))
        assert said.startswith("0 of 2 drives finished")
        assert said.endswith(").")
