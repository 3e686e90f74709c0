"""The network: a Keras LSTM with ``stateful=True`` and batch size 1, called through a compiled function.

The recurrent state lives in the layers from one step to the next and is forgotten at a session boundary only. A
``tf.function`` with a fixed signature costs 0.4 ms a step where ``predict`` costs 35 ms.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detector.errors import BundleError, StateError
from detector.messages import Features, FloatArray, Probability
from detector.network.bundle import Bundle, require_causal
from detector.network.frozen import FrozenCheck
from detector.network.keras_file import every_layer, load_network
from detector.network.keras_tensorflow import keras, tf
from detector.network.recurrent_state import checked_states
from detector.network.self_test import STEPS, noise, require_probabilities
from detector.pipeline import bands_config

# Offline, many steps come at once and go through few calls; live, one step at a time.
_SIZES = (512, STEPS, 1)
# Rounding differs between one call of many steps and many of one; a step that sees the future differs by far more.
_SAME = 1e-4

_Call = Callable[[FloatArray], FloatArray | None]


class KerasLstm:
    """Runs a bundle's network, one probability a step.

    Raises
    ------
    BundleError
        At construction when the network is not causal, not stateful, or its tensors are not the card's.
    """

    def __init__(self, bundle: Bundle) -> None:
        require_causal(bundle)
        self._n_features = bands_config(bundle.card).n_features
        self._model = _load(bundle, self._n_features)
        self._recurrent = _recurrent(self._model)
        self._calls = {
            steps: _compile(self._model, self._recurrent, steps, self._n_features)  # traces here, not at a sample
            for steps in _SIZES
        }
        self._frozen = FrozenCheck()
        self._self_test(bundle)
        self.reset()

    def process(self, features: list[Features]) -> list[Probability]:
        """Return one probability for each step.

        Raises
        ------
        StateError
            When an input, an output or the recurrent state is not finite, or the output is frozen.
        """
        probabilities: list[Probability] = []
        done = 0
        while done < len(features):
            steps = next(size for size in _SIZES if size <= len(features) - done)
            batch = features[done : done + steps]
            values = np.stack([f.values for f in batch])[None]
            if not np.isfinite(values).all():
                raise StateError("the network's input is not finite; conditioning has let something through")
            out = self._calls[steps](values)
            if out is None:
                raise StateError("the network's state or output is not finite; it must be reset")
            probabilities += [
                Probability(value, f.good, f.end_s, f.missing) for value, f in zip(out.tolist(), batch, strict=True)
            ]
            done += steps
        self._frozen.check(features, probabilities)
        return probabilities

    def reset(self) -> None:
        """Forget the recurrent state."""
        for layer in self._recurrent:
            layer.reset_state()

    def get_state(self) -> list[FloatArray]:
        """Return copies of the recurrent states, each (1, n_units)."""
        return [np.array(state.value.numpy()) for layer in self._recurrent for state in layer.states]

    def set_state(self, state: object) -> None:
        """Go on with what `get_state` returned, as arrays or as lists of numbers.

        Raises
        ------
        StateError
            When the number, a shape or a value is not what this network can have; then nothing is changed.
        """
        own = [variable for layer in self._recurrent for variable in layer.states]
        values = checked_states([variable.value.numpy() for variable in own], state)
        for variable, value in zip(own, values, strict=True):
            variable.assign(value)

    def _self_test(self, bundle: Bundle) -> None:
        """Refuse a network whose steps see the future or forget the past: many steps at once must equal single ones."""
        steps, values = STEPS, noise(self._n_features)
        self.reset()
        together = self._calls[steps](values)
        self.reset()
        single = [self._calls[1](values[:, step : step + 1]) for step in range(steps)]
        path = bundle.folder / "model.keras"
        if together is None or any(value is None for value in single):
            raise BundleError(f"{path}: its output on a test signal is not finite")
        worst = max(abs(float(a) - float(b[0])) for a, b in zip(together, single, strict=True) if b is not None)
        if worst > _SAME:
            raise BundleError(
                f"{path}: {steps} steps at once differ from one after the other by {worst:.2g}, expected at most "
                f"{_SAME:g}; a step sees the future, or the state of a layer is not kept"
            )
        require_probabilities(path, together)


def _load(bundle: Bundle, n_features: int) -> keras.Model:
    model, path = load_network(bundle, n_features), bundle.folder / "model.keras"
    if any(isinstance(layer, keras.layers.Bidirectional) for layer in every_layer(model)):
        raise BundleError(f"{path}: it is bidirectional, whatever its card says; a live bed needs a causal network")
    recurrent = _recurrent(model)
    if not recurrent or not all(layer.stateful and layer.return_sequences for layer in recurrent):
        raise BundleError(f"{path}: expected recurrent layers with stateful=True and return_sequences=True")
    return model


def _recurrent(model: keras.Model) -> list[keras.layers.RNN]:
    return [layer for layer in every_layer(model) if isinstance(layer, keras.layers.RNN)]


def _compile(model: keras.Model, recurrent: list[keras.layers.RNN], steps: int, n_features: int) -> _Call:
    """Return a function from (1, steps, n_features) to (steps,); ``None`` when output or state are not finite."""

    def run(x: tf.Tensor) -> tf.Tensor:
        out = tf.reshape(model(x, training=False), (steps,))
        states = [state.value for layer in recurrent for state in layer.states]
        # One NaN or infinity anywhere makes this sum of zeros NaN: one number to fetch instead of every state.
        check = tf.add_n([tf.reduce_sum(values * 0.0) for values in (out, *states)])
        return tf.concat([out, [check]], axis=0)

    signature = [tf.TensorSpec((1, steps, n_features), tf.float32)]
    # Without autograph: there is nothing to convert, and it leaves generated files in the temporary folder.
    function = tf.function(run, input_signature=signature, autograph=False)
    concrete = function.get_concrete_function()

    def call(values: FloatArray) -> FloatArray | None:
        out: FloatArray = concrete(tf.constant(values)).numpy()
        return None if np.isnan(out[-1]) else out[:-1]

    return call
