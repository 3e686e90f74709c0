"""Small recordings in the layouts of published data sets; each file has noise of its own."""

from __future__ import annotations

import zlib
from datetime import date, time
from pathlib import Path

import numpy as np
from edfio import Edf, EdfAnnotation, EdfSignal, Recording

from detector.training.labelled import DataSet

RATE_HZ = 64


def small_edf(
    path: Path,
    duration_s: int = 100,
    *annotations: EdfAnnotation,
    labels: tuple[str, ...] = ("FP1-F7", "F7-T7"),
    start: time = time(0, 0, 0),
    rate_hz: int = RATE_HZ,
) -> Path:
    """Write noise that no other path has, in folders that are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(zlib.crc32(str(path).encode()))
    signals = [
        EdfSignal(
            rng.normal(0, 20, duration_s * rate_hz), rate_hz, label=label, physical_dimension="uV",
            physical_range=(-400, 400),
        )
        for label in labels
    ]  # fmt: skip
    recording = Recording(startdate=date(2016, 1, 1))
    Edf(signals, recording=recording, starttime=start, annotations=annotations or None, data_record_duration=1).write(
        path
    )
    return path


def text_file(path: Path, text: str) -> Path:
    """Write a text, in folders that are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def events_file(path: Path, *rows: tuple[float | str, float | str, str], kind: str = "eventType") -> Path:
    """Write an events file with the columns onset, duration and ``kind``."""
    return text_file(path, "\n".join(["\t".join(map(str, row)) for row in (("onset", "duration", kind), *rows)]) + "\n")


def seizures_of(data: DataSet) -> dict[str, tuple[tuple[float, float], ...]]:
    """Return the seizures of each recording, by file name."""
    return {recording.path.name: recording.seizures for recording in data.recordings}


def problems_of(data: DataSet) -> dict[str, str]:
    """Return the text of each problem, by the name of its file."""
    found = {problem.path.name: problem.text for problem in data.problems}
    assert len(found) == len(data.problems)
    return found
