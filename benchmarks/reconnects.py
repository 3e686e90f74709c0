"""Sources that are lost and found again thousands of times: what is left behind each time.

    python benchmarks/reconnects.py --reconnects 10000
    python benchmarks/reconnects.py --reconnects 1000 --daemons 4

A reconnect takes two to three seconds, most of them waiting for liblsl's answers, so that many sources are watched side
by side: each by a `LslSource` as the daemon has one, all in this process, or each by a daemon, with its journal and its
outlets. The sources' outlets are those of another process, which closes and opens all of them together; each round ends
when samples of every source have come again. Memory, threads and descriptors are read then. Prints Markdown; exit code
1 where threads or descriptors have grown.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import numpy as np
import psutil
import pylsl

from detector.client.lsl import BedClient, Marker
from detector.conditioning.montage import MONTAGES
from detector.config import make_config
from detector.messages import Cause, Chunk
from detector.source.lsl import LslSource
from detector.source.said import Opened

RATE_HZ = 256
CHUNK = 16
LABELS = MONTAGES["chb-mit-22"]
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


def outlets(n: int) -> None:
    """Open and close the outlets at each word on standard input, and stream while they are open."""
    words: list[str] = []
    open_now: list[pylsl.StreamOutlet] = []

    def listen() -> None:
        for line in sys.stdin:
            words.append(line.strip())
        words.append("end")

    threading.Thread(target=listen, daemon=True).start()
    rng = np.random.default_rng(0)
    while True:
        time.sleep(CHUNK / RATE_HZ)
        word = words.pop(0) if words else ""
        if word == "end":
            return
        if word == "close":
            open_now = []
        elif word == "open":
            open_now = [_outlet(f"reconnect-{k}") for k in range(n)]
        samples = rng.normal(0, 20, (CHUNK, len(LABELS))).astype(np.float32)
        for outlet in open_now:
            outlet.push_chunk(samples, pylsl.local_clock())


def _outlet(source_id: str) -> pylsl.StreamOutlet:
    info = pylsl.StreamInfo("amp", "EEG", len(LABELS), RATE_HZ, "float32", source_id)
    channels = info.desc().append_child("channels")
    for label in LABELS:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", "microvolts")
    return pylsl.StreamOutlet(info)


class Watched(Protocol):
    """One source that is watched."""

    def is_found(self, times: int) -> bool:
        """Whether it was found so often, and gives samples."""
        ...

    def is_lost(self) -> bool:
        """Whether its loss is told."""
        ...

    def stop(self) -> None:
        """End it."""
        ...


class BySource:
    """Asked as the daemon's main loop asks it, in a thread of its own."""

    def __init__(self, source_id: str) -> None:
        config = make_config({"bed": {"name": "bench"}, "source": {"source_id": source_id}})
        self._source = LslSource(config.source, lambda _: None)
        self._opened, self._has_samples, self._stopped = 0, False, False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped:
            for message in self._source.poll():
                if isinstance(message, Opened):
                    self._opened, self._has_samples = self._opened + 1, False
                elif isinstance(message, Chunk):
                    self._has_samples = True
        self._source.close()

    def is_found(self, times: int) -> bool:
        """See `Watched`."""
        return self._opened == times and self._has_samples

    def is_lost(self) -> bool:
        """See `Watched`."""
        return self._source.obstacle is not None and self._source.obstacle.cause is Cause.LOST

    def stop(self) -> None:
        """See `Watched`."""
        self._stopped = True
        self._thread.join()


class ByDaemon:
    """Judged by its outlets."""

    def __init__(self, source_id: str, folder: Path, environment: dict[str, str]) -> None:
        path = folder / f"{source_id}.toml"
        path.write_text(f'[bed]\nname = "{source_id}"\n[source]\nsource_id = "{source_id}"\n')
        command = [sys.executable, "-m", "detector", "run", "--config", str(path)]
        with (folder / f"{source_id}.log").open("wb") as log:
            self.process = subprocess.Popen(command, env=environment, stderr=log)
        self._bed = source_id
        self._client: BedClient | None = None
        self._opened = 0
        self._said: list[str] = []  # since it was opened last

    def _listen(self) -> None:
        self._client = self._client or BedClient(self._bed, 120)
        for record in self._client.read(timeout_s=0.0):
            if isinstance(record, Marker):
                if record.text == "session-reset/new-stream":
                    self._opened, self._said = self._opened + 1, []
                self._said.append(record.text)

    def is_found(self, times: int) -> bool:
        """See `Watched`."""
        self._listen()
        return self._opened == times and "not-monitoring/warmup" in self._said

    def is_lost(self) -> bool:
        """See `Watched`."""
        self._listen()
        return "not-monitoring/lost" in self._said  # the old outlet may be listed, and tried, for 2 s more

    def stop(self) -> None:
        """See `Watched`."""
        self.process.terminate()
        self.process.wait()


