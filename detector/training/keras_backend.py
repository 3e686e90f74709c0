"""Keras with the backend that ``KERAS_BACKEND`` names; TensorFlow where nothing else is asked for.

Networks and methods of training use nothing but Keras 3, so any backend trains the same file; only the engines that
serve it (`detector.network`) need TensorFlow.
"""

from __future__ import annotations

import os

# Keras would ask its own file in the home folder next: a training must not depend on that.
if os.environ.setdefault("KERAS_BACKEND", "tensorflow") == "tensorflow":
    from detector.network.keras_tensorflow import keras
else:
    import keras

__all__ = ["keras"]
