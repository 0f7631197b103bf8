"""The look all charts share: one meaning per colour, legible on white and on black.

Every colour of marks has a contrast of at least 3:1 against both of Streamlit's backgrounds
(WCAG 2.2, criterion 1.4.11) and the set stays apart under the three common colour-vision
deficiencies; it is drawn from the palette of Okabe and Ito (2008), "Color Universal Design", and
violet and brown are chosen to stay apart from it. Text has at least 4.5:1 (criterion 1.4.3), which
no one grey has on white and on black: its colours go by the background.
"""

import altair as alt

MODELS = ("#009E73", "#CC79A7", "#8B41C7", "#A54B00")
"""One colour per model, in the order in which models were chosen: green, pink, violet, brown."""

MODEL_DASHES = ([1, 0], [8, 3], [2, 3], [9, 3, 2, 3])
"""One dash per model, so that colour is never alone."""

MODEL_SHAPES = ("circle", "square", "diamond", "triangle-up")
"""One mark per model."""

FAST = "#0072B2"
"""Fast laps, fast places, best cases."""

SLOW = "#D55E00"
"""Slow laps, slow places, places to work on."""

NEUTRAL = "#808080"
"""Everything that is context: fitted curves, borders, commanded values."""

ENTROPY = "#AE387B"
"""Entropy and the axis it is read from, the only axis with a colour of its own."""


def _as_text(light: str, dark: str) -> str:
    # Vega knows the colour behind the chart, which Streamlit sets with its theme; elsewhere it is white.
    return f"luminance(background) < 0.18 ? '{dark}' : '{light}'"


TEXT = _as_text("#5c5c5c", "#b4b4b4")
"""Expression: the colour of all text but what is written in one of the next two."""

SLOW_TEXT = _as_text("#ad4c00", "#ff8533")
"""Expression: the colour of the name of a place to work on."""

ENTROPY_TEXT = _as_text(ENTROPY, "#e07fb6")
"""Expression: the colour of the words beside the axis of the entropy."""

ON_MARK = "luminance(datum.colour) < 0.18 ? 'white' : 'black'"
"""Expression: the colour of text upon a mark of the row's colour."""

CANVAS = {"embedOptions": {"renderer": "canvas"}}
"""``usermeta`` of a chart with a colour bar. As SVG the bar is found by the address of the page and a number that
every chart counts from 0: parentheses in the address lose it, and a second chart borrows the first one's colours."""

BAND_OPACITY = 0.25
"""Opacity of an interval drawn behind its line."""


@alt.theme.register("deepracer_viz", enable=True)
def _theme() -> alt.theme.ThemeConfig:
    text = {"expr": TEXT}
    words = {"labelColor": text, "titleColor": text}
    return {
        "config": {
            "range": {"category": list(MODELS), "ramp": [SLOW, "#9a9a9a", FAST]},
            "axis": {"labelFontSize": 12, "titleFontSize": 12, "labelOverlap": True, **words},
            "legend": {"labelFontSize": 12, "titleFontSize": 12, "orient": "top", **words},
            "title": {
                "fontSize": 12,
                "fontWeight": "normal",
                "color": text,
                "anchor": "start",
                "subtitleColor": text,
                "subtitleFontSize": 12,
            },
            "header": {"labelFontSize": 12, "titleFontSize": 12, **words},
            "view": {"stroke": None},
            "rule": {"color": NEUTRAL},
            "text": {"color": text, "fontSize": 12},
            "line": {"strokeWidth": 2},
        }
    }


def slow_to_fast(title: str, values, *, format: str = ".2f") -> alt.Color:
    """Colour by speed: the slow end and the fast end wear the same colours on every chart.

    Parameters
    ----------
    title : str
        What the legend says, with the unit.
    values : str
        Name of the column to encode, a quantity that grows with speed.
    format : str
        Number format of the legend (d3-format).

    Returns
    -------
    altair.Color
        The encoding, to be passed to ``encode``.
    """
    return (
        alt.Color(f"{values}:Q")
        .title(title)
        .scale(range=[SLOW, "#9a9a9a", FAST], nice=False)
        .legend(gradientLength=160, format=format, orient="bottom")
    )


_LENGTHS = {
    *("fontSize", "labelFontSize", "titleFontSize", "subtitleFontSize", "labelLimit", "titleLimit"),
    *("strokeWidth", "dx", "dy", "offset", "labelPadding", "titlePadding", "gradientLength"),
}
"""Properties of marks, axes, legends and titles that are lengths (px)."""


def enlargement() -> alt.VariableParameter:
    """Return the parameter that expressions multiply lengths by which grow with the text of a chart.

    Returns
    -------
    altair.VariableParameter
        ``enlargement``, 1 unless :func:`enlarged` sets it.
    """
    return alt.VariableParameter(name="enlargement", value=1)


def enlarged(specification: dict, scale: float) -> dict:
    """Return a chart with larger text and marks, to be read from afar.

    Its size is not changed, nor what is drawn where.

    Parameters
    ----------
    specification : dict
        Vega-Lite, the theme's config included.
    scale : float
        How many times as large text, lines and the diameters of marks become.

    Returns
    -------
    dict
        A new specification; the given one is left as it is.
    """

    def resize(part, of_text: bool):
        if isinstance(part, list):
            return [resize(item, of_text) for item in part]
        if not isinstance(part, dict):
            return part
        if "mark" in part:
            mark = part["mark"]
            of_text = (mark["type"] if isinstance(mark, dict) else mark) == "text"
        if part.get("name") == "enlargement":
            return {**part, "value": scale}
        grown = {}
        for name, value in part.items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if name == "size" and (number or isinstance(value, dict)):
                # The size of a text is its height, that of any other mark its area.
                grown[name] = _resized(value, scale if of_text else scale**2)
            elif name in _LENGTHS and number:
                grown[name] = value * scale
            elif name in ("data", "datasets", "values"):
                grown[name] = value
            else:
                grown[name] = resize(value, of_text)
        return grown

    return resize(specification, of_text=False)


def _resized(size, factor: float):
    """The size of marks: a number, or a channel with values of its own."""
    if isinstance(size, dict):
        return {
            name: _resized(part, factor) if name in ("value", "condition", "scale", "range") else part
            for name, part in size.items()
        }
    if isinstance(size, list):
        return [_resized(part, factor) for part in size]
    return size * factor if isinstance(size, int | float) and not isinstance(size, bool) else size
