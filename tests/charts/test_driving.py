import io
import json
import re

import altair as alt
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from deepracer_viz.analysis.driving import driving_profile, find_inefficiencies
from deepracer_viz.analysis.driving.timing import TimeAccount
from deepracer_viz.charts.driving import driving_profile_chart, driving_profile_sheet
from deepracer_viz.charts.theme import MODELS, NEUTRAL, SLOW
from deepracer_viz.track import load_track

NO_FINDINGS = find_inefficiencies(
    pd.DataFrame(
        {
            name: pd.Series([], dtype=kind)
            for name, kind in {
                "unique_episode": "int32",
                "x": "float32",
                "y": "float32",
                "yaw": "float32",
                "on_track": "bool",
                "track_len": "float32",
                "speed": "float32",
                "steering_angle": "float32",
                "closest_waypoint": "int32",
                "tstamp": "float64",
                "episode_status": "category",
            }.items()
        }
    ),
    pd.DataFrame({"unique_episode": [], "complete": pd.Series([], dtype=bool), "time": []}),
)


def ellipse(count=120, borders=True):
    """A closed track of this many waypoints, 8 m by 4 m."""
    turn = np.linspace(0, 2 * np.pi, count)
    around = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    lines = [around * [4 + side, 2 + side] for side in ((0, -0.5, 0.5) if borders else (0,))]
    file = io.BytesIO()
    np.save(file, np.concatenate(lines, axis=1))
    file.seek(0)
    return load_track(file)


def steps_on(track, waypoints, seed=0):
    rng = np.random.default_rng(seed)
    count = len(waypoints)
    return pd.DataFrame(
        {
            "unique_episode": np.zeros(count, dtype="int32"),
            "x": track.center[waypoints, 0],
            "y": track.center[waypoints, 1],
            "speed": rng.uniform(1, 3, count),
            "steering_angle": rng.uniform(-30, 30, count),
            "closest_waypoint": np.asarray(waypoints, dtype="int32"),
            "tstamp": np.arange(count) / 15,
            "episode_status": pd.Categorical(["in_progress"] * count),
        }
    )


def findings(*places):
    """Findings at these (from, to) waypoints."""
    rows = [
        {
            "kind": "hard braking",
            "section": "T1",
            "waypoint_from": a,
            "waypoint_to": b,
            "seconds_per_lap": 0.25,
        }
        for a, b in places
    ]
    return pd.DataFrame(rows, columns=NO_FINDINGS.columns)


def as_json(spec):
    """The chart as a browser would take it: no NaN in it."""
    return json.loads(json.dumps(spec), parse_constant=lambda name: pytest.fail(f"{name} in the chart"))


def spec_of(*answer, **more):
    return as_json(driving_profile_sheet(*answer, **more).to_dict())


def units(spec, inherited=None):
    """Every drawn layer with its own and its inherited data and encoding."""
    mine = dict(inherited or {})
    mine |= {key: spec[key] for key in ("data",) if key in spec}
    if "layer" in spec:
        return [unit for layer in spec["layer"] for unit in units(layer, mine)]
    return [mine | spec]


def rows_of(spec, unit):
    return spec["datasets"][unit["data"]["name"]]


def marks(spec, **wanted):
    """Drawn layers whose mark has these properties."""
    return [u for u in units(spec) if all(u["mark"].get(key) == value for key, value in wanted.items())]


@pytest.fixture(scope="module")
def track():
    return ellipse()


@pytest.fixture(scope="module")
def profile(track):
    return driving_profile(steps_on(track, np.arange(0, 119).repeat(3)), track)


def test_one_hover_serves_map_and_panels(profile, track):
    spec = spec_of(profile, None, track)
    selections = [param for param in spec["params"] if "select" in param]
    assert [param["name"] for param in selections] == ["waypoint"]
    assert selections[0]["select"]["fields"] == ["waypoint"]
    assert selections[0]["select"]["on"] == "pointerover"
    shown = [u for u in units(spec) if any("param" in str(t) for t in u.get("transform", []))]
    # A ring on the map, a rule through both panels, a dot on each line.
    assert sorted(u["mark"]["type"] for u in shown) == ["circle", "circle", "point", "rule"]
    # Invisible targets with the tooltip: dots on the map, bars over both panels.
    targets = [u for u in units(spec) if u["mark"].get("opacity") == 0]
    assert sorted(u["mark"]["type"] for u in targets) == ["bar", "circle"]
    for target in targets:
        assert {"number", "true_speed", "speed", "steering_angle"} <= {
            tip["field"] for tip in target["encoding"]["tooltip"]
        }
        assert all(tip["title"] for tip in target["encoding"]["tooltip"])
        assert "waypoint" in rows_of(spec, target)[0]


