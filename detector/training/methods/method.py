"""What every method of training is, and what they share: updates, batches with padding, the loss of held-out EEG."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from detector.messages import FloatArray
from detector.network.bundle import Card
from detector.training.augmenting import Augment
from detector.training.keras_backend import keras
from detector.training.networks import Scale
from detector.training.recipe import Recipe
from detector.training.sequences import Sequence

# Compiled for a length, a network serves all that are rounded up to it: a fifth longer at most, on average a tenth.
_LADDER, _SHORTEST = 1.2, 16


@dataclass(frozen=True)
class Update:
    """One update of the weights: its loss, and the sequences (by their place in the pass) that it was made from."""

    loss: float
    sequences: tuple[int, ...]


class Method(Protocol):
    """A module with these functions is a method of training."""

    def network(self, recipe: Recipe, card: Card, scale: Scale, /) -> keras.Model:
        """Return the network that is trained, with a logit for each member."""

    def updates_of(self, sequences: list[Sequence], recipe: Recipe, /) -> int:
        """Return how many updates of the weights a pass takes."""

    def one_pass(
        self,
        model: keras.Model,
        sequences: list[Sequence],
        recipe: Recipe,
        rng: np.random.Generator,
        augment: Augment,
        /,
    ) -> Iterator[Update]:
        """Train once on every sequence, in random order; yield each update when it is made."""

    def logits_of(
        self, members: keras.Model, sequences: list[Sequence], recipe: Recipe, card: Card, scale: Scale, /
    ) -> list[FloatArray]:
        """Return (n_steps, members) logits of each sequence, as the network answers when it is served.

        The training state is not touched.
        """

    def validation_loss(self, model: keras.Model, sequences: list[Sequence], logits: list[FloatArray], /) -> float:
        """Return the mean loss over the steps of these sequences, with their logits; the training state stays."""


def take_step(model: keras.Model, values: FloatArray, target: FloatArray, weight: FloatArray) -> float:
    """Update the weights once and return the loss.

    Parameters
    ----------
    values, target, weight
        (batch, steps, n_features), (batch, steps) and (batch, steps).
    """
    loss = float(model.train_on_batch(values, for_members(target, model), sample_weight=weight))
    # train_on_batch returns the mean since the metrics were last reset.
    model.reset_metrics()
    return loss


def for_members(target: FloatArray, model: keras.Model) -> FloatArray:
    """Return the (batch, steps) target once for each member: (batch, steps, members)."""
    return np.repeat(target[:, :, None], model.output_shape[-1], axis=2)


def batch_of(
    sequences: list[Sequence], values: list[FloatArray], rows: int, steps: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return values, target and weight of sequences that are padded to ``rows`` and ``steps``.

    The mask is made from the lengths, never from what the EEG holds, and reaches the loss in the weights: 0 where there
    is padding, and raised elsewhere so that the loss is the mean over the steps that are there, however many are not.
    A causal network's answers do not depend on what follows, so nothing else has to know of the mask.
    """
    batch = np.zeros((rows, steps, sequences[0].values.shape[1]), dtype=np.float32)
    target, weight = np.zeros((2, rows, steps), dtype=np.float32)
    for row, (sequence, found) in enumerate(zip(sequences, values, strict=True)):
        n = len(sequence)
        batch[row, :n], target[row, :n], weight[row, :n] = found, sequence.target, sequence.weight
    return batch, target, weight * np.float32(rows * steps / sum(len(sequence) for sequence in sequences))


def rounded(steps: int) -> int:
    """Return the length on the ladder that is not below ``steps``: compiled networks are for few lengths."""
    length = _SHORTEST
    while length < steps:
        length = int(length * _LADDER)
    return length


def mean_loss(sequences: list[Sequence], logits: list[FloatArray]) -> float:
    """Return the mean over all steps of the weighted cross-entropy, and over the members.

    As ``keras.losses.BinaryCrossentropy(from_logits=True)``: max(x, 0) - x y + log(1 + exp(-|x|)).
    """
    total = 0.0
    for sequence, found in zip(sequences, logits, strict=True):
        x, y = found.astype(np.float64), sequence.target[:, None]
        entropy = np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))
        total += float((entropy.mean(axis=1) * sequence.weight).sum())
    return total / sum(len(sequence) for sequence in sequences)
