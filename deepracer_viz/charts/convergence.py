"""Charts of the training's progress over its iterations: what it learnt, how it was rewarded, how it was updated.

The three charts share their horizontal axis and keep the same room beside it, so that they line up below one
another on a page.
"""

import functools
from dataclasses import dataclass

import altair as alt
import numpy as np
import pandas as pd

from deepracer_viz.analysis.convergence import TrainingProgress
from deepracer_viz.analysis.intervals import wilson_interval
from deepracer_viz.charts.sheet import Drawing, Sheet, drawing, inside, slot, table
from deepracer_viz.charts.theme import (
    BAND_OPACITY,
    ENTROPY,
    ENTROPY_TEXT,
    FAST,
    MODELS,
    NEUTRAL,
    ON_MARK,
    TEXT,
)

SERIES = {
    "entropy": ("Entropy", ENTROPY, [1, 0]),
    "progress_mean": ("Mean progress", MODELS[0], [1, 0]),
    "progress_min": ("Least progress", MODELS[0], [2, 3]),
    "progress_max": ("Greatest progress", MODELS[0], [7, 4]),
    "completion": ("Completed laps", FAST, [1, 0]),
    "reward_scaled": ("Total reward, scaled", NEUTRAL, [1, 0]),
}
"""Measures of :func:`training_progress_chart`: what a person calls them, their colour and their dash."""

REWARDS = {"reward_mean": "Mean reward of a drive", "reward_total": "Total reward of an iteration"}
"""Measures of :func:`reward_chart` and what a person calls them."""

MAX_POINTS = 250
"""More iterations than this are drawn in blocks of equal size, each as the mean of its iterations."""

_TOLD = {
    "progress_mean": ("Mean progress (%)", "{:.0f}"),
    "progress_min": ("Least progress (%)", "{:.0f}"),
    "progress_max": ("Greatest progress (%)", "{:.0f}"),
    "reward_mean": ("Mean reward of a drive", "{:,.2f}"),
    "reward_total": ("Total reward", "{:,.1f}"),
    "lap_mean": ("Mean lap (s)", "{:.2f}"),
    "entropy": ("Entropy", "{:.3f}"),
    "policy_loss": ("Policy loss", "{:.4f}"),
    "kl_divergence": ("KL divergence", "{:.4f}"),
}
"""What hovering an iteration tells beside its drives and laps, and how."""

_UPDATES = {"policy_loss": ("Policy loss", 0, 0.45), "kl_divergence": ("KL divergence", 0.55, 1)}
"""Panels of :func:`policy_update_chart`, each from one share of the height to another."""

_EVALUATION = "Evaluations finished"
_POINTS = 60  # up to so many iterations, each has a point on its thin lines
_SIDE = 44  # px from the plot to the title of an axis, the same in all charts
_AXIS = _SIDE + 29  # px of an axis with its title on the page
_ROW = 18  # px of a row of badges or of the legend
_ENTRY, _NAMED = 148, 330  # px that an entry of the legend and the name of a marker need
_BESIDE = 4  # px that an evaluation stands to the right of the training drives of its checkpoint
_CROWDED = 14  # a row has room for so many badges, on a phone too


@dataclass(frozen=True)
class _Layout:
    """What one drawing has of its own beside figures and words; few different ones, for each is drawn anew."""

    height: int
    told: tuple[str, ...]  # keys of _TOLD that have a figure
    every_tick: bool  # so few iterations that each has its tick
    dots: int  # size of the points on thin lines, 0 without
    smoothed: bool  # the moving average differs from the series itself
    converged: bool


def training_progress_chart(
    answer: TrainingProgress,
    shown=tuple(SERIES),
    evaluations: bool = True,
    height: int = 560,
    jobs: pd.DataFrame | None = None,
) -> alt.LayerChart | alt.Chart:
    """Draw entropy (left axis) against progress, completed laps and scaled reward (right axis, percent).

    Every series is there twice: thin as it was, bold as its moving average. Numbered badges are the
    markers; their names stand above the plot. Diamonds with their intervals are the
    evaluation drives of the checkpoints. The shaded band is the interval of the iteration at which the
    training converged, the line in it the estimate.

    Parameters
    ----------
    answer : TrainingProgress
        From `deepracer_viz.analysis.convergence.training_progress`.
    shown : sequence of str
        Keys of `SERIES` to draw; markers of the others are left out with them.
    evaluations : bool
        Draw the evaluation drives too.
    height : int
        Height of the chart (px).
    jobs : pandas.DataFrame, optional
        As `TrainingRun.jobs`: where a clone goes on is marked.

    Returns
    -------
    altair.LayerChart or altair.Chart
        A single view as wide as its container; a sentence in its place without iterations.
    """
    return training_progress_sheet(answer, shown, evaluations, height, jobs).chart()


