"""Confidence intervals that several analyses share."""

from statistics import NormalDist

import numpy as np


def wilson_interval(successes, n, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Wilson score interval of a share: ``successes`` out of ``n`` independent trials.

    It stays within 0 and 1, is usable from very few trials on, and does not shrink to nothing when
    every trial or no trial succeeded, as the interval of the plain normal approximation does.

    Parameters
    ----------
    successes, n : array_like
        Numbers of successes and of trials, broadcast against each other. Without a trial the
        interval is the whole range, 0 to 1.
    level : float
        Chance that the interval covers the true share, between 0 and 1 (both excluded).

    Returns
    -------
    low, high : numpy.ndarray
        Limits of the share (0 to 1), float64, of the broadcast shape (plain numbers for plain numbers).

    Raises
    ------
    ValueError
        If a number is negative or missing, there are more successes than trials, or ``level`` is
        not between 0 and 1.

    References
    ----------
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference.
    Journal of the American Statistical Association 22, 209-212.
    Brown, L. D., Cai, T. T. and DasGupta, A. (2001). Interval estimation for a binomial proportion.
    Statistical Science 16, 101-133 (why this one for small n).

    Examples
    --------
    >>> low, high = wilson_interval(14, 20)
    >>> print(f"{low:.3f} to {high:.3f}")
    0.481 to 0.855
    """
    successes, n = np.broadcast_arrays(np.asarray(successes, dtype=float), np.asarray(n, dtype=float))
    if not np.all((successes >= 0) & (successes <= n)):
        raise ValueError("successes must lie between 0 and the number of trials")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    z = NormalDist().inv_cdf((1 + level) / 2)
    # Multiplied through by n, the formula needs no division by it: n = 0 gives its limit, 0 to 1.
    spread = successes * (n - successes) / np.maximum(n, 1)
    half = z * np.sqrt(spread + z**2 / 4)
    low = (successes + z**2 / 2 - half) / (n + z**2)
    high = (successes + z**2 / 2 + half) / (n + z**2)
    # With no success (no failure) the limit is exactly 0 (1); rounding leaves something like 1e-18.
    return np.where(successes == 0, 0.0, low)[()], np.where(successes == n, 1.0, high)[()]
