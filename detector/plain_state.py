"""The state of a stage as plain values, that a file can hold, and back again: checked, never executed.

A state is a dataclass of numbers, texts, arrays, sequences of them, and other such dataclasses. Its plain form is a
dictionary by the names of its fields.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections import deque
from enum import StrEnum
from typing import Any, TypeVar

import numpy as np

from detector.errors import StateError

Plain = dict[str, Any]
T = TypeVar("T")


def plain(state: Any) -> Plain:
    """Return copies of a dataclass' fields by their names: what the stage does next changes none of them."""
    return {field.name: _plain(getattr(state, field.name)) for field in dataclasses.fields(state)}


def restored(like: T, state: object) -> T:
    """Return what `plain` returned, possibly written to a file and read again, as a state.

    Parameters
    ----------
    like
        A state of the stage that goes on: arrays must have the types and shapes of its arrays.
    state
        What was kept.

    Raises
    ------
    StateError
        When a field is missing or unknown, of another type or shape, or not finite.
    """
    return _dataclass(type(like), like, state, type(like).__module__)


def checked_array(like: np.typing.NDArray[Any], value: object, where: str) -> np.typing.NDArray[Any]:
    """Return ``value`` as an array of the type and shape of ``like``.

    Raises
    ------
    StateError
        When it is none, or not finite.
    """
    try:
        array = np.array(value)
    except ValueError as error:
        raise StateError(f"{where}: expected an array ({error})") from error
    fits = array.size == 0 or np.can_cast(array.dtype, like.dtype, "same_kind")
    if not fits or array.shape != like.shape:
        found = f"{array.dtype} of shape {array.shape}"
        raise StateError(f"{where}: {found}, expected {like.dtype} of shape {like.shape}")
    with np.errstate(over="ignore"):  # what is too large is infinite, and refused
        array = array.astype(like.dtype)
    if not np.isfinite(array).all():
        raise StateError(f"{where}: not finite")
    return array


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, (list, tuple, deque)):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value):
        return plain(value)
    return value


def _dataclass(kind: type[T], like: object, state: object, where: str) -> T:
    hints = typing.get_type_hints(kind)
    if not isinstance(state, dict) or set(state) != set(hints):
        found = ", ".join(sorted(map(str, state))) if isinstance(state, dict) else type(state).__name__
        raise StateError(f"{where}: expected the fields {', '.join(sorted(hints))}, found {found}")
    return kind(
        **{
            name: _value(hint, getattr(like, name, None), state[name], f"{where}: {name}")
            for name, hint in hints.items()
        }
    )


def _value(hint: Any, like: object, value: Any, where: str) -> Any:
    if isinstance(like, np.ndarray):
        return checked_array(like, value, where)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return None if value is None else _value(arguments[0], like, value, where)
    if dataclasses.is_dataclass(hint):
        return _dataclass(typing.cast("type[Any]", hint), like, value, where)
    if origin in (list, deque) and isinstance(value, list):
        return origin(_value(arguments[0], None, item, where) for item in value)
    if origin is tuple and isinstance(value, list) and len(value) == len(arguments):
        return tuple(_value(one, None, item, where) for one, item in zip(arguments, value, strict=True))
    if hint is float and isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(hint, type) and issubclass(hint, StrEnum) and value in list(hint):
        return hint(value)
    if hint in (int, bool, str) and type(value) is hint:
        return value
    raise StateError(f"{where}: {value!r:.40}, expected {hint if origin else hint.__name__}")
