"""Any usual rate reaches the model's rate: the same signal, at once, in chunks of any size."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from detector.conditioning.resampler import Resampler, ResamplerConfig
from detector.errors import BadDataError
from detector.messages import Chunk, FloatArray
from tests.signals import SIZES, cut, deterministic, noise, whole

RATES = (200.0, 250.0, 500.0, 512.0, 1000.0, 1024.0, 2000.0, 2048.0)


def sine(hz: float, rate_hz: float, seconds: float = 8.0) -> FloatArray:
    t = np.arange(int(seconds * rate_hz)) / rate_hz
    return (100 * np.sin(2 * np.pi * hz * t))[:, None].astype(np.float32)


def resample(rate_hz: float, samples: FloatArray, sizes: int | list[int] = 10**6) -> Chunk:
    stage = Resampler(ResamplerConfig(rate_hz, 256.0))
    parts = [stage.process(part) for part in cut(whole(samples, rate_hz), sizes)]
    return Chunk(np.concatenate([p.samples for p in parts]), np.concatenate([p.timestamps for p in parts]))


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("hz", [3.0, 25.0])
def test_a_rhythm_comes_out_with_its_height_and_delayed_by_delay_s(rate_hz: float, hz: float) -> None:
    out = resample(rate_hz, sine(hz, rate_hz))
    delay_s = Resampler(ResamplerConfig(rate_hz, 256.0)).delay_s
    t = np.arange(len(out.samples)) / 256 - delay_s
    late = slice(256, None)
    np.testing.assert_allclose(out.samples[late, 0], 100 * np.sin(2 * np.pi * hz * t)[late], atol=0.3)


@pytest.mark.parametrize("rate_hz", [500.0, 512.0, 1000.0, 2048.0])
def test_what_would_alias_is_damped_by_60_db(rate_hz: float) -> None:
    out = resample(rate_hz, sine(150.0, rate_hz)).samples
    assert len(out) > 1000
    assert np.abs(out[256:]).max() < 0.1


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("size", SIZES)
def test_the_size_of_the_chunks_changes_nothing(rate_hz: float, size: int) -> None:
    samples = noise(3000, 2)
    expected, out = resample(rate_hz, samples), resample(rate_hz, samples, size)
    assert len(expected.samples) > 300
    np.testing.assert_allclose(out.samples, expected.samples, atol=1e-5)
    np.testing.assert_array_equal(out.timestamps, expected.timestamps)


@pytest.mark.parametrize("rate_hz", [*RATES, 249.87, 331.7])
def test_samples_are_those_of_scipy_in_double_precision(rate_hz: float) -> None:
    samples = noise(5000, 3)
    ratio = Fraction(256 / rate_hz).limit_denominator(4096)
    up, down = ratio.numerator, ratio.denominator
    widest = max(up, down)
    length, beta = signal.kaiserord(60.0, 0.3 / widest)
    taps = signal.firwin(length | 1, 0.85 / widest, window=("kaiser", beta)) * up
    lead = down * 100  # the first sample, as if it had been there for ever
    known = np.concatenate([np.repeat(samples[:1], lead, axis=0), samples]).astype(np.float64)
    expected = signal.upfirdn(taps, known, up, down, axis=0)[up * 100 :]
    for size in (10**6, 300):
        out = resample(rate_hz, samples, size).samples
        assert len(out) > 600
        np.testing.assert_allclose(out, expected[: len(out)], rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("rate_hz", RATES)
def test_an_output_is_stamped_with_the_newest_sample_that_it_saw(rate_hz: float) -> None:
    samples = noise(3000, 1)
    before = resample(rate_hz, samples)
    samples[2000:] += 100
    changed = np.abs(resample(rate_hz, samples).samples - before.samples)[:, 0] > 0
    assert changed.any()
    assert before.timestamps[changed].min() >= 2000 / rate_hz
    assert before.timestamps[~changed].max() < (2000 + 10) / rate_hz


@deterministic(60)
@given(st.sampled_from((*RATES, 256.0)), st.lists(st.integers(1, 400), min_size=1, max_size=8), st.integers(1, 70))
def test_needed_is_exactly_what_completes_more_output(rate_hz: float, sizes: list[int], n_outputs: int) -> None:
    stage = Resampler(ResamplerConfig(rate_hz, 256.0))
    signal_parts = [noise(size, 1) for size in sizes]
    for part in signal_parts:
        stage.process(whole(part))
    needed = stage.needed(n_outputs)
    before = len(stage.process(whole(noise(max(needed - 1, 0), 1))).samples)
    assert before < n_outputs
    assert before + len(stage.process(whole(noise(1, 1))).samples) >= n_outputs


def test_the_long_run_neither_gains_nor_loses_samples() -> None:
    n = 500 * 120
    assert len(resample(500.0, noise(n, 1), 4096).samples) == 256 * 120
    assert resample(500.0, noise(n, 1), 4096).samples.shape == signal.resample_poly(noise(n, 1), 64, 125).shape


@pytest.mark.parametrize("rate_hz", [250.0, 500.0])
def test_a_session_begins_without_a_step_and_keeps_its_count_of_missing_samples(rate_hz: float) -> None:
    stage = Resampler(ResamplerConfig(rate_hz, 256.0))
    constant = whole(np.full((1000, 2), 100.0, dtype=np.float32), rate_hz)
    parts = [stage.process(replace(part, missing=1)) for part in cut(constant, 100)]
    np.testing.assert_allclose(np.concatenate([p.samples for p in parts]), 100, atol=0.5)
    assert sum(p.missing for p in parts) == 10


@pytest.mark.parametrize("rate_hz", [131.0, 249.87, 331.7, 1999.0, 2047.0])
def test_an_unusual_rate_is_resampled_as_well(rate_hz: float) -> None:
    out = resample(rate_hz, sine(10.0, rate_hz), 64)
    t = np.arange(len(out.samples)) / 256 - Resampler(ResamplerConfig(rate_hz, 256.0)).delay_s
    assert len(out.samples) == pytest.approx(8 * 256, abs=3)
    np.testing.assert_allclose(out.samples[256:, 0], 100 * np.sin(2 * np.pi * 10 * t)[256:], atol=0.5)


@deterministic(60)
@given(st.floats(128, 2048))
def test_every_rate_in_the_range_is_reached_to_a_part_in_five_thousand(rate_hz: float) -> None:
    stage = Resampler(ResamplerConfig(rate_hz, 256.0))
    n = stage.needed(25600)
    assert n / rate_hz == pytest.approx(100, rel=2e-4)


@pytest.mark.parametrize("rate_hz", [0.0, 100.0, 4096.0, float("nan")])
def test_a_rate_outside_the_range_is_refused_with_the_range(rate_hz: float) -> None:
    with pytest.raises(BadDataError, match="expected 128 to 2048 Hz"):
        Resampler(ResamplerConfig(rate_hz, 256.0))


def test_the_models_own_rate_passes_untouched() -> None:
    chunk = whole(noise(10))
    assert Resampler(ResamplerConfig(256.0, 256.0)).process(chunk) is chunk
