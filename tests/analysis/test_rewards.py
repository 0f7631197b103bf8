import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepracer_viz import load_run, load_track
from deepracer_viz.analysis import rewards
from deepracer_viz.analysis.actions import action_use, choose_steps, flat_out, presets
from deepracer_viz.analysis.rewards import reward_map
from tests.loop_drives import STATUSES, cut, laps, loop, track_of


@pytest.fixture(scope="module")
def track():
    return loop()


def by_name(answer):
    return answer.sections.set_index("section")


# ------------------------------------------------------------------------------------------------------- cells


def test_cells_are_means_of_the_steps_in_them(track):
    rng = np.random.default_rng(1)
    steps = laps(
        track, 20, offset=lambda *_: rng.normal(0, 0.1, 20 * 214), reward=lambda s, i, d: rng.random(len(d))
    )
    answer = reward_map(steps, track, cell=0.2)
    group = steps.groupby([np.floor(steps["x"] / np.float32(0.2)), np.floor(steps["y"] / np.float32(0.2))])[
        "reward"
    ]
    assert answer.cell == answer.asked == 0.2
    assert answer.cells["visits"].sum() == answer.drawn == answer.steps == len(steps)
    assert abs(len(answer.cells) - group.ngroups) <= 3  # a step right on an edge may fall to either side
    for cell in answer.cells.itertuples():
        inside = steps[(np.abs(steps["x"] - cell.x) < 0.1) & (np.abs(steps["y"] - cell.y) < 0.1)]
        if len(inside) == cell.visits:
            assert cell.reward == pytest.approx(inside["reward"].mean(), abs=1e-5)
            assert cell.section in set(inside["section"])
    assert not answer.has_negative


def test_cells_grow_where_there_are_too_many(track):
    rng = np.random.default_rng(2)
    steps = laps(track, 150, offset=lambda s, i, d: rng.uniform(-0.5, 0.5, len(d)))
    answer = reward_map(steps, track, cell=0.03)
    assert len(answer.cells) <= rewards.MAX_CELLS
    assert answer.cell > answer.asked == 0.03
    assert answer.cells["visits"].sum() == len(steps)
    # No coarser than needed: a centimetre less would be too many.
    finer = steps.groupby([np.floor(steps[axis] / (answer.cell - 0.01)) for axis in "xy"]).ngroups
    assert finer > rewards.MAX_CELLS


def test_a_place_far_away_does_not_matter(track):
    steps = laps(track, 3)
    steps.loc[5, "x"], steps.loc[9, "y"], steps.loc[12, "x"] = 9000.0, np.nan, 1e30
    answer = reward_map(steps, track)
    assert answer.cells["visits"].sum() == len(steps) - 2
    assert answer.cells["x"].max() == pytest.approx(9000, abs=0.05)


def test_rewards_of_every_kind(track):
    constant = reward_map(laps(track, reward=0.5), track)
    assert (constant.cells["reward"] == 0.5).all()
    assert (constant.sections["reward_spread"] == 0).all()
    negative = reward_map(laps(track, reward=lambda s, i, d: np.where(s == "T1", -2.0, 1.0)), track)
    assert negative.has_negative and negative.cells["reward"].min() == -2
    unknown = reward_map(laps(track, reward=np.nan), track)
    assert unknown.cells.empty and unknown.drawn == 0 and unknown.steps > 0
    assert unknown.sections["reward_spread"].isna().all() and "nan" not in unknown.verdict
    some = laps(track, 4)
    some.loc[::2, "reward"] = np.nan
    assert reward_map(some, track).cells["reward"].eq(1).all()


def test_rows_in_which_the_car_is_held_never_count(track):
    steps = laps(track, 5)
    held = steps.iloc[[0, 300, 700]].assign(
        x=99.0,
        reward=-9.0,
        on_track=False,
        episode_status=pd.Categorical(["prepare", "pause", "off_track"], STATUSES),
    )
    held["pause_duration"] = np.float32([0, 0, 2])
    mixed = pd.concat([steps, held]).sort_values(
        ["unique_episode", "steps"], kind="stable", ignore_index=True
    )
    answer = reward_map(mixed, track)
    assert answer.steps == len(steps) and answer.cells["x"].max() < 9 and not answer.has_negative
    assert (answer.sections["off_track_share"] == 0).all()
    # The penalty is where the drive broke off.
    assert answer.early_ends == 1 and answer.ends["x"].tolist() == [99.0]


