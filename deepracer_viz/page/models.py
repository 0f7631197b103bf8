"""Models at hand: the samples, a folder of models, and what a visitor drops on the page."""

import argparse
import logging
import os
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st

from deepracer_viz import LogError, Track, TrainingRun, load_run, load_track
from deepracer_viz.logs.sources import find_models
from deepracer_viz.page.text import plain

_ARCHIVE = re.compile(r"(?i)\.(tar\.gz|tgz|tar|zip)$")


@dataclass(frozen=True)
class Model:
    """A model that can be chosen; ``stamp`` changes when its files do."""

    source: str | list
    stamp: tuple
    shared: bool = True
    routes: tuple[str, ...] = ()
    is_sample: bool = False


@dataclass
class _Slot:
    """Holds a model once it is read; whoever asks for it meanwhile waits instead of reading it again."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    run: TrainingRun | None = None
    error: str = ""


@st.cache_resource(max_entries=12, show_spinner=False)
def _shared_slot(stamp: tuple) -> _Slot:
    """Samples and folder models are read once for all visitors."""
    return _Slot()


@st.cache_resource(max_entries=4, scope="session", show_spinner=False)
def _own_slot(stamp: tuple) -> _Slot:
    """Uploads stay with the visitor who brought them."""
    return _Slot()


def logs_folder() -> str | None:
    """Folder of models given on the command line or in the environment."""
    parser = argparse.ArgumentParser(description="deepracer_viz: see what a DeepRacer training did.")
    parser.add_argument("--logs", default=os.environ.get("DEEPRACER_LOGS"), help="folder of models to list")
    return parser.parse_known_args()[0].logs


def models_in(folder: Path, samples: bool = False) -> dict[str, Model]:
    """Models of a folder; route files beside them are tried for each."""
    routes = tuple(str(path) for path in sorted(folder.glob("*.npy")))

    def stamp(path: Path) -> tuple:
        return (str(path), *((p.stat().st_mtime_ns, p.stat().st_size) for p in (path, *map(Path, routes))))

    found = find_models(folder)
    return {
        f"{name} (sample)" if samples else name: Model(str(p), stamp(p), routes=routes, is_sample=samples)
        for name, p in found.items()
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
        f"{name} (yours)": Model(
            [(file.name, file) for file in group], tuple(f.file_id for f in group), shared=False
        )
        for name, group in groups.items()
    }


def _readable(routes: tuple[str, ...]) -> list[Track]:
    """Read the route files that lie beside models; one that cannot be read must not hide a model."""
    tracks = []
    for route in routes:
        try:
            tracks.append(load_track(route))
        except LogError as error:
            st.warning(plain(error), icon=":material/warning:")
    return tracks


def read_model(name: str, model: Model) -> TrainingRun:
    """Read a model, or take it from its slot; shows progress, and ends the page when nothing was found."""
    slot = _shared_slot(model.stamp) if model.shared else _own_slot(model.stamp)
    with slot.lock:
        if slot.run is None and not slot.error:
            bar = st.progress(0.0, text=f"Reading {plain(name)}")
            try:
                slot.run = load_run(
                    model.source,
                    name=name,
                    track=_readable(model.routes),
                    on_progress=lambda done, total: bar.progress(done / max(total, 1)),
                )
            except LogError as error:
                slot.error = str(error)
            except Exception:
                # One file that brings a reader down must take neither the page nor other visitors with it.
                logging.exception("reading failed")
                slot.error = f"{name} could not be read because of a fault in this program; please report it."
            bar.empty()
    if slot.run is None:
        st.error(plain(slot.error), icon=":material/error:")
        st.stop()
    return slot.run
