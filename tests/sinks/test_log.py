"""The log has a line for each change, and a warning where nobody watches any more."""

from __future__ import annotations

import logging

import pytest

from detector.messages import Cause, Condition, Event, Outcome, Priority, State, Status
from detector.sinks.log import LogSink


@pytest.mark.parametrize("cause", Cause)
def test_what_should_be_watched_and_is_not_is_a_warning(cause: Cause, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    LogSink().push_marker(f"not-monitoring/{cause}", 12.5)
    [record] = caplog.records
    alarming = cause in (Cause.LOST, Cause.STALE, Cause.POOR, Cause.REFUSED, Cause.FAULT)
    assert (record.levelno == logging.WARNING) == alarming
    assert record.getMessage() == f"not-monitoring/{cause} at LSL time 12.500 s"


def test_a_seizure_is_told_when_it_is_declared_and_what_became_of_it(caplog: pytest.LogCaptureFixture) -> None:
    sink = LogSink()
    sink.push_event(Event(3, 10.0, 15.0, None, 0.9, Outcome.ONGOING), 15.5)
    sink.push_event(Event(3, 10.0, 15.0, 40.0, 0.9, Outcome.ENDED), 45.0)
    sink.push_event(Event(4, 50.0, 55.0, None, 0.9, Outcome.UNKNOWN), 60.0)
    assert [record.getMessage() for record in caplog.records] == [
        "seizure 3 declared, onset 10.000 s, said 0.5 s later",
        "seizure 3 ended after 30.0 s",
        "seizure 4: its end was not seen, its outcome is unknown",
    ]
    assert all(record.levelno == logging.WARNING for record in caplog.records)


def test_steps_leave_no_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    LogSink().push_status(Status(1.0, 0.5, State.NON_SEIZURE, None, 22, 0, 0.0), 0.1)
    LogSink().push_code(State.NON_SEIZURE, 1.0)
    assert caplog.records == []


def test_a_condition_has_a_line_when_it_is_raised_and_one_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for priority, cleared_s, count in ((Priority.HIGH, None, 1), (Priority.LOW, None, 1), (Priority.HIGH, 72.0, 3)):
        LogSink().push_condition(Condition("lost", priority, "no samples", 60.0, count, cleared_s), 72.0)
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, "lost (high priority): no samples"),
        (logging.INFO, "lost (low priority): no samples"),
        (logging.INFO, "lost: over after 12 s, 3 times"),
    ]
