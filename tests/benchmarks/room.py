"""Point 5: a room of visitors on one server, each of whom moves the iteration slider every few seconds.

    python tests/benchmarks/room.py [--browsers 20] [--minutes 10]

All browsers draw on this machine too, which a room's own machines would do for themselves: what the server took is
told beside what the visitors saw.
"""

import argparse
import asyncio
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

from browsing import BROWSER_OPTIONS, CLOCK, WINDOW, Server, browser_program, served, whole
from making import add_training, find_seed
from measuring import FOLDER, about_machine, show
from page import models_of
from playwright.async_api import Browser, Error, async_playwright

EVERY = 3.0
"""Seconds from one move of a visitor to the next."""

PATIENCE = 300_000
"""Milliseconds after which a page that does not come to rest counts as failed."""

ROUNDS = 4
"""Parts of the time of which each has a row of its own."""


@dataclass
class Room:
    """What the visitors of a room share.

    Attributes
    ----------
    opened : int
        Visitors whose page is whole.
    door : asyncio.Semaphore
        How many may open the page at once: opening is not what is measured here.
    start : asyncio.Event
        Set when all of them are there.
    end : float
        Unix time of the last move.
    moves : list of tuple
        Of each move: Unix time, milliseconds to the last chart, milliseconds of the server (both None when the page
        did not come to rest), whether it failed.
    """

    opened: int = 0
    door: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(3))
    start: asyncio.Event = field(default_factory=asyncio.Event)
    end: float = 0.0
    moves: list[tuple[float, float | None, float | None, bool]] = field(default_factory=list)


async def visit(browser: Browser, server: Server, number: int, room: Room) -> None:
    """Open the page, wait for the others, and move the slider until the end."""
    context = await browser.new_context(viewport=WINDOW)
    page = await context.new_page()
    await page.add_init_script(CLOCK)
    expression, options = whole(PATIENCE)
    async with room.door:
        await page.goto(f"{server.url}/?model=model-1", timeout=PATIENCE)
        await page.wait_for_function(*expression, **options)
    thumb = page.locator('[data-testid="stSlider"] input[type="range"]').nth(1)
    room.opened += 1
    await room.start.wait()
    # Visitors of a room do not move all at once.
    await asyncio.sleep(EVERY * (number * 0.618 % 1))
    turn = -1
    while time.time() < room.end:
        begin, turn = time.time(), turn + 1
        try:
            await page.evaluate("benchmarkClock.restart()")
            await thumb.focus()
            # To and fro, however few iterations there are: at its end a slider does not move.
            await page.keyboard.press("ArrowLeft" if turn % 2 == 0 else "ArrowRight")
            await page.wait_for_function(*expression, **options)
            clock = await page.evaluate("benchmarkClock")
            failed = await page.locator(
                '[data-testid="stException"], [data-testid="stAlertContentError"]'
            ).count()
            last = max(clock["drawn"] or 0, clock["received"])
            room.moves.append((begin, last - clock["moved"], clock["received"] - clock["sent"], bool(failed)))
        except Error:
            room.moves.append((begin, None, None, True))
        await asyncio.sleep(max(begin + EVERY - time.time(), 0))
    await context.close()


async def let_in(server: Server, program: str, browsers: int, seconds: float) -> list[dict]:
    """Let the visitors in and return a row for each part of the time."""
    room, memory = Room(), []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=BROWSER_OPTIONS)
        visitors = [asyncio.create_task(visit(browser, server, i, room)) for i in range(browsers)]
        while room.opened < browsers and not any(visitor.done() for visitor in visitors):
            await asyncio.sleep(0.1)
        begin = time.time()
        room.end = begin + seconds
        room.start.set()
        while any(not visitor.done() for visitor in visitors):
            memory.append((time.time(), server.memory(), server.cpu()))
            await asyncio.sleep(min(seconds / 40, 5))
        memory.append((time.time(), server.memory(), server.cpu()))
        await asyncio.gather(*visitors)
        await browser.close()

    rows = []
    for part in range(ROUNDS):
        edges = begin + seconds * part / ROUNDS, begin + seconds * (part + 1) / ROUNDS
        here = [m for m in room.moves if edges[0] <= m[0] < edges[1]]
        held = [m for m in memory if edges[0] <= m[0] <= edges[1]] or memory[-1:]
        took = sorted(m[1] for m in here if m[1] is not None)
        rows.append(
            {
                "seconds": f"{edges[0] - begin:.0f} to {edges[1] - begin:.0f}",
                "moves": len(here),
                "failed": sum(m[3] for m in here),
                "median (ms)": round(statistics.median(took)) if took else None,
                "9 of 10 within (ms)": round(took[int(0.9 * (len(took) - 1))]) if took else None,
                "server, median (ms)": round(statistics.median(m[2] for m in here if m[2])) if took else None,
                "server's CPU (share of a core)": (held[-1][2] - held[0][2])
                / max(held[-1][0] - held[0][0], 0.1),
                "server (MB)": round(held[-1][1] / 1e6),
            }
        )
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--browsers", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--steps", type=int, default=100_000, help="steps of the model")
    add_training(parser)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the inputs are kept")
    parser.add_argument("--tiny", action="store_true", help="very small, to see whether it works")
    options = parser.parse_args()

    print(about_machine())
    program = browser_program()
    if program is None:
        raise SystemExit("Chromium is not installed.")
    steps, browsers, seconds = (
        (1000, 2, 4.0) if options.tiny else (options.steps, options.browsers, 60 * options.minutes)
    )
    models = models_of(find_seed(options.training, options.tiny), options.folder, steps)
    with served(models) as server:
        show(asyncio.run(let_in(server, program, browsers, seconds)))


if __name__ == "__main__":
    main()
