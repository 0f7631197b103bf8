"""The section on where the car loses time, in a real browser: what a visitor picks in it and sees."""

import pytest

MODEL = "?model=planted-faults+(sample)"


def part(visitor, key: str):
    """The part of the page under a key; parts whose marks were taken off have a number behind it."""
    return visitor.page.locator(f'[class*="st-key-{key}"]:not([data-stale="true"])')


def picture(visitor, key: str) -> str:
    """What a chart shows, to compare."""
    return part(visitor, key).evaluate(
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
    bar = part(visitor, "account").locator("path[aria-roledescription=bar]").nth(number)
    bar.scroll_into_view_if_needed()
    bar.click(force=True)


def pick_row(visitor, row: int) -> None:
    table = part(visitor, "findings")
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    visitor.page.mouse.click(box["x"] + 18, box["y"] + 52 + 35 * row)


def test_a_bar_clicked_zooms_map_and_curves_and_the_link_reopens_it(visit):
    visitor = visit(MODEL)
    before = picture(visitor, "driving"), picture(visitor, "delta")
    click_bar(visitor, 3)
    wait_for_section(visitor, "T3")
    shown = picture(visitor, "driving"), picture(visitor, "delta")
    assert all(now != then for now, then in zip(shown, before, strict=True))
    visitor.shoot("section-chosen")
    visitor.check()

    again = visit("?" + visitor.page.url.partition("/?")[2])
    assert (picture(again, "driving"), picture(again, "delta")) == shown
    again.check()

    click_bar(visitor, 3)
    wait_for_section(visitor, None)
    assert picture(visitor, "driving") == before[0]
    visitor.check()


def test_the_last_pick_wins(visit):
    visitor = visit(MODEL)
    whole = picture(visitor, "driving")
    pick_row(visitor, 0)
    visitor.page.wait_for_function("location.search.includes('section=')", timeout=30_000)
    visitor.settled()
    of_row = picture(visitor, "driving")
    assert of_row != whole
    click_bar(visitor, 0)
    wait_for_section(visitor, "S1")
    of_bar = picture(visitor, "driving")
    assert of_bar not in (whole, of_row)
    visitor.page.get_by_role("combobox", name="Section").click()
    visitor.page.get_by_role("option", name="Whole track", exact=True).click()
    wait_for_section(visitor, None)
    assert picture(visitor, "driving") == whole
    visitor.check()


@pytest.mark.parametrize("width", [1280, 400])
def test_fast_laps_on_the_map(visit, width):
    visitor = visit(MODEL, width=width, scheme="dark")
    visitor.page.get_by_test_id("stButtonGroup").get_by_text("Fast laps", exact=True).last.click()
    visitor.page.wait_for_function("location.search.includes('map=')", timeout=30_000)
    visitor.settled()
    assert part(visitor, "fast_laps").locator("canvas").count() == 1
    whole = picture(visitor, "fast_laps")
    click_bar(visitor, 0)
    wait_for_section(visitor, "S1")
    assert picture(visitor, "fast_laps") != whole
    visitor.check()


def test_two_laps_are_compared_and_the_link_reopens_them(visit):
    visitor = visit(MODEL)
    before = picture(visitor, "delta")
    visitor.page.get_by_test_id("stButtonGroup").get_by_text("Two laps", exact=True).click()
    visitor.page.wait_for_function("location.search.includes('compare=')", timeout=30_000)
    visitor.settled()
    assert picture(visitor, "delta") != before
    before = picture(visitor, "delta")
    visitor.page.get_by_role("combobox", name="against").click()
    visitor.page.get_by_role("option").nth(2).click()
    visitor.page.wait_for_function("location.search.includes('lap_b=')", timeout=30_000)
    visitor.settled()
    shown = picture(visitor, "delta")
    assert shown != before
    visitor.check()

    again = visit("?" + visitor.page.url.partition("/?")[2])
    assert picture(again, "delta") == shown
    again.check()
