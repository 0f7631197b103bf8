"""Comparing models, or ranges of iterations of one: the choice in the sidebar, and each question for all of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

import pandas as pd
import streamlit as st

from deepracer_viz import Drives, TrainingRun
from deepracer_viz.analysis.comparing import (
    MOST_CONTENDERS,
    Contender,
    compare_driving,
    compare_envelopes,
    compare_odds,
    compare_rewards,
    compare_training,
)
from deepracer_viz.analysis.comparing.envelopes import EnvelopeComparison
from deepracer_viz.analysis.comparing.odds import OddsComparison
from deepracer_viz.analysis.races import RaceFormat, RaceModel, predict_races
from deepracer_viz.analysis.words import counted, listed, percent, percent_within
from deepracer_viz.charts.comparing import (
    CLOCKS,
    compare_envelopes_sheet,
    compare_odds_sheet,
    compare_training_sheet,
    line_spread_sheet,
    reward_share_sheets,
    section_times_sheet,
    time_lost_sheet,
)
from deepracer_viz.charts.sheet import Sheet
from deepracer_viz.export import Comparison
from deepracer_viz.page import takeaway
from deepracer_viz.page.checkpoints import choose_race
from deepracer_viz.page.glossary import about
from deepracer_viz.page.models import Model, try_model
from deepracer_viz.page.stage import choices, draw, screen, verdict
from deepracer_viz.page.text import duration, plain, seconds
from deepracer_viz.page.tour import explain
from deepracer_viz.page.widgets import switch

_GROUPS = {"Typical laps": "typical", "Fast laps": "fast"}


@dataclass(frozen=True)
class Choice:
    """What is to be compared with the model that is shown: other models, and other iterations of its own."""

    models: tuple[str, ...] = ()
    iterations: tuple[int, int] | None = None

    def __bool__(self) -> bool:
        return bool(self.models) or self.iterations is not None


# -------------------------------------------------------------------------------------------------- sidebar


def choose(
    model: str, models: dict[str, Model], run: TrainingRun, iterations: tuple[int, int] | None
) -> Choice:
    """Let the visitor choose in the sidebar what to compare.

    Parameters
    ----------
    model : str
        Name of the model that is shown.
    models : dict of str to Model
        All models at hand.
    run : TrainingRun
        The model that is shown.
    iterations : (int, int) or None
        Its chosen iterations; None where there are none to choose.

    Returns
    -------
    Choice
    """
    against = None
    split = iterations is not None and st.toggle(
        "Against other iterations",
        key="split",
        bind="query-params",
        on_change=_halve,
        args=(run,),
        help="Compare two ranges of iterations of this model, such as before and after a change of its reward "
        "function.",
    )
    if split:
        first, last = _span(run)
        if not _within(st.session_state.get("against"), first, last):
            st.session_state.pop("against", None)
        middle = (first + last + 1) // 2
        against = st.slider(
            "against iterations", first, last, (middle, last), key="against", bind="query-params"
        )
    others = [name for name in models if name != model]
    if not others:
        return Choice((), against)
    room = MOST_CONTENDERS - 1 - split
    chosen = [name for name in st.session_state.get("compare", []) if name in others][:room]
    if "compare" in st.session_state and chosen != st.session_state["compare"]:
        st.session_state["compare"] = chosen
    picked = st.multiselect(
        "Compare with",
        others,
        key="compare",
        bind="query-params",
        max_selections=room,
        placeholder="other models",
        help=f"Up to {room} other models. Every section then shows all of them on the same axes.",
    )
    return Choice(tuple(picked[:room]), against)


def forget() -> None:
    """Let go of the ranges of a model that is no longer shown."""
    # Set and not taken away: what is missing is read from the address again.
    st.session_state["split"] = False
    st.session_state.pop("against", None)


def _span(run: TrainingRun) -> tuple[int, int]:
    return int(run.episodes["iteration"].min()), int(run.episodes["iteration"].max())


def _within(band, first: int, last: int) -> bool:
    return band is None or first <= band[0] <= band[1] <= last


def _halve(run: TrainingRun) -> None:
    """Begin with the first half of the training against its second half."""
    first, last = _span(run)
    middle = (first + last + 1) // 2
    if st.session_state["split"] and st.session_state.get("iterations") == (first, last):
        st.session_state["iterations"] = (first, max(middle - 1, first))
    elif not st.session_state["split"]:
        st.session_state["iterations"] = (first, last)


# ----------------------------------------------------------------------------------------------- contenders


def _gather(
    choice: Choice,
    model: str,
    models: dict[str, Model],
    run: TrainingRun,
    drives: Drives,
    iterations: tuple[int, int] | None,
    from_line: bool,
) -> list[Contender]:
    """The chosen drives of all that are compared; says who is left out."""
    name, found = model, []
    if choice.iterations is not None:
        ranges = [_range(iterations), _range(choice.iterations)]
        if ranges[0] == ranges[1]:
            st.warning("Both ranges hold the same iterations: there is nothing to compare between them.")
            choice = Choice(choice.models)
        else:
            shared = min(iterations[1], choice.iterations[1]) - max(iterations[0], choice.iterations[0]) + 1
            if shared > 0:
                st.warning(
                    f"The two ranges share {counted(shared, 'iteration')}: that makes them look more alike than "
                    "they are."
                )
            more = f"{model}, " if choice.models else ""
            name = f"{more}{ranges[0]}"
            found = [
                (
                    f"{more}{ranges[1]}",
                    run,
                    run.drives(False, choice.iterations, from_line),
                    choice.iterations,
                )
            ]
    found = [(name, run, drives, iterations), *found]
    for other in choice.models:
        of_other, error = try_model(other, models[other])
        if of_other is None:
            st.warning(plain(f"{other} is left out. {error}"), icon=":material/warning:")
            continue
        evaluations = "stream" in drives.episodes if len(of_other.evaluation_episodes) else False
        evaluations |= of_other.episodes.empty
        found.append((other, of_other, of_other.drives(evaluations, None, from_line), None))
    contenders = []
    for name, of_run, of_drives, span in _shortened(found):
        if of_drives.episodes.empty:
            st.warning(
                plain(f"{name} is left out: none of its drives is left by the choices in the sidebar.")
            )
        else:
            contenders.append(_contender(name, of_run, of_drives, span))
    return contenders


def _shortened(found: list[tuple]) -> list[tuple]:
    """Leave out of the names that a model is a sample, where that is not what tells two apart."""
    short = [name.replace(" (sample)", "") for name, *_ in found]
    return (
        [(name, *more) for name, (_, *more) in zip(short, found, strict=True)]
        if len(set(short)) == len(short)
        else found
    )


def _range(iterations: tuple[int, int]) -> str:
    first, last = iterations
    return f"Iteration {first}" if first == last else f"Range {first} to {last}"


def _contender(name: str, run: TrainingRun, drives: Drives, span: tuple[int, int] | None) -> Contender:
    rated, updates = run.checkpoint_evaluations, run.policy_updates
    rated = rated[rated["checkpoint"].isin(drives.episodes["checkpoint"])]
    if span is not None:
        updates = updates[updates["iteration"].between(*span)]
    return Contender(
        name=name,
        steps=drives.steps,
        episodes=drives.episodes,
        track=drives.track,
        world=run.metadata.world,
        evaluations=rated,
        policy_updates=updates,
        hours=None if "stream" in drives.episodes else drives.hours_by_iteration,
    )


def _fingerprint(contender: Contender) -> bytes:
    """What an answer is kept under: its drives, not the million steps that they come from."""
    mark = sha256(repr((contender.name, contender.world, len(contender.steps))).encode())
    if contender.track is not None:
        mark.update(repr((contender.track.source, contender.track.length)).encode())
        mark.update(contender.track.center.tobytes())
    for table in (contender.episodes, contender.evaluations, contender.policy_updates):
        mark.update(pd.util.hash_pandas_object(table).to_numpy().tobytes())
    return mark.digest()


# Asked again with every click on the page, answered once. Few are kept, and they hold figures, not steps; by session,
# for what was learnt of dropped files must go with the visitor who dropped them.
_BY_DRIVES = {Contender: _fingerprint}
_once = st.cache_resource(max_entries=8, scope="session", show_spinner=False, hash_funcs=_BY_DRIVES)
_envelopes, _training, _driving, _rewards = (
    _once(question) for question in (compare_envelopes, compare_training, compare_driving, compare_rewards)
)


@st.cache_resource(max_entries=16, scope="session", show_spinner=False, hash_funcs=_BY_DRIVES)
def _race_model(contender: Contender) -> RaceModel:
    """Learn from the drives once, whatever the race."""
    return predict_races(contender.episodes, contender.evaluations)


@_once
def _odds(contenders: list[Contender], race: RaceFormat):
    learnt = {contender.name: _race_model(contender) for contender in contenders if contender.of_training}
    return compare_odds(contenders, race, learnt)


# ------------------------------------------------------------------------------------------------- sections


def screens(
    choice: Choice,
    model: str,
    models: dict[str, Model],
    run: TrainingRun,
    drives: Drives,
    iterations: tuple[int, int] | None,
    from_line: bool,
    target: float | None,
) -> tuple[dict[str, Callable[[], None]], Callable[[], None] | None]:
    """Return what shows each question for all that are compared, by its name on the page, and what takes it along.

    Parameters
    ----------
    choice : Choice
        Answer of :func:`choose`.
    model : str
        Name of the model that is shown.
    models : dict of str to Model
        All models at hand.
    run : TrainingRun
        The model that is shown.
    drives : Drives
        Its chosen drives.
    iterations : (int, int) or None
        The iterations that they are of.
    from_line : bool
        Only drives from the start line count.
    target : float or None
        Lap time to beat (s).

    Returns
    -------
    screens : dict of str to function
        In the order of the page; empty where nothing is left to compare.
    take : function or None
        What shows how to take the comparison along, once all of these were called.
    """
    contenders = _gather(choice, model, models, run, drives, iterations, from_line)
    if len(contenders) < 2:
        st.info(
            "There is nothing left to compare. Choose another model, or take the comparison off in the sidebar."
        )
        return {}, None
    names = [contender.name for contender in contenders]
    st.caption(
        plain(
            f"Compared: {listed(names)}. Take the comparison off in the sidebar to see one model in detail."
        )
    )
    of_ranges = choice.iterations is not None and not choice.models
    shown = _Shown(contenders, names, "Range" if of_ranges else "Model")
    sections = {
        "Lap times": lambda: _show_odds_and_envelopes(shown, target),
        "Training": lambda: _show_training(shown),
        "Driving": lambda: _show_driving(shown),
        "Turns": lambda: _show_rewards(shown),
    }
    shared = all(models[name].shared for name in (model, *choice.models))
    return sections, lambda: _take(shown, model, shared)


@dataclass(frozen=True)
class _Shown:
    """Who is compared, what one of them is called, and what was shown of them so far."""

    contenders: list[Contender]
    names: list[str]
    what: str
    answers: dict = field(default_factory=dict)
    charts: dict[str, Sheet] = field(default_factory=dict)

    def chart(self, name: str, sheet: Sheet, key: str, alt: str) -> None:
        self.charts[name] = sheet
        draw(sheet, f"compare_{key}", alt)


_CHARTS = ("Lap times", "Odds", "Training", "Time lost", "Sections", "Rewards", "Spread of the line")
"""Charts to be taken along; those of rewards are numbered like the models."""


def _take(shown: _Shown, model: str, shared: bool) -> None:
    # The section that is looked at is drawn first, whichever it is.
    in_order = sorted(shown.charts, key=lambda name: _CHARTS.index(name.rstrip(" 1234")))
    charts = {name: shown.charts[name] for name in in_order}
    takeaway.show_comparison(model, shared, Comparison(shown.names, **shown.answers), charts)


def _interval(low: pd.Series, high: pd.Series) -> list[str]:
    return ["–" if pd.isna(a) else f"{percent(a)} to {percent(b)}" for a, b in zip(low, high, strict=True)]


def _show_odds_and_envelopes(shown: _Shown, target: float | None) -> None:
    """Show lap times over each other, then the odds of a race; both take its number of attempts."""
    with screen():
        st.header(
            "Who drives the faster laps?",
            anchor="envelope",
            divider="gray",
            help=about("lap", "SD", "interval"),
        )
        explain("compared envelope")
        slot_for_envelopes = st.container()
    slot_for_tables = st.container()
    st.header(
        "Which of them should race?",
        anchor="checkpoints",
        divider="gray",
        help=about("checkpoint", "interval"),
    )
    explain("compared checkpoints")
    race = choose_race(target)
    envelopes = shown.answers["envelopes"] = _envelopes(shown.contenders, race.attempts)
    with slot_for_envelopes:
        verdict(plain(envelopes.verdict))
        shown.chart("Lap times", compare_envelopes_sheet(envelopes), "envelopes", envelopes.verdict)
    with slot_for_tables:
        _show_laps(envelopes, shown.what)
    odds = shown.answers["odds"] = _odds(shown.contenders, race)
    verdict(plain(odds.verdict))
    if len(odds.models):
        shown.chart("Odds", compare_odds_sheet(odds, shown.names), "odds", odds.verdict)
        _show_odds_table(odds, shown.what)
    with st.expander("How to read this"):
        st.markdown(
            "Of each model the checkpoint is taken that its own ranking puts first for this race. **Beats the "
            "others** is its chance to have the best result of all that are compared; where nobody finishes, nobody "
            "wins. The lines are 90 % intervals: with few drives the true chance is not known exactly, and in 9 of "
            "10 cases it lies on the line. Odds without any evaluation drive are training odds: what is usual is "
            "assumed of the step from training to a race."
        )


def _show_laps(answer: EnvelopeComparison, what: str) -> None:
    """Show the figures of each model's laps, and who beats whom."""
    models = answer.models
    st.dataframe(
        pd.DataFrame(
            {
                what: models["name"],
                "Drives": models["drives"],
                "Laps": models["laps"],
                "Completion": models["completion"].map(
                    lambda share: "–" if pd.isna(share) else percent(share)
                ),
                "95 % interval": _interval(models["completion_low"], models["completion_high"]),
                "Fastest": models["fastest"].map(seconds),
                "One lap in 44 is faster": models["good_lap"].map(seconds),
                "Mean": models["mean"].map(seconds),
                "SD": models["sd"].map(seconds),
                "Lap times are": models["time_source"].replace("", "–"),
            }
        ),
        hide_index=True,
        alt=f"Lap times and completion of each {what.lower()}. {answer.verdict}",
    )
    duels = answer.duels.pivot(index=["a", "b"], columns="attempts").reindex(
        answer.duels[["a", "b"]].drop_duplicates()
    )
    if len(duels):
        table = pd.DataFrame(
            {what: duels.index.get_level_values("a"), "beats": duels.index.get_level_values("b")}
        )
        for n in dict.fromkeys([1, answer.attempts]):
            words = "in a single attempt" if n == 1 else f"over the best of {n}"
            figures = duels.xs(n, axis=1, level="attempts")
            table[words] = [percent_within(*row) for row in figures[["chance", "low", "high"]].to_numpy()]
        single = duels.xs(1, axis=1, level="attempts")
        table["neither finishes"] = ["–" if pd.isna(share) else percent(share) for share in single["neither"]]
        table["Drives"] = [
            f"{row[0]:,.0f} and {row[1]:,.0f}" for row in single[["drives_a", "drives_b"]].to_numpy()
        ]
        st.dataframe(table, hide_index=True, alt=f"Chance that one beats the other. {answer.verdict}")
    with st.expander("How to read this"):
        st.markdown(
            f"Each outline is the share of a {what.lower()}'s **completed laps** at that lap time; the further left, "
            "the faster. Below it stand the mean with one standard deviation (SD) to either side, the time that **one "
            "lap in 44** beats (-2 SD where the laps follow the normal curve, else read off the laps seen) and the "
            "fastest lap.\n\n"
            "The **chance to beat** lets every drive of one meet every drive of the other, as they were seen, "
            "exploration included: who does not finish loses, and where neither finishes each gets half. Over the "
            "best of several attempts a fast but fragile model gains, since one good lap is enough. In brackets are "
            "95 % intervals, which count one more drive on each side of which nothing is known."
        )


