"""Run a benchmark in its tiny setting and take its table apart."""

import subprocess
import sys
from pathlib import Path

PROGRAMS = Path(__file__).resolve().parent / "benchmarks"


def rows_of(program: str, *options: str) -> list[dict[str, str]]:
    """Rows of the Markdown table that a benchmark prints."""
    command = [sys.executable, str(PROGRAMS / program), "--tiny", *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    lines = [line.strip("| ").split("|") for line in done.stdout.splitlines() if line.startswith("|")]
    heads, _, *rows = [[cell.strip() for cell in line] for line in lines]
    return [dict(zip(heads, row, strict=True)) for row in rows]
