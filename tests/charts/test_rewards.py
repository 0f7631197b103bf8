import io
import json
from dataclasses import replace

import altair as alt
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from deepracer_viz import load_run
from deepracer_viz.analysis.actions import ActionUse, action_use
from deepracer_viz.analysis.rewards import RewardMap, reward_map
from deepracer_viz.charts.rewards import (
    CLAMPED,
    action_use_chart,
    action_use_sheet,
    reward_map_chart,
    reward_map_sheet,
)
from deepracer_viz.charts.theme import FAST, NEUTRAL, SLOW, SLOW_TEXT, TEXT
from deepracer_viz.track import load_track

CELL = 0.05


def ellipse(borders=True):
    """A closed track, 8 m by 4 m, 1 m wide."""
    turn = np.linspace(0, 2 * np.pi, 120)
    around = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    lines = [around * [4 + side, 2 + side] for side in ((0, -0.5, 0.5) if borders else (0,))]
    file = io.BytesIO()
    np.save(file, np.concatenate(lines, axis=1))
    file.seek(0)
    return load_track(file)


def ends_at(*places):
    """Early ends: (x, y, end_status, iteration)."""
    table = pd.DataFrame(places, columns=["x", "y", "end_status", "iteration"])
    return table.assign(
        end_status=table["end_status"].astype("category"),
        episode=range(len(table)),
        unique_episode=range(len(table)),
        progress=50.0,
        section="T1",
        ends=1,
    )


