"""Samples that come, come late or fail, sources that go, conditions that stand: what is said is true at its moment."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from detector.conditions import Conditions, Kind
from detector.decision import Decision, DecisionConfig
from detector.messages import Cause, Condition, Event, Gap, Outcome, Probability, Reset, State, Status
from detector.monitor import Monitor, MonitorConfig

STEP_S, STALL_S, TURN_S = 0.5, 2.0, 0.25
OLD_STEP_S = 3.0
CONFIG = DecisionConfig(
    step_s=STEP_S,
    smoothing_s=0.0,
    onset_threshold=0.6,
    offset_threshold=0.4,
    onset_hold_s=1.0,
    offset_hold_s=1.0,
    refractory_s=0.0,
    warm_up_s=3.0,
    min_good=16,
    poor_seizure_s=4.0,
)
HOLDS_S = 1e-6  # sums of halves and quarters are exact, those of lateness nearly


@dataclass
class Truth:
    """What is so at this moment, as the bed's surroundings know it."""

    now_s: float = 100.0
    newest_s: float = math.nan
    stepped_s: float = -math.inf
    watched_s: float | None = None  # of this session: the first step has none
    is_good: bool = False
    was_silent: bool = True  # since the last step the source has said that it gives nothing
    cause: Cause | None = Cause.WAITING  # why the source gives nothing
    doubt: Cause | None = None
    stopped: bool = False


@dataclass
class Witness:
    """A sink that holds all that is pushed against the truth."""

    truth: Truth
    said: list[tuple[object, ...]] = field(default_factory=list)  # all but conditions
    marker: str = ""
    stamp_s: float = -math.inf
    code: State | None = None
    pushed_s: float | None = None
    status: Status | None = None
    open_id: str = ""
    ended: set[str] = field(default_factory=set)
    standing: dict[str, int] = field(default_factory=dict)

    def push_marker(self, text: str, time_s: float) -> None:
        assert time_s >= self.stamp_s
        self.stamp_s = time_s
        if not text.startswith(("monitoring-", "session-reset/")):
            assert text != self.marker  # what is entered was not so before
            self.marker = text
        self.said.append(("marker", text, time_s))

    def push_code(self, state: State, time_s: float) -> None:
        assert time_s == self.stamp_s
        self.code = state

    def push_status(self, status: Status, input_age_s: float) -> None:
        truth = self.truth
        assert (self.marker, self.code) == (status.label, status.state)
        assert self.pushed_s is None or truth.now_s - self.pushed_s <= 2 * STEP_S + TURN_S + HOLDS_S
        self.pushed_s, self.status = truth.now_s, status
        if status.state is State.NON_SEIZURE:
            self._require_watched()
        if status.state is State.NOT_MONITORING:
            assert math.isnan(status.probability)
        assert (status.state is not State.SEIZURE) or self.open_id
        self.said.append(("status", status.time_s, status.state, status.cause, repr(input_age_s)))

    def _require_watched(self) -> None:
        truth = self.truth
        assert truth.cause is None
        assert truth.doubt is None
        assert truth.is_good
        assert truth.watched_s is not None
        assert truth.watched_s >= CONFIG.warm_up_s - STEP_S / 2
        assert truth.now_s - truth.newest_s <= STALL_S + HOLDS_S
        assert truth.now_s - truth.stepped_s <= OLD_STEP_S + HOLDS_S
        assert not self.open_id
        assert not truth.stopped

    def push_event(self, event: Event, now_s: float) -> None:
        assert len(event.id) == 32
        if event.outcome is Outcome.ONGOING:
            assert not self.open_id
            assert event.id not in self.ended
            self.open_id = event.id
        else:
            assert event.id == self.open_id
            self.open_id = ""
            self.ended.add(event.id)
        self.said.append(("event", event.number, event.outcome, event.onset_s, event.declared_s, event.offset_s))

    def push_condition(self, condition: Condition, now_s: float) -> None:
        if condition.cleared_s is None:
            assert condition.count >= self.standing.get(condition.kind, 1)
            self.standing[condition.kind] = condition.count
        else:
            assert condition.kind in self.standing
            del self.standing[condition.kind]


