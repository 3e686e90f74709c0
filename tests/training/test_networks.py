"""The networks: weights move, lanes are independent, and missing derivations are no evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from detector.network.keras_tensorflow import keras
from detector.training.networks import build, deployable, move_weights, recurrent_layers, reset_lanes, scale_of
from tests.training.made_up import BANDS, CARD, RECIPE, SCALE, made_up_sequence


def _states(model: keras.Model) -> list[npt.NDArray[Any]]:
    return [state.numpy().copy() for layer in recurrent_layers(model) for state in layer.states]


def test_state_carried_over_chunks_equals_one_stateless_pass() -> None:
    values = made_up_sequence(40, 1).values[None]
    carried = build(1, RECIPE, CARD, SCALE)
    at_once = build(1, RECIPE, CARD, SCALE, stateful=False)
    move_weights(carried, at_once)
    whole = keras.ops.convert_to_numpy(at_once(values))
    parts = np.concatenate([keras.ops.convert_to_numpy(carried(values[:, a : a + 9])) for a in range(0, 40, 9)], axis=1)
    np.testing.assert_allclose(parts, whole, atol=1e-5)
    # Not vacuous: without the state the later steps are others.
    forgetful = np.concatenate(
        [keras.ops.convert_to_numpy(at_once(values[:, a : a + 9])) for a in range(0, 40, 9)], axis=1
    )
    assert np.abs(forgetful - whole)[:, 9:].max() > 1e-3


def test_reset_of_one_lane_leaves_the_others_alone() -> None:
    model = build(3, RECIPE, CARD, SCALE)
    model(np.stack([made_up_sequence(10, seed).values for seed in range(3)]))
    before = _states(model)
    assert all(np.abs(state).max(axis=1).min() > 0 for state in before)
    reset_lanes(model, np.array([0, 1, 0], dtype=np.float32))
    for old, new in zip(before, _states(model), strict=True):
        assert np.all(new[1] == 0)
        np.testing.assert_array_equal(new[[0, 2]], old[[0, 2]])


# Keras 3.15 reads TensorFlow's variables through a protocol that NumPy 2 has replaced.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_weights_move_from_lanes_to_the_batch_of_one_that_is_deployed(tmp_path: Path) -> None:
    members = build(3, RECIPE, CARD, SCALE)
    members(np.zeros((3, 1, BANDS.n_features), dtype=np.float32))
    deployable(members, RECIPE, CARD, SCALE).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    assert loaded.input_shape == (1, None, BANDS.n_features)
    assert loaded.output_shape == (1, None, 1)
    sequence = made_up_sequence(20, 3)
    reset_lanes(members, np.ones(3, dtype=np.float32))
    logits = keras.ops.convert_to_numpy(members(np.repeat(sequence.values[None], 3, axis=0)))[1]
    found = keras.ops.convert_to_numpy(loaded(sequence.values[None]))[0, :, 0]
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-logits.mean(axis=1))), atol=1e-5)


def test_what_a_missing_derivation_carries_changes_nothing() -> None:
    model = build(1, RECIPE, CARD, SCALE, stateful=False)
    values = made_up_sequence(5, 4).values.reshape(5, 22, -1).copy()
    values[:, 3, -1] = 0
    first = keras.ops.convert_to_numpy(model(values.reshape(1, 5, -1)))
    values[:, 3, :-1] = 1e3
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(values.reshape(1, 5, -1))), first)
    values[:, 3, -1] = 1
    assert np.abs(keras.ops.convert_to_numpy(model(values.reshape(1, 5, -1))) - first).max() > 1e-3


def test_which_derivation_is_which_changes_nothing() -> None:
    # So a mirrored head is the same head, and nothing is gained by training on mirrored EEG.
    model = build(1, RECIPE, CARD, SCALE, stateful=False)
    values = made_up_sequence(30, 6).values.reshape(30, 22, -1)
    first = keras.ops.convert_to_numpy(model(values.reshape(1, 30, -1)))
    mirrored = values[:, np.random.default_rng(0).permutation(22)]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(mirrored.reshape(1, 30, -1))), first, atol=1e-5)


def test_the_output_is_finite_where_nothing_is_good() -> None:
    model = build(1, RECIPE, CARD, SCALE)
    assert np.isfinite(keras.ops.convert_to_numpy(model(np.zeros((1, 200, BANDS.n_features), dtype=np.float32)))).all()


def test_scale_counts_good_derivations_only() -> None:
    sequence = made_up_sequence(4000, 5)
    values = sequence.values.reshape(4000, 22, -1)
    values[:, :11, :] = 0
    scale = scale_of([sequence], BANDS.per_derivation)
    np.testing.assert_allclose(scale.mean, 0, atol=0.03)
    np.testing.assert_allclose(scale.variance, 1, atol=0.03)
