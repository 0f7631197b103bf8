import io

import numpy as np
import pandas as pd
import pytest

from deepracer_viz.charts.sheet import Sheet, drawing, table
from deepracer_viz.charts.trackmap import (
    beside_the_road,
    border_lines,
    centre_line,
    reach_of_map,
    square_axes,
    stretches,
)
from deepracer_viz.track import load_track


def ellipse(count=120, borders=True):
    """A closed track of this many waypoints, 8 m by 4 m, driven to the left, 1 m wide."""
    turn = np.linspace(0, 2 * np.pi, count)
    around = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    lines = [around * [4 + side, 2 + side] for side in ((0, -0.5, 0.5) if borders else (0,))]
    file = io.BytesIO()
    np.save(file, np.concatenate(lines, axis=1))
    file.seek(0)
    return load_track(file)


def places_of(track):
    return pd.DataFrame(
        {"waypoint": range(len(track.center)), "x": track.center[:, 0], "y": track.center[:, 1]}
    )


def scales(spans, *size):
    """Scales of both axes of a map that shows these spans."""
    x, y = square_axes(*size)
    drawn = drawing(table("points").mark_point().encode(x, y))
    spec = Sheet(drawn, {"points": pd.DataFrame({"x": [0], "y": [0]})}, reach_of_map(*spans)).to_dict()
    return [spec["encoding"][axis]["scale"] for axis in "xy"]


@pytest.mark.parametrize("size", [(300, 500), (1200, 400), (640, 640)])
@pytest.mark.parametrize("spans", [((0, 8), (0, 4)), ((-1, 1), (5, 30)), ((2, 2), (3, 3))])
def test_a_metre_is_as_many_pixels_on_both_axes_and_all_is_shown(size, spans):
    known = {"width": size[0], "height": size[1], "max": max}
    pixels_per_metre = []
    for scale, span, pixels in zip(scales(spans), spans, size, strict=True):
        low, high = (eval(end["expr"], {}, known) for end in scale["domain"])
        assert low < span[0] and span[1] < high
        pixels_per_metre.append(pixels / (high - low))
    # The ends are written with millimetres.
    assert pixels_per_metre[0] == pytest.approx(pixels_per_metre[1], rel=0.02)


def test_the_map_stands_upright():
    x, y = (scale["range"] for scale in scales(((0, 1), (0, 1)), "w", "h"))
    assert [end["expr"] for end in x] == ["0", "w"]
    assert [end["expr"] for end in y] == ["h", "0"]


def test_lines_of_the_track():
    track = ellipse(1000)
    borders, centre = border_lines(track), centre_line(track)
    assert set(borders["line"]) == {"inner", "outer"} and set(centre["line"]) == {"centre"}
    assert borders.groupby("line").size().max() <= 202
    assert len(border_lines(ellipse(borders=False))) == 0
    assert len(centre_line(ellipse(borders=False))) > 100
    for nothing in (border_lines(None), centre_line(None)):
        assert nothing.columns.tolist() == ["x", "y", "line", "point"] and nothing.empty


def test_borders_are_the_callers_own():
    track = ellipse()
    lines = border_lines(track)
    lines["line"] = "other"
    assert set(border_lines(track)["line"]) == {"inner", "outer"}


@pytest.mark.parametrize(
    ("said", "found"),
    [("", []), ("a", [(0, 0)]), ("aab", [(0, 1), (2, 2)]), ("abba", [(0, 0), (1, 2), (3, 3)])],
)
def test_stretches_that_say_the_same(said, found):
    first, last = stretches(np.array(list(said), dtype=object))
    assert list(zip(first, last, strict=True)) == found


def test_names_stand_outside_of_the_turn_and_numbers_inside():
    track = ellipse()
    labels, start = beside_the_road(places_of(track), track, room=0.4)
    away = np.hypot(labels["x"] / 4, labels["y"] / 2)
    names = labels["name"].astype(bool)
    assert labels.loc[names, "text"].tolist() == track.sections["section"].tolist()
    assert (away[names] > 1.1).all() and (away[~names] < 0.9).all()
    assert labels.loc[~names, "text"].tolist() == [str(number) for number in range(0, 120, 10)]
    ends = start[["x", "y", "x2", "y2"]].to_numpy()[0]
    np.testing.assert_allclose((ends[:2] + ends[2:]) / 2, track.center[0], atol=0.02)
    assert np.hypot(*(ends[:2] - ends[2:])) == pytest.approx(1.0, abs=0.05)


def test_room_and_numbers_are_the_callers_choice():
    track = ellipse()
    near, far = (beside_the_road(places_of(track), track, numbers=False, room=room)[0] for room in (0.3, 1.0))
    assert near["name"].all() and far["name"].all()
    moved = np.hypot(far["x"] - near["x"], far["y"] - near["y"])
    np.testing.assert_allclose(moved, 0.7, atol=0.02)


@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize("numbers", [True, False])
def test_next_to_nothing_known(count, numbers):
    track = ellipse()
    for known in (track, None):
        labels, start = beside_the_road(places_of(track).head(count), known, numbers)
        assert len(start) == min(count, 1)
        assert labels[["x", "y"]].notna().all(axis=None)
        # The last waypoint is where the first one is.
        assert len(labels) == (min(count, 1) if numbers else 0) + (
            len(track.sections) if known and count else 0
        )
