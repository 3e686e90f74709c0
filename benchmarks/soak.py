"""Days of EEG through a real daemon at many times real time, with restarts and cuts, against an oracle.

    python benchmarks/soak.py --hours 72

A simulated amplifier in a process of its own streams 20 minutes of synthetic EEG with two seizures again and again.
Every three hours its process ends and another one takes its place; six times an hour samples are cut out. The oracle
knows where the seizures are: each must be declared once, between its onset and 6 s behind its offset, and nothing else
may be. Memory, threads and descriptors are read from outside. The amplifier waits for the daemon, so that a slow
machine loses nothing.

The daemon runs with ``replay = true``, as stamps run ahead of the clock; all else, journal and checkpoint included, is
as on a bed. Prints Markdown; exit code 1 where something was not as it must be.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
import psutil
import pylsl

from detector.client.lsl import BedClient, Marker, StatusSample
from detector.messages import Chunk, State
from detector.source.synthetic import SyntheticConfig, SyntheticEeg

RATE_HZ = 256
BLOCK_S = 1200.0
SEIZURES = ((300.0, 340.0), (900.0, 930.0))
CUTS_S = (600.0, 1150.0)  # where in a block samples are cut out ...
CUT_S = 2.5  # ... and how many seconds of them; then the detector warms up again
BLOCKS_PER_PROCESS = 9
AHEAD_S = 60.0  # how far the amplifier runs ahead of what the daemon has said
TAIL_S = 6.0
MOST_SILENT_S = 3.0


def amplifier(source_id: str, begin_s: float, blocks: int) -> None:
    """Stream the blocks; each line on standard input is a stamp up to which samples may be sent."""
    eeg = SyntheticEeg(SyntheticConfig(BLOCK_S, RATE_HZ, SEIZURES))
    chunks = [m.samples for m in eeg.messages(chunk_samples=RATE_HZ) if isinstance(m, Chunk)]
    info = pylsl.StreamInfo("soak", "EEG", 22, RATE_HZ, "float32", source_id)
    channels = info.desc().append_child("channels")
    for label in eeg.description.labels:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", "microvolts")
    outlet = pylsl.StreamOutlet(info)
    assert outlet.wait_for_consumers(60)
    allowed_s, steps = begin_s + AHEAD_S, np.arange(RATE_HZ) / RATE_HZ
    for block in range(blocks):
        for second, samples in enumerate(chunks):
            stamp_s = begin_s + block * BLOCK_S + second
            while stamp_s > allowed_s:
                line = sys.stdin.readline()
                if not line:
                    return
                allowed_s = float(line)
            if not any(cut <= second < cut + CUT_S for cut in CUTS_S):
                outlet.push_chunk(samples, stamp_s + steps[: len(samples)])
    print("done", flush=True)
    sys.stdin.read()  # until the daemon has had everything


@dataclass
class Oracle:
    """What must be said and what was."""

    truths: list[tuple[float, float]] = field(default_factory=list)
    declared: list[float] = field(default_factory=list)
    longest_stream_gap_s: float = 0.0
    longest_silence_s: float = 0.0
    monitored_steps: int = 0
    false_words: int = 0  # non-seizure in the hole of a cut
    _last: StatusSample | None = None
    _came_at: float = field(default_factory=time.monotonic)

    def take(self, record: Marker | StatusSample, cuts: list[tuple[float, float]]) -> None:
        """Judge what the daemon has said."""
        if isinstance(record, Marker):
            if record.text == "seizure":
                self.declared.append(record.time_s)
            return
        now, last = time.monotonic(), self._last
        self.longest_silence_s = max(self.longest_silence_s, now - self._came_at)
        self._came_at, self._last = now, record
        watched = record.state is not State.NOT_MONITORING
        self.monitored_steps += watched
        if last is not None and watched and last.state is not State.NOT_MONITORING:
            self.longest_stream_gap_s = max(self.longest_stream_gap_s, record.time_s - last.time_s)
        if record.state is State.NON_SEIZURE and any(a < record.time_s < b for a, b in cuts[-2:]):
            self.false_words += 1

    def verdict(self) -> tuple[int, int]:
        """Return the number of seizures that were missed, and of alarms that belong to none."""
        hit = [any(on <= t <= off + TAIL_S for t in self.declared) for on, off in self.truths]
        spare = [t for t in self.declared if not any(on <= t <= off + TAIL_S for on, off in self.truths)]
        doubled = len(self.declared) - len(spare) - sum(hit)
        return hit.count(False), len(spare) + doubled


@dataclass
class Sample:
    """The daemon's process after some hours, seen from outside."""

    hours: float
    rss_mb: float
    threads: int
    descriptors: int


