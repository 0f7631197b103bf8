"""How the car drives: speed and steering at every waypoint, beside the map of the track."""

import functools

import altair as alt
import numpy as np
import pandas as pd

from deepracer_viz.analysis.driving.timing import AROUND, TimeAccount
from deepracer_viz.charts.sheet import Drawing, Sheet, drawing, inside, slot, table
from deepracer_viz.charts.theme import (
    BAND_OPACITY,
    CANVAS,
    MODELS,
    NEUTRAL,
    SLOW,
    enlargement,
    slow_to_fast,
)
from deepracer_viz.charts.timing import ONCE, signed
from deepracer_viz.charts.trackmap import beside_the_road, border_lines, reach_of_map, square_axes, stretches
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
    # What grows is the text at the right of the map and at the left of the panels.
    "panel_left": "narrow ? 64 : map_width + 88 + 150 * (enlargement - 1)",
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
    return driving_profile_sheet(profile, findings, track, section, account, with_map).chart()


def driving_profile_sheet(
    profile: pd.DataFrame,
    findings: pd.DataFrame | None = None,
    track: Track | None = None,
    section: str | None = None,
    account: TimeAccount | None = None,
    with_map: bool = True,
) -> Sheet:
    """Return what :func:`driving_profile_chart` shows, quickly filled.

    Parameters
    ----------
    profile, findings, track, section, account, with_map
        As there.

    Returns
    -------
    Sheet
    """
    whole = _waypoints(profile, findings)
    shown = whole if section is None or track is None else _around(whole, track, section)
    mapped = with_map and "x" in shown and bool(shown["x"].notna().any())
    places = _runs(shown, "finding", "none")
    names = pd.DataFrame() if track is None else _strip(shown, track, len(whole))
    tables = {"waypoints": shown, "zero": ONCE}
    tables |= {"places": places} if len(places) else {}
    tables |= {"sections": names} if len(names) else {}
    values = _ends_of_panels(shown, len(whole)) | {"title": _title(shown, whole, section, len(places) > 0)}
    if mapped:
        of_map, reach = _map(shown, whole, track, account)
        tables |= of_map
        values |= reach
    return Sheet(
        _drawing_of_profile(
            mapped,
            with_speeds=bool(shown["true_speed"].notna().any()),
            with_findings=len(places) > 0,
            with_names=bool((shown["section"] != "").any()),
            with_strip=len(names) > 0,
        ),
        tables,
        values,
    )


# ---------------------------------------------------------------------------------------------- the drawing


@functools.lru_cache(maxsize=16)
def _drawing_of_profile(
    mapped: bool, with_speeds: bool, with_findings: bool, with_names: bool, with_strip: bool
) -> Drawing:
    """Map and panels; a layer without rows would have no use."""
    tooltip = [
        alt.Tooltip("number:Q", title="Waypoint"),
        *([alt.Tooltip("section:N", title="Section")] if with_names else []),
        alt.Tooltip("true_speed:Q", title="True speed (m/s)", format=".2f"),
        alt.Tooltip("speed:Q", title="Commanded speed (m/s)", format=".2f"),
        alt.Tooltip("steering_angle:Q", title="Steering (°, left positive)", format="+.1f"),
        alt.Tooltip("visits:Q", title="Steps", format=","),
        *([alt.Tooltip("finding:N", title="Finding")] if with_findings else []),
    ]
    layout = (_LAYOUT if mapped else _LAYOUT_WITHOUT_MAP) | _PANELS
    return drawing(
        alt.layer(
            *([_draw_map(with_speeds, with_findings, tooltip)] if mapped else []),
            _draw_panels(with_findings, with_strip, tooltip),
            data=alt.NamedData("waypoints"),
            params=[
                enlargement(),
                *(alt.VariableParameter(name=name, expr=expression) for name, expression in layout.items()),
            ],
            resolve=alt.Resolve(scale=alt.ScaleResolveMap(x="independent", y="independent")),
            width="container",
            height=HEIGHT if mapped else HEIGHT_OF_PANELS,
            title=alt.Title(slot("title")),
            usermeta=CANVAS,
        )
    )


def _signals(*names: str) -> list[alt.ExprRef]:
    """Range of a scale or place of a mark between two signals of the layout."""
    return [alt.expr(name) for name in names]


