"""Names from files are text: nothing in them acts as Markdown or HTML, wherever on the page they stand."""

import json
import re
from collections.abc import Iterator

import numpy as np
import pytest

from tests.stress.hostile_names import HOSTILE, IN_FOLDER, archive
from tests.test_page import charts, open_league, open_page, said

ESCAPED = re.compile(r"\\[!-/:-@\[-`{-~]\u200b?")
ACTS = re.compile(r"<img|\*\*bold|:material/delete:|:red\[|\$x\$|\[a\]")
"""What is left of a hostile name that was not escaped."""


def markdown(page) -> Iterator[str]:
    """Every text of the page that the browser takes for Markdown."""
    for kind in (
        "markdown",
        "caption",
        "title",
        "header",
        "info",
        "warning",
        "error",
        "success",
        "metric",
        "text",
    ):
        for element in getattr(page, kind):
            yield str(element.value)
    widgets = [*page.selectbox, *page.multiselect, *page.number_input, *page.toggle, *page.slider]
    for widget in [*widgets, *page.metric, *page.expander, *page.get("button_group")]:
        yield str(getattr(widget, "label", ""))
        yield str(getattr(widget, "help", "") or getattr(widget.proto, "help", ""))
    for group in page.get("button_group"):
        yield from (str(option) for option in group.proto.options)
    for kind in ("button", "download_button", "file_uploader", "progress"):
        for element in page.get(kind):
            yield from (str(getattr(element.proto, word, "")) for word in ("label", "help", "text"))


ANOTHER = f"{IN_FOLDER} 2"
NO_MODEL = f"{IN_FOLDER} 3"
FOR_ALL = [{"view": "League"}]
FOR_ONE = [
    {},
    {"drives": "Evaluations"},
    {"pair": "Two laps", "map": "Fast laps"},
    {"compare": ANOTHER},
    {"compare": ANOTHER, "drives": "Evaluations"},
    {"earlier": ANOTHER},
    {"explain": "true"},
]
SCREENS = [
    {"view": "Presentation", "question": question}
    for question in ("Model", "Lap times", "Checkpoints", "Training", "Driving", "Turns", "One drive")
]


def open_hostile(monkeypatch, tmp_path, **query):
    """The page with a model whose every name is hostile, another one beside it, and a file that is none."""
    (tmp_path / f"{IN_FOLDER}.zip").write_bytes(archive())
    (tmp_path / f"{ANOTHER}.zip").write_bytes(archive())
    (tmp_path / f"{NO_MODEL}.log").write_bytes(b"nothing that a simulator wrote")
    ring = np.linspace(0, 2 * np.pi, 60)
    np.save(tmp_path / f"{IN_FOLDER}.npy", np.c_[3 * np.cos(ring), 3 * np.sin(ring)])
    monkeypatch.setenv("DEEPRACER_LOGS", str(tmp_path))
    return open_league() if query in FOR_ALL else open_page(model=IN_FOLDER, **query)


@pytest.mark.parametrize("query", [*FOR_ONE, *SCREENS, *FOR_ALL], ids="-".join)
def test_no_name_acts_as_markdown(monkeypatch, tmp_path, query):
    page = open_hostile(monkeypatch, tmp_path, **query)
    if query in FOR_ALL:
        tracks = page.selectbox(key="league_track")
        tracks.set_value(next(option for option in tracks.options if HOSTILE in option)).run()
    assert not page.exception
    shown = said(page)
    if query in FOR_ONE:
        assert page.selectbox(key="model").value == IN_FOLDER
        assert IN_FOLDER in page.title[0].value.replace("\\", "").replace("\u200b", "")
        for what in (f"Track: **{HOSTILE}", f"Race: **{HOSTILE.lower()}"):
            assert what in shown
    if query in FOR_ALL:
        [league] = [table.value for table in page.dataframe]
        assert {IN_FOLDER, ANOTHER} <= set(league["model"])
        assert HOSTILE in page.selectbox(key="league_track").value
        assert f"{NO_MODEL}: " in shown
    if "compare" in query:
        assert f"{ANOTHER}" in shown and page.header[0].value != "What lap time can this model do?"
    for text in markdown(page):
        left = ACTS.search(ESCAPED.sub("", text))
        assert not left, (left, text)


def test_tables_and_charts_hold_the_name_as_it_is(monkeypatch, tmp_path):
    page = open_hostile(monkeypatch, tmp_path)
    files = next(table.value for table in page.dataframe if "Recognised as" in table.value)
    assert any("<img src=x onerror=alert(1)> **bold** :material" in name for name in files["File"])
    left_out = next(table.value for table in page.dataframe if "First example" in table.value)
    assert any(HOSTILE in example for example in left_out["First example"])
    evaluations = open_hostile(monkeypatch, tmp_path, drives="Evaluations")
    assert any(":red[x]" in option for option in evaluations.multiselect(key="evaluations").options)
    compared = open_hostile(monkeypatch, tmp_path, compare=ANOTHER)
    assert any(ANOTHER in json.dumps(chart) for chart in charts(compared))
    for shown in (page, evaluations, compared):
        # A chart writes text and no Markdown; links and pictures it has only where it asks for them.
        specs = "".join(chart.proto.spec for chart in shown.get("vega_lite_chart"))
        assert not re.search(r'"(href|url)":|"type": ?"image"', specs)


def test_names_of_dropped_files_and_from_the_address():
    page = open_page(model=HOSTILE)
    assert HOSTILE in page.sidebar.warning[0].value.replace("\\", "").replace("\u200b", "")
    page.file_uploader(key="files").upload(f"{HOSTILE}.zip", archive(), "application/zip").run()
    assert not page.exception
    assert page.selectbox(key="model").value == f"{HOSTILE}.zip (yours)"
    page.file_uploader(key="files").upload(f"{HOSTILE}.log", b"nothing", "text/plain").run()
    assert not page.exception
    for text in markdown(page):
        assert not ACTS.search(ESCAPED.sub("", text)), text


def test_the_tests_notice_a_name_that_acts():
    assert ACTS.search(ESCAPED.sub("", f"Reading {HOSTILE}"))
