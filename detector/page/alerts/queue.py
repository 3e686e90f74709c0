"""The alerts that wait for one target, in their order, on disk and, the first of them, in memory.

An alert is written in the same transaction as the alarm's row, so that neither is there without the other. A disk that
fails holds up none: what is in memory is sent all the same. After a kill what was not written as delivered is sent
again, with the same key.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

from detector.page.alerts.alert import Alert
from detector.page.store import Store, Write

_MOST_IN_MEMORY = 1000  # alerts of a target, about a kilobyte each; what is beyond waits on disk alone
_DISK_S = 5.0
SCHEMA: tuple[Write, ...] = (
    (
        "CREATE TABLE IF NOT EXISTS alert ("
        " target TEXT NOT NULL, seq INTEGER NOT NULL, key TEXT NOT NULL, time_s REAL NOT NULL, body TEXT NOT NULL,"
        " state TEXT NOT NULL DEFAULT 'waiting', done_s REAL, error TEXT NOT NULL DEFAULT '',"
        " PRIMARY KEY (target, seq)) WITHOUT ROWID",
        (),
    ),
    ("CREATE INDEX IF NOT EXISTS alert_state ON alert (target, state, seq)", ()),
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """An alert in its place."""

    seq: int
    alert: Alert


class Queue:
    """Keeps the order; `put` never waits for the disk. One thread takes from it.

    Parameters
    ----------
    target
        Whose it is.
    store
        The page's file, in which `SCHEMA` is.
    """

    def __init__(self, target: str, store: Store) -> None:
        self._target, self._store = target, store
        self._lock = threading.Lock()
        self._memory: deque[Waiting] = deque()
        [row] = store.facts("SELECT coalesce(max(seq), 0) AS newest FROM alert WHERE target = ?", target)
        self._newest: int = row["newest"]
        self._loaded = 0  # up to here all that waits is, or was, in memory

    def put(self, alert: Alert) -> Write:
        """Take in an alert, and return what is to be written with the alarm's row."""
        with self._lock:
            self._newest += 1
            if self._loaded == self._newest - 1 and len(self._memory) < _MOST_IN_MEMORY:
                self._memory.append(Waiting(self._newest, alert))
                self._loaded = self._newest
            return (
                "INSERT OR IGNORE INTO alert (target, seq, key, time_s, body) VALUES (?, ?, ?, ?, ?)",
                (self._target, self._newest, alert.key, alert.time_s, alert.body),
            )

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits, on disk neither."""
        with self._lock:
            return not self._memory and self._loaded == self._newest

    def first(self) -> Waiting | None:
        """Return the oldest one that waits; raises `sqlite3.Error` or TimeoutError where a disk fails."""
        with self._lock:
            if self._memory:
                return self._memory[0]
            loaded, newest = self._loaded, self._newest
        if loaded == newest:
            return None
        is_written = self._store.put().result(_DISK_S)
        rows = self._store.facts(
            "SELECT seq, key, time_s, body FROM alert WHERE target = ? AND state = 'waiting' AND seq > ? AND seq <= ?"
            " ORDER BY seq LIMIT ?",
            self._target, loaded, newest, _MOST_IN_MEMORY,
        )  # fmt: skip
        with self._lock:
            self._memory.extend(Waiting(row["seq"], Alert(row["key"], row["time_s"], row["body"])) for row in rows)
            if len(rows) < _MOST_IN_MEMORY and is_written:
                self._loaded = newest
            elif rows:
                self._loaded = rows[-1]["seq"]
            return self._memory[0] if self._memory else None

    def delivered(self, one: Waiting, now_s: float, remark: str = "") -> None:
        """Take off an alert that the target has."""
        self._take_off(one, "delivered", now_s, remark)

    def bury(self, one: Waiting, now_s: float, error: str) -> None:
        """Take off an alert that the target will not have; it stays in the list of the dead."""
        self._take_off(one, "dead", now_s, error)

    def bury_older(self, than_s: float, now_s: float, error: str) -> None:
        """Bury all that is older than a time."""
        with self._lock:
            self._memory = deque(one for one in self._memory if one.alert.time_s >= than_s)
        self._store.put(
            (
                "UPDATE alert SET state = 'dead', done_s = ?, error = ?"
                " WHERE target = ? AND state = 'waiting' AND time_s < ?",
                (now_s, error, self._target, than_s),
            )
        )

    def drop_done(self, before_s: float) -> None:
        """Drop what was delivered or buried before a time."""
        self._store.put(
            (
                "DELETE FROM alert WHERE target = ? AND state != 'waiting' AND done_s < ?"
                " AND seq < (SELECT max(seq) FROM alert WHERE target = ?)",  # from the last the numbers go on
                (self._target, before_s, self._target),
            )
        )

    def report(self, most: int = 10) -> dict[str, Any]:
        """Return what waits, was delivered last and is dead, as far as it is written."""
        ask = self._store.facts
        [waiting] = ask(
            "SELECT count(*) AS n, min(time_s) AS oldest_s FROM alert WHERE target = ? AND state = 'waiting'",
            self._target,
        )
        [dead] = ask("SELECT count(*) AS n FROM alert WHERE target = ? AND state = 'dead'", self._target)
        lists: dict[str, list[dict[str, Any]]] = {}
        for state in ("delivered", "dead"):
            rows = ask(
                "SELECT key, time_s, body, done_s, error FROM alert WHERE target = ? AND state = ?"
                " ORDER BY seq DESC LIMIT ?",
                self._target, state, most,
            )  # fmt: skip
            lists[state] = [
                {
                    "title": Alert(row["key"], row["time_s"], row["body"]).title,
                    **{name: row[name] for name in ("key", "time_s", "done_s", "error")},
                }
                for row in rows
            ]
        return {"waiting": waiting["n"], "oldest_s": waiting["oldest_s"], "n_dead": dead["n"], **lists}

    def _take_off(self, one: Waiting, state: str, now_s: float, error: str) -> None:
        with self._lock:
            if self._memory and self._memory[0].seq == one.seq:
                self._memory.popleft()
        self._store.put(
            (
                "UPDATE alert SET state = ?, done_s = ?, error = ? WHERE target = ? AND seq = ?",
                (state, now_s, error, self._target, one.seq),
            )
        )