def _until(conditions: list[Callable[[], bool]], what: str) -> float:
    began = time.monotonic()
    while not all(condition() for condition in conditions):
        if time.monotonic() - began > ROUND_S:
            raise SystemExit(f"not within {ROUND_S:g} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - began


def reconnects(wanted: int, n: int, n_daemons: int, most_s: float) -> int:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        network = NETWORK.format(f"reconnects-{uuid.uuid4()}")
        (folder / "lsl_api.cfg").write_text(network)
        pylsl.set_config_content(network)
        environment = {**os.environ, "LSLAPICFG": str(folder / "lsl_api.cfg"), "XDG_STATE_HOME": str(folder)}
        watched: list[Watched] = []
        processes = [psutil.Process()]
        if n_daemons:
            n = n_daemons
            daemons = [ByDaemon(f"reconnect-{k}", folder, environment) for k in range(n)]
            processes = [psutil.Process(daemon.process.pid) for daemon in daemons]
            watched += daemons
        else:
            watched += [BySource(f"reconnect-{k}") for k in range(n)]
        for one in watched:
            stack.callback(one.stop)
        command = [sys.executable, __file__, "--outlets", str(n)]
        sources = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, text=True)
        stack.callback(sources.communicate)
        for one in watched:
            one.is_found(0)  # once it is there
        return _rounds(watched, sources, processes, wanted, most_s)


def _rounds(
    watched: Sequence[Watched],
    sources: subprocess.Popen[str],
    processes: list[psutil.Process],
    wanted: int,
    most_s: float,
) -> int:
    n = len(watched)

    def tell(word: str) -> None:
        assert sources.stdin is not None
        sources.stdin.write(word + "\n")
        sources.stdin.flush()

    def look() -> tuple[float, int, int]:
        megabytes = sum(process.memory_info().rss for process in processes) / 1e6
        return megabytes, sum(p.num_threads() for p in processes), sum(p.num_fds() for p in processes)

    rows: list[tuple[int, float, int, int]] = []
    lost_s: list[float] = []
    began, rounds = time.monotonic(), 0
    while (rounds - 1) * n < wanted and time.monotonic() - began < most_s:
        tell("open")
        rounds += 1
        _until([partial(one.is_found, rounds) for one in watched], f"round {rounds}: found again")
        if rounds > 1:
            rows.append(((rounds - 1) * n, *look()))
        tell("close")
        lost_s.append(_until([one.is_lost for one in watched], f"round {rounds}: lost"))
    return _report(rows, n, time.monotonic() - began, max(lost_s))


def _report(rows: list[tuple[int, float, int, int]], n: int, took_s: float, lost_s: float) -> int:
    done, mb, threads, files = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    print(f"{done[-1]:.0f} reconnects of {n} sources side by side in {took_s:.0f} s; all of them lost at once, it was ")
    print(f"told of the last one within {lost_s:.2f} s.\n")
    print("| reconnects | memory (MB) | threads | descriptors |\n| --- | --- | --- | --- |")
    for k in np.unique(np.linspace(0, len(rows) - 1, 11).round().astype(int)):
        print(f"| {done[k]:.0f} | {mb[k]:.1f} | {threads[k]:.0f} | {files[k]:.0f} |")
    half = len(rows) // 2 if len(rows) > 3 else 0  # allocators settle first
    slopes = [np.polyfit(done[half:], values[half:], 1)[0] * 1000 for values in (mb, threads, files)]
    print(f"| in 1,000, by the second half | {' | '.join(f'{slope:+.2f}' for slope in slopes)} |")
    return int(any(np.median(v[-5:]) > np.median(v[:5]) + n for v in (threads, files)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reconnects", type=int, default=10_000)
    parser.add_argument("--sources", type=int, default=40)
    parser.add_argument("--daemons", type=int, default=0, help="Watch by so many daemons, and not in this process.")
    parser.add_argument("--most-s", type=float, default=1e9, help="End after so long.")
    parser.add_argument("--outlets", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.outlets:
        outlets(given.outlets)
    else:
        sys.exit(reconnects(given.reconnects, given.sources, given.daemons, given.most_s))


if __name__ == "__main__":
    main()
