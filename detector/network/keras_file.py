"""The file ``model.keras`` of a bundle, loaded and held against the card; each engine has demands of its own beyond."""

from __future__ import annotations

import struct
import zipfile
import zlib

from detector.errors import BundleError
from detector.network.bundle import Bundle
from detector.network.keras_tensorflow import keras


def load_network(bundle: Bundle, n_features: int) -> keras.Model:
    """Return the network, (1, steps, n_features) -> (1, steps, 1).

    Raises
    ------
    BundleError
        When the file is damaged, or its tensors or the number of its parameters are not the card's.
    """
    path = bundle.folder / "model.keras"
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    # What Keras, h5py and zipfile raise on a file that is damaged in one place or another.
    except (
        AttributeError, EOFError, ImportError, IndexError, KeyError, MemoryError, NotImplementedError, OSError,
        OverflowError, RuntimeError, TypeError, ValueError, struct.error, zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        raise BundleError(f"{path} is no Keras network that can be loaded: {error}") from error
    if model.input_shape != (1, None, n_features) or model.output_shape != (1, None, 1):
        raise BundleError(
            f"{path}: the network maps {model.input_shape} to {model.output_shape}, the card's features ask for "
            f"(1, None, {n_features}) to (1, None, 1)"
        )
    if (parameters := model.count_params()) != bundle.card.parameters:
        raise BundleError(f"{path}: it has {parameters} parameters, the card says {bundle.card.parameters}")
    return model


def every_layer(model: keras.Model) -> list[keras.layers.Layer]:
    """Return all layers, also those of models and wrappers inside the model; ``model.layers`` has the outermost."""
    return list(model._flatten_layers(include_self=False))
