"""The section that lets a visitor take along what was found: tables, charts, a report, a link."""

import io
import json
import threading
import weakref
from collections.abc import Callable
from functools import partial
from typing import BinaryIO
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from deepracer_viz import Drives, TrainingRun
from deepracer_viz.analysis.placing import Placed
from deepracer_viz.analysis.races import RaceFormat
from deepracer_viz.charts.checkpoints import fast_laps_sheet, rank_checkpoints_sheet
from deepracer_viz.charts.convergence import reward_sheet, training_progress_sheet
from deepracer_viz.charts.driving import driving_profile_sheet
from deepracer_viz.charts.envelope import performance_envelope_sheet
from deepracer_viz.charts.rewards import action_use_sheet, reward_map_sheet
from deepracer_viz.charts.sheet import Sheet
from deepracer_viz.charts.timing import time_account_sheet
from deepracer_viz.export import (
    ANSWER_TABLES,
    COMPARISON_TABLES,
    LOG_TABLES,
    Answers,
    Comparison,
    answer,
    comparison_report,
    log_table,
    report,
    safe_name,
    tables_with_rows,
    write_csv,
    write_parquet,
)
from deepracer_viz.page.models import Model
from deepracer_viz.page.text import plain
from deepracer_viz.page.tour import explain

_FORMATS = {
    "CSV": ("csv", "text/csv", write_csv),
    "Parquet": ("parquet", "application/vnd.apache.parquet", write_parquet),
}

_OF_TRAINING = ("ranking", "iterations", "consistency")
"""Answers that drives of evaluations do not give."""

_MANY_ROWS = 200_000
"""Rows from which on it matters which of the two formats is taken."""

_PREFER_PARQUET = " Take Parquet if your program reads it: a quarter of the size, written and read faster."


class _Kept:
    """The answers to one choice of one run's drives, worked out when they are first asked for."""

    def __init__(self, run: TrainingRun, asked: tuple):
        # Whoever asked for nothing yet must not keep a run in memory.
        self._run, self._asked = weakref.ref(run), asked
        self._lock = threading.Lock()
        self._answers: Answers | None = None

    def is_for(self, run: TrainingRun, asked: tuple) -> bool:
        return self._run() is run and self._asked == asked

    def get(self, work: Callable[[], Answers]) -> Answers:
        with self._lock:
            if self._answers is None:
                self._answers = work()
            return self._answers


@st.cache_resource(max_entries=1, show_spinner=False)
def _one_at_a_time() -> threading.Lock:
    """Files are made one after the other: several long ones at once would fill the memory."""
    return threading.Lock()


def show(
    run: TrainingRun,
    model: Model,
    name: str,
    chosen: dict,
    race: RaceFormat,
    window: int,
    placed: Placed | None,
) -> None:
    """Show the section. Nothing is made before it is asked for.

    Parameters
    ----------
    run : TrainingRun
    model : Model
        Where it came from.
    name : str
        What the page calls it.
    chosen : dict
        The choice of drives, as :meth:`TrainingRun.drives` takes it.
    race : RaceFormat
    window : int
        Iterations in the moving averages.
    placed : Placed or None
        What is known of the chosen drives.
    """
    st.header("Take it along", anchor="take", divider="gray")
    explain("take")
    st.markdown(f"What there is of {plain(name)}, for the drives chosen in the sidebar.")
    asked = (chosen, race, window)
    kept = st.session_state.get("taken")
    if kept is None or not kept.is_for(run, asked):
        kept = st.session_state["taken"] = _Kept(run, asked)
    work = partial(answer, run, **chosen, race=race, window=window, placed=placed)
    # A fragment, so that going from table to table draws nothing else anew.
    st.fragment(_show_files)(run, name, model.shared, chosen, partial(kept.get, work))
    st.fragment(_show_link)(name, model.shared)


