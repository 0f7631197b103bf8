"""A folder that grows: after every look the followed run is what reading the whole folder gives."""

import gzip
import io
import json
import os
import shutil
import tarfile
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from deepracer_viz import FollowedRun, LogError, follow, load_run
from deepracer_viz.logs.steps import GrowingSteps, read_step_csv, read_step_log
from tests.step_lines import csv, drive, log
from tests.test_run import metrics, simulation_log

DRIVES = drive(8, laps=(1, 4, 6), length=40)
TABLES = (
    "steps",
    "episodes",
    "policy_updates",
    "checkpoint_evaluations",
    "evaluation_steps",
    "evaluation_episodes",
)
COUNTS = ("steps", "reordered", "duplicates", "dummy_rows", "only_in_log", "only_in_csv", "differing")


def assert_same(followed: FollowedRun, folder) -> None:
    """Compare with a reading of the whole folder, a folder without any drive included."""
    try:
        whole = load_run(folder)
    except LogError as error:
        with pytest.raises(LogError) as refused:
            _ = followed.run
        assert str(refused.value) == str(error)
        return
    run = followed.run
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(run, name), getattr(whole, name), obj=name)
    for name in COUNTS:
        assert getattr(run.report, name) == getattr(whole.report, name)
    accounts = [
        [(f.name, f.kind, f.size, f.steps, f.skipped, f.note) for f in one.report.files]
        for one in (run, whole)
    ]
    assert accounts[0] == accounts[1]
    assert sorted(run.report.warnings) == sorted(whole.report.warnings)
    said = [replace(one.metadata, action_space=None) for one in (run, whole)]
    assert said[0] == said[1]
    assert (run.name, run.track_note) == (whole.name, whole.track_note)


