"""Augmentation changes loudness and which derivations are there, as an amplifier and its electrodes would."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from detector.training.augmenting import augment_of
from detector.training.recipe import card_of
from tests.training.made_up import BANDS, CARD, RECIPE, made_up_sequence


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


def test_a_common_gain_does_not_reach_powers_that_count_from_the_level() -> None:
    def mean_change(from_level: bool, seed: int) -> float:
        card = card_of(replace(RECIPE, from_level=from_level))
        sequence = made_up_sequence(50, 9)
        changed = augment_of(card, BANDS.per_derivation)(sequence.values, np.random.default_rng(seed))
        moved = (changed - sequence.values).reshape(50, 22, -1)[0]
        there = changed.reshape(50, 22, -1)[0, :, -1] > 0
        # The tilt of the spectrum has a mean of 0; what is left of each derivation's own gain is small.
        return abs(float(moved[there, : len(card.features.bands_hz)].mean()))

    assert max(mean_change(False, seed) for seed in range(20)) > 0.3
    assert max(mean_change(True, seed) for seed in range(20)) < 0.1
