"""Band powers and rhythm: what the network sees of a frame.

For each derivation the logarithm of the power in each band, once absolute and once relative to the derivation's own
slow causal baseline, how rhythmic it is, and whether it can be trusted. Absolute power alone cannot tell a loud patient
from a seizure; relative power alone alarms on healthy people; neither sees the rhythm of a seizure that is not loud.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from detector.conditioning.rhythm import Rhythm, RhythmConfig
from detector.messages import Features, FloatArray, Frame
from detector.plain_state import Plain, plain, restored

_FLOOR_UV2 = 1e-2  # under the noise of an amplifier; keeps the logarithm of a flat channel finite


@dataclass(frozen=True)
class BandsConfig:
    """What is taken from a frame.

    Parameters
    ----------
    bands_hz
        (low, high) of each band, low inclusive.
    baseline_s
        Time constant of the running mean.
    power_samples
        How many of a frame's newest samples the powers are taken from; by default all.
    rhythm
        ``None`` for a network that does not look at it.
    from_level
        Whether absolute power counts from the level: the mean of all baselines. Then the amplifier's gain is no matter.
    """

    rate_hz: float
    frame_samples: int
    hop_samples: int
    n_derivations: int
    bands_hz: tuple[tuple[float, float], ...]
    baseline_s: float
    power_samples: int | None = None
    rhythm: RhythmConfig | None = None
    from_level: bool = False

    @property
    def per_derivation(self) -> int:
        """Absolute and relative power of each band, the rhythm where it is looked at, and the flag."""
        return 2 * len(self.bands_hz) + (self.rhythm is not None) + 1

    @property
    def n_features(self) -> int:
        """Length of `Features.values`: derivation-major, ``per_derivation`` each."""
        return self.n_derivations * self.per_derivation


@dataclass
class _State:
    baseline: npt.NDArray[np.float64]  # (n_derivations, n_bands), log10 µV²
    steps: npt.NDArray[np.int64]  # (n_derivations,), good frames seen


class Bands:
    """Turns frames into features. Bad derivations are all zero and do not move their baseline."""

    def __init__(self, config: BandsConfig) -> None:
        self._config = config
        n = self._n_power = config.power_samples or config.frame_samples
        window = np.hanning(n + 1)[:-1]
        self._window = (window / np.sqrt(np.sum(window**2)))[:, None].astype(np.float32)
        hz = np.fft.rfftfreq(n, 1 / config.rate_hz)
        # One-sided power spectrum (Welch 1967): the sum over all bins is the mean square of the signal.
        inside = [(hz >= low) & (hz < high) for low, high in config.bands_hz]
        self._sums = np.array(inside, dtype=np.float32) * np.float32(2 / n)
        self._rhythm = None
        if config.rhythm is not None:
            self._rhythm = Rhythm(config.rhythm, config.rate_hz, config.frame_samples)
        self._alpha = config.hop_samples / config.rate_hz / config.baseline_s
        self.reset()

    def process(self, frames: list[Frame]) -> list[Features]:
        """Return one `Features` for each frame."""
        if not frames:
            return []
        stacked = np.stack([frame.samples for frame in frames])
        stacked -= stacked.mean(axis=1, keepdims=True)
        rhythms = self._rhythms(stacked)
        log_powers = self._log_powers(stacked[:, -self._n_power :])
        return [
            Features(self._features(log_power, rhythm, frame.good), frame.good, frame.end_s, frame.missing)
            for log_power, rhythm, frame in zip(log_powers, rhythms, frames, strict=True)
        ]

    def _rhythms(self, frames: FloatArray) -> FloatArray:
        """Return (n_frames, n_derivations, 1), or nothing along the last axis."""
        if self._rhythm is None:
            return np.empty((len(frames), frames.shape[2], 0), dtype=np.float32)
        return self._rhythm.strengths(frames)[:, :, None]

    def _log_powers(self, frames: FloatArray) -> FloatArray:
        """Return (n_frames, n_derivations, n_bands), log10 µV²."""
        spectrum = fft.rfft((frames - frames.mean(axis=1, keepdims=True)) * self._window, axis=1)
        power = self._sums @ (spectrum.real**2 + spectrum.imag**2)
        log_powers: FloatArray = np.moveaxis(np.log10(power + _FLOOR_UV2), 1, 2)
        return log_powers

    def _features(self, log_power: FloatArray, rhythm: FloatArray, good: npt.NDArray[np.bool_]) -> FloatArray:
        state = self._state
        state.steps = state.steps + good
        # A plain mean at first, an exponential one once it has seen a time constant's worth.
        alpha = np.maximum(self._alpha, 1 / np.maximum(state.steps, 1))[:, None]
        moved = state.baseline + alpha * (log_power - state.baseline)
        state.baseline = np.where(good[:, None], moved, state.baseline)
        relative = log_power - state.baseline
        if self._config.from_level and good.any():
            log_power = log_power - state.baseline[good].mean()
        flag = np.ones((len(good), 1))
        values = np.concatenate([log_power, relative, rhythm, flag], axis=1) * good[:, None]
        return values.astype(np.float32).ravel()

    def reset(self) -> None:
        """Forget the baselines."""
        n, bands = self._config.n_derivations, len(self._config.bands_hz)
        self._state = _State(np.zeros((n, bands)), np.zeros(n, dtype=np.int64))

    def get_state(self) -> Plain:
        """Return the baselines, as plain values."""
        return plain(self._state)

    def set_state(self, state: object) -> None:
        """Go on with what `get_state` returned; raises StateError where it is not of such a stage."""
        self._state = restored(self._state, state)
