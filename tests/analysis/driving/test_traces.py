import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepracer_viz import load_run
from deepracer_viz.analysis.driving.traces import CELL, MOST_CELLS, STANDING_START, borders, lay_along
from deepracer_viz.track import rebuild_track
from tests.analysis.driving.oval import (
    ROW,
    SECTIONS,
    drive,
    joined,
    laps,
    oval,
    section_pace,
    steps_at,
    track_of,
)


@pytest.fixture(scope="module")
def track():
    track = oval()
    assert list(track.sections["section"]) == SECTIONS
    return track


@pytest.fixture(scope="module")
def straight():
    """An open track, 12 m long."""
    along = np.linspace(0, 12, 61)
    return track_of(np.stack([along, 0 * along], axis=1))


def steady(speed):
    return lambda place: np.full(np.shape(place), float(speed))


class TestCells:
    def test_cells_fill_the_track_and_keep_to_their_section(self, track):
        place, section = borders(track, CELL)
        assert place[0] == 0 and place[-1] == track.length
        assert (np.diff(place) > 0).all()
        np.testing.assert_allclose(np.diff(place), CELL, rtol=0.1)
        for row in track.sections.itertuples():
            length = np.diff(place)[section == row.section].sum()
            assert length == pytest.approx(row.length)
            assert {row.start, row.end} <= {round(p, 9) for p in place} | set(place)

    def test_without_a_size_a_cell_is_a_section(self, track):
        place, section = borders(track)
        # The start line cuts the first straight.
        assert list(section) == ["S1", "T1", "S2", "T2", "S1"]
        assert len(place) == 6

    def test_long_tracks_have_longer_cells(self):
        turn = np.linspace(0, 2 * np.pi, 500)
        ring = track_of(40 * np.stack([np.cos(turn), np.sin(turn)], axis=1))
        place, _ = borders(ring, CELL)
        assert MOST_CELLS / 2 < len(place) - 1 <= MOST_CELLS


