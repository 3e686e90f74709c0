"""The filters are the textbook's, start without a step, and stay fast and finite."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from detector.conditioning.filters import Filters, FiltersConfig
from detector.messages import FloatArray
from tests.signals import RATE_HZ, cut, noise, whole

PLAIN = FiltersConfig(RATE_HZ, highpass_hz=0.5, clip_uv=800.0)


def run(config: FiltersConfig, samples: FloatArray, sizes: int = 10**6) -> FloatArray:
    filters = Filters(config)
    return np.concatenate([filters.process(part).samples for part in cut(whole(samples, config.rate_hz), sizes)])


def gain(config: FiltersConfig, hz: float) -> float:
    t = np.arange(20 * int(config.rate_hz)) / config.rate_hz
    wave = (100 * np.sin(2 * np.pi * hz * t))[:, None].astype(np.float32)
    return float(np.abs(run(config, wave)[len(t) // 2 :]).max() / 100)


@pytest.mark.parametrize(("hz", "expected"), [(0.1, 0.04), (0.5, 2**-0.5), (3.0, 1.0), (40.0, 1.0)])
def test_the_high_pass_is_a_butterworth_of_second_order(hz: float, expected: float) -> None:
    assert gain(PLAIN, hz) == pytest.approx(expected, abs=0.01)


def test_a_notch_removes_its_line_and_leaves_its_neighbours() -> None:
    config = FiltersConfig(RATE_HZ, 0.5, 800.0, notch_hz=(50.0,))
    assert gain(config, 50.0) < 0.01
    assert gain(config, 40.0) == pytest.approx(1, abs=0.02)


def test_a_low_pass_above_the_nyquist_frequency_is_left_out() -> None:
    config = FiltersConfig(RATE_HZ, 0.5, 800.0, lowpass_hz=200.0, notch_hz=(150.0,))
    np.testing.assert_array_equal(run(config, noise(1000)), run(PLAIN, noise(1000)))
    assert gain(FiltersConfig(RATE_HZ, 0.5, 800.0, lowpass_hz=40.0), 40.0) == pytest.approx(2**-0.5, abs=0.01)


def test_samples_are_those_of_scipy_in_double_precision() -> None:
    sos = signal.butter(2, 0.5, "highpass", fs=RATE_HZ, output="sos")
    samples = noise(20000) + 5000
    zi = signal.sosfilt_zi(sos)[:, :, None] * samples[0].astype(np.float64)
    expected = np.clip(signal.sosfilt(sos, samples.astype(np.float64), axis=0, zi=zi)[0], -800, 800)
    np.testing.assert_allclose(run(PLAIN, samples, 13), expected, atol=1e-4)


def test_a_constant_potential_of_an_electrode_makes_no_step_at_the_start() -> None:
    samples = noise(2560) + 100_000
    assert np.abs(run(PLAIN, samples)).max() < 10 * np.abs(noise(2560)).max()
    np.testing.assert_allclose(run(PLAIN, samples)[1500:], run(PLAIN, noise(2560))[1500:], atol=0.5)


def test_a_step_of_100_millivolts_is_clipped_and_forgotten_in_ten_seconds() -> None:
    samples = noise(20 * 256)
    clean = run(PLAIN, samples)
    samples[2560:] += 100_000
    out = run(PLAIN, samples)
    assert np.abs(out).max() == 800
    assert np.abs(out - clean)[-256:].max() < 1


def test_on_a_flat_input_the_memory_does_not_stay_subnormal() -> None:
    filters = Filters(PLAIN)
    filters.process(whole(noise(256)))
    # Long enough for the memory of the noise to decay below the smallest normal number.
    for part in cut(whole(np.zeros((256 * 600, 22), dtype=np.float32)), 2560):
        filters.process(part)
    assert filters._state.memories is not None
    assert not filters._state.memories[0].any()


def test_subnormal_samples_come_out_finite() -> None:
    out = run(PLAIN, np.full((2560, 22), 1e-42, dtype=np.float32))
    assert np.abs(out).max() < 1e-30
