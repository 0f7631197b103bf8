"""Visitors who bring strange names, and visitors who are strangers to each other."""

import re

from playwright.sync_api import expect

from tests.step_lines import drive, log
from tests.stress.hostile_names import IN_FOLDER, archive


def bring(visitor, name: str, data: bytes) -> None:
    """Drop a file and wait until its model is on the page."""
    visitor.page.get_by_test_id("stFileUploader").first.locator("input[type=file]").set_input_files(
        [{"name": name, "mimeType": "application/octet-stream", "buffer": data}]
    )
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("(yours)")
    visitor.settled()


def test_a_hostile_name_is_shown_as_typed(visit):
    visitor = visit()
    dialogs = []
    visitor.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    bring(visitor, f"{IN_FOLDER}.zip", archive())
    shown = visitor.page.get_by_role("heading", level=1).inner_text()
    assert shown.replace("\u200b", "") == f"{IN_FOLDER}.zip (yours)"
    chosen = visitor.page.get_by_test_id("stSelectbox").filter(has_text="Model").first
    assert IN_FOLDER in chosen.get_by_role("combobox").input_value() or IN_FOLDER in chosen.inner_text()
    # What the browser would have made of the name: a picture, a link, an icon, bold type.
    made = visitor.page.locator("img[src='x'], a[href^='http:b'], a[href='http://b']")
    assert made.count() == 0
    assert visitor.page.locator("h1 strong, h1 [data-testid=stIconMaterial]").count() == 0
    assert not visitor.page.get_by_text(re.compile("^bold$")).count()
    # Downloads are named by this page, and what stands for a chart is an attribute, in which nothing acts.
    named = visitor.page.locator("a[download]")
    names = [named.nth(i).get_attribute("download") for i in range(named.count())]
    assert not [name for name in names if re.search(r"[<>:*$]", name)]
    assert visitor.page.locator("[onerror]").count() == 0
    # A tooltip writes the name that it gets from the drives as text.
    charts = visitor.page.locator('[data-testid="stVegaLiteChart"]')
    for place in range(charts.count()):
        charts.nth(place).scroll_into_view_if_needed()
        box = charts.nth(place).bounding_box()
        for share in (0.3, 0.5, 0.7):
            visitor.page.mouse.move(box["x"] + share * box["width"], box["y"] + 0.6 * box["height"], steps=4)
            told = visitor.page.locator("#vg-tooltip-element.visible")
            for text in told.all_inner_texts():
                assert not re.search(r"\b(null|NaN|undefined)\b", text), text
            assert visitor.page.locator("#vg-tooltip-element img").count() == 0
    assert not dialogs
    visitor.check()


def test_two_visitors_with_files_of_the_same_name(visit):
    one, two = visit(at_once=False), visit(at_once=False)
    bring(one, "robomaker.log", log(drive(6, laps=(1, 4), length=40)))
    bring(two, "robomaker.log", log(drive(9, laps=(2,), length=40)))
    assert [visitor.metric("Completed laps") for visitor in (one, two)] == ["2 of 6", "1 of 9"]
    third = visit("?model=robomaker.log+(yours)", at_once=False)
    expect(third.page.get_by_text("Dropped logs stay with the visitor")).to_be_visible()
    assert third.metric("Completed laps") not in ("2 of 6", "1 of 9")
    one.page.get_by_test_id("stSelectbox").filter(has_text="Model").get_by_role("combobox").click()
    assert one.page.get_by_role("option", name=re.compile("yours")).count() == 1
    for visitor in (one, two, third):
        visitor.check()
