"""Sections are the textbook's, and give what a filter in a loop gives, however the samples come."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from detector.conditioning.sections import Coefficients, Section, butterworth_highpass, butterworth_lowpass, notch
from tests.signals import deterministic, noise

RATES = (128.0, 250.0, 256.0, 1000.0, 2048.0)
Array = npt.NDArray[np.float64]


def designs(rate_hz: float) -> dict[str, tuple[Coefficients, tuple[Array, Array]]]:
    return {
        "high-pass": (butterworth_highpass(0.5, rate_hz), signal.butter(2, 0.5, "highpass", fs=rate_hz)),
        "low-pass": (butterworth_lowpass(40.0, rate_hz), signal.butter(2, 40.0, "lowpass", fs=rate_hz)),
        "notch": (notch(50.0, 30, rate_hz), signal.iirnotch(50.0, 30, fs=rate_hz)),
    }


def run(coefficients: Coefficients, samples: npt.NDArray[np.floating], sizes: list[int]) -> Array:
    """Filter from a memory of nothing, in chunks of these sizes, over and over."""
    section, memory = Section(coefficients), np.zeros((2, samples.shape[1]))
    parts: list[Array] = []
    start = 0
    while start < len(samples):
        size = sizes[len(parts) % len(sizes)]
        filtered, memory = section.process(samples[start : start + size], memory)
        parts.append(filtered)
        start += size
    return np.concatenate(parts)


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("kind", ["high-pass", "low-pass", "notch"])
def test_the_coefficients_are_those_of_scipy(kind: str, rate_hz: float) -> None:
    ours, expected = designs(rate_hz)[kind]
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-14)


def test_a_corner_anywhere_below_the_nyquist_frequency_is_designed() -> None:
    for hz in (0.01, 0.1, 1.0, 64.0, 120.0, 127.9):
        high, low = signal.butter(2, hz, "highpass", fs=256), signal.butter(2, hz, "lowpass", fs=256)
        np.testing.assert_allclose(butterworth_highpass(hz, 256.0), high, atol=1e-12)
        np.testing.assert_allclose(butterworth_lowpass(hz, 256.0), low, atol=1e-12)
        Section(butterworth_highpass(hz, 256.0))


@pytest.mark.parametrize("rate_hz", [256.0, 2048.0])
@pytest.mark.parametrize("kind", ["high-pass", "low-pass", "notch"])
def test_an_hour_is_filtered_as_by_a_loop_whatever_the_signal(kind: str, rate_hz: float) -> None:
    """To parts of the largest sample so far: noise, a constant potential, a step of 1 kV and back, tiny numbers."""
    n = 3600 * 256
    samples = noise(n, 5).astype(np.float64)
    samples[:, 1] += 1e5
    samples[n // 3 : n // 2, 2] += 1e9
    samples[:, 3] *= 1e-40
    samples[n // 4 :, 4] = 0.0
    ours, expected = designs(rate_hz)[kind]
    out = run(ours, samples, [4096, 1, 33, 10_000, 32, 31])
    reference = signal.lfilter(*expected, samples, axis=0)
    largest = np.maximum.accumulate(np.abs(samples), axis=0).max(axis=0)
    error = np.abs(out - reference) / largest
    assert np.isfinite(out).all()
    assert (np.abs(reference).max(axis=0) > 1e-3 * largest).all()
    assert error.max() < 1e-10
    # Of a step of 1 kV and back nothing is left after a minute but the rounding of what was there.
    assert np.abs(out - reference)[n // 2 + int(60 * rate_hz) :, 2].max() < 1e-2


@deterministic(60)
@given(st.lists(st.integers(1, 200), min_size=1, max_size=6), st.sampled_from(["high-pass", "low-pass", "notch"]))
def test_the_size_of_the_chunks_changes_nothing_but_rounding(sizes: list[int], kind: str) -> None:
    samples = noise(700, 2) + 1000
    coefficients = designs(256.0)[kind][0]
    np.testing.assert_allclose(run(coefficients, samples, sizes), run(coefficients, samples, [700]), atol=1e-9)


def test_behind_the_steady_memory_of_a_constant_a_high_pass_gives_nothing() -> None:
    for rate_hz in RATES:
        section = Section(butterworth_highpass(0.5, rate_hz))
        ones = np.ones((1000, 1))
        out, memory = section.process(ones, section.steady[:, None])
        assert np.abs(out).max() < 1e-10
        np.testing.assert_allclose(memory[:, 0], section.steady, rtol=1e-9)


def test_samples_and_memory_are_left_as_they_are() -> None:
    section = Section(butterworth_lowpass(40.0, 256.0))
    samples, memory = noise(100, 2), np.ones((2, 2))
    before = samples.copy()
    section.process(samples, memory)
    np.testing.assert_array_equal(samples, before)
    np.testing.assert_array_equal(memory, 1)


def test_poles_that_are_no_pair_are_refused() -> None:
    with pytest.raises(ValueError, match="expected a conjugate pair"):
        Section(((1.0, 0.0, 0.0), (1.0, -1.5, 0.5)))
