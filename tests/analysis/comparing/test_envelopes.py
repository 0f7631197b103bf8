from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepracer_viz.analysis.comparing import beats, compare_envelopes
from deepracer_viz.analysis.comparing.envelopes import LEAST_DRIVES, MOST_LEVELS
from tests.contenders import known_from_metrics, named


@pytest.fixture
def rng():
    return np.random.default_rng(5)


SEEN = st.lists(st.sampled_from([9.0, 9.5, 10.0, 11.25, np.inf]), min_size=8, max_size=10)


def by_counting(one, other, attempts):
    """Every way to draw the attempts of both, one by one."""
    won = 0.0
    ways = [[min(drawn) for drawn in product(times, repeat=attempts)] for times in (one, other)]
    for a, b in product(*ways):
        won += 1.0 if a < b else 0.5 if a == b else 0.0
    return won / (len(ways[0]) * len(ways[1]))


@settings(max_examples=40, deadline=None)
@given(SEEN, SEEN, st.sampled_from([1, 2]))
def test_the_chance_is_that_of_counting_every_way(one, other, attempts):
    chance, low, high, neither, *n = beats(one, other, attempts)
    assert chance == pytest.approx(by_counting(one, other, attempts), abs=1e-9)
    assert 0 <= low <= chance <= high <= 1
    assert neither == pytest.approx((np.mean(np.isinf(one)) * np.mean(np.isinf(other))) ** attempts)
    assert n == [len(one), len(other)]


@settings(max_examples=20, deadline=None)
@given(SEEN, SEEN, st.sampled_from([1, 3]))
def test_what_one_wins_the_other_loses(one, other, attempts):
    assert beats(one, other, attempts)[0] + beats(other, one, attempts)[0] == pytest.approx(1)


@pytest.mark.parametrize("attempts", [1, 3, 20])
def test_identical_models_have_even_chances(attempts, rng):
    times = np.where(rng.random(200) < 0.6, rng.normal(12, 0.5, 200), np.inf)
    chance, low, high, *_ = beats(times, times, attempts)
    assert chance == pytest.approx(0.5)
    assert low < 0.5 < high


def test_a_certain_win_of_few_drives_is_no_certainty(rng):
    fast, slow = rng.normal(10, 0.1, 10), rng.normal(14, 0.1, 10)
    chance, low, high, *_ = beats(fast, slow)
    assert (chance, high) == (1, 1) and 0.5 < low < 0.9
    many = beats(rng.normal(10, 0.1, 600), rng.normal(14, 0.1, 600))
    assert many[0] == 1 and many[1] > 0.98


def test_failures_lose_against_any_lap_and_tie_with_each_other():
    assert beats([np.inf] * 20, [99.0] * 20)[0] == 0
    assert beats([np.inf] * 20, [np.inf] * 20)[0] == 0.5
    half = [10.0] * 10 + [np.inf] * 10
    chance, _, _, neither, *_ = beats(half, [12.0] * 10 + [np.inf] * 10)
    assert neither == pytest.approx(0.25)
    assert chance == pytest.approx(0.5 + 0.125)  # its laps always win; where neither finishes, half


def test_more_attempts_favour_the_fast_and_fragile(rng):
    fragile = np.where(np.arange(100) < 30, rng.normal(9, 0.2, 100), np.inf)
    steady = rng.normal(12, 0.2, 100)
    chances = [beats(fragile, steady, attempts)[0] for attempts in (1, 2, 5)]
    assert chances == pytest.approx([1 - 0.7**n for n in (1, 2, 5)])


def test_too_few_drives_have_no_chance():
    few, many = [10.0] * (LEAST_DRIVES - 1), [11.0] * 30
    assert np.isnan(beats(few, many)[:4]).all()
    assert np.isnan(beats([], many)[:4]).all()


def test_the_same_seed_gives_the_same_interval_and_many_times_are_gathered(rng):
    one, other = rng.normal(12, 0.5, 2000), rng.normal(12.1, 0.5, 2000)
    assert len(np.unique(np.concatenate([one, other]))) > MOST_LEVELS
    first = beats(one, other, 3, seed=4)
    assert beats(one, other, 3, seed=4) == first
    assert first[1] < first[0] < first[2] and first[2] - first[1] < 0.1


