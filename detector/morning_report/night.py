"""All that is known of a span of time at a bed: from its journal, the page's file and the clips."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from detector.errors import BadDataError
from detector.journal_reading import JournalReader
from detector.journal_schema import SUFFIX, Row, RowKind
from detector.journal_spans import JournalSeizure, Watch, watches_of
from detector.messages import Outcome
from detector.morning_report.eeg import Eeg, clips_of, eeg_of
from detector.morning_report.page_file import Deed, Label, PageFile, read_page_file
from detector.morning_report.timeline import Stretch, clock_steps, timeline_of

_NEAR_S = 30.0  # a label or an alarm of the page is of an event that is so near, its clock may be another machine's
_TOLD = (RowKind.START, RowKind.CRASH, RowKind.CONDITION, RowKind.CLIP)
_MOST_EEG = 60  # figures: a report stays a file that can be opened


@dataclass(frozen=True)
class NightEvent:
    """A seizure that was declared; times are UTC s, and ``last_seen_s`` is until when it was said."""

    seizure: JournalSeizure
    onset_s: float
    declared_s: float
    offset_s: float | None
    last_seen_s: float
    deeds: tuple[Deed, ...]
    labels: tuple[Label, ...]
    eeg: Eeg | str

    @property
    def length_s(self) -> float | None:
        """How long it was, by the clock that never steps; ``None`` where its end was not seen."""
        seizure = self.seizure
        if seizure.offset_s is None or seizure.outcome is not Outcome.ENDED:
            return None
        return seizure.offset_s - seizure.onset_s


@dataclass(frozen=True)
class ConditionSeen:
    """A technical condition in the span; times are UTC s."""

    kind: str
    priority: str
    raised: int
    first_s: float
    last_s: float
    text: str
    stands: bool


@dataclass(frozen=True)
class Night:
    """What is reported of a bed, from ``since_s`` to ``until_s``, UTC s.

    ``page`` and ``clips`` are what is known from there, or why nothing is.
    """

    bed: str
    since_s: float
    until_s: float
    timeline: tuple[Stretch, ...]
    events: tuple[NightEvent, ...]
    conditions: tuple[ConditionSeen, ...]
    programs: tuple[str, ...]
    starts: int
    crashes: int
    clock_steps: tuple[tuple[float, float], ...]
    page: PageFile | str
    clips: str

    @property
    def known(self) -> PageFile:
        """What the page knows; empty where it is not known."""
        return self.page if isinstance(self.page, PageFile) else PageFile()


def gather(journal: Path, page_file: Path | None, clips: Path | None, since_s: float, until_s: float) -> Night:
    """Read all that is known of a span of UTC.

    Parameters
    ----------
    journal
        The bed's.
    page_file
        Of the bedside page; ``None`` where there is none.
    clips
        The folder of the bed's clips; ``None`` where there is none.
    since_s, until_s
        The span, s since 1970.

    Raises
    ------
    MissingInputError
        The journal, the page's file or the folder of clips cannot be read.
    BadDataError
        One of the files is damaged or of another version, or the journal says nothing of any time.
    """
    with closing(JournalReader(journal)) as reader:
        watches = watches_of(reader.rows(), reader.alive)
        rows = [row for row in reader.rows() if row.kind in _TOLD]  # a journal of a year is not held in memory
    if not watches:
        raise BadDataError(f"{journal} says nothing of any time")
    bed = next((watch.bed for watch in reversed(watches) if watch.bed), journal.name.removesuffix(SUFFIX))
    page: PageFile | str = "the page's file was not found where this user may read"
    if page_file is not None:
        page = read_page_file(page_file, bed, since_s, until_s)
    found = clips_of(clips)
    inside = [row for row in rows if since_s <= row.utc_s <= until_s]
    facts = [row.facts for row in rows if row.kind == RowKind.START and row.utc_s <= until_s]
    began = [row for row in inside if row.kind == RowKind.START]
    used = [f"version {f['version']}, model {f['model_id']}" for f in facts[-len(began) - 1 :]]
    lost = {
        row.facts["event_id"]: row.facts["lost"] for row in rows if row.kind == RowKind.CLIP and "lost" in row.facts
    }
    events: list[NightEvent] = []
    for watch in watches:
        for seizure in watch.seizures:
            times_s = watch.utc_s(seizure.onset_s), watch.utc_s(seizure.end_s)
            if times_s[0] <= until_s and times_s[1] >= since_s:
                shown = len(events) < _MOST_EEG
                eeg = eeg_of(seizure.id, found) if shown else f"only the first {_MOST_EEG} are drawn"
                if isinstance(eeg, str) and seizure.id in lost:
                    eeg = f"{eeg}; the detector says of it: {lost[seizure.id]}"
                events.append(_event(watch, seizure, page, eeg))
    return Night(
        bed,
        since_s,
        until_s,
        timeline_of(watches, since_s, until_s),
        tuple(events),
        _conditions(rows, since_s, until_s),
        tuple(dict.fromkeys(used)),
        len(began),
        sum(row.kind == RowKind.CRASH for row in inside),
        clock_steps(watches, since_s, until_s),
        page,
        f"{len(found)} file{'' if len(found) == 1 else 's'}"
        if clips is not None
        else "the folder of clips was not found",
    )


def _event(watch: Watch, seizure: JournalSeizure, page: PageFile | str, eeg: Eeg | str) -> NightEvent:
    onset_s, last_s = watch.utc_s(seizure.onset_s), watch.utc_s(seizure.last_seen_s)
    deeds: tuple[Deed, ...] = ()
    labels: tuple[Label, ...] = ()
    if isinstance(page, PageFile):

        def is_near(time_s: float) -> bool:
            return onset_s - _NEAR_S <= time_s <= watch.utc_s(seizure.end_s) + _NEAR_S

        ids = {deed.alarm_id for deed in page.deeds if deed.is_of_seizure and is_near(deed.since_s)}
        deeds = page.deeds_of([*ids])
        labels = tuple(one for one in page.labels if one.alarm_id in ids or (not one.alarm_id and is_near(one.at_s)))
    offset_s = None if seizure.offset_s is None else watch.utc_s(seizure.offset_s)
    return NightEvent(seizure, onset_s, watch.utc_s(seizure.declared_s), offset_s, last_s, deeds, labels, eeg)


def _conditions(rows: Iterable[Row], since_s: float, until_s: float) -> tuple[ConditionSeen, ...]:
    """Return one for each kind that was said in the span, or stood from before it."""
    standing: dict[str, Row] = {}
    seen: dict[str, ConditionSeen] = {}
    for row in rows:
        if row.utc_s > until_s:
            break
        if row.kind in (RowKind.START, RowKind.CRASH):  # a program that begins knows of none
            standing.clear()
        if row.kind != RowKind.CONDITION:
            continue
        kind = row.facts["condition"]
        if row.facts["change"] == "cleared":
            standing.pop(kind, None)
        else:
            standing[kind] = row
        if row.utc_s >= since_s:
            seen[kind] = _later(seen.get(kind), row)
    for kind, row in standing.items():
        if kind not in seen:
            seen[kind] = replace(_later(None, row), raised=0)
    ordered = sorted(seen.values(), key=lambda one: one.first_s)
    return tuple(replace(one, stands=one.kind in standing) for one in ordered)


def _later(before: ConditionSeen | None, row: Row) -> ConditionSeen:
    facts = row.facts
    raised = (0 if before is None else before.raised) + (facts["change"] == "raised")
    first_s = min(row.utc_s, math.inf if before is None else before.first_s)
    text = str(facts["text"])
    return ConditionSeen(facts["condition"], facts["priority"], raised, first_s, row.utc_s, text, stands=False)


def find_page_file(folders: Sequence[Path]) -> Path | None:
    """Return the page's file in the first of folders that has one which this user may read."""
    return next((path for folder in folders if os.access(path := folder / "page.sqlite", os.R_OK)), None)
