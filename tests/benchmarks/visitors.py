"""What visitors cost the server: memory while they look at models of their own, and once they have left.

    python -m tests.benchmarks.visitors --rounds 6 --visitors 2

Starts the page, lets visitors in real browsers drop a log and leave, round by round, and prints the memory that
the server holds and the sessions that it knows after each. Needs Chromium; every visitor's log is another one.
"""

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from tests.stress.runs import Shape, files

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 400_000  # ms, on a machine that has other work


def log_of(seed: int, episodes: int) -> bytes:
    """A training log of so many drives of 150 steps, each drive about 17 kB."""
    return files(Shape(iterations=episodes // 20, episodes=20, steps=150, seed=seed, files="log"))[
        "logs/0-robomaker.log"
    ]


def resident(process: int) -> float:
    """Memory of a process (MB)."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def sessions(url: str) -> int:
    """Sessions whose browser is connected."""
    told = urllib.request.urlopen(f"{url}/_stcore/metrics", timeout=10).read().decode()
    found = re.search(r"^active_sessions(?:\{.*\})? (\d+)", told, re.MULTILINE)
    return int(found[1]) if found else -1


def enter(browser: Browser, url: str, log: Path | None):
    """Open the page as a new visitor, and drop a log on it."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.goto(url)
    if log:
        drop = page.get_by_test_id("stFileUploader").filter(has_text="Drop your logs here")
        drop = drop.locator("input[type=file]")
        drop.wait_for(state="attached", timeout=PATIENCE)
        drop.set_input_files(log)
        expect(page.get_by_role("heading", level=1)).to_contain_text("(yours)", timeout=PATIENCE)
    expect(page.get_by_role("heading", name="What was read")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=PATIENCE)
    return context


def serve(ttl: int, port: int) -> subprocess.Popen:
    """Start the page."""
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.port", str(port)]
    command += ["--server.address", "127.0.0.1", "--server.headless", "true"]
    command += ["--server.disconnectedSessionTTL", str(ttl)]
    environment = {name: value for name, value in os.environ.items() if name != "DEEPRACER_LOGS"}
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    for _ in range(120):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1)
            return server
        except OSError:
            time.sleep(0.5)
    server.terminate()
    raise SystemExit("the page did not start")


def main() -> None:
    """Let the visitors in and print what they cost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--visitors", type=int, default=2, help="at the same time")
    parser.add_argument(
        "--episodes", type=int, default=1200, help="drives in each log; 1,200 are about 20 MB"
    )
    parser.add_argument(
        "--ttl", type=int, default=5, help="seconds that the server keeps a session that left"
    )
    asked = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    server = serve(asked.ttl, port)
    try:
        with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=program, args=["--no-sandbox", "--disable-gpu"]
            )
            print(f"server started: {resident(server.pid):.0f} MB")
            first = enter(browser, url, None)
            print(f"one visitor looking at a sample: {resident(server.pid):.0f} MB")
            first.close()
            for turn in range(asked.rounds):
                visitors = []
                for number in range(asked.visitors):
                    # The same name for all: what tells models apart is the visitor.
                    log = Path(folder) / str(number) / "robomaker.log"
                    log.parent.mkdir(exist_ok=True)
                    log.write_bytes(log_of(turn * asked.visitors + number, asked.episodes))
                    visitors.append(enter(browser, url, log))
                size, inside, there = log.stat().st_size / 1e6, resident(server.pid), sessions(url)
                for visitor in visitors:
                    visitor.close()
                time.sleep(asked.ttl + 2)
                # Streamlit lets go of the sessions whose time is over when the next one leaves.
                enter(browser, url, None).close()
                time.sleep(2)
                print(
                    f"round {turn + 1}: {there} visitors with {size:.0f} MB each: {inside:.0f} MB; "
                    f"gone: {resident(server.pid):.0f} MB, {sessions(url)} connected",
                    flush=True,
                )
            browser.close()
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