def training_progress_sheet(
    answer: TrainingProgress,
    shown=tuple(SERIES),
    evaluations: bool = True,
    height: int = 560,
    jobs: pd.DataFrame | None = None,
) -> Sheet:
    """Return what :func:`training_progress_chart` shows, quickly filled.

    Parameters
    ----------
    answer, shown, evaluations, height, jobs
        As of :func:`training_progress_chart`.

    Returns
    -------
    Sheet
    """
    if answer.iterations.empty:
        return _note("No iteration to show")
    blocks = _blocks(answer.iterations)
    layout, tables, values = _common(answer, blocks, height)
    there = tuple(key for key in SERIES if key in shown and _known(blocks[key]))
    evaluated = evaluations and not answer.evaluations.empty
    badges = _badges(answer, there)
    left, right = (tuple(key for key in there if (key == "entropy") == own) for own in (True, False))
    tables |= {"left": _lines(blocks, left, layout.smoothed)} if left else {}
    tables |= {"right": _lines(blocks, right, layout.smoothed)} if right else {}
    tables |= {"evaluations": _evaluations(answer.evaluations)} if evaluated else {}
    tables |= {"badges": badges} if len(badges) else {}
    seams = _seams(jobs, answer)
    tables |= {"seams": seams} if len(seams) else {}
    if there or evaluated:
        entries = [series for series, _, _ in _legend(there, evaluated)]
        tables["legend"] = pd.DataFrame({"series": entries, "entry": range(len(entries))})
    values |= {
        "badges": len(badges),
        "rows": int(badges["row"].max()) + 1 if len(badges) else 0,
        "said": _said(answer, len(blocks["iteration"])),
    }
    return Sheet(_progress(layout, there, evaluated, len(badges) > 0, len(seams) > 0), tables, values)


@functools.lru_cache(maxsize=32)
def _progress(
    layout: _Layout, there: tuple[str, ...], evaluated: bool, marked: bool, joined: bool
) -> Drawing:
    x = _x(layout)
    room = {"minExtent": _SIDE, "maxExtent": _SIDE}
    percent = (
        alt.Y("value:Q")
        .title("Percent")
        .scale(domain=[0, 100], range=[alt.expr("height"), alt.expr("plot_top")])
        .axis(orient="right", grid=True, values=[0, 20, 40, 60, 80, 100], **room)
    )
    entropy = (
        alt.Y("value:Q")
        .title("Entropy")
        .scale(zero=False, range=[alt.expr("height"), alt.expr("plot_top")])
        .axis(
            orient="left",
            grid=False,
            tickCount=6,
            titleColor=alt.expr(ENTROPY_TEXT),
            labelColor=alt.expr(ENTROPY_TEXT),
            **room,
        )
    )
    legend = _legend(there, evaluated)
    entries = [series for series, _, _ in legend]
    looks = [
        channel("series:N").scale(domain=entries, range=look).legend(None)
        for channel, look in (
            (alt.Color, [colour for _, colour, _ in legend]),
            (alt.StrokeDash, [dash for _, _, dash in legend]),
        )
    ]
    left, right = "entropy" in there, any(key != "entropy" for key in there)
    return drawing(
        alt.layer(
            *_converged(layout, x),
            *(_where_jobs_begin(layout) if joined else []),
            *([_series("left", x, entropy, looks, layout)] if left else []),
            *([_series("right", x, percent, looks, layout)] if right else []),
            _hover(layout, x, top="plot_begin"),
            *([_diamonds(x, _unseen(percent) if right else percent)] if evaluated else []),
            *(_markers(x, percent) if marked else []),
            *(_legend_marks(looks) if len(legend) else []),
            params=_division(len(legend)),
        )
        .resolve_scale(y="independent")
        .properties(
            height=layout.height,
            width="container",
            title=alt.Title(slot("said")),
            # Where there is no axis, the legend takes a part of its room on the left; none on the right, so short.
            padding=_padding(
                _AXIS if left else _SIDE if len(legend) else 0, _AXIS if right or evaluated else 0
            ),
        )
    )


