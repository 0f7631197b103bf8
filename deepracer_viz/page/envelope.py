"""The section on the question what lap time a model can do."""

from functools import partial

import pandas as pd
import streamlit as st

from deepracer_viz.analysis.checkpoints import describe_drives
from deepracer_viz.analysis.envelope import performance_envelope
from deepracer_viz.analysis.trend import completion_trend
from deepracer_viz.charts.envelope import performance_envelope_sheet
from deepracer_viz.page import lap
from deepracer_viz.page.glossary import about
from deepracer_viz.page.stage import draw, screen, verdict
from deepracer_viz.page.text import plain
from deepracer_viz.page.tour import explain

QUESTION, ANCHOR = "What lap time can this model do?", "envelope"
CHOICES = ()
"""Keys of its widgets that are in the address."""

TIME_SOURCES = {
    "official": "official (metrics JSON)",
    "estimated": "estimated from the steps, within 0.03 s",
    "wall clock": "on the wall clock of 2019-20, up to 1 % off",
}


def _pick(laps: pd.DataFrame) -> None:
    """Turn the section on one drive to the fastest lap of the bar that was clicked."""
    bars = st.session_state["envelope_chart"].selection.get("bar") or []
    inside = laps[laps["time"].between(bars[0]["low"], bars[0]["to"])] if bars else laps.iloc[:0]
    if len(inside):
        lap.pick(int(inside.loc[inside["time"].idxmin(), "unique_episode"]))


def show(episodes: pd.DataFrame, evaluations: pd.DataFrame, target: float | None) -> None:
    """Show the section.

    Parameters
    ----------
    episodes : pandas.DataFrame
        The chosen drives.
    evaluations : pandas.DataFrame
        The evaluation drives of the checkpoints during training.
    target : float or None
        Lap time to beat (s).
    """
    with screen():
        st.header(
            QUESTION,
            anchor=ANCHOR,
            divider="gray",
            help=about("lap", "median", "SD", "interval", "exploration", "clone", "entropy", "learning rate"),
        )
        explain("envelope")
        of_training = "stream" not in episodes
        laps = episodes[episodes["complete"]]
        envelope = performance_envelope(
            laps["time"], target, completion_trend(episodes) if of_training else None
        )
        verdict(plain(envelope.verdict))
        if envelope.n:
            draw(
                performance_envelope_sheet(envelope),
                "envelope_chart",
                envelope.verdict,
                on_select=partial(_pick, laps),
            )
    if envelope.n:
        sources = laps["time_source"].astype(str).value_counts()
        told = "; ".join(f"{count:,} {TIME_SOURCES[source]}" for source, count in sources.items())
        dropped = f" {envelope.dropped:,} without a usable time left out." if envelope.dropped else ""
        drives = "training drives, which explore" if of_training else "drives of separate evaluations"
        st.caption(f"Laps of {drives}. Lap times: {told}.{dropped}")
    if of_training and len(evaluations):
        st.caption(
            plain(
                "Evaluations of its checkpoints during the training, without exploration: "
                + describe_drives(evaluations)
            )
        )
    with st.expander("How to read this"):
        st.markdown(
            "Each bar counts the **completed laps** of that lap time. The dashed curve is the normal curve with "
            "the same mean and standard deviation (SD). If it fits, about one lap in 6 is faster than **-1 SD**, "
            "one in 44 faster than **-2 SD** and one in 741 faster than **-3 SD**: your best cases. The bands are "
            "95 % intervals: with few laps they are wide. Laps far to the left of the mean say that the model "
            "*can* be fast; a narrow hill says that it has shown what it can do.\n\n"
            + plain(envelope.empirical_note)
        )
