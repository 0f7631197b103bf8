"""The section on the question what happened on one drive."""

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from deepracer_viz.analysis.lap import LapTrace, lap_trace
from deepracer_viz.analysis.words import counted
from deepracer_viz.charts.lap import lap_map_sheet, lap_sheet
from deepracer_viz.page.glossary import about
from deepracer_viz.page.stage import draw, presenting, screen, verdict
from deepracer_viz.page.takeaway import offer_chart
from deepracer_viz.page.text import plain
from deepracer_viz.page.tour import explain
from deepracer_viz.run import Drives

QUESTION, ANCHOR = "What happened on this drive?", "lap"
CHOICES = ("drive", "step")
"""Keys of its widgets that are in the address."""

LISTED = 200
"""Drives in the table; any other can be named by its number."""

_EVERY = 0.2  # s between two pictures of a drive that is played
_STEPS_A_SECOND = 15  # of the simulator


def show(model: str, drives: Drives) -> None:
    """Show the section.

    Parameters
    ----------
    model : str
        Whose drives they are.
    drives : Drives
        The chosen drives.
    """
    with screen():
        st.header(
            QUESTION,
            anchor=ANCHOR,
            divider="gray",
            help=about("episode", "step", "section", "progress"),
        )
        explain("lap")
        traced = drives.episodes[drives.episodes["traced"]]
        # The number of a drive that was looked at means nothing for another model.
        st.session_state["another_model"] = st.session_state.setdefault("drive_of", model) != model
        st.session_state["drive_of"] = model
        if traced.empty:
            st.markdown("None of these drives left a trace of its steps, so there is nothing to follow.")
            return
        # A fragment, so that going from step to step draws nothing else anew.
        st.fragment(_show_drive)(model, drives, traced)
    with st.expander("How to read this"):
        st.markdown(
            "The **map** shows where the car drove, from the triangle to the cross, a dot for each step; the dashed "
            "line is the fastest of the chosen laps. **The strips** show what it did at the same place of the track: "
            "true speed (the thin line is the speed that the model commanded), steering, the reward of each step and "
            "the progress. Where the dashed line of the fastest lap runs higher in the first strip, that lap was "
            "quicker there; where the reward falls, the reward function did not like what it saw.\n\n"
            "Move the **step**, click a place in the strips, or play the drive as fast as it was driven. Choose "
            "another drive by its number, by its row, by a click on a bar of the lap times at the top of the page, "
            "or on a lap of the checkpoints."
        )


def pick(unique_episode: int) -> None:
    """Turn the section to a drive."""
    st.session_state["drive"] = unique_episode
    st.session_state["step"] = 0


def forget_pick() -> None:
    """Let go of the chosen drive, for another choice of drives knows other ones."""
    for name in ("drive", "step", "playing"):
        st.session_state.pop(name, None)


def _show_drive(model: str, drives: Drives, traced: pd.DataFrame) -> None:
    laps = traced[traced["complete"]]
    fastest = None if laps.empty else int(laps.loc[laps["time"].idxmin(), "unique_episode"])
    numbers = traced["unique_episode"].to_numpy()
    first = int(traced.loc[traced["progress"].idxmax(), "unique_episode"]) if fastest is None else fastest
    another = st.session_state.pop("another_model", False)
    if another or st.session_state.get("drive") not in (None, *numbers):
        st.session_state["drive"] = first
    if st.session_state.pop("played", False):
        st.session_state["playing"] = False
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.number_input(
            "Drive",
            min_value=int(numbers.min()),
            max_value=int(numbers.max()),
            value=first,
            key="drive",
            bind="query-params",
            width=150,
            help="Number of the drive (unique_episode), in order of driving over all workers.",
        )
        play = st.toggle("Play", key="playing", help="As fast as it was driven.")
    if chosen not in numbers:
        # Numbers between those of the chosen drives belong to others; the nearest one is meant.
        chosen = int(numbers[np.argmin(np.abs(numbers - chosen))])
    trace = lap_trace(drives.steps, drives.episodes, chosen, drives.track)
    other = None
    if fastest is not None and fastest != chosen:
        other = lap_trace(drives.steps, drives.episodes, fastest, drives.track)
    said = _verdict(traced[traced["unique_episode"] == chosen].iloc[0], trace, other)
    verdict(plain(said))
    if trace.steps.empty:
        return
    st.fragment(_show_steps, run_every=_EVERY if play else None)(model, drives, trace, other, said, play)
    _show_table(traced)


