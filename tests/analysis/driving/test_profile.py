import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepracer_viz.analysis.driving import driving_profile
from tests.analysis.driving.oval import ROW, laps, oval


@pytest.fixture(scope="module")
def track():
    return oval()


class TestProfile:
    def test_constant_speed_is_found_everywhere(self, track):
        steps, _ = laps(track, [lambda place: np.full(np.shape(place), 2.0)] * 20)
        profile = driving_profile(steps.assign(speed=np.float32(2.5)), track)
        assert list(profile["waypoint"]) == list(range(len(track.center)))
        seen = profile[profile["visits"] > 0]
        # The last waypoint is where the first one is; steps are given to one of them.
        assert len(seen) >= len(track.center) - 1
        for name in ("speed", "speed_low", "speed_high"):
            np.testing.assert_allclose(seen[name], 2.5)
        on_straight = seen[seen["section"].str.startswith("S")]
        for name in ("true_speed", "true_speed_low", "true_speed_high"):
            np.testing.assert_allclose(on_straight[name], 2.0, rtol=1e-3)
            np.testing.assert_allclose(seen[name], 2.0, rtol=2e-2)  # chords are shorter than the bend
        assert profile["visits"].sum() == (steps["episode_status"] != "prepare").sum()
        assert profile["episodes"].max() == 20
        np.testing.assert_allclose(profile["distance"], track.distance)
        np.testing.assert_allclose(profile[["x", "y"]], track.center)

    @given(
        st.lists(
            st.tuples(st.integers(0, 12), st.floats(-30, 30, width=32), st.floats(0.5, 4, width=32)),
            min_size=1,
        )
    )
    def test_means_and_quartiles_are_those_of_the_steps(self, rows):
        waypoint, angle, speed = (np.array(column) for column in zip(*rows, strict=True))
        steps = table(waypoint, speed=speed, steering_angle=angle)
        profile = driving_profile(steps).set_index("waypoint")
        for number in range(waypoint.max() + 1):
            mine = waypoint == number
            assert profile.loc[number, "visits"] == mine.sum()
            for name, prefix, values in (("speed", "speed", speed), ("steering_angle", "steering", angle)):
                columns = [name, f"{prefix}_low", f"{prefix}_high"]
                if mine.any():
                    expected = [values[mine].mean(), *np.quantile(values[mine], [0.25, 0.75])]
                    np.testing.assert_allclose(profile.loc[number, columns].tolist(), expected, atol=1e-5)
                else:
                    assert profile.loc[number, columns].isna().all()

    def test_true_speed_is_distance_over_time_not_the_mean_of_speeds(self):
        steps = table([3, 3, 3], x=[0, 0.1, 0.5], tstamp=[0, 0.1, 0.2])
        row = driving_profile(steps).loc[3]
        assert row["true_speed"] == pytest.approx(0.5 / 0.2)
        assert row["true_speed_low"] == pytest.approx(1.75)
        assert row["true_speed_high"] == pytest.approx(3.25)

    def test_held_still_rows_do_not_count(self):
        steps = table(
            [9, 0, 0, 1, 1, 1],
            x=[50, 0, 0.1, 0.2, 0.2, 0.3],
            episode_status=["prepare", "in_progress", "in_progress", "off_track", "pause", "in_progress"],
            speed=[9, 1, 1, 1, 9, 1],
        )
        profile = driving_profile(steps)
        assert len(profile) == 2
        assert profile["visits"].tolist() == [2, 2]
        assert profile["speed"].tolist() == [1, 1]
        # Neither from the pose before the start nor over the pause.
        np.testing.assert_allclose(profile["true_speed"], [0.1 / ROW, 0.1 / ROW])

    def test_waypoints_never_visited_are_gaps(self, track):
        profile = driving_profile(table([2, 2, 5]), track)
        assert len(profile) == len(track.center)
        assert profile["visits"].sum() == 3
        values = profile.drop(columns=["waypoint", "visits", "episodes", "section", "distance", "x", "y"])
        assert values.drop(index=[2, 5]).isna().all(axis=None)
        assert not values[["speed", "steering_angle", "steering_low"]].loc[[2, 5]].isna().any(axis=None)

    def test_waypoints_beyond_the_track_are_kept(self, track):
        count = len(track.center)
        profile = driving_profile(table([0, count + 1]), track)
        assert len(profile) == count + 2
        assert profile["visits"].iloc[-1] == 1
        assert profile.loc[count:, ["distance", "x", "y"]].isna().all(axis=None)
        assert (profile.loc[count:, "section"] == "").all()

    def test_true_speed_does_not_reach_over_episodes_or_back_in_time(self):
        steps = table([0, 0, 1, 1], unique_episode=[0, 0, 4, 4], x=[0, 0.2, 9, 9.2], tstamp=[0, ROW, 5, 5])
        profile = driving_profile(steps)
        assert profile.loc[0, "true_speed"] == pytest.approx(0.2 / ROW)
        assert np.isnan(profile.loc[1, "true_speed"])
        assert profile["episodes"].tolist() == [1, 1]

    def test_steps_in_which_the_simulator_halted_have_no_true_speed(self):
        x = [0, 0.1, 0.2, 2.2, 2.3]
        steps = table([0, 0, 1, 2, 2], x=x, tstamp=[0, ROW, 2, 2 + ROW, 2 + 2 * ROW])
        profile = driving_profile(steps)
        np.testing.assert_allclose(profile["true_speed"], [0.1 / ROW, np.nan, 0.1 / ROW])

    def test_standing_starts_count_only_where_nothing_else_was_seen(self):
        rows = 60
        x = np.append(np.linspace(0, 0.5, 10), 0.5 + 0.2 * np.arange(1, rows - 9))
        steps = table(np.append(np.zeros(30, int), np.ones(30, int)), x=x)
        second = steps.assign(unique_episode=1, closest_waypoint=1)
        profile = driving_profile(pd.concat([steps, second], ignore_index=True))
        assert profile.loc[1, "true_speed"] == pytest.approx(0.2 / ROW)
        assert profile.loc[0, "true_speed"] < 0.2 / ROW
        assert profile["visits"].tolist() == [30, 90]

    def test_no_step(self, track):
        assert len(driving_profile(table([]))) == 0
        profile = driving_profile(table([]), track)
        assert len(profile) == len(track.center)
        assert profile["visits"].sum() == 0
        assert profile["true_speed"].isna().all()
        assert list(profile.columns) == list(driving_profile(table([1, 2]), track).columns)


def table(waypoint, **columns):
    """Steps of one episode with nothing remarkable but what is given."""
    count = len(waypoint)
    usual = {
        "unique_episode": np.zeros(count, dtype="int32"),
        "x": 0.1 * np.arange(count),
        "y": np.zeros(count),
        "yaw": np.zeros(count),
        "on_track": np.ones(count, dtype=bool),
        "track_len": np.full(count, 20.0),
        "speed": np.ones(count, dtype="float32"),
        "steering_angle": np.zeros(count, dtype="float32"),
        "closest_waypoint": np.asarray(waypoint, dtype="int32"),
        "tstamp": ROW * np.arange(count),
        "episode_status": ["in_progress"] * count,
    }
    steps = pd.DataFrame(usual | columns)
    return steps.assign(episode_status=steps["episode_status"].astype("category"))
