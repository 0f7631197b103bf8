"""The section that the visitor looks at is drawn first."""

import pytest

from deepracer_viz.page import looking


@pytest.mark.parametrize(
    ("told", "order"),
    [
        (None, [0, 1, 2, 3]),
        ({"section": None}, [0, 1, 2, 3]),
        ({"section": "0"}, [0, 1, 2, 3]),
        ({"section": "2"}, [2, 0, 1, 3]),
        # Of a view with more sections.
        ({"section": "7"}, [0, 1, 2, 3]),
    ],
)
def test_the_section_looked_at_comes_first_and_the_others_stay_in_order(monkeypatch, told, order):
    monkeypatch.setattr(looking.st, "session_state", {"looked_at": told} if told else {})
    assert looking.first(4) == order
