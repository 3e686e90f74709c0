"""What is found in a journal that is opened: whether it is whole, and what the programs before this one left."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from detector.journal_schema import SELECT_ALIVE, SELECT_ROWS, Alive, DamagedError, Row, RowKind, alive_of, row_of
from detector.messages import Outcome

# A whole check of so much takes some 0.3 s of a processor, a quick one half as long; a start has to wait for it.
_WHOLE_CHECK_BYTES = 64e6
_SEIZURES = 20  # rows of seizures that are looked at; more than two seizures are never open at a time


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


def check(connection: sqlite3.Connection) -> None:
    """Have SQLite look at every page; raises DamagedError with what it complains of.

    The whole check also looks for each row in the index and takes twice as long, so a large file is spared it: an index
    that lies can hide from a start what the one before left, but not invent a row.
    """
    [[pages], [page_bytes]] = (connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
    how = "quick_check" if pages * page_bytes > _WHOLE_CHECK_BYTES else "integrity_check"
    [said] = connection.execute(f"PRAGMA {how}(1)").fetchone()
    if said != "ok":
        raise DamagedError(f"SQLite's check says: {' '.join(said.split())}")


def recall(connection: sqlite3.Connection) -> Found:
    """Return what the programs before left; raises DamagedError where a row of that is not what was written."""
    last = _last(connection, "")
    begun, stopped, state = (
        _last(connection, f"WHERE kind = '{kind}'") for kind in (RowKind.START, RowKind.STOP, RowKind.STATE)
    )
    stored = connection.execute(SELECT_ALIVE).fetchone()
    alive = alive_of(stored) if stored else None
    if stored and alive is None:
        raise DamagedError("until when a program lived is not what was written")
    if last is None:
        return Found(None, False, None, None)
    # Killed before its first sign of life, or right behind another state: that is one as well.
    sign = last if state is None or state.boot != last.boot else state
    if sign.lsl_s is not None and (alive is None or alive.boot != sign.boot or alive.lsl_s < sign.lsl_s):
        alive = Alive(sign.boot, sign.lsl_s, sign.utc_s, state.facts["state"] if sign is state else "")
    return Found(
        last,
        crashed=stopped is None or (begun is not None and begun.id > stopped.id),
        alive=alive,
        seizure=_open_seizure(connection),
    )


def _open_seizure(connection: sqlite3.Connection) -> Row | None:
    """Return the row of the newest seizure whose end was not written; one before it may have been given up after it."""
    over: set[str] = set()
    for row in _newest(connection, f"WHERE kind = '{RowKind.SEIZURE}'", _SEIZURES):
        facts = row.facts
        if facts["outcome"] != Outcome.ONGOING:
            over.add(facts["id"])
        elif facts["id"] not in over:
            return row
    return None


def _last(connection: sqlite3.Connection, where: str) -> Row | None:
    return next(iter(_newest(connection, where, 1)), None)


def _newest(connection: sqlite3.Connection, where: str, n: int) -> list[Row]:
    found = []
    for stored in connection.execute(f"{SELECT_ROWS} {where} ORDER BY id DESC LIMIT ?", (n,)).fetchall():
        row = row_of(stored)
        if row is None:
            raise DamagedError(f"row {stored[0]} is not what was written")
        found.append(row)
    return found
