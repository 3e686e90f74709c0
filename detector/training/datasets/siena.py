"""Siena (https://physionet.org/content/siena-scalp-eeg/1.0.0/): ``PNxx/Seizures-list-PNxx.txt`` and EDF files.

The list is free text in blocks "Seizure n 1" of lines "File name:", "Registration start time: 19.39.33", "Seizure start
time:", "Seizure end time:". Its traps:

* Clocks have points or colons, or both, no blank before them or one within them ("1 6.49.25"), and run over midnight.
* PN01 has "Start time:" and "End time:", and names the file and its start once, before both its seizures; PN12 does not
  repeat the registration of a second seizure in the same file. Both hold until the next file is named.
* Names are misspelt: PNO6-1 with the letter O, PN01 and PN11- for the only recording of that person.
* An end is an hour late (PN00-3): it is outside the recording, which is a problem, not mended here.
* The registration's start contradicts the recording's own (PN05-3, PN14-3): every onset would be shifted.
* Some lines hold two times (PN10): which of them is meant nobody can say, so the recording is a problem.
* Recordings are referential, 512 Hz, with old and new names of electrodes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from detector.errors import BadDataError
from detector.source.recording import Recording
from detector.training.datasets.clock import DAY_S, elapsed_s, seconds_of
from detector.training.datasets.reference import Candidate, Layout, Spans
from detector.training.labelled import Problem

_LINE = re.compile(r"\s*(file name|(?:(registration|seizure) +)?(start|end) time)\s*:?\s*(.*)", re.IGNORECASE)
_CLOCKS_AGREE_S = 2


@dataclass
class Listed:
    """What the list says about a recording: the texts of its clocks, as they stand there.

    Parameters
    ----------
    begins
        "Registration start time", as often as it is there.
    starts, ends
        "Seizure start time" and "Seizure end time" of each.
    """

    begins: list[str] = field(default_factory=list)
    starts: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)

    def joined(self, other: Listed) -> Listed:
        """Return what two entries say about one recording."""
        return Listed(self.begins + other.begins, self.starts + other.starts, self.ends + other.ends)

    @property
    def begin(self) -> str:
        """When the recording began.

        Raises
        ------
        BadDataError
            When the list does not say it, or says different times.
        """
        if len({seconds_of(text) for text in self.begins}) != 1:
            raise BadDataError(f"the list has the registration start times {self.begins}; expected one")
        return self.begins[0]

    @property
    def seizures(self) -> Spans:
        """(onset_s, end_s) of each seizure, seconds from the registration's start.

        Raises
        ------
        BadDataError
            When a time is not one, or a start has no end.
        """
        if len(self.starts) != len(self.ends):
            raise BadDataError(f"the list has the starts {self.starts} and the ends {self.ends}; expected pairs")
        pairs = zip(self.starts, self.ends, strict=True)
        return [(float(elapsed_s(self.begin, start)), float(elapsed_s(self.begin, end))) for start, end in pairs]


def read_list(path: Path) -> dict[str, Listed]:
    """Return what a list says, by the file names as they are written there.

    Raises
    ------
    BadDataError
        When it is no text, or has a time before the first file name.
    """
    try:
        text = path.read_text("latin-1")
    except OSError as error:
        raise BadDataError(f"{path} cannot be read: {error}; expected a list of seizures as text") from error
    listed: dict[str, Listed] = defaultdict(Listed)
    entry: Listed | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        match = _LINE.match(line)
        if not match:
            continue
        what, of, edge, value = (part or "" for part in match.groups())
        if what.casefold() == "file name":
            entry = listed[value.strip()]
        elif entry is None:
            raise BadDataError(f"{path}, line {number}: {line.strip()!r}; expected a line 'File name:' before it")
        elif of.casefold() != "registration":
            (entry.starts if edge.casefold() == "start" else entry.ends).append(value)
        elif edge.casefold() == "start":
            entry.begins.append(value)
    return dict(listed)


def _lists(folder: Path) -> list[Path]:
    return sorted((*folder.glob("Seizures-list-*.txt"), *folder.glob("*/Seizures-list-*.txt")))


def _read(folder: Path) -> Iterator[Candidate | Problem]:
    lists = _lists(folder)
    for person in sorted({path.parent for path in lists} | {path.parent for path in folder.glob("PN*/*.edf")}):
        files = sorted(person.glob("*.edf"))
        listed: dict[Path, Listed] = {}
        for source in (path for path in lists if path.parent == person):
            try:
                entries = read_list(source)
            except BadDataError as error:
                yield Problem(source, str(error))
                continue
            for name, entry in entries.items():
                if (file := _file_of(name, files)) is None:
                    names = ", ".join(path.name for path in files) or "none"
                    yield Problem(source, f"names the recording {name!r}, which is not there; there are {names}")
                else:
                    # Two spellings may mean one file.
                    listed[file] = listed.get(file, Listed()).joined(entry)
        for path in files:
            if path in listed:
                yield Candidate(person.resolve().name, path, partial(_stated, listed[path]))
            else:
                yield Problem(path, "no list names it, so nobody says whether it holds a seizure; expected it in one")


def _file_of(name: str, files: list[Path]) -> Path | None:
    """Return the file that is meant; ``None`` where none or several may be."""
    exact = [path for path in files if path.name == name]
    similar = [path for path in files if _plain(path.name) == _plain(name)]
    found = exact or similar or files
    return found[0] if len(found) == 1 else None


def _plain(name: str) -> str:
    return re.sub("[^0-9A-Z-]", "", name.upper().removesuffix(".EDF")).replace("O", "0")


def _stated(entry: Listed, recording: Recording) -> Spans:
    if recording.start is not None:
        own = recording.start.time()
        own_s = own.hour * 3600 + own.minute * 60 + own.second
        apart_s = abs(own_s - seconds_of(entry.begin)) % DAY_S
        if min(apart_s, DAY_S - apart_s) > _CLOCKS_AGREE_S:
            raise BadDataError(
                f"begins at {own:%H:%M:%S} by its own header and at {entry.begin.strip()} by the list; "
                "expected the same, as onsets are counted from there"
            )
    return entry.seizures


LAYOUT = Layout(
    "siena",
    "PNxx/Seizures-list-PNxx.txt (or such a list in the folder itself) with the EDF files beside it",
    lambda folder: bool(_lists(folder)),
    _read,
)
