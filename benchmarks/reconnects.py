"""Sources that are lost and found again thousands of times: what is left behind each time.

    python benchmarks/reconnects.py --reconnects 10000

A reconnect takes two to three seconds, most of them waiting for liblsl's answers, so that many sources are watched side
by side, each by a `LslSource` as the daemon has one, in one process. Their outlets are those of another process, which
closes and opens all of them together; each round ends when every source has given samples again. Memory, threads and
descriptors are read then. Prints Markdown; exit code 1 where threads or descriptors have grown.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from functools import partial

import numpy as np
import psutil
import pylsl

from detector.config import make_config
from detector.messages import Cause, Chunk
from detector.source.lsl import LslSource
from detector.source.said import Opened

RATE_HZ = 256
CHUNK = 16
ROUND_S = 60.0  # so long may a round take
NETWORK = """
[ports]
PortRange = 500
IPv6 = disable
[multicast]
ResolveScope = machine
[lab]
SessionID = {}
[log]
level = -3
"""


def outlets(n: int, session: str) -> None:
    """Open and close the outlets at each word on standard input, and stream while they are open."""
    pylsl.set_config_content(NETWORK.format(session))
    words: list[str] = []
    open_now: list[pylsl.StreamOutlet] = []

    def listen() -> None:
        for line in sys.stdin:
            words.append(line.strip())
        words.append("end")

    threading.Thread(target=listen, daemon=True).start()
    samples = np.zeros((CHUNK, 2), dtype=np.float32)
    while True:
        time.sleep(CHUNK / RATE_HZ)
        word = words.pop(0) if words else ""
        if word == "end":
            return
        if word == "close":
            open_now = []
        elif word == "open":
            open_now = [_outlet(f"reconnect-{k}") for k in range(n)]
        for outlet in open_now:
            outlet.push_chunk(samples, pylsl.local_clock())


def _outlet(source_id: str) -> pylsl.StreamOutlet:
    info = pylsl.StreamInfo("amp", "EEG", 2, RATE_HZ, "float32", source_id)
    channels = info.desc().append_child("channels")
    for label in ("FP1-F7", "F7-T7"):
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", "microvolts")
    return pylsl.StreamOutlet(info)


class Watched:
    """A source in a thread of its own, as the daemon's main loop asks it."""

    def __init__(self, source_id: str) -> None:
        config = make_config({"bed": {"name": "bench"}, "source": {"source_id": source_id}})
        self.source = LslSource(config.source, lambda _: None)
        self.opened, self.has_samples, self.stopped = 0, False, False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while not self.stopped:
            for message in self.source.poll():
                if isinstance(message, Opened):
                    self.opened, self.has_samples = self.opened + 1, False
                elif isinstance(message, Chunk):
                    self.has_samples = True
        self.source.close()

    def is_found(self, times: int) -> bool:
        """Whether it was found so often, and gives samples."""
        return self.opened == times and self.has_samples

    def is_lost(self) -> bool:
        """Whether its loss is told."""
        return self.source.obstacle is not None and self.source.obstacle.cause is Cause.LOST


def _until(conditions: list[Callable[[], bool]], what: str) -> float:
    began = time.monotonic()
    while not all(condition() for condition in conditions):
        if time.monotonic() - began > ROUND_S:
            raise SystemExit(f"not within {ROUND_S:g} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - began


def reconnects(wanted: int, n: int, most_s: float) -> int:
    session = f"reconnects-{uuid.uuid4()}"
    pylsl.set_config_content(NETWORK.format(session))
    child = subprocess.Popen(
        [sys.executable, __file__, "--outlets", str(n), "--session", session], stdin=subprocess.PIPE, text=True
    )
    assert child.stdin is not None

    def tell(word: str) -> None:
        child.stdin.write(word + "\n")  # type: ignore[union-attr]
        child.stdin.flush()  # type: ignore[union-attr]

    all_watched = [Watched(f"reconnect-{k}") for k in range(n)]
    process = psutil.Process()
    rows: list[tuple[int, float, int, int]] = []
    lost_s: list[float] = []
    began, rounds = time.monotonic(), 0
    while (rounds - 1) * n < wanted and time.monotonic() - began < most_s:
        tell("open")
        rounds += 1
        _until([partial(w.is_found, rounds) for w in all_watched], f"round {rounds}: found again")
        if rounds > 1:
            rows.append(((rounds - 1) * n, process.memory_info().rss / 1e6, process.num_threads(), process.num_fds()))
        tell("close")
        lost_s.append(_until([w.is_lost for w in all_watched], f"round {rounds}: lost"))
    took_s = time.monotonic() - began
    for w in all_watched:
        w.stopped = True
    for w in all_watched:
        w.thread.join()
    child.stdin.close()
    child.wait()
    return _report(rows, n, took_s, max(lost_s))


def _report(rows: list[tuple[int, float, int, int]], n: int, took_s: float, lost_s: float) -> int:
    done, mb, threads, files = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    half = len(rows) // 4  # allocators settle first
    print(f"| {done[-1]:.0f} reconnects of {n} sources side by side | value |\n| --- | --- |")
    print(f"| took | {took_s:.0f} s, {done[-1] / took_s:.1f} a second |")
    print(f"| until all outlets were closed and their loss was told, at most | {lost_s:.2f} s |")
    for what, values, unit in (("memory", mb, " MB"), ("threads", threads, ""), ("descriptors", files, "")):
        slope = np.polyfit(done[half:], values[half:], 1)[0] * 1000
        last = np.median(values[-max(len(values) // 10, 1) :])
        first = np.median(values[half : half + max(len(values) // 10, 1)])
        print(f"| {what}, after a quarter and at the end | {first:.0f}{unit}, {last:.0f}{unit} |")
        print(f"| ... slope | {slope:+.3f}{unit} per 1,000 reconnects |")
    grown = any(np.median(v[-5:]) > np.median(v[half : half + 5]) + n for v in (threads, files))
    return int(grown)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reconnects", type=int, default=10_000)
    parser.add_argument("--sources", type=int, default=40)
    parser.add_argument("--most-s", type=float, default=1e9, help="Give up after so long.")
    parser.add_argument("--outlets", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--session", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.outlets:
        outlets(given.outlets, given.session)
    else:
        sys.exit(reconnects(given.reconnects, given.sources, given.most_s))


if __name__ == "__main__":
    main()
