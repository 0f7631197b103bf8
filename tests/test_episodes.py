"""Steps become one row per episode: laps, lap times, how each ended."""

import io

import numpy as np
import pandas as pd
import pytest

from deepracer_viz.episodes import (
    EPISODE_TYPES,
    STEP_SECONDS,
    add_official,
    empty_episodes,
    episode_table,
    official_agreement,
)
from deepracer_viz.logs.steps import empty_steps, read_step_log
from tests.step_lines import as_vintage, drive, log


def steps_of(table: pd.DataFrame, name: str = "2021 to 2024") -> pd.DataFrame:
    """Read a written table and number it, as a run does."""
    steps = read_step_log(io.BytesIO(log(table, name))).steps
    changes = np.r_[False, np.diff(steps["episode"]) != 0]
    return steps.assign(
        worker=np.int32(0), iteration=np.int32(3), unique_episode=np.cumsum(changes).astype("int32") + 5
    )


def episodes_of(table: pd.DataFrame, name: str = "2021 to 2024") -> pd.DataFrame:
    return episode_table(steps_of(table, name))


def test_an_episode_sums_up_its_steps():
    table = drive(2, laps=(1,))
    episodes = episodes_of(table)
    assert dict(episodes.dtypes.astype(str)) == EPISODE_TYPES
    assert episodes["unique_episode"].tolist() == [5, 6]
    assert episodes["iteration"].tolist() == episodes["checkpoint"].tolist() == [3, 3]
    assert episodes["steps"].tolist() == [10, 10]
    assert episodes["progress"].tolist() == [50, 100]
    assert episodes["complete"].tolist() == [False, True]
    assert episodes["end_status"].tolist() == ["off_track", "lap_complete"]
    assert episodes["reward"].tolist() == [13.5, 13.5]
    assert episodes["off_track"].tolist() == [1, 0]
    assert episodes["tstamp"].tolist() == [10.0, table.loc[10, "tstamp"]]
    assert episodes["traced"].all()


def test_time_is_first_to_last_step_and_one_step_more():
    episodes = episodes_of(drive(1, laps=(0,)))
    assert episodes.loc[0, "driven_time"] == pytest.approx(0.6)
    assert episodes.loc[0, "time"] == pytest.approx(0.6 + 1 / 15)
    assert episodes.loc[0, "time_source"] == "estimated"


def test_on_the_clock_of_2019_and_2020_time_is_as_it_stands():
    for name in ("2019", "2020"):
        episodes = episodes_of(as_vintage(drive(1, laps=(0,)), name), name)
        assert episodes.loc[0, "time"] == pytest.approx(0.6)
        assert episodes.loc[0, "time_source"] == "wall clock"


def test_time_counts_to_the_step_that_reaches_the_line():
    table = drive(1, laps=(0,))
    table.loc[7, "progress"] = 100
    episodes = episodes_of(table)
    assert episodes.loc[0, "driven_time"] == pytest.approx(7 / 15, abs=1e-3)
    whole = episodes_of(drive(1, laps=(0,)))
    # The first metres are those of the row in which the car stands.
    assert episodes.loc[0, "dist"] == pytest.approx(whole.loc[0, "dist"] * 6 / 8, rel=1e-3)


# ---------------------------------------------------------------------------------------------------- laps


def test_progress_that_jumps_is_no_lap():
    table = drive(1, laps=(0,), length=4)
    table["progress"] = [0.0, 0.73, 99.83, 100]
    episodes = episodes_of(table)
    assert not episodes.loc[0, "complete"]
    # An honest lap may rise by much in one step.
    table["progress"] = [0.0, 12.1, 61.9, 100]
    assert episodes_of(table).loc[0, "complete"]


def test_a_first_step_far_round_the_track_is_no_lap():
    for name in ("2020", "2021 to 2024"):
        table = as_vintage(drive(1, laps=(0,), length=4), name)
        table["progress"] = [0.0, 99.2, 99.83, 100] if name == "2021 to 2024" else [99.1, 99.2, 99.83, 100]
        assert not episodes_of(table, name).loc[0, "complete"]


