"""A slow call keeps nobody waiting, its error is not lost, and what nobody wants is thrown away."""

from __future__ import annotations

import threading

import pytest

from detector.background import Background


def test_the_result_is_there_when_it_is_done() -> None:
    go = threading.Event()
    background = Background(lambda: go.wait(5) and 7)
    assert not background.wait(0)
    go.set()
    assert background.wait(5)
    assert background.result() == 7


def test_an_error_is_raised_where_the_result_is_asked_for() -> None:
    background: Background[int] = Background(lambda: int("x"))
    background.wait(5)
    with pytest.raises(ValueError, match="invalid literal"):
        background.result()


def test_what_a_failing_call_held_ends_with_it() -> None:
    ended = threading.Event()

    class Connection:
        def __init__(self) -> None:
            raise ValueError("no answer")

        def __del__(self) -> None:
            ended.set()

    background = Background(Connection)
    background.wait(5)
    assert ended.is_set()
    with pytest.raises(ValueError, match="no answer"):
        background.result()


def test_a_call_for_which_there_is_no_thread_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", no_more)
    background = Background(lambda: 7)
    assert background.wait(5)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        background.result()


@pytest.mark.parametrize("late", [True, False])
def test_an_abandoned_result_is_discarded_once_whenever_it_comes(late: bool) -> None:
    go = threading.Event()
    discarded: list[bool] = []
    background = Background(lambda: go.wait(5), discard=discarded.append)
    if not late:
        go.set()
        background.wait(5)
    background.abandon()
    go.set()
    assert background.wait(5)
    assert discarded == [True]
