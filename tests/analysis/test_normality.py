import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from deepracer_viz.analysis.normality import MIN_FOR_MOMENTS, normality_of

SHAPES = {
    "normal": lambda rng, n: rng.normal(12, 0.4, n),
    "skewed": lambda rng, n: rng.gumbel(12, 0.4, n),
    "heavy tails": lambda rng, n: rng.standard_t(3, n) + 12,
    "flat": lambda rng, n: rng.uniform(11, 13, n),
    "two values": lambda rng, n: np.where(rng.permutation(n) < 0.4 * n, 11.0, 12.0),
    "one far off": lambda rng, n: np.append(rng.normal(12, 0.4, n - 1), 1e4),
    "a grid": lambda rng, n: np.round(rng.normal(12, 0.4, n) * 15) / 15,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [MIN_FOR_MOMENTS, 21, 50, 500, 6000])
def test_agrees_with_scipy_on_every_shape(shape, n):
    values = SHAPES[shape](np.random.default_rng(n), n)
    found, expected = normality_of(values), stats.normaltest(values)
    assert found.test == "D'Agostino-Pearson K2"
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-9)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-7, abs=1e-300)
    assert found.holds == (expected.pvalue >= 0.05)


@pytest.mark.parametrize("n", [3, 8, MIN_FOR_MOMENTS - 1])
def test_few_values_go_to_shapiro_and_wilk(n):
    values = np.random.default_rng(n).gumbel(12, 0.4, n)
    found, expected = normality_of(list(values)), stats.shapiro(values)
    assert (found.test, found.statistic, found.p) == ("Shapiro-Wilk", *expected)


def test_neither_unit_nor_order_matters():
    values = np.random.default_rng(1).gumbel(12, 0.4, 40)
    same = normality_of(1000 * values[::-1] - 7)
    assert same.p == pytest.approx(normality_of(values).p, rel=1e-9)


@pytest.mark.parametrize("n", [8, 19, 20, 30, 200])
def test_false_alarms_come_at_5_percent(n):
    rng = np.random.default_rng(n)
    alarms = np.mean([not normality_of(rng.normal(12, 0.4, n)).holds for _ in range(1500)])
    # Three standard errors, and the approximation's own error at its smallest sample.
    assert 0.03 < alarms < 0.075


def test_enough_laps_need_no_second_of_imports():
    program = (
        "import sys; from deepracer_viz.analysis.envelope import performance_envelope as envelope;"
        "assert envelope(range(1, 41), target=9).normality; print('scipy.stats' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "False"


def test_too_few_values_are_refused():
    with pytest.raises(ValueError, match="three"):
        normality_of([12.0, 13.0])
