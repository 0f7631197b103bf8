"""The section on the question whether the training has converged, and how steady the model is."""

import pandas as pd
import streamlit as st

from deepracer_viz import Drives, TrainingRun
from deepracer_viz.analysis.convergence import TrainingProgress, training_progress
from deepracer_viz.analysis.words import counted
from deepracer_viz.charts.convergence import (
    REWARDS,
    SERIES,
    policy_update_sheet,
    reward_sheet,
    training_progress_sheet,
)
from deepracer_viz.page.glossary import about
from deepracer_viz.page.stage import beside, choices, draw, screen, verdict
from deepracer_viz.page.text import duration, plain, seconds
from deepracer_viz.page.tour import explain
from deepracer_viz.page.widgets import switch

QUESTION, ANCHOR = "Has the training converged, and how steady is it?", "convergence"
CHOICES = ("window", "lines", "reward", "policy")
"""Keys of its widgets that are in the address."""

_EVALUATIONS = "Evaluations"

_AT_FIRST = ("entropy", "progress_mean", "completion", "reward_scaled")
"""Series that are shown until the visitor chooses others: more are a tangle on a phone and in a room."""

WINDOW = 3
"""Iterations averaged until the visitor chooses otherwise."""


def show(drives: Drives, run: TrainingRun, iterations: tuple[int, int] | None = None) -> None:
    """Show the section.

    Parameters
    ----------
    drives : Drives
        The chosen drives.
    run : TrainingRun
        Where they are from; its policy updates, evaluations of checkpoints and metadata are shown beside them.
    iterations : (int, int), optional
        First and last iteration that were chosen; all of them when omitted.
    """
    on_screen, below = screen(), st.container()
    with on_screen:
        st.header(
            QUESTION,
            anchor=ANCHOR,
            divider="gray",
            help=about(
                "iteration",
                "progress",
                "entropy",
                "evaluation",
                "reward",
                "checkpoint",
                "clone",
                "hyperparameters",
            ),
        )
        explain("convergence")
        if "stream" in drives.episodes:
            st.markdown(
                "These are drives of separate evaluations: nothing is learnt in them, so there is no training to judge."
            )
            return
        slot_for_verdict = st.container()
        with choices():
            left, right = st.columns([4, 1], vertical_alignment="bottom")
            window = right.number_input(
                "Iterations averaged",
                min_value=1,
                max_value=9,
                value=WINDOW,
                key="window",
                bind="query-params",
                help="The bold lines are the mean of so many iterations: an iteration and those before it.",
            )
        progress = training_progress(drives.episodes, window=window, **run.learning(iterations))
        with left:
            lines = _choose_lines(progress)
        with slot_for_verdict:
            verdict(plain(progress.verdict))
            beside(st.container(), below).caption(_about(progress, drives, run))
        if len(progress.iterations):
            shown = [key for key, (name, *_) in SERIES.items() if name in lines]
            draw(
                training_progress_sheet(progress, shown, _EVALUATIONS in lines, jobs=run.jobs),
                "progress_chart",
                f"{', '.join(lines) or 'Nothing'} over the iterations. {progress.verdict}",
            )
    if len(progress.iterations):
        _show_rewards(progress)
        _show_consistency(progress)
    for note in (progress.evaluation_note, progress.entropy_note):
        if note:
            st.caption(plain(note))
    with st.expander("How to read this"):
        st.markdown(
            "Thin lines are the iterations as they were, bold lines their moving average. **Progress** is how far "
            "round the track the drives of an iteration came; **completed laps** the share that came all the way. "
            "The total reward is scaled to 5 to 95 so that its shape can be compared; below it stands in its own "
            "units, above the number of drives behind each point.\n\n"
            "**Entropy** says how undecided the model is: high at first, when it tries everything, and lower the "
            "surer it is of what to do. When it stays level and progress does too, the training has converged; when "
            "it is low and progress is poor, the model has settled on something that does not work.\n\n"
            "**Evaluation drives** (diamonds, bars are 95 % intervals) try nothing out: the model takes its favourite "
            "action each time instead of drawing one, as it does in a race. So they usually go better than the "
            "training drives of the same checkpoint.\n\n" + plain(progress.method)
        )


