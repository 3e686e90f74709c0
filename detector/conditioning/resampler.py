"""Streaming rational resampler: any nominal rate to the model's rate, the same output for any chunk size.

A windowed-sinc low-pass (Kaiser, 60 dB) is evaluated as a polyphase filter (Crochiere and Rabiner 1983,
Multirate Digital Signal Processing, ch. 3). Each chunk gives all the output that it can, half a filter (`delay_s`)
behind: 45 to 49 ms from 250 to 1000 Hz, where aliases are 74 dB down or more and rhythms of 3 and 25 Hz are right to
0.06 %. soxr's streams are three to seven times as fast, but keep much back: fed by eight samples at 500 to 1000 Hz, LQ
gives its output 0.5 to 1 s late, MQ and HQ 2 s, and QQ, which is prompt, lets aliases through. Measured by
``benchmarks/resamplers.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from scipy import signal

from detector.errors import BadDataError
from detector.messages import MAX_RATE_HZ, MIN_RATE_HZ, Chunk

_LARGEST = 4096
_STOP_BAND_DB = 60.0
_PASS_SHARE = 0.7  # of the lower Nyquist frequency; the models' bands end well below it


@dataclass(frozen=True)
class ResamplerConfig:
    """Source rate and model rate in Hz."""

    from_hz: float
    to_hz: float


@dataclass
class _State:
    chunk: Chunk | None = None  # the input that is still needed
    first: int = 0  # index of its first sample counted from the session's start: a multiple of `down`
    due: int = 0  # index of the next output sample


class Resampler:
    """Resamples chunks; an output sample carries the time of the newest input sample that it depends on.

    Raises
    ------
    BadDataError
        When the rate is outside 128-2048 Hz.
    """

    def __init__(self, config: ResamplerConfig) -> None:
        if not MIN_RATE_HZ <= config.from_hz <= MAX_RATE_HZ:
            raise BadDataError(f"nominal rate {config.from_hz:g} Hz: expected {MIN_RATE_HZ:g} to {MAX_RATE_HZ:g} Hz")
        # Any rate is a ratio of such numbers to within 0.012 %, far below the error of a true rate that is tolerated.
        ratio = Fraction(config.to_hz / config.from_hz).limit_denominator(_LARGEST)
        self._up, self._down = ratio.numerator, ratio.denominator
        self._identity = ratio == 1
        self._taps = _design(self._up, self._down)
        span = -(-len(self._taps) // self._up)
        # Kept in whole multiples of `down` inputs: there the grids of input and output meet, and phases repeat.
        self._lead = -(-span // self._down) * self._down
        self.delay_s = 0.0 if self._identity else (len(self._taps) - 1) / 2 / self._up / config.from_hz
        self._state = _State()

    def process(self, chunk: Chunk) -> Chunk:
        """Return (n_resampled, n_channels) samples; none while too few have come."""
        if self._identity or len(chunk.samples) == 0:
            return chunk
        state = self._state
        if state.chunk is None:
            # The signal before the first sample is taken as that sample, so that a session begins without a step.
            state.chunk, state.first = _repeat_first(chunk, self._lead), -self._lead
        known = _join(state.chunk, chunk)
        end = state.first + len(known.samples)
        # Output m is the sum over k of taps[m * down - k * up] * input[k], so it needs input m * down // up.
        outputs = np.arange(state.due, (end * self._up - 1) // self._down + 1)
        base = state.first * self._up // self._down
        every = signal.upfirdn(self._taps, known.samples.astype(np.float64), self._up, self._down, axis=0)
        newest = outputs * self._down // self._up - state.first
        resampled = Chunk(
            samples=every[outputs - base].astype(np.float32),
            timestamps=known.timestamps[newest],
            good=None if known.good is None else known.good[newest],
            missing=chunk.missing,
        )
        state.due += len(outputs)
        oldest = state.due * self._down // self._up - self._lead
        keep = max(oldest // self._down * self._down, state.first)
        state.chunk, state.first = _after(known, keep - state.first), keep
        return resampled

    def needed(self, n_outputs: int) -> int:
        """Return how many more input samples complete ``n_outputs`` (1 or more) more output samples."""
        if self._identity:
            return n_outputs
        state = self._state
        seen = 0 if state.chunk is None else state.first + len(state.chunk.samples)
        return (state.due + n_outputs - 1) * self._down // self._up + 1 - seen

    def reset(self) -> None:
        """Forget the past: the next sample begins a session."""
        self._state = _State()


def _repeat_first(chunk: Chunk, times: int) -> Chunk:
    good = None if chunk.good is None else np.repeat(chunk.good[:1], times, axis=0)
    return Chunk(np.repeat(chunk.samples[:1], times, axis=0), np.repeat(chunk.timestamps[:1], times), good)


def _join(a: Chunk, b: Chunk) -> Chunk:
    good = None if a.good is None or b.good is None else np.concatenate([a.good, b.good])
    return Chunk(np.concatenate([a.samples, b.samples]), np.concatenate([a.timestamps, b.timestamps]), good)


def _after(chunk: Chunk, start: int) -> Chunk:
    return Chunk(chunk.samples[start:], chunk.timestamps[start:], None if chunk.good is None else chunk.good[start:])


def _design(up: int, down: int) -> npt.NDArray[np.float64]:
    """Return the prototype low-pass at ``up`` times the input rate, with gain ``up``."""
    widest = max(up, down)
    stop, passed = 1.0 / widest, _PASS_SHARE / widest
    length, beta = signal.kaiserord(_STOP_BAND_DB, stop - passed)
    taps: npt.NDArray[np.float64] = signal.firwin(length | 1, (stop + passed) / 2, window=("kaiser", beta)) * up
    return taps
