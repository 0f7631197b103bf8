import json

import altair as alt
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from deepracer_viz.analysis.checkpoints import choose_checkpoint
from deepracer_viz.charts.checkpoints import (
    fast_laps_chart,
    fast_laps_sheet,
    rank_checkpoints_chart,
    rank_checkpoints_sheet,
)
from deepracer_viz.charts.theme import FAST, NEUTRAL


def run(iterations=12, per_iteration=20, c0=0, completion=0.6, seed=2):
    rng = np.random.default_rng(seed)
    iteration = np.repeat(np.arange(iterations, dtype="int32"), per_iteration)
    complete = rng.random(len(iteration)) < completion
    numbers = np.arange(len(iteration), dtype="int32")
    return pd.DataFrame(
        {
            "iteration": iteration,
            "checkpoint": iteration + np.int32(c0),
            "episode": numbers,
            "unique_episode": numbers,
            "progress": np.where(complete, 100, 40).astype("float32"),
            "complete": complete,
            "time": rng.normal(12, 0.5, len(iteration)),
            "time_source": pd.Categorical(["official"] * len(iteration)),
            "end_status": pd.Categorical(np.where(complete, "lap_complete", "off_track")),
        }
    )


def every_sheet(episodes):
    # Other races are words beside the charts, and take most of the time.
    choice = choose_checkpoint(episodes, other_races=False)
    return {
        "fast": fast_laps_sheet(choice.laps, choice.ranking),
        "all": fast_laps_sheet(choice.laps, choice.ranking, all_laps=True),
        "ranking": rank_checkpoints_sheet(choice.ranking),
    }


def layers(chart, mark):
    return [layer for layer in chart.to_dict()["layer"] if layer["mark"]["type"] == mark]


def rows(chart, layer):
    spec = chart.to_dict()
    # Altair moves data that all layers share up to the chart.
    return pd.DataFrame(spec["datasets"][layer.get("data", spec.get("data"))["name"]])


def only(chart, mark):
    (layer,) = layers(chart, mark)
    return layer, rows(chart, layer)


def test_fast_laps_alone_or_all_of_them():
    episodes = run()
    sheets = every_sheet(episodes)
    laps = episodes[episodes["complete"]]
    _, fast = only(sheets["fast"], "circle")
    _, everything = only(sheets["all"], "circle")
    assert fast["fast"].all()
    assert len(fast) == (laps["time"] <= laps["time"].quantile(0.25)).sum()
    assert sorted(everything["unique_episode"]) == laps["unique_episode"].tolist()
    layer, _ = only(sheets["all"], "circle")
    opacity = layer["encoding"]["opacity"]["condition"]
    solid, faint = opacity["scale"]["range"]
    assert (opacity["field"], opacity["scale"]["domain"]) == ("fast", [True, False])
    assert solid > 2 * faint


def test_lines_hold_mean_and_best_of_the_laps_shown():
    episodes = run()
    laps = episodes[episodes["complete"]]
    for kind, shown in (("fast", laps[laps["time"] <= laps["time"].quantile(0.25)]), ("all", laps)):
        layer, lines = only(every_sheet(episodes)[kind], "line")
        wide = lines.pivot(index="iteration", columns="kind", values="time")
        times = shown.groupby("iteration")["time"]
        assert wide["Mean (laps shown)"].to_dict() == pytest.approx(times.mean().to_dict())
        assert wide["Best"].to_dict() == pytest.approx(times.min().to_dict())
        scale = layer["encoding"]["color"]["scale"]
        assert dict(zip(scale["domain"], scale["range"], strict=True))["Best"] == FAST


@pytest.mark.parametrize("kind", ["fast", "all"])
def test_the_first_three_of_the_ranking_are_named(kind):
    episodes = run(c0=7)
    ranking = choose_checkpoint(episodes).ranking
    layer, named = only(every_sheet(episodes)[kind], "text")
    assert layer["encoding"]["text"]["field"] == "name"
    first, second, third = ranking["checkpoint"].head(3)
    assert named["name"].tolist() == [
        f"checkpoint {first} (best)",
        f"checkpoint {second} (second)",
        f"checkpoint {third} (third)",
    ]
    assert named["iteration"].tolist() == ranking["iteration"].head(3).tolist()


@pytest.mark.parametrize("kind", ["fast", "all"])
def test_the_first_three_are_ringed_within_the_axis(kind):
    episodes = run()
    ranking = choose_checkpoint(episodes).ranking
    layer, rings = only(every_sheet(episodes)[kind], "point")
    assert layer["encoding"]["y"]["field"] == "fastest"
    assert rings["fastest"].tolist() == pytest.approx(ranking["fastest"].head(3).tolist())
    low, high = layer["encoding"]["x"]["scale"]["domain"]
    assert rings["iteration"].between(low, high).all()


