"""An archive scored by one process and by several: `python benchmarks/archive.py`.

Recordings of one hour (22 channels at 256 Hz, synthetic) are made in a temporary folder: a few files of 40 MB, each
under many names, which the command takes for as many recordings and reads, hashes, scores and writes one by one.

The same archive is scored by one process and by as many as there are cores. Seconds are those of the whole command, its
start included. The ratio is of seconds that were waited, so that another load on the machine falsifies it; the seconds
of the processor beside it tell: where two processes need as many as one, and more than half of the time was waited,
something else had the cores.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from figures import figure
from score import children_s, write_long

from detector.spreading import cores

_FILES = 3


@dataclass(frozen=True)
class Run:
    """Seconds of a command: waited, and of the processor."""

    waited_s: float
    processor_s: float


def make_archive(folder: Path, recordings: int, hours: float) -> None:
    """Write recordings of so many hours, in folders of ten."""
    for number in range(recordings):
        path = folder / f"{number // 10:03}" / f"{number:04}.edf"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number < _FILES:
            write_long(path, hours * 3600, seed=number)
        else:
            path.hardlink_to(folder / "000" / f"{number % _FILES:04}.edf")


def score(archive: Path, jobs: int) -> Run:
    """Score all that is in a folder, into a new one."""
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "-m", "detector", "score", str(archive), "--output", output, "--jobs", str(jobs)]
        began, used = time.perf_counter(), children_s()
        subprocess.run(command, check=True, capture_output=True)
        run = Run(time.perf_counter() - began, children_s() - used)
        n = sum(1 for _ in archive.rglob("*.edf"))
        assert sum(1 for _ in Path(output).rglob("*.tsv")) == n, "not every recording has its events"
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=100)
    parser.add_argument("--hours", type=float, default=1.0, help="of each")
    given = parser.parse_args()
    at_once = cores()
    with tempfile.TemporaryDirectory() as name:
        make_archive(Path(name), given.recordings, given.hours)
        many, one = score(Path(name), at_once), score(Path(name), 1)
    print(f"| {given.recordings} recordings of {given.hours:g} h | waited (s) | processor (s) |\n| --- | --- | --- |")
    for jobs, run in ((1, one), (at_once, many)):
        print(f"| --jobs {jobs} | {run.waited_s:.1f} | {run.processor_s:.1f} |")
    ratio, recorded_s = one.waited_s / many.waited_s, given.recordings * given.hours * 3600
    print(f"\n{at_once} processes are {ratio:.2f} times as fast as one.")
    what = f"{given.recordings} recordings of {given.hours:g} h"
    as_asked = (given.recordings, given.hours, at_once) == (100, 1.0, 2)
    figure(f"{what}, {at_once} processes", many.waited_s, "s", at_most=120 if as_asked else None)
    figure("the same, one process", one.waited_s, "s")
    figure(f"{at_once} processes, times as fast as one", ratio, at_least=1.8 if as_asked else None)
    figure(f"processor time, {at_once} processes", many.processor_s, "s")
    figure("processor time, one process", one.processor_s, "s")
    figure("one process, times real time per core, start and hashes included", recorded_s / one.processor_s)
    figure(f"{at_once} processes, times real time", recorded_s / many.waited_s)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).parents[1]))
    main()
