"""Daemons that are killed again and again while they start, watch and see a seizure: what is left, and what was said.

    nice python benchmarks/kills.py                      # 1000 kills on six beds side by side
    nice python benchmarks/kills.py --kills 6 --beds 2

Real: each life is ``seizure-detector run`` in a process of its own, with its own TensorFlow, network, self-test, LSL
outlets, journal and checkpoint, and ends by SIGKILL. Each bed has a simulated amplifier in another process that streams
in real time with true stamps: 4 s in which nothing is sent, EEG, a seizure of 55 s, EEG, and so on. A client on the
network hears what is said, and after each kill the journal is read from outside.

Not real: the lives are forked by a process that has imported everything, `multiprocessing`'s fork server, which saves
the three seconds that importing TensorFlow takes. So none is killed while it imports: nothing is open then. There is no
systemd; its restarts are tested in ``tests/systemd``.

A quarter of the lives are killed in their first 2.5 s, another one in their first 12 s, a tenth later, and the others
up to 2 s after they were heard to say seizure. What must hold:

* the journal is whole, no row is damaged or missing, and each start is told to follow a crash;
* each seizure was declared in one, ended behind it or in the hole after a kill or has an unknown outcome, and no other
  is declared and no non-seizure said while it is on;
* non-seizure is never said while nothing is sent, before the warm-up of a session is over, or in the first seconds of a
  life that did not take the checkpoint up; the events outlet and the journal say the same states;
* what ends a life is the kill; the last one of each bed stops on SIGTERM with exit code 0 and leaves nothing open.

Prints a line of Markdown; exit code 1 where something was not as it must be.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from pathlib import Path

import numpy as np
import pylsl
from kills_oracle import PERIOD_S, SEIZURE_S, SILENT_S, Oracle

from detector.client.lsl import BedClient, Marker, StatusSample
from detector.messages import Chunk, State
from detector.source.synthetic import SyntheticConfig, SyntheticEeg

RATE_HZ, CHUNK = 256, 32
SEIZING_S, LONGEST_S = 2.0, 20.0
PLANS = ((0.25, 0.0, 2.5), (0.25, 0.0, 12.0), (0.1, 12.0, 45.0))  # how often, and when a life is killed, s
WORDS = {
    None: "not heard yet",
    State.NOT_MONITORING: "not watching",
    State.NON_SEIZURE: "watching",
    State.SEIZURE: "in a seizure",
}
DAEMON = multiprocessing.get_context("forkserver")
PRELOADED = ["detector.cli", "detector.network.keras_lstm", "detector.service"]


def amplifier(source_id: str, ahead_s: float) -> None:
    """Stream for ever; print the stamp of the first period's start."""
    eeg = SyntheticEeg(SyntheticConfig(PERIOD_S, RATE_HZ, (SEIZURE_S,)))
    chunks = [m.samples for m in eeg.messages(CHUNK) if isinstance(m, Chunk)]
    info = pylsl.StreamInfo("kills", "EEG", len(eeg.description.labels), RATE_HZ, "float32", source_id)
    channels = info.desc().append_child("channels")
    for label in eeg.description.labels:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", "microvolts")
    outlet, first = pylsl.StreamOutlet(info), round(ahead_s * RATE_HZ / CHUNK)
    begin_s = pylsl.local_clock() - first * CHUNK / RATE_HZ
    print(begin_s, flush=True)
    for n in itertools.count(first):
        end_s = begin_s + (n + 1) * CHUNK / RATE_HZ
        time.sleep(max(end_s - pylsl.local_clock(), 0.0))
        if n % len(chunks) * CHUNK / RATE_HZ >= SILENT_S:
            outlet.push_chunk(chunks[n % len(chunks)], end_s - np.arange(CHUNK, 0, -1) / RATE_HZ)


def daemon(config: Path, log: Path) -> None:
    """Run the command, its log in a file."""
    from detector.cli import main as command

    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    command(["run", "--config", str(config)])


