"""Colours of models: seen on both backgrounds, and told apart by everybody."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from deepracer_viz.charts import theme
from deepracer_viz.charts.theme import (
    ENTROPY,
    ENTROPY_TEXT,
    FAST,
    MODEL_DASHES,
    MODEL_SHAPES,
    MODELS,
    NEUTRAL,
    ON_MARK,
    SLOW,
    SLOW_TEXT,
    TEXT,
    _theme,
    enlarged,
)

# Those of the page, and those of what others draw on.
BACKGROUNDS = {"white": "#ffffff", "dark page": "#171614", "black": "#000000"}

# Machado, Oliveira and Fernandes (2009), A physiologically-based model for simulation of color vision deficiency,
# IEEE Transactions on Visualization and Computer Graphics 15, 1291-1298: severity 1, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])


def linear(colour):
    share = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def luminance(colour):
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def lab(rgb):
    share = TO_XYZ @ np.clip(rgb, 0, 1) / WHITE
    share = np.where(share > 216 / 24389, np.cbrt(share), (24389 / 27 * share + 16) / 116)
    return 116 * share[1] - 16, 500 * (share[0] - share[1]), 200 * (share[1] - share[2])


def difference(one, other):
    """CIEDE2000 (CIE 142-2001)."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    grey = 0.5 * (1 - np.sqrt(mean**7 / (mean**7 + 25.0**7)))
    a1, a2 = a1 * (1 + grey), a2 * (1 + grey)
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = (h2 - h1 + 180) % 360 - 180
    hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))
    light, chroma, angle = (l1 + l2) / 2, (c1 + c2) / 2, (h1 + turn / 2) % 360
    cosines = ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.2, 4, -63))
    t = 1 + sum(weight * np.cos(np.radians(times * angle + plus)) for weight, times, plus in cosines)
    sl = 1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)
    sc, sh = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    rotation = -2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    rotation *= np.sin(np.radians(60 * np.exp(-(((angle - 275) / 25) ** 2))))
    dl, dc, dh = (l2 - l1) / sl, (c2 - c1) / sc, hue / sh
    return float(np.sqrt(dl**2 + dc**2 + dh**2 + rotation * dc * dh))


def test_the_difference_is_that_of_the_published_examples():
    # Sharma, Wu and Dalal (2005), The CIEDE2000 color-difference formula, table 1: pairs 1, 7, 17 and 25.
    for one, other, expected in (
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ):
        assert difference(one, other) == pytest.approx(expected, abs=1e-4)


def contrast(one, other):
    """WCAG 2.2, contrast ratio."""
    pair = sorted([luminance(one), luminance(other)])
    return (pair[1] + 0.05) / (pair[0] + 0.05)


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("colour", [*MODELS, FAST, SLOW, NEUTRAL, ENTROPY])
def test_every_colour_stands_out_from_every_background(colour, background):
    assert contrast(colour, BACKGROUNDS[background]) >= 3


def on(background, expression):
    """What an expression of the theme gives on a background."""
    dark, light = re.fullmatch(
        r"luminance\(background\) < 0.18 \? '(#\w{6})' : '(#\w{6})'", expression
    ).groups()
    return dark if luminance(background) < 0.18 else light


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("text", [TEXT, SLOW_TEXT, ENTROPY_TEXT])
def test_text_can_be_read_on_every_background(text, background):
    colour = BACKGROUNDS[background]
    assert contrast(on(colour, text), colour) >= 4.5


@pytest.mark.parametrize("colour", [*MODELS, FAST, SLOW, NEUTRAL, ENTROPY])
def test_text_can_be_read_upon_marks(colour):
    assert ON_MARK == "luminance(datum.colour) < 0.18 ? 'white' : 'black'"
    assert contrast("#ffffff" if luminance(colour) < 0.18 else "#000000", colour) >= 4.5


def test_all_text_of_a_chart_is_of_these_colours():
    config = _theme()["config"]
    colours = [
        value
        for part in config.values()
        for name, value in part.items()
        if name in ("labelColor", "titleColor", "subtitleColor")
    ]
    assert len(colours) == 7 and config["text"]["color"] == config["title"]["color"] == {"expr": TEXT}
    assert all(colour == {"expr": TEXT} for colour in colours)
    for path in Path(theme.__file__).parent.glob("*.py"):
        for call in re.findall(r"mark_text\((?:[^()]|\([^()]*\))*\)", path.read_text()):
            assert "NEUTRAL" not in call and "SLOW" not in call, path.name


@pytest.mark.parametrize("vision", VISION)
def test_fast_and_slow_are_told_apart(vision):
    fast, slow = (lab(np.asarray(VISION[vision]) @ linear(colour)) for colour in (FAST, SLOW))
    assert difference(fast, slow) > 25


@pytest.mark.parametrize("vision", VISION)
def test_models_are_told_apart(vision):
    seen = {colour: lab(np.asarray(VISION[vision]) @ linear(colour)) for colour in MODELS}
    # Okabe and Ito's own eight colours are 11 apart at the least.
    assert min(difference(seen[one], seen[other]) for one, other in combinations(MODELS, 2)) > 15


def test_colour_is_never_alone():
    assert len(MODELS) == len(set(MODELS)) == 4
    assert len({tuple(dash) for dash in MODEL_DASHES}) == len(set(MODEL_SHAPES)) == len(MODELS)


def test_text_and_marks_grow_and_places_do_not():
    chart = {
        "config": {"axis": {"labelFontSize": 10}, "line": {"strokeWidth": 2}},
        "height": 100,
        "params": [{"name": "enlargement", "value": 1}, {"name": "shown", "value": 1}],
        "layer": [
            {
                "mark": {"type": "point", "size": 100, "strokeWidth": 1.5},
                "encoding": {"x": {"field": "size"}},
            },
            {"mark": {"type": "text", "fontSize": 14, "dx": 4}, "encoding": {"size": {"value": 11}}},
            {"mark": "circle", "encoding": {"size": {"field": "n", "scale": {"range": [10, 40]}}}},
            {"mark": "text", "encoding": {"size": {"condition": {"test": "true", "value": 18}, "value": 14}}},
        ],
        "datasets": {"laps": [{"size": 7, "dx": 1}]},
    }
    large = enlarged(chart, 2)
    assert large["config"] == {"axis": {"labelFontSize": 20}, "line": {"strokeWidth": 4}}
    points, words, circles, names = large["layer"]
    # Twice the diameter is four times the area.
    assert points["mark"] == {"type": "point", "size": 400, "strokeWidth": 3}
    assert points["encoding"] == {"x": {"field": "size"}}
    assert words["mark"] == {"type": "text", "fontSize": 28, "dx": 8}
    assert words["encoding"]["size"] == {"value": 22}
    assert circles["encoding"]["size"] == {"field": "n", "scale": {"range": [40, 160]}}
    assert names["encoding"]["size"] == {"condition": {"test": "true", "value": 36}, "value": 28}
    # Lengths in expressions grow by the parameter.
    assert large["params"] == [{"name": "enlargement", "value": 2}, {"name": "shown", "value": 1}]
    assert large["height"] == 100 and large["datasets"] == chart["datasets"]
    assert chart["layer"][0]["mark"]["size"] == 100
