"""A row that is read is the one that was written, or is not believed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from detector.journal_schema import (
    INSERT_ROW,
    REPLACE_ALIVE,
    SELECT_ALIVE,
    SELECT_ROWS,
    Alive,
    Row,
    alive_of,
    migrate,
    row_of,
    version_of,
)
from tests.signals import deterministic

_TEXTS = st.text(max_size=20)
_TIMES = st.floats(allow_nan=False, allow_infinity=False)
_ROWS = st.builds(
    Row, _TEXTS, _TEXTS, _TEXTS, st.none() | _TIMES, _TIMES, st.none() | _TIMES, _TEXTS, st.integers(1, 2**62)
)
_OTHERS = st.none() | _TEXTS | _TIMES | st.integers(-(2**62), 2**62)


def stored(statement: str, values: tuple[Any, ...], select: str) -> tuple[Any, ...]:
    """Return what SQLite gives back of values that were written."""
    with closing(sqlite3.connect(":memory:")) as connection:
        migrate(connection)
        connection.execute(statement, values)
        return tuple(connection.execute(select).fetchone())


@deterministic(100)
@given(row=_ROWS)
def test_what_was_written_is_read(row: Row) -> None:
    try:
        read = stored(INSERT_ROW, row.values(), SELECT_ROWS)
    except UnicodeEncodeError:  # a text that SQLite does not take is never written
        assume(False)
    assert row_of(read) == row


@deterministic(300)
@given(row=_ROWS, column=st.integers(0, 7), other=_OTHERS)
def test_a_row_of_which_anything_is_another_is_not_believed(row: Row, column: int, other: Any) -> None:
    values = list(row.values())
    assume(repr(values[column]) != repr(other))
    values[column] = other
    assert row_of(tuple(values)) is None


@deterministic(100)
@given(alive=st.builds(Alive, _TEXTS, _TIMES, _TIMES, _TEXTS), column=st.integers(0, 3), other=_OTHERS)
def test_so_is_a_sign_of_life(alive: Alive, column: int, other: Any) -> None:
    values = list(alive.values())
    assert alive_of(tuple(values)) == alive
    assume(repr(values[column]) != repr(other))
    values[column] = other
    assert alive_of(tuple(values)) is None


def test_of_signs_of_life_the_last_one_stands() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        migrate(connection)
        for n in range(3):
            connection.execute(REPLACE_ALIVE, Alive("boot", n, n, "seizure").values())
        assert [alive_of(one) for one in connection.execute(SELECT_ALIVE)] == [Alive("boot", 2, 2, "seizure")]


def test_a_migration_is_whole_or_none_and_is_not_done_twice(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "j")) as connection:
        assert version_of(connection) == 0
        migrate(connection)
        assert version_of(connection) == 1
        migrate(connection)
        assert version_of(connection) == 1


@pytest.mark.parametrize("change", ["UPDATE rows SET kind = 'stop'", "UPDATE rows SET payload = '{}'"])
def test_a_row_cannot_be_changed(change: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        migrate(connection)
        connection.execute(INSERT_ROW, Row("boot", "session", "start", None, 1.0, None, '{"a": 1}', 1).values())
        with pytest.raises(sqlite3.IntegrityError, match="never changed"):
            connection.execute(change)
