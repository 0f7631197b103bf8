from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from deepracer_viz.analysis.comparing import compare_training
from deepracer_viz.analysis.comparing.training import MEASURES, MOST_POINTS
from deepracer_viz.analysis.convergence import training_progress
from tests.contenders import known_from_metrics, of_run


@pytest.fixture
def rng():
    return np.random.default_rng(2)


def test_each_is_what_it_is_alone(samples):
    answer = compare_training(list(samples.values()), window=4)
    for name, one in samples.items():
        alone = training_progress(one.episodes, one.policy_updates, 4, one.evaluations)
        row = answer.models.set_index("name").loc[name]
        assert row["state"] == alone.state
        assert row["converged_at"] == alone.converged_at or alone.converged_at is None
        lines = answer.lines[answer.lines["name"] == name]
        for measure in MEASURES:
            assert lines[measure].to_numpy() == pytest.approx(alone.iterations[measure], nan_ok=True)
            smooth = f"{measure}_smooth"
            assert lines[smooth].to_numpy() == pytest.approx(alone.iterations[smooth], nan_ok=True)
        assert lines["hours"].is_monotonic_increasing
        assert lines["hours"].max() == pytest.approx(row["hours"])


def test_the_stories_of_the_samples_are_told_side_by_side(samples):
    answer = compare_training(list(samples.values()))
    models = answer.models.set_index("name")
    assert models["completion"].idxmax() == "steady-and-slow"
    assert models["completion"].idxmin() == "over-trained"
    assert models["steady_at"].idxmin() == models["steady_hours"].idxmin() == "over-trained"
    assert answer.verdict.startswith("At the end of its training steady-and-slow finishes")
    assert "over-trained finished every second drive first" in answer.verdict
    assert "fast-but-fragile is still learning" in answer.verdict
    assert "planted-faults and steady-and-slow have learnt what they can" in answer.verdict or (
        "steady-and-slow and planted-faults have learnt what they can" in answer.verdict
    )


def test_two_ranges_of_one_model_begin_their_hours_at_nothing(runs):
    run = runs["planted-faults"]
    before, after = of_run(run, "before", (0, 14)), of_run(run, "after", (15, 29))
    answer = compare_training([before, after])
    lines = answer.lines.groupby("name")
    assert lines["iteration"].min().to_dict() == {"before": 0, "after": 15}
    assert (lines["hours"].min() < 0.2).all()
    assert answer.models.set_index("name")["completion"].idxmax() == "after"
    assert "before never" in answer.verdict


def test_a_long_training_is_given_in_blocks(rng):
    one = known_from_metrics("long", rng.normal(12, 0.4, 2000), failures=2000, drives=4)
    answer = compare_training([one])
    assert len(answer.lines) <= MOST_POINTS
    assert answer.lines["drives"].sum() == 4000
    assert answer.models["iterations"][0] == 1000


def test_without_drives_clock_or_training_it_says_so():
    nothing = compare_training([known_from_metrics("nothing", [])])
    assert nothing.verdict == "There is no training to compare." and nothing.lines.empty
    one = replace(known_from_metrics("one", [12.0] * 30), hours=None)
    answer = compare_training([one, known_from_metrics("two", [], failures=30)])
    assert answer.lines.loc[answer.lines["name"] == "one", "hours"].isna().all()
    assert "nan" not in answer.verdict.lower().split()
    assert "at iteration" in answer.verdict and "two never" in answer.verdict
    raced = replace(one, name="raced", episodes=one.episodes.assign(stream="race"))
    assert "raced shows drives of separate evaluations" in compare_training([one, raced]).verdict


@pytest.mark.parametrize("laps", [0, 1, 20])
def test_one_iteration(laps):
    answer = compare_training([known_from_metrics("one", [12.0] * laps, failures=20 - laps)])
    assert len(answer.lines) == 1 and answer.models["state"][0] == "too short"
    assert isinstance(answer.models, pd.DataFrame) and answer.models["completion"][0] == laps / 20
