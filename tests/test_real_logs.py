"""Every count and every time of real logs, read as they are, unpacked into folders, and as uploads.

The numbers come from an independent count; beside them the raw text is counted again here, by plain means.
"""

import csv
import io
import itertools
import re
import shutil
import tarfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from deepracer_viz import TrainingRun, load_run

ARCHIVES = (
    "console-2022-continuous",
    "console-2023-object-avoidance",
    "console-2023-sac",
    "console-2023-head-to-head",
    "droa-2026",
)
FOLDERS = ("console-2020-clone", "drfc-one-worker", "drfc-three-workers")
LOGS = ("workshop-2019-evaluation", "console-2022-robomaker")
WAYS = ("as it is", "in a deep folder", "uploaded in reverse")


@pytest.fixture(scope="module")
def unpacked(real_logs, tmp_path_factory) -> Path:
    """Every source as files in a folder two levels deep."""
    top = tmp_path_factory.mktemp("real")
    for name in ARCHIVES:
        with tarfile.open(real_logs / f"{name}.tar.gz") as archive:
            archive.extractall(top / name / "some" / "where", filter="data")
    for name in FOLDERS:
        shutil.copytree(real_logs / name, top / name / "some" / "where")
    for name in LOGS:
        folder = top / name / "some" / "where"
        folder.mkdir(parents=True)
        shutil.copy(real_logs / f"{name}.log", folder)
    return top


@pytest.fixture(scope="module")
def load(real_logs, unpacked):
    """Read a source in one of the ways it can come, once."""
    runs: dict[tuple, TrainingRun] = {}

    def read(name: str, how: str) -> TrainingRun:
        if (name, how) not in runs:
            source = next(p for p in (real_logs / name, *real_logs.glob(f"{name}.*")) if p.exists())
            if how == "in a deep folder":
                source = unpacked / name
            elif how == "uploaded in reverse":
                top = source if source.is_dir() else source.parent
                paths = [p for p in source.rglob("*") if p.is_file()] if source.is_dir() else [source]
                source = [(p.relative_to(top).as_posix(), io.BytesIO(p.read_bytes())) for p in paths]
                source.sort(key=lambda pair: pair[0], reverse=True)
            runs[name, how] = load_run(source)
        return runs[name, how]

    return read


@pytest.fixture(params=WAYS)
def how(request) -> str:
    return request.param


def traced(run: TrainingRun):
    return run.episodes[run.episodes["steps"] > 0]


def fastest(episodes) -> float:
    """First step to the step at 100 %, of traced laps."""
    laps = episodes[episodes["complete"] & episodes["traced"]]
    return round(float(laps["driven_time"].min()), 3)


def official(episodes) -> float:
    laps = episodes[episodes["complete"] & (episodes["time_source"] == "official")]
    return round(float(laps["time"].min()), 3)


def finished(episodes) -> int:
    return int((episodes["end_status"] != "in_progress").sum())


# ------------------------------------------------------------------------------------------- counts and times


def test_workshop_2019(load, how):
    run = load("workshop-2019-evaluation", how)
    assert run.report.steps == 480
    assert run.report.dummy_rows == 2
    assert len(run.evaluation_steps) == 478
    assert run.episodes.empty and run.steps.empty
    assert len(run.evaluation_episodes) == 3 and finished(run.evaluation_episodes) == 3
    assert len(run.evaluation_laps) == 3
    assert fastest(run.evaluation_episodes) == 19.701
    assert (run.evaluation_episodes["time_source"] == "wall clock").all()
    assert (run.evaluation_episodes["checkpoint"] == 36).all()
    assert run.evaluation_steps["yaw"].abs().max() > 170
    assert run.metadata.log_format == "2019" and run.metadata.world == "reinvent_base"
    # Two lines of other years' settings apart, nothing was lost.
    assert run.report.skipped.total == 0 and not run.report.warnings


