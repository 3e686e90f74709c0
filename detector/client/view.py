"""What a viewer of a bed knows, and how it is put into words."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from dataclasses import dataclass, field

from detector.client.lsl import About, Marker, Record, StatusSample
from detector.messages import State

# A view runs for weeks; what it remembers does not grow.
MAX_MARKERS = 10_000

_MEANINGS = {
    "seizure": "a seizure is declared",
    "non-seizure": "no seizure, and monitoring",
    "monitoring-start": "the detector has started",
    "monitoring-stop": "the detector has stopped",
    "not-monitoring/starting": "the detector is starting",
    "not-monitoring/waiting": "waiting for the EEG stream",
    "not-monitoring/validating": "checking the stream: labels, units, the rate that it really has",
    "not-monitoring/refused": "the stream does not fit the model",
    "not-monitoring/warmup": "filters and network are warming up",
    "not-monitoring/lost": "the EEG stream is lost",
    "not-monitoring/stale": "the EEG comes too late",
    "not-monitoring/poor": "too few good channels",
    "not-monitoring/fault": "the detector has a fault",
    "not-monitoring/stopping": "the detector is stopping",
    "session-reset/new-stream": "new session: a stream was connected",
    "session-reset/reconnect": "new session: the stream is back",
    "session-reset/gap": "new session: samples are missing",
    "session-reset/timestamps-backwards": "new session: the stamps went backwards",
    "session-reset/rate-change": "new session: another sampling rate",
    "session-reset/label-change": "new session: other channel labels",
    "session-reset/clock-jump": "new session: the clock of the source jumped",
    "session-reset/lost": "new session: the stream was lost",
    "session-reset/operator": "new session: an operator asked for it",
    "session-reset/reload": "new session: model or config reloaded",
    "session-reset/fault": "new session: after a fault",
    "session-reset/end": "the session ends",
    "truth/seizure/onset": "the simulated amplifier begins a seizure",
    "truth/seizure/offset": "the simulated amplifier ends the seizure",
}


@dataclass(slots=True)
class ViewSummary:
    """What a view has seen: the last markers, and status samples by state."""

    markers: deque[Marker] = field(default_factory=lambda: deque(maxlen=MAX_MARKERS))
    statuses: Counter[State] = field(default_factory=Counter)
    peak_probability: float = math.nan
    deaths: int = 0

    def take(self, record: Record) -> None:
        """Count one record."""
        if isinstance(record, Marker):
            self.markers.append(record)
            return
        self.statuses[record.state] += 1
        if not record.probability <= self.peak_probability and not math.isnan(record.probability):
            self.peak_probability = record.probability


@dataclass(slots=True)
class View:
    """Everything that is drawn; `take` keeps it up to date.

    ``session_from_s`` and ``state_from_s`` are sample times; the ``_is_exact`` flags say whether that beginning
    was seen or whether the view joined later.
    """

    bed: str
    about: About | None = None
    sample: StatusSample | None = None
    said: str = ""
    session_from_s: float | None = None
    session_is_exact: bool = False
    state_from_s: float | None = None
    state_is_exact: bool = False
    dead: bool = False
    silence_s: float = 0.0
    events: deque[tuple[str, Marker]] = field(default_factory=lambda: deque(maxlen=200))

    def take(self, record: Record, clock: str) -> None:
        """Take in one record; ``clock`` is its time of day."""
        if isinstance(record, Marker):
            self.events.append((clock, record))
            kind = record.text.partition("/")[0]
            if kind == "session-reset":
                self.session_from_s, self.session_is_exact = record.time_s, True
            if kind in {state.label for state in State}:
                self.said = record.text
            return
        if self.session_from_s is None:
            self.session_from_s = record.time_s
        if self.sample is None or self.state_from_s is None or self.sample.state is not record.state:
            self.state_is_exact = self.state_from_s is not None
            self.state_from_s = record.time_s
        self.sample = record

    def forget(self) -> None:
        """Forget when and why things began: after a silence or a restart it may have been another beginning."""
        self.said = ""
        self.session_from_s = self.state_from_s = None
        self.session_is_exact = self.state_is_exact = False


def meaning(text: str) -> str:
    """Say in words what a marker of contract v1 means."""
    return _MEANINGS.get(text, "(not a marker of contract v1)")


def event_line(bed: str, clock: str, marker: Marker) -> str:
    """Return one line for one event."""
    return f"{clock} {bed} event t={marker.time_s:.3f} {marker.text}: {meaning(marker.text)}"


def status_line(view: View, clock: str) -> str:
    """Return everything that the last status said, or that the detector is dead, on one line."""
    sample = view.sample
    if view.dead:
        return f"{clock} {view.bed} DEAD no status for {view.silence_s:.0f} s"
    if sample is None:
        return f"{clock} {view.bed} connecting"
    facts = [
        f"probability={sample.probability:.2f}",
        f"session={session_s(view):.0f}s",
        f"good_channels={good_channels(view, sample)}",
        f"input_age={input_age(sample)}",
        f"missing_samples={sample.missing_samples}",
        f"burden={sample.burden:.0%}",
    ]
    return f"{clock} {view.bed} status t={sample.time_s:.3f} {state_words(view, sample)} {' '.join(facts)}"


def knows_cause(view: View) -> bool:
    """Whether the cause of a not-monitoring was heard; the status alone does not tell it."""
    return view.said.startswith(State.NOT_MONITORING.label)


def state_words(view: View, sample: StatusSample) -> str:
    """Return the state as the events outlet spells it, with its cause where that is known."""
    return view.said if sample.state is State.NOT_MONITORING and knows_cause(view) else sample.state.label


def session_s(view: View) -> float:
    """Return the sample time since the session began, or since the view joined; NaN before the first status."""
    if view.sample is None or view.session_from_s is None:
        return math.nan
    return view.sample.time_s - view.session_from_s


def good_channels(view: View, sample: StatusSample) -> str:
    """Return the good channels, of how many where the metadata told."""
    return f"{sample.good_channels}/{view.about.n_derivations}" if view.about else str(sample.good_channels)


def input_age(sample: StatusSample) -> str:
    """Return how old the newest sample of the EEG is."""
    return f"{sample.input_age_s:.1f} s" if math.isfinite(sample.input_age_s) else "no input yet"


def time_of_day(unix_s: float) -> str:
    """Return the local time of day; a peer may send any number as a time."""
    try:
        return time.strftime("%H:%M:%S", time.localtime(unix_s))
    except (OverflowError, ValueError, OSError):
        return "??:??:??"