def answer_with(rewards, visits=1, track=None, ends=(), cell=CELL, sections=("T1", "S1"), passes=50):
    """A map with these rewards in cells one beside the other."""
    rewards = np.asarray(rewards, dtype=float)
    cells = pd.DataFrame(
        {
            "x": (np.arange(len(rewards)) % 100 + 0.5) * cell,
            "y": (np.arange(len(rewards)) // 100 + 0.5) * cell,
            "reward": rewards,
            "visits": visits,
            "section": "T1",
        }
    )
    ranked = pd.DataFrame({"section": list(sections)}).assign(
        kind=["corner" if name[0] == "T" else "straight" for name in sections],
        passes=passes,
        episode_ends=0,
        exit_ends=0,
    )
    return RewardMap(
        cells=cells,
        cell=cell,
        asked=0.05,
        sections=ranked,
        ends=ends_at(*ends),
        early_ends=len(ends),
        steps=1000,
        episodes=10,
        drawn=900,
        has_negative=bool((rewards < 0).any()),
        track=track,
        verdict="",
    )


def spec_of(chart):
    """The chart as JSON a browser would take: no NaN in it."""
    return json.loads(
        json.dumps(chart.to_dict()), parse_constant=lambda name: pytest.fail(f"{name} in the chart")
    )


def layers(chart, mark, **wanted):
    found = [layer for layer in spec_of(chart)["layer"] if layer["mark"]["type"] == mark]
    return [layer for layer in found if all(layer["mark"].get(key) == value for key, value in wanted.items())]


def rows(chart, layer):
    spec = spec_of(chart)
    return pd.DataFrame(spec["datasets"][layer.get("data", spec.get("data"))["name"]])


def title(chart):
    text = spec_of(chart)["title"]["text"]
    return text if isinstance(text, str) else " ".join(text)


def colour_of(chart):
    (cells,) = layers(chart, "rect")
    return cells["encoding"]["color"]


def test_squares_are_as_large_as_the_cells():
    answer = answer_with([1, 2, 3], cell=0.08)
    chart = reward_map_sheet(answer)
    (layer,) = layers(chart, "rect")
    drawn = rows(chart, layer)
    np.testing.assert_allclose(drawn["x"], [0, 0.08, 0.16], atol=1e-6)
    np.testing.assert_allclose(drawn["y"], [0, 0, 0], atol=1e-6)
    formulas = {step["as"]: step["calculate"] for step in layer["transform"]}
    assert formulas == {"right": "datum.x + 0.08", "top": "datum.y + 0.08"}
    assert (layer["encoding"]["x2"]["field"], layer["encoding"]["y2"]["field"]) == ("right", "top")
    assert "900 steps, squares of 8 cm" in title(chart)


def test_rewards_and_visits_are_drawn_and_told():
    answer = answer_with([0.5, 1.25], visits=[3, 7])
    chart = reward_map_sheet(answer)
    (layer,) = layers(chart, "rect")
    drawn = rows(chart, layer)
    assert drawn["reward"].tolist() == [0.5, 1.25]
    assert drawn["visits"].tolist() == [3, 7]
    assert layer["encoding"]["color"]["field"] == "reward"
    assert {tip["title"] for tip in layer["encoding"]["tooltip"]} == {
        "Section",
        "Mean reward a step",
        "Steps",
    }


def test_rewards_above_zero_run_on_one_scale():
    scale = colour_of(reward_map_sheet(answer_with(np.linspace(0, 2, 1000))))["scale"]
    assert scale["scheme"]["name"] == "viridis"
    np.testing.assert_allclose(scale["domain"], np.percentile(np.linspace(0, 2, 1000), CLAMPED))
    assert scale["clamp"] is True


@pytest.mark.parametrize("rewards", [[-1, 0.5, 3], [-3, -1], [-1e-6, 5]])
def test_negative_rewards_are_centred_on_zero(rewards):
    colour = colour_of(reward_map_sheet(answer_with(rewards)))
    low, middle, high = colour["scale"]["domain"]
    assert (low, middle) == (-high, 0) and high > 0
    assert colour["scale"]["range"] == [SLOW, "#9a9a9a", FAST]
    assert colour["legend"]["values"] == [low, 0, high]


def test_one_outlier_does_not_wash_the_map_out_and_the_title_says_so():
    rewards = np.append(np.linspace(0, 1, 200), 1000)
    chart = reward_map_sheet(answer_with(rewards))
    assert colour_of(chart)["scale"]["domain"][1] < 1.01
    assert "Colours stop at the 2nd and 98th percentile" in title(chart)
    assert "percentile" not in title(reward_map_sheet(answer_with([1.0] * 50 + [2.0] * 50)))


def test_an_outlier_among_equal_rewards_is_still_seen():
    low, high = colour_of(reward_map_sheet(answer_with([1.0] * 200 + [5.0])))["scale"]["domain"]
    assert (low, high) == (1, 5)
    low, _, high = colour_of(reward_map_sheet(answer_with([0.0] * 200 + [-5.0])))["scale"]["domain"]
    assert (low, high) == (-5, 5)


def test_equal_rewards_have_one_colour_and_one_number():
    colour = colour_of(reward_map_sheet(answer_with([2.0] * 30)))
    assert colour["scale"]["domain"] == [1, 3]
    assert colour["legend"]["values"] == [2]


def test_visits_as_opacity():
    answer = answer_with([1, 1, 1], visits=[1, 10, 100])
    (plain,), (faint,) = (layers(reward_map_sheet(answer, on), "rect") for on in (False, True))
    assert plain["encoding"]["opacity"] == {"value": 1}
    opacity = faint["encoding"]["opacity"]
    assert opacity["field"] == "visits"
    assert 0 < opacity["scale"]["range"][0] < opacity["scale"]["range"][1] == 1
    assert "Fainter: fewer steps" in title(reward_map_sheet(answer, True))
    assert "Fainter" not in title(reward_map_sheet(answer))


def test_borders_where_they_are_known():
    chart = reward_map_sheet(answer_with([1, 2], track=ellipse()))
    borders, dashed = layers(chart, "line")
    assert set(rows(chart, borders)["line"]) == {"inner", "outer"}
    assert dashed["mark"]["strokeDash"] and rows(chart, dashed).empty
    assert "rebuilt" not in title(chart)


def test_without_borders_the_centre_line_is_dashed_and_labelled():
    chart = reward_map_sheet(answer_with([1, 2], track=ellipse(borders=False)))
    borders, dashed = layers(chart, "line")
    assert rows(chart, borders).empty
    assert len(rows(chart, dashed)) > 100
    assert "Dashed: track rebuilt from the steps" in title(chart)


def test_sections_are_named_and_the_next_turn_is_marked():
    track = ellipse()
    for sections, passes, marked in (
        (("T2", "T1", "S1"), 50, ["T2"]),
        (("T2", "T1", "S1"), 1, []),
        (("S1",), 50, []),
        ((), 0, []),
    ):
        chart = reward_map_sheet(answer_with([1, 2], track=track, sections=sections, passes=passes))
        (layer,) = layers(chart, "text")
        labels = rows(chart, layer)
        assert labels["text"].tolist() == track.sections["section"].tolist()
        assert labels.loc[labels["next"], "text"].tolist() == marked
    assert layer["encoding"]["color"]["condition"]["value"] == {"expr": SLOW_TEXT}
    assert layer["encoding"]["color"]["value"] == {"expr": TEXT}


def test_ends_have_a_shape_for_each_way_to_end():
    ends = [(0, 0, "off_track", 1), (1, 1, "crashed", 2), (2, 2, "reversed", 3), (3, 3, "time_up", 4)]
    chart = reward_map_sheet(answer_with([1, 2], ends=ends))
    (layer,) = layers(chart, "point")
    shape = layer["encoding"]["shape"]
    assert shape["scale"]["domain"] == ["crashed", "off track", "reversed", "time up"]
    assert len(set(shape["scale"]["range"])) == 4
    assert sorted(rows(chart, layer)["how"]) == shape["scale"]["domain"]
    assert {"Ended", "Drives", "Iterations"} <= {tip["title"] for tip in layer["encoding"]["tooltip"]}


def test_ends_at_one_place_share_a_mark_that_counts_them():
    ends = [(1.0, 1.0, "off_track", 3), (1.01, 1.0, "off_track", 9), (1.0, 1.0, "crashed", 5)]
    chart = reward_map_sheet(answer_with([1, 2], ends=ends))
    (layer,) = layers(chart, "point")
    drawn = rows(chart, layer).set_index("how")
    assert drawn["drives"].to_dict() == {"off track": 2, "crashed": 1}
    assert drawn["iterations"].to_dict() == {"off track": "3 to 9", "crashed": "5"}


def test_an_end_that_stands_for_several_counts_as_several():
    answer = answer_with([1, 2], ends=[(1, 1, "off_track", 0)])
    chart = reward_map_sheet(replace(answer, ends=answer.ends.assign(ends=7)))
    (layer,) = layers(chart, "point")
    assert rows(chart, layer)["drives"].tolist() == [7]


def test_ends_are_outlined_where_cells_wear_their_colour():
    for rewards, outlined in (([1, 2], False), ([-1, 2], True)):
        (layer,) = layers(reward_map_sheet(answer_with(rewards, ends=[(1, 1, "off_track", 0)])), "point")
        assert layer["mark"]["color"] == SLOW
        assert ("stroke" in layer["mark"]) == outlined


def test_ends_of_evaluations_name_no_iteration():
    for iteration, named in ((-1, False), (0, True)):
        (layer,) = layers(reward_map_sheet(answer_with([1], ends=[(1, 1, "off_track", iteration)])), "point")
        assert ("Iterations" in {tip["title"] for tip in layer["encoding"]["tooltip"]}) == named


def test_ends_can_be_left_out():
    answer = answer_with([1, 2], ends=[(1, 1, "off_track", 0)])
    assert not layers(reward_map_sheet(answer, ends=False), "point")
    assert not layers(reward_map_sheet(answer_with([1, 2])), "point")


def test_cells_stay_cells_on_any_screen():
    spec = spec_of(reward_map_sheet(answer_with([1, 2], track=ellipse())))
    assert spec["width"] == "container" and isinstance(spec["height"], int)
    scales = [layer["encoding"][axis]["scale"] for layer in spec["layer"] for axis in ("x", "y")]
    assert all("width" in scale["domain"][0]["expr"] for scale in scales)
    assert spec["usermeta"]["embedOptions"]["renderer"] == "canvas"


def test_a_wide_track_is_not_as_high_as_a_square_one():
    wide = spec_of(reward_map_sheet(answer_with([1] * 100)))["height"]
    square = spec_of(reward_map_sheet(answer_with([1] * 10_000)))["height"]
    assert 300 < wide < square < 800


@pytest.mark.parametrize("track", [None, ellipse(), ellipse(borders=False)], ids=["none", "route", "rebuilt"])
@pytest.mark.parametrize("rewards", [[], [1], [0], [-1], [1, 1]], ids=str)
@pytest.mark.parametrize("faint", [True, False])
def test_next_to_no_data(track, rewards, faint):
    chart = reward_map_sheet(answer_with(rewards, track=track), faint)
    (layer,) = layers(chart, "rect")
    assert len(rows(chart, layer)) == len(rewards)
    if not rewards:
        assert layer["encoding"]["color"]["legend"] is None


def test_largest_map_stays_within_bounds():
    rng = np.random.default_rng(1)
    ends = [(*rng.uniform(0, 9, 2), ("off_track", "crashed")[i % 2], i) for i in range(2000)]
    answer = answer_with(rng.uniform(0, 1, 5000), visits=12345, track=ellipse(), ends=ends)
    chart = reward_map_sheet(answer)
    frames = chart.tables.values()
    assert sum(len(frame) for frame in frames) <= 6_000
    assert sum(pa.Table.from_pandas(frame).nbytes for frame in frames) < 300_000
    (layer,) = layers(chart, "point")
    assert rows(chart, layer)["drives"].sum() == 2000


def use_of(kind, table):
    table = pd.DataFrame(table)
    return ActionUse(kind, table, table[table["steps"] == 0], int(table["steps"].sum()), "")


DISCRETE = {
    "action": [0, 1, 2, 3],
    "steering_angle": [-30.0, 0.0, 0.0, 30.0],
    "speed": [1.0, 1.0, 2.0, 1.0],
    "steps": [100, 0, 9890, 10],
    "share": [0.01, 0.0, 0.989, 0.001],
}


def test_left_is_on_the_left():
    for use in (use_of("discrete", DISCRETE), action_use(continuous_steps())):
        for layer in spec_of(action_use_sheet(use))["layer"]:
            x = layer["encoding"]["x"]
            assert x["scale"]["reverse"] is True
            assert "left" in x["axis"]["labelExpr"]


def test_used_actions_are_dots_and_the_others_rings():
    chart = action_use_sheet(use_of("discrete", DISCRETE))
    (dots,), (rings,), (labels,) = (layers(chart, mark) for mark in ("circle", "point", "text"))
    assert dots["transform"] == [{"filter": "datum.used"}]
    assert rings["transform"] == [{"filter": "!datum.used"}]
    assert "filled" not in rings["mark"] and rings["mark"]["color"] == NEUTRAL
    table = rows(chart, labels).set_index("action")
    assert table["used"].tolist() == [True, False, True, True]
    assert table["label"].tolist() == ["1%", "never", "99%", "0.1%"]
    assert (table["size"].rank().to_numpy() == pd.Series(DISCRETE["share"]).rank().to_numpy()).all()
    assert title(chart) == "10,000 steps, 3 of 4 actions used"


def test_an_action_that_is_hardly_taken_is_not_said_to_be_unused():
    table = pd.DataFrame(DISCRETE).assign(share=[0.5, 0, 0.4998, 0.0002])
    chart = action_use_sheet(use_of("discrete", table))
    (labels,) = layers(chart, "text")
    assert rows(chart, labels)["label"].tolist()[3] == "<0.1%"


def continuous_steps(count=400):
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "unique_episode": np.zeros(count, dtype="int32"),
            "steps": np.arange(count, dtype="int32"),
            "x": rng.uniform(0, 5, count),
            "y": rng.uniform(0, 5, count),
            "reward": 1.0,
            "action": np.full(count, -1, dtype="int16"),
            "steering_angle": rng.uniform(-30, 30, count),
            "speed": rng.uniform(1, 4, count),
            "episode_status": pd.Categorical(["in_progress"] * count),
        }
    )


