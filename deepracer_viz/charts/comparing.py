"""Charts that hold up to four models against each other: one colour, one mark and one dash for each, everywhere."""

import functools

import altair as alt
import pandas as pd

from deepracer_viz.analysis.comparing.driving import DrivingComparison
from deepracer_viz.analysis.comparing.envelopes import EnvelopeComparison
from deepracer_viz.analysis.comparing.odds import OddsComparison
from deepracer_viz.analysis.comparing.rewards import RewardComparison
from deepracer_viz.analysis.comparing.training import TrainingComparison
from deepracer_viz.charts.sheet import Drawing, Sheet, drawing, inside, slot, table
from deepracer_viz.charts.theme import BAND_OPACITY, CANVAS, MODEL_DASHES, MODEL_SHAPES, MODELS, NEUTRAL
from deepracer_viz.charts.trackmap import border_lines, centre_line, reach_of_map, square_axes

FIGURES = {"fastest": "Fastest lap", "good_lap": "One lap in 44 is faster", "mean": "Mean, with one SD"}
"""Figures of :func:`compare_envelopes_sheet` and what a person calls them."""

CLOCKS = {"iteration": "Iteration", "hours": "Hours of training"}
"""Axes of :func:`compare_training_sheet`."""

STRIPS = {
    "progress_mean": "Mean progress (%)",
    "completion": "Completed laps (%)",
    "entropy": "Entropy",
}
"""Measures of :func:`compare_training_sheet` and the titles of their axes."""

_ODDS = {
    "win": "Beats the others",
    "target": "Beats the target",
    "finish": "Finishes a lap",
}
_BARS, _GAP, _ROW = 300, 40, 36  # px of the histogram, below it, and of each row under it
_MAP_WIDTH, _MAP_HEIGHT, _HEADER = 420, (180, 420), 150  # px, the last for title and legend
# The ends of viridis would be lost on black and on white.
_MIDDLE_OF_VIRIDIS = alt.SchemeParams(name="viridis", extent=[0.15, 0.88])


def _names(count: int) -> list[alt.ExprRef]:
    return [slot(f"name_{place}") for place in range(count)]


def _of_names(names: list[str]) -> dict[str, str]:
    """Values of the slots of :func:`_names`."""
    return {f"name_{place}": name for place, name in enumerate(names)}


_LEGEND = {
    "labelLimit": 260,
    "symbolOpacity": 1,
    "columns": alt.expr("width > 640 ? 4 : width > 300 ? 2 : 1"),
}
_OF_MARKS = _LEGEND | {"symbolSize": 120}
_OF_LINES = _LEGEND | {"symbolType": "stroke", "symbolSize": 700, "symbolStrokeWidth": 2.5}


def _colour(count: int, legend: dict) -> alt.Color:
    look = alt.Color("name:N").title(None).scale(domain=_names(count), range=list(MODELS[:count]))
    return look.legend(**legend)


def _shape(count: int) -> alt.Shape:
    shapes = list(MODEL_SHAPES[:count])
    return alt.Shape("name:N").title(None).scale(domain=_names(count), range=shapes).legend(**_OF_MARKS)


def _dash(count: int) -> alt.StrokeDash:
    dashes = list(MODEL_DASHES[:count])
    return alt.StrokeDash("name:N").title(None).scale(domain=_names(count), range=dashes).legend(**_OF_LINES)


def _beside(count: int) -> alt.XOffset:
    """Marks of one place next to each other, in the order of the models."""
    return alt.XOffset("name:N").scale(domain=_names(count), paddingOuter=1)


@functools.cache
def _sentence() -> Drawing:
    words = table("words").mark_text(fontSize=14).encode(text="text:N")
    return drawing(words.properties(width="container", height=80))


def _said(text: str) -> Sheet:
    """A sentence in place of a chart."""
    return Sheet(_sentence(), {"words": pd.DataFrame({"text": [text]})})


# ------------------------------------------------------------------------------------------------ envelopes


