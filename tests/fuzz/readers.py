"""The readers under the fuzzer: what each is fed with, and what must hold whatever it is fed with."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from deepracer_viz import LogError, load_run
from deepracer_viz.logs import metadata
from deepracer_viz.logs.formats import STEP_COLUMNS
from deepracer_viz.logs.report import Skipped
from deepracer_viz.logs.sources import Members
from deepracer_viz.logs.steps import StepFile, read_step_csv, read_step_log
from deepracer_viz.logs.trainer import read_trainer_log
from deepracer_viz.track import load_track
from tests.fuzz import seeds


@dataclass(frozen=True)
class Reader:
    """One reader: makes its seeds, and a check that raises where something it promises does not hold."""

    seeds: Callable[[], list[bytes]]
    check: Callable[[bytes], None]


def check_table(steps: pd.DataFrame) -> None:
    """Hold a step table to its types and to the values that a simulator can write."""
    for name, about in STEP_COLUMNS.items():
        if name == "episode_status":
            assert isinstance(steps[name].dtype, pd.CategoricalDtype)
            continue
        values = steps[name].to_numpy()
        assert values.dtype == about.kind, (name, values.dtype)
        if name != "wall_clock":
            assert (values >= about.low).all() and (values <= about.high).all(), name


def check_skipped(skipped: Skipped) -> None:
    for reason, count, example in skipped:
        assert reason and count > 0 and isinstance(example, str) and len(example) <= 160


def check_steps(found: StepFile) -> None:
    check_table(found.steps)
    check_skipped(found.skipped)
    rows = [row for _, row in found.marks]
    assert rows == sorted(rows) and (not rows or rows[-1] <= len(found.steps))
    assert not found.steps.size or isinstance(found.format, str)


def check_step_log(data: bytes) -> None:
    found = read_step_log(io.BytesIO(data))
    check_steps(found)
    # In blocks of any size a file reads the same, but for how much of it tells the vintage of its first lines.
    assert b"SIM_TRACE_LOG:" in data or not len(found.steps)
    assert len(found.steps) <= data.count(b"SIM_TRACE_LOG:")


def check_step_csv(data: bytes) -> None:
    check_steps(read_step_csv(io.BytesIO(data)))


def check_trainer(data: bytes) -> None:
    found = read_trainer_log(data)
    check_skipped(found.skipped)
    policy = found.policy_updates
    assert not np.isinf(policy.select_dtypes("number").to_numpy(dtype=float)).any()
    assert (policy["iteration"] >= 0).all() and (policy["epoch"] >= 0).all()
    assert (found.checkpoints["checkpoint"] >= 0).all() and (found.episodes["episode"] >= 0).all()


def check_json(data: bytes) -> None:
    for read in (
        metadata.read_metrics,
        metadata.read_model_metadata,
        metadata.read_hyperparameters,
        metadata.read_checkpoints,
        metadata.read_training_params,
    ):
        try:
            found = read(data)
        except LogError:
            continue
        if isinstance(found, metadata.MetricsFile):
            check_skipped(found.skipped)
            for table in (found.episodes, found.checkpoint_evaluations, found.evaluation):
                assert not np.isinf(table[["time", "start", "progress"]].to_numpy()).any()
                assert not (table["progress"] > 100).any()
        elif isinstance(found, dict):
            assert all(len(str(value)) <= 400 for value in found.values())
        elif isinstance(found, metadata.ModelMetadata) and found.action_space:
            assert found.action_space.describe()


def check_route(data: bytes) -> None:
    track = load_track(io.BytesIO(data))
    assert len(track.center) >= 3 and np.isfinite(track.length) and np.isfinite(track.curvature).all()


def check_archive(data: bytes) -> None:
    members = Members([("a", io.BytesIO(data))])
    for member in members:
        assert member.name and ".." not in member.name.split("/") and not member.name.startswith("/")
        member.name.encode()
        member.file.read()
    assert all(name and problem for name, problem in members.problems)


def check_run(data: bytes) -> None:
    """Hold a run read from any bytes to what its tables promise."""
    run = load_run([("a.log", io.BytesIO(data))])
    for steps, episodes in ((run.steps, run.episodes), (run.evaluation_steps, run.evaluation_episodes)):
        check_table(steps)
        traced = episodes[episodes["steps"] > 0]
        assert len(steps) == traced["steps"].sum()
        assert (np.diff(steps["unique_episode"]) >= 0).all()
        laps = episodes[episodes["complete"]]
        assert (laps["end_status"] == "lap_complete").all() and (laps["progress"] == 100).all()
        assert laps["time"].notna().all()
    assert isinstance(run.missing, list) and run.report.skipped.total >= 0


@cache
def _jobs() -> list[bytes]:
    return [
        seeds.simulation_log(),
        seeds.trainer_log(),
        seeds.csv(200),
        seeds.metrics(),
        seeds.zipped(seeds.files()),
    ]


READERS = {
    "step log": Reader(
        lambda: [seeds.simulation_log(), seeds.simulation_log("fast-but-fragile")], check_step_log
    ),
    "step CSV": Reader(lambda: [seeds.csv(), seeds.csv(model="over-trained")], check_step_csv),
    "trainer log": Reader(lambda: [seeds.trainer_log(), seeds.simulation_log(episodes=())], check_trainer),
    "JSON and YAML": Reader(
        lambda: [
            seeds.metrics(),
            seeds.metrics("fast-but-fragile", "evaluation"),
            *(
                seeds.member("planted-faults", rf"{name}\.json$")
                for name in ("model_metadata", "hyperparameters")
            ),
            b'{"best_checkpoint": {"name": "8_Step-2433.ckpt", "avg_eval_metric": 93.5}, "last_checkpoint": {}}',
            b'WORLD_NAME: "reinvent_base"\nJOB_TYPE: TRAINING\nNUMBER_OF_TRIALS: 3\nIS_CONTINUOUS:\n- true\n',
        ],
        check_json,
    ),
    "route": Reader(lambda: [seeds.route(), seeds.route()[: 128 + 8 * 6 * 10]], check_route),
    "archive": Reader(seeds.archives, check_archive),
    "run": Reader(_jobs, check_run),
}


def feed(reader: Reader, data: bytes) -> bool:
    """Give bytes to a reader; False where it refused them with the one error that it may raise."""
    try:
        reader.check(data)
    except LogError as error:
        assert str(error)
        return False
    return True
