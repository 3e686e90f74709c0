"""A live bed on this machine: delay, processor time, memory, and whether live and offline agree.

    python benchmarks/live.py delay        # 60 s: last sample of a frame pushed -> status received by a client
    python benchmarks/live.py memory       # 100,000 steps through pipeline, monitor and outlets, and the time of each
    python benchmarks/live.py parity RECORDING.edf   # real time: the same recording through LSL and through score

Each prints Markdown. The delay is measured from outside: it holds two LSL transports besides the daemon's own work, so
the daemon's share is smaller.
"""

from __future__ import annotations

import argparse
import gc
import math
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pylsl
from figures import figure

from detector.client.lsl import BedClient, Marker, StatusSample
from detector.config import make_config
from detector.decision import Decision
from detector.loading import load_engine
from detector.messages import Chunk, State
from detector.monitor import Monitor, MonitorConfig
from detector.network.bundle import load_bundle
from detector.pipeline import Conditioning, Pipeline, decision_config
from detector.scoring import score
from detector.sinks.identity import OutletIdentity
from detector.sinks.lsl import LslOutlets
from detector.source.recording import open_recording
from detector.source.synthetic import SyntheticConfig, SyntheticEeg


@contextmanager
def bed(source_id: str, *, replay: bool = False, engine: str = "auto") -> Iterator[tuple[str, psutil.Process]]:
    name = f"bench-{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "bed.toml"
        config.write_text(
            f'[bed]\nname = "{name}"\n[source]\nsource_id = "{source_id}"\nreplay = {str(replay).lower()}\n'
            f'[model]\nengine = "{engine}"\n'
        )
        process = subprocess.Popen([sys.executable, "-m", "detector", "run", "--config", str(config)])
        try:
            yield name, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait()


def delay(seconds: float, chunk: int, engine: str) -> None:
    source_id = f"bench-{uuid.uuid4().hex}"
    with bed(source_id, engine=engine) as (name, process):
        client = BedClient(name, 60)
        amplifier = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "detector",
                "simulate",
                "--source-id",
                source_id,
                "--wait",
                "20",
                "--duration",
                str(seconds + 30),
                "--chunk",
                str(chunk),
            ]
        )
        delays: list[float] = []
        warm: tuple[float, float] | None = None  # wall clock and processor time
        while amplifier.poll() is None and len(delays) < seconds * 2:
            for record in client.read():
                if isinstance(record, StatusSample) and record.state is not State.NOT_MONITORING:
                    now = pylsl.local_clock()
                    if warm is None:
                        warm = time.monotonic(), sum(process.cpu_times()[:2])
                    delays.append(now - record.time_s)
        assert warm is not None
        cpu = (sum(process.cpu_times()[:2]) - warm[1]) / (time.monotonic() - warm[0])
        rss = process.memory_info().rss / 1e6
        amplifier.terminate()
        amplifier.wait()
    ms = np.array(delays) * 1e3
    print(f"| pushes of {chunk} samples, {len(ms)} steps | value |\n| --- | --- |")
    for label, value in (("median", np.median(ms)), ("99th centile", np.percentile(ms, 99)), ("longest", ms.max())):
        print(f"| last sample stamped to status received, {label} | {value:.1f} ms |")
        goal = {"median": 2.0, "99th centile": 10.0}.get(label) if engine == "litert" else None
        figure(f"{engine}: last sample stamped to status received, {label}", float(value), "ms", at_most=goal)
    figure(f"{engine}: processor time of the daemon", 100 * cpu, "% of a core")
    figure(f"{engine}: memory of the daemon", rss, "MB", at_most={"litert": 100, "tensorflow": 700}.get(engine))
    print(
        f"| processor time of the daemon | {cpu:.1%} of one core |\n| memory of the daemon (resident) | {rss:.0f} MB |"
    )


