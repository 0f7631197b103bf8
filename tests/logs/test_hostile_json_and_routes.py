"""JSON and route files that are of another shape, huge, deep, or hold what no DeepRacer job writes."""

import io
import json
import pickle
import tracemalloc

import numpy as np
import pytest

from deepracer_viz import LogError, load_run
from deepracer_viz.logs import contents, metadata
from deepracer_viz.logs.contents import MAX_ROUTE, read_contents
from deepracer_viz.logs.metadata import (
    MAX_ACTIONS,
    load_json,
    read_checkpoints,
    read_hyperparameters,
    read_metrics,
    read_model_metadata,
)
from deepracer_viz.logs.report import ReadReport
from deepracer_viz.logs.sources import Members
from tests.step_lines import drive, log

STEPS = log(drive(3, laps=(1,)))
ENTRY = {
    "phase": "training",
    "episode": 2,
    "trial": 1,
    "completion_percentage": 100,
    "episode_status": "Lap complete",
    "elapsed_time_in_milliseconds": 667,
    "start_time": 10_000,
    "reward_score": 13.5,
    "metric_time": 11_000,
}
HUGE = [
    "1e999",
    "-1e999",
    "9" * 10_000,
    "-" + "9" * 10_000,
    "1" + "0" * 400,
    "NaN",
    "Infinity",
    "-Infinity",
    "1e-999",
]


def with_log(*files: tuple[str, bytes]):
    return load_run([("a.log", io.BytesIO(STEPS)), *((name, io.BytesIO(data)) for name, data in files)])


def metrics(**changes: str) -> bytes:
    """A metrics JSON of one entry, some of its values as written here."""
    entry = {key: json.dumps(value) for key, value in ENTRY.items()} | changes
    return (
        '{"version": 1, "metrics": [{' + ", ".join(f'"{k}": {v}' for k, v in entry.items()) + "}]}"
    ).encode()


# ------------------------------------------------------------------------------------------------------- JSON


@pytest.mark.parametrize("number", HUGE)
@pytest.mark.parametrize(
    "key",
    [
        "episode",
        "trial",
        "completion_percentage",
        "elapsed_time_in_milliseconds",
        "start_time",
        "reward_score",
    ],
)
def test_huge_numbers_in_metrics_become_gaps_and_never_a_time(key, number):
    found = read_metrics(metrics(**{key: number}))
    for table in (found.episodes, found.checkpoint_evaluations):
        assert not np.isinf(table[["time", "start", "progress", "reward"]].to_numpy()).any()
    run = with_log(("metrics.json", metrics(**{key: number})))
    assert len(run.laps) == 1 and run.laps["time"].iloc[0] == pytest.approx(0.667, abs=0.002)


def test_a_plausible_metrics_file_is_the_official_word():
    run = with_log(("metrics.json", metrics()))
    assert run.laps["time"].tolist() == [0.667] and run.laps["time_source"].tolist() == ["official"]


SHAPES = [
    b"null", b"true", b"0", b'""', b"[]", b"{}", b"[[[]]]", b'{"metrics": null}', b'{"metrics": {}}',
    b'{"metrics": []}',
    b'{"metrics": [null, 1, "x", [], {}, {"episode": {}}]}', b'{"metrics": [{"phase": [], "episode": []}]}',
    b'{"metrics": [{"episode": "1", "phase": "training", "completion_percentage": "100"}]}',
    b'{"metrics": [{"episode": true, "phase": "training"}]}', b'{"metrics": [{"trial": -1}]}',
    b'{"action_space": null}', b'{"action_space": 5}', b'{"action_space": [[], {}, null]}',
    b'{"action_space": {"speed": {"high": "NaN", "low": []}, "steering_angle": {}}}',
    b'{"action_space": {"speed": [], "steering_angle": null}, "sensor": {"a": 1}, "neural_network": []}',
    b'{"batch_size": [], "lr": {}}', b'{"batch_size": null, "lr": "x"}',
    b'{"best_checkpoint": [], "last_checkpoint": {}}', b'{"best_checkpoint": {"name": 5}}',
    b'{"best_checkpoint": {"name": "99999999999999999999_Step-1.ckpt"}}', b'{"\\ud800": "\\udfff", "metrics": []}',
    b'{"metrics": [], "metrics": [1]}', b'\xff\xfe{\x00}\x00', b'{"metrics": [\xff\xfe]}', b'{"metrics": ["\xe9"]}',
]  # fmt: skip


