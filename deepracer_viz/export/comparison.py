"""A comparison of models, or of ranges of iterations of one, to be taken along: its tables and its report."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from deepracer_viz.analysis.comparing import (
    Contender,
    compare_driving,
    compare_envelopes,
    compare_odds,
    compare_rewards,
    compare_training,
)
from deepracer_viz.analysis.comparing.driving import DrivingComparison
from deepracer_viz.analysis.comparing.envelopes import EnvelopeComparison
from deepracer_viz.analysis.comparing.odds import OddsComparison
from deepracer_viz.analysis.comparing.rewards import RewardComparison
from deepracer_viz.analysis.comparing.training import TrainingComparison
from deepracer_viz.analysis.races import RaceFormat
from deepracer_viz.analysis.words import listed, percent_within
from deepracer_viz.export.report import (
    Column,
    escape,
    safe_address,
    seconds_column,
    small_table,
    text_column,
    two_decimals,
)


@dataclass(frozen=True, eq=False)
class Comparison:
    """What the analyses say of all that are compared.

    Attributes
    ----------
    names : list of str
        Who is compared; the first is the one that the others are held against.
    envelopes : EnvelopeComparison
    odds : OddsComparison
    training : TrainingComparison
    driving : DrivingComparison
    rewards : RewardComparison
    """

    names: list[str]
    envelopes: EnvelopeComparison
    odds: OddsComparison
    training: TrainingComparison
    driving: DrivingComparison
    rewards: RewardComparison


def compare(
    contenders: list[Contender], race: RaceFormat | None = None, group: str = "typical"
) -> Comparison:
    """Answer the questions of the page for all that are compared.

    Parameters
    ----------
    contenders : list of Contender
        Two to four.
    race : RaceFormat, optional
        The race and the lap time to beat; best of three laps without a target when omitted.
    group : str
        Which laps are held against each other along the track, see
        :func:`~deepracer_viz.analysis.comparing.compare_driving`.

    Returns
    -------
    Comparison
    """
    race = race or RaceFormat()
    return Comparison(
        names=[contender.name for contender in contenders],
        envelopes=compare_envelopes(contenders, race.attempts),
        odds=compare_odds(contenders, race),
        training=compare_training(contenders),
        driving=compare_driving(contenders, group),
        rewards=compare_rewards(contenders),
    )


COMPARISON_TABLES: dict[str, tuple[str, Callable[[Comparison], pd.DataFrame]]] = {
    "lap_times": ("Drives, completion and lap times of each.", lambda answers: answers.envelopes.models),
    "duels": ("The chance that one beats the other.", lambda answers: answers.envelopes.duels),
    "odds": ("The best checkpoint of each and its odds.", lambda answers: answers.odds.models),
    "training": ("How far each training came, and when.", lambda answers: answers.training.models),
    "iterations": (
        "Progress, completion and entropy of each iteration.",
        lambda answers: answers.training.lines,
    ),
    "section_times": ("Seconds of each in each section.", lambda answers: answers.driving.sections),
    "time_lost": ("Time lost on the first, place by place.", lambda answers: answers.driving.delta),
    "lines": ("How far the line of each scatters in each section.", lambda answers: answers.rewards.sections),
}
"""Tables of a comparison: what each holds, and how it is taken from it."""


def comparison_report(answers: Comparison, link: str = "") -> str:
    """Write the report of a comparison.

    Parameters
    ----------
    answers : Comparison
    link : str, optional
        Address that reopens the same view.

    Returns
    -------
    str
        Markdown: who is compared, and each question with its verdict and its small table.
    """
    parts = [f"# {escape(listed(answers.names))}"]
    for question, part in _QUESTIONS.items():
        verdict, rows, columns = part(answers)
        # No row is left out of a table of models or sections.
        table = small_table(rows, columns, most=len(rows))
        parts += [f"## {question}", escape(verdict), *([table] if table else [])]
    if link:
        parts.append(f"The same view: <{safe_address(link)}>")
    return "\n\n".join(parts) + "\n"


def _share(title: str, share: str, low: str, high: str) -> Column:
    return Column(title, lambda row: percent_within(row[share], row[low], row[high]))


def _lap_times(answers: Comparison) -> tuple[str, list[dict], list[Column]]:
    columns = [
        text_column("Who", "name"),
        text_column("Drives", "drives"),
        text_column("Laps", "laps"),
        _share("Completion (95 % interval)", "completion", "completion_low", "completion_high"),
        seconds_column("Fastest (s)", "fastest"),
        seconds_column("Mean (s)", "mean"),
        seconds_column("SD (s)", "sd"),
    ]
    return answers.envelopes.verdict, answers.envelopes.models.to_dict("records"), columns


def _odds(answers: Comparison) -> tuple[str, list[dict], list[Column]]:
    columns = [
        text_column("Who", "name"),
        text_column("Checkpoint", "checkpoint"),
        _share("Beats the others (90 % interval)", "win_chance", "win_low", "win_high"),
        _share("Finishes a lap (90 % interval)", "finish_chance", "finish_low", "finish_high"),
        seconds_column("Lap time (s)", "lap_time"),
        Column("Rests on", lambda row: "training alone" if row["training_odds"] else "evaluations too"),
    ]
    return answers.odds.verdict, answers.odds.models.to_dict("records"), columns


def _training(answers: Comparison) -> tuple[str, list[dict], list[Column]]:
    columns = [
        text_column("Who", "name"),
        text_column("Iterations", "iterations"),
        text_column("Drives", "drives"),
        Column("Hours", lambda row: two_decimals(row["hours"])),
        text_column("State", "state"),
        _share("Completion at the end (95 % interval)", "completion", "completion_low", "completion_high"),
    ]
    return answers.training.verdict, answers.training.models.to_dict("records"), columns


def _driving(answers: Comparison) -> tuple[str, list[dict], list[Column]]:
    of_sections = _by_section(answers.driving.sections, "time", list(answers.driving.laps), "s")
    return answers.driving.verdict, *of_sections


def _turns(answers: Comparison) -> tuple[str, list[dict], list[Column]]:
    of_sections = _by_section(answers.rewards.sections, "lateral_spread", list(answers.rewards.maps), "m")
    return answers.rewards.verdict, *of_sections


def _by_section(
    table: pd.DataFrame, value: str, names: list[str], unit: str
) -> tuple[list[dict], list[Column]]:
    """A row for each section, a column for each that is compared."""
    rows = [
        {"section": section, "values": dict(zip(part["name"], part[value], strict=True))}
        for section, part in table.groupby("section", sort=False)
    ]
    columns = [
        Column(f"{escape(name)} ({unit})", lambda row, name=name: two_decimals(row["values"].get(name)))
        for name in names
    ]
    return rows, [text_column("Section", "section"), *columns]


_QUESTIONS = {
    "Who drives the faster laps?": _lap_times,
    "Which of them should race?": _odds,
    "Who learns faster, and gets further?": _training,
    "Where is one faster than the other?": _driving,
    "Who holds the steadier line, and where do they earn?": _turns,
}
"""The questions as the page asks them."""