def _show_link(name: str, shared: bool) -> None:
    # On demand: a choice that draws its own section alone would leave an old link standing here.
    if st.button("Link to this view", key="take_link", icon=":material/link:"):
        st.code(_link(name), language=None, wrap_lines=True)
        st.caption(
            "It holds the model and every choice, and opens for everyone who reaches this page."
            if shared
            else "It holds every choice, but files that were dropped stay with whoever dropped them: send them along, "
            "or put them into the folder of models."
        )


def _link(name: str) -> str:
    """Address of the page with all choices; of the model even where it is the first, for another may be first later."""
    chosen = {key: st.query_params.get_all(key) for key in st.query_params}
    return f"{st.context.url or ''}?{urlencode(chosen | {'model': [name]}, doseq=True)}"


def _show_files(
    run: TrainingRun, name: str, shared: bool, chosen: dict, answers: Callable[[], Answers]
) -> None:
    drives, evaluations = run.drives(**chosen), chosen["evaluations"]
    if drives.episodes.empty:
        _show_tables(name, _log_tables(run, drives))
        return
    link = _link(name) if shared else ""
    _show_report(name, lambda: report(answers(), link))
    given = {name: row for name, row in ANSWER_TABLES.items() if not (evaluations and name in _OF_TRAINING)}
    _show_tables(name, _log_tables(run, drives) | _of_answers(given, answers), len(drives.steps))
    charts = {
        chart: sheet for chart, sheet in _CHARTS.items() if not (evaluations and chart in _CHARTS_OF_TRAINING)
    }
    _show_charts(name, {chart: lambda sheet=sheet: sheet(answers()) for chart, sheet in charts.items()})


def show_comparison(name: str, shared: bool, answers: Comparison, charts: dict[str, Sheet]) -> None:
    """Show the section for a comparison.

    Parameters
    ----------
    name : str
        What the page calls the first of those that are compared.
    shared : bool
        All of them can be seen by everyone who reaches the page.
    answers : Comparison
    charts : dict of str to Sheet
        The charts of the page.
    """
    st.header("Take it along", anchor="take", divider="gray")
    explain("take")
    st.markdown("What there is of the comparison; take it off for the tables and charts of one model.")
    st.fragment(_show_files_of_comparison)(name, shared, answers, charts)
    st.fragment(_show_link)(name, shared)


def _show_files_of_comparison(name: str, shared: bool, answers: Comparison, charts: dict[str, Sheet]) -> None:
    link = _link(name) if shared else ""
    _show_report(f"{name}-compared", lambda: comparison_report(answers, link))
    _show_tables(f"{name}-compared", _of_answers(COMPARISON_TABLES, lambda: answers))
    _show_charts(f"{name}-compared", {chart: lambda sheet=sheet: sheet for chart, sheet in charts.items()})


