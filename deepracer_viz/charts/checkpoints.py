"""Charts of the choice of a checkpoint: its laps over the iterations, and speed against completion.

In both, clicking a mark selects its iteration (point parameter ``iteration``).
"""

import altair as alt
import pandas as pd

from deepracer_viz.analysis.checkpoints import CANDIDATES, FastLaps
from deepracer_viz.charts.theme import FAST, MODELS, NEUTRAL

MAX_CHECKPOINTS = 1_000
"""Above this many checkpoints with laps, only the best-ranked ones are drawn, and the chart says so."""

_NAME_ROW = 16
_NAMES = CANDIDATES * _NAME_ROW + 6
"""Height kept free at the top of the plot for the names of the candidates (px)."""


def fast_laps_chart(
    laps: FastLaps, ranking: pd.DataFrame, all_laps: bool = False, height: int = 440
) -> alt.LayerChart:
    """Scatter of lap times against the iteration in which they were driven.

    Mean and best of each iteration are lines; the first three of the ranking are ringed at their
    fastest lap and named above the plot.

    Parameters
    ----------
    laps : FastLaps
        Answer of :func:`deepracer_viz.analysis.checkpoints.fast_laps`.
    ranking : pandas.DataFrame
        Answer of :func:`deepracer_viz.analysis.checkpoints.rank_checkpoints`.
    all_laps : bool
        Show the laps above the first quartile too, faint; mean and best are then those of all laps.
    height : int
        Height of the chart (px).

    Returns
    -------
    altair.LayerChart
        Layered chart; a note in its place where there are no laps.
    """
    if not laps.laps:
        return _note()
    marks = laps.marks if all_laps else laps.marks[laps.marks["fast"]]
    grouped = marks["laps"].max() > 1
    candidates = _candidates(ranking[ranking["iteration"] >= 0])
    iterations = pd.concat([marks["iteration"], candidates["iteration"]])
    first, last = int(iterations.min()), int(iterations.max())
    # Left to itself, an axis of very few iterations gets ticks at halves.
    ticks = list(range(first, last + 1)) if last - first < 10 else alt.Undefined
    pick = _pick()

    x = (
        alt.X("iteration:Q")
        .title(_iteration_title(laps.first_checkpoint))
        .scale(domain=[first - 0.5, last + 0.5], nice=False, zero=False)
        .axis(format="d", values=ticks, grid=False)
    )
    y = alt.Y("time:Q").title("Lap time (s)").scale(range=[alt.expr("height"), _NAMES], zero=False)
    colour = (
        alt.Color("kind:N")
        .title(None)
        .scale(
            domain=["Lap", "Mean (laps shown)", "Best"],
            range=[MODELS[0], NEUTRAL, FAST],
        )
        .legend(symbolOpacity=1)
    )
    lines = (
        alt.Chart(_lines(laps.iterations[laps.iterations["fast_only"] != all_laps]))
        .mark_line(point={"size": 20})
        .encode(
            x,
            y,
            colour,
            tooltip=[
                alt.Tooltip("kind:N", title="Line"),
                alt.Tooltip("time:Q", title="Lap time (s)", format=".3f"),
                alt.Tooltip("iterations:N", title="Iteration"),
                alt.Tooltip("laps:Q", title="Laps (n)"),
            ],
        )
    )
    points = (
        alt.Chart(marks.drop(columns="episode").astype({"time": "float32"}))
        .transform_calculate(kind="'Lap'")
        .mark_circle()
        .encode(
            x,
            y,
            colour,
            alt.Size("laps:Q").scale(domain=[1, int(marks["laps"].max()) + 1], range=[45, 200]).legend(None),
            opacity=alt.when(pick)
            .then(alt.Opacity("fast:O").scale(domain=[True, False], range=[0.85, 0.3]).legend(None))
            .otherwise(alt.value(0.12)),
            tooltip=[
                alt.Tooltip("time:Q", title="Lap time (s)", format=".3f"),
                alt.Tooltip("time_source:N", title="Source of the time"),
                alt.Tooltip("iteration:Q", title="Iteration"),
                alt.Tooltip("checkpoint:Q", title="Driven by checkpoint"),
                alt.Tooltip("unique_episode:Q", title="Episode of all workers"),
                *([alt.Tooltip("laps:Q", title="Laps this mark stands for")] if grouped else []),
            ],
        )
        .add_params(pick)
    )
    rings = (
        alt.Chart(candidates)
        .mark_point(size=200, strokeWidth=2.5, color=FAST)
        .encode(x, alt.Y("fastest:Q").title("Lap time (s)"), tooltip=_tooltip())
    )
    what = "All laps" if all_laps else "The fastest quarter of all laps"
    return alt.layer(
        *_names(candidates, x, "iteration", (first + last) / 2), points, lines, rings
    ).properties(
        height=height,
        width="container",
        title=f"{what} (n = {laps.laps:,}); first quartile {laps.quartile:.2f} s",
    )


