"""A state comes back as it was, and nothing else comes back at all."""

from __future__ import annotations

import json
import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.errors import StateError
from detector.messages import Event, Outcome
from detector.plain_state import checked_array, plain, restored
from tests.signals import deterministic


@dataclass
class Inner:
    count: int = 0
    at_s: float | None = None


@dataclass
class Everything:
    number: float = 0.0
    flag: bool = False
    text: str = ""
    inner: Inner = field(default_factory=Inner)
    event: Event | None = None
    times: deque[float] = field(default_factory=deque)
    marks: deque[tuple[float, int]] = field(default_factory=deque)
    array: np.typing.NDArray[np.float64] = field(default_factory=lambda: np.zeros((2, 3)))
    counts: np.typing.NDArray[np.int64] = field(default_factory=lambda: np.zeros(2, dtype=np.int64))


def through_json(state: Any) -> Any:
    return json.loads(json.dumps(state, default=lambda array: array.tolist()))


numbers = st.floats(allow_nan=False, allow_infinity=False)
events = st.builds(
    Event, st.integers(), numbers, numbers, st.none() | numbers, numbers, st.sampled_from(Outcome), st.text()
)
states = st.builds(
    Everything,
    numbers,
    st.booleans(),
    st.text(),
    st.builds(Inner, st.integers(), st.none() | numbers),
    st.none() | events,
    st.builds(deque, st.lists(numbers)),
    st.builds(deque, st.lists(st.tuples(numbers, st.integers()))),
    st.lists(numbers, min_size=6, max_size=6).map(lambda values: np.array(values).reshape(2, 3)),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=2).map(lambda v: np.array(v, dtype=np.int64)),
)


@deterministic(200)
@given(states)
def test_a_state_comes_back_to_the_last_bit(state: Everything) -> None:
    back = restored(Everything(), through_json(plain(state)))
    assert repr(back) == repr(state)
    assert [type(value) for value in vars(back).values()] == [type(value) for value in vars(state).values()]
    assert (back.array.dtype.name, back.counts.dtype.name) == ("float64", "int64")


def test_single_precision_comes_back_to_the_last_bit() -> None:
    array = np.random.default_rng(0).normal(0, 1, (5, 7)).astype(np.float32)
    back = checked_array(np.zeros_like(array), through_json(array), "x")
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, array)


def test_what_was_taken_is_a_copy() -> None:
    state = Everything(times=deque([1.0]))
    taken = plain(state)
    state.array[0, 0], state.inner.count = 5.0, 5
    state.times.append(2.0)
    assert taken == plain(Everything(times=deque([1.0]))) | {"array": taken["array"], "counts": taken["counts"]}
    assert taken["array"][0, 0] == 0


WRONG: list[tuple[str, Any, str]] = [
    ("number", math.nan, "number: nan, expected float"),
    ("number", math.inf, "number: inf, expected float"),
    ("number", None, "number: None, expected float"),
    ("number", True, "number: True, expected float"),
    ("number", 10**400, "number: 1000"),
    ("number", "1", "number: '1', expected float"),
    ("flag", 1, "flag: 1, expected bool"),
    ("text", 1, "text: 1, expected str"),
    ("inner", {"count": 1}, "inner: expected the fields at_s, count, found count"),
    ("inner", {"count": 1.0, "at_s": None}, "count: 1.0, expected int"),
    ("inner", 3, "inner: expected the fields at_s, count, found int"),
    ("event", {}, "event: expected the fields"),
    ("times", 1.0, r"times: 1.0, expected collections.deque\[float\]"),
    ("times", [math.nan], "times: nan, expected float"),
    ("marks", [[1.0]], "marks: "),
    ("marks", [[1.0, 2.0]], "marks: 2.0, expected int"),
    ("array", [[1.0, 2.0, 3.0]], r"array: float64 of shape \(1, 3\), expected float64 of shape \(2, 3\)"),
    ("array", [[1.0, 2.0, math.nan]] * 2, "array: not finite"),
    ("array", [[1.0], [1.0, 2.0]], "array: expected an array"),
    ("array", [["a", "b", "c"]] * 2, "array: <U1 of shape"),
    ("array", None, "array: object of shape"),
    ("counts", [0.5, 1.0], "counts: float64 of shape"),
    ("counts", [2**70, 1], "counts: object of shape"),
]


@pytest.mark.parametrize(("name", "value", "said"), WRONG)
def test_what_no_such_state_can_be_is_refused(name: str, value: Any, said: str) -> None:
    state = through_json(plain(Everything())) | {name: value}
    with pytest.raises(StateError, match=said):
        restored(Everything(), state)


def test_an_outcome_that_there_is_not_is_refused() -> None:
    state = through_json(plain(Everything(event=Event(1, 0.0, 0.0, None, 0.5, Outcome.ONGOING))))
    assert restored(Everything(), state).event is not None
    state["event"]["outcome"] = "won"
    with pytest.raises(StateError, match="outcome: 'won', expected Outcome"):
        restored(Everything(), state)


def test_what_is_too_large_for_single_precision_is_refused() -> None:
    with pytest.raises(StateError, match="not finite"):
        checked_array(np.zeros(1, dtype=np.float32), [1e300], "x")


@pytest.mark.parametrize("state", [None, [], 3, {}, {"number": 1.0}])
def test_another_set_of_fields_is_refused(state: Any) -> None:
    with pytest.raises(StateError, match="expected the fields array, counts, event"):
        restored(Everything(), state)
