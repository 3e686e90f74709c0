"""What the page keeps on disk: trends, markers, the alarm log and the labels that people gave.

One thread writes; who has to know that a row is safe waits for its future. A disk that fails keeps nobody from seeing
an alarm: rows wait in memory, `Store.trouble` says so, and they are written when it is over.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from detector.journal_place import create, set_aside
from detector.messages import Priority, State
from detector.page.alarm import Alarm, AlarmKind, AlarmRow
from detector.page.store_schema import make_newest

log = logging.getLogger(__name__)

# Two parts of one bin, of which one was written before a restart, are one: 2 is a seizure, 0 is not monitored.
_ADD_TREND = """
INSERT INTO trend VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (bed, bin_s) DO UPDATE SET
    probability = max(coalesce(probability, excluded.probability), coalesce(excluded.probability, probability)),
    burden = coalesce(excluded.burden, burden), good_channels = min(good_channels, excluded.good_channels),
    state = CASE WHEN 2 IN (state, excluded.state) THEN 2 ELSE min(state, excluded.state) END
"""
# ... and of two parts of a bin of EEG that with more of it stands.
_ADD_EEG = """
INSERT INTO eeg_bin VALUES (?, ?, ?, ?) ON CONFLICT (bed, bin_s) DO UPDATE SET
    n_good = excluded.n_good, packed = excluded.packed WHERE excluded.n_good > n_good
