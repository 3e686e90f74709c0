"""The method `stateful`: sessions side by side in lanes, in consecutive chunks, the recurrent state carried between.

A gradient reaches back to the beginning of its chunk (truncated back-propagation, Williams and Peng 1990), the state to
the beginning of its session. A lane whose session has ended is refilled and its state, alone, is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from detector.messages import FloatArray
from detector.network.bundle import Card
from detector.training.augmenting import Augment
from detector.training.keras_backend import keras
from detector.training.methods.method import Update, mean_loss, take_step
from detector.training.networks import Scale, build, move_weights, recurrent_layers, reset_lanes
from detector.training.recipe import Recipe
from detector.training.sequences import Sequence


@dataclass(frozen=True)
class LaneChunk:
    """Consecutive steps of every lane.

    Parameters
    ----------
    values, target, weight
        (lanes, steps, n_features), (lanes, steps) and (lanes, steps); the weight is 0 where a session has ended.
    fresh
        (lanes,), 1 where a session begins: its state must be forgotten before this chunk.
    sequences
        Which sequences are in it, by their place in the list.
    """

    values: FloatArray
    target: FloatArray
    weight: FloatArray
    fresh: FloatArray
    sequences: tuple[int, ...]


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
    lanes: list[tuple[int, FloatArray, int] | None] = [None] * n_lanes
    while True:
        fresh = np.zeros(n_lanes, dtype=np.float32)
        for i, lane in enumerate(lanes):
            if (lane is None or lane[2] >= len(lane[1])) and order:
                index = order.pop()
                values = sequences[index].values
                lanes[i] = (index, values if augment is None or rng is None else augment(values, rng), 0)
                fresh[i] = 1
            elif lane is not None and lane[2] >= len(lane[1]):
                lanes[i] = None
        if not any(lanes):
            return
        chunk = LaneChunk(
            np.zeros((n_lanes, chunk_steps, n_features), dtype=np.float32),
            np.zeros((n_lanes, chunk_steps), dtype=np.float32),
            np.zeros((n_lanes, chunk_steps), dtype=np.float32),
            fresh,
            tuple(lane[0] for lane in lanes if lane is not None),
        )
        for i, lane in enumerate(lanes):
            if lane is None:
                continue
            index, values, at = lane
            sequence = sequences[index]
            n = min(chunk_steps, len(sequence) - at)
            chunk.values[i, :n] = values[at : at + n]
            chunk.target[i, :n] = sequence.target[at : at + n]
            chunk.weight[i, :n] = sequence.weight[at : at + n]
            lanes[i] = (index, values, at + chunk_steps)
        yield chunk


def network(recipe: Recipe, card: Card, scale: Scale) -> keras.Model:
    """Return the network that remembers, with a lane for each of ``recipe.lanes`` sessions."""
    return build(recipe.lanes, recipe, card, scale)


def updates_of(sequences: list[Sequence], recipe: Recipe) -> int:
    """Return the number of chunks."""
    return sum(1 for _ in lanes_of(sequences, recipe.lanes, recipe.chunk_steps))


def one_pass(
    model: keras.Model, sequences: list[Sequence], recipe: Recipe, rng: np.random.Generator, augment: Augment
) -> Iterator[Update]:
    """Update the weights after every chunk; the state goes on to the next."""
    for chunk in lanes_of(sequences, recipe.lanes, recipe.chunk_steps, rng, augment):
        reset_lanes(model, chunk.fresh)
        yield Update(take_step(model, chunk.values, chunk.target, chunk.weight), chunk.sequences)


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


def validation_loss(_model: keras.Model, sequences: list[Sequence], logits: list[FloatArray]) -> float:
    """Return the mean loss of what a network of the same weights has answered."""
    return mean_loss(sequences, logits)
