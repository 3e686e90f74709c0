"""CHB-MIT as published (https://physionet.org/content/chbmit/1.0.0/): ``chbNN/chbNN-summary.txt`` and EDF files.

Its traps:

* chb01 and chb21 are the same girl.
* A summary says "Seizure Start Time" in some cases and "Seizure 1 Start Time" in others; chb09 calls the end of a
  second seizure "Seizure 1 End Time". So starts and ends are taken as they come, as many as the summary announces.
* Clocks run past midnight as 24:10:00 and 26:02:15 or begin anew, and hours may have one digit.
* The channels change within a case ("Channels changed:"), so what the summary says about them is not used: each
  recording's own labels are.
* File names are no numbers (chb02_16+, chb17a_03, chb17b_57), and numbers are left out.
* chb24's summary has no times and lists some of its recordings only. A recording that no summary lists has no
  reference: it is a problem, never "no seizure".
* ``.edf.seizures`` files hold the annotations in a binary form. The summary is the reference; where such a file says
  that there are seizures and the summary none, they contradict each other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from detector.errors import BadDataError
from detector.source.recording import Recording
from detector.training.clips import SAME_PERSON
from detector.training.datasets.clock import elapsed_s
from detector.training.datasets.reference import Candidate, Layout, Spans
from detector.training.labelled import Problem

_SEIZURE_LINE = re.compile(r"seizure(?: \d+)? (start|end) time: *(\d+) seconds?", re.IGNORECASE)


@dataclass
class Listed:
    """What a summary says about a recording.

    Parameters
    ----------
    name
        The recording's file.
    announced
        "Number of Seizures in File"; ``None`` where it is not said.
    starts_s, ends_s
        Of the seizures, seconds from the recording's first sample, in their order there.
    clock
        The texts of "File Start Time" and "File End Time", as far as they are there.
    """

    name: str
    announced: int | None = None
    starts_s: list[float] = field(default_factory=list)
    ends_s: list[float] = field(default_factory=list)
    clock: dict[str, str] = field(default_factory=dict)

    @property
    def hours(self) -> float | None:
        """How long the recording is by its clocks; ``None`` where the summary has none."""
        if len(self.clock) < 2:
            return None
        return elapsed_s(self.clock["start"], self.clock["end"]) / 3600

    @property
    def seizures(self) -> Spans:
        """(onset_s, end_s) of each seizure.

        Raises
        ------
        BadDataError
            When there are not as many starts and ends as were announced.
        """
        if not self.announced == len(self.starts_s) == len(self.ends_s):
            raise BadDataError(
                f"the summary announces {self.announced} seizures and has {len(self.starts_s)} starts and "
                f"{len(self.ends_s)} ends; expected as many of each"
            )
        return list(zip(self.starts_s, self.ends_s, strict=True))


def read_summary(path: Path) -> dict[str, Listed]:
    """Return what a summary lists, by file name.

    Raises
    ------
    BadDataError
        When it is no text, lists a file twice, or has a line about a seizure that is not understood.
    """
    listed: dict[str, Listed] = {}
    entry: Listed | None = None
    for number, line in enumerate(_text(path).splitlines(), start=1):
        key, _, value = (part.strip() for part in line.partition(":"))
        if key == "File Name":
            if value in listed:
                raise BadDataError(f"{path}, line {number}: {value} comes twice; expected each file once")
            entry = listed[value] = Listed(value)
        elif entry is None:
            continue
        elif key in ("File Start Time", "File End Time"):
            entry.clock[key.split()[1].lower()] = value
        elif key == "Number of Seizures in File" and value.isdigit():
            entry.announced = int(value)
        elif match := _SEIZURE_LINE.fullmatch(line.strip()):
            (entry.starts_s if match[1].lower() == "start" else entry.ends_s).append(float(match[2]))
        elif "seizure" in key.lower():
            raise BadDataError(
                f"{path}, line {number}: {line.strip()!r}; expected 'Seizure 1 Start Time: 2996 seconds' or the like"
            )
    return listed


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadDataError(f"{path} cannot be read: {error}; expected a summary as text") from error


def _summaries(folder: Path) -> list[Path]:
    return sorted((*folder.glob("chb*-summary.txt"), *folder.glob("chb*/chb*-summary.txt")))


def _read(folder: Path) -> Iterator[Candidate | Problem]:
    summaries = _summaries(folder)
    for case in sorted({summary.parent for summary in summaries} | {path.parent for path in folder.glob("chb*/*.edf")}):
        listed: dict[str, Listed] = {}
        for summary in (path for path in summaries if path.parent == case):
            try:
                entries = read_summary(summary)
            except BadDataError as error:
                yield Problem(summary, str(error))
                continue
            listed |= entries
            absent = [entry for entry in entries.values() if not (case / entry.name).exists()]
            if absent:
                yield Problem(summary, _absent(absent, len(entries)))
        for path in sorted(case.glob("*.edf")):
            yield _recording(path, listed.get(path.name))


def _recording(path: Path, entry: Listed | None) -> Candidate | Problem:
    if entry is None:
        return Problem(path, "no summary lists it, so nobody says whether it holds a seizure; expected it in one")

    def stated(_recording: Recording) -> Spans:
        if not entry.seizures and path.with_name(path.name + ".seizures").exists():
            raise BadDataError(f"{path.name}.seizures is there, but the summary says no seizure; expected both or none")
        return entry.seizures

    case = re.match("chb[0-9]+", path.name)
    name = case[0] if case else path.parent.name
    return Candidate(SAME_PERSON.get(name, name), path, stated)


def _absent(absent: list[Listed], n_listed: int) -> str:
    names = ", ".join(entry.name for entry in absent[:4]) + (" ..." if len(absent) > 4 else "")
    try:
        hours = f"{sum(entry.hours or 0.0 for entry in absent):.1f} h, "
    except BadDataError:
        hours = ""
    return (
        f"lists {n_listed} recordings of which {len(absent)} are not there ({hours}"
        f"{sum(entry.announced or 0 for entry in absent)} seizures): {names}; expected them beside it"
    )


LAYOUT = Layout(
    "chb-mit",
    "chbNN/chbNN-summary.txt (or such a summary in the folder itself) with the EDF files beside it",
    lambda folder: bool(_summaries(folder)),
    _read,
)
