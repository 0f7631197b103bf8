"""Rows of single files become clean streams; files that tell of the same drives are united."""

import io

import numpy as np
import pandas as pd
import pytest

from deepracer_viz.logs.contents import read_contents
from deepracer_viz.logs.report import ReadReport
from deepracer_viz.logs.sources import Members
from deepracer_viz.logs.steps import read_step_log
from deepracer_viz.logs.streams import (
    UNKNOWN,
    StepStream,
    agree,
    drives_like_evaluation,
    mend,
    streams_of,
    unite,
)
from tests.step_lines import as_vintage, csv, drive, lines, log


def table(data: bytes) -> pd.DataFrame:
    return read_step_log(io.BytesIO(data)).steps


def steps(**options) -> pd.DataFrame:
    return table(log(drive(**options)))


def streams(*files: tuple[str, bytes]) -> tuple[list[StepStream], ReadReport]:
    report = ReadReport()
    contents = read_contents(Members([(name, io.BytesIO(data)) for name, data in files]), report)
    return streams_of(contents, report), report


def stream(rows: pd.DataFrame, name: str = "a", from_csv: bool = False) -> StepStream:
    extra = {"iteration": np.int32(UNKNOWN), "checkpoint": np.int32(UNKNOWN)}
    return StepStream(name, "training", 0, None, rows.assign(**extra), from_csv)


def increasing(rows: pd.DataFrame) -> bool:
    key = rows["episode"].to_numpy() * 100_000 + rows["steps"].to_numpy()
    return bool((np.diff(key) > 0).all())


# ------------------------------------------------------------------------------------------------- mending


def test_rows_in_order_stay_untouched():
    report, rows = ReadReport(), steps(episodes=5)
    assert mend(rows, "a", report) is rows
    assert (report.reordered, report.duplicates, report.dummy_rows, report.warnings) == (0, 0, 0, [])


def test_shuffled_exports_are_put_in_order():
    report, rows = ReadReport(), steps(episodes=5)
    shuffled = rows.iloc[::-1].reset_index(drop=True)
    pd.testing.assert_frame_equal(mend(shuffled, "a", report), rows)
    assert report.reordered == len(rows) - 1
    swapped = rows.iloc[[0, 2, 1, *range(3, len(rows))]].reset_index(drop=True)
    report = ReadReport()
    pd.testing.assert_frame_equal(mend(swapped, "a", report), rows)
    assert report.reordered == 1 and not report.warnings


def test_exact_duplicates_are_dropped():
    report, rows = ReadReport(), steps(episodes=5)
    doubled = pd.concat([rows, rows.iloc[7:10]], ignore_index=True)
    pd.testing.assert_frame_equal(mend(doubled, "a", report), rows)
    assert report.duplicates == 3 and not report.warnings


@pytest.mark.parametrize("dummies", [1, 2])
def test_the_dummy_start_of_2019_is_dropped(dummies):
    drives = as_vintage(drive(3), "2019").assign(steps=lambda t: t["steps"] - 1)
    start = drives.iloc[:dummies].assign(
        tstamp=drives["tstamp"].iloc[0] - 5 + np.arange(dummies), progress=0.0
    )
    report = ReadReport()
    mended = mend(table(log(pd.concat([start, drives]), "2019")), "a", report)
    pd.testing.assert_frame_equal(mended, table(log(drives, "2019")))
    assert report.dummy_rows == dummies and report.duplicates == 0 and not report.warnings


def test_rows_of_2019_swapped_in_time_are_put_in_order():
    drives = as_vintage(drive(2), "2019")
    rows = table(log(drives.iloc[[0, 1, 3, 2, *range(4, len(drives))]], "2019"))
    assert mend(rows, "a", ReadReport())["tstamp"].is_monotonic_increasing


def test_joined_jobs_are_numbered_on_and_said():
    report = ReadReport()
    first, second = steps(episodes=4), steps(episodes=3, begins=500.0, length=7)
    mended = mend(pd.concat([first, second], ignore_index=True), "two.log", report)
    assert increasing(mended)
    assert mended.groupby("episode").size().tolist() == [10] * 4 + [7] * 3
    assert report.dummy_rows == 0
    assert "two.log" in report.warnings[0] and "1 time(s)" in report.warnings[0]


def test_joined_jobs_in_an_export_with_the_newest_first():
    both = pd.concat([as_vintage(drive(4), "2020"), as_vintage(drive(3, begins=500.0, length=7), "2020")])
    mended = mend(table(log(both[::-1], "2020")), "a", ReadReport())
    assert increasing(mended)
    assert mended.groupby("episode").size().tolist() == [10] * 4 + [7] * 3