def reward_chart(
    answer: TrainingProgress, measure: str = "reward_mean", height: int = 300
) -> alt.LayerChart | alt.Chart:
    """Draw the reward in its own units, above the number of drives and laps behind each point.

    Parameters
    ----------
    answer : TrainingProgress
        From `deepracer_viz.analysis.convergence.training_progress`.
    measure : str
        Key of `REWARDS`: ``"reward_mean"`` or ``"reward_total"``.
    height : int
        Height of the chart (px).

    Returns
    -------
    altair.LayerChart or altair.Chart
        A single view as wide as its container; a sentence in its place without iterations.
    """
    return reward_sheet(answer, measure, height).chart()


def reward_sheet(answer: TrainingProgress, measure: str = "reward_mean", height: int = 300) -> Sheet:
    """Return what :func:`reward_chart` shows, quickly filled.

    Parameters
    ----------
    answer, measure, height
        As of :func:`reward_chart`.

    Returns
    -------
    Sheet
    """
    if answer.iterations.empty:
        return _note("No iteration to show")
    blocks = _blocks(answer.iterations)
    layout, tables, values = _common(answer, blocks, height)
    tables["reward"] = pd.DataFrame(
        {"iteration": blocks["iteration"], "value": blocks[measure]}
        | ({"smooth": blocks[f"{measure}_smooth"]} if layout.smoothed else {})
    )
    values["said"] = [f"Line: {REWARDS[measure].lower()}", "Bars: drives (grey), laps among them (green)"]
    return Sheet(_reward(layout, _large(blocks[measure]), _large(blocks["episodes"])), tables, values)


@functools.lru_cache(maxsize=16)
def _reward(layout: _Layout, large: bool, many: bool) -> Drawing:
    x = _x(layout)
    bars = table("iterations").encode(x)
    wide = alt.expr(f"clamp(0.7 * {_PIXELS}, 1, 60)")
    return drawing(
        alt.layer(
            *_converged(layout, x, label=False),
            _series(
                "reward", x, _panel("value", "Reward", large, 0, 0.62), [alt.Color(value=NEUTRAL)], layout
            ),
            alt.layer(
                bars.mark_bar(color=NEUTRAL, opacity=0.35, width=wide).encode(
                    _panel("episodes", "Drives, laps", many, 0.72, 1, zero=True)
                ),
                bars.mark_bar(color=MODELS[0], width=wide).encode(alt.Y("laps:Q")),
            ),
            _hover(layout, x),
        )
        .resolve_scale(y="independent")
        .properties(
            height=layout.height,
            width="container",
            title=alt.Title(slot("said")),
            padding=_padding(_AXIS, 0),
        )
    )


def policy_update_chart(answer: TrainingProgress, height: int = 260) -> alt.LayerChart | alt.Chart:
    """Draw policy loss and KL divergence of the updates, as means over the epochs of each iteration.

    Parameters
    ----------
    answer : TrainingProgress
        From `deepracer_viz.analysis.convergence.training_progress`.
    height : int
        Height of the chart (px).

    Returns
    -------
    altair.LayerChart or altair.Chart
        A single view as wide as its container; a sentence in its place without policy updates.
    """
    return policy_update_sheet(answer, height).chart()


def policy_update_sheet(answer: TrainingProgress, height: int = 260) -> Sheet:
    """Return what :func:`policy_update_chart` shows, quickly filled.

    Parameters
    ----------
    answer, height
        As of :func:`policy_update_chart`.

    Returns
    -------
    Sheet
    """
    there = [key for key in _UPDATES if _known(answer.iterations[key].to_numpy())]
    if not there:
        return _note("No policy update to show")
    blocks = _blocks(answer.iterations)
    layout, tables, values = _common(answer, blocks, height)
    tables["updates"] = pd.DataFrame({key: blocks[key] for key in ("iteration", *there)})
    return Sheet(_policy(layout, tuple((key, _large(blocks[key])) for key in there)), tables, values)