def soak(hours: float) -> int:
    source_id, bed = f"soak-{uuid.uuid4().hex}", f"soak-{uuid.uuid4().hex[:8]}"
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    config = folder / "bed.toml"
    config.write_text(
        f'[bed]\nname = "{bed}"\n[source]\nsource_id = "{source_id}"\nreplay = true\n'
        f'[journal]\npath = "{folder / "journal.sqlite"}"\n'
    )
    daemon = subprocess.Popen([sys.executable, "-m", "detector", "run", "--config", str(config)])
    process, client, oracle, samples = psutil.Process(daemon.pid), BedClient(bed, 60), Oracle(), list[Sample]()
    blocks, began = round(hours * 3600 / BLOCK_S), time.monotonic()
    begin_s = pylsl.local_clock()
    cuts: list[tuple[float, float]] = []
    done = 0
    while done < blocks:
        n = min(BLOCKS_PER_PROCESS, blocks - done)
        for block in range(n):
            start_s = begin_s + block * BLOCK_S
            oracle.truths += [(start_s + on, start_s + off) for on, off in SEIZURES]
            cuts += [(start_s + cut + 0.6, start_s + cut + np.ceil(CUT_S)) for cut in CUTS_S]
        child = subprocess.Popen(
            [sys.executable, __file__, "amplifier", source_id, repr(begin_s), str(n)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert child.stdin is not None
        _follow(client, oracle, cuts, child.stdin, (begin_s, begin_s + n * BLOCK_S), daemon)
        child.stdin.close()
        child.wait()
        done += n
        begin_s += n * BLOCK_S + 60.0
        samples.append(
            Sample(done * BLOCK_S / 3600, process.memory_info().rss / 1e6, process.num_threads(), process.num_fds())
        )
        took_s = time.monotonic() - began
        print(f"{samples[-1]}  {done * BLOCK_S / took_s:.0f} times real time", file=sys.stderr, flush=True)
    daemon.terminate()
    code = daemon.wait(10)
    client.close()
    return _report(oracle, samples, time.monotonic() - began, code)


def _follow(
    client: BedClient,
    oracle: Oracle,
    cuts: list[tuple[float, float]],
    pipe: IO[str],
    span_s: tuple[float, float],
    daemon: subprocess.Popen[bytes],
) -> None:
    """Read what the daemon says until it has seen everything."""
    begin_s, end_s = span_s
    told_s = heard_s = 0.0
    while heard_s < end_s - 2.0:
        assert daemon.poll() is None, f"the daemon has ended with {daemon.returncode}"
        for record in client.read():
            oracle.take(record, cuts)
            if isinstance(record, StatusSample) and record.time_s >= begin_s:
                heard_s = max(heard_s, record.time_s)
        if heard_s > told_s:
            told_s = heard_s
            try:
                pipe.write(f"{told_s + AHEAD_S!r}\n")
                pipe.flush()
            except BrokenPipeError:
                return


def _report(oracle: Oracle, samples: list[Sample], took_s: float, code: int) -> int:
    missed, invented = oracle.verdict()
    settled = [s for s in samples if s.hours >= min(24.0, samples[-1].hours / 3)]  # allocators fill up first
    slope = 0.0
    if len(settled) > 2:
        slope = float(np.polyfit([s.hours / 24 for s in settled], [s.rss_mb for s in settled], 1)[0])
    threads, files = {s.threads for s in settled}, {s.descriptors for s in settled}
    rows = {
        "simulated hours": (f"{samples[-1].hours:.0f}, in {took_s / 60:.0f} min", True),
        "seizures": (f"{len(oracle.truths)}", bool(oracle.truths)),
        "missed": (f"{missed}", missed == 0),
        "invented or doubled": (f"{invented}", invented == 0),
        "non-seizure in a cut": (f"{oracle.false_words}", oracle.false_words == 0),
        "monitored": (f"{oracle.monitored_steps / 7200:.1f} h", oracle.monitored_steps > 0),
        "longest hole between statuses of watched samples": (f"{oracle.longest_stream_gap_s:.1f} s", True),
        "longest silence of the status outlet": (
            f"{oracle.longest_silence_s:.1f} s", oracle.longest_silence_s < MOST_SILENT_S
        ),
        "memory per simulated day": (f"{slope:+.2f} MB", slope < 1.0),
        # A connection that is being made when they are counted has some of its own.
        "threads": (f"{min(threads)} to {max(threads)}", settled[-1].threads <= settled[0].threads),
        "descriptors": (f"{min(files)} to {max(files)}", settled[-1].descriptors <= settled[0].descriptors),
        "exit code after SIGTERM": (f"{code}", code == 0),
    }  # fmt: skip
    print("| what | measured | as it must be |\n| --- | --- | --- |")
    for what, (measured, fine) in rows.items():
        print(f"| {what} | {measured} | {'yes' if fine else '**no**'} |")
    print(json.dumps({"rss_mb": [round(s.rss_mb, 1) for s in samples]}), file=sys.stderr)
    return int(not all(fine for _, fine in rows.values()))


def main() -> None:
    if sys.argv[1:2] == ["amplifier"]:
        amplifier(sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=72.0, help="of simulated time")
    sys.exit(soak(parser.parse_args().hours))


if __name__ == "__main__":
    main()
