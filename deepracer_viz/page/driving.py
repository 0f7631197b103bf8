"""The section on the question where the car drives inefficiently."""

from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from deepracer_viz import Drives
from deepracer_viz.analysis.driving import (
    best_possible_lap,
    driving_profile,
    driving_verdict,
    find_inefficiencies,
    section_times,
    time_account,
    time_delta,
)
from deepracer_viz.analysis.driving.findings import LEAST_COST
from deepracer_viz.analysis.driving.kept import KeptTraces
from deepracer_viz.analysis.driving.timing import (
    LEAST_LAPS,
    STANDING,
    TimeAccount,
    driven_lines,
    fast_and_typical,
)
from deepracer_viz.analysis.driving.traces import Traces
from deepracer_viz.analysis.placing import Placed
from deepracer_viz.analysis.words import counted, listed
from deepracer_viz.charts.driving import driving_profile_sheet
from deepracer_viz.charts.theme import FAST, MODELS, NEUTRAL
from deepracer_viz.charts.timing import driven_lines_sheet, time_account_sheet, time_delta_sheet
from deepracer_viz.page.checkpoints import EVERY_CHECKPOINT, clear_pickers
from deepracer_viz.page.glossary import about
from deepracer_viz.page.stage import beside, choices, draw, presenting, screen, verdict
from deepracer_viz.page.text import plain
from deepracer_viz.page.tour import explain
from deepracer_viz.page.widgets import switch
from deepracer_viz.track import Track

QUESTION, ANCHOR = "Where does the car drive inefficiently?", "driving"
CHOICES = (
    "which",
    "checkpoint",
    "section",
    "map",
    "pair",
    "lap_a",
    "lap_b",
    "iteration_a",
    "iteration_b",
)
"""Keys of its widgets that are in the address."""

WHOLE_TRACK = "Whole track"
"""Choice of the section when none is picked."""

_GROUPS, _TWO_LAPS, _TWO_ITERATIONS = "Typical and fast laps", "Two laps", "Two iterations"
_MOST_SENTENCES = 3
_PICKERS = ("account", "findings")


_RANKED_BY = "Places are ranked by the seconds that they cost a lap."

RANKED_BY_ENDS = (
    "Turns are ranked by where drives end early, then by how the car drives through them, not by time."
)
"""What the section on turns goes by."""


class Named(NamedTuple):
    """The place that a section names as the one to work on ("" for none), and where it says what that goes by."""

    place: str
    slot: DeltaGenerator


def refer(
    by_time: Named | None, by_ends: Named | None, tell_time: bool = True, tell_ends: bool = True
) -> None:
    """Let this section and the one on turns refer to each other where they name different places.

    Either may be drawn first, so this comes when both stand.

    Parameters
    ----------
    by_time, by_ends : Named or None
        What this section and the one on turns name.
    tell_time, tell_ends : bool
        Whether to write into this section and into that one.
    """
    if not (by_time and by_ends and by_time.place and by_ends.place and by_time.place != by_ends.place):
        return
    if tell_time:
        by_time.slot.caption(
            f"{_RANKED_BY} By where drives end early it is {plain(by_ends.place)}: see *Which turn should I work on "
            "next?* below."
        )
    if tell_ends:
        by_ends.slot.caption(
            f"{RANKED_BY_ENDS} In seconds it is {plain(by_time.place)}: see *Where does the car drive inefficiently?* "
            "above."
        )