def append(path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(data)


def trainer_log(iterations: int) -> bytes:
    lines = []
    for i in range(iterations):
        lines += [f"Saving in path=['s3://b/m/model/{i}_Step-{100 * i}.ckpt']"]
        lines += [
            f"Training> Name=main_level/agent, Worker=0, Episode={2 * i + k + 1}, Total reward=5.5, "
            f"Steps={100 * i + k}, Training iteration={i}"
            for k in range(2)
        ]
        lines += [
            f"Policy training> Surrogate loss=0.1, KL divergence=0.01, Entropy={1 - i / 9}, training epoch={k}, "
            "learning_rate=0.0003"
            for k in range(3)
        ]
    return "\n".join(lines).encode() + b"\n"


def iteration_csv(number: int) -> bytes:
    return csv(DRIVES[DRIVES["episode"].between(2 * number, 2 * number + 1)])


@pytest.mark.parametrize("seed", range(4))
def test_a_folder_written_in_random_pieces_is_read_as_if_at_once(tmp_path, seed):
    rng = np.random.default_rng(seed)
    left = {
        "logs/robomaker.log": simulation_log(DRIVES, every=80) + b"SIM_TRACE_LOG:nonsense\n",
        "logs/sagemaker.log": trainer_log(4),
        **{f"training-simtrace/{i}-iteration.csv": iteration_csv(i) for i in range(4)},
        "readme.txt": b"A note about this model, of no use to a reader.\n" * 3,
    }
    followed = FollowedRun(tmp_path)
    followed.update()
    total = 0
    while left:
        for name in rng.permutation(list(left))[: rng.integers(1, 3)]:
            size = int(rng.integers(1, 30_000))
            append(tmp_path / name, left[name][:size])
            total += len(left[name][:size])
            left[name] = left[name][size:]
            if not left[name]:
                del left[name]
        if rng.random() < 0.3:
            known = DRIVES[DRIVES["episode"] < rng.integers(2, 8)]
            (tmp_path / "metrics.json").write_bytes(metrics(known))
        assert followed.update()
        assert_same(followed, tmp_path)
        assert not followed.update()
    # The metrics are read anew each time; of what grows no byte is read again but the few that show it is the same.
    again = followed.version * (len(metrics(DRIVES)) + 2 * 1024 * 7 + follow.HEAD)
    assert total <= followed.bytes_read <= total + again


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("block", [97, 1000, 1 << 16])
def test_steps_read_in_pieces_are_those_of_the_whole_file(block, end):
    noise = b"no step here\nSIM_TRACE_LOG:1,2\n\xff\xfe broken \nPolicy training> nothing\n"
    whole = noise.join([log(DRIVES[:150]), log(DRIVES[150:200], "2019"), log(DRIVES[200:])])
    whole = whole.replace(b"\n", end.encode())[:-3]
    growing = GrowingSteps(read_step_log, block)
    rng = np.random.default_rng(block)
    cuts = np.r_[0, np.sort(rng.integers(0, len(whole), 12)), len(whole)]
    for begin, stop in pairwise(cuts):
        growing.add(whole[begin:stop])
        found, expected = growing.file(), read_step_log(io.BytesIO(whole[:stop]), block)
        pd.testing.assert_frame_equal(found.steps, expected.steps)
        assert (found.format, found.text, found.marks) == (expected.format, expected.text, expected.marks)
        assert found.skipped == expected.skipped
        assert growing.size == stop and growing.held < block


def test_csv_rows_read_in_pieces_are_those_of_the_whole_file():
    whole = csv(DRIVES[:60]) + csv(DRIVES[60:])
    growing = GrowingSteps(read_step_csv, 500)
    for begin in range(0, len(whole), 700):
        growing.add(whole[begin : begin + 700])
        expected = read_step_csv(io.BytesIO(whole[: begin + 700]), block=500)
        pd.testing.assert_frame_equal(growing.file().steps, expected.steps)
        assert growing.file().skipped == expected.skipped


def test_the_work_of_a_look_is_that_of_what_is_new(tmp_path):
    lines = log(DRIVES).splitlines(keepends=True)
    for i in range(50):
        append(
            tmp_path / "training-simtrace" / f"{i}-iteration.csv",
            csv(DRIVES.assign(episode=DRIVES["episode"] + 8 * i)),
        )
    append(tmp_path / "robomaker.log", b"".join(lines))
    followed = FollowedRun(tmp_path)
    followed.update()
    before = followed.bytes_read
    assert before == sum(path.stat().st_size for path in tmp_path.rglob("*.*"))
    assert not followed.update() and followed.bytes_read == before
    append(tmp_path / "robomaker.log", b"another line\n")
    assert followed.update()
    assert followed.bytes_read - before <= len(b"another line\n") + 2 * 1024


def test_a_line_half_written_is_read_when_it_is_whole(tmp_path):
    data = log(DRIVES)
    path = tmp_path / "a.log"
    cut = data.rindex(b"SIM_TRACE_LOG") + 40
    path.write_bytes(data[:cut])
    followed = FollowedRun(tmp_path)
    followed.update()
    assert len(followed.run.steps) == len(DRIVES) - 1 and followed.run.report.skipped.total == 1
    append(path, data[cut:])
    followed.update()
    assert len(followed.run.steps) == len(DRIVES) and followed.run.report.skipped.total == 0


def test_a_file_that_shrinks_or_is_another_one_is_read_from_its_beginning(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(log(DRIVES))
    followed = FollowedRun(tmp_path)
    followed.update()
    other = drive(9, laps=(2, 5), length=50)
    for data in (log(DRIVES[:100]), log(other), log(DRIVES)):
        path.write_bytes(data)
        assert followed.update()
        assert_same(followed, tmp_path)
    # Renamed over it, of the same size, and with the same time.
    about = path.stat()
    swapped = log(DRIVES).replace(b"SIM_TRACE_LOG:1,", b"SIM_TRACE_LOG:0,")
    (tmp_path / ".new").write_bytes(swapped)
    os.utime(tmp_path / ".new", ns=(about.st_atime_ns, about.st_mtime_ns))
    (tmp_path / ".new").rename(path)
    assert followed.update()
    assert_same(followed, tmp_path)


def test_files_come_and_go(tmp_path):
    followed = FollowedRun(tmp_path, "mine")
    assert followed.update() and not followed.update()
    with pytest.raises(LogError, match="no file to read"):
        _ = followed.run
    for i in range(3):
        append(tmp_path / f"{i}-iteration.csv", iteration_csv(i))
        assert followed.update()
        assert followed.run.episodes["iteration"].max() == i and followed.run.name == "mine"
    (tmp_path / "2-iteration.csv").unlink()
    assert followed.update()
    assert followed.run.episodes["iteration"].max() == 1
    shutil.rmtree(tmp_path)
    with pytest.raises(LogError, match="no file or folder"):
        followed.update()


def test_packed_files_and_odd_encodings_are_read_whole_when_they_change(tmp_path):
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(log(DRIVES[:100])))
    followed = FollowedRun(tmp_path)
    followed.update()
    assert_same(followed, tmp_path)
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(log(DRIVES)))
    append(tmp_path / "broken.log.gz", gzip.compress(trainer_log(20))[:-30])
    (tmp_path / "wide.csv").write_bytes(csv(DRIVES).decode().encode("utf-16"))
    with tarfile.open(tmp_path / "more.tar", "w") as archive:
        archive.add(tmp_path / "wide.csv", "inside/wide.csv")
    followed.update()
    assert_same(followed, tmp_path)
    for name in ("a.log.gz", "broken.log.gz", "wide.csv"):
        (tmp_path / name).unlink()
    # Paths inside the only archive of a folder have no name in front.
    assert followed.update()
    assert_same(followed, tmp_path)


