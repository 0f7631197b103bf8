import functools
import json
from dataclasses import replace

import altair as alt
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from deepracer_viz import load_run
from deepracer_viz.analysis.convergence import training_progress
from deepracer_viz.charts.convergence import (
    SERIES,
    policy_update_chart,
    policy_update_sheet,
    reward_chart,
    reward_sheet,
    training_progress_chart,
    training_progress_sheet,
)
from deepracer_viz.charts.theme import ENTROPY, ENTROPY_TEXT, FAST, MODELS

NAMES = {key: name for key, (name, *_) in SERIES.items()}


def drives(iterations=24, per_iteration=20, c0=0, chance=None, seed=4):
    """Training drives that finish more and more often, until halfway."""
    rng = np.random.default_rng(seed)
    numbers = np.arange(iterations, dtype="int32")
    chance = np.minimum(numbers / max(iterations / 2, 1), 1) * 0.9 if chance is None else chance
    iteration = np.repeat(numbers, per_iteration)
    complete = rng.random(len(iteration)) < np.broadcast_to(chance, iterations)[iteration]
    progress = np.where(complete, 100, rng.uniform(2, 60, len(iteration)))
    episode = np.arange(len(iteration), dtype="int32")
    return pd.DataFrame(
        {
            "iteration": iteration,
            "checkpoint": iteration + np.int32(c0),
            "episode": episode,
            "unique_episode": episode,
            "progress": progress.astype("float32"),
            "complete": complete,
            "time": rng.normal(12, 0.5, len(iteration)),
            "time_source": pd.Categorical(["official"] * len(iteration)),
            "end_status": pd.Categorical(np.where(complete, "lap_complete", "off_track")),
            "reward": progress * 1.5,
        }
    )


def updates(iterations=24, epochs=3):
    iteration = np.repeat(np.arange(iterations, dtype="int32"), epochs)
    return pd.DataFrame(
        {
            "iteration": iteration,
            "epoch": np.tile(np.arange(epochs, dtype="int32"), iterations),
            "surrogate_loss": -0.05 - iteration / 1e4,
            "kl_divergence": 0.04 + iteration / 1e4,
            "entropy": 2.4 - iteration / iterations,
            "learning_rate": 3e-4,
        }
    )


def evaluations(checkpoints=24, c0=0, trials=4):
    checkpoint = np.repeat(np.arange(checkpoints, dtype="int32") + np.int32(c0), trials)
    complete = np.tile(np.arange(trials) > 0, checkpoints)
    return pd.DataFrame(
        {
            "checkpoint": checkpoint,
            "trial": np.tile(np.arange(trials, dtype="int32"), checkpoints),
            "progress": np.where(complete, 100.0, 30.0),
            "complete": complete,
            "time": 12.0,
            "end_status": np.where(complete, "lap_complete", "off_track"),
        }
    )


@functools.cache
def whole(iterations=24, window=3, **more):
    return training_progress(
        drives(iterations, **more), updates(iterations), window, evaluations(iterations, more.get("c0", 0))
    )


def progress(*choice, **more):
    return training_progress_sheet(*choice, **more).to_dict()


def reward(*choice):
    return reward_sheet(*choice).to_dict()


def policy(answer):
    return policy_update_sheet(answer).to_dict()


@functools.cache
def drawn():
    return progress(whole())


def every_chart(answer):
    return {"progress": progress(answer), "reward": reward(answer), "policy": policy(answer)}


def flat(part, seen=None):
    """All single layers of a chart, with the data they inherit."""
    seen = part.get("data", seen)
    if "layer" in part:
        return [layer for child in part["layer"] for layer in flat(child, seen)]
    return [part | {"data": seen}]


def layers(chart, mark, **encoded):
    """Layers of a mark whose encodings have these fields, each with its table."""
    found = [layer for layer in flat(chart) if layer["mark"]["type"] == mark]
    for channel, field in encoded.items():
        found = [layer for layer in found if layer["encoding"].get(channel, {}).get("field") == field]
    return [(layer, pd.DataFrame(chart["datasets"][layer["data"]["name"]])) for layer in found]


def lines(chart, y="value"):
    """The drawn lines of the progress chart, a column for each series."""
    tables = [table for _, table in layers(chart, "line", y=y)]
    return (
        pd.concat(tables).pivot(index="iteration", columns="series", values=y) if tables else pd.DataFrame()
    )


