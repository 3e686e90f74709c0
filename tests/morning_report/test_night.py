"""What is known of a span is put together from what each file says, and nothing of another time is in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from detector.errors import BadDataError
from detector.messages import Condition, Priority
from detector.morning_report.eeg import Eeg
from detector.morning_report.night import find_page_file, gather
from tests.journals import UTC_S, Bed
from tests.morning_report.nights import SINCE_S, UNTIL_S, Files, night


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return night(tmp_path_factory.mktemp("state"))


def test_each_seizure_has_what_the_files_say_of_it(files: Files) -> None:
    found = gather(files.journal, files.page, files.clips, SINCE_S, UNTIL_S)
    first, second = found.events
    assert [time_s - UTC_S for time_s in (first.onset_s, first.declared_s, first.last_seen_s)] == [2025, 2030, 2090]
    assert first.length_s == 60
    assert second.length_s is None
    assert isinstance(first.eeg, Eeg)
    assert [deed.action for deed in first.deeds] == ["raised", "acknowledged", "over"]
    assert [label.kind for label in first.labels] == ["false-alarm"]
    assert second.eeg == "there is no clip of it; the detector says of it: the disk was full"
    assert (second.deeds, second.labels) == ((), ())
    assert (found.starts, found.crashes, found.programs) == (2, 1, ("version 1, model m-1",))


def test_a_seizure_of_before_the_span_is_not_in_it(files: Files) -> None:
    found = gather(files.journal, None, None, UTC_S + 2100, UNTIL_S)
    assert [event.seizure.id for event in found.events] == ["seizure2"]
    assert gather(files.journal, None, None, UTC_S + 2080, UNTIL_S).events[0].seizure.id == "seizure1", "it was on then"
    assert gather(files.journal, None, None, UTC_S + 2100, UTC_S + 2200).events == ()


def test_a_condition_stands_until_it_is_cleared_also_from_before_the_span(tmp_path: Path) -> None:
    bed = Bed(tmp_path / "ward-1.journal.sqlite")
    bed.start()
    bed.journal.push_condition(Condition("mains", Priority.LOW, "50 Hz", bed.now_s, 1, None), bed.now_s)
    bed.say("non-seizure", 100)
    bed.journal.push_condition(Condition("lost", Priority.HIGH, "a", bed.now_s, 1, None), bed.now_s)
    bed.say("not-monitoring/lost", 100)
    bed.journal.push_condition(Condition("lost", Priority.HIGH, "a", bed.now_s - 100, 1, bed.now_s), bed.now_s)
    bed.say("non-seizure", 100)
    bed.settle()
    found = gather(bed.path, None, None, UTC_S + 1050, UTC_S + 1300).conditions
    assert [(one.kind, one.raised, one.stands) for one in found] == [("mains", 0, True), ("lost", 1, False)]
    bed.stop()


def test_a_journal_of_no_time_at_all_is_refused(tmp_path: Path) -> None:
    bed = Bed(tmp_path / "ward-1.journal.sqlite")
    bed.start()
    bed.stop()
    with pytest.raises(BadDataError, match="says nothing of any time"):
        gather(bed.path, None, None, SINCE_S, UNTIL_S)


def test_a_folder_that_is_closed_to_this_user_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("shut", "open"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "page.sqlite").touch()
    able = os.access
    monkeypatch.setattr("os.access", lambda path, mode: "shut" not in str(path) and able(path, mode))
    folders = [tmp_path / "shut", tmp_path / "none", tmp_path / "open"]
    assert find_page_file(folders) == tmp_path / "open" / "page.sqlite"
    assert find_page_file(folders[:2]) is None