def test_console_2020_clone(load, how):
    run = load("console-2020-clone", how)
    assert len(run.steps) == 26_282
    assert len(run.episodes) == 160 and finished(run.episodes) == 160
    assert len(run.laps) == 13
    assert fastest(run.episodes) == 25.672
    assert (run.episodes["time_source"] == "wall clock").all()
    assert len(run.policy_updates) == 77
    # Ten epochs in each iteration; the job was stopped in the last.
    assert run.policy_updates.groupby("iteration").size().tolist() == [10] * 7 + [7]
    assert run.episodes["checkpoint"].unique().tolist() == list(range(7, 15))
    assert run.episodes.groupby("iteration").size().tolist() == [20] * 8
    assert run.metadata.first_checkpoint == 7 and run.metadata.cloned_from.endswith("checkpoint 6")
    assert (run.metadata.best_checkpoint, run.metadata.last_checkpoint) == (7, 12)
    assert run.metadata.world == "reinvent_base"
    assert run.steps["closest_waypoint"].max() + 1 == 71
    assert not run.report.warnings


def test_drfc_one_worker(load, how):
    run = load("drfc-one-worker", how)
    assert len(run.steps) == 39_392
    assert len(traced(run)) == 540 and finished(traced(run)) == 540
    assert len(run.laps) == 42
    assert fastest(run.episodes) == 12.212
    assert official(run.episodes) == 12.276
    assert run.episodes["iteration"][run.episodes["traced"]].nunique() == 27
    assert sum(file.kind == "sim-trace CSV" and "training" in file.name for file in run.report.files) == 27
    assert len(run.metadata.action_space.actions) == 14
    assert sorted(run.steps["action"].unique()) == list(range(14))
    assert run.metadata.workers == 1 and run.metadata.episodes_per_iteration == 20
    assert not run.report.warnings


def test_drfc_one_worker_evaluations(load, how):
    run = load("drfc-one-worker", how)
    expected = {
        "evaluation-20220709200242": (650, 13.739, 13.801),
        "evaluation-20220709200509": (634, 13.865, 13.944),
        "evaluation-20220709200711": (627, 13.325, 13.392),
    }
    assert set(run.evaluation_episodes["stream"]) == set(expected)
    for stream, (steps, driven, told) in expected.items():
        episodes = run.evaluation_episodes[run.evaluation_episodes["stream"] == stream]
        assert (run.evaluation_steps["stream"] == stream).sum() == steps
        assert len(episodes) == 3 and episodes["complete"].all()
        assert fastest(episodes) == driven
        assert official(episodes) == told


def test_a_continuous_race_without_its_metrics(real_logs):
    run = load_run(real_logs / "drfc-one-worker" / "evaluation-20220709200242")
    assert run.episodes.empty and len(run.evaluation_laps) == 3
    assert run.evaluation_steps["steps"].max() == 650
    # From line to line, which is what the official clock says.
    assert run.evaluation_episodes["time"].round(3).tolist()[1:] == [13.801, 14.731]
    assert run.evaluation_episodes["time"].iloc[0] == pytest.approx(14.792, abs=0.03)


def test_drfc_three_workers(load, how):
    run = load("drfc-three-workers", how)
    assert run.steps.groupby("worker", observed=True).size().to_dict() == {0: 15_830, 1: 14_357, 2: 13_562}
    expected = {0: (9, 12.924, 12.995), 1: (6, 12.548, 12.598), 2: (9, 13.072, 13.137)}
    for worker, (laps, driven, told) in expected.items():
        episodes = run.episodes[run.episodes["worker"] == worker]
        of_trace = episodes[episodes["traced"]]
        assert len(of_trace) == 230 and finished(of_trace) == 230
        assert of_trace["complete"].sum() == laps
        assert fastest(episodes) == driven
        assert official(episodes) == told
        assert of_trace.groupby("iteration").size().tolist() == [10] * 23
    assert run.metadata.workers == 3 and run.metadata.episodes_per_iteration == 30
    assert run.evaluation_episodes["stream"].nunique() == 3 and len(run.evaluation_laps) == 9
    assert run.evaluation_episodes["off_track"].sum() == 2
    assert not run.report.warnings


