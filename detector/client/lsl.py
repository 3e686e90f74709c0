"""Read what the detector of one bed publishes, and notice when it is dead."""

from __future__ import annotations

import contextlib
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pylsl
from pylsl.util import InternalError, LostError
from pylsl.util import TimeoutError as LslTimeoutError

from detector.errors import NoStreamError, UsageError, nearest
from detector.messages import State
from detector.sinks.lsl import CONTRACT_VERSION, SOURCE_ID_PREFIX, STATUS_CHANNELS
from detector.source.lsl_describe import printable

DEAD_AFTER_S = 3.0
# No call blocks longer, because signals are not served inside one.
MAX_BLOCK_S = 0.2
# With no bed named, how long others have to show up after the first one.
SETTLE_S = 1.0
# How long the first subscription to each of the two may take: from then on nothing is missed.
OPEN_S = 1.0
# The same silent stream is opened anew at most this often: its outlet may live on where nothing pushes into it.
REOPEN_S = 10.0

_SOURCE_ID = re.compile(re.escape(SOURCE_ID_PREFIX) + r"([A-Za-z0-9_-]+):(status|events)")
_PREDICATE = f"starts-with(source_id,'{SOURCE_ID_PREFIX}') and desc/contract_version='{CONTRACT_VERSION}'"
FORMS = {"status": (len(STATUS_CHANNELS), pylsl.cf_float32), "events": (1, pylsl.cf_string)}


@dataclass(frozen=True, slots=True)
class StatusSample:
    """One sample of the status outlet.

    ``time_s`` is the sample time on the LSL clock of the detector's machine; ``probability`` is NaN when not
    monitoring, ``input_age_s`` is NaN while there was no input yet; ``burden`` is 0..1. A state code that the
    contract does not know is read as not-monitoring.
    """

    time_s: float
    probability: float
    state: State
    good_channels: int
    input_age_s: float
    missing_samples: int
    burden: float


@dataclass(frozen=True, slots=True)
class Marker:
    """A text of the events outlet, safe to show, at a sample time on the LSL clock of the detector's machine."""

    time_s: float
    text: str


Record = StatusSample | Marker


@dataclass(frozen=True, slots=True)
class About:
    """What the metadata of the status outlet say, safe to show."""

    hostname: str
    model_id: str
    montage: str
    n_derivations: int
    source_name: str
    source_id: str = ""
    contract: str = ""


