import numpy as np
import pandas as pd
import pytest

from deepracer_viz.analysis.actions import (
    MAX_BINS,
    SPEED_BIN,
    STEERING_BIN,
    action_use,
    choose_steps,
    flat_out,
    presets,
)
from tests.loop_drives import laps, loop


@pytest.fixture(scope="module")
def track():
    return loop()


# ----------------------------------------------------------------------------------------------------- flat out


def test_flat_out_share_of_each_straight(track):
    def fast(section, into, drive):
        return np.where((section == "S2") & (into > 2.0) & (into < 4.0), 3.0, 1.5)

    steps = laps(track, 12, speed=fast)
    answer = flat_out(steps, track)
    table = answer.straights.set_index("section")
    length = track.sections.set_index("section")["length"]["S2"]
    assert answer.speed == pytest.approx(2.925)  # the top 5 % of the range from 1.5 to 3 m/s
    assert table["flat_out"]["S2"] == pytest.approx(2.0, abs=0.15)
    assert table["share"]["S2"] == pytest.approx(2.0 / length, abs=0.03)
    assert table["share"]["S1"] == 0 and table["passes"].tolist() == [12, 12]
    assert answer.verdict.startswith(
        "Flat out (2.92 m/s or more within 3 degrees of straight ahead) on S2 over 3"
    )
    assert f"of its {length:.1f} m; never on S1 (mean over 12 passes of each)" in answer.verdict


def test_fast_but_turning_is_not_flat_out(track):
    steps = laps(track, 12, speed=3.0, steering=10.0)
    answer = flat_out(steps, track)
    assert (answer.straights["share"] == 0).all() and answer.verdict.startswith("Never flat out")


def test_flat_out_where_no_straight_was_driven_whole(track):
    answer = flat_out(laps(track, 12, share=0.3), track)
    assert answer.straights["passes"].tolist() == [0, 0] and answer.straights["share"].isna().all()
    assert "no straight was driven whole" in answer.verdict
    some = flat_out(laps(track, 12, share=0.6), track)
    assert "S1 was never driven whole." in some.verdict and "nan" not in some.verdict


def test_flat_out_of_discrete_actions_is_one_action(track):
    actions = pd.DataFrame({"steering_angle": [-20.0, 0.0, 20.0, 0.0], "speed": [2.0, 2.0, 2.0, 1.0]})
    steps = discrete(track, actions, lambda s, i, d: np.where(s == "S2", 1, 3))
    answer = flat_out(steps, track, actions)
    assert answer.straights.set_index("section")["share"].round(6).to_dict() == {"S2": 1.0, "S1": 0.0}
    assert answer.verdict.startswith("Flat out (2.00 m/s, straight ahead) on S2 over 100 % of its")


# ------------------------------------------------------------------------------------------------------ actions


def discrete(track, actions, which, count=12):
    steps = laps(track, count)
    steps["action"] = which(steps["section"].to_numpy(str), steps["into"], steps["unique_episode"]).astype(
        "int16"
    )
    for name in ("steering_angle", "speed"):
        steps[name] = actions[name].to_numpy("float32")[steps["action"]]
    return steps


ACTIONS = pd.DataFrame({"steering_angle": [-25.0, 0.0, 25.0, 25.0], "speed": [1.5, 2.9, 1.5, 2.2]})


def test_actions_never_taken_are_named(track):
    steps = discrete(track, ACTIONS, lambda s, i, d: np.where(np.char.startswith(s, "T"), 2, 1))
    use = action_use(steps, ACTIONS)
    assert use.kind == "discrete" and use.n == len(steps)
    assert use.table["action"].tolist() == [0, 1, 2, 3]
    counts = steps["action"].value_counts()
    assert use.table["steps"].tolist() == [0, counts[1], counts[2], 0]
    assert use.table["share"].sum() == pytest.approx(1)
    assert use.never_used["action"].tolist() == [0, 3]
    assert "never taken: 25 degrees right at 1.50 m/s; 25 degrees left at 2.20 m/s" in use.verdict
    assert use.verdict.startswith("The most frequent action is straight ahead at 2.90 m/s: ")


