"""Every bed on the network, read by one thread: found, connected, followed, and kept when it is gone."""

from __future__ import annotations

import logging
import math
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pylsl

from detector.client.lsl import FORMS, REOPEN_S, Connection, pull, shown, status_of
from detector.client.lsl import Marker as BedMarker
from detector.page.alarms import AlarmRow, Alarms
from detector.page.bed import BedBook
from detector.page.config import PageConfig
from detector.page.store import Store
from detector.sinks.lsl import CONTRACT_VERSION, SOURCE_ID_PREFIX

log = logging.getLogger(__name__)

MOST_BEDS = 200  # whoever publishes more than that on one network floods it
_FORGET_S = 2.0  # of a stream that does not answer any more
_TWICE_S = 6.0  # a detector that was restarted is listed twice until the old one is forgotten
_DROP_EVERY_S = 3600.0
_DISK_S = 5.0  # for so long is waited until a row is safe
_SOURCE_ID = re.compile(re.escape(SOURCE_ID_PREFIX) + r"([A-Za-z0-9_-]{1,40}):(status|events)")


class Ward:
    """Follows all beds; `turn` never blocks, `facts` and the actions can be called from any thread.

    Parameters
    ----------
    config
        Of the page.
    store
        Where trends, markers and alarms are kept, and the beds of before.
    """

    def __init__(self, config: PageConfig, store: Store) -> None:
        self._config, self._store = config, store
        self._lock = threading.RLock()
        self._resolver = pylsl.ContinuousResolver(
            pred=f"starts-with(source_id,'{SOURCE_ID_PREFIX}')", forget_after=_FORGET_S
        )
        self._books = {bed: BedBook(bed, seen_s) for bed, seen_s in store.beds().items()}
        self._connections: dict[str, Connection] = {}
        self._corrections: dict[str, float | None] = {}
        self._twice_since: dict[str, float] = {}
        self.alarms = Alarms(config.alarms, self._write, store.standing())
        self._began_s = self._turned_s = time.monotonic()
        self._slow_at = self._dropped_at = -math.inf
        self._flooded = False
        for alarm in self.alarms.standing():
            self._books.setdefault(alarm.bed, BedBook(alarm.bed, alarm.since_s))

    @property
    def age_s(self) -> float:
        """Seconds since the last turn ended: what is told is as old as that."""
        return time.monotonic() - self._turned_s

    def turn(self) -> None:
        """Do what is to be done now."""
        now_s, utc_s, lsl_s = time.monotonic(), time.time(), float(pylsl.local_clock())
        with self._lock:
            if now_s - self._slow_at >= 1.0:
                self._slow_at = now_s
                self._find(now_s)
                self._ask()
            for bed, connection in [*self._connections.items()]:
                self._pull(bed, connection, now_s, utc_s - lsl_s, lsl_s)
            for bed, book in self._books.items():
                if now_s - self._began_s > 3.0 or not book.is_dead(now_s):  # a page that has just begun knows nothing
                    self.alarms.see(bed, book.seen(now_s), utc_s)
                if (done := book.close_bin(utc_s, now_s)) is not None:
                    self._store.trend(bed, done.bin_s, done.probability, done.burden, done.state, done.good_channels)
                    if book.seen_s is not None and not book.is_dead(now_s):
                        self._store.bed(bed, book.seen_s)
            if now_s - self._dropped_at >= _DROP_EVERY_S:
                self._dropped_at = now_s
                self._store.drop_old(utc_s, self._config.storage.keep_days, self._config.storage.trend_hours)
            self._turned_s = time.monotonic()

    def facts(self) -> dict[str, Any]:
        """Return all that may be shown now, for JSON."""
        now_s = time.monotonic()
        with self._lock:
            return {
                "time_s": time.time(),
                "age_s": round(self.age_s, 1),
                "beds": [self._books[bed].facts(now_s) for bed in sorted(self._books)],
                "alarms": [alarm.facts() for alarm in self.alarms.standing()],
                "notices": [text for text in (self._store.trouble, self._store.notice or None) if text],
            }

    def book(self, bed: str) -> BedBook | None:
        """Return what is known of a bed."""
        with self._lock:
            return self._books.get(bed)

    def acknowledge(self, alarm_id: str, who: str) -> bool:
        """Acknowledge an alarm; return whether that is safe on disk. Raises as `Alarms.acknowledge`."""
        return self._act(lambda: self.alarms.acknowledge(alarm_id, who, time.time()))

    def undo(self, alarm_id: str, who: str) -> bool:
        """Take an acknowledgement back; as `acknowledge`."""
        return self._act(lambda: self.alarms.undo(alarm_id, who, time.time()))

    def forget(self, bed: str, who: str) -> bool:
        """Show a dead bed no longer; as `acknowledge`."""
        with self._lock:
            self.alarms.forget(bed, who, time.time())
            self._books.pop(bed, None)
            self._connections.pop(bed, None)
            done = self._store.bed(bed, time.time(), forgotten=True)
        return done.result(_DISK_S)

    def _act(self, act: Callable[[], object]) -> bool:
        with self._lock:
            act()
            written = self._written
        return written.result(_DISK_S)

    def _write(self, row: AlarmRow) -> None:
        self._written = self._store.alarm(row)

    def _find(self, now_s: float) -> None:
        """Connect to each bed that shows itself in the form of the contract, and note what is wrong with others."""
        listed: dict[str, dict[str, list[pylsl.StreamInfo]]] = defaultdict(lambda: defaultdict(list))
        for info in self._resolver.results():
            if match := _SOURCE_ID.fullmatch(info.source_id()):
                listed[match[1]][match[2]].append(info)
        for bed in sorted(listed):
            if bed not in self._books and len(self._books) >= MOST_BEDS:
                if not self._flooded:
                    log.error("more than %d beds on this network: %s and others are not shown", MOST_BEDS, bed)
                self._flooded = True
                continue
            kinds = listed[bed]
            if "status" not in kinds or "events" not in kinds:
                continue
            book = self._books.setdefault(bed, BedBook(bed, found_s=now_s))
            book.problem = self._problem(bed, book, kinds, now_s)
            fitting = [info for info in kinds["status"] if _form(info) == FORMS["status"]]
            events = [info for info in kinds["events"] if _form(info) == FORMS["events"]]
            if fitting and events:
                self._connect(bed, book, fitting, events, now_s)

    def _connect(
        self, bed: str, book: BedBook, statuses: list[pylsl.StreamInfo], events: list[pylsl.StreamInfo], now_s: float
    ) -> None:
        old = self._connections.get(bed)
        if old is not None and not book.is_dead(now_s):
            return
        newest = max(statuses, key=lambda info: float(info.created_at()))
        if old is not None and old.uid == newest.uid() and old.age_s < REOPEN_S:
            return
        same = [info for info in events if info.hostname() == newest.hostname()] or events
        self._connections[bed] = Connection(newest, max(same, key=lambda info: float(info.created_at())), 0.0)
        self._corrections[bed] = None
        book.connected()

    def _problem(self, bed: str, book: BedBook, kinds: dict[str, list[pylsl.StreamInfo]], now_s: float) -> str:
        hosts = sorted({shown(info.hostname()) for info in kinds["status"]})
        if len({info.uid() for info in kinds["status"]}) > 1:
            since_s = self._twice_since.setdefault(bed, now_s)
            if now_s - since_s > _TWICE_S:
                return (
                    f"{len(kinds['status'])} detectors say that they are {bed} (on {', '.join(hosts)}): "
                    "what is shown is of one of them; stop the others or give them names of their own"
                )
        else:
            self._twice_since.pop(bed, None)
        for kind, infos in kinds.items():
            if not any(_form(info) == FORMS[kind] for info in infos):
                n = infos[0].channel_count()
                return f"its {kind} stream has {n} channels, or a form, that contract {CONTRACT_VERSION} has not"
        if book.about is not None and not book.is_readable:
            return (
                f"it speaks contract {book.about.contract[:20] or '(none)'}; this page reads contract "
                f"{CONTRACT_VERSION}: have detector and page of one version"
            )
        return ""

    def _ask(self) -> None:
        """Ask for metadata and clocks; neither waits."""
        for bed, connection in self._connections.items():
            book = self._books[bed]
            if book.about is None:
                book.about = book.view.about = connection.about()
            known = self._corrections[bed]
            correction_s = connection.correction_s(math.nan if known is None else known)
            self._corrections[bed] = None if math.isnan(correction_s) else correction_s

    def _pull(self, bed: str, connection: Connection, now_s: float, utc_ahead_s: float, lsl_s: float) -> None:
        book, correction_s = self._books[bed], self._corrections[bed]
        ahead_s = correction_s or 0.0
        statuses, status_is_lost = pull(connection.status, 0.0)
        markers, events_are_lost = pull(connection.events, 0.0)
        for values, stamp in markers:
            marker = BedMarker(stamp, shown(values[0]))
            at_s = _utc(stamp + ahead_s, utc_ahead_s, lsl_s)
            book.take(marker, at_s, now_s, None)
            self._store.marker(bed, at_s, marker.text)
        for values, stamp in statuses:
            age_s = None if correction_s is None else lsl_s - (stamp + correction_s)
            book.take(status_of(values, stamp), _utc(stamp + ahead_s, utc_ahead_s, lsl_s), now_s, age_s)
        if status_is_lost or events_are_lost:
            del self._connections[bed]


def _form(info: pylsl.StreamInfo) -> tuple[int, int]:
    return info.channel_count(), info.channel_format()


def _utc(stamp_s: float, utc_ahead_s: float, lsl_s: float) -> float:
    """Return the UNIX time of a stamp; a peer may send any number, and one that cannot be is taken as now."""
    within = math.isfinite(stamp_s) and abs(stamp_s - lsl_s) < 86400
    return (stamp_s if within else lsl_s) + utc_ahead_s
