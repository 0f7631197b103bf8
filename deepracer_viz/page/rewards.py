"""The section on the question which turn to work on next."""

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from deepracer_viz import Drives
from deepracer_viz.analysis.actions import ActionUse, action_use, choose_steps, flat_out, presets
from deepracer_viz.analysis.placing import Placed
from deepracer_viz.analysis.rewards import RewardMap, reward_map
from deepracer_viz.analysis.words import counted
from deepracer_viz.charts.rewards import action_use_sheet, reward_map_sheet
from deepracer_viz.logs.metadata import ActionSpace
from deepracer_viz.page.driving import RANKED_BY_ENDS, Named
from deepracer_viz.page.glossary import about
from deepracer_viz.page.stage import beside, choices, draw, screen, verdict
from deepracer_viz.page.text import plain
from deepracer_viz.page.tour import explain
from deepracer_viz.page.widgets import switch

QUESTION, ANCHOR = "Which turn should I work on next?", "rewards"
CHOICES = (
    "reward_drives",
    "preset",
    "faint",
    "ends",
    "actions",
    "speed_band",
    "steering_band",
)
"""Keys of its widgets that are in the address."""

_ALL_ACTIONS = "All actions"
_FLAT_OUT = "Flat out"
_PRESETS = [_ALL_ACTIONS, _FLAT_OUT, "Highest speed", "Straight ahead", "Widest steering"]


def show(drives: Drives, placed: Placed | None, action_space: ActionSpace | None = None) -> Named | None:
    """Show the section.

    Parameters
    ----------
    drives : Drives
        The chosen drives.
    placed : Placed or None
        What is known of them; None where the track is not known.
    action_space : ActionSpace, optional
        The actions that the model may choose from: it tells which ones are never used.

    Returns
    -------
    Named or None
        None without a step.
    """
    answer = named = None
    on_screen, below = screen(), st.container()
    with on_screen:
        st.header(
            QUESTION,
            anchor=ANCHOR,
            divider="gray",
            help=about("reward", "section", "episode", "action"),
        )
        explain("rewards")
        if len(drives.steps):
            answer, named = _show_rewards(drives, action_space, placed, below)
        else:
            st.markdown(
                "No steps were traced for these drives, so rewards on the track cannot be shown. The simulation log "
                "or the sim-trace CSV files would bring them."
            )
    if answer is not None and answer.steps:
        _show_ranking(answer)
        untraced = int((~drives.episodes["traced"]).sum())
        more = (
            f" {counted(untraced, 'drive')} known from the metrics alone: no steps to show."
            if untraced
            else ""
        )
        st.caption(plain(drives.track_note + more))
    with st.expander("How to read this"):
        st.markdown(
            "After every step (about 15 a second) the reward function gives the car points: the **reward**. The map "
            "cuts the track into small squares and colours each by the mean reward of the steps in it. A **thin "
            "band** of squares means that the car drives the same line every time; a **wide, scattered** one means "
            "that it has not made up its mind there yet. Crosses mark where drives ended early; the larger, the more "
            "of them.\n\n"
            "A turn is worth working on when drives end in it, when a wheel leaves the track there, or when its line "
            "scatters more than elsewhere. What the table names:\n\n"
            "- **over-steering**: the car steers more than its line needs and has to correct within the turn;\n"
            "- **under-steering**: it steers as far as it can and drifts outwards all the same, being too fast or "
            "turning in too late;\n"
            "- **running wide**: its usual line leaves the turn far on the outside;\n"
            "- **scattered rewards**: line or rewards differ more from drive to drive than in the other turns.\n\n"
            "**Spread** is how far to either side of the usual line two drives out of three pass the same place, in "
            "metres. **Flat out** is the highest speed straight ahead. A choice of actions narrows the map alone: the "
            "turns are judged by whole drives. On the picture of the actions, the larger a dot the more often the "
            "car takes that action; an action that is never taken is a ring."
        )
    return named


def _show_rewards(
    drives: Drives, action_space: ActionSpace | None, placed: Placed | None, below: DeltaGenerator
) -> tuple[RewardMap, Named]:
    """Show verdict, choices, map and use of the actions; return what the map shows, and the turn named."""
    slot_for_verdict = st.container()
    with choices(), st.container(horizontal=True, vertical_alignment="bottom"):
        which = switch("Drives counted", ["All drives", "Completed laps"], key="reward_drives")
        steps = drives.steps
        if which == "Completed laps":
            steps, placed = drives.steps_of_laps, placed and placed.of(drives.laps)
        known = placed and placed.steps
        actions = action_space.actions if action_space else None
        use = action_use(steps, actions, known)
        preset = st.pills(
            "Actions mapped",
            _PRESETS,
            default=_ALL_ACTIONS,
            required=True,
            key="preset",
            wrap=True,
            bind="query-params",
        )
        chosen = _choose_actions(use)
        faint = st.toggle(
            "Faint where rarely driven", key="faint", bind="query-params", help="Squares with few steps fade."
        )
        ends = st.toggle("Where drives ended early", value=True, key="ends", bind="query-params")
    of_preset = presets(drives.steps, actions).get(preset.lower(), {}) if preset != _ALL_ACTIONS else {}
    narrowed = of_preset or chosen
    shown = choose_steps(choose_steps(steps, **of_preset), **chosen) if narrowed else None
    answer = reward_map(steps, drives.track, episodes=drives.episodes, shown=shown, placed=known)
    with slot_for_verdict:
        verdict(plain(answer.verdict))
        named = Named(answer.next_turn, beside(st.container(), below).empty())
        if answer.next_turn:
            named.slot.caption(RANKED_BY_ENDS)
    if not answer.steps:
        return answer, named
    if preset == _FLAT_OUT:
        st.markdown(plain(flat_out(steps, drives.track, actions).verdict))

    left, right = st.columns([3, 2])
    if len(answer.cells):
        sheet = reward_map_sheet(answer, faint, ends)
        with left:
            draw(sheet, "reward_map", answer.verdict)
    else:
        left.info(
            "No step with a reward is left: the actions mapped and the actions chosen narrow the map together. Let "
            "go of one of them."
        )
    with right:
        for turn in answer.sections[answer.sections["reason"] != ""].head(3).itertuples():
            fault = f", {turn.fault}" if turn.fault else ""
            st.markdown(f"**{plain(turn.section)}{plain(fault)}.** {plain(turn.reason)}")
    with beside(right, below):
        draw(action_use_sheet(use), "action_use", use.verdict)
        st.caption(plain(use.verdict))
    return answer, named