def rank_checkpoints_chart(ranking: pd.DataFrame, height: int = 400) -> alt.LayerChart:
    """Speed against completion: one mark per checkpoint with laps, the frontier drawn as a line.

    Up and to the left is better. The first three of the ranking are named and wear the 95 % interval
    of their completion.

    Parameters
    ----------
    ranking : pandas.DataFrame
        Answer of :func:`deepracer_viz.analysis.checkpoints.rank_checkpoints`.
    height : int
        Height of the chart (px).

    Returns
    -------
    altair.LayerChart
        Layered chart; a note in its place where no checkpoint has a lap.
    """
    with_laps = ranking[ranking["laps"] > 0]
    if with_laps.empty:
        return _note()
    shown = with_laps.head(MAX_CHECKPOINTS)
    cut = f", the best {MAX_CHECKPOINTS:,} shown" if len(shown) < len(with_laps) else ""
    candidates = _candidates(ranking)
    middle = (shown["first_quartile"].min() + shown["first_quartile"].max()) / 2
    columns = ["rank", "checkpoint", "iteration", "episodes", "laps", "completion", "completion_low"]
    columns += ["completion_high", "first_quartile", "on_frontier"]
    pick = _pick()

    x = (
        alt.X("first_quartile:Q")
        .title("First quartile of its lap times (s)")
        .scale(zero=False, padding=16)
        .axis(format=".2f", grid=False)
    )
    y = (
        alt.Y("completion:Q")
        .title("Drives that finished (%)")
        .scale(range=[alt.expr("height"), _NAMES], domainMin=0)
        .axis(format="%", tickCount=5)
    )
    points = (
        alt.Chart(shown[columns])
        .mark_circle(size=70)
        .encode(
            x,
            y,
            alt.Color("on_frontier:N")
            .title(None)
            .scale(domain=[True, False], range=[FAST, NEUTRAL])
            .legend(
                labelExpr="datum.value ? 'Frontier: no other beats it' : 'Beaten by another'",
                labelLimit=400,
                columns=1,
            ),
            opacity=alt.when(pick).then(alt.value(0.8)).otherwise(alt.value(0.2)),
            tooltip=_tooltip(),
        )
        .add_params(pick)
    )
    frontier = (
        alt.Chart(shown.loc[shown["on_frontier"], columns])
        .mark_line(color=FAST, strokeDash=[4, 3], strokeWidth=1.5)
        .encode(x, y)
    )
    intervals = (
        alt.Chart(candidates)
        .mark_rule(strokeWidth=3, opacity=0.7, color=FAST)
        .encode(
            x,
            alt.Y("completion_low:Q").title("Drives that finished (%)"),
            alt.Y2("completion_high:Q"),
            tooltip=_tooltip(),
        )
    )
    return alt.layer(
        *_names(candidates, x, "first_quartile", middle), frontier, intervals, points
    ).properties(
        height=height,
        width="container",
        title=f"n = {len(with_laps):,} of {len(ranking):,} checkpoints with laps{cut}; bars: 95 % intervals",
    )


