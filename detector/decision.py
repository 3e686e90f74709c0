"""The decision: probabilities become seizure, non-seizure or not-monitoring.

Smoothing, hysteresis, holds, refractory time and warm-up, all in sample time. Written once: live, replay and offline
scoring run this file. Comparisons of times allow half a step, so that the jitter of stamps never decides.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from detector.errors import ConfigError, StateError
from detector.messages import (
    Cause,
    Decided,
    Event,
    Gap,
    Outcome,
    Probability,
    Reset,
    SessionReset,
    State,
    Status,
)
from detector.plain_state import Plain, plain, restored

BURDEN_S = 300.0
# Times before these boundaries cannot be compared with times after them.
_NEW_CLOCK = (Reset.BACKWARDS, Reset.CLOCK, Reset.NEW_STREAM)


@dataclass(frozen=True)
class DecisionConfig:
    """How sure is sure enough. Times in seconds of sample time.

    Parameters
    ----------
    step_s
        Between two probabilities.
    smoothing_s
        Time constant of the exponential mean of the probability; 0 is none.
    onset_threshold, offset_threshold
        A seizure begins at ``>= onset_threshold`` and ends at ``< offset_threshold`` (smoothed).
    onset_hold_s, offset_hold_s
        How long the probability must stay beyond its threshold.
    refractory_s
        After a seizure's offset none is declared for this long.
    caution, caution_s
        Right after a seizure's offset the onset threshold is higher, by ``caution`` in log odds; that fades with the
        time constant ``caution_s``. What follows a seizure looks like one, and another within the minute is rare.
    warm_up_s
        Nothing is said before so long has been watched from a session's start on; a signal too poor to be watched
        begins it anew.
    min_good
        Derivations that must be good; with fewer nothing is being watched.
    poor_seizure_s
        How long a seizure stays declared on a signal too poor to be watched, before its outcome is unknown.
    """

    step_s: float
    smoothing_s: float
    onset_threshold: float
    offset_threshold: float
    onset_hold_s: float
    offset_hold_s: float
    refractory_s: float
    warm_up_s: float
    min_good: int
    poor_seizure_s: float
    caution: float = 0.0
    caution_s: float = 60.0

    def __post_init__(self) -> None:
        if not 0 < self.offset_threshold <= self.onset_threshold <= 1:
            raise ConfigError(
                f"offset_threshold {self.offset_threshold:g} and onset_threshold {self.onset_threshold:g}: expected "
                "0 < offset_threshold <= onset_threshold <= 1; one of them may be the model card's: set both in "
                "[decision], or neither"
            )


@dataclass
class _State:
    """What is forgotten at a session boundary."""

    first_s: float | None = None
    watched_s: float = 0.0  # before a hole that the session outlived; ``first_s`` is without it
    smoothed: float | None = None
    above_since_s: float | None = None
    below_since_s: float | None = None
    peak: float = 0.0
    event: Event | None = None
    poor_since_s: float | None = None


@dataclass
class Record:
    """What outlives a session: counts and the seizures of the last minutes."""

    seizures: int = 0
    missing: int = 0
    last_offset_s: float | None = None
    newest_s: float | None = None
    ictal: deque[float] = field(default_factory=deque)


class Decision:
    """`process` a `Probability` or a `Gap`; yields the step's `Status` and, before it, the `Event` that it changes.

    Parameters
    ----------
    config
        See `DecisionConfig`.
    record
        Of a decision that this one takes the place of, with the same time between steps.
    """

    def __init__(self, config: DecisionConfig, record: Record | None = None) -> None:
        self.config = config
        self.record = record or Record()
        self._state = _State()
        self._weight = 1.0
        if config.smoothing_s > 0:
            self._weight = 1 - math.exp(-config.step_s / config.smoothing_s)

    def process(self, message: Probability | Gap) -> list[Decided]:
        """Return what is to be said after this message, in order."""
        if isinstance(message, Gap):
            return self._boundary(message)
        return self._step(message)

    def reset(self) -> None:
        """Forget the session; a seizure that is going on is not told about (send a `Gap` for that)."""
        self._state = _State()

    def get_state(self) -> Plain:
        """Return the session and the record, as plain values."""
        return {"session": plain(self._state), "record": plain(self.record)}

    def set_state(self, state: object) -> None:
        """Go on with what `get_state` returned (send the gap to `resume` for what was not seen meanwhile).

        Raises
        ------
        StateError
            When it is no such state; then nothing is changed.
        """
        if not isinstance(state, dict) or set(state) != {"session", "record"}:
            raise StateError("decision: expected a session and a record")
        session, record = restored(_State(), state["session"]), restored(Record(), state["record"])
        self._state, self.record = session, record

    def resume(self, gap: Gap) -> list[Decided]:
        """Go on with the session behind samples that nobody saw, and say what is known until the next step.

        What was not watched counts towards no hold and no warm-up, as on a poor signal; it takes a seizure's outcome
        where it was as long.
        """
        state, newest_s = self._state, self.record.newest_s
        if state.first_s is not None and newest_s is not None:
            state.watched_s, state.first_s = newest_s - state.first_s, None
        self.record.missing += gap.missing
        said: list[Decided] = self._unwatched(gap.start_s, gap.end_s)
        ictal = state.event is not None
        said.append(
            Status(
                time_s=gap.end_s,
                probability=math.nan,
                state=State.SEIZURE if ictal else State.NOT_MONITORING,
                cause=None if ictal else Cause.WARMUP,
                good_channels=0,
                missing_samples=self.record.missing,
                burden=self._burden(gap.end_s, False),
            )
        )
        return said

    def _unwatched(self, since_s: float, now: float) -> list[Decided]:
        """Take a stretch that could not be watched, since its beginning until now."""
        state = self._state
        state.poor_since_s = since_s if state.poor_since_s is None else state.poor_since_s
        # What was not watched counts towards no hold, and what was before it is no mean of what comes after.
        state.smoothed = state.above_since_s = state.below_since_s = None
        state.peak = 0.0 if state.event is None else state.peak
        if state.event is not None and self._reached(now - state.poor_since_s, self.config.poor_seizure_s):
            return [self._end(None, Outcome.UNKNOWN)]
        return []

    def _boundary(self, gap: Gap) -> list[Decided]:
        said: list[Decided] = []
        if self._state.event is not None:
            said.append(self._end(None, Outcome.UNKNOWN))
        self.reset()
        self.record.missing += gap.missing
        if gap.reason in _NEW_CLOCK:
            self._forget_times()
        said.append(SessionReset(gap.start_s, gap.reason, gap.missing))
        return said

    def _forget_times(self) -> None:
        self.record.last_offset_s = None
        self.record.ictal.clear()

    def _step(self, p: Probability) -> list[Decided]:
        c, now = self.config, p.end_s
        said: list[Decided] = []
        newest_s = self.record.newest_s
        if newest_s is not None and now < newest_s:
            # Whatever the gap was called: a hold or a refractory time that ends in the future would keep all silent.
            if self._state.first_s is not None:
                said += self._boundary(Gap(newest_s, now, Reset.BACKWARDS))
            self._forget_times()
        state = self._state
        if state.first_s is None:
            state.first_s = now - state.watched_s
        self.record.newest_s = now
        self.record.missing += p.missing
        good = int(np.count_nonzero(p.good))
        poor = good < c.min_good
        warming = not self._reached(now - state.first_s, c.warm_up_s)
        if poor:
            said += self._unwatched(now, now)
            if warming:  # begins with the first step that can be trusted: baselines are learned from no others
                state.first_s, state.watched_s = None, 0.0
        else:
            state.poor_since_s = None
            said.extend(self._judge(p.value, now))
        if state.event is not None:
            said_state, cause = State.SEIZURE, None
        elif poor:
            said_state, cause = State.NOT_MONITORING, Cause.POOR
        elif warming:
            said_state, cause = State.NOT_MONITORING, Cause.WARMUP
        else:
            said_state, cause = State.NON_SEIZURE, None
        known = not poor and not warming
        said.append(
            Status(
                time_s=now,
                probability=p.value if known else math.nan,
                state=said_state,
                cause=cause,
                good_channels=good,
                missing_samples=self.record.missing,
                burden=self._burden(now, said_state is State.SEIZURE),
            )
        )
        return said

    def _judge(self, value: float, now: float) -> list[Decided]:
        state, c = self._state, self.config
        last = value if state.smoothed is None else state.smoothed
        smoothed = state.smoothed = last + self._weight * (value - last)
        above = smoothed >= self._onset_threshold(now)
        state.above_since_s = None if not above else now if state.above_since_s is None else state.above_since_s
        state.below_since_s = (
            None if smoothed >= c.offset_threshold else now if state.below_since_s is None else state.below_since_s
        )
        if state.event is not None:
            state.peak = max(state.peak, value)
            if state.below_since_s is not None and self._reached(now - state.below_since_s, c.offset_hold_s):
                return [self._end(state.below_since_s, Outcome.ENDED)]
            return []
        assert state.first_s is not None
        if state.above_since_s is None:
            state.peak = 0.0
            return []
        state.peak = max(state.peak, value)
        offset = self.record.last_offset_s
        rested = offset is None or self._reached(now - offset, c.refractory_s)
        warm = self._reached(now - state.first_s, c.warm_up_s)
        if not (warm and rested and self._reached(now - state.above_since_s, c.onset_hold_s)):
            return []
        self.record.seizures += 1
        onset = state.above_since_s - c.step_s
        state.event = Event(self.record.seizures, onset, now, None, state.peak, Outcome.ONGOING)
        return [state.event]

    def _onset_threshold(self, now: float) -> float:
        """Return the onset threshold, which is higher for some time after a seizure's offset."""
        c, offset = self.config, self.record.last_offset_s
        if offset is None or not c.caution:
            return c.onset_threshold
        odds = math.exp(c.caution * math.exp(-max(now - offset, 0.0) / c.caution_s))
        return c.onset_threshold / (c.onset_threshold + (1 - c.onset_threshold) / odds)

    def _end(self, offset_s: float | None, outcome: Outcome) -> Event:
        state = self._state
        assert state.event is not None
        began = state.event
        self.record.last_offset_s = offset_s
        ended = Event(began.number, began.onset_s, began.declared_s, offset_s, state.peak, outcome)
        state.event, state.above_since_s, state.peak = None, None, 0.0
        return ended

    def _burden(self, now: float, ictal: bool) -> float:
        """Return the share of the last five minutes that was said to be a seizure."""
        steps = self.record.ictal
        if ictal:
            steps.append(now)
        while steps and steps[0] <= now - BURDEN_S:
            steps.popleft()
        return min(len(steps) * self.config.step_s / BURDEN_S, 1.0)

    def _reached(self, elapsed_s: float, needed_s: float) -> bool:
        return elapsed_s >= needed_s - self.config.step_s / 2
