"""Charts of one drive: its line on the track, and what the car did along it, beside another lap."""

import functools

import altair as alt
import numpy as np
import pandas as pd

from deepracer_viz.analysis.lap import LapTrace, beside
from deepracer_viz.charts.sheet import Drawing, Sheet, drawing, inside, slot, table
from deepracer_viz.charts.theme import CANVAS, MODELS, NEUTRAL, SLOW, slow_to_fast
from deepracer_viz.charts.trackmap import border_lines, reach_of_map, square_axes
from deepracer_viz.track import Track

HEIGHT = 520

STEPS = 2000
"""Steps drawn of a drive at most; of a longer one every second, third ... is drawn, and the subtitle says so."""

_GAP = 0.03  # share of the height between two strips

_STRIPS = {
    "true_speed": "Speed (m/s)",
    "steering_angle": "Steering (°)",
    "reward": "Reward",
    "progress": "Progress (%)",
}
"""Title of each strip, from the top."""


def lap_map_chart(trace: LapTrace, track: Track | None = None, other: LapTrace | None = None, step: int = 0):
    """Draw the driven line on the track, a dot per step coloured by true speed.

    Parameters
    ----------
    trace : LapTrace
        Answer of `deepracer_viz.analysis.lap.lap_trace`.
    track : Track, optional
        Its borders are drawn where they are known.
    other : LapTrace, optional
        A lap whose line is drawn beside it, dashed.
    step : int
        The step at which the car is marked.

    Returns
    -------
    altair.LayerChart
        As wide as its container.
    """
    return lap_map_sheet(trace, track, other, step).chart()


def lap_map_sheet(
    trace: LapTrace, track: Track | None = None, other: LapTrace | None = None, step: int = 0
) -> Sheet:
    """Return what :func:`lap_map_chart` shows, quickly filled.

    Parameters
    ----------
    trace, track, other, step
        As for :func:`lap_map_chart`.

    Returns
    -------
    Sheet
    """
    columns = ["step", "time", "x", "y", "true_speed", "steering_angle", "reward", "progress", "section"]
    steps, every = _thinned(trace.steps)
    line = steps[columns].round(dict.fromkeys(columns[1:8], 3))
    others = (
        (trace if other is None else other).steps[["x", "y"]].iloc[: 0 if other is None else None].round(3)
    )
    borders = border_lines(track)
    ends = pd.concat([part[["x", "y"]] for part in (line, others, borders)])
    spans = [(ends[name].min(), ends[name].max()) if len(ends) else (0.0, 1.0) for name in "xy"]
    marks = line.iloc[[0, -1]] if len(line) else line
    return Sheet(
        _map(other is not None),
        {
            "line": line,
            "other": others.assign(order=np.arange(len(others))),
            "borders": borders,
            "ends": marks.assign(end=["start", "end"][: len(marks)])[["x", "y", "end"]],
            "here": _here(trace, step)[columns],
        },
        reach_of_map(*spans) | {"title": _subtitle(trace, other, every)},
    )


def lap_chart(trace: LapTrace, other: LapTrace | None = None, step: int = 0):
    """Draw speed, steering, reward and progress along the track, one strip each.

    Parameters
    ----------
    trace : LapTrace
        Answer of `deepracer_viz.analysis.lap.lap_trace`.
    other : LapTrace, optional
        A lap on the same track, drawn beside it, dashed.
    step : int
        The step that is marked.

    Returns
    -------
    altair.LayerChart
        As wide as its container; the selection of a place is named "step".
    """
    return lap_sheet(trace, other, step).chart()


def lap_sheet(trace: LapTrace, other: LapTrace | None = None, step: int = 0) -> Sheet:
    """Return what :func:`lap_chart` shows, quickly filled.

    Parameters
    ----------
    trace, other, step
        As for :func:`lap_chart`.

    Returns
    -------
    Sheet
    """
    steps, _ = _thinned(trace.steps)
    columns = ["step", "time", "along", *_STRIPS, "speed", "waypoint", "section"]
    line = steps[columns].round(dict.fromkeys(["time", "along", *_STRIPS, "speed"], 3))
    if other is None:
        others = line.iloc[:0].assign(lap=0)
    else:
        others, _ = _thinned(beside(trace, other))
    # Progress counts from each drive's own start: that of another one says nothing here.
    others = others[["along", "lap", *_STRIPS]].round(3).assign(progress=np.nan)
    known = line["along"].dropna()
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    return Sheet(
        _strips(other is not None),
        {"line": line, "other": others, "here": _here(trace, step)[columns]},
        # Past the start line the metres begin anew.
        {"low": low, "high": max(high, low + 1e-3), "length": round(trace.length or 1e9, 3)},
    )