def test_continuous_actions_are_squares_over_their_bins():
    use = action_use(continuous_steps())
    chart = action_use_sheet(use)
    (layer,) = layers(chart, "rect")
    fields = {axis: layer["encoding"][axis]["field"] for axis in ("x", "x2", "y", "y2", "color")}
    assert fields == {
        "x": "steering_from",
        "x2": "steering_to",
        "y": "speed_from",
        "y2": "speed_to",
        "color": "share",
    }
    drawn = rows(chart, layer)
    assert drawn["steps"].sum() == 400
    assert drawn["share"].sum() == pytest.approx(1, abs=0.01)
    assert title(chart) == "400 steps"
    assert spec_of(chart)["usermeta"]["embedOptions"]["renderer"] == "canvas"


@pytest.mark.parametrize("count", [0, 1])
def test_next_to_no_actions(count):
    table = pd.DataFrame(DISCRETE).head(count)
    assert title(action_use_sheet(use_of("discrete", table))).startswith("100 steps" if count else "0 steps")
    assert title(action_use_sheet(action_use(continuous_steps(count)))).startswith(
        "1 step" if count else "0 steps"
    )


def test_the_drawing_stays_while_a_few_cells_come_and_go():
    """A drawing made anew takes a hundred times as long as one that is filled."""
    some, more = (reward_map_sheet(answer_with([1] * count, track=ellipse())) for count in (200, 210))
    assert some.drawing is more.drawing


