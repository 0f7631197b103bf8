"""Models at hand: the samples, a folder of models, and what a visitor drops on the page."""

import argparse
import logging
import os
import re
import threading
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakKeyDictionary

import streamlit as st

from deepracer_viz import LogError, Track, TrainingRun, load_run, load_track
from deepracer_viz.analysis.placing import Placed, place
from deepracer_viz.logs.sources import Progress, find_models
from deepracer_viz.page import memory
from deepracer_viz.page.text import plain

_ARCHIVE = re.compile(r"(?i)\.(tar\.gz|tgz|tar|zip)$")
_PACKED = re.compile(r"(?i)\.(gz|tgz|tar|zip)$")


MODELS_KEPT = 250
"""Models that stay in memory for all visitors: an organiser has a league of them, and goes from one to the other."""

MEMORY_KEPT = 4 << 30
"""Bytes of step tables that they may hold together; the model shown least recently goes first."""


@dataclass(frozen=True)
class Model:
    """A model that can be chosen."""

    source: str | list
    shared: bool = True
    routes: tuple[str, ...] = ()
    is_sample: bool = False

    @property
    def can_grow(self) -> bool:
        """Whether a simulator may still be writing it: a folder, or a log that lies in one, as it is."""
        return self.shared and not self.is_sample and not _PACKED.search(self.source)

    @property
    def stamp(self) -> tuple:
        """What a model that was read is known by: changes when its files do, wherever in its folder they are."""
        if not self.shared:
            return tuple(file.file_id for _, file in self.source)
        inside = (os.path.join(folder, name) for folder, _, names in os.walk(self.source) for name in names)
        files = [(path, os.lstat(path)) for path in (self.source, *sorted(inside), *self.routes)]
        return tuple((path, about.st_mtime_ns, about.st_size) for path, about in files)


def read_routes(model: Model, notes: list[str]) -> list[Track]:
    """Route files beside the model; one that cannot be read must not hide it, and is told in the notes."""
    tracks = []
    for route in model.routes:
        try:
            tracks.append(load_track(route))
        except LogError as error:
            notes.append(str(error))
    return tracks