class BedClient:
    """Follow the status and the events of one bed, also over restarts of its detector.

    Parameters
    ----------
    bed
        Name of the bed; ``None`` for the only one in reach.
    timeout_s
        How long to look for it. The construction blocks for that and a moment to subscribe; nothing after it
        blocks over 0.25 s.
    keep_waiting
        Asked ten times a second while looking; False gives up at once.

    Raises
    ------
    UsageError
        Several beds are in reach and none was named, or the name cannot be one.
    NoStreamError
        No status and events outlets of the bed showed up in time.
    """

    def __init__(
        self, bed: str | None, timeout_s: float = 5.0, keep_waiting: Callable[[], bool] = lambda: True
    ) -> None:
        if bed is not None and not re.fullmatch(r"[A-Za-z0-9_-]+", bed):
            raise UsageError(f"{bed!r} cannot be a bed: their names have letters, digits, '_' and '-' only")
        self._search: _Search | None = _Search()
        #: The bed that is followed.
        self.bed = bed or ""
        self.bed = self._first_sight(bed, timeout_s, keep_waiting)
        #: What its metadata say; None until they came.
        self.about: About | None = None
        #: How often a connection was opened.
        self.connections = 0
        self._connection: Connection | None = None
        self._correction_s = 0.0
        self._heard_s = time.monotonic()
        self._seek(wait_s=OPEN_S)
        self._heard_s = time.monotonic()

    def read(self, timeout_s: float = MAX_BLOCK_S) -> list[Record]:
        """Return what came since the last call: markers first, then status samples, each in their order.

        Waits for a status sample, but never longer than ``timeout_s`` nor 0.2 s. A lost detector is looked for
        again here; meanwhile nothing comes and, after 3 s, `dead` is true.
        """
        timeout_s = min(max(timeout_s, 0.0), MAX_BLOCK_S)
        if self._connection is None or self.dead:
            self._seek()
        connection = self._connection
        if connection is None:
            time.sleep(min(timeout_s, 0.1))
            return []
        statuses, status_is_lost = pull(connection.status, timeout_s)
        markers, events_are_lost = pull(connection.events, 0.0)
        if statuses:
            self._heard_s = time.monotonic()
            self._search = None
        if status_is_lost or events_are_lost:
            self._connection = self._search = None
        elif self.about is None:
            self.about = connection.about()
        records: list[Record] = [Marker(stamp, shown(values[0])) for values, stamp in markers]
        records.extend(status_of(values, stamp) for values, stamp in statuses)
        return records

    @property
    def silence_s(self) -> float:
        """Seconds since the last status came (or since the construction), by this process's monotonic clock."""
        return time.monotonic() - self._heard_s

    @property
    def dead(self) -> bool:
        """Whether no status came for 3 s: what was said last must not be relied upon."""
        return self.silence_s > DEAD_AFTER_S

    def clock_time(self, time_s: float) -> float:
        """Return the UNIX time, by this machine's wall clock, of a sample time of the detector's LSL clock."""
        if self._connection is not None:
            self._correction_s = self._connection.correction_s(self._correction_s)
        now_s = float(pylsl.local_clock())
        return time.time() - (now_s - (time_s + self._correction_s))

    def close(self) -> None:
        """Let go of the streams."""
        self._connection = self._search = None

    def _first_sight(self, bed: str | None, timeout_s: float, keep_waiting: Callable[[], bool]) -> str:
        assert self._search is not None
        deadline_s = time.monotonic() + timeout_s
        settled_s = math.inf
        while True:
            beds = self._search.beds()
            now_s = time.monotonic()
            if bed in beds:
                return str(bed)
            if beds and bed is None:
                settled_s = min(settled_s, now_s + SETTLE_S)
            if now_s >= min(deadline_s, settled_s) or not keep_waiting():
                break
            time.sleep(0.1)
        names = sorted(beds)
        if bed is None and len(names) == 1:
            return names[0]
        if bed is None and names:
            raise UsageError(f"{len(names)} beds are in reach, name one of them: {', '.join(names)}")
        what = f"bed {bed!r}" if bed else "a bed"
        others = f"in reach: {', '.join(names)}{nearest(str(bed), names)}" if names else "no bed is in reach"
        raise NoStreamError(
            f"no status and events of {what} (contract version {CONTRACT_VERSION}) in {timeout_s:g} s; {others}. "
            "Is the detector running, in the same LSL session and network?"
        )

    def _seek(self, wait_s: float = 0.0) -> None:
        """Connect when the bed is seen; where a stream went silent, to another one or, rarely, to the same."""
        if self._search is None:
            self._search = _Search()
        found = self._search.beds().get(self.bed)
        if found is None:
            return
        old = self._connection
        if old is not None and old.uid == found["status"].uid() and old.age_s < REOPEN_S:
            return
        self._connection = Connection(found["status"], found["events"], wait_s)
        self.about = None
        self.connections += 1


class _Search:
    """What is in reach right now; looking never blocks."""

    def __init__(self) -> None:
        self._resolver = pylsl.ContinuousResolver(pred=_PREDICATE, forget_after=2.0)

    def beds(self) -> dict[str, dict[str, pylsl.StreamInfo]]:
        """Return the stream infos, by kind, of each bed that shows both its outlets in the form of the contract."""
        beds: dict[str, dict[str, pylsl.StreamInfo]] = {}
        for info in self._resolver.results():
            match = _SOURCE_ID.fullmatch(info.source_id())
            if match and (info.channel_count(), info.channel_format()) == FORMS[match[2]]:
                beds.setdefault(match[1], {})[match[2]] = info
        return {bed: kinds for bed, kinds in beds.items() if len(kinds) == len(FORMS)}


