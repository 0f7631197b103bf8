"""Charts of the choice of a checkpoint: its laps over the iterations, and what each would do in a race.

In both, clicking a mark selects its iteration (point parameter ``iteration``).
"""

import altair as alt
import pandas as pd

from deepracer_viz.analysis.checkpoints import CANDIDATES, FastLaps
from deepracer_viz.analysis.words import counted
from deepracer_viz.charts.theme import FAST, MODELS, NEUTRAL, SLOW

MAX_CHECKPOINTS = 1_000
"""Above this many checkpoints, only the best-ranked ones are drawn, and the chart says so."""

MAX_INTERVALS = 300
"""So many of the best-ranked checkpoints have their intervals drawn."""

_SHAPES = {"best odds": "circle", "AWS best": "triangle-up", "AWS last": "square"}

_EXPECTED = ["rank", "checkpoint", "iteration", "win_chance", "finish_chance", "finish_low", "finish_high"]
_EXPECTED += ["lap_time", "lap_time_low", "lap_time_high", "on_frontier"]

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
        .encode(x, alt.Y("fastest:Q").title("Lap time (s)"), tooltip=_odds_tooltip())
    )
    what = "All laps" if all_laps else "The fastest quarter of all laps"
    return alt.layer(*_names(candidates, x, "iteration", (first, last)), points, lines, rings).properties(
        height=height,
        width="container",
        title=f"{what} (n = {laps.laps:,}); first quartile {laps.quartile:.2f} s",
    )


def rank_checkpoints_chart(
    ranking: pd.DataFrame,
    best: int | None = None,
    last: int | None = None,
    training_odds: bool = False,
    height: int = 440,
) -> alt.LayerChart:
    """Chance to finish a lap against its expected time in a race: one mark per checkpoint.

    Up and to the left is better; the frontier is drawn as a line. Thin bars are 90 % intervals. The first of
    the ranking and the checkpoints that AWS marks have shapes of their own and are named above.

    Parameters
    ----------
    ranking : pandas.DataFrame
        Answer of :func:`deepracer_viz.analysis.checkpoints.rank_checkpoints`.
    best, last : int, optional
        The checkpoints that AWS marks as best and as last.
    training_odds : bool
        The chances rest on training alone, and the chart says so.
    height : int
        Height of the chart (px).

    Returns
    -------
    altair.LayerChart
        Layered chart; a note in its place where no lap time is known.
    """
    known = ranking[ranking["lap_time"].notna()]
    if known.empty:
        return _note()
    marked = _marked(known, best, last)
    shown = known.head(MAX_CHECKPOINTS)
    shown = pd.concat([shown, known[known["checkpoint"].isin(marked["checkpoint"])]]).drop_duplicates()
    cut = f", the best {MAX_CHECKPOINTS:,} shown" if len(shown) < len(known) else ""
    odds = "; training odds" if training_odds else ""
    points_at, intervals_at = shown[_EXPECTED], shown.head(MAX_INTERVALS)[_EXPECTED]
    margin = 0.03 * (intervals_at["lap_time_high"].max() - intervals_at["lap_time_low"].min()) + 0.01
    domain = [
        float(min(intervals_at["lap_time_low"].min(), points_at["lap_time"].min()) - margin),
        float(max(intervals_at["lap_time_high"].max(), points_at["lap_time"].max()) + margin),
    ]
    pick = _pick()

    x = (
        alt.X("lap_time:Q")
        .title("Expected time of a finished lap (s)")
        .scale(domain=domain, nice=False, zero=False)
        .axis(format=".2f", tickCount=5, grid=False)
    )
    y = (
        alt.Y("finish_chance:Q")
        .title("Chance to finish a lap (%)")
        .scale(range=[alt.expr("height"), _NAMES], domain=[0, 1])
        .axis(format="%", tickCount=5)
    )
    colour = (
        alt.Color("on_frontier:N")
        .title(None)
        .scale(domain=[True, False], range=[FAST, NEUTRAL])
        .legend(labelExpr="datum.value ? 'On the frontier' : 'Beaten by another'", symbolOpacity=1)
    )
    faint = alt.when(pick).then(alt.value(0.35)).otherwise(alt.value(0.1))
    bars = alt.Chart(intervals_at).mark_rule(strokeWidth=1)
    points = (
        alt.Chart(points_at)
        .mark_circle(size=60)
        .encode(
            x,
            y,
            colour,
            opacity=alt.when(pick).then(alt.value(0.9)).otherwise(alt.value(0.2)),
            tooltip=_odds_tooltip(),
        )
        .add_params(pick)
    )
    frontier = (
        alt.Chart(shown.loc[shown["on_frontier"], _EXPECTED])
        .mark_line(color=FAST, strokeDash=[4, 3], strokeWidth=1.5)
        .encode(x, y)
    )
    shapes = (
        alt.Chart(marked)
        .mark_point(size=220, strokeWidth=2.5)
        .encode(
            x,
            y,
            alt.Shape("mark:N").scale(domain=list(_SHAPES), range=list(_SHAPES.values())).legend(None),
            color=alt.when("datum.mark == 'best odds'").then(alt.value(FAST)).otherwise(alt.value(SLOW)),
            tooltip=_odds_tooltip(),
        )
    )
    return alt.layer(
        *_names(marked, x, "lap_time", domain),
        bars.encode(
            x, alt.Y("finish_low:Q"), alt.Y2("finish_high:Q"), colour, opacity=faint, tooltip=_odds_tooltip()
        ),
        bars.encode(
            alt.X("lap_time_low:Q"),
            alt.X2("lap_time_high:Q"),
            y,
            colour,
            opacity=faint,
            tooltip=_odds_tooltip(),
        ),
        frontier,
        points,
        shapes,
    ).properties(
        height=height,
        width="container",
        title=f"n = {counted(len(known), 'checkpoint')}{cut}; bars: 90 % intervals{odds}",
    )


