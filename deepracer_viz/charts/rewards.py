"""Where on the track the rewards are, where drives end, and which actions the car uses."""

import altair as alt
import numpy as np
import pandas as pd

from deepracer_viz.analysis.actions import ActionUse
from deepracer_viz.analysis.rewards import RewardMap
from deepracer_viz.charts.theme import CANVAS, FAST, MODELS, NEUTRAL, SLOW
from deepracer_viz.charts.trackmap import beside_the_road, border_lines, centre_line, map_axes

CLAMPED = (2, 98)
"""Percentiles of the cells' rewards at which the colours stop, so that one outlier does not wash the map out."""

_MAX_END_MARKS = 400  # more crosses than that hide the map
_LABEL_ROOM = 0.55  # m from the border to a name; drives end between the two
_LABEL_ROOM_UNKNOWN = 0.8  # m, where the border may be further away than assumed
_MAP_HEIGHT = (260, 560)  # px
_MAP_WIDTH = 720  # px that the map has on a laptop, to choose a height that suits the track
_HEADER = 120  # px of the height that titles and legends take

_MOST_TICKS = 9  # along an axis that has a tick at every action
_SIDES = "datum.value == 0 ? '0' : abs(datum.value) + (datum.value > 0 ? '° left' : '° right')"
_LEGEND = {"direction": "horizontal", "titleOrient": "left", "gradientLength": 130}
# The ends of viridis would be lost on black and on white.
_MIDDLE_OF_VIRIDIS = alt.SchemeParams(name="viridis", extent=[0.15, 0.88])
_CROSS = "M-1,-.6L-.6,-1L0,-.4L.6,-1L1,-.6L.4,0L1,.6L.6,1L0,.4L-.6,1L-1,.6L-.4,0Z"
_SILENT = {"tooltip": None}  # or the page shows whatever is in the data
_SHAPES = {"off_track": _CROSS, "crashed": "triangle-up", "reversed": "diamond"}


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
    cells = _cells(answer)
    marks = _end_marks(answer.ends if ends else answer.ends.head(0), answer.cell)
    borders, centre = border_lines(answer.track), centre_line(answer.track)
    labels, start = _labels(answer)
    has_borders = len(borders) > 0
    reach = pd.concat(
        [
            cells[["x", "y"]],
            cells[["x", "y"]] + answer.cell,
            *(frame[["x", "y"]] for frame in (borders, centre, labels, marks)),
        ]
    ).astype(float)
    low, high = (reach.min().fillna(-1), reach.max().fillna(1))
    x, y = map_axes((low["x"], high["x"]), (low["y"], high["y"]))
    height = _MAP_WIDTH * (high["y"] - low["y"]) / max(high["x"] - low["x"], 0.1)

    colour, clamped = _reward_colour(cells["reward"], answer.has_negative)
    opacity = (
        alt.Opacity("visits:Q")
        .scale(
            type="sqrt", domain=[0, max(float(cells["visits"].quantile(0.9)), 1)], range=[0.1, 1], clamp=True
        )
        .legend(None)
        if visits_as_opacity and len(cells)
        else alt.value(1)
    )
    overlap = 0.3 if visits_as_opacity else 0.8  # pixels
    lines = [
        f"{_steps(answer.drawn)}, squares of {100 * answer.cell:.3g} cm.",
        *([f"Colours stop at the {CLAMPED[0]}nd and {CLAMPED[1]}th percentile."] if clamped else []),
        *(["Fainter: fewer steps."] if visits_as_opacity else []),
        *(["Dashed: track rebuilt from the steps."] if answer.track is not None and not has_borders else []),
    ]
    return alt.layer(
        alt.Chart(cells)
        .transform_calculate(right=f"datum.x + {answer.cell}", top=f"datum.y + {answer.cell}")
        # A little over the edge, or a hairline shows between neighbours; where cells shine through, that is darker.
        .mark_rect(x2Offset=overlap, y2Offset=-overlap)
        .encode(
            x,
            y,
            alt.X2("right:Q"),
            alt.Y2("top:Q"),
            colour,
            opacity=opacity,
            tooltip=[
                *([alt.Tooltip("section:N", title="Section")] if cells["section"].any() else []),
                alt.Tooltip("reward:Q", title="Mean reward a step", format=",.3~r"),
                alt.Tooltip("visits:Q", title="Steps", format=","),
            ],
        ),
        alt.Chart(borders)
        .mark_line(color=NEUTRAL, strokeWidth=1.5, opacity=0.8, **_SILENT)
        .encode(x, y, alt.Detail("line:N"), alt.Order("point:Q")),
        alt.Chart(centre.head(0) if has_borders else centre)
        .mark_line(color=NEUTRAL, strokeWidth=1.5, strokeDash=[5, 4], **_SILENT)
        .encode(x, y, alt.Order("point:Q")),
        alt.Chart(start).mark_rule(strokeWidth=3, **_SILENT).encode(x, y, alt.X2("x2"), alt.Y2("y2")),
        *([_ends(marks, x, y, answer.has_negative)] if len(marks) else []),
        alt.Chart(labels)
        .mark_text(**_SILENT)
        .encode(
            x,
            y,
            text="text:N",
            size=alt.condition("datum.next", alt.value(18), alt.value(14)),
            color=alt.condition("datum.next", alt.value(SLOW), alt.value(NEUTRAL)),
        ),
        resolve=alt.Resolve(scale=alt.ScaleResolveMap(size="independent", opacity="independent")),
        width="container",
        height=round(float(np.clip(height, *_MAP_HEIGHT))) + _HEADER,
        title=alt.Title(lines),
        usermeta=CANVAS,
    )


