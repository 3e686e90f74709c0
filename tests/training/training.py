"""Trainings for tests: networks that are compiled as a method's are, without what is random."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from detector.messages import FloatArray
from detector.training.keras_backend import array_of, keras
from detector.training.methods.method import Method
from tests.training.made_up import CARD, RECIPE, SCALE, made_up_sequence

SEQUENCES = [made_up_sequence(n, seed) for seed, n in enumerate((30, 9, 14, 7, 22))]
BOTH_WAYS = CARD.model_copy(update={"direction": "bidirectional"})


def unchanged(values: FloatArray, _rng: np.random.Generator) -> FloatArray:
    """Augment nothing."""
    return values


def network_of(method: Method, **optimizer: Any) -> keras.Model:
    """Return the method's network, compiled with plain SGD; weights are the same each time."""
    keras.utils.set_random_seed(1)
    card = BOTH_WAYS if method.__name__.endswith("bidirectional") else CARD  # type: ignore[attr-defined]
    model = method.network(RECIPE, card, SCALE)
    compile_sgd(model, **optimizer)
    return model


def compile_sgd(model: keras.Model, learning_rate: float = 0.1) -> None:
    """Compile with the loss that all methods have, and plain SGD."""
    model.compile(keras.optimizers.SGD(learning_rate), keras.losses.BinaryCrossentropy(from_logits=True))


def weights_of(model: keras.Model) -> list[npt.NDArray[Any]]:
    """Return copies of the trainable weights."""
    return [array_of(v) for v in model.trainable_variables]
