import numpy as np
import pandas as pd
import pytest

from deepracer_viz import load_run
from deepracer_viz.analysis.lap import beside, lap_trace


@pytest.fixture(scope="module")
def run(sample_logs):
    return load_run(str(sample_logs / "steady-and-slow.tar.gz"))


def laps_of(run):
    laps = run.laps.sort_values("time")
    return int(laps["unique_episode"].iloc[0]), int(laps["unique_episode"].iloc[len(laps) // 2])


def test_a_lap_step_by_step(run):
    number = laps_of(run)[0]
    trace = lap_trace(run.steps, run.episodes, number, run.track)
    raw = run.steps[(run.steps["unique_episode"] == number) & (run.steps["episode_status"] != "prepare")]
    assert trace.complete and trace.time == run.laps["time"].min()
    assert (trace.steps["reward"].to_numpy() == raw["reward"].to_numpy()).all()
    assert trace.steps["step"].tolist() == list(range(len(raw)))
    assert trace.steps["time"].iloc[-1] == pytest.approx(raw["tstamp"].iloc[-1] - raw["tstamp"].iloc[0])
    # A lap goes once round the track, whichever side of the start line it began on.
    driven = trace.steps["along"].iloc[-1] - trace.steps["along"].iloc[0]
    assert driven == pytest.approx(run.track.length, rel=0.03)
    assert (np.diff(trace.steps["along"]) > -0.2).all()
    way = np.hypot(np.diff(raw["x"]), np.diff(raw["y"])).sum()
    assert trace.steps["true_speed"].mean() == pytest.approx(way / trace.steps["time"].iloc[-1], rel=0.05)


def test_a_known_drive():
    steps = pd.DataFrame(
        {
            "unique_episode": [4, 4, 4, 4],
            "x": [0.0, 0.0, 1.0, 3.0],
            "y": 0.0,
            "tstamp": [10.0, 10.5, 11.0, 12.0],
            "speed": [1.0, 1.0, 2.0, 2.0],
            "steering_angle": 5.0,
            "reward": [0.0, 1.0, 2.0, 3.0],
            "progress": [0.0, 1.0, 2.0, 3.0],
            "closest_waypoint": [0, 0, 1, 2],
            "episode_status": pd.Categorical(["prepare", "in_progress", "in_progress", "off_track"]),
        }
    )
    episodes = pd.DataFrame({"unique_episode": [4], "complete": [False], "time": [1.5]})
    trace = lap_trace(steps, episodes, 4)
    assert trace.steps["along"].tolist() == [0, 1, 3]
    assert trace.steps["time"].tolist() == [0, 0.5, 1.5]
    assert trace.steps["true_speed"].tolist() == pytest.approx([2, 2, 2])
    assert trace.length is None and (trace.steps["section"] == "").all()
    assert beside(trace, trace).empty


def test_another_lap_is_laid_beside_it_over_the_whole_stretch(run):
    fast, other = (lap_trace(run.steps, run.episodes, number, run.track) for number in laps_of(run))
    shifted = beside(other, fast)
    low, high = other.steps["along"].min(), other.steps["along"].max()
    assert shifted["along"].between(low, high).all()
    assert shifted["along"].is_monotonic_increasing
    assert shifted["along"].max() - shifted["along"].min() > 0.9 * (high - low)
    places = fast.steps.set_index("step")[["x", "y"]].loc[shifted["step"]].to_numpy()
    assert (places == shifted[["x", "y"]].to_numpy()).all()


def test_no_such_drive_and_a_drive_without_steps(run):
    with pytest.raises(KeyError, match="no episode 99999"):
        lap_trace(run.steps, run.episodes, 99999)
    trace = lap_trace(run.steps.iloc[:0], run.episodes, laps_of(run)[0], run.track)
    assert trace.steps.empty and trace.complete
