"""The page: one model's training on one screen, a section for each question a racer asks.

Start it with ``streamlit run streamlit_app.py``; add ``-- --logs FOLDER`` (or set ``DEEPRACER_LOGS``) to list
the models of a folder before the sample models.
"""

import os
from pathlib import Path

# Before numpy is there: its matrices are small here, and for each of them the threads of OpenBLAS would spin on every
# core, which takes as much of a processor as all the rest of a page and takes it from the other visitors.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import streamlit as st

from deepracer_viz import LogError
from deepracer_viz.analysis.words import counted
from deepracer_viz.page import (
    checkpoints,
    comparing,
    convergence,
    driving,
    envelope,
    follow,
    history,
    lap,
    league,
    looking,
    report,
    rewards,
    stage,
    takeaway,
    tour,
)
from deepracer_viz.page.glossary import about as explained
from deepracer_viz.page.models import logs_folder, models_dropped, models_in, on_route, placed_of, read_model
from deepracer_viz.page.text import duration, plain, seconds
from deepracer_viz.page.widgets import switch

SAMPLES = Path(__file__).parent / "sample_logs"

ONE_MODEL, LEAGUE = "One model", "League"

# Drawn here because Streamlit fetches its own icons from the network, and the page needs none.
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" fill="#009E73"/>'
    '<path d="M3 11a5 5 0 0 1 10 0" fill="none" stroke="#fff" stroke-width="2"/>'
    '<path d="M8 11l3-4" stroke="#fff" stroke-width="2"/></svg>'
)

asked_view = st.session_state.get("view", st.query_params.get("view"))
st.set_page_config(
    "deepracer_viz",
    page_icon=ICON,
    layout="wide",
    initial_sidebar_state="collapsed" if asked_view == stage.PRESENTATION else "auto",
)
# The page of one model shows all of its widgets: to set their choices anew could undo the next move of a slider.
if not {asked_view, st.session_state.get("last_view")} <= {None, ONE_MODEL}:
    stage.keep_choices()
st.session_state["last_view"] = asked_view


def forget_choices() -> None:
    """Let go of choices that mean nothing for another model."""
    for key in (
        "iterations",
        "drives",
        "evaluations",
        "lines",
        "actions",
        "speed_band",
        "steering_band",
        "earlier",
    ):
        st.session_state.pop(key, None)
    lap.forget_pick()
    comparing.forget()
    checkpoints.forget_pick()


def show_dropped() -> None:
    """Turn to the first of the models that were just dropped."""
    before = st.session_state.get("dropped", [])
    dropped = list(models_dropped(st.session_state["files"]))
    st.session_state["dropped"] = dropped
    new = [name for name in dropped if name not in before]
    if new:
        st.session_state["model"] = new[0]
        forget_choices()


def race_target() -> float | None:
    """Ask for the lap time to beat (s)."""
    return st.number_input(
        "Race target (s)",
        min_value=0.1,
        value=None,
        step=0.1,
        key="target",
        bind="query-params",
        placeholder="lap time to beat",
        help="The lap time to beat, such as the leader's.",
    )


def open_model(name: str) -> None:
    """Turn from the league to one of its models."""
    st.session_state["model"], st.session_state["view"] = name, ONE_MODEL
    forget_choices()


# ---------------------------------------------------------------------------------------------- sidebar

with st.sidebar:
    # Side by side they are wider than the sidebar.
    view = st.radio(
        "View",
        [ONE_MODEL, LEAGUE, stage.PRESENTATION],
        key="view",
        bind="query-params",
        help="One model in full, all models in one table, or one question on each screen for a room.",
    )
    # In the same place in all views, for what it tells may come when another one is drawn already.
    looking.watch()
    slot_for_model = st.container()
    slot_for_tour = st.container()
    files = st.file_uploader(
        "Drop your logs here",
        accept_multiple_files=True,
        key="files",
        on_change=show_dropped,
        help="A whole archive (.tar.gz, .zip), or the loose files of one training together: simulation log, "
        "trainer log, metrics JSON, sim-trace CSV files. They stay in your session.",
    )
    folder = logs_folder()
    with slot_for_tour:
        tour.choose(first_visit=not folder)
    models = models_dropped(files)
    models |= models_in(Path(folder)) if folder else {}
    models |= models_in(SAMPLES, samples=True)
    if folder and not Path(folder).is_dir():
        st.warning(f"There is no folder {plain(folder)}; check --logs or DEEPRACER_LOGS.")
    if not models:
        st.error("No model to show: the sample models are missing. Drop your logs here.")
        st.stop()
    asked = st.query_params.get("model")
    if asked not in (None, *models):
        slot_for_model.warning(
            f"{plain(asked)} is not here. Dropped logs stay with the visitor who dropped them: drop them again."
        )
    model_name = slot_for_model.selectbox(
        "Model", list(models), key="model", bind="query-params", on_change=forget_choices
    )

