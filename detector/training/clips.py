"""The EEG that there is to train on: CHB-MIT seizure clips with their aftermath, and EEGMAT, which holds no seizure.

Clips are short, and `clips.csv` says what they hold. Everything is read through the montage, so that from here on there
are derivations only, in the montage's order, NaN where a recording has none.
"""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from detector.conditioning.montage import MONTAGES, Montage, MontageConfig
from detector.errors import BadDataError, MissingInputError
from detector.messages import Chunk, Description, FloatArray
from detector.source.recording import open_recording

MONTAGE = "chb-mit-22"
# chb01 and chb21 are the same girl, one and a half years apart (PhysioNet's description of the data set).
SAME_PERSON = {"chb21": "chb01"}
# In seven clips of chb12 the electrode O1 is written with the digit zero.
_MISSPELT = {"01": "O1"}
# The channel order of the files in `preonset`, which is that of the clips of chb01 to chb03; the 23rd is T8-P8 again.
_PREONSET_LABELS = (*MONTAGES[MONTAGE][:16], "FZ-CZ", "CZ-PZ", "P7-T7", "T7-FT9", "FT9-FT10", "FT10-T8", "T8-P8")
# EEGMAT has no FT9 and FT10 and chb12 no T7-FT9 in its referential clips; with less than this a clip teaches nothing.
_MIN_DERIVATIONS = 12


@dataclass(frozen=True)
class Seizure:
    """A seizure and what is known around it; all (n_samples, n_derivations), float32 µV.

    Parameters
    ----------
    clip
        The clip's name.
    before
        The seconds up to the onset, without a gap; may be empty.
    ictal
        Exactly from onset to end.
    after
        Non-ictal EEG after it; begins ``gap_s`` after the seizure's end.
    """

    clip: str
    before: FloatArray
    ictal: FloatArray
    after: FloatArray
    gap_s: float


@dataclass(frozen=True)
class Person:
    """All EEG of one person at one rate. ``background`` is EEG of whole recordings that hold no seizure."""

    name: str
    rate_hz: float
    seizures: tuple[Seizure, ...] = ()
    background: tuple[FloatArray, ...] = ()


def default_folder() -> Path:
    """Return where the shared data is unpacked to: ``$XDG_CACHE_HOME/seizure-detector/data``."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "seizure-detector" / "data"


def load_persons(folder: Path) -> tuple[Person, ...]:
    """Return every person of both data sets, in order of name.

    Raises
    ------
    MissingInputError
        When one of the data sets is not in the folder.
    """
    return tuple(sorted((*load_clips(folder), *load_eegmat(folder)), key=lambda person: person.name))


def load_clips(folder: Path) -> tuple[Person, ...]:
    """Return the persons of the CHB-MIT clips below ``folder``.

    Raises
    ------
    MissingInputError
        When ``chbmit/clips/clips.csv`` is not there.
    BadDataError
        When it promises what a clip does not hold.
    """
    seizures: dict[str, list[Seizure]] = defaultdict(list)
    for row in clip_rows(folder):
        case = row["case"]
        seizures[SAME_PERSON.get(case, case)].append(_seizure(folder, row))
    return tuple(Person(name, 256.0, tuple(found)) for name, found in sorted(seizures.items()))


def clip_rows(folder: Path) -> list[dict[str, str]]:
    """Return the rows of ``chbmit/clips/clips.csv``, one for each seizure.

    Raises
    ------
    MissingInputError
        When it is not there.
    """
    table = folder / "chbmit" / "clips" / "clips.csv"
    try:
        return list(csv.DictReader(table.read_text("utf-8").splitlines()))
    except OSError as error:
        raise MissingInputError(f"{table}: {error.strerror}; expected the CHB-MIT clips below {folder}") from error


def clip_files(folder: Path, clip: str) -> tuple[Path, Path]:
    """Return where a clip's seizure is and where what comes after it."""
    clips = folder / "chbmit" / "clips"
    return clips / "seizures" / f"{clip}-seizure.edf", clips / "normal" / f"{clip}.edf"


def nonictal_part_s(row: dict[str, str]) -> tuple[float, float]:
    """Return from where to where a normal clip holds no seizure.

    It holds the seizure's own end where the seizure is longer than a minute.
    """
    start_s, end_s = (float(text) for text in row["nonictal_part_of_normal_s"].split("-"))
    return start_s, end_s


def eegmat_files(folder: Path) -> list[tuple[str, Path]]:
    """Return (person, recording) of EEGMAT, in order; none where it is not there."""
    files = sorted((folder / "eegmat").glob("Subject*.edf"))
    return [("eegmat" + path.stem.removeprefix("Subject").partition("_")[0], path) for path in files]


def load_eegmat(folder: Path) -> tuple[Person, ...]:
    """Return the persons of EEGMAT below ``folder``: seizure-free, 500 Hz, without FT9 and FT10.

    Raises
    ------
    MissingInputError
        When there is none.
    """
    files = eegmat_files(folder)
    if not files:
        raise MissingInputError(f"{folder / 'eegmat'} holds no Subject*.edf; expected the EEGMAT recordings there")
    background: dict[str, list[FloatArray]] = defaultdict(list)
    for person, path in files:
        background[person].append(_derivations(path))
    return tuple(Person(name, 500.0, background=tuple(found)) for name, found in sorted(background.items()))


def _seizure(folder: Path, row: dict[str, str]) -> Seizure:
    clip = row["clip"]
    ictal, normal = (_derivations(path) for path in clip_files(folder, clip))
    if abs(len(ictal) / 256.0 - float(row["dur"])) > 1:
        raise BadDataError(f"{clip}: the seizure has {len(ictal) / 256.0:g} s, clips.csv says {row['dur']}")
    start_s, end_s = nonictal_part_s(row)
    after = normal[round(start_s * 256) : round(end_s * 256)]
    path = folder / "chbmit" / "preonset" / f"{row['record']}_preictal10s.npy"
    before = np.empty((0, ictal.shape[1]), dtype=np.float32)
    if path.exists() and row["case"] in ("chb01", "chb02", "chb03"):
        # The last of its samples is the first of the seizure.
        before = _by_label(np.load(path).T[:-1].astype(np.float32), _PREONSET_LABELS, 256.0)
    return Seizure(clip, before, ictal, after, float(row["gap_between_seizure_end_and_normal_s"]))


def _derivations(path: Path) -> FloatArray:
    recording = open_recording(path)
    found = recording.description
    description = replace(found, labels=tuple(_MISSPELT.get(label, label) for label in found.labels))
    montage = Montage(MontageConfig(MONTAGE, _MIN_DERIVATIONS), description)
    chunks = [montage.process(message) for message in recording.messages() if isinstance(message, Chunk)]
    return np.concatenate([chunk.samples for chunk in chunks])


def _by_label(samples: FloatArray, labels: tuple[str, ...], rate_hz: float) -> FloatArray:
    n = len(labels)
    description = Description(labels, rate_hz, (1.0,) * n, ("uV",) * n)
    montage = Montage(MontageConfig(MONTAGE, _MIN_DERIVATIONS), description)
    return montage.process(Chunk(samples, np.arange(len(samples)) / rate_hz)).samples