@pytest.mark.parametrize("data", SHAPES)
def test_json_of_any_shape_is_used_or_not_and_changes_no_lap(data):
    run = with_log(("x.json", data))
    assert len(run.laps) == 1 and run.laps["time_source"].tolist() == ["estimated"]
    for read in (read_metrics, read_model_metadata, read_hyperparameters, read_checkpoints):
        try:
            read(data)
        except LogError as error:
            assert str(error)


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"metrics":[', '[{"a":'])
def test_deep_json_is_refused(opening):
    run = with_log(("deep.json", b'{"metrics": ' + opening.encode() * 200_000))
    assert len(run.laps) == 1
    assert any("deep.json" in warning and "nested too deeply" in warning for warning in run.report.warnings)


def test_json_of_very_many_values_is_refused_before_it_is_parsed(monkeypatch):
    data = b'{"metrics": [' + b"[]," * 4_000_000 + b"[]]}"
    tracemalloc.start()
    try:
        with pytest.raises(LogError, match="more than 5,000,000 values"):
            load_json(data, "metrics.json")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    monkeypatch.setattr(metadata, "MAX_JSON_VALUES", 10)
    with pytest.raises(LogError, match="more than 10 values"):
        load_json(b"[" + b"1," * 20 + b"1]", "x.json")


def test_metrics_of_a_training_of_ten_thousand_iterations_are_within_the_limits():
    entry = metrics().split(b"[")[1].split(b"]")[0]
    entries = 10_000 * 25
    assert len(entry) * entries < contents.MAX_SMALL_FILE
    assert entry.count(b",") * entries + entries < metadata.MAX_JSON_VALUES

    assert entries <= metadata.MAX_DRIVES


def test_metrics_of_very_many_drives_end_at_a_limit(monkeypatch):
    monkeypatch.setattr(metadata, "MAX_DRIVES", 3)
    entries = b",".join(metrics(episode=str(i)).split(b"[")[1].split(b"]")[0] for i in range(1, 6))
    found = read_metrics(b'{"metrics": [' + entries + b"]}")
    assert found.episodes["episode"].tolist() == [0, 1, 2]
    assert found.skipped.counts == {"metrics entry beyond the first 3": 2}
    assert read_metrics(metrics()).skipped.total == 0


def test_broken_characters_in_a_json_cost_no_number():
    data = metrics(model='"R\xfcckseite"').decode().encode("latin-1")
    with pytest.raises(UnicodeDecodeError):
        json.loads(data)
    assert with_log(("metrics.json", data)).laps["time_source"].tolist() == ["official"]


def test_hyperparameters_are_words_and_finite_numbers():
    long = "x" * 100_000
    data = f'{{"batch_size": 64, "lr": 1e999, "num_epochs": {"9" * 5000}, "loss_type": "{long}", "stack_size": NaN}}'
    assert read_hyperparameters(data.encode()) == {"batch_size": 64}
    run = load_run(
        [("a.log", io.BytesIO(STEPS + b"Using the following hyper-parameters\n" + data.encode() + b"\n"))]
    )
    assert run.metadata.hyperparameters == {"batch_size": 64}


def test_an_action_space_ends_where_step_rows_cannot_number_it():
    data = json.dumps({"action_space": [{"speed": 1, "steering_angle": 0}] * (MAX_ACTIONS + 5)}).encode()
    assert len(read_model_metadata(data).action_space.actions) == MAX_ACTIONS == 32_768


def test_very_many_files_of_a_kind_end_at_a_limit(monkeypatch):
    monkeypatch.setattr(contents, "MAX_OF_A_KIND", 20)
    files = [(f"{i}.json", io.BytesIO(metrics(episode=str(i + 2)))) for i in range(27)]
    report = ReadReport()
    found = read_contents(Members(files), report)
    assert len(found.metrics) == 20
    assert sum("only the first 20 files of a kind" in file.note for file in report.files) == 7


# ------------------------------------------------------------------------------------------------------ routes


class Bomb:
    """Fails the test as soon as it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


def npy(array: np.ndarray, version: tuple[int, int] = (1, 0)) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version)
    return out.getvalue()


def claims(header: str) -> bytes:
    """A route file whose header says this."""
    text = header.encode("latin-1").ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(600)


CIRCLE = np.c_[np.cos(np.linspace(0, 6.283, 50)), np.sin(np.linspace(0, 6.283, 50))]
ROUTES = {
    "a pickle": pickle.dumps(Bomb()),
    "objects": npy(np.array([[Bomb()] * 6] * 5, dtype=object)),
    "objects by another version": npy(np.array([[Bomb()] * 6] * 5, dtype=object), (3, 0)),
    "an npz with objects": None,
    "structured": npy(np.zeros(5, dtype=[("x", "f8"), ("y", "O")])),
    "dates": npy(np.zeros((5, 6), dtype="M8[s]")),
    "three dimensions": npy(np.zeros((5, 6, 2))),
    "a gap": npy(np.where(np.arange(50)[:, None] == 7, np.nan, CIRCLE)),
    "all NaN": npy(np.full((50, 2), np.nan)),
    "huge numbers": npy(CIRCLE * 1e300),
    "huge borders": npy(np.hstack([CIRCLE, CIRCLE * 1e200, CIRCLE * -1e200])),
    "numbers of 128 bits": npy(CIRCLE.astype(np.longdouble) * np.longdouble("1e4000")),
    "far away": npy(CIRCLE + 1e6),
    "tiny numbers": npy(CIRCLE * 1e-300),
    "a header that never closes": claims("{'descr': '<f8', 'fortran_order': False, 'shape': (5,ß6), }}}"),
    "a header that calls": claims(
        "{'descr': __import__('os').system('false'), 'fortran_order': False, 'shape': (5, 6)}"
    ),
    "a negative shape": claims("{'descr': '<f8', 'fortran_order': False, 'shape': (-5, 6), }"),
    "a huge shape": claims("{'descr': '<f8', 'fortran_order': False, 'shape': (5, 6" + "0" * 40 + "), }"),
    "a shape of truths": claims("{'descr': '<f8', 'fortran_order': False, 'shape': (True, 6), }"),
    "a type of no size": claims("{'descr': '|V0', 'fortran_order': False, 'shape': (5, 6), }"),
    "a deep type": claims(
        "{'descr': " + "[" * 60 + "]" * 60 + ", 'fortran_order': False, 'shape': (5, 6), }"
    ),
    "an unknown version": b"\x93NUMPY\x09\x09" + bytes(200),
    "the magic alone": b"\x93NUMPY",
    "too large": b"\x93NUMPY\x01\x00" + bytes(MAX_ROUTE + 1),
}
OUT = io.BytesIO()
np.savez(OUT, a=np.array([Bomb()], dtype=object))
ROUTES["an npz with objects"] = OUT.getvalue()


@pytest.mark.parametrize("case", ROUTES)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_route_that_is_none_is_said_and_stops_no_log(case):
    alone = with_log()
    run = with_log(("track.npy", ROUTES[case]))
    assert len(run.laps) == 1 and run.steps.equals(alone.steps)
    assert (run.track is None) == (alone.track is None)
    unknown = {"a pickle", "an npz with objects"}
    assert case in unknown or any("track.npy" in warning for warning in run.report.warnings)


def test_a_metrics_file_without_drives_does_not_say_what_the_job_was():
    for data in (b'{"metrics": []}', b'{"metrics": [{"trial": 1}]}'):
        run = with_log(("EvaluationMetrics.json", data))
        assert len(run.episodes) == 3 and run.evaluation_episodes.empty
        assert run.report.files[1].note == "it holds no drive"


def test_a_route_of_another_track_changes_no_step():
    alone = with_log()
    run = with_log(("track.npy", npy(CIRCLE * 40)))
    assert run.steps.equals(alone.steps) and run.laps["time"].tolist() == alone.laps["time"].tolist()
    assert run.track is None or run.track.approximate