def test_metrics_half_written_leave_what_they_held_until_the_next_look(tmp_path):
    (tmp_path / "a.log").write_bytes(log(DRIVES))
    path = tmp_path / "metrics.json"
    path.write_bytes(metrics(DRIVES))
    followed = FollowedRun(tmp_path)
    followed.update()
    official = (followed.run.episodes["time_source"] == "official").sum()
    path.write_bytes(metrics(DRIVES)[:300])
    assert not followed.update()
    assert (followed.run.episodes["time_source"] == "official").sum() == official > 0
    assert followed.update()
    assert_same(followed, tmp_path)
    path.write_bytes(json.dumps({"metrics": []}).encode())
    assert followed.update()
    assert_same(followed, tmp_path)


def test_bytes_that_are_let_go_of_are_read_again_when_the_file_grows(tmp_path, monkeypatch):
    monkeypatch.setattr(follow, "MAX_HELD", 0)
    data = log(DRIVES)
    followed = FollowedRun(tmp_path)
    for end in (len(data) // 3, len(data) // 2, len(data)):
        (tmp_path / "a.log").open("ab").write(data[(tmp_path / "a.log").stat().st_size : end])
        followed.update()
        assert_same(followed, tmp_path)
    assert followed.bytes_read > len(data)


def test_a_log_that_changes_its_kind_while_it_begins(tmp_path):
    path = tmp_path / "a.log"
    followed = FollowedRun(path)
    for data in (b"\n", b"WORLD_NAME: reinvent_base\n", b"x\n" * 40_000, log(DRIVES)):
        append(path, data)
        assert followed.update()
        assert_same(followed, path)
    assert len(followed.run.steps) == len(DRIVES)


def test_a_look_that_failed_is_made_up_for_by_the_next(tmp_path, monkeypatch):
    (tmp_path / "a.log").write_bytes(log(DRIVES))
    followed = FollowedRun(tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(follow, "assemble", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            followed.update()
    assert followed.update() and not followed.update()
    assert_same(followed, tmp_path)


def test_it_knows_when_the_last_drives_came_in(tmp_path):
    append(tmp_path / "0-iteration.csv", iteration_csv(0))
    append(tmp_path / "note.txt", b"later\n")
    os.utime(tmp_path / "0-iteration.csv", (1_700_000_000, 1_700_000_000))
    followed = FollowedRun(tmp_path)
    assert followed.came_in is None
    followed.update()
    assert followed.came_in == 1_700_000_000


def test_a_sample_model_that_grows(tmp_path, sample_logs):
    with tarfile.open(sample_logs / "steady-and-slow.tar.gz") as archive:
        files = {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}
    followed = FollowedRun(tmp_path)
    for share in (0.3, 0.97, 1.0):
        for name, data in files.items():
            if not name.endswith(".json") or share == 1.0:
                path = tmp_path / name
                append(path, data[path.stat().st_size if path.exists() else 0 : int(share * len(data))])
        followed.update()
        assert_same(followed, tmp_path)
    total = sum(map(len, files.values()))
    assert total <= followed.bytes_read <= total + 3 * len(files) * (follow.HEAD + 2048)


def test_real_logs_in_pieces(real_logs, tmp_path):
    followed = FollowedRun(tmp_path)
    for source in sorted((real_logs / "console-2020-clone").iterdir()):
        data = source.read_bytes()
        for begin, end in ((0, len(data) // 2), (len(data) // 2, len(data))):
            append(tmp_path / source.name, data[begin:end])
            followed.update()
            assert_same(followed, tmp_path)
