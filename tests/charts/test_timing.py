import json

import altair as alt
import numpy as np
import pandas as pd
import pytest
import vl_convert

from deepracer_viz import load_run
from deepracer_viz.analysis.driving import section_times, time_account, time_delta
from deepracer_viz.analysis.driving.timing import STANDING, driven_lines, fast_and_typical
from deepracer_viz.analysis.driving.traces import lay_along
from deepracer_viz.charts.theme import FAST, MODELS, NEUTRAL, SLOW
from deepracer_viz.charts.timing import (
    driven_lines_chart,
    driven_lines_sheet,
    time_account_chart,
    time_account_sheet,
    time_delta_chart,
    time_delta_sheet,
)


def spec_of(sheet):
    """The chart as JSON a browser would take: no NaN in it."""
    return json.loads(
        json.dumps(sheet.to_dict()), parse_constant=lambda name: pytest.fail(f"{name} in the chart")
    )


def units(spec, data=None):
    """Every drawn layer with its own or its inherited data."""
    data = spec.get("data", data)
    if "layer" in spec:
        return [unit for layer in spec["layer"] for unit in units(layer, data)]
    return [spec | {"data": data}]


def rows_of(spec, unit):
    return spec["datasets"][unit["data"]["name"]]


def marks(spec, kind):
    return [unit for unit in units(spec) if unit["mark"]["type"] == kind]


def size_of(spec):
    """Rows that are drawn, and characters of the chart."""
    return sum(len(rows_of(spec, unit)) for unit in units(spec)), len(json.dumps(spec))


@pytest.fixture(scope="module")
def run(request):
    folder = request.getfixturevalue("sample_logs")
    return load_run(folder / "fast-but-fragile.tar.gz")


@pytest.fixture(scope="module")
def account(run):
    return time_account(section_times(run.steps, run.episodes, run.track))


@pytest.fixture(scope="module")
def groups(run):
    traces = lay_along(run.steps, run.episodes, run.track)
    laps = traces.pick(traces.drives["complete"])
    fast, typical = fast_and_typical(laps.drives["time"])
    return laps.pick(typical), laps.pick(fast)


class TestAccount:
    def test_a_bar_per_section_in_order_of_the_track(self, account):
        spec = spec_of(time_account_sheet(account))
        [bars] = marks(spec, "bar")
        rows = rows_of(spec, bars)
        assert [row["section"] for row in rows] == account.sections["section"].tolist()
        assert bars["encoding"]["x"]["sort"] is None
        np.testing.assert_allclose([row["lost"] for row in rows], account.sections["lost"], atol=1e-4)
        assert spec["width"] == "container"

    def test_colours_say_lost_won_and_start(self, account):
        conditions = marks(spec_of(time_account_sheet(account)), "bar")[0]["encoding"]["color"]
        told = {condition["test"]: condition["value"] for condition in conditions["condition"]}
        assert told == {f"datum.section == '{STANDING}'": NEUTRAL, "datum.lost < 0": FAST}
        assert conditions["value"] == SLOW

    def test_intervals_and_figures(self, account):
        spec = spec_of(time_account_sheet(account))
        assert [u["encoding"]["y2"]["field"] for u in marks(spec, "rule") if "y2" in u["encoding"]] == [
            "high"
        ]
        title = " ".join(spec["title"]["text"])
        assert f"{account.lost:.2f} s in all" in title and f"n = {account.laps} laps" in title
        labels = [row["label"] for row in rows_of(spec, marks(spec, "text")[0])]
        assert all(label == "0.00" or label[0] in "+−" for label in labels)

    def test_a_click_chooses_a_section(self, account):
        [param] = [p for p in spec_of(time_account_sheet(account))["params"] if "select" in p]
        assert param["name"] == "section" and param["select"]["fields"] == ["section"]

    def test_the_chosen_section_stands_out(self, account):
        name = account.sections["section"].iloc[1]
        [bars] = marks(spec_of(time_account_sheet(account, name)), "bar")
        condition = bars["encoding"]["opacity"]["condition"]
        assert condition["test"] == f'datum.section == "{name}"'
        assert condition["value"] > bars["encoding"]["opacity"]["value"]

    def test_too_few_laps(self, run):
        few = time_account(section_times(run.steps, run.episodes.head(20), run.track))
        spec = spec_of(time_account_sheet(few))
        assert "Too few laps" in json.dumps(spec) and f"n = {few.laps}" in json.dumps(spec)

    def test_an_unknown_stretch_has_a_name(self, account):
        from dataclasses import replace

        sections = account.sections.assign(section=["", *account.sections["section"][1:]])
        spec = spec_of(time_account_sheet(replace(account, sections=sections)))
        assert rows_of(spec, marks(spec, "bar")[0])[0]["section"] == "unknown"


