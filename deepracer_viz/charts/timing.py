"""Where the time goes: the account of the sections, the running difference of two laps, fast laps on the map."""

import functools

import altair as alt
import numpy as np
import pandas as pd

from deepracer_viz.analysis.driving.timing import AROUND, STANDING, TimeAccount
from deepracer_viz.charts.sheet import Drawing, Sheet, drawing, inside, slot, table
from deepracer_viz.charts.theme import BAND_OPACITY, CANVAS, FAST, MODELS, NEUTRAL, SLOW, slow_to_fast
from deepracer_viz.charts.trackmap import border_lines, centre_line, reach_of_map, square_axes, stretches
from deepracer_viz.track import Track

HEIGHT = 220
"""Height of the account in pixels."""

DELTA_HEIGHT = 380
"""Height of the three strips of the running difference in pixels."""

MAP_HEIGHT = 320
"""Height of the map in pixels."""

_LABEL_ROOM = 0.5  # m from the border, or from where it would be, to a label
_UNKNOWN = "unknown"

ONCE = pd.DataFrame({"mark": [0]})
"""Table of a mark that is drawn once: a mark has one item for each row."""

# One view holds the three strips, because only a single view follows the width of the page.
_STRIPS = {
    "names_bottom": "20",
    "speed_top": "names_bottom + 6",
    "speed_bottom": "names_bottom + 6 + 0.3 * (height - 62)",
    "steering_top": "speed_bottom + 18",
    "steering_bottom": "steering_top + 0.3 * (height - 62)",
    "delta_top": "steering_bottom + 18",
    "delta_bottom": "height",
}


def time_account_chart(account: TimeAccount, section: str | None = None) -> alt.LayerChart:
    """Seconds that a typical lap loses on a fast one in each section, in order of the track.

    A click on a bar chooses its section: the selection is named "section", with the field "section".

    Parameters
    ----------
    account : TimeAccount
        Answer of `deepracer_viz.analysis.driving.time_account`.
    section : str, optional
        Shows the bar of this section as chosen.

    Returns
    -------
    altair.LayerChart
        As wide as its container.
    """
    return time_account_sheet(account, section).chart()


def time_account_sheet(account: TimeAccount, section: str | None = None) -> Sheet:
    """Return what :func:`time_account_chart` shows, quickly filled.

    Parameters
    ----------
    account, section
        As there.

    Returns
    -------
    Sheet
    """
    sections = account.sections
    if sections.empty:
        note = f"Too few laps for an account (n = {account.laps})"
        return Sheet(_drawing_without_account(), {"words": pd.DataFrame({"text": [note]})})
    numbers = {
        name: np.round(sections[name].to_numpy(dtype=float), 4)
        for name in ("typical", "fast", "lost", "low", "high")
    }
    bars = pd.DataFrame(
        {
            "section": [name or _UNKNOWN for name in sections["section"]],
            **numbers,
            "label": [signed(value) for value in sections["lost"]],
            "top": np.fmax(np.fmax(numbers["high"], numbers["lost"]), 0),
        }
    )
    title = [
        f"Typical lap {account.typical:.2f} s, fast lap {account.fast:.2f} s: {account.lost:.2f} s in all.",
        f"n = {account.laps} laps, {account.fast_laps} of them fast; line: 95 % interval.",
    ]
    return Sheet(
        _drawing_of_account(one_is_chosen=section is not None),
        {"sections": bars, "zero": ONCE},
        {"title": title, "sections": len(bars), "chosen": section},
    )


@functools.cache
def _drawing_without_account() -> Drawing:
    return drawing(
        alt.layer(table("words").mark_text().encode(text="text:N"), width="container", height=HEIGHT)
    )


