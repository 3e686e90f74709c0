"""TensorFlow and Keras, imported without their commentary on stderr.

TensorFlow writes about missing GPUs and its own optimisations before any of its log levels is in force. What it writes
is held back while it is imported, and shown if the import fails.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from detector.errors import EngineError
from detector.network.held_stderr import held_stderr

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# The same sums in the same order on every machine, and no memory that is written and then executed.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")


@contextmanager
def _without_jax() -> Iterator[None]:
    """Keep TensorFlow from importing JAX where that is installed: it takes 110 MB, and is for converting models."""
    hidden = "jax" not in sys.modules and os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow"
    if hidden:
        sys.modules["jax"] = None  # type: ignore[assignment] # as Python has it of what must not be imported
    try:
        yield
    finally:
        if hidden:
            del sys.modules["jax"]


try:
    with held_stderr(), _without_jax():
        import keras
        import tensorflow as tf

        # Looks for GPUs, and writes about them, here rather than at the first sample.
        tf.config.list_physical_devices()
except ModuleNotFoundError as error:
    missing = {"keras": "Keras", "tensorflow": "TensorFlow"}.get((error.name or "").partition(".")[0])
    if missing is None:
        raise
    raise EngineError(
        f"{missing} is not installed, and this cannot be done without it: pip install 'seizure-detector[tensorflow]'"
    ) from error

__all__ = ["keras", "tf"]
