"""What people said on the bedside page, as the review of a patient's recordings that `calibrate` takes.

A false alarm is as long as its alarm, and begins `LEAD_S` earlier: the EEG that raised it came before it. Of a missed
seizure only the moment is known at which somebody said so; the `MISSED_S` before it are taken for the seizure, to be
put right by whoever looks at the EEG. What a recording's own reference says is not said again and not gone against.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from detector.morning_report.page_file import Label, PageFile
from detector.page.alarm import Action, LabelKind
from detector.printable import printable
from detector.sinks.clips_place import name_of
from detector.source.recording import open_recording
from detector.training.labelled import Labelled
from detector.training.review import COLUMNS, FALSE_ALARM, MISSED

LEAD_S = 10.0  # frame 2 s, smoothing up to 3 s and hold up to 4 s lie before the moment of declaring
MISSED_S = 30.0
KNOWN_S = 60.0  # who says within so long after a seizure of the reference that one was missed means that one
_LEAST_S = 1.0
_WORDS = {LabelKind.FALSE_ALARM: FALSE_ALARM, LabelKind.MISSED: MISSED}


@dataclass(frozen=True)
class Stretch:
    """What somebody said, and of which time, UTC s; ``core_s`` is where it begins without the lead."""

    label: Label
    onset_s: float
    core_s: float
    end_s: float

    def __str__(self) -> str:
        return f"{_moment(self.label.at_s)} {self.label.kind} by {printable(self.label.who) or 'nobody'}"


@dataclass(frozen=True)
class Placed:
    """A recording in time, UTC s."""

    labelled: Labelled
    start_s: float
    end_s: float


@dataclass(frozen=True)
class ReviewRow:
    """A row of the review file; ``onset_s`` is from the recording's first sample."""

    recording: str
    onset_s: float
    end_s: float
    stretch: Stretch

    @property
    def is_assumed(self) -> bool:
        """Whether nobody has said when it began and ended."""
        return self.stretch.label.kind == LabelKind.MISSED


def stretches_of(page: PageFile) -> tuple[list[Stretch], list[str]]:
    """Return what stands of what was said, and what of it can be used for nothing, and why.

    Where two people say the contrary of one time, what was said later stands.
    """
    found: list[Stretch] = []
    notes: list[str] = []
    for label in sorted(page.standing_labels(), key=lambda one: one.time_s, reverse=True):
        stretch = _stretch(label, page)
        if stretch is None:
            notes.append(f"{_moment(label.at_s)} {printable(label.kind)}: of which alarm, and how long, is not known")
            continue
        newer = next((one for one in found if one.label.kind != label.kind and _overlap(one, stretch)), None)
        if newer is not None:
            notes.append(f"{stretch}: {newer} was said later, and stands")
            continue
        found.append(stretch)
    return sorted(found, key=lambda one: one.onset_s), notes


def placed(recordings: Iterable[Labelled]) -> tuple[list[Placed], list[str]]:
    """Return when recordings were made, and which of them do not say so.

    The name of a clip says that it is in UTC; any other start without a zone is local time of this machine, as EDF has
    it.
    """
    found: list[Placed] = []
    notes: list[str] = []
    for labelled in recordings:
        recording = open_recording(labelled.path)
        start = recording.start
        if start is None:
            notes.append(f"{labelled.path} does not say when it was recorded: no label can be of it")
            continue
        if start.tzinfo is None and name_of(labelled.path.name) is not None:
            start = start.replace(tzinfo=UTC)
        start_s = start.timestamp()
        found.append(Placed(labelled, start_s, start_s + recording.duration_s))
    return found, notes