def test_console_2022_robomaker(load, how):
    run = load("console-2022-robomaker", how)
    assert len(run.steps) == 2_749
    assert len(run.episodes) == 20 and finished(run.episodes) == 20
    assert len(run.laps) == 18
    assert fastest(run.episodes) == 8.732
    assert (run.episodes["time_source"] == "estimated").all()
    assert run.laps["time"].min() == pytest.approx(8.732 + 1 / 15)
    assert run.metadata.first_checkpoint == 208 and run.metadata.best_checkpoint == 208


def test_console_2022_continuous(load, how):
    run = load("console-2022-continuous", how)
    rows = rows_by_kind(run)
    assert rows == {"simulation log (2021 to 2024)": 375, "sim-trace CSV": 391}
    assert len(run.steps) == 391 and (run.report.only_in_log, run.report.only_in_csv) == (0, 16)
    assert len(run.episodes) == 20 and run.episodes["traced"].all()
    assert run.laps.empty and run.policy_updates.empty
    assert (run.steps["action"] == -1).all() and run.metadata.action_space.kind == "continuous"
    assert run.metadata.algorithm == "sac"


def test_console_2023_object_avoidance(load, how):
    run = load("console-2023-object-avoidance", how)
    assert rows_by_kind(run) == {"simulation log (2021 to 2024)": 1_989, "sim-trace CSV": 1_567}
    assert len(run.steps) == 1_989 and (run.report.only_in_log, run.report.only_in_csv) == (422, 0)
    assert len(run.episodes) == 100 and run.episodes["traced"].sum() == 99
    assert run.laps.empty and len(run.policy_updates) == 32
    assert run.metadata.first_checkpoint == 2 and run.metadata.cloned_from.endswith("checkpoint 1")
    assert run.episodes["crashed"].sum() == 8


@pytest.mark.parametrize(
    ("name", "steps", "episodes"), [("console-2023-sac", 136, 4), ("console-2023-head-to-head", 101, 4)]
)
def test_console_2023_small(load, how, name, steps, episodes):
    run = load(name, how)
    assert len(run.steps) == steps
    assert len(traced(run)) == episodes and finished(traced(run)) == episodes
    assert run.laps.empty and run.policy_updates.empty


def test_droa_2026(load, how):
    run = load("droa-2026", how)
    assert len(run.steps) == 846
    assert len(run.episodes) == 580 and run.episodes["traced"].sum() == 40
    assert finished(traced(run)) == 40
    assert run.laps[run.laps["traced"]].empty
    assert official(run.episodes) == 29.442
    assert run.episodes.groupby("iteration").size().tolist() == [20] * 29
    assert len(run.evaluation_steps) == 1_302
    assert len(run.evaluation_laps) == 3
    assert fastest(run.evaluation_episodes) == 28.252
    assert official(run.evaluation_episodes) == 28.312
    assert (run.evaluation_episodes["checkpoint"] == 27).all()
    assert run.metadata.log_format == "2026" and run.metadata.world == "Spain_track"
    assert run.report.differing == 0


def rows_by_kind(run: TrainingRun) -> dict[str, int]:
    rows = defaultdict(int)
    for file in run.report.files:
        if file.steps:
            rows[file.kind] += file.steps
    return dict(rows)