def test_a_garbled_episode_number_starts_no_new_job():
    rows = steps(episodes=6)
    rows.loc[50, "episode"] = 0
    assert rows.loc[50, "steps"] == 1
    report = ReadReport()
    mended = mend(rows, "a", report)
    assert len(mended) == len(rows) - 1
    assert mended["episode"].max() == 5
    assert "twice with different values" in report.warnings[0]


# ------------------------------------------------------------------------------------------- jobs and workers


def test_the_way_of_driving_tells_an_evaluation():
    training = steps(episodes=4, laps=(1, 3))
    assert not drives_like_evaluation(training)
    assert not drives_like_evaluation(training[:0])
    put_back = training.assign(
        episode_status=training["episode_status"].where(training.index != 5, "off_track")
    )
    assert drives_like_evaluation(put_back)
    pause = training.assign(episode_status=training["episode_status"].where(training.index != 5, "pause"))
    assert drives_like_evaluation(pause)


def test_a_continuous_race_is_told_by_its_running_step_counter():
    race = steps(episodes=3, laps=(0, 1, 2))
    race = race.assign(steps=np.arange(1, len(race) + 1, dtype="int32"))
    assert drives_like_evaluation(race)
    # One pair of episodes that happens to fit makes no race of a training.
    training = steps(episodes=6)
    training = training[~((training["episode"] == 1) & (training["steps"] < 7))]
    training = training[~((training["episode"] == 0) & (training["steps"] > 6))]
    assert not drives_like_evaluation(training)


@pytest.mark.parametrize(
    ("folder", "job"),
    [
        ("sim-trace/training/training-simtrace", "training"),
        ("training-simtrace", "training"),
        ("evaluation-20220709200242/evaluation-simtrace", "evaluation"),
        ("my-training/evaluation", "evaluation"),
        ("evaluations/then/Training-simtrace", "training"),
        ("", None),
        ("models/mine", None),
    ],
)
def test_job_by_the_innermost_folder_that_tells(folder, job):
    found, _ = streams((f"{folder}/0-iteration.csv", csv(drive())))
    assert found[0].job == job


@pytest.mark.parametrize(
    ("type_", "job"), [("TRAINING", "training"), ("EVALUATION", "evaluation"), ("LEADERBOARD", "evaluation")]
)
def test_job_by_the_log_s_word(type_, job):
    found, _ = streams(("a.log", f"{{'WORLD_NAME': 'a', 'JOB_TYPE': '{type_}'}}\n".encode() + log(drive())))
    assert found[0].job == job


def test_job_unknown_where_a_log_says_nothing():
    assert streams(("training.log", log(drive())))[0][0].job is None


@pytest.mark.parametrize(
    ("folder", "worker"),
    [
        ("0/training-simtrace", 0),
        ("a/11/training-simtrace", 11),
        ("3", 3),
        ("training-simtrace", None),
        ("a12", None),
    ],
)
def test_worker_by_the_folder(folder, worker):
    assert streams((f"{folder}/0-iteration.csv", csv(drive())))[0][0].worker == worker


def test_csv_files_of_a_folder_are_one_stream_in_the_order_of_their_numbers():
    files = [
        (f"training-simtrace/{n}-iteration.csv", csv(drive(2, first=2 * n, begins=9.0 * n)))
        for n in (10, 9, 2)
    ]
    found, report = streams(*files)
    assert len(found) == 1 and increasing(found[0].steps)
    assert found[0].steps.groupby("episode")["iteration"].first().to_dict() == {
        4: 2,
        5: 2,
        18: 9,
        19: 9,
        20: 10,
        21: 10,
    }
    assert report.reordered == 0


def test_files_that_do_not_follow_one_another_are_streams_of_their_own():
    found, report = streams(
        ("1-iteration.csv", csv(drive(2, first=2))),
        ("0-iteration.csv", csv(drive(2))),
        ("race.csv", csv(drive(3, begins=77.0))),
        ("0-iteration.csv", csv(drive(2, begins=50.0))),
    )
    assert [(s.part, s.steps["tstamp"].iloc[0]) for s in found] == [(0, 10), (1, 50), (0, 10), (0, 77)]
    assert [s.steps["iteration"].iloc[0] for s in found] == [0, 0, 1, UNKNOWN]
    assert not report.warnings
    whole, _ = streams(("1-iteration.csv", csv(drive(2, first=2))), ("0-iteration.csv", csv(drive(2))))
    assert [s.part for s in whole] == [None]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("evaluation-20220709200242/evaluation-simtrace/0-iteration.csv", "evaluation-20220709200242"),
        ("evaluation-simtrace/0-iteration.csv", "evaluation-simtrace"),
        ("race.csv", "race"),
    ],
)
def test_streams_are_named_after_their_folder(path, name):
    assert streams((path, csv(drive())))[0][0].name == name


