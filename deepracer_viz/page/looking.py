"""Which sections of the page the visitor looks at: they are drawn first, and the others when the visitor comes to them.

All of the page is about the choices in the sidebar, and most of it is what nobody sees at that moment. With a million
steps, on a slow machine, or with twenty visitors on one, drawing it all would be waited for. So a section that the
window does not show has its heading and leaves its place grey; a small program in the browser (looking.js) asks for it
as soon as it is nearly in the window and nothing else is being drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType

import streamlit as st

_KEY = "looked_at"
_ASKED = "sections_asked_for"
_KNOWN = "choices_known"
_DRAWN_FOR = "sections_drawn_for"
_LEFT_OUT = "choices_left_out"
_PLACE, _WAITING = "place-of-section-", "waiting-section-"  # looking.js finds them by it

_WATCHER = Path(__file__).with_suffix(".js").read_text()
_UNKNOWN_HEIGHT = 600  # px; once a section was drawn the browser keeps its place as high as it was


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes
    ----------
    question, anchor : str
        Its heading, and what an address calls it.
    choices : tuple of str
        Keys of its widgets that are in the address.
    show : function
        Draws it; what it returns is for the other sections.
    """

    question: str
    anchor: str
    choices: tuple[str, ...]
    show: Callable[[], object]


def section(of: ModuleType, *given) -> Section:
    """Return the section of a module of this package, which shows what is given."""
    return Section(of.QUESTION, of.ANCHOR, of.CHOICES, partial(of.show, *given))


@dataclass
class _Drawing:
    """One drawing of the whole page, and of its sections after that."""

    at_once: bool
    seen: list[int]
    told: Callable[[dict[str, object], set[str]], None]
    whole_page: bool = True  # as opposed to one section of it
    shown: dict[str, object] = field(default_factory=dict)


@st.fragment
def watch() -> None:
    """Watch what the visitor looks at; what is told runs nothing but this, or the sections that it asks for."""
    for key, values in st.session_state.get(_LEFT_OUT, {}).items():
        if key not in st.query_params:
            st.query_params[key] = values
    watcher = st.components.v2.component("deepracer_viz.looking", js=_WATCHER)
    watcher(key=_KEY, default={"looking": None}, on_looking_change=_draw_asked)


def choose_all() -> bool:
    """Ask whether to draw all sections, wherever the visitor is."""
    return st.toggle(
        "All sections at once",
        key="whole",
        bind="query-params",
        help="To print the page, or to search it. Otherwise a section is drawn when you come to it, which is faster.",
    )


def _told() -> dict:
    return (st.session_state.get(_KEY) or {}).get("looking") or {}


def _choices() -> dict[str, object]:
    """What is chosen in the sidebar and in the sections, apart from what a section alone takes notice of."""
    keys = {*st.session_state.get(_KNOWN, ()), *st.query_params} - {"step"}
    return {key: st.session_state.get(key) for key in keys}


def _draw_asked() -> None:
    """Draw the sections that the visitor comes to, and nothing else."""
    if st.session_state.get(_DRAWN_FOR) != _choices():
        # A busy browser sends the move of a choice along with this, and Streamlit would run one of the two alone.
        st.rerun()
    asked = set(_told().get("ask", [])) & st.session_state.get(_ASKED, {}).keys()
    if asked:
        for number in asked:
            st.session_state[_ASKED][number] = True
        st.rerun([_fragment_of(number) for number in sorted(asked)])


def _fragment_of(number: int) -> str:
    return f"section {number}"


def order(count: int) -> tuple[list[int], list[int]]:
    """Return the numbers of the sections that the window shows, and of the others, as they stand on the page.

    Parameters
    ----------
    count : int
        How many there are.

    Returns
    -------
    seen, others : list of int
        The first section is seen by whoever has just come.
    """
    seen = {number for number in _told().get("seen", []) if number in range(count)} or {0}
    return sorted(seen), [number for number in range(count) if number not in seen]


def draw(
    sections: dict[str, Section], at_once: bool, told: Callable[[dict[str, object], set[str]], None]
) -> None:
    """Draw the sections that the window shows, and leave the place of the others to be drawn later.

    Parameters
    ----------
    sections : dict of str to Section
        By name, in the order of the page.
    at_once : bool
        Draw all of them.
    told : function
        Called after one or more sections were drawn with what each section returned when it was last drawn, by name,
        and with the names of those just drawn.
    """
    seen, others = order(len(sections))
    # Each in its own container: what one section leaves out must not move the widgets of the next, for a widget
    # that moves loses its place in the address.
    places = [st.container(key=f"{_PLACE}{number}") for number in range(len(sections))]
    drawing = _Drawing(at_once, seen, told)
    st.session_state[_ASKED] = dict.fromkeys(range(len(sections)), False)
    st.session_state.setdefault(_LEFT_OUT, {})
    names = list(sections)
    for number in (*seen, *others):
        with places[number]:
            draw_section = st.fragment(_draw_section, key=_fragment_of(number))
            draw_section(drawing, number, names[number], sections[names[number]])
    told(drawing.shown, set(drawing.shown))
    st.session_state[_DRAWN_FOR] = _choices()
    drawing.whole_page = False


def _draw_section(drawing: _Drawing, number: int, name: str, section: Section) -> None:
    if drawing.whole_page:
        # What an address asks of a section may matter to others, so they need its widgets.
        known = st.session_state.setdefault(_KNOWN, set())
        is_asked = any(key in st.query_params and key not in known for key in section.choices)
        known.update(section.choices)
        if not (drawing.at_once or number in drawing.seen or is_asked):
            _wait(number, section)
            return
    elif st.session_state[_ASKED].get(number):
        st.session_state[_ASKED][number] = False
    else:
        # A choice of this section was moved, and other sections may depend on it.
        st.rerun()
    for key in section.choices:
        st.session_state[_LEFT_OUT].pop(key, None)
    drawing.shown[name] = section.show()
    if not drawing.whole_page:
        drawing.told(drawing.shown, {name})
        st.session_state[_DRAWN_FOR] = _choices()


def _wait(number: int, section: Section) -> None:
    """Leave room for a section; its choices stay what they are."""
    st.header(section.question, anchor=section.anchor, divider="gray")
    _leave_out(section.choices)
    with st.container(key=f"{_WAITING}{number}"):
        st.skeleton(height=_UNKNOWN_HEIGHT)


def _leave_out(choices: tuple[str, ...]) -> None:
    """Note what the address holds of choices whose widgets are not drawn.

    Streamlit remembers such a choice, but takes it out of the address when this drawing has ended. It cannot be put
    back before that, so :func:`watch` does.
    """
    left_out = st.session_state[_LEFT_OUT]
    for key in choices:
        in_address = st.query_params.get_all(key)
        if in_address and key in st.session_state:
            left_out[key] = in_address
        elif left_out.pop(key, None) and in_address:
            # It was let go of meanwhile, because it means nothing for another model.
            del st.query_params[key]
