"""How the car drives: speed and steering at every waypoint, beside the map of the track."""

import altair as alt
import numpy as np
import pandas as pd

from deepracer_viz.charts.theme import BAND_OPACITY, CANVAS, MODELS, NEUTRAL, SLOW, slow_to_fast
from deepracer_viz.charts.trackmap import beside_the_road, border_lines, map_axes
from deepracer_viz.track import Track

HEIGHT = 600
"""Height of the chart in pixels."""

# One view holds the map and the panels, because only a single view follows the width of the page, and one hover
# reaches all of it. These signals divide it: side by side where it is wide, one below the other where it is narrow.
_LAYOUT = {
    "narrow": "width < 760",
    "map_width": "narrow ? width : 0.44 * width",
    "map_height": "narrow ? 0.45 * height : height",
    "panel_left": "narrow ? 64 : map_width + 88",
    "strip_top": "narrow ? map_height + 10 : 0",
}
_LAYOUT_WITHOUT_MAP = {"panel_left": "64", "strip_top": "0"}
_PANELS = {
    "strip_bottom": "strip_top + 20",
    "speed_top": "strip_bottom + 6",
    "speed_bottom": "(speed_top + height) / 2 - 8",
    "steering_top": "speed_bottom + 16",
}

# The axes of the panels stand at the left of the panels, not of the whole view; their titles in one line.
_PANEL_AXIS = {
    "orient": "left",
    "offset": alt.expr("-panel_left"),
    "minExtent": 58,
    "grid": False,
}

_HOVER = alt.selection_point(
    name="waypoint", fields=["waypoint"], on="pointerover", clear="pointerout", empty=False
)


def driving_profile_chart(
    profile: pd.DataFrame, findings: pd.DataFrame | None = None, track: Track | None = None
) -> alt.LayerChart:
    """Speed and steering over the waypoints, beside the track map coloured by true speed.

    Hovering a waypoint, in the panels or on the map, marks it in all of them; the selection is named "waypoint".

    Parameters
    ----------
    profile : pandas.DataFrame
        Answer of `deepracer_viz.analysis.driving.driving_profile`. The map takes its columns x and y; without them
        only the panels are drawn.
    findings : pandas.DataFrame, optional
        Answer of `deepracer_viz.analysis.driving.find_inefficiencies`: its places are shaded.
    track : Track, optional
        Gives the names of the sections, and the borders where they are known.

    Returns
    -------
    altair.LayerChart
        As wide as its container; map and panels side by side from 760 pixels on, else one below the other.
    """
    places = _places(findings)
    table = _table(profile, places)
    mapped = "x" in table and bool(table["x"].notna().any())
    layout = (_LAYOUT if mapped else _LAYOUT_WITHOUT_MAP) | _PANELS
    seen = int((table["visits"] > 0).sum())
    lines = [
        f"{int(table['visits'].sum()):,} steps at {seen:,} of {len(table):,} waypoints.",
        "Line: mean; band: middle half of the steps; dashed: commanded.",
        *(["Orange strips: places that cost time."] if len(places) else []),
    ]
    return alt.layer(
        *([_map(table, track)] if mapped else []),
        _panels(table, places, track),
        data=table,
        params=[alt.VariableParameter(name=name, expr=expression) for name, expression in layout.items()],
        resolve=alt.Resolve(scale=alt.ScaleResolveMap(x="independent", y="independent")),
        width="container",
        height=HEIGHT,
        title=alt.Title(lines),
        usermeta=CANVAS,
    )


def _places(findings: pd.DataFrame | None) -> pd.DataFrame:
    """Where the findings are: kind, seconds_per_lap, waypoint_from, waypoint_to."""
    columns = ["kind", "seconds_per_lap", "waypoint_from", "waypoint_to"]
    return pd.DataFrame(columns=columns) if findings is None else _unwrapped(findings[columns])


def _unwrapped(stretches: pd.DataFrame) -> pd.DataFrame:
    """Cut the stretches that cross the start line in two there."""
    crosses = stretches["waypoint_from"] > stretches["waypoint_to"]
    before, after = stretches[crosses].assign(waypoint_to=10**6), stretches[crosses].assign(waypoint_from=0)
    return pd.concat([stretches[~crosses], before, after], ignore_index=True)


