"""load_run: whole models, however their files come."""

import gzip
import io
import json
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pytest

from deepracer_viz import LogError, load_run
from deepracer_viz.episodes import EPISODE_TYPES
from tests.step_lines import as_vintage, csv, drive, lines, log

DRIVES = drive(6, laps=(1, 4), length=40)
RACE = drive(2, laps=(0, 1), length=60)


def metrics(table: pd.DataFrame, evaluation: bool = False) -> bytes:
    entries = []
    for number, rows in table.groupby("episode"):
        complete = rows["progress"].max() >= 100
        one = {
            "trial": int(number) + 1,
            "completion_percentage": int(rows["progress"].max()),
            "elapsed_time_in_milliseconds": round(1000 * (rows["tstamp"].max() - rows["tstamp"].min())) + 67,
            "start_time": 1000,
            "episode_status": "Lap complete" if complete else "Off track",
        }
        entries.append(
            one if evaluation else one | {"phase": "training", "episode": int(number) + 1, "reward_score": 1}
        )
    if not evaluation:
        entries.insert(3, entries[0] | {"phase": "evaluation", "episode": 2})
    return json.dumps({"metrics": entries}).encode()


def simulation_log(
    table: pd.DataFrame, job: str = "TRAINING", first_checkpoint: int = 3, every: int = 80
) -> bytes:
    out = [f"{{'WORLD_NAME': 'reinvent_base', 'JOB_TYPE': '{job}', 'RACE_TYPE': 'TIME_TRIAL'}}"]
    for i, line in enumerate(lines(table)):
        if i % every == 0:
            number = first_checkpoint + i // every
            out.append(f"Checkpoint> Restoring from path=./checkpoint/agent/{number}_Step-{i}.ckpt")
        out.append(line)
    return "\n".join(out).encode() + b"\n"


TRAINER_LOG = b"".join(
    [
        b"Checkpoint> Restoring from path=./pretrained_checkpoint/agent/2_Step-900.ckpt\n",
        b"Checkpoint> Saving in path=['./checkpoint/agent/3_Step-0.ckpt']\n",
        *(
            f"Training> Name=main_level/agent, Worker=0, Episode={e + 1}, Total reward=0, Steps={40 * e + 40}, "
            f"Training iteration={e // 2}\n".encode()
            + (
                b"Policy training> Surrogate loss=-0.1, KL divergence=0.02, Entropy=1.5, training epoch=0, "
                b"learning_rate=0.0003\n" * (e % 2)
            )
            for e in range(6)
        ),
        b"Best checkpoint number: 4, Last checkpoint number: 4\n",
    ]
)
HYPERPARAMETERS = b'{"batch_size": 64, "num_episodes_between_training": 2}'
MODEL_METADATA = (
    b'{"action_space": [{"steering_angle": -30, "speed": 1}], "sensor": ["LIDAR"], "version": "5"}'
)

FILES = {
    "logs/training/a-robomaker.log": simulation_log(DRIVES),
    "logs/training/a-sagemaker.log": TRAINER_LOG,
    "logs/evaluation/b-robomaker.log": simulation_log(RACE, "EVALUATION", 6, 10_000),
    "sim-trace/training/training-simtrace/0-iteration.csv": csv(DRIVES[DRIVES["episode"] < 2]),
    "sim-trace/training/training-simtrace/1-iteration.csv": csv(DRIVES[DRIVES["episode"].between(2, 3)]),
    "sim-trace/evaluation/20220101/evaluation-simtrace/0-iteration.csv": csv(RACE),
    "metrics/training/a.json": metrics(DRIVES),
    "metrics/evaluation/b.json": metrics(RACE, evaluation=True),
    "model/model_metadata.json": MODEL_METADATA,
    "ip/hyperparameters.json": HYPERPARAMETERS,
    "model/model_3.pb": bytes(range(256)),
}


def packed(files: dict[str, bytes], kind: str) -> bytes:
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
    else:
        with tarfile.open(fileobj=out, mode="w:gz" if kind == "tar.gz" else "w") as archive:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def uploads(files: dict[str, bytes]) -> list[tuple[str, io.BytesIO]]:
    return [(name, io.BytesIO(data)) for name, data in files.items()]


