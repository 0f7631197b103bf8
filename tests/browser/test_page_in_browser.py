"""The page in a real browser: what a visitor sees and does."""

import io
import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect

ROOT = Path(__file__).resolve().parents[2]
QUESTIONS = [
    "What lap time can this model do?",
    "Which checkpoint should race?",
    "Has the training converged, and how steady is it?",
    "Where does the car drive inefficiently?",
    "Which turn should I work on next?",
]


def choose_model(visitor, name: str) -> None:
    visitor.page.get_by_test_id("stSelectbox").filter(has_text="Model").get_by_role("combobox").click()
    visitor.page.get_by_role("option", name=name, exact=True).click()
    visitor.settled()


def drop(visitor, *files: Path | dict) -> None:
    visitor.page.get_by_test_id("stFileUploader").first.locator("input[type=file]").set_input_files(
        list(files)
    )
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("(yours)", timeout=60_000)
    visitor.settled()


@pytest.mark.parametrize(
    ("size", "width", "height", "scheme"),
    [
        ("wide", 1800, 1000, "light"),
        ("wide", 1800, 1000, "dark"),
        ("laptop", 1280, 800, "light"),
        ("phone", 400, 800, "dark"),
    ],
)
def test_opens_on_a_sample_model(visit, size, width, height, scheme):
    visitor = visit(width=width, height=height, scheme=scheme)
    for question in QUESTIONS:
        expect(visitor.page.get_by_role("heading", name=question)).to_be_visible()
    assert len(visitor.charts()) >= 4
    visitor.shoot(f"sample-{size}-{scheme}")
    visitor.check()


def test_charts_stay_inside_the_page(visit):
    for width in (1500, 1100, 400):
        visitor = visit(width=width)
        wider = visitor.page.evaluate(
            """() => [...document.querySelectorAll('[data-testid="stVegaLiteChart"]')].filter(chart => {
                const drawn = chart.querySelector('svg.marks, canvas').getBoundingClientRect()
                const main = document.querySelector('[data-testid="stMain"]').getBoundingClientRect()
                return drawn.right > main.right + 1 || drawn.width > chart.getBoundingClientRect().width + 2
            }).length"""
        )
        assert wider == 0, f"{wider} charts are cut off at {width} pixels"


def test_another_model_changes_every_section(visit):
    visitor = visit()
    before, fastest = visitor.charts(), visitor.metric("Fastest lap")
    choose_model(visitor, "steady-and-slow (sample)")
    after = visitor.charts()
    assert len(after) == len(before)
    assert all(a != b for a, b in zip(after, before, strict=True))
    assert visitor.metric("Fastest lap") != fastest
    assert re.search(r"model=steady", visitor.page.url)
    visitor.check()


def test_iteration_range_changes_every_section_and_the_link_reopens_it(visit):
    visitor = visit("?model=over-trained+(sample)")
    before = visitor.charts()
    thumb = visitor.page.get_by_test_id("stSlider").get_by_role("slider").first
    thumb.focus()
    for _ in range(20):
        thumb.press("ArrowRight")
    visitor.page.wait_for_function("location.search.includes('iterations=20')")
    visitor.settled()
    after = visitor.charts()
    # The fastest lap, which the last section shows in two charts, is among the last iterations.
    assert all(a != b for a, b in list(zip(after, before, strict=True))[:-2])
    completed = visitor.metric("Completed laps")
    visitor.check()

    again = visit("?" + visitor.page.url.partition("/?")[2])
    assert again.metric("Completed laps") == completed
    again.shoot("iterations-chosen")
    again.check()


def test_a_model_with_fewer_iterations_after_a_narrow_range(visit):
    visitor = visit("?model=over-trained+(sample)", at_once=False)
    thumb = visitor.page.get_by_test_id("stSlider").get_by_role("slider").first
    thumb.focus()
    thumb.press("End")
    visitor.settled()
    choose_model(visitor, "fast-but-fragile (sample)")
    assert "iterations" not in visitor.page.url
    visitor.check()


