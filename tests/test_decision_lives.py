"""Whatever comes in whatever order, each word of the decision follows from what there was, and from that alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from detector.checkpoint import Checkpoint, decoded
from detector.decision import BURDEN_S, Decision, DecisionConfig
from detector.messages import Cause, Decided, Event, Gap, Outcome, Probability, Reset, SessionReset, State, Status

CONFIG = DecisionConfig(
    step_s=0.5,
    smoothing_s=0.0,  # so that what is said can be told from the probabilities themselves
    onset_threshold=0.6,
    offset_threshold=0.4,
    onset_hold_s=2.0,
    offset_hold_s=3.0,
    refractory_s=6.0,
    caution_s=7.0,
    warm_up_s=5.0,
    min_good=16,
    poor_seizure_s=4.0,
)
HALF_S = CONFIG.step_s / 2
ANOTHER_CLOCK = (Reset.BACKWARDS, Reset.CLOCK, Reset.NEW_STREAM)


@dataclass(frozen=True)
class Seen:
    """One step of a session, or the last moment of a hole in it."""

    at_s: float
    value: float | None  # none where it was poor or not seen
    is_hole: bool = False


class Lives(RuleBasedStateMachine):
    """A decision that is written down and read again, and its twin, which never is; the session's steps beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 100.0
        self.steps: list[Seen] = []
        self.event: Event | None = None
        self.numbers: list[int] = []
        self.offset_s: float | None = None
        self.ictal_s: list[float] = []
        self.missing = 0

    @initialize(
        refractory_s=st.sampled_from([0.0, CONFIG.refractory_s]),
        warm_up_s=st.sampled_from([0.0, 5.0]),
        caution=st.sampled_from([0.0, 1.0, 3.0]),
    )
    def begin(self, refractory_s: float, warm_up_s: float, caution: float) -> None:
        self.config = replace(CONFIG, refractory_s=refractory_s, warm_up_s=warm_up_s, caution=caution)
        self.decision, self.twin = Decision(self.config), Decision(self.config)

    @rule(
        value=st.sampled_from([None, 0.1, 0.4, 0.5, 0.6, 0.9]),
        n=st.sampled_from([1, 2, 3, 4, 5, 6, 7, 12]),
        missing=st.integers(0, 2),
    )
    def watch(self, value: float | None, n: int, missing: int) -> None:
        for _ in range(n):
            self.now_s += self.config.step_s
            self._step(value, missing)

    @rule(value=st.sampled_from([0.1, 0.9]))
    def watch_long_enough(self, value: float) -> None:
        self.watch(value, 24, 0)

    @rule(reason=st.sampled_from(Reset), missing=st.integers(0, 2000), pause_s=st.sampled_from([0.0, 1.0, 400.0]))
    def lose(self, reason: Reset, missing: int, pause_s: float) -> None:
        said = self._say(Gap(self.now_s, math.nan, reason, missing))
        self.missing += missing
        self._boundary(said, reason)
        assert said[-1] == SessionReset(self.now_s, reason, missing)
        self.now_s += pause_s

    @precondition(lambda self: self.steps and not self.steps[-1].is_hole)
    @rule(back_s=st.sampled_from([0.75, 60.0]), value=st.sampled_from([None, 0.1, 0.9]))
    def turn_the_stamps_back(self, back_s: float, value: float | None) -> None:
        self.now_s -= back_s
        begun_anew = self.event is not None
        said = self._say(self._probability(value, 0))
        boundary = next((x for x in said if isinstance(x, SessionReset)), None)
        if boundary is None:  # a session that has not begun cannot end
            assert not begun_anew
            assert not self._is_warm()
        self._boundary(said[:-1], Reset.BACKWARDS)
        self._judge(said[-1:], value)

    @rule()
    def go_on_from_a_checkpoint(self) -> None:
        self._write_and_read()

    @precondition(lambda self: self.steps)
    @rule(hole_s=st.sampled_from([0.5, 3.0, 4.0, 30.0]), missing=st.integers(0, 2000))
    def crash(self, hole_s: float, missing: int) -> None:
        self._write_and_read()
        since_s, self.now_s = self.now_s, self.now_s + hole_s
        gap = Gap(since_s, self.now_s, Reset.GAP, missing)
        said = self.decision.resume(gap)
        assert repr(said) == repr(self.twin.resume(gap))
        self.missing += missing
        self.steps.append(Seen(since_s, None, is_hole=True))
        self.steps.append(Seen(self.now_s, None, is_hole=True))
        *changed, status = said
        self._take_events(changed)
        assert isinstance(status, Status)
        expected = (State.NOT_MONITORING, Cause.WARMUP) if self.event is None else (State.SEIZURE, None)
        assert (status.time_s, status.state, status.cause) == (self.now_s, *expected)
        assert math.isnan(status.probability)

    @rule()
    def forget(self) -> None:
        if self.event is None:  # a reset tells nobody of a seizure's end, so nobody resets in one
            for decision in (self.decision, self.twin):
                decision.reset()
            self.steps = []

    def teardown(self) -> None:
        if hasattr(self, "config"):
            self.lose(Reset.END, 0, 0.0)
            assert self.numbers == list(range(1, len(self.numbers) + 1))

    def _write_and_read(self) -> None:
        state = {"decision": self.decision.get_state()}
        written = Checkpoint({}, self.now_s, "", 0, {}, state).encoded()
        self.decision = Decision(self.config)
        self.decision.set_state(decoded(written).pipeline["decision"])

    def _probability(self, value: float | None, missing: int) -> Probability:
        good = np.arange(22) < self.config.min_good - (value is None)
        return Probability(0.99 if value is None else value, good, self.now_s, missing)

    def _say(self, message: Probability | Gap) -> list[Decided]:
        said = self.decision.process(message)
        assert repr(said) == repr(self.twin.process(message))  # NaN is NaN
        return said

    def _step(self, value: float | None, missing: int) -> None:
        self.missing += missing
        self._judge(self._say(self._probability(value, missing)), value)

    def _boundary(self, said: list[Decided], reason: Reset) -> None:
        was_on, self.steps = self.event is not None, []
        self._take_events([x for x in said if isinstance(x, Event)], at_boundary=True)
        assert self.event is None
        self.offset_s = None if was_on else self.offset_s
        if reason in ANOTHER_CLOCK:
            self.offset_s, self.ictal_s = None, []

    def _judge(self, said: list[Decided], value: float | None) -> None:
        """Compare what was said of a step with what there was."""
        self.steps.append(Seen(self.now_s, value))
        *changed, status = said
        must_begin = self.event is None and self._must_begin()
        self._take_events(changed)
        assert self.event is not None or not must_begin
        assert isinstance(status, Status)
        is_warm = self._is_warm()
        expected: tuple[State, Cause | None]
        if self.event is not None:
            expected = State.SEIZURE, None
            self.ictal_s.append(self.now_s)
        elif value is None:
            expected = State.NOT_MONITORING, Cause.POOR
        elif not is_warm:
            expected = State.NOT_MONITORING, Cause.WARMUP
        else:
            expected = State.NON_SEIZURE, None
        assert (status.time_s, status.state, status.cause) == (self.now_s, *expected)
        assert status.good_channels == self.config.min_good - (value is None)
        assert status.missing_samples == self.missing
        assert math.isnan(status.probability) == (value is None or not is_warm)
        ictal = [at_s for at_s in self.ictal_s if at_s > self.now_s - BURDEN_S]
        assert math.isclose(status.burden, min(len(ictal) * self.config.step_s / BURDEN_S, 1.0))

    def _take_events(self, changed: list[Decided], *, at_boundary: bool = False) -> None:
        for event in changed:
            assert isinstance(event, Event)
            if self.event is None:
                assert self._must_begin()
                assert (event.outcome, event.declared_s) == (Outcome.ONGOING, self.now_s)
                run = self._run(lambda value, at_s: value >= self._onset_threshold(at_s))
                assert event.onset_s == run[0].at_s - self.config.step_s
                assert event.peak_probability == max(step.value or 0.0 for step in run)
                self.numbers.append(event.number)
                self.event = event
                continue
            assert (event.number, event.onset_s, event.declared_s) == (
                self.event.number,
                self.event.onset_s,
                self.event.declared_s,
            )
            if event.outcome is Outcome.ENDED:
                run = self._run(lambda value, _at_s: value < self.config.offset_threshold)
                assert event.offset_s == run[0].at_s
                assert self._reached(self.now_s - run[0].at_s, self.config.offset_hold_s)
            else:
                assert (event.outcome, event.offset_s) == (Outcome.UNKNOWN, None)
                assert at_boundary or self._reached(self._unwatched_s(), self.config.poor_seizure_s)
            self.event, self.offset_s = None, event.offset_s
        if self.event is not None and not at_boundary:  # and it ends in time
            below = self._run(lambda value, _at_s: value < self.config.offset_threshold)
            assert not below or not self._reached(self.now_s - below[0].at_s, self.config.offset_hold_s)
            assert not self._reached(self._unwatched_s(), self.config.poor_seizure_s)

    def _must_begin(self) -> bool:
        run = self._run(lambda value, at_s: value >= self._onset_threshold(at_s))
        rested = self.offset_s is None or self._reached(self.now_s - self.offset_s, self.config.refractory_s)
        return bool(
            run and rested and self._is_warm() and self._reached(self.now_s - run[0].at_s, self.config.onset_hold_s)
        )

    def _onset_threshold(self, at_s: float) -> float:
        if self.offset_s is None or not self.config.caution:
            return self.config.onset_threshold
        log_odds = math.log(self.config.onset_threshold / (1 - self.config.onset_threshold))
        log_odds += self.config.caution * math.exp(-(at_s - self.offset_s) / self.config.caution_s)
        return 1 / (1 + math.exp(-log_odds))

    def _run(self, holds: Callable[[float, float], bool]) -> list[Seen]:
        """Return the newest steps that follow one another and of all of which something holds."""
        run: list[Seen] = []
        for step in reversed(self.steps):
            if step.value is None or not holds(step.value, step.at_s):
                break
            run.insert(0, step)
        return run

    def _unwatched_s(self) -> float:
        """Return for how long nothing could be watched, until now; 0 where the newest step was good."""
        since_s = self.now_s
        for step in reversed(self.steps):
            if step.value is not None:
                break
            since_s = step.at_s
        return self.now_s - since_s

    def _is_warm(self) -> bool:
        """Return whether it was watched for so long, without the holes, since the signal could be watched at all."""
        first_s: float | None = None
        before: Seen | None = None
        holes_s = 0.0
        for step in self.steps:
            if before is not None and before.is_hole:  # until the step behind it, too, nothing was watched
                holes_s += step.at_s - before.at_s
            before = step
            if step.is_hole:
                continue
            if first_s is None:
                first_s, holes_s = step.at_s, 0.0
            if self._reached(step.at_s - first_s - holes_s, self.config.warm_up_s):
                return True
            if step.value is None:
                first_s = None
        return False

    def _reached(self, elapsed_s: float, needed_s: float) -> bool:
        return elapsed_s >= needed_s - HALF_S


TestLives = Lives.TestCase
TestLives.settings = settings(derandomize=True, deadline=None, database=None, max_examples=200, stateful_step_count=40)
