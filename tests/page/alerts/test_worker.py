"""A target that fails or hangs holds up only itself, and gets everything afterwards, in order."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from detector.page.alerts.alert import Alert
from detector.page.alerts.queue import SCHEMA, Queue
from detector.page.alerts.worker import RefusedAlertError, Worker
from detector.page.store import Store
from tests.live import until
from tests.page.alerts.samples import alert


class Way:
    """A target that does as it is told."""

    where = "somewhere"

    def __init__(self) -> None:
        self.got: list[str] = []
        self.error: Exception | None = None
        self.hangs: threading.Event | None = None
        self.tries = 0
        self.is_closed = False

    def deliver(self, alert: Alert) -> str:
        self.tries += 1
        if self.hangs is not None:
            self.hangs.wait()
        if self.error is not None:
            raise self.error
        self.got.append(alert.key)
        return ""

    def close(self) -> None:
        self.is_closed = True


class Bench:
    def __init__(self, path: Path) -> None:
        self.store = Store(path)
        assert self.store.put(*SCHEMA).result(5)
        self.way, self.now_s, self.set_s = Way(), 1000.0, 0.0
        self.queue = Queue("pager", self.store)
        self.worker = Worker(
            "pager", self.way, self.queue, 3600.0, 1e9, lambda: self.now_s + self.set_s, lambda: self.now_s
        )

    def put(self, *numbers: int) -> None:
        for n in numbers:
            assert self.store.put(self.queue.put(alert(n))).result(5)
        self.worker.wake()

    def report(self) -> dict[str, Any]:
        self.store.put().result(5)
        return self.worker.facts()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "page.sqlite")
    yield bench
    bench.store.close()


def test_an_hour_of_failures_is_tried_ever_more_seldom_and_loses_nothing(bench: Bench) -> None:
    bench.way.error = OSError("the receiver answers 500")
    bench.put(0, 1, 2)
    pauses = []
    while bench.now_s < 4000.0:
        pause_s = bench.worker.turn()
        assert pause_s is not None
        pauses.append(pause_s)
        bench.now_s += pause_s
    assert pauses[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert bench.worker.failing_s == 1000.0
    assert bench.report()["waiting"] == 3
    bench.way.error = None
    assert [bench.worker.turn() for _ in range(4)] == [0.0, 0.0, 0.0, None]
    assert bench.way.got == [alert(n).key for n in range(3)]
    facts = bench.report()
    assert (facts["failing_s"], facts["error"], facts["tries"]) == (None, "", 0)


def test_what_cannot_be_delivered_for_too_long_is_among_the_dead_with_the_reason(bench: Bench) -> None:
    bench.way.error = OSError("no route")
    bench.put(0, 1, 5000)
    bench.now_s = 1000.0 + 3602.0
    bench.worker.turn()
    assert [(one["key"], one["error"]) for one in bench.report()["dead"]] == [
        (alert(1).key, "OSError: no route"), (alert(0).key, "OSError: no route"),
    ]  # fmt: skip
    assert bench.worker.buried_s == bench.now_s
    bench.way.error = None
    bench.worker.turn()
    assert bench.way.got == [alert(5000).key]


def test_a_clock_that_is_set_gives_nothing_up(bench: Bench) -> None:
    bench.way.error = OSError("no route")
    bench.put(0, 1)
    bench.set_s = 1e6
    bench.worker.turn()
    assert (bench.report()["waiting"], bench.report()["n_dead"]) == (2, 0)


def test_old_ones_are_tried_before_they_are_given_up(bench: Bench) -> None:
    bench.put(0)
    bench.now_s = 1e6
    bench.worker.turn()
    assert bench.way.got == [alert(0).key]


def test_one_that_is_refused_for_good_does_not_hold_up_the_next(bench: Bench) -> None:
    bench.put(0, 1)
    bench.way.error = RefusedAlertError("the receiver answers 422\x1b[2J")
    assert bench.worker.turn() == 0.0
    bench.way.error = None
    assert bench.worker.turn() == 0.0
    assert bench.way.got == [alert(1).key]
    [dead] = bench.report()["dead"]
    assert dead["error"] == "the receiver answers 422\\x1b[2J"


def test_whatever_goes_wrong_the_worker_goes_on(bench: Bench) -> None:
    bench.way.error = KeyError("a fault of ours")
    bench.put(0)
    assert bench.worker.turn() == 1.0
    assert "KeyError" in bench.worker.error
    bench.way.error = None
    assert bench.worker.turn() == 0.0


def test_a_disk_that_cannot_be_read_is_told_and_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.page.alerts.queue._MOST_IN_MEMORY", 0)
    bench.put(0)

    def fail(*_: object) -> object:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as broken:
        broken.setattr(bench.store, "facts", fail)
        assert bench.worker.turn() == 5.0
    assert "disk I/O error" in bench.worker.error


def test_one_that_hangs_holds_up_only_itself_and_nobodys_end(tmp_path: Path) -> None:
    slow, quick = Bench(tmp_path / "a.sqlite"), Bench(tmp_path / "b.sqlite")
    slow.way.hangs = threading.Event()
    for bench in (slow, quick):
        bench.worker.begin()
        bench.put(0, 1)
    until(lambda: len(quick.way.got) == 2, 5, "the other gets its alerts")
    until(lambda: slow.way.tries == 1, 5, "it is tried")
    assert slow.way.got == []
    for bench in (slow, quick):
        bench.worker.stop()
        bench.worker.join(0.1 if bench is slow else 5.0)
    assert (slow.way.is_closed, quick.way.is_closed) == (False, True)
    slow.store.close()
    slow.way.hangs.set()  # it comes back after the page has closed its file
    slow.worker.join(5)
    assert slow.way.got == [alert(0).key]
    quick.store.close()
    again = Bench(tmp_path / "a.sqlite")
    assert [again.worker.turn() for _ in range(3)] == [0.0, 0.0, None]
    assert again.way.got == [alert(0).key, alert(1).key]
    again.store.close()
