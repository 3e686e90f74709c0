"""The journal on disk, as its one writer has it: opened, mended, written, kept small.

Whatever is on disk, `JournalFile.open` ends with a file that can be written to, or raises an error that goes away when
the disk does better. A file that cannot be used is never written to again, only renamed.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from detector.journal_place import create, identity, set_aside, take_lock
from detector.journal_schema import (
    INSERT_ROW,
    PAGE_BYTES,
    REPLACE_ALIVE,
    SELECT_ALIVE,
    SELECT_ROWS,
    Alive,
    DamagedError,
    NewerError,
    Row,
    RowKind,
    alive_of,
    migrate,
    row_of,
)

_BUSY_S = 0.2  # for so long is somebody else's lock waited for; the writer must be able to end
_WAL_PAGES = 256  # beyond these, 1 MB, SQLite moves its log into the file
_VACUUM_PAGES, _DROP_ROWS = 500, 1000  # in one step of making it smaller: some milliseconds of work
_SLACK = 0.9  # dropped down to this part of the greatest size, so that it is done seldom
_WHOLE_CHECK_BYTES = 64e6
_MOST_SET_ASIDE = 3  # by one program: a disk that damages each new file must not be filled with them

# What may pass: the disk, its rights, somebody else's lock. All else that SQLite complains of is about the file.
_PASSING = {
    sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_MISUSE,
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """What a file said when it was opened.

    Parameters
    ----------
    last
        Its last row; ``None`` in a new one.
    crashed
        Whether a program began and did not say that it ended.
    alive
        Until when a program is known to have lived.
    seizure
        The row of a seizure that was going on.
    set_aside
        What became of the file that was there: where it is kept, and why.
    """

    last: Row | None
    crashed: bool
    alive: Alive | None
    seizure: Row | None
    set_aside: tuple[Path, str] | None = None


class JournalFile:
    """The file of one writer; to be used by one thread.

    Parameters
    ----------
    path
        Where it is, or is to be.
    """

    def __init__(self, path: Path) -> None:
        self._given = path
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
        except sqlite3.DatabaseError as error:
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
        [[last_id]] = self._run("SELECT max(id) FROM rows")
        until_id = 0
        if last_id is not None and before_utc_s is not None:
            young = self._run("SELECT id FROM rows WHERE utc_s >= ? ORDER BY id LIMIT 1", before_utc_s)
            until_id = young[0][0] if young else last_id
        if last_id is not None and is_large and (pages - free) * PAGE_BYTES > _SLACK * max_bytes:
            until_id = last_id
        # The last row always stays: the places of those to come follow from it.
        if self._drop(until_id):
            return True
        if free and (is_large or free >= _WAL_PAGES):
            self._run(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")
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
        create(self._path)
        self._identity = identity(self._path)
        self._connection = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None)
        self._connection.text_factory = lambda text: text.decode("utf-8", "replace")
        for setting in (
            f"page_size = {PAGE_BYTES}",  # this and the next are of a new file only
            "auto_vacuum = INCREMENTAL",
            "journal_mode = WAL",
            "synchronous = FULL",
            f"wal_autocheckpoint = {_WAL_PAGES}",
            f"journal_size_limit = {_WAL_PAGES * PAGE_BYTES}",
        ):
            self._run(f"PRAGMA {setting}")
        self._check()
        migrate(self._connection)
        found = self._recall()
        self._next_id = found.last.id + 1 if found.last else 1
        return found

    def _check(self) -> None:
        """Have SQLite look at every page.

        The whole check also looks for each row in the index and takes some times as long; in a large file, where
        starting would wait for it, it is left out, as an index that lies can hide a row but not invent one.
        """
        is_large = self._pragma("page_count") * self._pragma("page_size") > _WHOLE_CHECK_BYTES
        [[said]] = self._run("PRAGMA quick_check(1)" if is_large else "PRAGMA integrity_check(1)")
        if said != "ok":
            raise DamagedError(f"SQLite's check says: {said}")

    def _recall(self) -> Found:
        """Return what the programs before this one left, each row of it known to be whole."""
        last = self._last("")
        begun, stopped, state, seizure = (
            self._last(f"WHERE kind = '{kind}'")
            for kind in (RowKind.START, RowKind.STOP, RowKind.STATE, RowKind.SEIZURE)
        )
        stored = self._run(SELECT_ALIVE)
        alive = alive_of(stored[0]) if stored else None
        if stored and alive is None:
            raise DamagedError("until when it was written is not what was written")
        if last is None:
            return Found(None, False, None, None)
        # A row is a sign of life as well.
        if last.lsl_s is not None and (alive is None or alive.boot != last.boot or alive.lsl_s < last.lsl_s):
            alive = Alive(last.boot, last.lsl_s, last.utc_s, state.facts["state"] if state else "")
        is_on = seizure is not None and seizure.facts["outcome"] == "ongoing"
        return Found(
            last,
            crashed=stopped is None or (begun is not None and begun.id > stopped.id),
            alive=alive,
            seizure=seizure if is_on else None,
        )

    def _last(self, where: str) -> Row | None:
        stored = self._run(f"{SELECT_ROWS} {where} ORDER BY id DESC LIMIT 1")
        if not stored:
            return None
        row = row_of(stored[0])
        if row is None:
            raise DamagedError(f"row {stored[0][0]} is not what was written")
        return row

    def _drop(self, until_id: int) -> bool:
        """Drop some of the rows before a place, the oldest first; return whether there was any."""
        assert self._connection is not None
        dropped = self._connection.execute(
            "DELETE FROM rows WHERE id IN (SELECT id FROM rows WHERE id < ? ORDER BY id LIMIT ?)",
            (until_id, _DROP_ROWS),
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


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    code = primary_code(error)
    return isinstance(error, DamagedError) or (code is not None and code not in _PASSING)
