"""Real logs read by deepracer-utils as well: rows, episodes, laps and times are the same but for what is listed.

Every difference stands in ``DIFFERENCES`` with the reason why ours is right; a difference that is not listed
fails, and so does a listed one that is no longer there.
"""

import contextlib
import io
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepracer_viz import load_run

pytest.importorskip("deepracer.logs", reason="deepracer-utils is not installed")
from deepracer.logs import AnalysisUtils, DeepRacerLog, SimulationLogsIO

VALUES = (
    *("x", "y", "yaw", "steering_angle", "speed", "action", "reward", "done", "on_track", "progress"),
    *("closest_waypoint", "track_len", "tstamp", "episode_status", "pause_duration", "wall_clock"),
)

# Source (a log, or the CSV files of a folder) -> how the two differ -> why ours is right.
DIFFERENCES = {
    "console-2020-clone log": {
        "pause_duration": "logs of 2020 do not write it: theirs is NaN, ours 0, as nobody paused",
        "lap times": "theirs counts from the end of the episode before unless a row says 'prepare', which rows of "
        "2020 never do: each lap is longer by the time it took to put the car back at the start",
        "distance": "for the same reason theirs adds the way from the end of the episode before to the start",
    },
    "console-2022-robomaker log": {},
    "console-2022-continuous log": {},
    "console-2022-continuous training CSV": {},
    "console-2023-head-to-head log": {},
    "console-2023-head-to-head training CSV": {},
    "console-2023-object-avoidance log": {},
    "console-2023-object-avoidance training CSV": {},
    "console-2023-sac log": {},
    "console-2023-sac training CSV": {},
    "droa-2026 training log": {
        "distance": "theirs adds the jump from a first row that still shows the place where the car stood before",
    },
    "droa-2026 training CSV": {
        "distance": "theirs adds the jump from a first row that still shows the place where the car stood before",
    },
    "droa-2026 evaluation log": {
        "distance": "theirs adds the way that a car is put back after it left the track, which it did not drive",
    },
    "droa-2026 evaluation CSV": {
        "distance": "theirs adds the way that a car is put back after it left the track, which it did not drive",
    },
    "drfc-one-worker training CSV": {},
    "drfc-one-worker evaluation CSV": {
        "lap times": "in a race without stops theirs counts from the line and ours, beside the time from line to "
        "line, keeps the time from the lap's own first step",
        "distance": "for the same reason theirs adds the last stretch before the line to the lap that follows",
    },
    "drfc-three-workers training CSV": {
        "unique_episode": "any numbering that tells episodes of all workers apart will do; ours follows the order "
        "of driving, theirs puts one worker behind the other within an iteration",
    },
    "drfc-three-workers evaluation CSV": {
        "distance": "theirs adds the way that a car is put back after it left the track, which it did not drive",
    },
}


@pytest.fixture(scope="module")
def sources(real_logs, tmp_path_factory) -> Path:
    """Every real log unpacked, each source in a folder of its name."""
    top = tmp_path_factory.mktemp("witness")
    for path in real_logs.glob("*.tar.gz"):
        with tarfile.open(path) as archive:
            archive.extractall(top / path.name.removesuffix(".tar.gz"), filter="data")
    for path in real_logs.iterdir():
        if path.is_dir():
            shutil.copytree(path, top / path.name)
        elif path.suffix == ".log":
            (top / path.stem).mkdir()
            shutil.copy(path, top / path.stem)
    return top


