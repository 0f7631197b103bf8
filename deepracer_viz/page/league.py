"""The view of all models at hand: one table, filled while the models are read."""

import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pandas as pd
import streamlit as st

from deepracer_viz.analysis.league import (
    UNKNOWN_TRACK,
    LeagueEntry,
    best_checkpoint,
    league_entry,
    league_table,
    league_tracks,
    league_verdict,
)
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

RATINGS_KEPT = 4000
"""Chances of a model in a race that stay in memory."""

_LOOK_AGAIN = 1.0  # s between two looks at a table that is being filled
_RATE_FOR = 0.5  # s of each look that go into chances in a race; the other models' come with the next looks


class Readings:
    """Figures of models by the stamp of their files, worked out by one thread, one model after the other."""

    def __init__(self):
        self._entries: OrderedDict[tuple, LeagueEntry | str] = OrderedDict()
        self._ratings: OrderedDict[tuple, dict] = OrderedDict()
        self._waiting: OrderedDict[tuple, tuple[str, Model, Shelf]] = OrderedDict()
        self._lock = threading.Lock()
        self._busy = False

    def ask(self, models: dict[str, Model]) -> dict[str, LeagueEntry | str]:
        """Return what is known of these models, a sentence where one could not be read; have the rest read."""
        stamps = {name: model.stamp for name, model in models.items()}
        with self._lock:
            known = {name: self._entries[stamp] for name, stamp in stamps.items() if stamp in self._entries}
            for name in models:
                if name in known:
                    continue
                self._waiting.setdefault(stamps[name], (name, models[name], shelf_of(models[name])))
            if self._waiting and not self._busy:
                self._busy = True
                threading.Thread(target=self._read, name="league", daemon=True).start()
        return known

    def rate(self, stamp: tuple, entry: LeagueEntry, race: RaceFormat, until: float) -> dict | None:
        """Return what a model can expect of a race; None where that is not known and the time is over."""
        with self._lock:
            found = self._ratings.get((stamp, race))
        if found is None and time.monotonic() < until:
            found = best_checkpoint(entry, race)
            with self._lock:
                self._ratings[stamp, race] = found
                while len(self._ratings) > RATINGS_KEPT:
                    self._ratings.popitem(last=False)
        return found

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
    # A fragment, so that the page can be used while models are read.
    looks = st.session_state.get("league_looks")
    st.fragment(_show_table, run_every=_LOOK_AGAIN if looks else None)(models, race, on_choice)
    with st.expander("How to read this"):
        st.markdown(_HOW_TO_READ)


_HOW_TO_READ = """
One row for each model, of all its training drives; of a model that brings evaluations or races alone, of those. Click
a heading to sort by it, choose a row to open that model. The table begins with the track that most models drove; on
**All tracks** there are no chances to beat the target, for they hold on one track alone.

**Completion** is the share of drives that finished the lap, with its 95 % interval: training drives try things out, so
it is lower than in a race. **1 in 44** is the lap time that one completed lap in 44 beats (-2 SD where the times follow
the normal curve, else the percentile seen). **Converged** is the iteration from which mean progress rose no more.

**Checkpoint** is the one with the best chance in the race that is set above; **finishes** its chance to finish a lap
from the start line, **lap time** what such a lap takes on average. With a race target in the sidebar, **beats** is the
chance to beat it, with its 90 % interval further right. Chances of models without evaluation drives are rough
(**training odds**).

**Main fault** is what costs most, in seconds a lap. **Lap times** are the medians over the iterations: falling is good.
"""


def _known(models: dict[str, Model]) -> dict[str, LeagueEntry | str]:
    """What was read already of the models at hand, in their order; has the rest read."""
    shared = {name: model for name, model in models.items() if model.shared}
    own = {name: model for name, model in models.items() if not model.shared}
    known = _shared_readings().ask(shared) | (_own_readings().ask(own) if own else {})
    return {name: known[name] for name in models if name in known}