def test_shown_steps_narrow_the_cells_alone(track):
    steps = cut(laps(track, 20), {3: ("T1", 1.0)})
    shown = choose_steps(steps.assign(speed=np.where(steps["section"] == "S2", 3.0, 1.0)), speed=(3, 3))
    answer, whole = reward_map(steps, track, shown=shown), reward_map(steps, track)
    assert set(answer.cells["section"]) == {"S2"} and answer.drawn == len(shown)
    pd.testing.assert_frame_equal(answer.sections, whole.sections)
    assert answer.verdict == whole.verdict and answer.early_ends == 1
    nothing = reward_map(steps, track, shown=steps.head(0))
    assert nothing.cells.empty and nothing.verdict == whole.verdict


# ---------------------------------------------------------------------------------------------------- scatter


def test_lateral_spread_is_that_between_drives(track):
    rng = np.random.default_rng(3)
    size = rng.normal(0, 0.1, 400)
    wave = lambda into: 0.3 * np.sin(2 * into)  # noqa: E731
    steps = laps(track, 400, offset=lambda s, into, drive: wave(into) + np.where(s == "T2", size[drive], 0))
    table = by_name(reward_map(steps, track))
    expected = (np.quantile(size, 0.84) - np.quantile(size, 0.16)) / 2
    assert table["lateral_spread"]["T2"] == pytest.approx(expected, rel=0.15)
    # All drive the same wavy line; what is left is the bend of the line within one waypoint.
    assert table["lateral_spread"][["S2", "T1"]].max() < 0.03
    assert table["fault"]["T2"] == ""  # with a single other turn there is no median to compare with


def test_reward_spread_is_net_of_place(track):
    place = reward_map(laps(track, reward=lambda s, into, d: np.where(s == "T1", 10.0, 1.0)), track)
    assert place.sections["reward_spread"].max() < 0.5
    drive = reward_map(laps(track, 100, reward=lambda s, i, d: np.where(s == "T1", d / 100, 1)), track)
    table = by_name(drive)
    assert table["reward_spread"]["T1"] == pytest.approx(0.34, abs=0.02)
    assert table["reward_spread"]["S2"] < 0.02


# ------------------------------------------------------------------------------------- where episodes end


def test_early_ends_are_counted_where_they_happen(track):
    ends = {0: ("T1", 1.0), 1: ("T1", 2.0), 2: ("T2", 1.0), 3: ("S2", 0.5), 4: ("S2", 3.0)}
    steps = cut(laps(track, 12), ends)
    # A log that breaks off in mid-drive: that is no end.
    steps = steps[(steps["unique_episode"] != 11) | (steps["steps"] < 50)]
    answer = reward_map(steps, track)
    table = by_name(answer)
    assert answer.early_ends == 5 and answer.episodes == 12
    assert table["episode_ends"].to_dict() == {"T1": 2, "T2": 1, "S2": 2, "S1": 0}
    assert table["exit_ends"].to_dict() == {"T1": 1, "T2": 0, "S2": 0, "S1": 0}
    assert table["episode_ends_share"]["T1"] == pytest.approx(0.4)
    assert table["due_share"].to_dict() == pytest.approx({"T1": 0.6, "T2": 0.2, "S2": 0.4, "S1": 0})
    assert set(answer.ends["unique_episode"]) == set(ends)
    assert set(answer.ends["end_status"]) == {"off_track"} and (answer.ends["ends"] == 1).all()
    assert answer.ends.set_index("unique_episode")["section"].to_dict() == {
        d: s for d, (s, _) in ends.items()
    }


def test_ends_of_logs_without_status(track):
    steps = cut(laps(track, 6), {1: ("T1", 1.0), 2: ("T2", 1.0)})
    steps["episode_status"] = pd.Categorical([None] * len(steps), categories=STATUSES)
    assert reward_map(steps, track).ends["end_status"].tolist() == ["unknown", "unknown"]
    episodes = pd.DataFrame(
        {
            "unique_episode": range(6),
            "complete": [True, False, False, True, True, True],
            "end_status": pd.Categorical(["lap_complete", "off_track", "crashed", *["lap_complete"] * 3]),
        }
    )
    answer = reward_map(steps, track, episodes=episodes)
    assert answer.ends["end_status"].tolist() == ["off_track", "crashed"]


