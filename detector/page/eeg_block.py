"""EEG as a screen takes it: derivations as 16-bit numbers, no faster than can be shown."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from detector.messages import FloatArray

STEP_UV = 0.1  # of the 16-bit numbers that are sent: up to 3.2 mV, as EEG amplifiers go
NO_SAMPLE = -32768
_MAX_RATE_HZ = 300.0  # what a screen can show; faster EEG is thinned behind a mean of its samples


def thinning(rate_hz: float) -> int:
    """Return of how many samples a screen gets one."""
    return max(int(np.ceil(rate_hz / _MAX_RATE_HZ)), 1)


def block_of(samples: FloatArray, thin: int) -> dict[str, Any]:
    """Return what is sent of samples, as many as are a multiple of ``thin``.

    Parameters
    ----------
    samples
        (n_samples, n_derivations), float32 µV; what is no number is sent as `NO_SAMPLE`.
    thin
        See `thinning`.

    Returns
    -------
    dict
        ``n`` samples of each derivation, and ``samples``: (n, n_derivations), little-endian int16 in `STEP_UV`, base64.
    """
    shown = samples.reshape(-1, thin, samples.shape[1]).mean(axis=1) / STEP_UV
    numbers = np.where(np.isfinite(shown), np.clip(np.rint(shown), NO_SAMPLE + 1, -NO_SAMPLE - 1), NO_SAMPLE)
    return {"n": len(shown), "samples": base64.b64encode(numbers.astype("<i2").tobytes()).decode()}