@functools.lru_cache(maxsize=2)
def _drawing_of_account(one_is_chosen: bool) -> Drawing:
    """Bars in the order of their rows; the chosen one, or the one that was clicked, stands out."""
    pick = alt.selection_point(name="section", fields=["section"], on="click")
    chosen = f"datum.section == {inside('chosen')}" if one_is_chosen else pick
    base = table("sections").encode(
        alt.X("section:N").title(None).sort(None).axis(labelAngle=0, labelExpr="split(datum.value, ' ')"),
        tooltip=[
            alt.Tooltip("section:N", title="Section"),
            alt.Tooltip("lost:Q", title="Lost (s a lap)", format="+.2f"),
            alt.Tooltip("low:Q", title="at least", format="+.2f"),
            alt.Tooltip("high:Q", title="at most", format="+.2f"),
            alt.Tooltip("typical:Q", title="Typical lap (s)", format=".2f"),
            alt.Tooltip("fast:Q", title="Fast lap (s)", format=".2f"),
        ],
    )
    bars = (
        base.mark_bar(cursor="pointer")
        .encode(
            alt.Y("lost:Q").title("Lost on a fast lap (s)"),
            color=alt.when(f"datum.section == '{STANDING}'")
            .then(alt.value(NEUTRAL))
            .when("datum.lost < 0")
            .then(alt.value(FAST))
            .otherwise(alt.value(SLOW)),
            opacity=alt.condition(chosen, alt.value(0.85), alt.value(0.35)),
        )
        .add_params(pick)
    )
    # Both backgrounds and both bar colours let this grey be seen; it is the colour of all rules.
    intervals = base.mark_rule(strokeWidth=2).encode(alt.Y("low:Q"), alt.Y2("high"))
    zero = table("zero").mark_rule(strokeWidth=1).encode(y=alt.YDatum(0))
    room = alt.expr(f"width / {inside('sections')} < 34 ? 0 : 1")  # numbers would run into each other
    words = base.mark_text(dy=-8, baseline="bottom", opacity=room).encode(alt.Y("top:Q"), text="label:N")
    return drawing(
        alt.layer(
            zero,
            bars,
            intervals,
            words,
            width="container",
            height=HEIGHT,
            title=alt.Title(slot("title")),
        )
    )


def signed(seconds: float) -> str:
    """Write seconds with their sign, rounded, as a person would."""
    return f"{seconds:+.2f}".replace("-", "−") if abs(seconds) >= 0.005 else "0.00"


def time_delta_chart(
    delta: pd.DataFrame,
    name_a: str,
    name_b: str,
    colours: tuple[str, str] = (MODELS[0], FAST),
) -> alt.LayerChart:
    """Speed, steering and running time difference of two laps or groups of laps along the track.

    Hovering a place marks it in all three strips; the selection is named "place".

    Parameters
    ----------
    delta : pandas.DataFrame
        Answer of `deepracer_viz.analysis.driving.time_delta`.
    name_a, name_b : str
        What the two are, such as "typical laps" and "fast laps".
    colours : (str, str)
        Of a and b; the second one is dashed.

    Returns
    -------
    altair.LayerChart
        As wide as its container.
    """
    return time_delta_sheet(delta, name_a, name_b, colours).chart()


def time_delta_sheet(
    delta: pd.DataFrame,
    name_a: str,
    name_b: str,
    colours: tuple[str, str] = (MODELS[0], FAST),
) -> Sheet:
    """Return what :func:`time_delta_chart` shows, quickly filled.

    Parameters
    ----------
    delta, name_a, name_b, colours
        As there.

    Returns
    -------
    Sheet
    """
    place = np.round(delta["place"].to_numpy(dtype=float), 3)
    said = delta["section"].to_numpy(dtype=object)
    said = np.where(said == "", _UNKNOWN, said)
    cells = pd.DataFrame(
        {
            "place": place,
            "section": said,
            **{name: np.round(delta[name].to_numpy(dtype=float), 3) for name in _COMPARED},
        }
    )
    low, high = (float(place.min()), float(place.max())) if len(place) else (0.0, 0.0)
    first, last = stretches(said)
    end = place[last]
    start = np.append(low, end)[: len(end)]
    names = pd.DataFrame({"section": said[first], "start": start, "end": end, "middle": (start + end) / 2})
    drives = [delta.attrs.get(f"drives_{which}", 0) for which in "ab"]
    return Sheet(
        _drawing_of_delta(),
        {"cells": cells, "sections": names, "zero": ONCE},
        {
            "title": [
                f"Time lost: {name_a} against {name_b}.",
                "It rises where the first loses. Band: 95 % interval.",
            ],
            "low": low,
            "high": high,
            "length": round(max(high - low, 1e-3), 3),
            "cells": max(len(cells), 1),
            "a": f"{name_a} (n = {drives[0]})",
            "b": f"{name_b} (n = {drives[1]})",
            "colour_a": colours[0],
            "colour_b": colours[1],
            "told_delta": f"Time that {name_a} lost (s)",
            "told_speed_a": f"Speed, {name_a} (m/s)",
            "told_speed_b": f"Speed, {name_b} (m/s)",
            "told_steering_a": f"Steering, {name_a} (°, left +)",
            "told_steering_b": f"Steering, {name_b} (°, left +)",
        },
    )