def test_without_the_action_space_no_action_is_called_unused(track):
    steps = discrete(track, ACTIONS, lambda s, i, d: np.where(np.char.startswith(s, "T"), 2, 1))
    use = action_use(steps)
    assert use.table["action"].tolist() == [1, 2] and use.never_used.empty
    assert use.table["steering_angle"].tolist() == [0.0, 25.0] and "do not tell all actions" in use.verdict


def test_an_action_that_could_not_be_read_keeps_its_number(track):
    space = ACTIONS.copy()
    space.loc[[0, 2]] = np.nan
    steps = discrete(track, ACTIONS, lambda s, i, d: np.where(np.char.startswith(s, "T"), 2, 1))
    use = action_use(steps, space)
    assert use.table["steering_angle"].tolist()[1:] == [0.0, 25.0, 25.0]  # of action 2 the steps tell
    assert "never taken: action 0; 25 degrees left at 2.20 m/s" in use.verdict


def test_continuous_actions_are_counted_in_bins(track):
    rng = np.random.default_rng(5)
    steps = laps(
        track,
        12,
        steering=lambda s, i, d: rng.uniform(-30, 30, len(d)),
        speed=lambda s, i, d: rng.uniform(1, 4, len(d)),
    )
    use = action_use(steps)
    assert use.kind == "continuous" and use.never_used.empty
    assert use.table["steps"].sum() == len(steps) and use.table["share"].sum() == pytest.approx(1)
    for cell in use.table.sample(20, random_state=0).itertuples():
        inside = steps["steering_angle"].between(cell.steering_from, cell.steering_to)
        inside &= steps["speed"].between(cell.speed_from, cell.speed_to)
        assert inside.sum() == cell.steps
    assert np.allclose(use.table["steering_to"] - use.table["steering_from"], STEERING_BIN)
    assert np.allclose(use.table["speed_to"] - use.table["speed_from"], SPEED_BIN)


def test_bins_stay_few_over_a_wide_range(track):
    rng = np.random.default_rng(6)
    steps = laps(track, 100, steering=lambda s, i, d: rng.uniform(-900, 900, len(d)))
    use = action_use(steps)
    assert len(use.table) <= MAX_BINS and use.table["steps"].sum() == len(steps)


def test_presets_of_discrete_actions_are_exact(track):
    steps = discrete(track, ACTIONS, lambda s, i, d: d % 4)
    found = presets(steps, ACTIONS)
    chosen = {name: sorted(choose_steps(steps, **bands)["action"].unique()) for name, bands in found.items()}
    assert chosen == {
        "flat out": [1],
        "highest speed": [1],
        "straight ahead": [1],
        "widest steering": [0, 2, 3],
    }
    assert found == presets(steps)


def test_presets_of_continuous_actions_are_bands(track):
    rng = np.random.default_rng(7)
    steps = laps(
        track,
        60,
        steering=lambda s, i, d: rng.uniform(-30, 30, len(d)),
        speed=lambda s, i, d: rng.uniform(1, 4, len(d)),
    )
    found = presets(steps)
    assert found["highest speed"]["speed"] == pytest.approx((3.85, 4), abs=0.01)
    assert found["straight ahead"]["angle"] == (0, 3)
    assert found["widest steering"]["angle"] == pytest.approx((28.5, 30), abs=0.05)
    assert found["flat out"] == found["highest speed"] | found["straight ahead"]


def test_choices_combine(track):
    steps = discrete(track, ACTIONS, lambda s, i, d: d % 4)
    episodes = pd.DataFrame({"unique_episode": range(12), "complete": np.arange(12) < 6})
    chosen = choose_steps(steps, episodes, laps_only=True, actions=[2, 3], speed=(1.5, 2.0))
    assert set(chosen["unique_episode"]) == {2} and set(chosen["action"]) == {2}
    assert set(choose_steps(steps, steering=(20, 30))["action"]) == {2, 3}
    assert set(choose_steps(steps, angle=(20, 30))["action"]) == {0, 2, 3}
    assert len(choose_steps(steps)) == len(steps) and choose_steps(steps, actions=[]).empty
    with pytest.raises(ValueError, match="without the episodes"):
        choose_steps(steps, laps_only=True)
