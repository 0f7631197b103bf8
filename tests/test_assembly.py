"""Streams and metrics become numbered tables of training and evaluation drives."""

import io
import json

import numpy as np
import pandas as pd
import pytest

from deepracer_viz import assembly
from deepracer_viz.assembly import (
    USUAL_EPISODES_PER_ITERATION,
    Numbering,
    by_worker,
    checkpoint_evaluations,
    evaluation_tables,
    match_metrics,
    numbering_of,
    put_together,
    settle_jobs,
    training_tables,
)
from deepracer_viz.logs.metadata import MetricsFile, read_metrics
from deepracer_viz.logs.report import ReadReport
from deepracer_viz.logs.steps import read_step_log
from deepracer_viz.logs.streams import UNKNOWN, StepStream
from deepracer_viz.logs.trainer import read_trainer_log
from tests.step_lines import drive, log

NO_TRAINER = read_trainer_log(b"")


def stream(
    table: pd.DataFrame,
    name: str = "a",
    job: str | None = "training",
    worker: int | None = None,
    part: int | None = None,
    from_csv: bool = False,
    iteration: int | None = None,
    checkpoint: int | None = None,
) -> StepStream:
    """Make a stream; ``iteration`` and ``checkpoint`` are episodes in each, when the file tells them."""
    steps = read_step_log(io.BytesIO(log(table))).steps
    number = steps["episode"].to_numpy()
    steps = steps.assign(
        iteration=np.int32(UNKNOWN) if iteration is None else (number // iteration).astype("int32"),
        checkpoint=np.int32(UNKNOWN) if checkpoint is None else (7 + number // checkpoint).astype("int32"),
    )
    return StepStream(name, job, worker, part, steps, from_csv)


def training_metrics(
    table: pd.DataFrame, name: str = "training.json", extra=(), evaluations=()
) -> MetricsFile:
    """Make the metrics of drives: true times, a little off; ``extra`` are episodes without steps."""
    entries = []
    for episode, rows in table.groupby("episode"):
        driven = rows["tstamp"].iloc[-1] - rows["tstamp"].iloc[0]
        entries.append(entry("training", episode + 1, driven + 0.07, rows["progress"].iloc[-1]))
    entries += [entry("training", episode + 1, 9.0, 100) for episode in extra]
    entries += [entry("evaluation", after, 12.0, progress) for after, progress in evaluations]
    return read_metrics(json.dumps({"metrics": entries, "version": "1"}).encode(), name)


def entry(phase: str, episode: int, time: float, progress: float) -> dict:
    return {
        "phase": phase,
        "episode": int(episode),
        "trial": 1,
        "completion_percentage": int(progress),
        "elapsed_time_in_milliseconds": round(time * 1000),
        "start_time": 1000,
        "reward_score": 5,
        "episode_status": "Lap complete" if progress >= 100 else "Off track",
    }


def evaluation_metrics(table: pd.DataFrame, name: str = "evaluation.json") -> MetricsFile:
    entries = []
    for number, (_, rows) in enumerate(table.groupby("episode")):
        driven = rows["tstamp"].iloc[-1] - rows["tstamp"].iloc[0]
        one = entry("", 0, driven + 0.07, rows["progress"].iloc[-1])
        entries.append(
            {k: v for k, v in one.items() if k not in ("phase", "episode")} | {"trial": number + 1}
        )
    return read_metrics(json.dumps({"metrics": entries}).encode(), name)


def numbers(training, workers=1, hyperparameters=None, trainer=NO_TRAINER) -> tuple[Numbering, ReadReport]:
    report = ReadReport()
    return numbering_of(dict(enumerate(training)), workers, hyperparameters, trainer, report), report


# ---------------------------------------------------------------------------------------------------- jobs


def test_a_stream_takes_the_job_of_another_with_the_same_drives():
    race = drive(3, laps=(0, 1, 2))
    untold, told, other = (
        stream(race, job=None),
        stream(race, "b", "evaluation"),
        stream(drive(4, begins=50.0), job=None),
    )
    assert [s.job for s in settle_jobs([untold, told, other], [])] == ["evaluation", "evaluation", "training"]


def test_a_stream_takes_the_job_of_the_metrics_that_agree_with_it():
    race, lesson = drive(3, laps=(0, 1, 2), length=30), drive(6)
    metrics = [training_metrics(lesson), evaluation_metrics(race)]
    jobs = [s.job for s in settle_jobs([stream(race, job=None), stream(lesson, job=None)], metrics)]
    assert jobs == ["evaluation", "training"]


def test_with_metrics_of_evaluations_alone_the_rest_is_one_too():
    elsewhere = evaluation_metrics(drive(3, length=90))
    assert settle_jobs([stream(drive(3), job=None)], [elsewhere])[0].job == "evaluation"
    assert settle_jobs([stream(drive(3), job=None)], [])[0].job == "training"


# ------------------------------------------------------------------------------------------------- workers


def test_workers_by_number_more_than_nine():
    drives = [drive(2, begins=10.0 + 3 * w) for w in range(12)]
    training = by_worker(
        [stream(d, worker=w, from_csv=True) for w, d in enumerate(drives)][::-1], ReadReport()
    )
    assert list(training) == list(range(12))
    assert all(len(training[w].steps) == len(drives[w]) for w in training)


def test_the_same_drives_are_one_worker_s_whatever_the_files_are_called():
    training = by_worker(
        [stream(drive(3), worker=0), stream(drive(2), worker=12, from_csv=True)], ReadReport()
    )
    assert list(training) == [12] and len(training[12].steps) == len(drive(3))


def test_logs_that_do_not_tell_their_worker_join_the_csv_files_they_agree_with():
    one, other = drive(3), drive(3, begins=14.0)
    streams = [stream(one, worker=0, from_csv=True), stream(other, worker=1, from_csv=True)]
    training = by_worker([stream(other), stream(one), *streams], ReadReport())
    assert list(training) == [0, 1]
    assert training[1].steps["tstamp"].iloc[0] == 14


def parts(*tables: pd.DataFrame) -> list[StepStream]:
    """Loose CSV files: each table's episodes by twos, the files of equal place with equal names."""
    return [
        stream(table[table["episode"] // 2 == i], f"{i}", None, part=part, from_csv=True)
        for i in range(2)
        for part, table in enumerate(tables)
    ]


def test_loose_files_that_agree_with_a_log_belong_together():
    lesson, race = drive(4), drive(4, laps=(0, 1, 2, 3), length=30)
    logs = [stream(race, "race", "evaluation"), stream(lesson, "lesson", "training", worker=2)]
    for loose in (parts(lesson, race), parts(race, lesson)[::-1]):
        found = put_together([*loose, *logs], [], ReadReport())
        assert [s.name for s in found[:2]] == ["race", "lesson"]
        assert {(s.job, s.worker, len(s.steps)) for s in found[2:]} == {
            ("evaluation", None, 120),
            ("training", 2, 40),
        }
        assert all(s.part is None for s in found)


def test_loose_files_that_agree_with_the_same_metrics_belong_together():
    drives = [drive(4, begins=10.0 + 3 * w, length=10 + 4 * w) for w in range(3)]
    race = drive(4, laps=(0, 1, 2, 3), length=70)
    names = (
        "metrics/TrainingMetrics_2.json",
        "metrics/TrainingMetrics.json",
        "metrics/TrainingMetrics_1.json",
    )
    metrics = [training_metrics(d, name) for d, name in zip(drives, names, strict=True)]
    loose = parts(drives[2], race, drives[0]) + parts(drives[1])
    found = put_together(loose[::-1], [*metrics, evaluation_metrics(race)], ReadReport())
    assert {(s.job, len(s.steps)) for s in found} == {
        *(("training", len(d)) for d in drives),
        ("evaluation", len(race)),
    }
    training = by_worker([s for s in found if s.job == "training"], ReadReport())
    assert len(training) == 3


def test_loose_files_of_which_nothing_tells_belong_together_by_their_turn():
    one, other = drive(4), drive(4, begins=77.0, length=12)
    found = put_together(parts(one, other), [], ReadReport())
    assert [len(s.steps) for s in found] == [40, 48]
    report = ReadReport()
    assert [len(s.steps) for s in by_worker(found, report).values()] == [48]
    assert "another job" in report.warnings[0]


def test_metrics_find_the_worker_whose_episodes_they_describe():
    drives = {w: drive(4, begins=10.0, length=10 + 6 * w) for w in range(12)}
    training = {w: stream(d, worker=w) for w, d in drives.items()}
    metrics = [training_metrics(d, f"metrics/TrainingMetrics_{w}.json") for w, d in drives.items()]
    report = ReadReport()
    matched = match_metrics(metrics[::-1], training, report)
    assert {w: m.name for w, m in matched.items()} == {w: metrics[w].name for w in drives}
    renamed = [training_metrics(drives[w], f"TrainingMetrics_{11 - w}.json") for w in drives]
    assert {w: m.name for w, m in match_metrics(renamed, training, report).items()} == {
        w: f"TrainingMetrics_{11 - w}.json" for w in drives
    }
    assert not report.warnings


def test_of_very_many_files_only_those_named_for_each_other_are_compared(monkeypatch):
    compared = []
    agreement = assembly.official_agreement
    monkeypatch.setattr(assembly, "MAX_COMPARISONS", 100)
    monkeypatch.setattr(
        assembly, "official_agreement", lambda *pair: compared.append(pair) or agreement(*pair)
    )
    drives = {w: drive(4, begins=10.0, length=10 + 6 * w) for w in range(11)}
    training = {w: stream(d, worker=w) for w, d in drives.items()}
    metrics = [training_metrics(d, f"metrics/TrainingMetrics_{w}.json") for w, d in drives.items()]
    matched = match_metrics(metrics[::-1], training, ReadReport())
    assert {w: m.name for w, m in matched.items()} == {w: metrics[w].name for w in drives}
    assert len(compared) == 11


def test_metrics_without_steps_take_the_number_of_their_name():
    names = [
        "metrics/TrainingMetrics.json",
        "metrics/TrainingMetrics_1.json",
        "metrics/TrainingMetrics_10.json",
    ]
    matched = match_metrics([training_metrics(drive(2), name) for name in names], {}, ReadReport())
    assert list(matched) == [0, 1, 10]
    assert list(
        match_metrics([training_metrics(drive(2), "training-2022-ab_123.json")], {}, ReadReport())
    ) == [0]


def test_metrics_of_other_drives_are_left_out_and_named():
    report = ReadReport()
    other = training_metrics(drive(4, length=90), "other.json")
    assert match_metrics([other], {0: stream(drive(4))}, report) == {}
    assert "other.json describes other drives" in report.warnings[0] and "0 of 4" in report.warnings[0]
    report = ReadReport()
    twice = [training_metrics(drive(4), "a.json"), training_metrics(drive(4), "b.json")]
    assert [m.name for m in match_metrics(twice, {0: stream(drive(4))}, report).values()] == ["a.json"]
    assert "b.json" in report.warnings[0]


# ----------------------------------------------------------------------------------------------- numbering


def test_episodes_per_iteration_as_the_csv_files_show():
    numbering, report = numbers(
        [stream(drive(19), iteration=4)], hyperparameters={"num_episodes_between_training": 20}
    )
    assert numbering.per_worker == 4 and not report.warnings
    assert numbers([stream(drive(6), iteration=4)])[0].per_worker == 4


def test_episodes_per_iteration_as_the_job_was_set_up():
    told = {"num_episodes_between_training": 30}
    assert numbers([stream(drive(9))], 3, told)[0].per_worker == 10
    assert numbers([stream(drive(9), iteration=20)], 1, told)[0].per_worker == 30
    for odd in ({"num_episodes_between_training": 0}, {"num_episodes_between_training": "many"}, {}):
        assert numbers([stream(drive(9), checkpoint=3)], 1, odd)[0].per_worker == 3


def test_episodes_per_iteration_as_the_trainer_s_lines_show():
    lines = "".join(
        f"Training> Name=main_level/agent, Worker={w}, Episode={e + 1}, Total reward=1, Steps={9 * e}, "
        f"Training iteration={e // 5}\nPolicy training> Surrogate loss=1, KL divergence=1, Entropy=1, "
        "training epoch=0, learning_rate=1\n"
        for e in range(13)
        for w in range(2)
    )
    numbering, report = numbers([stream(drive(9))], 2, None, read_trainer_log(lines.encode()))
    assert numbering.per_worker == 5 and not report.warnings


def test_the_usual_number_is_taken_with_a_warning():
    numbering, report = numbers([stream(drive(9))], 2)
    assert numbering.per_worker == USUAL_EPISODES_PER_ITERATION // 2
    assert "20 were assumed" in report.warnings[0]
    numbering, report = numbers([stream(drive(9), iteration=20)])
    assert numbering.per_worker == 9 and not report.warnings


def test_first_checkpoint_is_the_trainer_s_word_or_the_first_loaded():
    saved = read_trainer_log(b"Checkpoint> Saving in path=['./checkpoint/agent/3_Step-0.ckpt']\n")
    assert numbers([stream(drive(9), checkpoint=3)], trainer=saved)[0].first_checkpoint == 3
    assert numbers([stream(drive(9), checkpoint=3)])[0].first_checkpoint == 7
    begun_later = stream(drive(9, first=6), checkpoint=3)
    assert numbers([begun_later])[0].first_checkpoint == 7
    assert numbers([stream(drive(9))])[0].first_checkpoint is None


# ------------------------------------------------------------------------------------------ training tables


def test_iteration_by_file_else_by_checkpoint_else_counted():
    numbering = Numbering(1, 4, 7)

    def iterations(**told) -> list[int]:
        return training_tables({0: stream(drive(6), **told)}, {}, numbering)[1]["iteration"].tolist()

    assert iterations() == [0, 0, 0, 0, 1, 1]
    assert iterations(checkpoint=3) == [0, 0, 0, 1, 1, 1]
    assert iterations(checkpoint=3, iteration=2) == [0, 0, 1, 1, 2, 2]
    # A checkpoint of before the job tells nothing.
    early = training_tables({0: stream(drive(6), checkpoint=3)}, {}, Numbering(1, 4, 8))[1]
    assert early["iteration"].tolist() == [0, 0, 0, 0, 0, 0]


def test_an_iteration_is_driven_by_checkpoint_c0_plus_its_number():
    episodes = training_tables({0: stream(drive(6))}, {}, Numbering(1, 2, 7))[1]
    assert episodes["checkpoint"].tolist() == [7, 7, 8, 8, 9, 9]
    unknown = training_tables({0: stream(drive(6))}, {}, Numbering(1, 2, None))[1]
    assert unknown["checkpoint"].tolist() == [0, 0, 1, 1, 2, 2]


def test_workers_are_numbered_through_in_the_order_of_driving():
    training = {w: stream(drive(4, begins=10.0 + w), worker=w) for w in range(11)}
    steps, episodes = training_tables(training, {}, Numbering(11, 2, 0))
    assert episodes["unique_episode"].tolist() == list(range(44))
    assert episodes["worker"].tolist() == [*range(11), *range(11)] * 2
    assert episodes["iteration"].tolist() == [0] * 22 + [1] * 22
    assert steps["unique_episode"].is_monotonic_increasing
    assert steps["worker"].cat.categories.tolist() == list(range(11))
    first = steps.groupby("unique_episode").first()
    assert first["worker"].astype(int).tolist() == episodes["worker"].tolist()
    assert first["episode"].tolist() == episodes["episode"].tolist()
    assert (
        steps.groupby("unique_episode")["steps"].apply(list) == pd.Series([list(range(1, 11))] * 44)
    ).all()


def test_episodes_of_the_metrics_alone_take_their_place():
    metrics = training_metrics(drive(3), extra=(3, 4, 7))
    steps, episodes = training_tables({0: stream(drive(3))}, {0: metrics}, Numbering(1, 2, 5))
    assert episodes["episode"].tolist() == [0, 1, 2, 3, 4, 7]
    assert episodes["iteration"].tolist() == [0, 0, 1, 1, 2, 3]
    assert episodes["checkpoint"].tolist() == [5, 5, 6, 6, 7, 8]
    assert episodes["traced"].tolist() == [True] * 3 + [False] * 3
    assert (episodes["time_source"] == "official").all()
    assert steps["unique_episode"].max() == 2


def test_metrics_alone_and_nothing_at_all():
    steps, episodes = training_tables({}, {1: training_metrics(drive(3))}, Numbering(2, 2, None))
    assert steps.empty and episodes["worker"].tolist() == [1, 1, 1] and not episodes["traced"].any()
    steps, episodes = training_tables({}, {}, Numbering(1, 20, None))
    assert steps.empty and episodes.empty
    full = training_tables({0: stream(drive(2))}, {}, Numbering(1, 20, None))
    assert dict(steps.dtypes.astype(str)) == dict(full[0].dtypes.astype(str))
    assert dict(episodes.dtypes.astype(str)) == dict(full[1].dtypes.astype(str))


def test_large_numbers_take_no_more_memory():
    table = drive([0, 9_999_999])
    steps, _ = training_tables({0: stream(table), 900: stream(drive(1), worker=900)}, {}, Numbering(2, 1, 0))
    assert len(steps) == len(table) + len(drive(1))


def test_evaluation_drives_rate_the_checkpoint_that_drove_before_them():
    metrics = training_metrics(drive(4), evaluations=[(2, 100), (2, 50), (4, 70), (6, 30)])
    table = checkpoint_evaluations({0: metrics}, Numbering(1, 2, 7))
    assert table["checkpoint"].tolist() == [7, 7, 8, 9]
    assert table["trial"].tolist() == [0, 1, 0, 0]
    assert table["progress"].tolist() == [100, 50, 70, 30]
    assert table["complete"].tolist() == [True, False, False, False]
    empty = checkpoint_evaluations({}, Numbering(1, 2, 7))
    assert empty.empty and dict(empty.dtypes.astype(str)) == dict(table.dtypes.astype(str))


# --------------------------------------------------------------------------------------------- evaluations


def test_each_evaluation_is_a_stream_with_its_own_official_times():
    one, other = drive(3, laps=(0, 1, 2)), drive(3, laps=(0, 1), length=30)
    streams = [stream(one, "one", "evaluation", checkpoint=9), stream(other, "other", "evaluation")]
    metrics = [evaluation_metrics(other), evaluation_metrics(one)]
    steps, episodes = evaluation_tables(streams, metrics, ReadReport())
    assert episodes["stream"].tolist() == ["one"] * 3 + ["other"] * 3
    assert episodes["unique_episode"].tolist() == list(range(6))
    assert episodes["checkpoint"].tolist() == [7] * 3 + [UNKNOWN] * 3
    assert (episodes["time_source"] == "official").all()
    assert episodes["time"].tolist() == pytest.approx([0.67] * 3 + [29 / 15 + 0.07] * 3, abs=2e-3)
    assert steps.groupby("stream", observed=True).size().to_dict() == {"one": 30, "other": 90}
    assert steps["unique_episode"].is_monotonic_increasing and (episodes["iteration"] == UNKNOWN).all()


def test_log_and_csv_of_one_evaluation_are_one_stream():
    race = drive(2, laps=(0, 1))
    report = ReadReport()
    streams = [
        stream(race, "log", "evaluation", checkpoint=9),
        stream(race, "csv", "evaluation", from_csv=True),
    ]
    steps, episodes = evaluation_tables(streams, [], report)
    assert len(steps) == len(race) and episodes["stream"].tolist() == ["csv", "csv"]
    assert episodes["checkpoint"].tolist() == [7, 7]


def test_evaluations_of_the_same_name_stay_two():
    streams = [
        stream(drive(2, begins=b, length=n), "evaluation-simtrace", "evaluation")
        for b, n in ((10, 10), (20, 20))
    ]
    steps, episodes = evaluation_tables(streams, [], ReadReport())
    names = ["evaluation-simtrace", "evaluation-simtrace (2)"]
    assert episodes["stream"].cat.categories.tolist() == names
    assert steps.groupby("stream", observed=True).size().to_dict() == dict(zip(names, (20, 40), strict=True))


def test_evaluations_of_several_workers_keep_their_types():
    streams = [stream(drive(2, begins=b), str(b), "evaluation", worker=w) for w, b in ((0, 10.0), (3, 20.0))]
    steps, _ = evaluation_tables(streams, [], ReadReport())
    assert steps["worker"].cat.categories.tolist() == [0, 3]


def test_evaluation_metrics_without_steps_are_episodes_too():
    steps, episodes = evaluation_tables(
        [], [evaluation_metrics(drive(2), "metrics/evaluation-1.json")], ReadReport()
    )
    assert steps.empty and episodes["stream"].tolist() == ["evaluation-1"] * 2
    assert not episodes["traced"].any()
    steps, episodes = evaluation_tables([], [], ReadReport())
    assert steps.empty and episodes.empty and "stream" in steps and "stream" in episodes


def test_metrics_that_agree_with_few_of_the_drives_are_another_evaluation():
    race = drive(4, laps=(0, 1, 2, 3))
    elsewhere = race.assign(tstamp=race["tstamp"] * np.where(race["episode"] == 0, 1, 9))
    _, episodes = evaluation_tables(
        [stream(race, "a", "evaluation")], [evaluation_metrics(elsewhere)], ReadReport()
    )
    assert episodes["stream"].tolist() == ["a"] * 4 + ["evaluation"] * 4
    assert episodes["time_source"].tolist() == ["estimated"] * 4 + ["official"] * 4


def test_a_trial_told_twice_counts_as_told_last():
    told = [
        {"trial": 1, "completion_percentage": 100, "elapsed_time_in_milliseconds": ms} for ms in (9000, 8000)
    ]
    metrics = read_metrics(json.dumps({"metrics": told}).encode(), "evaluation.json")
    _, episodes = evaluation_tables([], [metrics], ReadReport())
    assert episodes["time"].tolist() == [8.0]


def test_an_evaluation_log_may_tell_its_checkpoint_late():
    late = stream(drive(2), "a", "evaluation", checkpoint=9)
    late.steps.loc[:3, "checkpoint"] = UNKNOWN
    assert evaluation_tables([late], [], ReadReport())[1]["checkpoint"].tolist() == [7, 7]
