"""Charts of the choice of a checkpoint: its laps over the iterations, and what each would do in a race.

In both, clicking a mark selects its iteration (point parameter ``iteration``).
"""

import functools

import altair as alt
import numpy as np
import pandas as pd

from deepracer_viz.analysis.checkpoints import CANDIDATES, FastLaps
from deepracer_viz.analysis.words import counted
from deepracer_viz.charts.sheet import Drawing, Sheet, drawing, inside, slot, table
from deepracer_viz.charts.theme import FAST, MODELS, NEUTRAL, SLOW, enlargement

MAX_CHECKPOINTS = 1_000
"""Above this many checkpoints, only the best-ranked ones are drawn, and the chart says so."""

MAX_INTERVALS = 300
"""So many of the best-ranked checkpoints have their intervals drawn."""

_KINDS = {"mean": "Mean (laps shown)", "best": "Best"}
"""Lines over the laps, and what they are called."""

_SHAPES = {"best odds": "circle", "AWS best": "triangle-up", "AWS last": "square"}

_EXPECTED = ["rank", "checkpoint", "iteration", "win_chance", "finish_chance", "finish_low", "finish_high"]
_EXPECTED += ["lap_time", "lap_time_low", "lap_time_high"]

_LAPS = ["iteration", "time", "fast", "laps", "time_source", "checkpoint", "unique_episode"]

_NAME_ROW = 16
_NAMES = f"{CANDIDATES} * {_NAME_ROW} * enlargement + 6"
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
    return fast_laps_sheet(laps, ranking, all_laps, height).chart()


def fast_laps_sheet(
    laps: FastLaps, ranking: pd.DataFrame, all_laps: bool = False, height: int = 440
) -> Sheet:
    """Return what :func:`fast_laps_chart` shows, quickly filled.

    Parameters
    ----------
    laps, ranking, all_laps, height
        As of :func:`fast_laps_chart`.

    Returns
    -------
    Sheet
    """
    if not laps.laps:
        return _note()
    marks = _take(laps.marks, slice(None) if all_laps else laps.marks["fast"].to_numpy(), _LAPS)
    marks["time"] = marks["time"].astype("float32")
    most = int(marks["laps"].max())
    candidates = _candidates(ranking)
    iterations = np.concatenate([marks["iteration"], candidates["iteration"]])
    first, last = int(iterations.min()), int(iterations.max())
    few = last - first < 10
    driver = laps.first_checkpoint
    what = "All laps" if all_laps else "The fastest quarter of all laps"
    return Sheet(
        _laps(height, few, most > 1, None if driver is None else driver == 0),
        {
            "laps": pd.DataFrame(marks),
            "lines": _lines(laps.iterations[laps.iterations["fast_only"] != all_laps]),
            "named": _with_places(candidates, "iteration", first, last),
        },
        {
            "first": first - 0.5,
            "last": last + 0.5,
            "ticks": list(range(first, last + 1)) if few else [],
            "most": most + 1,
            "driver": driver,
            "title": f"{what} (n = {laps.laps:,}); first quartile {laps.quartile:.2f} s",
        },
    )