def _along(field: str) -> alt.X:
    """Horizontal axis of the panels: waypoints, on past the start line."""
    return (
        alt.X(f"{field}:Q")
        .title("Waypoint")
        .axis(grid=False, labelExpr=f"format(datum.value % {inside('count')}, 'd')", tickMinStep=1)
        .scale(domain=[slot("first"), slot("last")], nice=False, range=_signals("panel_left", "width"))
    )


def _draw_panels(with_findings: bool, with_strip: bool, tooltip: list[alt.Tooltip]) -> alt.LayerChart:
    """Strip of sections, speed and steering over the waypoints."""
    base = alt.Chart().encode(_along("waypoint"))
    sides = "datum.value == 0 ? '0' : abs(datum.value) + (datum.value > 0 ? '° left' : '° right')"
    speed = (
        alt.Y("true_speed:Q")
        .title("Speed (m/s)")
        .axis(tickCount=5, **_PANEL_AXIS)
        .scale(
            domain=[slot("slowest"), slot("fastest")],
            nice=True,
            zero=False,
            range=_signals("speed_bottom", "speed_top"),
        )
    )
    steering = (
        alt.Y("steering_angle:Q")
        .title("Steering")
        .axis(labelExpr=sides, values=slot("ticks"), **_PANEL_AXIS)
        .scale(domain=[slot("right"), slot("left")], range=_signals("height", "steering_top"))
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
            table("zero")
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
        table("places").mark_rect(color=SLOW, opacity=0.18).encode(_along("begin"), alt.X2("end"), **whole)
    )
    pointer = base.transform_filter(_HOVER).mark_rule(strokeWidth=1).encode(**whole)
    # What the pointer hits: a bar per waypoint, as high as both panels.
    targets = (
        # Of a waypoint that was not passed it would say "null".
        base.transform_filter("isValid(datum.true_speed) && isValid(datum.speed)")
        .mark_bar(opacity=0, width=alt.expr(f"max(3, (width - panel_left) / {inside('span')})"))
        .encode(**whole, tooltip=tooltip)
        .add_params(_HOVER)
    )
    return alt.layer(
        *([shades] if with_findings else []),
        *([_draw_strip()] if with_strip else []),
        *parts,
        pointer,
        targets,
        resolve=alt.Resolve(scale=alt.ScaleResolveMap(y="independent")),
    )


def _draw_strip() -> alt.LayerChart:
    """Names of the sections over their waypoints, corners underlined boldly."""
    base = table("sections")
    wide = f"(datum.end - datum.begin) / {inside('span')} * (width - panel_left) > 18"
    lines = base.mark_rect(color=NEUTRAL).encode(
        _along("begin"),
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
        .encode(_along("middle"), y=alt.value(alt.expr("strip_bottom - 12")), text="section:N")
    )
    return alt.layer(lines, names)


def _draw_map(with_speeds: bool, with_findings: bool, tooltip: list[alt.Tooltip]) -> alt.LayerChart:
    """Track seen from above: a dot per waypoint, coloured by true speed."""
    x, y = square_axes("map_width", "map_height")
    base = alt.Chart().encode(x, y)
    # Above the map in one line: below the panels it would be far from what it explains.
    in_one_line = {"orient": "top", "direction": "horizontal", "titleOrient": "left", "gradientLength": 110}
    colour = slow_to_fast("True speed (m/s)", "true_speed").legend(format=".2f", tickCount=2, **in_one_line)
    if not with_speeds:
        colour = colour.legend(None)
    found = base.transform_filter("datum.finding != 'none'").mark_circle(color=SLOW, size=300, opacity=0.18)
    return alt.layer(
        table("borders")
        .mark_line(color=NEUTRAL, strokeWidth=1, opacity=0.6)
        .encode(x, y, alt.Detail("line:N"), alt.Order("point:Q")),
        base.mark_line(color=NEUTRAL, strokeWidth=1).encode(order="waypoint:Q"),
        *([found] if with_findings else []),
        table("start").mark_rule(strokeWidth=3).encode(x, y, alt.X2("x2"), alt.Y2("y2")),
        base.transform_filter("isValid(datum.true_speed)").mark_circle(size=90, opacity=1).encode(colour),
        table("labels")
        .mark_text(align=alt.expr("datum.align"))
        .encode(x, y, text="text:N", size=alt.condition("datum.name", alt.value(14), alt.value(11))),
        base.transform_filter(_HOVER).mark_point(color=NEUTRAL, size=220, strokeWidth=3, opacity=1),
        base.transform_filter("isValid(datum.true_speed) && isValid(datum.speed)")
        .mark_circle(size=300, opacity=0)
        .encode(tooltip=tooltip),
    )


