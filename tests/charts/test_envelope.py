import json

import altair as alt
import numpy as np
import pytest

from deepracer_viz.analysis.envelope import performance_envelope
from deepracer_viz.charts.envelope import performance_envelope_chart, performance_envelope_sheet

RNG = np.random.default_rng(11)
NORMAL = RNG.normal(12, 0.4, 40)
SKEWED = 11 + RNG.exponential(1, 300)


def spec_of(laps, target=None):
    return performance_envelope_sheet(performance_envelope(laps, target)).to_dict()


def units(spec):
    """All drawn layers, however deep, each with the data it inherits."""
    if "layer" not in spec:
        return [spec]
    inherited = {"data": spec["data"]} if "data" in spec else {}
    return [unit for layer in spec["layer"] for unit in units(inherited | layer)]


def marks(spec):
    return [unit["mark"]["type"] for unit in units(spec)]


def rows_of(spec, unit):
    return spec["datasets"][unit["data"]["name"]]


def figures(spec):
    """Labelled rows under the histogram by name."""
    [labels] = [unit for unit in units(spec) if unit["mark"]["type"] == "text"]
    return {row["name"]: row for row in rows_of(spec, labels)}


def title_of(spec):
    return "\n".join(spec["title"]["text"])


def test_normal_laps_with_a_target():
    answer = performance_envelope(NORMAL, 11.5)
    spec = performance_envelope_chart(answer).to_dict()
    assert marks(spec) == ["bar", "line", "rule", "rule", "point", "text"]
    rows = figures(spec)
    assert set(rows) == {"Mean", "Median", "−1 SD", "−2 SD", "−3 SD", "Fastest", "Target"}
    for name, marker in zip(("−1 SD", "−2 SD", "−3 SD"), answer.markers.itertuples(), strict=True):
        assert (rows[name]["low"], rows[name]["time"], rows[name]["high"]) == pytest.approx(
            (marker.low, marker.time, marker.high)
        )
    assert rows["−1 SD"]["label"].endswith("15.87 % under")
    assert rows["−2 SD"]["label"] == f"{answer.markers['time'].iloc[1]:.2f} s, 2.275 % under"
    assert rows["−3 SD"]["label"].endswith("0.135 % under")
    assert rows["Fastest"]["label"] == f"{NORMAL.min():.2f} s"
    assert rows["Target"]["label"] == "11.50 s"
    assert title_of(spec).startswith("40 laps")
    assert "normal fit not rejected (D'Agostino-Pearson K2" in title_of(spec)


def test_rows_stand_in_order_of_time_so_that_no_line_crosses_a_label():
    for laps in (NORMAL, SKEWED):
        times = [row["time"] for row in figures(spec_of(laps, 11.4)).values()]
        assert times == sorted(times, reverse=True)


def test_axes_are_titled_with_units_and_every_mark_but_the_labels_has_a_titled_tooltip():
    spec = spec_of(NORMAL, 11.5)
    titles = {unit["encoding"][axis].get("title") for unit in units(spec) for axis in "xy"}
    assert {"Lap time (s)", "Laps"} <= titles
    for unit in units(spec):
        assert all(field["title"] for field in unit["encoding"]["tooltip"])


def test_everything_shown_lies_inside_the_time_axis():
    for laps, target in ((NORMAL, 11.5), (SKEWED, 10.0), ([12.3], None), ([12.0] * 9, 12.4)):
        spec = spec_of(laps, target)
        [domain] = {
            tuple(unit["encoding"]["x"]["scale"]["domain"])
            for unit in units(spec)
            if "scale" in unit["encoding"]["x"]
        }
        for unit in units(spec):
            for row in rows_of(spec, unit):
                for column in {"time", "low", "high"} & set(row):
                    assert domain[0] < row[column] < domain[1]