def _show_steps(
    model: str, drives: Drives, trace: LapTrace, other: LapTrace | None, said: str, play: bool
) -> None:
    last = len(trace.steps) - 1
    step = min(st.session_state.get("step", 0), last)
    if play:
        step = min(step + round(_EVERY * _STEPS_A_SECOND), last)
        if step == last:
            st.session_state["played"] = True
            st.rerun()
    st.session_state["step"] = step
    if last:
        step = st.slider("Step", 0, last, key="step", bind="query-params")
    row = trace.steps.iloc[step]
    left, right = st.columns(2)
    # A drive of a single step has a place and no speed.
    speed = "speed unknown" if np.isnan(row["true_speed"]) else f"{row['true_speed']:.2f} m/s"
    words = (
        f"Step {step} of {last}, {row['time']:.2f} s: {speed}, steering "
        f"{row['steering_angle']:+.0f}°, reward {row['reward']:.3g}, progress {row['progress']:.1f} %"
        + (f", in {row['section']}." if row["section"] else ".")
    )
    on_map, strips = lap_map_sheet(trace, drives.track, other, step), lap_sheet(trace, other, step)
    with left:
        draw(on_map, "lap_map", f"The drive on the track. {said} {words}")
    with right:
        draw(
            strips,
            "lap_strips",
            f"Speed, steering, reward and progress along the track. {said} {words}",
            on_select=_go_to_step,
        )
    st.caption(plain(words))
    if not (play or presenting()):
        drive = f"drive {trace.unique_episode}"
        with st.container(horizontal=True):
            offer_chart("Map (Vega-Lite)", lambda: on_map, model, f"{drive} map", key="take_lap_map")
            offer_chart("Strips (Vega-Lite)", lambda: strips, model, f"{drive} strips", key="take_lap_strips")


def _go_to_step() -> None:
    """Go to the step that was clicked."""
    points = st.session_state["lap_strips"].selection.get("step") or []
    if points:
        st.session_state["step"] = int(points[0]["step"])


def _verdict(drive: pd.Series, trace: LapTrace, other: LapTrace | None) -> str:
    who = f"Drive {drive['unique_episode']} of iteration {drive['iteration']}"
    if drive["checkpoint"] >= 0:
        who += f", by checkpoint {drive['checkpoint']}"
    if not trace.complete:
        why = str(drive["end_status"]).replace("_", " ")
        return (
            f"{who}: it came as far as {drive['progress']:.0f} % and ended after {trace.time:.1f} s ({why})."
        )
    if other is None:
        return f"{who}: a lap of {trace.time:.3f} s, the fastest of the chosen ones."
    return f"{who}: a lap of {trace.time:.3f} s, {trace.time - other.time:.3f} s behind the fastest."


def _show_table(traced: pd.DataFrame) -> None:
    """List the drives, the fastest laps first, then those that came furthest."""
    shown = ["unique_episode", "iteration", "checkpoint", "lap_time", "progress", "end_status", "reward"]
    order = traced.assign(lap_time=traced["time"].where(traced["complete"]))[shown]
    order = order.sort_values(["lap_time", "progress"], ascending=[True, False], kind="stable").head(LISTED)
    with st.expander(f"All {counted(len(traced), 'drive')}, the best first"):
        number = st.column_config.NumberColumn
        st.dataframe(
            order,
            key="drives_table",
            hide_index=True,
            height=280,
            on_select=partial(_pick_row, order["unique_episode"].tolist()),
            selection_mode="single-row",
            alt="Drives, the fastest laps first",
            column_config={
                "unique_episode": number("Drive"),
                "iteration": number("Iteration"),
                "checkpoint": number("Checkpoint"),
                "lap_time": number("Lap time (s)", format="%.3f"),
                "progress": number("Progress (%)", format="%.0f"),
                "end_status": st.column_config.TextColumn("Ended"),
                "reward": number("Reward", format="%.1f"),
            },
        )
        if len(traced) > LISTED:
            st.caption(
                f"The best {LISTED} of {len(traced):,} drives with recorded steps; enter the number of any other above."
            )


def _pick_row(drives: list[int]) -> None:
    rows = st.session_state["drives_table"].selection.rows
    if rows:
        pick(drives[rows[0]])
