"""The log as a sink: a line for each change, none for each step."""

from __future__ import annotations

import logging

from detector.messages import Cause, Condition, Event, Outcome, Priority, State, Status

log = logging.getLogger(__name__)

_ALARMING = {f"{State.NOT_MONITORING.label}/{cause}" for cause in (
    Cause.LOST, Cause.STALE, Cause.POOR, Cause.REFUSED, Cause.FAULT,
)}  # fmt: skip


class LogSink:
    """Takes what the monitor says."""

    def push_marker(self, text: str, time_s: float) -> None:
        """Log a marker; that nothing is being watched any more is a warning."""
        log.log(logging.WARNING if text in _ALARMING else logging.INFO, "%s at LSL time %.3f s", text, time_s)

    def push_code(self, state: State, time_s: float) -> None:
        """Log nothing: the marker has been."""

    def push_status(self, status: Status, input_age_s: float) -> None:
        """Log nothing."""

    def push_event(self, event: Event, now_s: float) -> None:
        """Log what became of a seizure."""
        late_s = now_s - (event.declared_s if event.offset_s is None else event.offset_s)
        if event.outcome is Outcome.ONGOING:
            log.warning("seizure %d declared, onset %.3f s, said %.1f s later", event.number, event.onset_s, late_s)
        elif event.outcome is Outcome.ENDED:
            assert event.offset_s is not None
            log.warning("seizure %d ended after %.1f s", event.number, event.offset_s - event.onset_s)
        else:
            log.warning("seizure %d: its end was not seen, its outcome is unknown", event.number)

    def push_condition(self, condition: Condition, now_s: float) -> None:  # noqa: ARG002 - as every sink
        """Log a condition; one that asks for somebody is a warning."""
        if condition.cleared_s is not None:
            times = "" if condition.count == 1 else f", {condition.count} times"
            log.info("%s: over after %.0f s%s", condition.kind, condition.cleared_s - condition.since_s, times)
            return
        level = logging.INFO if condition.priority is Priority.LOW else logging.WARNING
        log.log(level, "%s (%s priority): %s", condition.kind, condition.priority, condition.text)
