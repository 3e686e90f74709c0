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


V1 = (Path(__file__).parent / "page_v1.sql").read_text()


def test_a_file_of_before_keeps_its_rows_and_gets_what_is_new(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(V1)
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        rows = {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
    assert all(rows.values())
    for _ in range(2):  # and it is opened again
        store = Store(path)
        assert store.notice == ""
        assert [alarm.id for alarm in store.standing()] == ["bed1.seizure.1000.1"]
        assert store.last_seizures() == {"bed1": 1000.5}
        assert store.eeg_bin("bed1", 1000, 95, b"x").result(5)
        assert store.thresholds("bed1", 1000.0, 0.8, 0.4).result(5)
        store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables} == rows
        with pytest.raises(sqlite3.IntegrityError, match="never changed"):
            connection.execute("UPDATE alarm_log SET who = 'b'")
    store = Store(path.with_name("new.sqlite"))
    store.close()
    schemas = []
    for file in (path, path.with_name("new.sqlite")):
        with closing(sqlite3.connect(file)) as connection:
            schemas.append(connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall())
            assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    assert schemas[0] == schemas[1]


def test_a_file_that_cannot_be_made_newer_stays_as_it_was(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(V1)
        connection.execute("CREATE TABLE threshold (a)")  # what is added second is there already
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        Store(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert not connection.execute("SELECT * FROM sqlite_schema WHERE name = 'eeg_bin'").fetchall()


def test_of_two_parts_of_a_bin_of_eeg_that_with_more_of_it_stands(path: Path) -> None:
    store = Store(path)
    for n_good, packed in ((40, b"a"), (95, b"b"), (20, b"c")):
        store.eeg_bin("bed1", 1000, n_good, packed)
    store.eeg_bin("bed1", 1010, 95, b"d")
    store.eeg_bin("bed2", 1010, 95, b"e").result(5)
    assert [(row["bin_s"], row["packed"]) for row in store.eeg_bins("bed1", 0.0)] == [(1000, b"b"), (1010, b"d")]
    assert [row["bin_s"] for row in store.eeg_bins("bed1", 1001.0)] == [1010]
    store.drop_old(1015.0 + 6 * 3600, keep_days=5, trend_hours=6).result(5)
    assert store.eeg_bins("bed1", 0.0) == []
    store.close()


def test_the_thresholds_of_a_time_are_those_that_were_told_last_before_it(path: Path) -> None:
    store = Store(path)
    for time_s, pair in ((10.0, (0.9, 0.5)), (20.0, (None, None)), (30.0, (0.8, 0.4))):
        store.thresholds("bed1", time_s, *pair)
    store.thresholds("bed2", 5.0, 0.1, 0.1).result(5)

    def since(time_s: float) -> list[tuple[float, float | None]]:
        return [(row["time_s"], row["onset"]) for row in store.told_thresholds("bed1", time_s)]

    assert since(0.0) == since(10.0) == [(10.0, 0.9), (20.0, None), (30.0, 0.8)]
    assert since(25.0) == [(20.0, None), (30.0, 0.8)]
    assert since(99.0) == [(30.0, 0.8)]
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
