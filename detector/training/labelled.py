"""What every data set gives, whatever its layout: recordings, whose they are, and where their seizures are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Labelled:
    """A recording and its reference.

    Parameters
    ----------
    person
        Whose it is; one name for one person in the whole data set, however many cases or sessions there are.
    path
        The recording: EDF, BDF or XDF.
    seizures
        (onset_s, end_s) of each, seconds from the recording's first sample, in order, not overlapping, inside it.
    false_alarms
        (onset_s, end_s) of what reviewers called false alarms, likewise.
    """

    person: str
    path: Path
    seizures: tuple[tuple[float, float], ...]
    false_alarms: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Problem:
    """Something of a data set that cannot be used as it is: what came and what was expected."""

    path: Path
    text: str


@dataclass(frozen=True)
class DataSet:
    """What a folder of EEG holds.

    Parameters
    ----------
    layout
        Which loader read it, for instance ``"chb-mit"``.
    folder
        Where it is.
    recordings
        In order of person and path.
    problems
        What was left out, and why.
    """

    layout: str
    folder: Path
    recordings: tuple[Labelled, ...]
    problems: tuple[Problem, ...] = ()