def test_many_ends_share_marks_and_none_is_lost(track):
    steps = cut(laps(track, 3), {0: ("T1", 1.0)})
    one = steps[steps["done"]].head(1)
    rng = np.random.default_rng(4)
    many = pd.concat([one] * 5000, ignore_index=True).assign(unique_episode=np.arange(5000, dtype="int32"))
    many = many.assign(
        x=rng.uniform(0, 6, 5000).astype("float32"), y=rng.uniform(-2, 2, 5000).astype("float32")
    )
    answer = reward_map(many, track)
    assert answer.early_ends == answer.ends["ends"].sum() == 5000
    assert 200 < len(answer.ends) <= rewards.MAX_ENDS
    places = set(zip(many["x"], many["y"], strict=True))
    assert all((row.x, row.y) in places for row in answer.ends.itertuples())


def test_the_turn_that_ends_most_drives_comes_first(track):
    ends = dict.fromkeys(range(30), ("T2", 1.0)) | dict.fromkeys(range(30, 36), ("T1", 1.0))
    answer = reward_map(cut(laps(track, 60), ends), track)
    assert answer.sections["section"].tolist()[:2] == ["T2", "T1"]
    assert answer.sections["kind"].tolist() == ["corner", "corner", "straight", "straight"]
    assert answer.verdict.startswith(
        "Work on T2 next: 30 of the 36 early ends of 60 drives happened there (83 %)."
    )
    assert "just as bad" not in answer.verdict
    assert "30 of 36 early ends here" in answer.sections["reason"].iloc[0]


def test_counts_that_chance_can_explain_are_said_to_be(track):
    ends = dict.fromkeys(range(12), ("T2", 1.0)) | dict.fromkeys(range(12, 22), ("T1", 1.0))
    verdict = reward_map(cut(laps(track, 60), ends), track).verdict
    assert (
        verdict.startswith("Work on T2 next: 12 of the 22")
        and "By that count T1 may be just as bad." in verdict
    )


def test_a_straight_that_ends_more_drives_is_told(track):
    ends = dict.fromkeys(range(30), ("S2", 3.0)) | dict.fromkeys(range(30, 40), ("T1", 1.0))
    answer = reward_map(cut(laps(track, 60), ends), track)
    assert answer.verdict.startswith("Work on T1 next: 10 of the 40")
    assert "Even more drives, 30, ended on S2, a straight" in answer.verdict
    assert answer.sections["section"].iloc[2] == "S2"


def test_without_early_ends_the_driving_decides(track):
    steps = laps(track, 20)
    steps["on_track"] = ~((steps["section"] == "T2") & (steps["into"] > 1) & (steps["unique_episode"] < 15))
    answer = reward_map(steps, track)
    assert answer.sections["section"].iloc[0] == "T2"
    assert answer.verdict.startswith(
        "None of 20 drives ended early, so go by how the car drives: work on T2 next"
    )
    inside = steps["section"] == "T2"
    assert by_name(answer)["off_track_share"]["T2"] == pytest.approx((~steps["on_track"])[inside].mean())


def test_early_ends_too_far_apart_to_choose_by(track):
    places = [("T1", 0.5), ("T1", 1.0), ("S2", 2.0), ("S2", 3.0), ("T2", 1.0), ("S1", 2.0)]
    verdict = reward_map(cut(laps(track, 20), dict(enumerate(places))), track).verdict
    assert verdict.startswith(
        "The 6 early ends of 20 drives lie too far apart to choose by, so go by how the car"
    )


def test_a_turn_that_scatters_more_than_the_others(sample_logs):
    run = load_run(sample_logs / "over-trained.tar.gz", track=load_track(sample_logs / "harbour_loop.npy"))
    table = by_name(reward_map(run.steps, run.track))
    corners = table[table["kind"] == "corner"]
    widest = corners["lateral_spread"].idxmax()
    others = corners["lateral_spread"].drop(widest).median()
    assert corners["lateral_spread"][widest] >= rewards.MORE_SCATTERED * others
    assert corners["fault"][widest] == "scattered rewards"
    assert f"scatters by {100 * corners['lateral_spread'][widest]:.0f} cm" in corners["reason"][widest]


