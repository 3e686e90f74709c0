"""The method `bidirectional`: it looks ahead, over the whole recording, and remembers nothing."""

from __future__ import annotations

import numpy as np

from detector.training.keras_backend import keras
from detector.training.methods import bidirectional
from detector.training.networks import deployable, recurrent_layers
from tests.training.made_up import RECIPE, SCALE
from tests.training.training import BOTH_WAYS, SEQUENCES, network_of


def test_the_first_step_depends_on_the_last_and_nothing_is_remembered() -> None:
    model = deployable(network_of(bidirectional), RECIPE, BOTH_WAYS, SCALE)
    assert not recurrent_layers(model)
    values = SEQUENCES[0].values[None].copy()
    first = keras.ops.convert_to_numpy(model(values))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(values)), first)
    values[0, -1] *= 3
    assert np.abs(keras.ops.convert_to_numpy(model(values)) - first)[0, 0].max() > 1e-7
