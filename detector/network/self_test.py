"""What every engine's network must be able to do before it may serve: answers to noise, that move between 0 and 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from detector.errors import BundleError
from detector.messages import FloatArray

STEPS = 32


def noise(n_features: int) -> FloatArray:
    """Return the test signal, (1, STEPS, n_features), the same each time."""
    return np.random.default_rng(0).normal(0, 1, (1, STEPS, n_features)).astype(np.float32)


def require_probabilities(path: Path, answers: FloatArray) -> None:
    """Refuse a network that does not answer the test signal with probabilities that move.

    Parameters
    ----------
    path
        Of the network, for the message.
    answers
        To each step, (STEPS,), finite.

    Raises
    ------
    BundleError
        When they stand still, or leave 0..1.
    """
    if answers.min() == answers.max():
        raise BundleError(
            f"{path}: its output on a test signal is {answers[0]:.9g} all the time; expected one that moves"
        )
    if answers.min() < 0 or answers.max() > 1:
        raise BundleError(
            f"{path}: its output on a test signal lies between {answers.min():.3g} and {answers.max():.3g}, "
            "expected probabilities in 0..1 (end with a sigmoid)"
        )
