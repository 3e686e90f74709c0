"""What every method promises: it learns, is served by a batch of one, and measuring does not disturb it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from detector.errors import UsageError
from detector.training.data import Data
from detector.training.fitting import Plan, train
from detector.training.keras_backend import array_of, keras
from detector.training.methods import NAMES, method_named
from detector.training.methods.method import mean_loss
from detector.training.networks import deployable
from tests.training.made_up import CARD, RECIPE, SCALE, made_up_sequence
from tests.training.training import BOTH_WAYS, SEQUENCES, network_of, unchanged

RECIPES = replace(RECIPE, look_back=5, batch_windows=16, batch_recordings=2, learning_rate=0.02)


def _card(name: str) -> Any:
    return BOTH_WAYS if name == "bidirectional" else CARD


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_what_is_there(name: str) -> None:
    told = []
    for seed in range(6):
        sequence = made_up_sequence(40, 10 + seed)
        values = sequence.values.reshape(40, 22, -1).copy()
        values[:, :, 0] += sequence.target[:, None] * 3
        told.append(replace(sequence, values=values.reshape(40, -1)))
    losses: list[float] = []
    plan = Plan(name, RECIPES, _card(name), 50)
    train(plan, Data([told], told), 0, on_epoch=lambda _epoch, loss: losses.append(loss))
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize("name", NAMES)
def test_its_weights_move_to_the_batch_of_one_that_is_served(name: str) -> None:
    """Whatever the batch of the training, step by step or at once: the answers are those that it was measured by."""
    method = method_named(name)
    model = network_of(method)
    list(method.one_pass(model, SEQUENCES, RECIPES, np.random.default_rng(0), unchanged))
    served = deployable(model, RECIPES, _card(name), SCALE)
    assert served.input_shape[0] == 1
    measured = method.logits_of(model, SEQUENCES[:1], RECIPES, _card(name), SCALE)[0].mean(axis=1)
    values = SEQUENCES[0].values[None]
    step = 30 if name == "bidirectional" else 4
    answers = [keras.ops.convert_to_numpy(served(values[:, at : at + step])) for at in range(0, 30, step)]
    np.testing.assert_allclose(np.concatenate(answers, axis=1)[0, :, 0], 1 / (1 + np.exp(-measured)), atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_measuring_does_not_disturb_the_training(name: str) -> None:
    """A training with measurements between its passes takes the same steps, bit for bit, as one without."""
    method = method_named(name)
    recipe = replace(RECIPES, dropout=0.3)

    def trained(measured: bool) -> list[npt.NDArray[Any]]:
        keras.utils.set_random_seed(2)
        model = method.network(recipe, _card(name), SCALE)
        model.compile(keras.optimizers.AdamW(0.01), keras.losses.BinaryCrossentropy(from_logits=True))
        rng = np.random.default_rng(0)
        for _ in range(2):
            list(method.one_pass(model, SEQUENCES[:3], recipe, rng, unchanged))
            if measured:
                before = _all(model)
                logits = method.logits_of(model, SEQUENCES[3:], recipe, _card(name), SCALE)
                method.validation_loss(model, SEQUENCES[3:], logits)
                for old, new in zip(before, _all(model), strict=True):
                    np.testing.assert_array_equal(old, new)
        return _all(model)

    for alone, watched in zip(trained(False), trained(True), strict=True):
        np.testing.assert_array_equal(alone, watched)


@pytest.mark.parametrize("name", NAMES)
def test_the_validation_loss_is_the_mean_over_steps(name: str) -> None:
    method = method_named(name)
    model = network_of(method)
    logits = method.logits_of(model, SEQUENCES, RECIPES, _card(name), SCALE)
    expected = mean_loss(SEQUENCES, logits)
    assert expected > 0.3
    assert method.validation_loss(model, SEQUENCES, logits) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_pass_has_as_many_updates_as_it_says_and_meets_every_session(name: str) -> None:
    method = method_named(name)
    model = network_of(method)
    updates = list(method.one_pass(model, SEQUENCES, RECIPES, np.random.default_rng(0), unchanged))
    assert len(updates) == method.updates_of(SEQUENCES, RECIPES) or name == "stateful"  # lanes fill by chance
    assert {i for update in updates for i in update.sequences} == set(range(len(SEQUENCES)))
    assert all(np.isfinite(update.loss) for update in updates)


def test_a_method_that_is_none_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"expected one of stateful, .*did you mean 'stateful'"):
        method_named("statefull")


def _all(model: keras.Model) -> list[npt.NDArray[Any]]:
    variables = (*model.variables, *model.optimizer.variables)
    return [array_of(v) for v in variables]
