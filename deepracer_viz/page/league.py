"""The view of all models at hand: one table, filled while the models are read."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import pandas as pd
import streamlit as st

from deepracer_viz.analysis.league import LeagueEntry, league_entry, league_table, league_verdict
from deepracer_viz.analysis.races import RaceFormat
from deepracer_viz.analysis.words import counted, percent
from deepracer_viz.page.checkpoints import choose_race
from deepracer_viz.page.glossary import about
from deepracer_viz.page.models import Model, Shelf, Slot, shelf_of
from deepracer_viz.page.takeaway import offer_table
from deepracer_viz.page.text import plain
from deepracer_viz.page.tour import explain

ALL_TRACKS = "All tracks"

ENTRIES_KEPT = 1000
"""Models whose figures stay in memory; the models themselves go earlier."""

_LOOK_AGAIN = 1.0  # s between two looks at a table that is being filled


class Readings:
    """Figures of models by the stamp of their files, worked out by one thread, one model after the other."""

    def __init__(self):
        self._entries: OrderedDict[tuple, LeagueEntry | str] = OrderedDict()
        self._waiting: OrderedDict[tuple, tuple[str, Model, Shelf]] = OrderedDict()
        self._lock = threading.Lock()
        self._busy = False

    def ask(self, models: dict[str, Model]) -> dict[str, LeagueEntry | str]:
        """Return what is known of these models, a sentence where one could not be read; have the rest read."""
        stamps = {name: model.stamp for name, model in models.items()}
        with self._lock:
            known = {name: self._entries[stamp] for name, stamp in stamps.items() if stamp in self._entries}
            for name in models.keys() - known.keys():
                self._waiting.setdefault(stamps[name], (name, models[name], shelf_of(models[name])))
            if self._waiting and not self._busy:
                self._busy = True
                threading.Thread(target=self._read, name="league", daemon=True).start()
        return known

    def _read(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._busy = False
                    return
                stamp, (name, model, shelf) = next(iter(self._waiting.items()))
            entry = _entry(name, model, shelf.slot(stamp))
            with self._lock:
                self._entries[stamp] = entry
                del self._waiting[stamp]
                while len(self._entries) > ENTRIES_KEPT:
                    self._entries.popitem(last=False)


def _entry(name: str, model: Model, slot: Slot) -> LeagueEntry | str:
    slot.fill(name, model)
    run = slot.run
    if run is None:
        return slot.error
    drives = run.drives(evaluations=run.episodes.empty)
    if drives.episodes.empty:
        return "There are no drives in its files."
    try:
        return league_entry(
            name,
            drives.episodes,
            drives.steps,
            drives.track,
            run.checkpoint_evaluations,
            run.policy_updates,
            run.metadata.world,
        )
    except Exception:
        # The other models wait behind this one.
        logging.exception("summing up failed")
        return "It could not be summed up because of a fault in this program; please report it."


@st.cache_resource(max_entries=1, show_spinner=False)
def _shared_readings() -> Readings:
    return Readings()


@st.cache_resource(max_entries=1, scope="session", show_spinner=False)
def _own_readings() -> Readings:
    return Readings()


def show(models: dict[str, Model], target: float | None, on_choice: Callable[[str], None]) -> None:
    """Show the table, and go on filling it until every model was read.

    Parameters
    ----------
    models : dict of str to Model
        The models at hand by name.
    target : float or None
        Lap time to beat (s).
    on_choice : function
        Called with the name of the model whose row was chosen.
    """
    st.header(
        "How do the models compare?",
        anchor="league",
        divider="gray",
        help=about("run", "lap", "completion", "checkpoint", "interval"),
    )
    explain("league")
    race = choose_race(target)
    unread = len(_known(models)) < len(models)
    # A fragment, so that the page can be used while models are read.
    st.fragment(_show_table, run_every=_LOOK_AGAIN if unread else None)(models, race, on_choice)
    with st.expander("How to read this"):
        st.markdown(_HOW_TO_READ)


_HOW_TO_READ = """
One row for each model, of all its training drives; of a model that brings evaluations or races alone, of those. Click
a heading to sort by it, choose a row to open that model.

**Completion** is the share of drives that finished the lap, with its 95 % interval: training drives try things out, so
it is lower than in a race. **1 in 44** is the lap time that one completed lap in 44 beats (-2 SD where the times follow
the normal curve, else the percentile seen). **Converged** is the iteration from which mean progress rose no more.

**Checkpoint** is the one with the best chance in the race that is set above; **finishes** its chance to finish a lap
from the start line, **lap time** what such a lap takes on average. With a race target in the sidebar, **chance** is
that of beating it, with its 90 % interval. Chances of models without evaluation drives are rough (**training odds**).

**Main fault** is what costs most, in seconds a lap. **Lap times** are the medians over the iterations: falling is good.
Models of different tracks are not to be compared by time: choose a track.
"""


def _known(models: dict[str, Model]) -> dict[str, LeagueEntry | str]:
    """What was read already of the models at hand, in their order; has the rest read."""
    shared = {name: model for name, model in models.items() if model.shared}
    own = {name: model for name, model in models.items() if not model.shared}
    known = _shared_readings().ask(shared) | (_own_readings().ask(own) if own else {})
    return {name: known[name] for name in models if name in known}


@st.cache_data(max_entries=2000, show_spinner=False)
def _shared_row(stamp: tuple, race: RaceFormat, _entry: LeagueEntry) -> pd.DataFrame:
    """One model's row, worked out once for a race and for all visitors."""
    return league_table([_entry], race)


@st.cache_data(max_entries=100, scope="session", show_spinner=False)
def _own_row(stamp: tuple, race: RaceFormat, _entry: LeagueEntry) -> pd.DataFrame:
    """The same of an upload: goes with the visitor who brought it."""
    return league_table([_entry], race)


