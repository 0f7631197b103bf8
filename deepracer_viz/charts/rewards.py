"""Where on the track the rewards are, where drives end, and which actions the car uses."""

import functools

import altair as alt
import numpy as np
import pandas as pd

from deepracer_viz.analysis.actions import ActionUse
from deepracer_viz.analysis.rewards import RewardMap
from deepracer_viz.charts.sheet import Drawing, Sheet, drawing, inside, slot, table
from deepracer_viz.charts.theme import CANVAS, FAST, MODELS, NEUTRAL, SLOW, SLOW_TEXT, TEXT
from deepracer_viz.charts.trackmap import (
    beside_the_road,
    border_lines,
    centre_line,
    reach_of_map,
    square_axes,
)

CLAMPED = (2, 98)
"""Percentiles of the cells' rewards at which the colours stop, so that one outlier does not wash the map out."""

_MAX_END_MARKS = 400  # more crosses than that hide the map
_LABEL_ROOM = 0.55  # m from the border to a name; drives end between the two
_LABEL_ROOM_UNKNOWN = 0.8  # m, where the border may be further away than assumed
_MAP_HEIGHT = (260, 560)  # px
_MAP_WIDTH = 720  # px that the map has on a laptop, to choose a height that suits the track
_HEADER = 120  # px of the height that titles and legends take
_HEIGHT_STEP = 20  # px; the map keeps its height, and its drawing, while a few cells come and go at the edge

_MOST_TICKS = 9  # along an axis that has a tick at every action
_SIDES = "datum.value == 0 ? '0' : abs(datum.value) + (datum.value > 0 ? '° left' : '° right')"
_LEGEND = {"direction": "horizontal", "titleOrient": "left", "gradientLength": 130}
# The ends of viridis would be lost on black and on white.
_MIDDLE_OF_VIRIDIS = alt.SchemeParams(name="viridis", extent=[0.15, 0.88])
_CROSS = "M-1,-.6L-.6,-1L0,-.4L.6,-1L1,-.6L.4,0L1,.6L.6,1L0,.4L-.6,1L-1,.6L-.4,0Z"
_SILENT = {"tooltip": None}  # or the page shows whatever is in the data
_SHAPES = {"off track": _CROSS, "crashed": "triangle-up", "reversed": "diamond"}


def reward_map_chart(answer: RewardMap, visits_as_opacity: bool = False, ends: bool = True) -> alt.LayerChart:
    """Mean reward on the track, cell by cell, and where drives ended early.

    Parameters
    ----------
    answer : RewardMap
        Answer of `deepracer_viz.analysis.rewards.reward_map`.
    visits_as_opacity : bool
        Draw cells fainter the fewer steps they hold.
    ends : bool
        Mark the places where drives ended early.

    Returns
    -------
    altair.LayerChart
        As wide as its container, with the same metres per pixel on both axes. Rewards that are nowhere negative
        go from dark to light; others from orange over grey at zero to blue.
    """
    return reward_map_sheet(answer, visits_as_opacity, ends).chart()