def test_checkpoints_without_laps_are_not_named_over_the_laps():
    episodes = run(iterations=5)
    episodes.loc[episodes["iteration"] > 1, ["complete", "end_status"]] = [False, "off_track"]
    choice = choose_checkpoint(episodes)
    with_laps = choice.ranking.head(3).query("laps > 0")
    assert 0 < len(with_laps) < 3
    _, named = only(fast_laps_sheet(choice.laps, choice.ranking), "text")
    assert sorted(named["checkpoint"]) == sorted(with_laps["checkpoint"])
    # What such a checkpoint would do in a race is known from its neighbours all the same.
    _, points = only(rank_checkpoints_sheet(choice.ranking), "circle")
    assert set(points["checkpoint"]) == set(range(5))


def test_a_candidate_of_unknown_iteration_keeps_its_place_to_itself():
    choice = choose_checkpoint(run())
    ranking = choice.ranking.copy()
    ranking.loc[ranking.index[0], "iteration"] = -1
    _, named = only(fast_laps_sheet(choice.laps, ranking), "text")
    _, second, third = ranking["checkpoint"].head(3)
    assert named["name"].tolist() == [f"checkpoint {second} (second)", f"checkpoint {third} (third)"]


@pytest.mark.parametrize(
    ("c0", "said"),
    [(0, "driven by the checkpoint of the same number"), (7, "driven by checkpoint 7 + iteration")],
)
def test_the_axis_says_both_of_its_meanings(c0, said):
    for kind in ("fast", "all"):
        layer, _ = only(every_sheet(run(c0=c0))[kind], "circle")
        assert layer["encoding"]["x"]["title"] == f"Iteration ({said})"


def test_subtitle_carries_n_and_quartile():
    episodes = run()
    laps = episodes.loc[episodes["complete"], "time"]
    for kind in ("fast", "all"):
        title = every_sheet(episodes)[kind].to_dict()["title"]["text"]
        assert f"n = {len(laps)}" in title
        assert f"{laps.quantile(0.25):.2f} s" in title


def test_frontier_wears_its_colour_and_its_line():
    episodes = run(iterations=30)
    ranking = choose_checkpoint(episodes).ranking
    chart = every_sheet(episodes)["ranking"]
    layer, points = only(chart, "circle")
    assert layer["encoding"]["color"]["scale"] == {"domain": [True, False], "range": [FAST, NEUTRAL]}
    assert points["on_frontier"].sum() == ranking["on_frontier"].sum()
    _, line = only(chart, "line")
    frontier = ranking[ranking["on_frontier"]]
    for name in ("lap_time", "finish_chance"):
        assert line[name].tolist() == pytest.approx(frontier[name].tolist())


def test_chance_against_lap_time_with_both_intervals():
    episodes = run(iterations=20)
    ranking = choose_checkpoint(episodes).ranking
    chart = every_sheet(episodes)["ranking"]
    layer, points = only(chart, "circle")
    assert (layer["encoding"]["x"]["field"], layer["encoding"]["y"]["field"]) == ("lap_time", "finish_chance")
    for name in ("lap_time", "finish_chance"):
        assert points[name].tolist() == pytest.approx(ranking[name].tolist())
    (upright,) = [layer for layer in layers(chart, "rule") if "y2" in layer["encoding"]]
    (level,) = [layer for layer in layers(chart, "rule") if "x2" in layer["encoding"]]
    assert (upright["encoding"]["y"]["field"], upright["encoding"]["y2"]["field"]) == (
        "finish_low",
        "finish_high",
    )
    assert (level["encoding"]["x"]["field"], level["encoding"]["x2"]["field"]) == (
        "lap_time_low",
        "lap_time_high",
    )
    bars = rows(chart, level)
    assert bars["lap_time_low"].tolist() == pytest.approx(ranking["lap_time_low"].tolist())
    low, high = layer["encoding"]["x"]["scale"]["domain"]
    assert low < bars["lap_time_low"].min() and bars["lap_time_high"].max() < high


def test_ours_and_those_that_aws_marks_are_named_and_have_shapes():
    ranking = choose_checkpoint(run()).ranking
    first, second = ranking["checkpoint"].head(2)
    chart = rank_checkpoints_sheet(ranking, best=first, last=second)
    layer, shapes = only(chart, "point")
    assert shapes["mark"].tolist() == ["best odds", "AWS best", "AWS last"]
    assert shapes["checkpoint"].tolist() == [first, first, second]
    assert len(set(layer["encoding"]["shape"]["scale"]["range"])) == 3
    _, named = only(chart, "text")
    assert set(named["name"]) == {
        f"checkpoint {first}: best odds",
        f"checkpoint {first}: AWS best",
        f"checkpoint {second}: AWS last",
    }
    _, alone = only(rank_checkpoints_sheet(ranking, best=999), "point")
    assert alone["mark"].tolist() == ["best odds"]


