"""How the daemon is, over HTTP: ``/livez``, ``/readyz``, ``/status.json`` and ``/metrics``.

For those who keep the machine running. It answers from a snapshot that the main loop leaves behind at each turn, in a
thread of its own, so that nobody who asks can make the main loop wait. No alarm about the patient goes this way.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from detector import __version__
from detector.config import Health as HealthConfig
from detector.health_server import Answer, HealthServer
from detector.messages import Cause, Condition, Description, Event, Outcome, Reset, State, Status

log = logging.getLogger(__name__)

STATUS_SCHEMA = 1
# A turn takes 0.75 s at most, and readers of the status outlet count a detector as gone after as long as this.
ALIVE_S = 3.0
TURN_BOUNDS_S = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0)
_RETRY_S = 5.0
_TURN_S = 0.25  # of the thread here: how soon it sees that it is to end
_RESET = "session-reset/"
_PATHS = "/livez, /readyz, /status.json, /metrics"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is true at one turn of the main loop.

    Parameters
    ----------
    status
        What was published last.
    input_age_s
        Seconds since the newest sample; NaN before any.
    conditions
        The technical conditions that stand, the most urgent first.
    source
        The stream that is connected, if one is.
    model_id, model_sha256
        The bundle that is served.
    derivations
        How many the montage of the model has.
    is_ready
        Whether configuration, bundle, self-test and outlets stand; false again when the daemon stops.
    turned_s
        When, on the monotonic clock.
    """

    status: Status
    input_age_s: float
    conditions: tuple[Condition, ...]
    source: Description | None
    model_id: str
    model_sha256: str
    derivations: int
    is_ready: bool
    turned_s: float


@dataclass
class Counts:
    """What has been counted since the start.

    Parameters
    ----------
    turns
        How many turns were as short as each of `TURN_BOUNDS_S` and no shorter one, and longer than all of them.
    turns_s
        What all turns took together.
    """

    seizures: int = 0
    resets: dict[Reset, int] = field(default_factory=lambda: dict.fromkeys(Reset, 0))
    turns: list[int] = field(default_factory=lambda: [0] * (len(TURN_BOUNDS_S) + 1))
    turns_s: float = 0.0