def _choose_lines(progress: TrainingProgress) -> list[str]:
    """Let the visitor choose what is drawn, among what there is."""
    there = {key: name for key, (name, *_) in SERIES.items() if progress.iterations[key].notna().any()}
    options = [*there.values(), *([_EVALUATIONS] if len(progress.evaluations) else [])]
    chosen = st.session_state.get("lines")
    if chosen is not None and not set(chosen) <= set(options):
        st.session_state["lines"] = [name for name in chosen if name in options]
    return st.pills(
        "Shown",
        options,
        selection_mode="multi",
        default=[there[key] for key in _AT_FIRST if key in there],
        key="lines",
        bind="query-params",
        wrap=True,
    )


def _about(progress: TrainingProgress, drives: Drives, run: TrainingRun) -> str:
    """Say how much training there was, and where it began."""
    hours = drives.hours
    facts = [
        counted(len(progress.iterations), "iteration"),
        counted(len(drives.episodes), "drive"),
        *([f"{duration(hours)} of training"] if hours is not None else []),
    ]
    if run.metadata.cloned_from:
        begin = run.metadata.first_checkpoint
        facts.append(
            f"clone of {run.metadata.cloned_from}"
            + ("" if begin is None else f": iteration 0 is driven by checkpoint {begin}")
        )
    return plain(" · ".join(facts))


def _show_rewards(progress: TrainingProgress) -> None:
    """Show the reward in its own units, and what was learnt from it."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = {name: measure for measure, name in REWARDS.items()}
        reward = switch("Reward", list(words), key="reward")
        # A choice that shows nothing is not offered.
        updates = progress.iterations[["policy_loss", "kl_divergence"]].notna().any(axis=None) and st.toggle(
            "Policy loss and KL divergence",
            key="policy",
            bind="query-params",
            help="How far each training moved the policy, and how well by its own measure.",
        )
    draw(
        reward_sheet(progress, words[reward]),
        "reward_chart",
        f"{reward} and number of drives and laps over the iterations. {progress.verdict}",
    )
    if updates:
        draw(
            policy_update_sheet(progress),
            "policy_chart",
            f"Policy loss and KL divergence of the updates. {progress.verdict}",
        )


def _show_consistency(progress: TrainingProgress) -> None:
    """Show how often and how evenly it finished, before it converged and since."""
    at = progress.converged_at
    phases = {"before": f"Before iteration {at}", "since": f"Since iteration {at}", "all": "All iterations"}
    driven = progress.consistency[progress.consistency["episodes"] > 0]
    rows = [
        {
            "When": phases[row.phase],
            "Iterations": f"{row.first} to {row.last}",
            "Drives": row.episodes,
            "Laps": row.laps,
            "Completion": "{:.0f} % ({:.0f} to {:.0f} %)".format(
                *(100 * share for share in (row.completion, row.completion_low, row.completion_high))
            ),
            "Mean lap": seconds(row.lap_mean),
            "Spread of laps (SD)": seconds(row.lap_sd)
            + (
                f" ({row.lap_sd_low:.2f} to {row.lap_sd_high:.2f})"
                if row.lap_sd_low == row.lap_sd_low
                else ""
            ),
            "Lap times are": row.time_source or "–",
        }
        for row in driven.itertuples(index=False)
    ]
    if rows:
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            alt=f"How often and how evenly the model finished. {progress.verdict}",
            column_config={
                name: st.column_config.Column(help=help_)
                for name, help_ in {
                    "Iterations": about("iteration"),
                    "Drives": about("episode"),
                    "Laps": about("lap"),
                    "Completion": about("completion", "interval"),
                    "Spread of laps (SD)": about("SD"),
                    "Lap times are": "Official: as the simulator measured them. Estimated: from the steps, good to "
                    "0.03 s.",
                }.items()
            },
        )
        st.caption("How steady it is; in brackets 95 % intervals.")