@pytest.mark.parametrize("name", [*ARCHIVES, *FOLDERS, *LOGS])
def test_every_way_gives_the_same_tables(load, name):
    first = load(name, WAYS[0])
    for how in WAYS[1:]:
        other = load(name, how)
        for table in (
            "steps",
            "episodes",
            "evaluation_steps",
            "evaluation_episodes",
            "checkpoint_evaluations",
        ):
            one, two = getattr(first, table), getattr(other, table)
            if "stream" in one and len(one):
                key = ["stream", "episode", *(["steps"] if "unique_episode" in one and "x" in one else [])]
                one, two = (
                    t.assign(stream=t["stream"].astype(str))
                    .drop(columns="unique_episode")
                    .sort_values(key, ignore_index=True)
                    for t in (one, two)
                )
            assert one.equals(two), (how, table)
        assert {**vars(first.metadata), "action_space": None} == {
            **vars(other.metadata),
            "action_space": None,
        }


def test_nothing_is_skipped_in_any_of_them(load):
    for name in (*ARCHIVES, *FOLDERS, *LOGS):
        assert load(name, WAYS[0]).report.skipped.counts == {}, name


# ------------------------------------------------------------------------------------------- counted again

TRACE = re.compile(r"SIM_TRACE_LOG:(\d+,.*)")


def rows_of_log(path: Path) -> list[tuple]:
    """Episode, step, progress, time, status of each step line, in the order of the file."""
    rows = []
    for body in TRACE.findall(path.read_text("utf-8", "replace")):
        f = re.sub(r"\[[^\]]*\]", "action", body).strip().split(",")
        rows.append((int(f[0]), int(f[1]), float(f[11]), float(f[14]), f[15] if len(f) > 15 else ""))
    return rows


def rows_of_csv(paths) -> list[tuple]:
    rows = []
    for path in sorted(paths, key=lambda p: int(p.name.partition("-")[0])):
        with path.open(newline="") as file:
            for r in csv.DictReader(file):
                values = (r["episode"], float(r["steps"]), float(r["progress"]), float(r["tstamp"]))
                rows.append((int(values[0]), int(values[1]), *values[2:], r["episode_status"]))
    return rows


def recount(rows: list[tuple]) -> dict:
    """Count episodes, honest laps and the fastest of them, row by row."""
    by_episode = defaultdict(list)
    for row in rows:
        by_episode[row[0]].append(row)
    laps = []
    for steps in by_episode.values():
        driven = [s for s in steps if s[4] != "prepare"]
        jumps = [b[2] - a[2] > 50 for a, b in itertools.pairwise(driven)]
        reached = [s for s in driven if s[2] >= 100]
        if reached and not any(jumps):
            laps.append(round(reached[0][3] - steps[0][3], 3))
    return {
        "steps": len(rows),
        "episodes": len(by_episode),
        "laps": len(laps),
        "fastest": min(laps, default=None),
    }


def account(steps, episodes) -> dict:
    episodes = episodes[episodes["steps"] > 0]
    laps = episodes[episodes["complete"] & episodes["traced"]]
    return {
        "steps": len(steps),
        "episodes": len(episodes),
        "laps": len(laps),
        "fastest": round(float(laps["driven_time"].min()), 3) if len(laps) else None,
    }


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("console-2020-clone", "*robomaker.log"),
        ("console-2022-robomaker", "*.log"),
        ("console-2023-object-avoidance", "*robomaker.log"),
        ("console-2023-sac", "*robomaker.log"),
        ("console-2023-head-to-head", "*robomaker.log"),
        ("droa-2026", "*training-*simulation.log"),
    ],
)
def test_training_logs_counted_again(load, unpacked, name, pattern):
    (path,) = (unpacked / name).rglob(pattern)
    run = load(name, WAYS[0])
    assert account(run.steps, run.episodes) == recount(rows_of_log(path))


@pytest.mark.parametrize("name", ["workshop-2019-evaluation", "droa-2026"])
def test_evaluation_logs_counted_again(load, unpacked, name):
    (path,) = (unpacked / name).rglob("*evaluation*.log")
    rows = rows_of_log(path)
    if name.startswith("workshop"):
        assert [row[:2] for row in rows[:3]] == [(0, 0), (0, 1), (0, 0)]
        rows = rows[2:]
    run = load(name, WAYS[0])
    assert account(run.evaluation_steps, run.evaluation_episodes) == recount(rows)