def show(drives: Drives, placed: Placed | None) -> Named | None:
    """Show the section.

    Parameters
    ----------
    drives : Drives
        The chosen drives.
    placed : Placed or None
        What is known of them; None where the track is not known.

    Returns
    -------
    Named or None
        None without a step.
    """
    named = None
    on_screen, below = screen(), st.container()
    with on_screen:
        st.header(
            QUESTION,
            anchor=ANCHOR,
            divider="gray",
            help=about("section", "waypoint", "step", "action", "interval"),
        )
        explain("driving")
        slot_for_verdict = st.container()
        with choices(), st.container(horizontal=True, vertical_alignment="bottom"):
            of_all, drives = drives, _of_one_checkpoint(drives)
            which = switch("Drives shown", ["All drives", "Completed laps"], key="which")
            section = _one_section(drives.track)
            slot_for_map = st.container(width="content")
        laps_only = which == "Completed laps"
        steps = drives.steps_of_laps if laps_only else drives.steps
        if placed is not None and (laps_only or drives is not of_all):
            placed = placed.of(drives.laps if laps_only else drives.episodes)
        if len(steps):
            findings = find_inefficiencies(steps, drives.episodes, drives.track, placed and placed.traces)
            with slot_for_verdict:
                verdict(plain(driving_verdict(findings, drives.episodes)))
                slot = beside(st.container(), below).empty()
            named = Named(findings["section"].iloc[0] if len(findings) else "", slot)
            if len(findings):
                slot.caption(_RANKED_BY)
            _show_charts(drives, steps, placed, findings, section, slot_for_map, below)
        else:
            slot_for_verdict.markdown(
                "No steps were traced for these drives, so speed and steering cannot be shown. The simulation log or "
                "the sim-trace CSV files would bring them."
            )
    if len(steps):
        _show_findings(findings, section)
        untraced = int((~drives.episodes["traced"]).sum())
        more = (
            f" {counted(untraced, 'drive')} known from the metrics alone: no steps to show."
            if untraced
            else ""
        )
        st.caption(plain(drives.track_note + more))
    with st.expander("How to read this"):
        st.markdown(
            "**T1, T2, ...** are corners and **S1, S2, ...** straights, from the start line on. Click a bar or a row "
            "of the table, or choose a section above, and map and curves show that part of the track alone.\n\n"
            "- **Bars**: where a typical lap of this model loses time on its own fast laps. The bars add up to the "
            "whole difference; the line on each is the range the true value lies in with 95 % certainty. **Standing "
            "start** is time lost because a lap began with a car at rest: no fault of the driving.\n"
            "- **Map**: orange is slow and blue is fast. Point at a place to see it in the curves below, too.\n"
            "- **Speed and steering** for every **waypoint** (point of the track, counted from the start line): the "
            "mean with the band that holds the middle half of the steps, and what the model asked for (dashed). "
            "Where the car stays far below that, it slips or the command changes too fast. Where steering swings "
            "from side to side on a straight, it weaves.\n"
            "- **Time lost**: where the line rises, the first of the two loses time on the second at that place; "
            "where it falls, it wins some back.\n"
            "- **Table**: what to work on, costliest first. It compares the model with what it could do with the "
            "speeds and turns that it shows elsewhere, so it also finds what is wrong in every lap; the bars cannot. "
            "**At least** and **at most** hold the true cost with 95 % certainty; **n** is the number of drives "
            f"behind it. What costs less than {LEAST_COST} s a lap, or may be chance, is left out."
        )
    return named


def _of_one_checkpoint(drives: Drives) -> Drives:
    """Let the visitor narrow the drives down to those of one checkpoint."""
    checkpoints = [str(c) for c in sorted(drives.episodes["checkpoint"].unique()) if c >= 0]
    if len(checkpoints) < 2:
        return drives
    options = [EVERY_CHECKPOINT, *checkpoints]
    if st.session_state.get("checkpoint", EVERY_CHECKPOINT) not in options:
        st.session_state["checkpoint"] = EVERY_CHECKPOINT
    picked = st.selectbox(
        "Checkpoint", options, key="checkpoint", bind="query-params", on_change=clear_pickers, width=250
    )
    return drives if picked == EVERY_CHECKPOINT else drives.of_checkpoint(int(picked))


# ------------------------------------------------------------------------------------- choice of the section


def _one_section(track: Track | None) -> str | None:
    """Let the visitor choose a section; a name means nothing on another track."""
    if track is None or track.sections.empty:
        return None
    options = [WHOLE_TRACK, *track.sections["section"]]
    shape = (round(track.length, 1), len(options))
    if st.session_state.setdefault("track_of_section", shape) != shape:
        st.session_state["track_of_section"] = shape
        st.session_state["section"] = WHOLE_TRACK
        _clear_marks()
    _fitting("section", options)
    picked = st.selectbox(
        "Section", options, key="section", bind="query-params", on_change=_clear_marks, width=140
    )
    return None if picked == WHOLE_TRACK else picked


def _clear_marks(but: str | None = None) -> None:
    """Take the marks off the account and the table: a widget under a new key begins afresh."""
    rounds = st.session_state.setdefault("rounds", {})
    for name in _PICKERS:
        if name != but:
            rounds[name] = rounds.get(name, 0) + 1


def _key(name: str) -> str:
    return f"{name} {st.session_state.setdefault('rounds', {}).get(name, 0)}"


def _pick_bar(key: str, sections: list[str]) -> None:
    """Take over the section whose bar was clicked; a second click on it lets go of it."""
    points = st.session_state[key].selection.get("section") or []
    picked = points[0]["section"] if points else WHOLE_TRACK
    if picked in sections:
        again = picked == st.session_state.get("section")
        st.session_state["section"] = WHOLE_TRACK if again else picked
    _clear_marks()


def _pick_row(key: str, sections: list[str]) -> None:
    """Take over the section of the finding that was picked in the table."""
    rows = st.session_state[key].selection.get("rows") or []
    picked = sections[rows[0]] if rows and rows[0] < len(sections) else ""
    st.session_state["section"] = picked or WHOLE_TRACK
    _clear_marks(but="findings")


