"""Several visitors at one server: what one does or brings touches neither the others nor the folder of models."""

import gc
import shutil
import threading
import time
import weakref
from pathlib import Path

import pytest
from streamlit.runtime.caching import clear_session_data_cache, clear_session_resource_cache

from deepracer_viz.page import checkpoints, memory, models
from tests.step_lines import drive, log
from tests.test_page import open_page, said

SECRET = "reinvent_secret_base"


@pytest.fixture
def folder(tmp_path, monkeypatch, sample_logs) -> Path:
    """A folder of models, beside it what nobody may see, and links that lead there."""
    outside = tmp_path / "outside"
    (outside / "model").mkdir(parents=True)
    data = f"{{'WORLD_NAME': '{SECRET}'}}\n".encode() + log(drive(6, laps=(1, 4), length=40))
    (outside / "robomaker.log").write_bytes(data)
    (outside / "model" / "robomaker.log").write_bytes(data)
    inside = tmp_path / "models"
    (inside / "mixed").mkdir(parents=True)
    shutil.copy(sample_logs / "fast-but-fragile.tar.gz", inside / "mine.tar.gz")
    (inside / "mixed" / "robomaker.log").write_bytes(log(drive(5, laps=(2,), length=30)))
    (inside / "mixed" / "linked.log").symlink_to(outside / "robomaker.log")
    (inside / "mixed" / "deeper").symlink_to(outside / "model")
    (inside / "link.log").symlink_to(outside / "robomaker.log")
    (inside / "link").symlink_to(outside / "model")
    monkeypatch.setenv("DEEPRACER_LOGS", str(inside))
    return inside


@pytest.mark.parametrize(
    "asked",
    [
        "../../etc/passwd",
        "../outside/robomaker",
        "link",
        "{outside}/robomaker.log",
    ],
)
def test_no_name_in_the_address_leads_out_of_the_folder(folder, asked):
    page = open_page(model=asked.format(outside=folder.parent / "outside"))
    assert not page.exception
    assert page.selectbox(key="model").value == page.selectbox(key="model").options[0]
    assert SECRET not in said(page)


def test_every_model_of_a_folder_lies_in_it(folder):
    found = models.models_in(folder)
    assert list(found) == ["mine", "mixed"]
    assert all(Path(model.source).resolve().is_relative_to(folder.resolve()) for model in found.values())


def test_links_inside_a_model_are_passed_over(folder):
    page = open_page(model="mixed")
    assert page.selectbox(key="model").value == "mixed"
    assert SECRET not in said(page)
    [files] = [table.value for table in page.dataframe if "Recognised as" in table.value]
    assert list(files["File"]) == ["robomaker.log"]
    assert not [name for name in page.selectbox(key="model").options if name.startswith("link")]


def test_the_folder_of_models_is_only_read(folder):
    def state() -> dict:
        found = {path: path.lstat() for path in (folder, *folder.rglob("*"))}
        return {path: (s.st_mtime_ns, s.st_ctime_ns, s.st_size, s.st_mode) for path, s in found.items()}

    before = state()
    for model in ("mine", "mixed"):
        page = open_page(model=model)
        assert not page.exception
    page.file_uploader(key="files").upload("robomaker.log", log(drive(3, laps=(1,))), "text/plain").run()
    assert not page.exception
    assert state() == before


@pytest.mark.parametrize("fault", [RuntimeError("deep inside"), MemoryError(), RecursionError()])
def test_a_reader_that_fails_stops_neither_others_nor_the_visitor(monkeypatch, fault):
    read = models.load_run

    def reader(source, name=None, **more):
        if name.startswith("bad"):
            raise fault
        return read(source, name=name, **more)

    monkeypatch.setattr(models, "load_run", reader)
    unlucky, other = open_page(), open_page(model="steady-and-slow (sample)")
    unlucky.file_uploader(key="files").upload("bad.log", log(drive(3)), "text/plain").run()
    assert not unlucky.exception
    assert "fault in this program" in unlucky.error[0].value
    assert "deep inside" not in said(unlucky)
    other.run()
    assert not other.exception and not other.error
    unlucky.selectbox(key="model").set_value("steady-and-slow (sample)").run()
    assert not unlucky.exception and not unlucky.error
    assert said(unlucky).count("What was read") == 1


def test_uploads_of_the_same_name_are_two_models():
    one, two = open_page(), open_page()
    one.file_uploader(key="files").upload("log.txt", log(drive(6, laps=(1, 4))), "text/plain").run()
    two.file_uploader(key="files").upload("log.txt", log(drive(9, laps=(2,))), "text/plain").run()
    one.run()
    shown = [next(m.value for m in page.metric if m.label == "Completed laps") for page in (one, two)]
    assert shown == ["2 of 6", "1 of 9"]
    assert not [name for name in open_page().selectbox(key="model").options if "yours" in name]


def look_at_league(page):
    page.radio(key="view").set_value("League").run()
    while page.get("progress"):
        time.sleep(0.5)
        page.run()
    assert not page.exception


def end_session():
    """Do what the server does once a visitor has gone for good; all pages under test are of one session."""
    for clear in (clear_session_data_cache, clear_session_resource_cache):
        clear("test session id")


@pytest.fixture
def ending_session():
    """A session that holds nothing of tests before, and leaves nothing to those after."""
    end_session()
    # Pages of tests before would end whenever Python collects them, and then give back too.
    gc.collect()
    yield
    end_session()


@pytest.mark.parametrize("view", ["One model", "League"])
def test_nothing_of_an_upload_outlives_its_visitor(monkeypatch, ending_session, view):
    held, given_back = [], threading.Event()

    def noted(function):
        def call(*args, **more):
            answer = function(*args, **more)
            held.append(weakref.ref(answer))
            return answer

        return call

    def dropped(files):
        held.extend(weakref.ref(file) for file in files)
        return models_dropped(files)

    if view == "League":
        # What is learnt of the samples stays for all visitors.
        look_at_league(open_page())
    models_dropped = models.models_dropped
    monkeypatch.setattr(models, "models_dropped", dropped)
    for module, name in (
        (models, "load_run"),
        (checkpoints, "predict_races"),
        (checkpoints, "choose_checkpoint"),
    ):
        monkeypatch.setattr(module, name, noted(getattr(module, name)))
    monkeypatch.setattr(memory, "give_back", given_back.set)
    monkeypatch.setattr(memory, "_SOON", 0.0)
    page = open_page()
    held.clear()
    page.file_uploader(key="files").upload("log.txt", log(drive(7, laps=(1, 4))), "text/plain").run()
    assert not page.exception
    kinds = {type(answer()).__name__ for answer in held}
    assert {"UploadedFile", "TrainingRun", "RaceModel", "CheckpointChoice"} <= kinds
    if view == "League":
        look_at_league(page)
    held.append(weakref.ref(page.session_state["memory"]))
    assert held[-1]() is not None
    end_session()
    # Nobody else draws a page meanwhile.
    given_back.clear()
    del page
    gc.collect()
    assert not [type(answer()) for answer in held if answer() is not None]
    assert given_back.wait(60)