def _show_odds_table(odds: OddsComparison, what: str) -> None:
    models = odds.models
    table = pd.DataFrame(
        {what: models["name"], "Checkpoint": models["checkpoint"], "File": models["model_file"]}
    )
    columns = {"win": "Beats the others", "target": "Beats the target", "finish": "Finishes a lap"}
    for what, words in columns.items():
        if models[f"{what}_chance"].notna().any():
            ends = [f"{what}_{end}" for end in ("chance", "low", "high")]
            table[words] = [percent_within(*row) for row in models[ends].to_numpy()]
    table["Lap time"] = models["lap_time"].map(seconds)
    table["Rests on"] = models["training_odds"].map({True: "training alone", False: "evaluations too"})
    st.dataframe(
        table, hide_index=True, alt=f"Odds of the best checkpoint of each {what.lower()}. {odds.verdict}"
    )


def _show_training(shown: _Shown) -> None:
    with screen():
        st.header(
            "Who learns faster, and gets further?",
            anchor="convergence",
            divider="gray",
            help=about("iteration", "progress", "entropy"),
        )
        explain("compared convergence")
        answer = shown.answers["training"] = _training(shown.contenders)
        verdict(plain(answer.verdict))
        if answer.models.empty:
            return
        clocks = {words: key for key, words in CLOCKS.items()}
        with choices():
            by = clocks[switch("Over", list(clocks), key="clock")]
        shown.chart("Training", compare_training_sheet(answer, by, shown.names), "training", answer.verdict)
    models = answer.models
    st.dataframe(
        pd.DataFrame(
            {
                shown.what: models["name"],
                "Iterations": models["iterations"],
                "Drives": models["drives"],
                "Training time": [duration(None if pd.isna(hours) else hours) for hours in models["hours"]],
                "State": models["state"],
                "Converged at": models["converged_at"].map(_whole),
                "Every second finishes from": models["steady_at"].map(_whole),
                "Completion at the end": [
                    percent_within(*row)
                    for row in models[["completion", "completion_low", "completion_high"]].to_numpy()
                ],
                "of drives": models["newest"],
            }
        ),
        hide_index=True,
        alt=f"Training of each {shown.what.lower()}. {answer.verdict}",
    )
    with st.expander("How to read this"):
        st.markdown(
            "Thin lines are the iterations as they were, bold lines the mean of "
            f"{counted(answer.window, 'iteration')}. By **iteration** you see who learns more from as many rounds of "
            "training; by **hours** who learns more in the same time, counted on each log's own clock from its first "
            "chosen drive. **Entropy** says how undecided a model is. Models on different tracks can be read side by "
            "side here too, but a harder track takes longer to learn."
        )