# ------------------------------------------------------------------------------------- what an answer puts in

_DIGITS = {"speed": 2, "true_speed": 2, "true_speed_low": 2, "true_speed_high": 2}
_DIGITS |= {"steering_angle": 1, "steering_low": 1, "steering_high": 1, "x": 2, "y": 2}


def _waypoints(profile: pd.DataFrame, findings: pd.DataFrame | None) -> pd.DataFrame:
    """The columns to draw, rounded to what can be seen, and what was found at each waypoint."""
    here = profile["waypoint"].to_numpy()
    told = np.full(len(here), "none", dtype=object)
    columns = ("kind", "waypoint_from", "waypoint_to", "seconds_per_lap")
    for kind, begin, end, seconds in zip(
        *(() if findings is None else findings[name] for name in columns), strict=True
    ):
        after, before = here >= begin, here <= end
        in_it = after & before if begin <= end else after | before
        words = f"{kind}, {seconds:.2f} s a lap" if np.isfinite(seconds) else kind
        told[in_it] = [words if text == "none" else f"{text}; {words}" for text in told[in_it]]
    return pd.DataFrame(
        {
            "waypoint": here,
            "number": here,  # what it is called
            "visits": profile["visits"].to_numpy(),
            **{
                name: np.round(profile[name].to_numpy(dtype=float), digits)
                for name, digits in _DIGITS.items()
                if name in profile
            },
            "section": profile.get("section", ""),
            "finding": told,
        }
    )


def _around(whole: pd.DataFrame, track: Track, section: str) -> pd.DataFrame:
    """Waypoints of a section and a metre around it, in order of driving, counted on past the start line."""
    row = track.sections.iloc[list(track.sections["section"]).index(section)]
    distance = np.full(len(whole), np.nan)
    known = min(len(whole), len(track.distance))
    distance[:known] = track.distance[:known]
    distance[whole["x"].isna()] = np.nan
    begin, end = row.start - AROUND, row.end + AROUND
    if track.closed:
        end = min(end + (track.length if row.start >= row.end else 0), begin + track.length)
        distance = begin + (distance - begin) % track.length
    kept = np.flatnonzero((distance >= begin) & (distance <= end))
    # The last waypoint of a closed route is where the first one is: the sort keeps it before that one.
    kept = kept[np.lexsort([-kept, distance[kept].round(6)])]
    if not len(kept):
        return whole.head(0)
    counted_on = kept[0] + (kept - kept[0]) % len(whole)
    columns = {name: whole[name].to_numpy()[kept] for name in whole}
    return pd.DataFrame(columns | {"waypoint": counted_on, "number": kept})


def _title(shown: pd.DataFrame, whole: pd.DataFrame, section: str | None, with_findings: bool) -> list[str]:
    visits = shown["visits"].to_numpy()
    where = "" if shown is whole else f" in {section} and {AROUND:g} m around it"
    return [
        f"{visits.sum():,} steps at {(visits > 0).sum():,} of {len(shown):,} waypoints{where}.",
        "Line: mean; band: middle half of the steps; dashed: commanded.",
        *(["Orange strips: places that cost time."] if with_findings else []),
    ]


def _span(shown: pd.DataFrame) -> tuple[int, int]:
    """First and last place on the axis."""
    here = shown["waypoint"].to_numpy()
    low, high = (int(here.min()), int(here.max())) if len(here) else (0, 0)
    return low, max(high, low + 1)


def _ends_of_panels(shown: pd.DataFrame, count: int) -> dict[str, object]:
    """Ends and ticks of the axes of the panels."""
    first, last = _span(shown)
    angles = [shown[name].to_numpy() for name in ("steering_low", "steering_high", "steering_angle")]
    steepest = float(np.nan_to_num(np.abs(angles)).max(initial=10))
    full = steepest - steepest % 10
    # Told, not left to Vega: of the marks that only show under the pointer it would know no extent.
    speeds = shown[["true_speed", "true_speed_low", "true_speed_high", "speed"]].to_numpy(float)
    speeds = speeds[np.isfinite(speeds)]
    slowest, fastest = (float(speeds.min()), float(speeds.max())) if len(speeds) else (0.0, 1.0)
    return {
        "slowest": slowest,
        "fastest": max(fastest, slowest + 0.01),
        "first": first,
        "last": last,
        "span": last - first,
        "count": max(count, 1),
        "right": -steepest,
        "left": steepest,
        "ticks": [-full, -0.5 * full, 0.0, 0.5 * full, full],
    }


