"""How well single steps are told apart, and whether a probability means what it says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detector.evaluation.intervals import Values, ratio
from detector.messages import FloatArray


def auroc(target: FloatArray, score: FloatArray) -> float:
    """Return the area under the ROC curve: the chance that an ictal step scores above another (ties count half).

    By the rank sum (Mann and Whitney 1947). NaN where there is one class only.
    """
    positive = target > 0.5
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        return math.nan
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def average_precision(target: FloatArray, score: FloatArray) -> float:
    """Return the mean precision over the ictal steps, as the threshold falls; NaN where there is none."""
    positive = target > 0.5
    if not positive.any():
        return math.nan
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(positive[order])
    # Steps of the same score are taken together.
    last = np.flatnonzero(np.diff(np.append(-score[order], np.inf)) > 0)
    precision = hits[last] / (last + 1)
    gained = np.diff(np.concatenate([[0], hits[last]]))
    return float((precision * gained).sum() / hits[-1])


def sigmoid(logits: FloatArray) -> FloatArray:
    """Return probabilities."""
    return (1 / (1 + np.exp(-np.clip(logits, -60, 60)))).astype(np.float32)


@dataclass(frozen=True)
class Reliability:
    """Probabilities in bins of equal width beside what came true; sums, so that those of persons can be added.

    Parameters
    ----------
    steps, ictal
        (..., n_bins), how many steps have a probability in the bin, and how many of those are ictal.
    probability
        (..., n_bins), sum of the steps' probabilities.
    squared_error
        (...), sum over all steps of (probability - target) squared.
    """

    steps: Values
    ictal: Values
    probability: Values
    squared_error: Values

    @property
    def mean_probability(self) -> Values:
        """(..., n_bins), NaN in a bin without steps."""
        return ratio(self.probability, self.steps)

    @property
    def ictal_share(self) -> Values:
        """(..., n_bins), share of the bin's steps that are ictal."""
        return ratio(self.ictal, self.steps)

    @property
    def brier(self) -> Values:
        """Mean squared error of the probability (Brier 1950)."""
        return ratio(self.squared_error, self.steps.sum(axis=-1))

    @property
    def expected_error(self) -> Values:
        """Expected calibration error: mean |share - probability| of the bins, by their steps (Naeini et al. 2015)."""
        return ratio(np.abs(self.ictal - self.probability).sum(axis=-1), self.steps.sum(axis=-1))


def reliability(target: FloatArray, probability: FloatArray, n_bins: int = 10) -> Reliability:
    """Return (n_bins,) sums of (n_steps,) targets, 0 or 1, and probabilities."""
    bins = np.minimum((probability * n_bins).astype(int), n_bins - 1)
    wide = probability.astype(float)

    def summed(weights: Values | None = None) -> Values:
        return np.bincount(bins, weights=weights, minlength=n_bins).astype(float)

    return Reliability(summed(), summed(target.astype(float)), summed(wide), np.square(wide - target).sum())


def drawn_reliability(persons: Sequence[Reliability], weights: npt.NDArray[np.int64]) -> Reliability:
    """Return the sums of each draw of persons: weights (draws, n_persons) give (draws, n_bins)."""
    names = ("steps", "ictal", "probability", "squared_error")
    return Reliability(*(weights @ np.stack([getattr(person, name) for person in persons]) for name in names))


def drawn_ranking(
    persons: Sequence[tuple[FloatArray, FloatArray]], weights: npt.NDArray[np.int64], n_bins: int = 1000
) -> tuple[Values, Values]:
    """Return AUROC and average precision of each draw of persons: (draws,) each.

    Probabilities are taken to bins with about the same number of steps first and count as ties inside of them, so that
    thousands of draws take a second; good for intervals, while the figures themselves are exact.

    Parameters
    ----------
    persons
        (target, probability) of each.
    weights
        (draws, n_persons).
    """
    everything = np.concatenate([probability for _, probability in persons])
    edges = np.unique(np.quantile(everything, np.linspace(0, 1, n_bins + 1)[1:-1]))
    ictal, other = np.zeros((2, len(persons), len(edges) + 1))
    for i, (target, probability) in enumerate(persons):
        bins = np.searchsorted(edges, probability, side="right")
        ictal[i] = np.bincount(bins, weights=target, minlength=len(edges) + 1)
        other[i] = np.bincount(bins, weights=1 - target, minlength=len(edges) + 1)
    hits, rest = (weights @ ictal)[:, ::-1], (weights @ other)[:, ::-1]  # from the highest probability down
    n_hits, n_rest = hits.sum(axis=1), rest.sum(axis=1)
    below = n_rest[:, np.newaxis] - np.cumsum(rest, axis=1) + rest / 2
    areas = ratio((hits * below).sum(axis=1), n_hits * n_rest)
    precision = np.nan_to_num(ratio(np.cumsum(hits, axis=1), np.cumsum(hits + rest, axis=1)))
    return areas, ratio((hits * precision).sum(axis=1), n_hits)
