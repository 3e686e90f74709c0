"""Augmentation changes loudness and which derivations are there, as an amplifier and its electrodes would."""

from __future__ import annotations

import numpy as np

from detector.training.augmenting import augment_of
from tests.training.made_up import BANDS, CARD, made_up_sequence


def test_gain_moves_absolute_power_only_and_a_missing_derivation_stays_zero() -> None:
    augment = augment_of(CARD, BANDS.per_derivation)
    sequence = made_up_sequence(50, 9)
    values = sequence.values.reshape(50, 22, -1).copy()
    values[:, 5] = 0
    changed = augment(values.reshape(50, -1), np.random.default_rng(1)).reshape(50, 22, -1)
    n_bands = len(CARD.features.bands_hz)
    there = changed[0, :, -1] > 0
    assert there.sum() >= 6
    assert not there[5]
    assert (changed[:, ~there] == 0).all()
    np.testing.assert_array_equal(changed[:, there, n_bands:], values[:, there, n_bands:])
    moved = changed[:, there, :n_bands] - values[:, there, :n_bands]
    assert np.abs(moved).max() > 0.01
    np.testing.assert_allclose(moved, np.broadcast_to(moved[:1], moved.shape), atol=1e-5)
