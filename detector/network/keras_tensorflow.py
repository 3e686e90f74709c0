"""TensorFlow and Keras, imported without their commentary on stderr.

TensorFlow writes about missing GPUs and its own optimisations before any of its log levels is in force. What it writes
is held back while it is imported, and shown if the import fails.
"""

from __future__ import annotations

import os

from detector.errors import EngineError
from detector.network.held_stderr import held_stderr

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# The same sums in the same order on every machine, and no memory that is written and then executed.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

try:
    with held_stderr():
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