@functools.lru_cache(maxsize=16)
def _policy(layout: _Layout, panels: tuple[tuple[str, bool], ...]) -> Drawing:
    x = _x(layout)
    lines = table("updates").mark_line(color=ENTROPY, point=_dots(layout, ENTROPY)).encode(x)
    axes = []
    for key, large in panels:
        title, begin, end = _UPDATES[key]
        axes.append(_panel(key, title, large, begin, end))
    return drawing(
        alt.layer(*(lines.encode(axis) for axis in axes), _hover(layout, x))
        .resolve_scale(y="independent")
        .properties(
            height=layout.height,
            width="container",
            title="Mean over the epochs of each iteration",
            padding=_padding(_AXIS, 0),
        )
    )


def _blocks(iterations: pd.DataFrame) -> dict[str, np.ndarray]:
    """Columns of one row per iteration, or per block of them where there are more than can be told apart."""
    columns = {name: column.to_numpy() for name, column in iterations.items()}
    columns |= {"iteration_from": columns["iteration"], "iteration_to": columns["iteration"]}
    columns["checkpoint_to"] = columns["checkpoint"]
    size = _block_size(iterations)
    if size > 1:
        columns = {name: _of_blocks(name, column, size) for name, column in columns.items()}
    for name in ("completion", "completion_smooth"):
        columns[name] = columns[name] * 100
    return columns


