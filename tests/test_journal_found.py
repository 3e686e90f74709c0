"""A journal that is damaged is noticed when it is opened, before anything of it is believed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from detector.journal_found import check, recall
from detector.journal_schema import INSERT_ROW, PAGE_BYTES, REPLACE_ALIVE, Alive, DamagedError, Row, RowKind, migrate


def test_a_page_that_is_damaged_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        migrate(connection)
        check(connection)
        [page] = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'alive'").fetchone()
    data = bytearray(path.read_bytes())
    begin = (page - 1) * PAGE_BYTES
    data[begin + 3 : begin + 5] = b"\x00\x09"  # nine cells where there are none
    path.write_bytes(data)
    with closing(sqlite3.connect(path)) as connection, pytest.raises(DamagedError, match="SQLite's check says"):
        check(connection)


def test_a_sign_of_life_that_is_not_what_was_written_is_noticed() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        migrate(connection)
        connection.execute(REPLACE_ALIVE, Alive("boot-1", 1.0, 2.0, "non-seizure").values())
        assert recall(connection).last is None
        connection.execute("UPDATE alive SET lsl_s = 9.0")
        with pytest.raises(DamagedError, match="until when a program lived"):
            recall(connection)


@pytest.mark.parametrize(
    ("kinds", "crashed"),
    [
        ([RowKind.START], True),
        ([RowKind.START, RowKind.STOP], False),
        ([RowKind.START, RowKind.STOP, RowKind.START], True),
        ([RowKind.START, RowKind.STOP, RowKind.START, RowKind.STOP], False),
    ],
)
def test_a_program_that_began_and_did_not_say_that_it_ended_has_crashed(kinds: list[RowKind], crashed: bool) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        migrate(connection)
        for number, kind in enumerate(kinds, start=1):
            row = Row("boot-1", "session", kind, float(number), 100.0 + number, None, "{}", number)
            connection.execute(INSERT_ROW, row.values())
        assert recall(connection).crashed is crashed