def _thinned(steps: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    every = -(-len(steps) // STEPS) or 1
    return steps.iloc[::every], every


def _here(trace: LapTrace, step: int) -> pd.DataFrame:
    return trace.steps.iloc[min(step, len(trace.steps) - 1) :].head(1)


def _subtitle(trace: LapTrace, other: LapTrace | None, every: int) -> list[str]:
    what = f"lap of {trace.time:.3f} s" if trace.complete else f"drive of {trace.time:.1f} s, not finished"
    lines = [
        f"{len(trace.steps):,} steps, {what}" + (f"; every {every}th step is drawn" if every > 1 else "")
    ]
    if other is not None:
        lines.append(f"Dashed: lap of {other.time:.3f} s")
    return lines


def _tooltip() -> dict:
    # The areas by which a chart finds the nearest step hold that step as their own "datum".
    step = "(datum.datum || datum)"
    told = [
        f"'Step': format({step}.step, 'd')",
        f"'Time (s)': format({step}.time, '.2f')",
        f"'Section': {step}.section",
        f"'Steering (°, left positive)': format({step}.steering_angle, '+.1f')",
        f"'Reward': format({step}.reward, '.3g')",
        f"'Progress (%)': format({step}.progress, '.1f')",
    ]
    # A drive of one step has no speed, of which the tooltip would say "null".
    speed = f"isValid({step}.true_speed) ? {{'True speed (m/s)': format({step}.true_speed, '.2f')}} : {{}}"
    return alt.value(alt.expr(f"merge({{{', '.join(told)}}}, {speed})"))


@functools.lru_cache(maxsize=2)
def _map(with_other: bool) -> Drawing:
    x, y = square_axes()
    colour = slow_to_fast("True speed (m/s)", "true_speed")
    other = (
        table("other")
        .mark_line(color=NEUTRAL, strokeDash=[5, 4], strokeWidth=1.5)
        .encode(x, y, alt.Order("order:Q"))
    )
    ends = {"domain": ["start", "end"], "range": ["triangle-right", "cross"]}
    return drawing(
        alt.layer(
            table("borders")
            .mark_line(color=NEUTRAL, strokeWidth=1, opacity=0.6)
            .encode(x, y, alt.Detail("line:N"), alt.Order("point:Q")),
            *([other] if with_other else []),
            table("line").mark_line(color=NEUTRAL, strokeWidth=1).encode(x, y, alt.Order("step:Q")),
            table("line").mark_circle(size=55, opacity=1).encode(x, y, colour, tooltip=_tooltip()),
            table("ends")
            .mark_point(color=NEUTRAL, filled=True, size=150, opacity=1)
            .encode(
                x,
                y,
                shape=alt.Shape("end:N").scale(**ends).legend(None),
                tooltip=alt.Tooltip("end:N", title="This is the"),
            ),
            table("here")
            .mark_point(color=SLOW, size=320, strokeWidth=3, opacity=1)
            .encode(x, y, tooltip=_tooltip()),
        ).properties(width="container", height=HEIGHT, title=alt.Title(slot("title")), usermeta=CANVAS)
    )


@functools.lru_cache(maxsize=2)
def _strips(with_other: bool) -> Drawing:
    along = (
        alt.X("along:Q")
        .title("Metres along the track, from the start line")
        .scale(domain=[slot("low"), slot("high")], nice=False)
        .axis(grid=False, labelExpr=f"format(datum.value % {inside('length')}, '.0f')")
    )
    pick = alt.selection_point(name="step", fields=["step"], on="click", nearest=True, empty=False)
    strips = []
    for number, (name, title) in enumerate(_STRIPS.items()):
        top, bottom = number / len(_STRIPS), (number + 1) / len(_STRIPS) - _GAP
        y = (
            alt.Y(f"{name}:Q")
            .title(title)
            .scale(
                range=[alt.expr(f"height * {bottom}"), alt.expr(f"height * {top}")], zero=name == "progress"
            )
            .axis(orient="left", tickCount=4)
        )
        other = (
            table("other")
            .mark_line(color=NEUTRAL, strokeDash=[5, 4], strokeWidth=1.5)
            .encode(along, y, alt.Detail("lap:N"), alt.Order("along:Q"))
        )
        lines = [
            table("line").mark_line(color=MODELS[0], strokeWidth=1.5).encode(along, y, alt.Order("step:Q")),
            table("line").mark_circle(size=60, opacity=0).encode(along, y, tooltip=_tooltip()),
            table("here").mark_point(color=SLOW, size=120, strokeWidth=2, opacity=1).encode(along, y),
        ]
        if name == "true_speed":
            commanded = table("line").mark_line(
                color=MODELS[0], strokeWidth=1, opacity=0.5, interpolate="step-after"
            )
            lines.insert(0, commanded.encode(along, alt.Y("speed:Q"), alt.Order("step:Q")))
            lines[2] = lines[2].add_params(pick)
        strips.append(alt.layer(*([other] if with_other else []), *lines))
    here = table("here").mark_rule(color=SLOW, strokeWidth=1, opacity=0.6).encode(along)
    return drawing(
        alt.layer(here, *strips).resolve_scale(y="independent").properties(width="container", height=HEIGHT)
    )
