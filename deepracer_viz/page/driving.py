"""The section on the question where the car drives inefficiently."""

import streamlit as st

from deepracer_viz import Drives
from deepracer_viz.analysis.driving import driving_profile, driving_verdict, find_inefficiencies
from deepracer_viz.analysis.words import counted
from deepracer_viz.charts.driving import driving_profile_chart
from deepracer_viz.page.checkpoints import EVERY_CHECKPOINT, clear_pickers
from deepracer_viz.page.text import plain
from deepracer_viz.page.widgets import switch


def show(drives: Drives) -> None:
    """Show the section for the chosen drives."""
    st.header("Where does the car drive inefficiently?", anchor="driving", divider="gray")
    drives = _of_one_checkpoint(drives)
    which = switch("Drives shown", ["All drives", "Completed laps"], key="which")
    steps = drives.steps_of_laps if which == "Completed laps" else drives.steps
    if len(steps):
        findings = find_inefficiencies(steps, drives.episodes, drives.track)
        profile = driving_profile(steps, drives.track)
        verdict = driving_verdict(findings, drives.episodes)
        st.markdown(plain(verdict))
        st.altair_chart(driving_profile_chart(profile, findings, drives.track), key="driving", alt=verdict)
        untraced = int((~drives.episodes["traced"]).sum())
        more = (
            f" {counted(untraced, 'drive')} known from the metrics alone: no steps to show."
            if untraced
            else ""
        )
        st.caption(plain(drives.track_note + more))
        if len(findings):
            st.dataframe(
                findings,
                hide_index=True,
                alt="Findings, costliest first",
                column_order=[
                    "section",
                    "kind",
                    "waypoint_from",
                    "waypoint_to",
                    "seconds_per_lap",
                    "low",
                    "high",
                    "share_of_laps",
                    "laps",
                ],
                column_config={
                    "kind": st.column_config.TextColumn("What"),
                    "section": st.column_config.TextColumn("Section"),
                    "waypoint_from": st.column_config.NumberColumn("From waypoint"),
                    "waypoint_to": st.column_config.NumberColumn("to"),
                    "seconds_per_lap": st.column_config.NumberColumn("Seconds a lap", format="%.2f"),
                    "low": st.column_config.NumberColumn("at least", format="%.2f"),
                    "high": st.column_config.NumberColumn("at most", format="%.2f"),
                    "share_of_laps": st.column_config.NumberColumn("Share of laps", format="percent"),
                    "laps": st.column_config.NumberColumn("n"),
                },
            )
            for finding in findings.itertuples():
                st.markdown(
                    f"**{finding.section}, {finding.kind}.** {plain(finding.evidence)} *Try:* {plain(finding.advice)}"
                )
    else:
        st.markdown(
            "No steps were traced for these drives, so speed and steering cannot be shown. The simulation log or the "
            "sim-trace CSV files would bring them."
        )
    with st.expander("How to read this"):
        st.markdown(
            "For every **waypoint** (point of the track, counted from the start line): the mean **true speed** "
            "(distance over time) with the band that holds the middle half of the steps, the **commanded speed** "
            "(dashed), and the mean **steering angle**, left above zero and right below. Where the true speed stays "
            "far below the command, the car slips or the command changes too fast. Where steering swings from side "
            "to side on a straight, the car weaves. **T1, T2, ...** are corners and **S1, S2, ...** straights, from "
            "the start line on. On the map, orange is slow and blue is fast; point at a place to see it in all parts."
        )


def _of_one_checkpoint(drives: Drives) -> Drives:
    """Let the visitor narrow the drives down to those of one checkpoint."""
    checkpoints = [str(c) for c in sorted(drives.episodes["checkpoint"].unique()) if c >= 0]
    if len(checkpoints) < 2:
        return drives
    options = [EVERY_CHECKPOINT, *checkpoints]
    if st.session_state.get("checkpoint", EVERY_CHECKPOINT) not in options:
        st.session_state["checkpoint"] = EVERY_CHECKPOINT
    picked = st.selectbox(
        "Checkpoint", options, key="checkpoint", bind="query-params", on_change=clear_pickers, width=320
    )
    return drives if picked == EVERY_CHECKPOINT else drives.of_checkpoint(int(picked))
