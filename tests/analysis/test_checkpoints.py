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
from deepracer_viz.analysis.races import RaceFormat, predict_races


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
        table = rank_checkpoints(four_checkpoints).set_index("checkpoint")
        assert table.loc[5, "rank"] == 1  # in three attempts the fast one gets round often enough
        assert table.loc[4, "rank"] < table.loc[6, "rank"]  # which is worse in both
        assert table["iteration"].to_dict() == {3: 0, 4: 1, 5: 2, 6: 3}
        assert table.loc[4, "model_file"] == "model_4.pb"
        assert rank_checkpoints(four_checkpoints, target=15.5, attempts=1)["checkpoint"].iloc[0] == 4

    def test_ranks_by_the_chance_to_win(self, four_checkpoints):
        for race in (RaceFormat(target=14.0), RaceFormat("mean of laps"), RaceFormat("total time")):
            table = rank_checkpoints(four_checkpoints, race=race)
            assert table["win_chance"].is_monotonic_decreasing
            assert table["rank"].tolist() == [1, 2, 3, 4]
            assert (table["win_low"] <= table["win_chance"]).all()
            assert (table["win_chance"] <= table["win_high"]).all()

    def test_figures_of_one_checkpoint(self, four_checkpoints):
        table = rank_checkpoints(four_checkpoints)
        first = table[table["checkpoint"] == 4].iloc[0]
        assert (first.episodes, first.laps, first.completion) == (10, 8, 0.8)
        assert (first.completion_low, first.completion_high) == pytest.approx(wilson_interval(8, 10))
        times = [14, 14.2, 14.4, 14.6, 15, 15, 15, 15]
        q1, median, q3 = np.percentile(times, [25, 50, 75])
        assert (first.fastest, first.first_quartile, first["median"]) == pytest.approx((14, q1, median))
        assert first.spread == pytest.approx(q3 - q1)
        assert first.progress_mean == pytest.approx(0.8 * 100 + 0.2 * 40)
        assert first.time_source == "official"

    def test_the_race_model_of_the_same_drives_gives_the_same_table(self, four_checkpoints):
        model = predict_races(four_checkpoints)
        pd.testing.assert_frame_equal(
            rank_checkpoints(four_checkpoints, model=model), rank_checkpoints(four_checkpoints)
        )

    def test_without_any_lap_the_chance_to_finish_ranks(self):
        table = rank_checkpoints(
            run(
                drives(*[None] * 9, checkpoint=0, progress=20), drives(*[None] * 9, checkpoint=1, progress=90)
            ),
            target=12,
        )
        assert table["checkpoint"].tolist() == [1, 0]
        assert table[["win_chance", "lap_time", "result", "fastest"]].isna().all(axis=None)
        assert table["why"].tolist() == ["", ""]
        assert not table["on_frontier"].any()

    def test_one_lap_has_times_and_no_spread(self):
        only = rank_checkpoints(run(drives(12.5, None))).iloc[0]
        assert only.fastest == only.first_quartile == only["median"] == 12.5
        assert np.isnan(only.spread)
        assert only.on_frontier

    def test_frontier_is_the_non_dominated_set(self):
        table = rank_checkpoints(long_run(60, seed=3))
        time, share = table["lap_time"].to_numpy(), table["finish_chance"].to_numpy()
        no_worse = (time[:, None] <= time) & (share[:, None] >= share)
        better = (time[:, None] < time) | (share[:, None] > share)
        beaten = (no_worse & better).any(axis=0)
        assert 1 <= (~beaten).sum() < 30
        assert table["on_frontier"].tolist() == (~beaten).tolist()

    def test_evaluations_change_the_rank(self, four_checkpoints):
        fast_fails = run(drives(*[None] * 10, checkpoint=5, progress=20), drives(*[14.5] * 10, checkpoint=4))
        table = rank_checkpoints(four_checkpoints, fast_fails)
        assert table["checkpoint"].iloc[0] == 4
        table = table.set_index("checkpoint")
        assert table["evaluations"].to_dict() == {4: 10, 5: 10, 3: 0, 6: 0}
        assert table.loc[4, "evaluation_completion"] == 1
        assert table["evaluation_laps"].sum() == 10
        assert table["evaluation_completion"].notna().sum() == 2

    def test_reasons_of_the_first_three(self):
        evaluations = run(
            drives(*[14.0] * 10, checkpoint=0),
            drives(*[12.0] * 3, *[None] * 7, checkpoint=20),
        )
        training = run(drives(*[14.0] * 20, checkpoint=0), drives(*[12.0] * 6, *[None] * 14, checkpoint=20))
        table = rank_checkpoints(training, evaluations, attempts=5).set_index("checkpoint")
        assert table.loc[0, "why"].startswith("Steady")
        assert table.loc[20, "why"].startswith("Fast but fragile")
        assert "(3 of 10 evaluation drives finished)" in table.loc[20, "why"]

    @pytest.mark.parametrize(
        ("training", "said"),
        [
            ({0: (14, 20), 1: (14, 20), 2: (14, 20)}, ["Steady: ", "Steady: ", "Steady: "]),
            ({0: (14, 20)}, ["Steady: "]),
            ({0: (14, 4), 1: (14, 4)}, ["Fragile: ", "Fragile: "]),
            ({0: (12, 1), 1: (14, 20)}, ["Steady: ", "Hardly ever finishes: "]),
            ({0: (12, 20), 1: (14, 20), 2: (14, 20)}, ["Fast and steady: ", "Steady but slower: "]),
        ],
    )
    def test_reasons_call_no_checkpoint_what_it_is_not(self, training, said):
        drives_of = [
            drives(*[time] * laps, *[None] * (20 - laps), checkpoint=number)
            for number, (time, laps) in training.items()
        ]
        table = rank_checkpoints(run(*drives_of), run(*drives_of))
        reasons = table["why"].tolist()
        assert [why[: len(start)] for why, start in zip(reasons, said, strict=False)] == said

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

    def test_target_counts_laps_under_it_among_all_drives(self):
        table = rank_checkpoints(run(drives(11, 12, 12.5, None, None)), target=12)
        assert table["beat_target_n"].iloc[0] == 1  # 12.0 does not beat 12
        assert table["beat_target"].iloc[0] == pytest.approx(0.2)
        assert table["beat_target_low"].iloc[0] == wilson_interval(1, 5)[0]
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
    def test_names_the_checkpoint_its_chance_and_the_race(self, four_checkpoints):
        choice = choose_checkpoint(four_checkpoints, target=14.1)
        first = choice.ranking.iloc[0]
        assert choice.verdict.startswith(
            f"Submit checkpoint {first.checkpoint}: {100 * first.win_chance:.0f} % ("
        )
        assert "to beat 14.10 s in 3 attempts." in choice.verdict
        assert first.why in choice.verdict
        assert f"drove iteration {first.iteration}" in choice.verdict

    def test_without_a_target_it_is_the_fastest_of_its_own(self, four_checkpoints):
        said = choose_checkpoint(four_checkpoints).verdict
        assert "to be the fastest of this run's 4 checkpoints in 3 attempts" in said
        assert "to finish in 3 attempts" in choose_checkpoint(run(drives(12, None))).verdict

    def test_training_odds_are_called_so(self, four_checkpoints):
        assert "(training odds)" in choose_checkpoint(four_checkpoints).verdict
        evaluated = choose_checkpoint(four_checkpoints, run(drives(14, 14, checkpoint=4)))
        assert "training odds" not in evaluated.verdict
        assert not evaluated.training_odds
        failed = choose_checkpoint(four_checkpoints, run(drives(None, None, checkpoint=4)))
        assert "No evaluation drive finished" in failed.verdict

    def test_choice_in_other_races(self, four_checkpoints):
        choice = choose_checkpoint(four_checkpoints)
        assert choice.formats["kind"].tolist() == ["best lap", "mean of laps", "total time"]
        assert choice.formats["checkpoint"].iloc[0] == choice.ranking["checkpoint"].iloc[0]
        assert f"checkpoint {choice.formats['checkpoint'].iloc[2]} on the total of 3 laps" in choice.verdict
        total = choose_checkpoint(four_checkpoints, race=RaceFormat("total time", penalty=30))
        assert total.race.kind == "total time"
        assert "on the total of 3 laps with 30 s per off-track" in total.verdict

    def test_what_aws_marks(self, four_checkpoints):
        first = choose_checkpoint(four_checkpoints).ranking["checkpoint"].iloc[0]
        assert (
            f"AWS marks checkpoint {first} as its best too"
            in choose_checkpoint(four_checkpoints, best=first).verdict
        )
        said = choose_checkpoint(four_checkpoints, best=4, last=7).verdict
        assert "AWS's best, checkpoint 4, ranks " in said
        assert "finishes more often" in said and "s a lap slower" in said
        assert "AWS's last, checkpoint 7, has no drives among these" in said

    def test_what_aws_marks_twice_is_told_once(self, four_checkpoints):
        first = choose_checkpoint(four_checkpoints).ranking["checkpoint"].iloc[0]
        for number in (first, 4, 7):
            said = choose_checkpoint(four_checkpoints, best=number, last=number).verdict
            assert said.count("AWS marks") + said.count("AWS's") == 1
            assert "best and last" in said

    def test_nothing_is_submitted_that_hardly_ever_finishes(self):
        evaluations = run(*(drives(*[None] * 10, progress=30, checkpoint=number) for number in (0, 1)))
        training = run(drives(15, *[None] * 29, progress=30), drives(*[None] * 30, progress=30, checkpoint=1))
        choice = choose_checkpoint(training, evaluations)
        assert choice.ranking["finish_chance"].max() < 0.1
        assert choice.verdict.startswith("No checkpoint is fit to race: the best of them, checkpoint ")
        assert "Submit" not in choice.verdict

    def test_a_target_out_of_reach(self, four_checkpoints):
        said = choose_checkpoint(four_checkpoints, target=5.0).verdict
        assert said.startswith("No checkpoint is likely to beat 5.00 s in 3 attempts")
        assert "Train on for pace" in said

    def test_close_ones_are_called_close(self):
        said = choose_checkpoint(
            run(drives(12, 13, 13, None), drives(12.1, 13, 14, None, checkpoint=1))
        ).verdict
        assert "too close for these drives to tell apart" in said

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
        assert choice.ranking.empty and choice.formats.empty
        assert "nothing to choose from" in choice.verdict

    def test_mixed_clocks_are_said(self):
        mixed = run(drives(12, 13, 14), drives(14, source="wall clock", checkpoint=1))
        assert "different clocks (3 official, 1 wall clock)" in choose_checkpoint(mixed).verdict
        official = run(drives(12, 13, 14), drives(14, checkpoint=1))
        assert "clock" not in choose_checkpoint(official).verdict
        estimated = run(drives(12, 13, source="estimated"))
        assert "No training lap time is official (all: estimated)." in choose_checkpoint(estimated).verdict

    def test_unknown_iteration_is_not_named(self):
        said = choose_checkpoint(run(drives(12, 13, 14, 15, 16, checkpoint=7, c0=8))).verdict
        assert "Submit checkpoint 7" in said
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
    assert table.drop(index=27)["episodes"].eq(20).all() and table.loc[27, "episodes"] == 1
    assert table["evaluations"].sum() == len(evaluations) == 59
    assert table["fastest"].min() == table.loc[19, "fastest"] == 12.276
    assert choice.laps.quartile == pytest.approx(13.25725)
    assert choice.laps.marks["fast"].sum() == 11
    assert (
        table["finish_chance"].loc[[23, 24, 25, 26]].min()
        > 0.7
        > 0.1
        > table["finish_chance"].loc[[0, 1, 2, 3]].max()
    )
    assert table["beat_target_n"].sum() == (episodes["complete"] & (episodes["time"] < 13)).sum() == 6
    assert table.index[0] in range(15, 22)  # its fastest laps in training and evaluation
    assert choice.verdict.startswith(f"Submit checkpoint {table.index[0]}: ")


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