def compare_envelopes_chart(answer: EnvelopeComparison) -> alt.TopLevelMixin:
    """Return :func:`compare_envelopes_sheet` as an Altair chart, for notebooks."""
    return compare_envelopes_sheet(answer).chart()


def compare_envelopes_sheet(answer: EnvelopeComparison) -> Sheet:
    """Lap times over each other, as shares of each model's laps, above a row of figures for each.

    Parameters
    ----------
    answer : EnvelopeComparison
        From `deepracer_viz.analysis.comparing.compare_envelopes`.

    Returns
    -------
    Sheet
        As wide as its container; a sentence without laps.
    """
    bins = answer.bins[~answer.bins["beyond"].astype(bool)]
    if bins.empty:
        return _said("No completed laps to show")
    names = list(answer.models["name"])
    outline = _outline(bins)
    figures = _figures(answer.models)
    first = min(outline["time"].min(), figures["low"].min())
    last = max(outline["time"].max(), figures["time"].max())
    margin = 0.02 * (last - first)
    width = float(bins["high"].iloc[0] - bins["low"].iloc[0])
    slow = answer.bins[answer.bins["beyond"].astype(bool)]
    lines = [f"Shares of the laps of each, {width:.4g} s a step."]
    if slow["laps"].sum():
        lines.append(f"Not drawn: {slow['laps'].sum():,} much slower, up to {slow['high'].max():.2f} s.")
    return Sheet(
        _envelopes(len(names)),
        {"outline": outline, "figures": figures},
        _of_names(names) | {"first": first - margin, "last": last + margin, "title": lines},
    )


