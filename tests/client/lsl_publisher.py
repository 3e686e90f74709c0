"""A process that publishes a bed and does what it is told on its standard input, one Python call a line."""

from __future__ import annotations

import dataclasses  # noqa: F401 - for what the process is told
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pylsl

from detector.messages import Cause, State, Status
from detector.sinks.identity import OutletIdentity
from detector.sinks.lsl import LslOutlets

ROOT = Path(__file__).parents[2]


def identity(bed: str, **changes: object) -> OutletIdentity:
    given: dict[str, object] = {
        "step_s": 0.1,
        "model_id": "chb-lstm-2",
        "model_sha256": "ab" * 32,
        "montage": "chb-mit-22",
        "derivations": ("FP1-F7", "F7-T7"),
        "source_name": "amp\x1b[31m-7",
        "source_id": "amp-7-id",
        "source_hostname": "bedside-pc",
        "algorithmic_delay_s": 1.25,
    }
    return OutletIdentity(bed=bed, **(given | changes))  # type: ignore[arg-type]


def status(time_s: float, state: State = State.NON_SEIZURE, probability: float = 0.25) -> Status:
    cause = Cause.WARMUP if state is State.NOT_MONITORING else None
    return Status(time_s, probability, state, cause, good_channels=21, missing_samples=3, burden=0.125)


class Publisher:
    """The process as its parent sees it."""

    def __init__(self, bed: str, *, auto: bool = True) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.client.lsl_publisher", bed, *(["auto"] if auto else [])],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def tell(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def publisher(bed: str, *, auto: bool = True) -> Iterator[Publisher]:
    process = Publisher(bed, auto=auto)
    try:
        yield process
    finally:
        process.end()


def main() -> None:
    now = pylsl.local_clock
    outlets = LslOutlets(identity(sys.argv[1], detail=True, codes=True))
    shown = {"state": State.NON_SEIZURE}
    ended = threading.Event()

    def push_for_ever() -> None:
        while not ended.wait(0.1):
            outlets.push_status(status(now(), shown["state"]), 0.5)

    print("ready", flush=True)
    pushing = threading.Thread(target=push_for_ever)
    if "auto" in sys.argv:
        pushing.start()
    for line in sys.stdin:
        print(eval(line), flush=True)
    ended.set()


if __name__ == "__main__":
    main()
