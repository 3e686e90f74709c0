"""What changes a sequence each time that it is met in training, so that no two passes show the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detector.messages import FloatArray
from detector.network.bundle import Card

Augment = Callable[[FloatArray, np.random.Generator], FloatArray]


def augment_of(card: Card, per_derivation: int) -> Augment:
    """Return what changes a sequence each time that it is met: its loudness, and which derivations are there.

    A gain of g adds 2 log10(g) to the absolute log powers and nothing to the relative ones, nor to those that count
    from the level, which it moves too.
    """
    widest = 0.0 if card.features.from_level else np.log10(2.0)
    n_bands, n = len(card.features.bands_hz), len(card.derivations)
    groups = [np.arange(0, 4), np.arange(4, 8), np.arange(8, 12), np.arange(12, 16), np.array([19, 20, 21])]

    def augment(values: FloatArray, rng: np.random.Generator) -> FloatArray:
        changed = values.reshape(len(values), n, per_derivation).copy()
        flag = changed[:, :, -1:]
        gain = rng.uniform(-widest, widest) + rng.normal(0, 0.05, (1, n, 1))
        tilt = rng.normal(0, 0.1) * np.linspace(-1, 1, n_bands)
        changed[:, :, :n_bands] += ((2 * gain + tilt) * flag).astype(np.float32)
        gone = rng.random(n) < rng.choice([0.0, 0.1, 0.4])
        for group in groups:
            if rng.random() < 0.12:
                gone[group] = True
        if gone.sum() <= n - 6:
            changed[:, gone] = 0
        return changed.reshape(values.shape)

    return augment
