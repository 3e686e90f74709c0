"""What a live bed costs beside a loop that only moves the same samples: processor time, memory, time to ready, delay.

    python benchmarks/hot_path.py                      # both engines, a minute each, chunks of 32 samples
    python benchmarks/hot_path.py --chunk 8 --engines litert

For each engine a bed and a bare loop run side by side on one simulated amplifier. The loop pulls with pylsl, a push at
a time, and pushes as many statuses and markers through the same outlets as the bed, with as many readers: it is what
any program of Python pays LSL for that. Processor time is user and system time of the process over the same seconds,
the kernel's own count in nanoseconds. Prints Markdown, and JSON with ``--json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import psutil
import pylsl
from figures import figure

from detector.client.lsl import BedClient, StatusSample
from detector.messages import State
from detector.network.bundle import load_bundle
from detector.sinks.lsl import STATUS_CHANNELS

_STEP_S = 0.5
_SETTLED_S = 20.0  # the bed's start, and the warm-up of its session
_PULL_S = 0.2  # as `detector.source.lsl_stream` waits
# As the unit has it: a bed takes one core.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}


@dataclass(frozen=True)
class Cost:
    """Of one engine; ``ratio`` is the bed's processor time over the loop's."""

    engine: str
    chunk: int
    seconds: float
    bed_ms_per_s: float
    bare_ms_per_s: float
    ratio: float
    resident_mb: float
    unique_mb: float
    threads: int
    ready_s: float
    steps: int
    delay_median_ms: float
    delay_p99_ms: float
    delay_longest_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of stream that are measured")
    parser.add_argument("--chunk", type=int, default=32, help="samples in one push")
    parser.add_argument("--engines", nargs="+", choices=("litert", "tensorflow"), default=["litert", "tensorflow"])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--bare", metavar="SOURCE_ID", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.bare:
        bare(given.bare, given.chunk)
        return
    load_bundle()  # fails early, before anything is started
    libraries = ", ".join(f"{name} {version(name)}" for name in ("pylsl", "numpy", "ai-edge-litert"))
    print(f"{psutil.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {libraries}\n")
    costs = [measure(engine, given.seconds, given.chunk) for engine in given.engines]
    show(costs)
    for cost in costs:
        hand_over(cost)
    if given.json:
        given.json.write_text(json.dumps([asdict(cost) for cost in costs], indent=1) + "\n", encoding="utf-8")


def measure(engine: str, seconds: float, chunk: int) -> Cost:
    """Run a bed and a bare loop on one amplifier."""
    source_id = f"bench-{uuid.uuid4().hex}"
    amplify = ["simulate", "--source-id", source_id, "--chunk", str(chunk), "--duration", str(seconds + 120)]
    with ExitStack() as running:
        running.enter_context(child("-m", "detector", *amplify))
        name, process, ready_s = running.enter_context(bed(source_id, engine))
        loop = running.enter_context(child(__file__, "--bare", source_id, "--chunk", str(chunk)))
        client, readers = BedClient(name, 60), readers_of_bare(source_id)
        read_until(client, _SETTLED_S)
        before, began = (cpu_s(process.pid), cpu_s(loop.pid)), time.monotonic()
        delays = np.array(read_until(client, seconds)) * 1e3
        bed_s, bare_s = cpu_s(process.pid) - before[0], cpu_s(loop.pid) - before[1]
        took_s = time.monotonic() - began
        memory = process.memory_full_info()
        threads = process.num_threads()
        del readers
    return Cost(
        engine=engine,
        chunk=chunk,
        seconds=took_s,
        bed_ms_per_s=bed_s / took_s * 1e3,
        bare_ms_per_s=bare_s / took_s * 1e3,
        ratio=bed_s / bare_s,
        resident_mb=memory.rss / 1e6,
        unique_mb=memory.uss / 1e6,
        threads=threads,
        ready_s=ready_s,
        steps=len(delays),
        delay_median_ms=float(np.median(delays)),
        delay_p99_ms=float(np.percentile(delays, 99)),
        delay_longest_ms=float(delays.max()),
    )


def read_until(client: BedClient, seconds: float) -> list[float]:
    """Return the seconds from the newest sample of each step to its status."""
    delays, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        for record in client.read():
            if isinstance(record, StatusSample) and record.state is not State.NOT_MONITORING:
                delays.append(pylsl.local_clock() - record.time_s)
    return delays


def readers_of_bare(source_id: str) -> list[pylsl.StreamInlet]:
    """Connect to the loop's outlets, as a client does to the bed's: sending costs, too."""
    found = pylsl.resolve_bypred(f"starts-with(source_id, 'bare-{source_id}:')", minimum=2, timeout=60)
    readers = [pylsl.StreamInlet(info, max_buflen=1, recover=False) for info in found]
    for reader in readers:
        reader.open_stream(timeout=5)
    return readers


def cpu_s(pid: int) -> float:
    """Return user and system time of a process, dead threads included, s (``clock_getcpuclockid``, as Linux has it)."""
    return time.clock_gettime_ns((~pid << 3) | 2) / 1e9


@contextmanager
def child(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, *arguments], env=os.environ | _ENVIRONMENT, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextmanager
def bed(source_id: str, engine: str) -> Iterator[tuple[str, psutil.Process, float]]:
    """Start a bed; give its name, its process, and the seconds from its start to READY=1."""
    with tempfile.TemporaryDirectory() as folder, closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as notified:
        config, address = Path(folder) / "bed.toml", f"{folder}/notify"
        notified.bind(address)
        notified.settimeout(120)
        name = f"bench-{uuid.uuid4().hex[:8]}"
        config.write_text(
            f'[bed]\nname = "{name}"\n[source]\nsource_id = "{source_id}"\n[model]\nengine = "{engine}"\n',
            encoding="utf-8",
        )
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "detector", "run", "--config", str(config)],
            env=os.environ | _ENVIRONMENT | {"NOTIFY_SOCKET": address, "STATE_DIRECTORY": folder},
            stderr=subprocess.DEVNULL,
        )
        try:
            while b"READY=1" not in notified.recv(4096):
                pass
            ready_s = time.perf_counter() - began
            notified.close()  # nobody reads on; a full socket would be a trouble of its own
            yield name, psutil.Process(process.pid), ready_s
        finally:
            process.terminate()
            process.wait()


def bare(source_id: str, chunk: int) -> None:
    """Pull and push, and do nothing with it, until killed."""
    (found,) = pylsl.resolve_byprop("source_id", source_id, timeout=60)
    inlet = pylsl.StreamInlet(found, max_buflen=360, recover=False, processing_flags=0)
    inlet.open_stream(timeout=5)
    own = f"bare-{source_id}"
    events = pylsl.StreamOutlet(pylsl.StreamInfo(f"{own}-events", "Markers", 1, 0, pylsl.cf_string, f"{own}:events"))
    n, form = len(STATUS_CHANNELS), pylsl.cf_float32
    status = pylsl.StreamOutlet(pylsl.StreamInfo(f"{own}-status", "Probability", n, 1 / _STEP_S, form, f"{own}:status"))
    hop = round(found.nominal_srate() * _STEP_S)
    events.push_sample(["monitoring-start"])
    owed = 0
    while True:
        samples, stamps = inlet.pull_chunk(timeout=_PULL_S, max_samples=chunk, as_numpy=True)
        owed += len(samples)
        if owed >= hop:
            owed -= hop
            status.push_sample([0.0] * n, float(stamps[-1]))


def show(costs: list[Cost]) -> None:
    print(f"| | {' | '.join(cost.engine for cost in costs)} |\n| --- |{' --- |' * len(costs)}")
    for what, values in (
        ("samples in a push", [f"{cost.chunk}" for cost in costs]),
        ("steps in so many seconds", [f"{cost.steps} in {cost.seconds:.0f}" for cost in costs]),
        ("processor time of the bed, ms/s", [f"{cost.bed_ms_per_s:.2f}" for cost in costs]),
        ("... of the bare loop beside it, ms/s", [f"{cost.bare_ms_per_s:.2f}" for cost in costs]),
        ("**... ratio**", [f"**{cost.ratio:.2f}**" for cost in costs]),
        ("memory (resident), MB", [f"{cost.resident_mb:.1f}" for cost in costs]),
        ("... of its own (unique), MB", [f"{cost.unique_mb:.1f}" for cost in costs]),
        ("threads", [f"{cost.threads}" for cost in costs]),
        ("start to READY, s", [f"{cost.ready_s:.2f}" for cost in costs]),
        ("newest sample to status received, median, ms", [f"{cost.delay_median_ms:.2f}" for cost in costs]),
        ("... 99th percentile, ms", [f"{cost.delay_p99_ms:.2f}" for cost in costs]),
        ("... longest, ms", [f"{cost.delay_longest_ms:.2f}" for cost in costs]),
    ):
        print(f"| {what} | {' | '.join(values)} |")


def hand_over(cost: Cost) -> None:
    """Hand over what the goals are about; they are for pushes of 32 samples, on an idle machine."""
    light, what = cost.engine == "litert", f"bed, {cost.engine}, pushes of {cost.chunk} samples"
    figure(f"{what}: times the processor time of a bare loop", cost.ratio, at_most=2.0 if light else 4.0)
    figure(f"{what}: memory", cost.resident_mb, "MB", at_most=100 if light else 700)
    figure(f"{what}: start to READY", cost.ready_s, "s", at_most=2.0 if light else 8.0)
    figure(f"{what}: newest sample to status, median", cost.delay_median_ms, "ms", at_most=2.0 if light else None)
    figure(f"{what}: ... 99th centile", cost.delay_p99_ms, "ms", at_most=10.0 if light else None)


if __name__ == "__main__":
    main()
