"""Intervals: of a count by Poisson's law, and of anything that is pooled over persons by drawing persons again."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

LEVEL = 0.95
REPLICATES = 2000
# With more undefined draws than this, what an interval says depends on which are left.
_MOST_UNDEFINED = 0.05

Values = npt.NDArray[np.float64]


def garwood(count: int, hours: float) -> tuple[float, float]:
    """Return the exact 95 % interval of a rate per 24 h, from a count and the hours that it took.

    Garwood 1936, "Fiducial limits for the Poisson distribution", Biometrika 28: quantiles of the gamma distribution
    with the shapes ``count`` and ``count + 1``. NaN where there are no hours.
    """
    from scipy.special import gammaincinv

    if not hours > 0:
        return math.nan, math.nan
    tail = (1 - LEVEL) / 2
    low = float(gammaincinv(count, tail)) if count else 0.0
    return low * 24 / hours, float(gammaincinv(count + 1, 1 - tail)) * 24 / hours


def draws(n_persons: int, seed: int, replicates: int = REPLICATES) -> npt.NDArray[np.int64]:
    """Return how often each person is drawn: (replicates, n_persons), each row a draw with replacement.

    Recordings and seizures of one person are alike, so that persons are drawn and not recordings: Efron and Tibshirani
    1993, "An Introduction to the Bootstrap", chapters 8 and 13; Davison and Hinkley 1997, section 3.8.
    """
    return np.random.default_rng(seed).multinomial(n_persons, np.full(n_persons, 1 / n_persons), size=replicates)


def interval(values: Values, n_persons: int) -> tuple[float, float]:
    """Return the 95 % percentile interval of (replicates,) values; NaN where it cannot be known.

    That is with one person, or where more than 5 % of the draws give no value.
    """
    if n_persons < 2 or np.isnan(values).mean() > _MOST_UNDEFINED:
        return math.nan, math.nan
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.nanpercentile(values, [tail, 100 - tail])
    return float(low), float(high)


def ratio(above: npt.ArrayLike, below: npt.ArrayLike) -> Values:
    """Return a quotient; NaN, and neither 0 nor 1, where there is nothing to divide by."""
    above, below = np.asarray(above, dtype=float), np.asarray(below, dtype=float)
    found = np.full(np.broadcast(above, below).shape, math.nan)
    np.divide(above, below, out=found, where=below > 0)
    return found


def drawn_sum(by_person: Sequence[float], weights: npt.NDArray[np.int64]) -> Values:
    """Return (draws,) sums of a value of each person, each as often as the person is drawn."""
    sums: Values = weights @ np.array(by_person, dtype=float)
    return sums


def drawn_centile(by_person: Sequence[Sequence[float]], weights: npt.NDArray[np.int64], centile: float) -> Values:
    """Return for each draw the centile of the values of the persons drawn, each as often as the person is.

    Parameters
    ----------
    by_person
        The values of each person.
    weights
        (draws, n_persons).

    Returns
    -------
    numpy.ndarray
        (draws,), as `numpy.percentile` of the values written out; NaN where there are none.
    """
    owner = np.array([i for i, values in enumerate(by_person) for _ in values], dtype=int)
    values = np.array([value for values in by_person for value in values], dtype=float)
    if not len(values):
        return np.full(len(weights), math.nan)
    order = np.argsort(values, kind="stable")
    values, counts = values[order], np.cumsum(weights[:, owner[order]], axis=1)
    n = counts[:, -1]
    place = (n - 1) * centile / 100
    found = []
    for rank in (np.floor(place), np.ceil(place)):
        found.append(values[np.minimum((counts <= rank[:, np.newaxis]).sum(axis=1), len(values) - 1)])
    mixed = found[0] + (found[1] - found[0]) * (place - np.floor(place))
    return np.where(n > 0, mixed, math.nan)
