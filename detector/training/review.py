"""What people have said about a detector's alarms: false alarms and missed seizures, for calibration to learn from.

Tab-separated, with the columns ``recording`` (file name), ``onset``, ``duration`` (seconds from the recording's first
sample) and ``label``: "false alarm" or "missed".
"""

from __future__ import annotations

import csv
import math
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

from detector.errors import BadDataError, DetectorError, MissingInputError, nearest
from detector.source.recording import open_recording
from detector.training.datasets.reference import checked
from detector.training.labelled import Labelled

FALSE_ALARM, MISSED = "false alarm", "missed"
COLUMNS = ("recording", "onset", "duration", "label")

_Span = tuple[float, float]


def reviewed(recordings: tuple[Labelled, ...], path: Path) -> tuple[Labelled, ...]:
    """Return the recordings with what the file says about them.

    A missed seizure is a seizure from now on; a false alarm is EEG without one that counts more than other EEG.

    Raises
    ------
    MissingInputError
        When the file is not there.
    BadDataError
        When a row cannot be understood, names a recording that is not there, or contradicts the reference.
    """
    by_name = Counter(recording.path.name for recording in recordings)
    said: dict[str, dict[str, list[_Span]]] = defaultdict(lambda: {FALSE_ALARM: [], MISSED: []})
    for line, row in enumerate(_rows(path), start=2):
        where = f"{path}, line {line}"
        name, label = row["recording"], row["label"]
        if name not in by_name:
            raise BadDataError(f"{where}: there is no recording {name!r}; expected a file name{nearest(name, by_name)}")
        if by_name[name] > 1:
            raise BadDataError(f"{where}: {by_name[name]} recordings are called {name!r}; expected a name for each")
        if label not in (FALSE_ALARM, MISSED):
            raise BadDataError(f"{where}: the label is {label!r}; the choices are {FALSE_ALARM!r} and {MISSED!r}")
        said[name][label].append(_span(row, where))
    return tuple(_with(recording, said[recording.path.name]) for recording in recordings)


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        rows = list(csv.DictReader(path.read_text("utf-8-sig").splitlines(), delimiter="\t"))
    except OSError as error:
        raise MissingInputError(f"{path} cannot be opened: {error.strerror}; expected a review file") from error
    except UnicodeDecodeError as error:
        raise BadDataError(f"{path} is not UTF-8 text: {error}") from error
    if rows and not set(COLUMNS) <= set(rows[0]):
        raise BadDataError(f"{path} has the columns {', '.join(map(str, rows[0]))}; expected {', '.join(COLUMNS)}")
    return rows


def _span(row: dict[str, str], where: str) -> _Span:
    try:
        onset_s, duration_s = float(row["onset"]), float(row["duration"])
    except (TypeError, ValueError) as error:
        raise BadDataError(f"{where}: {error}; expected onset and duration in seconds") from error
    if not (math.isfinite(onset_s) and math.isfinite(duration_s) and duration_s > 0):
        raise BadDataError(f"{where}: onset {onset_s:g} s, duration {duration_s:g} s; expected a stretch of time")
    return onset_s, onset_s + duration_s


def _with(recording: Labelled, said: dict[str, list[_Span]]) -> Labelled:
    if not any(said.values()):
        return recording
    try:
        duration_s = open_recording(recording.path).duration_s
        seizures = checked(sorted((*recording.seizures, *said[MISSED])), duration_s)
        alarms = checked(sorted(said[FALSE_ALARM]), duration_s)
    except DetectorError as error:
        raise BadDataError(f"{recording.path} with what the review says: {error}") from error
    for onset_s, end_s in alarms:
        for first_s, last_s in seizures:
            if onset_s < last_s and first_s < end_s:
                raise BadDataError(
                    f"{recording.path}: the review calls {onset_s:g} to {end_s:g} s a false alarm, and there is a "
                    f"seizure from {first_s:g} to {last_s:g} s; expected one or the other"
                )
    return replace(recording, seizures=seizures, false_alarms=alarms)
