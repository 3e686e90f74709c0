"""The daemon beside what a user would run instead, on one stream at one time: processor time for a second of EEG.

    python benchmarks/alternatives.py --mne-python /path/to/venv/bin/python

A simulated amplifier (22 channels at 256 Hz, real time) has these consumers, each in a process of its own:

* the daemon, with either engine, as a bed runs: checks, conditioning, network, decision, outlets, journal.
* a loop of pylsl's `pull_chunk` that calls Keras' `model.predict` for each chunk, of the newest two seconds: the
  network that is shipped, behind conditioning as one writes it with scipy (the card's high-pass, a Fourier transform,
  the logarithms of the card's bands). It has no rhythm, no quality, no decision and no outlets.
* the same loop, which calls `model.predict` only once in a step, as the network was trained, behind the daemon's own
  conditioning.
* mne-lsl's `StreamLSL` with its defaults, the daemon's high-pass and a callback that does nothing: no features, no
  network, no outlets. Its acquisition is every millisecond by default; the same every 200 ms, which is as often as the
  daemon looks, with that callback and with one that takes the powers of the card's bands from the newest two seconds.
  mne-lsl is no dependency: it is run by an interpreter that has it, which is named, and is skipped without.

Times are of the processes, from the kernel, over the same seconds, once all of them have begun.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from figures import figure, skipped

MNE = """
import sys, time
import numpy as np
from mne_lsl.stream import StreamLSL

newest = np.zeros((512, 22))
hz = np.fft.rfftfreq(512, 1 / 256)
edges = [0.5, 2, 4, 6, 8, 12, 18, 25, 40]
inside = np.array([(hz >= low) & (hz < high) for low, high in zip(edges, edges[1:])], dtype=float)

def nothing(data, timestamps, info):
    return data, timestamps

def powers(data, timestamps, info):
    global newest
    newest = np.concatenate([newest, data])[-512:]
    spectrum = np.abs(np.fft.rfft(newest * np.hanning(512)[:, None], axis=0)) ** 2
    np.log10(inside @ spectrum + 1e-2)
    return data, timestamps

stream = StreamLSL(2.0, source_id=sys.argv[1]).connect(acquisition_delay=float(sys.argv[2]), timeout=30)
stream.filter(0.5, None, iir_params=dict(order=2, ftype="butter", output="sos"))
stream.add_callback({"nothing": nothing, "powers": powers}[sys.argv[3]])
print("ready", flush=True)
while True:
    time.sleep(1)
