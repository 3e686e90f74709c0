"""What is said on the page is of the right stretch of the right recording, the newest word stands, and none is lost."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.morning_report.page_file import Deed, Label, PageFile
from detector.sinks.clips_place import ClipName
from detector.training.labelled import Labelled
from detector.training.page_labels import Placed, placed, review_of, stretches_of, tsv_of
from detector.training.review import reviewed
from tests.signals import deterministic
from tests.synthetic_edf import write_edf

ALARM = "bed1.seizure.1.1"


def deeds(since_s: float, *later: tuple[str, float], alarm: str = ALARM, kind: str = "seizure") -> tuple[Deed, ...]:
    return tuple(Deed(at_s, action, "", alarm, kind, kind, since_s) for action, at_s in (("raised", since_s), *later))


def said(kind: str, at_s: float, alarm: str = ALARM, time_s: float = 9000.0) -> Label:
    return Label(time_s, kind, at_s, "Joy", alarm)


def recording(name: str, start_s: float, end_s: float, *seizures: tuple[float, float]) -> Placed:
    return Placed(Labelled("p", Path(name), seizures), start_s, end_s)


def rows(page: PageFile, *recordings: Placed) -> list[tuple[str, float, float, str]]:
    found, _ = review_of(stretches_of(page)[0], recordings)
    return [(row.recording, row.onset_s, row.end_s, row.stretch.label.kind) for row in found]


def notes(page: PageFile, *recordings: Placed) -> str:
    stretches, unused = stretches_of(page)
    return "\n".join((*unused, *review_of(stretches, recordings)[1]))


def test_a_false_alarm_is_as_long_as_its_alarm_with_what_raised_it() -> None:
    page = PageFile(
        deeds=deeds(1100.0, ("acknowledged", 1105.0), ("over", 1130.0)), labels=(said("false-alarm", 1100),)
    )
    assert rows(page, recording("a.edf", 1000, 1300)) == [("a.edf", 90, 130, "false-alarm")]


def test_of_a_false_alarm_nothing_counts_that_nobody_watched() -> None:
    page = PageFile(
        deeds=deeds(1100.0, ("outcome-unknown", 1120.0), ("over", 4000.0)), labels=(said("false-alarm", 1100),)
    )
    assert rows(page, recording("a.edf", 1000, 5000)) == [("a.edf", 90, 120, "false-alarm")]


def test_a_missed_seizure_is_taken_for_the_half_minute_before_it_was_told() -> None:
    page = PageFile(labels=(said("missed-seizure", 1200.0, ""),))
    assert rows(page, recording("a.edf", 1000, 1300)) == [("a.edf", 170, 200, "missed-seizure")]
    [row] = review_of(stretches_of(page)[0], [recording("a.edf", 1000, 1300)])[0]
    assert row.is_assumed


def test_it_is_said_of_each_recording_that_holds_a_part_of_it() -> None:
    page = PageFile(deeds=deeds(1100.0, ("over", 1130.0)), labels=(said("false-alarm", 1100),))
    found = rows(page, recording("a.edf", 1000, 1115), recording("b.edf", 1115, 1300), recording("c.edf", 1400, 1500))
    assert [row[:3] for row in found] == [("a.edf", 90, 115), ("b.edf", 0, 15)]


def test_the_newest_word_about_an_alarm_stands_and_one_that_was_taken_back_does_not() -> None:
    alarm = deeds(1100.0, ("over", 1130.0))
    first, back = said("false-alarm", 1100.0, time_s=2000.0), said("withdrawn", 1100.0, time_s=2001.0)
    assert rows(PageFile(deeds=alarm, labels=(first, back)), recording("a.edf", 1000, 1300)) == []
    again = said("false-alarm", 1100.0, time_s=2002.0)
    assert len(rows(PageFile(deeds=alarm, labels=(first, back, again)), recording("a.edf", 1000, 1300))) == 1
    missed = [said("missed-seizure", at_s, "") for at_s in (1200.0, 1250.0)]
    page = PageFile(labels=(*missed, said("withdrawn", 1200.0, "")))
    assert rows(page, recording("a.edf", 1000, 1300)) == [("a.edf", 220, 250, "missed-seizure")]


def test_of_two_that_contradict_each_other_the_newer_stands_and_that_is_told() -> None:
    alarm = deeds(1100.0, ("over", 1130.0))
    false = said("false-alarm", 1100.0, time_s=2000.0)
    missed = Label(3000.0, "missed-seizure", 1125.0, "Ann", "")
    page = PageFile(deeds=alarm, labels=(false, missed))
    assert rows(page, recording("a.edf", 1000, 1300)) == [("a.edf", 95, 125, "missed-seizure")]
    assert "false-alarm by Joy: 1970-01-01T00:18:45Z missed-seizure by Ann was said later, and stands" in notes(page)


def test_what_two_people_say_of_one_seizure_is_one_row() -> None:
    page = PageFile(labels=(said("missed-seizure", 1200.0, ""), said("missed-seizure", 1210.0, "")))
    assert rows(page, recording("a.edf", 1000, 1300)) == [("a.edf", 170, 210, "missed-seizure")]


def test_the_reference_stands_against_a_label_and_knows_a_seizure_that_was_told_late() -> None:
    alarm = deeds(1100.0, ("over", 1130.0))
    page = PageFile(deeds=alarm, labels=(said("false-alarm", 1100.0), said("missed-seizure", 1250.0, "")))
    known = recording("a.edf", 1000, 1300, (125.0, 200.0))
    assert rows(page, known) == []
    assert "the reference of a.edf has a seizure from 125 to 200 s, which stands" in notes(page, known)
    assert "so that nothing is added" in notes(page, known)
    assert rows(page, recording("a.edf", 1000, 1300, (50.0, 95.0))) == [
        ("a.edf", 95, 130, "false-alarm"), ("a.edf", 220, 250, "missed-seizure"),
    ]  # fmt: skip


def test_what_gives_no_row_is_told() -> None:
    other = deeds(1100.0, ("over", 1130.0), alarm="bed1.dead.1.1", kind="dead")
    page = PageFile(
        deeds=other,
        labels=(
            said("false-alarm", 1000.0, ""), said("false-alarm", 1100.0, "bed1.dead.1.1"),
            said("false-alarm", 1150.0, "gone"), said("maybe", 1160.0, "x"), said("missed-seizure", 5000.0, ""),
        ),
    )  # fmt: skip
    assert rows(page, recording("a.edf", 1000, 1300)) == []
    told = notes(page, recording("a.edf", 1000, 1300))
    assert told.count("how long, is not known") == 4
    assert "01:23:20Z missed-seizure by Joy: there is no recording of that time" in told


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as there:
        there.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_tokyo")
def test_a_clip_is_in_utc_and_another_file_in_local_time(tmp_path: Path) -> None:
    name = ClipName("bed1", 1.7e9, "abc", 1)
    at = datetime(2024, 3, 1, 12)
    paths = [write_edf(tmp_path / file, 4, start=at) for file in (str(name), "other.edf")]
    found, untold = placed(Labelled("p", path, ()) for path in paths)
    noon_s = at.replace(tzinfo=UTC).timestamp()
    assert [one.start_s for one in found] == [noon_s, noon_s - 9 * 3600]
    assert [one.end_s - one.start_s for one in found] == [4, 4]
    assert untold == []


def test_a_recording_that_does_not_say_when_it_was_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Anonymous:
        start = None

    monkeypatch.setattr("detector.training.page_labels.open_recording", lambda _path: Anonymous())
    found, [untold] = placed([Labelled("p", tmp_path / "a.edf", ())])
    assert found == []
    assert "a.edf does not say when it was recorded" in untold


_LABELS = st.lists(
    st.tuples(st.sampled_from(["false-alarm", "missed-seizure", "withdrawn"]), st.integers(0, 5), st.integers(0, 99)),
    max_size=12,
)


@deterministic(200)
@given(labels=_LABELS, seizures=st.lists(st.integers(0, 590), max_size=3, unique=True))
def test_whatever_was_said_calibrate_can_read_it(labels: list[tuple[str, int, int]], seizures: list[int]) -> None:
    """No two rows contradict each other or the reference, and each is inside of its recording."""
    spans = [(float(a), float(min(a + 20, b - 1, 600))) for a, b in itertools.pairwise([*sorted(seizures), 10**6])]
    reference = tuple(span for span in spans if span[1] > span[0])
    alarms = [f"bed1.seizure.{n}.1" for n in range(6)]
    page = PageFile(
        deeds=tuple(d for n in range(6) for d in deeds(1000.0 + n * 100, ("over", 1020.0 + n * 100), alarm=alarms[n])),
        labels=tuple(
            Label(2000.0 + i, kind, 1000.0 + n * 100 + (later if kind == "missed-seizure" else 0), "Joy",
                  "" if kind == "missed-seizure" else alarms[n])
            for i, (kind, n, later) in enumerate(labels)
        ),
    )  # fmt: skip
    found, _ = review_of(stretches_of(page)[0], [recording("a.edf", 1000, 1600, *reference)])
    marked = sorted([(row.onset_s, row.end_s) for row in found] + [(a, b) for a, b in reference])
    assert all(0 <= onset_s < end_s <= 600 for onset_s, end_s in marked)
    assert all(one[1] <= other[0] or math.isclose(one[1], other[0]) for one, other in itertools.pairwise(marked))


def test_the_file_is_one_that_calibrate_reads(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "a.edf", 300, start=datetime(2024, 3, 1, 12))
    start_s = datetime(2024, 3, 1, 12).timestamp()
    page = PageFile(
        deeds=deeds(start_s + 100, ("over", start_s + 130)),
        labels=(
            said("false-alarm", start_s + 100),
            Label(start_s + 999, "missed-seizure", start_s + 200, "a\tb\n", ""),
        ),
    )
    recordings = (Labelled("p", path, ()),)
    file = tmp_path / "review.tsv"
    file.write_text(tsv_of(review_of(stretches_of(page)[0], placed(recordings)[0])[0]))
    [one] = reviewed(recordings, file)
    assert one.false_alarms == ((90.0, 130.0),)
    assert one.seizures == ((170.0, 200.0),)
    assert "a\\tb\\n" in file.read_text()