def test_target_and_laps_are_in_the_link(visit):
    visitor = visit(at_once=False)
    target = visitor.page.get_by_role("spinbutton", name="Race target (s)")
    target.fill("9.5")
    target.press("Enter")
    visitor.page.wait_for_function("location.search.includes('target=9.5')")
    visitor.settled()
    expect(visitor.page.get_by_text("9.50 s").first).to_be_visible()
    visitor.page.get_by_role("radio", name="From the start line").or_(
        visitor.page.get_by_role("button", name="From the start line")
    ).first.click()
    visitor.page.wait_for_function("location.search.includes('starts=')")
    visitor.settled()
    visitor.shoot("target-and-starts")
    visitor.check()


def pick_row(visitor, row: int) -> None:
    table = visitor.page.get_by_test_id("stDataFrame").first
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    visitor.page.mouse.click(box["x"] + 18, box["y"] + 52 + 35 * row)


def test_choosing_a_checkpoint_shows_how_it_drives(visit):
    visitor = visit("?model=over-trained+(sample)")
    before = visitor.picture("driving")
    pick_row(visitor, 0)
    visitor.page.wait_for_function("location.search.includes('checkpoint=')", timeout=20_000)
    visitor.settled()
    first = visitor.page.url
    assert visitor.picture("driving") != before
    visitor.shoot("checkpoint-chosen")
    pick_row(visitor, 2)
    visitor.page.wait_for_function("url => location.href !== url", arg=first, timeout=20_000)
    visitor.settled()
    shown = visitor.picture("driving")
    visitor.check()

    again = visit("?" + visitor.page.url.partition("/?")[2])
    assert again.page.url.partition("?")[2].count("checkpoint=") == 1
    assert again.picture("driving") == shown
    again.check()


def test_a_point_clicked_after_a_row_wins(visit):
    visitor = visit("?model=over-trained+(sample)")
    pick_row(visitor, 0)
    visitor.page.wait_for_function("location.search.includes('checkpoint=')", timeout=20_000)
    visitor.settled()
    first = visitor.page.url
    marks = (
        visitor.page.get_by_test_id("stVegaLiteChart")
        .nth(2)
        .locator("svg.marks path[aria-roledescription='circle']")
    )
    marks.last.click(force=True)
    visitor.page.wait_for_function("url => location.href !== url", arg=first, timeout=20_000)
    visitor.settled()
    visitor.check()


def test_another_race_changes_the_choice_and_is_in_the_link(visit):
    visitor = visit("?model=fast-but-fragile+(sample)&target=9.5")
    attempts = visitor.page.get_by_role("spinbutton", name="Attempts (N)")
    attempts.fill("9")
    attempts.press("Enter")
    visitor.page.wait_for_function("location.search.includes('attempts=9')")
    visitor.settled()
    expect(visitor.page.get_by_text("to beat 9.50 s in 9 attempts").first).to_be_visible()
    choose_model(visitor, "over-trained (sample)")
    assert "attempts=9" in visitor.page.url
    expect(visitor.page.get_by_text("to beat 9.50 s in 9 attempts").first).to_be_visible()
    visitor.shoot("race-chosen")
    visitor.check()


def test_a_waypoint_pointed_at_is_marked_on_the_map_too(visit):
    visitor = visit("?model=planted-faults+(sample)")
    chart = visitor.page.locator("xpath=(//*[@id='driving']/following::*[@data-testid='stVegaLiteChart'])[3]")
    chart.scroll_into_view_if_needed()
    map_alone = """chart => {
        const drawn = chart.querySelector('canvas'), part = document.createElement('canvas')
        part.width = drawn.width; part.height = drawn.height * 0.45
        part.getContext('2d').drawImage(drawn, 0, 0)
        return part.toDataURL()
    }"""
    before = chart.evaluate(map_alone)
    box = chart.bounding_box()
    visitor.page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.7)
    visitor.page.wait_for_timeout(800)
    assert chart.evaluate(map_alone) != before
    visitor.check()


def test_lines_of_the_training_chart_can_be_switched_off(visit):
    visitor = visit()
    before = visitor.picture("convergence")
    visitor.page.get_by_role("button", name="Least progress").click()
    visitor.page.wait_for_function("location.search.includes('lines=')")
    visitor.settled()
    assert visitor.picture("convergence") != before
    visitor.check()