def test_too_little_to_say(track):
    answer = reward_map(cut(laps(track, 4), {0: ("T1", 1.0)}), track)
    assert answer.verdict.startswith("The data cannot say which turn to work on next: in 4 drives no turn")
    assert answer.sections["over_steering"].isna().all() and (answer.sections["fault"] == "").all()
    assert "4 passes of it are too few to say why; 10 are needed." in by_name(answer)["reason"]["T1"]


# ----------------------------------------------------------------------------------- over- and under-steering


def test_over_steering_is_correction_within_the_turn(track):
    def steering(section, into, drive):
        angle = np.where(np.char.startswith(section, "T"), 15.0, 0.0)
        # Six drives in ten take 12 of the 48 steps into T1 back; every tenth straightens late, which is no correction.
        angle[(section == "T1") & (into > 2) & (into < 3.2) & (drive % 10 < 6)] = -15.0
        angle[(section == "T1") & (into > 3.5) & (drive % 10 == 9)] = -15.0
        return angle

    answer = reward_map(laps(track, 50, steering=steering), track)
    table = by_name(answer)
    assert table["over_steering"][["T1", "T2"]].tolist() == [0.6, 0.0]
    assert table["under_steering"][["T1", "T2"]].tolist() == [0.0, 0.0]
    assert table["over_steering"][["S2", "S1"]].isna().all()
    assert table["fault"].to_dict() == {"T1": "over-steering", "T2": "", "S2": "", "S1": ""}
    assert "In 60 % of 50 passes the car steers too much" in table["reason"]["T1"]


def test_a_small_correction_is_none(track):
    def steering(section, into, drive):
        return np.where((into > 2) & (into < 2.4), -15.0, 15.0)

    assert by_name(reward_map(laps(track, 30, steering=steering), track))["over_steering"]["T1"] == 0


def running_wide(track, lock_from):
    """Drives of which every tenth runs wide in T2, at full lock from some metres on."""

    def offset(section, into, drive):
        return np.where((section == "T2") & (drive % 10 == 0), -0.12 * np.clip(into - 1, 0, 3), 0.0)

    def steering(section, into, drive):
        angle = np.where(np.char.startswith(section, "T"), 15.0, 0.0)
        angle[(section == "T2") & (into > lock_from) & (drive % 10 == 0)] = 30.0
        angle[(section == "T1") & (into < 0.3)] = 30.0
        return angle

    return by_name(reward_map(laps(track, 60, offset=offset, steering=steering), track))


def test_under_steering_is_running_wide_at_full_lock(track):
    table = running_wide(track, lock_from=1.5)
    assert table["under_steering"]["T2"] == pytest.approx(0.1) and table["under_steering"]["T1"] == 0
    assert table["over_steering"]["T2"] == 0


def test_running_wide_without_full_lock_is_not_under_steering(track):
    assert running_wide(track, lock_from=99)["under_steering"]["T2"] == 0
    # The lock comes when the car is back on a steady line: too late to tell anything.
    assert running_wide(track, lock_from=4.2)["under_steering"]["T2"] == 0


def test_full_lock_on_the_usual_line_is_not_under_steering(track):
    steps = laps(track, 30, steering=lambda s, i, d: np.where(np.char.startswith(s, "T"), 30.0, 0.0))
    assert by_name(reward_map(steps, track))["under_steering"]["T1"] == 0


def test_a_line_further_out_than_in_the_other_turns_is_wide(track):
    steps = laps(track, 30, offset=lambda s, into, d: np.where(s == "T2", -0.08 * np.clip(into, 0, 3), 0.0))
    answer = reward_map(steps, track)
    table = by_name(answer)
    assert table["outside"]["T2"] == pytest.approx(0.23, abs=0.02) and abs(table["outside"]["T1"]) < 0.02
    assert table["fault"][["T1", "T2"]].tolist() == ["", "running wide"]
    assert "outside of the middle of the track" in answer.verdict and answer.verdict.startswith(
        "None of 30 drives"
    )