def reward_map_sheet(answer: RewardMap, visits_as_opacity: bool = False, ends: bool = True) -> Sheet:
    """Return what :func:`reward_map_chart` shows, quickly filled.

    Parameters
    ----------
    answer, visits_as_opacity, ends
        As there.

    Returns
    -------
    Sheet
    """
    cells = _cells(answer)
    marks = _end_marks(answer.ends if ends else answer.ends.head(0), answer.cell)
    borders, centre = border_lines(answer.track), centre_line(answer.track)
    labels, start = _labels(answer)
    has_borders = len(borders) > 0
    left_below, *others = (_places(frame) for frame in (cells, borders, centre, labels, marks))
    corners = np.concatenate([left_below, left_below + answer.cell, *others])
    corners = corners[~np.isnan(corners).any(axis=1)]
    low, high = (corners.min(axis=0), corners.max(axis=0)) if len(corners) else ([-1, -1], [1, 1])
    height = _MAP_WIDTH * (high[1] - low[1]) / max(high[0] - low[0], 0.1)
    height = _HEIGHT_STEP * round(float(np.clip(height, *_MAP_HEIGHT)) / _HEIGHT_STEP)

    scale, colours, clamped = _colours(cells["reward"].to_numpy(), answer.has_negative)
    visits = cells["visits"].to_numpy()
    lines = [
        f"{_steps(answer.drawn)}, squares of {100 * answer.cell:.3g} cm.",
        *([f"Colours stop at the {CLAMPED[0]}nd and {CLAMPED[1]}th percentile."] if clamped else []),
        *(["Fainter: fewer steps."] if visits_as_opacity else []),
        *(["Dashed: track rebuilt from the steps."] if answer.track is not None and not has_borders else []),
    ]
    return Sheet(
        _drawing_of_map(
            scale,
            faint=visits_as_opacity and len(cells) > 0,
            overlap=0.3 if visits_as_opacity else 0.8,
            with_names=bool((cells["section"] != "").any()),
            ends=tuple(sorted(set(marks["how"]))),
            of_training=bool((marks["iterations"] != "-1").any()),
            height=height + _HEADER,
        ),
        {
            "cells": cells,
            "borders": borders,
            "centre": centre.head(0) if has_borders else centre,
            "start": start,
            "labels": labels,
        }
        | ({"ends": marks} if len(marks) else {}),
        reach_of_map((low[0], high[0]), (low[1], high[1]))
        | colours
        | {
            "title": lines,
            "cell": answer.cell,
            "often": max(float(np.quantile(visits, 0.9)), 1) if len(visits) else 1,
            "most_ends": max(int(marks["drives"].max()), 10) if len(marks) else 10,
        },
    )


@functools.lru_cache(maxsize=32)
def _drawing_of_map(
    scale: str,
    faint: bool,
    overlap: float,
    with_names: bool,
    ends: tuple[str, ...],
    of_training: bool,
    height: int,
) -> Drawing:
    """Cells, lines of the track, names and ends of drives (those of each of the kinds in `ends`)."""
    x, y = square_axes()
    opacity = (
        alt.Opacity("visits:Q")
        .scale(type="sqrt", domain=[0, slot("often")], range=[0.1, 1], clamp=True)
        .legend(None)
        if faint
        else alt.value(1)
    )
    section = [alt.Tooltip("section:N", title="Section")] if with_names else []
    return drawing(
        alt.layer(
            table("cells")
            .transform_calculate(right=f"datum.x + {inside('cell')}", top=f"datum.y + {inside('cell')}")
            # A little over the edge, or a hairline shows between neighbours; where cells shine through, that is
            # darker.
            .mark_rect(x2Offset=overlap, y2Offset=-overlap)
            .encode(
                x,
                y,
                alt.X2("right:Q"),
                alt.Y2("top:Q"),
                _reward_colour(scale),
                opacity=opacity,
                tooltip=[
                    *section,
                    alt.Tooltip("reward:Q", title="Mean reward a step", format=",.3~r"),
                    alt.Tooltip("visits:Q", title="Steps", format=","),
                ],
            ),
            table("borders")
            .mark_line(color=NEUTRAL, strokeWidth=1.5, opacity=0.8, **_SILENT)
            .encode(x, y, alt.Detail("line:N"), alt.Order("point:Q")),
            table("centre")
            .mark_line(color=NEUTRAL, strokeWidth=1.5, strokeDash=[5, 4], **_SILENT)
            .encode(x, y, alt.Order("point:Q")),
            table("start").mark_rule(strokeWidth=3, **_SILENT).encode(x, y, alt.X2("x2"), alt.Y2("y2")),
            *([_draw_ends(x, y, scale == _BOTH_SIDES, ends, section, of_training)] if ends else []),
            table("labels")
            .mark_text(**_SILENT)
            .encode(
                x,
                y,
                text="text:N",
                size=alt.condition("datum.next", alt.value(18), alt.value(14)),
                color=alt.condition("datum.next", alt.value(alt.expr(SLOW_TEXT)), alt.value(alt.expr(TEXT))),
            ),
            resolve=alt.Resolve(scale=alt.ScaleResolveMap(size="independent", opacity="independent")),
            width="container",
            height=height,
            title=alt.Title(slot("title")),
            usermeta=CANVAS,
        )
    )


def _places(points: pd.DataFrame) -> np.ndarray:
    """Columns x and y as points (n, 2)."""
    return np.stack([points["x"].to_numpy(dtype=float), points["y"].to_numpy(dtype=float)], axis=1)


def _steps(count: int) -> str:
    return f"{count:,} step" if count == 1 else f"{count:,} steps"


