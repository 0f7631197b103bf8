"""Charts of the training's progress over its iterations: what it learnt, how it was rewarded, how it was updated.

The three charts share their horizontal axis and keep the same room beside it, so that they line up below one
another on a page.
"""

import altair as alt
import numpy as np
import pandas as pd

from deepracer_viz.analysis.convergence import TrainingProgress
from deepracer_viz.analysis.intervals import wilson_interval
from deepracer_viz.charts.theme import BAND_OPACITY, ENTROPY, FAST, MODELS, NEUTRAL

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

_EVALUATION = "Evaluations finished"
_POINTS = 60  # up to so many iterations, each has a point on its thin lines
_SIDE = 44  # px from the plot to the title of an axis, the same in all charts
_AXIS = _SIDE + 29  # px of an axis with its title on the page
_ROW = 18  # px of a row of badges or of the legend
_ENTRY, _NAMED = 148, 330  # px that an entry of the legend and the name of a marker need
_BESIDE = 4  # px that an evaluation stands to the right of the training drives of its checkpoint
_CROWDED = 14  # a row has room for so many badges, on a phone too


def training_progress_chart(
    answer: TrainingProgress, shown=tuple(SERIES), evaluations: bool = True, height: int = 560
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

    Returns
    -------
    altair.LayerChart or altair.Chart
        A single view as wide as its container; a sentence in its place without iterations.
    """
    if answer.iterations.empty:
        return _note("No iteration to show")
    blocks = _blocks(answer.iterations)
    there = [key for key in SERIES if key in shown and blocks[key].notna().any()]
    evaluated = answer.evaluations if evaluations else answer.evaluations.iloc[:0]
    lines = _lines(blocks, there)
    of_entropy = lines["series"] == SERIES["entropy"][0]
    badges = _badges(answer, there)
    x = _x(answer)
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
        .axis(orient="left", grid=False, tickCount=6, titleColor=ENTROPY, labelColor=ENTROPY, **room)
    )
    legend = _legend(there, len(evaluated) > 0)
    looks = [
        channel("series:N").scale(domain=list(legend["series"]), range=list(legend[look])).legend(None)
        for channel, look in ((alt.Color, "colour"), (alt.StrokeDash, "dash"))
    ]
    left, right = lines[of_entropy], lines[~of_entropy]
    return (
        alt.layer(
            *_converged(answer, x),
            *([_series(left, x, entropy, looks, _bold(answer))] if len(left) else []),
            *([_series(right, x, percent, looks, _bold(answer))] if len(right) else []),
            _hover(blocks, x, answer, top="plot_begin"),
            *(
                [_evaluations(evaluated, x, _unseen(percent) if len(right) else percent)]
                if len(evaluated)
                else []
            ),
            *(_markers(badges, x, percent) if len(badges) else []),
            *_legend_marks(legend.drop(columns="dash"), looks),
            params=_layout(legend, badges),
        )
        .resolve_scale(y="independent")
        .properties(
            height=height,
            width="container",
            title=alt.Title(_said(answer, blocks)),
            # Where there is no axis, the legend takes a part of its room on the left; none on the right, so short.
            padding=_padding(
                _AXIS if len(left) else _SIDE if len(legend) else 0,
                _AXIS if len(right) or len(evaluated) else 0,
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
    if answer.iterations.empty:
        return _note("No iteration to show")
    blocks = _blocks(answer.iterations)
    x = _x(answer)
    values = blocks[["iteration"]].assign(
        series=REWARDS[measure], value=blocks[measure], smooth=blocks[f"{measure}_smooth"]
    )
    reward = _panel("value", "Reward", blocks[measure], 0, 0.62)
    look = [alt.Color(value=NEUTRAL)]
    bars = alt.Chart(blocks[["iteration", "episodes", "laps"]]).encode(x)
    number = _panel("episodes", "Drives, laps", blocks["episodes"], 0.72, 1, zero=True)
    wide = alt.expr(f"clamp(0.7 * {_pixels(answer, blocks)}, 1, 60)")
    return (
        alt.layer(
            *_converged(answer, x, label=False),
            _series(values, x, reward, look, _bold(answer)),
            alt.layer(
                bars.mark_bar(color=NEUTRAL, opacity=0.35, width=wide).encode(number),
                bars.mark_bar(color=MODELS[0], width=wide).encode(alt.Y("laps:Q")),
            ),
            _hover(blocks, x, answer),
        )
        .resolve_scale(y="independent")
        .properties(
            height=height,
            width="container",
            title=alt.Title(
                [f"Line: {REWARDS[measure].lower()}", "Bars: drives (grey), laps among them (green)"]
            ),
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
    columns = {"policy_loss": ("Policy loss", 0, 0.45), "kl_divergence": ("KL divergence", 0.55, 1)}
    blocks = _blocks(answer.iterations)
    there = {key: where for key, where in columns.items() if blocks[key].notna().any()}
    if not there:
        return _note("No policy update to show")
    x = _x(answer)
    base = alt.Chart(blocks[["iteration", *there]]).encode(x)
    return (
        alt.layer(
            *(
                base.mark_line(color=ENTROPY, point=_dots(len(blocks), ENTROPY)).encode(
                    _panel(key, title, blocks[key], begin, end)
                )
                for key, (title, begin, end) in there.items()
            ),
            _hover(blocks, x, answer),
        )
        .resolve_scale(y="independent")
        .properties(
            height=height,
            width="container",
            title="Mean over the epochs of each iteration",
            padding=_padding(_AXIS, 0),
        )
    )


def _blocks(iterations: pd.DataFrame) -> pd.DataFrame:
    """One row per iteration, or per block of them where there are more than can be told apart."""
    size = -(-len(iterations) // MAX_POINTS) or 1
    least = dict.fromkeys(("progress_min", "iteration_from", "checkpoint"), "min")
    most = dict.fromkeys(("progress_max", "iteration_to", "checkpoint_to"), "max")
    sums = dict.fromkeys(("episodes", "laps"), "sum")
    table = iterations.assign(
        iteration_from=iterations["iteration"],
        iteration_to=iterations["iteration"],
        checkpoint_to=iterations["checkpoint"],
    )
    if size > 1:
        how = dict.fromkeys(table, "mean") | least | most | sums
        table = table.groupby(np.arange(len(table)) // size).agg(how)
    percent = ["completion", "completion_smooth"]
    table[percent] = table[percent] * 100
    return table.reset_index(drop=True)


def _lines(blocks: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """One row per point of each series: the value as it was, and smoothed."""
    parts = [
        pd.DataFrame(
            {
                "iteration": blocks["iteration"].astype("float32"),
                "series": SERIES[key][0],
                "value": blocks[key].astype("float32"),
                "smooth": blocks[f"{key}_smooth"].astype("float32"),
            }
        )
        for key in keys
    ]
    if not parts:
        return pd.DataFrame({"iteration": [], "series": pd.Series(dtype=str), "value": [], "smooth": []})
    return pd.concat(parts, ignore_index=True)


def _span(answer: TrainingProgress) -> tuple[int, int]:
    """First and last iteration of the axis; the checkpoint saved last is evaluated, and drives none."""
    iterations = pd.concat([answer.iterations["iteration"], answer.evaluations["iteration"]])
    return int(iterations.min()), int(iterations.max())


def _x(answer: TrainingProgress, field: str = "iteration") -> alt.X:
    first, last = _span(answer)
    # Left to itself, an axis of very few iterations gets ticks at halves.
    ticks = list(range(first, last + 1)) if last - first < 10 else alt.Undefined
    return (
        alt.X(f"{field}:Q")
        .title("Iteration")
        .scale(domain=[first - 0.5, last + 0.5], nice=False, zero=False)
        .axis(format="d", values=ticks, grid=False)
    )


def _pixels(answer: TrainingProgress, blocks: pd.DataFrame) -> str:
    """Width of a row of the blocks, as an expression."""
    first, last = _span(answer)
    size = (blocks["iteration_to"] - blocks["iteration_from"]).max() + 1
    return f"width * {size / (last - first + 1):.6f}"


def _panel(key: str, title: str, values: pd.Series, begin: float, end: float, zero: bool = False) -> alt.Y:
    """Left axis of a part of the view, from one share of its height to another."""
    large = values.abs().max() >= 10_000
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


def _layout(legend: pd.DataFrame, badges: pd.DataFrame) -> list[alt.VariableParameter]:
    """Divide the view from the top: legend, names of the markers, the words on convergence, badges, plot.

    Drawn and not left to the legend of the chart, which would be cut on a narrow screen, and which cannot
    show colour, dash and shape of a series in one symbol.
    """
    rows = int(badges["row"].max()) + 1 if len(badges) else 0
    expressions = {
        "room": f"width + {2 * _SIDE}",
        "legend_columns": f"clamp(floor(room / {_ENTRY}), 1, {max(len(legend), 1)})",
        "names_columns": f"clamp(floor(room / {_NAMED}), 1, {max(len(badges), 1)})",
        "names_top": f"{_ROW} * ceil({len(legend)} / legend_columns)",
        "plot_begin": f"names_top + {_ROW} * ceil({len(badges)} / names_columns) + 6",
        "badges_top": f"plot_begin + {_ROW}",
        "plot_top": f"badges_top + {_ROW * rows + 6}",
    }
    return [alt.VariableParameter(name=name, expr=expression) for name, expression in expressions.items()]


def _legend(there: list[str], evaluated: bool) -> pd.DataFrame:
    """One row per entry of the legend: series, colour and dash."""
    entries = [SERIES[key] for key in there] + [(_EVALUATION, FAST, [1, 0])] * evaluated
    return pd.DataFrame(entries, columns=["series", "colour", "dash"]).assign(entry=range(len(entries)))


def _legend_marks(legend: pd.DataFrame, looks) -> list[alt.Chart]:
    """Draw the legend in as many columns as there is room for."""
    left = f"(datum.entry % legend_columns) * room / legend_columns - {_SIDE - 2}"
    y = alt.value(alt.expr(f"(floor(datum.entry / legend_columns) + 0.5) * {_ROW}"))
    base = alt.Chart(legend).encode(y=y, tooltip=alt.value(None))
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


def _dots(points: int, colour=alt.Undefined) -> alt.OverlayMarkDef | bool:
    """Points on a line, as long as they are few."""
    return alt.OverlayMarkDef(size=18 if points > 3 else 70, color=colour) if points <= _POINTS else False


def _series(lines, x, y, looks, smoothed: bool) -> alt.LayerChart:
    """Each series as it was, thin, and smoothed, bold; bold as it was where it is not smoothed."""
    base = alt.Chart(lines).encode(x, *looks)
    raw = {"strokeWidth": 1, "opacity": 0.55} if smoothed else {"strokeWidth": 2.5}
    return alt.layer(
        base.mark_line(point=_dots(lines["iteration"].nunique()), **raw).encode(y),
        *([base.mark_line(strokeWidth=3).encode(alt.Y("smooth:Q"))] if smoothed else []),
    )


def _converged(answer: TrainingProgress, x: alt.X, label: bool = True) -> list[alt.Chart]:
    """Where the training converged: the interval as a band, the estimate as a line, in words above."""
    if answer.converged_at is None:
        return []
    at, low, high = answer.converged_at, answer.converged_low, answer.converged_high
    place = pd.DataFrame({"iteration": [at], "low": [low - 0.5], "high": [high + 0.5]})
    first, last = _span(answer)
    # Where nothing rose before, nothing converged here.
    said = "converged at" if at > first else "level from"
    place["words"] = f"{said} {at} ({low} to {high})" if low < high else f"{said} {at}"
    right = at > (first + last) / 2
    base = alt.Chart(place)
    whole = {"y": alt.value(alt.expr("plot_begin") if label else 0), "y2": alt.value(alt.expr("height"))}
    return [
        base.mark_rect(color=NEUTRAL, opacity=BAND_OPACITY).encode(
            _x(answer, "low"), alt.X2("high"), **whole
        ),
        base.mark_rule(strokeWidth=2).encode(x, **whole),
        *(
            [
                base.mark_text(
                    align="right" if right else "left", dx=-6 if right else 6, fontWeight="bold"
                ).encode(x, y=alt.value(alt.expr(f"plot_begin + {_ROW / 2}")), text="words:N")
            ]
            if label
            else []
        ),
    ]


def _hover(blocks: pd.DataFrame, x: alt.X, answer: TrainingProgress, top: str = "0") -> alt.Chart:
    """What the pointer hits: a bar per iteration as high as the plot, that says all its figures."""
    told = {
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
    told = {key: how for key, how in told.items() if blocks[key].notna().any()}
    words = blocks[["iteration", "episodes", "laps"]].assign(
        which=_words(blocks["iteration_from"], blocks["iteration_to"]),
        driver=_words(blocks["checkpoint"], blocks["checkpoint_to"]).where(
            blocks["checkpoint"] >= 0, "unknown"
        ),
        # As words, because a missing number would be shown as such.
        **{key: [form.format(v) if v == v else "-" for v in blocks[key]] for key, (_, form) in told.items()},
    )
    return (
        alt.Chart(words)
        .mark_bar(opacity=0, width=alt.expr(f"max(2, {_pixels(answer, blocks)})"))
        .encode(
            x,
            y=alt.value(alt.expr(top)),
            y2=alt.value(alt.expr("height")),
            tooltip=[
                alt.Tooltip("which:N", title="Iteration"),
                alt.Tooltip("driver:N", title="Driven by checkpoint"),
                alt.Tooltip("episodes:Q", title="Drives", format=","),
                alt.Tooltip("laps:Q", title="Laps", format=","),
                *(alt.Tooltip(f"{key}:N", title=title) for key, (title, _) in told.items()),
            ],
        )
    )


def _words(first: pd.Series, last: pd.Series) -> pd.Series:
    """Write a number, or the two ends of a block of them."""
    first, last = first.astype(str), last.astype(str)
    return first.where(first == last, first + " to " + last)


def _evaluations(evaluated: pd.DataFrame, x: alt.X, percent: alt.Y) -> alt.LayerChart:
    """Share of the evaluation drives of each checkpoint that finished, with its interval."""
    table = evaluated[["iteration", "checkpoint", "drives", "laps", "completion", "low", "high"]]
    table = table.assign(checkpoint_to=table["checkpoint"])
    size = -(-len(table) // MAX_POINTS)
    if size > 1:
        how = {
            "iteration": "mean",
            "checkpoint": "min",
            "checkpoint_to": "max",
            "drives": "sum",
            "laps": "sum",
        }
        table = table.groupby(np.arange(len(table)) // size).agg(how)
        table["completion"] = table["laps"] / table["drives"]
        table["low"], table["high"] = wilson_interval(table["laps"], table["drives"])
    percents = ["completion", "low", "high"]
    table[percents] = table[percents] * 100
    table = table.assign(which=_words(table["checkpoint"], table["checkpoint_to"]))
    base = alt.Chart(table.drop(columns=["checkpoint", "checkpoint_to"])).encode(
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


def _badges(answer: TrainingProgress, there: list[str]) -> pd.DataFrame:
    """Number the markers of the series shown from left to right, and give each a place that is free."""
    table = answer.markers.sort_values("iteration", kind="stable")
    # The reward of the chart is the scaled one, whichever the marker was read off.
    series = table["measure"].str.removesuffix("_smooth").replace(dict.fromkeys(REWARDS, "reward_scaled"))
    table = table[["name", "iteration"]].assign(series=series)
    table = table[table["series"].isin(there) & (table["series"] != "entropy")].reset_index(drop=True)
    first, last = _span(answer)
    apart = (last - first + 1) / _CROWDED
    of_iteration = answer.iterations.set_index("iteration")
    newest, rows, values = [], [], []
    for marker in table.itertuples():
        row = next((i for i, other in enumerate(newest) if marker.iteration - other >= apart), len(newest))
        newest[row : row + 1] = [marker.iteration]
        rows.append(row)
        value = of_iteration.at[marker.iteration, f"{marker.series}_smooth"]
        values.append(100 * value if marker.series == "completion" else value)
    looks = table["series"].map(SERIES)
    return table.assign(
        row=np.array(rows, dtype=int),
        value=np.array(values, dtype=float),
        number=range(1, len(table) + 1),
        words=table["name"] + ", iteration " + table["iteration"].astype(str),
        series=looks.str[0],
        colour=looks.str[1],
    )


def _markers(badges: pd.DataFrame, x: alt.X, percent: alt.Y) -> list:
    """Draw each marker's point on its line, the badge with its number above the plot, and its name above that."""
    row = alt.value(alt.expr(f"badges_top + {_ROW} * (datum.row + 0.5)"))
    base = alt.Chart(badges).encode(
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
                **place, text="number:N", color=alt.value("white")
            ),
        ]
    name = base.mark_text(align="left", dx=14, limit=alt.expr("room / names_columns - 26")).encode(
        **of_name,
        text=alt.value(alt.expr(f"room < {_NAMED} ? datum.name : datum.words")),
        color=alt.value(NEUTRAL),
    )
    return [*marks, name]


def _said(answer: TrainingProgress, blocks: pd.DataFrame) -> list[str]:
    """Say of how many iterations and drives the chart is, and what its lines are, in lines that fit a phone."""
    iterations, size = answer.iterations, -(-len(answer.iterations) // len(blocks))
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


def _note(words: str) -> alt.Chart:
    """Stand in for a chart without data."""
    note = alt.Chart(pd.DataFrame({"note": [words]})).mark_text(fontSize=14)
    return note.encode(text="note:N").properties(height=80, width="container")
