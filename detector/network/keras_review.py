"""The engine for offline review: a session's steps are collected, and answered as a whole when the session is over.

A bidirectional network reads the recording both ways, so it can say nothing before it has all of it: this is for
``score --review`` and never for a bed.
"""

from __future__ import annotations

import numpy as np

from detector.errors import BundleError, StateError
from detector.messages import Features, FloatArray, Probability
from detector.network.bundle import Bundle
from detector.network.keras_file import every_layer, load_network
from detector.network.keras_tensorflow import keras, tf
from detector.pipeline import bands_config


class KerasReview:
    """Runs a bidirectional bundle's network once for each session; for `detector.review.ReviewPipeline`.

    Raises
    ------
    BundleError
        At construction when the network does not read both ways, or its tensors are not the card's.
    """

    def __init__(self, bundle: Bundle) -> None:
        n_features = bands_config(bundle.card).n_features
        model, path = load_network(bundle, n_features), bundle.folder / "model.keras"
        if not any(isinstance(layer, keras.layers.Bidirectional) for layer in every_layer(model)):
            raise BundleError(f"{path}: it does not read both ways, as a network for review does")
        signature = [tf.TensorSpec((1, None, n_features), tf.float32)]
        self._call = tf.function(lambda x: model(x, training=False), input_signature=signature, autograph=False)
        self._features: list[Features] = []

    def process(self, features: list[Features]) -> list[Probability]:
        """Collect the steps; what is said about them waits for `finish`."""
        self._features += features
        return []

    def finish(self) -> list[Probability]:
        """Return one probability for each step of the session, which is over.

        Raises
        ------
        StateError
            When an input or an output is not finite.
        """
        session, self._features = self._features, []
        if not session:
            return []
        values = np.stack([step.values for step in session])[None]
        if not np.isfinite(values).all():
            raise StateError("the network's input is not finite; conditioning has let something through")
        out: FloatArray = self._call(tf.constant(values)).numpy().reshape(-1)
        if not np.isfinite(out).all():
            raise StateError("the network's output is not finite")
        return [Probability(p, f.good, f.end_s, f.missing) for p, f in zip(out.tolist(), session, strict=True)]

    def reset(self) -> None:
        """Forget what was collected."""
        self._features = []
