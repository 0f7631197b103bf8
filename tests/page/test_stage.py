"""The view for a room: one question on each screen, large, the same choices as on the page."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from deepracer_viz.page.stage import PRESENTATION

APP = Path(__file__).resolve().parents[2] / "streamlit_app.py"
QUESTIONS = ["Model", "Lap times", "Checkpoints", "Training", "Driving", "Turns", "One drive"]
MODEL = "planted-faults (sample)"


def open_page(**query) -> AppTest:
    page = AppTest.from_file(str(APP), default_timeout=120)
    for name, value in ({"whole": "true"} | query).items():
        page.query_params[name] = value
    return page.run()


def largest_label(page: AppTest) -> float:
    spec = json.loads(page.get("vega_lite_chart")[0].proto.spec)
    return spec["config"]["axis"]["labelFontSize"]


def test_begins_with_the_model_and_steps_to_the_last_question_and_back():
    page = open_page(view=PRESENTATION, model=MODEL)
    seen = [page.selectbox(key="question").value]
    assert page.title[0].value and len(page.metric) == 5 and not page.header
    assert page.button(key="back").disabled
    while not page.button(key="next").disabled:
        page.button(key="next").click().run()
        assert not page.exception
        seen.append(page.selectbox(key="question").value)
        # One question, its verdict as a heading, and at least one chart.
        assert len(page.header) == len(page.subheader) == 1
        assert page.get("vega_lite_chart")
    assert seen == QUESTIONS
    page.button(key="back").click().run()
    assert page.selectbox(key="question").value == QUESTIONS[-2]


def test_the_address_names_the_question():
    page = open_page(view=PRESENTATION, model=MODEL, question="Training")
    assert [header.value for header in page.header] == ["Has the training converged, and how steady is it?"]
    nowhere = open_page(view=PRESENTATION, model=MODEL, question="Elsewhere")
    assert not nowhere.exception and nowhere.selectbox(key="question").value == QUESTIONS[0]


def test_charts_are_larger_than_on_the_page():
    on_desk = largest_label(open_page(model=MODEL))
    assert largest_label(open_page(view=PRESENTATION, model=MODEL, question="Lap times")) == pytest.approx(
        1.6 * on_desk
    )


def test_choices_are_folded_and_kept_from_screen_to_screen():
    page = open_page(view=PRESENTATION, model=MODEL, question="Driving", section="T2")
    assert "Choices" in [expander.label for expander in page.expander]
    assert page.selectbox(key="section").value == "T2"
    page.button(key="next").click().run()
    page.button(key="back").click().run()
    assert page.selectbox(key="section").value == "T2"


def test_says_the_same_as_the_page():
    verdict = open_page(view=PRESENTATION, model=MODEL, question="Driving").subheader[0].value
    assert any(verdict in text.value for text in open_page(model=MODEL).markdown)


def test_a_comparison_has_its_own_screens():
    page = open_page(view=PRESENTATION, model=MODEL, compare="steady-and-slow (sample)", question="Lap times")
    assert not page.exception
    assert page.selectbox(key="question").options == ["Lap times", "Training", "Driving", "Turns"]
    assert page.header[0].value == "Who drives the faster laps?"
    for question in ("Training", "Driving", "Turns"):
        page.selectbox(key="question").set_value(question).run()
        assert not page.exception and len(page.header) == 1


@pytest.mark.parametrize("model", ["fast-but-fragile", "over-trained", "planted-faults", "steady-and-slow"])
def test_every_chart_and_table_says_what_it_shows(model):
    page = open_page(model=f"{model} (sample)")
    charts = [chart.proto.alt for chart in page.get("vega_lite_chart")]
    assert len(charts) > 8
    for words in charts:
        # What is shown alone tells nobody what came out of it: a takeaway has its figures.
        assert len(words) > 40 and any(sign.isdigit() for sign in words), words
    assert all(table.proto.alt for table in page.dataframe)
