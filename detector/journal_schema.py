"""What a journal file holds, and how it is known that a row is the one that was written.

A row is written for each thing that was said and is never changed. The order of what was said is that of ``id``, and of
nothing else: the LSL clock begins anew at each boot, UTC may be set at any time, and the stamps of a seizure are older
than the moment of saying it. ``lsl_s`` and ``utc_s`` name the same instant on the two clocks, as they were when the row
was pushed; times of different boots can be compared in UTC only, as far as it can be trusted.

SQLite notices a page that makes no sense, but not a bit that is another one inside of a number or a text. So each row
has a checksum, and one that does not agree with it is not believed.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

SUFFIX = ".journal.sqlite"
APPLICATION_ID = int.from_bytes(b"SzDJ")  # tells a journal from any other SQLite file
PAGE_BYTES = 4096

# Each step brings a file from the version of its place to the next one, in one transaction with the version's number.
# Steps are never changed, only added: there are files of every version out there.
MIGRATIONS = (
    f"""
    PRAGMA application_id = {APPLICATION_ID};
    CREATE TABLE rows (
        id INTEGER PRIMARY KEY,
        boot TEXT NOT NULL,
        session TEXT NOT NULL,
        kind TEXT NOT NULL,
        lsl_s REAL,
        utc_s REAL NOT NULL,
        correction_s REAL,
        payload TEXT NOT NULL,
        checksum INTEGER NOT NULL
    );
    CREATE INDEX rows_kind ON rows (kind);
    CREATE TRIGGER rows_stay BEFORE UPDATE ON rows BEGIN
        SELECT RAISE(ABORT, 'rows of a journal are never changed');
    END;
    CREATE TABLE alive (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        boot TEXT NOT NULL,
        lsl_s REAL NOT NULL,
        utc_s REAL NOT NULL,
        state TEXT NOT NULL,
        checksum INTEGER NOT NULL
    );
    """,
)

SELECT_ROWS = "SELECT id, boot, session, kind, lsl_s, utc_s, correction_s, payload, checksum FROM rows"
INSERT_ROW = "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
SELECT_ALIVE = "SELECT boot, lsl_s, utc_s, state, checksum FROM alive"
REPLACE_ALIVE = "INSERT OR REPLACE INTO alive VALUES (1, ?, ?, ?, ?, ?)"


class RowKind(StrEnum):
    """What a row tells; the service may add words of its own."""

    START = "start"  # a program begins: its version, model and configuration
    STOP = "stop"  # it has ended in an orderly way
    ERROR = "internal-error"  # it ends by an error of its own; none of the above follows
    CRASH = "crash-detected"  # the program before did not; until when it is known to have lived
    STATE = "state"  # seizure, non-seizure or not-monitoring, and why
    SESSION = "session"  # a boundary behind which nothing of before is known
    SEIZURE = "seizure"  # declared, ended, or of unknown outcome
    CONDITION = "condition"  # a technical condition was raised, changed or cleared
    SILENCE = "silence"  # nothing was said for a while, as the program or its machine stood still
    ROWS_LOST = "rows-lost"  # rows that could not be written for so long that there was no room for them
    FILE_BEGUN = "file-begun"  # a new file in place of one that cannot be used or has gone
    CONFIG = "config"  # another configuration was taken over
    CHECKPOINT = "checkpoint"  # whether the program goes on from where the one before was killed, and why not
    CLIP = "clip"  # a file with the EEG around an event, or why there is none
    # Never written, only read:
    DAMAGED = "damaged"  # a row that is not what was written
    MISSING = "missing"  # rows that are not there any more


class DamagedError(sqlite3.DatabaseError):
    """A file is not, or not any more, a journal that this program can go on with."""


class NewerError(DamagedError):
    """A file of a later version of this program."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row, as it is written and read.

    Parameters
    ----------
    boot
        Which boot of the machine, see `detector.boot`.
    session
        The session's uid; a new one at each boundary.
    kind
        A `RowKind`, or the service's own word.
    lsl_s
        Seconds on this machine's LSL clock: of what the row speaks of; ``None`` where it has none.
    utc_s
        The same instant, seconds since 1970 in UTC, computed when the row was pushed.
    correction_s
        What had been added to the stream's own stamps, s; ``None`` while it is unknown.
    payload
        JSON, an object.
    id
        Its place in the file, from 1; 0 while it waits to be written.
    """

    boot: str
    session: str
    kind: str
    lsl_s: float | None
    utc_s: float
    correction_s: float | None
    payload: str
    id: int = 0

    @property
    def facts(self) -> dict[str, Any]:
        """The payload, read."""
        read: dict[str, Any] = json.loads(self.payload)
        return read

    def values(self) -> tuple[Any, ...]:
        """Return what is stored of it, its checksum last."""
        lsl_s, correction_s = (None if x is None else float(x) for x in (self.lsl_s, self.correction_s))
        texts = (self.boot, self.session, str(self.kind))
        stored = (self.id, *texts, lsl_s, float(self.utc_s), correction_s, self.payload)
        return (*stored, _checksum(stored))


@dataclass(frozen=True, slots=True)
class Alive:
    """When a program was known to live last, and what it said then; times as those of a `Row`."""

    boot: str
    lsl_s: float
    utc_s: float
    state: str

    def values(self) -> tuple[Any, ...]:
        """Return what is stored of it, its checksum last."""
        stored = (self.boot, float(self.lsl_s), float(self.utc_s), self.state)
        return (*stored, _checksum(stored))


def row_of(stored: tuple[Any, ...]) -> Row | None:
    """Return the row that was stored; ``None`` where it is not what was written."""
    *values, checksum = stored
    if checksum != _checksum(tuple(values)):
        return None
    row_id, boot, session, kind, lsl_s, utc_s, correction_s, payload = values
    return Row(boot, session, kind, lsl_s, utc_s, correction_s, payload, row_id)


def alive_of(stored: tuple[Any, ...]) -> Alive | None:
    """Return what was stored; ``None`` where it is not what was written."""
    *values, checksum = stored
    return Alive(*values) if checksum == _checksum(tuple(values)) else None


def _checksum(stored: tuple[Any, ...]) -> int:
    return zlib.crc32(repr(stored).encode("utf-8", "surrogatepass"))


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a file to the present version; one that is new gets its tables in the same way.

    Raises
    ------
    DamagedError
        When it is a database of something else.
    NewerError
        When it is of a later version: what is in it, and what it asks of who writes it, cannot be known here.
    """
    version = version_of(connection)
    for number, step in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {step}; PRAGMA user_version = {number}; COMMIT;")


def version_of(connection: sqlite3.Connection) -> int:
    """Return the version of a journal, 0 for a file with nothing in it; raises as `migrate`."""
    [version], [application] = (
        connection.execute(f"PRAGMA {name}").fetchone() for name in ("user_version", "application_id")
    )
    [tables] = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if (version, application, tables) == (0, 0, 0):
        return 0
    if application != APPLICATION_ID or version < 1:
        raise DamagedError("it is a database, but not a journal")
    if version > len(MIGRATIONS):
        raise NewerError(
            f"it is of version {version}, written by a later program; this one knows versions up to {len(MIGRATIONS)}"
        )
    return int(version)
