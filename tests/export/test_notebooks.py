"""Files of steps in the hands of deepracer-utils: its sums are our episodes."""

import contextlib
import io

import numpy as np
import pandas as pd
import pytest

from deepracer_viz import load_run
from deepracer_viz.export import log_table, write_csv, write_parquet

pytest.importorskip("deepracer.logs", reason="deepracer-utils is not installed")
from deepracer.logs import AnalysisUtils, SimtraceStabilityAnalyzer, SimulationLogsIO


def reread(table: pd.DataFrame, ending: str) -> pd.DataFrame:
    file = io.BytesIO()
    (write_parquet if ending == "parquet" else write_csv)(table, file)
    file = io.BytesIO(file.getvalue())
    return pd.read_parquet(file) if ending == "parquet" else pd.read_csv(file)


def summed_up(steps: pd.DataFrame, **how) -> pd.DataFrame:
    with contextlib.redirect_stdout(io.StringIO()):
        return AnalysisUtils.simulation_agg(steps, **how)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
@pytest.mark.parametrize("source", ["console-2022-robomaker.log", "drfc-three-workers"])
def test_their_sums_over_our_file_are_our_episodes(real_logs, source, ending):
    run = load_run(real_logs / source)
    sums = summed_up(reread(log_table(run, "steps"), ending), secondgroup="unique_episode", add_tstamp=True)
    both = sums.merge(run.episodes, on=["iteration", "unique_episode"], suffixes=("_theirs", "_ours"))
    traced = run.episodes["traced"].sum()
    assert len(sums) == len(both) == traced >= 20
    assert (both["steps_theirs"] == both["steps_ours"]).all()
    assert (both["complete_theirs"] == both["complete_ours"]).all() and both["complete_ours"].any()
    laps = both[both["complete_ours"]]
    assert np.allclose(laps["time_theirs"], laps["driven_time"], atol=1e-6)
    assert np.allclose(both["reward_theirs"], both["reward_ours"], rtol=1e-4)


def test_their_sums_over_evaluations_by_stream(real_logs):
    run = load_run(real_logs / "drfc-three-workers")
    assert len(run.evaluation_episodes)
    steps = reread(log_table(run, "evaluation_steps"), "parquet")
    sums = summed_up(steps, firstgroup="stream", is_eval=True)
    both = sums.merge(run.evaluation_episodes, on=["stream", "episode"], suffixes=("_theirs", "_ours"))
    assert len(both) == len(run.evaluation_episodes)
    assert (both["complete_theirs"] == both["complete_ours"]).all()


def test_every_column_that_they_make_is_in_our_file(real_logs):
    path = real_logs / "console-2022-robomaker.log"
    theirs = SimulationLogsIO.load_pandas(str(path))
    ours = reread(log_table(load_run(path), "steps"), "parquet")
    assert list(ours)[: theirs.shape[1]] == list(theirs)
    assert [str(type_)[:3] for type_ in ours.dtypes[: theirs.shape[1]]] == [
        str(type_)[:3] for type_ in theirs.dtypes
    ]


def test_their_notebook_steps_run_on_our_file(real_logs):
    steps = reread(log_table(load_run(real_logs / "drfc-three-workers"), "steps"), "parquet")
    SimulationLogsIO.normalize_rewards(steps)
    assert steps["reward"].between(0, 1).all()
    assert len(SimtraceStabilityAnalyzer(steps).analyze())