_COMPARED = ("delta", "delta_low", "delta_high", "speed_a", "speed_b", "steering_a", "steering_b")


@functools.cache
def _drawing_of_delta() -> Drawing:
    """Three strips, one below the other, under the names of the sections."""
    x = (
        alt.X("place:Q")
        .title("Distance from the start line (m)")
        .axis(grid=False, tickCount=alt.expr("width / 60"))
        .scale(domain=[slot("low"), slot("high")], nice=False, zero=False)
    )
    hover = alt.selection_point(
        name="place", fields=["place"], on="pointerover", clear="pointerout", empty=False
    )
    base = alt.Chart().encode(x)
    names = [slot("a"), slot("b")]
    who = (
        alt.Color("who:N")
        .title(None)
        .scale(domain=names, range=[slot("colour_a"), slot("colour_b")])
        .legend(symbolType="stroke", symbolSize=400)
    )
    dash = alt.StrokeDash("who:N").title(None).scale(domain=names, range=[[1, 0], [6, 3]])
    # Hidden, not filtered: of no row at all an axis would have no extent, and Vega would warn of it.
    seen = alt.condition(hover, alt.value(1), alt.value(0))
    strips = []
    for quantity, title in (("speed", "Speed (m/s)"), ("steering", "Steering")):
        ends = [f"{quantity}_{end}" for end in "ab"]
        both = base.transform_fold(ends, ["end", "value"]).transform_calculate(
            who=f"datum.end == '{ends[0]}' ? {inside('a')} : {inside('b')}"
        )
        y = _strip_axis("value", title, quantity)
        here = both.mark_circle(size=70).encode(y, who, opacity=seen)
        strips.append(alt.layer(both.mark_line().encode(y, who, dash), here))
    lost = _strip_axis("delta", "Time lost (s)", "delta")
    strips.append(
        alt.layer(
            base.mark_area(color=NEUTRAL, opacity=BAND_OPACITY).encode(
                _strip_axis("delta_low", "Time lost (s)", "delta"), alt.Y2("delta_high")
            ),
            table("zero").mark_rule(strokeWidth=1).encode(y=alt.YDatum(0)),
            base.mark_line(color=NEUTRAL).encode(lost),
            base.mark_circle(color=NEUTRAL, size=70).encode(lost, opacity=seen),
        )
    )
    whole = {"y": alt.value(alt.expr("names_bottom")), "y2": alt.value(alt.expr("height"))}
    pointer = base.transform_filter(hover).mark_rule(strokeWidth=1).encode(**whole)
    # As a title of a tooltip takes no expression, the tooltip is one as a whole.
    told = [
        "'Distance (m)': format(datum.place, '.1f')",
        "'Section': datum.section",
        f"{inside('told_delta')}: format(datum.delta, '+.2f')",
        "'at least (s)': format(datum.delta_low, '+.2f')",
        "'at most (s)': format(datum.delta_high, '+.2f')",
        f"{inside('told_speed_a')}: format(datum.speed_a, '.2f')",
        f"{inside('told_speed_b')}: format(datum.speed_b, '.2f')",
        f"{inside('told_steering_a')}: format(datum.steering_a, '+.1f')",
        f"{inside('told_steering_b')}: format(datum.steering_b, '+.1f')",
    ]
    # What the pointer hits: a bar per cell, as high as all strips.
    targets = (
        # Of a place that one of the two never passed it would say "null".
        base.transform_filter("isValid(datum.delta)")
        .mark_bar(opacity=0, width=alt.expr(f"max(3, 1.2 * width / {inside('cells')})"))
        .encode(**whole, tooltip=alt.value(alt.expr("{" + ", ".join(told) + "}")))
        .add_params(hover)
    )
    return drawing(
        alt.layer(
            _section_names(),
            *strips,
            pointer,
            targets,
            data=alt.NamedData("cells"),
            params=[
                alt.VariableParameter(name=name, expr=expression) for name, expression in _STRIPS.items()
            ],
            resolve=alt.Resolve(scale=alt.ScaleResolveMap(y="independent")),
            width="container",
            height=DELTA_HEIGHT,
            title=alt.Title(slot("title")),
        )
    )


