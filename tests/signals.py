"""Signals that look like EEG enough for the conditioning, cut into chunks of any size."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from hypothesis import settings
from scipy.signal import lfilter

from detector.messages import Chunk, Description, FloatArray

RATE_HZ = 256.0
SIZES = (1, 7, 64, 1000)

# The same examples in every run: a failure that cannot be repeated is of no use.
settings.register_profile("deterministic", derandomize=True, deadline=None, database=None)


def deterministic(examples: int) -> settings:
    """Return the settings of a property that is tried on this many examples."""
    return settings(settings.get_profile("deterministic"), max_examples=examples)


def noise(n_samples: int, n_channels: int = 22, *, seed: int = 0, uv: float = 30.0) -> FloatArray:
    """Return (n_samples, n_channels) of noise with more power at low frequencies, about ``uv`` root-mean-square."""
    white = np.random.default_rng(seed).normal(0, 1, (n_samples + 200, n_channels))
    red = lfilter([0.3], [1, -0.95], white, axis=0)[200:]
    samples: FloatArray = (red * uv).astype(np.float32)
    return samples


def describe(labels: Sequence[str], rate_hz: float = RATE_HZ, scale: float | None = 1.0) -> Description:
    """Return the description of a source of these channels."""
    n = len(labels)
    return Description(tuple(labels), rate_hz, (scale,) * n, ("microvolts" if scale else "",) * n)


def whole(samples: FloatArray, rate_hz: float = RATE_HZ, start_s: float = 0.0) -> Chunk:
    """Return all samples as one chunk."""
    return Chunk(samples, start_s + np.arange(len(samples)) / rate_hz)


def cut(chunk: Chunk, sizes: int | Sequence[int]) -> Iterator[Chunk]:
    """Yield the chunk in pieces of these sizes, over and over."""
    start = 0
    for size in itertools.cycle([sizes] if isinstance(sizes, int) else sizes):
        if start >= len(chunk.samples):
            return
        part = slice(start, start + size)
        good = None if chunk.good is None else chunk.good[part]
        yield Chunk(chunk.samples[part], chunk.timestamps[part], good)
        start += size