def _outline(bins: pd.DataFrame) -> pd.DataFrame:
    """Corners of the steps of each model, down to nothing on both sides."""
    parts = []
    for name, own in bins.groupby("name", sort=False):
        time = [own["low"].iloc[0], *own["low"], own["high"].iloc[-1]]
        parts.append(
            pd.DataFrame(
                {
                    "name": name,
                    "time": time,
                    "to": [time[0], *own["high"], time[-1]],
                    "percent": [0.0, *(100 * own["share"]), 0.0],
                    "laps": [0, *own["laps"], 0],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _figures(models: pd.DataFrame) -> pd.DataFrame:
    """One row per model and figure; the mean with one standard deviation to either side."""
    long = models.melt(["name", "sd", "laps"], list(FIGURES), "figure", "time").dropna(subset=["time"])
    of_mean = (long["figure"] == "mean") & long["sd"].notna()
    reach = long["sd"].where(of_mean, 0.0)
    return long.assign(
        low=long["time"] - reach, high=long["time"] + reach, figure=long["figure"].map(FIGURES)
    ).drop(columns="sd")


@functools.lru_cache(maxsize=8)
def _envelopes(count: int) -> Drawing:
    height = _BARS + _GAP + _ROW * count
    upper = {"range": [alt.expr(f"height * {_BARS / height}"), 0]}
    lower = {"range": [alt.expr(f"height * {(_BARS + _GAP / 2) / height}"), alt.expr("height")]}
    time = (
        alt.X("time:Q")
        .title("Lap time (s)")
        .scale(domain=[slot("first"), slot("last")], nice=False, zero=False)
        .axis(grid=False, tickCount=10)
    )
    percent = alt.Y("percent:Q").title("Laps (%)").scale(**upper).axis(tickCount=5).stack(None)
    steps = table("outline").encode(time, percent)
    tooltip = [
        alt.Tooltip("name:N", title="Model"),
        alt.Tooltip("time:Q", title="From (s)", format=".2f"),
        alt.Tooltip("to:Q", title="To (s)", format=".2f"),
        alt.Tooltip("percent:Q", title="Share of its laps (%)", format=".1f"),
        alt.Tooltip("laps:Q", title="Laps", format=","),
    ]
    row = table("figures").encode(
        time,
        alt.Y("name:N")
        .title(None)
        .sort(None)
        .scale(type="point", padding=0.5, domain=_names(count), **lower)
        .axis(orient="left", domain=False, ticks=False, grid=False, labelLimit=130, labelOverlap=False),
        _colour(count, _OF_LINES),
        tooltip=[
            alt.Tooltip("name:N", title="Model"),
            alt.Tooltip("figure:N", title="Figure"),
            alt.Tooltip("time:Q", title="Lap time (s)", format=".2f"),
            alt.Tooltip("laps:Q", title="Laps", format=","),
        ],
    )
    kinds = list(FIGURES.values())
    return drawing(
        alt.layer(
            alt.layer(
                steps.mark_area(interpolate="step-after", opacity=0.12).encode(_colour(count, _OF_LINES)),
                steps.mark_line(interpolate="step-after").encode(
                    _colour(count, _OF_LINES), _dash(count), tooltip=tooltip
                ),
            ),
            alt.layer(
                row.mark_rule(strokeWidth=9, opacity=0.4).encode(alt.X("low:Q"), alt.X2("high:Q")),
                row.mark_point(filled=True, size=130, opacity=1).encode(
                    shape=alt.Shape("figure:N")
                    .title(None)
                    .scale(domain=kinds, range=["triangle-up", "diamond", "circle"])
                    .legend(
                        orient="bottom",
                        columns=alt.expr("width > 400 ? 3 : 1"),
                        symbolFillColor=NEUTRAL,
                        symbolStrokeColor=NEUTRAL,
                    )
                ),
            ),
        )
        .resolve_scale(y="independent", color="shared")
        .properties(width="container", height=height, title=alt.Title(slot("title")))
    )


# ----------------------------------------------------------------------------------------------------- odds


def compare_odds_chart(answer: OddsComparison) -> alt.TopLevelMixin:
    """Return :func:`compare_odds_sheet` as an Altair chart, for notebooks."""
    return compare_odds_sheet(answer).chart()


def compare_odds_sheet(answer: OddsComparison, names: list[str] | None = None) -> Sheet:
    """Chances of the best checkpoint of each model, with their 90 % intervals.

    Parameters
    ----------
    answer : OddsComparison
        From `deepracer_viz.analysis.comparing.compare_odds`.
    names : list of str, optional
        All that are compared, in their order, so that a model keeps its colour where another has no odds.

    Returns
    -------
    Sheet
    """
    names = names or list(answer.models["name"])
    parts = [
        pd.DataFrame(
            {
                "name": answer.models["name"],
                "checkpoint": answer.models["checkpoint"],
                "what": title,
                "percent": 100 * answer.models[f"{what}_chance"],
                "low": 100 * answer.models[f"{what}_low"],
                "high": 100 * answer.models[f"{what}_high"],
            }
        )
        for what, title in _ODDS.items()
    ]
    chances = pd.concat(parts, ignore_index=True).dropna(subset=["percent"])
    if chances.empty:
        return _said("No odds to show")
    return Sheet(
        _odds(len(names), chances["what"].nunique()),
        {"chances": chances},
        _of_names(names) | {"title": [f"In a race decided {answer.race.words}; lines: 90 % intervals."]},
    )


@functools.lru_cache(maxsize=16)
def _odds(count: int, rows: int) -> Drawing:
    base = table("chances").encode(
        alt.Y("what:N")
        .title(None)
        .sort(list(_ODDS.values()))
        .axis(grid=False, domain=False, ticks=False, labelPadding=14, labelOverlap=False),
        _colour(count, _OF_MARKS),
        yOffset=alt.YOffset("name:N").scale(domain=_names(count), paddingOuter=0.8),
        tooltip=[
            alt.Tooltip("name:N", title="Model"),
            alt.Tooltip("checkpoint:Q", title="Checkpoint", format="d"),
            alt.Tooltip("what:N", title="Chance"),
            alt.Tooltip("percent:Q", title="Chance (%)", format=".0f"),
            alt.Tooltip("low:Q", title="at least (%)", format=".0f"),
            alt.Tooltip("high:Q", title="at most (%)", format=".0f"),
        ],
    )
    chance = alt.Scale(domain=[0, 100], nice=False)
    return drawing(
        alt.layer(
            base.mark_rule(strokeWidth=2.5).encode(
                alt.X("low:Q").scale(chance).title("Chance (%)").axis(tickCount=5), alt.X2("high:Q")
            ),
            base.mark_point(filled=True, size=130, opacity=1).encode(
                alt.X("percent:Q").scale(chance), _shape(count)
            ),
        ).properties(width="container", height=110 + rows * (26 + 20 * count), title=alt.Title(slot("title")))
    )


# ------------------------------------------------------------------------------------------------- training


def compare_training_chart(answer: TrainingComparison, by: str = "iteration") -> alt.TopLevelMixin:
    """Return :func:`compare_training_sheet` as an Altair chart, for notebooks."""
    return compare_training_sheet(answer, by).chart()


def compare_training_sheet(
    answer: TrainingComparison, by: str = "iteration", names: list[str] | None = None
) -> Sheet:
    """Progress, completed laps and entropy of each model, below one another on one axis.

    Parameters
    ----------
    answer : TrainingComparison
        From `deepracer_viz.analysis.comparing.compare_training`.
    by : str
        Key of `CLOCKS`.
    names : list of str, optional
        All that are compared, in their order.

    Returns
    -------
    Sheet
        As wide as its container; a sentence where nothing is known by that clock.
    """
    lines = answer.lines.dropna(subset=[by]).assign(x=answer.lines[by])
    there = tuple(measure for measure in STRIPS if lines[measure].notna().any())
    if not there:
        return _said(f"Nothing to show by {CLOCKS[by].lower()}")
    names = names or list(answer.models["name"])
    shares = {name: 100 * lines[name] for name in ("completion", "completion_smooth")}
    lines = lines.assign(**shares).astype(dict.fromkeys(lines.columns[1:], "float32")).round(4)
    low, high = float(lines["x"].min()), float(lines["x"].max())
    low = 0.0 if by == "hours" else low
    return Sheet(
        _training(len(names), there, by),
        {"lines": lines},
        _of_names(names)
        | {
            "first": low,
            "last": high if high > low else low + 1,
            "title": [
                f"Bold: mean of {answer.window} iterations." if answer.window > 1 else "Each iteration."
            ],
        },
    )


@functools.lru_cache(maxsize=16)
def _training(count: int, measures: tuple[str, ...], by: str) -> Drawing:
    x = (
        alt.X("x:Q")
        .title(CLOCKS[by])
        .scale(domain=[slot("first"), slot("last")], nice=False, zero=False)
        .axis(grid=False, tickCount=10)
    )
    strips = []
    for place, measure in enumerate(measures):
        title = STRIPS[measure]
        # Shares of the height and not pixels: a full-screen view changes the height.
        top, bottom = (round((place + share) / (len(measures) - 0.18), 4) for share in (0, 0.82))
        scale = {"range": [alt.expr(f"height * {bottom}"), alt.expr(f"height * {top}")]}
        scale |= {"zero": False} if measure == "entropy" else {"domain": [0, 100]}
        axis = {"tickCount": 4, "minExtent": 44, "orient": "left"}
        base = table("lines").encode(x)
        told = ["'Model': datum.name", "'Iteration': format(datum.iteration, 'd')"]
        told += ["'Drives': format(datum.drives, ',')", f"'{title}': format(datum.{measure}, '.1f')"]
        # What is not known of an iteration would say "null".
        known = [
            f"isValid(datum.{name}) ? {{'{words}': format(datum.{name}, '{form}')}} : {{}}"
            for name, words, form in (
                (f"{measure}_smooth", "Moving average", ".1f"),
                ("hours", "Hours of training", ".2f"),
            )
        ]
        tooltip = alt.value(alt.expr(f"merge({{{', '.join(told)}}}, {', '.join(known)})"))
        raw = alt.Y(f"{measure}:Q").title(title).scale(**scale).axis(**axis)
        smooth = alt.Y(f"{measure}_smooth:Q").title(title).scale(**scale).axis(**axis)
        strips.append(
            alt.layer(
                base.mark_line(strokeWidth=1, opacity=0.4).encode(raw, _colour(count, _OF_LINES)),
                base.mark_line(strokeWidth=2.5).encode(smooth, _colour(count, _OF_LINES), _dash(count)),
                base.mark_circle(size=50, opacity=0.01).encode(
                    raw, _colour(count, _OF_LINES), tooltip=tooltip
                ),
            )
        )
    return drawing(
        alt.layer(*strips)
        .resolve_scale(y="independent")
        .properties(width="container", height=110 + 190 * len(measures), title=alt.Title(slot("title")))
    )


# -------------------------------------------------------------------------------------------------- driving


def compare_driving_chart(answer: DrivingComparison) -> alt.TopLevelMixin:
    """Return :func:`time_lost_sheet` as an Altair chart, for notebooks."""
    return time_lost_sheet(answer).chart()


def time_lost_sheet(answer: DrivingComparison, names: list[str] | None = None) -> Sheet:
    """Time that each of the others lost on the first along the track.

    Parameters
    ----------
    answer : DrivingComparison
        From `deepracer_viz.analysis.comparing.compare_driving`.
    names : list of str, optional
        All that are compared, in their order.

    Returns
    -------
    Sheet
    """
    delta = answer.delta.dropna(subset=["delta"])
    if delta.empty:
        return _said("No laps to lay over each other")
    names = names or list(answer.laps)
    first = next(iter(answer.laps))
    counts = ", ".join(f"{name} {n}" for name, n in answer.laps.items())
    numbers = dict.fromkeys(["place", "delta", "low", "high"], "float32")
    return Sheet(
        _time_lost(len(names)),
        {
            "delta": delta.astype(numbers).round(3),
            "places": _places(delta),
            "zero": pd.DataFrame({"zero": [0]}),
        },
        _of_names(names)
        | {
            "first": float(delta["place"].min()),
            "last": float(delta["place"].max()),
            "title": [
                f"Time lost on {first}: rises where it is faster.",
                f"{answer.group.capitalize()} laps: {counts}. Bands: 95 % intervals.",
            ],
        },
    )


def _places(delta: pd.DataFrame) -> pd.DataFrame:
    """Middle of each stretch of a section."""
    one = delta[delta["name"] == delta["name"].iloc[0]]
    stretch = (one["section"] != one["section"].shift()).cumsum()
    runs = one.groupby(stretch).agg(
        section=("section", "first"), begin=("place", "min"), end=("place", "max")
    )
    return runs.assign(place=(runs["begin"] + runs["end"]) / 2).round(2).reset_index(drop=True)


@functools.lru_cache(maxsize=8)
def _time_lost(count: int) -> Drawing:
    x = (
        alt.X("place:Q")
        .title("Distance from the start line (m)")
        .scale(domain=[slot("first"), slot("last")], nice=False, zero=False)
        .axis(grid=False)
    )
    lost = alt.Y("delta:Q").title("Time lost (s)").scale(range=[alt.expr("height"), 28]).axis(tickCount=5)
    lines = table("delta").encode(x)
    names = table("places")
    wide = f"(datum.end - datum.begin) / ({inside('last')} - {inside('first')}) * width > 18"
    return drawing(
        alt.layer(
            table("zero").mark_rule(strokeWidth=1).encode(alt.Y("zero:Q").title("Time lost (s)")),
            lines.mark_area(opacity=BAND_OPACITY).encode(
                alt.Y("low:Q").title("Time lost (s)"), alt.Y2("high:Q"), _colour(count, _OF_LINES)
            ),
            lines.mark_line().encode(
                lost,
                _colour(count, _OF_LINES),
                _dash(count),
                tooltip=[
                    alt.Tooltip("name:N", title="Model"),
                    alt.Tooltip("section:N", title="Section"),
                    alt.Tooltip("place:Q", title="Distance (m)", format=".1f"),
                    alt.Tooltip("delta:Q", title="Time lost up to here (s)", format="+.2f"),
                    alt.Tooltip("low:Q", title="at least (s)", format="+.2f"),
                    alt.Tooltip("high:Q", title="at most (s)", format="+.2f"),
                ],
            ),
            names.mark_rule(strokeWidth=1, opacity=0.4).encode(
                alt.X("begin:Q"), y=alt.value(0), y2=alt.value(alt.expr("height"))
            ),
            names.transform_filter(wide)
            .mark_text(baseline="top")
            .encode(x, y=alt.value(2), text="section:N"),
        ).properties(width="container", height=380, title=alt.Title(slot("title")))
    )


def section_times_sheet(answer: DrivingComparison, names: list[str] | None = None) -> Sheet:
    """Seconds that each of the others lost on the first in each section.

    Parameters
    ----------
    answer : DrivingComparison
        From `deepracer_viz.analysis.comparing.compare_driving`.
    names : list of str, optional
        All that are compared, in their order.

    Returns
    -------
    Sheet
    """
    others = answer.sections[answer.sections["name"] != next(iter(answer.laps), "")]
    if others.empty:
        return _said("No sections to compare")
    title = [
        f"Seconds lost on {next(iter(answer.laps))} in each section.",
        "Below zero: faster. Lines: 95 % intervals.",
    ]
    columns = ["section", "name", "time", "lost", "low", "high", "laps"]
    tooltip = (
        ("time", "Mean (s)", ".2f"),
        ("lost", "Lost (s)", "+.2f"),
        ("low", "at least (s)", "+.2f"),
        ("high", "at most (s)", "+.2f"),
        ("laps", "Laps", ","),
    )
    names = names or list(answer.laps)
    return Sheet(
        _by_section(len(names), "lost", "Time lost (s)", True, tooltip),
        {"sections": others[columns].round(4), "zero": pd.DataFrame({"zero": [0]})},
        _of_names(names) | {"title": title},
    )


@functools.lru_cache(maxsize=32)
def _by_section(count: int, field: str, title: str, intervals: bool, figures: tuple) -> Drawing:
    """A mark per model in each section, in order of the track."""
    base = table("sections").encode(
        alt.X("section:N").title(None).sort(None).axis(labelAngle=0, grid=False),
        _colour(count, _OF_MARKS),
        xOffset=_beside(count),
        tooltip=[
            alt.Tooltip("section:N", title="Section"),
            alt.Tooltip("name:N", title="Model"),
            *(alt.Tooltip(f"{name}:Q", title=words, format=form) for name, words, form in figures),
        ],
    )
    y = alt.Y(f"{field}:Q").title(title).axis(tickCount=5)
    points = base.mark_point(filled=True, size=110, opacity=1).encode(y, _shape(count))
    layers = [points]
    if intervals:
        layers = [
            table("zero").mark_rule(strokeWidth=1).encode(alt.Y("zero:Q").title(title)),
            base.mark_rule(strokeWidth=2).encode(alt.Y("low:Q").title(title), alt.Y2("high:Q")),
            points,
        ]
    return drawing(
        alt.layer(*layers).properties(width="container", height=340, title=alt.Title(slot("title")))
    )


# -------------------------------------------------------------------------------------------------- rewards


def line_spread_sheet(answer: RewardComparison, names: list[str] | None = None) -> Sheet:
    """How far the line of each model scatters in each section.

    Parameters
    ----------
    answer : RewardComparison
        From `deepracer_viz.analysis.comparing.compare_rewards`.
    names : list of str, optional
        All that are compared, in their order.

    Returns
    -------
    Sheet
    """
    sections = answer.sections.dropna(subset=["lateral_spread"])
    if sections.empty:
        return _said("No sections to compare")
    columns = ["section", "name", "lateral_spread", "off_track_share", "due_share", "steps"]
    figures = (
        ("lateral_spread", "Spread of the line (m)", ".2f"),
        ("off_track_share", "A wheel off track", ".1%"),
        ("due_share", "Share of early ends", ".0%"),
        ("steps", "Steps", ","),
    )
    names = names or list(answer.maps)
    title = ["Two drives of three pass within so many", "metres to either side of the usual line."]
    return Sheet(
        _by_section(len(names), "lateral_spread", "Spread of the line (m)", False, figures),
        {"sections": sections[columns].round(4)},
        _of_names(names) | {"title": title},
    )


def reward_share_sheets(answer: RewardComparison) -> dict[str, Sheet]:
    """Reward map of each model, all with the same colours and the same metres per pixel.

    Parameters
    ----------
    answer : RewardComparison
        From `deepracer_viz.analysis.comparing.compare_rewards`.

    Returns
    -------
    dict of str to Sheet
        By model; colours are shares of the model's own range of rewards.
    """
    borders = border_lines(answer.track)
    if borders.empty:
        borders = centre_line(answer.track).dropna()
    cells = answer.cells.assign(
        x=answer.cells["x"] - answer.cell / 2,
        y=answer.cells["y"] - answer.cell / 2,
        percent=100 * answer.cells["share"],
    )
    places = pd.concat([cells[["x", "y"]], cells[["x", "y"]] + answer.cell, borders[["x", "y"]]]).astype(
        float
    )
    if places.empty:
        return {}
    low, high = places.min(), places.max()
    height = _MAP_WIDTH * (high["y"] - low["y"]) / max(high["x"] - low["x"], 0.1)
    height = round(min(max(height, _MAP_HEIGHT[0]), _MAP_HEIGHT[1]) / 20) * 20 + _HEADER
    sheets = {}
    decimals = {"x": 3, "y": 3, "reward": 4, "percent": 1}
    for name in answer.maps:
        least, most = answer.ranges[name]
        own = cells.loc[cells["name"] == name, ["x", "y", "reward", "percent", "visits", "section"]]
        sheets[name] = Sheet(
            _reward_share(height),
            {"cells": own.round(decimals), "borders": borders},
            reach_of_map((low["x"], high["x"]), (low["y"], high["y"]))
            | {
                "cell": answer.cell,
                "title": [
                    name,
                    f"Range {least:.3g} to {most:.3g} a step",
                    f"n = {own['visits'].sum():,} steps",
                ],
            },
        )
    return sheets


@functools.lru_cache(maxsize=16)
def _reward_share(height: int) -> Drawing:
    x, y = square_axes()
    return drawing(
        alt.layer(
            table("cells")
            .transform_calculate(right=f"datum.x + {inside('cell')}", top=f"datum.y + {inside('cell')}")
            # A little over the edge, or a hairline shows between neighbours.
            .mark_rect(x2Offset=0.8, y2Offset=-0.8)
            .encode(
                x,
                y,
                alt.X2("right:Q"),
                alt.Y2("top:Q"),
                alt.Color("percent:Q")
                .title("Reward, % of its own range")
                .scale(scheme=_MIDDLE_OF_VIRIDIS, domain=[0, 100], clamp=True)
                .legend(direction="horizontal", orient="bottom", gradientLength=150, values=[0, 50, 100]),
                tooltip=[
                    alt.Tooltip("section:N", title="Section"),
                    alt.Tooltip("reward:Q", title="Mean reward a step", format=",.3~r"),
                    alt.Tooltip("percent:Q", title="In its own range (%)", format=".0f"),
                    alt.Tooltip("visits:Q", title="Steps", format=","),
                ],
            ),
            table("borders")
            .mark_line(color=NEUTRAL, strokeWidth=1.5, opacity=0.8, tooltip=None)
            .encode(x, y, alt.Detail("line:N"), alt.Order("point:Q")),
        ).properties(width="container", height=height, title=alt.Title(slot("title")), usermeta=CANVAS)
    )
