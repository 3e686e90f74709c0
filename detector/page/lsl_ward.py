"""Every bed on the network, read by one thread: found, connected, followed, and kept when it is gone."""

from __future__ import annotations

import logging
import math
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import pylsl
from pylsl.util import InternalError, LostError

from detector.client.lsl import FORMS, REOPEN_S, Connection, pull, shown, status_of
from detector.client.lsl import Marker as BedMarker
from detector.errors import UsageError
from detector.page.alarm import AlarmRow
from detector.page.alarms import Alarms
from detector.page.bed import BedBook
from detector.page.clock import BedClock, uncompared
from detector.page.config import PageConfig
from detector.page.lsl_detail import Details
from detector.page.store import Store, Write
from detector.sinks.lsl import CONTRACT_VERSION, SOURCE_ID_PREFIX

log = logging.getLogger(__name__)

STUCK_S = 3.0  # a turn takes milliseconds
MOST_BEDS = 200  # whoever publishes more than that on one network floods it
_FORGET_S = 2.0  # of a stream that does not answer any more
_ODD_S = 6.0  # a detector that was restarted is listed twice, or by halves, until the old one is forgotten
_JUMP_S = 3.0
_MOST_MARKERS = 100  # of a bed in ten seconds; more are a flood, and are counted only
_DROP_EVERY_S = 3600.0
_DISK_S = 5.0  # for so long is waited until a row is safe
_SOURCE_ID = re.compile(re.escape(SOURCE_ID_PREFIX) + r"([A-Za-z0-9_-]{1,40}):(status|events|detail)")


