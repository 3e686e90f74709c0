"""Many beds on two cores: each a daemon of its own, as the systemd template starts it.

    python benchmarks/wards.py --beds 50 --minutes 1     # 3 to 4 minutes in all

One process sends a 22-channel EEG stream at 256 Hz for each bed, in pushes of 8 samples and out of step with one
another; this process reads every bed's status outlet. All are held on the same two cores. The figures are those of the
minutes in which every bed was monitoring: a delay is from the time of a step's newest sample to the client's clock, two
LSL transports included; losses are what the beds count themselves (/metrics) and what the client misses between the
stamps of two steps. Not there of the template: its sandbox and its user, which cost nothing once a bed runs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import psutil
from figures import figure
from wards_figures import Told, less, losses, memory, summary, use

ROOT = Path(__file__).parents[1]
UNIT = ROOT / "systemd" / "seizure-detector@.service"
RATE_HZ, CHUNK, LOOP_S = 256, 8, 60
PORTS_PER_BED, FIRST_PORT = 12, 32100
START_S, WARM_S = 240.0, 120.0  # how long the last bed may take to be ready, and to be monitoring

Processes = dict[Path, subprocess.Popen[bytes]]  # by their logs


def environment(folder: Path, bed: str, notify: Path) -> dict[str, str]:
    """Return what the template's process sees: its settings, its state folder and who watches it."""
    given: dict[str, str] = {}
    for line in re.findall(r"^Environment=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE):
        given |= dict(part.split("=", 1) for part in line.split())
    del given["SEIZURE_DETECTOR_BOOT_ID"]  # systemd's %b
    state = folder / bed
    state.mkdir()
    own = {"STATE_DIRECTORY": str(state), "NOTIFY_SOCKET": str(notify), "WATCHDOG_USEC": "10000000"}
    return {**os.environ, **given, **own}


def lsl_config(folder: Path, beds: int) -> Path:
    """Write a session of its own, with ports for every outlet and none beyond: a bed without one fails."""
    path = folder / "lsl_api.cfg"
    path.write_text(
        f"[ports]\nBasePort = {FIRST_PORT}\nPortRange = {PORTS_PER_BED * beds}\n"
        f"AllowRandomPorts = 0\nIPv6 = disable\n"
        f"MulticastPort = {FIRST_PORT - 2}\n[multicast]\nResolveScope = machine\n"
        f"[lab]\nSessionID = ward-{os.getpid()}\n[log]\nlevel = -3\n"
    )
    return path


def send(names: list[str]) -> None:
    """Be the amplifiers: a stream for each name, until killed."""
    import pylsl

    from detector.source.synthetic import SyntheticConfig, SyntheticEeg

    eeg = SyntheticEeg(SyntheticConfig(LOOP_S, RATE_HZ))
    minute = np.concatenate([part.samples for part in eeg.messages(LOOP_S * RATE_HZ)])  # type: ignore[union-attr]
    outlets = []
    for name in names:
        info = pylsl.StreamInfo(f"{name}-eeg", "EEG", minute.shape[1], RATE_HZ, pylsl.cf_float32, f"{name}-amplifier")
        channels = info.desc().append_child("channels")
        for label in eeg.description.labels:
            channel = channels.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("unit", "microvolts")
        outlets.append(pylsl.StreamOutlet(info, chunk_size=CHUNK))
    chunks = minute.reshape(-1, CHUNK, minute.shape[1])
    period_s, start_s, turn = CHUNK / RATE_HZ, pylsl.local_clock(), 0
    while True:
        turn += 1
        for i, outlet in enumerate(outlets):
            due_s = start_s + period_s * (turn + i / len(outlets))  # as amplifiers are: out of step
            time.sleep(max(due_s - pylsl.local_clock(), 0.0))
            outlet.push_chunk(chunks[(turn + 97 * i) % len(chunks)], due_s)


class Client:
    """Reads the status of every bed, each in a thread that sleeps until one comes."""

    def __init__(self, names: list[str]) -> None:
        import pylsl

        from detector.sinks.lsl import SOURCE_ID_PREFIX

        predicate = f"starts-with(source_id,'{SOURCE_ID_PREFIX}') and type='Probability'"
        deadline = time.monotonic() + 30
        while True:
            found = {
                i.name().removesuffix("-status"): i for i in pylsl.resolve_bypred(predicate, len(names), timeout=5)
            }
            if len(found) == len(names) or time.monotonic() > deadline:
                break
        if missing := sorted(set(names) - set(found)):
            raise SystemExit(f"no status outlet of {', '.join(missing)}")
        self.told = {name: Told([], [], [], []) for name in names}
        self.latest = dict.fromkeys(names, 0.0)
        self.recording = self.ended = False
        self._clock = pylsl.local_clock
        for name in names:
            inlet = pylsl.StreamInlet(found[name], max_buflen=60, recover=False)
            threading.Thread(target=self._read, args=(name, inlet), daemon=True).start()

    def _read(self, name: str, inlet: object) -> None:
        told = self.told[name]
        while not self.ended:
            values, stamp = inlet.pull_sample(timeout=1.0)  # type: ignore[attr-defined]
            now_s = self._clock()
            if values is None:
                continue
            self.latest[name] = values[1]
            if self.recording:
                told.delays_s.append(now_s - stamp)
                told.stamps_s.append(stamp)
                told.states.append(values[1])
                told.ages_s.append(values[3])


@contextmanager
def running(arguments: list[str], variables: dict[str, str], log: Path, nice: int) -> Iterator[subprocess.Popen[bytes]]:
    command = ["nice", "-n", str(nice), sys.executable, *arguments] if nice else [sys.executable, *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=variables, cwd=ROOT)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def ports_taken(beds: int) -> dict[str, int]:
    """Return how many of the session's ports are taken, by protocol (man 5 proc, net/tcp; 0A is listening)."""
    taken: dict[str, int] = {}
    for protocol in ("tcp", "udp"):
        lines = [line.split() for line in Path(f"/proc/net/{protocol}").read_text(encoding="ascii").split("\n")[1:-1]]
        ports = {int(line[1].split(":")[1], 16) for line in lines if protocol == "udp" or line[3] == "0A"}
        taken[protocol] = len(ports & set(range(FIRST_PORT, FIRST_PORT + PORTS_PER_BED * beds)))
    return taken


def wait_for(told: str, within_s: float, condition: Callable[[], bool], processes: Processes) -> float:
    began = time.monotonic()
    while not condition():
        if dead := [log for log, process in processes.items() if process.poll() is not None]:
            raise SystemExit(f"{len(dead)} ended while waiting for {told}:\n{dead[0].read_text()[-2000:]}")
        if time.monotonic() - began > within_s:
            raise SystemExit(f"not within {within_s:g} s: {told}")
        time.sleep(0.2)
    return time.monotonic() - began


def measure(beds: int, minutes: float, nice: int, first_port: int) -> dict[str, float]:
    names = [f"ward{i:03d}" for i in range(beds)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ward-")))
        os.environ["LSLAPICFG"] = str(lsl_config(folder, beds))  # read by liblsl when it is loaded
        notify = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        notify.bind(str(folder / "notify"))
        ready = [0]
        threading.Thread(target=_count_ready, args=(notify, ready), daemon=True).start()
        script = str(Path(__file__).resolve())
        amplifiers = stack.enter_context(
            running([script, "--send", *names], dict(os.environ), folder / "amplifiers.log", nice)
        )
        processes: Processes = {}
        for i, name in enumerate(names):
            config = folder / f"{name}.toml"
            config.write_text(
                f'[bed]\nname = "{name}"\n[source]\nsource_id = "{name}-amplifier"\n'
                f'[model]\nengine = "litert"\n[health]\nport = {first_port + i}\n'
            )
            arguments = ["-m", "detector", "run", "--config", str(config)]
            variables = environment(folder, name, folder / "notify")
            log = folder / f"{name}.log"
            processes[log] = stack.enter_context(running(arguments, variables, log, nice))
        everybody = {folder / "amplifiers.log": amplifiers, **processes}
        ready_s = wait_for("all beds ready", START_S, lambda: ready[0] >= beds, everybody)
        client = Client(names)
        warm_s = wait_for("all beds monitoring", WARM_S, lambda: all(client.latest.values()), everybody)
        time.sleep(5)  # what starting costs is over
        watched = [psutil.Process(process.pid) for process in processes.values()]
        amplifier, me = psutil.Process(amplifiers.pid), psutil.Process()
        lost_before = [losses(first_port + i) for i in range(beds)]
        before = [use(one) for one in [*watched, amplifier, me]]
        began = time.monotonic()
        client.recording = True
        time.sleep(minutes * 60)
        client.recording = False
        took_s = time.monotonic() - began
        spent = [less(use(one), b) for one, b in zip([*watched, amplifier, me], before, strict=True)]
        lost = [losses(first_port + i) for i in range(beds)]
        held = np.array([memory(one) for one in watched])
        threads = np.array([one.num_threads() for one in watched])
        descriptors = np.array([one.num_fds() for one in watched])
        ports = ports_taken(beds)
        client.ended = True
        told = list(client.told.values())
    return summary(beds, took_s, ready_s, warm_s, told, spent, held, threads, descriptors, lost_before, lost, ports)


def _count_ready(notify: socket.socket, ready: list[int]) -> None:
    while True:
        try:
            said = notify.recv(4096)
        except OSError:  # closed: the run is over
            return
        ready[0] += b"READY=1" in said.split(b"\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beds", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=1.0, help="of measuring, once all are monitoring")
    parser.add_argument("--nice", type=int, default=0, help="of the beds and the amplifiers")
    parser.add_argument("--health-port", type=int, default=18100, help="of the first bed")
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    parser.add_argument("--send", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    if given.send:
        send(given.send)
        return
    figures = measure(given.beds, given.minutes, given.nice, given.health_port)
    print(f"| {given.beds} beds on two cores | value |\n| --- | --- |")
    for name, value in figures.items():
        print(f"| {name} | {value:.1f} |" if isinstance(value, float) else f"| {name} | {value} |")
    goals = {
        "steps that did not come": 0,
        "steps not monitoring": 0,
        "samples missing": 0,
        "delay, 99th centile, ms": 100,
    }
    for name, value in figures.items():
        figure(f"{given.beds} beds: {name}", value, at_most=goals.get(name))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