"""

# What each is called: every how many seconds it looks, and what its callback does.
STREAMS = {
    "StreamLSL, every 1 ms (default), idle callback": ("0.001", "nothing"),
    "StreamLSL, every 200 ms, band powers": ("0.2", "powers"),
    "StreamLSL, every 200 ms, idle callback": ("0.2", "nothing"),
}


def loop(source_id: str, way: str, chunk: int) -> None:
    """Pull and predict until killed."""
    import keras
    import pylsl
    from scipy import signal

    from detector.messages import Chunk, Description
    from detector.network.bundle import load_bundle
    from detector.pipeline import Conditioning
    from detector.source.synthetic import CHB_MIT_22

    bundle = load_bundle()
    card = bundle.card
    model = keras.models.load_model(bundle.folder / "model.keras", compile=False)
    [info] = pylsl.resolve_byprop("source_id", source_id, timeout=30)
    inlet = pylsl.StreamInlet(info)
    n, rate_hz = len(CHB_MIT_22), card.rate_hz
    conditioning = Conditioning(card, Description(CHB_MIT_22, rate_hz, (1.0,) * n, ("uV",) * n))
    sections = signal.butter(2, card.filters.highpass_hz, "highpass", fs=rate_hz, output="sos")
    state = np.zeros((len(sections), 2, n))
    newest, baseline = np.zeros((card.frame_samples, n)), np.zeros((n, len(card.features.bands_hz)))
    hz = np.fft.rfftfreq(card.frame_samples, 1 / rate_hz)
    inside = np.array([(hz >= low) & (hz < high) for low, high in card.features.bands_hz], dtype=float)
    rhythm, flag = np.zeros((n, 1)), np.ones((n, 1))
    begun = False
    while True:
        samples, stamps = inlet.pull_chunk(timeout=1.0, max_samples=chunk)
        if not stamps:
            continue
        if way == "step":
            of_step = conditioning.process(Chunk(np.array(samples, dtype=np.float32), np.array(stamps)))
            inputs = [step.values for step in of_step]
        else:
            filtered, state = signal.sosfilt(sections, np.array(samples), axis=0, zi=state)
            newest = np.concatenate([newest, filtered])[-card.frame_samples :]
            spectrum = np.abs(np.fft.rfft(newest * np.hanning(len(newest))[:, None], axis=0)) ** 2
            powers = np.log10(inside @ spectrum + 1e-2).T
            baseline += (powers - baseline) * len(stamps) / rate_hz / card.features.baseline_s
            inputs = [np.concatenate([powers, powers - baseline, rhythm, flag], axis=1).ravel()]
        for values in inputs:
            model.predict(values[None, None].astype(np.float32), verbose=0)
            if not begun:
                print("ready", flush=True)
                begun = True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--chunk", type=int, default=32, help="samples in a push of the amplifier")
    parser.add_argument("--mne-python", default=sys.executable, help="an interpreter that has mne-lsl")
    parser.add_argument("--loop", choices=("chunk", "step"), help=argparse.SUPPRESS)
    parser.add_argument("--of", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.loop:
        loop(given.of, given.loop, given.chunk)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LSLAPICFG"] = str(private_network(Path(folder)))
        os.environ |= {"XDG_STATE_HOME": folder, "TF_CPP_MIN_LOG_LEVEL": "3", "MNE_LSL_LOG_LEVEL": "ERROR"}
        tell(measure(given.seconds, given.chunk, given.mne_python), given.chunk)


def private_network(folder: Path) -> Path:
    """Write the LSL configuration of all processes: nobody else is heard or disturbed."""
    path = folder / "lsl_api.cfg"
    path.write_text(
        f"[ports]\nBasePort = 34000\nPortRange = 190\n[multicast]\nResolveScope = machine\n"
        f"[lab]\nKnownPeers = {{127.0.0.1}}\nSessionID = alternatives-{uuid.uuid4()}\n[log]\nlevel = -3\n"
    )
    return path


def measure(seconds: float, chunk: int, mne_python: str) -> dict[str, float]:
    """Return the share of a core that each takes."""
    from live import bed  # after the environment is set: it brings liblsl

    from detector.client.lsl import BedClient, StatusSample
    from detector.messages import State

    source_id = f"alternatives-{uuid.uuid4().hex}"
    itself = [sys.executable, __file__, "--of", source_id, "--chunk", str(chunk), "--loop"]
    commands = {"loop, predict each chunk": [*itself, "chunk"], "loop, predict each step": [*itself, "step"]}
    if subprocess.run([mne_python, "-c", "import mne_lsl"], capture_output=True, check=False).returncode:
        skipped("mne-lsl's StreamLSL", "mne-lsl is not installed (--mne-python)")
        print("mne-lsl is not installed here: name an interpreter that has it with --mne-python\n")
    else:
        for what, options in STREAMS.items():
            commands[what] = [mne_python, "-c", MNE, source_id, *options]
    with ExitStack() as stack:
        simulate = [sys.executable, "-m", "detector", "simulate", "--source-id", source_id, "--wait", "60", "--loop"]
        begin(stack, [*simulate, "--chunk", str(chunk)])
        processes: dict[str, psutil.Process] = {}
        clients = []
        for engine in ("litert", "tensorflow"):
            name, processes[f"daemon, {engine}"] = stack.enter_context(bed(source_id, engine=engine))
            clients.append(BedClient(name, 60))
        for what, command in commands.items():
            process = begin(stack, command, stdout=subprocess.PIPE, text=True)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", f"{what}: it has not begun"
            processes[what] = psutil.Process(process.pid)
        watched: set[int] = set()
        while len(watched) < len(clients):
            for number, client in enumerate(clients):
                said = (record for record in client.read() if isinstance(record, StatusSample))
                watched |= {number for record in said if record.state is not State.NOT_MONITORING}
        before, began = {what: used_s(process) for what, process in processes.items()}, time.monotonic()
        time.sleep(seconds)
        took_s = time.monotonic() - began
        return {what: (used_s(process) - before[what]) / took_s for what, process in processes.items()}


def begin(stack: ExitStack, command: list[str], **options: Any) -> subprocess.Popen[Any]:
    """Begin a process that is ended with the stack."""
    process = subprocess.Popen(command, **options)
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def used_s(process: psutil.Process) -> float:
    """Return the processor's seconds of a process."""
    times = process.cpu_times()
    return float(times.user + times.system)


def tell(shares: dict[str, float], chunk: int) -> None:
    """Print the table, and hand over the figures."""
    ours = shares["daemon, litert"]
    print(f"| pushes of {chunk} samples | ms of a core for a second of EEG | times the daemon's |\n| --- | --- | --- |")
    for what, share in shares.items():
        print(f"| {what} | {share * 1e3:.1f} | {share / ours:.1f} |")
        figure(f"{what}, processor time for a second of EEG", share * 1e3, "ms")
    figure("a loop of pull_chunk and model.predict, times the daemon's processor time",
           shares["loop, predict each chunk"] / ours, at_least=30)  # fmt: skip
    for what in (what for what in STREAMS if what in shares):
        # A goal is set for what one gets who changes nothing; the others do less than the daemon does.
        as_it_comes = what == next(iter(STREAMS))
        figure(f"{what}, times the daemon's processor time", shares[what] / ours, at_least=1 if as_it_comes else None)


if __name__ == "__main__":
    main()