class Connection:
    """The two inlets on one run of the detector. They end with it: ``recover=False``.

    Parameters
    ----------
    status, events
        The stream infos of its outlets.
    wait_s
        How long to wait for each subscription; with 0 both go on by themselves.
    """

    def __init__(self, status: pylsl.StreamInfo, events: pylsl.StreamInfo, wait_s: float) -> None:
        self.uid = status.uid()
        self.status = pylsl.StreamInlet(status, max_buflen=60, recover=False, as_numpy=True)
        self.events = pylsl.StreamInlet(events, max_buflen=60, recover=False, as_numpy=True)
        self._opened_s = time.monotonic()
        for inlet in (self.events, self.status):
            # LSL keeps nothing for who subscribes later: what was pushed before never comes.
            with contextlib.suppress(LslTimeoutError, LostError, InternalError):
                inlet.open_stream(timeout=wait_s)

    @property
    def age_s(self) -> float:
        """Seconds since it was opened."""
        return time.monotonic() - self._opened_s

    def about(self) -> About | None:
        """Return the metadata once they came; asking with timeout 0 starts the request and does not wait."""
        try:
            info = self.status.info(timeout=0.0)
        except (LslTimeoutError, LostError, InternalError):
            return None
        desc = info.desc()
        montage = desc.child("montage")
        n, derivation = 0, montage.child("derivations").child("derivation")
        while n < 1024 and not derivation.empty():
            n, derivation = n + 1, derivation.next_sibling("derivation")
        return About(
            hostname=shown(info.hostname()),
            model_id=shown(desc.child("model").child_value("id")),
            montage=shown(montage.child_value("name")),
            n_derivations=n,
            source_name=shown(desc.child("source").child_value("name")),
            source_id=shown(desc.child("source").child_value("source_id")),
            contract=shown(desc.child_value("contract_version")),
        )

    def correction_s(self, known_s: float) -> float:
        """Return what to add to their stamps for our LSL clock, or ``known_s`` while it is being measured."""
        try:
            return float(self.status.time_correction(timeout=0.0))
        except (LslTimeoutError, LostError, InternalError):
            return known_s


def pull(inlet: pylsl.StreamInlet, timeout_s: float) -> tuple[list[tuple[Any, float]], bool]:
    """Return the samples with their stamps, and whether the stream is lost.

    Two pulls, not ``min_samples=1``: pylsl throws its first sample away when the stream is lost at the second.
    """
    pulled: list[tuple[Any, float]] = []
    try:
        for wait_s, n in ((timeout_s, 1), (0.0, 1024)):
            samples, stamps = inlet.pull_chunk(timeout=wait_s, max_samples=n)
            pulled.extend(zip(samples, stamps.tolist(), strict=True))
    except (LostError, InternalError):
        return pulled, True
    return pulled, False


def shown(value: bytes | str) -> str:
    """Return what a peer sent so that a terminal only shows it."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    return printable(text[:200])


def status_of(values: Any, stamp: float) -> StatusSample:
    """Return a sample of the status outlet; what a peer sends may be any number."""
    probability, code, good, age_s, missing, burden = (float(value) for value in values)
    return StatusSample(
        time_s=stamp,
        probability=probability,
        state=State(int(code)) if code in tuple(State) else State.NOT_MONITORING,
        good_channels=_count(good),
        input_age_s=age_s,
        missing_samples=_count(missing),
        burden=burden,
    )


def _count(value: float) -> int:
    """Return a count that fits everywhere; a peer may send any number."""
    return int(min(max(value, 0.0), 2.0**53)) if math.isfinite(value) else 0
