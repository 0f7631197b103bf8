import re

import pytest

from deepracer_viz.page.text import duration, plain, seconds


def as_shown(markdown: str) -> str:
    """What a Markdown reader makes of a text in which every special character is escaped."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown).replace("\u200b", "")


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=alert(1)>",
        "**bold** _it_ `code` [a](b) # head",
        ":material/home: :red[x] $x^2$",
        "C:\\logs\\run 1.log",
        "Grüße 東京",
        "",
    ],
)
def test_text_is_shown_as_typed(text):
    assert as_shown(plain(text)) == text


def test_no_special_character_is_left_bare():
    bare = re.findall(r"(?<!\\)(?:\\\\)*[*_`<\[$#:]", plain("a*b_c`d<e[f$g#h:i"))
    assert bare == []


def test_seconds():
    assert seconds(12.345) == "12.35 s"
    assert seconds(None) == "–"
    assert seconds(float("nan")) == "–"


def test_durations():
    assert duration(None) == "–"
    assert duration(0.4) == "24 min"
    assert duration(1.25) == "1.2 h"
