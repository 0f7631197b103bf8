"""The sections that the visitor looks at are drawn, the others leave their place until the visitor comes to them."""

import pytest

from deepracer_viz.page import checkpoints, convergence, driving, envelope, lap, looking, rewards
from tests.test_page import charts, open_page

SECTIONS = (envelope, checkpoints, convergence, driving, rewards, lap)
MODEL = "planted-faults (sample)"


@pytest.mark.parametrize(
    ("told", "seen", "others"),
    [
        (None, [0], [1, 2, 3]),
        ({"looking": None}, [0], [1, 2, 3]),
        ({"looking": {"seen": [0], "ask": []}}, [0], [1, 2, 3]),
        ({"looking": {"seen": [2, 1], "ask": []}}, [1, 2], [0, 3]),
        # Of a view with more sections.
        ({"looking": {"seen": [7], "ask": [7]}}, [0], [1, 2, 3]),
    ],
)
def test_what_the_window_shows_comes_first_and_the_others_stay_in_order(monkeypatch, told, seen, others):
    monkeypatch.setattr(looking.st, "session_state", {"looked_at": told} if told else {})
    assert looking.order(4) == (seen, others)


class Rerun(Exception):
    """Stands for the end of this run of the page."""


@pytest.mark.parametrize(
    ("now", "reruns"),
    [
        ({"section": "T2"}, [["section 1", "section 2"]]),
        # A click that came along is answered by all of the page.
        ({"section": "T3"}, [[]]),
        ({"section": "T2", "iterations": (0, 5)}, [[]]),
    ],
)
def test_what_came_along_with_the_wish_for_a_section_is_not_lost(monkeypatch, now, reruns):
    called = []

    def rerun(*scope):
        called.append(scope[0] if scope else [])
        raise Rerun

    state = {
        "looked_at": {"looking": {"seen": [0], "ask": [2, 1, 9]}},
        "choices_known": {"section"},
        "sections_asked_for": dict.fromkeys(range(6), False),
        "sections_drawn_for": {"section": "T2"},
    }
    monkeypatch.setattr(looking.st, "session_state", state | now)
    monkeypatch.setattr(looking.st, "query_params", dict.fromkeys(now, ""))
    monkeypatch.setattr(looking.st, "rerun", rerun)
    with pytest.raises(Rerun):
        looking._draw_asked()
    assert called == reruns


def headings(page) -> list[str]:
    return [header.value for header in page.header]


def waiting(page) -> int:
    return len(page.get("skeleton"))


def test_whoever_has_just_come_sees_the_first_section_and_the_headings_of_all():
    page = open_page(model=MODEL, whole="false")
    assert not page.exception
    assert headings(page)[:6] == [of.QUESTION for of in SECTIONS]
    assert len(charts(page)) == 1
    assert waiting(page) == 5


def test_all_sections_at_once():
    page = open_page(model=MODEL, whole="false")
    page.toggle(key="whole").set_value(True).run()
    assert not page.exception
    assert waiting(page) == 0 and len(charts(page)) > 8
    assert headings(page)[:6] == [of.QUESTION for of in SECTIONS]


def test_a_section_of_which_the_address_asks_something_is_drawn():
    page = open_page(model=MODEL, whole="false", window="5", section="T2")
    assert not page.exception
    assert page.number_input(key="window").value == 5
    assert page.selectbox(key="section").value == "T2"
    assert waiting(page) == 3


def test_choices_of_sections_that_are_not_drawn_are_kept():
    page = open_page(model=MODEL, whole="false", window="5")
    page.query_params["window"] = "7"  # as a browser does
    page.number_input(key="window").set_value(7).run()
    assert not page.exception
    assert waiting(page) == 5
    first, last = page.slider(key="iterations").value
    page.slider(key="iterations").set_range(first, last - 5).run()
    page.toggle(key="whole").set_value(True).run()
    assert not page.exception
    assert page.number_input(key="window").value == 7


def test_choices_that_mean_nothing_for_another_model_are_not_kept():
    page = open_page(model=MODEL, whole="false", drive="7")
    assert page.number_input(key="drive").value == 7
    page.run()
    assert waiting(page) == 5 and page.session_state["drive"] == 7
    page.selectbox(key="model").set_value("steady-and-slow (sample)").run()
    assert not page.exception
    assert "drive" not in page.session_state
    page.toggle(key="whole").set_value(True).run()
    assert not page.exception
    assert page.number_input(key="drive").value != 7


def test_every_choice_of_a_section_is_known_to_it():
    """What a section does not name would be forgotten while it is not drawn."""
    named = {key for of in SECTIONS for key in of.CHOICES}
    # Tables and charts to take along are no section's; a drive that is not drawn is not played either.
    others = {"take_table", "take_chart", "playing", None}
    found = set()
    for model in (MODEL, "fast-but-fragile (sample)"):
        for more in ({}, {"pair": "Two laps"}, {"pair": "Two iterations"}):
            page = open_page(model=model, **more)
            sidebar = {id(widget) for widget in page.sidebar}
            for kind in (
                "button_group",
                "slider",
                "selectbox",
                "number_input",
                "multiselect",
                "toggle",
                "radio",
            ):
                found |= {widget.key for widget in page.get(kind) if id(widget) not in sidebar}
    assert found - others <= named
