import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from deepracer_viz import load_run
from deepracer_viz.analysis.placing import place
from deepracer_viz.page import models as page_models
from deepracer_viz.page.models import Shelf, logs_folder, models_dropped, models_in


class Dropped(io.BytesIO):
    def __init__(self, name: str):
        super().__init__(b"")
        self.name = name
        self.file_id = f"id of {name}"


def test_each_archive_is_a_model_and_loose_files_are_one():
    files = [Dropped(n) for n in ("a.tar.gz", "robomaker.log", "b.zip", "metrics.json", "0-iteration.csv")]
    models = models_dropped(files)
    assert list(models) == ["a.tar.gz (yours)", "b.zip (yours)", "3 files (yours)"]
    loose = models["3 files (yours)"]
    assert [name for name, _ in loose.source] == ["robomaker.log", "metrics.json", "0-iteration.csv"]
    assert not loose.shared


def test_archives_of_the_same_name_are_kept_apart():
    models = models_dropped([Dropped("logs.tar.gz"), Dropped("logs.tar.gz")])
    assert list(models) == ["logs.tar.gz (yours)", "logs.tar.gz 2 (yours)"]


def test_one_loose_file_keeps_its_name():
    assert list(models_dropped([Dropped("run.log")])) == ["run.log (yours)"]


def test_nothing_dropped_is_no_model():
    assert models_dropped([]) == {}


def test_folder_models_change_their_stamp_with_their_files(tmp_path):
    log = tmp_path / "run.log"
    log.write_text("a")
    before = models_in(tmp_path)["run"].stamp
    log.write_text("a and more")
    assert models_in(tmp_path)["run"].stamp != before


def test_a_folder_model_changes_its_stamp_with_any_file_inside(tmp_path):
    inside = tmp_path / "run" / "training-simtrace"
    inside.mkdir(parents=True)
    (inside / "0-iteration.csv").write_text("a")
    before = models_in(tmp_path)["run"].stamp
    assert models_in(tmp_path)["run"].stamp == before
    (inside / "0-iteration.csv").write_text("a and more")
    assert models_in(tmp_path)["run"].stamp != before


def test_dropped_models_are_known_by_their_files():
    one, other = models_dropped([Dropped("a.zip"), Dropped("b.zip")]).values()
    assert one.stamp == ("id of a.zip",) and other.stamp == ("id of b.zip",)


def test_a_shelf_keeps_the_same_slot_for_the_same_model():
    shelf = Shelf(models=2, memory=10_000)
    assert shelf.slot(("a",)) is shelf.slot(("a",))
    assert shelf.slot(("a",)) is not shelf.slot(("b",))


@pytest.mark.parametrize(("models", "memory"), [(2, 10**6), (9, 2000)])
def test_a_full_shelf_lets_go_of_the_model_shown_least_recently(models, memory):
    shelf = Shelf(models, memory)
    first, second = shelf.slot(("first",)), shelf.slot(("second",))
    first.size = second.size = 900
    assert shelf.slot(("first",)) is first
    shelf.slot(("third",)).size = 900
    assert shelf.slot(("first",)) is first
    assert shelf.slot(("second",)) is not second


def test_a_model_larger_than_the_shelf_stays_while_it_is_shown():
    shelf = Shelf(models=2, memory=10)
    slot = shelf.slot(("large",))
    slot.size = 800
    assert shelf.slot(("large",)) is slot


def test_route_files_beside_models_come_along(tmp_path):
    (tmp_path / "run.log").write_text("a")
    np.save(tmp_path / "loop.npy", np.zeros((5, 6)))
    assert models_in(tmp_path)["run"].routes == (str(tmp_path / "loop.npy"),)


@pytest.mark.parametrize(("argv", "expected"), [([], "from environment"), (["--logs", "given"], "given")])
def test_logs_folder(monkeypatch, argv, expected):
    monkeypatch.setenv("DEEPRACER_LOGS", "from environment")
    monkeypatch.setattr("sys.argv", ["streamlit_app.py", *argv])
    assert logs_folder() == expected


def test_what_is_derived_of_a_run_is_derived_once_for_all_visitors(sample_logs, monkeypatch):
    run = load_run(min(sample_logs.glob("*.tar.gz")))
    calls = []
    monkeypatch.setattr(page_models, "place", lambda *tables: calls.append(1) or place(*tables))
    with ThreadPoolExecutor(4) as visitors:
        answers = list(visitors.map(page_models.placed_of, [run] * 4))
    assert len(calls) == 1 and len({id(answer) for answer in answers}) == 1
    assert len(answers[0].steps.flags) == len(run.steps)
    # Another track is another run, and is placed anew.
    page_models.placed_of(run.on_routes([]))
    assert len(calls) == 2


def test_a_run_without_a_track_has_nothing_placed(real_logs):
    run = load_run(next((real_logs / "drfc-one-worker").rglob("TrainingMetrics.json")))
    assert page_models.placed_of(run) is None and page_models.placed_of(run, evaluations=True) is None
