"""The method `bidirectional`: whole sessions read both ways, for offline review; a live bed cannot know what follows.

Nothing is remembered from call to call and nothing is padded: the way back would begin with the padding.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from detector.messages import FloatArray
from detector.network.bundle import Card
from detector.training.augmenting import Augment
from detector.training.keras_backend import keras
from detector.training.methods.method import Update, mean_loss, take_step
from detector.training.networks import Scale, build
from detector.training.recipe import Recipe
from detector.training.sequences import Sequence


def network(recipe: Recipe, card: Card, scale: Scale) -> keras.Model:
    """Return the batch-1 network of this card, which looks both ways."""
    assert card.direction == "bidirectional"
    return build(1, recipe, card, scale, stateful=False)


def updates_of(sequences: list[Sequence], _recipe: Recipe) -> int:
    """Return the number of sessions."""
    return len(sequences)


def one_pass(
    model: keras.Model, sequences: list[Sequence], _recipe: Recipe, rng: np.random.Generator, augment: Augment
) -> Iterator[Update]:
    """Update the weights after every session."""
    for i in rng.permutation(len(sequences)).tolist():
        sequence = sequences[i]
        values = augment(sequence.values, rng)
        yield Update(take_step(model, values[None], sequence.target[None], sequence.weight[None]), (i,))


def logits_of(
    members: keras.Model, sequences: list[Sequence], _recipe: Recipe, _card: Card, _scale: Scale
) -> list[FloatArray]:
    """Return (n_steps, members) logits of each sequence, read as a whole."""
    return [np.asarray(members.predict_on_batch(sequence.values[None]))[0] for sequence in sequences]


def validation_loss(_model: keras.Model, sequences: list[Sequence], logits: list[FloatArray]) -> float:
    """Return the mean loss of what the network has answered."""
    return mean_loss(sequences, logits)
