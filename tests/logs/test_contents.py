"""What each file of a source is, told by its content whatever its name."""

import io
import json

import numpy as np
import pytest

from deepracer_viz.logs import contents as reader
from deepracer_viz.logs.contents import Contents, read_contents
from deepracer_viz.logs.report import ReadReport
from deepracer_viz.logs.sources import Members
from tests.step_lines import csv, drive, lines, log

METRICS = {
    "metrics": [{"phase": "training", "episode": 1, "trial": 1, "completion_percentage": 50}],
    "version": 1,
}
ROUTE = io.BytesIO()
np.save(ROUTE, np.zeros((5, 6)))

KINDS = {
    "simulation log (2021 to 2024)": log(drive()),
    "sim-trace CSV": csv(drive()),
    "trainer log": b"Checkpoint> Saving in path=['./checkpoint/agent/8_Step-2433.ckpt']\n",
    "log without steps": b"Launching\n{'WORLD_NAME': 'reinvent_base', 'JOB_TYPE': 'EVALUATION'}\n",
    "metrics JSON (training)": json.dumps(METRICS).encode(),
    "model metadata JSON": b'{"action_space": [{"steering_angle": 30, "speed": 1}], "sensor": ["LIDAR"]}',
    "hyperparameters JSON": b'{"batch_size": 64, "lr": 0.0003}',
    "checkpoints JSON": b'{"best_checkpoint": {"name": "8_Step-2433.ckpt"}}',
    "job parameters": b'WORLD_NAME: "reinvent_base"\nJOB_TYPE: TRAINING\n',
    "route file": ROUTE.getvalue(),
    "empty": b" \n\n",
    "not used": b"# Notes\nnothing here\n",
}
WHERE = {
    "simulation log (2021 to 2024)": "logs",
    "sim-trace CSV": "csvs",
    "trainer log": "logs",
    "log without steps": "logs",
    "metrics JSON (training)": "metrics",
    "model metadata JSON": "model_metadata",
    "hyperparameters JSON": "hyperparameters",
    "checkpoints JSON": "checkpoints",
    "job parameters": "parameters",
    "route file": "routes",
}


def read(*files: tuple[str, bytes]) -> tuple[Contents, ReadReport]:
    report = ReadReport()
    return read_contents(Members([(name, io.BytesIO(data)) for name, data in files]), report), report


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["x", "folder/robomaker.log", "metrics.json", "0-iteration.csv", "model.zip"]
)
def test_kind_by_content_and_never_by_name(kind, name):
    found, report = read((name, KINDS[kind]))
    assert [file.kind for file in report.files] == [kind]
    assert report.files[0].size == (len(KINDS[kind]) if kind != "empty" else 0)
    counts = {where: len(getattr(found, where)) for where in vars(found)}
    assert counts == {where: int(where == WHERE.get(kind)) for where in counts}
    assert not report.warnings


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("route file", "empty", "not used")])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16-le", "utf-16-be"])
def test_text_as_windows_tools_save_it(kind, encoding):
    text = KINDS[kind].decode()
    data = text.encode(encoding) if encoding == "utf-8-sig" else ("\ufeff" + text).encode(encoding)
    found, report = read(("x", data.replace(b"\n", b"\r\n") if encoding == "utf-8-sig" else data))
    assert [file.kind for file in report.files] == [kind]
    assert not report.warnings
    if found.logs and len(found.logs[0].steps.steps):
        assert len(found.logs[0].steps.steps) == len(drive())


def test_utf_16_is_read_in_blocks_of_any_size():
    text = "ü€😀 reward\n" * 3000 + "".join(f"{line}\n" for line in lines(drive(8)))
    found, _ = read(("x", ("\ufeff" + text).encode("utf-16-le")))
    assert len(found.logs[0].steps.steps) == len(drive(8))
    assert "ü€😀 reward" in found.logs[0].steps.text.decode()


def test_a_long_log_that_prints_its_parameters_first_is_still_a_log():
    start = b"WORLD_NAME: reinvent_base\nJOB_TYPE: TRAINING\n" + b"waiting for the simulator\n" * 4000
    found, report = read(("x", start + log(drive())))
    assert report.files[0].kind == "simulation log (2021 to 2024)"
    assert not found.parameters


def test_a_log_that_begins_like_json_is_still_a_log():
    _, report = read(("x", b'{"log": "x"}\n' + log(drive())))
    assert report.files[0].kind == "simulation log (2021 to 2024)"


def test_binary_files_are_not_searched():
    _, report = read(("model.pb", bytes(range(256)) * 50))
    assert report.files[0].kind == "not used" and not report.warnings
    assert report.files[0].size == 0


def test_blank_lines_before_a_csv_header():
    _, report = read(("x", b"\r\n\n" + csv(drive())))
    assert report.files[0].kind == "sim-trace CSV"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"metrics": [', "not readable as JSON"),
        (b"[" * 10 + b'{"a":' * 100_000, None),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"episode,steps,X\n1,2,3\n", "has no column y"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_stops_no_other(data, said):
    found, report = read(("first.log", log(drive())), ("broken.json", data), ("last.csv", csv(drive())))
    assert len(found.logs) == len(found.csvs) == 1
    broken = report.files[1]
    assert broken.name == "broken.json" and broken.kind == "not used"
    if said:
        assert said in broken.note
        assert any("broken.json" in warning for warning in report.warnings)


def test_what_went_wrong_in_an_archive_stands_beside_the_file(monkeypatch):
    import gzip

    packed = gzip.compress(log(drive(400)))
    _, report = read(("robomaker.log.gz", packed[: len(packed) // 2]))
    assert report.steps > 0
    assert "robomaker.log.gz" in report.warnings[0]
    assert ["cut off or damaged" in warning for warning in report.warnings] == [True]
    assert any("cut off or damaged" in file.note for file in report.files)


def test_files_that_must_be_held_whole_are_bounded(monkeypatch):
    monkeypatch.setattr(reader, "MAX_SMALL_FILE", 1000)
    _, report = read(("big.json", KINDS["metrics JSON (training)"] + b" " * 2000))
    assert "larger than" in report.files[0].note


def test_csv_files_keep_folder_and_number():
    found, _ = read(
        ("0/training-simtrace/12-iteration.csv", csv(drive())),
        ("evaluation.csv", csv(drive())),
    )
    assert [(c.folder, c.iteration) for c in found.csvs] == [("0/training-simtrace", 12), ("", None)]


def test_skipped_lines_are_counted_per_file_and_together():
    _, report = read(
        ("a.log", log(drive()) + b"SIM_TRACE_LOG: keys\n"),
        ("b.log", b"SIM_TRACE_LOG: keys\n" + log(drive(3)) + b"Policy training> Surrogate loss=what\n"),
    )
    assert [file.skipped.total for file in report.files] == [1, 2]
    assert report.skipped.total == 3
    assert [file.steps for file in report.files] == [len(drive()), len(drive(3))]
    assert report.steps == len(drive()) + len(drive(3))


def test_each_damaged_archive_is_told_of():
    import gzip

    packed = gzip.compress(log(drive(400)))
    _, report = read(("one.log.gz", packed[: len(packed) // 2]), ("two.log.gz", packed[: len(packed) // 3]))
    assert [warning.partition(":")[0] for warning in report.warnings] == ["one.log.gz", "two.log.gz"]
