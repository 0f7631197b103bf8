"""The section on the question which checkpoint should race."""

from functools import partial
from hashlib import sha256
from typing import NamedTuple

import pandas as pd
import streamlit as st

from deepracer_viz.analysis.checkpoints import (
    CheckpointChoice,
    choose_checkpoint,
    choose_in_each_race,
    describe_drives,
    in_other_races,
)
from deepracer_viz.analysis.races import FORMATS, RaceFormat, RaceModel, predict_races
from deepracer_viz.analysis.words import percent, percent_within
from deepracer_viz.charts.checkpoints import fast_laps_sheet, rank_checkpoints_sheet
from deepracer_viz.page import lap
from deepracer_viz.page.glossary import about
from deepracer_viz.page.stage import beside, choices, draw, screen, verdict
from deepracer_viz.page.text import plain, seconds
from deepracer_viz.page.tour import explain
from deepracer_viz.page.widgets import switch

QUESTION, ANCHOR = "Which checkpoint should race?", "checkpoints"
CHOICES = ("shown", "other_races", "race", "attempts", "race_laps", "penalty")
"""Keys of its widgets that are in the address."""

EVERY_CHECKPOINT = "All of the chosen iterations"
"""Choice of the driving section when no checkpoint is picked."""

RACES = dict(
    zip(
        ("Best lap of N attempts", "Mean of K laps in a row", "Total of K laps with penalties"),
        FORMATS,
        strict=True,
    )
)
"""Kinds of races as the page calls them."""

_PICKERS = ("ranking", "laps_chart", "ranking_chart")


def show(
    episodes: pd.DataFrame,
    evaluations: pd.DataFrame,
    target: float | None,
    best: int | None = None,
    last: int | None = None,
) -> None:
    """Show the section; a checkpoint picked in it is put where the driving section looks for it.

    Parameters
    ----------
    episodes : pandas.DataFrame
        The chosen drives.
    evaluations : pandas.DataFrame
        The evaluation drives of the checkpoints during training.
    target : float or None
        Lap time to beat (s).
    best, last : int or None
        The checkpoints that AWS marks as best and as last.
    """
    on_screen, below = screen(), st.container()
    with on_screen:
        st.header(
            QUESTION,
            anchor=ANCHOR,
            divider="gray",
            help=about("checkpoint", "iteration", "evaluation", "training odds", "interval"),
        )
        explain("checkpoints")
        if "stream" in episodes:
            _show_evaluations(episodes)
            return
        slot_for_choices = choices()
        with slot_for_choices:
            race = choose_race(target)
        # Checkpoints without a chosen drive are not in the race either.
        evaluations = evaluations[evaluations["checkpoint"].isin(episodes["checkpoint"])]
        raced = _raced(episodes, evaluations)
        choice = _choice(raced, race, best, last)
        first, stop, rest = choice.verdict.partition(". ")
        verdict(f"**{plain(first + stop.strip())}** {plain(rest)}", below)
        has_lap = choice.ranking["lap_time"].notna().any()
        if target is None and has_lap and len(choice.ranking) > 1:
            beside(st.container(), below).caption(
                "Without a target, winning means to be faster than the other checkpoints of this run, which favours a "
                "fast checkpoint over a steady one. Enter the lap time to beat in the sidebar (Race target) for the "
                "chance to beat it."
            )
        if has_lap:
            with slot_for_choices:
                shown = switch(
                    "Laps shown",
                    ["Fast laps", "All laps"],
                    key="shown",
                    help="Fast laps are those at or under the first quartile of all laps.",
                )
            _show_charts(choice, shown == "All laps", best, last)
    _show_ranking(choice)
    st.caption(
        "Choose a row, or click a point above, to see how that checkpoint drives further down. The laps of "
        "iteration N were driven by the checkpoint in its row; training on them made the next checkpoint, which "
        "is judged by the next iteration."
    )
    if has_lap:
        _show_reasons(choice)
        # Worked out when it is looked at: together the other races take several times as long as the one chosen.
        with st.expander("The choice in other races", key="other_races", bind="query-params") as others:
            if others.open:
                _show_other_races(_other_races(raced, race, choice.ranking), race)
    with st.expander("How to read this"):
        st.markdown(_HOW_TO_READ)


