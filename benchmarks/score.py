"""How long `score` takes for an hour of EDF on one core: `python benchmarks/score.py [--engine litert]`.

The time of a start (interpreter, engine, bundle) is printed apart: it is paid once, however long the
recordings are. Seconds of the processor are what the wall clock shows on a core that nobody else uses; the seconds that
were waited stand beside them.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from edfio import Edf, EdfSignal
from figures import figure
from rich.console import Console
from rich.table import Table

RATE_HZ = 256
_MINUTE_S = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--bundle", default="chb-lstm-2")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--chunk-samples", type=int, default=4096)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before TensorFlow counts the cores
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.edf"
        write_long(path, arguments.hours * 3600)
        whole_s = [run_program(path, arguments.bundle, arguments.engine) for _ in range(arguments.repeats)]
        short = Path(folder) / "short.edf"
        write_long(short, 30)
        start_s = [run_program(short, arguments.bundle, arguments.engine) for _ in range(arguments.repeats)]
        seconds = min(
            (
                stages(path, arguments.bundle, arguments.engine, arguments.chunk_samples)
                for _ in range(arguments.repeats)
            ),
            key=lambda timed: timed["all"],
        )
    show(arguments.hours, min(whole_s), min(start_s), seconds)
    recorded_s = arguments.hours * 3600
    figure(
        "EDF to TSV and CSV in a running process, times real time per core", recorded_s / seconds["all"], at_least=3000
    )
    figure("the same, processor time of an hour", seconds["all"] / arguments.hours, "s")
    figure("the whole command, its start included, times real time per core", recorded_s / min(whole_s)[0])
    figure("the command's start, processor time", min(start_s)[0], "s")


def write_long(path: Path, duration_s: float, seed: int = 0) -> None:
    """Write 22 channels at 256 Hz: ten minutes of synthetic EEG with a seizure, again and again."""
    from detector.messages import Chunk
    from detector.source.synthetic import CHB_MIT_22, SyntheticConfig, SyntheticEeg

    eeg = SyntheticEeg(SyntheticConfig(10.0 * _MINUTE_S, float(RATE_HZ), ((300.0, 330.0),), seed=seed))
    piece = np.concatenate([m.samples for m in eeg.messages() if isinstance(m, Chunk)]).astype(np.float64)
    n = round(duration_s * RATE_HZ)
    samples = np.resize(np.clip(piece, -3200, 3200), (n, len(CHB_MIT_22)))
    signals = [
        EdfSignal(samples[:, i], RATE_HZ, label=label, physical_dimension="uV", physical_range=(-3200, 3200))
        for i, label in enumerate(CHB_MIT_22)
    ]
    Edf(signals, data_record_duration=1).write(path)


def run_program(path: Path, bundle: str, engine: str) -> tuple[float, float]:
    """Return the processor's seconds of the whole command, and those that a user waits for."""
    target = path.with_suffix(".tsv")
    command = [sys.executable, "-m", "detector", "score", str(path), "--bundle", bundle, "--engine", engine]
    began, used = time.perf_counter(), children_s()
    subprocess.run([*command, "--output", str(target)], check=True, capture_output=True)
    return children_s() - used, time.perf_counter() - began


def children_s() -> float:
    """Return the processor's seconds of all processes that this one has begun, and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def stages(path: Path, name: str, engine: Any, chunk_samples: int) -> dict[str, float]:
    """Return the processor's seconds of each stage of scoring a file in this process, and ``waited``."""
    from detector.network.bundle import load_bundle
    from detector.network.engines import make_engine
    from detector.pipeline import Conditioning
    from detector.scoring import events_tsv, score, steps_csv, write_whole
    from detector.source.recording import Recording, open_recording

    bundle = load_bundle(name)
    network: Any = make_engine(bundle, engine)
    spent: dict[str, float] = {}

    def timed(what: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            began = time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                spent[what] = spent.get(what, 0.0) + time.process_time() - began

        return call

    def reading(recording: Recording, chunk_samples: int = 4096) -> Iterator[Any]:
        messages = iter(messages_of(recording, chunk_samples))
        following = timed("reading", lambda: next(messages, None))
        while (message := following()) is not None:
            yield message

    messages_of, process = Recording.messages, Conditioning.process
    Recording.messages = reading  # type: ignore[method-assign, assignment]
    Conditioning.process = timed("conditioning", process)  # type: ignore[method-assign]
    network.process = timed("network", network.process)
    began, clock_s = time.process_time(), time.perf_counter()
    try:
        recording = timed("opening", open_recording)(path)
        scored = score(recording, bundle, network, chunk_samples=chunk_samples)
    finally:
        Recording.messages, Conditioning.process = messages_of, process  # type: ignore[method-assign]
    spent["decision and scoring"] = time.process_time() - began - sum(spent.values())
    writing = timed("writing", write_whole)
    writing(path.with_suffix(".tsv"), events_tsv(scored, recording))
    writing(path.with_suffix(".csv"), steps_csv(scored, recording.description.rate_hz))
    assert scored.events, "nothing was detected: the benchmark would not have run what it claims"
    spent["all"] = time.process_time() - began
    spent["waited"] = time.perf_counter() - clock_s
    return spent


def show(hours: float, whole: tuple[float, float], start: tuple[float, float], seconds: dict[str, float]) -> None:
    """Print the table."""
    table = Table(title=f"score: {hours:g} h of EDF, 22 channels at {RATE_HZ} Hz, one core, best of the repeats")
    table.add_column("what", min_width=40)
    table.add_column("processor (s)", justify="right")
    table.add_column("waited (s)", justify="right")
    for what in ("opening", "reading", "conditioning", "network", "decision and scoring", "writing"):
        table.add_row(what, f"{seconds[what]:.2f}")
    table.add_row("all of it, in one process", f"{seconds['all']:.2f}", f"{seconds['waited']:.2f}", end_section=True)
    table.add_row("the command, start-up included", *(f"{value:.2f}" for value in whole))
    table.add_row("the command on 30 s of EDF: start-up", *(f"{value:.2f}" for value in start))
    table.add_row("the difference", *(f"{a - b:.2f}" for a, b in zip(whole, start, strict=True)))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