_DIFFERENT_TRACKS = (
    "These models drove on different tracks, or nothing tells on which. Neither their lap times nor their chances "
    "compare: choose a track."
)


def _rated(models: dict[str, Model], entries: dict[str, LeagueEntry], race: RaceFormat) -> dict[str, dict]:
    """What is known of the models' chances in a race; as much more is worked out as there is time for."""
    until = time.monotonic() + _RATE_FOR
    rated = {}
    for name, entry in entries.items():
        readings = _shared_readings() if models[name].shared else _own_readings()
        found = readings.rate(models[name].stamp, entry, race, until)
        if found is not None:
            rated[name] = found
    return rated


def _show_table(models: dict[str, Model], race: RaceFormat, on_choice: Callable[[str], None]) -> None:
    if st.session_state.pop("league_opens", False):
        # A choice reruns this table alone; the page has to follow.
        st.rerun()
    known = _known(models)
    entries = {name: entry for name, entry in known.items() if not isinstance(entry, str)}
    tracks = dict(zip(entries, league_tracks(list(entries.values())), strict=True))
    # Those that are shown are rated first.
    shown = st.session_state.get("league_track")
    order = sorted(entries, key=lambda name: tracks[name] != shown)
    rated = _rated(models, {name: entries[name] for name in order}, race)
    done = len(known) == len(models) and len(rated) == len(entries)
    if len(known) < len(models):
        share = len(known) / len(models)
        st.progress(share, text=f"{len(known)} of {counted(len(models), 'model')} read")
    elif not done:
        share = len(rated) / len(entries)
        st.progress(share, text=f"Chances {race.words}: {len(rated)} of {counted(len(entries), 'model')}")
    elif st.session_state.get("league_looks"):
        # The table is full: the page stops looking again.
        st.session_state["league_looks"] = False
        st.rerun()
    if not done and not st.session_state.get("league_looks"):
        st.session_state["league_looks"] = True
        st.rerun()
    shown = _choose_track(Counter(tracks.values()), done)
    names = [name for name in entries if shown in (ALL_TRACKS, tracks[name])]
    if names:
        of_names = [replace(entries[name], model=name, track=tracks[name]) for name in names]
        table = league_table(of_names, race, [rated.get(name, {}) for name in names])
        on_one_track = set(table["track"]) - {UNKNOWN_TRACK} and table["track"].nunique() == 1
        verdict = league_verdict(table, race) if on_one_track or len(table) == 1 else _DIFFERENT_TRACKS
        st.markdown(plain(verdict))
        _draw(table, race, verdict, on_choice)
        if done:
            # A table that is drawn anew every second takes the file away from under the button.
            with st.container(horizontal=True):
                offer_table(lambda: table, "league", "table", key="take_league")
    for name, entry in known.items():
        if isinstance(entry, str):
            st.caption(f"{plain(name)}: {plain(entry)}")


def _choose_track(models: Counter, done: bool) -> str:
    """Let the visitor choose one of the tracks; until then it is the one that most models drove."""
    known = sorted(models.keys() - {UNKNOWN_TRACK}, key=lambda track: (-models[track], track))
    options = [*known, ALL_TRACKS, *(models.keys() - known)]
    asked = st.session_state.get("league_track", st.query_params.get("league_track"))
    if "league_track" not in st.session_state and asked is not None:
        _settle_track()
    if asked not in (None, *options) and not done:
        # Its models may still be read.
        options.append(asked)
    if len(options) <= 2:
        return options[0]
    unsettled = not st.session_state.get("league_track_settled") or asked not in options
    if unsettled and st.session_state.get("league_track") != options[0]:
        st.session_state["league_track"] = options[0]
    return st.selectbox(
        "Track",
        options,
        key="league_track",
        bind="query-params",
        width=340,
        on_change=_settle_track,
        help="Chances and lap times compare on the same track alone. The track that most models drove comes first.",
    )


def _settle_track() -> None:
    """Keep the chosen track, whatever is read after it."""
    st.session_state["league_track_settled"] = True


