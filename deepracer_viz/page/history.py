"""A model and the jobs that it was cloned from, shown as one history."""

import streamlit as st

from deepracer_viz import LogError, TrainingRun, can_follow, chain_runs
from deepracer_viz.analysis.words import counted
from deepracer_viz.chain import begins_afresh
from deepracer_viz.page.models import Model, shelf_of, try_model
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
    asked = st.session_state.get("earlier", st.query_params.get_all("earlier"))
    unread = [] if begins_afresh(run) else [other for other in others if _read_already(models[other]) is None]
    if unread and st.button(f"Look for its origin in {counted(len(unread), 'model')}"):
        for other in unread:
            try_model(other, models[other])
    offered = _offered(others, models, run)
    options = [*offered, *(other for other in others if other in asked and other not in offered)]
    if not options:
        st.caption(
            "Continues no other model: its trainer log names none."
            if begins_afresh(run)
            else "None of the models read so far can be what it continues."
        )
        return run
    if not set(asked) <= set(options):
        st.session_state["earlier"] = []
    chosen = st.multiselect(
        "Continues from",
        options,
        key="earlier",
        bind="query-params",
        placeholder="earlier jobs",
        help="The jobs that this model was cloned from: they are shown in front of it, as one history with "
        "iterations and checkpoints numbered on. Only those that it can continue are offered, the ones that its "
        "log names first.",
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


def _read_already(model: Model) -> TrainingRun | None:
    return shelf_of(model).known(model.stamp)


def _offered(others: list[str], models: dict[str, Model], run: TrainingRun) -> list[str]:
    """Which of the models that were read it can continue on the same track; those that its log names come first."""
    if begins_afresh(run):
        return []
    read = {other: _read_already(models[other]) for other in others}
    fits = {other: can_follow(first, run) for other, first in read.items() if first is not None}
    offered = [other for other, fit in fits.items() if fit.possible and (fit.named or fit.same_track)]
    return sorted(offered, key=lambda other: not fits[other].named)


@st.cache_resource(max_entries=2, scope="session", show_spinner=False)
def _joined(_runs: list[TrainingRun], stamps: tuple) -> TrainingRun:
    """Known by the files of the jobs, as the runs are long."""
    return chain_runs(_runs)