def test_a_stale_prepare_row_counts_for_nothing_but_time():
    table = drive(1)
    stale = {"x": 90.0, "y": 90.0, "closest_waypoint": 199, "progress": 100.0, "speed": 4.0}
    table.loc[0, list(stale)] = list(stale.values())
    fresh, stale = episodes_of(drive(1)).iloc[0], episodes_of(table).iloc[0]
    assert not stale["complete"]
    assert stale["progress"] == fresh["progress"] == 50
    assert stale["start_at"] == fresh["start_at"] == drive(1).loc[1, "closest_waypoint"]
    assert stale["time"] == fresh["time"]
    pd.testing.assert_series_equal(stale, fresh)


def test_a_drop_of_progress_after_a_stale_row_is_no_jump():
    table = drive(1, laps=(0,))
    table.loc[0, "progress"] = -17.07
    assert episodes_of(table).loc[0, "complete"]
    table.loc[0, "progress"] = 34.83
    assert episodes_of(table).loc[0, "complete"]


def test_a_lap_may_begin_behind_the_line():
    table = as_vintage(drive(1, laps=(0,)), "2020")
    table.loc[:3, "progress"] = -2.04
    assert episodes_of(table, "2020").loc[0, "complete"]


def test_an_episode_seen_from_its_middle_is_no_lap_and_cut_off():
    table = drive(2, laps=(0, 1), length=30)
    episodes = episodes_of(table.iloc[12:])
    assert episodes["complete"].tolist() == [False, True]
    assert episodes["end_status"].tolist() == ["in_progress", "lap_complete"]
    # The first row alone may be missing.
    assert episodes_of(table.iloc[1:])["complete"].tolist() == [True, True]


def test_an_episode_cut_at_its_end_is_in_progress():
    table = drive(2, laps=(1,))
    for rows, progress in ((15, 44.4), (11, 0)):
        last = episodes_of(table.iloc[:rows]).iloc[-1]
        assert last["end_status"] == "in_progress" and not last["complete"]
        assert last["progress"] == pytest.approx(progress, abs=0.1)
        assert not np.isnan(
            last[["time", "dist", "speed", "true_speed", "reward", "penalty"]].astype(float)
        ).any()
    assert np.isnan(episodes_of(table.iloc[:11])["start_at"].iloc[-1])


def test_how_an_episode_of_2019_ended_is_read_from_its_last_step():
    table = as_vintage(drive(4, laps=(1,)), "2019")
    table.loc[29, "on_track"] = True
    table.loc[39, "done"] = False
    assert episodes_of(table, "2019")["end_status"].tolist() == [
        "off_track",
        "lap_complete",
        "unknown",
        "in_progress",
    ]


# ------------------------------------------------------------------------------------ evaluations and races


def test_laps_of_a_continuous_race_last_from_line_to_line():
    table = drive(3, laps=(0, 1, 2), between=0.1)
    table["steps"] = np.arange(1, 31)
    table["done"] = table.index == 29
    table["episode_status"] = "in_progress"
    episodes = episodes_of(table)
    assert episodes["complete"].all()
    assert episodes["end_status"].tolist() == ["lap_complete"] * 3
    np.testing.assert_allclose(episodes["time"], [0.6 + STEP_SECONDS, 0.7, 0.7], atol=2e-3)
    np.testing.assert_allclose(episodes["driven_time"], 0.6, atol=2e-3)


def test_the_first_lap_after_a_cut_beginning_is_timed_from_the_line():
    table = drive(3, laps=(0, 1, 2), between=1 / 15)
    table["steps"] = np.arange(1, 31)
    table["episode_status"] = "in_progress"
    for begin in (2, 7):
        episodes = episodes_of(table.iloc[begin:])
        assert episodes["complete"].tolist() == [False, True, True]
        assert episodes.loc[1, "time"] == pytest.approx(10 / 15, abs=2e-3)


