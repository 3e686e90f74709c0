"""The five ways of training, one module each; all take (recordings, steps, features) with a target for each step.

Each module is a `detector.training.methods.method.Method`: it says how a pass over the sequences is made, and nothing
else. Passes, optimiser, early stopping and checkpoints are the same for all, in `detector.training.fitting`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from detector.errors import UsageError, nearest

if TYPE_CHECKING:
    from detector.training.methods.method import Method

NAMES = ("stateful", "whole-recording", "padded", "windowed", "bidirectional")


def method_named(name: str) -> Method:
    """Return the method of this name; only now is Keras loaded.

    Raises
    ------
    UsageError
        When there is none.
    """
    if name not in NAMES:
        raise UsageError(f"method {name!r}: expected one of {', '.join(NAMES)}{nearest(name, NAMES)}")
    module = importlib.import_module(f"detector.training.methods.{name.replace('-', '_')}")
    return cast("Method", module)