def hovers(chart):
    ((layer, table),) = [(layer, t) for layer, t in layers(chart, "bar") if layer["mark"].get("opacity") == 0]
    return layer, table


def axis_of(chart, title):
    return next(
        layer["encoding"]["y"]["axis"]
        for layer in flat(chart)
        if layer["encoding"].get("y", {}).get("title") == title and layer["encoding"]["y"].get("axis")
    )


def test_every_series_is_drawn_raw_and_smoothed():
    answer, chart = whole(), drawn()
    raw, smooth = lines(chart), lines(chart, "smooth")
    assert set(raw) == set(smooth) == set(NAMES.values())
    for key, name in NAMES.items():
        factor = 100 if key == "completion" else 1
        assert raw[name].tolist() == pytest.approx((answer.iterations[key] * factor).tolist(), rel=1e-5)
        expected = answer.iterations[f"{key}_smooth"] * factor
        assert smooth[name].tolist() == pytest.approx(expected.tolist(), rel=1e-5, nan_ok=True)
    (thin, _), *_ = layers(chart, "line", y="value")
    (bold, _), *_ = layers(chart, "line", y="smooth")
    assert thin["mark"]["strokeWidth"] < bold["mark"]["strokeWidth"]


def test_entropy_has_the_left_axis_in_its_colour_and_the_rest_the_right_in_percent():
    chart = drawn()
    entropy, percent = axis_of(chart, "Entropy"), axis_of(chart, "Percent")
    assert entropy["orient"] == "left"
    assert entropy["titleColor"] == entropy["labelColor"] == {"expr": ENTROPY_TEXT}
    assert percent["orient"] == "right"
    assert "titleColor" not in percent
    for layer, table in layers(chart, "line", y="value"):
        y = layer["encoding"]["y"]
        if set(table["series"]) == {"Entropy"}:
            assert "domain" not in y["scale"]
        else:
            assert y["scale"]["domain"] == [0, 100]
    colour = layers(chart, "line", y="value")[0][0]["encoding"]["color"]["scale"]
    worn = dict(zip(colour["domain"], colour["range"], strict=True))
    assert worn["Entropy"] == ENTROPY
    assert worn["Mean progress"] == MODELS[0]
    assert worn["Completed laps"] == FAST


def test_series_of_one_colour_differ_in_dash():
    looks = [(colour, tuple(dash)) for _, colour, dash in SERIES.values()]
    assert len(set(looks)) == len(SERIES)


def test_series_can_be_switched_off_with_their_markers():
    answer = whole()
    for key in ("entropy", "completion", "reward_scaled"):
        chart = progress(answer, [key], evaluations=False)
        assert set(lines(chart)) == {NAMES[key]}
        ((_, legend),) = layers(chart, "text", text="series")
        assert legend["series"].tolist() == [NAMES[key]]
        badges = layers(chart, "text", text="number")
        shown = set(badges[0][1]["series"]) if badges else set()
        assert shown <= {NAMES[key]}
    chart = progress(answer, [], evaluations=False)
    assert not layers(chart, "line")
    assert hovers(chart)[1]["iteration"].tolist() == list(range(24))


def test_markers_stand_on_their_line_and_are_named():
    answer, chart = whole(), drawn()
    ((_, badges), _) = layers(chart, "text", text="number")
    assert sorted(badges["name"]) == sorted(answer.markers["name"])
    assert badges["number"].tolist() == list(range(1, len(badges) + 1))
    assert badges["iteration"].is_monotonic_increasing
    assert (badges["words"] == badges["name"] + ", iteration " + badges["iteration"].astype(str)).all()
    smooth = lines(chart, "smooth")
    for badge in badges.itertuples():
        assert badge.value == pytest.approx(smooth.at[badge.iteration, badge.series], rel=1e-5)


def test_badges_of_one_row_keep_apart():
    answer = whole(iterations=40)
    near = [10, 10, 11, 12, 13, 30]
    markers = pd.DataFrame(
        {
            "name": [f"marker {i}" for i in near],
            "iteration": near,
            "value": 50.0,
            "measure": "progress_mean_smooth",
        }
    )
    chart = progress(replace(answer, markers=markers))
    badges = layers(chart, "text", text="number")[0][1]
    assert len(badges) == len(near)
    for _, row in badges.groupby("row"):
        assert (row["iteration"].sort_values().diff().dropna() >= 40 / 14).all()
    assert badges["row"].max() < len(near) - 1