def test_kinds_differ_by_more_than_colour():
    spec = spec_of(NORMAL, 11.5)
    scales = {
        channel: unit["encoding"][channel]["scale"]
        for unit in units(spec)
        for channel in ("color", "shape", "strokeDash")
        if "scale" in unit["encoding"].get(channel, {})
    }
    kinds = scales["shape"]["domain"]
    assert {row["kind"] for row in figures(spec).values()} <= set(kinds)
    looks = {
        (shape, str(dash))
        for kind, shape, dash in zip(
            kinds, scales["shape"]["range"], scales["strokeDash"]["range"], strict=True
        )
        # Rejected markers never stand beside those that hold.
        if kind != "rejected marker"
    }
    assert len(looks) == len(kinds) - 1


def test_a_rejected_fit_is_said_and_the_empirical_percentile_joins():
    answer = performance_envelope(SKEWED)
    spec = performance_envelope_chart(answer).to_dict()
    assert "normal fit rejected (D'Agostino-Pearson K2, p < 0.001)" in title_of(spec)
    rows = figures(spec)
    assert rows["Best seen"]["time"] == pytest.approx(answer.good_lap)
    assert rows["−1 SD"]["kind"] == "rejected marker"
    assert "if normal" in rows["−1 SD"]["label"]


def test_lost_laps_and_far_targets_do_not_squeeze_the_chart():
    spec = spec_of([*NORMAL, 61.25], target=2.0)
    assert "Pale bar: 1 much slower, up to 61.25 s" in title_of(spec)
    assert "Too far off to draw" in title_of(spec)
    assert "Target 2.00 s" in title_of(spec)
    assert "Target" not in figures(spec)
    [bars] = [unit for unit in units(spec) if unit["mark"]["type"] == "bar"]
    drawn = rows_of(spec, bars)
    assert drawn[-1]["beyond"]
    assert drawn[-1]["to"] == 61.25
    assert drawn[-1]["high"] - drawn[-1]["low"] == pytest.approx(drawn[0]["high"] - drawn[0]["low"])


@pytest.mark.parametrize("target", [None, 12.0])
@pytest.mark.parametrize("laps", [[12.3], [12.3, 12.9], [12.3, 12.4, 12.6, 12.8, 13.0]])
def test_too_few_laps_show_the_laps_alone(laps, target):
    spec = spec_of(laps, target)
    assert marks(spec) == ["bar", "rule", "rule", "point", "text"]
    rows = figures(spec)
    assert rows["Fastest"]["label"] == "12.30 s"
    assert ("Mean" in rows) == ("Median" in rows) == (len(laps) > 1)
    assert not any("SD" in name for name in rows)
    assert title_of(spec).startswith("1 lap," if len(laps) == 1 else f"{len(laps)} laps,")
    assert "normal" not in title_of(spec)


def test_equal_laps():
    spec = spec_of([12.34] * 20, 12.0)
    assert set(figures(spec)) == {"Mean", "Median", "Fastest", "Target"}
    [bars] = [unit for unit in units(spec) if unit["mark"]["type"] == "bar"]
    assert [row["laps"] for row in rows_of(spec, bars)] == [20]


def test_no_laps_say_so():
    chart = performance_envelope_chart(performance_envelope([], target=12))
    spec = chart.to_dict()
    assert isinstance(chart, alt.Chart)
    assert spec["mark"]["type"] == "text"
    assert rows_of(spec, spec) == [{"text": "No completed laps to show"}]


@pytest.mark.parametrize("laps", [RNG.normal(12, 0.4, 100_000), 11 + RNG.exponential(1, 100_000)])
def test_bounded_whatever_the_number_of_laps(laps):
    spec = spec_of(laps, 11.5)
    assert len(json.dumps(spec)) < 50_000
    assert sum(len(rows_of(spec, unit)) for unit in units(spec)) < 400
    assert title_of(spec).startswith("100,000 laps")


def test_no_missing_number_reaches_the_chart():
    for n in (1, 2, 7, 8, 40):
        text = json.dumps(spec_of(NORMAL[:n], 11.5)["datasets"])
        assert "NaN" not in text
        assert "null" not in text