"""
_MOST_WAITING = 50_000  # rows: days of alarms, an hour of a large ward's trends

Write = tuple[str, tuple[Any, ...]]


class Store:
    """The page's file.

    Parameters
    ----------
    path
        Where it is; what is there and is no file of the page is set aside.

    Raises
    ------
    OSError, sqlite3.Error
        At construction: no folder, no rights, no space.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trouble: str | None = None
        #: What became of a file that could not be read.
        self.notice = ""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._connection = _open(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            kept = set_aside(path, "damaged")
            self.notice = (
                f"the alarm log could not be read ({error}) and was set aside as {kept.name}: "
                "alarms that stood are not known"
            )
            log.error("%s", self.notice)
            self._connection = _open(path)
        self.refused = 0
        self._waiting: deque[Write] = deque()
        self._writer = ThreadPoolExecutor(1, "page-store")

    def close(self) -> None:
        """Write what waits, and end."""
        self._writer.submit(self._flush)
        self._writer.shutdown()
        self._connection.close()

    def alarm(self, row: AlarmRow, alerts: Sequence[Write] = ()) -> Future[bool]:
        """Write a row of the alarm log, and its alerts with it; the future says whether it is safe on disk now."""
        values = (row.time_s, row.alarm.bed, row.alarm.id, str(row.action), row.who, json.dumps(asdict(row.alarm)))
        return self.put(("INSERT INTO alarm_log VALUES (NULL, ?, ?, ?, ?, ?, ?)", values), *alerts)

    def label(self, time_s: float, bed: str, kind: str, at_s: float, who: str, alarm_id: str) -> Future[bool]:
        """Write what somebody says about a moment of a bed, or an alarm: a `detector.page.alarm.LabelKind`."""
        values = (time_s, bed, kind, at_s, who, alarm_id)
        return self._put("INSERT INTO label VALUES (NULL, ?, ?, ?, ?, ?, ?)", values)

    def marker(self, bed: str, time_s: float, text: str) -> Future[bool]:
        """Write a marker that a bed sent."""
        return self._put("INSERT INTO marker VALUES (NULL, ?, ?, ?)", (bed, time_s, text))

    def trend(
        self, bed: str, bin_s: int, probability: float | None, burden: float | None, state: int, good: int
    ) -> Future[bool]:
        """Write what a bed said in the seconds from ``bin_s`` on; of two parts of it the worse stands."""
        values = (bed, bin_s, probability, burden, state, good)
        return self._put(_ADD_TREND, values)

    def eeg_bin(self, bed: str, bin_s: int, n_good: int, packed: bytes) -> Future[bool]:
        """Write what the EEG of a bed was like in the seconds from ``bin_s`` on, see `EegBin`."""
        return self._put(_ADD_EEG, (bed, bin_s, n_good, packed))

    def thresholds(self, bed: str, time_s: float, onset: float | None, offset: float | None) -> Future[bool]:
        """Write which thresholds a bed has from then on; ``None`` where it does not tell."""
        return self._put("INSERT OR REPLACE INTO threshold VALUES (?, ?, ?, ?)", (bed, time_s, onset, offset))

    def bed(self, bed: str, seen_s: float, *, forgotten: bool = False) -> Future[bool]:
        """Write that a bed was seen, or is to be forgotten."""
        return self._put("INSERT OR REPLACE INTO bed VALUES (?, ?, ?)", (bed, seen_s, int(forgotten)))

    def drop_old(
        self, now_s: float, keep_days: float, trend_hours: float, standing: Iterable[Alarm] = ()
    ) -> Future[bool]:
        """Drop what is too old, but all that was written of the alarms that stand."""
        old_s = now_s - keep_days * 86400
        for table in ("trend", "eeg_bin"):
            self._put(f"DELETE FROM {table} WHERE bin_s < ?", (now_s - trend_hours * 3600,))  # noqa: S608 - ours
        self._put("DELETE FROM threshold WHERE time_s < ?", (old_s,))
        self._put("DELETE FROM marker WHERE time_s < ?", (old_s,))
        self._put("DELETE FROM label WHERE time_s < ?", (old_s,))
        return self._put(
            "DELETE FROM alarm_log WHERE time_s < ? AND alarm_id NOT IN (SELECT value FROM json_each(?))",
            (old_s, json.dumps([alarm.id for alarm in standing])),
        )

    def standing(self) -> list[Alarm]:
        """Return the alarms that stand as far as is written."""
        newest = (
            "SELECT alarm FROM alarm_log WHERE id IN (SELECT max(id) FROM alarm_log GROUP BY alarm_id)"
            " AND (alarm ->> 'over_s' IS NULL OR alarm ->> 'acknowledged_s' IS NULL)"
        )
        return [alarm for row in self.facts(newest) if (alarm := _alarm(row["alarm"])).stands]

    def last_seizures(self) -> dict[str, float]:
        """Return when each bed said last that it declares a seizure, as far as that is kept."""
        rows = self.facts(
            "SELECT bed, max(time_s) AS time_s FROM marker WHERE text = ? GROUP BY bed", State.SEIZURE.label
        )
        return {row["bed"]: row["time_s"] for row in rows}

    def beds(self) -> dict[str, float]:
        """Return when each bed that is not forgotten was seen last."""
        return {row["bed"]: row["seen_s"] for row in self.facts("SELECT bed, seen_s FROM bed WHERE NOT forgotten")}

    def trends(self, bed: str, since_s: float) -> list[dict[str, Any]]:
        """Return the trend of a bed, the oldest first."""
        return self.facts(
            "SELECT bin_s, probability, burden, state, good_channels FROM trend WHERE bed = ? AND bin_s >= ?"
            " ORDER BY bin_s",
            bed,
            since_s,
        )

    def eeg_bins(self, bed: str, since_s: float) -> list[dict[str, Any]]:
        """Return what the EEG of a bed was like, the oldest first."""
        return self.facts("SELECT bin_s, packed FROM eeg_bin WHERE bed = ? AND bin_s >= ? ORDER BY bin_s", bed, since_s)

    def told_thresholds(self, bed: str, since_s: float) -> list[dict[str, Any]]:
        """Return the thresholds of a bed, the oldest first: those of ``since_s`` and each change."""
        return self.facts(
            "SELECT time_s, onset, offset FROM threshold WHERE bed = ?1 AND time_s >= coalesce("
            "(SELECT max(time_s) FROM threshold WHERE bed = ?1 AND time_s <= ?2), ?2) ORDER BY time_s",
            bed,
            since_s,
        )

    def markers(self, bed: str, since_s: float, most: int = 1000) -> list[dict[str, Any]]:
        """Return the markers of a bed, the newest first."""
        return self.facts(
            "SELECT time_s, text FROM marker WHERE bed = ? AND time_s >= ? ORDER BY id DESC LIMIT ?", bed, since_s, most
        )

    def alarm_log(self, bed: str, since_s: float, most: int = 1000) -> list[dict[str, Any]]:
        """Return what was done about the alarms of a bed, the newest first."""
        rows = self.facts(
            "SELECT time_s, action, who, alarm FROM alarm_log WHERE bed = ? AND time_s >= ? ORDER BY id DESC LIMIT ?",
            bed,
            since_s,
            most,
        )
        return [row | {"alarm": _alarm(row["alarm"]).facts()} for row in rows]

    def labels(self, bed: str, since_s: float) -> list[dict[str, Any]]:
        """Return the labels of a bed, the newest first."""
        return self.facts(
            "SELECT time_s, kind, at_s, who, alarm_id FROM label WHERE bed = ? AND time_s >= ? ORDER BY id DESC",
            bed,
            since_s,
        )

    def put(self, *writes: Write) -> Future[bool]:
        """Write what belongs together, all of it or nothing, after all that waits; also to ask whether that is safe."""
        self._waiting.extend(writes)
        return self._writer.submit(self._flush)

    def _put(self, statement: str, values: tuple[Any, ...]) -> Future[bool]:
        if len(self._waiting) >= _MOST_WAITING and "alarm_log" not in statement and "label" not in statement:
            done: Future[bool] = Future()
            done.set_result(False)
            return done
        return self.put((statement, values))

    def _flush(self) -> bool:
        """Write all that waits, or nothing of it; in the writer's thread."""
        writes = list(self._waiting)
        if not writes:
            return self.trouble is None
        try:
            with self._connection:
                for statement, values in writes:
                    self._connection.execute(statement, values)
        except sqlite3.OperationalError as error:  # the disk, its rights, a lock: it may pass
            if self.trouble is None:
                log.error("%s cannot be written (%s): what is said waits in memory", self.path, error)
            self.trouble = f"{self.path.name} cannot be written ({error}): alarms and trends wait in memory"
            return False
        except Exception as error:  # noqa: BLE001 - one row that can never be written must not keep all others back
            log.error("%s: a row cannot be written (%r); the others are", self.path, error)
            return self._flush_singly(writes)
        for _ in writes:
            self._waiting.popleft()
        self.trouble = None
        return True

    def _flush_singly(self, writes: list[Write]) -> bool:
        refused = 0
        for statement, values in writes:
            try:
                with self._connection:
                    self._connection.execute(statement, values)
            except sqlite3.OperationalError:
                return False
            except Exception as error:  # noqa: BLE001 - as above
                refused += 1
                log.error("%s: given up: %r (%r)", self.path, values, error)
            self._waiting.popleft()
        self.refused += refused
        self.notice = f"{self.refused} rows could not be written and are lost: see the log of the page"
        return not refused

    def facts(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """Return the rows that answer a question, as far as they are written; raises `sqlite3.Error`."""
        # A connection of its own: a long question keeps the writer from nothing.
        with closing(sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(statement, values)]


def _open(path: Path) -> sqlite3.Connection:
    create(path)
    connection = sqlite3.connect(path, timeout=1.0, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        make_newest(connection)
        [[said]] = connection.execute("PRAGMA quick_check(1)")
        if said != "ok":
            raise sqlite3.DatabaseError(said)
    except BaseException:  # whatever it was is raised again, with the file closed
        connection.close()
        raise
    return connection


def _alarm(text: str) -> Alarm:
    facts = json.loads(text)
    return Alarm(**{**facts, "kind": AlarmKind(facts["kind"]), "priority": Priority(facts["priority"])})