class Bed:
    """What a service does with samples and boundaries, by a clock that is passed in."""

    def __init__(self, truth: Truth, *, conditions: bool) -> None:
        self.truth, self.witness = truth, Witness(truth)
        self.conditions = Conditions() if conditions else None
        self.decision = Decision(CONFIG)
        self.monitor = Monitor(MonitorConfig(STEP_S, STALL_S), [self.witness])
        self.monitor.start(truth.now_s)

    def take(self, message: Probability | Gap) -> None:
        for said in self.decision.process(message):
            self.monitor.take(said, self.truth.now_s, self.truth.doubt)

    def look(self, kind: Kind, text: str | None) -> None:
        if self.conditions is not None:
            self.conditions.tell(kind, text, self.truth.now_s)

    def tick(self) -> None:
        self.monitor.tick(self.truth.now_s, self.truth.newest_s, self.truth.cause)
        if self.conditions is not None:
            for condition in self.conditions.changes(self.truth.now_s):
                self.monitor.tell(condition, self.truth.now_s)


class Lives(RuleBasedStateMachine):
    """A bed, and its twin whose truth is the same and to which no condition is told."""

    def __init__(self) -> None:
        super().__init__()
        self.truth = Truth()
        self.bed = Bed(self.truth, conditions=True)
        self.twin = Bed(self.truth, conditions=False)

    @precondition(lambda self: self.truth.cause is not None)
    @rule(reason=st.sampled_from([Reset.NEW_STREAM, Reset.RECONNECT, Reset.RATE, Reset.LABELS]))
    def open_the_stream(self, reason: Reset) -> None:
        self._begin_anew(reason)
        self.truth.cause, self.truth.doubt = None, Cause.VALIDATING
        self._turn()

    @precondition(lambda self: self.truth.cause is None)
    @rule(
        value=st.sampled_from([None, 0.1, 0.5, 0.9]),
        n=st.sampled_from([1, 2, 3, 8, 16]),
        late_s=st.sampled_from([0.0, 0.1, 1.9, 2.5, 30.0]),
    )
    def give_samples(self, value: float | None, n: int, late_s: float) -> None:
        """Samples arrive, all of them as late as that: the first comes when it can."""
        truth = self.truth
        newest_s = truth.now_s - late_s if math.isnan(truth.newest_s) else truth.newest_s
        for _ in range(n):
            newest_s += STEP_S
            self._wait_until(newest_s + late_s)
            self._step(newest_s, value)

    @precondition(lambda self: self.truth.cause is None)
    @rule(value=st.sampled_from([0.1, 0.9]))
    def catch_up(self, value: float) -> None:
        """What was late comes in one go, and samples go on in time."""
        if not math.isnan(self.truth.newest_s):
            while self.truth.now_s - self.truth.newest_s > STEP_S:
                self._step(self.truth.newest_s + STEP_S, value)
        self.give_samples(value, 16, 0.0)

    @precondition(lambda self: self.truth.cause is None and not math.isnan(self.truth.newest_s))
    @rule(turns=st.integers(1, 20))
    def give_samples_of_which_no_step_is_made(self, turns: int) -> None:
        for _ in range(turns):
            self.truth.now_s += TURN_S
            self.truth.newest_s = max(self.truth.newest_s, self.truth.now_s - 0.1)
            self._turn()

    @rule(turns=st.integers(1, 40))
    def give_nothing(self, turns: int) -> None:
        self._wait_until(self.truth.now_s + turns * TURN_S)

    @precondition(lambda self: self.truth.cause is None)
    @rule()
    def settle(self) -> None:
        self.truth.doubt = None

    @rule(value=st.sampled_from([0.1, 0.9]))
    def watch(self, value: float) -> None:
        """What there mostly is: a stream that is trusted, and samples in time for longer than the warm-up."""
        if self.truth.cause is not None:
            self.open_the_stream(Reset.NEW_STREAM)
        self.settle()
        self.catch_up(value)

    @precondition(lambda self: self.truth.cause is None)
    @rule(turns=st.integers(1, 20))
    def stall(self, turns: int) -> None:
        """The source's own clock says that nothing comes; the session goes on if it comes again."""
        self.truth.cause = Cause.LOST
        self._turn()
        self._wait_until(self.truth.now_s + turns * TURN_S)
        self.truth.cause = None

    @rule(cause=st.sampled_from([Cause.LOST, Cause.WAITING, Cause.REFUSED, Cause.VALIDATING]))
    def lose(self, cause: Cause) -> None:
        if self.truth.cause is None:
            self._begin_anew(Reset.LOST)
        self.truth.cause, self.truth.newest_s = cause, math.nan
        self._turn()

    @rule(reason=st.sampled_from([Reset.GAP, Reset.BACKWARDS, Reset.CLOCK, Reset.OPERATOR, Reset.FAULT]))
    def break_off(self, reason: Reset) -> None:
        self._begin_anew(reason)
        self._turn()

    @rule()
    def reload(self) -> None:
        self._begin_anew(Reset.RELOAD)
        for bed in (self.bed, self.twin):
            bed.decision = Decision(CONFIG, bed.decision.record)
            bed.monitor.go_on_with(MonitorConfig(STEP_S, STALL_S), [bed.witness])
        self._turn()

    @rule(kind=st.sampled_from(Kind), text=st.sampled_from([None, "gone", "gone again"]))
    def see(self, kind: Kind, text: str | None) -> None:
        self.bed.look(kind, text)
        self._turn()

    def teardown(self) -> None:
        self._begin_anew(Reset.END)
        self.truth.stopped = True
        for bed in (self.bed, self.twin):
            bed.monitor.stop(self.truth.now_s)
            witness = bed.witness
            assert not witness.open_id
            assert [said[1] for said in witness.said if said[0] == "marker"][-1] == "monitoring-stop"
            assert witness.marker == "not-monitoring/stopping"
            outcomes = [said[1:3] for said in witness.said if said[0] == "event"]
            declared = [number for number, outcome in outcomes if outcome is Outcome.ONGOING]
            assert [number for number, outcome in outcomes if outcome is not Outcome.ONGOING] == declared
            assert len(witness.ended) == len(declared)

    def _step(self, newest_s: float, value: float | None) -> None:
        truth = self.truth
        truth.newest_s = truth.stepped_s = newest_s
        truth.is_good, truth.was_silent = value is not None, False
        was_warm = truth.watched_s is not None and truth.watched_s >= CONFIG.warm_up_s - STEP_S / 2
        truth.watched_s = 0.0 if truth.watched_s is None else truth.watched_s + STEP_S
        good = np.arange(22) < CONFIG.min_good - (value is None)
        if value is None and not was_warm and truth.watched_s < CONFIG.warm_up_s - STEP_S / 2:
            truth.watched_s = None
        for bed in (self.bed, self.twin):
            bed.take(Probability(0.99 if value is None else value, good, newest_s))
            status = bed.witness.status
            assert status is not None
            # A seizure is said with its step, however late or doubted it is, and until it has ended.
            assert (status.state is State.SEIZURE) == bool(bed.witness.open_id)
            assert status.time_s == newest_s
        self._turn()

    def _begin_anew(self, reason: Reset) -> None:
        self.truth.watched_s = None
        for bed in (self.bed, self.twin):
            bed.take(Gap(self.truth.newest_s, math.nan, reason))
            assert not bed.witness.open_id
            assert bed.witness.status is not None
            assert bed.witness.status.state is State.NOT_MONITORING
        if reason in (Reset.BACKWARDS, Reset.CLOCK):
            self.truth.newest_s = self.truth.now_s

    def _wait_until(self, at_s: float) -> None:
        while self.truth.now_s < at_s:
            self.truth.now_s = min(self.truth.now_s + TURN_S, at_s)
            self._turn()

    def _turn(self) -> None:
        for bed in (self.bed, self.twin):
            bed.tick()
            status = bed.witness.status
            assert status is not None
            if self.truth.cause is not None:
                self.truth.was_silent = True
                assert (status.state, status.cause) == (State.NOT_MONITORING, self.truth.cause)
            elif not self.truth.was_silent:  # samples that are late, or of which no step is made, end no seizure
                assert (status.state is State.SEIZURE) == bool(bed.witness.open_id)
        assert self.bed.witness.said == self.twin.witness.said


TestLives = Lives.TestCase
TestLives.settings = settings(derandomize=True, deadline=None, database=None, max_examples=100, stateful_step_count=25)
