"""Processes and waiting, for tests over real LSL streams."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

POLL_S = 0.02


def until(condition: Callable[[], object], within_s: float, what: str) -> float:
    """Wait for a condition and return the seconds that it took; fail when it does not come true in time."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within_s, f"not within {within_s} s: {what}"
        time.sleep(POLL_S)
    return time.monotonic() - began


def free_port() -> int:
    """Return a TCP port of the loopback that nobody listens at."""
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def program(*arguments: str, log: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command of the program in a process of its own, its log in a file, and end it.

    ``variables`` are of its environment, beside our own.
    """
    command = [sys.executable, "-m", "detector", *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **variables})
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@contextmanager
def amplifier(script: str, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python script as a source in a process of its own; ``options`` are those of `subprocess.Popen`."""
    process = subprocess.Popen([sys.executable, "-c", script], **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def synthetic_amplifier(source_id: str, *, duration_s: float = 600, speed: float = 1.0, rate_hz: float = 256.0) -> str:
    """Return the script of an amplifier whose last channel counts its samples."""
    return (
        "from detector.source.lsl_simulator import simulate\n"
        "from detector.source.synthetic import SyntheticConfig, SyntheticEeg\n"
        f"eeg = SyntheticEeg(SyntheticConfig({duration_s}, {rate_hz}, sample_index=True))\n"
        f"simulate(eeg, name='amp', source_id={source_id!r}, speed={speed}, stop=lambda: False,\n"
        "    wait_for_consumer_s=20)\n"
    )