_HOW_TO_READ = """
The **left chart** shows the completed laps at the iteration in which they were driven: low is fast, many at one
iteration mean that its checkpoint gets round often.

The **right chart** shows what each checkpoint would do in a race, one dot each: left is fast, up is steady. The line
joins those that no other beats in both. Its best one depends on the race: with many attempts a fast checkpoint may
fail some of them, over several laps in a row a steady one does better. So choose the race first.

**Chance to win** is the chance to beat your target in that race; without a target, to be faster than all other
checkpoints of this run. **Chance to finish** is that of a single lap from the start line, **lap time** what a finished
lap takes on average, **result** what the whole race is expected to give: the best lap, the best mean or the total time
with its penalties.

The figures in brackets are **90 % intervals**: with so few drives the true value is not known exactly, and in 9 of 10
cases it lies between these two. Where the intervals of two checkpoints overlap widely, the drives do not tell them
apart, and a few more evaluations of both would. The interval of the result also holds the luck of the race itself.

**Evaluation drives count more than training drives.** In training the car tries things out, so it fails more often
than in a race and takes other times; in an evaluation it drives as it would in a race. The drives of neighbouring
checkpoints count as well, since training changes the model little by little: so five lucky drives do not win. How far
a drive came counts too, not only whether it finished.

**Training odds** are odds of a run without evaluation drives. How training carries over to a race is then not known
of this run, and what is usual is taken for it: the order of the checkpoints is a good guess, the percentages are a
rough one. Evaluate two or three of the first ones before the race.
"""


