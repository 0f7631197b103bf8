"""Whether a sample may come from a normal distribution: a test for few values, and one for more."""

from dataclasses import dataclass

import numpy as np

MIN_FOR_MOMENTS = 20
"""Fewest values for which the curve that the kurtosis test rests on is near enough (Anscombe and Glynn, 1983)."""


@dataclass(frozen=True)
class Normality:
    """Result of the test whether values may come from a normal distribution."""

    test: str
    """Name of the test."""
    statistic: float
    """Its statistic."""
    p: float
    """Chance of a statistic at least this extreme were the values normal."""
    holds: bool
    """True where ``p`` is at least 0.05. Not proof: few values rarely reject anything."""


def normality_of(values) -> Normality:
    """Test whether values may come from a normal distribution.

    Parameters
    ----------
    values : array_like of float
        At least three finite values, in any unit and order, not all equal.

    Returns
    -------
    Normality

    Raises
    ------
    ValueError
        Fewer than three values.

    Notes
    -----
    Under `MIN_FOR_MOMENTS` values the test of Shapiro and Wilk [1]_. From there on the K2 of D'Agostino and
    Pearson: the squares of two scores, one for skewness [2]_ and one for kurtosis [3]_, each close to a standard
    normal draw for normal values, so that their sum follows chi-squared with two degrees of freedom [4]_.

    References
    ----------
    .. [1] Royston (1995). Remark AS R94. Applied Statistics 44, 547-551.
    .. [2] D'Agostino (1970). Transformation to normality of the null distribution of g1. Biometrika 57, 679-681.
    .. [3] Anscombe and Glynn (1983). Distribution of the kurtosis statistic b2 for normal samples. Biometrika 70,
       227-234.
    .. [4] D'Agostino, Belanger and D'Agostino (1990). A suggestion for using powerful and informative tests of
       normality. The American Statistician 44, 316-321.

    Examples
    --------
    >>> normality_of([12.1, 12.4, 11.9, 12.6, 12.2, 12.3, 12.0, 12.5]).holds
    True
    """
    values = np.asarray(values, dtype=float)
    if len(values) < 3:
        raise ValueError(f"a test of normality needs at least three values, not {len(values)}")
    if len(values) < MIN_FOR_MOMENTS:
        # Imported here because scipy.stats takes a second to import, and only so few values need it.
        from scipy import stats

        name, (statistic, p) = "Shapiro-Wilk", stats.shapiro(values)
    else:
        name, statistic = "D'Agostino-Pearson K2", _k2(values)
        p = np.exp(-statistic / 2)
    return Normality(name, float(statistic), float(p), bool(p >= 0.05))


def _k2(values: np.ndarray) -> float:
    apart = values - values.mean()
    variance = (apart**2).mean()
    skewness = (apart**3).mean() / variance**1.5
    kurtosis = (apart**4).mean() / variance**2
    return _skewness_score(skewness, len(values)) ** 2 + _kurtosis_score(kurtosis, len(values)) ** 2


def _skewness_score(skewness: float, n: int) -> float:
    """The skewness of n normal values follows a curve of Johnson's S_U family; its standard normal score."""
    standardised = skewness * np.sqrt((n + 1) * (n + 3) / (6 * (n - 2)))
    tails = 3 * (n**2 + 27 * n - 70) * (n + 1) * (n + 3) / ((n - 2) * (n + 5) * (n + 7) * (n + 9))
    # Squared width and scale of the S_U curve with these tails (its kurtosis).
    width = np.sqrt(2 * (tails - 1)) - 1
    scale = np.sqrt(2 / (width - 1))
    return np.arcsinh(standardised / scale) / np.sqrt(np.log(width) / 2)


def _kurtosis_score(kurtosis: float, n: int) -> float:
    """The kurtosis of n normal values follows, turned over, a curve near 1 / chi-squared; its standard normal score."""
    mean = 3 * (n - 1) / (n + 1)
    variance = 24 * n * (n - 2) * (n - 3) / ((n + 1) ** 2 * (n + 3) * (n + 5))
    standardised = (kurtosis - mean) / np.sqrt(variance)
    lean = (
        6
        * (n**2 - 5 * n + 2)
        / ((n + 7) * (n + 9))
        * np.sqrt(6 * (n + 3) * (n + 5) / (n * (n - 2) * (n - 3)))
    )
    # Degrees of freedom of the chi-squared with this skewness; its cube root is close to normal (Wilson and Hilferty).
    freedom = 6 + 8 / lean * (2 / lean + np.sqrt(1 + 4 / lean**2))
    inverse = 1 + standardised * np.sqrt(2 / (freedom - 4))
    root = np.cbrt((1 - 2 / freedom) / inverse)
    return (1 - 2 / (9 * freedom) - root) / np.sqrt(2 / (9 * freedom))
