"""EDF files of synthetic EEG, and the program run on them."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import numpy as np
from edfio import Edf, EdfAnnotation, EdfSignal, Recording

from detector.messages import Chunk
from detector.source.synthetic import CHB_MIT_22, SyntheticConfig, SyntheticEeg
from tests.source.test_recording_edf_times import retime

RATE_HZ = 256


def write_edf(
    path: Path,
    duration_s: int,
    *seizures: tuple[float, float],
    labels: tuple[str, ...] = CHB_MIT_22,
    flat: bool = False,
    start: datetime | None = None,
    holes: tuple[tuple[int, int], ...] = (),
    seed: int = 0,
) -> Path:
    """Write synthetic EEG in records of a second; ``holes`` are (after which record, seconds that are not there)."""
    eeg = SyntheticEeg(SyntheticConfig(float(duration_s), float(RATE_HZ), seizures, seed))
    samples = np.concatenate([m.samples for m in eeg.messages() if isinstance(m, Chunk)]).astype(np.float64)
    samples = np.clip(samples * (not flat), -3200, 3200)
    signals = [
        EdfSignal(samples[:, i], RATE_HZ, label=label, physical_dimension="uV", physical_range=(-3200, 3200))
        for i, label in enumerate(labels)
    ]
    Edf(
        signals,
        recording=Recording(startdate=start.date() if start else date(2024, 2, 29)),
        starttime=start.time() if start else None,
        annotations=[EdfAnnotation(0, None, "long enough for any time of a record")] if holes else None,
        data_record_duration=1,
    ).write(path)
    if holes:
        retime(path, [f"+{k + sum(lost for after, lost in holes if k >= after)}" for k in range(duration_s)])
    return path


def run_program(*arguments: str | Path, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a command of the program to its end, in a process of its own."""
    command = [sys.executable, "-W", "error", "-m", "detector", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)


def rows(text: str, separator: str = "\t") -> list[dict[str, str]]:
    """Return the rows of a table with a header."""
    header, *lines = [line.split(separator) for line in text.splitlines()]
    return [dict(zip(header, line, strict=True)) for line in lines]
