"""The shared data folder: the CHB-MIT clips of ``chbmit/clips/clips.csv``, and EEGMAT beside them.

Its traps (`detector.training.clips` composes sessions of the same files):

* A seizure's clip is ictal from its first sample to its last, so its onset is the recording's: a detector that has to
  warm up first cannot find it there.
* A normal clip begins within the seizure where that is longer than a minute; that part is a seizure here too,
  and is the same as the end of the seizure's clip: 47 of the 140 seizures are in both.
* chb01 and chb21 are the same girl.
* In seven clips of chb12 the electrode O1 is written 01: they lack the two derivations at O1.
* EEGMAT is of other people, another amplifier and another rate, and holds no seizure.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from detector.source.recording import Recording
from detector.training.clips import SAME_PERSON, clip_files, clip_rows, eegmat_files, nonictal_part_s
from detector.training.datasets.reference import Candidate, Layout, Spans
from detector.training.labelled import Problem


def _read(folder: Path) -> Iterator[Candidate | Problem]:
    for row in clip_rows(folder):
        person = SAME_PERSON.get(row["case"], row["case"])
        seizure, normal = clip_files(folder, row["clip"])
        yield Candidate(person, seizure, _whole)
        yield Candidate(person, normal, partial(_beginning, nonictal_part_s(row)[0]))
    for person, path in eegmat_files(folder):
        yield Candidate(person, path, partial(_beginning, 0.0))


def _whole(recording: Recording) -> Spans:
    return [(0.0, recording.duration_s)]


def _beginning(end_s: float, _recording: Recording) -> Spans:
    return [(0.0, end_s)] if end_s > 0 else []


LAYOUT = Layout(
    "clips",
    "chbmit/clips/clips.csv with the folders seizures and normal beside it",
    lambda folder: (folder / "chbmit" / "clips" / "clips.csv").is_file(),
    _read,
)
