"""Where the time goes: the account of the sections, the running difference of two laps, fast laps on the map."""

import json

import altair as alt
import numpy as np
import pandas as pd

from deepracer_viz.analysis.driving.timing import AROUND, STANDING, TimeAccount
from deepracer_viz.charts.theme import BAND_OPACITY, CANVAS, FAST, MODELS, NEUTRAL, SLOW, slow_to_fast
from deepracer_viz.track import Track

HEIGHT = 220
"""Height of the account in pixels."""

DELTA_HEIGHT = 380
"""Height of the three strips of the running difference in pixels."""

MAP_HEIGHT = 320
"""Height of the map in pixels."""

_BORDER_POINTS = 200  # per border; enough for a smooth line
_LABEL_ROOM = 0.5  # m from the border, or from where it would be, to a label
_UNKNOWN = "unknown"

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
    table = account.sections.astype(dict.fromkeys(["typical", "fast", "lost", "low", "high"], float)).round(4)
    table["section"] = table["section"].replace("", _UNKNOWN)
    order = list(table["section"])
    table["label"] = [signed(value) for value in account.sections["lost"]]
    table["top"] = table[["high", "lost"]].max(axis=1).clip(lower=0)
    if table.empty:
        note = pd.DataFrame({"text": [f"Too few laps for an account (n = {account.laps})"]})
        text = alt.Chart(note).mark_text().encode(text="text:N")
        return alt.layer(text, width="container", height=HEIGHT)
    pick = alt.selection_point(name="section", fields=["section"], on="click")
    chosen = pick if section is None else f"datum.section == {json.dumps(section)}"
    base = alt.Chart(table).encode(
        alt.X("section:N").title(None).sort(order).axis(labelAngle=0, labelExpr="split(datum.value, ' ')"),
        tooltip=[
            alt.Tooltip("section:N", title="Section"),
            alt.Tooltip("lost:Q", title="Lost (s a lap)", format="+.2f"),
            alt.Tooltip("low:Q", title="at least", format="+.2f"),
            alt.Tooltip("high:Q", title="at most", format="+.2f"),
            alt.Tooltip("typical:Q", title="Typical lap (s)", format=".2f"),
            alt.Tooltip("fast:Q", title="Fast lap (s)", format=".2f"),
        ],
    )
    lost = alt.Y("lost:Q").title("Lost on a fast lap (s)")
    bars = (
        base.mark_bar(cursor="pointer")
        .encode(
            lost,
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
    zero = alt.Chart(table.head(1)).mark_rule(strokeWidth=1).encode(y=alt.YDatum(0))
    room = alt.expr(f"width / {len(table)} < 34 ? 0 : 1")  # numbers would run into each other
    words = base.mark_text(dy=-8, baseline="bottom", opacity=room).encode(alt.Y("top:Q"), text="label:N")
    return alt.layer(
        zero,
        bars,
        intervals,
        words,
        width="container",
        height=HEIGHT,
        title=alt.Title(
            [
                f"Typical lap {account.typical:.2f} s, fast lap {account.fast:.2f} s: {account.lost:.2f} s in all.",
                f"n = {account.laps} laps, {account.fast_laps} of them fast; line: 95 % interval.",
            ]
        ),
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
    numbers = [name for name in delta.columns if name != "section"]
    table = delta.astype(dict.fromkeys(numbers, float)).round(3)
    table["section"] = table["section"].replace("", _UNKNOWN)
    low, high = (float(end) for end in table["place"].agg(["min", "max"]).fillna(0))
    drives = [delta.attrs.get(f"drives_{end}", 0) for end in "ab"]
    names = [f"{name} (n = {n})" for name, n in zip((name_a, name_b), drives, strict=True)]
    x = (
        alt.X("place:Q")
        .title("Distance from the start line (m)")
        .axis(grid=False, tickCount=alt.expr("width / 60"))
        .scale(domain=[low, high], nice=False, zero=False)
    )
    hover = alt.selection_point(
        name="place", fields=["place"], on="pointerover", clear="pointerout", empty=False
    )
    base = alt.Chart().encode(x)
    who = (
        alt.Color("who:N")
        .title(None)
        .scale(domain=names, range=list(colours))
        .legend(symbolType="stroke", symbolSize=400)
    )
    dash = alt.StrokeDash("who:N").title(None).scale(domain=names, range=[[1, 0], [6, 3]])
    strips = []
    for quantity, title in (("speed", "Speed (m/s)"), ("steering", "Steering")):
        ends = [f"{quantity}_{end}" for end in "ab"]
        both = base.transform_fold(ends, ["end", "value"]).transform_calculate(
            who=f"datum.end == '{ends[0]}' ? {json.dumps(names[0])} : {json.dumps(names[1])}"
        )
        y = _strip_axis("value", title, quantity)
        here = both.transform_filter(hover).mark_circle(size=70, opacity=1)
        strips.append(alt.layer(both.mark_line().encode(y, who, dash), here.encode(y, who)))
    lost = _strip_axis("delta", "Time lost (s)", "delta")
    strips.append(
        alt.layer(
            base.mark_area(color=NEUTRAL, opacity=BAND_OPACITY).encode(
                _strip_axis("delta_low", "Time lost (s)", "delta"), alt.Y2("delta_high")
            ),
            alt.Chart(table.head(1)).mark_rule(strokeWidth=1).encode(y=alt.YDatum(0)),
            base.mark_line(color=NEUTRAL).encode(lost),
            base.transform_filter(hover).mark_circle(color=NEUTRAL, size=70, opacity=1).encode(lost),
        )
    )
    whole = {"y": alt.value(alt.expr("names_bottom")), "y2": alt.value(alt.expr("height"))}
    pointer = base.transform_filter(hover).mark_rule(strokeWidth=1).encode(**whole)
    # What the pointer hits: a bar per cell, as high as all strips.
    targets = (
        base.mark_bar(opacity=0, width=alt.expr(f"max(3, 1.2 * width / {max(len(table), 1)})"))
        .encode(
            **whole,
            tooltip=[
                alt.Tooltip("place:Q", title="Distance (m)", format=".1f"),
                alt.Tooltip("section:N", title="Section"),
                alt.Tooltip("delta:Q", title=f"Time that {name_a} lost (s)", format="+.2f"),
                alt.Tooltip("delta_low:Q", title="at least (s)", format="+.2f"),
                alt.Tooltip("delta_high:Q", title="at most (s)", format="+.2f"),
                alt.Tooltip("speed_a:Q", title=f"Speed, {name_a} (m/s)", format=".2f"),
                alt.Tooltip("speed_b:Q", title=f"Speed, {name_b} (m/s)", format=".2f"),
                alt.Tooltip("steering_a:Q", title=f"Steering, {name_a} (°, left +)", format="+.1f"),
                alt.Tooltip("steering_b:Q", title=f"Steering, {name_b} (°, left +)", format="+.1f"),
            ],
        )
        .add_params(hover)
    )
    return alt.layer(
        _section_names(table, low, high),
        *strips,
        pointer,
        targets,
        data=table,
        params=[alt.VariableParameter(name=name, expr=expression) for name, expression in _STRIPS.items()],
        resolve=alt.Resolve(scale=alt.ScaleResolveMap(y="independent")),
        width="container",
        height=DELTA_HEIGHT,
        title=alt.Title(
            [f"Time lost: {name_a} against {name_b}.", "It rises where the first loses. Band: 95 % interval."]
        ),
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


def _section_names(table: pd.DataFrame, low: float, high: float) -> alt.LayerChart:
    """Names of the sections over their places, corners underlined boldly."""
    stretch = (table["section"] != table["section"].shift()).cumsum()
    runs = table.groupby(stretch).agg(section=("section", "first"), end=("place", "last"))
    runs["start"] = runs["end"].shift(fill_value=low)
    runs["middle"] = (runs["start"] + runs["end"]) / 2
    base = alt.Chart(runs)
    x = (
        alt.X("start:Q")
        .scale(domain=[low, high], nice=False, zero=False)
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
    wide = f"(datum.end - datum.start) / {max(high - low, 1e-9):.3f} * width > 18"
    names = (
        base.transform_filter(wide)
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
    places = ["x", "y", "x2", "y2"]
    table = lines.astype(dict.fromkeys([*places, "speed"], float)).round(
        dict.fromkeys(places, 3) | {"speed": 2}
    )
    borders, labels, start, frame = _map(table, track, account, section)
    x, y = _map_scales(frame)
    colour = slow_to_fast("Speed (m/s)", "speed")
    if len(table):
        # The first steps from standstill would take half of the colours.
        ends = table["speed"].quantile([0.05, 0.98]).to_list()
        colour = colour.scale(domain=ends, range=[SLOW, "#9a9a9a", FAST], clamp=True, nice=False)
        # In one line above the map: below it, it would take the room of a third of it.
        colour = colour.legend(
            format=".2f",
            tickCount=2,
            orient="top",
            direction="horizontal",
            titleOrient="left",
            gradientLength=110,
        )
    if table.empty:
        colour = colour.legend(None)
    drawn, asked = lines.attrs.get("drives", 0), lines.attrs.get("asked", 0)
    count = f"n = {drawn} drives" if drawn == asked else f"n = {drawn} of {asked} drives"
    layers = [
        alt.Chart(borders)
        .mark_line(color=NEUTRAL, strokeWidth=1, opacity=0.6, clip=True)
        .encode(x, y, alt.Detail("line:N"), alt.Order("point:Q")),
        alt.Chart(start).mark_rule(strokeWidth=3, clip=True).encode(x, y, alt.X2("x2"), alt.Y2("y2")),
        alt.Chart(table)
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
        ),
        alt.Chart(labels)
        .mark_text(size=13, clip=True, align=alt.expr("datum.align"))
        .encode(x, y, text="text:N"),
    ]
    return alt.layer(
        *layers, width="container", height=MAP_HEIGHT, title=alt.Title([f"{count}."]), usermeta=CANVAS
    )


def _map(
    table: pd.DataFrame, track: Track | None, account: TimeAccount | None, section: str | None
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Borders, names and start line to draw, and the corners (low, high) of what is shown."""
    borders = pd.DataFrame({"x": [], "y": [], "line": [], "point": []})
    labels = pd.DataFrame({"x": [], "y": [], "text": [], "align": []})
    start = pd.DataFrame({"x": [], "y": [], "x2": [], "y2": []})
    points = [table[["x", "y"]].to_numpy(), table[["x2", "y2"]].to_numpy()]
    if track is not None:
        outline = track.outline(_BORDER_POINTS)
        with_borders = track.inner is not None and track.outer is not None
        if with_borders:
            outline = outline[outline["line"] != "centre"]
        borders = outline[["x", "y", "line", "point"]].round({"x": 2, "y": 2})
        half = float(np.hypot(*(track.inner - track.outer).T).mean()) / 2 if with_borders else 0.3
        left = _left(track.center)
        lost = {} if account is None else account.sections.set_index("section")["lost"].to_dict()
        length = (track.sections["waypoint_to"] - track.sections["waypoint_from"]) % len(track.center)
        middle = ((track.sections["waypoint_from"] + length // 2) % len(track.center)).to_numpy()
        at = track.center[middle] - (half + _LABEL_ROOM) * left[middle]
        text = [
            f"{name} {signed(lost[name])} s" if name in lost else name for name in track.sections["section"]
        ]
        # Away from the track: the text begins, ends or has its middle where the label is.
        align = np.select([left[middle, 0] < -0.5, left[middle, 0] > 0.5], ["left", "right"], "center")
        labels = pd.DataFrame({"x": at[:, 0], "y": at[:, 1], "text": text, "align": align}).dropna().round(2)
        ends = np.concatenate([track.center[0] + half * left[0], track.center[0] - half * left[0]])
        start = pd.DataFrame([ends], columns=["x", "y", "x2", "y2"]).dropna().round(2)
        # m that the text of a label takes, about
        room = np.array([1.6 if lost else 0.4, 0.1]) * [[-1, -1], [1, 1]]
        points += [borders[["x", "y"]].to_numpy(), *(labels[["x", "y"]].to_numpy() + end for end in room)]
        row = track.sections[track.sections["section"] == section]
        if len(row):
            inside = track.section_of(range(len(track.center))) == section
            reach = half + AROUND
            near = track.center[inside]
            points = [near - reach, near + reach]
            labels = labels[labels["text"].str.split(" ").str[0] == section]
    corners = np.concatenate(points)
    corners = corners[np.isfinite(corners).all(axis=1)]
    frame = (
        np.array([corners.min(axis=0), corners.max(axis=0)]) if len(corners) else np.array([[0, 0], [1, 1]])
    )
    return borders, labels, start, frame


def _left(center: np.ndarray) -> np.ndarray:
    """Direction to the left of each waypoint, a unit vector."""
    ahead = np.roll(center, -1, axis=0) - np.roll(center, 1, axis=0)
    if (closing := np.abs(center[0] - center[-1]).max() < 1e-6) and len(center) > 2:
        ahead[0] = ahead[-1] = center[1] - center[-2]
    if not closing:
        ahead[0], ahead[-1] = center[1] - center[0], center[-1] - center[-2]
    length = np.maximum(np.hypot(*ahead.T), 1e-9)[:, None]
    return np.stack([-ahead[:, 1], ahead[:, 0]], axis=1) / length


def _map_scales(frame: np.ndarray) -> tuple[alt.X, alt.Y]:
    """Axes with the same metres per pixel, whatever the width of the chart."""
    middle, half = frame.mean(axis=0), np.diff(frame, axis=0)[0] / 2 + 0.2
    axes = []
    for axis, own, sizes in ((alt.X("x:Q"), 0, "width / height"), (alt.Y("y:Q"), 1, "height / width")):
        reach = f"max({half[own]:.3f}, {half[1 - own]:.3f} * {sizes})"
        axes.append(
            axis.axis(None).scale(
                domainMin=alt.expr(f"{middle[own]:.3f} - {reach}"),
                domainMax=alt.expr(f"{middle[own]:.3f} + {reach}"),
                nice=False,
                zero=False,
            )
        )
    return tuple(axes)