def test_the_point_of_convergence_has_a_line_its_band_and_words():
    answer = replace(whole(), converged_at=12, converged_low=10, converged_high=15)
    for chart, labels in ((progress(answer), 1), (reward(answer), 0)):
        ((band, place),) = layers(chart, "rect", x="low")
        assert band["encoding"]["x2"]["field"] == "high"
        assert place[["iteration", "low", "high"]].values.tolist() == [[12, 9.5, 15.5]]
        texts = layers(chart, "text", text="words")
        assert [table["words"].tolist() for _, table in texts] == [["converged at 12 (10 to 15)"]] * labels
    nowhere = replace(answer, converged_at=None, converged_low=None, converged_high=None)
    assert not layers(progress(nowhere), "rect")


@pytest.mark.parametrize(("at", "side"), [(2, "left"), (21, "right")])
def test_the_words_on_convergence_stay_within_the_chart(at, side):
    answer = replace(whole(), converged_at=at, converged_low=at, converged_high=at)
    ((layer, table),) = layers(progress(answer), "text", text="words")
    assert layer["mark"]["align"] == side
    assert table["words"].tolist() == [f"converged at {at}"]


def test_evaluations_are_diamonds_with_their_interval():
    answer = whole(c0=7)
    chart = progress(answer)
    (diamonds, table), *_ = layers(chart, "point", y="completion")
    assert diamonds["mark"]["shape"] == "diamond"
    assert table["completion"].tolist() == pytest.approx([75.0] * 24)
    assert table["which"].tolist() == [str(c) for c in range(7, 31)]
    assert table["iteration"].tolist() == list(range(24))
    ((interval, _),) = layers(chart, "rule", y="low")
    assert interval["encoding"]["y2"]["field"] == "high"
    assert (table["low"] < 75).all() and (table["high"] > 75).all()
    without = progress(answer, evaluations=False)
    assert not layers(without, "point", y="completion")
    for shown, wanted in ((chart, 1), (without, 0)):
        ((_, legend),) = layers(shown, "text", text="series")
        assert legend["series"].str.startswith("Evaluations").sum() == wanted


def test_evaluations_alone_bring_their_axis():
    for shown in ([], ["entropy"], ["completion"]):
        chart = progress(whole(), shown)
        axes = [layer["encoding"].get("y", {}).get("axis") for layer in flat(chart)]
        assert sum(axis is not None and axis["orient"] == "right" for axis in axes) >= 1
    assert progress(whole(), ["entropy"], False)["padding"]["right"] > chart["padding"]["right"]


def test_the_evaluation_of_the_newest_checkpoint_has_a_place():
    episodes = drives()
    answer = training_progress(episodes, updates(), 3, evaluations(25))
    for chart in every_chart(answer).values():
        layer, _ = hovers(chart)
        assert layer["encoding"]["x"]["scale"]["domain"] == [-0.5, 24.5]


def test_without_entropy_all_else_is_drawn_where_it_was():
    answer = training_progress(drives(), None, 3, evaluations())
    chart = progress(answer)
    assert set(lines(chart)) == set(NAMES.values()) - {"Entropy"}
    with_axis = drawn()["padding"]
    without = chart["padding"]
    assert without["left"] > with_axis["left"]
    assert without["right"] == with_axis["right"]
    assert layers(policy(answer), "text")[0][1]["note"].tolist() == ["No policy update to show"]


def test_the_same_for_notebooks():
    answer = replace(whole(), converged_at=12, converged_low=10, converged_high=15)
    sheets = [training_progress_sheet(answer), reward_sheet(answer), policy_update_sheet(answer)]
    charts = [training_progress_chart(answer), reward_chart(answer), policy_update_chart(answer)]
    for chart, sheet in zip(charts, sheets, strict=True):
        assert isinstance(chart, alt.LayerChart)
        assert chart.to_dict() == sheet.to_dict()


def test_the_charts_share_their_horizontal_axis():
    charts = every_chart(whole())
    axes = [hovers(chart)[0]["encoding"]["x"] for chart in charts.values()]
    assert axes[0] == axes[1] == axes[2]
    assert axes[0]["title"] == "Iteration"
    for chart in charts.values():
        assert chart["width"] == "container"


