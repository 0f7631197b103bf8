"""Time and memory of a piece of Python in a fresh process, and the tables that the benchmarks print."""

import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

FOLDER = Path(tempfile.gettempdir()) / "deepracer_viz_benchmarks"
"""Where the inputs are made unless another folder is named; they are used again by the next benchmark."""

# The peak that the kernel keeps for a process counts from its own start, unlike ru_maxrss, which begins with its
# parent's.
_PROGRAM = """
import gc, json, sys, time
path = sys.argv[1]
def memory(what):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(what))
{imports}
before = memory("VmRSS")
wall, cpu = time.perf_counter(), time.process_time()
{work}
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
gc.collect()
print(json.dumps(dict(
    wall=wall, cpu=cpu, rows=rows, before=before, resident=memory("VmRSS"), peak=memory("VmHWM"), table=table
)))
"""


@dataclass(frozen=True)
class Measured:
    """What a piece of work took.

    Attributes
    ----------
    wall, cpu : float
        Seconds on the clock, and of all processors together, imports left out.
    rows : int
        Steps that it came back with.
    before, resident, peak : int
        Memory of the process (bytes): after the imports, with the result, and at most.
    table : int
        Bytes of the result's columns, 0 where nobody counted them.
    """

    wall: float
    cpu: float
    rows: int
    before: int
    resident: int
    peak: int
    table: int = 0


def measure(imports: str, work: str, path: Path, python: str = sys.executable, times: int = 1) -> Measured:
    """Run a piece of work in fresh processes; the one of the middle wall time counts.

    Parameters
    ----------
    imports, work : str
        Python. ``work`` finds the ``path`` and leaves ``rows``, a number, and ``table``.
    path : Path
    python : str
        Interpreter.
    times : int
    """
    program = _PROGRAM.format(imports=imports, work=work)
    runs = []
    for _ in range(times):
        done = subprocess.run(
            [python, "-W", "ignore", "-c", program, str(path)], cwd=ROOT, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        runs.append(Measured(**json.loads(done.stdout.splitlines()[-1])))
    return sorted(runs, key=lambda run: run.wall)[times // 2]


def installed(python: str, module: str) -> bool:
    """Whether an interpreter finds a module."""
    command = [
        python,
        "-c",
        f"import importlib.util, sys; sys.exit(not importlib.util.find_spec({module!r}))",
    ]
    return subprocess.run(command, capture_output=True).returncode == 0


def about_machine() -> str:
    """Date, machine and what else it is doing: figures mean nothing without them."""
    load = os.getloadavg()[0]
    return (
        f"{date.today()}, {os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, "
        f"load before: {load:.1f}"
    )


def show(rows: list[dict]) -> None:
    """Print a table in Markdown, numbers to the right."""
    heads = list(rows[0])
    cells = [heads, *([_text(row.get(head)) for head in heads] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    lines = [
        "| " + " | ".join(cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in row) + " |"
        for row in (list(enumerate(zip(row, widths, strict=True))) for row in cells)
    ]
    lines.insert(
        1, "|" + "|".join("-" * (width + 1) + (":" if i else "-") for i, width in enumerate(widths)) + "|"
    )
    print("\n".join(lines))


def _text(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
