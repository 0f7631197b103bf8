"""The report of one page: what a model's training did, in Markdown."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd

from deepracer_viz.analysis.checkpoints import describe_drives
from deepracer_viz.analysis.words import counted, percent, percent_within
from deepracer_viz.export.answers import Answers
from deepracer_viz.logs.report import ReadReport

MOST_ROWS = 3
"""Rows of each small table; who wants more takes the table along."""

MOST_NOTES = 12
"""Sentences on what was skipped; a hostile archive can cause a hundred."""

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escape(text: object) -> str:
    """Return text that stands in Markdown as it is: nothing in it acts as Markdown, HTML or an address.

    Parameters
    ----------
    text : object
        Anything; names and messages from files above all.

    Returns
    -------
    str
        One line, still easy to read where nobody renders it.
    """
    # Control characters, and those that turn the direction of writing, would make a name look like another one.
    line = re.sub(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", str(text))
    line = re.sub(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]", "", line).strip()
    line = re.sub(r"[&<>]", lambda found: _ENTITIES[found.group()], line)
    line = re.sub(r"([\\`*_{}\[\]|#~$^])", r"\\\1", line)
    # At the beginning of a line these make a list, or a heading of the line before.
    line = re.sub(r"^([-+=]|\d+(?=[.)](?:\s|$)))", _escape_first, line)
    # Addresses and :names: are looked for in what is left after that; the space of no width hides them.
    return re.sub(r"(?<=[@:])(?=\S)|(?<=www)(?=\.)", "\u200b", line, flags=re.IGNORECASE)


def _escape_first(found: re.Match) -> str:
    return f"\\{found.group()}" if found.group() in "-+=" else f"{found.group()}\u200b"


@dataclass(frozen=True)
class Column:
    """A column of a small table: how it is called, and how a row's cell is written."""

    title: str
    cell: Callable[[dict], str]


def report(answers: Answers, link: str = "") -> str:
    """Write the report of one page.

    Parameters
    ----------
    answers : Answers
        Answer of :func:`~deepracer_viz.export.answer`.
    link : str, optional
        Address that reopens the same view.

    Returns
    -------
    str
        Markdown: who the model is, each question with its verdict and its small table, what was read.
    """
    head = "\n".join(f"- **{label}:** {escape(value)}" for label, value in _head(answers).items())
    parts = [f"# {escape(answers.run.name)}", head]
    for question, part in _QUESTIONS.items():
        verdict, table = part(answers)
        parts += [f"## {question}", *([escape(verdict)] if verdict else []), *([table] if table else [])]
    parts += ["## What was read", "\n".join(f"- {escape(note)}" for note in _account(answers))]
    if link:
        parts.append(f"The same view: <{safe_address(link)}>")
    return "\n\n".join(parts) + "\n"


# ------------------------------------------------------------------------------------------------- the head


def _head(answers: Answers) -> dict[str, str]:
    about, drives, race = answers.run.metadata, answers.drives, answers.race
    track, episodes = drives.track, drives.episodes
    name = about.world or (track.name if track is not None and not track.approximate else None)
    length = None if track is None else f"{track.length:.1f} m"
    if answers.evaluations:
        chosen = f"evaluations ({episodes['stream'].nunique()})"
    elif episodes.empty:
        chosen = "training"
    else:
        chosen = f"training, iterations {episodes['iteration'].min()} to {episodes['iteration'].max()}"
    where = "from the start line alone" if answers.from_start_line else "all starts"
    counts = {"drive": episodes, "lap": drives.laps, "step": drives.steps}
    number = ", ".join(counted(len(table), what) for what, table in counts.items())
    return {
        "Track": ", ".join(filter(None, (name, length))) or "unknown",
        "Drives": f"{chosen}, {where}: {number}",
        "Date of the logs": _dates(about.started, about.ended),
        "Race decided": race.words + ("" if race.target is None else f", {race.target:.2f} s to beat"),
    }


def _dates(started: float | None, ended: float | None) -> str:
    said = []
    for time in (started, ended):
        try:
            said.append(f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H.%M}")
        except (TypeError, ValueError, OverflowError, OSError):
            continue
    return f"{' to '.join(dict.fromkeys(said))} UTC" if said else "unknown"


