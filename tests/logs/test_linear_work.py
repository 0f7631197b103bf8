"""No input takes more than linear work, however it is made.

Two measures, neither of them a clock: calls of Python functions are counted, for input and for twice as much of
it; and where the work is inside a pattern, which nothing can count, the input is so large that quadratic work
would take hours.
"""

import gzip
import io
import sys
import zipfile
from collections.abc import Callable

import pytest

from deepracer_viz import LogError, assembly, load_run
from deepracer_viz.logs.contents import read_contents
from deepracer_viz.logs.metadata import read_metrics, read_training_params
from deepracer_viz.logs.report import ReadReport
from deepracer_viz.logs.sources import Members
from deepracer_viz.logs.steps import read_step_csv, read_step_log
from deepracer_viz.logs.streams import streams_of
from deepracer_viz.logs.trainer import read_trainer_log
from tests.step_lines import csv, drive, log

LARGE = 400_000
"""Bytes; squared, and at a nanosecond each, several minutes for every single piece below."""

PIECES = [
    b"[", b"]", b"[[,", b"[1,", b'"', b'""', b'"a', b"'", b"{", b'{"', b" ", b"\t", b"\n", b"\r", b"\r\n", b" \n",
    b"\n ",
    b"-\n", b"\n- ", b",", b"1,", b"0", b"9", b"e", b".", b":", b"=", b"#", b"\\", b"\x1b[", b"\x1b[1;", b"#033[",
    b"\0",
    b"\xff", b"\x1b[0;1", b"SIM_TRACE_LOG:", b"SIM_TRACE_LOG:[", b"SIM_TRACE_LOG:\n", b"SIM_TRACE_LOG:0,1,2\n",
    b"episode", b"episode ", b"episode,steps\n", b"Policy training", b"Policy training> ", b"Policy training \x1b[0m",
    b"Policy training> Surrogate loss=", b"Training> Name=", b"Training> Name=a, Worker=0, Episode=", b"Saving in path",
    b"Saving in path=['", b"Saving in path=1_Step-", b"Restoring from path=", b"Restoring from path=\x1b[",
    b"Loading checkpoint: ", b"Best checkpoint number: ", b'Updating the best checkpoint to "', b"pretrained_s3_prefix",
    b"pretrained_s3_prefix = ", b"'WORLD_NAME':", b"'WORLD_NAME': [", b"'WORLD_NAME': '", b"'JOB_TYPE': \"",
    b"{'WORLD_NAME': {", b"* /WORLD_NAME: ", b"WORLD_NAME: x\n", b"\nWORLD_NAME: ", b"World name passed in YAML: ",
    b'world_name":', b"ROLLOUT_IDX", b"ROLLOUT_IDX = ", b"Sensor list [", b"Sensor list ['a'], network ",
    b"ction space from file: [", b"ction space from file: {", b"Using the following hyper-parameters",
    b"Using the following hyper-parameters {", b'hyperparameters":', b"SM_HPS='{", b'"lr":', b'"lr": 1', b"[INFO] [",
    b"[ INFO] [1600000000.", b"2020-01-01 00:00:00,", b"\n2020-01-01T00:00:00", b"BestModelSelection", b"Checkpoint>",
]  # fmt: skip