def _fitting(key: str, options: list) -> None:
    """Let go of a choice that is none of the options."""
    if key in st.session_state and st.session_state[key] not in options:
        del st.session_state[key]


# ---------------------------------------------------------------------------------------------- the charts


def _show_charts(
    drives: Drives,
    steps: pd.DataFrame,
    placed: Placed | None,
    findings: pd.DataFrame,
    section: str | None,
    slot_for_map: DeltaGenerator,
    below: DeltaGenerator,
) -> None:
    """Show the account beside the map, and below them what was lost along the track, speed and steering."""
    track = drives.track
    profile = driving_profile(steps, track, placed and placed.steps)
    traces = placed and placed.traces
    if traces is None or traces.drives.empty:
        sheet = driving_profile_sheet(profile, None, track, section)
        draw(sheet, "driving", f"Speed and steering. {driving_verdict(findings, drives.episodes)}")
        return
    times = section_times(steps, drives.episodes, track, traces, laps_only=True)
    account, best = time_account(times), best_possible_lap(times)
    laps = traces.laps
    comparisons = _comparisons(drives, traces, laps)
    has_account = len(account.sections) > 0
    shows = "Speed"
    if len(laps.drives):
        with slot_for_map:
            shows = switch("Map shows", ["Speed", "Fast laps"], key="map")

    left, right = (
        st.columns([2, 3] if presenting() else 2)
        if has_account or comparisons
        else (st.container(), st.container())
    )
    with left:
        if has_account:
            _show_account(account, section)
        else:
            st.caption(plain(account.verdict))
    if comparisons:
        with beside(left, below):
            _show_delta(drives, traces, laps, comparisons, section)
    with right:
        shown = account if has_account else None
        if shows == "Fast laps":
            fast, _ = fast_and_typical(laps.drives["time"])
            lines = driven_lines(steps, laps.drives["unique_episode"].iloc[fast])
            draw(
                driven_lines_sheet(lines, track, shown, section),
                "fast_laps",
                f"The fast laps on the map, coloured by speed. {driving_verdict(findings, drives.episodes)}",
            )
        sheet = driving_profile_sheet(profile, findings, track, section, shown, with_map=shows == "Speed")
        draw(sheet, "driving", driving_verdict(findings, drives.episodes))
    if best.laps:
        beside(st.container(), below).caption(plain(_how_compared(account) + best.verdict))


def _show_account(account: TimeAccount, section: str | None) -> None:
    """Show the account; a click on a bar chooses its section."""
    sections, key = list(account.sections["section"]), _key("account")
    parts = account.sections.sort_values("lost", ascending=False).head(3)
    most = ", ".join(f"{row.lost:.2f} s in {row.section or 'an unknown part'}" for row in parts.itertuples())
    draw(
        time_account_sheet(account, section if section in sections else None),
        key,
        f"Time that a typical lap loses on a fast one, by section; most of it {most}",
        on_select=partial(_pick_bar, key, [name for name in sections if name not in ("", STANDING)]),
    )


def _how_compared(account: TimeAccount) -> str:
    """What the account was made of."""
    if account.sections.empty:
        return ""
    starts = (
        " Standing start: what starting at rest costs."
        if (account.sections["section"] == STANDING).any()
        else ""
    )
    return (
        f"Bars: the typical lap is the mean of the middle half of the laps (n = {account.typical_laps}), scaled to the "
        f"median lap time; the fast one the mean of the fastest tenth (n = {account.fast_laps}).{starts} "
    )


def _comparisons(drives: Drives, traces: KeptTraces, laps: Traces) -> list[str]:
    """What can be compared along the track."""
    found = []
    if len(laps.drives) >= LEAST_LAPS:
        found.append(_GROUPS)
    if len(laps.drives) >= 2:
        found.append(_TWO_LAPS)
    iteration = _iterations(drives, traces)
    if len(np.unique(iteration[iteration >= 0])) >= 2:
        found.append(_TWO_ITERATIONS)
    return found


def _iterations(drives: Drives, traces: KeptTraces) -> np.ndarray:
    """Iteration of each drive that was laid along the track; below 0 where it is none of training."""
    numbers = drives.episodes["unique_episode"].to_numpy()
    places = np.searchsorted(numbers, traces.drives["unique_episode"].to_numpy())
    return drives.episodes["iteration"].to_numpy()[places]


