import altair as alt
import numpy as np
import pandas as pd
import pytest
from jsonschema import ValidationError

from deepracer_viz.charts.sheet import Sheet, drawing, inside, slot, table
from deepracer_viz.charts.theme import NEUTRAL

LAPS = pd.DataFrame({"lap": [1, 2, 3], "time": [12.5, np.nan, 11.0]})


@pytest.fixture(scope="module")
def lap_times():
    marks = table("laps").mark_point(opacity=slot("pale"))
    x = alt.X("lap:Q").scale(domain=[slot("first"), slot("last")])
    y = alt.Y("time:Q").axis(labelExpr=f"datum.value + {inside('unit')}")
    words = alt.Chart().mark_text().encode(text=alt.datum(slot("words")))
    return drawing(
        alt.layer(marks.encode(x, y), words).properties(title=alt.Title(slot("title")), width="container")
    )


def values(**more):
    return {
        "pale": 0.5,
        "first": np.float64(0.5),
        "last": np.int32(4),
        "unit": ' s "',
        "words": "über\nalles {⟪first⟫}",
        "title": ["3 laps", "of 5"],
    } | more


def test_slots_hold_what_they_are_given(lap_times):
    spec = Sheet(lap_times, {"laps": LAPS}, values()).vega_lite()
    marks, words = spec["layer"]
    assert marks["mark"]["opacity"] == 0.5
    assert marks["encoding"]["x"]["scale"]["domain"] == [0.5, 4]
    assert marks["encoding"]["y"]["axis"]["labelExpr"] == 'datum.value + " s \\""'
    assert words["encoding"]["text"]["datum"] == "über\nalles {⟪first⟫}"
    assert spec["title"]["text"] == ["3 laps", "of 5"]
    assert spec["datasets"]["laps"] is LAPS
    assert spec["config"]["rule"]["color"] == NEUTRAL


def test_a_drawing_is_filled_again_without_a_trace_of_the_first(lap_times):
    first = Sheet(lap_times, {"laps": LAPS}, values()).vega_lite()
    second = Sheet(lap_times, {"laps": LAPS}, values(title="none", pale=1)).vega_lite()
    assert (first["title"]["text"], second["title"]["text"]) == (["3 laps", "of 5"], "none")


def test_a_slot_without_a_value_is_an_error(lap_times):
    given = values()
    del given["title"]
    with pytest.raises(KeyError, match="title"):
        Sheet(lap_times, {"laps": LAPS}, given).vega_lite()


def test_the_same_as_an_altair_chart(lap_times):
    sheet = Sheet(lap_times, {"laps": LAPS}, values())
    chart = sheet.chart()
    assert isinstance(chart, alt.LayerChart)
    spec = chart.to_dict()
    assert spec == sheet.to_dict()
    assert spec["datasets"]["laps"] == [
        {"lap": 1, "time": 12.5},
        {"lap": 2, "time": None},
        {"lap": 3, "time": 11.0},
    ]


def test_what_is_no_chart_is_refused_as_an_altair_chart():
    wrong = drawing(table("laps").mark_point().encode(alt.X("lap:Q").scale(domain=slot("a"), nice="wrong")))
    with pytest.raises(ValidationError):
        Sheet(wrong, {"laps": LAPS}, {"a": [0, 3]}).chart()
