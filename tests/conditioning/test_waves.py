"""Lines of a spectrum are those of a Fourier transform, of the frame less its mean."""

from __future__ import annotations

import numpy as np

from detector.conditioning.waves import centred_waves, products
from tests.signals import noise


def test_products_are_the_lines_of_the_fourier_transform() -> None:
    samples, window = noise(640, 3), np.hanning(257)[:-1]
    frames = [samples[start : start + 256] for start in range(0, 385, 128)]
    bins = np.arange(1, 41)
    found = products(centred_waves(bins / 256, window), frames)
    centred = np.stack(frames).astype(np.float64)
    centred -= centred.mean(axis=1, keepdims=True)
    expected = np.fft.rfft(centred * window[:, None], axis=1)[:, bins]
    largest = np.abs(expected).max()
    np.testing.assert_allclose(found[:, :40], expected.real, atol=1e-6 * largest)
    np.testing.assert_allclose(found[:, 40:], -expected.imag, atol=1e-6 * largest)


def test_a_constant_gives_nothing_at_all() -> None:
    waves = centred_waves(np.array([0.5, 1.0, 10.0]) / 256, np.hanning(256))
    assert np.abs(products(waves, [np.full((256, 2), 1000.0, dtype=np.float32)])).max() < 0.01