def written(folder, files: dict[str, bytes]):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def sources(tmp_path) -> dict[str, object]:
    """The same model in every way it can come."""
    loose = {f"{i}/{name.rpartition('/')[2]}": data for i, (name, data) in enumerate(FILES.items())}
    loose = {name.rpartition("/")[2]: data for name, data in loose.items()}
    loose["race 0-iteration.csv"] = FILES["sim-trace/evaluation/20220101/evaluation-simtrace/0-iteration.csv"]
    loose["0-iteration.csv"] = FILES["sim-trace/training/training-simtrace/0-iteration.csv"]
    flat = list(loose.items())
    folder = written(tmp_path / "deep" / "er" / "model", FILES)
    (tmp_path / "model.tar.gz").write_bytes(packed(FILES, "tar.gz"))
    return {
        "folder": folder,
        "folder two levels up": tmp_path / "deep",
        "tar.gz": tmp_path / "model.tar.gz",
        "tar upload": [("model.tar", io.BytesIO(packed(FILES, "tar")))],
        "zip upload": [("model.zip", io.BytesIO(packed(FILES, "zip")))],
        "zip with backslashes": [
            ("m.zip", io.BytesIO(packed({n.replace("/", "\\"): d for n, d in FILES.items()}, "zip")))
        ],
        "archive in an archive": [
            ("all.zip", io.BytesIO(packed({"m.tar.gz": packed(FILES, "tar.gz")}, "zip")))
        ],
        "uploads": uploads(FILES),
        "uploads in reverse": uploads(FILES)[::-1],
        "loose files": uploads(dict(flat)),
        "loose files in reverse": uploads(dict(flat[::-1])),
        "generator of paths": (path for path in sorted(folder.rglob("*")) if path.is_file()),
        "folders as a tuple": (
            folder / "logs",
            folder / "sim-trace",
            *(folder / n for n in ("metrics", "model", "ip")),
        ),
    }


HOW = [
    *("folder", "folder two levels up", "tar.gz", "tar upload", "zip upload", "zip with backslashes"),
    *("archive in an archive", "uploads", "uploads in reverse", "loose files", "loose files in reverse"),
    *("generator of paths", "folders as a tuple"),
]


@pytest.mark.parametrize("how", HOW)
def test_a_model_reads_the_same_however_it_comes(how, tmp_path):
    run = load_run(sources(tmp_path)[how])
    assert len(run.steps) == len(DRIVES)
    assert run.episodes["iteration"].tolist() == [0, 0, 1, 1, 2, 2]
    assert run.episodes["checkpoint"].tolist() == [3, 3, 4, 4, 5, 5]
    assert (run.episodes["time_source"] == "official").all() and run.episodes["traced"].all()
    assert run.laps["episode"].tolist() == [1, 4]
    assert run.policy_updates["iteration"].tolist() == [0, 1, 2]
    assert run.checkpoint_evaluations["checkpoint"].tolist() == [3]
    assert len(run.evaluation_steps) == len(RACE)
    assert run.evaluation_episodes["checkpoint"].tolist() == [6, 6]
    assert len(run.evaluation_laps) == 2 and (run.evaluation_laps["time_source"] == "official").all()
    about = run.metadata
    assert (about.world, about.race_type, about.workers) == ("reinvent_base", "TIME_TRIAL", 1)
    assert (about.first_checkpoint, about.best_checkpoint, about.last_checkpoint) == (3, 4, 4)
    assert about.episodes_per_iteration == 2 and about.hyperparameters["batch_size"] == 64
    assert about.action_space.kind == "discrete" and about.simulator_version == "5"
    assert about.cloned_from == "checkpoint 2"
    assert run.report.warnings == [] and run.missing == []
    assert run.report.only_in_log == 80 and run.report.only_in_csv == run.report.differing == 0
    assert run.report.steps == len(DRIVES) + 160 + 2 * len(RACE)
    assert len(run.report.files) == len(FILES)


