"""Non-seizure is said on fresh input only; a seizure however late; and never is there silence."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.messages import Cause, Condition, Event, Outcome, Priority, Reset, SessionReset, State, Status
from detector.monitor import Monitor, MonitorConfig

STEP_S, STALL_S = 0.5, 2.0


class Recorder:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.markers: list[tuple[str, float]] = []
        self.statuses: list[tuple[Status, float]] = []
        self.codes: list[State] = []
        self.code_stamps: list[float] = []
        self.events: list[Event] = []
        self.conditions: list[Condition] = []

    def push_marker(self, text: str, time_s: float) -> None:
        self.markers.append((text, time_s))

    def push_code(self, state: State, time_s: float) -> None:
        self.codes.append(state)
        self.code_stamps.append(time_s)

    def push_status(self, status: Status, input_age_s: float) -> None:
        self.statuses.append((status, input_age_s))

    def push_event(self, event: Event, now_s: float) -> None:
        self.events.append(event)

    def push_condition(self, condition: Condition, now_s: float) -> None:
        self.conditions.append(condition)


def _status(time_s: float, state: State = State.NON_SEIZURE) -> Status:
    cause = Cause.WARMUP if state is State.NOT_MONITORING else None
    return Status(time_s, 0.1, state, cause, 22, 0, 0.0)


@pytest.fixture
def said() -> Recorder:
    return Recorder()


@pytest.fixture
def monitor(said: Recorder) -> Monitor:
    monitor = Monitor(MonitorConfig(STEP_S, STALL_S), [said])
    monitor.start(100.0)
    return monitor


def test_it_starts_by_saying_that_nothing_is_watched(monitor: Monitor, said: Recorder) -> None:
    assert [text for text, _ in said.markers] == ["monitoring-start", "not-monitoring/starting"]
    assert math.isnan(said.statuses[-1][0].probability)


def test_a_state_is_marked_once_when_it_is_entered_with_its_sample_time(monitor: Monitor, said: Recorder) -> None:
    for k in range(4):
        monitor.take(_status(101 + k * STEP_S), 101.1 + k * STEP_S)
    assert said.markers[2:] == [("non-seizure", 101)]
    assert said.codes == [State.NOT_MONITORING, State.NON_SEIZURE]
    assert [s.time_s for s, _ in said.statuses[1:]] == [101, 101.5, 102, 102.5]


def test_a_code_has_the_stamp_of_its_marker(monitor: Monitor, said: Recorder) -> None:
    monitor.take(_status(99.0, State.SEIZURE), 101.0)  # older than what was said last
    assert said.code_stamps[-1] == said.markers[-1][1] == 100.0


def test_the_age_of_the_input_is_told(monitor: Monitor, said: Recorder) -> None:
    monitor.take(_status(101.0), 101.3)
    assert said.statuses[-1][1] == pytest.approx(0.3)
    monitor.tick(102.6, newest_s=101.4, cause=Cause.LOST)
    assert said.statuses[-1][1] == pytest.approx(1.2)


def test_non_seizure_on_stale_input_is_said_to_be_not_monitoring(monitor: Monitor, said: Recorder) -> None:
    monitor.take(_status(101.0), 101 + STALL_S + 0.1)
    assert said.markers[-1][0] == "not-monitoring/stale"
    assert said.statuses[-1][0].state is State.NOT_MONITORING
    assert math.isnan(said.statuses[-1][0].probability)


def test_a_seizure_is_said_however_late_its_samples_came(monitor: Monitor, said: Recorder) -> None:
    event = Event(1, 100.0, 101.0, None, 0.9, Outcome.ONGOING)
    monitor.take(event, 160.0)
    monitor.take(_status(101.0, State.SEIZURE), 160.0)
    assert said.events == [replace(event, id=said.events[0].id)]
    assert said.markers[-1] == ("seizure", 101.0)


def test_all_that_is_said_of_a_seizure_has_one_id_and_another_seizure_has_another(
    monitor: Monitor, said: Recorder
) -> None:
    for number in (1, 2):
        for outcome in (Outcome.ONGOING, Outcome.ENDED):
            monitor.take(Event(number, 100.0, 101.0, None, 0.9, outcome), 102.0)
    first, first_end, second, second_end = [event.id for event in said.events]
    assert first == first_end != second == second_end
    assert len(first) == 32


def test_a_condition_changes_nothing_of_what_is_said_about_the_patient(monitor: Monitor, said: Recorder) -> None:
    monitor.take(_status(101.0, State.SEIZURE), 101.0)
    before = (list(said.markers), list(said.statuses))
    condition = Condition("lost", Priority.HIGH, "gone", 101.0, 1, None)
    monitor.tell(condition, 101.5)
    assert said.conditions == [condition]
    assert (said.markers, said.statuses) == before


def test_late_samples_do_not_end_a_seizure_that_was_said(monitor: Monitor, said: Recorder) -> None:
    for k in range(10):
        sample_s = 101 + k * STEP_S
        monitor.take(_status(sample_s, State.SEIZURE), sample_s + 5)
        monitor.tick(sample_s + 5.1, newest_s=sample_s, cause=None)
    assert [text for text, _ in said.markers if "start" not in text] == ["seizure"]
    monitor.tick(200.0, newest_s=105.5, cause=Cause.LOST)
    assert said.markers[-1][0] == "not-monitoring/lost"


@pytest.mark.parametrize("state", [State.NON_SEIZURE, State.NOT_MONITORING])
def test_whatever_else_is_late_is_stale_and_stays_so(state: State, monitor: Monitor, said: Recorder) -> None:
    for k in range(6):
        sample_s = 101 + k * STEP_S
        monitor.take(_status(sample_s, state), sample_s + 5)
        monitor.tick(sample_s + 5.1, newest_s=sample_s, cause=None)
    assert [text for text, _ in said.markers if "start" not in text] == ["not-monitoring/stale"]


def test_non_seizure_waits_for_the_source_to_be_trusted_and_a_seizure_does_not(
    monitor: Monitor, said: Recorder
) -> None:
    monitor.take(_status(101.0), 101.0, doubt=Cause.VALIDATING)
    assert said.markers[-1][0] == "not-monitoring/validating"
    monitor.take(_status(101.5, State.SEIZURE), 101.5, doubt=Cause.VALIDATING)
    assert said.markers[-1][0] == "seizure"


def test_input_that_stops_ends_non_seizure_within_the_stall_time(monitor: Monitor, said: Recorder) -> None:
    monitor.take(_status(101.0), 101.0)
    now = 101.0
    while said.markers[-1][0] == "non-seizure":
        now += 0.05
        monitor.tick(now, newest_s=101.0, cause=None)
    assert said.markers[-1][0] == "not-monitoring/stale"
    assert now <= 101 + STALL_S + 0.11


def test_the_cause_of_the_source_is_said_at_once(monitor: Monitor, said: Recorder) -> None:
    monitor.take(_status(101.0), 101.0)
    monitor.tick(101.2, 101.1, Cause.LOST)
    assert said.markers[-1][0] == "not-monitoring/lost"


def test_what_is_not_watched_has_no_good_channels(monitor: Monitor, said: Recorder) -> None:
    monitor.take(_status(101.0), 101.0)
    monitor.tick(101.2, 101.1, Cause.LOST)
    assert [status.good_channels for status, _ in said.statuses[-2:]] == [22, 0]


def test_a_stream_without_a_sample_yet_is_warming_up_and_not_stale(monitor: Monitor, said: Recorder) -> None:
    monitor.tick(100.5, math.nan, None)
    assert said.markers[-1][0] == "not-monitoring/warmup"


def test_the_status_is_never_silent_for_a_second(monitor: Monitor, said: Recorder) -> None:
    for k in range(200):
        now = 101 + k * 0.2
        monitor.tick(now, math.nan, Cause.WAITING if k < 100 else Cause.LOST)
    times = [status.time_s for status, _ in said.statuses]
    assert len(times) > 60
    assert max(b - a for a, b in itertools.pairwise(times)) <= 1.0


def test_non_seizure_is_not_repeated_for_samples_of_which_no_steps_are_made(monitor: Monitor, said: Recorder) -> None:
    monitor.take(_status(100.0), 100.1)
    for now_s in (101.2, 102.4, 103.0):
        monitor.tick(now_s, now_s, None)
    assert said.statuses[-1][0].state is State.NON_SEIZURE
    for now_s in (103.1, 104.0, 110.0):
        monitor.tick(now_s, now_s, None)
        assert said.statuses[-1][0].cause is Cause.STALE
    monitor.take(_status(110.2), 110.3)
    assert said.statuses[-1][0].state is State.NON_SEIZURE


def test_the_status_is_repeated_while_fresh_input_completes_no_step(monitor: Monitor, said: Recorder) -> None:
    monitor.take(_status(101.0), 101.0)
    for k in range(1, 30):
        monitor.tick(101 + k * 0.1, newest_s=101 + k * 0.1, cause=None)
    times = [status.time_s for status, _ in said.statuses[1:]]
    assert [status.state for status, _ in said.statuses[1:]] == [State.NON_SEIZURE] * len(times)
    assert times[-1] > 103
    assert max(b - a for a, b in itertools.pairwise(times)) <= 2 * STEP_S + 0.11


def test_a_session_that_ends_takes_its_state_with_it(monitor: Monitor, said: Recorder) -> None:
    monitor.take(_status(101.0), 101.0)
    monitor.take(SessionReset(101.0, Reset.GAP), 101.1)
    assert [text for text, _ in said.markers[-2:]] == ["session-reset/gap", "not-monitoring/warmup"]


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        (Reset.LOST, "lost"),
        (Reset.RATE, "refused"),
        (Reset.FAULT, "fault"),
        (Reset.END, "stopping"),
        (Reset.RELOAD, "starting"),
        (Reset.OPERATOR, "warmup"),
        (Reset.RECONNECT, "warmup"),
    ],
)
def test_behind_each_boundary_stands_why_nothing_is_watched(
    reason: Reset, cause: str, monitor: Monitor, said: Recorder
) -> None:
    monitor.take(_status(101.0), 101.0)
    monitor.take(SessionReset(101.0, reason), 101.1)
    assert [text for text, _ in said.markers[-2:]] == [f"session-reset/{reason}", f"not-monitoring/{cause}"]


def test_a_boundary_has_its_sample_time_or_now_where_it_has_none(monitor: Monitor, said: Recorder) -> None:
    monitor.take(SessionReset(100.7, Reset.GAP), 101.3)
    assert said.markers[-1] == ("session-reset/gap", 100.7)
    monitor.take(SessionReset(math.nan, Reset.NEW_STREAM), 101.4)
    assert said.markers[-1] == ("session-reset/new-stream", 101.4)


def test_stopping_says_so_last(monitor: Monitor, said: Recorder) -> None:
    monitor.take(_status(101.0), 101.0)
    monitor.stop(102.0)
    assert [text for text, _ in said.markers[-2:]] == ["not-monitoring/stopping", "monitoring-stop"]


_NOW = st.floats(0, 5)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("status"), st.sampled_from(State), _NOW),
        st.tuples(st.just("tick"), st.sampled_from([None, Cause.LOST, Cause.REFUSED]), _NOW),
        st.tuples(st.just("reset"), st.sampled_from(Reset), _NOW),
    ),
    max_size=60,
)


@given(_STEPS)
@settings(deadline=None, derandomize=True, max_examples=300)
def test_whatever_happens_non_seizure_is_fresh_and_marker_stamps_are_in_order(
    steps: list[tuple[str, State | Cause | Reset | None, float]],
) -> None:
    said = Recorder()
    monitor = Monitor(MonitorConfig(STEP_S, STALL_S), [said])
    now = newest = 100.0
    monitor.start(now)
    for kind, what, wait in steps:
        now += wait
        if kind == "status":
            assert isinstance(what, State)
            newest += STEP_S
            monitor.take(replace(_status(newest, what)), now)
        elif kind == "tick":
            assert what is None or isinstance(what, Cause)
            monitor.tick(now, newest, what)
            if what is not None:
                assert said.statuses[-1][0].state is State.NOT_MONITORING
        else:
            assert isinstance(what, Reset)
            monitor.take(SessionReset(newest, what), now)
            assert said.statuses[-1][0].state is State.NOT_MONITORING
        status, age_s = said.statuses[-1]
        assert not (status.state is State.NON_SEIZURE and age_s > STALL_S)
    stamps = [stamp for _, stamp in said.markers]
    assert stamps == sorted(stamps)
    states = [text.split("/")[0] for text, _ in said.markers if text.split("/")[0] in ("seizure", "non-seizure")]
    assert len(said.codes) >= len(states)