def _cells(answer: RewardMap) -> pd.DataFrame:
    """The columns to draw; x and y are the lower left corner of a cell."""
    cells = answer.cells
    corners = np.round(_places(cells) - answer.cell / 2, 4).astype("float32")
    return pd.DataFrame(
        {
            "x": corners[:, 0],
            "y": corners[:, 1],
            "reward": cells["reward"].to_numpy(dtype="float32"),
            "visits": cells["visits"].to_numpy(dtype="int32"),
            "section": cells["section"].array,
        }
    )


_NO_REWARD, _ALL_THE_SAME, _ONE_SIDE, _BOTH_SIDES = "none", "all the same", "one side", "both sides"
"""Scales of rewards: both sides of zero where some are negative."""


def _colours(rewards: np.ndarray, has_negative: bool) -> tuple[str, dict[str, object], bool]:
    """Scale of the colours, its ends and the ticks of its legend, and whether some rewards lie beyond its ends."""
    rewards = rewards[~np.isnan(rewards)]
    if not len(rewards):
        return _NO_REWARD, {}, False
    low, high = (float(value) for value in np.percentile(rewards, CLAMPED))
    if has_negative:
        high = max(abs(low), abs(high)) or float(np.abs(rewards).max()) or 1.0
        low = -high
    elif low == high:
        low, high = float(rewards.min()), float(rewards.max())
    if low == high:
        # A scale of one value, drawn in the middle of the colours.
        return _ALL_THE_SAME, {"least": low - 1, "most": high + 1, "ticks": [low]}, False
    ticks = [low, 0, high] if has_negative else [low, (low + high) / 2, high]
    clamped = bool(((rewards < low) | (rewards > high)).any())
    return _BOTH_SIDES if has_negative else _ONE_SIDE, {"least": low, "most": high, "ticks": ticks}, clamped


def _reward_colour(scale: str) -> alt.Color:
    """Colour of a reward."""
    colour = alt.Color("reward:Q").title("Mean reward a step")
    if scale == _NO_REWARD:
        return colour.legend(None)
    ends = [slot("least"), slot("most")]
    if scale == _ALL_THE_SAME:
        return colour.scale(scheme=_MIDDLE_OF_VIRIDIS, domain=ends).legend(
            **_LEGEND, values=slot("ticks"), format=",.3~r"
        )
    if scale == _BOTH_SIDES:
        look = {"domain": [ends[0], 0, ends[1]], "range": [SLOW, "#9a9a9a", FAST]}
    else:
        look = {"domain": ends, "scheme": _MIDDLE_OF_VIRIDIS}
    return colour.scale(clamp=True, nice=False, **look).legend(
        **_LEGEND, values=slot("ticks"), format=",.2~r"
    )


def _end_marks(ends: pd.DataFrame, cell: float) -> pd.DataFrame:
    """Places where drives ended early: neighbouring ends of one kind share a mark, so that the map stays seen."""
    at = _places(ends)
    known = ~np.isnan(at).any(axis=1)
    columns = ("end_status", "iteration", "progress", "section", "ends")
    at, ends = at[known], {name: ends[name].to_numpy()[known] for name in columns}
    kinds, kind = np.unique(ends["end_status"].astype(str), return_inverse=True)
    edge = max(cell, 0.1)
    while True:
        squares = np.column_stack([kind, np.round(at / edge)]).astype(int)
        _, first, mark = np.unique(_one_number(squares), return_index=True, return_inverse=True)
        if len(first) <= _MAX_END_MARKS:
            break
        edge *= 1.5
    # In the order in which they were first seen.
    order = np.argsort(first)
    first, mark = first[order], np.argsort(order)[mark]

    def mean(values: np.ndarray) -> np.ndarray:
        told = ~np.isnan(values)
        total, count = (np.bincount(mark[told], of, len(first)) for of in (values[told], None))
        return np.divide(total, count, out=np.full(len(first), np.nan), where=count > 0)

    ranked = np.lexsort([ends["iteration"], mark])
    begin = np.flatnonzero(np.diff(mark[ranked], prepend=-1))
    last = np.append(begin[1:], len(ranked))[: len(begin)] - 1
    iterations = zip(*(ends["iteration"][ranked[end]].tolist() for end in (begin, last)), strict=True)
    return pd.DataFrame(
        {
            "how": pd.Series([kinds[number].replace("_", " ") for number in kind[first]], dtype=str),
            "x": mean(at[:, 0]).round(2),
            "y": mean(at[:, 1]).round(2),
            "drives": np.bincount(mark, ends["ends"], len(first)).astype(int),
            "progress": mean(ends["progress"].astype(float)).round(1),
            "section": pd.Series(ends["section"][first], dtype=str),
            "iterations": pd.Series(
                [f"{low}" if low == high else f"{low} to {high}" for low, high in iterations], dtype=str
            ),
        }
    )


