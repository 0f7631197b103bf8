"""A training that is written while its page is open."""

import os
import tarfile
from pathlib import Path

import pytest

from tests.browser.conftest import ROOT, serve


class Training:
    """A sample model's training, written on iteration by iteration as a simulator does."""

    def __init__(self, folder: Path):
        self.folder = folder
        with tarfile.open(ROOT / "sample_logs" / "steady-and-slow.tar.gz") as archive:
            files = {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}
        self.sagemaker = next(data for name, data in files.items() if name.endswith("sagemaker.log"))
        robomaker = next(data for name, data in files.items() if name.endswith("robomaker.log"))
        first, *later = robomaker.split(b"Checkpoint> Restoring")
        self.iterations = [first, *(b"Checkpoint> Restoring" + piece for piece in later)]
        self.written = 0

    def write(self, pieces: int) -> None:
        """Append so many more pieces of the simulation log, each an iteration's."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "sagemaker.log").write_bytes(self.sagemaker)
        with (self.folder / "robomaker.log").open("ab") as file:
            file.write(b"".join(self.iterations[self.written : self.written + pieces]))
        self.written += pieces


@pytest.fixture
def training(tmp_path):
    """A training that has begun, in a folder of models."""
    begun = Training(tmp_path / "my training")
    begun.write(22)
    return begun


@pytest.fixture
def address(training):
    """Address of the page that lists the folder of the training."""
    with serve(os.environ | {"DEEPRACER_LOGS": str(training.folder.parent)}) as url:
        yield url


def ends_of_slider(visitor) -> list[int]:
    thumbs = visitor.page.locator('[data-testid="stSlider"]').get_by_role("slider")
    return [int(thumbs.nth(i).input_value()) for i in range(2)]


def wait_for_growth(visitor, past: int) -> int:
    """Wait until the note tells of a later iteration than that; return which."""
    visitor.page.wait_for_function(
        r"past => Number(document.body.innerText.match(/Last iteration (\d+) came in/)?.[1] ?? -1) > past",
        arg=past,
        timeout=120_000,
    )
    visitor.settled()
    return visitor.page.evaluate(r"Number(document.body.innerText.match(/Last iteration (\d+) came in/)[1])")


def test_the_page_grows_with_the_training(visit, training):
    visitor = visit("?model=my+training", at_once=False)
    follow = visitor.page.get_by_role("radio", name="10 s")
    follow.click()
    first = wait_for_growth(visitor, -1)
    assert "follow=10" in visitor.page.url
    assert ends_of_slider(visitor) == [0, first]
    before = visitor.metric("Iterations")

    training.write(3)
    second = wait_for_growth(visitor, first)
    # A full range stays full.
    assert ends_of_slider(visitor) == [0, second] and "iterations=" not in visitor.page.url
    assert int(visitor.metric("Iterations")) > int(before)

    visitor.page.locator('[data-testid="stSlider"]').get_by_role("slider").first.press("ArrowRight")
    visitor.settled()
    visitor.page.locator('[data-testid="stSlider"]').get_by_role("slider").nth(1).press("ArrowLeft")
    visitor.settled()
    assert ends_of_slider(visitor) == [1, second - 1]
    chosen = visitor.picture("envelope")
    training.write(3)
    wait_for_growth(visitor, second)
    # A choice stays as it is, and so does what it shows.
    assert ends_of_slider(visitor) == [1, second - 1]
    assert visitor.picture("envelope") == chosen
    assert f"iterations=1&iterations={second - 1}" in visitor.page.url
    visitor.shoot("followed")

    # Who opens the address later sees the same choice, and follows too.
    other = visit("?" + visitor.page.url.partition("?")[2], at_once=False)
    assert ends_of_slider(other) == [1, second - 1]
    third = wait_for_growth(other, second)
    follow = visitor.page.get_by_role("radio", name="Off")
    follow.click()
    visitor.settled()
    training.write(3)
    wait_for_growth(other, third)
    assert "came in" not in visitor.page.inner_text("body")
    visitor.check()
    other.check()
