"""Our streaming resampler beside soxr's and scipy's: delay, precision, aliases, cost.

Run on one core: ``taskset -c 0 python benchmarks/resamplers.py``. soxr is optional (``pip install soxr``).
``scipy.signal.resample_poly`` sees the whole recording and has no delay: it is the truth, not a choice.

* *first out*: seconds of input before the first output sample comes (chunks of 8 samples).
* *behind*: how far the newest output's place in the signal lies behind the newest input, in the long run: the delay
  that a detection gets. It is the filter's group delay and whatever the resampler keeps back.
* *error*: root-mean-square difference of rhythms of 3 and 25 Hz from their true values, in percent.
* *alias*: what is left, in dB, of 150 Hz, which 256 Hz cannot carry.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from scipy import signal

from detector.conditioning.resampler import Resampler, ResamplerConfig
from detector.messages import Chunk, FloatArray

try:
    import soxr
except ImportError:
    soxr = None

TO_HZ = 256.0
CHUNK = 8
SECONDS = 20
Push = Callable[[FloatArray], FloatArray]


def ours(rate_hz: float) -> Push:
    stage = Resampler(ResamplerConfig(rate_hz, TO_HZ))

    def push(samples: FloatArray) -> FloatArray:
        return stage.process(Chunk(samples, np.zeros(len(samples)))).samples

    return push


def soxr_of(quality: str) -> Callable[[float], Push]:
    def make(rate_hz: float) -> Push:
        stream: list[soxr.ResampleStream] = []

        def push(samples: FloatArray) -> FloatArray:
            if not stream:
                stream.append(soxr.ResampleStream(rate_hz, TO_HZ, samples.shape[1], dtype="float32", quality=quality))
            out: FloatArray = stream[0].resample_chunk(samples)
            return out

        return push

    return make


def main() -> None:
    makers: dict[str, Callable[[float], Push]] = {"ours": ours}
    if soxr is None:
        print("soxr is not installed: only ours is measured\n")
    else:
        makers |= {f"soxr {quality}": soxr_of(quality) for quality in ("QQ", "LQ", "MQ", "HQ")}
    print(
        f"{'':<10}{'from Hz':>8}{'first out':>11}{'behind':>9}{'error':>8}{'alias':>8}"
        f"{'s / hour':>10}{'µs / chunk':>12}"
    )
    for rate_hz in (250.0, 500.0, 512.0, 1000.0):
        for name, make in makers.items():
            first, behind, error = _delays(make(rate_hz), rate_hz)
            alias = _alias_db(make(rate_hz), rate_hz)
            bulk, live = _cost(make, rate_hz)
            alias_text = "" if np.isnan(alias) else f"{alias:.0f} dB"
            print(
                f"{name:<10}{rate_hz:>8.0f}{first * 1e3:>8.0f} ms{behind * 1e3:>6.0f} ms{error:>7.2f}%{alias_text:>8}"
                f"{bulk:>10.2f}{live:>12.0f}"
            )
        truth, seconds = _truth(rate_hz)
        print(f"{'scipy':<10}{rate_hz:>8.0f}{'all':>11}{0:>6.0f} ms{truth:>7.2f}%{'':>8}{seconds:>10.2f}{'':>12}\n")


def _rhythms(t: np.ndarray[tuple[int], np.dtype[np.float64]]) -> FloatArray:
    waves = [100 * np.sin(2 * np.pi * hz * t) for hz in (3.0, 25.0)]
    return np.column_stack(waves).astype(np.float32)


def _delays(push: Push, rate_hz: float) -> tuple[float, float, float]:
    """Return first output, delay behind the newest input (both seconds), and error in percent."""
    samples = _rhythms(np.arange(int(SECONDS * rate_hz)) / rate_hz)
    parts, first_s, lags = [], np.nan, []
    n_out = 0
    for start in range(0, len(samples), CHUNK):
        out = push(samples[start : start + CHUNK])
        parts.append(out)
        n_out += len(out)
        fed_s = min(start + CHUNK, len(samples)) / rate_hz
        if n_out and np.isnan(first_s):
            first_s = fed_s
        if fed_s > SECONDS / 2:
            lags.append(fed_s - n_out / TO_HZ)
    out = np.concatenate(parts)
    t = np.arange(len(out)) / TO_HZ
    settled = slice(len(out) // 4, -256)
    # The place of the outputs in the signal: the shift at which they fit the rhythms best.
    shifts = np.arange(-0.01, 0.5, 0.0005)
    errors = [float(np.sqrt(np.mean((out - _rhythms(t - shift))[settled] ** 2))) for shift in shifts]
    fine = shifts[int(np.argmin(errors))] + np.arange(-5e-4, 5e-4, 1e-5)
    errors = [float(np.sqrt(np.mean((out - _rhythms(t - shift))[settled] ** 2))) for shift in fine]
    best = int(np.argmin(errors))
    return first_s, float(np.mean(lags)) + float(fine[best]), 100 * errors[best] / (100 / 2**0.5)


def _alias_db(push: Push, rate_hz: float) -> float:
    if rate_hz <= 300:
        return np.nan
    t = np.arange(int(SECONDS * rate_hz)) / rate_hz
    wave = np.sin(2 * np.pi * 150 * t)[:, None].astype(np.float32)
    out = np.concatenate([push(wave[i : i + 4096]) for i in range(0, len(wave), 4096)])
    return float(20 * np.log10(np.abs(out[len(out) // 4 : -256]).max()))


def _cost(make: Callable[[float], Push], rate_hz: float) -> tuple[float, float]:
    """Return seconds for an hour of 22 channels in chunks of 4096, and microseconds for a chunk of 8."""
    minutes = 6
    samples = np.random.default_rng(0).normal(0, 30, (int(60 * minutes * rate_hz), 22)).astype(np.float32)
    push = make(rate_hz)
    began = time.perf_counter()
    for start in range(0, len(samples), 4096):
        push(samples[start : start + 4096])
    bulk = (time.perf_counter() - began) * 60 / minutes
    push = make(rate_hz)
    began = time.perf_counter()
    for start in range(0, 2000 * CHUNK, CHUNK):
        push(samples[start : start + CHUNK])
    return bulk, (time.perf_counter() - began) / 2000 * 1e6


def _truth(rate_hz: float) -> tuple[float, float]:
    from fractions import Fraction

    ratio = Fraction(TO_HZ / rate_hz).limit_denominator(1024)
    samples = _rhythms(np.arange(int(SECONDS * rate_hz)) / rate_hz)
    out = signal.resample_poly(samples, ratio.numerator, ratio.denominator, axis=0)
    error = (out - _rhythms(np.arange(len(out)) / TO_HZ))[256:-256]
    minute = np.random.default_rng(0).normal(0, 30, (int(60 * rate_hz), 22)).astype(np.float32)
    began = time.perf_counter()
    signal.resample_poly(minute, ratio.numerator, ratio.denominator, axis=0)
    seconds = (time.perf_counter() - began) * 60
    return float(np.sqrt(np.mean(error**2))) / (100 / 2**0.5) * 100, seconds


if __name__ == "__main__":
    main()
