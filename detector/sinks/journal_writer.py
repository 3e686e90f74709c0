"""The one thread that writes the journal, and tries again for as long as it cannot."""

from __future__ import annotations

import errno
import logging
import sqlite3
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from detector.journal_file import JournalFile, primary_code
from detector.journal_found import Found
from detector.journal_schema import Alive, Row, RowKind
from detector.json_text import json_text
from detector.messages import Outcome
from detector.rights import OWNER
from detector.sinks.journal_queue import WaitingRows

log = logging.getLogger(__name__)

CAPACITY = 10_000  # rows that wait, some 5 MB: hours of a network that flaps, weeks of a quiet one
# Begins the payload of a row about a seizure that only the file knows, and is filled in when the row is written; behind
# it is the id of the seizure that goes on.
GIVEN_UP = "given up, unless it is "
_BATCH = 500
_RETRY_S, _LONGEST_RETRY_S = 0.5, 8.0
_LAST_RETRY_S = 0.05  # while the program ends
_SLOW_S = 10.0  # a disk that takes so long for some rows does not work
# How often old rows are looked for. Never right after a start, when the machine may not have been told the time yet.
_RETENTION_S = 3600.0


@dataclass(frozen=True)
class Limits:
    """How old, in days, and how large, in MB, a journal may become."""

    keep_days: float
    max_mb: float


