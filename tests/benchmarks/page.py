"""Point 3: how long the page takes from a move of the iteration slider to the last chart drawn anew.

python tests/benchmarks/page.py
"""

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

from browsing import BROWSER_OPTIONS, CLOCK, WINDOW, Server, browser_program, served, whole
from making import Seed, add_training, find_seed, once, write_model
from measuring import FOLDER, about_machine, show
from playwright.sync_api import Page, sync_playwright
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg


def models_of(seed: Seed, folder: Path, steps: int) -> Path:
    """Have a folder of two models of at least so many steps; the second one trained on for a while."""
    models = folder / f"{seed.name}-models-{steps}"
    for name, more in (("model-1", 0), ("model-2", max(seed.steps, steps // 10))):
        once(models / name, lambda path, more=more: write_model(seed, path, steps + more))
    return models


class Visit:
    """Somebody at the page who measures what each move of theirs takes."""

    def __init__(self, page: Page, server: Server):
        self.page, self.server = page, server
        self._charts: list[int] = []
        page.add_init_script(CLOCK)
        page.on("websocket", lambda socket: socket.on("framereceived", self._note))

    def _note(self, frame: bytes | str) -> None:
        message = ForwardMsg.FromString(frame) if isinstance(frame, bytes) else ForwardMsg()
        if message.delta.new_element.WhichOneof("type") in ("arrow_vega_lite_chart", "vega_lite_chart"):
            self._charts.append(len(frame))

    def open(self, model: str) -> None:
        """Open the page on a model."""
        self.page.goto(f"{self.server.url}/?{urlencode({'model': model})}")
        self.settle()

    def settle(self) -> dict:
        """Wait until the page is whole; return what its clock saw."""
        expression, options = whole()
        self.page.wait_for_function(*expression, **options)
        return self.page.evaluate("window.benchmarkClock")

    def measure(self, move: Callable[[], None]) -> dict:
        """Make a move and return what it took (seconds, bytes)."""
        self._charts.clear()
        self.page.evaluate("window.benchmarkClock.restart()")
        cpu = self.server.cpu()
        move()
        clock = self.settle()
        return {
            "all": (max(clock["drawn"] or 0, clock["received"]) - clock["moved"]) / 1000,
            "in view": ((clock["inView"] or clock["received"]) - clock["moved"]) / 1000,
            "widget": (clock["sent"] - clock["moved"]) / 1000,
            "server": (clock["received"] - clock["sent"]) / 1000,
            "browser": max((clock["drawn"] or 0) - clock["received"], 0) / 1000,
            "cpu": self.server.cpu() - cpu,
            "bytes": clock["bytes"],
            "charts": len(self._charts),
            "largest": max(self._charts, default=0),
        }

    def look_at(self, section: str) -> None:
        """Scroll to the section of an anchor and wait until the page has taken notice."""
        self.page.locator(f"#{section}").evaluate("it => it.scrollIntoView()")
        self.page.wait_for_timeout(1500)

    def slide(self) -> None:
        """Move the upper end of the iteration slider down by one."""
        self.page.locator('[data-testid="stSlider"] input[type="range"]').nth(1).focus()
        self.page.keyboard.press("ArrowLeft")

    def measure_choice(self, model: str) -> dict:
        """Choose another model; the clock starts with the key that takes it."""
        box = self.page.locator('[data-testid="stSidebar"] [data-testid="stSelectbox"] input').first
        box.click()
        box.fill(model)
        self.page.get_by_role("option", name=model, exact=True).wait_for()
        return self.measure(lambda: self.page.keyboard.press("Enter"))


def row(what: str, moves: list[dict]) -> dict:
    """Sum the moves of one kind up."""

    def median(name: str) -> float:
        return statistics.median(move[name] for move in moves)

    return {
        "move": what,
        "n": len(moves),
        "to the last chart (ms)": round(1000 * median("all")),
        "to the last one in view (ms)": round(1000 * median("in view")),
        "slowest (ms)": round(1000 * max(move["all"] for move in moves)),
        "before it is sent (ms)": round(1000 * median("widget")),
        "server (ms)": round(1000 * median("server")),
        "server's CPU (ms)": round(1000 * median("cpu")),
        "browser after that (ms)": round(1000 * median("browser")),
        "sent (kB)": round(max(move["bytes"] for move in moves) / 1000),
        "charts sent": max(move["charts"] for move in moves),
        "largest chart (kB)": round(max(move["largest"] for move in moves) / 1000),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1_000_000, help="steps of the model")
    parser.add_argument("--moves", type=int, default=15)
    add_training(parser)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the inputs are kept")
    parser.add_argument("--tiny", action="store_true", help="very small, to see whether it works")
    options = parser.parse_args()

    print(about_machine())
    program = browser_program()
    if program is None:
        raise SystemExit("Chromium is not installed.")
    steps, count = (1000, 1) if options.tiny else (options.steps, options.moves)
    models = models_of(find_seed(options.training, options.tiny), options.folder, steps)
    with served(models) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=BROWSER_OPTIONS)
        visit = Visit(browser.new_page(viewport=WINDOW), server)
        # Both models are read, and the first move of each kind fills caches on both sides.
        warming = 0 if options.tiny else 1
        visit.open("model-2")
        visit.open("model-1")
        moves = [visit.measure(visit.slide) for _ in range(count + warming)][warming:]
        visit.look_at("driving")
        below = [visit.measure(visit.slide) for _ in range(count + warming)][warming:]
        visit.look_at("envelope")
        names = [f"model-{2 - i % 2}" for i in range(min(count, 8) + warming)]
        choices = [visit.measure_choice(name) for name in names][warming:]
        show(
            [
                row("iteration slider", moves),
                row("the same, scrolled to the driving", below),
                row("another model", choices),
            ]
        )
        print(f"server: {server.memory() / 1e6:.0f} MB with two models of {steps:,} steps")
        browser.close()


if __name__ == "__main__":
    main()
