"""The method `padded`: sessions of about the same length side by side, padded to the longest, and Keras' own `fit`.

Nothing is remembered from batch to batch. What is padding is said by a mask that is made from the lengths: an EEG that
is flat, all zeros, is an EEG. Padding changes no gradient (see `detector.training.methods.method.batch_of`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from detector.messages import FloatArray
from detector.network.bundle import Card
from detector.training.augmenting import Augment
from detector.training.keras_backend import keras
from detector.training.methods.method import Update, batch_of, for_members, rounded
from detector.training.methods.stateful import logits_of, validation_loss
from detector.training.networks import Scale, build
from detector.training.recipe import Recipe
from detector.training.sequences import Sequence

__all__ = ["logits_of", "network", "one_pass", "updates_of", "validation_loss"]


def network(recipe: Recipe, card: Card, scale: Scale) -> keras.Model:
    """Return the network without a memory, for one batch of sessions."""
    return build(recipe.batch_recordings, recipe, card, scale, stateful=False)


def updates_of(sequences: list[Sequence], recipe: Recipe) -> int:
    """Return the number of batches."""
    return -(-len(sequences) // recipe.batch_recordings)


def one_pass(
    model: keras.Model, sequences: list[Sequence], recipe: Recipe, rng: np.random.Generator, augment: Augment
) -> Iterator[Update]:
    """Update the weights after every batch, by one epoch of `fit`; the updates are told when it is over."""
    batches = _Batches(model, sequences, buckets_of(sequences, recipe.batch_recordings, rng), rng, augment)
    losses = _Losses()
    model.fit(batches, epochs=1, shuffle=False, verbose=0, callbacks=[losses])
    for loss, bucket in zip(losses.found, batches.buckets, strict=False):  # fit stops early at a NaN
        yield Update(loss, bucket)


def buckets_of(sequences: list[Sequence], size: int, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Return which sequences share a batch: neighbours in length, so little is padding; batches in random order."""
    shuffled = rng.permutation(len(sequences)).tolist()
    by_length = sorted(shuffled, key=lambda i: len(sequences[i]))
    buckets = [tuple(by_length[first : first + size]) for first in range(0, len(by_length), size)]
    return [buckets[i] for i in rng.permutation(len(buckets)).tolist()]


class _Batches(keras.utils.PyDataset):  # type: ignore[misc] # Keras has no types
    """A batch for each bucket, made when it is asked for, whatever the order in which Keras asks."""

    def __init__(
        self,
        model: keras.Model,
        sequences: list[Sequence],
        buckets: list[tuple[int, ...]],
        rng: np.random.Generator,
        augment: Augment,
    ) -> None:
        super().__init__()
        self.buckets = buckets
        self._model, self._sequences, self._augment = model, sequences, augment
        self._seeds = rng.integers(2**63, size=len(buckets)).tolist()

    def __len__(self) -> int:
        return len(self.buckets)

    def __getitem__(self, index: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        chosen = [self._sequences[i] for i in self.buckets[index]]
        rng = np.random.default_rng(self._seeds[index])
        values = [self._augment(sequence.values, rng) for sequence in chosen]
        # Rows that are left over in the last batch are padding, too.
        rows, steps = self._model.input_shape[0], rounded(max(map(len, chosen)))
        batch, target, weight = batch_of(chosen, values, rows, steps)
        return batch, for_members(target, self._model), weight


class _Losses(keras.callbacks.Callback):  # type: ignore[misc] # Keras has no types
    """Notes the loss of each batch, and stops at one that is not finite."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[float] = []

    def on_train_batch_end(self, _batch: int, logs: dict[str, float] | None = None) -> None:
        """Keras tells the mean since the metrics were last reset."""
        self.found.append(float((logs or {})["loss"]))
        self.model.reset_metrics()
        if not np.isfinite(self.found[-1]):
            self.model.stop_training = True
