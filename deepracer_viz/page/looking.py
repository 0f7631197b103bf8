"""Which section of the page the visitor looks at: after a move it is drawn first.

All sections are drawn anew when a choice in the sidebar moves. With a million steps that takes long enough to be
waited for, and most of it is for what nobody sees at that moment.
"""

from pathlib import Path

import streamlit as st

_KEY = "looked_at"
_PLACE = "place-of-section-"  # looking.js finds them by it

_WATCHER = Path(__file__).with_suffix(".js").read_text()


def place(number: int) -> st.delta_generator.DeltaGenerator:
    """Return the container of a section, told apart by its number on the page, from 0."""
    return st.container(key=f"{_PLACE}{number}")


def first(count: int) -> list[int]:
    """Return the numbers of the sections in the order in which to draw them.

    Parameters
    ----------
    count : int
        How many there are.

    Returns
    -------
    list of int
        That of the section looked at, then the others as they stand on the page.
    """
    told = st.session_state.get(_KEY) or {}
    seen = told.get("section") or "0"
    return sorted(range(count), key=lambda number: (str(number) != seen, number))


@st.fragment
def watch() -> None:
    """Watch what the visitor looks at; what is told runs nothing but this."""
    watcher = st.components.v2.component("deepracer_viz.looking", js=_WATCHER)
    watcher(key=_KEY, default={"section": None}, on_section_change=lambda: None)