@pytest.mark.parametrize("piece", PIECES, ids=repr)
def test_no_text_takes_hours(piece):
    text = piece * (LARGE // len(piece))
    read_trainer_log(b"x" + text)
    for around in (b"SIM_TRACE_LOG:" + text, b"x\n" + text + b"\nx"):
        read_step_log(io.BytesIO(around))
    for head in (b"", csv(drive(1))):
        try:
            read_step_csv(io.BytesIO(head + text))
        except LogError as error:
            assert "column" in str(error)
    report = ReadReport()
    read_contents(Members([("a", io.BytesIO(b"x" + text[:65_000]))]), report)
    assert len(report.files) == 1
    try:
        read_training_params(b"WORLD_NAME: x\n" + text)
    except LogError as error:
        assert "settings" in str(error)


def calls(work: Callable) -> int:
    """Count the calls of functions that some work makes."""
    count = 0

    def on(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(on)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


STEPS = drive(40, length=8)


def spoiled_zip(count: int) -> bytes:
    """A zip of which every member is broken."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i in range(count):
            archive.writestr(f"{i}.log", b"text" * 3)
    return out.getvalue().replace(b"text", b"test")


def restores(count: int) -> bytes:
    """A log in which a checkpoint is loaded before each step."""
    rows = log(STEPS).splitlines(keepends=True)
    return b"".join(b"Restoring from path=./%d_Step-1.ckpt\n" % i + rows[i % len(rows)] for i in range(count))


def metrics(count: int) -> bytes:
    entry = b'{"phase": "training", "episode": 1, "completion_percentage": 50}'
    return b'{"metrics": [' + b",".join([entry] * count) + b"]}"


def through_streams(data: bytes, name: str = "a.log") -> None:
    report = ReadReport()
    streams_of(read_contents(Members([(name, io.BytesIO(data))]), report), report)


WORKS = {
    "step lines": lambda n: through_streams(log(STEPS) * n),
    "garbled step lines": lambda n: through_streams(log(STEPS).replace(b",True,", b",Tr,") * n),
    "lines of other text with the token": lambda n: through_streams(
        log(STEPS) + b"SIM_TRACE_LOG: keys\n" * 300 * n
    ),
    "glued lines": lambda n: through_streams(log(STEPS).replace(b"\n", b"") * n + b"\n"),
    "lines and text in turn": lambda n: through_streams(log(STEPS).replace(b"\n", b"\ntext\n") * n),
    "a CSV of many headers": lambda n: through_streams(csv(drive(1)) * 40 * n),
    "checkpoints loaded": lambda n: through_streams(restores(400 * n)),
    "trainer lines": lambda n: read_trainer_log(
        b"Training> Name=a, Worker=0, Episode=1, Total reward=1.0\n" * 400 * n
    ),
    "metrics entries": lambda n: read_metrics(metrics(300 * n)),
    "broken members": lambda n: through_streams(spoiled_zip(80 * n), "a.zip"),
    "members of a gzip": lambda n: through_streams(
        b"".join(gzip.compress(b"text\n") for _ in range(100 * n)), "a.gz"
    ),
    "carriage returns": lambda n: through_streams(log(STEPS).replace(b"\n", b"\r") * n),
}


@pytest.mark.parametrize("name", WORKS)
def test_twice_the_input_takes_at_most_twice_the_calls(name):
    work = WORKS[name]
    work(1)
    once, twice, four = (calls(lambda n=n: work(n)) for n in (2, 4, 8))
    assert twice <= 2.2 * once and four <= 2.2 * twice, (once, twice, four)


def evaluations(logs: int, metrics: int) -> list[tuple[str, io.BytesIO]]:
    """Evaluation logs, and metrics files of which none is theirs."""
    told = b'{"metrics": [{"elapsed_time_in_milliseconds": 9000, "trial": 1, "completion_percentage": 7}]}'
    steps = [b"{'JOB_TYPE': 'EVALUATION'}\n" + log(drive(1, length=5, begins=100.0 * i)) for i in range(logs)]
    files = [(f"{i}.log", io.BytesIO(data)) for i, data in enumerate(steps)]
    return files + [(f"{i}/EvaluationMetrics.json", io.BytesIO(told)) for i in range(metrics)]


def test_many_evaluations_are_not_held_against_each_of_many_metrics(monkeypatch):
    compared = []
    agreement = assembly.official_agreement

    def count(*tables):
        compared.append(tables)
        return agreement(*tables)

    monkeypatch.setattr(assembly, "official_agreement", count)
    monkeypatch.setattr(assembly, "MAX_COMPARISONS", 12)
    few = load_run(evaluations(3, 4))
    assert len(compared) == 12 and not [w for w in few.report.warnings if "held against" in w]
    compared.clear()
    many = load_run(evaluations(6, 8))
    assert len(compared) == 12
    assert [w for w in many.report.warnings if "only 2 of them were held against the steps" in w]
    assert many.evaluation_episodes["stream"].nunique() == 6 + 8


def test_a_job_with_a_checkpoint_before_each_step_is_read_whole():
    run = load_run([("a.log", io.BytesIO(restores(len(STEPS))))])
    assert len(run.steps) == len(STEPS)
    assert run.episodes["iteration"].is_monotonic_increasing