def memory(steps: int) -> None:
    config = make_config({"bed": {"name": "bench"}, "source": {"source_id": "none"}})
    bundle, network = load_engine(config)
    card = bundle.card
    eeg = SyntheticEeg(SyntheticConfig(duration_s=60))
    pipeline = Pipeline(Conditioning(card, eeg.description), network, Decision(decision_config(card)))
    identity = OutletIdentity("bench", card.step_s, card.id, bundle.sha256, card.montage, card.derivations)
    outlets = LslOutlets(identity)

    class Sink:
        push_marker, push_code, push_status = outlets.push_marker, outlets.push_code, outlets.push_status

        def push_event(self, event: object, now_s: float) -> None: ...

        def push_condition(self, condition: object, now_s: float) -> None: ...

    monitor = Monitor(MonitorConfig(card.step_s, 2.0), [Sink()])
    minute = [m for m in eeg.messages(chunk_samples=128) if isinstance(m, Chunk)]
    process, done, minutes = psutil.Process(), 0, 0
    took: list[float] = []  # from the chunk that completes a frame to its pushed status
    seen: list[tuple[int, float]] = []
    while done < steps:
        for chunk in minute:
            stamps = chunk.timestamps + minutes * 60 + 1
            began, before = time.perf_counter(), done
            for said in pipeline.process(Chunk(chunk.samples, stamps)):
                monitor.take(said, float(stamps[-1]))
                done += 1
            if done > before:
                took.append(time.perf_counter() - began)
        minutes += 1
        if minutes % 10 == 0:
            took = took[-2000:]
        if minutes % 40 == 0:
            gc.collect()
            seen.append((done, process.memory_info().rss / 1e6))
    ms = np.array(took) * 1e3
    print(f"| samples in hand to status pushed, last {len(ms)} steps | value |\n| --- | --- |")
    print(f"| median, 99th centile | {np.median(ms):.2f} ms, {np.percentile(ms, 99):.2f} ms |")
    figure("samples in hand to status pushed, median", float(np.median(ms)), "ms")
    figure("samples in hand to status pushed, 99th centile", float(np.percentile(ms, 99)), "ms")
    if len(seen) < 8:
        return  # too few to tell a slope
    half = seen[len(seen) // 4 :]  # allocators settle first
    slope = np.polyfit([s for s, _ in half], [mb for _, mb in half], 1)[0] * 10000
    print(f"| memory over {done} steps | value |\n| --- | --- |")
    figure("growth of memory in 10,000 steps", slope, "MB")
    print(f"| resident at the end | {seen[-1][1]:.0f} MB |\n| slope | {slope:+.3f} MB per 10,000 steps |")


def parity(path: Path, speed: float) -> None:
    source_id = f"bench-{uuid.uuid4().hex}"
    statuses: list[StatusSample] = []
    markers: list[Marker] = []
    with bed(source_id, replay=speed != 1) as (name, _):
        client = BedClient(name, 60)
        amplifier = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "detector",
                "simulate",
                str(path),
                "--source-id",
                source_id,
                "--wait",
                "20",
                "--speed",
                str(speed),
            ]
        )
        while amplifier.poll() is None:
            for record in client.read():
                (statuses if isinstance(record, StatusSample) else markers).append(record)  # type: ignore[arg-type]
    recording = open_recording(path)
    bundle, network = load_engine(make_config({"bed": {"name": "b"}, "source": {"source_id": "x"}}))
    offline = score(recording, bundle, network)
    live = np.array([(s.time_s, s.probability) for s in statuses if not math.isnan(s.probability)])
    told = np.array([(s.time_s, s.probability) for s in offline.steps if not math.isnan(s.probability)])
    start_s = live[0, 0] - told[0, 0]
    n = min(len(live), len(told))
    period = 1 / recording.description.rate_hz
    seizures = [m.time_s - start_s + period for m in markers if m.text == "seizure"]
    print(f"| {path.name}, {recording.duration_s:.0f} s at {speed:g}x | value |\n| --- | --- |")
    print(f"| steps live, offline | {len(live)}, {len(told)} |")
    print(f"| largest difference of a probability | {np.abs(live[:n, 1] - told[:n, 1]).max():.1e} |")
    print(f"| largest difference of a step's time | {np.abs(live[:n, 0] - start_s - told[:n, 0]).max() * 1e3:.1f} ms |")
    print(f"| seizures declared live at | {', '.join(f'{s:.2f} s' for s in seizures)} |")
    print(f"| seizures declared offline at | {', '.join(f'{e.declared_s:.2f} s' for e in offline.events)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("delay", "memory", "parity"))
    parser.add_argument("recording", nargs="?", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--chunk", type=int, default=8)
    parser.add_argument("--engine", default="auto", help="of delay")
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--speed", type=float, default=1.0)
    given = parser.parse_args()
    load_bundle()  # fails early, before anything is started
    if given.what == "delay":
        delay(given.seconds, given.chunk, given.engine)
    elif given.what == "memory":
        memory(given.steps)
    elif given.recording is None:
        parser.error("parity needs a recording")
    else:
        parity(given.recording, given.speed)


if __name__ == "__main__":
    main()