def _show_report(name: str, write: Callable[[], str]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        _offer(
            "Report",
            lambda file: file.write(write().encode()),
            safe_name(name, "report", "md"),
            "text/markdown",
            key="take_report",
            icon=":material/description:",
        )
        st.caption("One page (Markdown): each question with its verdict and a small table.")


def _offer(
    label: str, write: Callable[[BinaryIO], object], file_name: str, mime: str, key: str, **more
) -> None:
    """Show a button behind which a file is written, when it is pressed and no other file is being made."""
    lock = _one_at_a_time()

    def make() -> io.BytesIO:
        file = io.BytesIO()
        with lock:
            write(file)
        return file

    st.download_button(label, make, file_name, mime, key=key, on_click="ignore", **more)


def offer_table(make: Callable[[], pd.DataFrame], of: str, name: str, key: str = "take") -> None:
    """Show a button for each format of a table.

    Parameters
    ----------
    make : function
        Returns the table; called when a button is pressed.
    of, name : str
        Of which model the table is, and what it holds: the name of the file.
    key : str
        Beginning of the buttons' keys.
    """
    for form, (ending, mime, writer) in _FORMATS.items():
        _offer(
            form,
            lambda file, writer=writer: writer(make(), file),
            safe_name(of, name, ending),
            mime,
            key=f"{key}_{ending}",
            icon=":material/download:",
            help=f"The table {name} as {form}.",
        )


_Tables = dict[str, tuple[str, Callable[[], pd.DataFrame]]]
"""Tables by name, each with what it holds and what makes it."""


def _log_tables(run: TrainingRun, drives: Drives) -> _Tables:
    return {
        table: (LOG_TABLES[table], partial(log_table, run, table, drives))
        for table in tables_with_rows(run, drives)
    }


def _of_answers(tables: dict[str, tuple[str, Callable]], answers: Callable[[], object]) -> _Tables:
    return {name: (about, lambda take=take: take(answers())) for name, (about, take) in tables.items()}


def _show_tables(name: str, tables: _Tables, steps: int = 0) -> None:
    """Let the visitor choose a table, and take it in either format."""
    if not tables:
        return
    if st.session_state.get("take_table") not in (None, *tables):
        del st.session_state["take_table"]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        table = st.selectbox("Table", list(tables), key="take_table", width=280)
        about, make = tables[table]
        offer_table(make, name, table)
    is_long = table in LOG_TABLES and table.endswith("steps") and steps > _MANY_ROWS
    st.caption(about + (_PREFER_PARQUET if is_long else ""))


def _show_charts(name: str, charts: dict[str, Callable[[], Sheet]]) -> None:
    """Let the visitor choose a chart, and take its specification."""
    if st.session_state.get("take_chart") not in (None, *charts):
        del st.session_state["take_chart"]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chart = st.selectbox("Chart", list(charts), key="take_chart", width=280)
        offer_chart("Vega-Lite", charts[chart], name, chart, key="take_vega")
    st.caption(
        "As a picture: point at a chart further up and choose *Download as PNG* from the buttons at its corner. *Copy "
        "Vega-Lite spec* beside it copies the drawing without its rows; the file here has them inside."
    )


def offer_chart(label: str, make: Callable[[], Sheet], of: str, name: str, key: str) -> None:
    """Show a button for the specification of a chart, with its rows inside.

    Parameters
    ----------
    label : str
        What stands on the button.
    make : function
        Returns the chart; called when the button is pressed.
    of, name : str
        Of which model the chart is, and what it shows: the name of the file.
    key : str
        Key of the button.
    """
    _offer(
        label,
        lambda file: file.write(_specification(make())),
        safe_name(of, name.replace(" ", "-").lower(), "vl.json"),
        "application/json",
        key=key,
        icon=":material/download:",
        help=f"The chart {name} with its rows, for the Vega editor or your own page.",
    )


def _specification(sheet: Sheet) -> bytes:
    return json.dumps(sheet.to_dict(), ensure_ascii=False, allow_nan=False).encode()


def _driving(answers: Answers) -> Sheet:
    account = answers.account if len(answers.account.sections) else None
    return driving_profile_sheet(answers.profile, answers.findings, answers.drives.track, None, account)


_CHARTS: dict[str, Callable[[Answers], Sheet]] = {
    "Performance envelope": lambda answers: performance_envelope_sheet(answers.envelope),
    "Fast laps": lambda answers: fast_laps_sheet(answers.choice.laps, answers.choice.ranking),
    "Checkpoints": lambda answers: rank_checkpoints_sheet(
        answers.choice.ranking,
        answers.run.metadata.best_checkpoint,
        answers.run.metadata.last_checkpoint,
        answers.choice.training_odds,
    ),
    "Training progress": lambda answers: training_progress_sheet(answers.progress),
    "Rewards of the training": lambda answers: reward_sheet(answers.progress),
    "Time account": lambda answers: time_account_sheet(answers.account),
    "Speed and steering": _driving,
    "Reward map": lambda answers: reward_map_sheet(answers.rewards),
    "Actions": lambda answers: action_use_sheet(answers.actions),
}
"""Charts in their first state, for all chosen drives."""

_CHARTS_OF_TRAINING = ("Fast laps", "Checkpoints", "Training progress", "Rewards of the training")