if view == LEAGUE:
    with st.sidebar:
        target = race_target()
    league.show(models, target, open_model)
    files = models = None
    st.stop()

with st.sidebar:
    every = follow.choose(models[model_name])
if every:
    run, show_note = follow.read(model_name, models[model_name], every)
else:
    run = read_model(model_name, models[model_name])
with st.sidebar:
    run = history.join(model_name, models, run)
    has_training, has_evaluations = len(run.episodes) > 0, len(run.evaluation_episodes) > 0
    evaluations = not has_training
    if has_training and has_evaluations:
        drives_of = switch(
            "Drives",
            ["Training", "Evaluations"],
            key="drives",
            on_change=checkpoints.forget_pick,
            help="Training drives explore; evaluations and races do not, and go on after a mistake.",
        )
        evaluations = drives_of == "Evaluations"
    iterations = streams = None
    if has_training and not evaluations:
        first, last = int(run.episodes["iteration"].min()), int(run.episodes["iteration"].max())
        if first < last:
            iterations = st.slider(
                "Iterations",
                first,
                last,
                follow.range_of("iterations", first, last),
                key="iterations",
                bind="query-params",
                on_change=checkpoints.forget_pick,
                help="Rounds of policy training, counted from 0. Iteration N is driven by checkpoint "
                f"{run.metadata.first_checkpoint or 0} + N.",
            )
        else:
            st.caption(f"All drives are of iteration {first}.")
    compared = comparing.choose(model_name, models, run, iterations)
    names_of_streams = list(run.evaluation_episodes["stream"].unique()) if evaluations else []
    if len(names_of_streams) > 1:
        if not set(st.session_state.get("evaluations", [])) <= set(names_of_streams):
            st.session_state["evaluations"] = names_of_streams
        streams = st.multiselect(
            "Evaluations", names_of_streams, names_of_streams, key="evaluations", bind="query-params"
        )
    starts = switch(
        "Starts",
        ["All", "From the start line"],
        key="starts",
        on_change=checkpoints.forget_pick,
        help="Training lets the car start all round the track; a race starts at the line.",
    )
    route_file = st.file_uploader(
        "Track file",
        type="npy",
        key="route",
        help="The route (.npy) of your track draws true borders and corners. Without it the track is rebuilt "
        "from the steps.",
    )
    target = race_target()
    if route_file is not None:
        try:
            run = on_route(run, models[model_name], route_file)
        except LogError as error:
            st.error(plain(error), icon=":material/error:")
    at_once = view == ONE_MODEL and not compared and looking.choose_all()

from_line = starts == "From the start line"
chosen = {
    "evaluations": evaluations,
    "iterations": iterations,
    "from_start_line": from_line,
    "streams": streams,
}
drives = run.drives(**chosen)
placed = placed_of(run, evaluations)
placed = placed and placed.of(drives.episodes)
episodes, laps = drives.episodes, drives.laps


# ------------------------------------------------------------------------------------------------- head

about, track = run.metadata, drives.track
name_of_track = about.world or (track.name if track and not track.approximate else None)
facts = {
    "Track": ", ".join(filter(None, (name_of_track, track and f"{track.length:.1f} m"))),
    "Race": about.race_type and about.race_type.replace("_", " ").lower(),
    "Actions": about.action_space and about.action_space.describe(),
    "Algorithm": about.algorithm,
    "Sensors": about.sensors and ", ".join(about.sensors).replace("_", " ").lower(),
    "Workers": about.workers if (about.workers or 1) > 1 else None,
    "Clone of": about.cloned_from,
}


