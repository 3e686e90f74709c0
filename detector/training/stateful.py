"""The method `stateful`: sessions side by side in lanes, in consecutive chunks, the recurrent state carried between.

A gradient reaches back to the beginning of its chunk (truncated back-propagation, Williams and Peng 1990), the state to
the beginning of its session. A lane whose session has ended is refilled and its state, alone, is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from detector.errors import StateError
from detector.messages import FloatArray
from detector.network.bundle import Card
from detector.network.keras_tensorflow import keras
from detector.training.networks import Scale, build, move_weights, recurrent_layers, reset_lanes
from detector.training.recipe import Recipe
from detector.training.sequences import Sequence
from detector.training.weighing import weigh


@dataclass(frozen=True)
class LaneChunk:
    """Consecutive steps of every lane.

    Parameters
    ----------
    values, target, weight
        (lanes, steps, n_features), (lanes, steps) and (lanes, steps); the weight is 0 where a session has ended.
    fresh
        (lanes,), 1 where a session begins: its state must be forgotten before this chunk.
    """

    values: FloatArray
    target: FloatArray
    weight: FloatArray
    fresh: FloatArray


Augment = Callable[[FloatArray, np.random.Generator], FloatArray]


def lanes_of(
    sequences: list[Sequence],
    n_lanes: int,
    chunk_steps: int,
    rng: np.random.Generator | None = None,
    augment: Augment | None = None,
) -> Iterator[LaneChunk]:
    """Yield every sequence once, in chunks; without ``rng`` in the given order.

    Sequences begin at a chunk's first step. Towards the end lanes run empty: their weights are 0.
    """
    order = list(range(len(sequences))) if rng is None else rng.permutation(len(sequences)).tolist()
    order.reverse()
    n_features = sequences[0].values.shape[1]
    lanes: list[tuple[Sequence, FloatArray, int] | None] = [None] * n_lanes
    while True:
        fresh = np.zeros(n_lanes, dtype=np.float32)
        for i, lane in enumerate(lanes):
            if (lane is None or lane[2] >= len(lane[0])) and order:
                sequence = sequences[order.pop()]
                values = sequence.values if augment is None or rng is None else augment(sequence.values, rng)
                lanes[i] = (sequence, values, 0)
                fresh[i] = 1
            elif lane is not None and lane[2] >= len(lane[0]):
                lanes[i] = None
        if not any(lanes):
            return
        chunk = LaneChunk(
            np.zeros((n_lanes, chunk_steps, n_features), dtype=np.float32),
            np.zeros((n_lanes, chunk_steps), dtype=np.float32),
            np.zeros((n_lanes, chunk_steps), dtype=np.float32),
            fresh,
        )
        for i, lane in enumerate(lanes):
            if lane is None:
                continue
            sequence, values, at = lane
            n = min(chunk_steps, len(sequence) - at)
            chunk.values[i, :n] = values[at : at + n]
            chunk.target[i, :n] = sequence.target[at : at + n]
            chunk.weight[i, :n] = sequence.weight[at : at + n]
            lanes[i] = (sequence, values, at + chunk_steps)
        yield chunk


def augment_of(card: Card, per_derivation: int) -> Augment:
    """Return what changes a sequence each time that it is met: its loudness, and which derivations are there.

    A gain of g adds 2 log10(g) to the absolute log powers and nothing to the relative ones.
    """
    n_bands, n = (per_derivation - 1) // 2, len(card.derivations)
    groups = [np.arange(0, 4), np.arange(4, 8), np.arange(8, 12), np.arange(12, 16), np.array([19, 20, 21])]

    def augment(values: FloatArray, rng: np.random.Generator) -> FloatArray:
        changed = values.reshape(len(values), n, per_derivation).copy()
        flag = changed[:, :, -1:]
        gain = rng.uniform(np.log10(0.5), np.log10(2.0)) + rng.normal(0, 0.05, (1, n, 1))
        tilt = rng.normal(0, 0.1) * np.linspace(-1, 1, n_bands)
        changed[:, :, :n_bands] += ((2 * gain + tilt) * flag).astype(np.float32)
        gone = rng.random(n) < rng.choice([0.0, 0.1, 0.4])
        for group in groups:
            if rng.random() < 0.12:
                gone[group] = True
        if gone.sum() <= n - 6:
            changed[:, gone] = 0
        return changed.reshape(values.shape)

    return augment


def train(
    versions: list[list[Sequence]],
    recipe: Recipe,
    card: Card,
    scale: Scale,
    seed: int,
    epochs: int,
    on_epoch: Callable[[int, float], None] = lambda _epoch, _loss: None,
) -> keras.Model:
    """Return the members, trained; the same arguments give the same weights on one machine.

    Parameters
    ----------
    versions
        Compositions of the training persons' sessions; the epochs take turns in them.
    epochs
        Passes, each over one version.
    on_epoch
        Called with the number of epochs done and the mean loss of the last.

    Raises
    ------
    StateError
        When the loss is not finite.
    """
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    model = build(recipe.lanes, recipe, card, scale)
    versions = [weigh(version, recipe) for version in versions]
    chunks_of = [sum(1 for _ in lanes_of(v, recipe.lanes, recipe.chunk_steps)) for v in versions]
    updates = sum(chunks_of[epoch % len(versions)] for epoch in range(epochs))
    rate = keras.optimizers.schedules.CosineDecay(recipe.learning_rate, updates)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-3, clipnorm=1.0)
    model.compile(optimizer, keras.losses.BinaryCrossentropy(from_logits=True))
    per_derivation = versions[0][0].values.shape[1] // len(card.derivations)
    augment = augment_of(card, per_derivation)
    for epoch in range(epochs):
        losses = []
        for chunk in lanes_of(versions[epoch % len(versions)], recipe.lanes, recipe.chunk_steps, rng, augment):
            reset_lanes(model, chunk.fresh)
            target = np.repeat(chunk.target[:, :, None], recipe.members, axis=2)
            losses.append(float(model.train_on_batch(chunk.values, target, sample_weight=chunk.weight)))
            # train_on_batch returns the mean since the metrics were last reset.
            model.reset_metrics()
        loss = float(np.mean(losses))
        if not np.isfinite(loss):
            raise StateError(f"the loss of epoch {epoch + 1} is {loss}; a smaller learning rate may help")
        on_epoch(epoch + 1, loss)
    return model


def logits_of(
    members: keras.Model, sequences: list[Sequence], recipe: Recipe, card: Card, scale: Scale
) -> list[FloatArray]:
    """Return (n_steps, members) logits of each sequence, run from a cold start; the training state is not touched."""
    twin = build(recipe.lanes, recipe, card, scale)
    move_weights(members, twin)
    for layer in recurrent_layers(twin):
        layer.reset_state()
    # Chunks are cut from the sequences in order, so each lane's are put back together in order, too.
    longest_first = sorted(range(len(sequences)), key=lambda i: -len(sequences[i]))
    found: list[FloatArray] = [np.empty(0, dtype=np.float32)] * len(sequences)
    for first in range(0, len(sequences), recipe.lanes):
        chosen = longest_first[first : first + recipe.lanes]
        parts = []
        for chunk in lanes_of([sequences[i] for i in chosen], recipe.lanes, 200):
            reset_lanes(twin, chunk.fresh)
            parts.append(np.asarray(twin.predict_on_batch(chunk.values)))
        whole = np.concatenate(parts, axis=1)
        for lane, i in enumerate(chosen):
            found[i] = whole[lane, : len(sequences[i])]
    return found
