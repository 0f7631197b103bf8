"""How the car drives: speed and steering at every waypoint, beside the map of the track."""

import altair as alt
import numpy as np
import pandas as pd

from deepracer_viz.analysis.driving.timing import AROUND, TimeAccount
from deepracer_viz.charts.theme import BAND_OPACITY, CANVAS, MODELS, NEUTRAL, SLOW, slow_to_fast
from deepracer_viz.charts.timing import signed
from deepracer_viz.charts.trackmap import beside_the_road, border_lines, map_axes
from deepracer_viz.track import Track

HEIGHT = 630
"""Height of the chart in pixels."""

HEIGHT_OF_PANELS = 340
"""Height of the panels alone in pixels."""

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

_NAME_SHARE = 0.12  # of the width of the map that the text of a name with its seconds takes
_REACH = 1.0  # m around the shown waypoints of a section that the map shows

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
    profile: pd.DataFrame,
    findings: pd.DataFrame | None = None,
    track: Track | None = None,
    section: str | None = None,
    account: TimeAccount | None = None,
    with_map: bool = True,
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
    section : str, optional
        Shows this section and a metre before and behind it only; takes a track that has it.
    account : TimeAccount, optional
        Adds to each name on the map the seconds that a typical lap loses there on a fast one.
    with_map : bool
        Whether to draw the map.

    Returns
    -------
    altair.LayerChart
        As wide as its container; map and panels side by side from 760 pixels on, else one below the other.
    """
    whole = _table(profile, findings)
    table = whole if section is None or track is None else _around(whole, track, section)
    mapped = with_map and "x" in table and bool(table["x"].notna().any())
    layout = (_LAYOUT if mapped else _LAYOUT_WITHOUT_MAP) | _PANELS
    seen = int((table["visits"] > 0).sum())
    places = _runs(table, "finding")
    places = places[places["what"] != "none"]
    where = "" if table is whole else f" in {section} and {AROUND:g} m around it"
    lines = [
        f"{int(table['visits'].sum()):,} steps at {seen:,} of {len(table):,} waypoints{where}.",
        "Line: mean; band: middle half of the steps; dashed: commanded.",
        *(["Orange strips: places that cost time."] if len(places) else []),
    ]
    return alt.layer(
        *([_map(table, whole, track, account)] if mapped else []),
        _panels(table, places, track, len(whole)),
        data=table,
        params=[alt.VariableParameter(name=name, expr=expression) for name, expression in layout.items()],
        resolve=alt.Resolve(scale=alt.ScaleResolveMap(x="independent", y="independent")),
        width="container",
        height=HEIGHT if mapped else HEIGHT_OF_PANELS,
        title=alt.Title(lines),
        usermeta=CANVAS,
    )


def _table(profile: pd.DataFrame, findings: pd.DataFrame | None) -> pd.DataFrame:
    """The columns to draw, rounded to what can be seen, and what was found at each waypoint."""
    digits = dict.fromkeys(["speed", "true_speed", "true_speed_low", "true_speed_high"], 2)
    digits |= dict.fromkeys(["steering_angle", "steering_low", "steering_high"], 1)
    digits |= {name: 2 for name in ("x", "y") if name in profile}
    table = profile[["waypoint", "visits", *digits]].astype(dict.fromkeys(digits, float)).round(digits)
    table["section"] = profile.get("section", "")
    told = np.full(len(table), "none", dtype=object)
    for row in () if findings is None else findings.itertuples():
        here = table["waypoint"].to_numpy()
        after, before = here >= row.waypoint_from, here <= row.waypoint_to
        inside = after & before if row.waypoint_from <= row.waypoint_to else after | before
        cost = f", {row.seconds_per_lap:.2f} s a lap" if np.isfinite(row.seconds_per_lap) else ""
        words = f"{row.kind}{cost}"
        told[inside] = [words if text == "none" else f"{text}; {words}" for text in told[inside]]
    table["finding"] = told
    return table


def _around(table: pd.DataFrame, track: Track, section: str) -> pd.DataFrame:
    """Waypoints of a section and a metre around it, in order of driving, numbered on past the start line.

    Column "number" has what they are called.
    """
    [row] = track.sections[track.sections["section"] == section].itertuples()
    distance = np.full(len(table), np.nan)
    known = min(len(table), len(track.distance))
    distance[:known] = track.distance[:known]
    distance[table["x"].isna()] = np.nan
    begin, end = row.start - AROUND, row.end + AROUND
    if track.closed:
        end = min(end + (track.length if row.start >= row.end else 0), begin + track.length)
        distance = begin + (distance - begin) % track.length
    kept = np.flatnonzero((distance >= begin) & (distance <= end))
    # The last waypoint of a closed route is where the first one is: the sort keeps it before that one.
    kept = kept[np.lexsort([-kept, distance[kept].round(6)])]
    if not len(kept):
        return table.head(0)
    numbered_on = kept[0] + (kept - kept[0]) % len(table)
    return table.iloc[kept].assign(number=kept, waypoint=numbered_on).reset_index(drop=True)


def _runs(table: pd.DataFrame, what: str) -> pd.DataFrame:
    """Stretches on which a column says the same: begin and end (waypoints, both included) and what."""
    number = (table[what] != table[what].shift()).cumsum()
    return table.groupby(number).agg(
        begin=("waypoint", "first"), end=("waypoint", "last"), what=(what, "first")
    )


def _tooltip(table: pd.DataFrame) -> list[alt.Tooltip]:
    """What every mark of a waypoint says."""
    return [
        alt.Tooltip("number:Q" if "number" in table else "waypoint:Q", title="Waypoint"),
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


def _along(field: str, span: tuple[int, int], count: int) -> alt.X:
    """Horizontal axis of the panels: waypoints, of `count` in all, on past the start line."""
    return (
        alt.X(f"{field}:Q")
        .title("Waypoint")
        .axis(grid=False, labelExpr=f"format(datum.value % {count}, 'd')", tickMinStep=1)
        .scale(domain=list(span), nice=False, range=_signals("panel_left", "width"))
    )


def _span(table: pd.DataFrame) -> tuple[int, int]:
    """First and last place on the axis."""
    low, high = (int(end) for end in table["waypoint"].agg(["min", "max"]).fillna(0))
    return low, max(high, low + 1)


def _panels(table: pd.DataFrame, places: pd.DataFrame, track: Track | None, count: int) -> alt.LayerChart:
    """Strip of sections, speed and steering over the waypoints."""
    span = _span(table)
    base = alt.Chart().encode(_along("waypoint", span, max(count, 1)))
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
        alt.Chart(places)
        .mark_rect(color=SLOW, opacity=0.18)
        .encode(_along("begin", span, max(count, 1)), alt.X2("end"), **whole)
    )
    pointer = base.transform_filter(_HOVER).mark_rule(strokeWidth=1).encode(**whole)
    # What the pointer hits: a bar per waypoint, as high as both panels.
    targets = (
        base.mark_bar(opacity=0, width=alt.expr(f"max(3, (width - panel_left) / {span[1] - span[0]})"))
        .encode(**whole, tooltip=_tooltip(table))
        .add_params(_HOVER)
    )
    strip = [] if track is None else [_strip(table, track, count)]
    shades = [shades] if len(places) else []
    return alt.layer(
        *shades,
        *strip,
        *parts,
        pointer,
        targets,
        resolve=alt.Resolve(scale=alt.ScaleResolveMap(y="independent")),
    )


def _strip(table: pd.DataFrame, track: Track, count: int) -> alt.LayerChart:
    """Names of the sections over their waypoints, corners underlined boldly."""
    span = _span(table)
    sections = _runs(table, "section").rename(columns={"what": "section"})
    sections = sections[sections["section"] != ""].copy()
    sections["kind"] = sections["section"].map(track.sections.set_index("section")["kind"])
    sections["from"] = sections["begin"] % count
    # A section reaches to where the next one begins.
    sections["end"] = (sections["end"] + 1).clip(upper=span[1])
    sections["middle"] = (sections["begin"] + sections["end"]) / 2
    base = alt.Chart(sections)
    wide = f"(datum.end - datum.begin) / {span[1] - span[0]} * (width - panel_left) > 18"
    lines = base.mark_rect(color=NEUTRAL).encode(
        _along("begin", span, count),
        alt.X2("end"),
        y=alt.value(alt.expr("strip_bottom - 5")),
        y2=alt.value(alt.expr("strip_bottom - 1")),
        opacity=alt.condition("datum.kind == 'corner'", alt.value(0.9), alt.value(0.25)),
        tooltip=[
            alt.Tooltip("section:N", title="Section"),
            alt.Tooltip("kind:N", title="Kind"),
            alt.Tooltip("from:Q", title="From waypoint"),
        ],
    )
    names = (
        base.transform_filter(wide)
        .mark_text()
        .encode(_along("middle", span, count), y=alt.value(alt.expr("strip_bottom - 12")), text="section:N")
    )
    return alt.layer(lines, names)


def _map(
    table: pd.DataFrame, whole: pd.DataFrame, track: Track | None, account: TimeAccount | None
) -> alt.LayerChart:
    """Track seen from above: a dot per waypoint, coloured by true speed."""
    known = table[table["x"].notna()]
    borders = border_lines(track)
    labels, start = beside_the_road(whole[whole["x"].notna()], track)
    lost = {} if account is None else account.sections.set_index("section")["lost"].to_dict()
    labels["text"] = [f"{text} {signed(lost[text])} s" if text in lost else text for text in labels["text"]]
    if len(table) < len(whole):
        # Nothing may be drawn past the edge of the map, for the panels are there.
        frame = known[["x", "y"]].agg(["min", "max"]) + np.array([[-_REACH], [_REACH]])
        inside = _within(borders, frame)
        borders = borders.assign(line=borders["line"] + (~inside).cumsum().astype(str))[inside]
        labels, start = labels[_within(labels, frame)], start[_within(start, frame)]
    labels["align"] = _away_from(known, labels)
    ends = pd.concat([frame[["x", "y"]] for frame in (known, borders, labels)])
    if lost:
        names, room = labels[labels["name"].astype(bool)], _NAME_SHARE * float(np.ptp(ends["x"]))
        ends = pd.concat([ends, *(names[["x", "y"]] + [way * room, 0] for way in (-1, 1))])
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
        .mark_text(align=alt.expr("datum.align"))
        .encode(
            x,
            y,
            text="text:N",
            size=alt.condition("datum.name", alt.value(14), alt.value(11)),
        ),
        base.transform_filter(_HOVER).mark_point(color=NEUTRAL, size=220, strokeWidth=3, opacity=1),
        base.mark_circle(size=300, opacity=0).encode(tooltip=_tooltip(table)),
    )


def _away_from(road: pd.DataFrame, labels: pd.DataFrame) -> np.ndarray:
    """How to align each label so that its text runs away from the road."""
    if road.empty or labels.empty:
        return np.full(len(labels), "center")
    away = labels[["x", "y"]].to_numpy()[:, None] - road[["x", "y"]].to_numpy()
    distance = np.hypot(away[..., 0], away[..., 1])
    nearest = distance.argmin(axis=1), np.arange(len(labels))
    share = away[nearest[1], nearest[0], 0] / np.maximum(distance[nearest[1], nearest[0]], 1e-9)
    return np.select([share > 0.5, share < -0.5], ["left", "right"], "center")


def _within(points: pd.DataFrame, frame: pd.DataFrame) -> pd.Series:
    """Which of the points lie in a frame, given by its corners."""
    return points["x"].between(*frame["x"]) & points["y"].between(*frame["y"])