# -------------------------------------------------------------------------------------------- the questions


def _envelope(answers: Answers) -> tuple[str, str]:
    envelope = answers.envelope
    columns = [
        Column("Lap time", lambda row: f"mean {row['sd']:.0f} SD"),
        seconds_column("Time (s)", "time"),
        Column("95 % interval", lambda row: _between(row["low"], row["high"], two_decimals)),
        Column("Laps that beat it", lambda row: f"1 in {1 / row['chance']:,.0f}"),
    ]
    return envelope.verdict, small_table(envelope.markers.to_dict("records"), columns)


def _checkpoints(answers: Answers) -> tuple[str, str]:
    if answers.choice is None:
        said = []
        for checkpoint, drives in answers.drives.episodes.groupby("checkpoint"):
            driver = (
                f"Checkpoint {checkpoint}" if checkpoint >= 0 else "A checkpoint that the logs do not name"
            )
            said.append(f"{driver}: {describe_drives(drives)}")
        return " ".join(said), ""
    ranking = answers.choice.ranking
    columns = [
        text_column("Rank", "rank"),
        text_column("Checkpoint", "checkpoint"),
        Column(
            "Chance to win (90 % interval)",
            lambda row: percent_within(row["win_chance"], row["win_low"], row["win_high"]),
        ),
        Column(
            "Finishes a lap (90 % interval)",
            lambda row: percent_within(row["finish_chance"], row["finish_low"], row["finish_high"]),
        ),
        seconds_column("Lap time (s)", "lap_time"),
        Column("n", lambda row: f"{row['episodes']} training, {row['evaluations']} evaluation drives"),
    ]
    return answers.choice.verdict, small_table(ranking.to_dict("records"), columns)


def _convergence(answers: Answers) -> tuple[str, str]:
    if answers.progress is None:
        return (
            "These are drives of separate evaluations: nothing is learnt in them, so there is no training to judge.",
            "",
        )
    at = answers.progress.converged_at
    phases = {"before": f"before iteration {at}", "since": f"since iteration {at}", "all": "all iterations"}
    driven = answers.progress.consistency
    columns = [
        Column("When", lambda row: phases[row["phase"]]),
        text_column("Drives", "episodes"),
        text_column("Laps", "laps"),
        Column(
            "Completion (95 % interval)",
            lambda row: percent_within(row["completion"], row["completion_low"], row["completion_high"]),
        ),
        seconds_column("Mean lap (s)", "lap_mean"),
        Column(
            "Spread of laps (SD, s)",
            lambda row: (
                two_decimals(row["lap_sd"]) + _bracket(row["lap_sd_low"], row["lap_sd_high"], two_decimals)
            ),
        ),
    ]
    return answers.progress.verdict, small_table(driven[driven["episodes"] > 0].to_dict("records"), columns)


def _driving(answers: Answers) -> tuple[str, str]:
    if answers.drives.steps.empty:
        return _NO_STEPS.format("speed and steering"), ""
    columns = [
        Column("Section", lambda row: row["section"] or "unknown part"),
        text_column("What", "kind"),
        Column(
            "Seconds a lap (95 % interval)",
            lambda row: (
                two_decimals(row["seconds_per_lap"]) + _bracket(row["low"], row["high"], two_decimals)
            ),
        ),
        Column("Share of drives", lambda row: f"{_share(row['share_of_laps'])} of {row['laps']}"),
        Column("Try", lambda row: row["advice"] if row["first"] else "as above"),
    ]
    # Alike findings have the same advice.
    findings = answers.findings.assign(first=~answers.findings["advice"].duplicated())
    return answers.driving, small_table(findings.to_dict("records"), columns)


def _turns(answers: Answers) -> tuple[str, str]:
    if answers.drives.steps.empty:
        return _NO_STEPS.format("rewards on the track"), ""
    told = answers.rewards.sections
    columns = [
        text_column("Section", "section"),
        Column("What", lambda row: row["fault"] or "–"),
        Column("Early ends", lambda row: _share(row["due_share"])),
        Column("Spread of the line (m)", lambda row: two_decimals(row["lateral_spread"])),
        Column("A wheel off track", lambda row: _share(row["off_track_share"])),
        text_column("Passes (n)", "passes"),
    ]
    return answers.rewards.verdict, small_table(told[told["reason"] != ""].to_dict("records"), columns)


