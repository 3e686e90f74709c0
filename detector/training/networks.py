"""The network: several small causal members side by side in one graph, each a stateful LSTM; their mean is the answer.

Keras 3 only, and nothing that Keras cannot load in safe mode. A member looks at every derivation with the same weights
and pools over those that are good, so that it does not matter which are missing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detector.messages import FloatArray
from detector.network.bundle import Card
from detector.pipeline import bands_config
from detector.training.keras_backend import keras
from detector.training.recipe import Recipe
from detector.training.sequences import Sequence


@dataclass(frozen=True)
class Scale:
    """Mean and variance of each feature of a good derivation, (n_bands * 2,)."""

    mean: tuple[float, ...]
    variance: tuple[float, ...]


def scale_of(sequences: list[Sequence], per_derivation: int) -> Scale:
    """Return the scale of the features of these sequences; derivations that are not good do not count."""
    count, total, squares = 0, np.zeros(per_derivation - 1), np.zeros(per_derivation - 1)
    for sequence in sequences:
        good = sequence.values.reshape(-1, per_derivation)
        good = good[good[:, -1] > 0, :-1].astype(np.float64)
        count += len(good)
        total += good.sum(axis=0)
        squares += (good**2).sum(axis=0)
    mean = total / count
    return Scale(tuple(mean), tuple(squares / count - mean**2))


def build(batch: int | None, recipe: Recipe, card: Card, scale: Scale, *, stateful: bool = True) -> keras.Model:
    """Return the network with a logit for each member: (batch, steps, n_features) -> (batch, steps, members).

    Parameters
    ----------
    batch
        Sessions side by side; ``None`` for any number, where nothing is remembered.
    stateful
        Whether the recurrent state is kept from one call to the next; without, each call begins cold.
    """
    bands = bands_config(card)
    inputs = keras.Input(batch_shape=(batch, None, bands.n_features), name="features")
    channels = keras.layers.Reshape((-1, bands.n_derivations, bands.per_derivation), name="derivations")(inputs)
    flag = channels[..., -1:]
    values = keras.layers.Normalization(axis=-1, mean=scale.mean, variance=scale.variance, name="scale")(
        channels[..., :-1]
    )
    n_good = keras.ops.maximum(keras.ops.sum(flag, axis=2), 1.0)
    logits = []
    for i in range(recipe.members):
        seen = keras.layers.Dense(recipe.channel_units, activation="relu", name=f"channels_{i}")(values) * flag
        # What is not good is 0 here, as a unit that is not active: the maximum needs no mask of its own.
        pooled = [keras.ops.sum(seen, axis=2) / n_good, keras.ops.max(seen, axis=2)]
        x = keras.layers.Concatenate(name=f"pooled_{i}")(pooled)
        x = keras.layers.Dropout(recipe.dropout, name=f"dropout_{i}")(x)
        recurrent = keras.layers.LSTM(
            recipe.recurrent_units, stateful=stateful, return_sequences=True, name=f"lstm_{i}"
        )
        if card.direction == "bidirectional":
            recurrent = keras.layers.Bidirectional(recurrent, name=f"both_ways_{i}")
        x = recurrent(x)
        logits.append(keras.layers.Dense(1, name=f"logit_{i}")(x))
    joined = keras.layers.Concatenate(name="logits")(logits) if len(logits) > 1 else logits[0]
    return keras.Model(inputs, joined, name="members")


def deployable(members: keras.Model, recipe: Recipe, card: Card, scale: Scale) -> keras.Model:
    """Return the batch-1 network, (1, steps, n_features) -> (1, steps, 1) probabilities, of these weights.

    It is stateful, unless it looks both ways: then it needs the whole recording and there is nothing to remember.
    """
    single = build(1, recipe, card, scale, stateful=card.direction == "causal")
    move_weights(members, single)
    mean = keras.ops.mean(single.outputs[0], axis=-1, keepdims=True)
    probability = keras.layers.Activation("sigmoid", name="probability")(mean)
    return keras.Model(single.inputs[0], probability, name="detector")


def move_weights(source: keras.Model, target: keras.Model) -> None:
    """Give ``target`` the trained weights of ``source``, whatever their batch sizes and whether they are stateful."""
    for layer in target.layers:
        if not layer.trainable_variables:
            continue
        for old, new in zip(source.get_layer(layer.name).trainable_variables, layer.trainable_variables, strict=True):
            # A copy: a backend may give the memory of one network's weights away in its next step (JAX does).
            new.assign(keras.ops.copy(old))


def recurrent_layers(model: keras.Model) -> list[keras.layers.RNN]:
    """Return the layers that remember."""
    return [layer for layer in model.layers if isinstance(layer, keras.layers.RNN)]


def reset_lanes(model: keras.Model, fresh: FloatArray) -> None:
    """Forget the state of the lanes where ``fresh`` (batch,) is 1, and of no other."""
    keep = keras.ops.convert_to_tensor(1.0 - fresh[:, None], dtype="float32")
    for layer in recurrent_layers(model):
        for state in layer.states:
            state.assign(state * keep)
