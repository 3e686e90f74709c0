"""One connection to an LSL stream: raw samples in; µV, stamps of this machine's clock and losses out."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np
import pylsl

from detector.background import Background
from detector.conditions import Kind
from detector.config import Source
from detector.errors import BadDataError, StateError
from detector.messages import MAX_RATE_HZ, Chunk, Description, FloatArray, Gap, Reset, TimeArray
from detector.plain_state import Plain, plain, restored
from detector.source.ledger import Ledger
from detector.source.lsl_correction import MAX_LEAD_S, TimeCorrection
from detector.source.lsl_describe import MAX_CHANNELS, describe, printable
from detector.units import microvolts_per

MAX_BLOCK_S = 0.2
_MOST_LEFT_S = 0.5  # for so long samples are left waiting: the input's age is that of those that were pulled
_EARLY_S = 0.01  # clocks are measured to milliseconds
BUFFER_S = 360  # what the sender keeps for us while the network is away
_OPEN_TIMEOUT_S = 5.0
# What is made of a chunk is one piece of work, and a turn some of them: a starved program takes seconds for either and
# must say something in between.
_LONGEST_S, _FEW_SAMPLES = 0.25, 512
_MAX_PULLS = 3
_MAX_MOVE_S = 0.1  # a correction that begins anew so far from the last makes a step in the sample times
_NUMERIC = (pylsl.cf_float32, pylsl.cf_double64, pylsl.cf_int8, pylsl.cf_int16, pylsl.cf_int32, pylsl.cf_int64)


@dataclass
class _State:
    """What another connection to the same outlet can go on with."""

    newest_s: float | None = None
    applied_s: float | None = None  # the correction of the last chunk
    drift_s: float = 0.0  # see `TimeCorrection`


class Stream:
    """Connects at construction, which may take seconds: construct it in a thread.

    Raises
    ------
    BadDataError
        When the stream is no EEG, is text, has no regular rate, or describes itself in a way that cannot be read.
    TimeoutError, LostError
        When it does not answer.
    """

    def __init__(self, info: pylsl.StreamInfo, config: Source, buffer_s: int = BUFFER_S) -> None:
        _require_eeg(info, config)
        self._inlet = pylsl.StreamInlet(info, max_buflen=buffer_s, recover=False, processing_flags=0)
        self.uid = info.uid()
        # First, for a peer that is none ends this at once, where liblsl asks it for its metadata 10,000 times a second.
        self._inlet.open_stream(timeout=_OPEN_TIMEOUT_S)
        full = self._inlet.info(timeout=_OPEN_TIMEOUT_S)
        _require_eeg(full, config)  # what was announced may be another story
        self.description = _with_unit(describe(full), config.unit)
        rate_hz = self.description.rate_hz
        self._max_samples = max(int(rate_hz * _LONGEST_S), _FEW_SAMPLES)
        self._scales = np.array([math.nan if s is None else s for s in self.description.scales_uv], dtype=np.float32)
        self._is_uv = bool((self._scales == 1).all())
        self._ledger = Ledger(rate_hz, max_filled=int(config.max_gap_s * rate_hz))
        self._held: FloatArray | None = None
        self.newest_s: float | None = None
        self._state = _State()
        self._unseen_s = 0.0  # since the newest sample of a state that was set, until the first one that comes here
        self._replay = config.replay
        self._arrived_at = time.monotonic()
        self._most_left_s = min(_MOST_LEFT_S, config.stall_s / 2)
        self._correction = TimeCorrection(self._inlet, replay=config.replay)

    def close(self) -> None:
        """Stop measuring the clock; the connection ends with the object."""
        self._correction.stop()

    def get_state(self) -> Plain:
        """Return what is known of the stream's stamps, as plain values."""
        self._state.drift_s = self._correction.drift_s
        return {"stamps": plain(self._state), "ledger": self._ledger.get_state()}

    def set_state(self, state: object) -> None:
        """Go on where another connection to the same outlet was: the next samples come behind a gap.

        Raises
        ------
        StateError
            When it is no such state, or samples have come already; then nothing is changed.
        """
        if self.newest_s is not None:
            raise StateError("stream: samples have come already, which do not belong behind the state's")
        if not isinstance(state, dict) or set(state) != {"stamps", "ledger"}:
            raise StateError("stream: expected the states of its stamps and its ledger")
        stamps = restored(_State(), state["stamps"])
        self._ledger.set_state(state["ledger"])
        self._state = stamps
        self._correction.expect_drift(stamps.drift_s)
        self._unseen_s = 0.0 if stamps.newest_s is None else max(pylsl.local_clock() - stamps.newest_s, 0.0)

    @property
    def drift_s(self) -> float:
        """How far its stamps have drifted against its clock, s."""
        return self._correction.drift_s

    def expect_drift(self, drift_s: float) -> None:
        """Take the `drift_s` of another connection to the same outlet: it is no lateness."""
        self._correction.expect_drift(drift_s)

    def silent_s(self) -> float:
        """Seconds since the last sample came, on the monotonic clock."""
        return time.monotonic() - self._arrived_at

    @property
    def rate_is_right(self) -> bool:
        """Whether the rate has been measured by the stamps and is the declared one."""
        return self._ledger.rate_is_right

    @property
    def correction_s(self) -> float:
        """What was added to the stamps of the last chunk, s; NaN before any."""
        return math.nan if self._state.applied_s is None else self._state.applied_s

    @property
    def wrong_rate_hz(self) -> float | None:
        """The rate by the stamps where it is, for good, not the declared one."""
        return self._ledger.wrong_rate_hz

    def wrong(self) -> dict[Kind, str]:
        """Return what is wrong with the clock and the stamps; the samples come all the same."""
        wrong: dict[Kind, str] = {}
        if self._correction.fails:
            wrong[Kind.CLOCK] = (
                "the sender's clock cannot be compared with this one, its stamps are taken as they come or from their "
                "arrival; expected an answer by UDP: open LSL's ports (16572 to 16604) between the machines"
            )
        if self._ledger.last_was_bad:
            wrong[Kind.STAMPS] = (
                "samples are stamped with what is no time (not a number, negative or past any clock); their number is "
                "counted instead: mend the clock of the amplifier's program"
            )
        return wrong

    def pull(self, min_samples: int) -> list[Chunk | Gap]:
        """Return what has come, waiting `MAX_BLOCK_S` at most for ``min_samples``, not at all for 0.

        Raises LostError.
        """
        messages: list[Chunk | Gap] = []
        wanted, timeout_s = min(max(min_samples, 1), self._max_samples), MAX_BLOCK_S
        if not min_samples:
            wanted, timeout_s = self._max_samples, 0.0
        for _ in range(_MAX_PULLS):  # a sender faster than us must not keep us here
            try:
                # Not with pylsl's own min_samples, which forgets the first samples if the rest is lost.
                values, stamps = self._inlet.pull_chunk(timeout=timeout_s, max_samples=wanted, as_numpy=True)
            except pylsl.util.LostError:
                if messages:
                    return messages  # the next pull raises again
                raise
            if len(stamps) == 0:
                return messages
            silent_s = self.silent_s() + self._unseen_s
            came = self._messages(np.asarray(values), np.asarray(stamps, dtype=np.float64), silent_s)
            if came:  # samples that are thrown away, as stamps that stand still make them, are as good as none
                self._arrived_at, self._unseen_s = self._came_at(len(stamps) == wanted), 0.0
            messages += came
            if len(stamps) < wanted or not self._inlet.samples_available():
                break
            wanted, timeout_s = self._max_samples, 0.0
        return messages

    def _came_at(self, is_all: bool) -> float:
        """Return when the newest sample came, on the monotonic clock: a stall is counted from there.

        Fewer than were wanted may have been left waiting here.
        """
        now, newest_s = time.monotonic(), self.newest_s
        if is_all or newest_s is None:
            return now
        waited_s = min(max(float(pylsl.local_clock()) - newest_s, 0.0), self._most_left_s)
        return max(now - waited_s, self._arrived_at)

    def rest_s(self, min_samples: int) -> float:
        """Return for how long so many samples cannot be there, s: liblsl would wake who pulls for each of them."""
        wanted = min(max(min_samples, 1), self._max_samples)
        if self.newest_s is None or self._inlet.samples_available() >= wanted:
            return 0.0
        silent_s, now_s = self.silent_s(), float(pylsl.local_clock())
        # By the newest one's time or, where a clock is ahead, by its arrival.
        age_s = max(now_s - self.newest_s, silent_s)
        return min(wanted / self.description.rate_hz - age_s - _EARLY_S, self._most_left_s - silent_s)

    def _messages(self, values: FloatArray, stamps: TimeArray, silent_s: float) -> list[Chunk | Gap]:
        arrived_s = pylsl.local_clock()
        if not self._is_uv or values.dtype != np.float32:
            values = np.multiply(values, self._scales, dtype=np.float32)
        segments = self._ledger.process(stamps, arrived_s - self._correction.known, silent_s)
        messages: list[Chunk | Gap] = []
        for segment in segments:
            part, times, gap = values[segment.start : segment.stop], segment.stamps, segment.gap
            newest = float(times[-1])
            if gap is not None and gap.reason is Reset.CLOCK:
                self._correction.clock_jumped()
            correction_s = self._correction.value(newest, arrived_s)
            if newest + correction_s > arrived_s + MAX_LEAD_S and not self._replay:
                # Samples from the future would count as fresh for ever.
                self._correction.clock_jumped()
                correction_s = self._correction.value(newest, arrived_s)
            times = times + correction_s
            state = self._state
            moved_s = 0.0 if state.applied_s is None else abs(correction_s - state.applied_s)
            state.applied_s = correction_s
            if moved_s > _MAX_MOVE_S:
                gap = replace(gap or Gap(math.nan, math.nan, Reset.CLOCK), reason=Reset.CLOCK)
            if gap is not None:
                before_s = state.newest_s if state.newest_s is not None else float(times[0])
                messages.append(replace(gap, start_s=before_s, end_s=float(times[0])))
            elif segment.filled and self._held is not None:
                before = times[0] - np.arange(segment.filled, 0, -1) / self.description.rate_hz
                part = np.concatenate([np.repeat(self._held[None], segment.filled, axis=0), part])
                times = np.concatenate([before, times])
            messages.append(Chunk(part, times, missing=0 if gap is not None else segment.filled))
            self._held = part[-1]
            state.newest_s = self.newest_s = float(times[-1])
        return messages


