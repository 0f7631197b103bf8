"""Where and why the car loses time, and which place to work on first."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from deepracer_viz.analysis.driving.commands import actions_fight_each_other, command_not_reached
from deepracer_viz.analysis.driving.comparison import LEAST_LAPS, Comparison, compare
from deepracer_viz.analysis.driving.corners import (
    brakes_too_late,
    line_too_long,
    over_steering,
    under_steering,
)
from deepracer_viz.analysis.driving.ends import episode_ends_here
from deepracer_viz.analysis.driving.kept import KeptTraces
from deepracer_viz.analysis.driving.straights import brakes_too_early, slow_exit, slow_on_a_straight, weaving
from deepracer_viz.analysis.driving.stretch import Claim, Stretch
from deepracer_viz.analysis.driving.traces import Traces
from deepracer_viz.track import Track, rebuild_track

LEAST_COST = 0.05
"""Seconds per lap below which a finding is left out: the least that is worth an hour of training."""

SURE = 0.8
"""Share of the resamples in which a finding must cost `LEAST_COST` or more."""

_TYPES = {
    "kind": "str",
    "section": "str",
    "waypoint_from": "int32",
    "waypoint_to": "int32",
    "seconds_per_lap": "float64",
    "low": "float64",
    "high": "float64",
    "share_of_laps": "float64",
    "laps": "int32",
    "certainty": "float64",
    "completion_gain": "float64",
    "evidence": "str",
    "advice": "str",
}

DETECTORS: tuple[Callable[[Comparison, list[Stretch]], Iterator[Claim]], ...] = (
    slow_on_a_straight,
    weaving,
    brakes_too_early,
    brakes_too_late,
    slow_exit,
    line_too_long,
    over_steering,
    under_steering,
    command_not_reached,
    actions_fight_each_other,
    episode_ends_here,
)
"""All kinds of findings; a new kind is one more function."""


def find_inefficiencies(
    steps: pd.DataFrame,
    episodes: pd.DataFrame,
    track: Track | None = None,
    traces: Traces | KeptTraces | None = None,
) -> pd.DataFrame:
    """Where and how the car loses time, costliest first.

    The complete laps are compared, or all drives where there are fewer than `LEAST_LAPS` laps, with what the model
    could do: with the limits that it shows elsewhere on the track (see `comparison` and `possible`), or with its
    fast drives (the fastest tenth, at least three) where these are quicker still. So a fault of every lap is found
    as well as one of some. Each slow stretch is told once, as the kind whose sign is strongest there.

    Parameters
    ----------
    steps : pandas.DataFrame
        Step table of whole episodes, rows of one episode following each other.
    episodes : pandas.DataFrame
        Their episodes; unique_episode, complete, traced, driven_time and end_status are used.
    track : Track, optional
        Geometry; rebuilt from the steps where none is given.
    traces : Traces or KeptTraces, optional
        The drives laid along that track, where they are at hand (see `deepracer_viz.analysis.driving.traces`).

    Returns
    -------
    pandas.DataFrame
        One row per finding:

        - kind: "slow on a straight", "weaving", "brakes too early", "brakes too late", "slow exit", "line too
          long", "over-steering", "under-steering", "command not reached", "actions fight each other" or "episode
          ends here"; `DETECTORS` defines them;
        - section: the straight, or the corner that is braked for, driven or left; waypoint_from, waypoint_to: where,
          both waypoints included, and waypoint_from is the larger one where it crosses the start line;
        - seconds_per_lap: mean time there less the time that is possible; low, high: its 95 % interval by the
          percentile bootstrap over drives (Efron and Tibshirani, 1993, chapter 13), seeded. For "episode ends here"
          the time driven in vain, per complete lap; NaN without a complete lap, and such findings come first;
        - share_of_laps: share of the drives that lose at least half of that there, or that end there; laps: how many
          drives that is of;
        - certainty: share of the resamples in which it costs `LEAST_COST` or more;
        - completion_gain: share of the drives that would complete their lap besides; NaN for all other kinds;
        - evidence, advice: a sentence or two each.

        A finding that costs less than `LEAST_COST`, or whose certainty is below `SURE`, is left out. ``attrs`` of
        the table tells what could be compared: "sections" (names of those driven often enough), "drives" (how many
        are compared) and "laps" (whether they are complete laps).
    """
    track = rebuild_track(steps) if track is None else track
    comparison = None if track is None else compare(steps, episodes, track, traces)
    rows = [] if comparison is None else _rows(comparison)
    table = pd.DataFrame(
        {name: pd.array([row[name] for row in rows], dtype=kind) for name, kind in _TYPES.items()}
    )
    table.attrs = {"sections": [], "drives": 0, "laps": False}
    if comparison is not None:
        section, known = comparison.traces.section, comparison.known
        names = [name for name in track.sections["section"] if known[section == name].mean() > 0.5]
        table.attrs = {"sections": names, "drives": len(comparison.seconds), "laps": comparison.laps}
    return table


def _rows(comparison: Comparison) -> list[dict]:
    """Findings that cost enough with certainty, costliest first."""
    stretches = [Stretch(comparison, cells) for cells in comparison.stretches()]
    claims = [claim for detect in DETECTORS for claim in detect(comparison, stretches)]
    claims.sort(key=lambda claim: -claim.strength)
    chosen: dict[tuple[str, str], list[Claim]] = {}
    told = np.zeros(len(comparison.known), dtype=bool)
    rows = []
    for claim in claims:
        if claim.strength < 1:
            break
        figures = _ending(claim) if claim.price else _slow(comparison, claim.cells, claim.seen)
        if not _counts(figures):
            continue
        if claim.price is not None:
            rows.append(_row(comparison, claim, claim.cells, figures))
        elif told[claim.cells].mean() <= 0.5:  # what a stronger claim has told is not told again
            told[claim.cells] = True
            chosen.setdefault((claim.kind, claim.section), []).append(claim)
    used = np.zeros_like(told)
    for parts in chosen.values():
        cells = comparison.in_order(np.concatenate([part.cells for part in parts]))
        cells = cells[~used[cells]]
        used[cells] = True
        if len(cells):
            rows.append(_row(comparison, parts[0], cells, _slow(comparison, cells, parts[0].seen)))
    return sorted(filter(_counts, rows), key=lambda row: -np.nan_to_num(row["seconds_per_lap"], nan=np.inf))


def _counts(figures: dict) -> bool:
    """Whether it costs enough, with certainty; what has no price in seconds does."""
    return figures["certainty"] >= SURE and not figures["seconds_per_lap"] < LEAST_COST


def _row(comparison: Comparison, claim: Claim, cells: np.ndarray, figures: dict) -> dict:
    """One row of the table."""
    stretch = Stretch(comparison, cells)
    first, last = stretch.waypoints
    return figures | {
        "kind": claim.kind,
        "section": claim.section,
        "waypoint_from": first,
        "waypoint_to": last,
        "evidence": stretch.fill_in(claim.evidence),
        "advice": claim.advice,
    }


def _slow(comparison: Comparison, cells: np.ndarray, seen: bool) -> dict:
    """Figures of a slow stretch."""
    cost = comparison.cost(cells)
    # Fast drives are fast everywhere, also where nothing is wrong: they tell how much a fault costs, not that it is.
    lost = cost if seen else comparison.lost[:, cells].sum(axis=1)
    seconds = comparison.seconds[:, cells].sum(axis=1)
    seconds = seconds[np.isfinite(seconds)]
    reference = comparison.usual[0, cells].sum() - cost[0]
    return _figures(cost, lost) | {
        "share_of_laps": (seconds - reference > cost[0] / 2).mean() if len(seconds) else np.nan,
        "laps": len(seconds),
        "completion_gain": np.nan,
    }


def _ending(claim: Claim) -> dict:
    """Figures of a place at which episodes end."""
    price = claim.price
    return _figures(price.seconds, price.seconds) | {
        "share_of_laps": price.share,
        "laps": price.drives,
        "completion_gain": price.gain[0],
    }


def _figures(cost: np.ndarray, evident: np.ndarray) -> dict:
    """Cost and its interval, and the certainty of what is evident of it.

    Without a complete lap an ending has no cost, and no doubt about it either.
    """
    low, high = np.quantile(cost, [0.025, 0.975]) if np.isfinite(cost).all() else (np.nan, np.nan)
    certainty = (evident[1:] >= LEAST_COST).mean() if np.isfinite(cost[0]) else 1.0
    return {"seconds_per_lap": cost[0], "low": low, "high": high, "certainty": certainty}


def driving_verdict(findings: pd.DataFrame, episodes: pd.DataFrame) -> str:
    """Say which place to work on next, or why the data cannot tell.

    Parameters
    ----------
    findings : pandas.DataFrame
        Answer of `find_inefficiencies`.
    episodes : pandas.DataFrame
        The episodes it was asked about.

    Returns
    -------
    str
        The costliest finding with its numbers and what to try; or that none is large enough; or what is missing.
    """
    if len(findings):
        worst = findings.iloc[0]
        place = f"at waypoints {worst.waypoint_from} to {worst.waypoint_to}"
        n = f"n = {worst.laps}"
        if worst.kind == "episode ends here":
            vain = f"{worst.seconds_per_lap:.2f} s driven in vain for each complete lap, "
            return (
                f"Work on {worst.section} first: {100 * worst.share_of_laps:.0f} % of the drives that come there end "
                f"{place} ({vain if np.isfinite(worst.seconds_per_lap) else 'no lap was completed, '}{n}). "
                f"{worst.advice}"
            )
        return (
            f"Work on {worst.section} first: {worst.kind} {place} costs {worst.seconds_per_lap:.2f} s a lap "
            f"(95 % interval {worst.low:.2f} to {worst.high:.2f} s, {n}). {worst.advice}"
        )
    traced = episodes[episodes["traced"]]
    laps = int(traced["complete"].sum())
    sections = findings.attrs.get("sections", [])
    if not sections:
        return (
            f"The data cannot say where time is lost: no section was driven whole by {LEAST_LAPS} drives or more, "
            f"standing starts left out ({len(traced)} drives were traced, {laps} of them complete laps). More drives "
            "that get further would tell."
        )
    return (
        f"Nothing costs {LEAST_COST} s a lap or more with certainty in {', '.join(sections)} ({laps} complete laps "
        "were traced): the car drives there as well as it drives anywhere. More speed has to come from faster "
        "actions, or from a reward that asks for more."
    )
