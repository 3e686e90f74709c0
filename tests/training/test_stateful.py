"""The method `stateful`: lanes are single recordings side by side, and a seed gives the same weights again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from detector.errors import StateError
from detector.network.keras_tensorflow import keras
from detector.training.networks import build, move_weights, recurrent_layers, reset_lanes
from detector.training.stateful import augment_of, lanes_of, logits_of, train
from tests.training.made_up import BANDS, CARD, RECIPE, SCALE, made_up_sequence

SEQUENCES = [made_up_sequence(n, seed) for seed, n in enumerate((30, 9, 14, 7, 22))]


def test_every_step_of_every_sequence_comes_once_and_in_order() -> None:
    lanes: list[list[tuple[int, npt.NDArray[Any]]]] = [[] for _ in range(3)]
    n_fresh = 0
    found: dict[int, npt.NDArray[Any]] = {}
    begun = 0
    current = [-1] * 3
    for chunk in lanes_of(SEQUENCES, 3, 7):
        for lane in range(3):
            if chunk.fresh[lane]:
                current[lane] = begun
                begun += 1
                n_fresh += 1
            n = int((chunk.weight[lane] > 0).sum())
            assert (chunk.weight[lane, :n] > 0).all()
            if n:
                part = np.column_stack([chunk.values[lane, :n], chunk.target[lane, :n]])
                found[current[lane]] = np.concatenate([found[current[lane]], part]) if current[lane] in found else part
    assert n_fresh == len(SEQUENCES) > len(lanes)
    for i, sequence in enumerate(SEQUENCES):
        np.testing.assert_array_equal(found[i], np.column_stack([sequence.values, sequence.target]))


def test_lanes_with_refills_equal_single_recordings() -> None:
    model = build(3, RECIPE, CARD, SCALE)
    alone = build(1, RECIPE, CARD, SCALE, stateful=False)
    move_weights(model, alone)
    found: dict[int, list[npt.NDArray[Any]]] = {}
    current, begun = [-1] * 3, 0
    for chunk in lanes_of(SEQUENCES, 3, 7):
        reset_lanes(model, chunk.fresh)
        out = keras.ops.convert_to_numpy(model(chunk.values))
        for lane in range(3):
            if chunk.fresh[lane]:
                current[lane], begun = begun, begun + 1
            found.setdefault(current[lane], []).append(out[lane, chunk.weight[lane] > 0])
    for i, sequence in enumerate(SEQUENCES):
        single = keras.ops.convert_to_numpy(alone(sequence.values[None]))[0]
        np.testing.assert_allclose(np.concatenate(found[i]), single, atol=1e-5)


def test_measuring_leaves_the_training_state_alone_and_gives_each_sequence_its_own() -> None:
    model = build(3, RECIPE, CARD, SCALE)
    model(np.stack([made_up_sequence(10, seed).values for seed in range(3)]))
    before = [state.numpy().copy() for layer in recurrent_layers(model) for state in layer.states]
    found = logits_of(model, SEQUENCES, RECIPE, CARD, SCALE)
    after = [state.numpy().copy() for layer in recurrent_layers(model) for state in layer.states]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)
    alone = build(1, RECIPE, CARD, SCALE, stateful=False)
    move_weights(model, alone)
    for sequence, logits in zip(SEQUENCES, found, strict=True):
        np.testing.assert_allclose(logits, keras.ops.convert_to_numpy(alone(sequence.values[None]))[0], atol=1e-5)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    def weights(seed: int) -> list[npt.NDArray[Any]]:
        recipe = replace(RECIPE, dropout=0.3)
        return [v.numpy() for v in train([SEQUENCES], recipe, CARD, SCALE, seed, 2).trainable_variables]

    first, again, other = weights(5), weights(5), weights(6)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_training_learns_what_is_there() -> None:
    told = []
    for seed in range(6):
        sequence = made_up_sequence(40, 10 + seed)
        values = sequence.values.reshape(40, 22, -1).copy()
        values[:, :, 0] += sequence.target[:, None] * 3
        told.append(replace(sequence, values=values.reshape(40, -1)))
    losses: list[float] = []
    train([told], replace(RECIPE, learning_rate=0.02), CARD, SCALE, 0, 30, lambda _epoch, loss: losses.append(loss))
    assert losses[-1] < 0.3 * losses[0]


def test_a_loss_that_is_not_finite_stops_the_training() -> None:
    broken = replace(SEQUENCES[0], values=np.full_like(SEQUENCES[0].values, np.nan))
    with pytest.raises(StateError, match="epoch 1 is nan"):
        train([[broken]], RECIPE, CARD, SCALE, 0, 1)


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
