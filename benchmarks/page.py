"""What one page costs with a ward of simulated beds and several screens that look at it.

python benchmarks/page.py [--beds 40] [--screens 5] [--seconds 60]

The beds are outlets of contract v1 in a process of their own, each with a status twice a second and a seizure a minute;
each screen reads the ward's stream of events, and one more the EEG of a bed. Each bed has an amplifier of its own,
22 derivations at 256 Hz in pieces of 1/16 s, which the page reads for its trends. The page's processor time and memory
are its process's own (/proc).
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

from figures import figure

from detector.page.bed import BIN_S
from detector.page.spectrum import PACKED_BYTES

STATUS_S = 0.5
RATE_HZ = 256
PUSHES = 16  # of EEG in a second


def beds(n: int) -> None:
    """Publish beds until the end of the standard input; each minute each of them has a seizure of ten seconds."""
    import numpy as np
    import pylsl

    from detector.conditioning.montage import MONTAGES
    from detector.messages import State, Status
    from detector.sinks.identity import OutletIdentity
    from detector.sinks.lsl import LslOutlets

    def identity(bed: str) -> OutletIdentity:
        return OutletIdentity(
            bed=bed, step_s=STATUS_S, model_id="simulated", model_sha256="0" * 64, montage="chb-mit-22",
            derivations=MONTAGES["chb-mit-22"], source_id=f"amplifier-{bed}", detail=True,
        )  # fmt: skip

    def amplifier(bed: str) -> pylsl.StreamOutlet:
        info = pylsl.StreamInfo(f"{bed}-eeg", "EEG", 22, RATE_HZ, "float32", f"amplifier-{bed}")
        channels = info.desc().append_child("channels")
        for name in MONTAGES["chb-mit-22"]:
            channel = channels.append_child("channel")
            channel.append_child_value("label", name)
            channel.append_child_value("unit", "microvolts")
        return pylsl.StreamOutlet(info)

    eeg = np.random.default_rng(0).normal(0, 20, (60 * RATE_HZ, 22)).astype(np.float32)
    amplifiers = [amplifier(f"bed-{i:02}") for i in range(n)]
    outlets = [LslOutlets(identity(f"bed-{i:02}")) for i in range(n)]
    said = [State.NON_SEIZURE] * n
    ended = threading.Event()

    def wait_for_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    thresholds = {"onset_threshold": 0.8, "offset_threshold": 0.4, "smoothing_s": 2.0}
    for one in outlets:
        one.tell_settings(thresholds)
    print("ready", flush=True)
    began_s, turns = float(pylsl.local_clock()), 0
    size = RATE_HZ // PUSHES
    while not ended.wait(max(began_s + (turns + 1) / PUSHES - float(pylsl.local_clock()), 0.0)):
        turns += 1
        now_s = began_s + turns / PUSHES
        at = turns * size % len(eeg)
        for amplifier_ in amplifiers:
            amplifier_.push_chunk(eeg[at : at + size], now_s)
        if turns % round(PUSHES * STATUS_S):
            continue
        for i, one in enumerate(outlets):
            state = State.SEIZURE if (now_s + i * 60 / n) % 60 < 10 else State.NON_SEIZURE
            if state is not said[i]:
                said[i] = state
                one.push_marker(state.label, now_s)
            one.push_status(Status(now_s, now_s % 1, state, None, 22, 0, 0.1), 0.01)


def spectrum(port: int, bed: int) -> dict[str, Any]:
    """Return the trends of the EEG of a bed."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/beds/bed-{bed:02}/spectrum") as answer:
        told: dict[str, Any] = json.load(answer)
        return told


