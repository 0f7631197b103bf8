"""The page by keyboard alone: the view for a room, and all that a click on a chart chooses."""

from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest

from tests.browser.conftest import NOTHING_RUNS

SCREENSHOTS = Path(__file__).parent / "screenshots"
DRAWN = """() => {
    const charts = [...document.querySelectorAll('.st-key-screen [data-testid="stVegaLiteChart"]')]
    return charts.length && charts.every(chart => chart.querySelector('svg.marks, canvas'))
}"""
MODEL = "?model=planted-faults+%28sample%29"


def settle(page) -> None:
    for _ in range(2):
        page.wait_for_timeout(500)
        page.wait_for_function(NOTHING_RUNS, timeout=120_000)


def chosen(page, name: str) -> str | None:
    """What the address says of a choice."""
    return parse_qs(urlparse(page.url).query).get(name, [None])[0]


@pytest.fixture
def room(browser, address):
    """Return a function that opens the view for a room, and at the end hold that nothing went wrong."""
    opened = []

    def open_room(width: int, height: int, scheme: str):
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        page, problems = context.new_page(), []
        opened.append((context, page, problems))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{address}/{MODEL}&view=Presentation")
        page.get_by_role("heading").first.wait_for(timeout=120_000)
        settle(page)
        return page

    yield open_room
    for context, page, problems in opened:
        assert page.locator('[data-testid="stException"]').count() == 0 and problems == []
        context.close()


@pytest.mark.parametrize(("width", "height", "scheme"), [(1920, 1080, "light"), (1280, 720, "dark")])
def test_a_clicker_steps_through_questions_that_fill_the_screen(room, width, height, scheme):
    page = room(width, height, scheme)
    SCREENSHOTS.mkdir(exist_ok=True)
    seen = []
    for _ in range(6):
        page.keyboard.press("PageDown")
        settle(page)
        page.wait_for_function(DRAWN, timeout=120_000)
        seen.append(chosen(page, "question"))
        page.screenshot(path=SCREENSHOTS / f"room-{width}-{seen[-1].replace(' ', '-')}.png")
        charts = page.locator('.st-key-screen [data-testid="stVegaLiteChart"]')
        assert charts.count() >= 1
        if seen[-1] in ("Lap times", "Checkpoints", "Training", "Turns"):
            # Heading, verdict and charts are seen at once, and the charts have a good part of the screen.
            for i in range(charts.count()):
                box = charts.nth(i).bounding_box()
                assert box["y"] + box["height"] <= height + 1
                assert box["height"] > 0.35 * height
    assert seen == ["Lap times", "Checkpoints", "Training", "Driving", "Turns", "One drive"]
    page.keyboard.press("PageUp")
    settle(page)
    assert chosen(page, "question") == "Turns"


def type_into(page, key: str, words: str) -> None:
    """Choose an option of a select box as somebody without a mouse does."""
    page.locator(f".st-key-{key} input").focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type(words)
    page.keyboard.press("Enter")
    settle(page)


def test_whatever_a_click_on_a_chart_chooses_can_be_chosen_by_keyboard(visit):
    visitor = visit(MODEL)
    page = visitor.page
    # A point of the checkpoints: the select box of the driving section.
    type_into(page, "checkpoint", "41")
    assert chosen(page, "checkpoint") == "41"
    # A bar of the account of time.
    type_into(page, "section", "T3")
    assert chosen(page, "section") == "T3"
    # A bar of the lap times: the number of the drive.
    number = page.locator(".st-key-drive input")
    before = int(number.input_value())
    number.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    settle(page)
    assert chosen(page, "drive") == str(before - 1)
    # A place in the strips of a drive.
    page.locator(".st-key-step input[type=range]").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    settle(page)
    assert chosen(page, "step") == "3"
    visitor.check()
