"""Chart of the performance envelope: lap times, their normal curve and the figures read off them."""

import functools

import altair as alt
import pandas as pd

from deepracer_viz.analysis.envelope import PerformanceEnvelope
from deepracer_viz.charts.sheet import Drawing, Sheet, drawing, slot, table
from deepracer_viz.charts.theme import FAST, MODELS, NEUTRAL, SLOW, TEXT

_BARS, _GAP, _ROW = 260, 16, 32
"""Height of the histogram, of the gap under it and of each labelled row below (px); a page that fits
title and axes into the same height leaves about three quarters of it."""

_LOOKS = {
    "mean": (NEUTRAL, "circle", [1, 0]),
    "median": (NEUTRAL, "square", [2, 3]),
    "marker": (FAST, "diamond", [6, 4]),
    "rejected marker": (NEUTRAL, "diamond", [6, 4]),
    "empirical": (FAST, "triangle-down", [6, 4]),
    "fastest": (MODELS[0], "triangle-up", [1, 0]),
    "target": (SLOW, "cross", [12, 3]),
}
"""Colour, shape and dash of each kind of row."""


def performance_envelope_chart(answer: PerformanceEnvelope) -> alt.LayerChart | alt.Chart:
    """Histogram of lap times over one labelled row for every figure read off them.

    The rows (mean, median, -1, -2 and -3 SD, fastest lap seen, target) share the time axis and stand
    in order of time, slowest first, so that the line from a row up into the histogram crosses no
    label. A band around a marker is its 95 % interval. Where the normal curve is rejected its
    markers turn grey and the empirical percentile joins them.

    Parameters
    ----------
    answer : PerformanceEnvelope
        From `deepracer_viz.analysis.envelope.performance_envelope`.

    Returns
    -------
    altair.LayerChart or altair.Chart
        A single view as wide as its container; without laps a sentence in place of the chart. The selection of a
        bar is named "bar".
    """
    return performance_envelope_sheet(answer).chart()


def performance_envelope_sheet(answer: PerformanceEnvelope) -> Sheet:
    """Return what :func:`performance_envelope_chart` shows, quickly filled.

    Parameters
    ----------
    answer : PerformanceEnvelope
        From `deepracer_viz.analysis.envelope.performance_envelope`.

    Returns
    -------
    Sheet
    """
    if not answer.n:
        return Sheet(_without_laps(), {"words": pd.DataFrame({"text": ["No completed laps to show"]})})
    bars = _bars(answer)
    rows = _rows(answer)
    first, last = bars["low"].min(), bars["high"].max()
    sure = rows[rows["kind"].isin(["fastest", "median", "marker", "empirical"])]
    first, last = min(first, sure["low"].min()), max(last, sure["high"].max())
    # Room for eight bars at least, so that a single lap is a bar and not a wall.
    widen = max(0.0, 8 * (bars["high"].iloc[0] - bars["low"].iloc[0]) - (last - first)) / 2
    first, last = first - widen, last + widen
    # What lies further off than all this is wide would squeeze the laps into a corner.
    near = rows["time"].between(2 * first - last, 2 * last - first)
    rows, hidden = rows[near], rows[~near]
    first, last = min(first, rows["low"].min()), max(last, rows["high"].max())
    margin = 0.02 * (last - first)
    first, last = first - margin, last + margin
    curve = answer.curve[answer.curve["time"].between(first, last)]
    return Sheet(
        # A layer without rows makes the browser warn of an infinite extent.
        _histogram(len(rows), with_curve=len(answer.curve) > 0),
        {"bars": bars, "rows": rows} | ({"curve": curve} if len(answer.curve) else {}),
        {"first": first, "last": last, "title": _title(answer, bars, hidden)},
    )


@functools.cache
def _without_laps() -> Drawing:
    words = table("words").mark_text(fontSize=16).encode(text="text:N")
    return drawing(words.properties(width="container", height=_BARS))