def _steps(count: int) -> str:
    return f"{count:,} step" if count == 1 else f"{count:,} steps"


def _cells(answer: RewardMap) -> pd.DataFrame:
    """The columns to draw; x and y are the lower left corner of a cell."""
    cells = answer.cells[["x", "y", "reward", "visits", "section"]].copy()
    cells[["x", "y"]] = (cells[["x", "y"]] - answer.cell / 2).round(4)
    return cells.astype({"x": "float32", "y": "float32", "reward": "float32", "visits": "int32"})


def _reward_colour(rewards: pd.Series, has_negative: bool) -> tuple[alt.Color, bool]:
    """Colour of a reward, and whether some rewards lie beyond the ends of the scale."""
    rewards = rewards.dropna()
    colour = alt.Color("reward:Q").title("Mean reward a step")
    if rewards.empty:
        return colour.legend(None), False
    low, high = (float(value) for value in np.percentile(rewards, CLAMPED))
    if has_negative:
        high = max(abs(low), abs(high)) or float(rewards.abs().max()) or 1.0
        low = -high
    elif low == high:
        low, high = float(rewards.min()), float(rewards.max())
    clamped = bool(((rewards < low) | (rewards > high)).any())
    if low == high:
        # All the same: a scale of one value, drawn in the middle of the colours.
        return colour.scale(scheme=_MIDDLE_OF_VIRIDIS, domain=[low - 1, high + 1]).legend(
            **_LEGEND, values=[low], format=",.3~r"
        ), False
    scale = {"range": [SLOW, "#9a9a9a", FAST]} if has_negative else {"scheme": _MIDDLE_OF_VIRIDIS}
    ticks = [low, 0, high] if has_negative else [low, (low + high) / 2, high]
    return (
        colour.scale(
            domain=[low, 0, high] if has_negative else [low, high], clamp=True, nice=False, **scale
        ).legend(**_LEGEND, values=ticks, format=",.2~r"),
        clamped,
    )


def _end_marks(ends: pd.DataFrame, cell: float) -> pd.DataFrame:
    """Places where drives ended early: neighbouring ends of one kind share a mark, so that the map stays seen."""
    ends = ends[["x", "y", "end_status", "iteration", "progress", "section", "ends"]].dropna(
        subset=["x", "y"]
    )
    ends = ends.assign(how=ends["end_status"].astype(str).str.replace("_", " "))
    edge = max(cell, 0.1)
    while True:
        column, row = ((ends[name].astype(float) / edge).round().astype(int) for name in ("x", "y"))
        groups = ends.groupby(["how", column.rename("column"), row.rename("row")], sort=False)
        if groups.ngroups <= _MAX_END_MARKS:
            break
        edge *= 1.5
    marks = groups.agg(
        x=("x", "mean"),
        y=("y", "mean"),
        drives=("ends", "sum"),
        first=("iteration", "min"),
        last=("iteration", "max"),
        progress=("progress", "mean"),
        section=("section", "first"),
    ).reset_index("how")
    marks = marks.astype({"x": float, "y": float, "progress": float})
    first, last = (marks[name].astype(str) for name in ("first", "last"))
    marks["iterations"] = np.where(first == last, first, first + " to " + last)
    return marks.drop(columns=["first", "last"]).round({"x": 2, "y": 2, "progress": 1}).reset_index(drop=True)