_NO_STEPS = "No steps were traced for these drives, so {} cannot be shown."

_QUESTIONS = {
    "What lap time can this model do?": _envelope,
    "Which checkpoint should race?": _checkpoints,
    "Has the training converged, and how steady is it?": _convergence,
    "Where does the car drive inefficiently?": _driving,
    "Which turn should I work on next?": _turns,
}
"""The questions as the page asks them."""


# --------------------------------------------------------------------------------------------- the account


def reading(report: ReadReport, steps: int) -> str:
    """Say how much was read, and what was mended.

    Parameters
    ----------
    report : ReadReport
    steps : int
        Steps that are left.

    Returns
    -------
    str
    """
    mended = {
        "step rows put back in order": report.reordered,
        "exact duplicates dropped": report.duplicates,
        "rows of the simulator's dummy start dropped": report.dummy_rows,
        "steps on which log and CSV differ": report.differing,
        "lines that could not be read": report.skipped.total,
    }
    told = "; ".join(f"{number:,} {what}" for what, number in mended.items() if number)
    told_twice = report.steps - report.duplicates - report.dummy_rows > steps
    twice = (
        f" from {counted(report.steps, 'row')}, since log and CSV files tell the same" if told_twice else ""
    )
    return f"{counted(steps, 'step')}{twice}; {counted(len(report.files), 'file')}. {told}{'.' if told else ''}".strip()


def _account(answers: Answers) -> list[str]:
    """What was read of the files and what was not, one sentence each."""
    run = answers.run
    untraced = int((~answers.drives.episodes["traced"].astype(bool)).sum())
    sources = answers.drives.laps["time_source"].astype(str).value_counts()
    notes = [reading(run.report, len(run.steps) + len(run.evaluation_steps))]
    if len(sources):
        notes.append(
            "Lap times: " + ", ".join(f"{count:,} {source}" for source, count in sources.items()) + "."
        )
    if untraced:
        notes.append(f"{counted(untraced, 'drive')} known from the metrics alone: no steps to judge.")
    notes += [f"Left out: {counted(count, 'line')}, {reason}." for reason, count, _ in run.report.skipped]
    notes += [*run.missing, *run.report.warnings]
    more = len(notes) - MOST_NOTES
    return notes if more <= 0 else [*notes[:MOST_NOTES], f"{more} more of these stand on the page."]


# ------------------------------------------------------------------------------------------ writing of tables


def small_table(rows: list[dict], columns: list[Column], most: int = MOST_ROWS) -> str:
    """Write the first rows as a table in Markdown; "" without any."""
    if not rows:
        return ""
    lines = [[column.title for column in columns], ["---"] * len(columns)]
    lines += [[escape(column.cell(row)) for column in columns] for row in rows[:most]]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def text_column(title: str, name: str) -> Column:
    """Return a column of words or whole numbers."""
    return Column(title, lambda row: str(row[name]))


def seconds_column(title: str, name: str) -> Column:
    """Return a column of times (s)."""
    return Column(title, lambda row: two_decimals(row[name]))


def two_decimals(value: float) -> str:
    """Write a number with two decimals, a dash where there is none."""
    return "–" if pd.isna(value) else f"{value:.2f}"


def _share(value: float) -> str:
    return "–" if pd.isna(value) else percent(value)


def _between(low: float, high: float, form: Callable[[float], str]) -> str:
    return "–" if pd.isna(low) or pd.isna(high) else f"{form(low)} to {form(high)}"


def _bracket(low: float, high: float, form: Callable[[float], str]) -> str:
    return "" if pd.isna(low) or pd.isna(high) else f" ({form(low)} to {form(high)})"


def safe_address(link: str) -> str:
    """Return an address that cannot end before its end."""
    return re.sub(r"[\s<>\"\\^`{|}]", lambda found: f"%{ord(found.group()):02X}", link)
