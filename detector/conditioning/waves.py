"""A few lines of a frame's spectrum: products with their waves are quicker than a Fourier transform of all of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from detector.messages import FloatArray


def centred_waves(cycles: npt.NDArray[np.floating], window: npt.NDArray[np.floating]) -> FloatArray:
    """Return (2 * n_lines, n_samples): cosines, then sines, under a window, of a signal less its mean.

    Taking the mean off is linear, so that it is done here, once, and not to each frame.

    Parameters
    ----------
    cycles
        (n_lines,), frequencies in cycles a sample.
    window
        (n_samples,).
    """
    angle = 2 * np.pi * cycles[:, None] * np.arange(len(window))
    waves = np.concatenate([np.cos(angle), np.sin(angle)]) * window
    centred: FloatArray = (waves - waves.mean(axis=1, keepdims=True)).astype(np.float32)
    return centred


def products(waves: FloatArray, frames: Sequence[FloatArray]) -> FloatArray:
    """Return (n_frames, 2 * n_lines, n_channels), each frame by itself: it is a view of samples that others share."""
    parts = np.empty((len(frames), len(waves), frames[0].shape[1]), dtype=np.float32)
    for frame, out in zip(frames, parts, strict=True):
        np.matmul(waves, frame, out=out)
    return parts
