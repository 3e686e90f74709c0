"""The tape holds the newest samples, whatever the chunks, and no more memory than it was given."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detector.sinks.clips_tape import Block, Tape, not_received, received, split


def block(first: int, n: int) -> Block:
    index = np.arange(first, first + n)
    return received(np.repeat(index[:, None], 2, axis=1).astype(np.float32), index / 10.0)


@given(st.lists(st.integers(0, 30), max_size=30), st.integers(1, 50))
def test_it_holds_the_newest_samples_whatever_the_chunks(sizes: list[int], capacity: int) -> None:
    tape = Tape(2, 10.0, capacity / 10, 10_000)
    assert tape.capacity == capacity
    total = 0
    for size in sizes:
        tape.put(block(total, size))
        total += size
    held = tape.since(-np.inf)
    assert held.samples[:, 1].tolist() == [*range(max(total - capacity, 0), total)]
    assert tape.last_s == ((total - 1) / 10 if total else None)


def test_a_copy_is_of_what_is_not_older() -> None:
    tape = Tape(2, 10.0, 3.0, 10_000)
    tape.put(block(0, 50))
    assert tape.since(3.0).stamps.tolist() == [i / 10 for i in range(30, 50)]
    taken = tape.since(4.9)
    tape.put(block(50, 30))
    assert taken.samples[:, 0].tolist() == [49], "what comes later is not in it"


def test_its_size_is_bounded_by_bytes() -> None:
    tape = Tape(128, 2000.0, 60.0, 1_000_000)
    assert 0.99e6 < tape.capacity * (128 * 4 + 9) <= 1e6


def test_what_was_cleared_is_gone() -> None:
    tape = Tape(2, 10.0, 3.0, 10_000)
    tape.put(block(0, 50))
    tape.clear()
    assert tape.last_s is None
    assert len(tape.since(-np.inf)) == 0


def test_what_was_not_received_keeps_its_place() -> None:
    tape = Tape(2, 10.0, 3.0, 10_000)
    tape.put(block(0, 5))
    tape.put(not_received(3, 2, 0.4, 0.1))
    tape.put(block(8, 2))
    held = tape.since(-np.inf)
    assert np.allclose(held.stamps, np.arange(10) / 10)
    assert held.filled.tolist() == [False] * 5 + [True] * 3 + [False] * 2
    assert np.isnan(held.samples[5:8]).all()


@given(st.lists(st.integers(1, 9), max_size=9), st.integers(0, 90))
def test_a_split_loses_nothing(sizes: list[int], n: int) -> None:
    firsts = np.cumsum([0, *sizes]).tolist()
    blocks = [block(first, size) for first, size in zip(firsts, sizes, strict=False)]
    first, rest = split(blocks, n)
    assert sum(map(len, first)) == min(n, firsts[-1])
    stamps = [*(stamp for part in (*first, *rest) for stamp in part.stamps)]
    assert np.allclose(stamps, np.arange(firsts[-1]) / 10)
