"""Rhythm: how much of a derivation's frame repeats itself, whatever its amplitude.

A seizure is a rhythm before it is loud, and in some persons it is never as loud as what follows it. The strength is the
highest peak of the autocorrelation, 1 for a sine and about a half for noise. The autocorrelation is the transform of
the power spectrum (Wiener and Khinchin), here of a part of it, weighted by frequency, as the slow part of any EEG
would outweigh the rest. It is divided by the autocorrelation of the Hann window (Boersma 1993, Accurate short-term
analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled sound, IFA Proceedings 17:97-110).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detector.conditioning.waves import centred_waves, products
from detector.messages import FloatArray

_FLOOR_UV2 = 1e-2  # under the noise of an amplifier: a flat channel has no rhythm
_LAG_S = 1 / 128  # between lags; a tenth of a period of the fastest rhythm that is looked for


@dataclass(frozen=True)
class RhythmConfig:
    """What counts as a rhythm.

    Parameters
    ----------
    band_hz
        The part of the spectrum that is looked at.
    repeats_hz
        The slowest and the fastest repetition. The slowest needs a lag well below the frame's length.
    """

    band_hz: tuple[float, float]
    repeats_hz: tuple[float, float]


class Rhythm:
    """Measures frames, one by one: without memory."""

    def __init__(self, config: RhythmConfig, rate_hz: float, frame_samples: int) -> None:
        n = frame_samples
        window = np.hanning(n + 1)[:-1]
        hz = np.fft.rfftfreq(n, 1 / rate_hz)
        low, high = config.band_hz
        hz = hz[(hz >= low) & (hz <= high)]
        self._waves = centred_waves(hz / rate_hz, window * np.sqrt(2 / n / np.sum(window**2)))
        self._weights = hz[:, None].astype(np.float32)
        self._floor = np.float32(_FLOOR_UV2) * self._weights.mean()
        slowest, fastest = config.repeats_hz
        # One lag more at either end: a peak is a lag with lower ones on both sides.
        lags_s = np.arange(round(1 / fastest / _LAG_S) - 1, round(1 / slowest / _LAG_S) + 2) * _LAG_S
        overlap = np.correlate(window, window, "full")[n - 1 :] / np.sum(window**2)
        cosines = np.cos(2 * np.pi * lags_s[:, None] * hz)
        self._cosines = (cosines / np.interp(lags_s * rate_hz, np.arange(n), overlap)[:, None]).astype(np.float32)

    def strengths(self, frames: Sequence[FloatArray]) -> FloatArray:
        """Return (n_frames, n_derivations) strengths of frames, each (frame_samples, n_derivations) in µV.

        0 where the autocorrelation has no peak above 0. A constant does not count.
        """
        parts = products(self._waves, frames)
        np.square(parts, out=parts)
        n = len(self._weights)
        weighted: npt.NDArray[np.float32] = parts[:, :n] + parts[:, n:]
        weighted *= self._weights
        weighted /= np.add.reduce(weighted, axis=1, keepdims=True) + self._floor
        similar = self._cosines @ weighted
        middle = similar[:, 1:-1]
        peaks = middle * ((middle >= similar[:, :-2]) & (middle >= similar[:, 2:]))
        strengths: FloatArray = np.maximum.reduce(peaks, axis=1)
        return strengths