def test_csv_files_counted_again(load, unpacked):
    run = load("drfc-one-worker", WAYS[0])
    files = (unpacked / "drfc-one-worker").rglob("training-simtrace/*.csv")
    assert account(run.steps, run.episodes) == recount(rows_of_csv(files))
    for folder in (unpacked / "drfc-one-worker").rglob("evaluation-simtrace"):
        stream = folder.parent.name
        steps = run.evaluation_steps[run.evaluation_steps["stream"] == stream]
        episodes = run.evaluation_episodes[run.evaluation_episodes["stream"] == stream]
        assert account(steps, episodes) == recount(rows_of_csv(folder.glob("*.csv")))
    run = load("drfc-three-workers", WAYS[0])
    for worker in range(3):
        files = (unpacked / "drfc-three-workers").rglob(f"{worker}/training-simtrace/*.csv")
        steps, episodes = (t[t["worker"] == worker] for t in (run.steps, run.episodes))
        assert account(steps, episodes) == recount(rows_of_csv(files))


@pytest.mark.parametrize(
    "name", ["console-2022-continuous", "console-2023-object-avoidance", "console-2023-sac"]
)
def test_log_and_csv_counted_again_as_a_union(load, unpacked, name):
    (path,) = (unpacked / name).rglob("*robomaker.log")
    in_log = {row[:2] for row in rows_of_log(path)}
    in_csv = {row[:2] for row in rows_of_csv((unpacked / name).rglob("*.csv"))}
    run = load(name, WAYS[0])
    assert set(zip(run.steps["episode"], run.steps["steps"], strict=True)) == in_log | in_csv
    assert (run.report.only_in_log, run.report.only_in_csv) == (len(in_log - in_csv), len(in_csv - in_log))


def test_checkpoints_counted_again(load, unpacked):
    (path,) = (unpacked / "console-2020-clone").rglob("*sagemaker.log")
    text = path.read_text("utf-8", "replace")
    saved = [
        (int(n), int(s))
        for n, s in re.findall(r"Saving in path=\['\./checkpoint/agent/(\d+)_Step-(\d+)", text)
    ]
    assert [number for number, _ in saved] == list(range(7, 15))
    assert text.count("Policy training>") == 77
    # Rows driven by checkpoint k are the steps between its save and the next one's.
    run = load("console-2020-clone", WAYS[0])
    rows = run.episodes.groupby("checkpoint")["steps"].sum()
    assert rows.loc[7:13].tolist() == np.diff([step for _, step in saved]).tolist()


@pytest.mark.parametrize(
    "name", ["console-2023-object-avoidance", "console-2023-sac", "console-2023-head-to-head"]
)
def test_the_best_checkpoint_follows_from_the_evaluations_read(load, name):
    run = load(name, WAYS[0])
    rated = run.checkpoint_evaluations
    mean = rated[rated["checkpoint"] <= run.metadata.last_checkpoint].groupby("checkpoint")["progress"].mean()
    assert mean.idxmax() == run.metadata.best_checkpoint


def test_estimated_times_meet_the_official_ones(real_logs):
    """Without their metrics, complete laps are timed within a step of the official clock."""
    for name in ("drfc-one-worker", "drfc-three-workers"):
        told = load_run(real_logs / name)
        alone = load_run([p for p in (real_logs / name).iterdir() if p.name != "metrics"])
        laps = told.laps[told.laps["traced"]].merge(alone.laps, on=["worker", "episode"])
        assert len(laps) == told.laps["traced"].sum() and (laps["time_source_y"] == "estimated").all()
        error = (laps["time_x"] - laps["time_y"]).abs()
        assert error.median() < 0.02 and error.max() < 0.06


def test_progress_of_reading_an_archive(real_logs):
    calls = []
    path = real_logs / "droa-2026.tar.gz"
    load_run(path, on_progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (path.stat().st_size, path.stat().st_size)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
