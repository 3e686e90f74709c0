"""A rest lasts as long as it should, unless somebody ends it: a signal, another thread, or one that came before."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

from detector.rest import Rest

LONG_S = 30.0


def test_a_rest_that_nobody_ends_lasts_as_long_as_it_should() -> None:
    began_s = time.monotonic()
    assert not Rest().take(0.02)
    assert time.monotonic() - began_s >= 0.02


def test_nothing_to_rest_for_is_no_rest() -> None:
    rest = Rest()
    rest.end()
    assert not rest.take(0.0)
    assert not rest.take(-1.0)
    assert rest.take(LONG_S), "what was asked for is still to be looked after"


def test_a_rest_that_was_ended_any_number_of_times_before_it_began_is_ended_once() -> None:
    rest = Rest()
    for _ in range(100_000):  # more than a pipe holds
        rest.end()
    while rest.take(LONG_S) and rest._poll.poll(0):
        pass
    assert not rest.take(0.001)


def test_another_thread_ends_a_rest() -> None:
    rest = Rest()
    thread = threading.Timer(0.01, rest.end)
    thread.start()
    assert rest.take(LONG_S)
    thread.join()


def test_a_signal_ends_a_rest() -> None:
    rest, main = Rest(), threading.main_thread().ident
    assert main is not None
    before = signal.signal(signal.SIGUSR1, lambda _number, _frame: rest.end())
    thread = threading.Timer(0.01, signal.pthread_kill, (main, signal.SIGUSR1))
    try:
        thread.start()
        assert rest.take(LONG_S)
        thread.join()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_rest_that_is_not_used_any_more_leaves_no_file_open() -> None:
    def n_open() -> int:
        return len([*Path("/proc/self/fd").iterdir()])

    before = n_open()
    rest = Rest()
    assert n_open() > before
    del rest
    assert n_open() <= before
