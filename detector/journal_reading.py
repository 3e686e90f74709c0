"""A journal as it is read: while the daemon writes it, after it has died, and from a copy.

Nothing is believed that was not written. A row that is another one now comes as `RowKind.DAMAGED` without what it says,
and where rows are not there any more comes one `RowKind.MISSING`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from detector.errors import BadDataError, MissingInputError
from detector.journal_schema import (
    MIGRATIONS,
    SELECT_ALIVE,
    SELECT_ROWS,
    Alive,
    DamagedError,
    Row,
    RowKind,
    alive_of,
    row_of,
    version_of,
)

_BUSY_S = 5.0
_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR}
_PAGE_ROWS = 5000  # read at once: between two pages the daemon can move its log into the file


class JournalReader:
    """The rows of a journal as they were at the moment of opening it; to be closed.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    MissingInputError
        There is no such file, or it cannot be opened or is locked.
    BadDataError
        It is no journal, is damaged, or is of a version that this program does not read.

    Attributes
    ----------
    alive : Alive or None
        When the last program that wrote it is known to have lived; rows may be newer.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = _open(path)
        try:
            self._run("BEGIN")  # all of one moment: a sign of life is true of the rows before it only
            stored = self._run(SELECT_ALIVE)
            self.alive: Alive | None = alive_of(stored[0]) if stored else None
            # Two questions: both in one would have SQLite walk through all rows.
            [[self._first_id]] = self._run("SELECT min(id) FROM rows")
            [[self._last_id]] = self._run("SELECT max(id) FROM rows")
            self._run("COMMIT")
        except BaseException:  # whatever it was is raised again, with the file closed
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def rows(self, since_utc_s: float | None = None) -> Iterator[Row]:
        """Yield the rows in the order in which they were written.

        Parameters
        ----------
        since_utc_s
            Where to begin: at the first row that is as young as this, seconds since 1970.

        Raises
        ------
        BadDataError
            Where the file is damaged so that nothing behind can be read.
        """
        if self._last_id is None:
            return
        expected = self._first_id
        if since_utc_s is not None:
            [[expected]] = self._run("SELECT min(id) FROM rows WHERE utc_s >= ?", since_utc_s)
            if expected is None:
                return
        before: Row | None = None
        while expected <= self._last_id:
            page = self._run(
                f"{SELECT_ROWS} WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?", expected, self._last_id, _PAGE_ROWS
            )
            for stored in page:
                if stored[0] < expected:  # SQLite goes by the pages of a file that it believes: for ever, in a circle
                    raise BadDataError(f"{self._path} is damaged: row {stored[0]} comes behind row {expected - 1}")
                if stored[0] != expected and before is not None:
                    yield replace(before, kind=str(RowKind.MISSING), payload="{}", id=expected)
                row = row_of(stored)
                if row is None:
                    unknown = before or Row("", "", "", None, 0.0, None, "")
                    row = replace(unknown, kind=str(RowKind.DAMAGED), payload="{}", id=stored[0])
                yield row
                before, expected = row, stored[0] + 1
            if not page:
                break

    def newest(self, kind: str, at_most: int) -> list[Row]:
        """Return the newest rows of a kind, the newest first; those that are damaged are left out.

        Raises
        ------
        BadDataError
            Where the file is damaged so that they cannot be read.
        """
        found = self._run(f"{SELECT_ROWS} WHERE kind = ? ORDER BY id DESC LIMIT ?", kind, at_most)
        return [row for stored in found if (row := row_of(stored)) is not None]

    def _run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise _told(self._path, error) from error


def _open(path: Path) -> sqlite3.Connection:
    try:
        path.open("rb").close()
    except OSError as error:
        raise MissingInputError(f"cannot read the journal {path}: {error.strerror}") from error
    try:
        return _connect(path, "mode=ro")
    except sqlite3.OperationalError as error:
        log = Path(f"{path.resolve()}-wal")
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CANTOPEN or (log.exists() and log.stat().st_size):
            raise _told(path, error) from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise _told(path, error) from error
    try:
        # Its folder cannot be written to, as SQLite wants to, but there is no log either: nobody writes it.
        return _connect(path, "immutable=1")
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise _told(path, error) from error


def _connect(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?{how}", uri=True, timeout=_BUSY_S, isolation_level=None)
    try:
        connection.text_factory = lambda text: text.decode("utf-8", "replace")
        version = version_of(connection)
        if not version:
            raise DamagedError("there is nothing in it")
        if version < len(MIGRATIONS):
            raise DamagedError(
                f"it is of version {version}; expected {len(MIGRATIONS)}, which the daemon makes of it when it starts"
            )
    except BaseException:  # whatever it was is raised again, with the file closed
        connection.close()
        raise
    return connection


def _told(path: Path, error: Exception) -> BadDataError | MissingInputError:
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in _PASSING:
        return MissingInputError(
            f"cannot read the journal {path}: {error}; close what has locked it, or copy it with its -wal file to a "
            "folder that can be written to"
        )
    return BadDataError(f"{path} is no journal that can be read: {error}")
