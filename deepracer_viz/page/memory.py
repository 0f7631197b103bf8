"""Memory of sessions that ended goes back to the system.

Python frees what nobody holds, but the C library below it keeps what is free, and that of GNU keeps more with every
large block that is freed: up to 64 MB at the end of each of 8 heaps for every core (``man 3 mallopt``). The pages of
each visitor are drawn in other threads, which have other heaps, so that a server would grow from visitor to visitor
although it holds nothing of those who left.
"""

import ctypes
import gc
import os
import threading
import weakref

import pyarrow as pa
import streamlit as st

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
_LARGE = 8 << 20
"""Bytes. A larger block is fetched from the system by itself and goes back when it is freed, and so does what is free
beyond that at the end of a heap. Most arrays of a page are smaller, with a million steps too: to fetch each of those
anew would take a quarter more of the processor."""
_SOON = 1.0
"""Seconds after which nothing of a session that ended is in use."""


class _Session:
    """Dies with the session that holds it."""


def _c_function(name: str):
    """A function of the C library; most Linux systems have those needed here, others do without."""
    return getattr(ctypes.CDLL(None), name, None) if os.name == "posix" else None


def keep_little() -> None:
    """Let the C library keep little of what is freed, unless the environment says how much."""
    set_option = _c_function("mallopt")
    for option, name in (
        (_M_MMAP_THRESHOLD, "MALLOC_MMAP_THRESHOLD_"),
        (_M_TRIM_THRESHOLD, "MALLOC_TRIM_THRESHOLD_"),
    ):
        if set_option is not None and name not in os.environ:
            set_option(option, _LARGE)


def give_back() -> None:
    """Collect what nobody holds, and give the memory that is free back to the system."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    trim = _c_function("malloc_trim")
    if trim is not None:
        trim(0)


def _give_back_soon() -> None:
    timer = threading.Timer(_SOON, give_back)
    timer.daemon = True
    timer.start()


def give_back_after_session() -> None:
    """Give back what this session held once it is gone for good; not sooner, for what left may come back."""
    if "memory" not in st.session_state:
        st.session_state["memory"] = _Session()
        weakref.finalize(st.session_state["memory"], _give_back_soon).atexit = False


keep_little()