def test_intervals_hold_the_truth_as_often_as_they_say():
    held, rng = 0, np.random.default_rng(8)
    # By formula: a finishes 70 %, b 80 % of its drives, a is half a standard deviation faster.
    truth_of_times = (
        0.6381631950841185  # P(N(0, 1) < 0.5 / sqrt(2)), the chance of a lap of a to be the faster
    )
    truth = 0.7 * 0.8 * truth_of_times + 0.7 * 0.2 + 0.5 * 0.3 * 0.2
    for seed in range(120):
        a = np.where(rng.random(40) < 0.7, rng.normal(12, 1, 40), np.inf)
        b = np.where(rng.random(40) < 0.8, rng.normal(12.5, 1, 40), np.inf)
        _, low, high, *_ = beats(a, b, seed=seed)
        held += low <= truth <= high
    assert held >= 0.92 * 120


def test_sample_models_in_their_order(samples):
    names = ["fast-but-fragile", "steady-and-slow", "over-trained", "planted-faults"]
    answer = compare_envelopes([samples[name] for name in names], 3)
    models = answer.models.set_index("name")
    assert list(models.index) == names
    assert models["fastest"].idxmin() == models["mean"].idxmin() == "fast-but-fragile"
    assert models["mean"].idxmax() == "steady-and-slow"
    for name in names:
        episodes = samples[name].episodes
        assert models.loc[name, "laps"] == episodes["complete"].sum()
        assert models.loc[name, "fastest"] == episodes.loc[episodes["complete"], "time"].min()
    assert len(answer.duels) == 12
    assert answer.duels["chance"].between(answer.duels["low"], answer.duels["high"]).all()
    per_name = answer.bins.groupby("name")
    assert per_name["laps"].sum().to_dict() == models["laps"].to_dict()
    assert per_name["share"].sum().to_numpy() == pytest.approx(np.ones(4))
    assert "single attempt" in answer.verdict and "n = " in answer.verdict


def test_a_model_beside_itself(samples):
    one = samples["planted-faults"]
    answer = compare_envelopes([one, named(one, "again")])
    assert answer.duels["chance"].tolist() == pytest.approx([0.5, 0.5])
    assert "cannot tell the two apart in a single attempt and over the best of 3" in answer.verdict


def test_another_track_is_shown_and_not_ranked(rng):
    one = known_from_metrics("one", rng.normal(12, 0.4, 30))
    other = known_from_metrics("other", rng.normal(30, 0.4, 30), world="oval")
    third = known_from_metrics("third", rng.normal(12.5, 0.4, 30))
    answer = compare_envelopes([one, other, third])
    assert answer.models["ranked"].tolist() == [True, False, True]
    assert set(answer.duels[["a", "b"]].to_numpy().ravel()) == {"one", "third"}
    assert "other drove on oval, one on loop." in answer.verdict and "not ranked" in answer.verdict
    assert set(answer.bins["name"]) == {"one", "other", "third"}
    alone = compare_envelopes([one, other])
    assert alone.duels.empty and "beats" not in alone.verdict


def test_too_few_laps_say_so(rng):
    one, few = known_from_metrics("one", rng.normal(12, 0.4, 30)), known_from_metrics("few", [11.0, 11.5])
    answer = compare_envelopes([one, few])
    assert answer.duels["chance"].isna().all()
    assert "Too few drives" in answer.verdict and "few (2 drives)" in answer.verdict
    assert np.isnan(answer.models["good_lap"].iloc[1]) and answer.models["fastest"].iloc[1] == 11.0


@pytest.mark.parametrize("laps", [[], [12.0], [12.0] * 30])
def test_no_lap_one_lap_and_equal_laps(laps):
    one = known_from_metrics("one", laps, failures=10)
    answer = compare_envelopes([one, known_from_metrics("other", [], failures=12)])
    assert "nan" not in answer.verdict.lower()
    assert len(answer.bins) == (len(laps) > 0) or answer.bins["laps"].sum() == len(laps)
    assert answer.duels["chance"].between(0.5, 1).all()