@pytest.mark.parametrize("measure", ["reward_mean", "reward_total"])
def test_reward_in_its_own_units_above_drives_and_laps(measure):
    answer = whole()
    chart = reward(answer, measure)
    ((_, raw),) = layers(chart, "line", y="value")
    assert raw["value"].tolist() == pytest.approx(answer.iterations[measure].tolist())
    assert raw["smooth"].tolist() == pytest.approx(
        answer.iterations[f"{measure}_smooth"].tolist(), nan_ok=True
    )
    ((_, bars),) = layers(chart, "bar", y="episodes")
    assert len(layers(chart, "bar", y="laps")) == 1
    assert bars["episodes"].tolist() == [20] * 24
    assert bars["laps"].tolist() == answer.iterations["laps"].tolist()
    line, bar = (layers(chart, mark, y=y)[0][0] for mark, y in (("line", "value"), ("bar", "episodes")))
    share = [float(layer["encoding"]["y"]["scale"]["range"][0]["expr"].split()[0]) for layer in (line, bar)]
    top_of_bars = float(bar["encoding"]["y"]["scale"]["range"][1]["expr"].split()[0])
    assert share[0] < top_of_bars < share[1] == 1


def test_policy_updates_are_means_of_their_epochs():
    answer = whole()
    chart = policy(answer)
    for key in ("policy_loss", "kl_divergence"):
        ((_, table),) = layers(chart, "line", y=key)
        assert table[key].tolist() == pytest.approx(answer.iterations[key].tolist())


def test_hovering_an_iteration_says_all_its_figures():
    answer = whole(c0=3)
    layer, table = hovers(progress(answer))
    titles = {tip["title"]: tip["field"] for tip in layer["encoding"]["tooltip"]}
    row = table.iloc[5]
    told = answer.iterations.iloc[5]
    assert row[titles["Iteration"]] == "5"
    assert row[titles["Driven by checkpoint"]] == "8"
    assert row[titles["Drives"]] == 20
    assert row[titles["Laps"]] == told["laps"]
    assert row[titles["Mean progress (%)"]] == f"{told['progress_mean']:.0f}"
    assert row[titles["Entropy"]] == f"{told['entropy']:.3f}"


def test_an_iteration_without_figures_says_so_in_words():
    episodes = drives()
    answer = training_progress(episodes, updates(10), 3)
    _, table = hovers(progress(answer))
    assert table["entropy"].tolist()[9:12] == ["1.500", "-", "-"]
    unknown = training_progress(episodes.assign(checkpoint=np.int32(-1)), updates(), 3)
    _, table = hovers(progress(unknown))
    assert set(table["driver"]) == {"unknown"}


def test_title_carries_n_and_the_window():
    said = progress(whole(window=5))["title"]["text"]
    assert said == ["n = 24 iterations, 480 drives", "Thin: as it was. Bold: mean of 5 iterations."]
    said = progress(whole(iterations=2))["title"]["text"]
    assert said[1] == "Too few iterations for the mean of 3"
    said = progress(whole(window=1))["title"]["text"]
    assert said[1] == "Every iteration as it was"


@pytest.mark.parametrize("case", [{"iterations": 2}, {"window": 1}, {"iterations": 1, "window": 1}], ids=str)
def test_what_is_not_smoothed_is_drawn_boldly_as_it_was(case):
    chart = progress(whole(**case))
    assert not layers(chart, "line", y="smooth")
    (raw, _), *_ = layers(chart, "line", y="value")
    assert raw["mark"]["strokeWidth"] > 2
    assert raw["mark"].get("opacity", 1) == 1


CASES = {
    "one iteration": drives(1),
    "one drive": drives(1, per_iteration=1),
    "two iterations": drives(2),
    "no lap": drives(chance=0),
    "every drive a lap": drives(chance=1),
    "equal rewards": drives().assign(reward=1.0),
    "negative rewards": drives().assign(reward=lambda table: -table["progress"]),
    "gaps": drives()[lambda table: table["iteration"] % 7 != 3].reset_index(drop=True),
    "late start": drives().assign(iteration=lambda table: table["iteration"] + np.int32(50)),
    "nothing": drives().iloc[:0],
}


