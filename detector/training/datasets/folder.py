"""Any folder of EDF, BDF or XDF files whose annotations are in a table beside each, or in the file itself.

A recording's reference is the first of these that is there: ``<stem>_events.tsv`` (or with ``_eeg`` left out),
``<stem>.tsv``, the annotations in the file (EDF+, BDF+, markers of XDF). It must say ``sz...`` or "seizure" at least
once, or ``bckg``, "background" or "no seizure" where there is none: a recording about which nobody says anything is a
problem, never "no seizure". Annotations in the file need a duration, or the seizure has no end.

The person is the first folder below the one given; for a recording that lies in it directly, its name up to the first
``_`` or ``-`` (``anna_1.edf`` and ``anna_2.edf`` are one person's).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from detector.source.recording import SUFFIXES, Recording, events_beside, events_in
from detector.training.datasets.reference import Candidate, Layout, Spans, seizures_in
from detector.training.labelled import Problem


def recordings_below(folder: Path) -> Iterator[Path]:
    """Yield every file below a folder that may be a recording, in no order."""
    return (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def _read(folder: Path) -> Iterator[Candidate | Problem]:
    for path in sorted(recordings_below(folder)):
        below = path.relative_to(folder).parts
        person = below[0] if len(below) > 1 else re.split("[_-]", path.stem)[0]
        yield Candidate(person, path, partial(_stated, path))


def _stated(path: Path, recording: Recording) -> Spans:
    events = events_beside(path)
    if events is None and path.with_suffix(".tsv").exists():
        events = path.with_suffix(".tsv")
    if events is not None:
        return seizures_in(events_in(events), events)
    return seizures_in(recording.annotations, path)


LAYOUT = Layout(
    "folder",
    "EDF, BDF or XDF files, each with <stem>_events.tsv or <stem>.tsv beside it or annotations in it",
    lambda folder: any(recordings_below(folder)),
    _read,
)
