"""Waiting rows are bounded: the least important are dropped first, seizures last, and it is told."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from detector.journal_schema import Alive, Row, RowKind
from detector.sinks.journal_queue import WaitingRows
from tests.signals import deterministic

ALIVE = Alive("b", 1.0, 2.0, "non-seizure")


def row(kind: str, n: int) -> Row:
    return Row("b", "s", kind, float(n), 1e9 + n, None, f'{{"n": {n}}}')


def drained(waiting: WaitingRows) -> list[Row]:
    return waiting.take(10_000)[0]


def test_rows_come_out_in_the_order_in_which_they_came_whatever_they_are() -> None:
    waiting = WaitingRows(100)
    rows = [row(kind, n) for n, kind in enumerate(["condition", "seizure", "state", "config", "state", "stop"])]
    for one in rows:
        waiting.put(one)
    assert waiting.take(4)[0] == rows[:4]
    waiting.put_first(rows[:4])
    assert drained(waiting) == rows


def test_what_does_not_matter_goes_before_what_was_watched_and_a_seizure_goes_last() -> None:
    waiting = WaitingRows(3)
    kinds = ["seizure", "state", "condition", "state", "seizure", "seizure"]
    rows = [row(kind, n) for n, kind in enumerate(kinds)]
    for one in rows:
        waiting.put(one)
    told, *left = drained(waiting)
    assert left == [rows[0], rows[4], rows[5]]
    assert told.kind == RowKind.ROWS_LOST
    assert told.facts == {"lost": {"condition": 1, "state": 2}, "watched_unknown": True}
    assert told.lsl_s == 1  # from the first state on that was lost one cannot know what was watched


def test_lost_conditions_do_not_make_what_was_watched_unknown() -> None:
    waiting = WaitingRows(2)
    for n, kind in enumerate(["condition", "condition", "state", "state"]):
        waiting.put(row(kind, n))
    told = drained(waiting)[0]
    assert told.facts == {"lost": {"condition": 2}, "watched_unknown": False}


def test_a_row_is_dropped_only_for_another_one_and_told_of_once() -> None:
    waiting = WaitingRows(2)
    for n in range(3):
        waiting.put(row("state", n))
    assert [one.kind for one in drained(waiting)] == ["rows-lost", "state", "state"]
    waiting.put(row("state", 3))
    assert [one.kind for one in drained(waiting)] == ["state"]


def test_a_sign_of_life_is_given_out_only_with_all_the_rows_before_it() -> None:
    waiting = WaitingRows(10)
    for n in range(3):
        waiting.put(row("state", n))
    waiting.put_alive(ALIVE)
    assert waiting.take(2)[1] is None
    assert waiting.take(2) == ([row("state", 2)], ALIVE)
    assert waiting.take(2) == ([], None)


def test_rows_that_turn_out_to_be_written_are_taken_out() -> None:
    waiting = WaitingRows(10)
    rows = [row("state", 0) for _ in range(3)]  # alike, and yet not the same
    for one in rows:
        waiting.put(one)
    waiting.forget(rows[:2])
    assert len(waiting) == 1


_KINDS = st.sampled_from(["condition", "config", "state", "session", "seizure", "stop"])
_STEPS = st.lists(st.one_of(_KINDS, st.integers(1, 5)), max_size=80)


@deterministic(300)
@given(_STEPS, st.integers(1, 8))
def test_whatever_comes_each_row_is_given_out_or_counted_and_there_are_never_too_many(
    steps: list[str | int], capacity: int
) -> None:
    waiting, n = WaitingRows(capacity), 0
    put: Counter[str] = Counter()
    out: list[Row] = []
    for step in steps:
        if isinstance(step, str):
            put[step] += 1
            waiting.put(row(step, n))
            n += 1
            assert len(waiting) <= capacity
        else:
            rows, _ = waiting.take(step)
            if step == 5:  # the disk was full
                waiting.put_first(rows)
            else:
                out += rows
    out += drained(waiting)
    told = [one.facts["lost"] for one in out if one.kind == RowKind.ROWS_LOST]
    lost: Counter[str] = sum((Counter(counts) for counts in told), Counter())
    given = [one for one in out if one.kind != RowKind.ROWS_LOST]
    assert Counter(one.kind for one in given) + lost == put
    numbers = [one.facts["n"] for one in given]
    assert numbers == sorted(numbers)
