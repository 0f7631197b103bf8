"""The section on where the car loses time, in a real browser: what a visitor picks in it and sees."""

import pytest

MODEL = "?model=planted-faults+(sample)"


ACCOUNT, DELTA, MAP = 1, 2, 3
"""Place of each chart in the section; the map is the one with the curves, or the one of the fast laps."""


def chart(visitor, number: int):
    """One of the charts of the section."""
    found = "//*[@id='driving']/following::*[@data-testid='stVegaLiteChart'][not(ancestor::*[@data-stale='true'])]"
    return visitor.page.locator(f"xpath=({found})[{number}]")


def picture(visitor, number: int) -> str:
    """What it shows, to compare."""
    return chart(visitor, number).evaluate(
        "c => { const v = c.querySelector('canvas'); return v ? v.toDataURL()"
        " : c.querySelector('svg.marks').outerHTML }"
    )


def wait_for_section(visitor, name: str | None) -> None:
    """Wait until the address names this section, or none."""
    visitor.page.wait_for_function(
        "name => new URLSearchParams(location.search).get('section') === name", arg=name, timeout=30_000
    )
    visitor.settled()


def click_bar(visitor, number: int) -> None:
    bar = chart(visitor, ACCOUNT).locator("path[aria-roledescription=bar]").nth(number)
    bar.scroll_into_view_if_needed()
    bar.click(force=True)


def pick_row(visitor, row: int) -> None:
    table = visitor.page.locator('[class*="st-key-findings"]:not([data-stale="true"])')
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    visitor.page.mouse.click(box["x"] + 18, box["y"] + 52 + 35 * row)


def test_a_bar_clicked_zooms_map_and_curves_and_the_link_reopens_it(visit):
    visitor = visit(MODEL)
    before = picture(visitor, MAP), picture(visitor, DELTA)
    click_bar(visitor, 3)
    wait_for_section(visitor, "T3")
    shown = picture(visitor, MAP), picture(visitor, DELTA)
    assert all(now != then for now, then in zip(shown, before, strict=True))
    visitor.shoot("section-chosen")
    visitor.check()

    again = visit("?" + visitor.page.url.partition("/?")[2])
    assert (picture(again, MAP), picture(again, DELTA)) == shown
    again.check()

    click_bar(visitor, 3)
    wait_for_section(visitor, None)
    assert picture(visitor, MAP) == before[0]
    visitor.check()


def test_the_last_pick_wins(visit):
    visitor = visit(MODEL)
    whole = picture(visitor, MAP)
    pick_row(visitor, 0)
    visitor.page.wait_for_function("location.search.includes('section=')", timeout=30_000)
    visitor.settled()
    of_row = picture(visitor, MAP)
    assert of_row != whole
    click_bar(visitor, 0)
    wait_for_section(visitor, "S1")
    of_bar = picture(visitor, MAP)
    assert of_bar not in (whole, of_row)
    visitor.page.get_by_role("combobox", name="Section").click()
    visitor.page.get_by_role("option", name="Whole track", exact=True).click()
    wait_for_section(visitor, None)
    assert picture(visitor, MAP) == whole
    visitor.check()


@pytest.mark.parametrize("width", [1280, 400])
def test_fast_laps_on_the_map(visit, width):
    visitor = visit(MODEL, width=width, scheme="dark")
    visitor.page.get_by_test_id("stButtonGroup").get_by_text("Fast laps", exact=True).last.click()
    visitor.page.wait_for_function("location.search.includes('map=')", timeout=30_000)
    visitor.settled()
    assert chart(visitor, MAP).locator("canvas").count() == 1
    whole = picture(visitor, MAP)
    click_bar(visitor, 0)
    wait_for_section(visitor, "S1")
    assert picture(visitor, MAP) != whole
    visitor.check()


def test_two_laps_are_compared_and_the_link_reopens_them(visit):
    visitor = visit(MODEL)
    before = picture(visitor, DELTA)
    visitor.page.get_by_test_id("stButtonGroup").get_by_text("Two laps", exact=True).click()
    visitor.page.wait_for_function("location.search.includes('pair=')", timeout=30_000)
    visitor.settled()
    assert picture(visitor, DELTA) != before
    before = picture(visitor, DELTA)
    visitor.page.get_by_role("combobox", name="against").click()
    visitor.page.get_by_role("option").nth(2).click()
    visitor.page.wait_for_function("location.search.includes('lap_b=')", timeout=30_000)
    visitor.settled()
    shown = picture(visitor, DELTA)
    assert shown != before
    visitor.check()

    again = visit("?" + visitor.page.url.partition("/?")[2])
    assert picture(again, DELTA) == shown
    again.check()