def test_follows_the_width_of_the_page(profile, track):
    spec = spec_of(profile, None, track)
    assert spec["width"] == "container"
    assert isinstance(spec["height"], int)


def layout(spec, width):
    """Signals of the layout at this width of the page."""
    values = {"width": width, "height": spec["height"]}
    for param in spec["params"]:
        if "expr" in param:
            # "a ? b : c" as Python says it.
            words = re.sub(r"^(\w+) \? (.+) : (.+)$", r"(\2) if \1 else (\3)", param["expr"])
            values[param["name"]] = eval(words, {}, values)
        elif "value" in param:
            values[param["name"]] = param["value"]
    return values


@pytest.mark.parametrize("width", [340, 700, 760, 1200, 1900])
def test_map_and_panels_share_the_view_without_overlap(profile, track, width):
    values = layout(spec_of(profile, None, track), width)
    beside = values["map_width"] < values["panel_left"]
    below = values["map_height"] < values["strip_top"]
    assert beside or below
    assert values["panel_left"] < width - 200
    assert values["strip_top"] < values["strip_bottom"] < values["speed_top"] < values["speed_bottom"]
    assert values["speed_bottom"] < values["steering_top"] < values["height"]
    assert values["height"] - values["steering_top"] == pytest.approx(
        values["speed_bottom"] - values["speed_top"], rel=0.2
    )


@pytest.mark.parametrize("width", [340, 900, 1900])
def test_the_map_has_equal_metres_per_pixel_and_holds_the_track(profile, track, width):
    spec = spec_of(profile, None, track)
    values = layout(spec, width)
    colour = [u for u in units(spec) if "color" in u.get("encoding", {})]
    assert len(colour) == 1
    per_pixel = {}
    for axis, column in (("x", 0), ("y", 1)):
        scale = colour[0]["encoding"][axis]["scale"]
        low, high = (eval(end["expr"], {"max": max}, values) for end in scale["domain"])
        first, last = (eval(end["expr"], {}, values) for end in scale["range"])
        per_pixel[axis] = (high - low) / abs(last - first)
        assert low < min(track.inner[:, column].min(), track.outer[:, column].min())
        assert high > max(track.inner[:, column].max(), track.outer[:, column].max())
        assert (first < last) == (axis == "x")
    assert per_pixel["x"] == pytest.approx(per_pixel["y"], rel=1e-3)


def test_lines_bands_and_colours(profile, track):
    spec = spec_of(profile, None, track)
    [commanded] = [u for u in marks(spec, type="line", color=NEUTRAL) if "strokeDash" in u["mark"]]
    assert commanded["encoding"]["y"]["field"] == "speed"
    assert {u["encoding"]["y"]["field"] for u in marks(spec, type="line", color=MODELS[0])} == {
        "true_speed",
        "steering_angle",
    }
    assert {
        (u["encoding"]["y"]["field"], u["encoding"]["y2"]["field"])
        for u in marks(spec, type="area", color=MODELS[0])
    } == {("true_speed_low", "true_speed_high"), ("steering_low", "steering_high")}
    # One axis of waypoints for all of them.
    scales = [u["encoding"]["x"]["scale"] for u in units(spec) if u["mark"]["type"] in ("area", "bar")]
    assert all(scale == scales[0] for scale in scales)
    assert scales[0]["domain"] == [0, 119]


def test_left_and_right_are_named(profile, track):
    spec = spec_of(profile, None, track)
    [line] = [
        u
        for u in marks(spec, type="line", color=MODELS[0])
        if u["encoding"]["y"]["field"] == "steering_angle"
    ]
    axis, domain = line["encoding"]["y"]["axis"], line["encoding"]["y"]["scale"]["domain"]
    assert "left" in axis["labelExpr"] and "right" in axis["labelExpr"]
    assert domain[0] == -domain[1]
    assert 0 in axis["values"]


def test_a_chart_is_the_same_as_its_sheet(profile, track):
    answer = profile, findings((10, 20)), track
    chart = driving_profile_chart(*answer)
    assert isinstance(chart, alt.LayerChart)
    assert as_json(chart.to_dict()) == spec_of(*answer)


def test_every_waypoint_once_and_gaps_stay_gaps(track):
    spec = spec_of(driving_profile(steps_on(track, [3, 4, 5, 9, 20, 21]), track), None, track)
    [target] = [u for u in units(spec) if u["mark"]["type"] == "bar"]
    rows = pd.DataFrame(rows_of(spec, target))
    assert rows["waypoint"].tolist() == list(range(120))
    assert rows["steering_angle"].notna().sum() == 6
    assert rows["speed"].isna().sum() == 114
    # What stands alone between gaps makes no line: it is drawn as a dot.
    alone = [u for u in marks(spec, type="circle", color=MODELS[0]) if "lag" in str(u.get("transform"))]
    assert len(alone) == 2
    assert "isValid" in alone[0]["transform"][1]["filter"]


