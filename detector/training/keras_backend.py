"""Keras with the backend that ``KERAS_BACKEND`` names; TensorFlow where nothing else is asked for.

Networks and methods of training use nothing but Keras 3, so any backend trains the same file; only the engines that
serve it (`detector.network`) need TensorFlow.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from detector.errors import EngineError

# Keras would ask its own file in the home folder next: a training must not depend on that.
if os.environ.setdefault("KERAS_BACKEND", "tensorflow") == "tensorflow":
    from detector.network.keras_tensorflow import keras
else:
    try:
        import keras
    except ModuleNotFoundError as error:
        raise EngineError(
            f"{error.name} is not installed, and KERAS_BACKEND={os.environ['KERAS_BACKEND']} needs it: Keras comes by "
            "pip install 'seizure-detector[tensorflow]', another backend as its own makers say"
        ) from error

__all__ = ["array_of", "keras"]


def array_of(variable: keras.Variable) -> npt.NDArray[Any]:
    """Return a copy of a variable's value, of any backend."""
    # Not `convert_to_numpy`: NumPy 2 warns about how Keras 3.15 reads TensorFlow's variables by it.
    value = variable.value
    return np.array(value.numpy() if hasattr(value, "numpy") else value)
