"""The recurrent state as it goes from one engine to another: a list of arrays, as the network's layers have them."""

from __future__ import annotations

from collections.abc import Sequence

from detector.errors import StateError
from detector.messages import FloatArray
from detector.plain_state import checked_array


def checked_states(own: Sequence[FloatArray], state: object) -> list[FloatArray]:
    """Return what ``get_state`` of any engine returned, as arrays or as lists of numbers, as arrays like ``own``.

    Raises
    ------
    StateError
        When the number, a shape or a value is not what such a network can have.
    """
    if not isinstance(state, Sequence) or len(state) != len(own):
        found = len(state) if isinstance(state, Sequence) else type(state).__name__
        raise StateError(f"recurrent states: {found}, expected {len(own)}")
    return [
        checked_array(like, value, f"recurrent state {i}")
        for i, (like, value) in enumerate(zip(own, state, strict=True))
    ]