def test_streams_are_named_after_their_log():
    assert streams(("x/2026-eval-simulation.log", log(drive())))[0][0].name == "2026-eval-simulation"


# --------------------------------------------------------------------------------------- checkpoints loaded


def with_restores(rows: list[str], every: int, first: int) -> list[str]:
    out = []
    for i, row in enumerate(rows):
        if i % every == 0:
            out.append(
                f"Checkpoint> Restoring from path=./checkpoint/agent/{first + i // every}_Step-{i}.ckpt"
            )
        out.append(row)
    return out


def test_each_step_knows_the_checkpoint_loaded_before_it():
    rows = with_restores(lines(drive(6)), every=20, first=7)
    rows.insert(1, "Checkpoint> Restoring from path=./pretrained_checkpoint/agent/6_Step-99.ckpt")
    # Lines that cannot be read must not shift the others.
    rows[3:3] = ["SIM_TRACE_LOG: keys"] * 30
    found, _ = streams(("a.log", "\n".join(rows).encode() + b"\n"))
    assert found[0].steps.groupby("episode")["checkpoint"].agg(["min", "max"]).to_numpy().tolist() == [
        [n, n] for n in (7, 7, 8, 8, 9, 9)
    ]


def test_in_an_export_with_the_newest_first_the_place_of_a_line_tells_nothing():
    rows = with_restores(lines(drive(6)), every=20, first=7)[::-1]
    found, report = streams(("a.csv", "\n".join(rows).encode() + b"\n"))
    checkpoint = found[0].steps.groupby("episode")["checkpoint"].max()
    assert checkpoint.to_dict() == {0: 7, **dict.fromkeys(range(1, 6), UNKNOWN)}
    assert report.reordered == 59


# ------------------------------------------------------------------------------------------------- uniting


def test_log_and_csv_of_one_job_are_united_and_a_step_counts_once():
    drives = drive(6)
    exact = drives.assign(x=drives["x"] + 3e-5)
    in_log, in_csv = drives[drives["episode"] >= 1], exact[exact["episode"] <= 4]
    report = ReadReport()
    from_log = stream(table(log(in_log)), "log")
    from_csv = stream(
        table(log(drives)).assign(x=np.float32(exact["x"]))[lambda t: t["episode"] <= 4], "csv", True
    )
    for order in ([from_log, from_csv], [from_csv, from_log]):
        report = ReadReport()
        united = unite(order, report)
        assert len(united.steps) == len(drives) and increasing(united.steps)
        np.testing.assert_array_equal(united.steps["x"][: len(in_csv)], from_csv.steps["x"])
        assert (report.only_in_log, report.only_in_csv, report.differing) == (10, 10, 0)
        assert report.duplicates == 0 and not report.warnings


def test_steps_on_which_log_and_csv_differ_are_counted():
    rows = steps(episodes=4)
    moved = rows.assign(y=rows["y"].where(rows.index != 3, 9.0))
    report = ReadReport()
    united = unite([stream(rows, "log"), stream(moved, "csv", True)], report)
    assert report.differing == 1
    assert united.steps.loc[3, "y"] == 9.0


def test_csv_steps_take_over_the_checkpoint_that_the_log_tells():
    rows = steps(episodes=2)
    told = stream(rows)
    told = StepStream("log", "training", 0, None, told.steps.assign(checkpoint=np.int32(9)), False)
    united = unite([stream(rows[rows["episode"] == 0], "csv", True), told], ReadReport())
    assert (united.steps["checkpoint"] == 9).all()


def test_parts_of_one_log_are_joined():
    rows = steps(episodes=4)
    parts = [stream(rows[rows["episode"] < 2], "1"), stream(rows[rows["episode"] >= 2], "2")]
    report = ReadReport()
    assert len(unite(parts, report).steps) == len(rows)
    assert not report.warnings and not report.duplicates


def test_the_same_log_twice_counts_once():
    rows = steps(episodes=4)
    report = ReadReport()
    assert len(unite([stream(rows), stream(rows, "copy")], report).steps) == len(rows)
    assert report.duplicates == len(rows)


def test_another_job_is_left_out_and_named():
    report = ReadReport()
    one, other = stream(steps(episodes=6), "one"), stream(steps(episodes=5, begins=77.0), "other")
    assert not agree(one, other) and agree(one, one)
    assert len(unite([one, other], report).steps) == len(one.steps)
    assert "other describes another job than one (50 of 50" in report.warnings[0]
