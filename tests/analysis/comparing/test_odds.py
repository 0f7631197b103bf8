import numpy as np
import pytest

from deepracer_viz import load_run
from deepracer_viz.analysis.checkpoints import rank_checkpoints
from deepracer_viz.analysis.comparing import compare_odds
from deepracer_viz.analysis.races import FORMATS, RaceFormat, predict_races, race_odds
from tests.contenders import known_from_metrics, named, of_run


@pytest.fixture
def rng():
    return np.random.default_rng(9)


@pytest.fixture(scope="module")
def learnt(samples):
    return {name: predict_races(one.episodes, one.evaluations) for name, one in samples.items()}


@pytest.mark.parametrize("kind", FORMATS)
def test_sample_models_in_every_race(samples, learnt, kind):
    race = RaceFormat(kind, target=11.0)
    answer = compare_odds(list(samples.values()), race, learnt)
    models = answer.models.set_index("name")
    for name, one in samples.items():
        first = rank_checkpoints(one.episodes, one.evaluations, race=race, model=learnt[name]).iloc[0]
        assert models.loc[name, "checkpoint"] == first["checkpoint"]
        assert models.loc[name, "target_chance"] == first["win_chance"]
        assert models.loc[name, "finish_chance"] == first["finish_chance"]
    won = models["win_chance"]
    assert won.sum() <= 1 + 1e-6
    assert (models["win_low"] <= won).all() and (won <= models["win_high"]).all()
    best = won.idxmax()
    assert answer.verdict.startswith(f"Send {best}, checkpoint {models.loc[best, 'checkpoint']}:")
    if kind == "best lap":
        assert best == "fast-but-fragile"


def test_the_chance_is_that_of_races_driven_out(samples, learnt, rng):
    names = ["planted-faults", "over-trained"]
    race = RaceFormat(attempts=2)
    answer = compare_odds([samples[name] for name in names], race, learnt).models.set_index("name")
    results = []
    for name in names:
        model = learnt[name]
        column = list(model.checkpoints["checkpoint"]).index(answer.loc[name, "checkpoint"])
        versions = rng.integers(len(model.draws[0]), size=40_000)
        chance, time, noise = model.draws[0][:, column], model.draws[1][:, column], model.draws[2][:, 0]
        laps = rng.normal(time[versions, None], noise[versions, None], (len(versions), 2))
        finished = rng.random(laps.shape) < chance[versions, None]
        results.append(np.where(finished, laps, np.inf).min(axis=1))
    one, other = results
    assert answer["win_chance"].tolist() == pytest.approx(
        [np.mean(one < other), np.mean(other < one)], abs=0.02
    )


def test_a_model_beside_itself_wins_as_often(samples, learnt):
    one = samples["steady-and-slow"]
    both = learnt | {"again": learnt["steady-and-slow"]}
    answer = compare_odds([one, named(one, "again")], RaceFormat(), both)
    first, second = answer.models["win_chance"]
    assert first == pytest.approx(second, abs=0.05)
    assert first + second == pytest.approx(1, abs=0.01)
    assert "too close for these drives to tell apart" in answer.verdict


def test_the_same_seed_gives_the_same_odds(samples, learnt):
    pair = [samples["steady-and-slow"], samples["planted-faults"]]
    first, again = (compare_odds(pair, RaceFormat(), learnt, seed=3).models for _ in range(2))
    assert first.equals(again)


def test_alone_the_odds_are_those_against_the_target(samples, learnt):
    answer = compare_odds([samples["planted-faults"]], RaceFormat(target=11.5), learnt)
    assert answer.models["win_chance"].isna().all()
    odds = race_odds(learnt["planted-faults"], answer.race).set_index("checkpoint")
    assert answer.models["target_chance"][0] == odds["win_chance"].max()


def test_without_laps_on_another_track_and_from_evaluations_there_is_no_ranking(runs, rng):
    one = known_from_metrics("one", rng.normal(12, 0.4, 60), failures=60)
    none = known_from_metrics("none", [], failures=40)
    away = known_from_metrics("away", rng.normal(30, 0.4, 60), world="oval")
    answer = compare_odds([one, none, away], RaceFormat())
    assert answer.models["win_chance"].isna().all()
    assert answer.models["ranked"].tolist() == [True, True, False]
    assert "No lap of none" in answer.verdict and "away drove on oval" in answer.verdict
    assert "nan" not in answer.verdict.lower().split()
    nothing = compare_odds([known_from_metrics("empty", [])], RaceFormat())
    assert nothing.models.empty and "empty has no drive" in nothing.verdict


def test_evaluations_have_no_odds(real_logs):
    raced = of_run(load_run(real_logs / "workshop-2019-evaluation.log"), "raced", evaluations=True)
    answer = compare_odds([raced], RaceFormat())
    assert answer.models.empty and "separate evaluations" in answer.verdict