_LABELS = {
    "speed": "format(datum.value, '.1f')",
    "steering": "datum.value == 0 ? '0' : abs(datum.value) + (datum.value > 0 ? '° left' : '° right')",
    "delta": "datum.value == 0 ? '0' : format(datum.value, '+~')",
}


def _strip_axis(field: str, title: str, strip: str) -> alt.Y:
    """Vertical axis of one strip."""
    return (
        alt.Y(f"{field}:Q")
        .title(title)
        .axis(orient="left", tickCount=4, grid=False, labelExpr=_LABELS[strip], minExtent=58)
        .scale(zero=False, range=[alt.expr(f"{strip}_bottom"), alt.expr(f"{strip}_top")])
    )


def _section_names() -> alt.LayerChart:
    """Names of the sections over their places, corners underlined boldly."""
    base = table("sections")
    x = (
        alt.X("start:Q")
        .scale(domain=[slot("low"), slot("high")], nice=False, zero=False)
        .title("Distance from the start line (m)")
    )
    lines = base.mark_rect(color=NEUTRAL).encode(
        x,
        alt.X2("end"),
        y=alt.value(alt.expr("names_bottom - 5")),
        y2=alt.value(alt.expr("names_bottom - 1")),
        opacity=alt.condition("datum.section[0] == 'T'", alt.value(0.9), alt.value(0.25)),
        tooltip=[alt.Tooltip("section:N", title="Section")],
    )
    names = (
        base.transform_filter(f"(datum.end - datum.start) / {inside('length')} * width > 18")
        .mark_text()
        .encode(alt.X("middle:Q"), y=alt.value(alt.expr("names_bottom - 12")), text="section:N")
    )
    return alt.layer(lines, names)


def driven_lines_chart(
    lines: pd.DataFrame,
    track: Track | None = None,
    account: TimeAccount | None = None,
    section: str | None = None,
) -> alt.LayerChart:
    """Driven lines on the map of the track, coloured by speed.

    Parameters
    ----------
    lines : pandas.DataFrame
        Answer of `deepracer_viz.analysis.driving.timing.driven_lines`.
    track : Track, optional
        Adds the borders where they are known, the start line and the names of the sections.
    account : TimeAccount, optional
        Adds to each name the seconds that a typical lap loses there.
    section : str, optional
        Shows this section and a metre around it only.

    Returns
    -------
    altair.LayerChart
        As wide as its container; a metre is as long in both directions.
    """
    return driven_lines_sheet(lines, track, account, section).chart()


def driven_lines_sheet(
    lines: pd.DataFrame,
    track: Track | None = None,
    account: TimeAccount | None = None,
    section: str | None = None,
) -> Sheet:
    """Return what :func:`driven_lines_chart` shows, quickly filled.

    Parameters
    ----------
    lines, track, account, section
        As there.

    Returns
    -------
    Sheet
    """
    digits = {"x": 3, "y": 3, "x2": 3, "y2": 3, "speed": 2}
    pieces = pd.DataFrame(
        {name: np.round(lines[name].to_numpy(dtype=float), places) for name, places in digits.items()}
        | {"unique_episode": lines["unique_episode"].to_numpy()}
    )
    tables, reach = _map(pieces, track, account, section)
    drawn, asked = lines.attrs.get("drives", 0), lines.attrs.get("asked", 0)
    count = f"n = {drawn} drives" if drawn == asked else f"n = {drawn} of {asked} drives"
    values = reach | {"title": [f"{count}."]}
    if len(pieces):
        # The first steps from standstill would take half of the colours.
        values["slow"], values["fast"] = np.nanquantile(pieces["speed"].to_numpy(), [0.05, 0.98])
        tables["lines"] = pieces
    return Sheet(_drawing_of_lines(len(pieces) > 0), tables, values)