def _block_size(rows: pd.DataFrame) -> int:
    return -(-len(rows) // MAX_POINTS) or 1


def _of_blocks(name: str, column: np.ndarray, size: int) -> np.ndarray:
    """Mean of every so many rows, or what else sums up that column; missing ones do not count."""
    begins = np.arange(0, len(column), size)
    if name in ("episodes", "laps", "drives"):
        return np.add.reduceat(column, begins)
    if name in ("progress_min", "iteration_from", "checkpoint"):
        return np.fmin.reduceat(column, begins)
    if name in ("progress_max", "iteration_to", "checkpoint_to"):
        return np.fmax.reduceat(column, begins)
    known = ~np.isnan(column)
    count = np.add.reduceat(known, begins, dtype=int)
    total = np.add.reduceat(np.where(known, column, 0), begins)
    return np.divide(total, count, out=np.full(len(begins), np.nan), where=count > 0)


def _common(
    answer: TrainingProgress, blocks: dict[str, np.ndarray], height: int
) -> tuple[_Layout, dict[str, pd.DataFrame], dict[str, object]]:
    """Layout, tables and values that all three charts have."""
    first, last = _span(answer)
    told = tuple(key for key in _TOLD if _known(blocks[key]))
    points = len(blocks["iteration"])
    layout = _Layout(
        height=height,
        told=told,
        every_tick=last - first < 10,
        dots=0 if points > _POINTS else 18 if points > 3 else 70,
        smoothed=_bold(answer),
        converged=answer.converged_at is not None,
    )
    size = int((blocks["iteration_to"] - blocks["iteration_from"]).max()) + 1
    values = {
        "first": first - 0.5,
        "last": last + 0.5,
        "ticks": list(range(first, last + 1)) if layout.every_tick else [],
        "share": round(size / (last - first + 1), 6),
    }
    tables = {"iterations": _iterations(blocks, told)}
    if layout.converged:
        right = answer.converged_at > (first + last) / 2
        values |= {"side": "right" if right else "left", "beside": -6 if right else 6}
        tables["converged"] = _place(answer, first)
    return layout, tables, values


def _known(column: np.ndarray) -> bool:
    return not np.isnan(column).all()


def _large(column: np.ndarray) -> bool:
    """Whether the numbers beside an axis need a letter for thousands."""
    return bool(np.fmax.reduce(np.abs(column), initial=0) >= 10_000)


def _lines(blocks: dict[str, np.ndarray], keys: tuple[str, ...], smoothed: bool) -> pd.DataFrame:
    """One row per point of each series: the value as it was, and smoothed."""

    def column(name: str) -> np.ndarray:
        return np.concatenate([blocks[key + name] for key in keys]).astype("float32")

    points = len(blocks["iteration"])
    return pd.DataFrame(
        {
            "iteration": np.tile(blocks["iteration"].astype("float32"), len(keys)),
            "series": [SERIES[key][0] for key in keys for _ in range(points)],
            "value": column(""),
        }
        | ({"smooth": column("_smooth")} if smoothed else {})
    )


def _span(answer: TrainingProgress) -> tuple[int, int]:
    """First and last iteration of the axis; the checkpoint saved last is evaluated, and drives none."""
    iterations = np.concatenate(
        [answer.iterations["iteration"].to_numpy(), answer.evaluations["iteration"].to_numpy()]
    )
    return int(iterations.min()), int(iterations.max())


def _x(layout: _Layout, field: str = "iteration") -> alt.X:
    # Left to itself, an axis of very few iterations gets ticks at halves.
    ticks = slot("ticks") if layout.every_tick else alt.Undefined
    return (
        alt.X(f"{field}:Q")
        .title("Iteration")
        .scale(domain=[slot("first"), slot("last")], nice=False, zero=False)
        .axis(format="d", values=ticks, grid=False)
    )


_PIXELS = f"width * {inside('share')}"
"""Width of an iteration, or of a block of them, as an expression."""


def _panel(key: str, title: str, large: bool, begin: float, end: float, zero: bool = False) -> alt.Y:
    """Left axis of a part of the view, from one share of its height to another."""
    return (
        alt.Y(f"{key}:Q")
        .title(title)
        .scale(zero=zero, range=[alt.expr(f"{end} * height"), alt.expr(f"{begin} * height")])
        .axis(
            orient="left",
            minExtent=_SIDE,
            maxExtent=_SIDE,
            tickCount=4,
            tickMinStep=1 if zero else alt.Undefined,
            format=".3~s" if large else alt.Undefined,
            grid=False,
        )
    )


def _padding(left: int, right: int) -> dict[str, int]:
    """Fill up the room of an axis on either side, of which so much is in use, so that the charts line up."""
    return {"left": 5 + _AXIS - left, "right": 5 + _AXIS - right, "top": 5, "bottom": 5}


def _division(entries: int) -> list[alt.VariableParameter]:
    """Divide the view from the top: legend, names of the markers, the words on convergence, badges, plot.

    Drawn and not left to the legend of the chart, which would be cut on a narrow screen, and which cannot
    show colour, dash and shape of a series in one symbol.
    """
    badges = inside("badges")
    expressions = {
        "room": f"width + {2 * _SIDE}",
        "legend_columns": f"clamp(floor(room / {_ENTRY}), 1, {max(entries, 1)})",
        "names_columns": f"clamp(floor(room / {_NAMED}), 1, max({badges}, 1))",
        "names_top": f"{_ROW} * ceil({entries} / legend_columns)",
        "plot_begin": f"names_top + {_ROW} * ceil({badges} / names_columns) + 6",
        "badges_top": f"plot_begin + {_ROW}",
        "plot_top": f"badges_top + {_ROW} * {inside('rows')} + 6",
    }
    return [alt.VariableParameter(name=name, expr=expression) for name, expression in expressions.items()]


def _legend(there: tuple[str, ...], evaluated: bool) -> list[tuple[str, str, list[int]]]:
    """Entries of the legend: series, colour and dash."""
    return [SERIES[key] for key in there] + [(_EVALUATION, FAST, [1, 0])] * evaluated


def _legend_marks(looks) -> list[alt.Chart]:
    """Draw the legend in as many columns as there is room for."""
    left = f"(datum.entry % legend_columns) * room / legend_columns - {_SIDE - 2}"
    y = alt.value(alt.expr(f"(floor(datum.entry / legend_columns) + 0.5) * {_ROW}"))
    base = table("legend").encode(y=y, tooltip=alt.value(None))
    line = base.transform_filter(f"datum.series != '{_EVALUATION}'")
    return [
        line.mark_rule(strokeWidth=3).encode(
            *looks, x=alt.value(alt.expr(left)), x2=alt.value(alt.expr(f"{left} + 20"))
        ),
        base.transform_filter(f"datum.series == '{_EVALUATION}'")
        .mark_point(shape="diamond", size=45, strokeWidth=2, opacity=1, color=FAST)
        .encode(x=alt.value(alt.expr(f"{left} + 10"))),
        base.mark_text(align="left").encode(x=alt.value(alt.expr(f"{left} + 26")), text="series:N"),
    ]


def _bold(answer: TrainingProgress) -> bool:
    """Whether there is a moving average that differs from the series itself."""
    return answer.smoothable and answer.window > 1


def _dots(layout: _Layout, colour=alt.Undefined) -> alt.OverlayMarkDef | bool:
    """Points on a line, as long as they are few."""
    return alt.OverlayMarkDef(size=layout.dots, color=colour) if layout.dots else False


def _series(lines: str, x: alt.X, y: alt.Y, looks, layout: _Layout) -> alt.LayerChart:
    """Each series as it was, thin, and smoothed, bold; bold as it was where it is not smoothed."""
    base = table(lines).encode(x, *looks)
    raw = {"strokeWidth": 1, "opacity": 0.55} if layout.smoothed else {"strokeWidth": 2.5}
    return alt.layer(
        base.mark_line(point=_dots(layout), **raw).encode(y),
        *([base.mark_line(strokeWidth=3).encode(alt.Y("smooth:Q"))] if layout.smoothed else []),
    )


def _place(answer: TrainingProgress, first: int) -> pd.DataFrame:
    """Where the training converged, from where to where that may be, and in words."""
    at, low, high = answer.converged_at, answer.converged_low, answer.converged_high
    # Where nothing rose before, nothing converged here.
    said = f"{'converged at' if at > first else 'level from'} {at}" + (
        f" ({low} to {high})" if low < high else ""
    )
    return pd.DataFrame({"iteration": [at], "low": [low - 0.5], "high": [high + 0.5], "words": [said]})


def _seams(jobs: pd.DataFrame | None, answer: TrainingProgress) -> pd.DataFrame:
    """Where a clone goes on, among the iterations shown."""
    if jobs is None:
        return pd.DataFrame({"begin": [], "name": []})
    later = jobs.iloc[1:]
    shown = later["first_iteration"].between(
        answer.iterations["iteration"].min() + 1, answer.iterations["iteration"].max()
    )
    later = later[shown]
    return pd.DataFrame({"begin": later["first_iteration"] - 0.5, "name": later["name"]})


def _where_jobs_begin(layout: _Layout) -> list[alt.Chart]:
    """A line where one job of a history ends and the next, its clone, begins."""
    base = table("seams").encode(
        _x(layout, "begin"), tooltip=alt.Tooltip("name:N", title="From here on the clone")
    )
    return [
        base.mark_rule(strokeDash=[2, 3], strokeWidth=2).encode(
            y=alt.value(alt.expr("plot_top")), y2=alt.value(alt.expr("height"))
        ),
        base.mark_text(align="left", baseline="bottom", dx=4, dy=-4, limit=160).encode(
            y=alt.value(alt.expr("height")), text="name:N"
        ),
    ]


def _converged(layout: _Layout, x: alt.X, label: bool = True) -> list[alt.Chart]:
    """Where the training converged: the interval as a band, the estimate as a line, in words above."""
    if not layout.converged:
        return []
    base = table("converged")
    whole = {"y": alt.value(alt.expr("plot_begin") if label else 0), "y2": alt.value(alt.expr("height"))}
    words = base.mark_text(align=slot("side"), dx=slot("beside"), fontWeight="bold").encode(
        x, y=alt.value(alt.expr(f"plot_begin + {_ROW / 2}")), text="words:N"
    )
    return [
        base.mark_rect(color=NEUTRAL, opacity=BAND_OPACITY).encode(
            _x(layout, "low"), alt.X2("high"), **whole
        ),
        base.mark_rule(strokeWidth=2).encode(x, **whole),
        *([words] if label else []),
    ]


def _iterations(blocks: dict[str, np.ndarray], told: tuple[str, ...]) -> pd.DataFrame:
    """What hovering tells of each iteration, as words, because a missing number would be shown as such."""
    driver = _words(blocks["checkpoint"], blocks["checkpoint_to"])
    return pd.DataFrame(
        {
            "iteration": blocks["iteration"],
            "episodes": blocks["episodes"],
            "laps": blocks["laps"],
            "which": _words(blocks["iteration_from"], blocks["iteration_to"]),
            "driver": [
                words if known else "unknown"
                for words, known in zip(driver, blocks["checkpoint"] >= 0, strict=True)
            ],
        }
        | {key: [_TOLD[key][1].format(v) if v == v else "-" for v in blocks[key].tolist()] for key in told}
    )


def _hover(layout: _Layout, x: alt.X, top: str = "0") -> alt.Chart:
    """What the pointer hits: a bar per iteration as high as the plot, that says all its figures."""
    return (
        table("iterations")
        .mark_bar(opacity=0, width=alt.expr(f"max(2, {_PIXELS})"))
        .encode(
            x,
            y=alt.value(alt.expr(top)),
            y2=alt.value(alt.expr("height")),
            tooltip=[
                alt.Tooltip("which:N", title="Iteration"),
                alt.Tooltip("driver:N", title="Driven by checkpoint"),
                alt.Tooltip("episodes:Q", title="Drives", format=","),
                alt.Tooltip("laps:Q", title="Laps", format=","),
                *(alt.Tooltip(f"{key}:N", title=_TOLD[key][0]) for key in layout.told),
            ],
        )
    )


def _words(first: np.ndarray, last: np.ndarray) -> list[str]:
    """Write a number, or the two ends of a block of them."""
    ends = zip(first.tolist(), last.tolist(), strict=True)
    return [f"{begin}" if begin == end else f"{begin} to {end}" for begin, end in ends]


def _evaluations(evaluated: pd.DataFrame) -> pd.DataFrame:
    """Share of the evaluation drives of each checkpoint that finished, with its interval, in percent."""
    names = ("iteration", "checkpoint", "drives", "laps", "completion", "low", "high")
    columns = {name: evaluated[name].to_numpy() for name in names}
    columns["checkpoint_to"] = columns["checkpoint"]
    size = _block_size(evaluated)
    if size > 1:
        columns = {name: _of_blocks(name, column, size) for name, column in columns.items()}
        columns["completion"] = columns["laps"] / columns["drives"]
        columns["low"], columns["high"] = wilson_interval(columns["laps"], columns["drives"])
    return pd.DataFrame(
        {name: columns[name] for name in ("iteration", "drives", "laps")}
        | {name: 100 * columns[name] for name in ("completion", "low", "high")}
        | {"which": _words(columns["checkpoint"], columns["checkpoint_to"])}
    )


def _diamonds(x: alt.X, percent: alt.Y) -> alt.LayerChart:
    """Draw the evaluations, each with its interval."""
    base = table("evaluations").encode(
        x,
        tooltip=[
            alt.Tooltip("which:N", title="Evaluation of checkpoint"),
            alt.Tooltip("drives:Q", title="Evaluation drives"),
            alt.Tooltip("laps:Q", title="Finished"),
            alt.Tooltip("completion:Q", title="Completion (%)", format=".0f"),
            alt.Tooltip("low:Q", title="at least (95 %)", format=".0f"),
            alt.Tooltip("high:Q", title="at most (95 %)", format=".0f"),
        ],
    )
    return alt.layer(
        base.mark_rule(color=FAST, strokeWidth=1, opacity=0.4, xOffset=_BESIDE).encode(
            _on(percent, "low"), alt.Y2("high")
        ),
        base.mark_point(
            shape="diamond", color=FAST, size=45, strokeWidth=2, opacity=1, xOffset=_BESIDE
        ).encode(_on(percent, "completion")),
    )


def _unseen(axis: alt.Y) -> alt.Y:
    """Use a scale whose axis another layer draws."""
    return axis.copy().axis(None)


def _on(axis: alt.Y, field: str) -> alt.Y:
    """Put another column on the same axis."""
    axis = axis.copy()
    axis.shorthand = f"{field}:Q"
    return axis


def _badges(answer: TrainingProgress, there: tuple[str, ...]) -> pd.DataFrame:
    """Number the markers of the series shown from left to right, and give each a place that is free."""
    first, last = _span(answer)
    apart = (last - first + 1) / _CROWDED
    iterations = answer.iterations["iteration"].to_numpy()
    newest, badges = [], []
    columns = (answer.markers[name].tolist() for name in ("iteration", "name", "measure"))
    for at, name, measure in sorted(zip(*columns, strict=True), key=lambda marker: marker[0]):
        key = measure.removesuffix("_smooth")
        # The reward of the chart is the scaled one, whichever the marker was read off.
        key = "reward_scaled" if key in REWARDS else key
        if key not in there or key == "entropy":
            continue
        row = next((i for i, other in enumerate(newest) if at - other >= apart), len(newest))
        newest[row : row + 1] = [at]
        value = answer.iterations[f"{key}_smooth"].to_numpy()[np.searchsorted(iterations, at)]
        series, colour, _ = SERIES[key]
        value = float(100 * value if key == "completion" else value)
        badges.append((name, f"{name}, iteration {at}", len(badges) + 1, at, value, row, series, colour))
    if not badges:
        return pd.DataFrame()
    columns = ("name", "words", "number", "iteration", "value", "row", "series", "colour")
    return pd.DataFrame(dict(zip(columns, map(list, zip(*badges, strict=True)), strict=True)))


def _markers(x: alt.X, percent: alt.Y) -> list:
    """Draw each marker's point on its line, the badge with its number above the plot, and its name above that."""
    row = alt.value(alt.expr(f"badges_top + {_ROW} * (datum.row + 0.5)"))
    base = table("badges").encode(
        color=alt.Color("colour:N").scale(None).legend(None),
        tooltip=[
            alt.Tooltip("name:N", title="Marker"),
            alt.Tooltip("iteration:Q", title="Iteration"),
            alt.Tooltip("series:N", title="Series"),
            alt.Tooltip("value:Q", title="Smoothed (%)", format=".1f"),
        ],
    )
    unseen = _unseen(percent)
    left = f"((datum.number - 1) % names_columns) * room / names_columns - {_SIDE - 2}"
    of_name = {
        "x": alt.value(alt.expr(f"{left} + 10")),
        "y": alt.value(alt.expr(f"names_top + (floor((datum.number - 1) / names_columns) + 0.5) * {_ROW}")),
    }
    marks = [
        alt.layer(
            base.mark_rule(strokeDash=[3, 3]).encode(x, unseen, y2=row),
            base.mark_circle(size=80, opacity=1).encode(x, unseen),
        )
    ]
    for place in ({"x": x, "y": row}, of_name):
        marks += [
            base.mark_circle(size=220, opacity=1).encode(**place),
            base.mark_text(fontWeight="bold", fontSize=11).encode(
                **place, text="number:N", color=alt.value(alt.expr(ON_MARK))
            ),
        ]
    name = base.mark_text(align="left", dx=14, limit=alt.expr("room / names_columns - 26")).encode(
        **of_name,
        text=alt.value(alt.expr(f"room < {_NAMED} ? datum.name : datum.words")),
        color=alt.value(alt.expr(TEXT)),
    )
    return [*marks, name]


def _said(answer: TrainingProgress, points: int) -> list[str]:
    """Say of how many iterations and drives the chart is, and what its lines are, in lines that fit a phone."""
    iterations, size = answer.iterations, -(-len(answer.iterations) // points)
    if _bold(answer):
        lines = f"Thin: as it was. Bold: mean of {answer.window} iterations."
    elif answer.smoothable:
        lines = "Every iteration as it was"
    else:
        lines = f"Too few iterations for the mean of {answer.window}"
    return [
        f"n = {len(iterations):,} iteration{'s' * (len(iterations) != 1)}, "
        f"{int(iterations['episodes'].sum()):,} drives",
        lines,
        *([f"Each point: mean of {size:,} iterations"] if size > 1 else []),
    ]


def _note(words: str) -> Sheet:
    """Stand in for a chart without data."""
    return Sheet(_words_alone(), {"note": pd.DataFrame({"note": [words]})})


@functools.cache
def _words_alone() -> Drawing:
    note = table("note").mark_text(fontSize=14).encode(text="note:N")
    return drawing(note.properties(height=80, width="container"))