def _row(model: Model, race: RaceFormat, entry: LeagueEntry) -> pd.DataFrame:
    return (_shared_row if model.shared else _own_row)(model.stamp, race, entry)


def _show_table(models: dict[str, Model], race: RaceFormat, on_choice: Callable[[str], None]) -> None:
    if st.session_state.pop("league_opens", False):
        # A choice reruns this table alone; the page has to follow.
        st.rerun()
    known = _known(models)
    entries = {name: entry for name, entry in known.items() if not isinstance(entry, str)}
    if len(known) < len(models):
        share = len(known) / len(models)
        st.progress(share, text=f"{len(known)} of {counted(len(models), 'model')} read")
    elif st.session_state.get("league_unread"):
        # The table is full: the page stops looking again.
        st.session_state["league_unread"] = False
        st.rerun()
    st.session_state["league_unread"] = len(known) < len(models)
    tracks = sorted({_track(entry) for entry in entries.values()})
    shown = ALL_TRACKS
    if len(tracks) > 1:
        if st.session_state.get("league_track") not in (None, ALL_TRACKS, *tracks):
            st.session_state["league_track"] = ALL_TRACKS
        shown = st.selectbox(
            "Track", [ALL_TRACKS, *tracks], key="league_track", bind="query-params", width=340
        )
    names = [name for name, entry in entries.items() if shown in (ALL_TRACKS, _track(entry))]
    if names:
        rows = [_row(models[name], race, entries[name]).assign(model=name) for name in names]
        table, on = pd.concat(rows, ignore_index=True), [_track(entries[name]) for name in names]
        if len(set(on)) == 1:
            st.markdown(plain(league_verdict(table, race)))
        else:
            st.markdown("These models drove on different tracks: choose a track to compare their lap times.")
        _draw(table, race, on, on_choice)
        if len(known) == len(models):
            # A table that is drawn anew every second takes the file away from under the button.
            with st.container(horizontal=True):
                offer_table(lambda: table.assign(track=on), "league", "table", key="take_league")
    for name, entry in known.items():
        if isinstance(entry, str):
            st.caption(f"{plain(name)}: {plain(entry)}")


def _track(entry: LeagueEntry) -> str:
    length = f"{entry.track_length:.1f} m" if entry.track_length else ""
    return ", ".join(filter(None, (entry.track, length))) or "unknown"


def _draw(table: pd.DataFrame, race: RaceFormat, tracks: list[str], on_choice: Callable[[str], None]) -> None:
    shares = ("completion", "finish_chance", "win_chance")
    table = table.assign(
        track=tracks,
        interval=_interval(table["completion_low"], table["completion_high"]),
        win_interval=_interval(table["win_low"], table["win_high"]),
        # Level without a lap is no success that a word of praise would fit.
        state=table["state"].where(table["laps"] > 0, "no lap yet"),
        converged_at=table["converged_at"].where(table["laps"] > 0),
        odds=["training odds" if rough else "" for rough in table["training_odds"]],
        **{name: 100 * table[name] for name in shares},
    )
    number, words = st.column_config.NumberColumn, st.column_config.TextColumn
    st.dataframe(
        table,
        key="league",
        hide_index=True,
        on_select=partial(_open, list(table["model"]), on_choice),
        selection_mode="single-row",
        alt="All models at hand, one row each",
        column_order=[
            "model",
            "trend",
            "fastest",
            "mean",
            "good_lap",
            "completion",
            "interval",
            *(["win_chance", "win_interval"] if race.target is not None else []),
            "checkpoint",
            "fault",
            "fault_cost",
            "finish_chance",
            "lap_time",
            "odds",
            "track",
            "converged_at",
            "state",
            "iterations",
            "episodes",
            "laps",
        ],
        column_config={
            "model": words("Model", pinned=True),
            "track": words("Track"),
            "fastest": number("Fastest (s)", format="%.2f"),
            "mean": number("Mean (s)", format="%.2f"),
            "good_lap": number(
                "1 in 44 (s)", format="%.2f", help="-2 SD: one completed lap in 44 is faster."
            ),
            "completion": st.column_config.ProgressColumn(
                "Completion", format="%.0f %%", min_value=0, max_value=100
            ),
            "interval": words("95 % interval"),
            "win_chance": st.column_config.ProgressColumn(
                f"Chance to beat {race.target:.2f} s" if race.target is not None else "Chance",
                format="%.0f %%",
                min_value=0,
                max_value=100,
            ),
            "win_interval": words("90 % interval"),
            "checkpoint": number("Checkpoint", help=f"The one with the best chance {race.words}."),
            "finish_chance": number(
                "Finishes", format="%.0f %%", help="A lap from the start line, in a race."
            ),
            "lap_time": number("Lap time (s)", format="%.2f", help="Expected of a finished lap in a race."),
            "odds": words("Odds"),
            "fault": words("Main fault"),
            "fault_cost": number("Costs (s a lap)", format="%.2f"),
            "trend": st.column_config.LineChartColumn(
                "Lap times", help="Medians over the iterations (s).", width="small"
            ),
            "converged_at": number("Converged at", help="Iteration."),
            "state": words("Training"),
            "iterations": number("Iterations"),
            "episodes": number("Drives"),
            "laps": number("Laps"),
        },
    )


def _open(names: list[str], on_choice: Callable[[str], None]) -> None:
    """Turn to the model of the chosen row."""
    rows = st.session_state["league"].selection.rows
    if rows:
        on_choice(names[rows[0]])
        st.session_state["league_opens"] = True


def _interval(low: pd.Series, high: pd.Series) -> list[str]:
    return ["" if pd.isna(a) else f"{percent(a)} to {percent(b)}" for a, b in zip(low, high, strict=True)]