def _one_number(rows: np.ndarray) -> np.ndarray:
    """A number per row, the same for rows of the same whole numbers."""
    if not len(rows):
        return np.empty(0, dtype=int)
    rows = rows - rows.min(axis=0)
    return np.ravel_multi_index(tuple(rows.T), tuple(rows.max(axis=0) + 1))


def _draw_ends(
    x: alt.X, y: alt.Y, outlined: bool, kinds: tuple[str, ...], section: list[alt.Tooltip], of_training: bool
) -> alt.Chart:
    """Marks where drives ended early; outlined where cells wear their colour."""
    outline = {"stroke": "black", "strokeWidth": 0.8} if outlined else {}
    return (
        table("ends")
        .mark_point(filled=True, color=SLOW, opacity=1, **outline)
        .encode(
            x,
            y,
            shape=alt.Shape("how:N")
            .title("Ended early")
            .scale(domain=list(kinds), range=[_SHAPES.get(kind, "square") for kind in kinds])
            .legend(
                symbolSize=110,
                symbolFillColor=SLOW,
                symbolStrokeColor=SLOW,
                orient="bottom",
                direction="horizontal",
                titleOrient="left",
            ),
            size=alt.Size("drives:Q")
            .scale(type="sqrt", domain=[1, slot("most_ends")], range=[55, 300])
            .legend(None),
            tooltip=[
                alt.Tooltip("how:N", title="Ended"),
                alt.Tooltip("drives:Q", title="Drives", format=","),
                *section,
                # Evaluations know no iteration.
                *([alt.Tooltip("iterations:N", title="Iterations")] if of_training else []),
                alt.Tooltip("progress:Q", title="After (% of the track from its start, mean)", format=".0f"),
            ],
        )
    )


