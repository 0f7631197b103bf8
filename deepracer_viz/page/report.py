"""The section that accounts for what was read, mended and left out."""

import pandas as pd
import streamlit as st

from deepracer_viz.analysis.words import counted
from deepracer_viz.logs.report import ReadReport
from deepracer_viz.page.text import plain


def show(report: ReadReport, steps: int) -> None:
    """Show the account of the reading, of which ``steps`` steps are left."""
    st.header("What was read", anchor="read", divider="gray")
    mended = {
        "step rows put back in order": report.reordered,
        "exact duplicates dropped": report.duplicates,
        "rows of the simulator's dummy start dropped": report.dummy_rows,
        "steps on which log and CSV differ": report.differing,
        "lines that could not be read": report.skipped.total,
    }
    told = "; ".join(f"{number:,} {what}" for what, number in mended.items() if number)
    twice = (
        f" from {counted(report.steps, 'row')}, since log and CSV files tell the same"
        if report.steps > steps
        else ""
    )
    read = (
        f"{counted(steps, 'step')}{twice}; {counted(len(report.files), 'file')}. {told}{'.' if told else ''}"
    )
    st.markdown(plain(read))
    with st.expander("Files, and what was left out"):
        st.dataframe(
            pd.DataFrame(
                [(f.name, f.kind, f.steps, f.skipped.total, f.note) for f in report.files],
                columns=["File", "Recognised as", "Steps", "Lines skipped", "Note"],
            ),
            hide_index=True,
            alt="Files of this model and what they were recognised as",
        )
        if report.skipped.total:
            st.dataframe(
                pd.DataFrame(list(report.skipped), columns=["Reason", "Lines", "First example"]),
                hide_index=True,
                alt="Lines that could not be read, by reason",
            )
