"""Point 4: how long the page takes to open on the sample models, for the first visitor and for the next.

    python tests/benchmarks/opening.py [--imports]

The first visitor's clock starts with the command that starts the server; the next visitor's when the address is
asked for. A new visitor's browser has an empty cache, one who comes again has the program of the page in it.
The same is measured of a Streamlit page that shows one small chart and nothing else: what no page could do without.
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from browsing import BROWSER_OPTIONS, CLOCK, WINDOW, Server, browser_program, whole
from measuring import ROOT, about_machine, show
from playwright.sync_api import Browser, BrowserContext, sync_playwright

ONE_CHART = """
import streamlit as st

st.title("One chart")
values = [{"a": a, "b": a * a} for a in range(10)]
axes = {axis: {"field": field, "type": "quantitative"} for axis, field in (("x", "a"), ("y", "b"))}
st.vega_lite_chart({"data": {"values": values}, "mark": "bar", "encoding": axes})
"""

MODULES = "streamlit, deepracer_viz, deepracer_viz.page.rewards, deepracer_viz.page.convergence"


def opened(context: BrowserContext, url: str, begin: float) -> tuple[float, float]:
    """Open the page; return the seconds from ``begin`` (Unix time) to its first and to its last chart."""
    page = context.new_page()
    page.add_init_script(CLOCK)
    page.goto(url)
    expression, options = whole(least=1)
    page.wait_for_function(*expression, **options)
    origin, first, last, received = page.evaluate(
        "[performance.timeOrigin, benchmarkClock.first, benchmarkClock.drawn, benchmarkClock.received]"
    )
    page.close()
    return (origin + first) / 1000 - begin, (origin + max(last, received)) / 1000 - begin


def measured(browser: Browser, what: str, program: Path, count: int) -> list[dict]:
    """Start a server so many times; return rows of what its visitors of each kind see."""
    answering, seen = [], {"first visitor": [], "next visitor": [], "a visitor who comes again": []}
    for _ in range(count):
        server = Server(program=program)
        try:
            answering.append(server.wait())
            context = browser.new_context(viewport=WINDOW)
            seen["first visitor"].append(opened(context, server.url, server.started))
            context.close()
            context = browser.new_context(viewport=WINDOW)
            for who in ("next visitor", "a visitor who comes again"):
                seen[who].append(opened(context, server.url, time.time()))
            context.close()
        finally:
            server.process.terminate()
            server.process.wait(20)
    return [
        {
            "what": what,
            "who": who,
            "n": len(times),
            "first chart (s)": statistics.median(first for first, _ in times),
            "all in the window (s)": statistics.median(last for _, last in times),
            "slowest (s)": max(last for _, last in times),
            "server answers (s)": statistics.median(answering) if who == "first visitor" else None,
        }
        for who, times in seen.items()
    ]


def show_imports(count: int = 20) -> None:
    """Print what importing the page's modules costs, the costliest first."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {MODULES}"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stderr
    lines = re.findall(r"import time:\s+(\d+) \|\s+(\d+) \|( +)(\S+)", told)
    lines.sort(key=lambda line: -int(line[1]))
    show([{"module": line[3], "with all it imports (ms)": int(line[1]) // 1000} for line in lines[:count]])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--times", type=int, default=5, help="starts of the server, and visitors of each kind"
    )
    parser.add_argument("--imports", action="store_true", help="print instead what the imports cost")
    parser.add_argument("--tiny", action="store_true", help="very small, to see whether it works")
    options = parser.parse_args()

    print(about_machine())
    if options.imports:
        show_imports()
        return
    program = browser_program()
    if program is None:
        raise SystemExit("Chromium is not installed.")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        one_chart = Path(folder) / "one_chart.py"
        one_chart.write_text(ONE_CHART)
        browser = playwright.chromium.launch(executable_path=program, args=BROWSER_OPTIONS)
        count = 1 if options.tiny else options.times
        show(
            measured(browser, "the page", ROOT / "streamlit_app.py", count)
            + measured(browser, "one chart", one_chart, count)
        )
        browser.close()


if __name__ == "__main__":
    main()
