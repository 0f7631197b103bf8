"""The whole page on runs made to order: it stays whole, and shows no number that is not there."""

import re
import warnings

import pytest

from tests.stress.everything import NOT_A_WORD, texts_of
from tests.stress.runs import SHAPES, files
from tests.test_page import charts, open_page, said
from tests.test_run import packed

NAMED = [
    "no lap",
    "all laps equal",
    "one episode",
    "one step an episode",
    "one waypoint",
    "gaps in the iterations",
    "two workers",
    "a lap in 0.01 s",
    "metrics alone",
    "trainer alone",
    "evaluation of one drive",
    "all of it at once",
]


def shown(page) -> list[str]:
    """Every text of the page: words, large figures, tables, charts and what stands for them."""
    found = [said(page)]
    found += [str(text) for m in page.metric for text in (m.label, m.value, m.delta)]
    for table in page.dataframe:
        for name in table.value.columns:
            values = table.value[name].dropna()
            found += [str(value) for value in values if isinstance(value, str)]
    for spec, chart in zip(charts(page), page.get("vega_lite_chart"), strict=True):
        found += [*texts_of(spec), chart.proto.alt]
    return found


@pytest.mark.parametrize("name", NAMED)
def test_the_page_is_whole(name, tmp_path, monkeypatch):
    (tmp_path / "model.zip").write_bytes(packed(files(SHAPES[name]), "zip"))
    monkeypatch.setenv("DEEPRACER_LOGS", str(tmp_path))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        page = open_page(model="model")
    assert not page.exception
    assert page.selectbox(key="model").value == "model"
    assert [header.value for header in page.header][-1] == "What was read"
    assert not [text for text in shown(page) if NOT_A_WORD.search(text)]
    about_numbers = [w for w in told if re.search(r"numpy|pandas|scipy|deepracer_viz", w.filename)]
    assert not [f"{warning.filename}:{warning.lineno}: {warning.message}" for warning in about_numbers]
