"""Gap ledger: from the raw time stamps of a live stream, what was lost, doubled or stamped wrongly.

LSL drops samples without an error and passes any stamp through, so the stamps are all there is to go by. Two kinds of
source must be told apart:

* *exact*: each sample is stamped from a sample counter; every jump is a loss, to the sample;
* *jittery*: samples are stamped when they are pushed, so a late push looks like a loss until the next push makes up for
  it. The first time that a jump is made up for, the source counts as jittery; from then on only a shift that lasts
  a second, or a hole of half a second, is a loss.

No push is late by a whole number of periods and the next one early by one: samples that jump so are those of an exact
source in the wrong order. They are thrown away until a second of them has come in order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from detector.messages import Gap, Reset, TimeArray
from detector.plain_state import Plain, plain, restored
from detector.source.ledger_state import LedgerState, Measured, SinceGap

_HALF = 0.5  # of a sample period: the most that an exact stamp may be off
_LASTING_S = 1.0
_SHIFT_S = 0.1
_HOLE_S = 0.5
_CLOCK_JUMP_S = 10.0  # stamps that jump by so much more than the source was silent have jumped, and nothing was lost
_LEAD_S = 1.0  # stamps that are so far ahead of their arrival cannot be late
_BEHIND_S = 1.0  # a count of samples that falls so far behind their arrival is wrong
RATE_SPAN_S = 8.0  # how long a rate is measured
MAX_RATE_ERROR = 0.02
_WRONG_S = 16.0  # a rate that is off for so long is off because of the source, and not because of a late push
_WHOLE = 1e-3  # of a sample period: jumps of a sample counter are whole to the precision of their stamps
_IN_ORDER_S = 1.0
_LATEST_S = 1e12  # past any clock that counts from a boot or from 1970


@dataclass(frozen=True)
class Segment:
    """Consecutive samples ``start:stop`` of a chunk without loss between them.

    Parameters
    ----------
    stamps
        (stop - start,), s on the source's clock.
    filled
        Samples to be held before the first one.
    gap
        What lies before the first one, when it was too long to be filled.
    """

    start: int
    stop: int
    stamps: TimeArray
    filled: int = 0
    gap: Gap | None = None


_THROWN = -1


class Ledger:
    """Splits chunks at their losses and keeps the counts.

    Parameters
    ----------
    rate_hz
        Nominal rate.
    max_filled
        Longest run of lost samples that is filled; a longer one is a gap.
    """

    def __init__(self, rate_hz: float, max_filled: int) -> None:
        self._rate_hz, self._max_filled = rate_hz, max_filled
        self.last_was_bad = False
        self._state = LedgerState()
        self._silent_s = self._arrived_s = math.inf

    def get_state(self) -> Plain:
        """Return what is known of the source, as plain values."""
        return plain(self._state)

    def set_state(self, state: object) -> None:
        """Go on where another ledger of the same outlet was; raises StateError where that cannot be."""
        self._state = restored(LedgerState(), state)

    @property
    def jittery(self) -> bool:
        """Whether samples are stamped when they are pushed."""
        return self._state.jittery

    @property
    def bad_stamps(self) -> int:
        """How many stamps were no times."""
        return self._state.bad_stamps

    @property
    def thrown(self) -> int:
        """How many samples came twice or in the wrong order."""
        return self._state.thrown

    @property
    def last(self) -> float | None:
        """The newest sound stamp."""
        return self._state.last

    @property
    def effective_rate_hz(self) -> float | None:
        """Rate by the stamps of the last seconds, the time of gaps left out; ``None`` before `RATE_SPAN_S`."""
        # From mark to mark: these lie at the same phase of the blocks in which a source may push.
        marks = self._state.measured.marks
        (since_s, before), (until_s, counted) = marks[0], marks[-1]
        span_s = until_s - since_s
        return (counted - before) / span_s if span_s >= RATE_SPAN_S else None

    @property
    def rate_is_right(self) -> bool:
        """Whether the rate has been measured and is the nominal one to `MAX_RATE_ERROR`."""
        rate_hz = self.effective_rate_hz
        return rate_hz is not None and abs(rate_hz / self._rate_hz - 1) <= MAX_RATE_ERROR

    @property
    def wrong_rate_hz(self) -> float | None:
        """The rate where it has been wrong for so long that no late push can be the reason."""
        measured = self._state.measured
        return self.effective_rate_hz if measured.covered_s - measured.right_s > _WRONG_S else None

    def process(self, stamps: TimeArray, arrived_s: float, silent_s: float = math.inf) -> list[Segment]:
        """Return the segments of a chunk; samples that came twice or in the wrong order are in none of them.

        Parameters
        ----------
        stamps
            (n_samples,), raw stamps of the source, s.
        arrived_s
            When the chunk came, on the source's clock as far as it is known; where stamps are no times, samples are
            counted from there.
        silent_s
            How long nothing had come before this chunk: stamps that jump by much more have jumped themselves.
        """
        if len(stamps) == 0:
            return []
        stamps = self._sound(stamps, arrived_s)
        self._silent_s, self._arrived_s = silent_s, arrived_s
        if not self.jittery and not self._state.since_gap.awaited and self._is_plain(stamps):
            self._count(float(stamps[0]), float(stamps[-1]), len(stamps))
            return [Segment(0, len(stamps), stamps)]
        segments: list[Segment] = []
        start, filled, gap = 0, 0, None
        for index, stamp in enumerate(stamps.tolist()):
            verdict = self._judge(stamp)
            if verdict is None:
                continue
            if index > start:
                segments.append(Segment(start, index, stamps[start:index], filled, gap))
                filled, gap = 0, None
            start = index
            if verdict is _THROWN:
                self._state.thrown += 1
                start += 1
            elif isinstance(verdict, Gap):
                filled, gap = 0, verdict
            else:
                filled = verdict
        if start < len(stamps):
            segments.append(Segment(start, len(stamps), stamps[start:], filled, gap))
        return segments

    def _sound(self, stamps: TimeArray, arrived_s: float) -> TimeArray:
        """Replace stamps that are no times by counting on from the last that was one."""
        self.last_was_bad = not (stamps.min() >= 0 and stamps.max() < _LATEST_S)  # no comparison with NaN is true
        if not self.last_was_bad:
            return stamps
        bad = ~(np.isfinite(stamps) & (stamps >= 0) & (stamps < _LATEST_S))
        self._state.bad_stamps += int(bad.sum())
        period = 1 / self._rate_hz
        anchor = arrived_s - len(stamps) * period
        before = anchor if self.last is None else self.last
        if bad.all() and anchor - before > _BEHIND_S:
            before = anchor  # the source paused, and its stamps do not say so
        known = np.where(bad, 0, np.arange(1, len(stamps) + 1))
        newest = np.maximum.accumulate(known)
        base = np.concatenate([[before], stamps])[newest]
        sound: TimeArray = base + (np.arange(1, len(stamps) + 1) - newest) * period
        return sound

    def _is_plain(self, stamps: TimeArray) -> bool:
        shortest, longest = (1 - _HALF) / self._rate_hz, (1 + _HALF) / self._rate_hz
        if self.last is not None and not shortest < stamps[0] - self.last < longest:
            return False
        if len(stamps) == 1:
            return True
        steps = stamps[1:] - stamps[:-1]
        return bool(steps.min() > shortest and steps.max() < longest)

    def _count(self, first: float, last: float, n_samples: int) -> None:
        state, measured = self._state, self._state.measured
        state.since_gap.since_jump += n_samples
        if state.last is not None and abs(first - state.last) < _HOLE_S:
            measured.covered_s += last - state.last
            measured.counted += n_samples
        else:
            measured.covered_s += last - first
            measured.counted += n_samples - 1
        state.last = last
        if measured.covered_s - measured.marks[-1][0] >= 1:
            measured.marks.append((measured.covered_s, measured.counted))
            while measured.covered_s - measured.marks[1][0] >= RATE_SPAN_S:
                measured.marks.popleft()
            if self.effective_rate_hz is None or self.rate_is_right:
                measured.right_s = measured.covered_s

    def _judge(self, stamp: float) -> Gap | int | None:
        """Return how many samples to hold before this one, a gap, `_THROWN`, or ``None`` where nothing is missing."""
        before = self.last
        if before is None:
            self._count(stamp, stamp, 1)
            return None
        jump = (stamp - before) * self._rate_hz - 1
        if self._state.since_gap.awaited:
            return self._await_order(before, stamp, jump)
        verdict = self._judge_jittery(jump) if self.jittery else self._judge_exact(jump)
        if verdict is _THROWN:
            return verdict
        if isinstance(verdict, Reset):
            far = self._clock_jumped(before, stamp)
            lost = 0 if far else max(round(max(jump, self._state.since_gap.lasting)), 0)
            # What looks like a loss may still turn out to have been a late push.
            self._state.since_gap = SinceGap(unpaid=0.0 if far else max(jump, 0.0))
            self._state.last = stamp
            return Gap(before, stamp, Reset.CLOCK if far else verdict, lost)
        self._count(stamp, stamp, 1)
        return verdict

    def _clock_jumped(self, before: float, stamp: float) -> bool:
        """Whether stamps jumped by more than the source was silent; else samples were lost."""
        if abs(stamp - before) <= self._silent_s + _CLOCK_JUMP_S:
            return False
        # A sender whose queue is full throws away minutes without a silence; but what it keeps is late.
        return stamp < before or stamp > self._arrived_s + _LEAD_S

    def _judge_exact(self, jump: float) -> Reset | int | None:
        state = self._state.since_gap
        if state.since_jump > 2 * self._rate_hz:
            state.unpaid = 0.0
        if jump >= _HALF:
            state.unpaid += jump
            state.since_jump = 0
            return round(jump) if round(jump) <= self._max_filled else Reset.GAP
        if jump > -_HALF:
            return None
        if -jump <= state.unpaid + _HALF and jump < -1 and _is_whole(jump) and _is_whole(state.unpaid):
            self._state.since_gap = SinceGap(awaited=round(_IN_ORDER_S * self._rate_hz))
            return _THROWN
        if -jump <= state.unpaid + _HALF:
            # A stamp that is early by what another was late: pushes were late, nothing was lost.
            self._state.jittery = True
            self._state.measured = Measured()  # what looked like losses was left out of the time, and was none
            return None
        if jump > -1:
            return None
        return _THROWN if jump >= -2 else Reset.BACKWARDS

    def _await_order(self, before: float, stamp: float, jump: float) -> Gap | int:
        state = self._state.since_gap
        state.awaited = state.awaited - 1 if abs(jump) < _HALF else round(_IN_ORDER_S * self._rate_hz)
        state.thrown += 1
        self._state.last = stamp
        if state.awaited:
            return _THROWN
        self._state.since_gap = SinceGap()
        return Gap(before, stamp, Reset.BACKWARDS, state.thrown)

    def _judge_jittery(self, jump: float) -> Reset | int | None:
        state = self._state.since_gap
        if jump >= _HOLE_S * self._rate_hz:
            return Reset.GAP
        if jump <= -_HOLE_S * self._rate_hz:
            return Reset.BACKWARDS
        state.shift += jump
        state.lowest = state.shift if state.lowest is None else min(state.lowest, state.shift)
        state.looked += 1
        if state.looked >= _LASTING_S * self._rate_hz:
            lasting = 0.0 if state.lowest_before is None else state.lowest - state.lowest_before
            state.lowest_before, state.lowest, state.looked = state.lowest, None, 0
            if lasting > _SHIFT_S * self._rate_hz:
                state.lasting = lasting
                return Reset.GAP
        return None


def _is_whole(jump: float) -> bool:
    return abs(jump - round(jump)) < _WHOLE
