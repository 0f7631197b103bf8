from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepracer_viz.analysis.intervals import wilson_interval


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [  # worked examples of Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_textbook_values(successes, n, low, high):
    assert wilson_interval(successes, n) == pytest.approx((low, high), abs=5e-5)


def test_limits_solve_the_score_equation():
    # Wilson's limits are the shares p at which the observed share lies exactly z standard errors away.
    for level in (0.5, 0.9, 0.99):
        z = NormalDist().inv_cdf((1 + level) / 2)
        for p in wilson_interval(7, 20, level):
            assert abs(7 / 20 - p) == pytest.approx(z * np.sqrt(p * (1 - p) / 20))


@given(st.integers(0, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_holds_the_observed_share_and_mirrors(drawn):
    successes, n = drawn
    low, high = wilson_interval(successes, n)
    assert 0 <= low < high <= 1
    assert n == 0 or low <= successes / n <= high
    assert wilson_interval(n - successes, n) == pytest.approx((1 - high, 1 - low))


def test_no_success_and_no_failure_reach_the_ends_exactly():
    low, high = wilson_interval([0, 20, 0, 1], [20, 20, 1, 1])
    assert low[0] == 0 and low[2] == 0
    assert high[1] == 1 and high[3] == 1


def test_without_a_trial_anything_is_possible():
    assert wilson_interval(0, 0) == (0, 1)


def test_vectorised_and_broadcast():
    low, high = wilson_interval([[0], [3]], [3, 10, 20])
    assert low.shape == high.shape == (2, 3)
    assert low[1, 2] == wilson_interval(3, 20)[0]
    assert high[0, 1] == wilson_interval(0, 10)[1]
    empty_low, empty_high = wilson_interval([], [])
    assert len(empty_low) == len(empty_high) == 0


def test_more_trials_and_lower_levels_narrow_it():
    low, high = wilson_interval([7, 70, 700], [10, 100, 1000])
    assert np.all(np.diff(high - low) < 0)
    wide, narrow = wilson_interval(7, 10, 0.99), wilson_interval(7, 10, 0.5)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize(
    "call",
    [
        lambda: wilson_interval(3, 2),
        lambda: wilson_interval(-1, 2),
        lambda: wilson_interval(np.nan, 2),
        lambda: wilson_interval(1, 2, level=1),
        lambda: wilson_interval(1, 2, level=0),
    ],
)
def test_impossible_numbers_are_refused(call):
    with pytest.raises(ValueError):
        call()
