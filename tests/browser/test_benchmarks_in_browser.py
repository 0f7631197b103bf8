"""The benchmarks of the page run in a tiny setting, so that none of them rots."""

import pytest

from tests.tiny_benchmarks import rows_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Inputs that the programs make for themselves, and share."""
    return tmp_path_factory.mktemp("benchmarks")


def test_moves_on_the_page(browser, folder):
    rows = rows_of("page.py", "--folder", folder)
    assert [row["move"] for row in rows] == [
        "iteration slider",
        "the same, scrolled to the driving",
        "another model",
    ]
    # A training as short as this has no lap yet, of which a chart would be in the window at first.
    assert int(rows[1]["charts sent"]) > 0
    assert all(row["server (ms)"] != "0" for row in rows)


def test_a_room(browser, folder):
    rows = rows_of("room.py", "--folder", folder)
    assert sum(int(row["moves"]) for row in rows) > 0
    assert {row["failed"] for row in rows} == {"0"}


def test_opening(browser):
    assert [(row["what"], row["n"]) for row in rows_of("opening.py")] == [
        *[("the page", "1")] * 3,
        *[("one chart", "1")] * 3,
    ]
    assert "deepracer_viz" in {row["module"] for row in rows_of("opening.py", "--imports")}
