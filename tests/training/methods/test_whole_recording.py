"""The method `whole-recording`: a loop by hand with resets takes the steps that `fit` takes without a memory."""

from __future__ import annotations

import numpy as np

from detector.training.methods import whole_recording
from detector.training.networks import build, move_weights
from tests.training.made_up import CARD, RECIPE, SCALE, made_up_sequence
from tests.training.training import SEQUENCES, compile_sgd, network_of, unchanged, weights_of


def test_the_loop_with_resets_and_fit_without_a_memory_take_the_same_steps() -> None:
    sequences = [made_up_sequence(25, seed) for seed in range(4)]
    loop = network_of(whole_recording)
    fitted = build(1, RECIPE, CARD, SCALE, stateful=False)
    move_weights(loop, fitted)
    compile_sgd(fitted)
    rng, same = np.random.default_rng(0), np.random.default_rng(0)
    begin = weights_of(loop)
    for _ in range(3):
        list(whole_recording.one_pass(loop, sequences, RECIPE, rng, unchanged))
        order = same.permutation(4)
        values, target = (np.stack([getattr(sequences[i], name) for i in order]) for name in ("values", "target"))
        fitted.fit(
            values, np.repeat(target[:, :, None], RECIPE.members, axis=2), batch_size=1, shuffle=False, verbose=0
        )
    for own, other in zip(weights_of(loop), weights_of(fitted), strict=True):
        np.testing.assert_allclose(own, other, atol=1e-6)
    assert any(np.abs(a - b).max() > 1e-3 for a, b in zip(begin, weights_of(loop), strict=True))


def test_a_session_is_met_without_a_memory_of_the_one_before() -> None:
    model = network_of(whole_recording, learning_rate=0.0)
    first = list(whole_recording.one_pass(model, SEQUENCES, RECIPE, np.random.default_rng(0), unchanged))
    again = list(whole_recording.one_pass(model, SEQUENCES, RECIPE, np.random.default_rng(9), unchanged))
    assert [u.sequences for u in first] != [u.sequences for u in again]
    losses = {u.sequences: u.loss for u in again}
    for update in first:
        assert abs(update.loss - losses[update.sequences]) < 1e-6