def _whole(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.0f}"


def _show_driving(shown: _Shown) -> None:
    with screen():
        st.header(
            "Where is one faster than the other?",
            anchor="driving",
            divider="gray",
            help=about("section", "interval"),
        )
        explain("compared driving")
        slot_for_verdict = st.container()
        with choices():
            group = _GROUPS[switch("Laps compared", list(_GROUPS), key="group")]
        answer = shown.answers["driving"] = _driving(shown.contenders, group)
        with slot_for_verdict:
            verdict(plain(answer.verdict))
        if len(answer.laps) < 2:
            return
        shown.chart("Time lost", time_lost_sheet(answer, shown.names), "lost", answer.verdict)
    shown.chart("Sections", section_times_sheet(answer, shown.names), "sections", answer.verdict)
    times = answer.sections.pivot(index="section", columns="name", values="time")
    times = times.loc[answer.sections["section"].unique(), list(answer.laps)]
    fastest = answer.sections[answer.sections["fastest"]].groupby("section")["name"].first()
    table = times.map(seconds).assign(**{"Fastest there": fastest}).reset_index(names="Section")
    st.dataframe(
        table, hide_index=True, alt=f"Seconds of each {shown.what.lower()} in each section. {answer.verdict}"
    )
    with st.expander("How to read this"):
        st.markdown(
            f"The line of {plain(shown.names[0])} is zero. Where another line **rises**, the other loses time on it at "
            "that place; where it falls, it wins some back; at the right end stands the whole lap. Below, the same "
            "section by section: **below zero is faster**. **Typical laps** are the middle half of the laps of each by "
            "lap time, **fast laps** the fastest tenth. What a standing start costs is left out. Bands and lines are "
            "95 % intervals."
        )


