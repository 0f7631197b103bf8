"""Files taken along from the page, in a real browser."""

import json

import pandas as pd
import pytest

from deepracer_viz import load_run


def take(visitor, label: str, folder):
    button = visitor.page.get_by_test_id("stDownloadButton").get_by_role("button", name=label, exact=True)
    with visitor.page.expect_download(timeout=60_000) as download:
        button.click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def choose(visitor, label: str, option: str) -> None:
    box = visitor.page.get_by_test_id("stSelectbox").filter(has=visitor.page.get_by_text(label, exact=True))
    box.get_by_role("combobox").click()
    visitor.page.get_by_role("option", name=option, exact=True).click()
    visitor.settled()


def test_tables_report_and_chart_are_files_of_the_view(visit, tmp_path, sample_logs):
    visitor = visit("?model=planted-faults+(sample)&iterations=5&iterations=20")
    run = load_run(sample_logs / "planted-faults.tar.gz")
    drives = run.drives(iterations=(5, 20))

    path = take(visitor, "Parquet", tmp_path)
    assert path.name == "planted-faults-sample_steps.parquet"
    assert len(pd.read_parquet(path)) == len(drives.steps)

    choose(visitor, "Table", "laps")
    path = take(visitor, "CSV", tmp_path)
    assert path.name == "planted-faults-sample_laps.csv"
    assert pd.read_csv(path)["time"].tolist() == pytest.approx(drives.laps["time"].tolist())

    path = take(visitor, "Report", tmp_path)
    text = path.read_text(encoding="utf-8")
    assert path.name == "planted-faults-sample_report.md"
    assert f"{len(drives.episodes)} drives, {len(drives.laps)} laps" in text
    assert "iterations=5&iterations=20" in text

    chart = json.loads(take(visitor, "Vega-Lite", tmp_path).read_text(encoding="utf-8"))
    assert sum(len(rows) for rows in chart["datasets"].values()) > 10
    visitor.check()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_chart_can_be_taken_as_a_picture(visit, tmp_path, scheme):
    visitor = visit("?model=steady-and-slow+(sample)", scheme=scheme)
    frames = visitor.page.locator('[data-testid="stFullScreenFrame"]').filter(
        has=visitor.page.get_by_test_id("stVegaLiteChart")
    )
    assert frames.count() >= 9
    for i in range(frames.count()):
        frames.nth(i).hover()
        with visitor.page.expect_download(timeout=30_000) as download:
            frames.nth(i).get_by_role("button", name="Download as PNG").press("Enter")
        download.value.save_as(tmp_path / f"{i}.png")
        assert (tmp_path / f"{i}.png").read_bytes()[:4] == b"\x89PNG"
        assert (tmp_path / f"{i}.png").stat().st_size > 10_000
    visitor.check()


def test_the_link_holds_a_choice_that_draws_its_own_section_alone(visit):
    visitor = visit("?model=over-trained+(sample)")
    drive = visitor.page.get_by_test_id("stNumberInput").filter(has_text="Drive").get_by_role("spinbutton")
    drive.fill("300")
    drive.press("Enter")
    visitor.settled()
    visitor.page.get_by_role("button", name="Link to this view").click()
    visitor.settled()
    link = visitor.page.get_by_test_id("stCode").inner_text()
    assert "drive=300" in link and "model=over-trained" in link
    other = visit(f"?{link.partition('?')[2]}")
    shown = other.page.get_by_test_id("stNumberInput").filter(has_text="Drive").get_by_role("spinbutton")
    assert shown.input_value() == "300"
    visitor.check()


def test_the_table_of_the_league_is_a_file(visit, tmp_path):
    visitor = visit()
    visitor.page.get_by_test_id("stSidebar").get_by_text("League", exact=True).click()
    # The buttons come when every model was read.
    visitor.page.get_by_test_id("stDownloadButton").first.wait_for(timeout=120_000)
    visitor.page.wait_for_timeout(1500)
    path = take(visitor, "CSV", tmp_path)
    assert path.name == "league_table.csv"
    assert len(pd.read_csv(path)) == 4
    visitor.check()