class TestDelta:
    def test_three_strips_over_the_track(self, groups):
        delta = time_delta(*groups)
        spec = spec_of(time_delta_sheet(delta, "typical laps", "fast laps"))
        lines = marks(spec, "line")
        assert len(lines) == 3
        folds = [t["fold"] for line in lines for t in line.get("transform", []) if "fold" in t]
        assert folds == [["speed_a", "speed_b"], ["steering_a", "steering_b"]]
        assert marks(spec, "area")[0]["encoding"]["y2"]["field"] == "delta_high"
        names = {param["name"] for param in spec["params"]}
        assert {"speed_top", "steering_bottom", "delta_bottom", "place"} <= names
        assert spec["width"] == "container"

    def test_names_numbers_and_colours(self, groups):
        delta = time_delta(*groups)
        line = marks(spec_of(time_delta_sheet(delta, "typical", 'say "fast"')), "line")[0]
        scale = line["encoding"]["color"]["scale"]
        assert scale["domain"] == [
            f"typical (n = {len(groups[0].drives)})",
            f'say "fast" (n = {len(groups[1].drives)})',
        ]
        assert scale["range"] == [MODELS[0], FAST]
        [calculated] = [t["calculate"] for t in line["transform"] if "calculate" in t]
        assert json.dumps(scale["domain"][1]) in calculated
        other = time_delta_sheet(delta, "a", "b", colours=MODELS[2:])
        assert marks(spec_of(other), "line")[0]["encoding"]["color"]["scale"]["range"] == list(MODELS[2:])

    def test_the_pointer_is_told_who_is_who(self, groups):
        spec = spec_of(time_delta_sheet(time_delta(*groups), "typical laps", 'lap "b"'))
        [target] = [unit for unit in marks(spec, "bar") if unit["mark"]["opacity"] == 0]
        told = target["encoding"]["tooltip"]["value"]["expr"]
        assert '"Time that typical laps lost (s)": format(datum.delta, ' in told
        for quantity, unit in (("speed", "(m/s)"), ("steering", "(°, left +)")):
            for end, name in (("a", "typical laps"), ("b", 'lap "b"')):
                title = json.dumps(f"{quantity.capitalize()}, {name} {unit}")
                assert f"{title}: format(datum.{quantity}_{end}, " in told

    def test_names_of_the_sections(self, groups, run):
        spec = spec_of(time_delta_sheet(time_delta(*groups), "a", "b"))
        names = [row["section"] for row in rows_of(spec, marks(spec, "text")[0])]
        assert set(names) == set(run.track.sections["section"])

    def test_a_section_alone(self, groups):
        delta = time_delta(*groups, section="S1")
        spec = spec_of(time_delta_sheet(delta, "a", "b"))
        domain = marks(spec, "line")[0]["encoding"]["x"]["scale"]["domain"]
        assert domain == pytest.approx([delta["place"].min(), delta["place"].max()], abs=1e-3)

    def test_what_cannot_be_compared_is_a_gap(self, groups):
        delta = time_delta(groups[0], groups[1].pick([]))
        spec = spec_of(time_delta_sheet(delta, "a", "b"))
        assert all(row["delta"] is None for row in rows_of(spec, marks(spec, "line")[-1]))

    def test_bounded(self, groups):
        rows, characters = size_of(spec_of(time_delta_sheet(time_delta(*groups), "a", "b")))
        assert rows <= 6000 and characters <= 300_000