def test_no_pass_where_rows_are_missing_or_too_few(track):
    steps = laps(track, 20)
    assert by_name(reward_map(steps, track))["passes"]["T1"] == 20
    gaps = steps[steps["steps"] % 4 != 0]
    assert by_name(reward_map(gaps, track))["passes"]["T1"] == 0


# ------------------------------------------------------------------------------------------------- little or nothing


def answers(steps, track):
    answer, out, use = reward_map(steps, track), flat_out(steps, track), action_use(steps)
    for text in (answer.verdict, out.verdict, use.verdict, *answer.sections["reason"]):
        assert text and "nan" not in text.lower() and "inf" not in text
    assert answer.cells[["x", "y", "reward", "visits"]].notna().all(axis=None)
    assert len(answer.sections) == (0 if track is None else len(track.sections))
    return answer


def test_no_steps(track):
    steps = laps(track, 1).head(0)
    for known in (track, None):
        answer = answers(steps, known)
        assert (answer.steps, answer.episodes, answer.early_ends) == (0, 0, 0) and answer.cells.empty
        assert answer.verdict == "No driven steps are left to look at."
    assert presets(steps) == {}
    space = pd.DataFrame({"steering_angle": [-25.0, 0.0], "speed": [1.5, 2.9]})
    assert action_use(steps, space).table["steps"].tolist() == [0, 0]


def test_a_single_step(track):
    answer = answers(laps(track, 1).head(1), track)
    assert len(answer.cells) == 1 and answer.cells["visits"].iloc[0] == 1


def test_a_single_episode(track):
    answer = answers(cut(laps(track, 1), {0: ("T2", 1.0)}), track)
    assert answer.episodes == answer.early_ends == 1 and "cannot say" in answer.verdict


def test_without_a_track(track):
    answer = answers(cut(laps(track, 30), {0: ("T2", 1.0)}), None)
    assert len(answer.cells) > 100 and set(answer.cells["section"]) == {""}
    assert "the track is not known" in answer.verdict and answer.ends["section"].tolist() == [""]


def test_a_track_of_three_waypoints(track):
    triangle = track_of([[0, 0], [2, 0], [1, 1.5]])
    steps = laps(track, 3)
    answers(steps.assign(closest_waypoint=np.int32(0)), triangle)
    answers(steps.assign(closest_waypoint=steps["closest_waypoint"] % 3), triangle)
    answers(steps.assign(closest_waypoint=np.int32(-1)), triangle)


def test_a_cell_has_an_extent(track):
    with pytest.raises(ValueError, match="more than 0 m"):
        reward_map(laps(track, 1), track, cell=0)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_steps_get_an_answer(track, data):
    steps = laps(track, 3)
    keep = data.draw(st.lists(st.integers(0, len(steps) - 1), max_size=60, unique=True).map(sorted))
    steps = steps.iloc[keep].copy()
    number = st.floats(-1e5, 1e5) | st.just(np.nan)
    for name in ("x", "y", "reward"):
        steps[name] = np.float32(data.draw(st.lists(number, min_size=len(keep), max_size=len(keep))))
    steps["closest_waypoint"] = np.int32(
        data.draw(st.lists(st.integers(-1, 200), min_size=len(keep), max_size=len(keep)))
    )
    steps["episode_status"] = pd.Categorical(
        data.draw(st.lists(st.sampled_from(STATUSES), min_size=len(keep), max_size=len(keep))),
        categories=STATUSES,
    )
    answer = answers(steps, track)
    assert answer.cells["visits"].sum() == answer.drawn <= answer.steps <= len(steps)
    assert answer.ends["ends"].sum() == answer.early_ends <= len(steps)


# --------------------------------------------------------------------------------------------- samples and real logs


@pytest.fixture(scope="module")
def planted(sample_logs):
    run = load_run(sample_logs / "planted-faults.tar.gz", track=load_track(sample_logs / "harbour_loop.npy"))
    return run, json.loads((sample_logs / "planted-faults.json").read_text())