class Ward:
    """Follows all beds; `turn` never blocks, `facts` and the actions can be called from any thread.

    Parameters
    ----------
    config
        Of the page.
    store
        Where trends, markers and alarms are kept, and the beds of before.
    alert
        Takes each change of an alarm, at once; returns what is to be written together with it.
    """

    def __init__(
        self, config: PageConfig, store: Store, alert: Callable[[AlarmRow], Sequence[Write]] = lambda _: ()
    ) -> None:
        self._config, self._store, self._alert = config, store, alert
        self._states: dict[str, tuple[str, str]] = {}
        self._lock = threading.RLock()
        self._resolver = pylsl.ContinuousResolver(
            pred=f"starts-with(source_id,'{SOURCE_ID_PREFIX}')", forget_after=_FORGET_S
        )
        self._books = {bed: BedBook(bed, seen_s) for bed, seen_s in store.beds().items()}
        self._connections: dict[str, Connection] = {}
        self._clocks: dict[str, BedClock] = {}
        self._odd_since: dict[str, float] = {}
        self.alarms = Alarms(config.alarms, self._write, store.standing())
        self._began_s = self._turned_s = time.monotonic()
        self._utc_ahead_s = self._began_ahead_s = time.time() - time.monotonic()
        self._slow_at = self._dropped_at = -math.inf
        self._not_shown: set[str] = set()
        self._markers_left: dict[str, int] = {}
        self._details = Details(store)
        for bed, seizure_s in store.last_seizures().items():
            if bed in self._books:
                self._books[bed].last_seizure_s = seizure_s
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
            if abs(utc_s - now_s - self._utc_ahead_s) > _JUMP_S:
                # The wall clock was set, or the machine slept: what was said before may be old.
                self._utc_ahead_s = utc_s - now_s
                for book in self._books.values():
                    book.connected()
            if now_s - self._slow_at >= 1.0:
                self._slow_at = now_s
                self._find(now_s)
                self._ask()
                self._details.tell(self._books, now_s)
            for bed, connection in [*self._connections.items()]:
                self._pull(bed, connection, now_s, utc_s - lsl_s, lsl_s)
            for bed, book in self._books.items():
                if now_s - self._began_s > 3.0 or not book.is_dead(now_s):  # a page that has just begun knows nothing
                    self._see(bed, book, now_s, utc_s)
                if (done := book.close_bin(utc_s, now_s)) is not None:
                    self._markers_left.pop(bed, None)
                    self._details.keep(book, done.bin_s, now_s)
                    self._store.trend(bed, done.bin_s, done.probability, done.burden, done.state, done.good_channels)
                    if book.seen_s is not None and not book.is_dead(now_s):
                        self._store.bed(bed, book.seen_s)
            if now_s - self._dropped_at >= _DROP_EVERY_S:
                self._dropped_at = now_s
                storage = self._config.storage
                # A wall clock that was set may be set again, and what is dropped does not come back.
                if abs(utc_s - now_s - self._began_ahead_s) < _DROP_EVERY_S:
                    self._store.drop_old(utc_s, storage.keep_days, storage.trend_hours, self.alarms.standing())
            self._states = {bed: book.state(now_s) for bed, book in self._books.items()}
            self._turned_s = time.monotonic()

    def states(self) -> dict[str, tuple[str, str]]:
        """Return what each bed is now, in a word and its meaning; waits for nothing, and says nothing old."""
        if self.age_s > STUCK_S:
            return dict.fromkeys(self._states, ("unknown", "the page has stopped reading: nothing is known"))
        return self._states

    def facts(self) -> dict[str, Any]:
        """Return all that may be shown now, for JSON."""
        now_s = time.monotonic()
        with self._lock:
            return {
                "time_s": time.time(),
                "monotonic_s": time.monotonic(),
                "age_s": round(self.age_s, 1),
                "beds": [self._books[bed].facts(now_s) for bed in sorted(self._books)],
                "alarms": [alarm.facts() for alarm in self.alarms.standing()],
                "notices": [text for text in self._notices() if text],
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
            book = self._books.get(bed)
            if book is not None and not book.is_dead(time.monotonic()):
                raise UsageError("this bed is back: only one whose detector is gone can be forgotten")
            self.alarms.forget(bed, who, time.time())
            self._books.pop(bed, None)
            self._connections.pop(bed, None)
            done = self._store.bed(bed, time.time(), forgotten=True)
        return is_safe(done)

    def _act(self, act: Callable[[], object]) -> bool:
        with self._lock:
            act()
            written = self._written
        return is_safe(written)

    def _see(self, bed: str, book: BedBook, now_s: float, utc_s: float) -> None:
        seen = book.seen(now_s)
        self.alarms.see(bed, seen, now_s, utc_s)
        if seen.had_seizure:
            book.had_seizure = False

    def _notices(self) -> Iterator[str | None]:
        yield self._store.trouble
        yield self._store.notice
        if n := len(self._not_shown):
            yield f"{n} beds or more are not shown: this page follows {MOST_BEDS} at most"
        yield uncompared([bed for bed, one in self._connections.items() if self._clocks[bed].is_unknown(one.age_s)])

    def _write(self, row: AlarmRow) -> None:
        self._written = self._store.alarm(row, self._alert(row))

    def _find(self, now_s: float) -> None:
        """Connect to each bed that shows itself in the form of the contract, and note what is wrong with others."""
        listed: dict[str, dict[str, list[pylsl.StreamInfo]]] = defaultdict(lambda: defaultdict(list))
        for info in self._resolver.results():
            if match := _SOURCE_ID.fullmatch(info.source_id()):
                listed[match[1]][match[2]].append(info)
        self._details.follow({bed: kinds.pop("detail") for bed, kinds in listed.items() if "detail" in kinds})
        for bed in sorted(listed):
            if bed not in self._books and len(self._books) >= MOST_BEDS:
                if bed not in self._not_shown and len(self._not_shown) < MOST_BEDS:
                    log.error("more than %d beds on this network: %s is not shown", MOST_BEDS, bed)
                    self._not_shown.add(bed)
                continue
            kinds = listed[bed]
            book = self._books.setdefault(bed, BedBook(bed, found_s=now_s))
            book.problem = self._problem(bed, book, kinds, now_s)
            if "status" not in kinds or "events" not in kinds:
                continue
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
        # Another one than that which says nothing; of several the youngest, by clocks of their own.
        others = [info for info in statuses if old is None or info.uid() != old.uid] or statuses
        newest = max(others, key=_created)
        if old is not None and old.uid == newest.uid() and old.age_s < REOPEN_S:
            return
        same = [info for info in events if info.hostname() == newest.hostname()] or events
        try:
            self._connections[bed] = Connection(newest, max(same, key=_created), 0.0)
        except (RuntimeError, LostError, InternalError) as error:  # out of threads or open files; tried again
            log.error("%s cannot be connected to: %s", bed, error)
            return
        self._clocks[bed] = BedClock()
        book.connected()

    def _problem(self, bed: str, book: BedBook, kinds: dict[str, list[pylsl.StreamInfo]], now_s: float) -> str:
        missing = [kind for kind in FORMS if kind not in kinds]
        n = len({info.uid() for info in kinds.get("status", [])})
        if n > 1 or missing:
            since_s = self._odd_since.setdefault(bed, now_s)
            if now_s - since_s > _ODD_S and missing and bed not in self._connections:
                return f"it shows no {missing[0]} stream: an old detector, or somebody else's stream of that name"
            if now_s - since_s > _ODD_S and n > 1:
                hosts = sorted({shown(info.hostname()) for info in kinds["status"]})
                return (
                    f"{n} detectors say that they are {bed} (on {', '.join(hosts)[:200]}): what is shown is of one of "
                    "them; stop the others or give them names of their own"
                )
        else:
            self._odd_since.pop(bed, None)
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
            clock = self._clocks[bed]
            clock.measured_s = connection.correction_s(clock.measured_s)

    def _pull(self, bed: str, connection: Connection, now_s: float, utc_ahead_s: float, lsl_s: float) -> None:
        book, clock = self._books[bed], self._clocks[bed]
        statuses, status_is_lost = pull(connection.status, 0.0)
        markers, events_are_lost = pull(connection.events, 0.0)
        clock.hear((stamp for _, stamp in (*statuses, *markers)), lsl_s)
        for values, stamp in markers:
            marker = BedMarker(stamp, shown(values[0]))
            at_s = clock.here_s(stamp, lsl_s) + utc_ahead_s
            book.take(marker, at_s, now_s, None)
            left = self._markers_left.get(bed, _MOST_MARKERS)
            self._markers_left[bed] = left - 1
            if left > 0:
                self._store.marker(bed, at_s, marker.text)
            elif left == 0:
                log.warning("%s sends more than %d markers in ten seconds; the rest are not kept", bed, _MOST_MARKERS)
        for values, stamp in statuses:
            at_s = clock.here_s(stamp, lsl_s) + utc_ahead_s
            book.take(status_of(values, stamp), at_s, now_s, clock.age_s(stamp, lsl_s))
        if status_is_lost or events_are_lost:
            del self._connections[bed]


def is_safe(written: Future[bool]) -> bool:
    """Return whether a row is on disk; a disk that takes too long may have it later."""
    try:
        return written.result(_DISK_S)
    except TimeoutError:
        return False


def _created(info: pylsl.StreamInfo) -> float:
    return float(info.created_at())


def _form(info: pylsl.StreamInfo) -> tuple[int, int]:
    return info.channel_count(), info.channel_format()
