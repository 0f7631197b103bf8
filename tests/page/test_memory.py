"""Memory that goes back to the system."""

import subprocess
import sys
from pathlib import Path

import pytest

from deepracer_viz.page import memory

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or memory._c_function("malloc_trim") is None,
    reason="the C library of GNU alone has it",
)

ROOT = Path(__file__).resolve().parents[2]

GROWS_AND_SHRINKS = """
import re, sys, threading
sys.path.insert(0, {root!r})
{prepare}

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024

def visit():
    bytearray(30 << 20)  # as an upload does, the first block of its size raises what the C library keeps
    held = [bytearray(100_000) for _ in range(400)]
    turn.wait()

turn = threading.Barrier(9)
before = resident()
threads = [threading.Thread(target=visit) for _ in range(8)]
for thread in threads:
    thread.start()
turn.wait()
for thread in threads:
    thread.join()
{after}
print(resident() - before)
"""


def kept(prepare: str, after: str = "") -> float:
    """MB that a process keeps of 320 MB that eight threads held and let go of."""
    program = GROWS_AND_SHRINKS.format(root=str(ROOT), prepare=prepare, after=after)
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return float(answer.stdout)


def test_what_threads_let_go_of_goes_back():
    assert kept("from deepracer_viz.page import memory", "memory.give_back()") < 100


def test_without_it_the_c_library_keeps_it():
    assert kept("import streamlit, pyarrow") > 150
