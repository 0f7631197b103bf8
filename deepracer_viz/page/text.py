"""Words on the page that come from files or figures."""

import re

import pandas as pd


def plain(text: object) -> str:
    """Return text that the page shows as it stands: nothing in it acts as Markdown.

    Parameters
    ----------
    text : object
        Anything; names and messages from files above all.

    Returns
    -------
    str
    """
    escaped = re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", str(text))
    # Streamlit looks for :names: after Markdown is resolved; the space of no width keeps it from finding one.
    return escaped.replace("\\:", "\\:\u200b")


def seconds(value: float | None) -> str:
    """Return a time (s) for a metric, or a dash where there is none."""
    return "–" if value is None or pd.isna(value) else f"{value:.2f} s"


def duration(hours: float | None) -> str:
    """Return a training time for a metric: minutes below an hour, a dash where it is not known."""
    if hours is None:
        return "–"
    return f"{hours * 60:.0f} min" if hours < 1 else f"{hours:.1f} h"
