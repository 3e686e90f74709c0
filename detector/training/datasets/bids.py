"""BIDS-EEG with the events of SzCORE: ``sub-XX/[ses-YY/]eeg/*_eeg.edf`` and ``*_events.tsv`` beside it.

The events have the columns onset, duration and eventType (or trial_type); a seizure is ``sz`` or one of HED-SCORE's
``sz_foc_ia`` and the like, no seizure a row ``bckg`` (https://eslweb.epfl.ch/epilepsybenchmarks).

Its traps:

* A recording without an events file, or with one that says neither ``sz`` nor ``bckg``, has no reference: it is a
  problem, never "no seizure".
* An event without a duration is no seizure that one can measure with.
* ``participants.tsv`` is optional and not read: the person is the ``sub-`` folder, whatever the number of sessions.
* A person who was given two subjects is not recognised: see whether a conversion of CHB-MIT kept chb01 and chb21 apart,
  who are one girl.
* The BIDS standard allows formats that are not read here (BrainVision, EEGLAB): named as problems.
* Copies in ``derivatives`` and ``sourcedata`` are not the data set.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from detector.source.recording import Recording, events_beside, events_in
from detector.training.datasets.reference import Candidate, Layout, Spans, seizures_in
from detector.training.labelled import Problem

_SUFFIXES = (".edf", ".bdf")
_OTHER_SUFFIXES = (".vhdr", ".set", ".cnt", ".fif")


def _persons(folder: Path) -> list[Path]:
    return [folder] if folder.name.startswith("sub-") else sorted(p for p in folder.glob("sub-*") if p.is_dir())


def _eeg_folders(person: Path) -> list[Path]:
    return sorted((*person.glob("eeg"), *person.glob("ses-*/eeg")))


def _read(folder: Path) -> Iterator[Candidate | Problem]:
    for person in _persons(folder):
        for path in (path for eeg in _eeg_folders(person) for path in sorted(eeg.iterdir())):
            suffix = path.suffix.lower()
            if suffix in _OTHER_SUFFIXES:
                yield Problem(path, f"has the suffix {path.suffix!r}, expected one of {', '.join(_SUFFIXES)}")
            elif suffix in _SUFFIXES:
                yield _recording(person.resolve().name, path)


def _recording(person: str, path: Path) -> Candidate | Problem:
    events = events_beside(path)
    if events is None:
        return Problem(
            path,
            "has no events file, so nobody says whether it holds a seizure; expected "
            f"{path.stem.removesuffix('_eeg')}_events.tsv beside it (with a row bckg where there is none)",
        )
    return Candidate(person, path, partial(_stated, events))


def _stated(events: Path, _recording: Recording) -> Spans:
    return seizures_in(events_in(events), events)


LAYOUT = Layout(
    "bids",
    "sub-XX/eeg or sub-XX/ses-YY/eeg with *_eeg.edf and *_events.tsv",
    lambda folder: any(_eeg_folders(person) for person in _persons(folder)),
    _read,
)
