"""What can be taken along from the page, and that it says the same as the page."""

import gc
import io
import json
import re
import time
import weakref
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from deepracer_viz import load_run
from deepracer_viz.analysis.lap import lap_trace
from deepracer_viz.analysis.league import league_entry, league_table
from deepracer_viz.analysis.races import RaceFormat
from deepracer_viz.charts.comparing import compare_envelopes_sheet, section_times_sheet
from deepracer_viz.charts.lap import lap_map_sheet, lap_sheet
from deepracer_viz.export import (
    ANSWER_TABLES,
    COMPARISON_TABLES,
    LOG_TABLES,
    answer,
    compare,
    report,
    write_csv,
    write_parquet,
)
from deepracer_viz.export.report import escape
from deepracer_viz.page import takeaway
from deepracer_viz.page.takeaway import _CHARTS, _CHARTS_OF_TRAINING, _specification
from tests.contenders import of_run

APP = Path(__file__).resolve().parents[2] / "streamlit_app.py"
NAMES = ["fast-but-fragile", "over-trained", "planted-faults", "steady-and-slow"]


OF_DRIVE = ["Map (Vega-Lite)", "Strips (Vega-Lite)"]
"""Buttons of the drive that is shown."""


def open_page(**query) -> AppTest:
    page = AppTest.from_file(str(APP), default_timeout=60)
    for name, value in ({"whole": "true"} | query).items():
        page.query_params[name] = value
    return page.run()


def said(page: AppTest) -> str:
    text = "\n".join(element.value for element in (*page.markdown, *page.caption))
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text).replace("\u200b", "").replace("**", "")


def buttons(page: AppTest) -> dict:
    return {button.label: button for button in page.get("download_button")}


@pytest.mark.parametrize("name", NAMES)
def test_the_report_says_what_the_page_says(sample_logs, name):
    page = open_page(
        model=f"{name} (sample)",
        iterations=["4", "22"],
        target="11",
        race="Mean of K laps in a row",
        attempts="2",
    )
    run = load_run(sample_logs / f"{name}.tar.gz", track=sample_logs / "harbour_loop.npy")
    race = RaceFormat("mean of laps", attempts=2, target=11.0)
    answers = answer(run, iterations=(4, 22), race=race)
    words, text = said(page), report(answers)
    for verdict in (
        answers.envelope.verdict,
        answers.choice.verdict,
        answers.progress.verdict,
        answers.driving,
        answers.rewards.verdict,
    ):
        assert verdict in words
        assert escape(verdict) in text


def test_samples_offer_everything_and_nothing_is_made_before_it_is_asked_for():
    page = open_page()
    assert not page.exception
    found = buttons(page)
    assert list(found) == [*OF_DRIVE, "Report", "CSV", "Parquet", "Vega-Lite"]
    assert all(button.proto.deferred_file_id and not button.proto.url for button in found.values())
    assert set(page.selectbox(key="take_table").options) <= {*LOG_TABLES, *ANSWER_TABLES}
    assert {"steps", "laps", *ANSWER_TABLES} <= set(page.selectbox(key="take_table").options)
    assert page.selectbox(key="take_chart").options == list(_CHARTS)
    for table in ("laps", "findings"):
        page.selectbox(key="take_table").set_value(table).run()
        assert not page.exception and list(buttons(page)) == list(found)


@pytest.mark.parametrize("name", ["workshop-2019-evaluation", "drfc-one-worker", "droa-2026"])
def test_real_logs_offer_what_they_have(real_logs, monkeypatch, name):
    monkeypatch.setenv("DEEPRACER_LOGS", str(real_logs))
    page = open_page(model=name)
    assert not page.exception
    assert list(buttons(page)) == [*OF_DRIVE, "Report", "CSV", "Parquet", "Vega-Lite"]
    tables, charts = page.selectbox(key="take_table").options, page.selectbox(key="take_chart").options
    if name.startswith("workshop"):
        assert "steps" not in tables and "ranking" not in tables and "evaluation_steps" in tables
        assert set(charts) == set(_CHARTS) - set(_CHARTS_OF_TRAINING)
    else:
        assert "steps" in tables and "ranking" in tables


def test_the_link_reopens_the_view_and_names_even_the_first_model():
    page = open_page(target="11.5", which="Completed laps")
    page.button(key="take_link").click().run()
    [code] = page.code
    asked = parse_qs(code.value.partition("?")[2])
    assert asked == {
        "whole": ["true"],
        "target": ["11.5"],
        "which": ["Completed laps"],
        "model": [page.selectbox(key="model").value],
    }
    again = open_page(**{name: values[0] for name, values in asked.items()})
    assert said(again).splitlines()[:5] == said(page).splitlines()[:5]
    assert "opens for everyone" in said(page)


def test_the_link_says_that_dropped_files_do_not_travel(sample_logs):
    page = open_page()
    archive = sample_logs / "steady-and-slow.tar.gz"
    page.get("file_uploader")[0].upload(archive.name, archive.read_bytes(), "application/gzip").run()
    assert "(yours)" in page.selectbox(key="model").value
    page.button(key="take_link").click().run()
    assert not page.exception and "stay with whoever dropped them" in said(page)


