"""The method `padded`: padding changes no gradient, and the length says what is padding, not the values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detector.messages import FloatArray
from detector.training.methods import padded
from detector.training.methods.method import batch_of, for_members, rounded, take_step
from detector.training.networks import build, move_weights
from detector.training.sequences import Sequence
from tests.training.made_up import CARD, RECIPE, SCALE
from tests.training.training import SEQUENCES, compile_sgd, network_of, unchanged, weights_of

RECIPE_2 = replace(RECIPE, batch_recordings=3)


def _gradient(sequences: list[Sequence], rows: int, steps: int) -> list[FloatArray]:
    """Return the step that plain SGD with a rate of 1 takes for a padded batch: the gradient, negative."""
    model = build(rows, RECIPE, CARD, SCALE, stateful=False)
    move_weights(network_of(padded), model)
    compile_sgd(model, 1.0)
    before = weights_of(model)
    take_step(model, *batch_of(sequences, [s.values for s in sequences], rows, steps))
    return [new - old for old, new in zip(before, weights_of(model), strict=True)]


@pytest.mark.parametrize(("rows", "steps"), [(3, 30), (3, 77), (5, 40)])
def test_padding_of_steps_and_of_rows_changes_no_gradient(rows: int, steps: int) -> None:
    three = SEQUENCES[:3]
    together = _gradient(three, rows, steps)
    n_steps = sum(map(len, three))
    alone = [_gradient([sequence], 1, len(sequence)) for sequence in three]
    assert max(np.abs(change).max() for change in together) > 1e-3
    for i, change in enumerate(together):
        # Each step counts alike, whichever recording it is of.
        expected = sum(len(s) / n_steps * own[i] for s, own in zip(three, alone, strict=True))
        np.testing.assert_allclose(change, expected, atol=1e-6)


def test_flat_eeg_is_no_padding() -> None:
    """All-zero features at the end of a recording are learned from; the same zeros behind its end are not."""
    flat = replace(SEQUENCES[0], values=SEQUENCES[0].values.copy())
    flat.values[20:] = 0
    arrays = {name: getattr(flat, name)[:20] for name in ("values", "good", "end_s", "target", "weight")}
    cut = replace(flat, **arrays)
    batch, _, weight = batch_of([flat, cut], [flat.values, cut.values], 2, 30)
    np.testing.assert_array_equal(batch[0], batch[1])
    assert (weight[0] > 0).all()
    np.testing.assert_array_equal(weight[1] > 0, np.arange(30) < 20)
    whole, shorter = _gradient([flat], 1, 30), _gradient([cut], 1, 30)
    assert max(np.abs(a - b).max() for a, b in zip(whole, shorter, strict=True)) > 1e-3


def test_fit_takes_the_steps_of_a_loop_by_hand() -> None:
    fitted = padded.network(RECIPE_2, CARD, SCALE)
    move_weights(network_of(padded), fitted)
    looped = padded.network(RECIPE_2, CARD, SCALE)
    move_weights(fitted, looped)
    for model in (fitted, looped):
        compile_sgd(model)
    updates = list(padded.one_pass(fitted, SEQUENCES, RECIPE_2, np.random.default_rng(0), unchanged))
    for update in updates:
        chosen = [SEQUENCES[i] for i in update.sequences]
        batch = batch_of(chosen, [s.values for s in chosen], 3, rounded(max(map(len, chosen))))
        values, target, weight = batch
        loss = looped.train_on_batch(values, for_members(target, looped), sample_weight=weight)
        looped.reset_metrics()
        assert update.loss == pytest.approx(float(loss), abs=1e-6)
    for own, other in zip(weights_of(fitted), weights_of(looped), strict=True):
        np.testing.assert_allclose(own, other, atol=1e-6)


def test_neighbours_in_length_share_a_batch() -> None:
    buckets = padded.buckets_of(SEQUENCES, 2, np.random.default_rng(0))
    assert sorted(i for bucket in buckets for i in bucket) == list(range(5))
    spans = sorted(tuple(sorted(len(SEQUENCES[i]) for i in bucket)) for bucket in buckets)
    assert spans == [(7, 9), (14, 22), (30,)]
    assert any(padded.buckets_of(SEQUENCES, 2, np.random.default_rng(s)) != buckets for s in range(5))


def test_a_length_is_rounded_up_by_a_fifth_at_most() -> None:
    lengths = np.arange(1, 5000)
    found = np.array([rounded(n) for n in lengths.tolist()])
    assert (found >= lengths).all()
    assert (found[lengths > 16] <= 1.2 * lengths[lengths > 16]).all()
    assert len(set(found.tolist())) < 40
