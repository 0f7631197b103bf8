"""Widgets that several parts of the page share."""

import streamlit as st


def switch(label: str, options: list[str], key: str, **more) -> str:
    """Let the visitor choose one of a few options; the first holds until then, the choice is in the address."""
    return st.segmented_control(
        label, options, default=options[0], required=True, key=key, bind="query-params", **more
    )