def used(pid: int) -> tuple[float, float, int]:
    """Return seconds of processor time, MB of memory and threads of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text()
    mb = int(status.split("VmRSS:")[1].split()[0]) / 1024
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), mb, int(fields[17])


class Screen(threading.Thread):
    """Reads a stream of events to its end; counts what came, and how old it was."""

    def __init__(self, port: int, path: str) -> None:
        super().__init__(daemon=True)
        self.n = 0
        self.newest: dict[str, Any] = {}
        self._port, self._path = port, path
        self.start()

    def run(self) -> None:
        """Read."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        connection.request("GET", self._path)
        answer = connection.getresponse()
        while line := answer.readline():
            if line.startswith(b"data: "):
                self.n += 1
                self.newest = json.loads(line[6:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beds", type=int, default=40)
    parser.add_argument("--screens", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--publish", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.publish:
        beds(options.publish)
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), options.beds, options.screens, options.seconds)


def measure(folder: Path, n_beds: int, n_screens: int, seconds: float) -> None:
    """Run it all and print what it cost."""
    port = 8791
    settings = folder / "lsl_api.cfg"
    settings.write_text(
        "[ports]\nBasePort = 29000\nPortRange = 1000\nIPv6 = disable\n[multicast]\nResolveScope = machine\n"
        f"[lab]\nSessionID = page-{os.getpid()}\n[log]\nlevel = -3\n"
    )
    environment = {**os.environ, "LSLAPICFG": str(settings), "XDG_STATE_HOME": str(folder)}
    program = [sys.executable, "-m", "detector"]
    page = [*program, "page", "--port", str(port)]
    publish = [sys.executable, __file__, "--publish", str(n_beds)]
    running = [
        subprocess.Popen(publish, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE),
        subprocess.Popen(page, env=environment, stderr=subprocess.DEVNULL),
    ]
    try:
        pid = running[1].pid
        began_s = time.monotonic()
        states: list[str] = []
        while len(states) < n_beds or "connecting" in states:
            if time.monotonic() - began_s > 120:
                raise SystemExit(f"after 120 s the page shows {len(states)} beds: {set(states)}")
            time.sleep(0.2)
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/api/ward") as answer:
                states = [bed["state"] for bed in json.load(answer)["beds"]]
        found_s = time.monotonic() - began_s
        n_read, trends_s = 0, math.nan
        while n_read < n_beds and time.monotonic() - began_s < 120:  # the EEG of each has a bin of trends
            time.sleep(0.5)
            n_read = sum(bool(spectrum(port, bed)["bins"]) for bed in range(n_beds))
            trends_s = time.monotonic() - began_s
        screens = [Screen(port, "/api/ward/stream") for _ in range(n_screens)]
        eeg = Screen(port, "/api/beds/bed-00/eeg")
        time.sleep(5)
        before, counts, ages = used(pid), [screen.n for screen in screens], []
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            time.sleep(0.25)
            ages += [bed["silence_s"] for bed in screens[0].newest["beds"] if bed["silence_s"] is not None]
        after = used(pid)
        told = [(screen.n - n) / seconds for screen, n in zip(screens, counts, strict=True)]
        dead = [bed["bed"] for bed in screens[0].newest["beds"] if bed["state"] == "dead"]
        of_all = f"{n_beds} beds, {n_screens} screens"
        figure(f"{of_all}: processor time of the page", 100 * (after[0] - before[0]) / seconds, "% of a core")
        figure(f"{of_all}: memory of the page", after[1], "MB")
        print(f"{of_all} and the EEG of one bed, for {seconds:.0f} s")
        print(f"  all beds shown after     {found_s:.1f} s, trends of the EEG of {n_read} after {trends_s:.1f} s")
        print(f"  processor                {(after[0] - before[0]) / seconds:.1%} of a core")
        grown_mb = after[1] - before[1]
        print(f"  memory                   {after[1]:.0f} MB ({grown_mb:+.1f} MB meanwhile), {after[2]} threads")
        print(f"  told to each screen      {min(told):.2f} to {max(told):.2f} times a second; EEG blocks {eeg.n}")
        print(
            f"  heartbeat as shown       at most {max(ages):.1f} s old, in the middle {statistics.median(ages):.1f} s"
        )
        print(f"  beds that are dead       {len(dead)}")
        asked_s = time.monotonic()
        bins = len(base64.b64decode(spectrum(port, 0)["bins"])) // (4 + PACKED_BYTES)
        expected = (time.monotonic() - began_s) / BIN_S
        print(
            f"  bins of trends           {bins} of at most {expected:.0f}, told in {time.monotonic() - asked_s:.3f} s"
        )
    finally:
        for process in running:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