def _ends(marks: pd.DataFrame, x: alt.X, y: alt.Y, outlined: bool) -> alt.Chart:
    """Marks where drives ended early; outlined where cells wear their colour."""
    outline = {"stroke": "black", "strokeWidth": 0.8} if outlined else {}
    kinds = sorted(marks["how"].unique())
    shapes = [_SHAPES.get(kind.replace(" ", "_"), "square") for kind in kinds]
    return (
        alt.Chart(marks)
        .mark_point(filled=True, color=SLOW, opacity=1, **outline)
        .encode(
            x,
            y,
            shape=alt.Shape("how:N")
            .title("Ended early")
            .scale(domain=kinds, range=shapes)
            .legend(
                symbolSize=110,
                symbolFillColor=SLOW,
                symbolStrokeColor=SLOW,
                orient="bottom",
                direction="horizontal",
                titleOrient="left",
            ),
            size=alt.Size("drives:Q")
            .scale(type="sqrt", domain=[1, max(int(marks["drives"].max()), 10)], range=[55, 300])
            .legend(None),
            tooltip=[
                alt.Tooltip("how:N", title="Ended"),
                alt.Tooltip("drives:Q", title="Drives", format=","),
                *([alt.Tooltip("section:N", title="Section")] if marks["section"].any() else []),
                # Evaluations know no iteration.
                *(
                    [alt.Tooltip("iterations:N", title="Iterations")]
                    if (marks["iterations"] != "-1").any()
                    else []
                ),
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
    places = pd.DataFrame(
        {"waypoint": range(len(track.center)), "x": track.center[:, 0], "y": track.center[:, 1]}
    )
    room = _LABEL_ROOM if track.inner is not None else _LABEL_ROOM_UNKNOWN
    labels, start = beside_the_road(places.dropna(), track, numbers=False, room=room)
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
    if answer.kind == "continuous":
        layers, used = _action_cells(answer.table), ""
    else:
        layers = _action_dots(answer.table)
        used = f", {int((answer.table['steps'] > 0).sum())} of {len(answer.table)} actions used"
    return alt.layer(
        *layers,
        width="container",
        height=330,
        title=alt.Title(f"{_steps(answer.n)}{used}"),
        usermeta=CANVAS,
    )


def _action_axes(
    steering: str, speed: str, padding: int = 0, at: pd.DataFrame | None = None
) -> tuple[alt.X, alt.Y]:
    """Axes of the actions; steering runs backwards, so that left is on the left. Ticks at actions where few."""
    ticks = [{"tickCount": 5}, {"tickCount": 5}]
    for place, name in enumerate(() if at is None else (steering, speed)):
        values = sorted(set(at[name].dropna().round(2).tolist()))
        if len(values) <= _MOST_TICKS:
            ticks[place] = {"values": values}
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


def _action_dots(actions: pd.DataFrame) -> list[alt.Chart]:
    """A dot per action with its share of the steps above it; hollow where never taken."""
    table = actions[["action", "steering_angle", "speed", "steps", "share"]].astype({"share": float})
    table["size"] = 40 + 560 * table["share"] / max(float(table["share"].max()), 1e-9) if len(table) else 0.0
    table["used"] = table["steps"] > 0
    table["label"] = [
        _percent(share) if used else "never" for share, used in table[["share", "used"]].to_numpy()
    ]
    # Room for the largest dot and its label at the edge.
    base = alt.Chart(table).encode(*_action_axes("steering_angle", "speed", 30, table))
    dots = base.encode(
        size=alt.Size("size:Q").scale(None).legend(None),
        tooltip=[alt.Tooltip("action:Q", title="Action"), *_action_tooltip()],
    )
    return [
        dots.transform_filter("datum.used").mark_circle(color=MODELS[0], opacity=0.85),
        dots.transform_filter("!datum.used").mark_point(color=NEUTRAL, strokeWidth=1.5),
        base.mark_text(**_SILENT, baseline="bottom", dy=alt.expr("-3 - sqrt(datum.size / PI)")).encode(
            text="label:N"
        ),
    ]


def _percent(share: float) -> str:
    """A share that is above zero in few characters."""
    if share < 0.001:
        return "<0.1%"
    return f"{share:.1%}" if share < 0.01 else f"{share:.0%}"


def _action_cells(cells: pd.DataFrame) -> list[alt.Chart]:
    """A rectangle per cell of steering and speed in which there were steps."""
    return [
        alt.Chart(cells.drop(columns="action").round(4))
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
    ]