def test_tables_have_the_documented_columns():
    run = load_run(uploads(FILES))
    assert ", ".join(run.steps.columns) == (
        "worker, iteration, episode, steps, x, y, yaw, steering_angle, speed, action, reward, done, on_track, "
        "progress, closest_waypoint, track_len, tstamp, episode_status, pause_duration, obstacle_crash_counter, "
        "wall_clock, unique_episode"
    )
    assert run.evaluation_steps.columns.tolist() == [*run.steps.columns, "stream"]
    assert run.episodes.columns.tolist() == list(EPISODE_TYPES)
    assert run.evaluation_episodes.columns.tolist() == [*EPISODE_TYPES, "stream"]
    kinds = run.steps.dtypes.astype(str)
    assert kinds["tstamp"] == "float64" and kinds["worker"] == kinds["episode_status"] == "category"
    assert all(
        kinds[name] == "int32"
        for name in ("iteration", "episode", "steps", "closest_waypoint", "unique_episode")
    )
    assert run.steps[["unique_episode", "steps"]].apply(tuple, axis=1).is_monotonic_increasing
    assert run.episodes.index.equals(pd.RangeIndex(len(run.episodes)))


def test_a_name_is_given_or_taken_from_the_source(tmp_path):
    data = log(DRIVES)
    (tmp_path / "fast one.tar.gz").write_bytes(packed({"a.log": data}, "tar.gz"))
    (tmp_path / "v1.2").mkdir()
    (tmp_path / "v1.2" / "a.log").write_bytes(data)
    assert load_run(tmp_path / "fast one.tar.gz").name == "fast one"
    assert load_run(tmp_path / "v1.2").name == "v1.2"
    assert load_run(f"{tmp_path}/v1.2/").name == "v1.2"
    assert load_run([("C:\\logs\\robomaker.log.gz", io.BytesIO(gzip.compress(data)))]).name == "robomaker"
    assert load_run([("a.log", io.BytesIO(data))], name="mine").name == "mine"


# -------------------------------------------------------------------------------------- parts of a model alone


def test_a_simulation_log_alone():
    run = load_run([("a", io.BytesIO(simulation_log(DRIVES)))])
    assert run.metadata.first_checkpoint == 3
    assert run.episodes["checkpoint"].tolist() == [3, 3, 4, 4, 5, 5]
    assert (run.episodes["time_source"] == "estimated").all()
    assert [text.split(" ")[1] for text in run.missing] == ["policy", "training", "model_metadata.json"]
    assert run.metadata.log_format == "2021 to 2024"


def test_a_csv_alone_without_a_number_in_its_name():
    run = load_run([("steps.csv", io.BytesIO(csv(DRIVES)))])
    assert len(run.steps) == len(DRIVES) and (run.episodes["iteration"] == 0).all()
    assert run.metadata.first_checkpoint is None
    assert any("first checkpoint" in text for text in run.missing)
    assert any("20 were assumed" in text for text in run.report.warnings)
    numbered = load_run([("4-iteration.csv", io.BytesIO(csv(DRIVES)))])
    assert (numbered.episodes["iteration"] == 4).all() and not numbered.report.warnings


def test_a_trainer_log_alone():
    run = load_run([("a", io.BytesIO(TRAINER_LOG))])
    assert len(run.policy_updates) == 3
    assert run.episodes.empty and run.steps.empty and run.evaluation_episodes.empty
    assert run.metadata.first_checkpoint == 3 and run.metadata.cloned_from == "checkpoint 2"
    assert run.hours is None and run.track is None
    assert run.missing[0].startswith("No step lines were found")


def test_metrics_alone():
    run = load_run([("a", io.BytesIO(metrics(DRIVES)))])
    assert len(run.episodes) == 6 and not run.episodes["traced"].any()
    assert len(run.laps) == 2 and run.steps.empty
    assert len(run.checkpoint_evaluations) == 1
    race = load_run([("b", io.BytesIO(metrics(RACE, evaluation=True)))])
    assert race.episodes.empty and len(race.evaluation_laps) == 2


def test_an_evaluation_alone():
    run = load_run([("b", io.BytesIO(simulation_log(RACE, "EVALUATION", 6, 10_000)))])
    assert run.episodes.empty and len(run.evaluation_laps) == 2
    assert run.metadata.world == "reinvent_base" and run.metadata.workers is None
    assert any(text.startswith("Only evaluation drives") for text in run.missing)


