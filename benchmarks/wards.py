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
import math
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
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

ROOT = Path(__file__).parents[1]
UNIT = ROOT / "systemd" / "seizure-detector@.service"
RATE_HZ, CHUNK, LOOP_S = 256, 8, 60
PORTS_PER_BED, FIRST_PORT = 12, 32100
START_S, WARM_S = 240.0, 120.0  # how long the last bed may take to be ready, and to be monitoring
MB = 1e6

Processes = dict[Path, subprocess.Popen[bytes]]  # by their logs


@dataclass
class Use:
    """What processes have used: seconds of processor time, bytes, and what they hold."""

    cpu_s: float = 0.0
    written: float = 0.0  # bytes that went to the disk, metadata included
    switches: float = 0.0


@dataclass
class Told:
    """What the client has heard of one bed."""

    delays_s: list[float]
    stamps_s: list[float]
    states: list[float]
    ages_s: list[float]


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
        f"[ports]\nBasePort = {FIRST_PORT}\nPortRange = {PORTS_PER_BED * beds}\nAllowRandomPorts = 0\nIPv6 = disable\n"
        f"MulticastPort = {FIRST_PORT - 2}\n[multicast]\nResolveScope = machine\n[lab]\nSessionID = ward-{os.getpid()}\n"
        "[log]\nlevel = -3\n"
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
def running(
    arguments: list[str], variables: dict[str, str], log: Path, nice: int
) -> Iterator[subprocess.Popen[bytes]]:
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


def use(process: psutil.Process) -> Use:
    times, io, switches = process.cpu_times(), process.io_counters(), process.num_ctx_switches()
    return Use(times.user + times.system, float(io.write_bytes), float(switches.voluntary + switches.involuntary))


def less(after: Use, before: Use) -> Use:
    return Use(after.cpu_s - before.cpu_s, after.written - before.written, after.switches - before.switches)


def memory(process: psutil.Process) -> tuple[float, float, float]:
    """Return resident, proportional and private memory, bytes (man 5 proc, smaps_rollup)."""
    text = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
    kb = {key: int(value) for key, value in re.findall(r"^(\w+): +(\d+) kB$", text, re.MULTILINE)}
    return kb["Rss"] * 1024, kb["Pss"] * 1024, (kb["Private_Clean"] + kb["Private_Dirty"]) * 1024


def losses(port: int) -> tuple[float, float]:
    """Return missing samples and ended sessions since the start, as a bed counts them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    missing = re.search(r"^seizure_detector_missing_samples_total (\S+)$", text, re.MULTILINE)
    resets = re.findall(r"^seizure_detector_session_resets_total\{\S+\} (\S+)$", text, re.MULTILINE)
    assert missing is not None
    return float(missing[1]), sum(map(float, resets))


def ports_taken(beds: int) -> dict[str, int]:
    """Return how many of the session's ports are taken, by protocol (man 5 proc, net/tcp; 0A is listening)."""
    taken: dict[str, int] = {}
    for protocol in ("tcp", "udp"):
        lines = [line.split() for line in Path(f"/proc/net/{protocol}").read_text(encoding="ascii").split("\n")[1:-1]]
        ports = {int(line[1].split(":")[1], 16) for line in lines if protocol == "udp" or line[3] == "0A"}
        taken[protocol] = len(ports & set(range(FIRST_PORT, FIRST_PORT + PORTS_PER_BED * beds)))
    return taken


def state_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


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
        before, size = [use(one) for one in [*watched, amplifier, me]], state_size(folder)
        began = time.monotonic()
        client.recording = True
        time.sleep(minutes * 60)
        client.recording = False
        took_s = time.monotonic() - began
        spent = [less(use(one), b) for one, b in zip([*watched, amplifier, me], before, strict=True)]
        grown = state_size(folder) - size
        lost = [losses(first_port + i) for i in range(beds)]
        held = np.array([memory(one) for one in watched])
        threads = np.array([one.num_threads() for one in watched])
        descriptors = np.array([one.num_fds() for one in watched])
        ports = ports_taken(beds)
        client.ended = True
        told = list(client.told.values())
    return summary(beds, took_s, ready_s, warm_s, told, spent, grown, held, threads, descriptors, lost_before, lost, ports)


def summary(
    beds: int,
    took_s: float,
    ready_s: float,
    warm_s: float,
    told: list[Told],
    spent: list[Use],
    grown: int,
    held: np.ndarray,
    threads: np.ndarray,
    descriptors: np.ndarray,
    lost_before: list[tuple[float, float]],
    lost: list[tuple[float, float]],
    ports: dict[str, int],
) -> dict[str, float]:
    delays_ms = np.concatenate([bed.delays_s for bed in told]) * 1e3
    steps = [np.diff(bed.stamps_s) for bed in told]
    step_s = float(np.median(np.concatenate(steps)))
    of_beds = spent[:beds]
    cpu = np.array([one.cpu_s for one in of_beds]) / took_s
    a_day = 86400 / took_s / beds
    return {
        "beds": beds,
        "seconds measured": took_s,
        "all ready after the start, s": ready_s,
        "all monitoring after that, s": warm_s,
        "steps heard": len(delays_ms),
        "steps that did not come": sum(round(float(np.sum(d)) / step_s) - len(d) for d in steps),
        "steps not monitoring": sum(state == 0 for bed in told for state in bed.states),
        "samples missing": sum(b[0] - a[0] for a, b in zip(lost_before, lost, strict=True)),
        "sessions ended": sum(b[1] - a[1] for a, b in zip(lost_before, lost, strict=True)),
        "oldest input, s": max(age for bed in told for age in bed.ages_s if not math.isnan(age)),
        "delay, median, ms": float(np.median(delays_ms)),
        "delay, 99th centile, ms": float(np.percentile(delays_ms, 99)),
        "delay, longest, ms": float(delays_ms.max()),
        "processor per bed, % of a core": float(cpu.mean() * 100),
        "processor of the dearest bed, % of a core": float(cpu.max() * 100),
        "processor of all beds, % of two cores": float(cpu.sum() * 50),
        "processor of the amplifiers, % of two cores": spent[beds].cpu_s / took_s * 50,
        "processor of the client, % of two cores": spent[beds + 1].cpu_s / took_s * 50,
        "context switches per bed and second": sum(one.switches for one in of_beds) / took_s / beds,
        "resident per bed, MB": float(held[:, 0].mean() / MB),
        "proportional (PSS) per bed, MB": float(held[:, 1].mean() / MB),
        "private per bed, MB": float(held[:, 2].mean() / MB),
        "threads per bed, most": int(threads.max()),
        "open files per bed, most": int(descriptors.max()),
        "LSL ports taken per bed, TCP": ports["tcp"] / beds,
        "LSL ports taken per bed, UDP": ports["udp"] / beds,
        "state folder's growth per bed and day, MB": grown * a_day / MB,
        "written to disk per bed and day, MB": sum(one.written for one in of_beds) * a_day / MB,
    }


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
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