def _table(profile: pd.DataFrame, places: pd.DataFrame) -> pd.DataFrame:
    """The columns to draw, rounded to what can be seen, and what was found at each waypoint."""
    digits = dict.fromkeys(["speed", "true_speed", "true_speed_low", "true_speed_high"], 2)
    digits |= dict.fromkeys(["steering_angle", "steering_low", "steering_high"], 1)
    digits |= {name: 2 for name in ("x", "y") if name in profile}
    table = profile[["waypoint", "visits", *digits]].astype(dict.fromkeys(digits, float)).round(digits)
    table["section"] = profile.get("section", "")
    finding = np.full(len(table), "none", dtype=object)
    for row in places.itertuples():
        here = table["waypoint"].between(row.waypoint_from, row.waypoint_to).to_numpy()
        words = f"{row.kind}, {row.seconds_per_lap:.2f} s a lap"
        finding[here] = [words if told == "none" else f"{told}; {words}" for told in finding[here]]
    table["finding"] = finding
    return table


def _tooltip(table: pd.DataFrame) -> list[alt.Tooltip]:
    """What every mark of a waypoint says."""
    return [
        alt.Tooltip("waypoint:Q", title="Waypoint"),
        *([alt.Tooltip("section:N", title="Section")] if table["section"].any() else []),
        alt.Tooltip("true_speed:Q", title="True speed (m/s)", format=".2f"),
        alt.Tooltip("speed:Q", title="Commanded speed (m/s)", format=".2f"),
        alt.Tooltip("steering_angle:Q", title="Steering (°, left positive)", format="+.1f"),
        alt.Tooltip("visits:Q", title="Steps", format=","),
        *([alt.Tooltip("finding:N", title="Finding")] if (table["finding"] != "none").any() else []),
    ]


def _signals(*names: str) -> list[alt.ExprRef]:
    """Range of a scale or place of a mark between two signals of the layout."""
    return [alt.expr(name) for name in names]


def _along(field: str, last: int) -> alt.X:
    """Horizontal axis of the panels: waypoints from 0 to the last one."""
    return (
        alt.X(f"{field}:Q")
        .title("Waypoint")
        .axis(grid=False, format="d", tickMinStep=1)
        .scale(domain=[0, last], nice=False, range=_signals("panel_left", "width"))
    )


def _panels(table: pd.DataFrame, places: pd.DataFrame, track: Track | None) -> alt.LayerChart:
    """Strip of sections, speed and steering over the waypoints."""
    last = max(len(table) - 1, 1)
    base = alt.Chart().encode(_along("waypoint", last))
    angles = table[["steering_low", "steering_high", "steering_angle"]].abs().to_numpy()
    steepest = float(np.nan_to_num(angles).max(initial=10))
    ticks = [share * (steepest - steepest % 10) for share in (-1, -0.5, 0, 0.5, 1)]
    sides = "datum.value == 0 ? '0' : abs(datum.value) + (datum.value > 0 ? '° left' : '° right')"
    speed = (
        alt.Y("true_speed:Q")
        .title("Speed (m/s)")
        .axis(tickCount=5, **_PANEL_AXIS)
        .scale(zero=False, range=_signals("speed_bottom", "speed_top"))
    )
    steering = (
        alt.Y("steering_angle:Q")
        .title("Steering")
        .axis(labelExpr=sides, values=ticks, **_PANEL_AXIS)
        .scale(domain=[-steepest, steepest], range=_signals("height", "steering_top"))
    )
    parts = []
    for y, low, high in (
        (speed, "true_speed_low", "true_speed_high"),
        (steering, "steering_low", "steering_high"),
    ):
        name = y.shorthand.removesuffix(":Q")
        alone = f"isValid(datum.{name}) && !isValid(datum.before) && !isValid(datum.after)"
        commanded = base.mark_line(color=NEUTRAL, strokeDash=[4, 3]).encode(alt.Y("speed:Q"))
        zero = (
            alt.Chart(table.head(1))
            .mark_rule()
            .encode(y=alt.YDatum(0), x=alt.value(alt.expr("panel_left")), x2=alt.value(alt.expr("width")))
        )
        parts.append(
            alt.layer(
                base.mark_area(color=MODELS[0], opacity=BAND_OPACITY).encode(alt.Y(f"{low}:Q"), alt.Y2(high)),
                commanded if y is speed else zero,
                base.mark_line(color=MODELS[0]).encode(y),
                # A waypoint between two that were never visited makes no line.
                base.transform_window(
                    before=f"lag({name})", after=f"lead({name})", sort=[{"field": "waypoint"}]
                )
                .transform_filter(alone)
                .mark_circle(color=MODELS[0], size=30, opacity=1)
                .encode(y),
                base.transform_filter(_HOVER).mark_circle(color=MODELS[0], size=90, opacity=1).encode(y),
            )
        )
    whole = {"y": alt.value(alt.expr("strip_bottom")), "y2": alt.value(alt.expr("height"))}
    shades = (
        alt.Chart(places.assign(waypoint_to=places["waypoint_to"].clip(upper=last)))
        .mark_rect(color=SLOW, opacity=0.18)
        .encode(_along("waypoint_from", last), alt.X2("waypoint_to"), **whole)
    )
    pointer = base.transform_filter(_HOVER).mark_rule(strokeWidth=1).encode(**whole)
    # What the pointer hits: a bar per waypoint, as high as both panels.
    targets = (
        base.mark_bar(opacity=0, width=alt.expr(f"max(3, (width - panel_left) / {last})"))
        .encode(**whole, tooltip=_tooltip(table))
        .add_params(_HOVER)
    )
    strip = [] if track is None else [_strip(track, last)]
    shades = [shades] if len(places) else []
    return alt.layer(
        *shades,
        *strip,
        *parts,
        pointer,
        targets,
        resolve=alt.Resolve(scale=alt.ScaleResolveMap(y="independent")),
    )


