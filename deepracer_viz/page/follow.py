"""Following a training on the page: looks at its folder at an interval, and draws anew when something came in."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from deepracer_viz import FollowedRun, LogError, TrainingRun
from deepracer_viz.analysis.words import counted
from deepracer_viz.page.models import Model, read_routes
from deepracer_viz.page.text import duration, plain
from deepracer_viz.page.widgets import switch

INTERVALS = {"Off": 0, "10 s": 10, "30 s": 30, "60 s": 60}
"""What a visitor can choose, and the seconds between two looks."""

QUIET_ITERATIONS = 3
"""A training may have ended when nothing came in for as long as this many of its iterations take to drive."""

QUIET_SECONDS = 900
"""... and for at least this long (s): training the policy and starting the simulator take their time."""


@dataclass
class _Follower:
    """A folder that one or more visitors follow; they share what was read of it."""

    followed: FollowedRun
    lock: threading.Lock = field(default_factory=threading.Lock)
    looked: float = float("-inf")
    trouble: str = ""
    notes: list[str] = field(default_factory=list)  # on route files beside it that could not be read

    def look(self, every: float) -> None:
        """Read what is new, unless somebody's page has just done so."""
        with self.lock:
            # Half an interval: several pages on one screen wall look together, and none of them waits for two.
            if time.monotonic() - self.looked < every / 2:
                return
            try:
                self.followed.update()
                self.trouble = ""
            except LogError as error:
                self.trouble = str(error)
            except Exception:
                # One file that brings a reader down must take neither the page nor other visitors with it.
                logging.exception("following failed")
                self.trouble = (
                    "What is new could not be read because of a fault in this program; please report it."
                )
            self.looked = time.monotonic()


@st.cache_resource(max_entries=4, show_spinner=False)
def _follower(name: str, model: Model) -> _Follower:
    notes: list[str] = []
    return _Follower(FollowedRun(model.source, name, read_routes(model, notes)), notes=notes)


def choose(model: Model) -> int:
    """Ask whether to follow a model that can grow; return the seconds between two looks, 0 for not at all."""
    if not model.can_grow:
        return 0
    chosen = switch(
        "Follow this training",
        list(INTERVALS),
        key="follow",
        help="While the simulator writes into the folder, the page reads what is new and draws itself anew.",
    )
    return INTERVALS[chosen]


def read(name: str, model: Model, every: int) -> tuple[TrainingRun, Callable[[], None]]:
    """Read what is there of a model that is followed.

    Ends the page, which then waits, as long as nothing can be read.

    Returns
    -------
    run : TrainingRun
    show_note : callable
        Shows when the last iteration came in, and from then on looks for what is new every so many seconds.
    """
    follower = _follower(name, model)
    with st.spinner(f"Reading {plain(name)}"):
        follower.look(every)
    for sentence in follower.notes:
        st.warning(plain(sentence), icon=":material/warning:")
    version = follower.followed.version

    def show_note() -> None:
        # What this page shows is told by its version: another visitor's page may have read on meanwhile.
        st.fragment(_watch, run_every=every)(follower, version, every)

    try:
        return follower.followed.run, show_note
    except LogError as error:
        st.info(plain(follower.trouble or error), icon=":material/hourglass_empty:")
        show_note()
        st.stop()


def _watch(follower: _Follower, version: int, every: int) -> None:
    follower.look(every)
    if follower.followed.version != version:
        st.rerun()
    if follower.trouble:
        st.warning(plain(follower.trouble), icon=":material/warning:")
    try:
        run, came_in = follower.followed.run, follower.followed.came_in
    except LogError:
        st.caption(f"The page looks for drives every {every} s.")
        return
    if came_in is None:
        return
    told = note(run, came_in, time.time(), _zone())
    if is_quiet(run, time.time() - came_in):
        st.warning(f"{told} The training may have ended or stopped.", icon=":material/pause_circle:")
    else:
        st.caption(f":material/sync: {told}")


def note(run: TrainingRun, came_in: float, now: float, zone: ZoneInfo | None = None) -> str:
    """Say when the last drives came in.

    Parameters
    ----------
    run : TrainingRun
    came_in, now : float
        Unix time (s).
    zone : ZoneInfo, optional
        The visitor's; that of the server when omitted.

    Returns
    -------
    str
    """
    at, today = (datetime.fromtimestamp(moment, zone) for moment in (came_in, now))
    clock = f"{at:%H:%M}" if at.date() == today.date() else f"{at:%H:%M} on {at.day} {at:%B}"
    # The clock of another machine, from which the files were copied, may be ahead.
    past = max(now - came_in, 0)
    ago = f"{duration(past / 3600)} ago" if past >= 60 else "just now"
    if run.episodes.empty:
        return f"The last drives came in at {clock} ({ago})."
    last = int(run.episodes["iteration"].max())
    drives = int((run.episodes["iteration"] == last).sum())
    return f"Last iteration {last} came in at {clock} ({ago}), {counted(drives, 'drive')}."


def is_quiet(run: TrainingRun, silence: float) -> bool:
    """Say whether nothing has come in for so many seconds that a training probably no longer runs."""
    iterations = run.episodes["iteration"].nunique()
    usual = 3600 * (run.hours or 0) / max(iterations, 1)
    return silence > max(QUIET_SECONDS, QUIET_ITERATIONS * usual)


def _zone() -> ZoneInfo | None:
    try:
        return ZoneInfo(st.context.timezone) if st.context.timezone else None
    except (ZoneInfoNotFoundError, ValueError):
        return None


def range_of(key: str, first: int, last: int) -> tuple[int, int] | None:
    """Value that a range slider begins with, so that its choice outlives a training that grows.

    A slider whose ends change forgets its value. A full range stays full; another choice stays as it is.

    Returns
    -------
    (int, int) or None
        None where the slider's value is set already.
    """
    ends = st.session_state.get(f"{key} ends")
    st.session_state[f"{key} ends"] = (first, last)
    chosen = st.session_state.get(key)
    if chosen is None or ends in (None, (first, last)):
        return first, last
    if tuple(chosen) == ends:
        chosen = (first, last)
    low, high = (min(max(end, first), last) for end in chosen)
    st.session_state[key] = (low, high)
    return None