def test_planted_running_wide_is_found(planted):
    run, facts = planted
    fault = next(f for f in facts["planted"] if f["kind"] == "running_wide")
    learnt = run.drives(iterations=(facts["training"]["last_third_from_iteration"], facts["iterations"]))
    for drives in (run.drives(), learnt):
        table = reward_map(drives.steps, drives.track, episodes=drives.episodes).sections
        corners = table[table["kind"] == "corner"].set_index("section")
        assert corners["outside"].idxmax() == fault["section"]
        assert corners["fault"][fault["section"]] == "running wide"
        assert corners.drop(fault["section"])["fault"].ne("running wide").all()
    # Once the model has learnt the track, that turn is what is left to work on.
    assert table["section"].iloc[0] == fault["section"]


def test_planted_places_end_the_drives(planted):
    run, facts = planted
    answer = reward_map(run.steps, run.track, episodes=run.episodes)
    table = by_name(answer)
    told = facts["training"]
    assert answer.early_ends == told["episodes"] - told["laps"]
    last = run.steps.groupby("unique_episode").last()
    last = last[last["episode_status"] == "off_track"]
    assert len(last) == answer.early_ends
    for row in run.track.sections.itertuples():
        if row.waypoint_from <= row.waypoint_to:
            inside = last["closest_waypoint"].between(row.waypoint_from, row.waypoint_to)
            assert table["episode_ends"][row.section] == inside.sum()
    # Of the straights the one with planted weaving ends most drives.
    weaving = next(f["section"] for f in facts["planted"] if f["kind"] == "weaving")
    assert table["episode_ends"][["S1", "S2"]].idxmax() == weaving
    assert table["lateral_spread"][["S1", "S2"]].idxmax() == weaving


def test_planted_slow_straights_are_not_flat_out(planted, sample_logs):
    run, _ = planted
    fast = load_run(sample_logs / "over-trained.tar.gz", track=run.track)
    slow = flat_out(run.steps, run.track, run.metadata.action_space.actions)
    assert slow.straights["share"].max() < 0.2
    # The other model has no such fault.
    assert flat_out(fast.steps, fast.track, fast.metadata.action_space.actions).straights["share"].min() > 0.5


LOGS = [
    "workshop-2019-evaluation.log",
    "console-2020-clone",
    "drfc-one-worker",
    "drfc-three-workers",
    "console-2022-robomaker.log",
    "console-2022-continuous.tar.gz",
    "console-2023-object-avoidance.tar.gz",
    "console-2023-sac.tar.gz",
    "console-2023-head-to-head.tar.gz",
    "droa-2026.tar.gz",
]


@pytest.mark.parametrize("name", LOGS)
def test_real_logs_get_an_answer(real_logs, name):
    run = load_run(real_logs / name)
    space = run.metadata.action_space
    for evaluations in (False, True):
        drives = run.drives(evaluations)
        answer = answers(drives.steps, drives.track)
        told = reward_map(drives.steps, drives.track, episodes=drives.episodes)
        # The episodes add nothing to logs that write how an episode ended.
        assert told.early_ends == answer.early_ends
        assert told.verdict.replace(" with recorded steps", "") == answer.verdict
        untraced = not drives.episodes["traced"].all()
        assert (" with recorded steps" in told.verdict) == (untraced and told.steps > 0)
        if evaluations or drives.steps.empty:
            continue
        traced = drives.episodes[drives.episodes["traced"]]
        cut_off = traced["end_status"].isin(["in_progress", "unknown"])
        assert answer.early_ends == (~traced["complete"] & ~cut_off).sum()
        assert answer.episodes == drives.steps["unique_episode"].nunique()
        use = action_use(drives.steps, space.actions if space else None)
        assert use.table["steps"].sum() == use.n == answer.steps
        assert use.kind == (space.kind if space else "discrete")


def test_turns_that_chance_cannot_tell_apart_are_counted(real_logs):
    run = load_run(real_logs / "droa-2026.tar.gz")
    verdict = reward_map(run.steps, run.track, episodes=run.episodes).verdict
    assert "other turns may be just as bad; more drives would tell." in verdict
    assert verdict.endswith("are too few to say why; 10 are needed.")


def test_actions_of_a_real_log(real_logs):
    run = load_run(real_logs / "console-2023-object-avoidance.tar.gz")
    actions = run.metadata.action_space.actions
    # Its fastest actions all turn.
    assert choose_steps(run.steps, **presets(run.steps, actions)["flat out"]).empty
    answer = flat_out(run.steps, run.track, actions)
    assert answer.straights["share"].fillna(0).eq(0).all()