def both(sources: Path, source: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Read a source with both: their steps, our steps, our episodes; each with a column ``drive``."""
    name, _, what = source.partition(" ")
    folder, evaluation = sources / name, "evaluation" in what
    if what.endswith("log"):
        (path,) = (
            p
            for p in folder.rglob("*.log")
            if b"SIM_TRACE_LOG:" in p.read_bytes()
            and what.removesuffix("log").strip() in str(p.relative_to(folder))
        )
        theirs = SimulationLogsIO.load_pandas(str(path)).assign(worker=0, stream="")
        run = load_run(path)
    else:
        top = next(p for p in (folder, *folder.rglob("*")) if {q.name for q in p.glob("*")} & CSV_FOLDERS)
        log = DeepRacerLog(str(top))
        log.load_evaluation_trace() if evaluation else log.load_training_trace()
        theirs = log.dataframe().assign(worker=lambda t: t["worker"].astype(int))
        paths = [p for p in top.rglob("*-iteration.csv") if f"{what.split()[0]}-simtrace" in str(p)]
        run = load_run([(p.relative_to(top).as_posix(), io.BytesIO(p.read_bytes())) for p in paths])
    ours, episodes = (
        (run.evaluation_steps, run.evaluation_episodes) if evaluation else (run.steps, run.episodes)
    )
    tables = []
    for table in (theirs, ours, episodes):
        stream = table["stream"].astype(str) if "stream" in table and evaluation else ""
        # They leave the word out of the names of DeepRacer for Cloud's folders.
        if evaluation and not what.endswith("log"):
            stream = stream.str.removeprefix("evaluation-")
        elif evaluation:
            stream = ""
        key = table["worker"].astype(str) + " " + stream + " " + table["episode"].astype(str)
        tables.append(table.assign(drive=key))
    return tuple(tables)


CSV_FOLDERS = {"sim-trace", "training-simtrace", "0"}


def summed_up(theirs: pd.DataFrame) -> pd.DataFrame:
    """Their own sums of each episode."""
    with contextlib.redirect_stdout(io.StringIO()):
        sums = AnalysisUtils.simulation_agg(theirs, firstgroup="worker", secondgroup="drive", is_eval=True)
    return sums[["drive", "steps", "progress", "time", "dist"]]


def compared(theirs: pd.DataFrame, ours: pd.DataFrame, episodes: pd.DataFrame) -> set[str]:
    """How two readings of one source differ."""
    found = set()
    key = ["drive", "steps"]
    both = theirs.merge(ours, on=key, suffixes=("_theirs", "_ours"), validate="one_to_one")
    if not len(theirs) == len(ours) == len(both):
        return {"rows"}
    for name in VALUES:
        one, other = both[f"{name}_theirs"], both[f"{name}_ours"]
        if name == "episode_status":
            differs = one.astype(str) != other.astype(str)
        else:
            one, other = one.astype(float), other.astype(float)
            differs = ((one - other).abs() > 1e-5 * (1 + one.abs())) | (one.isna() != other.isna())
        if differs.any():
            found.add(name)
    if "unique_episode" in theirs and (both["unique_episode_theirs"] != both["unique_episode_ours"]).any():
        found.add("unique_episode")
    sums = summed_up(theirs).merge(episodes, on="drive", suffixes=("_theirs", "_ours"), validate="one_to_one")
    if len(sums) != theirs["drive"].nunique() or len(sums) != len(episodes):
        found.add("episodes")
    if not (sums["steps_theirs"] == sums["steps_ours"]).all():
        found.add("steps of an episode")
    if not ((sums["progress_theirs"] == 100) == sums["complete"]).all():
        found.add("laps")
    laps = sums[sums["complete"]]
    if len(laps) and (laps["time_theirs"] - laps["driven_time"]).abs().max() > 1e-6:
        found.add("lap times")
    if (sums["dist_theirs"] - sums["dist_ours"]).abs().max() > 0.05:
        found.add("distance")
    return found


@pytest.mark.parametrize("source", DIFFERENCES)
def test_both_read_the_same_but_for_what_is_listed(sources, source):
    assert compared(*both(sources, source)) == set(DIFFERENCES[source])
    assert all(len(reason) > 20 for reason in DIFFERENCES[source].values())


def test_logs_of_2019_only_ours_can_read(sources):
    (path,) = (sources / "workshop-2019-evaluation").glob("*.log")
    with pytest.raises(IndexError):
        # They expect a status as the sixteenth field, which came a year later.
        SimulationLogsIO.load_pandas(str(path))
    assert len(load_run(path).evaluation_laps) == 3


def test_every_real_log_is_in_the_list(sources):
    listed = {source.split()[0] for source in DIFFERENCES} | {"workshop-2019-evaluation"}
    assert {path.name for path in sources.iterdir()} == listed


def test_lap_times_of_2020_differ_by_the_gap_before_each_lap(sources):
    theirs, ours, episodes = both(sources, "console-2020-clone log")
    first, last = (getattr(ours.groupby("episode")["tstamp"], end)() for end in ("min", "max"))
    gap = first - last.shift()
    laps = summed_up(theirs).merge(episodes[episodes["complete"]], on="drive", suffixes=("_theirs", "_ours"))
    assert len(laps) == 13 and (gap.loc[laps["episode"]] > 0.3).all()
    expected = laps["driven_time"].to_numpy() + gap.loc[laps["episode"]].to_numpy()
    assert np.allclose(laps["time_theirs"], expected, atol=1e-4)


def test_lap_times_of_races_without_stops_are_theirs_from_line_to_line(sources):
    theirs, _, episodes = both(sources, "drfc-one-worker evaluation CSV")
    laps = summed_up(theirs).merge(episodes, on="drive", suffixes=("_theirs", "_ours"))
    later = laps[laps["episode"] > 0]
    assert len(later) == 6 and np.allclose(later["time_theirs"], later["time_ours"], atol=1e-6)
    first = laps[laps["episode"] == 0]
    # The official clock starts one step before the first row.
    assert np.allclose(first["time_ours"] - first["time_theirs"], 1 / 15)


def test_a_crash_counter_is_no_clock(tmp_path):
    """Lines of 2024 and 2025 end with the counter, which deepracer-utils takes for a time of day."""
    line = "SIM_TRACE_LOG:0,{},3.1,0.6,0.1,-20.00,3.62,4,0.0000,False,True,{},1,17.71,{},in_progress,0.00,2\n"
    path = tmp_path / "robomaker.log"
    path.write_text("".join(line.format(i, i / 10, 6 + i / 15) for i in range(1, 9)))
    assert (SimulationLogsIO.load_pandas(str(path))["wall_clock"] == 2).all()
    steps = load_run(path).steps
    assert steps["wall_clock"].isna().all() and (steps["obstacle_crash_counter"] == 2).all()