class Bed:
    """A bed whose daemon is killed."""

    def __init__(self, number: int, folder: Path, rng: random.Random) -> None:
        name, self._rng = f"kill{number}-{uuid.uuid4().hex[:6]}", rng
        self._config, self._log = folder / f"{number}.toml", folder / f"{number}.log"
        journal = folder / f"{number}.journal.sqlite"
        self._config.write_text(
            f'[bed]\nname = "{name}"\n[source]\nsource_id = "{name}-amp"\n'
            f'[decision]\nwarm_up_s = 2.0\n[journal]\npath = "{journal}"\n'
        )
        command = [sys.executable, __file__, "amplifier", f"{name}-amp", repr(rng.uniform(0, PERIOD_S))]
        self._amplifier = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._amplifier.stdout is not None
        self.oracle = Oracle(journal, float(self._amplifier.stdout.readline()))
        self._client: BedClient | None = None
        self.begin()
        self._client = BedClient(name, 60)

    def begin(self) -> None:
        """Begin a life."""
        self._heard: list[Marker | StatusSample] = []
        self._connections = 0 if self._client is None else self._client.connections
        self._process = DAEMON.Process(target=daemon, args=(self._config, self._log), daemon=True)
        self._process.start()
        self._born_s = pylsl.local_clock()
        self._waits_for_seizure, self._dies_s = True, self._born_s + LONGEST_S
        share = self._rng.random()
        for part, soonest_s, latest_s in PLANS:
            if 0 <= share < part:
                self._waits_for_seizure = False
                self._dies_s = self._born_s + self._rng.uniform(soonest_s, latest_s)
            share -= part

    def turn(self) -> bool:
        """Listen; return whether the life was ended."""
        self._listen(0.02)
        if self._waits_for_seizure and self._state is State.SEIZURE:
            self._waits_for_seizure = False
            self._dies_s = pylsl.local_clock() + self._rng.uniform(0, SEIZING_S)
        if (code := self._process.exitcode) is not None:
            self.oracle.fault(f"it ended by itself with {code}: {self._last_words()}")
        elif pylsl.local_clock() < self._dies_s:
            return False
        self.oracle.found[WORDS[self._state]] += 1
        self._end(signal.SIGKILL)
        return True

    def stop(self) -> None:
        """End the present life in order."""
        while self._state is None and pylsl.local_clock() < self._born_s + LONGEST_S:
            self._listen(0.2)
        if (code := self._end(signal.SIGTERM)) != 0:
            self.oracle.fault(f"SIGTERM ended it with {code}: {self._last_words()}")
        self.oracle.bed_ended()

    def close(self) -> None:
        """End what runs."""
        self._process.kill()
        self._amplifier.kill()
        self._amplifier.wait()

    @property
    def _state(self) -> State | None:
        """The state that was heard last in this life."""
        return next((record.state for record in reversed(self._heard) if isinstance(record, StatusSample)), None)

    def _last_words(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]

    def _listen(self, timeout_s: float) -> None:
        assert self._client is not None
        records = self._client.read(timeout_s)
        if self._client.connections > self._connections:  # else it is of the life before
            self._heard += records

    def _end(self, number: int) -> int | None:
        if self._process.pid is not None and self._process.exitcode is None:
            os.kill(self._process.pid, number)
        self._process.join(30)
        self._listen(0.0)
        self.oracle.life_ended(self._heard)
        return self._process.exitcode


def kill_again(kills: int, beds: int, seed: int, folder: Path) -> tuple[Counter[str], list[str]]:
    """Kill so many daemons; return what was found and what was wrong."""
    os.environ["XDG_STATE_HOME"] = str(folder)  # checkpoints
    os.environ.setdefault("LSLAPICFG", str(_network(folder)))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    DAEMON.set_forkserver_preload(PRELOADED)
    running = [Bed(number, folder, random.Random(seed * 1000 + number)) for number in range(beds)]
    oracles, done = [bed.oracle for bed in running], 0
    try:
        while done < kills:
            for bed in running:
                if bed.turn():
                    done += 1
                    if done % 50 == 0:
                        print(f"{done} kills", [o.faults for o in oracles if o.faults], file=sys.stderr, flush=True)
                    bed.begin()
        for bed in running:
            bed.stop()
    finally:
        for bed in running:
            bed.close()
    found = sum((oracle.found for oracle in oracles), Counter[str]())
    return found, [fault for oracle in oracles for fault in oracle.faults]


def _network(folder: Path) -> Path:
    """Write an LSL configuration with ports for the outlets of all beds, and with a session that is only ours."""
    path = folder / "lsl_api.cfg"
    path.write_text(
        "[ports]\nBasePort = 33000\nPortRange = 400\nIPv6 = disable\n[multicast]\nResolveScope = machine\n"
        f"[lab]\nSessionID = kills-{uuid.uuid4()}\n[log]\nlevel = -3\n"
    )
    return path


def main() -> int:
    if sys.argv[1:2] == ["amplifier"]:
        amplifier(sys.argv[2], float(sys.argv[3]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--beds", type=int, default=6, help="side by side, 0.6 GB each")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found, faults = kill_again(arguments.kills, arguments.beds, arguments.seed, Path(folder))
    kinds = tuple(WORDS.values())
    told = ("starts", "crashes", "taken up", "rows", "declared", "ended", "ended in another life", "end told twice")
    columns = ["kills", *kinds, *told, "unknown", "non-seizure", "false non-seizure", "faults", "minutes"]
    figures = [sum(found[kind] for kind in kinds), *(found[name] for name in columns[1:-2])]
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    print(f"| {' | '.join(map(str, figures))} | {len(faults)} | {(time.monotonic() - began_s) / 60:.1f} |")
    for fault in faults:
        print(f"\n* {fault}")
    return int(bool(faults))


if __name__ == "__main__":
    raise SystemExit(main())
