"""The journal: what was said, when, and until when it was truly watched, in a SQLite file that outlives every crash.

Whoever says something is never kept waiting and never told of an error: rows wait in a bounded queue for the one thread
that writes them. `Journal.trouble` says what keeps it from writing.
"""

from __future__ import annotations

import hashlib
import math
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detector import __version__
from detector.boot import boot_id
from detector.config import Config
from detector.journal_schema import SUFFIX, Alive, Row, RowKind
from detector.json_text import json_text
from detector.loading import Loaded
from detector.messages import Condition, Event, Outcome, State, Status
from detector.rights import OWNER
from detector.sinks.journal_writer import GIVEN_UP, JournalWriter, Limits
from detector.state_folder import state_folder

ALIVE_S = 5.0  # so often is it written that this program lives
SILENCE_S = 5.0  # a status comes at least once a second; without one for so long the program has stood still
_MAX_TEXT = 2000  # letters of a condition: what a stream says about itself can be long
_FAR_S = 86400.0  # a stamp that is further away was a mistake of the source
_STATES = tuple(state.label for state in State)


@dataclass(frozen=True)
class JournalConfig:
    """Where the journal is, how long and large it may become, and what it says of the program that writes it.

    Parameters
    ----------
    path
        The file.
    keep_days, max_mb
        Older rows are dropped, and the oldest ones where the file would become larger.
    bed, version, model_id, model_sha256, config_sha256
        Written when the program starts.
    mode
        The file's rights.
    """

    path: Path
    keep_days: float
    max_mb: float
    bed: str
    version: str
    model_id: str
    model_sha256: str
    config_sha256: str
    mode: int = OWNER


@dataclass(frozen=True)
class OpenSeizure:
    """A seizure that was going on when the program before this one was killed.

    Parameters
    ----------
    id, number, onset_s, declared_s, peak_probability
        As of `detector.messages.Event`; the times are of the LSL clock of that boot.
    same_boot
        Whether that is this boot, so that they can be compared with times of now.
    """

    id: str
    number: int
    onset_s: float
    declared_s: float
    peak_probability: float
    same_boot: bool


def journal_path(config: Config) -> Path | None:
    """Return where a bed's journal is; ``None`` where it has none."""
    given = config.journal.path
    if given == "off":
        return None
    return Path(given) if given else state_folder() / f"{config.bed.name}{SUFFIX}"


def journal_config(path: Path, loaded: Loaded) -> JournalConfig:
    """Return how a journal at this path is written by what runs."""
    config, bundle = loaded.config, loaded.bundle
    return JournalConfig(
        path=path,
        keep_days=config.journal.keep_days,
        max_mb=config.journal.max_mb,
        bed=config.bed.name,
        version=__version__,
        model_id=bundle.card.id,
        model_sha256=bundle.sha256,
        config_sha256=config_sha256(config),
        mode=config.files.mode,
    )


def config_sha256(config: Config) -> str:
    """Return a digest of all settings: it is another one whenever one of them is."""
    return hashlib.sha256(config.model_dump_json().encode()).hexdigest()