def show_model() -> None:
    """Show who this model is, and its main figures."""
    st.title(plain(model_name), anchor=False)
    tour.explain("model")
    st.markdown(" · ".join(f"{label}: **{plain(value)}**" for label, value in facts.items() if value))
    if every:
        show_note()
    if models[model_name].is_sample:
        st.caption(
            "A sample model. Drop the logs of your own DeepRacer training in the sidebar to see them here."
        )
    for warning in run.report.warnings:
        st.warning(plain(warning), icon=":material/warning:")
    if run.missing:
        st.caption("  \n".join(plain(sentence) for sentence in run.missing))
    if not has_training and has_evaluations:
        st.info("These files hold evaluations or races alone; the page shows those.")
    if from_line:
        unknown = int(run.drives(evaluations, iterations, streams=streams).episodes["start_at"].isna().sum())
        if unknown:
            st.info(
                f"{counted(unknown, 'drive')} left out: known from the metrics alone, so nobody knows their start."
            )
    if compared and len(episodes):
        return
    if episodes.empty:
        st.info(
            "None of the drives is left by the choices in the sidebar."
            if has_training or has_evaluations
            else "There are no drives in these files, so there is nothing to show of laps and driving."
        )
        return
    with st.container(horizontal=True):
        st.metric(
            "Fastest lap", seconds(laps["time"].min()), help=explained("lap"), border=True, height="stretch"
        )
        st.metric(
            "Mean lap",
            seconds(laps["time"].mean()),
            help=explained("lap", "SD"),
            border=True,
            height="stretch",
        )
        st.metric(
            "Completed laps",
            f"{len(laps):,} of {len(episodes):,}",
            f"{len(laps) / len(episodes):.0%} of drives",
            delta_color="off",
            delta_arrow="off",
            help=explained("episode", "lap"),
            border=True,
            height="stretch",
        )
        if evaluations:
            st.metric(
                "Evaluations",
                episodes["stream"].nunique(),
                help=explained("evaluation"),
                border=True,
                height="stretch",
            )
            st.metric("Off-tracks", int(episodes["off_track"].sum()), border=True, height="stretch")
        else:
            st.metric(
                "Iterations",
                episodes["iteration"].nunique(),
                help=explained("iteration"),
                border=True,
                height="stretch",
            )
            st.metric("Training time", duration(drives.hours), border=True, height="stretch")


# -------------------------------------------------------------------------------------------- sections


def refer(shown: dict[str, object], drawn: set[str]) -> None:
    """Let the two sections that name a place to work on refer to each other, where they were just drawn."""
    driving.refer(shown.get("Driving"), shown.get("Turns"), "Driving" in drawn, "Turns" in drawn)


slot_for_first = st.container()
if view != stage.PRESENTATION:
    with slot_for_first:
        show_model()
screens, sections, take_comparison = {}, {}, None
if compared and len(episodes):
    screens, take_comparison = comparing.screens(
        compared, model_name, models, run, drives, iterations, from_line, target
    )
elif len(episodes):
    rated, best, last = run.checkpoint_evaluations, about.best_checkpoint, about.last_checkpoint
    sections = {
        "Lap times": looking.section(envelope, episodes, rated, target),
        "Checkpoints": looking.section(checkpoints, episodes, rated, target, best, last),
        "Training": looking.section(convergence, drives, run, iterations),
        "Driving": looking.section(driving, drives, placed),
        "Turns": looking.section(rewards, drives, placed, about.action_space),
        "One drive": looking.section(lap, model_name, drives),
    }
    screens = {name: section.show for name, section in sections.items()}
if view == stage.PRESENTATION:
    if not screens or not compared:
        screens = {"Model": show_model} | screens
    # Above what a comparison says of itself.
    with slot_for_first:
        screens[stage.step_through(list(screens))]()
else:
    if sections:
        looking.draw(sections, at_once, refer)
    else:
        for show in screens.values():
            with st.container():
                show()
    with st.container():
        if take_comparison:
            take_comparison()
        else:
            takeaway.show(
                run,
                models[model_name],
                model_name,
                chosen,
                checkpoints.chosen_race(target),
                st.session_state.get("window", convergence.WINDOW),
                placed,
            )
    report.show(run.report, len(run.steps) + len(run.evaluation_steps))

# Streamlit holds the names of the page that was drawn last, and with them what a visitor brought, when they have left.
files = models = run = drives = placed = episodes = laps = track = about = compared = rated = None
screens, sections, take_comparison = {}, {}, None