def test_charts_carry_their_rows(sample_logs):
    answers = answer(load_run(sample_logs / "planted-faults.tar.gz"))
    for name, sheet in _CHARTS.items():
        chart = json.loads(_specification(sheet(answers)))
        assert chart["$schema"].startswith("https://vega.github.io/schema/vega-lite/"), name
        rows = chart["datasets"]
        assert rows and any(len(table) for table in rows.values()), name
        used = set(re.findall(r'"data": \{"name": "([^"]+)"', json.dumps(chart)))
        assert used <= set(rows), name


@pytest.mark.parametrize(
    "source", ["console-2023-sac.tar.gz", "droa-2026.tar.gz", "workshop-2019-evaluation.log"]
)
def test_charts_of_models_that_show_little_can_be_taken_too(real_logs, source):
    run = load_run(real_logs / source)
    answers = answer(run)
    for name, sheet in _CHARTS.items():
        if not (answers.evaluations and name in _CHARTS_OF_TRAINING):
            assert json.loads(_specification(sheet(answers)))["config"], name


def test_the_table_of_the_league_can_be_taken():
    page = open_page(view="League")
    for _ in range(60):
        if list(buttons(page)) == ["CSV", "Parquet"] and not page.get("progress"):
            break
        time.sleep(0.5)
        page.run()
    assert not page.exception
    assert all(button.proto.deferred_file_id for button in buttons(page).values())
    assert list(buttons(page)) == ["CSV", "Parquet"]


def test_the_table_of_the_league_is_a_file(sample_logs):
    run = load_run(sample_logs / "planted-faults.tar.gz")
    entry = league_entry("=planted", run.episodes, run.steps, run.track, run.checkpoint_evaluations)
    table = league_table([entry, replace(entry, trend=[], converged_at=None)])
    file = io.BytesIO()
    write_parquet(table, file)
    back = pd.read_parquet(io.BytesIO(file.getvalue()))
    pd.testing.assert_frame_equal(back.drop(columns="trend"), table.drop(columns="trend"))
    assert [list(cell) for cell in back["trend"]] == table["trend"].tolist()
    file = io.BytesIO()
    write_csv(table, file)
    again = pd.read_csv(io.BytesIO(file.getvalue()), keep_default_na=False)
    assert again["model"].tolist() == ["'=planted", "'=planted"]
    assert len(again["trend"][0].split(";")) == len(table["trend"][0]) and again["trend"][1] == ""


def test_the_answers_are_worked_out_once_for_a_choice(sample_logs):
    run = load_run(sample_logs / "steady-and-slow.tar.gz")
    kept, calls = takeaway._Kept(run, ()), []

    def work():
        calls.append(1)
        return answer(run)

    made = [kept.get(work) for _ in range(3)]
    assert len(calls) == 1 and made[0] is made[2]
    assert kept.is_for(run, ()) and not kept.is_for(run, (1,)) and not kept.is_for(replace(run, name="x"), ())


def test_a_run_that_nobody_shows_is_let_go_of(sample_logs):
    run = load_run(sample_logs / "steady-and-slow.tar.gz")
    kept, gone = takeaway._Kept(run, ()), weakref.ref(run)
    del run
    gc.collect()
    assert gone() is None and not kept.is_for(object(), ())


def test_a_comparison_can_be_taken():
    page = open_page(model="over-trained (sample)", compare="steady-and-slow (sample)")
    assert not page.exception
    assert list(buttons(page)) == ["Report", "CSV", "Parquet", "Vega-Lite"]
    assert page.selectbox(key="take_table").options == list(COMPARISON_TABLES)
    charts = page.selectbox(key="take_chart").options
    assert charts == [
        *(
            "Lap times",
            "Odds",
            "Training",
            "Time lost",
            "Sections",
            "Rewards 1",
            "Rewards 2",
            "Spread of the line",
        )
    ]
    page.selectbox(key="take_chart").set_value("Time lost").run()
    page.selectbox(key="take_table").set_value("duels").run()
    assert not page.exception
    page.button(key="take_link").click().run()
    [code] = page.code
    assert parse_qs(code.value.partition("?")[2])["compare"] == ["steady-and-slow (sample)"]


@pytest.mark.parametrize("path", ["sections", "drive"])
def test_charts_of_a_drive_and_of_a_comparison_carry_their_rows(sample_logs, path):
    run = load_run(sample_logs / "over-trained.tar.gz")
    if path == "drive":
        trace = lap_trace(run.steps, run.episodes, 42, run.track)
        sheets = [lap_map_sheet(trace, run.track, None, 7), lap_sheet(trace, None, 7)]
    else:
        answers = compare([of_run(run, "early", (0, 9)), of_run(run, "late", (10, 29))])
        sheets = [compare_envelopes_sheet(answers.envelopes), section_times_sheet(answers.driving)]
    for sheet in sheets:
        chart = json.loads(_specification(sheet))
        used = set(re.findall(r'"data": \{"name": "([^"]+)"', json.dumps(chart)))
        assert used and used <= set(chart["datasets"]) and any(map(len, chart["datasets"].values()))
