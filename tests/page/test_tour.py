"""What the page says to who sees it for the first time."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from deepracer_viz.page.glossary import WORDS, about

ROOT = Path(__file__).resolve().parents[2]


def open_page(**query) -> AppTest:
    page = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
    for name, value in ({"whole": "true"} | query).items():
        page.query_params[name] = value
    return page.run()


def explained(page: AppTest) -> list[str]:
    return [info.value for info in page.info if info.icon == ":material/lightbulb:"]


def test_explains_each_section_on_a_first_visit_until_it_is_turned_off():
    page = open_page()
    assert len(explained(page)) == 1 + len(page.header) - 1  # the model itself, and all but what was read
    assert page.toggle(key="explain").value
    page.toggle(key="explain").set_value(False).run()
    assert explained(page) == []
    assert explained(open_page(explain="false")) == []


def test_does_not_explain_to_who_brought_logs(monkeypatch, sample_logs):
    monkeypatch.setenv("DEEPRACER_LOGS", str(sample_logs))
    assert explained(open_page()) == []


@pytest.mark.parametrize("wanted", [True, False])
def test_dropped_logs_leave_the_explanations_as_they_were_set(sample_logs, wanted):
    page = open_page()
    page.toggle(key="explain").set_value(wanted).run()
    archive = sample_logs / "steady-and-slow.tar.gz"
    page.get("file_uploader")[0].upload(archive.name, archive.read_bytes(), "application/gzip").run()
    assert "(yours)" in page.selectbox(key="model").value
    assert page.toggle(key="explain").value is wanted and bool(explained(page)) is wanted


def test_explains_a_comparison_too():
    page = open_page(compare="steady-and-slow (sample)")
    assert not page.exception
    assert len(explained(page)) == 1 + len(page.header) - 1


@pytest.mark.parametrize(
    "word",
    [
        "run",
        "iteration",
        "checkpoint",
        "episode",
        "lap",
        "step",
        "waypoint",
        "section",
        "progress",
        "entropy",
        "action",
        "exploration",
        "clone",
        "learning rate",
        "hyperparameters",
        "training odds",
    ],
)
def test_every_word_of_the_page_can_be_looked_up(word):
    assert re.search(r"\w{3,}.*\.$", WORDS[word])
    assert about(word).startswith(f"**{word.capitalize()}**: ")
    used = [
        path.read_text() for path in [*(ROOT / "deepracer_viz/page").glob("*.py"), ROOT / "streamlit_app.py"]
    ]
    assert any(re.search(rf'(about|explained)\([^)]*"{word}"', text) for text in used)


def test_an_unknown_word_is_a_fault():
    with pytest.raises(KeyError):
        about("flux")
