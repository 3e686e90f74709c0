"""Many consumers of one bed, some slow and some that have stopped: what they cost, and whether the daemon goes on.

    python benchmarks/consumers.py --consumers 200 --seconds 60

A daemon with a simulated amplifier is observed from outside, first alone, then with the consumers, each with an inlet
for the status and one for the events, then without them again; at last it is told to stop. Ten of them are stopped
(SIGSTOP) once they are connected, and ten others never pull. Prints Markdown.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
import pylsl
from figures import figure

from detector.client.lsl import BedClient, StatusSample
from detector.lsl_setup import quiet
from detector.messages import State

PER_PROCESS = 10


def consume(bed: str, n: int, *, pulls: bool) -> None:
    """Have ``n`` pairs of inlets, and read with them, until killed."""
    quiet()
    found = pylsl.resolve_bypred(f"starts-with(source_id,'seizure-detector:{bed}:')", 2, 10)
    inlets = [pylsl.StreamInlet(info, max_buflen=10, recover=False) for _ in range(n) for info in found]
    for inlet in inlets:
        inlet.open_stream(timeout=30)
    print("connected", flush=True)
    with suppress(pylsl.util.LostError):  # the daemon has stopped
        while True:
            for inlet in inlets if pulls else ():
                inlet.pull_chunk(timeout=0.0)
            time.sleep(0.2)


@dataclass
class Stretch:
    """What was seen in it."""

    late_ms: list[float] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)
    untrue: int = 0
    rss_mb: list[float] = field(default_factory=list)
    threads: int = 0
    files: int = 0
    cpu: float = 0.0


def watch(client: BedClient, process: psutil.Process, seconds: float) -> Stretch:
    while client.read(timeout_s=0.0):
        pass  # what has come meanwhile
    stretch, began, before = Stretch(), time.monotonic(), sum(process.cpu_times()[:2])
    while time.monotonic() - began < seconds:
        for record in client.read():
            if isinstance(record, StatusSample):
                now_s = pylsl.local_clock()
                stretch.late_ms.append((now_s - record.time_s) * 1e3)
                stretch.at_s.append(now_s)
                stretch.untrue += record.state is State.NOT_MONITORING
        stretch.rss_mb.append(process.memory_info().rss / 1e6)
    stretch.threads, stretch.files = process.num_threads(), process.num_fds()
    stretch.cpu = (sum(process.cpu_times()[:2]) - before) / seconds
    return stretch


@contextmanager
def begun(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def consumers(bed: str, n: int) -> Iterator[None]:
    """Have them connected, the first process of them stopped and the second one idle."""
    with ExitStack() as stack:
        begin = (__file__, "--of", bed, "--consumers", str(PER_PROCESS))
        processes = [stack.enter_context(begun(*begin, *["--idle"] * (k == 1))) for k in range(n // PER_PROCESS)]
        for one in processes:
            assert one.stdout is not None
            assert one.stdout.readline() == "connected\n"
        processes[0].send_signal(signal.SIGSTOP)
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--consumers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--of", default="", help=argparse.SUPPRESS)
    parser.add_argument("--idle", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.of:
        consume(given.of, given.consumers, pulls=not given.idle)
        return
    quiet()
    name = f"bench-{uuid.uuid4().hex[:8]}"
    stretches: dict[str, Stretch] = {}
    with ExitStack() as stack:
        config = Path(stack.enter_context(TemporaryDirectory())) / "bed.toml"
        config.write_text(f'[bed]\nname = "{name}"\n[source]\nsource_id = "{name}"\n')
        daemon = stack.enter_context(begun("-m", "detector", "run", "--config", str(config)))
        process, client = psutil.Process(daemon.pid), BedClient(name, 120)
        simulate = ("simulate", "--source-id", name, "--wait", "60", "--duration", "36000")
        stack.enter_context(begun("-m", "detector", *simulate))
        while not any(isinstance(r, StatusSample) and r.state is not State.NOT_MONITORING for r in client.read()):
            pass
        stretches["alone"] = watch(client, process, given.seconds / 2)
        with consumers(name, given.consumers):
            stretches["with them"] = watch(client, process, given.seconds)
        stretches["gone"] = watch(client, process, given.seconds / 2)
        with consumers(name, given.consumers):
            began = time.monotonic()
            daemon.terminate()
            daemon.wait()
            stopped_s = time.monotonic() - began
    kinds = f"{given.consumers} consumers, {PER_PROCESS} stopped, {PER_PROCESS} that never pull"
    print(f"| {kinds} | {' | '.join(stretches)} |")
    print("| --- |" + " --- |" * len(stretches))
    rows: dict[str, Callable[[Stretch], str]] = {
        "status after the last sample, median (ms)": lambda s: f"{np.median(s.late_ms):.0f}",
        "... 99th centile (ms)": lambda s: f"{np.percentile(s.late_ms, 99):.0f}",
        "longest silence of the status (s)": lambda s: f"{np.diff(s.at_s).max():.2f}",
        "statuses, and how many of them not-monitoring": lambda s: f"{len(s.at_s)}, {s.untrue}",
        "memory of the daemon, at most (MB)": lambda s: f"{max(s.rss_mb):.0f}",
        "... threads, descriptors": lambda s: f"{s.threads}, {s.files}",
        "... of one core": lambda s: f"{s.cpu:.1%}",
    }
    for what, told in rows.items():
        print(f"| {what} | {' | '.join(told(s) for s in stretches.values())} |")
    for of, stretch in stretches.items():
        what = f"{given.consumers} consumers, {of}: status after the last sample, 99th centile"
        figure(what, float(np.percentile(stretch.late_ms, 99)), "ms")
    figure(f"{given.consumers} consumers: stopped after SIGTERM", stopped_s, "s")
    print(f"\nStopped {stopped_s:.1f} s after SIGTERM, with all of them connected.")


if __name__ == "__main__":
    main()
