"""What it costs that oneDNN is off, as it must be where memory that is written is never executed (systemd/README.md).

    python benchmarks/onednn.py [--rounds N]

Processes with oneDNN and without it take turns, so that what else the machine does meets both. Each makes steps of the
network that is shipped, one by one, as a bed does; the quickest of its batches counts. Printed are processor and
elapsed milliseconds of a step, the median over the rounds, and the ratio of the two ways.

Measured with chb-lstm-2 on a busy machine of two cores: 0.583 ms of processor time a step without oneDNN, 0.670 ms with
it, a ratio of 0.87 (elapsed 0.82): for single steps of so small a network oneDNN is no gain.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np
from figures import figure

SWITCH = "TF_ENABLE_ONEDNN_OPTS"
BATCHES, STEPS = 10, 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", action="store_true", help="measure in this process (used by itself)")
    arguments = parser.parse_args()
    if arguments.steps:
        print(json.dumps(measure()))
        return
    measured: dict[str, list[tuple[float, float]]] = {"0": [], "1": []}
    for _ in range(arguments.rounds):
        for switch, found in measured.items():
            command = [sys.executable, __file__, "--steps"]
            threads = {"TF_NUM_INTEROP_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            environment = os.environ | threads | {SWITCH: switch}  # as in the unit
            out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
            found.append(tuple(json.loads(out.splitlines()[-1])))
    medians = {switch: [statistics.median(ms) for ms in zip(*found, strict=True)] for switch, found in measured.items()}
    for switch, (processor_ms, elapsed_ms) in medians.items():
        print(f"{SWITCH}={switch}: {processor_ms:.3f} ms of processor, {elapsed_ms:.3f} ms elapsed a step")
    ratios = [off / on for off, on in zip(medians["0"], medians["1"], strict=True)]
    figure("without oneDNN, times the processor time", float(ratios[0]))
    print(f"without oneDNN {ratios[0]:.2f} times the processor time, {ratios[1]:.2f} times the elapsed time")


def measure() -> tuple[float, float]:
    """Return the (processor, elapsed) milliseconds of a step in the quickest batch."""
    from detector.messages import Features
    from detector.network.bundle import load_bundle
    from detector.network.keras_lstm import KerasLstm
    from detector.pipeline import bands_config

    bundle = load_bundle()
    network = KerasLstm(bundle)
    generator, good = np.random.default_rng(0), np.ones(22, dtype=bool)
    values = generator.normal(0, 1, (STEPS, bands_config(bundle.card).n_features)).astype(np.float32)
    steps = [Features(value, good, float(i)) for i, value in enumerate(values)]
    processor_ms, elapsed_ms = [], []
    for _ in range(BATCHES + 1):  # the first one warms up
        processor_s, elapsed_s = time.process_time(), time.perf_counter()
        for step in steps:
            network.process([step])
        processor_ms.append((time.process_time() - processor_s) / STEPS * 1e3)
        elapsed_ms.append((time.perf_counter() - elapsed_s) / STEPS * 1e3)
    return min(processor_ms[1:]), min(elapsed_ms[1:])


if __name__ == "__main__":
    main()
