"""Comparing on the page, through Streamlit's own test harness."""

import json

import pytest

from tests.test_page import charts, open_page, said

SECTIONS = [
    "Who drives the faster laps?",
    "Which of them should race?",
    "Who learns faster, and gets further?",
    "Where is one faster than the other?",
    "Who holds the steadier line, and where do they earn?",
    "Take it along",
    "What was read",
]
ONE = "planted-faults (sample)"


def assert_compares(page) -> None:
    assert not page.exception, page.exception
    assert [header.value for header in page.header] == SECTIONS
    assert not {"nan", "inf"} & set(said(page).lower().split())
    for table in page.dataframe:
        assert not table.value.isna().any(axis=None) or "Note" in table.value


def test_four_samples_in_every_section():
    others = ["steady-and-slow (sample)", "over-trained (sample)", "fast-but-fragile (sample)"]
    page = open_page(model=ONE, compare=others, target="11")
    assert_compares(page)
    words = said(page)
    for name in (ONE, *others):
        assert name.removesuffix(" (sample)") in words
    assert len(charts(page)) == 6 + 4  # four maps
    assert "Take the comparison off" in words and "beat 11.00 s" in words
    duels = next(table.value for table in page.dataframe if "beats" in table.value)
    assert len(duels) == 6
    hours = page.segmented_control(key="clock").set_value("Hours of training").run()
    assert_compares(hours)
    assert any("Hours of training" in json.dumps(chart) for chart in charts(hours))
    page.multiselect(key="compare").set_value([]).run()
    assert page.header[0].value == "What lap time can this model do?"


def test_two_ranges_of_one_model():
    page = open_page(model=ONE)
    page.toggle(key="split").set_value(True).run()
    assert_compares(page)
    assert page.slider(key="iterations").value == (0, 14) and page.slider(key="against").value == (15, 29)
    assert "Range 15 to 29 beats Range 0 to 14" in said(page)
    page.slider(key="against").set_value((10, 20)).run()
    assert "The two ranges share 5 iterations" in said(page)
    again = open_page(model=ONE, split="true", iterations=["0", "14"], against=["10", "20"])
    assert said(again) == said(page)
    page.slider(key="against").set_value((0, 14)).run()
    assert "Both ranges hold the same iterations" in said(page) and "nothing left to compare" in said(page)
    page.toggle(key="split").set_value(False).run()
    assert page.header[0].value == "What lap time can this model do?"
    assert page.slider(key="iterations").value == (0, 29)


def test_another_model_lets_go_of_what_it_cannot_be_compared_with():
    page = open_page(model=ONE, compare=["over-trained (sample)"], split="true", against=["3", "5"])
    assert_compares(page)
    page.selectbox(key="model").set_value("over-trained (sample)").run()
    assert not page.exception
    assert page.multiselect(key="compare").value == [] and page.toggle(key="split").value is False
    assert page.header[0].value == "What lap time can this model do?"


@pytest.mark.parametrize("asked", [["../../etc/passwd"], [ONE], ["over-trained (sample)"] * 9])
def test_an_address_that_asks_for_nonsense(asked):
    page = open_page(model=ONE, compare=asked)
    assert not page.exception, page.exception


def test_real_logs_of_other_tracks_without_laps_and_of_evaluations(real_logs, monkeypatch):
    monkeypatch.setenv("DEEPRACER_LOGS", str(real_logs))
    names = ["console-2020-clone", "console-2023-sac", "workshop-2019-evaluation"]
    page = open_page(model="drfc-one-worker", compare=names)
    assert_compares(page)
    words = said(page)
    assert "not ranked" in words
    assert "separate evaluations" in words
    assert "Too few drives to say" not in words or "console-2023-sac (4 drives)" in words


def test_a_file_that_cannot_be_read_is_left_out(tmp_path, monkeypatch):
    (tmp_path / "broken.log").write_bytes(b"nothing to see")
    monkeypatch.setenv("DEEPRACER_LOGS", str(tmp_path))
    page = open_page(model=ONE, compare=["broken", "over-trained (sample)"])
    assert_compares(page)
    assert "broken is left out." in said(page)
    assert "over-trained beats planted-faults" in said(page)