class TestLines:
    def test_a_rule_per_piece_coloured_by_speed(self, run, groups):
        lines = driven_lines(run.steps, groups[1].drives["unique_episode"])
        spec = spec_of(driven_lines_sheet(lines, run.track))
        [rules] = [unit for unit in marks(spec, "rule") if "color" in unit["encoding"]]
        assert rules["encoding"]["color"]["field"] == "speed"
        assert rules["encoding"]["color"]["scale"]["range"] == [SLOW, "#9a9a9a", FAST]
        rows = rows_of(spec, rules)
        assert len(rows) == len(lines) <= 6000
        assert f"n = {lines.attrs['drives']} drives" in json.dumps(spec["title"])
        assert spec["width"] == "container"

    def test_as_large_as_it_gets(self, run):
        lines = driven_lines(run.steps, run.episodes.loc[run.episodes["complete"], "unique_episode"])
        spec = spec_of(driven_lines_sheet(lines, run.track))
        rows, characters = size_of(spec)
        assert rows <= 6000 and characters <= 650_000
        assert f"of {lines.attrs['asked']} drives" in json.dumps(spec["title"])

    def test_both_axes_have_the_same_scale(self, run, groups):
        lines = driven_lines(run.steps, groups[1].drives["unique_episode"])
        rules = marks(spec_of(driven_lines_sheet(lines, run.track)), "rule")[0]
        x, y = (rules["encoding"][axis]["scale"] for axis in "xy")
        assert "width / height" in x["domain"][0]["expr"] and "height / width" in y["domain"][1]["expr"]

    def test_sections_are_named_with_what_they_cost(self, run, groups, account):
        lines = driven_lines(run.steps, groups[1].drives["unique_episode"])
        spec = spec_of(driven_lines_sheet(lines, run.track, account))
        told = {row["text"].split(" ")[0]: row["text"] for row in rows_of(spec, marks(spec, "text")[0])}
        for row in account.sections.itertuples():
            if row.section != STANDING:
                assert told[row.section].endswith(" s")
                assert float(told[row.section].split(" ")[1].replace("−", "-")) == pytest.approx(
                    row.lost, abs=0.006
                )

    def test_a_section_alone_is_in_the_middle(self, run, groups):
        lines = driven_lines(run.steps, groups[1].drives["unique_episode"])
        whole, part = (
            marks(spec_of(driven_lines_sheet(lines, run.track, section=name)), "rule")[0]
            for name in (None, "T2")
        )

        def middle_and_reach(unit):
            words = unit["encoding"]["x"]["scale"]["domain"][0]["expr"].split(" ")
            return float(words[0]), float(words[2].removeprefix("max(").rstrip(","))

        center = run.track.center[run.track.section_of(range(len(run.track.center))) == "T2"][:, 0]
        assert middle_and_reach(part)[0] == pytest.approx((center.min() + center.max()) / 2, abs=0.01)
        assert middle_and_reach(part)[1] < middle_and_reach(whole)[1] / 1.5

    def test_without_track_and_without_lines(self, run):
        none = driven_lines(run.steps, [])
        lines = driven_lines(run.steps, run.episodes["unique_episode"].head(2))
        for sheet in (
            driven_lines_sheet(none),
            driven_lines_sheet(none, run.track),
            driven_lines_sheet(lines),
        ):
            spec_of(sheet)


def test_every_chart_is_a_valid_one(run, account, groups):
    lines = driven_lines(run.steps, groups[1].drives["unique_episode"].head(3))
    for chart in (
        time_account_chart(account),
        time_account_chart(account, account.sections["section"].iloc[0]),
        time_delta_chart(time_delta(*groups), "a", "b"),
        driven_lines_chart(lines, run.track, account),
    ):
        assert isinstance(chart, alt.LayerChart)
        svg = vl_convert.vegalite_to_svg(chart.properties(width=600).to_dict())
        assert svg.count("<path") > 10 and "NaN" not in svg
    assert not pd.isna(account.lost)