def test_flat_out_narrows_the_reward_map_and_is_in_the_link(visit):
    visitor = visit("?model=planted-faults+(sample)")
    before = visitor.picture("rewards")
    visitor.page.get_by_test_id("stButtonGroup").get_by_text("Flat out", exact=True).click()
    visitor.page.wait_for_function("location.search.includes('preset=')")
    visitor.settled()
    shown = visitor.picture("rewards")
    assert shown != before
    expect(visitor.page.get_by_text("Flat out (")).to_be_visible()
    visitor.shoot("flat-out")
    visitor.check()

    again = visit("?" + visitor.page.url.partition("/?")[2])
    assert again.picture("rewards") == shown
    again.check()


def test_evaluations_of_the_last_model_do_not_stick(visit, real_logs):
    visitor = visit(at_once=False)
    for name in ("drfc-one-worker", "drfc-three-workers"):
        drop(visitor, *_zipped(real_logs / name))
        expect(visitor.page.get_by_role("heading", level=1)).to_contain_text(name)
        visitor.page.get_by_test_id("stSidebar").get_by_text("Evaluations", exact=True).first.click()
        expect(visitor.page.get_by_test_id("stMetric").filter(has_text="Off-tracks")).to_be_visible(
            timeout=20_000
        )
        visitor.settled()
        assert visitor.metric("Completed laps") == "9 of 9"
    visitor.check()


def _zipped(folder: Path) -> list[dict]:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return [{"name": f"{folder.name}.zip", "mimeType": "application/zip", "buffer": data.getvalue()}]


def test_a_sample_archive_dropped_on_the_page(visit):
    visitor = visit(at_once=False)
    drop(visitor, ROOT / "sample_logs" / "steady-and-slow.tar.gz")
    dropped = visitor.metric("Fastest lap"), visitor.metric("Completed laps")
    other = visit("?model=steady-and-slow+(sample)", at_once=False)
    assert dropped == (other.metric("Fastest lap"), other.metric("Completed laps"))
    visitor.check()


REAL = {
    "console-2022-continuous.tar.gz": ("–", "0 of 20"),
    "console-2022-robomaker.log": ("8.80 s", "18 of 20"),
    "console-2023-head-to-head.tar.gz": ("–", "0 of 5"),
    "console-2023-object-avoidance.tar.gz": ("–", "0 of 100"),
    "console-2023-sac.tar.gz": ("–", "0 of 4"),
    "droa-2026.tar.gz": ("29.44 s", "32 of 580"),
    "workshop-2019-evaluation.log": ("19.70 s", "3 of 3"),
}


@pytest.mark.parametrize(("name", "figures"), REAL.items())
def test_a_real_archive_dropped_on_the_page(visit, real_logs, name, figures):
    visitor = visit(at_once=False)
    drop(visitor, real_logs / name)
    assert (visitor.metric("Fastest lap"), visitor.metric("Completed laps")) == figures
    for question in QUESTIONS:
        expect(visitor.page.get_by_role("heading", name=question)).to_be_visible()
    visitor.shoot(f"real-{name.partition('.')[0]}")
    assert visitor.page.locator('[class*="st-key-waiting-section-"]').count() == 0
    visitor.check()


def test_loose_files_of_one_job_dropped_together(visit, real_logs):
    visitor = visit(scheme="dark", at_once=False)
    drop(visitor, *sorted((real_logs / "console-2020-clone").iterdir()))
    assert visitor.metric("Completed laps") == "13 of 160"
    assert visitor.metric("Iterations") == "8"
    visitor.shoot("real-console-2020-clone-dark")
    visitor.check()


def test_a_file_without_logs_is_named(visit, tmp_path):
    file = tmp_path / "holiday.log"
    file.write_text("the sea was calm\n")
    visitor = visit(at_once=False)
    visitor.page.get_by_test_id("stFileUploader").first.locator("input[type=file]").set_input_files(file)
    error = visitor.page.get_by_test_id("stAlertContentError")
    expect(error).to_contain_text("holiday.log", timeout=20_000)
    expect(error).to_contain_text("SIM_TRACE_LOG")
    assert visitor.page.get_by_test_id("stException").count() == 0
    assert visitor.problems == []
