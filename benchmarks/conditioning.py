"""What the pipeline costs: seconds for an hour of EEG by stage, and microseconds for a live chunk.

Run on one core, with nothing else on it: ``taskset -c 0 python benchmarks/conditioning.py [BUNDLE]``. The signal is
noise of 22 channels at 256 Hz; the network is that of the bundle (default: the one that is installed).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# One core, as a bed has; read when numpy and TensorFlow are loaded.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(_name, "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np  # noqa: E402
from figures import figure  # noqa: E402
from scipy.signal import lfilter  # noqa: E402

from detector.decision import Decision  # noqa: E402
from detector.messages import Chunk, Description, FloatArray  # noqa: E402
from detector.network.bundle import DEFAULT_BUNDLE, Bundle, load_bundle  # noqa: E402
from detector.pipeline import Conditioning, Pipeline, decision_config  # noqa: E402

RATE_HZ = 256.0
HOUR = int(3600 * RATE_HZ)
OFFLINE_CHUNK, LIVE_CHUNKS = 4096, (8, 32)
LIVE_S = 300


def main() -> None:
    bundle = load_bundle(sys.argv[1] if len(sys.argv) > 1 else DEFAULT_BUNDLE)
    from detector.network.keras_lstm import KerasLstm

    network = KerasLstm(bundle)
    samples = _noise(HOUR)
    print(f"{bundle.card.id}: a step of {bundle.card.step_s:g} s; one hour of 22 x {RATE_HZ:g} Hz in one process\n")
    print(f"{'stage':<14}{'s / hour':>10}{'share':>8}")
    total, seconds = _offline(bundle, network, samples)
    for stage, spent in seconds.items():
        print(f"{stage:<14}{spent:>10.3f}{spent / total:>8.0%}")
    print(f"{'all':<14}{total:>10.3f}\n")
    figure("the pipeline's stages without a file, an hour of EEG", total, "s")
    print(f"{'live chunk':<14}{'chunks/s':>10}{'µs mean':>10}{'median':>8}{'longest':>9}{'one core':>10}")
    for size in LIVE_CHUNKS:
        live = _live(bundle, network, samples[: int(LIVE_S * RATE_HZ)], size)
        mean, median, longest = (1e6 * float(x) for x in (live.mean(), np.median(live), live.max()))
        rate = RATE_HZ / size
        print(f"{size:<14}{rate:>10.0f}{mean:>10.0f}{median:>8.0f}{longest:>9.0f}{mean / 1e6 * rate:>10.2%}")


def _noise(n: int) -> FloatArray:
    # In steps of 0.2 µV, like an amplifier's: values do repeat in single channels.
    white = np.random.default_rng(0).normal(0, 1, (n, 22))
    samples: FloatArray = (np.round(lfilter([6.0], [1, -0.95], white, axis=0) / 0.2) * 0.2).astype(np.float32)
    return samples


def _pipeline(bundle: Bundle, network: Any) -> Pipeline:
    labels = bundle.card.derivations
    n = len(labels)
    description = Description(labels, RATE_HZ, (1.0,) * n, ("microvolts",) * n)
    return Pipeline(Conditioning(bundle.card, description), network, Decision(decision_config(bundle.card)))


def _offline(bundle: Bundle, network: Any, samples: FloatArray) -> tuple[float, dict[str, float]]:
    """Return the seconds of the fastest of three runs, and by stage those of a fourth."""
    totals = [_run(_pipeline(bundle, network), samples) for _ in range(3)]
    pipeline = _pipeline(bundle, network)
    seconds: dict[str, float] = {}
    c = pipeline.conditioning
    stages: dict[str, Any] = {
        "montage": c.montage,
        "quality": c.quality,
        "filters": c.filters,
        "resampler": c.resampler,
    }
    stages |= {"framer": c.framer, "bands": c.bands, "network": network, "decision": pipeline.decision}
    kept = network.process
    for name, stage in stages.items():
        stage.process = _timed(name, stage.process, seconds)
    _run(pipeline, samples)
    network.process = kept
    return min(totals), seconds


def _timed(name: str, process: Callable[[Any], Any], seconds: dict[str, float]) -> Callable[[Any], Any]:
    seconds[name] = 0.0

    def timed(message: Any) -> Any:
        began = time.perf_counter()
        out = process(message)
        seconds[name] += time.perf_counter() - began
        return out

    return timed


def _run(pipeline: Pipeline, samples: FloatArray) -> float:
    stamps = np.arange(len(samples)) / RATE_HZ
    began = time.perf_counter()
    for start in range(0, len(samples), OFFLINE_CHUNK):
        part = slice(start, start + OFFLINE_CHUNK)
        for _ in pipeline.process(Chunk(samples[part], stamps[part])):
            pass
    return time.perf_counter() - began


def _live(bundle: Bundle, network: Any, samples: FloatArray, size: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    pipeline = _pipeline(bundle, network)
    stamps = np.arange(len(samples)) / RATE_HZ
    spent = []
    for start in range(0, len(samples), size):
        chunk = Chunk(samples[start : start + size].copy(), stamps[start : start + size])
        began = time.perf_counter()
        for _ in pipeline.process(chunk):
            pass
        spent.append(time.perf_counter() - began)
    return np.array(spent[len(spent) // 10 :])


if __name__ == "__main__":
    main()