def choose_race(target: float | None) -> RaceFormat:
    """Let the visitor say how the race is decided; an organiser's race holds for every model."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.selectbox(
            "Race",
            list(RACES),
            key="race",
            bind="query-params",
            width=280,
            help="Best lap: the fastest counts. Mean: laps in a row without a failure. Total: the car goes on after "
            "an off-track, which costs time.",
        )
        attempts = st.number_input(
            "Attempts (N)",
            min_value=1,
            max_value=20,
            value=RaceFormat.attempts,
            key="attempts",
            bind="query-params",
            width=150,
            help="Laps, or tries at laps in a row, that you have. Does not matter for the total.",
        )
        laps = st.number_input(
            "Laps (K)",
            min_value=1,
            max_value=20,
            value=RaceFormat.laps,
            key="race_laps",
            bind="query-params",
            width=150,
            help="Laps in a row, or laps of the total. Does not matter for the best lap.",
        )
        penalty = st.number_input(
            "Penalty per off-track (s)",
            min_value=0.0,
            max_value=60.0,
            value=RaceFormat.penalty,
            step=0.5,
            format="%.1f",
            key="penalty",
            bind="query-params",
            width=180,
            help="What leaving the track costs, in the total.",
        )
    return RaceFormat(RACES[kind], attempts, laps, penalty, target)


def chosen_race(target: float | None) -> RaceFormat:
    """Return the race that was chosen in the section, or the usual one where the section is not shown."""
    chosen = st.session_state
    return RaceFormat(
        RACES[chosen.get("race", next(iter(RACES)))],
        chosen.get("attempts", RaceFormat.attempts),
        chosen.get("race_laps", RaceFormat.laps),
        chosen.get("penalty", RaceFormat.penalty),
        target,
    )


class _Raced(NamedTuple):
    """Drives that a checkpoint is chosen by, and what they are known by: looked at in full, and once."""

    episodes: pd.DataFrame
    evaluations: pd.DataFrame
    fingerprint: bytes


def _raced(*tables: pd.DataFrame) -> _Raced:
    # Streamlit's own fingerprint looks at a sample of a long table only.
    parts = (pd.util.hash_pandas_object(table).to_numpy().tobytes() for table in tables)
    return _Raced(*tables, b"".join(sha256(part).digest() for part in parts))


_KNOWN_BY = {_Raced: lambda raced: raced.fingerprint}
# By session: what was learnt of dropped files must go with the visitor who dropped them.


@st.cache_resource(max_entries=8, scope="session", show_spinner=False, hash_funcs=_KNOWN_BY)
def _model(raced: _Raced) -> RaceModel:
    """Learn from the drives once, whatever the race."""
    return predict_races(raced.episodes, raced.evaluations)


@st.cache_resource(max_entries=16, scope="session", show_spinner=False, hash_funcs=_KNOWN_BY)
def _choice(raced: _Raced, race: RaceFormat, best: int | None, last: int | None) -> CheckpointChoice:
    """Choose once, whatever else on the page is changed."""
    drives, model = (raced.episodes, raced.evaluations), _model(raced)
    return choose_checkpoint(*drives, race=race, best=best, last=last, model=model, other_races=False)


@st.cache_resource(max_entries=16, scope="session", show_spinner=False, hash_funcs=_KNOWN_BY)
def _other_races(raced: _Raced, race: RaceFormat, _ranking: pd.DataFrame) -> pd.DataFrame:
    """The choice in all kinds of races but the one that was ranked for."""
    others = [kind for kind in FORMATS if kind != race.kind]
    return choose_in_each_race(_ranking, _model(raced), race, others)


def forget_pick() -> None:
    """Let go of the picked checkpoint, for another choice of drives knows other ones."""
    st.session_state["checkpoint"] = EVERY_CHECKPOINT
    clear_pickers()


def clear_pickers(but: str | None = None) -> None:
    """Take the marks off the table and the charts: a widget under a new key begins afresh."""
    rounds = st.session_state.setdefault("rounds", {})
    for name in _PICKERS:
        if name != but:
            rounds[name] = rounds.get(name, 0) + 1


def _key(name: str) -> str:
    return f"{name} {st.session_state.setdefault('rounds', {}).get(name, 0)}"


def _pick(name: str, key: str, checkpoints: dict[int, int]) -> None:
    """Take over what was picked in the table (by row) or in a chart (by iteration)."""
    selection = st.session_state[key].selection
    # A chart in which nothing was clicked yet has no entry for its parameter.
    points = selection.get("iteration") or []
    chosen = [checkpoints.get(row) for row in selection.get("rows", [])]
    chosen += [checkpoints.get(int(point["iteration"])) for point in points]
    st.session_state["checkpoint"] = str(chosen[0]) if chosen else EVERY_CHECKPOINT
    for point in selection.get("lap") or []:
        lap.pick(int(point["unique_episode"]))
    clear_pickers(but=name)


def _show_charts(choice: CheckpointChoice, all_laps: bool, best: int | None, last: int | None) -> None:
    of_iteration = dict(zip(choice.ranking["iteration"], choice.ranking["checkpoint"], strict=True))
    key_of_laps, key_of_ranking = _key("laps_chart"), _key("ranking_chart")
    left, right = st.columns(2)
    with left:
        draw(
            fast_laps_sheet(choice.laps, choice.ranking, all_laps),
            key_of_laps,
            f"Lap times by iteration. {choice.verdict}",
            on_select=partial(_pick, "laps_chart", key_of_laps, of_iteration),
        )
    with right:
        draw(
            rank_checkpoints_sheet(choice.ranking, best, last, choice.training_odds),
            key_of_ranking,
            f"Chance to finish against expected lap time by checkpoint. {choice.verdict}",
            on_select=partial(_pick, "ranking_chart", key_of_ranking, of_iteration),
        )


def _show_reasons(choice: CheckpointChoice) -> None:
    """Say what speaks for the first three."""
    first = choice.ranking[choice.ranking["why"] != ""]
    st.markdown(
        "\n".join(
            f"{row.rank}. **Checkpoint {row.checkpoint}.** {plain(row.why)}" for row in first.itertuples()
        )
    )


def _show_other_races(formats: pd.DataFrame, race: RaceFormat) -> None:
    """Show what the choice would be in other races."""
    st.markdown(plain(in_other_races(formats, race)))
    names = {kind: name for name, kind in RACES.items()}
    counts = {" N ": f" {race.attempts} ", " K ": f" {race.laps} "}
    rows = []
    for row in formats.itertuples():
        name = names[row.kind]
        for letter, count in counts.items():
            name = name.replace(letter, count)
        rows.append(
            {
                "In other races": name,
                "Checkpoint": row.checkpoint,
                "Chance to win": percent_within(row.win_chance, row.win_low, row.win_high),
                "Expected result": seconds(row.result),
            }
        )
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="content", alt="The choice in other races")


def _show_evaluations(episodes: pd.DataFrame) -> None:
    """Show the drives of separate evaluations; their checkpoints are ranked by the training drives."""
    for checkpoint, drives in episodes.groupby("checkpoint"):
        driver = f"Checkpoint {checkpoint}" if checkpoint >= 0 else "A checkpoint that the logs do not name"
        st.markdown(plain(f"{driver}: {describe_drives(drives)}"))
    st.dataframe(
        episodes.assign(checkpoint=episodes["checkpoint"].where(episodes["checkpoint"] >= 0)),
        hide_index=True,
        alt=f"Drives of the evaluations. {describe_drives(episodes)}",
        column_order=[
            "stream",
            "episode",
            "checkpoint",
            "time",
            "time_source",
            "progress",
            "end_status",
            "off_track",
            "crashed",
            "penalty",
            "true_speed",
        ],
        column_config={
            "stream": st.column_config.TextColumn("Evaluation"),
            "episode": st.column_config.NumberColumn("Trial"),
            "checkpoint": st.column_config.NumberColumn("Checkpoint"),
            "time": st.column_config.NumberColumn("Time (s)", format="%.3f"),
            "time_source": st.column_config.TextColumn("Time is"),
            "progress": st.column_config.NumberColumn("Progress (%)", format="%.0f"),
            "end_status": st.column_config.TextColumn("Ended"),
            "off_track": st.column_config.NumberColumn("Off-tracks"),
            "crashed": st.column_config.NumberColumn("Crashes"),
            "penalty": st.column_config.NumberColumn("Penalty (s)", format="%.1f"),
            "true_speed": st.column_config.NumberColumn("True speed (m/s)", format="%.2f"),
        },
    )


def _interval(low: pd.Series, high: pd.Series) -> list[str]:
    return ["" if pd.isna(a) else f"{percent(a)} to {percent(b)}" for a, b in zip(low, high, strict=True)]


def _show_ranking(choice: CheckpointChoice) -> None:
    """Show the ranking as a table of which one row can be chosen."""
    ranking, race = choice.ranking, choice.race
    win = "Chance to win" if race.target is None else f"Chance to beat {race.target:.2f} s"
    odds = " (training odds)" if choice.training_odds else ""
    shares = ("win_chance", "finish_chance", "completion", "evaluation_completion", "beat_target")
    table = ranking.assign(
        **{name: 100 * ranking[name] for name in shares if name in ranking},
        win_interval=_interval(ranking["win_low"], ranking["win_high"]),
        finish_interval=_interval(ranking["finish_low"], ranking["finish_high"]),
    )
    number, percents = st.column_config.NumberColumn, "%.0f %%"
    columns = [
        "rank",
        "checkpoint",
        "win_chance",
        "win_interval",
        "finish_chance",
        "finish_interval",
        "lap_time",
        "result",
        "episodes",
        "laps",
        "completion",
        "evaluations",
        "evaluation_laps",
        *(["beat_target"] if race.target is not None else []),
        "fastest",
        "first_quartile",
        "median",
        "spread",
        "iteration",
        "model_file",
    ]
    key = _key("ranking")
    st.dataframe(
        table[columns],
        key=key,
        hide_index=True,
        height=280 if len(ranking) > 7 else "content",
        on_select=partial(_pick, "ranking", key, dict(enumerate(ranking["checkpoint"]))),
        selection_mode="single-row",
        alt=f"Ranking of the checkpoints, best first. {choice.verdict}",
        column_config={
            "rank": number("Rank"),
            "checkpoint": number("Checkpoint", help=about("checkpoint")),
            "win_chance": st.column_config.ProgressColumn(
                win + odds, format=percents, min_value=0, max_value=100
            ),
            "win_interval": st.column_config.TextColumn("90 % interval", help=about("interval")),
            "finish_chance": number("Finishes a lap", format=percents),
            "finish_interval": st.column_config.TextColumn("90 % interval", help=about("interval")),
            "lap_time": number("Lap time (s)", format="%.2f", help="Expected of a finished lap in a race."),
            "result": number("Result (s)", format="%.2f", help=f"Expected of a race decided {race.words}."),
            "episodes": number("Training drives"),
            "laps": number("finished"),
            "completion": number("Completion", format=percents, help="Of the training drives."),
            "evaluations": number("Evaluation drives"),
            "evaluation_laps": number("finished"),
            "beat_target": number("Drives under target", format=percents),
            "fastest": number("Fastest in training (s)", format="%.2f"),
            "first_quartile": number("First quartile (s)", format="%.2f"),
            "median": number("Median (s)", format="%.2f"),
            "spread": number("Spread (s)", format="%.2f"),
            "iteration": number("Drove iteration"),
            "model_file": st.column_config.TextColumn("File"),
        },
    )