def test_the_trainer_of_a_sac_training_writes_no_policy_lines():
    trainer = b"Checkpoint> Saving in path=['./checkpoint/agent/0_Step-0.ckpt']\n"
    run = load_run(uploads({"a": trainer, "b": log(DRIVES)}))
    assert any("SAC" in text for text in run.missing)


def test_a_simulation_log_alone_tells_the_best_checkpoint():
    told = b'[BestModelSelection] Updating the best checkpoint to "8_Step-2433.ckpt" from "7_Step-0.ckpt".\n'
    run = load_run([("a", io.BytesIO(simulation_log(DRIVES) + told))])
    assert run.metadata.best_checkpoint == 8 and run.metadata.last_checkpoint is None


def test_a_log_cut_in_the_middle_of_an_episode():
    data = simulation_log(DRIVES)
    run = load_run([("a", io.BytesIO(data[: data.rindex(b"SIM_TRACE_LOG:5,20,") + 60]))])
    last = run.episodes.iloc[-1]
    assert last["episode"] == 5 and last["steps"] == 19
    assert last["end_status"] == "in_progress" and not last["complete"]
    assert run.report.skipped.total == 1


def test_a_log_that_begins_in_the_middle_of_a_lap():
    data = log(DRIVES)
    run = load_run([("a", io.BytesIO(data[data.index(b"SIM_TRACE_LOG:1,30,") :]))])
    assert run.episodes["episode"].tolist() == [1, 2, 3, 4, 5]
    assert run.laps["episode"].tolist() == [4]