def _runs(shown: pd.DataFrame, what: str, but: str) -> pd.DataFrame:
    """Stretches on which a column says the same, but for one word: begin and end (waypoints, both included)."""
    said, here = shown[what].to_numpy(dtype=object), shown["waypoint"].to_numpy()
    first, last = stretches(said)
    told = said[first] != but
    first, last = first[told], last[told]
    return pd.DataFrame({"begin": here[first], "end": here[last], what: said[first]})


def _strip(shown: pd.DataFrame, track: Track, count: int) -> pd.DataFrame:
    """Sections with begin, end and middle on the axis, kind, and the waypoint at which each begins."""
    runs = _runs(shown, "section", "")
    kinds = dict(zip(track.sections["section"], track.sections["kind"], strict=True))
    begin = runs["begin"].to_numpy()
    # A section reaches to where the next one begins.
    end = np.minimum(runs["end"].to_numpy() + 1, _span(shown)[1])
    return pd.DataFrame(
        {
            "begin": begin,
            "end": end,
            "middle": (begin + end) / 2,
            "from": begin % max(count, 1),
            "section": runs["section"],
            "kind": [kinds.get(name) for name in runs["section"]],
        }
    )


def _map(
    shown: pd.DataFrame, whole: pd.DataFrame, track: Track | None, account: TimeAccount | None
) -> tuple[dict[str, pd.DataFrame], dict[str, float]]:
    """Borders, labels and start line of the map, and what part of the world it shows."""
    known = _places(shown)
    known = known[~np.isnan(known[:, 0])]
    borders = border_lines(track)
    labels, start = beside_the_road(whole[~np.isnan(whole["x"].to_numpy())], track)
    lost = {}
    if account is not None:
        lost = dict(zip(account.sections["section"], account.sections["lost"], strict=True))
    labels["text"] = [f"{text} {signed(lost[text])} s" if text in lost else text for text in labels["text"]]
    at = _places(labels)
    labels["align"] = _away_from(known, at)
    if len(shown) < len(whole):
        # Nothing may be drawn past the edge of the map, for the panels are there.
        low, high = known.min(axis=0) - _REACH, known.max(axis=0) + _REACH
        near, near_labels, near_start = (
            ((low <= points) & (points <= high)).all(axis=1)
            for points in (_places(borders), at, _places(start))
        )
        # A border that leaves the map and comes back is two lines.
        borders["line"] += pd.Series((~near).cumsum().astype(str))
        borders, start = borders[near].reset_index(drop=True), start[near_start].reset_index(drop=True)
        labels, at = labels[near_labels].reset_index(drop=True), at[near_labels]
    ends = [known, _places(borders), at]
    if lost:
        names, room = at[labels["name"].to_numpy()], [_NAME_SHARE * np.ptp(_corners(ends)[:, 0]), 0]
        ends += [names - room, names + room]
    return {"borders": borders, "labels": labels, "start": start}, reach_of_map(*_corners(ends).T)


def _places(table: pd.DataFrame) -> np.ndarray:
    """Columns x and y as points (n, 2)."""
    return np.stack([table["x"].to_numpy(dtype=float), table["y"].to_numpy(dtype=float)], axis=1)


def _corners(points: list[np.ndarray]) -> np.ndarray:
    """Least and greatest x and y of all the points, a row each."""
    every = np.concatenate(points)
    return np.array([np.nanmin(every, axis=0), np.nanmax(every, axis=0)])


def _away_from(road: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How to align each label so that its text runs away from the road."""
    if not len(road) or not len(labels):
        return np.full(len(labels), "center")
    away = labels[:, None] - road
    distance = np.hypot(away[..., 0], away[..., 1])
    nearest = np.arange(len(labels)), distance.argmin(axis=1)
    share = away[..., 0][nearest] / np.maximum(distance[nearest], 1e-9)
    return np.select([share > 0.5, share < -0.5], ["left", "right"], "center")
