"""What LSL sends and what looking for streams costs, between two made-up machines (Linux, root).

    python benchmarks/traffic.py --json traffic.json     # about 1.5 minutes

One machine has N amplifiers' outlets, the other asks as N beds do that look for doubles of what they watch: once each,
for a second, each for its own stream; and as one client does that asks for all. Then one stream is read for 10 s. Bytes
are those of the asking machine's cable, Ethernet, IP and UDP or TCP headers among them; processor time is that of the
process that has the outlets.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
RATE_HZ, CHANNELS, CHUNK, READ_S = 256, 22, 8, 10.0
PORTS = 200
ONE_GROUP = "AddressesOverride = {239.255.172.215}\n"  # LSL's own for a site


def hold(n: int) -> None:
    """Have n outlets, and push into the first one until killed."""
    import pylsl

    outlets = []
    for i in range(n):
        info = pylsl.StreamInfo(f"amp{i}", "EEG", CHANNELS, RATE_HZ, pylsl.cf_float32, f"traffic-{i}")
        channels = info.desc().append_child("channels")
        for _ in range(CHANNELS):
            channels.append_child("channel").append_child_value("label", "FP1-F7").append_child_value("unit", "uV")
        outlets.append(pylsl.StreamOutlet(info, chunk_size=CHUNK))
    print("ready", flush=True)
    samples, due_s = np.ones((CHUNK, CHANNELS), dtype=np.float32), pylsl.local_clock()
    while True:
        due_s += CHUNK / RATE_HZ
        time.sleep(max(due_s - pylsl.local_clock(), 0.0))
        outlets[0].push_chunk(samples, due_s)


def processor_s(pid: int) -> float:
    """Return what all threads have used, to the nanosecond (kernel documentation, sched-stats)."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks) / 1e9


def ask(n: int) -> None:
    """Ask once for each of n streams, all at the same time."""
    import pylsl

    found = [0] * n

    def one(i: int) -> None:
        found[i] = len(pylsl.resolve_bypred(f"source_id='traffic-{i}'", minimum=100, timeout=1.0))

    threads = [threading.Thread(target=one, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(sum(found))


def ask_for_all() -> None:
    import pylsl

    print(len(pylsl.resolve_bypred("type='EEG'", minimum=1000, timeout=1.0)))


def read() -> None:
    """Read the first stream, its clock measured as a bed measures it."""
    import pylsl

    inlet = pylsl.StreamInlet(pylsl.resolve_bypred("source_id='traffic-0'", 1, 5.0)[0], recover=False)
    inlet.open_stream(timeout=5.0)
    inlet.time_correction(timeout=2.0)
    print("open", flush=True)
    ends, n = time.monotonic() + READ_S + 2, 0
    while time.monotonic() < ends:
        n += len(inlet.pull_chunk(timeout=0.2, max_samples=64)[1])


def measure(sizes: list[int], peers_too: bool) -> list[dict[str, float]]:
    from tests.faults.hosts import Network

    rows: list[dict[str, float]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        network = stack.enter_context(closing(Network()))
        senders = stack.enter_context(closing(network.host("senders", 1)))
        askers = stack.enter_context(closing(network.host("askers", 2)))
        plain, peers, group = folder / "plain.cfg", folder / "peers.cfg", folder / "group.cfg"
        for path, known, override in ((plain, "", ""), (peers, senders.address, ""), (group, "", ONE_GROUP)):
            path.write_text(
                f"[ports]\nBasePort = 16572\nPortRange = {PORTS}\nIPv6 = disable\n[multicast]\nResolveScope = site\n"
                f"{override}[lab]\nKnownPeers = {{{known}}}\nSessionID = traffic\n[log]\nlevel = -3\n"
            )

        def start(config: Path, *arguments: str) -> subprocess.Popen[str]:
            command = [sys.executable, str(Path(__file__).resolve()), *arguments]
            variables = {**os.environ, "LSLAPICFG": str(config)}
            return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=variables, cwd=ROOT)

        @contextmanager
        def outlets(n: int, config: Path = plain) -> Iterator[int]:
            with senders.entered():
                process = start(config, "--hold", str(n))
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            try:
                yield process.pid
            finally:
                process.kill()
                process.wait()
                process.stdout.close()

        def counted() -> tuple[int, int, int, int]:
            told = json.loads(askers.run("ip", "-s", "-j", "link", "show", "eth0"))[0]["stats64"]
            return told["tx"]["bytes"], told["rx"]["bytes"], told["tx"]["packets"], told["rx"]["packets"]

        def run(holder: int, what: str, n: int, config: Path, *arguments: str) -> None:
            idle = processor_s(holder)
            time.sleep(2.0)
            idle = (processor_s(holder) - idle) / 2
            before, cpu, began = counted(), processor_s(holder), time.monotonic()
            with askers.entered():
                process = start(config, *arguments)
            out, _ = process.communicate()
            assert process.returncode == 0, what
            took_s = time.monotonic() - began
            sent = np.subtract(counted(), before).tolist()
            spent = processor_s(holder) - cpu - idle * took_s
            keys = ("bytes out", "bytes in", "packets out", "packets in")
            rows.append({"what": what, "outlets": n, "found": int(out), **dict(zip(keys, sent)), "processor, s": spent})  # type: ignore[dict-item] # noqa: B905
            print(rows[-1], flush=True)

        for n in sizes:
            with outlets(n) as holder:
                run(holder, "each for its own", n, plain, "--ask", str(n))
                run(holder, "one for all", n, plain, "--ask-all")
                if peers_too and n == sizes[0]:
                    run(holder, "each for its own, KnownPeers", n, peers, "--ask", str(n))
        with outlets(sizes[-1], group) as holder:
            run(holder, "each for its own, one group", sizes[-1], group, "--ask", str(sizes[-1]))
            run(holder, "one for all, one group", sizes[-1], group, "--ask-all")
        with outlets(1), askers.entered():
            reader = start(plain, "--read")
            assert reader.stdout is not None
            assert reader.stdout.readline() == "open\n"
            before = counted()
            time.sleep(READ_S)
            sent = (np.subtract(counted(), before) / READ_S).tolist()
            reader.communicate()
            rows.append({"what": "one stream, per second", "outlets": 1, "bytes out": sent[0], "bytes in": sent[1]})  # type: ignore[dict-item]
            print(rows[-1])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[5, 10, 20, 40])
    parser.add_argument("--json", type=Path, help="write the figures there, too")
    for role in ("--hold", "--ask"):
        parser.add_argument(role, type=int, help=argparse.SUPPRESS)
    for role in ("--ask-all", "--read"):
        parser.add_argument(role, action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.hold:
        hold(given.hold)
    elif given.ask:
        ask(given.ask)
    elif given.ask_all:
        ask_for_all()
    elif given.read:
        read()
    else:
        rows = measure(given.sizes, peers_too=True)
        if given.json:
            given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
