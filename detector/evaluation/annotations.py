"""What was written down about a recording, by experts or by a detector: events as TSV, steps as CSV.

Read strictly: what cannot be understood is an error with file and line, never "no seizure".
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detector.errors import BadDataError, nearest
from detector.evaluation.events import Spans
from detector.evaluation.pairs import Steps
from detector.messages import State

# SzCORE: seizures of any kind, background, and impedance measurements, which say nothing about seizures.
SEIZURE, BACKGROUND, IMPEDANCE = "sz", "bckg", "impd"
_NEEDED = ("onset", "duration", "eventType", "recordingDuration")
_STEP_COLUMNS = ("time_s", "probability", "state", "good_channels")
# Files say seconds with a few decimals.
_ROUNDING_S = 0.05


@dataclass(frozen=True)
class Annotated:
    """The seizures of a recording: (onset_s, offset_s) of each, in order, not overlapping, inside of it."""

    path: Path
    duration_s: float
    seizures: Spans


def read_annotated(path: Path) -> Annotated:
    """Return what an events file in SzCORE's form says.

    Raises
    ------
    BadDataError
        With file and line: it cannot be read, lacks a column or rows, holds what is no number or no known event type,
        or events that are unsorted, overlap or are outside of the recording.
    """
    rows = _table(path, "\t", _NEEDED)
    if not rows:
        raise BadDataError(
            f"{path}: no rows; expected events, or one row {BACKGROUND!r} over the whole recording where there are none"
        )
    duration_s = _number(path, rows[0], "recordingDuration")
    if duration_s < 1:
        raise BadDataError(f"{path}, line 2: recordingDuration {duration_s:g} s; expected at least 1 s")
    seizures: list[tuple[float, float]] = []
    last_onset, last_end = 0.0, 0.0
    for row in rows:
        where = f"{path}, line {row.line}"
        if (other := _number(path, row, "recordingDuration")) != duration_s:
            raise BadDataError(f"{where}: recordingDuration {other:g} s, {duration_s:g} s in line 2; expected one")
        kind = row.values["eventType"].strip()
        if not _is_known(kind):
            choices = (SEIZURE, "sz_...", BACKGROUND, IMPEDANCE)
            raise BadDataError(f"{where}: eventType {kind!r}; the choices are {', '.join(choices)}{_near(kind)}")
        onset_s, length_s = _number(path, row, "onset"), _number(path, row, "duration")
        end_s = onset_s + length_s
        if onset_s < -_ROUNDING_S or length_s < 0 or end_s > duration_s + _ROUNDING_S:
            raise BadDataError(
                f"{where}: {kind} from {onset_s:g} to {end_s:g} s is outside of the recording of {duration_s:g} s"
            )
        if kind == IMPEDANCE:
            continue
        if onset_s < last_onset:
            raise BadDataError(f"{where}: onset {onset_s:g} s is before {last_onset:g} s of the row before; sort them")
        if onset_s < last_end - _ROUNDING_S:
            raise BadDataError(f"{where}: onset {onset_s:g} s overlaps the event before, which ends at {last_end:g} s")
        last_onset, last_end = onset_s, end_s
        if kind == BACKGROUND:
            continue
        if length_s == 0:
            raise BadDataError(f"{where}: {kind} at {onset_s:g} s lasts 0 s; expected a duration above 0")
        seizures.append((max(onset_s, 0.0), min(end_s, duration_s)))
    return Annotated(path, duration_s, tuple(seizures))


def read_steps(path: Path, duration_s: float) -> Steps:
    """Return what ``score --probabilities`` wrote about a recording.

    Raises
    ------
    BadDataError
        With file and line: it cannot be read, or is not what that command writes for a recording of this duration.
    """
    rows = _table(path, ",", _STEP_COLUMNS)
    if len(rows) < 2:
        raise BadDataError(f"{path}: {len(rows)} rows; expected one for each step of the recording")
    times: list[float] = []
    probabilities: list[float] = []
    states: list[int] = []
    for row in rows:
        where = f"{path}, line {row.line}"
        time_s, state = _number(path, row, "time_s"), row.values["state"].strip()
        probability = _number(path, row, "probability", finite=False)
        if state not in {str(int(one)) for one in State}:
            raise BadDataError(f"{where}: state {state!r}; expected 0 not-monitoring, 1 non-seizure or 2 seizure")
        if not (math.isnan(probability) or 0 <= probability <= 1):
            raise BadDataError(f"{where}: probability {probability:g}; expected 0 to 1, or nan where not monitored")
        if times and time_s <= times[-1]:
            raise BadDataError(f"{where}: time_s {time_s:g} is not after {times[-1]:g} of the row before")
        if not 0 <= time_s <= duration_s + _ROUNDING_S:
            raise BadDataError(f"{where}: time_s {time_s:g} is outside of the recording of {duration_s:g} s")
        times.append(time_s)
        probabilities.append(probability)
        states.append(int(state))
    return Steps(
        np.array(times),
        np.array(probabilities, dtype=np.float32),
        np.array(states, dtype=np.uint8),
        float(np.median(np.diff(times))),
    )


@dataclass(frozen=True)
class _Row:
    line: int
    values: dict[str, str]


def _table(path: Path, separator: str, needed: tuple[str, ...]) -> list[_Row]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadDataError(f"{path} cannot be read: {error}; expected UTF-8 text") from error
    if not lines:
        raise BadDataError(f"{path} is empty; expected a header with {', '.join(needed)}")
    header = lines[0].split(separator)
    for name in needed:
        if name not in header:
            raise BadDataError(f"{path}, line 1: no column {name!r}{nearest(name, header)}; found {', '.join(header)}")
    rows = []
    reader = csv.reader(lines[1:], delimiter=separator, quoting=csv.QUOTE_NONE)
    for line, cells in enumerate(reader, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise BadDataError(f"{path}, line {line}: {len(cells)} columns; the header has {len(header)}")
        rows.append(_Row(line, dict(zip(header, cells, strict=True))))
    return rows


def _number(path: Path, row: _Row, name: str, *, finite: bool = True) -> float:
    text = row.values[name]
    try:
        number = float(text)
    except ValueError:
        number = math.inf
    if math.isinf(number) or (finite and math.isnan(number)):
        raise BadDataError(f"{path}, line {row.line}: {name} {text!r}; expected a number")
    return number


def _is_known(kind: str) -> bool:
    return kind in {SEIZURE, BACKGROUND, IMPEDANCE} or kind.startswith(("sz_", "sz-"))


def _near(kind: str) -> str:
    return " (did you mean 'sz'?)" if "seiz" in kind.casefold() else nearest(kind, (SEIZURE, BACKGROUND, IMPEDANCE))
