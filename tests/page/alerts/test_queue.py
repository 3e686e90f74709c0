"""Whatever fails and whenever the page is killed: nothing is lost, and the order is that of the alarms."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.page.alerts.queue import SCHEMA, Queue
from detector.page.store import Store
from tests.live import until
from tests.page.alerts.samples import alert, row
from tests.signals import deterministic


class Page:
    """A page's file and queue, over several lives of the page."""

    def __init__(self, path: Path) -> None:
        self.path, self.n = path, 0
        self.begin()

    def begin(self) -> None:
        self.store = Store(self.path)
        assert self.store.put(*SCHEMA).result(5)
        self.queue = Queue("pager", self.store)

    def restart(self) -> None:
        self.store.close()
        self.begin()

    def put(self) -> str:
        one = alert(self.n)
        self.store.alarm(row(self.n), [self.queue.put(one)])
        self.n += 1
        return one.key

    def deliver(self) -> str | None:
        first = self.queue.first()
        if first is None:
            return None
        self.queue.delivered(first, 1.0)
        return first.alert.key

    def deliver_all(self) -> list[str]:
        return list(iter(self.deliver, None))


_STEPS = st.lists(st.sampled_from(["put", "put", "deliver", "try", "bury", "restart", "give up"]), max_size=30)


@deterministic(60)
@given(steps=_STEPS, in_memory=st.integers(1, 5))
def test_what_was_put_is_delivered_once_and_in_order_or_is_dead(steps: list[str], in_memory: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("detector.page.alerts.queue._MOST_IN_MEMORY", in_memory)
        page = Page(Path(folder, "page.sqlite"))
        waiting: list[str] = []
        dead: list[str] = []
        for step in steps:
            if step == "put":
                waiting.append(page.put())
            elif step == "restart":
                page.restart()
            elif step == "give up":
                page.queue.bury_older(1000.0 + page.n - 1, 5.0, "too old")  # all but the newest
                dead += [key for key in waiting if key != alert(page.n - 1).key]
                waiting = waiting[-1:] if waiting[-1:] == [alert(page.n - 1).key] else []
            else:
                first = page.queue.first()
                assert (first.alert.key if first else None) == (waiting[0] if waiting else None)
                if first is not None and step == "deliver":
                    page.queue.delivered(first, 5.0)
                    waiting.pop(0)
                elif first is not None and step == "bury":
                    page.queue.bury(first, 5.0, "refused")
                    dead.append(waiting.pop(0))
            assert len(page.queue._memory) <= in_memory
        assert page.deliver_all() == waiting
        page.store.put().result(5)
        report = page.queue.report(most=100)
        assert sorted(one["key"] for one in report["dead"]) == sorted(dead)
        assert (report["waiting"], report["n_dead"]) == (0, len(dead))
        assert page.queue.is_empty
        page.store.close()


def test_an_alert_and_its_alarm_are_written_together_or_neither_is(tmp_path: Path) -> None:
    page = Page(tmp_path / "page.sqlite")
    with closing(sqlite3.connect(page.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        page.put()
        until(lambda: page.store.trouble, 10, "it is told that nothing can be written")
    assert page.store.facts("SELECT 1 FROM alert") == page.store.facts("SELECT 1 FROM alarm_log") == []
    assert page.store.put().result(5)
    assert len(page.store.facts("SELECT 1 FROM alert")) == len(page.store.facts("SELECT 1 FROM alarm_log")) == 1
    page.store.close()


def test_a_disk_that_fails_holds_no_alert_up(tmp_path: Path) -> None:
    page = Page(tmp_path / "page.sqlite")
    with closing(sqlite3.connect(page.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        keys = [page.put() for _ in range(5)]
        assert page.deliver_all() == keys
    page.restart()
    assert page.deliver_all() == []
    assert [one["key"] for one in page.queue.report()["delivered"]] == keys[::-1]
    page.store.close()


def test_what_waits_on_a_disk_that_fails_comes_when_it_is_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.page.alerts.queue._MOST_IN_MEMORY", 1)
    monkeypatch.setattr("detector.page.alerts.queue._DISK_S", 30.0)
    page = Page(tmp_path / "page.sqlite")
    with closing(sqlite3.connect(page.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        keys = [page.put() for _ in range(3)]
        assert page.deliver_all() == keys[:1]
        assert not page.queue.is_empty
    assert page.deliver_all() == keys[1:]
    page.store.close()


def test_old_ones_are_dropped_but_for_those_that_wait_and_the_numbers_go_on(tmp_path: Path) -> None:
    page = Page(tmp_path / "page.sqlite")
    for _ in range(3):
        page.put()
    page.deliver()
    page.queue.drop_done(100.0)
    assert page.store.put().result(5)
    assert page.queue.report()["delivered"] == []
    assert len(page.deliver_all()) == 2
    page.queue.drop_done(100.0)
    page.restart()
    key = page.put()
    assert page.deliver_all() == [key]
    page.store.close()
