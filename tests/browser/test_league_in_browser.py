"""The table of all models, in a real browser."""

from pathlib import Path

SCREENSHOTS = Path(__file__).parent / "screenshots"

ROWS = 4
"""Sample models."""


def wait_for_table(visitor) -> None:
    visitor.page.locator('[class*="st-key-league"] canvas').first.wait_for(timeout=60_000)
    # The bar goes when every model was read.
    visitor.page.wait_for_function(
        "!document.querySelector('[data-testid=\"stProgress\"]')"
        " && !document.querySelector('[data-testid=\"stStatusWidget\"]')",
        timeout=120_000,
    )
    visitor.page.wait_for_timeout(1500)


def pick_row(visitor, row: int) -> None:
    box = visitor.page.locator('[class*="st-key-league"] [data-testid="stDataFrame"]').bounding_box()
    visitor.page.mouse.click(box["x"] + 18, box["y"] + 52 + 35 * row)


def test_the_league_shows_every_model_and_a_row_opens_one(visit):
    visitor = visit()
    before = visitor.page.get_by_role("heading", level=1).inner_text()
    visitor.page.get_by_test_id("stSidebar").get_by_text("League", exact=True).click()
    visitor.page.get_by_role("heading", name="How do the models compare?").wait_for(timeout=60_000)
    wait_for_table(visitor)
    visitor.page.screenshot(path=SCREENSHOTS / "league.png")
    assert "view=League" in visitor.page.url
    pick_row(visitor, ROWS - 1)
    visitor.settled()
    opened = visitor.page.get_by_role("heading", level=1).inner_text()
    assert opened != before and "steady-and-slow" in opened
    assert "view=League" not in visitor.page.url
    visitor.check()
