"""TensorFlow and Keras, imported without their commentary on stderr.

TensorFlow writes about missing GPUs and its own optimisations before any of its log levels is in force. What it writes
is held back while it is imported, and shown if the import fails.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# The same sums in the same order on every machine, and no memory that is written and then executed.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")


@contextmanager
def _held_stderr() -> Iterator[None]:
    """Hold back what is written to the file descriptor, where C++ writes; show it if the block raises."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        kept = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:  # whatever it was is raised again, with what was held back
            os.dup2(kept, 2)
            held.seek(0)
            sys.stderr.write(held.read().decode(errors="backslashreplace"))
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


with _held_stderr():
    import keras
    import tensorflow as tf

    # Looks for GPUs, and writes about them, here rather than at the first sample.
    tf.config.list_physical_devices()

__all__ = ["keras", "tf"]
