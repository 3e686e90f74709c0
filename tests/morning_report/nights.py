"""A night at a made-up bed: its journal, the page's file and a clip, all of the same events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from io import BufferedWriter
from pathlib import Path

from detector.journal_schema import RowKind
from detector.messages import Condition, Event, Outcome, Priority
from detector.page.alarm import Action, Alarm, AlarmKind, AlarmRow
from detector.page.store import Store
from detector.sinks.clips_edf import write_edf
from detector.sinks.clips_place import ClipName, Limits, write_clip
from tests.clips import description
from tests.journals import UTC_S, Bed
from tests.sinks.test_clips_edf import clip, noise

HOSTILE = "<script>alert(1)</script>"
BED = "ward-1"
SINCE_S, UNTIL_S = UTC_S + 0.0, UTC_S + 10_000.0  # the journal begins 1000 s into it


@dataclass(frozen=True)
class Files:
    """Where all of it is."""

    journal: Path
    page: Path
    clips: Path


def night(folder: Path) -> Files:
    """Write a night: see the numbers, which the tests count on.

    LSL 1000-1030 warm-up, to 2030 non-seizure, to 2090 a seizure (onset 2025, offset 2085), to 2390 non-seizure, to
    2450 lost, to 2750 non-seizure, 20 s of a seizure, killed at 2770; a new program from 5770 on: to 5800 warm-up, to
    6000 non-seizure, then stopped.
    """
    bed = Bed(folder / f"{BED}.journal.sqlite")
    bed.start()
    bed.say("not-monitoring/warmup", 30)
    bed.say("non-seizure", 1000)
    first = _declared(bed, 1)
    bed.say("seizure", 60)
    ended = Event(1, first.onset_s, first.declared_s, bed.now_s - 5, 0.97, Outcome.ENDED, first.id)
    bed.journal.push_event(ended, bed.now_s)
    bed.say("non-seizure", 300)
    bed.journal.push_condition(Condition("lost", Priority.HIGH, HOSTILE, bed.now_s, 1, None), bed.now_s)
    bed.say("not-monitoring/lost", 60)
    bed.journal.push_condition(Condition("lost", Priority.HIGH, HOSTILE, bed.now_s - 60, 1, bed.now_s), bed.now_s)
    bed.say("non-seizure", 300)
    _declared(bed, 2)
    bed.journal.note(RowKind.CLIP, {"event_id": "seizure2", "lost": "the disk was full"}, bed.now_s)
    bed.say("seizure", 20)
    bed.crash()
    bed.now_s += 3000
    bed.start()
    bed.say("not-monitoring/warmup", 30)
    bed.say("non-seizure", 200)
    bed.stop()
    return Files(bed.path, _page(folder / "page.sqlite"), _clip(folder / "clips" / BED, ended))


def _declared(bed: Bed, number: int) -> Event:
    # A clip's name has no dash in an event's id.
    event = Event(number, bed.now_s - 5, bed.now_s, None, 0.9, Outcome.ONGOING, f"seizure{number}")
    bed.journal.push_event(event, bed.now_s)
    return event


def _page(path: Path) -> Path:
    store = Store(path)
    seizure = Alarm(f"{BED}.seizure.1", BED, AlarmKind.SEIZURE, Priority.HIGH, "seizure", UTC_S + 2031)
    taken = replace(seizure, acknowledged_s=UTC_S + 2050, acknowledged_by=HOSTILE)
    store.alarm(AlarmRow(UTC_S + 2031, Action.RAISED, seizure))
    store.alarm(AlarmRow(UTC_S + 2050, Action.ACKNOWLEDGED, taken, HOSTILE))
    store.alarm(AlarmRow(UTC_S + 2095, Action.OVER, replace(taken, over_s=UTC_S + 2095)))
    other = Alarm("other.seizure.1", "other", AlarmKind.SEIZURE, Priority.HIGH, "of another bed", UTC_S + 2031)
    store.alarm(AlarmRow(UTC_S + 2031, Action.RAISED, other))
    store.label(UTC_S + 3000, BED, "false-alarm", UTC_S + 2031, "Dr Who", seizure.id)
    store.label(UTC_S + 3050, BED, "missed-seizure", UTC_S + 2500, "Dr Who", "")
    store.label(UTC_S + 3060, BED, "withdrawn", UTC_S + 2500, "Dr Who", "")
    store.label(UTC_S + 3100, BED, "missed-seizure", UTC_S + 2600, "Dr Who", "")
    for bin_s in range(1000, 2390, 10):
        is_on = 2020 <= bin_s < 2090
        burden = 0.017 if bin_s > 2090 else 0.0
        store.trend(BED, int(UTC_S) + bin_s, 0.95 if is_on else 0.08, burden, 1, 20 if bin_s > 2200 else 22)
    store.close()
    return path


def _clip(folder: Path, event: Event) -> Path:
    folder.mkdir(parents=True)
    samples = noise(130, 22)
    samples[7000:9000, 3] = 0.0
    labels = ("<b>Fp1$", "a$b$c", *(f"C{i}" for i in range(20)))
    made = clip(
        samples,
        event_id=event.id,
        description=description(22, labels=labels),
        ahead_s=UTC_S + event.onset_s - 60 - 1000,
    )
    on = replace(event, onset_s=1060.0, declared_s=1065.0, offset_s=1120.0)  # the clip's own samples begin at 1000
    made = replace(made, event=on)
    name = ClipName(BED, UTC_S + event.onset_s, event.id, 1)

    def write(file: BufferedWriter) -> None:
        write_edf(made, file)

    write_clip(folder, name, write, Limits(9, 9, 1e9))
    return folder
