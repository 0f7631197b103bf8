"""What sections show things with: as large as a page on a desk, or as large as a room can read.

A section says what belongs on its screen, what its verdict, charts and choices are, and nothing about how large.
"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from deepracer_viz.charts.sheet import Sheet
from deepracer_viz.charts.theme import enlarged

PRESENTATION = "Presentation"
"""The view that shows one question on each screen."""

_SCALE = 1.6
"""How much larger text and marks of a chart are in a room."""

_STYLE = Path(__file__).with_name("stage.css")


def presenting() -> bool:
    """Tell whether the page is shown to a room."""
    return st.session_state.get("view") == PRESENTATION


def _by_telephone() -> bool:
    """Tell whether the page is shown on a telephone, where text that a room can read leaves no room for a chart."""
    return "Mobi" in (st.context.headers.get("User-Agent") or "")


def keep_choices() -> None:
    """Hold on to what was chosen on another screen: Streamlit forgets a choice as soon as it is not shown."""
    for name in st.query_params:
        if name in st.session_state:
            st.session_state[name] = st.session_state[name]


def step_through(names: list[str]) -> str:
    """Show next and back, and return the screen whose turn it is; it is in the address.

    Parameters
    ----------
    names : list of str
        The screens in order.

    Returns
    -------
    str
    """
    st.html(_STYLE)
    if st.session_state.get("question", names[0]) not in names:
        del st.session_state["question"]
    with st.container(key="steps", horizontal=True, horizontal_alignment="center"):
        back = st.container(width="content")
        shown = st.selectbox(
            "Question",
            names,
            key="question",
            bind="query-params",
            label_visibility="collapsed",
            width=240,
        )
        at = names.index(shown)
        st.markdown(f"{at + 1} of {len(names)}", width="content")
        # The keys are those that a presenter's clicker sends.
        with back:
            _step("Back", "PageUp", names, at - 1)
        _step("Next", "PageDown", names, at + 1)
    return shown


def _step(label: str, key: str, names: list[str], to: int) -> None:
    there = 0 <= to < len(names)
    more = {"on_click": _turn_to, "args": (names[to],)} if there else {"disabled": True}
    st.button(label, key=label.lower(), shortcut=key, **more)


def _turn_to(name: str) -> None:
    st.session_state["question"] = name


def screen() -> DeltaGenerator:
    """Return where a section puts what belongs on one screen: its heading, verdict and main charts."""
    return st.container(key="screen") if presenting() else st.container()


def choices() -> DeltaGenerator:
    """Return where a section puts its choices: folded away in a room."""
    return st.expander("Choices") if presenting() else st.container()


def verdict(text: str, below: DeltaGenerator | None = None) -> None:
    """Show the verdict of a section: in a room its first sentence as a heading.

    Parameters
    ----------
    text : str
        Markdown; words from files are escaped already.
    below : DeltaGenerator, optional
        Where the other sentences go in a room when they are too many for the screen.
    """
    if not presenting():
        st.markdown(text)
        return
    first, stop, rest = text.replace("**", "").partition(". ")
    st.subheader(first + stop.strip(), anchor=False)
    if rest:
        (below or st).markdown(rest)


def beside(place: DeltaGenerator, below: DeltaGenerator) -> DeltaGenerator:
    """Return where something goes that a screen has no room for: in its place on a desk, below the screen in a room."""
    return below if presenting() else place


def _arrow(frame: pd.DataFrame) -> pa.Table:
    """The columns of a table without its index, in a quarter of the time that Streamlit takes for a data frame."""
    columns = [pa.array(column.values, from_pandas=True) for _, column in frame.items()]
    return pa.Table.from_arrays(columns, names=list(frame))


def draw(sheet: Sheet, key: str, alt: str, on_select: str | Callable[[], None] = "ignore") -> None:
    """Draw a chart.

    Parameters
    ----------
    sheet : Sheet
        The chart.
    key : str
        Key of the widget.
    alt : str
        What the chart says, for those who do not see it.
    on_select : "ignore" or function
        What to call when something in the chart is chosen.
    """
    specification = sheet.vega_lite()
    specification["datasets"] = {name: _arrow(frame) for name, frame in specification["datasets"].items()}
    if not presenting() or _by_telephone():
        st.vega_lite_chart(specification, key=key, alt=alt, on_select=on_select)
        return
    with st.container(key=f"chart {key}"):
        st.vega_lite_chart(
            enlarged(specification, _SCALE), key=key, alt=alt, on_select=on_select, height="stretch"
        )
