"""The journal on disk, as its one writer has it: opened, mended, written, kept small.

Whatever is on disk, `JournalFile.open` ends with a file that can be written to, or raises an error that goes away when
the disk does better. A file that cannot be used is never written to again, only renamed.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from detector.journal_found import Found, check, recall
from detector.journal_place import create, identity, set_aside, take_lock
from detector.journal_schema import (
    INSERT_ROW,
    MIGRATIONS,
    PAGE_BYTES,
    REPLACE_ALIVE,
    Alive,
    DamagedError,
    NewerError,
    Row,
    migrate,
    version_of,
)
from detector.rights import OWNER

_BUSY_S = 0.2  # for so long is somebody else's lock waited for; the writer must be able to end
_WAL_PAGES = 256  # beyond these, 1 MB, SQLite moves its log into the file
_VACUUM_PAGES, _DROP_ROWS = 500, 1000  # in one step of making it smaller: some milliseconds of work
_SLACK = 0.9  # rows are dropped down to this part of the greatest size, so that it is done seldom
_MOST_SET_ASIDE = 3  # by one program: a disk that damages each new file must not be filled with them

# What may pass: the disk, its rights, somebody else's lock. All else that SQLite complains of is about the file.
_PASSING = {
    sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_MISUSE,
}  # fmt: skip


class JournalFile:
    """The file of one writer; to be used by one thread.

    Parameters
    ----------
    path
        Where it is, or is to be.
    mode
        Its rights.
    """

    def __init__(self, path: Path, mode: int = OWNER) -> None:
        self._given, self._mode = path, mode
        self._connection: sqlite3.Connection | None = None
        self._lock: int | None = None
        self._set_aside: list[tuple[Path, str]] = []
        self._told_aside = 0
        self._next_id = 1
        self._is_shorter = False

    @property
    def is_open(self) -> bool:
        """Whether it can be written to, as far as is known."""
        return self._connection is not None

    def open(self) -> Found:
        """Open the file, or begin one; one that is damaged, of a later version or no journal is set aside first.

        Raises
        ------
        OSError, sqlite3.Error
            It cannot be opened now: no folder, no rights, no space, locked.
        """
        self._path = self._given.resolve()  # SQLite's own files lie beside the file, not beside a link to it
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._lock is None:
            self._lock = take_lock(self._path)
        try:
            found = self._connect()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            self._disconnect()
            if not _is_damage(error) or len(self._set_aside) >= _MOST_SET_ASIDE:
                raise
            word = "newer" if isinstance(error, NewerError) else "damaged"
            self._set_aside.append((set_aside(self._path, word), str(error)))
            found = self._connect()
        if self._told_aside < len(self._set_aside):  # it may have taken several calls until there was a new file
            self._told_aside = len(self._set_aside)
            found = replace(found, set_aside=self._set_aside[-1])
        return found

    def append(self, rows: Sequence[Row], alive: Alive | None) -> list[Row]:
        """Write rows, and until when this program lived: all of it or, after a crash at any moment, nothing.

        Returns
        -------
        list of Row
            The rows with their places.

        Raises
        ------
        OSError, sqlite3.Error
            It cannot be written; close the file. Whether the rows are in it is seen when it is opened again.
        """
        assert self._connection is not None
        if identity(self._path) != self._identity:
            raise FileNotFoundError(f"{self._path} is not the file any more that was opened")
        placed = [replace(row, id=row_id) for row_id, row in enumerate(rows, start=self._next_id)]
        self._connection.execute("BEGIN IMMEDIATE")
        if placed:
            self._connection.executemany(INSERT_ROW, [row.values() for row in placed])
        if alive is not None:
            self._connection.execute(REPLACE_ALIVE, alive.values())
        self._connection.execute("COMMIT")
        self._next_id += len(placed)
        return placed

    def shrink(self, before_utc_s: float | None, max_bytes: float) -> bool:
        """Do a part of the work, some milliseconds of it, that keeps the file young and small.

        Parameters
        ----------
        before_utc_s
            What is before the first row that is as young as this is dropped; ``None`` drops nothing.
        max_bytes
            The oldest rows are dropped where the file is larger than this.

        Returns
        -------
        bool
            Whether there is more to do.

        Raises
        ------
        sqlite3.Error
            As `append`.
        """
        pages, free = self._pragma("page_count"), self._pragma("freelist_count")
        is_large = pages * PAGE_BYTES > max_bytes
        until_id, last_id = 0, None
        if is_large or before_utc_s is not None:  # hardly ever, and this is asked behind every writing
            [[last_id]] = self._run("SELECT max(id) FROM rows")
        if last_id is not None and before_utc_s is not None:
            young = self._run("SELECT id FROM rows WHERE utc_s >= ? ORDER BY id LIMIT 1", before_utc_s)
            until_id = young[0][0] if young else last_id
        if last_id is not None and is_large and (pages - free) * PAGE_BYTES > _SLACK * max_bytes:
            until_id = last_id
        if until_id and self._drop(until_id):
            return True
        if free and (is_large or free >= _WAL_PAGES):
            assert self._connection is not None
            # Not `execute`, which takes one step of a statement without columns: one page.
            self._connection.executescript(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")
            self._is_shorter = True
            return self._pragma("freelist_count") < free
        if self._is_shorter:
            self._run("PRAGMA wal_checkpoint(TRUNCATE)")  # only now is the file itself shorter
            self._is_shorter = False
        return False

    def close(self) -> None:
        """Give up the file and its lock; what was not written whole is not in it."""
        self._disconnect()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _connect(self) -> Found:
        create(self._path, self._mode)
        self._identity = identity(self._path)
        # Nothing of a file is changed before it is known to be a whole journal: what is set aside is as it was found.
        # Only where SQLite has a transaction to undo, which it has in a file that is not in use yet, it must write.
        with closing(_open(self._path, "rw" if Path(f"{self._path}-journal").exists() else "ro")) as connection:
            check(connection)
            if version_of(connection) == len(MIGRATIONS):
                recall(connection)
        self._connection = _open(self._path, "rw")
        try:
            for setting in (
                f"page_size = {PAGE_BYTES}",  # of a new file only
                "auto_vacuum = INCREMENTAL",  # also of a new one only, and yet it is written each time
                "journal_mode = WAL",
                "synchronous = FULL",
                f"wal_autocheckpoint = {_WAL_PAGES}",
                f"journal_size_limit = {_WAL_PAGES * PAGE_BYTES}",
            ):
                self._run(f"PRAGMA {setting}")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_READONLY:  # and not by the rights of the file, see `create`
                raise DamagedError(f"its head names a form of file that SQLite never writes to ({error})") from error
            raise
        migrate(self._connection)
        found = recall(self._connection)
        self._next_id = found.last.id + 1 if found.last else 1
        return found

    def _drop(self, until_id: int) -> bool:
        """Drop some of the rows before a place, the oldest first; return whether there was any.

        The last row always stays: the places of those to come follow from it.
        """
        assert self._connection is not None
        [[first_id]] = self._run("SELECT min(id) FROM rows")
        if first_id is None or first_id >= until_id:
            return False
        dropped = self._connection.execute(
            "DELETE FROM rows WHERE id IN (SELECT id FROM rows WHERE id < ? ORDER BY id LIMIT ?)",
            (until_id, min((until_id - first_id) // 10 + 1, _DROP_ROWS)),
        )
        return dropped.rowcount > 0

    def _pragma(self, name: str) -> int:
        [[number]] = self._run(f"PRAGMA {name}")
        return int(number)

    def _run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        assert self._connection is not None
        return self._connection.execute(statement, values).fetchall()

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):  # there is nothing more to be done with it
                self._connection.close()
            self._connection = None


def primary_code(error: BaseException) -> int | None:
    """Return SQLite's code of an error without its extension (https://www.sqlite.org/rescode.html)."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _is_damage(error: Exception) -> bool:
    code = primary_code(error)
    # SQLite's messages name what it finds in a file, and where that is no text any more, Python cannot read them.
    return isinstance(error, DamagedError | UnicodeDecodeError) or (code is not None and code not in _PASSING)


def _open(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, timeout=_BUSY_S, isolation_level=None)
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    return connection