def _draw(table: pd.DataFrame, race: RaceFormat, verdict: str, on_choice: Callable[[str], None]) -> None:
    shares = ("completion", "finish_chance", "win_chance")
    table = table.assign(
        interval=_interval(table["completion_low"], table["completion_high"]),
        win_interval=_interval(table["win_low"], table["win_high"]),
        # Level without a lap is no success that a word of praise would fit.
        state=table["state"].where(table["laps"] > 0, "no lap yet"),
        converged_at=table["converged_at"].where(table["laps"] > 0),
        odds=table["training_odds"].map({True: "training odds", False: "evaluated"}),
        **{name: 100 * table[name] for name in shares},
    )
    table["odds"] = table["odds"].where(table["checkpoint"].notna())
    texts = ["fault", "state", "interval", "win_interval"]
    # What is not known is a dash, as in the tiles.
    table[texts] = table[texts].where(table[texts] != "")
    on_one_track = table["track"].nunique() == 1
    chance = ["win_chance", "odds"] if on_one_track and race.target is not None else []
    number, words = st.column_config.NumberColumn, st.column_config.TextColumn
    shown = [
        "model",
        *([] if on_one_track else ["track"]),
        *chance,
        "fastest",
        "mean",
        "completion",
        "trend",
        "checkpoint",
        "fault",
        "fault_cost",
        "good_lap",
        *(["win_interval"] if chance else []),
        "interval",
        "finish_chance",
        "lap_time",
        *([] if chance else ["odds"]),
        "converged_at",
        "state",
        "iterations",
        "episodes",
        "laps",
    ]
    st.dataframe(
        table[shown],
        key="league",
        hide_index=True,
        on_select=partial(_open, list(table["model"]), on_choice),
        selection_mode="single-row",
        alt=f"All models at hand, one row each. {verdict}",
        placeholder="–",
        column_config={
            "model": words("Model", pinned=True, width=165),
            "track": words("Track", width=150),
            "fastest": number("Fastest (s)", format="%.2f", width=80, help=about("lap")),
            "mean": number("Mean (s)", format="%.2f", width=70, help="Of all completed laps."),
            "good_lap": number(
                "1 in 44 (s)", format="%.2f", help="-2 SD: one completed lap in 44 is faster."
            ),
            "completion": st.column_config.ProgressColumn(
                "Completion",
                format="%.0f %%",
                min_value=0,
                max_value=100,
                width=105,
                help=about("completion"),
            ),
            "interval": words("95 % of completion", help=about("interval")),
            "win_chance": st.column_config.ProgressColumn(
                f"Beats {race.target:.2f} s" if race.target is not None else "Chance",
                format="%.0f %%",
                min_value=0,
                max_value=100,
                width=105,
                help=f"Chance to beat the race target {race.words}, of the best checkpoint. It holds on this track.",
            ),
            "win_interval": words("90 % of the chance", help=about("interval")),
            "checkpoint": number(
                "Checkpoint",
                width=85,
                help=about("checkpoint", more=f"The one with the best chance {race.words}."),
            ),
            "finish_chance": number(
                "Finishes", format="%.0f %%", help="A lap from the start line, in a race."
            ),
            "lap_time": number("Lap time (s)", format="%.2f", help="Expected of a finished lap in a race."),
            "odds": words(
                "Rests on", width=105, help="Without evaluation drives the chances are rough: training odds."
            ),
            "fault": words("Main fault", width=165, help="What costs most, and in which section."),
            "fault_cost": number("Costs (s a lap)", format="%.2f"),
            "trend": st.column_config.LineChartColumn(
                "Lap times", help="Medians over the iterations (s): falling is good.", width=70
            ),
            "converged_at": number("Converged at", help="Iteration."),
            "state": words("Training"),
            "iterations": number("Iterations", help=about("iteration")),
            "episodes": number("Drives", help=about("episode")),
            "laps": number("Laps", help=about("lap")),
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
