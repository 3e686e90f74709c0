"""Causal filters with memory: a high-pass, a clip, and where the card asks for them notches and a low-pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detector.conditioning.sections import Section, butterworth_highpass, butterworth_lowpass, notch
from detector.messages import Chunk

_TINY_UV = 1e-30  # beside it a number that is nearly subnormal is lost, and beside any that counts it is lost itself
_NOTCH_Q = 30  # of 50 Hz, 1.7 Hz


@dataclass(frozen=True)
class FiltersConfig:
    """Corner frequencies in Hz (Butterworth, second order) and the clip in µV, at the source's rate.

    The clip comes after the high-pass, so that an electrode's constant potential does not count, and before
    everything that rings.
    """

    rate_hz: float
    highpass_hz: float
    clip_uv: float
    lowpass_hz: float | None = None
    notch_hz: tuple[float, ...] = ()


@dataclass
class _State:
    memories: list[npt.NDArray[np.float64]] | None = None  # of each section (2, n_channels)


class Filters:
    """Filters chunks of finite samples; the first sample of a session is taken as each channel's steady level."""

    def __init__(self, config: FiltersConfig) -> None:
        self._config = config
        rate = config.rate_hz
        self._highpass = Section(butterworth_highpass(config.highpass_hz, rate))
        self._rest = [Section(notch(hz, _NOTCH_Q, rate)) for hz in config.notch_hz if hz < rate / 2]
        if config.lowpass_hz is not None and config.lowpass_hz < rate / 2:
            self._rest.append(Section(butterworth_lowpass(config.lowpass_hz, rate)))
        self._state = _State()

    def process(self, chunk: Chunk) -> Chunk:
        """Return the chunk with (n_samples, n_channels) filtered samples."""
        if len(chunk.samples) == 0:
            return chunk
        samples: npt.NDArray[np.floating] = chunk.samples
        state = self._state
        if state.memories is None:
            steady = self._highpass.steady[:, None] * samples[0].astype(np.float64)
            state.memories = [steady, *(np.zeros_like(steady) for _ in self._rest)]
        clip_uv = self._config.clip_uv
        for i, section in enumerate([self._highpass, *self._rest]):
            samples, memory = section.process(samples, state.memories[i])
            # On a flat input the memory decays to subnormal numbers in five minutes and stays there: twice as slow.
            memory += _TINY_UV
            memory -= _TINY_UV
            state.memories[i] = memory
            if i == 0:
                np.minimum(np.maximum(samples, -clip_uv, out=samples), clip_uv, out=samples)
        return Chunk(samples.astype(np.float32), chunk.timestamps, chunk.good, chunk.missing)

    def reset(self) -> None:
        """Forget the past: the next sample begins a session."""
        self._state = _State()