def _candidates(ranking):
    """First of the ranking that have laps, with their names."""
    chosen = ranking[ranking["laps"] > 0].head(CANDIDATES)
    place = chosen["rank"].map({1: "best", 2: "second", 3: "third"})
    columns = ["rank", "checkpoint", "iteration", "episodes", "laps", "completion", "completion_low"]
    columns += ["completion_high", "fastest", "first_quartile"]
    return chosen[columns].assign(name="checkpoint " + chosen["checkpoint"].astype(str) + " (" + place + ")")


def _names(candidates, x, along, middle):
    """Name each candidate at the top of the plot, with a line down to its marks.

    Each rank has a row of its own, so that names cover neither each other nor a mark; beyond the
    middle of the axis a name stands left of its line, so that it stays within the plot.
    """
    named = alt.Chart(candidates).encode(x, tooltip=_tooltip())
    return (
        named.mark_rule(strokeDash=[3, 3], opacity=0.6),
        named.mark_text(
            align=alt.expr(f"datum.{along} > {middle} ? 'right' : 'left'"),
            dx=alt.expr(f"datum.{along} > {middle} ? -5 : 5"),
            dy=alt.expr(f"(datum.rank - 0.5) * {_NAME_ROW}"),
        ).encode(text="name:N", y=alt.value(0)),
    )


def _lines(iterations):
    """One row per point of the mean line and of the best line."""
    ends = iterations[["iteration", "iteration_to"]].astype(str)
    spans = ends["iteration"].where(
        iterations["iteration"] == iterations["iteration_to"],
        ends["iteration"] + " to " + ends["iteration_to"],
    )
    kinds = {"mean": "Mean (laps shown)", "best": "Best"}
    return (
        iterations[["iteration", "laps", *kinds]]
        .assign(iterations=spans)
        .rename(columns=kinds)
        .melt(["iteration", "iterations", "laps"], var_name="kind", value_name="time")
    )


def _pick() -> alt.Parameter:
    """Choice of an iteration by a click on one of its marks."""
    # A line is one item to the mouse and would always give its first iteration.
    on = "click[!item().mark || item().mark.marktype !== 'line']"
    return alt.selection_point(name="iteration", fields=["iteration"], on=on)


def _tooltip():
    return [
        alt.Tooltip("rank:Q", title="Rank"),
        alt.Tooltip("checkpoint:Q", title="Checkpoint"),
        alt.Tooltip("iteration:Q", title="Drove iteration"),
        alt.Tooltip("episodes:Q", title="Drives"),
        alt.Tooltip("laps:Q", title="Finished"),
        alt.Tooltip("completion:Q", title="Completion", format=".0%"),
        alt.Tooltip("completion_low:Q", title="at least (95 %)", format=".0%"),
        alt.Tooltip("completion_high:Q", title="at most (95 %)", format=".0%"),
        alt.Tooltip("first_quartile:Q", title="First quartile of lap times (s)", format=".2f"),
    ]


def _iteration_title(first_checkpoint):
    """Name the axis by both its meanings: the iteration, and the checkpoint that drove it."""
    if first_checkpoint is None:
        return "Iteration"
    if first_checkpoint == 0:
        return "Iteration (driven by the checkpoint of the same number)"
    return f"Iteration (driven by checkpoint {first_checkpoint} + iteration)"


def _note():
    """Stand in for a chart without data; it carries the parameter, for whoever listens to it."""
    pick = alt.selection_point(name="iteration", fields=["iteration"])
    note = alt.Chart(pd.DataFrame({"note": ["No finished lap to show"]})).mark_text(fontSize=14)
    return alt.layer(note.encode(text="note:N").add_params(pick)).properties(height=80, width="container")
