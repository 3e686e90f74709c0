"""The strength of a rhythm is 1 for a sine, whatever its amplitude, and little for what does not repeat."""

from __future__ import annotations

import numpy as np
import pytest

from detector.conditioning.rhythm import Rhythm, RhythmConfig
from detector.messages import FloatArray

RHYTHM = Rhythm(RhythmConfig(band_hz=(1.0, 12.0), repeats_hz=(1.5, 10.0)), 256.0, 512)


def strength(samples: FloatArray, rhythm: Rhythm = RHYTHM) -> float:
    """Return the strength of one frame of one derivation."""
    return float(rhythm.strengths([samples.astype(np.float32)[:, None]])[0, 0])


def sine(hz: float, uv: float = 50.0) -> FloatArray:
    return (uv * np.sin(2 * np.pi * hz * np.arange(512) / 256 + 0.7)).astype(np.float32)


def white(seed: int, uv: float = 50.0) -> FloatArray:
    return np.random.default_rng(seed).normal(0, uv, 512).astype(np.float32)


@pytest.mark.parametrize("hz", [2.0, 3.0, 3.3, 5.0, 8.0, 9.7])
def test_a_sine_has_the_strength_one(hz: float) -> None:
    assert strength(sine(hz)) == pytest.approx(1, abs=0.12)


def test_a_rhythm_of_spikes_is_as_strong_as_a_sine() -> None:
    spikes = np.zeros(512, dtype=np.float32)
    spikes[::64] = 200  # four a second, with harmonics at 8 and 12 Hz
    assert strength(spikes) == pytest.approx(1, abs=0.12)


def test_noise_has_little_of_it_and_a_sine_in_noise_something_between() -> None:
    noise = float(np.mean([strength(white(seed)) for seed in range(200)]))
    mixed = float(np.mean([strength(white(seed, 100) + sine(4, 50)) for seed in range(200)]))
    assert 0.4 < noise < 0.55
    assert noise + 0.1 < mixed < 0.9


def test_it_equals_the_autocorrelation_computed_by_hand() -> None:
    """A sum over a few bins, against the transform of the whole weighted spectrum, lag by lag."""
    samples = white(3)
    window = np.hanning(513)[:-1]
    power = np.abs(np.fft.rfft(samples * window)) ** 2
    hz = np.fft.rfftfreq(512, 1 / 256)
    weighted = np.where((hz >= 1) & (hz <= 12), power * hz, 0)
    similar = np.fft.irfft(weighted)
    lags = range(26, 171, 2)  # 10 to 1.5 times a second
    for lag in range(24, 174):
        similar[lag] *= (window**2).sum() / (window[: 512 - lag] * window[lag:]).sum() / similar[0]
    peaks = [similar[lag] for lag in lags if similar[lag - 2] <= similar[lag] >= similar[lag + 2]]
    assert strength(samples) == pytest.approx(max(peaks), abs=1e-3)


@pytest.mark.parametrize("factor", [0.5, 2.0, 30.0])
def test_the_amplitude_does_not_count(factor: float) -> None:
    samples = white(5, 20.0) + sine(6, 20.0)
    assert strength(samples * factor) == pytest.approx(strength(samples), abs=1e-3)


@pytest.mark.parametrize("hz", [20.0, 50.0, 60.0])
def test_what_lies_outside_the_band_does_not_count(hz: float) -> None:
    samples = white(7)
    assert strength(samples + sine(hz, 500)) == pytest.approx(strength(samples), abs=0.01)


def test_what_repeats_less_often_than_the_range_is_no_rhythm() -> None:
    """Its autocorrelation is high at both ends of the range, and neither end is a peak."""
    assert strength(sine(1.2, 500)) == 0


def test_a_flat_frame_has_none() -> None:
    assert strength(np.zeros(512, dtype=np.float32)) == 0
    assert strength(np.full(512, 300, dtype=np.float32)) < 0.05


def test_derivations_and_frames_do_not_mix() -> None:
    frames = np.stack([np.column_stack([sine(4), white(1)]), np.column_stack([white(2), np.zeros(512)])])
    found = RHYTHM.strengths(list(frames.astype(np.float32)))
    alone = [[strength(frame[:, i]) for i in range(2)] for frame in frames]
    np.testing.assert_allclose(found, alone, atol=1e-5)
