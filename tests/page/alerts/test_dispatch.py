"""From an alarm to the receivers that want it, over any death of the page."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from detector.errors import UsageError
from detector.page.alarm import Action
from detector.page.alerts.dispatch import Alerts
from detector.page.store import Store
from tests.client.lsl_publisher import publisher
from tests.live import until
from tests.page.alerts.receiver import Post, Receiver, receiver, secret
from tests.page.alerts.samples import config, row, state
from tests.page.browser import Served

NOW = int(time.time()) - 1000  # the samples' times begin at 1000


def section(folder: Path, server: Receiver, name: str = "pager", more: str = "") -> str:
    file = secret(folder)
    return f'[[webhook]]\nname = "{name}"\nurl = "{server.url}"\nsecret_file = "{file}"\n{more}\n'


@contextmanager
def alerts(folder: Path, text: str) -> Iterator[tuple[Alerts, Store]]:
    store = Store(folder / "page.sqlite")
    one = Alerts(config(folder, text), store)
    one.begin(dict)
    yield one, store
    one.close()
    store.close()


def test_each_target_gets_what_it_wants_in_order(tmp_path: Path) -> None:
    with receiver() as all_of_it, receiver() as raised:
        text = section(tmp_path, all_of_it) + section(tmp_path, raised, "raised", 'actions = ["raised"]')
        with alerts(tmp_path, text) as (one, store):
            for n, action in enumerate([Action.RAISED, Action.ACKNOWLEDGED, Action.UNDONE, Action.ACKNOWLEDGED]):
                change = row(NOW + n, action)
                assert store.alarm(change, one.put(change)).result(5)
            until(lambda: len(all_of_it.keys) == 4, 10, "all are delivered")
            until(lambda: raised.keys, 10, "the raised one is delivered")
            assert [post.body for post in raised.taken] == [all_of_it.taken[0].body]
            assert len(store.facts("SELECT * FROM alarm_log")) == 4


def test_one_receiver_that_hangs_keeps_none_from_the_others_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detector.page.alerts.dispatch._TOLD_AFTER_S", 0.0)
    release = threading.Event()
    with receiver() as slow, receiver() as quick:

        def hang(post: Post) -> int:
            release.wait()
            return 204

        slow.answer = hang
        text = section(tmp_path, slow, "slow", "timeout_s = 1.0") + section(tmp_path, quick, "quick")
        with alerts(tmp_path, text) as (one, store):
            for n in range(3):
                store.alarm(row(NOW + n), one.put(row(NOW + n)))
            until(lambda: len(quick.keys) == 3, 10, "the other has all")
            until(one.notices, 10, "it is told")
            assert re.fullmatch(r"alerts to slow wait, for 0 min now: TimeoutError: .*", one.notices()[0])
            release.set()
            until(lambda: slow.keys == quick.keys, 20, "it has all, in order")
            until(lambda: not one.notices(), 10, "it is told no more")


def test_a_test_alert_goes_the_way_of_all_alerts(tmp_path: Path) -> None:
    with receiver() as server, alerts(tmp_path, section(tmp_path, server)) as (one, store):
        with pytest.raises(UsageError, match="no target 'pagr' \\(did you mean 'pager'"):
            one.send_test("pagr")
        assert one.send_test("pager")
        until(lambda: server.keys, 10, "it arrives")
        until(lambda: store.put().result(5) and one.report()[0]["delivered"], 10, "it is reported")
        [told] = one.report()
        assert told["name"] == "pager"
        assert [entry["title"] for entry in told["delivered"]] == ["test alert"]


def test_what_waits_for_a_target_that_is_configured_no_more_is_not_sent_later(tmp_path: Path) -> None:
    with receiver() as server:
        server.answer = lambda post: 500
        with alerts(tmp_path, section(tmp_path, server)) as (one, store):
            store.alarm(row(NOW), one.put(row(NOW))).result(5)
        with alerts(tmp_path, ""):
            pass
        server.answer = lambda post: 204
        with alerts(tmp_path, section(tmp_path, server)) as (one, store):
            [dead] = one.report()[0]["dead"]
            assert dead["error"] == "the target is gone"
    assert server.keys == []


def test_a_page_that_is_killed_loses_no_alert_and_doubles_none_for_who_honours_the_key(tmp_path: Path) -> None:
    release = threading.Event()
    with receiver() as server, publisher("alert-a") as process:
        server.answer = lambda post: 503
        page = Served(tmp_path, section(tmp_path, server, more='beds = ["alert-a"]'))
        state(process, "SEIZURE")
        until(lambda: server.posts, 20, "the alert is tried")
        page.end()  # kill -9

        def hang(post: Post) -> int:
            release.wait()
            return 204

        server.answer, n = hang, len(server.posts)
        page.begin()
        until(lambda: len(server.posts) > n, 20, "the alert is sent")
        page.end()  # in the middle of a delivery
        release.set()
        until(lambda: server.keys, 10, "the receiver has it, and the page does not know that")
        page.begin()
        state(process, "NON_SEIZURE")
        until(lambda: any("over" in key for key in server.keys), 30, "that it is over arrives")
        page.end()
    with closing(sqlite3.connect(tmp_path / "page.sqlite")) as connection:
        rows = connection.execute("SELECT key FROM alert WHERE target = 'pager' ORDER BY seq").fetchall()
        [[changes]] = connection.execute("SELECT count(*) FROM alarm_log WHERE bed = 'alert-a'").fetchall()
    assert server.keys == [key for [key] in rows]
    assert len(server.keys) == changes >= 2
    assert len(server.taken) > len(server.keys), "nothing was sent twice: the test has not tried what it says"
    bodies = {(post.key, post.body) for post in server.posts}
    assert len(bodies) == len(server.keys), "an alert was not the same bytes each time"
