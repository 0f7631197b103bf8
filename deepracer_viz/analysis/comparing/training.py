"""How models learnt, side by side: progress, completed laps and entropy over iterations and over hours."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepracer_viz.analysis.comparing.contenders import Contender
from deepracer_viz.analysis.convergence import training_progress
from deepracer_viz.analysis.intervals import wilson_interval
from deepracer_viz.analysis.trend import STEADY_COMPLETION, TREND_ITERATIONS
from deepracer_viz.analysis.words import counted, listed, percent

MEASURES = ("progress_mean", "completion", "entropy")
"""What is laid side by side: mean progress (%), share of finished drives (0 to 1), entropy of the policy."""

MOST_POINTS = 250
"""More iterations of one contender than this are given in blocks of equal size, each as their mean."""


@dataclass(frozen=True, eq=False)
class TrainingComparison:
    """Trainings of several contenders beside each other.

    Attributes
    ----------
    lines : pandas.DataFrame
        One row per iteration (or block of them) of each contender: ``name``, ``iteration``, ``hours`` (of training
        up to its end; missing where the logs have no clock), ``drives``, and each of `MEASURES` with
        ``<measure>_smooth``, its moving average; missing where there is none.
    models : pandas.DataFrame
        One row per contender with training drives, in the order given: ``name``, ``iterations``, ``drives``,
        ``hours``; ``state`` and ``converged_at`` as in :class:`deepracer_viz.analysis.convergence.TrainingProgress`,
        ``converged_hours``; ``steady_at``, ``steady_hours``: when the moving average of completion first reached
        `STEADY_COMPLETION` (missing if never); ``completion`` over the newest `TREND_ITERATIONS` iterations (0 to
        1), ``completion_low``, ``completion_high`` (95 % Wilson), ``newest``, their drives.
    window : int
        Iterations in the moving averages.
    left_out : list of str
        Who has no training to compare, one sentence each.
    verdict : str
        Who learnt faster and further, in plain words.
    """

    lines: pd.DataFrame
    models: pd.DataFrame
    window: int
    left_out: list[str]
    verdict: str


def compare_training(contenders: list[Contender], window: int = 3) -> TrainingComparison:
    """Lay the trainings of contenders beside each other.

    Progress and completion can be compared on different tracks too, with care: a harder track takes longer.

    Parameters
    ----------
    contenders : list of Contender
        One to four.
    window : int
        Iterations in the moving averages.

    Returns
    -------
    TrainingComparison
    """
    lines, rows, left_out = [], [], []
    for contender in contenders:
        if not contender.of_training:
            left_out.append(
                f"{contender.name} shows drives of separate evaluations, in which nothing is learnt."
            )
            continue
        progress = training_progress(
            contender.episodes, contender.policy_updates, window, contender.evaluations
        )
        table = progress.iterations
        hours = pd.Series(dtype=float) if contender.hours is None else contender.hours
        table = table.assign(hours=table["iteration"].map(hours).astype(float))
        rows.append(_row(contender.name, table, progress))
        lines.append(_few_enough(table).assign(name=contender.name))
    columns = ["name", "iteration", "hours", "drives"]
    columns += [measure + end for measure in MEASURES for end in ("", "_smooth")]
    together = pd.concat(lines, ignore_index=True) if lines else pd.DataFrame(columns=columns)
    models = pd.DataFrame(rows, columns=_ROW).astype(dict.fromkeys(_FIGURES, float))
    return TrainingComparison(
        lines=together[columns].astype(dict.fromkeys(columns[1:], float)),
        models=models,
        window=window,
        left_out=left_out,
        verdict=_verdict(models, left_out),
    )


_FIGURES = ["hours", "converged_at", "converged_hours", "steady_at", "steady_hours"]
_FIGURES += ["completion", "completion_low", "completion_high"]
_ROW = ["name", "iterations", "drives", "state", "newest", *_FIGURES]


def _row(name: str, table: pd.DataFrame, progress) -> dict:
    """What a table row says of one contender."""
    driven = table[table["episodes"] > 0]
    newest = driven.tail(TREND_ITERATIONS)
    laps, drives = int(newest["laps"].sum()), int(newest["episodes"].sum())
    low, high = wilson_interval(laps, drives)
    # A training shorter than the window has no moving average.
    measure = "completion_smooth" if progress.smoothable else "completion"
    steady = driven[driven[measure] >= STEADY_COMPLETION].head(1)
    at = progress.converged_at
    settled = driven[driven["iteration"] == at] if at is not None else driven.head(0)
    return {
        "name": name,
        "iterations": len(driven),
        "drives": int(driven["episodes"].sum()),
        "state": progress.state,
        "newest": drives,
        "hours": driven["hours"].max() if len(driven) else np.nan,
        "converged_at": np.nan if at is None else at,
        "converged_hours": settled["hours"].max() if len(settled) else np.nan,
        "steady_at": steady["iteration"].max() if len(steady) else np.nan,
        "steady_hours": steady["hours"].max() if len(steady) else np.nan,
        "completion": laps / drives if drives else np.nan,
        "completion_low": low if drives else np.nan,
        "completion_high": high if drives else np.nan,
    }


def _few_enough(table: pd.DataFrame) -> pd.DataFrame:
    size = -(-len(table) // MOST_POINTS) or 1
    table = table.rename(columns={"episodes": "drives"})
    measures = [measure + end for measure in MEASURES for end in ("", "_smooth")]
    how = {"iteration": "min", "hours": "max", "drives": "sum"} | dict.fromkeys(measures, "mean")
    return table.groupby(np.arange(len(table)) // size).agg(how).reset_index(drop=True)


def _verdict(models: pd.DataFrame, left_out: list[str]) -> str:
    """Who finishes more often at the end of its training, and who came to that sooner."""
    known = models.dropna(subset=["completion"])
    if known.empty:
        return " ".join(["There is no training to compare.", *left_out])
    ordered = known.sort_values("completion", ascending=False, kind="stable")
    first = ordered.iloc[0]
    said = [
        f"At the end of its training {first['name']} finishes {_share(first)}"
        + "".join(f", {row['name']} {_share(row)}" for _, row in ordered.iloc[1:].iterrows())
        + f" (of its newest {counted(TREND_ITERATIONS, 'iteration')})."
    ]
    if len(ordered) > 1 and first["completion_low"] <= ordered.iloc[1]["completion_high"]:
        said.append(f"{first['name']} and {ordered.iloc[1]['name']} are too close to tell apart.")
    steady = known.dropna(subset=["steady_at"])
    if len(steady) and len(known) > 1:
        by = "steady_hours" if steady["steady_hours"].notna().all() else "steady_at"
        soonest = steady.sort_values(by, kind="stable").iloc[0]
        never = list(known.loc[known["steady_at"].isna(), "name"])
        said.append(
            f"{soonest['name']} finished every second drive first: {_when(soonest, 'steady')}"
            + "".join(
                f"; {row['name']} {_when(row, 'steady')}"
                for _, row in steady.iterrows()
                if row["name"] != soonest["name"]
            )
            + (f"; {listed(never)} never" if never else "")
            + "."
        )
    elif len(known) > 1:
        said.append("None of them finished every second drive at any time: train on.")
    told = {
        "converged": "has learnt what it can: change the reward or the actions to get further",
        "still learning": "is still learning: train on",
        "over-trained": "was better before and has been over-trained: go back to an earlier checkpoint",
        "collapsed": "has forgotten how to drive: go back to an earlier checkpoint",
        "too short": "was trained too shortly to say more",
    }
    for state, what in told.items():
        names = list(known.loc[known["state"] == state, "name"])
        if names:
            plural = what.replace("has ", "have ", 1).replace("was ", "were ", 1).replace("is ", "are ", 1)
            said.append(f"{listed(names)} {what if len(names) == 1 else _many(plural)}.")
    return " ".join([*said, *left_out])


def _many(words: str) -> str:
    return words.replace("what it can", "what they can").replace("has been", "have been")


def _share(row: pd.Series) -> str:
    return (
        f"{percent(row['completion'])} of its drives ({percent(row['completion_low'])} to "
        f"{percent(row['completion_high'])}, n = {row['newest']})"
    )


def _when(row: pd.Series, what: str) -> str:
    hours = row[f"{what}_hours"]
    after = "" if np.isnan(hours) else f" ({hours:.1f} h)" if hours >= 1 else f" ({60 * hours:.0f} min)"
    return f"at iteration {row[f'{what}_at']:.0f}{after}"
