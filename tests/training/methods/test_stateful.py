"""The method `stateful`: lanes are single recordings side by side, and chunks with a memory are whole recordings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from detector.training.keras_backend import keras
from detector.training.methods import stateful
from detector.training.methods.stateful import lanes_of, logits_of
from detector.training.networks import build, move_weights, recurrent_layers, reset_lanes
from tests.training.made_up import CARD, RECIPE, SCALE, made_up_sequence
from tests.training.training import SEQUENCES, compile_sgd, network_of, unchanged, weights_of


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
        # Who is in the chunk is told: a loss that is not finite must be traced to a recording.
        assert set(chunk.sequences) == {current[lane] for lane in range(3) if chunk.weight[lane].any()}
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


def test_one_chunk_as_long_as_the_recordings_takes_the_steps_of_a_stateless_network() -> None:
    sequences = [made_up_sequence(20, seed) for seed in range(3)]
    model = network_of(stateful)
    stateless = build(3, RECIPE, CARD, SCALE, stateful=False)
    move_weights(model, stateless)
    compile_sgd(stateless)
    recipe = replace(RECIPE, chunk_steps=20)
    for _ in range(3):
        list(stateful.one_pass(model, sequences, recipe, np.random.default_rng(0), unchanged))
        values, target = np.stack([s.values for s in sequences]), np.stack([s.target for s in sequences])
        stateless.fit(values, np.repeat(target[:, :, None], RECIPE.members, axis=2), batch_size=3, verbose=0)
    for own, other in zip(weights_of(model), weights_of(stateless), strict=True):
        np.testing.assert_allclose(own, other, atol=1e-5)


def test_the_state_is_carried_between_chunks_of_the_training() -> None:
    """With chunks of 7 steps the second chunk's loss is that of a network that has seen the first."""
    model, sequence = network_of(stateful, learning_rate=0.0), made_up_sequence(14, 3)
    updates = list(stateful.one_pass(model, [sequence], RECIPE, np.random.default_rng(0), unchanged))
    logits = stateful.logits_of(model, [sequence], RECIPE, CARD, SCALE)[0]
    forgetful = stateful.logits_of(model, [_part(sequence, 7, 14)], RECIPE, CARD, SCALE)[0]
    # Two of the three lanes are empty.
    carried = stateful.validation_loss(model, [_part(sequence, 7, 14)], [logits[7:]]) / 3
    cold = stateful.validation_loss(model, [_part(sequence, 7, 14)], [forgetful]) / 3
    assert abs(updates[1].loss - carried) < 1e-5 < 1e-3 < abs(cold - carried)


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


def _part(sequence: Any, first: int, last: int) -> Any:
    arrays = {name: getattr(sequence, name)[first:last] for name in ("values", "good", "end_s", "target", "weight")}
    return replace(sequence, **arrays)