def test_title_says_how_many(profile, track):
    spec = spec_of(profile, None, track)
    assert "357 steps at 119 of 120 waypoints" in spec["title"]["text"][0]


def test_findings_are_shaded_also_over_the_start_line(profile, track):
    places = findings((10, 20), (110, 5))
    spec = spec_of(profile, places, track)
    [shade] = marks(spec, type="rect", color=SLOW)
    shown = {(row["begin"], row["end"]) for row in rows_of(spec, shade)}
    assert shown == {(10, 20), (110, 119), (0, 5)}
    [target] = [u for u in units(spec) if u["mark"]["type"] == "bar"]
    told = {row["waypoint"]: row["finding"] for row in rows_of(spec, target)}
    assert told[15] == told[112] == told[3] == "hard braking, 0.25 s a lap"
    assert told[50] == "none"
    assert "finding" in {tip["field"] for tip in target["encoding"]["tooltip"]}
    assert "cost time" in " ".join(spec["title"]["text"])


def test_a_finding_without_seconds_is_told_all_the_same(profile, track):
    places = findings((10, 20)).assign(seconds_per_lap=np.nan)
    spec = spec_of(profile, places, track)
    [target] = [u for u in units(spec) if u["mark"]["type"] == "bar"]
    assert rows_of(spec, target)[15]["finding"] == "hard braking"


def over_the_line(track):
    """The section that crosses the start line."""
    return track.sections[track.sections["waypoint_from"] > track.sections["waypoint_to"]].iloc[0]


def test_a_section_alone_goes_on_past_the_start_line(profile, track):
    section = over_the_line(track)
    places = findings((118, 2), (60, 62))
    spec = spec_of(profile, places, track, section["section"])
    [target] = [u for u in units(spec) if u["mark"]["type"] == "bar"]
    rows = pd.DataFrame(rows_of(spec, target))
    assert rows["waypoint"].diff().dropna().eq(1).all()
    assert (rows["number"] == rows["waypoint"] % 120).all()
    inside = rows["section"] == section["section"]
    assert set(rows["number"][inside]) == set(
        np.flatnonzero(track.section_of(range(120)) == section["section"])
    )
    # A metre more on either side, to a waypoint.
    metres = track.distance[rows["number"]]
    assert 0.7 < section["start"] - metres[0] <= 1.0
    assert 0.7 < metres[-1] - section["end"] <= 1.0
    [shade] = marks(spec, type="rect", color=SLOW)
    [place] = rows_of(spec, shade)
    assert (place["begin"] % 120, place["end"] % 120) == (118, 2)
    axis = target["encoding"]["x"]
    assert axis["scale"]["domain"] == [rows["waypoint"].min(), rows["waypoint"].max()]
    assert "% 120" in axis["axis"]["labelExpr"]
    assert f"in {section['section']} and 1 m around it" in spec["title"]["text"][0]


@pytest.mark.parametrize("width", [340, 900])
def test_the_map_of_a_section_stays_in_its_place(profile, track, width):
    section = over_the_line(track)
    spec = spec_of(profile, None, track, section["section"])
    values = layout(spec, width)
    [dots] = [u for u in units(spec) if "color" in u.get("encoding", {})]
    inside = {}
    for axis in "xy":
        scale = dots["encoding"][axis]["scale"]
        inside[axis] = [eval(end["expr"], {"max": max}, values) for end in scale["domain"]]
    drawn = 0
    for unit in units(spec):
        for row in rows_of(spec, unit):
            if unit["encoding"].get("x", {}).get("field") == "x" and row["x"] is not None:
                drawn += 1
                assert all(inside[axis][0] <= row[axis] <= inside[axis][1] for axis in "xy")
    assert drawn > 20
    assert inside["x"][1] - inside["x"][0] < 8


def test_an_open_track_has_no_waypoints_past_its_end():
    from dataclasses import replace

    closed = ellipse()
    track = replace(closed, closed=False)
    name = track.sections["section"].iloc[-1]
    spec = spec_of(driving_profile(steps_on(track, range(119)), track), None, track, name)
    [target] = [u for u in units(spec) if u["mark"]["type"] == "bar"]
    assert all(row["waypoint"] == row["number"] for row in rows_of(spec, target))


def test_panels_alone(profile, track):
    whole, panels = (spec_of(profile, None, track, with_map=shown) for shown in (True, False))
    assert not [u for u in units(panels) if "color" in u.get("encoding", {})]
    assert panels["height"] < whole["height"]