def penalised() -> pd.DataFrame:
    """Make an evaluation lap with one off-track: put back 0.5 m aside, held for six steps."""
    table = drive(1, laps=(0,), length=20)
    table.loc[6, ["episode_status", "pause_duration", "on_track"]] = ["off_track", 1.98, False]
    table.loc[7:12, "episode_status"] = "pause"
    table.loc[7:12, "pause_duration"] = [1.6, 1.2, 0.8, 0.4, 0.1, -0.01]
    table.loc[7:12, ["x", "y"]] = [9.0, 9.0]
    table.loc[7:12, "speed"] = 4.0
    return table


def test_penalties_are_counted_and_being_put_back_is_not_driving():
    episode = episodes_of(penalised()).iloc[0]
    assert episode["off_track"] == 1
    assert episode["penalty"] == pytest.approx(1.98)
    assert episode["complete"]
    driven = penalised()[["x", "y"]].diff().drop(index=[0, 1, *range(7, 14)])
    assert episode["dist"] == pytest.approx(np.hypot(driven["x"], driven["y"]).sum(), rel=1e-4)
    assert episode["speed"] == pytest.approx(2.0)
    assert episode["true_speed"] == pytest.approx(episode["dist"] / (18 / 15), rel=1e-2)


def test_one_long_event_is_one():
    table = penalised()
    table.loc[7, "episode_status"] = "off_track"
    episode = episodes_of(table).iloc[0]
    assert episode["off_track"] == 1 and episode["penalty"] == pytest.approx(1.98)


def test_a_mistake_that_ends_the_episode_serves_no_penalty():
    table = drive(1)
    table.loc[9, "pause_duration"] = 2.0
    assert episodes_of(table).loc[0, "penalty"] == 0


def test_the_way_from_one_episode_to_the_next_is_not_driven():
    both, alone = (episodes_of(as_vintage(drive(n), "2020"), "2020") for n in ([3, 20], [20]))
    assert both["dist"].iloc[1] == pytest.approx(alone["dist"].iloc[0])


def test_crashes_are_counted():
    table = penalised()
    table.loc[6, "episode_status"] = "crashed"
    episode = episodes_of(table).iloc[0]
    assert (episode["crashed"], episode["off_track"]) == (1, 0)


def test_distance_and_true_speed_of_a_circle():
    episode = episodes_of(drive(1, length=200, laps=(0,))).iloc[0]
    assert episode["dist"] == pytest.approx(2 * np.pi * 3 * 198 / 199, rel=1e-3)
    assert episode["true_speed"] == pytest.approx(episode["dist"] / (198 / 15), rel=1e-3)


def test_no_steps_no_episodes():
    columns = {name: np.array([], dtype="int32") for name in ("worker", "iteration", "unique_episode")}
    for table in (empty_episodes(), episode_table(empty_steps().assign(**columns))):
        assert table.empty and dict(table.dtypes.astype(str)) == EPISODE_TYPES


# -------------------------------------------------------------------------------------------- official times


def official(*rows: tuple, **more) -> pd.DataFrame:
    """Rows of (episode, time, progress, end_status)."""
    table = pd.DataFrame(rows, columns=["episode", "time", "progress", "end_status"])
    return table.assign(complete=table["end_status"] == "lap_complete", start=20.0, reward=99.0, **more)


IDENTITY = {"worker": 2, "iteration": -1, "checkpoint": -1}


def test_official_times_replace_estimates_and_what_was_traced_stays():
    episodes = episodes_of(drive(2, laps=(1,)))
    after = add_official(
        episodes, official((0, 0.7, 50, "off_track"), (1, 0.68, 100, "lap_complete")), IDENTITY
    )
    assert after["time"].tolist() == [0.7, 0.68]
    assert (after["time_source"] == "official").all()
    assert after["traced"].all() and after["reward"].tolist() == [13.5, 13.5]
    assert episodes["time_source"].tolist() == ["estimated", "estimated"]


