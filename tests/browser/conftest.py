"""The page served on a free port, and a browser that watches for errors."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = Path(__file__).parent / "screenshots"
"""Every run leaves its screenshots here, for a person to look at."""

PATIENCE = 300_000
"""Milliseconds that a test waits for what must come, on a machine that has other work."""

# A run that was asked for and has not begun is told by a state of its own; a chart whose program is still fetched, by a
# grey area in its place.
NOTHING_RUNS = """() => document.querySelector('[data-testid="stApp"]').dataset.testScriptState === 'notRunning'
    && !document.querySelector('[data-testid="stStatusWidget"], [data-testid="stSkeleton"]')"""
"""Whether the page is at rest, asked in the browser."""

WHOLE_HEIGHT = "document.querySelector('[data-testid=\"stMain\"]').scrollHeight"

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


expect.set_options(timeout=PATIENCE)


@contextmanager
def serve(environment: dict[str, str]) -> Iterator[str]:
    """Serve the page as a user would start it; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py"]
    command += ["--server.port", str(port), "--server.address", "127.0.0.1", "--server.headless", "true"]
    server = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=1)
            break
        except OSError:
            if server.poll() is not None:
                pytest.fail(f"the page did not start: {server.stdout.read().decode()}")
            time.sleep(0.5)
    yield url
    server.terminate()
    log = server.communicate(timeout=20)[0].decode()
    assert "Traceback" not in log, log


@pytest.fixture(scope="session")
def address():
    """Address of the page with the sample models alone."""
    with serve({k: v for k, v in os.environ.items() if k != "DEEPRACER_LOGS"}) as url:
        yield url


@pytest.fixture(scope="session")
def browser():
    """Chromium from the system."""
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed")
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"],
        )
        yield running
        running.close()


def _picture(chart: Locator) -> str:
    return chart.evaluate(
        "c => { const v = c.querySelector('canvas'); return v ? v.toDataURL()"
        " : c.querySelector('svg.marks').outerHTML }"
    )


class Visitor:
    """Somebody looking at the page; notes every error and every request that leaves the machine."""

    def __init__(self, page: Page, address: str):
        self.page = page
        page.set_default_timeout(PATIENCE)
        self.address = address
        self.problems: list[str] = []
        page.on("console", lambda m: self.problems.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", self._note)

    def _note(self, request) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.problems.append(f"request to {request.url}")

    def open(self, query: str = "", at_once: bool = True) -> "Visitor":
        """Open the page, by default with all sections whatever the window shows, and wait until it is whole."""
        whole = f"{'&' if query else '?'}whole=true" if at_once else ""
        self.page.goto(f"{self.address}/{query}{whole}")
        return self.settled()

    def settled(self) -> "Visitor":
        """Wait until the last section stands, nothing runs and every chart is drawn."""
        self.page.get_by_role("heading", name="What was read").wait_for(timeout=PATIENCE)
        for _ in range(2):
            self.page.wait_for_timeout(400)
            self.page.wait_for_function(NOTHING_RUNS, timeout=PATIENCE)
        self.page.wait_for_function(
            "[...document.querySelectorAll('[data-testid=\"stVegaLiteChart\"]')]"
            ".every(chart => chart.querySelector('svg.marks, canvas'))",
            timeout=PATIENCE,
        )
        return self

    def charts(self) -> list[str]:
        """What each chart shows, as pictures to compare."""
        found = self.page.locator('[data-testid="stVegaLiteChart"]')
        return [_picture(found.nth(i)) for i in range(found.count())]

    def chart(self, section: str) -> Locator:
        """The first chart of the section with this anchor."""
        after = f"//*[@id='{section}']/following::*[@data-testid='stVegaLiteChart']"
        return self.page.locator(f"xpath=({after})[1]")

    def picture(self, section: str) -> str:
        """What that chart shows, to compare."""
        return _picture(self.chart(section))

    def metric(self, label: str) -> str:
        """Value of one of the large figures."""
        box = self.page.locator('[data-testid="stMetric"]').filter(has_text=label)
        return box.locator('[data-testid="stMetricValue"]').inner_text()

    def shoot(self, name: str) -> None:
        """Leave a picture of the whole page."""
        SCREENSHOTS.mkdir(exist_ok=True)
        size = self.page.viewport_size
        height = size["height"]
        # More than once: the page grows as more of its sections are in the window.
        while (whole := self.page.evaluate(WHOLE_HEIGHT)) > height and height < 9000:
            height = min(int(whole) + 40, 9000)
            self.page.set_viewport_size({"width": size["width"], "height": height})
            self.settled()
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")
        self.page.set_viewport_size(size)

    def check(self) -> None:
        """Fail when anything went wrong since the page was opened."""
        assert self.page.locator('[data-testid="stException"]').count() == 0
        assert self.page.locator('[data-testid="stAlertContentError"]').count() == 0
        assert self.problems == []


@pytest.fixture
def visit(browser, address):
    """Return a function that opens the page for a new visitor."""
    contexts = []

    def new_visitor(
        query: str = "",
        width: int = 1500,
        height: int = 1000,
        scheme: str = "light",
        at_once: bool = True,
    ) -> Visitor:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        contexts.append(context)
        return Visitor(context.new_page(), address).open(query, at_once)

    yield new_visitor
    for context in contexts:
        context.close()