class Journal:
    """A `detector.monitor.Sink` that writes down what it is told. Times are seconds on this machine's LSL clock.

    Parameters
    ----------
    config
        See `JournalConfig`.
    clock
        The LSL clock, s.
    correction
        What is added to the stream's own stamps at present, s; ``None`` or NaN while it is unknown.
    utc
        The wall clock, seconds since 1970.
    boot
        Which boot of the machine this is; by default what the machine says.
    """

    def __init__(
        self,
        config: JournalConfig,
        *,
        clock: Callable[[], float],
        correction: Callable[[], float | None],
        utc: Callable[[], float] = time.time,
        boot: str | None = None,
    ) -> None:
        self.path = config.path
        self._clock, self._correction, self._utc = clock, correction, utc
        self._boot = boot_id() if boot is None else boot
        self._session = uuid.uuid4().hex
        self._standing: set[str] = set()  # conditions
        self._status_s: float | None = None
        self._seen_s: float | None = None  # the newest sample of which something was said
        self._alive_s = -math.inf
        self._has_stopped = False
        named = ("bed", "version", "model_id", "model_sha256", "config_sha256")
        start = self._row(RowKind.START, clock(), {name: getattr(config, name) for name in named})
        limits = Limits(config.keep_days, config.max_mb)
        self._writer = JournalWriter(config.path, limits, start, clock=clock, utc=utc, mode=config.mode)

    @property
    def trouble(self) -> str | None:
        """See `JournalWriter.trouble`."""
        return self._writer.trouble

    def open_seizure(self, timeout_s: float = 2.0) -> OpenSeizure | None:
        """Return the seizure that nobody has seen the end of; ``None`` where there is none.

        Waits until the file has been opened; ``None`` also where that fails or takes longer.
        """
        found = self._writer.found(timeout_s)
        if found is None or found.seizure is None:
            return None
        facts = found.seizure.facts
        return OpenSeizure(
            facts["id"],
            facts["number"],
            facts["onset_s"],
            facts["declared_s"],
            facts["peak_probability"],
            same_boot=found.seizure.boot == self._boot,
        )

    def give_up_open_seizure(self, now_s: float, *, resumed_id: str = "") -> None:
        """Write that the outcome of the seizure that was going on at a crash is unknown, unless it is resumed.

        To be called once after each start. It does what is right also where the file can be opened only later, where
        there was no such seizure, and where others have been declared since.

        Parameters
        ----------
        now_s
            The clock now.
        resumed_id
            The id of the seizure that goes on, where one does.
        """
        self._writer.put(self._row(RowKind.SEIZURE, now_s, f"{GIVEN_UP}{resumed_id}"))

    def push_marker(self, text: str, time_s: float) -> None:
        """Write a state that is entered, or a session's boundary."""
        kind, _, rest = text.partition("/")
        if kind in _STATES:
            facts: dict[str, Any] = {"state": text}
            if kind == State.NOT_MONITORING.label and self._seen_s is not None:
                # A loss is noticed some time after the last sample, and what is between was not watched.
                facts["seen_s"], self._seen_s = self._seen_s, None
            self._put(RowKind.STATE, time_s, facts)
        elif kind == "session-reset":
            self._session = uuid.uuid4().hex
            self._put(RowKind.SESSION, time_s, {"reason": rest})
        elif text == "monitoring-stop":
            self._stop(time_s)

    def push_code(self, state: State, time_s: float) -> None:
        """Write nothing: the marker has been."""

    def push_status(self, status: Status, input_age_s: float) -> None:
        """Take a step as a sign of life, up to the newest sample that it saw."""
        now_s = self._clock()
        self._mind_silence(now_s)
        self._status_s = now_s
        label = status.state.label if status.cause is None else f"{status.state.label}/{status.cause}"
        lsl_s = _time(status.time_s, now_s)
        if status.state is not State.NOT_MONITORING:
            lsl_s = self._seen_s = _time(now_s - input_age_s, lsl_s)
        is_due = now_s - self._alive_s >= ALIVE_S
        if is_due:
            self._alive_s = now_s
        self._writer.put_alive(Alive(self._boot, lsl_s, self._utc() - (now_s - lsl_s), label), at_once=is_due)

    def push_event(self, event: Event, now_s: float) -> None:
        """Write what became of a seizure, at the sample time of its declaration or end."""
        end_s = now_s if event.offset_s is None else event.offset_s
        facts = {
            "id": event.id,
            "number": event.number,
            "onset_s": event.onset_s,
            "declared_s": event.declared_s,
            "offset_s": event.offset_s,
            "emitted_s": now_s,
            "outcome": event.outcome,
            "peak_probability": event.peak_probability,
        }
        self._put(RowKind.SEIZURE, event.declared_s if event.outcome is Outcome.ONGOING else end_s, facts)

    def push_condition(self, condition: Condition, now_s: float) -> None:
        """Write that a condition was raised, has another text or was cleared."""
        change = "changed" if condition.kind in self._standing else "raised"
        self._standing.add(condition.kind)
        if condition.cleared_s is not None:
            change = "cleared"
            self._standing.discard(condition.kind)
        text = condition.text if len(condition.text) <= _MAX_TEXT else f"{condition.text[:_MAX_TEXT]}..."
        facts = {
            "condition": condition.kind,
            "change": change,
            "priority": condition.priority,
            "text": text,
            "since_s": condition.since_s,
            "cleared_s": condition.cleared_s,
            "count": condition.count,
        }
        self._put(RowKind.CONDITION, now_s, facts)

    def note(self, kind: str, facts: Mapping[str, Any], now_s: float) -> None:
        """Write something that is of the service itself: a configuration that is taken over, a checkpoint."""
        self._put(kind, now_s, facts)

    def fail(self, error: str) -> None:
        """Write that this program ends by an error of its own; no orderly stop follows, whatever is said."""
        self._put(RowKind.ERROR, self._clock(), {"error": error[:_MAX_TEXT]})
        self._has_stopped = True

    def close(self, timeout_s: float = 0.5) -> None:
        """Write that this program ends, unless it failed, and what waits, for at most so long."""
        self._stop(self._clock())
        self._writer.close(timeout_s)

    def _stop(self, time_s: float) -> None:
        if not self._has_stopped:
            self._has_stopped = True
            self._put(RowKind.STOP, time_s, {})

    def _put(self, kind: str, lsl_s: float, facts: Mapping[str, Any]) -> None:
        self._mind_silence(self._clock())
        self._writer.put(self._row(kind, lsl_s, facts))

    def _mind_silence(self, now_s: float) -> None:
        """Write that this program stood still, where the last step was too long ago."""
        since_s = self._status_s
        if since_s is not None and now_s - since_s > SILENCE_S:
            self._status_s = now_s
            self._writer.put(self._row(RowKind.SILENCE, since_s, {"until_s": now_s}))

    def _row(self, kind: str, lsl_s: float, facts: Mapping[str, Any] | str) -> Row:
        now_s, utc_s, correction_s = self._clock(), self._utc(), self._correction()
        lsl_s = _time(lsl_s, now_s)
        if correction_s is not None and not math.isfinite(correction_s):
            correction_s = None
        payload = facts if isinstance(facts, str) else json_text(facts)
        return Row(self._boot, self._session, str(kind), lsl_s, utc_s - (now_s - lsl_s), correction_s, payload)


def _time(lsl_s: float, now_s: float) -> float:
    """Return a time, or now where it is none: what is stamped with another day would be watched until then."""
    return lsl_s if abs(now_s - lsl_s) < _FAR_S else now_s