@functools.lru_cache(maxsize=2)
def _drawing_of_lines(with_lines: bool) -> Drawing:
    """Map of the track, and on it the lines."""
    x, y = square_axes()
    # In one line above the map: below it, it would take the room of a third of it.
    colour = (
        slow_to_fast("Speed (m/s)", "speed")
        .scale(domain=[slot("slow"), slot("fast")], range=[SLOW, "#9a9a9a", FAST], clamp=True, nice=False)
        .legend(
            format=".2f",
            tickCount=2,
            orient="top",
            direction="horizontal",
            titleOrient="left",
            gradientLength=110,
        )
    )
    lines = (
        table("lines")
        .mark_rule(strokeWidth=2, strokeCap="round", opacity=0.8, clip=True)
        .encode(
            x,
            y,
            alt.X2("x2"),
            alt.Y2("y2"),
            colour,
            tooltip=[
                alt.Tooltip("speed:Q", title="Speed (m/s)", format=".2f"),
                alt.Tooltip("unique_episode:Q", title="Drive", format="d"),
            ],
        )
    )
    return drawing(
        alt.layer(
            table("borders")
            .mark_line(color=NEUTRAL, strokeWidth=1, opacity=0.6, clip=True)
            .encode(x, y, alt.Detail("line:N"), alt.Order("point:Q")),
            table("start").mark_rule(strokeWidth=3, clip=True).encode(x, y, alt.X2("x2"), alt.Y2("y2")),
            *([lines] if with_lines else []),
            table("labels")
            .mark_text(size=13, clip=True, align=alt.expr("datum.align"))
            .encode(x, y, text="text:N"),
            width="container",
            height=MAP_HEIGHT,
            title=alt.Title(slot("title")),
            usermeta=CANVAS,
        )
    )


def _map(
    pieces: pd.DataFrame, track: Track | None, account: TimeAccount | None, section: str | None
) -> tuple[dict[str, pd.DataFrame], dict[str, float]]:
    """Borders, names and start line to draw, and what part of the world is shown."""
    borders = border_lines(track)
    points = [pieces[["x", "y"]].to_numpy(), pieces[["x2", "y2"]].to_numpy()]
    at, text, align, start = np.empty((0, 2)), [], [], np.empty((0, 4))
    if track is not None:
        with_borders = len(borders) > 0
        borders = borders if with_borders else centre_line(track)
        half = float(np.hypot(*(track.inner - track.outer).T).mean()) / 2 if with_borders else 0.3
        left = _left(track.center)
        lost = {}
        if account is not None:
            lost = dict(zip(account.sections["section"], account.sections["lost"], strict=True))
        names = track.sections["section"].to_numpy(dtype=object)
        begin, end = (track.sections[f"waypoint_{which}"].to_numpy() for which in ("from", "to"))
        middle = (begin + (end - begin) % len(track.center) // 2) % len(track.center)
        at = np.round(track.center[middle] - (half + _LABEL_ROOM) * left[middle], 2)
        # Away from the track: the text begins, ends or has its middle where the label is.
        align = np.select([left[middle, 0] < -0.5, left[middle, 0] > 0.5], ["left", "right"], "center")
        shown = ~np.isnan(at).any(axis=1)
        # m that the text of a label takes, about
        room = np.array([1.6 if lost else 0.4, 0.1]) * [[-1, -1], [1, 1]]
        points += [borders[["x", "y"]].to_numpy(), *(at[shown] + far for far in room)]
        if section in names:
            near = track.center[track.section_of(range(len(track.center))) == section]
            points = [near - half - AROUND, near + half + AROUND]
            shown &= names == section
        at, names, align = at[shown], names[shown], align[shown]
        text = [f"{name} {signed(lost[name])} s" if name in lost else name for name in names]
        start = np.concatenate([track.center[0] + half * left[0], track.center[0] - half * left[0]])[None]
        start = np.round(start[~np.isnan(start).any(axis=1)], 2)
    labels = pd.DataFrame({"x": at[:, 0], "y": at[:, 1], "text": text, "align": align})
    corners = np.concatenate(points)
    corners = corners[np.isfinite(corners).all(axis=1)]
    low, high = (corners.min(axis=0), corners.max(axis=0)) if len(corners) else ([0, 0], [1, 1])
    tables = {
        "borders": borders,
        "labels": labels,
        "start": pd.DataFrame(start, columns=["x", "y", "x2", "y2"]),
    }
    return tables, reach_of_map((low[0], high[0]), (low[1], high[1]))


def _left(center: np.ndarray) -> np.ndarray:
    """Direction to the left of each waypoint, a unit vector."""
    ahead = np.roll(center, -1, axis=0) - np.roll(center, 1, axis=0)
    if (closing := np.abs(center[0] - center[-1]).max() < 1e-6) and len(center) > 2:
        ahead[0] = ahead[-1] = center[1] - center[-2]
    if not closing:
        ahead[0], ahead[-1] = center[1] - center[0], center[-1] - center[-2]
    length = np.maximum(np.hypot(*ahead.T), 1e-9)[:, None]
    return np.stack([-ahead[:, 1], ahead[:, 0]], axis=1) / length
