"""Statistics under stress: whatever a run is like, every answer and every chart of it is fit to be read."""

import importlib
import inspect
import pkgutil
import re
import warnings
from functools import cache

import altair as alt
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import deepracer_viz.charts
from tests.stress.everything import NOT_A_WORD, everything, faults
from tests.stress.runs import SHAPES, Shape, run_of

TOO_LITTLE = {
    "no lap": {
        "performance_envelope": "No completed lap",
        "choose_checkpoint": "None of 64 drives finished a lap",
        "training_progress": "Too short to tell",
        "time_account": "The data cannot say",
    },
    "one lap": {"performance_envelope": "say nothing", "time_account": "1 complete lap could be timed"},
    "one iteration": {"training_progress": "Too short to tell", "performance_envelope": "say nothing"},
    "one episode": {"performance_envelope": "No completed lap", "training_progress": "Too short to tell"},
    "one step an episode": {"performance_envelope": "No completed lap", "time_account": "no complete lap"},
    "metrics of one drive": {"performance_envelope": "No completed lap", "training_progress": "Too short"},
    "trainer alone": {"describe_drives": "There are no drives", "performance_envelope": "No completed lap"},
    "evaluation of one drive": {"performance_envelope": "No completed lap"},
}
"""What must be said of runs that tell too little."""


@cache
def charts_of(name: str) -> dict:
    """Charts of one of the runs."""
    return everything(run_of(SHAPES[name]))[1]


def examine(shape: Shape) -> tuple[dict, dict]:
    """Answers and charts of a run; fails on anything that nobody should see, warnings included."""
    run = run_of(shape)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        answers, charts = everything(run, evaluations=not len(run.episodes))
        found = faults(answers, charts)
    assert not [f"{warning.filename}:{warning.lineno}: {warning.message}" for warning in told]
    assert not found
    return answers, charts


@pytest.mark.parametrize("name", SHAPES)
def test_every_answer_and_chart_is_fit_to_be_read(name):
    answers, _ = examine(SHAPES[name])
    for analysis, words in TOO_LITTLE.get(name, {}).items():
        answer = answers[analysis]
        answer = answer[0] if isinstance(answer, list) else answer
        said = answer if isinstance(answer, str) else answer.verdict
        assert words in said


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    st.builds(
        Shape,
        iterations=st.sampled_from([1, 2, 3, 12]),
        episodes=st.integers(1, 4),
        steps=st.sampled_from([1, 2, 3, 25]),
        waypoints=st.sampled_from([1, 2, 3, 40]),
        workers=st.integers(1, 2),
        laps=st.sampled_from([0, 0.001, 0.4, 1]),
        pace=st.sampled_from(["varied", "equal", "instant"]),
        reward=st.sampled_from(["varied", "negative", "constant", "zero", "huge"]),
        speed=st.sampled_from(["varied", "constant", "unknown"]),
        steering=st.sampled_from(["varied", "straight"]),
        away=st.sampled_from([0.0, -9e3]),
        gaps=st.booleans(),
        files=st.sampled_from(["all", "log", "csv", "metrics"]),
        job=st.sampled_from(["training", "evaluation"]),
        seed=st.integers(0, 99),
    )
)
def test_whatever_comes_together(shape):
    examine(shape)


def test_every_chart_is_among_them():
    package = deepracer_viz.charts
    drawn = set()
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        functions = inspect.getmembers(importlib.import_module(module.name), inspect.isfunction)
        drawn |= {name for name, _ in functions if re.fullmatch(r"[a-z]\w+_sheets?", name)}
    assert drawn == set(charts_of("usual")), "add the new chart to tests/stress/everything.py"


@pytest.mark.parametrize("name", ["usual", "no lap"])
def test_every_drawing_is_valid_vega_lite(name):
    for sheets in charts_of(name).values():
        for sheet in sheets:
            # Any rows are valid; making a chart of it for notebooks, which takes longer, is tested with the charts.
            alt.Root.validate(sheet.to_dict() | {"datasets": {}})


@pytest.mark.parametrize("text", ["nan m/s", "at -inf", "None", "<NA>", "a null", "(NaN)"])
def test_numbers_that_are_not_there_are_noticed(text):
    assert NOT_A_WORD.search(text)


@pytest.mark.parametrize("text", ["None of 4 drives", "dominant", "information", "unknown"])
def test_words_are_let_pass(text):
    assert not NOT_A_WORD.search(text)


def test_a_shape_is_what_it_says():
    counts = {name: run_of(SHAPES[name]) for name in ("no lap", "one lap", "every drive a lap")}
    assert [len(run.laps) for run in counts.values()] == [0, 1, 40]
    gaps = run_of(SHAPES["gaps in the iterations"]).episodes["iteration"].unique()
    assert (np.diff(gaps) > 2).any()
    assert run_of(SHAPES["two workers"]).metadata.workers == 2
    assert run_of(SHAPES["a lap in 0.01 s"]).laps["time"].eq(0.01).all()
    assert not run_of(SHAPES["metrics alone"]).episodes["traced"].any()
    assert run_of(SHAPES["speeds unknown"]).steps["speed"].isna().all()
    assert len(run_of(SHAPES["evaluation"]).evaluation_episodes) == 5
    assert run_of(SHAPES["10,000 iterations"]).episodes["iteration"].nunique() == 10_000