class Opening(Background[Stream]):
    """A connection that is being made."""

    def __init__(self, info: pylsl.StreamInfo, config: Source, buffer_s: int = BUFFER_S) -> None:
        self.info = info
        super().__init__(lambda: Stream(info, config, buffer_s), discard=Stream.close)


def _require_eeg(info: pylsl.StreamInfo, config: Source) -> None:
    if info.channel_format() not in _NUMERIC:
        raise BadDataError("its samples are text; expected numbers")
    rate_hz, n_channels = info.nominal_srate(), info.channel_count()
    if rate_hz <= 0:
        raise BadDataError("its rate is irregular (nominal rate 0); expected a regularly sampled EEG stream")
    # Before the inlet, which allocates its buffer for whatever a stream says of itself.
    if not rate_hz <= MAX_RATE_HZ or n_channels > MAX_CHANNELS:
        raise BadDataError(
            f"it declares {n_channels} channels at {rate_hz:g} Hz; expected at most {MAX_CHANNELS} channels and "
            f"{MAX_RATE_HZ:g} Hz"
        )
    if info.type().upper() != "EEG" and not config.predicate:
        raise BadDataError(
            f"its type is {printable(info.type())!r}, expected 'EEG'; if it is EEG all the same, say so by a predicate"
        )


def _with_unit(description: Description, unit: str) -> Description:
    """Return the description with the operator's unit for channels that declare none.

    Raises BadDataError where the operator and the stream contradict one another.
    """
    if not unit:
        return description
    given = microvolts_per(unit)
    scales = description.scales_uv
    contradicting = [i for i, scale in enumerate(scales) if scale is not None and scale != given]
    if contradicting and not any(scale == given for scale in scales):
        i = contradicting[0]
        raise BadDataError(
            f"it declares the unit {description.units[i]!r} for {description.labels[i]!r}, the configuration says "
            f"{unit!r}; remove `unit` from [source] to use what the stream says"
        )
    return replace(description, scales_uv=tuple(given if scale is None else scale for scale in scales))
