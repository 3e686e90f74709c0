"""Streaming rational resampler: any nominal rate to the model's rate, the same output for any chunk size.

A windowed-sinc low-pass (Kaiser, 60 dB) is evaluated as a polyphase filter (Crochiere and Rabiner 1983,
Multirate Digital Signal Processing, ch. 3): a few outputs at a time are a matrix times the inputs that they depend on,
and the matrices repeat where the grids of input and output meet again. Each chunk gives all the output that it can,
half a filter (`delay_s`) behind: 45 to 49 ms from 250 to 1000 Hz, where aliases are 74 dB down or more and rhythms of 3
and 25 Hz are right to 0.06 %. soxr's streams keep much back: fed by eight samples at 500 to 1000 Hz, LQ gives its
output 0.5 to 1 s late, MQ and HQ 2 s, and QQ, which is prompt, lets aliases through. Measured by
``benchmarks/resamplers.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from detector.errors import BadDataError
from detector.messages import MAX_RATE_HZ, MIN_RATE_HZ, Chunk, FloatArray

_LARGEST = 4096
_GROUP = 16  # outputs of a matrix product, about: more make the products wasteful, fewer make them many
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
    first: int = 0  # index of its first sample counted from the session's start
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
        taps = _design(self._up, self._down)
        self._groups = _Groups(taps, self._up, self._down)
        self.delay_s = 0.0 if self._identity else (len(taps) - 1) / 2 / self._up / config.from_hz
        self._state = _State()

    def process(self, chunk: Chunk) -> Chunk:
        """Return (n_resampled, n_channels) samples; none while too few have come."""
        if self._identity or len(chunk.samples) == 0:
            return chunk
        state = self._state
        if state.chunk is None:
            # The signal before the first sample is taken as that sample, so that a session begins without a step.
            lead = self._groups.lead
            state.chunk, state.first = _repeat_first(chunk, lead), -lead
        known = _join(state.chunk, chunk)
        end = state.first + len(known.samples)
        # Output m depends on inputs up to m * down // up.
        outputs = np.arange(state.due, (end * self._up - 1) // self._down + 1)
        newest = outputs * self._down // self._up - state.first
        resampled = Chunk(
            samples=self._groups.outputs(known.samples, state.first, state.due, len(outputs)),
            timestamps=known.timestamps[newest],
            good=None if known.good is None else known.good[newest],
            missing=chunk.missing,
        )
        state.due += len(outputs)
        keep = max(state.due * self._down // self._up - self._groups.lead, state.first)
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


class _Groups:
    """Makes ``size`` outputs at once; a group of each phase has a matrix."""

    def __init__(self, taps: npt.NDArray[np.float64], up: int, down: int) -> None:
        self._up, self._down = up, down
        span = -(-len(taps) // up)
        if up < _GROUP:
            self._size = _GROUP // up * up
        else:
            self._size = next(size for size in range(_GROUP, 0, -1) if up % size == 0)
        self._phases = max(up // self._size, 1)
        self._period = self._phases * self._size * down // up  # in inputs, from a group of a phase to its next
        # How many inputs before the newest one of an output may be needed for the group that it is in.
        self.lead = span + self._size * down // up + 1
        self._starts = [phase * self._size * down // up - span + 1 for phase in range(self._phases)]
        self._matrices = [self._matrix(taps, phase) for phase in range(self._phases)]

    def _matrix(self, taps: npt.NDArray[np.float64], phase: int) -> npt.NDArray[np.float64]:
        """Return (size, n_inputs): output m is the sum over k of ``taps[m * down - k * up] * input[k]``."""
        outputs = np.arange(phase * self._size, (phase + 1) * self._size)
        inputs = np.arange(self._starts[phase], outputs[-1] * self._down // self._up + 1)
        index = outputs[:, None] * self._down - inputs * self._up
        return np.where((index >= 0) & (index < len(taps)), taps[np.clip(index, 0, len(taps) - 1)], 0.0)

    def outputs(self, samples: FloatArray, first: int, due: int, n_outputs: int) -> FloatArray:
        """Return ``n_outputs`` outputs from number ``due`` on, of inputs from number ``first`` on."""
        begin, end = due // self._size, -(-(due + n_outputs) // self._size)
        # The last group may be asked for in part: what it would need beyond the newest input is put at 0.
        padded = np.zeros((len(samples) + self._size * self._down // self._up + 1, samples.shape[1]))
        padded[: len(samples)] = samples
        made = np.empty((end - begin, self._size, samples.shape[1]), dtype=np.float32)
        for group in range(begin, min(begin + self._phases, end)):
            period, phase = divmod(group, self._phases)
            matrix = self._matrices[phase]
            at = period * self._period + self._starts[phase] - first
            every, width = made[group - begin :: self._phases], matrix.shape[1]
            if len(every) == 1:  # as mostly live: the view costs more than the product
                every[0] = matrix @ padded[at : at + width]
            else:
                windows = sliding_window_view(padded[at:], width, axis=0)[:: self._period][: len(every)]
                every[:] = matrix @ windows.transpose(0, 2, 1)
        skipped = due - begin * self._size
        return made.reshape(-1, samples.shape[1])[skipped : skipped + n_outputs]


def _design(up: int, down: int) -> npt.NDArray[np.float64]:
    """Return the prototype low-pass at ``up`` times the input rate, with gain ``up``.

    Length and shape of the Kaiser window are his own formulas (Kaiser 1974; Oppenheim and Schafer 2010, Discrete-Time
    Signal Processing, section 7.6).
    """
    widest = max(up, down)
    stop, passed = 1.0 / widest, _PASS_SHARE / widest
    length = int(np.ceil((_STOP_BAND_DB - 7.95) / 2.285 / (np.pi * (stop - passed)) + 1)) | 1
    beta = 0.1102 * (_STOP_BAND_DB - 8.7)
    cutoff = (stop + passed) / 2
    at = np.arange(length) - (length - 1) / 2
    low_pass = np.sinc(cutoff * at) * np.kaiser(length, beta)
    taps: npt.NDArray[np.float64] = low_pass / low_pass.sum() * up
    return taps
