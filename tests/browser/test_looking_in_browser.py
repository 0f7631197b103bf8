"""What the visitor looks at is drawn, and what stands elsewhere on the page when the visitor comes to it."""

from playwright.sync_api import expect

MODEL = "?model=planted-faults+(sample)"

SECTIONS = """
() => [...document.querySelectorAll('[class*="st-key-place-of-section-"]')].map(place => {
  const { top, bottom } = place.getBoundingClientRect();
  const shown = Math.min(bottom, window.innerHeight) - Math.max(top, 0);
  return { top, shown, drawn: !place.querySelector('[class*="st-key-waiting-section-"]') };
})
"""

# Notes the sections in the order in which a word of them changes.
WATCH = """
() => {
  window.changed = [];
  document.querySelectorAll('[class*="st-key-place-of-section-"]').forEach((place, number) => {
    const before = place.innerText;
    new MutationObserver(() => {
      if (!window.changed.includes(number) && place.innerText !== before) window.changed.push(number);
    }).observe(place, { subtree: true, childList: true, characterData: true });
  });
}
"""


def drawn(visitor) -> list[int]:
    """Numbers of the sections that are drawn."""
    return [number for number, place in enumerate(visitor.page.evaluate(SECTIONS)) if place["drawn"]]


def look_at(visitor, section: str) -> None:
    visitor.page.locator(f"#{section}").evaluate("it => it.scrollIntoView()")
    wait(visitor)


def wait(visitor) -> None:
    """Until what the browser asks for of its own accord has come."""
    visitor.page.wait_for_timeout(1500)
    visitor.settled()


def move(visitor, times: int = 4) -> None:
    """Move the iteration slider."""
    visitor.page.get_by_test_id("stSlider").first.locator("input[type=range]").nth(1).focus()
    for _ in range(times):
        visitor.page.keyboard.press("ArrowLeft")
    wait(visitor)


def test_the_section_in_the_window_is_drawn_before_those_above_it(visit):
    visitor = visit(MODEL)
    look_at(visitor, "driving")
    visitor.page.evaluate(WATCH)
    move(visitor)
    order = visitor.page.evaluate("window.changed")
    assert order[0] == 3
    assert {0, 1, 3} <= set(order)
    visitor.check()


def test_a_section_is_drawn_when_the_visitor_comes_to_it(visit):
    visitor = visit(MODEL, at_once=False)
    wait(visitor)
    assert drawn(visitor) == [0]
    for number, section in enumerate(("checkpoints", "convergence", "driving", "rewards", "lap"), start=1):
        look_at(visitor, section)
        assert set(range(number + 1)) <= set(drawn(visitor))
        expect(visitor.chart(section)).to_be_visible()
    visitor.check()


def test_a_move_draws_what_the_window_shows_and_nothing_on_the_page_moves(visit):
    visitor = visit(MODEL, at_once=False)
    for section in ("checkpoints", "convergence", "driving"):
        look_at(visitor, section)
    before = visitor.page.evaluate(SECTIONS)
    picture = visitor.picture("driving")
    move(visitor)
    assert drawn(visitor) == [number for number, place in enumerate(before) if place["shown"] >= 80]
    assert 3 in drawn(visitor) and 0 not in drawn(visitor)
    assert visitor.picture("driving") != picture
    after = visitor.page.evaluate(SECTIONS)
    assert all(abs(then["top"] - now["top"]) <= 2 for then, now in zip(before[:4], after[:4], strict=True))
    visitor.page.evaluate("document.querySelector('[data-testid=\"stMain\"]').scrollTo(0, 0)")
    wait(visitor)
    assert 0 in drawn(visitor)
    visitor.check()


def test_a_choice_stays_in_the_address_while_its_section_is_not_drawn(visit):
    visitor = visit(MODEL, at_once=False)
    look_at(visitor, "convergence")
    averaged = visitor.page.get_by_role("spinbutton", name="Iterations averaged")
    averaged.fill("7")
    averaged.press("Enter")
    wait(visitor)
    assert "window=7" in visitor.page.url
    visitor.page.evaluate("document.querySelector('[data-testid=\"stMain\"]').scrollTo(0, 0)")
    wait(visitor)
    for _ in range(2):
        move(visitor, times=1)
        assert 2 not in drawn(visitor)
        assert "window=7" in visitor.page.url
    look_at(visitor, "convergence")
    expect(averaged).to_have_value("7")
    averaged.fill("3")
    averaged.press("Enter")
    wait(visitor)
    # What is as it is at first is not in the address.
    assert "window" not in visitor.page.url
    visitor.check()


def test_all_sections_at_once_on_demand(visit):
    visitor = visit(MODEL, at_once=False)
    visitor.page.get_by_text("All sections at once", exact=True).click()
    wait(visitor)
    assert drawn(visitor) == list(range(6))
    assert "whole=true" in visitor.page.url
    visitor.check()


def test_the_tab_key_leads_into_sections_that_are_not_drawn(visit):
    visitor = visit(MODEL, at_once=False)
    assert 1 not in drawn(visitor)
    visitor.page.locator("#envelope").evaluate(
        "it => { it.tabIndex = -1; it.focus({ preventScroll: true }); }"
    )
    for _ in range(40):
        visitor.page.keyboard.press("Tab")
        if visitor.page.evaluate("document.activeElement.closest('.st-key-place-of-section-1') !== null"):
            break
    wait(visitor)
    assert 1 in drawn(visitor)
    visitor.page.keyboard.press("Tab")
    assert visitor.page.evaluate("document.activeElement.closest('.st-key-place-of-section-1') !== null")
    visitor.check()