def _strip(track: Track, last: int) -> alt.LayerChart:
    """Names of the sections over their waypoints, corners underlined boldly."""
    sections = _unwrapped(track.sections[["section", "kind", "waypoint_from", "waypoint_to"]])
    # A section reaches to where the next one begins.
    sections["waypoint_to"] = (sections["waypoint_to"] + 1).clip(upper=last)
    sections["middle"] = (sections["waypoint_from"] + sections["waypoint_to"]) / 2
    base = alt.Chart(sections)
    wide = f"(datum.waypoint_to - datum.waypoint_from) / {last} * (width - panel_left) > 18"
    lines = base.mark_rect(color=NEUTRAL).encode(
        _along("waypoint_from", last),
        alt.X2("waypoint_to"),
        y=alt.value(alt.expr("strip_bottom - 5")),
        y2=alt.value(alt.expr("strip_bottom - 1")),
        opacity=alt.condition("datum.kind == 'corner'", alt.value(0.9), alt.value(0.25)),
        tooltip=[
            alt.Tooltip("section:N", title="Section"),
            alt.Tooltip("kind:N", title="Kind"),
            alt.Tooltip("waypoint_from:Q", title="From waypoint"),
        ],
    )
    names = (
        base.transform_filter(wide)
        .mark_text()
        .encode(_along("middle", last), y=alt.value(alt.expr("strip_bottom - 12")), text="section:N")
    )
    return alt.layer(lines, names)


def _map(table: pd.DataFrame, track: Track | None) -> alt.LayerChart:
    """Track seen from above: a dot per waypoint, coloured by true speed."""
    known = table[table["x"].notna()]
    borders = border_lines(track)
    labels, start = beside_the_road(known, track)
    ends = pd.concat([frame[["x", "y"]] for frame in (known, borders, labels)])
    (x_low, y_low), (x_high, y_high) = ends.min(), ends.max()
    x, y = map_axes((x_low, x_high), (y_low, y_high), "map_width", "map_height")
    base = alt.Chart().encode(x, y)
    dots = base.transform_filter("isValid(datum.true_speed)")
    # Above the map in one line: below the panels it would be far from what it explains.
    in_one_line = {"orient": "top", "direction": "horizontal", "titleOrient": "left", "gradientLength": 110}
    colour = slow_to_fast("True speed (m/s)", "true_speed").legend(format=".2f", tickCount=2, **in_one_line)
    if table["true_speed"].isna().all():
        colour = colour.legend(None)
    return alt.layer(
        alt.Chart(borders)
        .mark_line(color=NEUTRAL, strokeWidth=1, opacity=0.6)
        .encode(x, y, alt.Detail("line:N"), alt.Order("point:Q")),
        base.mark_line(color=NEUTRAL, strokeWidth=1).encode(order="waypoint:Q"),
        base.transform_filter("datum.finding != 'none'").mark_circle(color=SLOW, size=300, opacity=0.18),
        alt.Chart(start).mark_rule(strokeWidth=3).encode(x, y, alt.X2("x2"), alt.Y2("y2")),
        dots.mark_circle(size=90, opacity=1).encode(colour),
        alt.Chart(labels)
        .mark_text()
        .encode(
            x,
            y,
            text="text:N",
            size=alt.condition("datum.name", alt.value(14), alt.value(11)),
        ),
        base.transform_filter(_HOVER).mark_point(color=NEUTRAL, size=220, strokeWidth=3, opacity=1),
        base.mark_circle(size=300, opacity=0).encode(tooltip=_tooltip(table)),
    )