@pytest.mark.parametrize("name", CASES)
def test_every_case_has_an_answer(name):
    episodes = CASES[name]
    answer = training_progress(episodes, None)
    charts = every_chart(answer)
    for chart in charts.values():
        assert "NaN" not in json.dumps(chart)
    chart = charts["progress"]
    if episodes.empty:
        assert layers(chart, "text")[0][1]["note"].tolist() == ["No iteration to show"]
        return
    x = hovers(chart)[0]["encoding"]["x"]
    low, high = x["scale"]["domain"]
    assert low < episodes["iteration"].min() and episodes["iteration"].max() < high
    if high - low <= 10:
        assert x["axis"]["values"] == sorted(set(episodes["iteration"]))
    assert set(lines(chart).index) == set(episodes["iteration"])


def test_a_measure_without_a_figure_is_not_drawn():
    answer = whole()
    nothing = dict.fromkeys([name for name in answer.iterations if name.startswith("reward")], np.nan)
    bare = replace(answer, iterations=answer.iterations.assign(**nothing))
    chart = progress(bare)
    assert set(lines(chart)) == set(NAMES.values()) - {"Total reward, scaled"}
    assert "Total reward, scaled" not in set(layers(chart, "text", text="number")[0][1]["series"])
    for chart in every_chart(bare).values():
        assert "NaN" not in json.dumps(chart)


def test_ten_thousand_iterations_stay_within_bounds():
    answer = training_progress(drives(10_000), updates(10_000, 1), 3, evaluations(10_000))
    for fill in (training_progress_sheet, reward_sheet, policy_update_sheet):
        sheet = fill(answer)
        spec = sheet.to_dict()
        assert sum(len(spec["datasets"][layer["data"]["name"]]) for layer in flat(spec)) <= 6_000
        tables = sum(pa.Table.from_pandas(frame).nbytes for frame in sheet.tables.values())
        assert tables + len(sheet.drawing.text) < 300_000
    chart = progress(answer)
    assert chart["title"]["text"][-1] == "Each point: mean of 40 iterations"
    _, table = hovers(chart)
    assert table.at[1, "which"] == "40 to 79"
    assert table["episodes"].sum() == 200_000
    assert table["laps"].sum() == answer.iterations["laps"].sum()
    found = lines(chart)
    blocks = answer.iterations.groupby(answer.iterations["iteration"] // 40)
    assert found["Mean progress"].tolist() == pytest.approx(blocks["progress_mean"].mean().tolist(), rel=1e-5)
    assert found["Least progress"].tolist() == pytest.approx(blocks["progress_min"].min().tolist(), rel=1e-5)
    assert found["Greatest progress"].tolist() == pytest.approx(
        blocks["progress_max"].max().tolist(), rel=1e-5
    )
    evaluated = layers(chart, "point", y="completion")[0][1]
    assert evaluated["drives"].sum() == 40_000
    assert evaluated["laps"].sum() == 30_000


def test_the_clone_shows_its_eight_iterations(real_logs):
    run = load_run(real_logs / "console-2020-clone")
    answer = training_progress(run.episodes, run.policy_updates, 3, run.checkpoint_evaluations)
    found = lines(progress(answer))
    assert found.index.tolist() == list(range(8))
    by_iteration = run.episodes.groupby("iteration")
    finished = 100 * by_iteration["complete"].sum() / by_iteration.size()
    assert found["Completed laps"].tolist() == pytest.approx(finished.tolist(), rel=1e-5)
    assert found["Mean progress"].tolist() == pytest.approx(
        by_iteration["progress"].mean().tolist(), rel=1e-5
    )
    entropy = run.policy_updates.groupby("iteration")["entropy"].mean()
    assert found["Entropy"].tolist() == pytest.approx(entropy.tolist(), rel=1e-5)
    assert found["Total reward, scaled"].min() == pytest.approx(5)
    assert found["Total reward, scaled"].max() == pytest.approx(95)
    assert hovers(progress(answer))[1]["driver"].tolist() == [str(c) for c in range(7, 15)]


def test_where_a_clone_goes_on_is_marked():
    answer = training_progress(drives(10))
    jobs = pd.DataFrame(
        {
            "name": ["first", "clone", "not shown"],
            "first_iteration": [0, 5, 12],
            "last_iteration": [4, 11, 20],
            "first_checkpoint": [0, 3, 9],
        }
    )
    spec = training_progress_sheet(answer, jobs=jobs).to_dict()
    assert spec["datasets"]["seams"] == [{"begin": 4.5, "name": "clone"}]
    assert "seams" not in training_progress_sheet(answer, jobs=jobs.iloc[:1]).to_dict()["datasets"]
    training_progress_chart(answer, jobs=jobs).to_dict()