def _candidates(ranking):
    """Those of the first three of the ranking that have laps, with their names."""
    chosen = ranking.head(CANDIDATES)
    chosen = chosen[chosen["laps"] > 0]
    place = chosen["rank"].map({1: "best", 2: "second", 3: "third"}).astype(str)
    columns = [*_EXPECTED, "episodes", "laps", "fastest"]
    return chosen[columns].assign(name="checkpoint " + chosen["checkpoint"].astype(str) + " (" + place + ")")


def _marked(known, best, last):
    """The checkpoints with a name: one row for each that is known and marked."""
    rows = [known.head(1).assign(mark="best odds")]
    for mark, number in (("AWS best", best), ("AWS last", last)):
        rows.append(known[known["checkpoint"] == number].assign(mark=mark))
    marked = pd.concat(rows, ignore_index=True)
    return marked[[*_EXPECTED, "mark"]].assign(
        name="checkpoint " + marked["checkpoint"].astype(str) + ": " + marked["mark"]
    )


def _names(named, x, along, domain):
    """Name each row at the top of the plot, with a line from its name down to its marks.

    Each has a line of text of its own, so that names cover neither each other nor a mark. They are written
    towards the side with room, and stand in the order in which no line runs through another's name.
    """
    low, high = domain
    place = (named[along] - low) / max(high - low, 1e-9)
    leftwards = (place > 0.5) & (place.max() > 0.55) if place.min() < 0.45 else place > -1
    order = place.where(~leftwards, 2 - place).rank(method="first")
    chart = alt.Chart(named.assign(row=order, leftwards=leftwards)).encode(x, tooltip=_odds_tooltip())
    return (
        chart.mark_rule(strokeDash=[3, 3], opacity=0.6, y=alt.expr(f"datum.row * {_NAME_ROW} - 12")),
        chart.mark_text(
            align=alt.expr("datum.leftwards ? 'right' : 'left'"),
            dx=alt.expr("datum.leftwards ? -5 : 5"),
            dy=alt.expr(f"(datum.row - 0.5) * {_NAME_ROW}"),
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


def _odds_tooltip():
    return [
        alt.Tooltip("rank:Q", title="Rank"),
        alt.Tooltip("checkpoint:Q", title="Checkpoint"),
        alt.Tooltip("iteration:Q", title="Drove iteration"),
        alt.Tooltip("win_chance:Q", title="Chance to win", format=".0%"),
        alt.Tooltip("finish_chance:Q", title="Finishes a lap", format=".0%"),
        alt.Tooltip("finish_low:Q", title="at least (90 %)", format=".0%"),
        alt.Tooltip("finish_high:Q", title="at most (90 %)", format=".0%"),
        alt.Tooltip("lap_time:Q", title="Lap time (s)", format=".2f"),
        alt.Tooltip("lap_time_low:Q", title="at least (90 %)", format=".2f"),
        alt.Tooltip("lap_time_high:Q", title="at most (90 %)", format=".2f"),
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