def test_charts_are_the_same_as_their_sheets():
    answer = answer_with([-1, 2], track=ellipse(), ends=[(1, 1, "off_track", 0), (2, 1, "crashed", 3)])
    uses = use_of("discrete", DISCRETE), action_use(continuous_steps())
    for chart, sheet in (
        (reward_map_chart(answer, True), reward_map_sheet(answer, True)),
        *((action_use_chart(use), action_use_sheet(use)) for use in uses),
    ):
        assert isinstance(chart, alt.LayerChart)
        assert spec_of(chart) == spec_of(sheet)


def test_every_mark_that_says_something_has_a_tooltip():
    charts = [
        reward_map_sheet(answer_with([1, 2], track=ellipse(), ends=[(1, 1, "off_track", 0)])),
        action_use_sheet(use_of("discrete", DISCRETE)),
        action_use_sheet(action_use(continuous_steps())),
    ]
    for chart in charts:
        for layer in spec_of(chart)["layer"]:
            if layer["mark"]["type"] in ("rect", "point", "circle"):
                assert all(tip["title"] for tip in layer["encoding"]["tooltip"])
            else:
                assert layer["mark"]["tooltip"] is None


@pytest.mark.parametrize("name", ["planted-faults", "fast-but-fragile"])
def test_sample_models_are_drawn_whole(sample_logs, name):
    run = load_run(sample_logs / f"{name}.tar.gz", track=str(sample_logs / "harbour_loop.npy"))
    drives = run.drives()
    answer = reward_map(drives.steps, drives.track, episodes=drives.episodes)
    chart = reward_map_sheet(answer)
    (cells,), (marks,) = layers(chart, "rect"), layers(chart, "point")
    assert rows(chart, cells)["visits"].sum() == answer.drawn
    assert rows(chart, marks)["drives"].sum() == answer.early_ends > 100
    ended = drives.episodes[~drives.episodes["complete"] & drives.episodes["traced"]]
    assert answer.early_ends <= len(ended)
    use = action_use(drives.steps, run.metadata.action_space.actions)
    assert sum(len(frame) for frame in action_use_sheet(use).tables.values()) < 2_000