@functools.lru_cache(maxsize=16)
def _laps(height: int, every_tick: bool, grouped: bool, same_number: bool | None) -> Drawing:
    """Laps, their mean and best; `same_number`: checkpoints drive the iteration of their number (None: unknown)."""
    # Left to itself, an axis of very few iterations gets ticks at halves.
    ticks = slot("ticks") if every_tick else alt.Undefined
    pick = _pick()
    lap = alt.selection_point(name="lap", fields=["unique_episode"], on="click", empty=False)
    x = (
        alt.X("iteration:Q")
        .title(_iteration_title(same_number))
        .scale(domain=[slot("first"), slot("last")], nice=False, zero=False)
        .axis(format="d", values=ticks, grid=False)
    )
    y = alt.Y("time:Q").title("Lap time (s)").scale(range=[alt.expr("height"), alt.expr(_NAMES)], zero=False)
    colour = (
        alt.Color("kind:N")
        .title(None)
        .scale(domain=["Lap", *_KINDS.values()], range=[MODELS[0], NEUTRAL, FAST])
        .legend(symbolOpacity=1)
    )
    lines = (
        table("lines")
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
        table("laps")
        .transform_calculate(kind="'Lap'")
        .mark_circle()
        .encode(
            x,
            y,
            colour,
            alt.Size("laps:Q").scale(domain=[1, slot("most")], range=[45, 200]).legend(None),
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
        .add_params(pick, lap)
    )
    rings = (
        table("named")
        .mark_point(size=200, strokeWidth=2.5, color=FAST)
        .encode(x, alt.Y("fastest:Q").title("Lap time (s)"), tooltip=_odds_tooltip())
    )
    return drawing(
        alt.layer(*_names(x), points, lines, rings, params=[enlargement()]).properties(
            height=height, width="container", title=alt.Title(slot("title"))
        )
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
    return rank_checkpoints_sheet(ranking, best, last, training_odds, height).chart()


def rank_checkpoints_sheet(
    ranking: pd.DataFrame,
    best: int | None = None,
    last: int | None = None,
    training_odds: bool = False,
    height: int = 440,
) -> Sheet:
    """Return what :func:`rank_checkpoints_chart` shows, quickly filled.

    Parameters
    ----------
    ranking, best, last, training_odds, height
        As of :func:`rank_checkpoints_chart`.

    Returns
    -------
    Sheet
    """
    known = np.flatnonzero(ranking["lap_time"].notna().to_numpy())
    if not len(known):
        return _note()
    marked = _marked(ranking, known, best, last)
    rows = np.union1d(known[:MAX_CHECKPOINTS], [row for row, _ in marked])
    shown = pd.DataFrame(_take(ranking, rows, [*_EXPECTED, "on_frontier"]))
    cut = f", the best {MAX_CHECKPOINTS:,} shown" if len(shown) < len(known) else ""
    odds = "; training odds" if training_odds else ""
    intervals = shown.head(MAX_INTERVALS)
    low, high, time = intervals["lap_time_low"].min(), intervals["lap_time_high"].max(), shown["lap_time"]
    margin = 0.03 * (high - low) + 0.01
    fastest, slowest = float(min(low, time.min()) - margin), float(max(high, time.max()) + margin)
    named = _take(ranking, [row for row, _ in marked], _EXPECTED)
    named["mark"] = [mark for _, mark in marked]
    named["name"] = [
        f"checkpoint {number}: {mark}" for number, (_, mark) in zip(named["checkpoint"], marked, strict=True)
    ]
    return Sheet(
        _ranking(height),
        {
            "checkpoints": shown,
            "intervals": intervals,
            "frontier": shown.loc[shown["on_frontier"].to_numpy(), ["lap_time", "finish_chance"]],
            "named": _with_places(named, "lap_time", fastest, slowest),
        },
        {
            "first": fastest,
            "last": slowest,
            "title": f"n = {counted(len(known), 'checkpoint')}{cut}; bars: 90 % intervals{odds}",
        },
    )


@functools.lru_cache(maxsize=4)
def _ranking(height: int) -> Drawing:
    pick = _pick()

    x = (
        alt.X("lap_time:Q")
        .title("Expected time of a finished lap (s)")
        .scale(domain=[slot("first"), slot("last")], nice=False, zero=False)
        .axis(format=".2f", tickCount=5, grid=False)
    )
    y = (
        alt.Y("finish_chance:Q")
        .title("Chance to finish a lap (%)")
        .scale(range=[alt.expr("height"), alt.expr(_NAMES)], domain=[0, 1])
        .axis(format="%", tickCount=5)
    )
    colour = (
        alt.Color("on_frontier:N")
        .title(None)
        .scale(domain=[True, False], range=[FAST, NEUTRAL])
        .legend(labelExpr="datum.value ? 'On the frontier' : 'Beaten by another'", symbolOpacity=1)
    )
    faint = alt.when(pick).then(alt.value(0.35)).otherwise(alt.value(0.1))
    bars = table("intervals").mark_rule(strokeWidth=1)
    points = (
        table("checkpoints")
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
    frontier = table("frontier").mark_line(color=FAST, strokeDash=[4, 3], strokeWidth=1.5).encode(x, y)
    shapes = (
        table("named")
        .mark_point(size=220, strokeWidth=2.5)
        .encode(
            x,
            y,
            alt.Shape("mark:N").scale(domain=list(_SHAPES), range=list(_SHAPES.values())).legend(None),
            color=alt.when("datum.mark == 'best odds'").then(alt.value(FAST)).otherwise(alt.value(SLOW)),
            tooltip=_odds_tooltip(),
        )
    )
    return drawing(
        alt.layer(
            *_names(x),
            bars.encode(
                x,
                alt.Y("finish_low:Q"),
                alt.Y2("finish_high:Q"),
                colour,
                opacity=faint,
                tooltip=_odds_tooltip(),
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
            params=[enlargement()],
        ).properties(height=height, width="container", title=alt.Title(slot("title")))
    )


def _take(frame: pd.DataFrame, rows, names: list[str]) -> dict[str, object]:
    """Some rows of some columns; a frame in between costs more than all else here."""
    return {name: frame[name].array[rows] for name in names}


def _candidates(ranking: pd.DataFrame) -> dict[str, object]:
    """Those of the first three of the ranking that have laps, with their names."""
    first = ranking.head(CANDIDATES)
    placed = np.flatnonzero((first["iteration"].to_numpy() >= 0) & (first["laps"].to_numpy() > 0))
    chosen = _take(first, placed, [*_EXPECTED, "fastest"])
    places = [("best", "second", "third")[row] for row in placed]
    chosen["name"] = [
        f"checkpoint {number} ({place})" for number, place in zip(chosen["checkpoint"], places, strict=True)
    ]
    return chosen


def _marked(ranking: pd.DataFrame, known: np.ndarray, best, last) -> list[tuple[int, str]]:
    """Rows of the checkpoints with a mark, and that mark: the first of those known, and those that AWS marks."""
    checkpoints = ranking["checkpoint"].to_numpy()[known]
    return [(known[0], "best odds")] + [
        (row, mark)
        for mark, number in (("AWS best", best), ("AWS last", last))
        if number is not None
        for row in known[checkpoints == number]
    ]


def _with_places(named: dict[str, object], along: str, low: float, high: float) -> pd.DataFrame:
    """Give each name a row of text of its own, so that names cover neither each other nor a mark.

    They are written towards the side with room, and stand in the order in which no line from a name down to
    its marks runs through another's name.
    """
    place = (np.asarray(named[along]) - low) / max(high - low, 1e-9)
    leftwards = np.full(len(place), True)
    if place.min(initial=1) < 0.45:
        leftwards = (place > 0.5) & (place.max() > 0.55)
    row = np.empty(len(place))
    row[np.argsort(np.where(leftwards, 2 - place, place), kind="stable")] = np.arange(len(place)) + 1
    return pd.DataFrame(named | {"row": row, "leftwards": leftwards})


def _names(x: alt.X) -> tuple[alt.Chart, alt.Chart]:
    """Name each row at the top of the plot, with a line from its name down to its marks."""
    chart = table("named").encode(x, tooltip=_odds_tooltip())
    return (
        chart.mark_rule(
            strokeDash=[3, 3], opacity=0.6, y=alt.expr(f"(datum.row - 0.75) * {_NAME_ROW} * enlargement")
        ),
        chart.mark_text(
            align=alt.expr("datum.leftwards ? 'right' : 'left'"),
            dx=alt.expr("datum.leftwards ? -5 : 5"),
            dy=alt.expr(f"(datum.row - 0.5) * {_NAME_ROW} * enlargement"),
        ).encode(text="name:N", y=alt.value(0)),
    )


def _lines(iterations: pd.DataFrame) -> pd.DataFrame:
    """One row per point of the mean line and of the best line."""
    begin, end = iterations["iteration"].tolist(), iterations["iteration_to"].tolist()
    spans = [f"{a}" if a == b else f"{a} to {b}" for a, b in zip(begin, end, strict=True)]
    return pd.DataFrame(
        {
            "iteration": begin * len(_KINDS),
            "iterations": spans * len(_KINDS),
            "laps": np.tile(iterations["laps"].to_numpy(), len(_KINDS)),
            "kind": [name for name in _KINDS.values() for _ in spans],
            "time": np.concatenate([iterations[kind].to_numpy() for kind in _KINDS]),
        }
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


def _iteration_title(same_number: bool | None) -> str:
    """Name the axis by both its meanings: the iteration, and the checkpoint that drove it."""
    if same_number is None:
        return "Iteration"
    if same_number:
        return "Iteration (driven by the checkpoint of the same number)"
    return f"Iteration (driven by checkpoint {inside('driver')} + iteration)"


def _note() -> Sheet:
    """Stand in for a chart without data."""
    return Sheet(_words_alone(), {"note": pd.DataFrame({"note": ["No finished lap to show"]})})


@functools.cache
def _words_alone() -> Drawing:
    """Words that carry the parameter, for whoever listens to it."""
    pick = alt.selection_point(name="iteration", fields=["iteration"])
    note = table("note").mark_text(fontSize=14).encode(text="note:N").add_params(pick)
    return drawing(alt.layer(note).properties(height=80, width="container"))