def _choose_actions(use: ActionUse) -> dict:
    """Let the visitor pick actions (discrete) or bands of speed and steering (continuous)."""
    if use.table.empty:
        return {}
    if use.kind == "discrete":
        labels = {_label(action): int(action.action) for action in use.table.itertuples()}
        _forget_unless("actions", lambda picked: set(picked) <= set(labels))
        picked = st.multiselect(
            "Only these actions",
            list(labels),
            key="actions",
            bind="query-params",
            placeholder="any",
            width=260,
        )
        return {"actions": [labels[label] for label in picked]} if picked else {}
    chosen = {}
    with st.popover("Choose actions"):
        for key, label, edges, step, form in (
            ("speed_band", "Speed (m/s)", ("speed_from", "speed_to"), 0.05, "%.2f"),
            ("steering_band", "Steering (°, left positive)", ("steering_from", "steering_to"), 1.0, "%.0f"),
        ):
            low = round(float(np.floor(use.table[edges[0]].min() / step) * step), 2)
            high = round(float(np.ceil(use.table[edges[1]].max() / step) * step), 2)
            if low < high:
                _forget_unless(key, lambda band, low=low, high=high: low <= band[0] <= band[1] <= high)
                band = st.slider(label, low, high, (low, high), step, form, key=key, bind="query-params")
                if band != (low, high):
                    chosen[key.removesuffix("_band")] = band
    return chosen


def _forget_unless(key: str, fits) -> None:
    """Let go of a choice made for other drives that have other actions."""
    if key in st.session_state and not fits(st.session_state[key]):
        del st.session_state[key]


def _label(action) -> str:
    """An action in the words of a driver."""
    angle = action.steering_angle
    side = "straight ahead" if angle == 0 else f"{abs(angle):g}° {'left' if angle > 0 else 'right'}"
    return f"{action.action}: {side}, {action.speed:.2f} m/s"


def _show_ranking(answer: RewardMap) -> None:
    """Show the sections as a table, the one to work on next first."""
    if answer.sections.empty:
        return
    share = {"format": "percent", "min_value": 0.0, "max_value": 1.0}
    fault = answer.sections["fault"]
    spread = pd.to_numeric(answer.sections["lateral_spread"]).max()
    shares = ["due_share", "off_track_share", "over_steering", "under_steering"]
    columns = [
        "section",
        "fault",
        "due_share",
        "lateral_spread",
        "off_track_share",
        "over_steering",
        "under_steering",
        "reward_spread",
        "episode_ends",
        "passes",
    ]
    st.dataframe(
        answer.sections[columns].round(dict.fromkeys(shares, 2)).assign(fault=fault.where(fault != "")),
        hide_index=True,
        alt=f"Sections of the track, the one to work on next first. {answer.verdict}",
        placeholder="–",
        column_config={
            "section": st.column_config.TextColumn("Section", width=70, help=about("section")),
            "fault": st.column_config.TextColumn("What", width=130),
            "due_share": st.column_config.ProgressColumn(
                "Early ends", help="In the turn or on the metre after it.", **share
            ),
            "lateral_spread": st.column_config.ProgressColumn(
                "Spread (m)",
                format="%.2f",
                min_value=0.0,
                max_value=float(spread) if spread > 0 else 1.0,
                help="Two drives of three pass within so many metres to either side of the usual line.",
            ),
            "off_track_share": st.column_config.ProgressColumn(
                "A wheel off track", help="Share of the steps there.", **share
            ),
            "over_steering": st.column_config.NumberColumn(
                "Over-steering",
                format="percent",
                help="Passes that steer too much and correct within the turn.",
            ),
            "under_steering": st.column_config.NumberColumn(
                "Under-steering",
                format="percent",
                help="Passes that run wide although the car steers as far as it can.",
            ),
            "reward_spread": st.column_config.NumberColumn(
                "Spread of reward",
                format="%.2f",
                help="Two of three rewards lie within so much of the usual one at their place.",
            ),
            "episode_ends": st.column_config.NumberColumn("Early ends inside (n)"),
            "passes": st.column_config.NumberColumn("Passes (n)", help="Drives that came through."),
        },
    )