def _labels(answer: RewardMap) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Names of the sections beside the track, the one to work on next marked, and the start line."""
    track = answer.track
    if track is None:
        labels, start = beside_the_road(pd.DataFrame({"waypoint": [], "x": [], "y": []}), None, numbers=False)
        return labels.assign(next=False), start
    known = np.flatnonzero(~np.isnan(track.center).any(axis=1))
    x, y = track.center[known].T
    places = pd.DataFrame({"waypoint": known, "x": x, "y": y})
    room = _LABEL_ROOM if track.inner is not None else _LABEL_ROOM_UNKNOWN
    labels, start = beside_the_road(places, track, numbers=False, room=room)
    labels["next"] = labels["text"] == answer.next_turn
    return labels, start


def action_use_chart(answer: ActionUse) -> alt.LayerChart:
    """How often each action is taken: steering against speed, as the driver sees left and right.

    Parameters
    ----------
    answer : ActionUse
        Answer of `deepracer_viz.analysis.rewards.action_use`.

    Returns
    -------
    altair.LayerChart
        Discrete: a dot per action, the larger the more often it is taken, hollow where it was never taken. Continuous:
        squares coloured by the share of steps.
    """
    return action_use_sheet(answer).chart()


def action_use_sheet(answer: ActionUse) -> Sheet:
    """Return what :func:`action_use_chart` shows, quickly filled.

    Parameters
    ----------
    answer : ActionUse
        Answer of `deepracer_viz.analysis.rewards.action_use`.

    Returns
    -------
    Sheet
    """
    use = answer.table
    if answer.kind == "continuous":
        names = ("steering_from", "steering_to", "speed_from", "speed_to", "steering_angle", "speed", "share")
        cells = {name: np.round(use[name].to_numpy(dtype=float), 4) for name in names}
        cells["steps"] = use["steps"].to_numpy()
        return Sheet(_drawing_of_cells(), {"cells": pd.DataFrame(cells)}, {"title": _steps(answer.n)})
    dots = _dots(use)
    ticks = [sorted(set(use[name].dropna().round(2).tolist())) for name in ("steering_angle", "speed")]
    used = int(dots["used"].sum())
    return Sheet(
        _drawing_of_dots(*(len(values) <= _MOST_TICKS for values in ticks), used < len(dots)),
        {"actions": dots},
        {
            "title": f"{_steps(answer.n)}, {used} of {len(dots)} actions used",
            "angles": ticks[0],
            "speeds": ticks[1],
        },
    )


@functools.lru_cache(maxsize=8)
def _drawing_of_dots(tick_at_angles: bool, tick_at_speeds: bool, with_rings: bool) -> Drawing:
    """A dot per action with its share of the steps above it; ticks at the actions where they are few."""
    ticks = [
        {"values": slot(name)} if at_actions else {"tickCount": 5}
        for name, at_actions in (("angles", tick_at_angles), ("speeds", tick_at_speeds))
    ]
    # Room for the largest dot and its label at the edge.
    base = table("actions").encode(*_action_axes("steering_angle", "speed", 30, ticks))
    dots = base.encode(
        size=alt.Size("size:Q").scale(None).legend(None),
        tooltip=[alt.Tooltip("action:Q", title="Action"), *_action_tooltip()],
    )
    rings = dots.transform_filter("!datum.used").mark_point(color=NEUTRAL, strokeWidth=1.5)
    return _whole(
        dots.transform_filter("datum.used").mark_circle(color=MODELS[0], opacity=0.85),
        *([rings] if with_rings else []),
        base.mark_text(**_SILENT, baseline="bottom", dy=alt.expr("-3 - sqrt(datum.size / PI)")).encode(
            text="label:N"
        ),
    )


@functools.cache
def _drawing_of_cells() -> Drawing:
    """A rectangle per cell of steering and speed in which there were steps."""
    return _whole(
        table("cells")
        .mark_rect(x2Offset=-0.8, y2Offset=-0.8)
        .encode(
            *_action_axes("steering_from", "speed_from"),
            alt.X2("steering_to:Q"),
            alt.Y2("speed_to:Q"),
            alt.Color("share:Q")
            .title("Share of steps")
            .scale(scheme=_MIDDLE_OF_VIRIDIS)
            .legend(**_LEGEND, format="~%"),
            tooltip=_action_tooltip(),
        )
    )


def _whole(*layers: alt.Chart) -> Drawing:
    return drawing(
        alt.layer(*layers, width="container", height=330, title=alt.Title(slot("title")), usermeta=CANVAS)
    )


def _action_axes(
    steering: str,
    speed: str,
    padding: int = 0,
    ticks: tuple[dict, dict] = ({"tickCount": 5}, {"tickCount": 5}),
) -> tuple[alt.X, alt.Y]:
    """Axes of the actions; steering runs backwards, so that left is on the left."""
    scale = {"zero": False, "nice": False, "padding": padding}
    return (
        alt.X(f"{steering}:Q")
        .title("Steering")
        .axis(labelExpr=_SIDES, grid=False, **ticks[0])
        .scale(reverse=True, **scale),
        alt.Y(f"{speed}:Q").title("Commanded speed (m/s)").axis(grid=False, **ticks[1]).scale(**scale),
    )


def _action_tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("steering_angle:Q", title="Steering (°, left positive)", format="+.1f"),
        alt.Tooltip("speed:Q", title="Commanded speed (m/s)", format=".2f"),
        alt.Tooltip("steps:Q", title="Steps", format=","),
        alt.Tooltip("share:Q", title="Share of steps", format=".1%"),
    ]


def _dots(actions: pd.DataFrame) -> pd.DataFrame:
    """Size and label of the dot of each action; hollow where never taken."""
    steps, share = actions["steps"].to_numpy(), actions["share"].to_numpy(dtype=float)
    return pd.DataFrame(
        {
            **{name: actions[name].to_numpy() for name in ("action", "steering_angle", "speed", "steps")},
            "share": share,
            "size": 40 + 560 * share / max(share.max(initial=0), 1e-9),
            "used": steps > 0,
            "label": [
                _percent(part) if used else "never" for part, used in zip(share, steps > 0, strict=True)
            ],
        }
    )


def _percent(share: float) -> str:
    """A share that is above zero in few characters."""
    if share < 0.001:
        return "<0.1%"
    return f"{share:.1%}" if share < 0.01 else f"{share:.0%}"
