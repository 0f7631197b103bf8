from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from streamlit.testing.v1 import AppTest

from deepracer_viz import load_run
from deepracer_viz.page.follow import is_quiet, note
from deepracer_viz.page.models import Model, models_in
from tests.step_lines import csv, drive, log

DRIVES = drive(8, laps=(1, 4), length=40)
ZONE = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 3, 5, 12, 0, tzinfo=ZONE).timestamp()


@pytest.fixture
def training(tmp_path):
    folder = tmp_path / "new" / "training-simtrace"
    folder.mkdir(parents=True)
    for i in range(2):
        (folder / f"{i}-iteration.csv").write_bytes(csv(DRIVES[DRIVES["episode"].between(3 * i, 3 * i + 2)]))
    return tmp_path / "new"


def test_the_note_says_when_and_how_much_came_in(training):
    run = load_run(training)
    assert note(run, NOON, NOON + 130, ZONE) == "Last iteration 1 came in at 12:00 (2 min ago), 3 drives."
    assert "(just now)" in note(run, NOON, NOON + 30, ZONE)
    assert "(just now)" in note(run, NOON, NOON - 3600, ZONE)
    assert "at 12:00 on 5 March (25.0 h ago)" in note(run, NOON, NOON + 25 * 3600, ZONE)


def test_the_note_on_evaluations_alone(tmp_path):
    (tmp_path / "evaluation-simtrace").mkdir()
    (tmp_path / "evaluation-simtrace" / "0-iteration.csv").write_bytes(csv(DRIVES))
    run = load_run(tmp_path)
    assert run.episodes.empty
    assert note(run, NOON, NOON + 600, ZONE) == "The last drives came in at 12:00 (10 min ago)."
    assert not is_quiet(run, 600) and is_quiet(run, 901)


def test_silence_is_judged_by_how_long_iterations_take(training):
    run = load_run(training)
    assert not is_quiet(run, 899) and is_quiet(run, 901)
    slow = run.episodes.assign(tstamp=run.episodes["tstamp"] * 1000)
    object.__setattr__(run, "episodes", slow)
    usual = run.hours * 3600 / 2
    assert usual > 900 and not is_quiet(run, 2.9 * usual) and is_quiet(run, 3.1 * usual)


def test_only_what_can_grow_is_followed(tmp_path, training):
    (tmp_path / "a.log").write_bytes(log(DRIVES))
    (tmp_path / "b.log.gz").write_bytes(b"")
    (tmp_path / "c.tar.gz").write_bytes(b"")
    growing = {name: model.can_grow for name, model in models_in(tmp_path).items()}
    assert growing == {"a": True, "b": False, "c": False, "new": True}
    assert not Model(str(training), is_sample=True).can_grow
    assert not Model([("a.log", None)], shared=False).can_grow


def test_a_training_folder_is_one_model_however_its_files_lie(tmp_path, training):
    (training / "logs").mkdir()
    (training / "logs" / "robomaker.log").write_bytes(log(DRIVES))
    (training / "metrics.json").write_bytes(b"{}")
    (training / "0").mkdir()
    assert list(models_in(tmp_path)) == ["new"]


def slider_page():
    import streamlit as st

    from deepracer_viz.page.follow import range_of

    last = st.session_state.get("last", 5)
    st.slider("Iterations", 0, last, range_of("iterations", 0, last), key="iterations")


@pytest.mark.parametrize(
    ("chosen", "last", "then"),
    [((0, 5), 8, (0, 8)), ((1, 5), 8, (1, 5)), ((1, 3), 8, (1, 3)), ((2, 5), 3, (2, 3)), ((0, 5), 3, (0, 3))],
)
def test_a_choice_of_iterations_outlives_new_ones(chosen, last, then):
    page = AppTest.from_function(slider_page, default_timeout=60).run()
    page.slider(key="iterations").set_range(*chosen).run()
    page.session_state["last"] = last
    page.run()
    assert page.slider(key="iterations").value == then
    # It stays so when nothing changes.
    page.run()
    assert page.slider(key="iterations").value == then and not page.exception


def test_the_page_waits_for_a_training_that_has_not_begun(tmp_path, monkeypatch):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "robomaker.log").write_bytes(b"starting\n")
    monkeypatch.setenv("DEEPRACER_LOGS", str(tmp_path))
    page = AppTest.from_file("../../streamlit_app.py", default_timeout=120)
    page.query_params["model"], page.query_params["follow"] = "new", "10 s"
    page.run()
    assert not page.exception and not page.error
    assert "Nothing of a DeepRacer training was recognised" in page.info[0].value
    assert any("looks for drives every 10 s" in caption.value for caption in page.caption)
