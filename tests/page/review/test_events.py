"""Each event that the journal knows has its clips, or the reason why there are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from detector.errors import BadDataError
from detector.journal_schema import RowKind
from detector.messages import Event, Outcome
from detector.page.review.events import BedEvent, events_of
from detector.page.review.files import ClipFile
from detector.sinks.clips_place import ClipName
from tests.journals import UTC_S, Bed

NOW_S = UTC_S + 5000


def clip(event_id: str, part: int = 1, onset_utc_s: float = UTC_S + 1025) -> ClipFile:
    return ClipFile(ClipName("ward-1", onset_utc_s, event_id, part), 1234)


def ended(bed: Bed, number: int, *, outcome: Outcome = Outcome.ENDED) -> Event:
    bed.say("non-seizure", 30)
    declared = Event(number, bed.now_s - 5, bed.now_s, None, 0.9, Outcome.ONGOING, f"seizure{number}")
    bed.journal.push_event(declared, bed.now_s)
    bed.say("seizure", 40)
    event = replace(declared, offset_s=bed.now_s - 3, outcome=outcome)
    bed.journal.push_event(event, bed.now_s)
    return event


@pytest.fixture
def bed(tmp_path: Path) -> Bed:
    bed = Bed(tmp_path / "ward-1.journal.sqlite")
    bed.start()
    return bed


def listed(bed: Bed, clips: list[ClipFile] | str, since_s: float = 0.0, now_s: float = NOW_S) -> list[BedEvent]:
    bed.settle()
    found = events_of(bed.path, clips, since_s, now_s)
    bed.stop()
    return found


def test_an_event_has_its_four_times_and_its_clips(bed: Bed) -> None:
    event = ended(bed, 1)
    bed.journal.note(
        RowKind.CLIP, {"event_id": event.id, "file": str(clip(event.id).name), "length_s": 132.5}, bed.now_s
    )
    [one] = listed(bed, [clip(event.id), clip(event.id, 2)])
    assert (one.onset_s, one.declared_s, one.offset_s) == pytest.approx(
        (UTC_S + 1025, UTC_S + 1030, UTC_S + 1067), abs=0.01
    )
    assert (one.outcome, one.why) == ("ended", "")
    assert [(given["part"], given["bytes"], given["duration_s"]) for given in one.clips] == [
        (1, 1234, 132.5), (2, 1234, None),
    ]  # fmt: skip


def test_an_event_without_a_clip_says_why(bed: Bed) -> None:
    for number in (1, 2, 3):
        ended(bed, number)
    bed.journal.note(RowKind.CLIP, {"event_id": "seizure1", "lost": "the disk\x1b[2J was full"}, bed.now_s)
    bed.journal.note(RowKind.CLIP, {"event_id": "seizure2", "file": "x.edf", "length_s": 5.0}, bed.now_s)
    on = Event(4, bed.now_s - 5, bed.now_s, None, 0.9, Outcome.ONGOING, "seizure4")
    bed.journal.push_event(on, bed.now_s)
    whys = {one.id: one.why for one in listed(bed, [])}
    assert whys == {
        "seizure1": "its clip could not be written: the disk\\x1b[2J was full",
        "seizure2": "its clip is not kept any more: newer ones have taken its place, or it was too old",
        "seizure3": "there is no clip of it, and its journal does not say why",
        "seizure4": "it goes on: its clip is written when it is over",
    }


def test_a_clip_that_cannot_be_there_yet_is_waited_for(bed: Bed) -> None:
    ended(bed, 1)
    [one] = listed(bed, [], now_s=UTC_S + 1067 + 40)
    assert one.why == "its clip is not written yet: it ends 30 s behind the event"


def test_where_no_clip_can_be_seen_each_event_says_so(bed: Bed) -> None:
    ended(bed, 1)
    [one] = listed(bed, "this page may not read it")
    assert one.why == "this page may not read it"


def test_an_event_that_a_crash_cut_short_has_the_times_of_its_own_boot(bed: Bed) -> None:
    bed.say("non-seizure", 30)
    event = bed.declare(1)
    bed.say("seizure", 20)
    bed.crash()
    # Another boot: the LSL clock begins anew.
    bed.boot, bed.utc_ahead_s = "boot-2", bed.utc_ahead_s + bed.now_s
    bed.now_s = 7.0
    bed.start()
    bed.journal.give_up_open_seizure(bed.now_s)
    bed.say("non-seizure", 5)
    [one] = listed(bed, [])
    assert one.onset_s == pytest.approx(UTC_S + event.onset_s, abs=0.01)
    assert one.outcome == "unknown"


def test_only_what_was_asked_for_is_listed_the_newest_first(bed: Bed) -> None:
    for number in (1, 2, 3):
        ended(bed, number)
    found = listed(bed, [], since_s=UTC_S + 1080)
    assert [one.id for one in found] == ["seizure3", "seizure2"]


def test_without_a_journal_the_clips_themselves_are_known() -> None:
    other = clip("unknown", onset_utc_s=UTC_S + 50)
    found = events_of(None, [clip("a"), clip("unknown"), other], 0.0, NOW_S)
    assert [(one.id, one.onset_s, one.declared_s) for one in found] == [
        ("a", UTC_S + 1025, None), ("unknown", UTC_S + 1025, None), ("unknown", UTC_S + 50, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "row", [{"id": "x", "outcome": "ended"}, {"id": "x", "outcome": "ended", "onset_s": "1", "declared_s": 1}]
)
def test_a_journal_that_makes_no_sense_is_refused(bed: Bed, row: dict[str, object]) -> None:
    bed.journal.note(RowKind.SEIZURE, row, bed.now_s)
    with pytest.raises(BadDataError, match="make no sense"):
        listed(bed, [])
    bed.stop()