class Health:
    """Answers whoever asks; a sink of the monitor, for what is to be counted.

    A port that is taken ends nothing: it is tried again, and `problem` says so meanwhile.

    Parameters
    ----------
    config
        Address and port; with port 0 it counts and listens nowhere.
    bed
        The bed's name.
    clock
        The monotonic clock, s.
    """

    def __init__(self, config: HealthConfig, bed: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._config, self._bed, self._clock = config, bed, clock
        starting = Status(math.nan, math.nan, State.NOT_MONITORING, Cause.STARTING, 0, 0, 0.0)
        # Written by the main loop and read by those who ask: always as a whole.
        self._snapshot = Snapshot(starting, math.nan, (), None, "", "", 0, False, clock())
        self._has_turned = False
        self.counts = Counts()
        self.problem = ""
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="health", daemon=True)
        if config.port:
            self._thread.start()

    def update(self, snapshot: Snapshot) -> None:
        """Take what is true at this turn; costs microseconds and waits for nobody."""
        if self._has_turned:
            turn_s = snapshot.turned_s - self._snapshot.turned_s
            self.counts.turns[bisect_left(TURN_BOUNDS_S, turn_s)] += 1
            self.counts.turns_s += turn_s
        self._snapshot, self._has_turned = snapshot, True

    def close(self) -> None:
        """Answer no more."""
        self._closed.set()
        if self._config.port:
            self._thread.join(2 * _TURN_S)

    # What is counted, as a sink of the monitor.

    def push_marker(self, text: str, time_s: float) -> None:  # noqa: ARG002 - as every sink
        """Count a session's end."""
        if text.startswith(_RESET):
            self.counts.resets[Reset(text.removeprefix(_RESET))] += 1

    def push_event(self, event: Event, now_s: float) -> None:  # noqa: ARG002 - as every sink
        """Count a seizure when it is declared."""
        self.counts.seizures += event.outcome is Outcome.ONGOING

    def push_code(self, state: State, time_s: float) -> None:
        """Count nothing: the snapshot has it."""

    def push_status(self, status: Status, input_age_s: float) -> None:
        """Count nothing: the snapshot has it."""

    def push_condition(self, condition: Condition, now_s: float) -> None:
        """Count nothing: the snapshot has it."""

    # What is answered.

    def now(self) -> tuple[Snapshot, float]:
        """Return what is true now, and the seconds since the last turn.

        A main loop that stands still watches nothing, whatever its last word was; only a seizure is not taken back.
        """
        snapshot = self._snapshot
        # A model takes long to load; what does not turn yet does not stand still.
        turn_age_s = max(self._clock() - snapshot.turned_s, 0.0) if self._has_turned else 0.0
        status = snapshot.status
        if turn_age_s > ALIVE_S:
            snapshot = replace(snapshot, is_ready=False)
            if status.state is State.NON_SEIZURE:
                status = replace(status, state=State.NOT_MONITORING, cause=Cause.STALE, probability=math.nan)
        # Stamps may be a little ahead of the clock, an age is never negative; NaN stays NaN.
        age_s = max(snapshot.input_age_s + turn_age_s, 0.0)
        return replace(snapshot, status=status, input_age_s=age_s), turn_age_s

    def answer(self, path: str) -> Answer:
        """Return what there is to say at a path."""
        if path == "/livez":
            return self._livez()
        if path == "/readyz":
            return self._readyz()
        if path == "/status.json":
            text = json.dumps(self._status(), indent=1, allow_nan=False) + "\n"
            return Answer(HTTPStatus.OK, "application/json", text.encode())
        if path == "/metrics":
            from detector.metrics import CONTENT_TYPE, exposition  # heavy, and not needed by a bed without a port

            return Answer(HTTPStatus.OK, CONTENT_TYPE, exposition(self))
        return _text(HTTPStatus.NOT_FOUND, f"not here; there is {_PATHS}")

    def _livez(self) -> Answer:
        _, turn_age_s = self.now()
        if turn_age_s > ALIVE_S:
            return _text(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"stalled: the last turn of the main loop was {turn_age_s:.1f} s ago, expected {ALIVE_S:g} s at most",
            )
        return _text(HTTPStatus.OK, "alive")

    def _readyz(self) -> Answer:
        snapshot, _ = self.now()
        if not snapshot.is_ready:
            return _text(HTTPStatus.SERVICE_UNAVAILABLE, "not ready: starting, stopping, or its main loop stands still")
        return _text(HTTPStatus.OK, "ready; whether it watches is in /status.json")

    def _status(self) -> dict[str, Any]:
        snapshot, turn_age_s = self.now()
        status, source = snapshot.status, snapshot.source
        return {
            "schema": STATUS_SCHEMA,
            "bed": self._bed,
            "version": __version__,
            "alive": turn_age_s <= ALIVE_S,
            "ready": snapshot.is_ready,
            "turn_age_s": round(turn_age_s, 3),
            "state": status.state.label,
            "cause": status.cause,
            "time_s": _finite(status.time_s),
            "probability": _finite(status.probability),
            "burden": _finite(status.burden),
            "good_derivations": status.good_channels,
            "derivations": snapshot.derivations,
            "missing_samples": status.missing_samples,
            "input_age_s": _finite(snapshot.input_age_s),
            "seizures": self.counts.seizures,
            "session_resets": {reason: n for reason, n in self.counts.resets.items() if n},
            "source": None if source is None else {
                "name": source.name,
                "source_id": source.source_id,
                "hostname": source.hostname,
                "rate_hz": source.rate_hz,
                "channels": len(source.labels),
            },
            "model": {"id": snapshot.model_id, "sha256": snapshot.model_sha256},
            "conditions": [
                {
                    "kind": condition.kind,
                    "priority": condition.priority,
                    "text": condition.text,
                    "since_s": condition.since_s,
                    "count": condition.count,
                }
                for condition in snapshot.conditions
            ],
        }  # fmt: skip

    def _serve(self) -> None:
        host, port = self._config.host, self._config.port
        while not self._closed.is_set():
            try:
                server = HealthServer(host, port, self.answer)
            except OSError as error:
                problem = (
                    f"[health] {host}:{port} cannot be listened at ({error.strerror or error}): nobody can ask how "
                    "this bed is. Give it a port of its own; it is tried again"
                )
                if problem != self.problem:
                    log.error("%s", problem)
                self.problem = problem
                self._closed.wait(_RETRY_S)
                continue
            if self.problem:
                log.info("[health] %s:%d is listened at", host, port)
            self.problem = ""
            with server:
                while not self._closed.is_set():
                    server.turn(_TURN_S)


def _text(code: HTTPStatus, text: str) -> Answer:
    return Answer(code, "text/plain; charset=utf-8", f"{text}\n".encode())


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
