"""What was done about an alarm is on disk when that is said, is never changed, and is there after a restart."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from detector.messages import Priority
from detector.page.alarm import Action, Alarm, AlarmKind, AlarmRow
from detector.page.store import Store
from tests.live import until

SEIZURE = Alarm("bed1.seizure.1", "bed1", AlarmKind.SEIZURE, Priority.HIGH, "seizure", 1000.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "page.sqlite"


def test_alarms_that_stand_are_known_after_a_restart(path: Path) -> None:
    over = replace(SEIZURE, id="bed1.seizure.2", over_s=1010.0, acknowledged_s=1005.0, acknowledged_by="a")
    store = Store(path)
    for row in (
        AlarmRow(1000.0, Action.RAISED, SEIZURE),
        AlarmRow(1001.0, Action.RAISED, replace(over, over_s=None, acknowledged_s=None)),
        AlarmRow(1010.0, Action.OVER, over),
    ):
        assert store.alarm(row).result(5)
    store.close()
    again = Store(path)
    assert again.standing() == [SEIZURE]
    assert [(row["action"], row["alarm"]["id"]) for row in again.alarm_log("bed1", 0.0)] == [
        ("over", over.id), ("raised", over.id), ("raised", SEIZURE.id),
    ]  # fmt: skip
    again.close()


def test_only_its_owner_can_read_it(path: Path) -> None:
    Store(path).close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_rows_about_alarms_and_labels_cannot_be_changed(path: Path) -> None:
    store = Store(path)
    store.alarm(AlarmRow(1.0, Action.RAISED, SEIZURE)).result(5)
    store.label(1.0, "bed1", "false-alarm", 1.0, "a", SEIZURE.id).result(5)
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        for table in ("alarm_log", "label"):
            with pytest.raises(sqlite3.IntegrityError, match="never changed"):
                connection.execute(f"UPDATE {table} SET who = 'b'")


def test_a_disk_that_fails_keeps_rows_waiting_and_is_told(path: Path) -> None:
    store = Store(path)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")  # somebody has locked it
        assert not store.alarm(AlarmRow(1.0, Action.RAISED, SEIZURE)).result(10)
        assert store.trouble is not None
        assert "locked" in store.trouble
        assert store.standing() == []
    assert store.bed("bed1", 1.0).result(5)
    assert store.trouble is None
    assert store.standing() == [SEIZURE]
    store.close()


@pytest.mark.parametrize("content", [b"this is no database " * 1000, b""], ids=["text", "empty"])
def test_what_is_no_file_of_the_page_is_set_aside_as_it_is(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    store = Store(path)
    assert store.bed("bed1", 1.0).result(5)
    store.close()
    kept = [one.read_bytes() for one in path.parent.iterdir() if ".damaged-" in one.name]
    assert kept == ([content] if content else [])
    assert bool(store.notice) == bool(content)


def test_a_file_of_a_later_version_is_set_aside(path: Path) -> None:
    Store(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    store = Store(path)
    assert "version 99" in store.notice
    store.close()


def test_what_is_old_is_dropped_but_for_an_alarm_that_stands(path: Path) -> None:
    store, day = Store(path), 86400.0
    over = replace(SEIZURE, id="b", over_s=2.0, acknowledged_s=2.0)
    store.alarm(AlarmRow(1.0, Action.RAISED, SEIZURE))
    store.alarm(AlarmRow(2.0, Action.OVER, over))
    for at_s in (0, int(9.5 * day), int(10 * day)):
        store.trend("bed1", at_s, 0.5, 0.0, 1, 22)
        store.marker("bed1", at_s, "non-seizure")
    store.bed("bed1", 1.0).result(5)
    store.drop_old(10 * day, keep_days=5, trend_hours=6, standing=store.standing()).result(5)
    assert [row["bin_s"] for row in store.trends("bed1", 0.0)] == [10 * day]
    assert [row["time_s"] for row in store.markers("bed1", 0.0)] == [10 * day, 9.5 * day]
    assert [row["alarm"]["id"] for row in store.alarm_log("bed1", 0.0)] == [SEIZURE.id]
    store.close()


def test_trends_do_not_fill_the_memory_of_a_page_that_cannot_write(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.page.store._MOST_WAITING", 10)
    store = Store(path)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        for n in range(30):
            store.trend("bed1", n, None, None, 0, 0)
        alarm = store.alarm(AlarmRow(1.0, Action.RAISED, SEIZURE))
        until(lambda: store.trouble, 30, "it is told that nothing can be written")
        other.rollback()
        alarm.result(60)
    assert store.bed("bed1", 1.0).result(30)
    assert len(store.trends("bed1", -1.0)) == 10
    assert store.standing() == [SEIZURE]
    store.close()


def test_a_row_that_can_never_be_written_keeps_no_other_back_and_is_told(path: Path) -> None:
    store = Store(path)
    store.trend("bed1", 0, 0.5, 0.0, 1, 10**30)
    store.label(1.0, "bed1", "false-alarm", 1.0, "a", "\ud800")
    assert store.alarm(AlarmRow(1.0, Action.RAISED, SEIZURE)).result(5)
    assert store.bed("bed1", 1.0).result(5)
    assert store.standing() == [SEIZURE]
    assert store.notice == "2 rows could not be written and are lost: see the log of the page"
    store.close()


def test_of_two_parts_of_a_bin_the_worse_stands(path: Path) -> None:
    store = Store(path)
    for state, probability, good in ((1, 0.5, 22), (2, 0.9, 20), (0, None, 21), (1, 0.1, 22)):
        store.trend("bed1", 0, probability, None, state, good)
    for state in (1, 0, 1):
        store.trend("bed1", 10, None, None, state, 22)
    store.bed("bed1", 1.0).result(5)
    assert [(one["state"], one["probability"], one["good_channels"]) for one in store.trends("bed1", -1.0)] == [
        (2, 0.9, 20), (0, None, 22),
    ]  # fmt: skip
    store.close()


def test_the_last_seizure_of_each_bed_is_known_after_a_restart(path: Path) -> None:
    store = Store(path)
    for bed, time_s, text in (("a", 1.0, "seizure"), ("a", 3.0, "seizure"), ("a", 5.0, "non-seizure"), ("b", 2.0, "x")):
        store.marker(bed, time_s, text)
    store.close()
    again = Store(path)
    assert again.last_seizures() == {"a": 3.0}
    again.close()


def test_a_bed_that_was_forgotten_is_not_known_until_it_is_seen_again(path: Path) -> None:
    store = Store(path)
    store.bed("bed1", 5.0)
    store.bed("bed1", 6.0, forgotten=True).result(5)
    assert store.beds() == {}
    store.bed("bed1", 7.0).result(5)
    assert store.beds() == {"bed1": 7.0}
    store.close()
