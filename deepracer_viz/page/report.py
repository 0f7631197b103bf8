"""The section that accounts for what was read, mended and left out."""

import pandas as pd
import streamlit as st

from deepracer_viz.export.report import reading
from deepracer_viz.logs.report import ReadReport
from deepracer_viz.page.text import plain


def show(report: ReadReport, steps: int) -> None:
    """Show the account of the reading, of which ``steps`` steps are left."""
    st.header("What was read", anchor="read", divider="gray")
    st.markdown(plain(reading(report, steps)))
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
