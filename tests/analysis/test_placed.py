"""Quantiles from bins keep to their error, whatever the values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepracer_viz.analysis.placed import EVEN, binned

SHARES = (0.0, 0.16, 0.25, 0.5, 0.84, 1.0)


def plain(place, value, known, places, shares):
    answer = np.full((len(shares), places), np.nan)
    for number in range(places):
        here = value[known & (place == number)]
        if len(here):
            answer[:, number] = np.quantile(here.astype(float), shares)
    return answer


@st.composite
def values_at_places(draw):
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, places = draw(st.integers(0, 3000)), draw(st.integers(1, 20))
    place = random.integers(0, places + 1, n)  # the last one counts nowhere
    kind = draw(st.sampled_from(["actions", "normal", "heavy tail", "equal", "of the place"]))
    value = {
        "actions": random.choice([-30.0, -15.0, 0.0, 15.0, 30.0], n),
        "normal": random.normal(0, 0.2, n),
        "heavy tail": random.standard_cauchy(n),
        "equal": np.full(n, 1.5),
        "of the place": place + random.normal(0, 0.01, n),
    }[kind].astype(np.float32)
    value[random.random(n) < 0.05] = np.nan
    return place, value, random.random(n) < 0.9, places


@given(values_at_places())
@settings(max_examples=60, deadline=None)
def test_quantiles_are_off_by_less_than_a_bin(case):
    place, value, known, places = case
    values = binned(value, known)
    known = known & np.isfinite(value)
    answer = values.quantiles(values.counts(place, places), SHARES)
    truth = plain(place, value, known, places, SHARES)
    assert np.array_equal(np.isnan(answer), np.isnan(truth))
    if values.exact:
        np.testing.assert_allclose(answer, truth, atol=1e-6)
        return
    # Between two order statistics, each of which lies in its bin.
    for number in range(places):
        here = np.sort(value[known & (place == number)])
        if not len(here):
            continue
        for row, share in enumerate(SHARES):
            at = (len(here) - 1) * share
            near = np.searchsorted(values.low, here[[int(np.floor(at)), int(np.ceil(at))]], "right") - 1
            width = (values.high - values.low)[near].max()
            assert abs(answer[row, number] - truth[row, number]) <= width + 1e-6


@given(values_at_places())
@settings(max_examples=60, deadline=None)
def test_bins_hold_every_value_once(case):
    place, value, known, places = case
    values = binned(value, known)
    known = known & np.isfinite(value)
    counts = values.counts(place, places)
    assert counts.sum() == (known & (place < places)).sum()
    assert (values.code[~known] == len(values.low)).all()
    code = values.code[known]
    assert (values.low[code] <= value[known]).all() and (value[known] <= values.high[code]).all()
    assert (values.low[1:] > values.high[:-1]).all()


def test_few_different_values_are_exact_and_take_a_byte():
    values = binned(np.repeat(np.float32([1.0, 1.4, 4.0]), 100), np.ones(300, dtype=bool))
    assert values.exact and values.code.dtype == np.uint8 and len(values.low) == 3


def test_the_width_of_a_bin_is_bounded():
    value = np.random.default_rng(0).normal(0, 0.2, 200_000).astype(np.float32)
    values = binned(value, np.ones(len(value), dtype=bool))
    low, high = np.quantile(value, [0.001, 0.999])
    inner = (values.low >= low) & (values.high <= high)
    assert (values.high - values.low)[inner].max() <= (high - low) / (EVEN - 1) + 1e-6
    assert np.bincount(values.code).max() < len(value) / 250


def test_a_place_with_too_few_steps_has_no_quantile():
    values = binned(np.arange(9, dtype=np.float32), np.ones(9, dtype=bool))
    counts = values.counts(np.array([0] * 5 + [1] * 4), 3)
    answer = values.quantiles(counts, [0.5], least=5)
    assert answer[0, 0] == 2 and np.isnan(answer[0, 1:]).all()


@pytest.mark.parametrize("length", [0, 4])
def test_no_value_at_all(length):
    values = binned(np.full(length, np.nan, dtype=np.float32), np.ones(length, dtype=bool))
    counts = values.counts(np.zeros(length, dtype=int), 2)
    assert counts.shape == (2, 0)
    assert np.isnan(values.quantiles(counts, [0.5])).all()