class TestLaps:
    def test_a_lap_adds_up_to_its_time_and_crosses_every_border(self, track):
        steps, episodes = laps(track, [steady(2)] * 20)
        traces = lay_along(steps, episodes, track)
        assert traces.drives["complete"].all() and traces.closed
        np.testing.assert_allclose(traces.drives["time"], episodes["driven_time"])
        np.testing.assert_allclose(traces.seconds.sum(axis=1), episodes["driven_time"], atol=1e-4)
        for matrix in (traces.at, traces.metres, traces.offset, traces.commanded, traces.steering):
            assert np.isfinite(matrix).all()
        np.testing.assert_allclose(traces.at[:, 0], traces.at[:, -1])
        # The chords of the bends are a little shorter than the car's way is told to be.
        np.testing.assert_allclose(traces.metres.sum(axis=1), track.length, atol=0.2)

    def test_speeds_are_those_that_were_driven(self, track):
        pace = section_pace(track, {"T1": 1.0, "S2": 3.0})
        traces = lay_along(*laps(track, [pace] * 20), track)
        speed = np.where(traces.standing, np.nan, traces.metres / traces.seconds)
        middle = (traces.place[1:] + traces.place[:-1]) / 2
        for section, expected in (("S1", 2.0), ("T1", 1.0), ("S2", 3.0), ("T2", 2.0)):
            row = track.sections.set_index("section").loc[section]
            # Away from the ends, where a step reaches over the border.
            inside = (traces.section == section) & ((middle - row["start"]) % track.length > 0.3)
            inside &= (row["end"] - middle) % track.length > 0.3
            np.testing.assert_allclose(np.nanmean(speed[:, inside], axis=0), expected, rtol=0.02)

    def test_crossings_are_interpolated_between_steps(self, track):
        steps, episodes = joined(drive(track, steady(2.0), begin=1.0, standing=False))
        [at] = lay_along(steps, episodes, track).at
        place = lay_along(steps, episodes, track).place
        passed = place > 1.2
        # The car stands for one row, then drives 2 m/s.
        np.testing.assert_allclose(at[passed], ROW + (place[passed] - 1.0) / 2, atol=2e-3)
        assert at[5] == pytest.approx(ROW + (track.length + place[5] - 1.0) / 2, abs=2e-3)

    def test_means_within_a_cell(self, track):
        steps = drive(track, steady(2.0), begin=0.5, standing=False, offset=0.2)
        turning = (steps["steps"] > 40).to_numpy()
        steps = steps.assign(steering_angle=np.where(turning, -20, 10), speed=np.where(turning, 3.0, 1.5))
        traces = lay_along(*joined(steps), track)
        flying = ~traces.standing[0]
        straight = np.isin(traces.section, ["S1", "S2"]) & flying
        np.testing.assert_allclose(traces.offset[0, straight], 0.2, atol=0.01)
        turned = traces.at[0, :-1] > 41 * ROW
        late, early = turned & flying, (traces.at[0, 1:] < 38 * ROW) & flying
        np.testing.assert_allclose(traces.steering[0, late], -20, atol=1e-3)
        np.testing.assert_allclose(traces.steering[0, early], 10, atol=1e-3)
        np.testing.assert_allclose(traces.commanded[0, late], 3.0, atol=1e-4)

    @settings(max_examples=15, deadline=None)
    @given(st.floats(0, 1, exclude_max=True), st.floats(0.5, 4), st.booleans())
    def test_a_lap_from_anywhere_at_any_speed_adds_up(self, begin, speed, standing):
        track = oval()
        lap = drive(track, steady(speed), begin=begin * track.length, standing=standing)
        steps, episodes = joined(lap)
        traces = lay_along(steps, episodes, track)
        assert traces.drives["complete"].tolist() == [True]
        assert traces.seconds.sum() == pytest.approx(episodes["driven_time"].iloc[0], abs=1e-3)
        assert np.isfinite(traces.at).all() and (traces.seconds >= 0).all()

    def test_the_start_is_marked(self, track):
        traces = lay_along(*joined(drive(track, steady(2.0), begin=3.0)), track)
        standing = traces.standing[0]
        assert standing[(traces.at[0, 1:] < STANDING_START)].all()
        assert not standing[(traces.at[0, :-1] > STANDING_START) & (traces.place[1:] < 2.9)].any()
        begun = np.searchsorted(traces.place, 3.0, "right") - 1
        assert standing[begun]

    def test_laps_of_a_race_without_a_stop_are_one_drive_each(self, track):
        length = track.length
        place = np.arange(0, 3 * length + 2.0 * ROW, 2.0 * ROW)
        lap = np.minimum((np.maximum(place - 1e-9, 0) // length).astype(int), 2)
        frames = []
        for number in range(3):
            # The row that passes the line still belongs to the lap before.
            rows = np.flatnonzero(np.append(0, lap[:-1]) == number)
            frame = steps_at(track, place[rows], 50 + ROW * rows, unique_episode=number)
            frame["steps"] = (rows + 1).astype("int32")
            frame["progress"] = np.minimum(100 * (place[rows] / length - number), 100).astype("float32")
            frame["episode_status"] = "in_progress"
            frames.append(frame)
        frames[0].loc[0, "episode_status"] = "prepare"
        steps, episodes = joined(*frames)
        assert episodes["complete"].all()
        traces = lay_along(steps, episodes, track)
        assert traces.drives["complete"].tolist() == [True] * 3
        np.testing.assert_allclose(traces.seconds.sum(axis=1), episodes["driven_time"], atol=1e-4)
        # Only the first lap starts from standstill; the others have a step that belongs to no lap.
        assert traces.standing[0].sum() > 20
        assert (traces.standing[1:].sum(axis=1) <= 4).all()

    def test_an_open_track(self, straight):
        steps, episodes = joined(
            drive(straight, steady(2.0)), drive(straight, steady(2.0), share=0.5, unique_episode=1)
        )
        traces = lay_along(steps, episodes, straight)
        assert traces.drives["complete"].tolist() == [True, False]
        assert traces.seconds[0].sum() == pytest.approx(episodes["driven_time"].iloc[0], abs=1e-3)
        known = np.isfinite(traces.seconds[1])
        assert known[traces.place[1:] < 5.9].all() and not known[traces.place[1:] > 6.3].any()

    def test_backwards_is_nowhere(self, track):
        steps, episodes = joined(drive(track, steady(2.0)))
        backwards = steps.assign(tstamp=-steps["tstamp"].to_numpy()).iloc[::-1]
        backwards = backwards.assign(tstamp=steps["tstamp"].to_numpy(), progress=steps["progress"].to_numpy())
        traces = lay_along(backwards.assign(episode_status="in_progress"), episodes, track)
        assert not traces.drives["complete"].any()
        assert np.isfinite(traces.seconds).mean() < 0.05


class TestDrives:
    def test_unfinished_drives_know_the_cells_they_passed(self, track):
        steps, _ = joined(drive(track, steady(2.0), begin=2.0, share=0.4))
        steps.loc[len(steps) - 1, "episode_status"] = "off_track"
        traces = lay_along(*joined(steps), track)
        [row] = traces.drives.to_dict("records")
        assert not row["complete"] and np.isnan(row["time"])
        assert row["end_status"] == "off_track"
        assert row["begins"] == pytest.approx(2.0, abs=0.01)
        assert row["ends"] - row["begins"] == pytest.approx(0.4 * track.length, abs=0.2)
        known = np.isfinite(traces.seconds[0])
        expected = (traces.place[:-1] >= row["begins"]) & (traces.place[1:] <= row["ends"])
        np.testing.assert_array_equal(known, expected)

    def test_a_reset_begins_a_new_drive(self, track):
        lap = drive(track, steady(2.0), begin=1.0)
        lap.loc[60, "episode_status"] = "off_track"
        lap.loc[61:70, "episode_status"] = "pause"
        lap.loc[60:70, ["x", "y", "closest_waypoint"]] = lap.loc[
            [60] * 11, ["x", "y", "closest_waypoint"]
        ].to_numpy()
        traces = lay_along(*joined(lap), track)
        assert len(traces.drives) == 2
        assert not traces.drives["complete"].any()
        assert traces.drives["end_status"].tolist() == ["", "lap_complete"]
        assert not (np.isfinite(traces.seconds[0]) & np.isfinite(traces.seconds[1])).any()
        assert traces.standing[1].any()

    def test_rows_lost_begin_a_new_drive(self, track):
        lap = drive(track, steady(2.0), begin=1.0)
        traces = lay_along(*joined(lap.drop(index=range(40, 60))), track)
        assert len(traces.drives) == 2
        crossed = np.isfinite(traces.seconds).any(axis=0)
        gap = np.flatnonzero(~crossed & (traces.place[1:] > 1.5))
        assert 2 < traces.place[gap[-1]] - traces.place[gap[0]] < 3.5

    def test_held_rows_and_their_stale_pose_do_not_count(self, track):
        lap = drive(track, steady(2.0), begin=1.0)
        stale = lap.copy()
        stale.loc[0, ["x", "y"]] = [9.0, 9.0]
        stale.loc[0, "closest_waypoint"] = 70
        one, other = (lay_along(*joined(steps), track) for steps in (lap, stale))
        np.testing.assert_allclose(one.at, other.at)

    def test_a_car_that_rolls_back_passes_a_place_once(self, track):
        place = np.concatenate([np.arange(1, 3, 0.1), np.arange(3, 2.5, -0.1), np.arange(2.5, 5, 0.1)])
        traces = lay_along(*joined(steps_at(track, place, 10 + ROW * np.arange(len(place)))), track)
        at, where = traces.at[0], traces.place
        assert at[np.searchsorted(where, 2.8)] < 20 * ROW
        after = np.searchsorted(where, 3.1)
        assert at[after] > 29 * ROW
        known = np.isfinite(at[:-1]) & np.isfinite(at[1:])
        assert (np.diff(at)[known[: len(at) - 1]] > 0).all()

    def test_pick(self, track):
        traces = lay_along(*laps(track, [steady(2), steady(1.5), steady(2.5)]), track)
        fast = traces.pick(traces.drives["time"].to_numpy() < 12)
        assert fast.drives["unique_episode"].tolist() == [0, 2]
        again = traces.pick([2, 0, 2])
        assert again.drives["unique_episode"].tolist() == [2, 0, 2]
        np.testing.assert_array_equal(again.seconds, traces.seconds[[2, 0, 2]])
        np.testing.assert_array_equal(again.place, traces.place)
        assert len(traces.pick([]).drives) == 0

    def test_nothing_to_lay(self, track):
        steps, episodes = joined(drive(track, steady(2)))
        assert lay_along(steps.iloc[:0], episodes, track) is None
        assert lay_along(steps.iloc[:1], episodes, track) is None
        assert lay_along(steps.assign(closest_waypoint=-1), episodes, track) is None
        single = lay_along(steps.iloc[:2], episodes.assign(complete=False), track)
        assert len(single.drives) == 1 and np.isnan(single.seconds).all()

    def test_laps_known_without_their_steps_are_not_complete(self, track):
        steps, episodes = joined(drive(track, steady(2), share=0.5))
        traces = lay_along(steps, episodes.assign(complete=True, traced=False), track)
        assert not traces.drives["complete"].any()


def test_a_rebuilt_track_serves_as_well(track):
    steps, episodes = laps(track, [steady(2)] * 40)
    traces = lay_along(steps, episodes, rebuild_track(steps))
    assert traces.drives["complete"].all()
    np.testing.assert_allclose(traces.seconds.sum(axis=1), episodes["driven_time"], atol=1e-3)


@pytest.mark.parametrize(
    ("name", "laps", "broken"),
    [
        ("drfc-one-worker", 42, 0),
        ("drfc-three-workers", 24, 1),
        ("console-2020-clone", 13, 0),
        ("console-2022-robomaker.log", 18, 0),
    ],
)
def test_laps_of_real_logs_add_up(real_logs, name, laps, broken):
    run = load_run(real_logs / name)
    traces = lay_along(run.steps, run.episodes, run.track)
    complete = traces.drives["complete"].to_numpy()
    assert complete.sum() == laps - broken
    assert np.isfinite(traces.at[complete]).all()
    spent = np.nansum(traces.seconds[complete].astype(float), axis=1)
    np.testing.assert_allclose(spent, traces.drives["time"][complete], atol=1e-3)
    known = run.episodes.set_index("unique_episode")["driven_time"]
    np.testing.assert_allclose(
        traces.drives["time"][complete], known[traces.drives["unique_episode"][complete]], rtol=0, atol=1e-9
    )
    assert not pd.isna(traces.drives["end_status"]).any()