@pytest.mark.parametrize("seed", range(6))
def test_each_name_has_a_row_and_no_line_runs_through_another(seed):
    ranking = choose_checkpoint(run(iterations=20, seed=seed)).ranking
    rng = np.random.default_rng(seed)
    best, last = rng.choice(ranking["checkpoint"], 2)
    _, named = only(rank_checkpoints_sheet(ranking, best=best, last=last), "text")
    assert sorted(named["row"]) == [1, 2, 3]
    # A line begins at the row of its name, so that only names further down can be met by it.
    for one in named.itertuples():
        same_side = named[named["leftwards"] == one.leftwards]
        ahead = (
            same_side["lap_time"] < one.lap_time if one.leftwards else same_side["lap_time"] > one.lap_time
        )
        assert (same_side.loc[ahead, "row"] > one.row).all()
    (line,) = [
        rule
        for rule in layers(rank_checkpoints_sheet(ranking, best, last), "rule")
        if "strokeDash" in rule["mark"]
    ]
    assert "datum.row" in line["mark"]["y"]["expr"]


def test_training_odds_are_said_in_the_chart():
    choice = choose_checkpoint(run())
    assert choice.training_odds
    said = [
        rank_checkpoints_sheet(choice.ranking, training_odds=odds).to_dict()["title"]["text"]
        for odds in (True, False)
    ]
    assert "training odds" in said[0]
    assert "training odds" not in said[1]
    assert all("n = 12 checkpoints" in title and "90 % intervals" in title for title in said)


def test_the_same_for_notebooks():
    choice = choose_checkpoint(run(c0=7))
    drawn = {
        "fast": fast_laps_chart(choice.laps, choice.ranking),
        "all": fast_laps_chart(choice.laps, choice.ranking, all_laps=True),
        "ranking": rank_checkpoints_chart(choice.ranking),
    }
    sheets = every_sheet(run(c0=7))
    for kind, chart in drawn.items():
        assert isinstance(chart, alt.LayerChart)
        assert chart.to_dict() == sheets[kind].to_dict()


def test_every_mark_has_a_tooltip():
    for chart in every_sheet(run()).values():
        for layer in chart.to_dict()["layer"]:
            is_frontier = layer["mark"]["type"] == "line" and "strokeDash" in layer["mark"]
            assert is_frontier or layer["encoding"]["tooltip"]


def test_a_click_selects_the_iteration_also_where_there_is_nothing():
    nothing = run().assign(complete=False)
    for episodes in (run(), nothing, nothing.iloc[:0]):
        for chart in every_sheet(episodes).values():
            param, *more = [param for param in chart.to_dict()["params"] if "select" in param]
            assert param["name"] == "iteration"
            # A lap that is clicked is looked at step by step, besides.
            assert [p["name"] for p in more] in ([], ["lap"])
            assert (param["select"]["type"], param["select"]["fields"]) == ("point", ["iteration"])


def test_laps_of_evaluations_alone_tell_what_a_race_would_be():
    episodes = run()
    choice = choose_checkpoint(episodes.assign(complete=False), episodes)
    _, note = only(fast_laps_sheet(choice.laps, choice.ranking), "text")
    assert "note" in note
    _, points = only(rank_checkpoints_sheet(choice.ranking), "circle")
    assert len(points) == 12


def test_without_laps_a_note_stands_in():
    for chart in every_sheet(run().assign(complete=False)).values():
        _, note = only(chart, "text")
        assert note["note"].tolist() == ["No finished lap to show"]


def test_marks_of_unknown_iteration_are_not_placed():
    episodes = run().assign(iteration=np.int32(-1), checkpoint=np.int32(5))
    sheets = every_sheet(episodes)
    _, note = only(sheets["all"], "text")
    assert "note" in note
    _, points = only(sheets["ranking"], "circle")
    assert points["checkpoint"].tolist() == [5]


@pytest.mark.parametrize(
    "episodes",
    [
        run(iterations=1),
        run(iterations=1, per_iteration=1, completion=1.1),
        run(iterations=4).assign(time=12.0),
    ],
    ids=["one iteration", "one lap", "equal laps"],
)
def test_small_cases_keep_a_whole_axis(episodes):
    sheets = every_sheet(episodes)
    for kind in ("fast", "all"):
        layer, points = only(sheets[kind], "circle")
        low, high = layer["encoding"]["x"]["scale"]["domain"]
        assert low < points["iteration"].min() and points["iteration"].max() < high
        assert all(tick == int(tick) for tick in layer["encoding"]["x"]["axis"]["values"])
    for chart in sheets.values():
        assert "NaN" not in json.dumps(chart.to_dict())


def test_ten_thousand_iterations_stay_within_bounds():
    sheets = every_sheet(run(iterations=10_000))
    for chart in sheets.values():
        # A line has a point on every row, and is one mark itself.
        marks = sum(len(rows(chart, layer)) for layer in chart.to_dict()["layer"]) + 2
        assert marks <= 6_000
        tables = sum(pa.Table.from_pandas(frame).nbytes for frame in chart.tables.values())
        assert tables + len(chart.drawing.text) < 300_000
    assert "the best 1,000 shown" in sheets["ranking"].to_dict()["title"]["text"]
    layer, points = only(sheets["all"], "circle")
    assert points["laps"].max() > 1
    assert "laps" in [tip["field"] for tip in layer["encoding"]["tooltip"]]
    layer, _ = only(every_sheet(run())["all"], "circle")
    assert "laps" not in [tip["field"] for tip in layer["encoding"]["tooltip"]]