def test_episodes_that_only_the_metrics_know_become_rows():
    after = add_official(
        episodes_of(drive(1)), official((0, 0.7, 50, "off_track"), (3, 12.2, 100, "lap_complete")), IDENTITY
    )
    row = after.iloc[1]
    assert row["episode"] == 3 and row["worker"] == 2 and row["iteration"] == -1
    assert row["complete"] and row["time"] == 12.2 and row["progress"] == 100 and row["reward"] == 99
    assert row["end_status"] == "lap_complete" and row["tstamp"] == 20
    assert not row["traced"] and row["steps"] == 0
    assert row[["start_at", "driven_time", "dist", "speed", "true_speed", "penalty"]].isna().all()
    assert dict(after.dtypes.astype(str)) == EPISODE_TYPES


def test_of_an_episode_cut_off_the_metrics_tell_the_end():
    cut = episodes_of(drive(1, laps=(0,)).iloc[:6])
    row = add_official(cut, official((0, 0.68, 100, "lap_complete")), IDENTITY).iloc[0]
    assert (
        row["complete"]
        and row["progress"] == 100
        and row["end_status"] == "lap_complete"
        and row["reward"] == 99
    )
    assert not row["traced"] and row["steps"] == 6


def test_a_false_lap_stays_one_whatever_the_metrics_say():
    table = drive(1, laps=(0,), length=4)
    table["progress"] = [0.0, 0.73, 99.83, 100]
    row = add_official(episodes_of(table), official((0, 0.3, 100, "lap_complete")), IDENTITY).iloc[0]
    assert not row["complete"] and row["time"] == 0.3


def test_metrics_that_do_not_tell_leave_what_is_known():
    cut = episodes_of(drive(2).iloc[:15])
    told = official((0, np.nan, 50, "off_track"), (1, 0.5, np.nan, None), (7, 0.4, 10, "strange"))
    after = add_official(cut, told.assign(reward=np.nan), IDENTITY)
    assert after.loc[0, "time_source"] == "estimated"
    assert after.loc[1, "time"] == 0.5 and after.loc[1, "progress"] == cut.loc[1, "progress"]
    assert after.loc[1, "reward"] == cut.loc[1, "reward"]
    assert after["end_status"].tolist() == ["off_track", "unknown", "unknown"]


def test_official_counts_of_an_evaluation_replace_traced_ones():
    told = official((0, 0.7, 50, "off_track"), (4, 3.0, 60, "crashed"), off_track=[3, 1], crashed=[1, 2])
    after = add_official(episodes_of(drive(1)), told, IDENTITY)
    assert after["off_track"].tolist() == [3, 1] and after["crashed"].tolist() == [1, 2]
    without = add_official(
        empty_episodes(), official((0, 1.0, 50, "off_track"), (1, 1.0, 50, "crashed")), IDENTITY
    )
    assert without["off_track"].tolist() == [1, 0] and without["crashed"].tolist() == [0, 1]


def test_agreement_counts_finished_episodes_close_in_time_and_progress():
    episodes = episodes_of(drive(4, laps=(1,)).iloc[:-3])
    told = official(
        (0, 0.7, 50, "off_track"), (1, 0.9, 100, "lap_complete"), (2, 2.0, 50, "off_track"), (3, 0.7, 50, "")
    )
    assert official_agreement(episodes, told) == (3, 2)
    assert official_agreement(episodes, told.assign(progress=20)) == (3, 0)
    assert official_agreement(episodes, told[:0]) == (0, 0)
    wall = episodes_of(as_vintage(drive(1, length=400), "2020"), "2020")
    assert official_agreement(wall, official((0, 26.6 * 1.04, 50, "off_track"))) == (1, 1)
    assert official_agreement(wall, official((0, 26.6 * 1.10, 50, "off_track"))) == (1, 0)
