"""What is said to the world: the decision's word, as far as it is true at this moment.

The decision knows samples only; whether they are fresh is known here, by a clock that is passed in. "Non-seizure" needs
input younger than the stall time; a seizure is said however late its samples came.
"""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass, replace
from typing import Protocol

from detector.messages import Cause, Condition, Event, Outcome, Reset, SessionReset, State, Status

# What is true right behind a session's end; after the other reasons the next session has begun.
_AFTER = {
    Reset.LOST: Cause.LOST,
    Reset.RATE: Cause.REFUSED,
    Reset.FAULT: Cause.FAULT,
    Reset.END: Cause.STOPPING,
    Reset.RELOAD: Cause.STARTING,
}

_OLD_STEP_S = 3.0  # clients call a status dead that is older, and so is a step that is said again


class Sink(Protocol):
    """What the monitor needs of an outlet, a journal or a log. Times are seconds on this machine's LSL clock."""

    def push_marker(self, text: str, time_s: float) -> None:
        """Take a marker of the events outlet."""
        ...

    def push_code(self, state: State, time_s: float) -> None:
        """Take the code of a state that is entered."""
        ...

    def push_status(self, status: Status, input_age_s: float) -> None:
        """Take one step."""
        ...

    def push_event(self, event: Event, now_s: float) -> None:
        """Take a seizure that was declared, has ended or was lost; its id is set."""
        ...

    def push_condition(self, condition: Condition, now_s: float) -> None:
        """Take a technical condition that was raised, changed its text or was cleared."""
        ...


@dataclass(frozen=True)
class MonitorConfig:
    """Seconds between steps, and the age from which input is stale."""

    step_s: float
    stall_s: float


class Monitor:
    """Keeps the state that was published last and publishes each change as a marker.

    Parameters
    ----------
    config
        See `MonitorConfig`.
    sinks
        All of them get everything.
    """

    def __init__(self, config: MonitorConfig, sinks: list[Sink]) -> None:
        self._config, self._sinks = config, sinks
        self.status = Status(math.nan, math.nan, State.NOT_MONITORING, Cause.STARTING, 0, 0, 0.0)
        self._said: tuple[State, Cause | None] | None = None
        self._marked_s = -math.inf
        self.published_s = -math.inf  # when the last status went out
        self._stepped_s = -math.inf  # sample time of the last step
        self.event_id = ""  # of the seizure that was declared last

    def start(self, now_s: float) -> None:
        """Say that this program runs and does not watch yet."""
        self._mark("monitoring-start", now_s)
        self._publish(replace(self.status, time_s=now_s), math.nan, now_s)

    def go_on_with(self, config: MonitorConfig, sinks: list[Sink]) -> None:
        """Take over another configuration and other sinks; what was said still stands."""
        self._config, self._sinks = config, sinks

    def stop(self, now_s: float) -> None:
        """Say that nothing is watched from now on."""
        self._idle(Cause.STOPPING, math.nan, now_s)
        self._mark("monitoring-stop", now_s)

    def take(self, said: Status | Event | SessionReset, now_s: float, doubt: Cause | None = None) -> None:
        """Publish what the decision said; its times are sample times.

        Parameters
        ----------
        said
            A step, a seizure or a boundary.
        now_s
            The clock now.
        doubt
            Why non-seizure cannot be said although the samples are fresh, if there is a reason.
        """
        if isinstance(said, Event):
            if said.outcome is Outcome.ONGOING:
                # The LSL clock begins anew at each boot, so no time of it names an event for good.
                self.event_id = uuid.uuid4().hex
            for sink in self._sinks:
                sink.push_event(replace(said, id=self.event_id), now_s)
        elif isinstance(said, SessionReset):
            self._mark(f"session-reset/{said.reason}", said.time_s if math.isfinite(said.time_s) else now_s)
            was_said = self._said is not None and self._said[0] is not State.NOT_MONITORING
            if was_said or said.reason is Reset.FAULT:
                # Whatever was true of the session before is not known of the one that begins; and a network that
                # fails in its warm-up is not warming up.
                self._idle(_AFTER.get(said.reason, Cause.WARMUP), math.nan, now_s)
        else:
            age_s = max(now_s - said.time_s, 0.0)
            self._stepped_s = said.time_s
            stale = Cause.STALE if age_s > self._config.stall_s else None
            if said.state is not State.SEIZURE and (stale or (doubt and said.state is State.NON_SEIZURE)):
                said = replace(said, state=State.NOT_MONITORING, cause=stale or doubt, probability=math.nan)
            self._publish(said, age_s, now_s)

    def tick(self, now_s: float, newest_s: float, cause: Cause | None) -> None:
        """Keep the status alive between steps and without any.

        Parameters
        ----------
        now_s
            The clock now.
        newest_s
            Sample time of the newest sample; NaN before any.
        cause
            Why the source gives nothing, or ``None`` where it does.
        """
        age_s = max(now_s - newest_s, 0.0) if math.isfinite(newest_s) else math.nan
        if cause is None and math.isnan(age_s):
            cause = Cause.WARMUP  # connected, and the first sample is on its way
        watching = cause is None and age_s <= self._config.stall_s
        if self.status.state is State.NON_SEIZURE and now_s - self._stepped_s > _OLD_STEP_S:
            watching = False  # samples that come are not watched while nothing is made of them
        silent_s = now_s - self.published_s
        # Samples that come late do not end a seizure; only samples that do not come at all do.
        if watching or (cause is None and self.status.state is State.SEIZURE):
            if silent_s > 2 * self._config.step_s:
                self._publish(replace(self.status, time_s=now_s), age_s, now_s)
            return
        cause = cause or Cause.STALE
        if silent_s >= self._config.step_s or self._said != (State.NOT_MONITORING, cause):
            self._idle(cause, age_s, now_s)

    def tell(self, condition: Condition, now_s: float) -> None:
        """Publish a technical condition; it changes nothing of what is said about the patient."""
        for sink in self._sinks:
            sink.push_condition(condition, now_s)

    def _idle(self, cause: Cause, age_s: float, now_s: float) -> None:
        status = replace(
            self.status, time_s=now_s, probability=math.nan, state=State.NOT_MONITORING, cause=cause, good_channels=0
        )
        self._publish(status, age_s, now_s)

    def _publish(self, status: Status, age_s: float, now_s: float) -> None:
        self.status = status
        self.published_s = now_s
        state = status.state, status.cause
        if state != self._said:
            self._said = state
            stamp = self._mark(status.label, status.time_s)
            for sink in self._sinks:
                sink.push_code(status.state, stamp)
        for sink in self._sinks:
            sink.push_status(status, age_s)

    def _mark(self, text: str, time_s: float) -> float:
        # A consumer that sorts by stamps must find the order in which things were said.
        self._marked_s = max(self._marked_s, time_s)
        for sink in self._sinks:
            sink.push_marker(text, self._marked_s)
        return self._marked_s
