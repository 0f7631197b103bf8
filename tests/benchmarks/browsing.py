"""The page served and looked at in a real browser, with a clock in the browser that sees every chart drawn."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from measuring import ROOT

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER_OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
WINDOW = {"width": 1500, "height": 1000}

QUIET = 700
"""Milliseconds without anything drawn and without a running script after which a page counts as whole."""

# Streamlit's charts are drawn on a canvas (in place) or as SVG (whose elements are put in): both are watched. What
# leaves for the server and what comes back is timed and counted as well.
CLOCK = """
(() => {
  const clock = { sent: null, received: null, bytes: 0, messages: 0, drawn: null, first: null, inView: null };
  const draw = chart => {
    clock.drawn = performance.now();
    clock.first ??= clock.drawn;
    const { top, bottom } = chart.getBoundingClientRect();
    if (top < window.innerHeight && bottom > 0) clock.inView = clock.drawn;
  };
  const inChart = node => node?.closest?.('[data-testid="stVegaLiteChart"]');
  for (const name of ['fill', 'stroke', 'fillRect', 'fillText', 'drawImage', 'clearRect']) {
    const original = CanvasRenderingContext2D.prototype[name];
    CanvasRenderingContext2D.prototype[name] = function (...given) {
      const chart = this.canvas.isConnected && inChart(this.canvas);
      if (chart) draw(chart);
      return original.apply(this, given);
    };
  }
  new MutationObserver(changes => {
    for (const change of changes) {
      const chart = inChart(change.target.nodeType === 1 ? change.target : change.target.parentElement);
      if (chart) draw(chart);
    }
  }).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  const Socket = window.WebSocket;
  window.WebSocket = class extends Socket {
    constructor(...given) {
      super(...given);
      this.addEventListener('message', event => {
        clock.received = performance.now();
        clock.bytes += event.data.byteLength ?? event.data.size ?? event.data.length;
        clock.messages += 1;
      });
    }
    send(data) {
      clock.sent ??= performance.now();
      super.send(data);
    }
  };
  window.addEventListener('keydown', () => { clock.moved ??= performance.now(); }, true);
  window.addEventListener('pointerdown', () => { clock.moved ??= performance.now(); }, true);
  clock.restart = () => {
    Object.assign(clock, {
      moved: null, sent: null, received: null, bytes: 0, messages: 0, drawn: null, first: null, inView: null,
    });
  };
  clock.whole = (quiet, least) => {
    const app = document.querySelector('[data-testid="stApp"]');
    const charts = [...document.querySelectorAll('[data-testid="stVegaLiteChart"]')];
    const last = Math.max(clock.received, clock.drawn);
    const begun = clock.received !== null && document.querySelector('[data-testid="stHeading"]') !== null;
    return begun && app.dataset.testScriptState === 'notRunning' && charts.length >= least
      && charts.every(chart => chart.querySelector('svg.marks, canvas')) && performance.now() - last > quiet;
  };
  window.benchmarkClock = clock;
})();
"""


def browser_program() -> str | None:
    """Return the system's Chromium, None where there is none."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """The page, started as a user would start it.

    Attributes
    ----------
    url : str
    started : float
        Unix time at which the command was given.
    """

    def __init__(self, logs: Path | None = None, program: Path = ROOT / "streamlit_app.py"):
        port = free_port()
        command = [sys.executable, "-m", "streamlit", "run", str(program), "--server.headless", "true"]
        command += ["--server.port", str(port), "--server.address", "127.0.0.1"]
        command += ["--", "--logs", str(logs)] if logs else []
        environment = {key: value for key, value in os.environ.items() if key != "DEEPRACER_LOGS"}
        self.url = f"http://127.0.0.1:{port}"
        self.started = time.time()
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
        )

    def wait(self) -> float:
        """Wait until the server answers; return the seconds since it was started."""
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=5).close()
                return time.time() - self.started
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError("the page did not start") from None
                time.sleep(0.02)

    def memory(self) -> int:
        """Bytes that the server holds."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))

    def cpu(self) -> float:
        """Seconds of processor time that the server has used."""
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def served(logs: Path | None = None) -> Iterator[Server]:
    """Serve the page until the block ends."""
    server = Server(logs)
    try:
        server.wait()
        yield server
    finally:
        server.process.terminate()
        server.process.wait(20)


def whole(timeout: int = 120_000, least: int = 0) -> tuple:
    """Return the arguments with which a Playwright page waits until it is drawn, with so many charts at least."""
    return (f"() => window.benchmarkClock.whole({QUIET}, {least})",), {"timeout": timeout, "polling": 50}
