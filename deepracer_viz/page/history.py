"""A model and the jobs that it was cloned from, shown as one history."""

import streamlit as st

from deepracer_viz import LogError, TrainingRun, can_follow, chain_runs
from deepracer_viz.page.models import Model, try_model
from deepracer_viz.page.text import plain


def join(name: str, models: dict[str, Model], run: TrainingRun) -> TrainingRun:
    """Ask which jobs came before a model, and put them in front of it.

    Parameters
    ----------
    name : str
        The model that is shown.
    models : dict of str to Model
        All models at hand.
    run : TrainingRun
        What was read of the model.

    Returns
    -------
    TrainingRun
        The whole history; the run itself where nothing was chosen. A job that cannot be joined is named.
    """
    others = [other for other in models if other != name]
    if run.episodes.empty or not others:
        return run
    if not set(st.session_state.get("earlier", [])) <= set(others):
        st.session_state["earlier"] = []
    chosen = st.multiselect(
        "Continues from",
        others,
        key="earlier",
        bind="query-params",
        placeholder="earlier jobs",
        help="The jobs that this model was cloned from: they are shown in front of it, as one history with "
        "iterations and checkpoints numbered on.",
    )
    earlier, stamps = [], []
    for other in chosen:
        found, error = try_model(other, models[other])
        fits = None if found is None else can_follow(found, run)
        if fits is not None and fits.possible:
            earlier.append(found)
            stamps.append(models[other].stamp)
        else:
            why = error if fits is None else fits.why
            st.warning(plain(f"{other} is left out. {why}"), icon=":material/warning:")
    if not earlier:
        return run
    try:
        # What was read of a folder that grows may be older than the folder.
        return _joined([*earlier, run], (*stamps, models[name].stamp, len(run.steps)))
    except LogError as error:
        st.warning(plain(error), icon=":material/warning:")
        return run


@st.cache_resource(max_entries=2, scope="session", show_spinner=False)
def _joined(_runs: list[TrainingRun], stamps: tuple) -> TrainingRun:
    """Known by the files of the jobs, as the runs are long."""
    return chain_runs(_runs)