def _show_rewards(shown: _Shown) -> None:
    with screen():
        st.header(
            "Who holds the steadier line, and where do they earn?",
            anchor="rewards",
            divider="gray",
            help=about("reward", "section"),
        )
        explain("compared rewards")
        answer = shown.answers["rewards"] = _rewards(shown.contenders)
        verdict(plain(answer.verdict))
        sheets = reward_share_sheets(answer)
        if not sheets:
            return
        for column, (name, sheet) in zip(st.columns(len(sheets)), sheets.items(), strict=True):
            with column:
                shown.chart(
                    f"Rewards {shown.names.index(name) + 1}",
                    sheet,
                    f"map_{shown.names.index(name)}",
                    f"Where {name} earns its rewards, in its own range. {answer.verdict}",
                )
    st.caption(
        "Reward functions may differ, so each map is coloured by its own range of rewards (2nd to 98th percentile of "
        "its squares): compare where they earn, not how much."
    )
    if len(answer.sections):
        shown.chart("Spread of the line", line_spread_sheet(answer, shown.names), "spread", answer.verdict)
        spread = answer.sections.pivot(index="section", columns="name", values="lateral_spread")
        spread = spread.loc[answer.sections["section"].unique(), list(answer.maps)]
        table = spread.map(lambda metres: "–" if pd.isna(metres) else f"{metres:.2f} m")
        st.dataframe(
            table.reset_index(names="Section"),
            hide_index=True,
            alt=f"Spread of the line of each {shown.what.lower()} by section. {answer.verdict}",
        )
    with st.expander("How to read this"):
        st.markdown(
            "The maps show the track in squares, light where the model earns much by its own reward function and dark "
            "where it earns little. Below stands how far the line **scatters** in each section: two drives of three "
            "pass within so many metres to either side of the usual line. A steady line is easier to make fast."
        )
