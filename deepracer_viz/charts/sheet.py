"""A chart in two halves: a drawing made once with Altair, and what one answer puts into it.

Altair takes 50 to 300 ms to put a layered chart together and to check it, most of the time that a page takes to follow
a slider. What it makes is the same each time but for tables, a few numbers and words. So a drawing is made once, on
named tables and with slots for the rest, and a :class:`Sheet` fills it in about a millisecond.
"""

import json
import re
from dataclasses import dataclass, field

import altair as alt
import pandas as pd

_SLOT = re.compile(r'\{"expr": "⟪(\w+)⟫"\}|⟪(\w+)⟫')


def slot(name: str) -> alt.ExprRef:
    """Stand for a value that comes with the answer: a number, words, or a list of either.

    Fits wherever Vega-Lite takes an expression: ends of a domain, title, ticks, `value` and `datum` of a channel.

    Parameters
    ----------
    name : str
        Key of the value in the sheet's `values`.

    Returns
    -------
    altair.ExprRef
    """
    return alt.ExprRef(expr=f"⟪{name}⟫")


def inside(name: str) -> str:
    """Stand for such a value within the text of an expression.

    Parameters
    ----------
    name : str
        Key of the value in the sheet's `values`.

    Returns
    -------
    str
    """
    return f"⟪{name}⟫"


def table(name: str) -> alt.Chart:
    """Begin a chart on a table that comes with the answer.

    Its columns are not known while the drawing is made: every encoding names its type (``"time:Q"``).

    Parameters
    ----------
    name : str
        Key of the table in the sheet's `tables`.

    Returns
    -------
    altair.Chart
    """
    return alt.Chart(alt.NamedData(name=name))


@dataclass(frozen=True)
class Drawing:
    """A chart without its tables and values.

    Attributes
    ----------
    text : str
        Vega-Lite (JSON) with slots, the theme included.
    """

    text: str


def drawing(chart: alt.TopLevelMixin) -> Drawing:
    """Keep a chart made with :func:`table` and :func:`slot`, to be filled again and again.

    Parameters
    ----------
    chart : altair chart

    Returns
    -------
    Drawing
        Not held against Vega-Lite's schema, which takes half a second of the first page; :meth:`Sheet.chart` does that.
    """
    return Drawing(json.dumps(chart.to_dict(validate=False), ensure_ascii=False))


@dataclass(frozen=True, eq=False)
class Sheet:
    """A drawing with the tables and values of one answer.

    Attributes
    ----------
    drawing : Drawing
    tables : dict of str to pandas.DataFrame
        Rows of each named table.
    values : dict
        What stands in each slot.
    """

    drawing: Drawing
    tables: dict[str, pd.DataFrame]
    values: dict[str, object] = field(default_factory=dict)

    def vega_lite(self) -> dict:
        """Return the specification as Streamlit takes it, with a data frame for each named table.

        Raises
        ------
        KeyError
            When a slot has no value.
        """
        return {**self._filled(), "datasets": self.tables}

    def to_dict(self) -> dict:
        """Return the specification with its rows inside: all that a file needs to be drawn elsewhere.

        Raises
        ------
        KeyError
            When a slot has no value.
        """
        rows = {name: alt.to_values(frame)["values"] for name, frame in self.tables.items()}
        return {**self._filled(), "datasets": rows}

    def chart(self) -> alt.TopLevelMixin:
        """Return the same as an Altair chart, for notebooks.

        Raises
        ------
        KeyError
            When a slot has no value.
        jsonschema.ValidationError
            Where the drawing is no valid Vega-Lite.
        """
        spec = self.to_dict()
        # Altair would hold each row against the schema several times over, and any row is a valid one.
        rows = spec.pop("datasets")
        # The theme comes in again when the chart is shown.
        spec.pop("config", None)
        chart = alt.Chart.from_dict(spec)
        chart.datasets = rows
        return chart

    def _filled(self) -> dict:
        def fill(found: re.Match) -> str:
            alone, within = found.groups()
            if alone:
                return json.dumps(self.values[alone], default=_as_python)
            # The value stands in a text that is itself written as JSON.
            return json.dumps(json.dumps(self.values[within], default=_as_python))[1:-1]

        return json.loads(_SLOT.sub(fill, self.drawing.text))


def _as_python(value: object) -> object:
    """Numbers of numpy, which JSON does not know."""
    return value.item()
