"""TUSZ, version 2: ``edf/{train,dev,eval}/<patient>/<session>/<montage>/<file>.edf`` and ``<file>.csv_bi`` beside it.

(https://isip.piconepress.com/projects/nedc/html/tuh_eeg/)

Its traps:

* Recordings are referential, to ``-REF`` in ``01_tcp_ar`` and ``03_tcp_ar_a`` and to linked ears, ``-LE``, in
  ``02_tcp_le``; ``03_tcp_ar_a`` has no A1 and A2. Derivations are derived, and T3 T4 T5 T6 are T7 T8 P7 P8, by the
  montage as for a live stream. T1 and T2 stand in for FT9 and FT10 only where that is asked for.
* Rates differ (250, 256, 400, 512, 1000 Hz), and channels that are no EEG have rates of their own.
* The ``.csv`` beside the ``.csv_bi`` is by channel and kind of seizure; the ``.csv_bi`` alone says when there is one.
* Background has rows too (``bckg``), so a file without any row says nothing.
* The patient, not the session, is the person, also where one is in several of train, dev and eval.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from detector.errors import BadDataError
from detector.source.recording import Recording
from detector.training.datasets.reference import ROUNDING_S, Candidate, Layout, Spans
from detector.training.labelled import Problem

_COLUMNS = ("channel", "start_time", "stop_time", "label", "confidence")
_LABELS = ("seiz", "bckg")
_DURATION = re.compile(r"#\s*duration\s*=\s*([0-9]+(?:\.[0-9]+)?)\s*secs?")


def read_csv_bi(path: Path) -> tuple[float, Spans]:
    """Return the duration that the file states, and its seizures (onset_s, end_s) in their order there.

    Raises
    ------
    BadDataError
        When it is not of version 2, has other columns or labels, or no row.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadDataError(f"{path} cannot be read: {error}; expected annotations as text") from error
    header = [line for line in lines if line.startswith("#")]
    durations = [float(match[1]) for line in header if (match := _DURATION.match(line))]
    if not any("csv_v1.0.0" in line for line in header) or len(durations) != 1:
        raise BadDataError(
            f"{path} begins with {lines[:4]}; expected '# version = csv_v1.0.0' and '# duration = ... secs'"
        )
    rows = list(csv.DictReader(line for line in lines if line.strip() and not line.startswith("#")))
    seizures = []
    for row in rows:
        if tuple(row) != _COLUMNS or row["label"] not in _LABELS:
            raise BadDataError(f"{path} has {dict(row)}; expected {', '.join(_COLUMNS)} with a label of {_LABELS}")
        try:
            span = float(row["start_time"]), float(row["stop_time"])
        except ValueError as error:
            raise BadDataError(f"{path} has {dict(row)}; expected times in seconds") from error
        if row["label"] == "seiz":
            seizures.append(span)
    if not rows:
        raise BadDataError(f"{path} has no row; expected seiz or bckg for every second")
    return durations[0], seizures


def _read(folder: Path) -> Iterator[Candidate | Problem]:
    for path in sorted(folder.rglob("*.edf")):
        annotations = path.with_suffix(".csv_bi")
        if not annotations.exists():
            yield Problem(path, f"has no annotations; expected {annotations.name} beside it")
        else:
            # <patient>/<session>/<montage>/<file>, also where the folder given is a part of the data set.
            yield Candidate(path.resolve().parents[2].name, path, partial(_stated, annotations))


def _stated(annotations: Path, recording: Recording) -> Spans:
    duration_s, seizures = read_csv_bi(annotations)
    if abs(duration_s - recording.duration_s) > ROUNDING_S:
        raise BadDataError(
            f"{annotations} is for a recording of {duration_s:g} s, this one has {recording.duration_s:g} s; "
            "expected the same"
        )
    return seizures


LAYOUT = Layout(
    "tusz",
    "edf/{train,dev,eval}/<patient>/<session>/<montage>/ with *.edf and *.csv_bi",
    lambda folder: any(folder.rglob("*.csv_bi")),
    _read,
)
