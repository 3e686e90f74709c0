"""The network for the light engine, made of a bundle's ``model.keras``: one step, with the recurrent state in and out.

A stateful network that is converted as it is loses its state, which lives in variables. Here the states are inputs and
outputs of the one signature ``step``: ``features`` (1, 1, n_features) and ``state_0``, ``state_1`` ... in; ``answer``
(the probability, and a number that is NaN where anything is not finite) and the same states out.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from detector.errors import BundleError, UsageError
from detector.messages import Features
from detector.network.bundle import LIGHT_FILE, Bundle, load_bundle, require_causal, sha256_of
from detector.network.held_stderr import held_stderr
from detector.network.keras_file import every_layer
from detector.network.keras_lstm import KerasLstm
from detector.network.keras_tensorflow import keras, tf
from detector.network.litert import SIGNATURE, LiteRt
from detector.network.self_test import noise
from detector.pipeline import bands_config
from detector.training.toml import to_toml

# Both engines do the same sums, in another order.
_SAME = 1e-5


def lighten(bundle: Bundle) -> Bundle:
    """Add the light network to a bundle that has none, and return the bundle: its other files are as before.

    Raises
    ------
    UsageError
        When it has one.
    BundleError
        When it is for review only, may not be written to, or its two networks do not answer alike.
    """
    require_causal(bundle)
    if LIGHT_FILE in bundle.card.files:
        raise UsageError(f"bundle {bundle.card.id!r} has its {LIGHT_FILE} already, and bundles never change")
    KerasLstm(bundle)  # refuses what cannot be served at all, and says why
    path, card_path = bundle.folder / LIGHT_FILE, bundle.folder / "card.toml"
    part = bundle.folder / ".card.toml.part"
    try:
        path.write_bytes(convert(bundle.folder / "model.keras"))
        card = bundle.card.model_copy(update={"files": bundle.card.files | {LIGHT_FILE: sha256_of(path)}})
        try:
            require_same(Bundle(bundle.folder, card))
        except BundleError:
            path.unlink()
            raise
        # The card last: until it names the file, nobody takes notice of it.
        part.write_text(to_toml(card.model_dump(exclude_none=True)), encoding="utf-8")
        part.replace(card_path)
    except OSError as error:
        raise BundleError(f"{bundle.folder}: {LIGHT_FILE} cannot be added: {error.strerror}") from error
    return load_bundle(f"{bundle.folder.resolve()}")


def require_same(bundle: Bundle) -> None:
    """Refuse a bundle whose two networks do not answer a test signal alike.

    Raises
    ------
    BundleError
        When they do not.
    """
    good = np.ones(len(bundle.card.derivations), dtype=bool)
    steps = [
        Features(values, good, float(i)) for i, values in enumerate(noise(bands_config(bundle.card).n_features)[0])
    ]
    light, full = ([p.value for p in engine(bundle).process(steps)] for engine in (LiteRt, KerasLstm))
    if (worst := float(np.abs(np.subtract(light, full)).max())) > _SAME:
        raise BundleError(
            f"{bundle.folder}: {LIGHT_FILE} and model.keras answer a test signal with probabilities that differ by "
            f"{worst:.2g}, expected at most {_SAME:g}"
        )


def convert(path: Path) -> bytes:
    """Return the light network of a Keras file; the same file gives the same bytes.

    Parameters
    ----------
    path
        Of a causal network with stateful recurrent layers, (1, steps, n_features) -> (1, steps, 1).
    """
    with quiet(), tempfile.TemporaryDirectory() as folder:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
        return bytes(converter_of(model, step_of(model), folder).convert())


def converter_of(
    model: keras.Model, step: tf.types.experimental.ConcreteFunction, folder: str
) -> tf.lite.TFLiteConverter:
    """Return what makes LiteRT's file of one function of a network; it works in an empty folder."""
    module = tf.Module()
    module.variables_of_the_network, module.step = [variable.value for variable in model.variables], step
    # Only a network that was saved keeps the names of what goes in and out.
    tf.saved_model.save(module, folder, signatures={SIGNATURE: step})
    return tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])


def step_of(model: keras.Model) -> tf.types.experimental.ConcreteFunction:
    """Return one step of a network, as the light engine takes it; its layers are changed so that they do no more."""
    recurrent = [layer for layer in every_layer(model) if isinstance(layer, keras.layers.RNN)]
    for layer in recurrent:
        layer.unroll = True  # a loop over one step costs more than the step
    variables = [state for layer in recurrent for state in layer.states]

    def run(features: tf.Tensor, **states: tf.Tensor) -> dict[str, tf.Tensor]:
        given = [states[f"state_{i}"] for i in range(len(variables))]
        with keras.StatelessScope(state_mapping=list(zip(variables, given, strict=True))) as scope:
            answer = tf.reshape(model(features, training=False), (1,))
        after = [scope.get_current_value(variable) for variable in variables]
        # One NaN or infinity anywhere makes this sum of zeros NaN: one number to fetch instead of every state.
        check = tf.reduce_sum(tf.concat([answer, *(tf.reshape(state, (-1,)) for state in after)], axis=0) * 0.0)
        return {"answer": tf.concat([answer, [check]], axis=0)} | {f"state_{i}": s for i, s in enumerate(after)}

    n_features = model.input_shape[-1]
    return tf.function(run, autograph=False).get_concrete_function(
        features=tf.TensorSpec((1, 1, n_features), tf.float32, name="features"),
        **{f"state_{i}": tf.TensorSpec(v.shape, tf.float32, name=f"state_{i}") for i, v in enumerate(variables)},
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back the commentary of TensorFlow, none of which is of use to who makes a bundle."""
    level = tf.get_logger().level
    tf.get_logger().setLevel(logging.ERROR)
    try:
        with held_stderr():
            yield
    finally:
        tf.get_logger().setLevel(level)
