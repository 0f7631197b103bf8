"""The section on the question which checkpoint should race."""

from functools import partial

import pandas as pd
import streamlit as st

from deepracer_viz.analysis.checkpoints import choose_checkpoint, describe_drives
from deepracer_viz.charts.checkpoints import fast_laps_chart, rank_checkpoints_chart
from deepracer_viz.page.text import plain
from deepracer_viz.page.widgets import switch

EVERY_CHECKPOINT = "All of the chosen iterations"
"""Choice of the driving section when no checkpoint is picked."""

_PICKERS = ("ranking", "laps_chart", "ranking_chart")


def show(episodes: pd.DataFrame, evaluations: pd.DataFrame, target: float | None) -> None:
    """Show the section; a checkpoint picked in it is put where the driving section looks for it.

    Parameters
    ----------
    episodes : pandas.DataFrame
        The chosen drives.
    evaluations : pandas.DataFrame
        The evaluation drives of the checkpoints during training.
    target : float or None
        Lap time to beat (s).
    """
    st.header("Which checkpoint should race?", anchor="checkpoints", divider="gray")
    if "stream" in episodes:
        _show_evaluations(episodes)
        return
    choice = choose_checkpoint(episodes, evaluations, target)
    st.markdown(plain(choice.verdict))
    if choice.laps.laps:
        _show_charts(choice)
    _show_ranking(choice.ranking, target)
    st.caption(
        "Choose a row, or click a point above, to see how that checkpoint drives further down. The laps of "
        "iteration N were driven by the checkpoint in its row; training on them made the next checkpoint, which "
        "is judged by the next iteration."
    )
    with st.expander("How to read this"):
        st.markdown(
            "Every point is a completed lap, at the iteration in which it was driven. **Low** points are "
            "fast, **many** points at one iteration mean that its checkpoint gets round often. The chart beside "
            "it shows the trade: left is fast, up is steady, and the line joins the checkpoints that no other "
            "beats in both. The table ranks them: on that line first, then by the seconds to a good finished "
            "lap, the first-quartile time divided by the lower end of the completion interval, so that one "
            "lucky drive does not win. **Completion** stands with its 95 % interval (Wilson): 2 of 20 drives "
            "may well be 3 % or 30 % in truth. Training drives explore, so a checkpoint usually does better in "
            "a race than here."
        )


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


def _pick(name: str, checkpoints: dict[int, int]) -> None:
    """Take over what was picked in the table (by row) or in a chart (by iteration)."""
    selection = st.session_state[_key(name)].selection
    # A chart in which nothing was clicked yet has no entry for its parameter.
    points = selection.get("iteration") or []
    chosen = [checkpoints.get(row) for row in selection.get("rows", [])]
    chosen += [checkpoints.get(int(point["iteration"])) for point in points]
    st.session_state["checkpoint"] = str(chosen[0]) if chosen else EVERY_CHECKPOINT
    clear_pickers(but=name)


def _show_charts(choice) -> None:
    shown = switch(
        "Laps shown",
        ["Fast laps", "All laps"],
        key="shown",
        help="Fast laps are those at or under the first quartile of all laps.",
    )
    of_iteration = dict(zip(choice.ranking["iteration"], choice.ranking["checkpoint"], strict=True))
    left, right = st.columns([3, 2])
    left.altair_chart(
        fast_laps_chart(choice.laps, choice.ranking, shown == "All laps"),
        key=_key("laps_chart"),
        on_select=partial(_pick, "laps_chart", of_iteration),
        alt=f"Lap times by iteration. {choice.verdict}",
    )
    right.altair_chart(
        rank_checkpoints_chart(choice.ranking),
        key=_key("ranking_chart"),
        on_select=partial(_pick, "ranking_chart", of_iteration),
        alt=f"Completion against fast lap time by checkpoint. {choice.verdict}",
    )


def _show_evaluations(episodes: pd.DataFrame) -> None:
    """Show the drives of separate evaluations; their checkpoints are ranked by the training drives."""
    for checkpoint, drives in episodes.groupby("checkpoint"):
        driver = f"Checkpoint {checkpoint}" if checkpoint >= 0 else "A checkpoint that the logs do not name"
        st.markdown(plain(f"{driver}: {describe_drives(drives)}"))
    st.dataframe(
        episodes.assign(checkpoint=episodes["checkpoint"].where(episodes["checkpoint"] >= 0)),
        hide_index=True,
        alt="Drives of the evaluations",
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


def _show_ranking(ranking: pd.DataFrame, target: float | None) -> None:
    """Show the ranking as a table of which one row can be chosen."""
    st.dataframe(
        ranking,
        key=_key("ranking"),
        hide_index=True,
        height=280,
        on_select=partial(_pick, "ranking", dict(enumerate(ranking["checkpoint"]))),
        selection_mode="single-row",
        alt="Ranking of the checkpoints, best first",
        column_order=[
            "rank",
            "checkpoint",
            "completion",
            "first_quartile",
            "fastest",
            "laps",
            "episodes",
            "completion_low",
            "completion_high",
            "iteration",
            *(["beat_target", "beat_target_in_attempts"] if target else []),
            "median",
            "spread",
            "evaluations",
            "evaluation_completion",
            "model_file",
        ],
        column_config={
            "rank": st.column_config.NumberColumn("Rank"),
            "checkpoint": st.column_config.NumberColumn("Checkpoint"),
            "model_file": st.column_config.TextColumn("File"),
            "iteration": st.column_config.NumberColumn("Drove iteration"),
            "episodes": st.column_config.NumberColumn("Drives"),
            "laps": st.column_config.NumberColumn("Laps"),
            "completion": st.column_config.ProgressColumn(
                "Completion", format="percent", min_value=0, max_value=1
            ),
            "completion_low": st.column_config.NumberColumn("Completion at least", format="percent"),
            "completion_high": st.column_config.NumberColumn("at most", format="percent"),
            "fastest": st.column_config.NumberColumn("Fastest (s)", format="%.2f"),
            "first_quartile": st.column_config.NumberColumn("First quartile (s)", format="%.2f"),
            "median": st.column_config.NumberColumn("Median (s)", format="%.2f"),
            "spread": st.column_config.NumberColumn("Spread (s)", format="%.2f"),
            "beat_target": st.column_config.NumberColumn("Under target", format="percent"),
            "beat_target_in_attempts": st.column_config.NumberColumn("in 3 attempts", format="percent"),
            "evaluations": st.column_config.NumberColumn("Evaluation drives"),
            "evaluation_completion": st.column_config.NumberColumn("Evaluation completion", format="percent"),
        },
    )