class JournalWriter:
    """Writes rows in the order in which they come; neither `put` nor anything else here waits for a disk, but `close`.

    Parameters
    ----------
    path
        The journal's file.
    limits
        See `Limits`.
    start
        The row with which this program begins.
    clock, utc
        The LSL clock and the wall clock, s; called from the writer's thread.
    mode
        The file's rights.
    """

    def __init__(
        self,
        path: Path,
        limits: Limits,
        start: Row,
        *,
        clock: Callable[[], float],
        utc: Callable[[], float],
        mode: int = OWNER,
    ) -> None:
        self._path, self._limits, self._start, self._clock, self._utc = path, limits, start, clock, utc
        self._trouble: str | None = None
        self._busy_since_s: float | None = None  # on the monotonic clock
        self._waiting = WaitingRows(CAPACITY)
        self._waiting.put(start)
        self._file = JournalFile(path, mode)
        self._found: Found | None = None
        self._last: Row | None = None  # that was written
        self._doubtful: list[tuple[Row, Row]] = []  # as they waited and as they were to be written, perhaps they were
        self._standing: dict[RowKind, Row] = {}  # what a new file must say of what began in the one before
        self._retained_s, self._ahead_s = clock(), utc() - clock()
        self._before_utc_s: float | None = None
        self._wake, self._closing, self._given_up = threading.Event(), threading.Event(), threading.Event()
        self._tried = threading.Event()
        self._thread: threading.Thread | None = None
        self._run()

    @property
    def trouble(self) -> str | None:
        """What keeps rows from being written and what is to be done about it; ``None`` while they are."""
        busy_since_s = self._busy_since_s
        if busy_since_s is not None and (busy_s := time.monotonic() - busy_since_s) > _SLOW_S:
            return (
                f"the journal {self._path} has waited for its disk for {busy_s:.0f} s: look after its disk; what is "
                "said waits in memory and is written then"
            )
        return self._trouble

    def put(self, row: Row) -> None:
        """Have a row written."""
        self._waiting.put(row)
        self._wake.set()

    def put_alive(self, alive: Alive, *, at_once: bool) -> None:
        """Have written, at once or together with the next row, until when this program lived."""
        self._waiting.put_alive(alive)
        if at_once:
            self._run()
            self._wake.set()

    def found(self, timeout_s: float) -> Found | None:
        """Return what the file said when it was opened; ``None`` where it could not be, or not in that time."""
        self._tried.wait(timeout_s)
        return self._found

    def close(self, timeout_s: float) -> None:
        """Write what waits, for at most so long, and end."""
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        self._given_up.set()
        if n := len(self._waiting):
            log.warning("the journal %s ends without its last %d rows: %s", self._path, n, self.trouble or "no time")

    def _run(self) -> None:
        """Have a thread; without one (the machine may have none left) it is tried again later."""
        if self._thread is not None or self._closing.is_set():
            return
        thread = threading.Thread(target=self._write_on, name="journal", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._trouble = f"the journal {self._path} is not written ({error}): allow this program more threads"
            self._tried.set()
            return
        self._thread = thread

    def _write_on(self) -> None:
        retry_s = _RETRY_S
        while True:
            self._wake.clear()
            is_last = self._closing.is_set()
            self._busy_since_s = time.monotonic()
            try:
                self._write()
            except Exception as error:  # noqa: BLE001 - whatever it is must be told and not end the writing for ever
                self._file.close()  # what was opened read-only, for instance, would stay so
                self._complain(error)
            else:
                self._trouble, retry_s = None, _RETRY_S
            self._busy_since_s = None
            self._tried.set()
            if is_last and (self._trouble is None or self._given_up.wait(_LAST_RETRY_S)):
                break
            if self._trouble is None:
                self._wake.wait()
            elif not is_last:
                self._closing.wait(retry_s)
                retry_s = min(2 * retry_s, _LONGEST_RETRY_S)
        self._file.close()

    def _write(self) -> None:
        if not self._file.is_open:
            self._take_up(self._file.open())
        while True:
            rows, alive = self._waiting.take(_BATCH)
            pairs = [(row, filled) for row in rows if (filled := self._filled(row)) is not None]
            if not pairs and alive is None:
                break
            try:
                written = self._file.append([filled for _, filled in pairs], alive)
            except BaseException:  # whatever it was is raised again, with no row lost
                self._waiting.put_first(rows)
                self._doubtful = pairs
                raise
            self._remember(written)
            self._busy_since_s = time.monotonic()
        self._keep_small()

    def _take_up(self, found: Found) -> None:
        """Go on from what the file says: another life, what was written before, or nothing as it is a new one."""
        doubtful, self._doubtful = self._doubtful, []
        if doubtful and found.last is not None and replace(found.last, id=0) == doubtful[-1][1]:
            # An error came, but behind the moment from which the rows could not be lost any more.
            self._waiting.forget([row for row, _ in doubtful])
            self._remember([filled for _, filled in doubtful])
            self._last = found.last
        begun: list[Row] = []
        is_first = self._found is None
        if found.set_aside is not None:
            kept, why = found.set_aside
            log.error("the journal %s was set aside as %s: %s", self._path, kept.name, why)
            begun.append(self._file_begun(because=why, kept_as=kept.name))
        elif not is_first and found.last != self._last:
            log.error("the journal %s is another file than before", self._path)
            begun.append(self._file_begun(because="the file that was written to has gone"))
        if begun:
            order = (RowKind.START, RowKind.SEIZURE, RowKind.STATE)
            begun += [replace(self._standing[kind], id=0) for kind in order if kind in self._standing]
        if is_first:
            self._found = found
            if found.crashed:
                alive = None if found.alive is None else asdict(found.alive)
                begun.append(replace(self._start, kind=str(RowKind.CRASH), payload=json_text({"alive": alive})))
            if found.seizure is not None:
                self._standing[RowKind.SEIZURE] = found.seizure
        self._last = found.last
        self._waiting.put_first(begun)

    def _remember(self, written: list[Row]) -> None:
        for row in written:
            self._last = row
            if row.kind in (RowKind.START, RowKind.STATE):
                self._standing[RowKind(row.kind)] = row
            elif row.kind == RowKind.SEIZURE and row.facts["outcome"] == Outcome.ONGOING:
                self._standing[RowKind.SEIZURE] = row
            elif row.kind == RowKind.SEIZURE:
                if _is_of(row, self._standing.get(RowKind.SEIZURE)):
                    del self._standing[RowKind.SEIZURE]
                if self._found is not None and _is_of(row, self._found.seizure):
                    self._found = replace(self._found, seizure=None)

    def _filled(self, row: Row) -> Row | None:
        """Return the row as it is to be written; ``None`` for the end of a seizure that there was not, or goes on."""
        if not row.payload.startswith(GIVEN_UP):
            return row
        on = None if self._found is None else self._found.seizure
        if on is None or on.facts["id"] == row.payload.removeprefix(GIVEN_UP):
            return None
        return replace(row, payload=json_text({**on.facts, "outcome": Outcome.UNKNOWN, "boot": on.boot}))

    def _file_begun(self, **facts: str) -> Row:
        kind, payload = str(RowKind.FILE_BEGUN), json_text(facts)
        return replace(self._start, kind=kind, lsl_s=self._clock(), utc_s=self._utc(), payload=payload)

    def _keep_small(self) -> None:
        now_s, utc_s = self._clock(), self._utc()
        if now_s - self._retained_s >= _RETENTION_S:
            # A wall clock that was set meanwhile may be set again, and what is dropped does not come back.
            if abs(utc_s - now_s - self._ahead_s) < _RETENTION_S:
                self._before_utc_s = utc_s - self._limits.keep_days * 86400
            self._retained_s, self._ahead_s = now_s, utc_s - now_s
        while self._file.shrink(self._before_utc_s, self._limits.max_mb * 1e6):
            if len(self._waiting) or self._closing.is_set():
                self._wake.set()  # the rest comes after what waits
                return
        self._before_utc_s = None

    def _complain(self, error: Exception) -> None:
        trouble = (
            f"the journal {self._path} cannot be written ({error}): {_advice(error)}; "
            "what is said waits in memory and is written then"
        )
        if self._trouble is None and not isinstance(error, OSError | sqlite3.Error):
            # As text: a record that keeps the error keeps what was being read, and so the file's lock.
            log.error("%s\n%s", trouble, "".join(traceback.format_exception(error)))
        self._trouble = trouble


def _is_of(row: Row, seizure: Row | None) -> bool:
    """Whether a row is about this seizure."""
    return seizure is not None and row.facts["id"] == seizure.facts["id"]


def _advice(error: Exception) -> str:
    if isinstance(error, BlockingIOError):
        return "another program writes it; let one program watch the bed"
    code = primary_code(error)
    if code == sqlite3.SQLITE_FULL or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return "make room on its disk"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "another program has locked it; close that one"
    if isinstance(error, OSError) or code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return "let this program write in its folder"
    return "look after its disk"