@functools.lru_cache(maxsize=16)
def _histogram(rows: int, with_curve: bool) -> Drawing:
    """Bars and curve over so many labelled rows."""
    height = _BARS + _GAP + _ROW * rows
    # Shares of the height and not pixels: a full-screen view changes the height.
    upper = {"range": [alt.expr(f"height * {_BARS / height}"), 0]}
    lower = {"range": [alt.expr(f"height * {(_BARS + _GAP) / height}"), alt.expr("height")]}
    time = (
        alt.X("time:Q")
        .title("Lap time (s)")
        .scale(domain=[slot("first"), slot("last")], nice=False)
        .axis(grid=False, tickCount=10)
    )
    laps = alt.Y("laps:Q").title("Laps").scale(**upper).axis(tickMinStep=1, tickCount=5, format="d")
    colours, shapes, dashes = (
        {"domain": list(_LOOKS), "range": list(look)} for look in zip(*_LOOKS.values(), strict=True)
    )

    pick = alt.selection_point(name="bar", fields=["low", "to"], on="click", empty=False)
    histogram = (
        table("bars")
        .mark_bar(color=MODELS[0], cursor="pointer")
        .encode(
            x=alt.X("low:Q").bin("binned"),
            x2="high:Q",
            y=laps,
            # The bar of the laps far beyond the rest is narrower than what it stands for: pale.
            opacity=alt.when("datum.beyond").then(alt.value(0.35)).otherwise(alt.value(0.85)),
            tooltip=[
                alt.Tooltip("low:Q", title="From (s)", format=".2f"),
                alt.Tooltip("to:Q", title="To (s)", format=".2f"),
                alt.Tooltip("laps:Q", title="Laps", format=","),
            ],
        )
        .add_params(pick)
    )
    curve = (
        table("curve")
        .mark_line(color=NEUTRAL, strokeDash=[7, 4], strokeWidth=2.5)
        .encode(
            x=time,
            y=laps,
            tooltip=[
                alt.Tooltip("time:Q", title="Lap time (s)", format=".2f"),
                alt.Tooltip("laps:Q", title="Laps per bar by the normal curve", format=",.1f"),
            ],
        )
    )
    row = table("rows").encode(
        y=alt.Y("name:N")
        .title(None)
        .sort(None)
        .scale(type="point", padding=0.5, **lower)
        .axis(orient="left", domain=False, ticks=False, grid=False, labelFontSize=14, labelOverlap=False),
        color=alt.Color("kind:N").scale(**colours).legend(None),
        tooltip=[
            alt.Tooltip("name:N", title="Figure"),
            alt.Tooltip("time:Q", title="Lap time (s)", format=".2f"),
            alt.Tooltip("meaning:N", title="Meaning"),
        ],
    )
    stems = row.mark_rule(strokeWidth=1.5).encode(
        x=time, y2=alt.value(0), strokeDash=alt.StrokeDash("kind:N").scale(**dashes).legend(None)
    )
    intervals = row.mark_rule(strokeWidth=9, opacity=0.4).encode(x="low:Q", x2="high:Q")
    points = row.mark_point(filled=True, size=110, opacity=1).encode(
        x=time, shape=alt.Shape("kind:N").scale(**shapes).legend(None)
    )
    labels = row.mark_text(align="left", dx=9, fontSize=14).encode(
        x="high:Q", text="label:N", color=alt.value(alt.expr(TEXT))
    )
    return drawing(
        alt.layer(
            alt.layer(histogram, *([curve] if with_curve else [])),
            alt.layer(stems, intervals, points, labels),
        )
        .resolve_scale(y="independent")
        .properties(width="container", height=height, title=alt.Title(slot("title")))
    )


def _bars(answer: PerformanceEnvelope) -> pd.DataFrame:
    """Bins as drawn: the one for the laps far beyond the rest is as wide as the others."""
    bins = answer.bins
    regular = bins["high"].iloc[0] - bins["low"].iloc[0]
    return bins.assign(to=bins["high"], high=bins["high"].mask(bins["beyond"], bins["low"] + regular))


def _rows(answer: PerformanceEnvelope) -> pd.DataFrame:
    """Figures under the histogram, slowest first: kind, name, time, low, high, label, meaning."""
    rows = []

    def add(kind, name, time, meaning, *, label="", low=None, high=None):
        ends = {"low": time if low is None else low, "high": time if high is None else high}
        rows.append(
            {"kind": kind, "name": name, "time": time, **ends, "label": f"{time:.2f} s{label}"}
            | {"meaning": meaning}
        )

    add("fastest", "Fastest", answer.fastest, f"fastest of {answer.n:,} laps")
    if answer.n > 1:
        add("mean", "Mean", answer.mean, "mean of all laps")
        add("median", "Median", answer.median, "half of the laps are faster")
    if answer.normality is not None:
        for marker in answer.markers.itertuples():
            share = f"{100 * marker.chance:.4g} %"
            interval = f"95 % interval {marker.low:.2f} to {marker.high:.2f} s"
            add(
                "marker" if answer.normal else "rejected marker",
                f"−{-marker.sd} SD",
                marker.time,
                f"the normal curve expects {share} of laps to be faster; {interval}",
                label=f", {share} under" if answer.normal else f", {share} if normal",
                low=marker.low,
                high=marker.high,
            )
        if not answer.normal:
            meaning = "2.275 % of the laps seen are faster"
            add("empirical", "Best seen", answer.good_lap, meaning, label=", 2.275 % under")
    if answer.target is not None:
        add("target", "Target", answer.target, f"{answer.faster_laps:,} of {answer.n:,} laps are faster")
    return pd.DataFrame(rows).sort_values("time", ascending=False, kind="stable")


def _title(answer: PerformanceEnvelope, bars: pd.DataFrame, hidden: pd.DataFrame) -> list[str]:
    width = bars["high"].iloc[0] - bars["low"].iloc[0]
    lines = [f"{answer.n:,} {'lap' if answer.n == 1 else 'laps'}, {width:.4g} s a bar"]
    test = answer.normality
    if test is not None:
        lines[0] += "; bands: 95 % intervals"
        fit = "normal fit not rejected" if test.holds else "normal fit rejected"
        p = f"p = {test.p:.2g}" if test.p >= 0.001 else "p < 0.001"
        lines.append(f"Dashed curve: {fit} ({test.test}, {p})")
    beyond = bars[bars["beyond"]]
    if len(beyond):
        count, slowest = beyond["laps"].iloc[0], beyond["to"].iloc[0]
        lines.append(f"Pale bar: {count:,} much slower, up to {slowest:.2f} s")
    if len(hidden):
        listed = ", ".join(hidden["name"] + " " + hidden["label"].str.split(",").str[0])
        lines.append(f"Too far off to draw: {listed}")
    return lines