def _show_delta(
    drives: Drives, traces: KeptTraces, laps: Traces, comparisons: list[str], section: str | None
) -> None:
    """Show how much time one lap, or group of drives, loses on another along the track."""
    _fitting("pair", comparisons)
    compared = switch("Compare", comparisons, key="pair")
    if compared == _GROUPS:
        fast, typical = fast_and_typical(laps.drives["time"])
        names, pair = ("typical laps", "fast laps"), (laps.pick(typical), laps.pick(fast))
    elif compared == _TWO_LAPS:
        order = laps.drives["time"].sort_values(kind="stable").index
        # The lap time that the page tells everywhere, not the time from the first step on.
        known = drives.laps.set_index("unique_episode")["time"]
        numbers = {row: laps.drives["unique_episode"][row] for row in order}
        labels = {f"{known[number]:.2f} s, drive {number}": row for row, number in numbers.items()}
        names = _two("lap", list(labels), len(labels) // 2, 0)
        pair = tuple(laps.pick([labels[name]]) for name in names)
    else:
        iteration = _iterations(drives, traces)
        labels = {
            f"iteration {number}": np.flatnonzero(iteration == number)
            for number in np.unique(iteration[iteration >= 0])
        }
        names = _two("iteration", list(labels), 0, len(labels) - 1)
        pair = tuple(traces.pick(labels[name]) for name in names)
    delta = time_delta(*pair, section=section if section in traces.section else None)
    if delta["delta"].isna().all():
        st.caption(
            plain(f"No place was passed at speed by both {names[0]} and {names[1]}: nothing to compare.")
        )
        return
    colours = (MODELS[0], FAST if compared == _GROUPS else NEUTRAL)
    lost = delta["delta"].dropna().iloc[-1]
    draw(
        time_delta_sheet(delta, *names, colours=colours),
        "delta",
        f"Time that {names[0]} lost on {names[1]} along the track, {lost:+.2f} s in all, with speed and steering of "
        "both",
    )


def _two(what: str, options: list[str], first: int, second: int) -> tuple[str, str]:
    """Let the visitor choose two of the options."""
    picked = []
    with st.container(horizontal=True):
        for label, end, index in ((what.capitalize(), "a", first), ("against", "b", second)):
            key = f"{what}_{end}"
            _fitting(key, options)
            picked.append(st.selectbox(label, options, index, key=key, bind="query-params", width=190))
    return tuple(picked)


# -------------------------------------------------------------------------------------------- the findings


def _show_findings(findings: pd.DataFrame, section: str | None) -> None:
    """Show the findings, costliest first, and in words those of the chosen section, or the first few."""
    if findings.empty:
        return
    of_table = tuple(findings[["section", "kind"]].itertuples(index=False, name=None))
    if st.session_state.setdefault("findings_shown", of_table) != of_table:
        st.session_state["findings_shown"] = of_table
        _clear_marks()
    key, seconds = _key("findings"), {"format": "%.2f", "width": 80}
    columns = ["section", "kind", "seconds_per_lap", "low", "high", "share_of_laps", "laps", "certainty"]
    st.dataframe(
        findings[columns].round({"share_of_laps": 2, "certainty": 2}),
        key=key,
        hide_index=True,
        height=38 + 35 * min(len(findings), 4),
        on_select=partial(_pick_row, key, [name for name, _ in of_table]),
        selection_mode="single-row",
        alt=f"Findings, costliest first. {findings['evidence'].iloc[0]}",
        placeholder="–",
        column_config={
            "section": st.column_config.TextColumn("Section", width=70, help=about("section")),
            "kind": st.column_config.TextColumn("What", width=170),
            "seconds_per_lap": st.column_config.NumberColumn(
                "Seconds a lap", format="%.2f", width=100, help="What it costs on a lap, on average."
            ),
            "low": st.column_config.NumberColumn("at least", **seconds),
            "high": st.column_config.NumberColumn("at most", **seconds),
            "share_of_laps": st.column_config.NumberColumn(
                "Share of drives",
                format="percent",
                help="Drives that lose at least half of that there, or end there.",
            ),
            "laps": st.column_config.NumberColumn("n", width=60, help="Drives that it rests on."),
            "certainty": st.column_config.NumberColumn(
                "How sure",
                format="percent",
                width=80,
                help=f"In how many of 100 samples drawn from these drives it costs {LEAST_COST} s a lap or more.",
            ),
        },
    )
    told = findings.head(_MOST_SENTENCES) if section is None else findings[findings["section"] == section]
    if told.empty:
        st.markdown(
            f"**{plain(section)}.** No finding: against what this model could do, nothing here costs {LEAST_COST} s a "
            "lap or more with certainty."
        )
    of_kind: dict[str, list[dict]] = {}
    for finding in told.to_dict("records"):
        of_kind.setdefault(finding["kind"], []).append(finding)
    for kind, alike in of_kind.items():
        places = listed(list(dict.fromkeys(finding["section"] or "unknown part" for finding in alike)))
        evidence = " ".join(finding["evidence"] for finding in alike)
        st.markdown(
            f"**{plain(places)}: {plain(kind)}.** {plain(evidence)} *Try:* {plain(alike[0]['advice'])}"
        )