def test_the_map_says_what_each_section_loses(profile, track):
    name = track.sections["section"].iloc[0]
    sections = pd.DataFrame({"section": [name], "lost": [0.314]})
    account = TimeAccount(sections, 10, 9, 1, 0.5, 1.5, 40, 4, 20, "")
    spec = spec_of(profile, None, track, account=account)
    told = {row["text"] for u in marks(spec, type="text") for row in rows_of(spec, u) if "text" in row}
    assert f"{name} +0.31 s" in told
    assert set(track.sections["section"][1:]) <= told


@pytest.mark.parametrize("places", [None, NO_FINDINGS])
def test_without_findings_nothing_is_shaded(profile, track, places):
    spec = spec_of(profile, places, track)
    assert not marks(spec, type="rect", color=SLOW)
    assert "cost time" not in " ".join(spec["title"]["text"])


def test_sections_and_waypoint_numbers_are_on_the_map(profile, track):
    spec = spec_of(profile, None, track)
    labels = next(
        rows_of(spec, u) for u in marks(spec, type="text") if u["encoding"]["text"]["field"] == "text"
    )
    names = [row["text"] for row in labels if row["name"]]
    numbers = [row["text"] for row in labels if not row["name"]]
    assert names == track.sections["section"].tolist()
    assert numbers == [str(number) for number in range(0, 120, 10)]
    [start] = [
        u for u in marks(spec, type="rule") if "x2" in u["encoding"] and "field" in u["encoding"]["x2"]
    ]
    [line] = rows_of(spec, start)
    ends = np.array([[line["x"], line["y"]], [line["x2"], line["y2"]]])
    np.testing.assert_allclose(ends.mean(axis=0), track.center[0], atol=0.02)
    assert np.hypot(*(ends[0] - ends[1])) == pytest.approx(1.0, abs=0.05)
    borders = marks(spec, type="line", strokeWidth=1)
    assert {row.get("line") for row in rows_of(spec, borders[0])} == {"inner", "outer"}


def test_a_track_without_borders_is_drawn_all_the_same():
    track = ellipse(borders=False)
    spec = spec_of(driving_profile(steps_on(track, range(100)), track), None, track)
    assert rows_of(spec, marks(spec, type="line", strokeWidth=1)[0]) == []
    assert [u for u in units(spec) if "color" in u.get("encoding", {})]


def test_without_a_track_only_the_panels_are_drawn(track):
    spec = spec_of(driving_profile(steps_on(track, range(50))))
    assert not [u for u in units(spec) if "color" in u.get("encoding", {})]
    assert len(marks(spec, type="area")) == 2
    assert layout(spec, 400)["panel_left"] < 100


@pytest.mark.parametrize("waypoints", [[], [0], [7], [7, 7, 7], [0, 1]])
@pytest.mark.parametrize("with_track", [True, False])
def test_next_to_no_data(track, waypoints, with_track):
    geometry = track if with_track else None
    profile = driving_profile(steps_on(track, waypoints), geometry)
    spec = spec_of(profile, NO_FINDINGS, geometry)
    steps = len(waypoints)
    assert spec["title"]["text"][0].startswith(f"{steps} step")
    legends = [u["encoding"]["color"].get("legend") for u in units(spec) if "color" in u.get("encoding", {})]
    if steps < 2:
        # No speed, no scale of speeds.
        assert legends == [None] * with_track


def test_a_thousand_waypoints_stay_small():
    track = ellipse(1000)
    profile = driving_profile(steps_on(track, np.arange(1000).repeat(2)), track)
    places = findings(*((start, start + 60) for start in range(0, 1000, 200)))
    sent = driving_profile_sheet(profile, places, track).vega_lite()
    tables = [pa.Table.from_pandas(frame).nbytes for frame in sent.pop("datasets").values()]
    assert len(json.dumps(sent)) + sum(tables) < 300_000
    spec = spec_of(profile, places, track)
    drawn = 0
    for unit in units(spec):
        transform = str(unit.get("transform"))
        if unit["mark"]["type"] in ("line", "area") or "param" in transform:
            drawn += 1
        else:
            # Of waypoints that stand alone there are at most every other one.
            drawn += len(rows_of(spec, unit)) / (2 if "lag" in transform else 1)
    assert 3_000 < drawn <= 6_000


def test_colour_bar_is_drawn_on_a_canvas():
    profile = pd.DataFrame(
        {
            "waypoint": [0, 1],
            "visits": [3, 3],
            "x": [0.0, 1.0],
            "y": [0.0, 1.0],
            **{
                name: [1.0, 2.0]
                for name in (
                    "speed",
                    "true_speed",
                    "true_speed_low",
                    "true_speed_high",
                    "steering_angle",
                    "steering_low",
                    "steering_high",
                )
            },
        }
    )
    spec = driving_profile_chart(profile).to_dict()
    assert spec["usermeta"]["embedOptions"]["renderer"] == "canvas"
