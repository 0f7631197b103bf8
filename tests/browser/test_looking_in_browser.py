"""What the visitor looks at is drawn first, whatever stands above it."""

# Notes the sections in the order in which a word of them changes.
WATCH = """
() => {
  window.changed = [];
  for (const place of document.querySelectorAll('[class*="st-key-place-of-section-"]')) {
    const number = [...place.classList].find(name => name.startsWith('st-key-place')).match(/\\d+$/)[0];
    const before = place.innerText;
    new MutationObserver(() => {
      if (!window.changed.includes(number) && place.innerText !== before) window.changed.push(number);
    }).observe(place, { subtree: true, childList: true, characterData: true });
  }
}
"""


def after_a_move(visitor) -> list[str]:
    """Numbers of the sections in the order in which they change when the iteration slider moves."""
    visitor.page.evaluate(WATCH)
    visitor.page.get_by_test_id("stSlider").first.locator("input[type=range]").nth(1).focus()
    for _ in range(4):
        visitor.page.keyboard.press("ArrowLeft")
    visitor.settled()
    return visitor.page.evaluate("window.changed")


def test_the_section_in_the_window_is_drawn_before_those_above_it(visit):
    visitor = visit("?model=planted-faults")
    assert after_a_move(visitor)[0] == "0"
    visitor.page.locator("#driving").evaluate("it => it.scrollIntoView()")
    visitor.page.wait_for_timeout(1500)
    visitor.settled()
    order = after_a_move(visitor)
    assert order[0] == "3"
    assert {"0", "1", "3"} <= set(order)
    visitor.check()
