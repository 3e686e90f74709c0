"""Band powers and rhythm: what the network sees of a frame.

For each derivation the logarithm of the power in each band, once absolute and once relative to the derivation's own
slow causal baseline, how rhythmic it is, and whether it can be trusted. Absolute power alone cannot tell a loud patient
from a seizure; relative power alone alarms on healthy people; neither sees the rhythm of a seizure that is not loud.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detector.conditioning.rhythm import Rhythm, RhythmConfig
from detector.conditioning.waves import centred_waves, products
from detector.messages import BoolArray, Features, FloatArray, Frame
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
        hz = np.fft.rfftfreq(n, 1 / config.rate_hz)
        inside = np.array([(hz >= low) & (hz < high) for low, high in config.bands_hz])
        used = inside.any(axis=0)
        window = np.hanning(n + 1)[:-1]
        self._waves = centred_waves(hz[used] / config.rate_hz, window / np.sqrt(np.sum(window**2)))
        # One-sided power spectrum (Welch 1967): the sum over all bins is the mean square of the signal.
        self._sums = np.tile(inside[:, used], 2).astype(np.float32) * np.float32(2 / n)
        self._rhythm = None
        if config.rhythm is not None:
            self._rhythm = Rhythm(config.rhythm, config.rate_hz, config.frame_samples)
        self._alpha = config.hop_samples / config.rate_hz / config.baseline_s
        self.reset()

    def process(self, frames: list[Frame]) -> list[Features]:
        """Return one `Features` for each frame."""
        if not frames:
            return []
        c = self._config
        n_bands = len(c.bands_hz)
        log_powers = self._log_powers([frame.samples[-self._n_power :] for frame in frames])
        good = np.array([frame.good for frame in frames])
        baselines = self._baselines(log_powers, good)
        values = np.empty((*good.shape, c.per_derivation), dtype=np.float32)
        np.subtract(log_powers, baselines, out=values[..., n_bands : 2 * n_bands], casting="same_kind")
        values[..., :n_bands] = log_powers - _level(baselines, good) if c.from_level else log_powers
        if self._rhythm is not None:
            values[..., -2] = self._rhythm.strengths([frame.samples for frame in frames])
        values[..., -1] = 1
        values *= good[..., None]
        return [
            Features(of_frame, frame.good, frame.end_s, frame.missing)
            for of_frame, frame in zip(values.reshape(len(frames), -1), frames, strict=True)
        ]

    def _log_powers(self, frames: list[FloatArray]) -> npt.NDArray[np.float64]:
        """Return (n_frames, n_derivations, n_bands), log10 µV²."""
        parts = products(self._waves, frames)
        powers = self._sums @ np.square(parts, out=parts)
        powers += np.float32(_FLOOR_UV2)
        log_powers: npt.NDArray[np.float64] = np.log10(powers, out=powers).swapaxes(1, 2).astype(np.float64)
        return log_powers

    def _baselines(self, log_powers: npt.NDArray[np.float64], good: BoolArray) -> npt.NDArray[np.float64]:
        """Return the baselines behind each frame, (n_frames, n_derivations, n_bands)."""
        state = self._state
        steps = state.steps + np.cumsum(good, axis=0)
        # A plain mean at first, an exponential one once it has seen a time constant's worth.
        alpha = (np.maximum(self._alpha, 1 / np.maximum(steps, 1)) * good)[..., None]
        baselines, before = np.empty_like(log_powers), state.baseline
        for log_power, weight, behind in zip(log_powers, alpha, baselines, strict=True):
            np.subtract(log_power, before, out=behind)
            behind *= weight
            behind += before
            before = behind
        state.steps, state.baseline = steps[-1], before.copy()
        return baselines

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


def _level(baselines: npt.NDArray[np.float64], good: BoolArray) -> npt.NDArray[np.float64]:
    """Return (n_frames, 1, 1), the mean of the baselines of good derivations; 0 where none is good."""
    sums: npt.NDArray[np.float64] = (baselines * good[..., None]).sum(axis=(1, 2), keepdims=True)
    level: npt.NDArray[np.float64] = sums / np.maximum(good.sum(axis=1) * baselines.shape[2], 1)[:, None, None]
    return level
