"""The method `whole-recording`: one session at a time, (1, length, n_features), and one update of the weights for it.

The network is the one that is served: batch 1 and ``stateful=True``; its state is forgotten before each session. A
gradient reaches back to the session's beginning. A session is lengthened by steps that do not count, to one of few
lengths, so that a backend that compiles for each length compiles for few.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from detector.messages import FloatArray
from detector.network.bundle import Card
from detector.training.augmenting import Augment
from detector.training.keras_backend import array_of, keras
from detector.training.methods.method import Update, batch_of, for_members, rounded, take_step
from detector.training.methods.stateful import logits_of
from detector.training.networks import Scale, build, recurrent_layers
from detector.training.recipe import Recipe
from detector.training.sequences import Sequence

__all__ = ["logits_of", "network", "one_pass", "updates_of", "validation_loss"]


def network(recipe: Recipe, card: Card, scale: Scale) -> keras.Model:
    """Return the batch-1 network that remembers."""
    return build(1, recipe, card, scale)


def updates_of(sequences: list[Sequence], _recipe: Recipe) -> int:
    """Return the number of sessions."""
    return len(sequences)


def one_pass(
    model: keras.Model, sequences: list[Sequence], _recipe: Recipe, rng: np.random.Generator, augment: Augment
) -> Iterator[Update]:
    """Update the weights after every session, and begin each without a memory of the one before."""
    for i in rng.permutation(len(sequences)).tolist():
        forget(model)
        values = augment(sequences[i].values, rng)
        yield Update(take_step(model, *batch_of([sequences[i]], [values], 1, rounded(len(values)))), (i,))


def validation_loss(model: keras.Model, sequences: list[Sequence], _logits: list[FloatArray]) -> float:
    """Return the mean loss, by ``test_on_batch``; the recurrent state is as it was afterwards."""
    states = [state for layer in recurrent_layers(model) for state in layer.states]
    kept = [array_of(state) for state in states]
    total = 0.0
    for sequence in sequences:
        forget(model)
        values, target, weight = batch_of([sequence], [sequence.values], 1, rounded(len(sequence)))
        model.reset_metrics()
        total += float(model.test_on_batch(values, for_members(target, model), sample_weight=weight)) * len(sequence)
    model.reset_metrics()
    for state, value in zip(states, kept, strict=True):
        state.assign(value)
    return total / sum(len(sequence) for sequence in sequences)


def forget(model: keras.Model) -> None:
    """Forget the recurrent state; a Keras model has no such function, its layers have."""
    for layer in recurrent_layers(model):
        layer.reset_state()