def review_of(stretches: Sequence[Stretch], recordings: Sequence[Placed]) -> tuple[list[ReviewRow], list[str]]:
    """Return the rows of a review, and what was said that gives none, and why."""
    rows: list[ReviewRow] = []
    notes: list[str] = []
    for stretch in stretches:
        over = [one for one in recordings if stretch.core_s < one.end_s and one.start_s < stretch.end_s]
        if not over:
            notes.append(f"{stretch}: there is no recording of that time")
        for recording in over:
            row = _row(stretch, recording)
            if isinstance(row, ReviewRow):
                rows.append(row)
            else:
                notes.append(f"{stretch}: {row}")
    return _joined(rows), notes


def tsv_of(rows: Iterable[ReviewRow]) -> str:
    """Return the review file: the columns that `calibrate` reads, and who said so, and when."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow([*COLUMNS, "moment", "said", "who", "alarm"])
    for row in rows:
        label = row.stretch.label
        times = (f"{row.onset_s:.3f}", f"{row.end_s - row.onset_s:.3f}")
        said = (_moment(label.at_s), _moment(label.time_s), printable(label.who), printable(label.alarm_id))
        writer.writerow([row.recording, *times, _WORDS[LabelKind(label.kind)], *said])
    return text.getvalue()


def _stretch(label: Label, page: PageFile) -> Stretch | None:
    if label.kind == LabelKind.MISSED:
        return Stretch(label, label.at_s - MISSED_S, label.at_s - MISSED_S, label.at_s)
    deeds = page.deeds_of([label.alarm_id])
    if label.kind != LabelKind.FALSE_ALARM or not deeds or not deeds[0].is_of_seizure:
        return None
    ends = [deed.time_s for deed in deeds if deed.action in (Action.OVER, Action.OUTCOME_UNKNOWN)]
    since_s = deeds[0].since_s
    end_s = min(ends, default=label.time_s)  # one that goes on is false as far as somebody could see
    return Stretch(label, since_s - LEAD_S, since_s, max(end_s, since_s + 1.0))


def _row(stretch: Stretch, recording: Placed) -> ReviewRow | str:
    """Return the row, or why there is none."""
    start_s = recording.start_s
    onset_s, end_s = max(stretch.onset_s - start_s, 0.0), min(stretch.end_s, recording.end_s) - start_s
    core_s = stretch.core_s - start_s
    name = recording.labelled.path.name
    for first_s, last_s in recording.labelled.seizures:
        known = f"the reference of {name} has a seizure from {first_s:g} to {last_s:g} s"
        if stretch.label.kind == LabelKind.MISSED:
            if first_s <= stretch.label.at_s - start_s <= last_s + KNOWN_S:
                return f"{known}, so that nothing is added"
        elif core_s < last_s and first_s < end_s:
            return f"{known}, which stands"
        else:
            onset_s = max(onset_s, last_s) if last_s <= core_s else onset_s
    if end_s - onset_s < _LEAST_S:
        return f"of that time {name} has {max(end_s - onset_s, 0.0):.1f} s, which is too little"
    return ReviewRow(name, onset_s, end_s, stretch)


def _joined(rows: Iterable[ReviewRow]) -> list[ReviewRow]:
    """Return rows of which no two are of one time: what two people said of it is one row."""
    found: list[ReviewRow] = []
    for row in sorted(rows, key=lambda one: (*_about(one), one.onset_s)):
        last = found[-1] if found else None
        if last is not None and _about(last) == _about(row) and row.onset_s < last.end_s:
            found[-1] = ReviewRow(row.recording, last.onset_s, max(last.end_s, row.end_s), last.stretch)
        else:
            found.append(row)
    return sorted(found, key=lambda one: (one.recording, one.onset_s))


def _about(row: ReviewRow) -> tuple[str, str]:
    return row.recording, row.stretch.label.kind


def _overlap(one: Stretch, other: Stretch) -> bool:
    return one.onset_s < other.end_s and other.onset_s < one.end_s


def _moment(utc_s: float) -> str:
    try:
        return f"{datetime.fromtimestamp(utc_s, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):  # a file may say any number
        return f"{utc_s:g}"