@dataclass
class Slot:
    """Holds a model once it is read; whoever asks for it meanwhile waits instead of reading it again."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    run: TrainingRun | None = None
    error: str = ""
    notes: list[str] = field(default_factory=list)  # on route files beside it that could not be read
    size: int = 0  # bytes of the step tables and what was derived of them, which outweigh all else

    def fill(self, name: str, model: Model, on_progress: Progress | None = None) -> None:
        """Read the model, unless that was done; leaves its run, or the error."""
        with self.lock:
            if self.run is not None or self.error:
                return
            try:
                routes = read_routes(model, self.notes)
                self.run = load_run(model.source, name=name, track=routes, on_progress=on_progress)
                self.size = _bytes_of(self.run)
            except LogError as error:
                self.error = str(error)
            except Exception:
                # One file that brings a reader down must take neither the page nor other visitors with it.
                logging.exception("reading failed")
                self.error = f"{name} could not be read because of a fault in this program; please report it."


class Shelf:
    """Slots by stamp, of which those looked at least recently go when there is no more room."""

    def __init__(self, models: int, memory: int):
        self._models, self._memory = models, memory
        self._slots: OrderedDict[tuple, Slot] = OrderedDict()
        self._lock = threading.Lock()

    def slot(self, stamp: tuple) -> Slot:
        """Return the slot of a model, an empty one when it is not there."""
        with self._lock:
            slot = self._slots.setdefault(stamp, Slot())
            self._slots.move_to_end(stamp)
            # Whoever looks at a model that goes has it in hand, and keeps it.
            held = sum(slot.size for slot in self._slots.values())
            while len(self._slots) > 1 and (len(self._slots) > self._models or held > self._memory):
                held -= self._slots.popitem(last=False)[1].size
            return slot

    def known(self, stamp: tuple) -> TrainingRun | None:
        """Return a model that was read and is still held, without keeping it any longer for that."""
        with self._lock:
            slot = self._slots.get(stamp)
        return None if slot is None else slot.run

    def clear(self) -> None:
        """Let go of all models."""
        with self._lock:
            self._slots.clear()


@st.cache_resource(max_entries=1, show_spinner=False)
def _shared_shelf() -> Shelf:
    """Samples and folder models are read once for all visitors."""
    return Shelf(MODELS_KEPT, MEMORY_KEPT)


@st.cache_resource(max_entries=1, scope="session", show_spinner=False, on_release=Shelf.clear)
def _own_shelf() -> Shelf:
    """Uploads stay with the visitor who brought them."""
    return Shelf(4, MEMORY_KEPT // 4)


def logs_folder() -> str | None:
    """Folder of models given on the command line or in the environment."""
    parser = argparse.ArgumentParser(description="deepracer_viz: see what a DeepRacer training did.")
    parser.add_argument("--logs", default=os.environ.get("DEEPRACER_LOGS"), help="folder of models to list")
    return parser.parse_known_args()[0].logs


def models_in(folder: Path, samples: bool = False) -> dict[str, Model]:
    """Models of a folder; route files beside them are tried for each."""
    routes = tuple(str(path) for path in sorted(folder.glob("*.npy")))
    return {
        f"{name} (sample)" if samples else name: Model(str(path), routes=routes, is_sample=samples)
        for name, path in find_models(folder).items()
    }


def models_dropped(files: list) -> dict[str, Model]:
    """Each archive that was dropped is a model; loose files dropped together are one."""
    groups: dict[str, list] = {}
    for file in files:
        if _ARCHIVE.search(file.name):
            again = sum(name.startswith(file.name) for name in groups)
            groups[f"{file.name} {again + 1}" if again else file.name] = [file]
    loose = [file for file in files if not _ARCHIVE.search(file.name)]
    if loose:
        groups[loose[0].name if len(loose) == 1 else f"{len(loose)} files"] = loose
    return {
        f"{name} (yours)": Model([(file.name, file) for file in group], shared=False)
        for name, group in groups.items()
    }


def shelf_of(model: Model) -> Shelf:
    """Return where a model is, or will be, held."""
    if model.shared:
        return _shared_shelf()
    memory.give_back_after_session()
    return _own_shelf()


def read_model(name: str, model: Model) -> TrainingRun:
    """Read a model, or take it from its slot; shows progress, and ends the page when nothing was found."""
    slot = _filled(name, model)
    if slot.run is None:
        st.error(plain(slot.error), icon=":material/error:")
        st.stop()
    for evaluations in (False, True):
        placed_of(slot.run, evaluations)
    slot.size = _bytes_of(slot.run)
    return slot.run


def try_model(name: str, model: Model) -> tuple[TrainingRun | None, str]:
    """Read a model, or take it from its slot; shows progress, and returns the message when nothing was found."""
    slot = _filled(name, model)
    return slot.run, slot.error


def _filled(name: str, model: Model) -> Slot:
    slot, bar = shelf_of(model).slot(model.stamp), st.empty()
    words = f"Reading {plain(name)}"
    slot.fill(name, model, lambda done, total: bar.progress(done / max(total, 1), text=words))
    bar.empty()
    for note in slot.notes:
        st.warning(plain(note), icon=":material/warning:")
    return slot


@dataclass
class _PlacedSlot:
    """Holds what was derived of one job's drives; whoever asks for it meanwhile waits instead of deriving it again."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    done: bool = False
    placed: Placed | None = None


_placed: WeakKeyDictionary[TrainingRun, dict[bool, _PlacedSlot]] = WeakKeyDictionary()
_placed_lock = threading.Lock()


def placed_of(run: TrainingRun, evaluations: bool = False) -> Placed | None:
    """What the analyses need again and again of all drives of a run, derived once for as long as the run is held.

    Parameters
    ----------
    run : TrainingRun
    evaluations : bool
        Of its separate evaluations instead of the training.

    Returns
    -------
    Placed or None
        None where the track is not known.
    """
    with _placed_lock:
        slot = _placed.setdefault(run, defaultdict(_PlacedSlot))[evaluations]
    with slot.lock:
        if not slot.done:
            drives = run.drives(evaluations)
            if drives.track is not None and len(drives.steps):
                slot.placed = place(drives.steps, drives.episodes, drives.track)
            slot.done = True
    return slot.placed


def _bytes_of(run: TrainingRun) -> int:
    """Bytes of the step tables of a run, and of what was derived of them so far."""
    tables = (run.steps, run.evaluation_steps)
    derived = [slot.placed.nbytes for slot in _placed.get(run, {}).values() if slot.placed is not None]
    return sum(int(table.memory_usage().sum()) for table in tables) + sum(derived)


def on_route(run: TrainingRun, model: Model, file) -> TrainingRun:
    """The same run on the track of a route file that a visitor dropped, as long as it fits.

    Raises
    ------
    LogError
        If the file is no route.
    """
    # What was read of a folder that grows may be older than the folder.
    rows = (len(run.steps), len(run.evaluation_steps))
    return _on_route(run, file, (model.stamp, rows), file.file_id)


@st.cache_resource(max_entries=2, scope="session", show_spinner=False)
def _on_route(_run: TrainingRun, _file, stamp: tuple, file_id: str) -> TrainingRun:
    """Known by model and file, as the run is long."""
    return _run.on_routes([load_track(_file)])