def test_each_stream_of_workers_and_metrics_of_a_fleet():
    files = {}
    for worker in range(12):
        drives = drive(4, laps=(worker % 4,), begins=10.0 + worker, length=30 + worker)
        for iteration in (0, 1):
            part = drives[drives["episode"] // 2 == iteration]
            files[f"{worker}/training-simtrace/{iteration}-iteration.csv"] = csv(part)
        files[f"metrics/TrainingMetrics{f'_{worker}' * (worker > 0)}.json"] = metrics(drives)
    for order in (files, dict(reversed(files.items()))):
        run = load_run(uploads(order))
        assert run.metadata.workers == 12 and run.metadata.episodes_per_iteration == 24
        assert run.episodes.groupby("worker")["steps"].first().tolist() == list(range(30, 42))
        assert (run.episodes["time_source"] == "official").all()
        assert run.laps.sort_values("worker")["episode"].tolist() == [0, 1, 2, 3] * 3
        assert run.episodes["iteration"].tolist() == [0] * 24 + [1] * 24
        assert not run.report.warnings


def test_a_model_in_a_numbered_folder_is_one_worker():
    run = load_run(
        uploads({"12/training-simtrace/0-iteration.csv": csv(DRIVES), "12/robomaker.log": log(DRIVES)})
    )
    assert len(run.steps) == len(DRIVES) and run.metadata.workers == 1


# ------------------------------------------------------------------------------------------------ failures


def test_nothing_recognised_names_each_file_and_what_was_looked_for():
    with pytest.raises(LogError) as error:
        load_run(
            uploads(
                {"notes.md": b"hello", "x/empty.log": b"", "broken.json": b'{"a"', "model.pb": b"\x00" * 99}
            )
        )
    said = str(error.value)
    for word in (
        "notes.md",
        "x/empty.log (the file is empty)",
        "broken.json is not readable as JSON",
        "model.pb",
        "SIM_TRACE_LOG",
    ):
        assert word in said
    with pytest.raises(LogError, match=r"a\.log .*1 lines that could not be read"):
        load_run(uploads({"a.log": b"SIM_TRACE_LOG: keys\n"}))


def test_of_very_many_files_the_first_are_named():
    with pytest.raises(LogError, match="and 30 more"):
        load_run(uploads({f"{i}.txt": b"x" for i in range(50)}))


@pytest.mark.parametrize("source", [[], (), "", "no/such/folder"])
def test_nothing_given(source):
    with pytest.raises(LogError, match="There is no file"):
        load_run(source)


def test_an_empty_folder(tmp_path):
    with pytest.raises(LogError, match="There is no file to read"):
        load_run(tmp_path)


def test_a_damaged_file_stops_no_other():
    run = load_run(uploads({"a.log": log(DRIVES), "b.zip": packed({"c.log": log(RACE)}, "zip")[:-40]}))
    assert len(run.steps) == len(DRIVES)
    assert any("b.zip" in warning and "damaged" in warning for warning in run.report.warnings)


def test_progress_is_reported_to_the_end():
    calls = []
    load_run(uploads(FILES), on_progress=lambda *call: calls.append(call))
    total = sum(map(len, FILES.values()))
    assert calls[-1] == (total, total)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


# ------------------------------------------------------------------------------------------------- clocks


def test_hours_on_the_log_s_own_clock():
    run = load_run([("a", io.BytesIO(log(DRIVES)))])
    end = DRIVES["tstamp"].iloc[-1] + 1 / 15
    assert run.hours == pytest.approx((end - DRIVES["tstamp"].iloc[0]) / 3600, rel=1e-6)


def test_hours_do_not_mix_the_unix_clock_with_the_simulation_s():
    old = as_vintage(DRIVES, "2020")
    known = metrics(drive(9, laps=(1, 4), length=40))
    run = load_run(uploads({"a": log(old, "2020"), "b": known}))
    assert len(run.episodes) == 9 and not run.episodes["traced"].all()
    assert run.hours < 1


def test_start_and_end_by_the_steps_own_unix_clock():
    run = load_run([("a", io.BytesIO(log(DRIVES, "2026")))])
    assert run.metadata.started == pytest.approx(DRIVES["wall_clock"].min())
    assert run.metadata.ended == pytest.approx(DRIVES["wall_clock"].max())
    old = as_vintage(DRIVES, "2020")
    run = load_run([("a", io.BytesIO(log(old, "2020")))])
    assert (run.metadata.started, run.metadata.ended) == (old["tstamp"].min(), old["tstamp"].max())


def test_no_end_is_told_that_comes_before_the_last_drive():
    stamp = b"[INFO] [1658412074.2697701, 0.0]: ready\n"
    run = load_run([("a", io.BytesIO(stamp + log(DRIVES)))])
    assert run.metadata.started == 1658412074.2697701 and run.metadata.ended is None


# ------------------------------------------------------------------------------------- choosing drives, routes


def test_drives_are_chosen_by_iteration_start_and_stream():
    run = load_run(uploads(FILES))
    every = run.drives()
    assert every.steps is run.steps and every.episodes is run.episodes
    some = run.drives(iterations=(1, 2))
    assert some.episodes["iteration"].tolist() == [1, 1, 2, 2]
    assert some.steps["unique_episode"].unique().tolist() == some.episodes["unique_episode"].tolist()
    assert some.laps["episode"].tolist() == [4]
    assert some.steps_of_laps["episode"].unique().tolist() == [4]
    races = run.drives(evaluations=True, streams=["20220101"])
    assert len(races.episodes) == 2 and len(races.steps) == len(RACE)
    assert run.drives(evaluations=True, streams=[]).episodes.empty
    assert run.drives(iterations=(9, 9)).steps.empty


def test_drives_from_the_start_line():
    moved = DRIVES.copy()
    elsewhere = moved["episode"] >= 3
    moved.loc[elsewhere, "closest_waypoint"] = (moved.loc[elsewhere, "closest_waypoint"] + 20) % 50
    run = load_run(uploads({"a": log(moved)}))
    assert run.drives(from_start_line=True).episodes["episode"].tolist() == [0, 1, 2]


def test_a_route_file_among_the_logs_or_given_is_used_where_it_fits():
    circle = drive(1, laps=(0,), length=50)
    angle = np.linspace(0, 2 * np.pi, 50)
    rings = [np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1) for r in (3.0, 2.5, 3.5)]
    route = io.BytesIO()
    np.save(route, np.hstack(rings))
    beside = load_run([("a.log", io.BytesIO(log(circle))), ("loop.npy", route)])
    route.seek(0)
    given = load_run([("a.log", io.BytesIO(log(circle)))], track=route)
    rebuilt = load_run([("a.log", io.BytesIO(log(circle)))])
    assert beside.track.source == given.track.source == "route file"
    assert rebuilt.track.approximate
    with pytest.raises(LogError):
        load_run([("a.log", io.BytesIO(log(circle)))], track=io.BytesIO(b"no route"))
