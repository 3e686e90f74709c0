"""Silence is never exported as "no seizure", and what is exported can be read by those who read such files."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import edfio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.errors import BadDataError, DetectorError
from detector.evaluation.annotations import read_annotated
from detector.journal_export import stretches, write_bids, write_csv, write_edf
from detector.journal_spans import JournalSeizure, Span, Watch
from detector.messages import Outcome
from tests.signals import deterministic
from tests.synthetic_edf import rows

UTC_S = 1_700_000_000.0  # 2023-11-14 22:13:20

ENDED = JournalSeizure("a", 1025.0, 1030.0, 1060.0, 1065.0, 0.95, Outcome.ENDED)
LOST = JournalSeizure("b", 1100.0, 1105.0, None, 1130.0, 0.9, Outcome.UNKNOWN)
SPANS = (
    Span(1000, 1010, "not-monitoring/warmup"),
    Span(1010, 1030, "non-seizure"),
    Span(1030, 1065, "seizure"),  # behind its offset it is said until it is sure
    Span(1065, 1105, "non-seizure"),
    Span(1105, 1130, "seizure"),
    Span(1130, 1200, "not-monitoring/crashed"),
    Span(1200, 1210, "not-monitoring/warmup"),
    Span(1210, 1300, "non-seizure"),
)
WATCH = Watch("boot-1", "ward-1", SPANS, (ENDED, LOST), "not-monitoring/stopped", ((1000, UTC_S),))
SECOND = Watch("boot-2", "ward-1", (Span(5, 15, "non-seizure"),), (), "not-monitoring/unknown", ((5, UTC_S + 1000),))
BLIND = replace(SECOND, spans=(Span(5, 15, "not-monitoring/waiting"),))


def test_seizures_what_was_watched_outside_of_them_and_what_was_not() -> None:
    assert [(s.start_s, s.end_s, s.said) for s in stretches(WATCH)] == [
        (1000, 1010, "not-monitoring/warmup"),
        (1010, 1025, "non-seizure"),
        (1025, 1060, "seizure"),
        (1060, 1100, "non-seizure"),
        (1100, 1130, "seizure"),
        (1130, 1200, "not-monitoring/crashed"),
        (1200, 1210, "not-monitoring/warmup"),
        (1210, 1300, "non-seizure"),
    ]


def test_bids_has_szcores_rows_and_the_spans_that_nobody_watched_beside_them(tmp_path: Path) -> None:
    write_bids(tmp_path / "out", [WATCH], "ward-1")
    eeg = tmp_path / "out" / "sub-ward1" / "ses-20231114T221320" / "eeg"
    stem = "sub-ward1_ses-20231114T221320_task-szMonitoring_run-00"
    events = rows((eeg / f"{stem}_events.tsv").read_text())
    told = [(e["onset"], e["duration"], e["eventType"], e["confidence"], e["outcome"]) for e in events]
    assert told == [
        ("10.000", "15.000", "bckg", "n/a", "n/a"),
        ("25.000", "35.000", "sz", "0.9500", "ended"),
        ("60.000", "40.000", "bckg", "n/a", "n/a"),
        ("100.000", "30.000", "sz", "0.9000", "unknown"),
        ("210.000", "90.000", "bckg", "n/a", "n/a"),
    ]
    assert {(e["dateTime"], e["recordingDuration"]) for e in events} == {("2023-11-14 22:13:20", "300.000")}
    holes = rows((eeg / f"{stem}_notmonitored.tsv").read_text())
    assert [(e["onset"], e["duration"], e["cause"]) for e in holes] == [
        ("0.000", "10.000", "warmup"),
        ("130.000", "70.000", "crashed"),
        ("200.000", "10.000", "warmup"),
    ]
    read = read_annotated(eeg / f"{stem}_events.tsv")
    assert (read.duration_s, read.seizures) == (300, ((25, 60), (100, 130)))
    assert (tmp_path / "out" / "dataset_description.json").exists()


@pytest.mark.parametrize(("onset_s", "lengths"), [(1105.0, ["5.000", "25.000"]), (1100.0, ["30.000"])])
def test_a_seizure_that_was_declared_anew_ends_the_one_before(
    tmp_path: Path, onset_s: float, lengths: list[str]
) -> None:
    again = replace(LOST, id="c", onset_s=onset_s, declared_s=1110.0)
    written = write_bids(tmp_path, [replace(WATCH, seizures=(ENDED, LOST, again))], "ward-1")
    [events] = [path for path in written if path.name.endswith("_events.tsv")]
    assert [row["duration"] for row in rows(events.read_text()) if row["eventType"] == "sz"] == ["35.000", *lengths]
    assert len(read_annotated(events).seizures) == 1 + len(lengths)


def test_a_boot_in_which_nothing_was_watched_has_no_events_file(tmp_path: Path) -> None:
    write_bids(tmp_path, [SECOND], "ward-1")
    assert len([*tmp_path.rglob("*_events.tsv")]) == 1
    written = write_bids(tmp_path, [BLIND], "ward-1")
    assert [path.name.rpartition("_")[2] for path in written] == ["notmonitored.tsv"]
    assert not [*tmp_path.rglob("*_events.tsv")]  # the one of before would say what is not so


def test_boots_that_seem_to_begin_at_the_same_time_have_files_of_their_own(tmp_path: Path) -> None:
    written = write_bids(tmp_path, [WATCH, replace(SECOND, clock=((5, UTC_S),))], "ward-1")
    assert len({*written}) == 4
    assert {path.parent.parent.name for path in written} == {"ses-20231114T221320"}


def test_a_table_has_every_stretch_of_time_and_the_time_between_boots(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", [WATCH, SECOND])
    with (tmp_path / "a.csv").open(newline="") as file:
        table = [*csv.DictReader(file)]
    assert [row["said"] for row in table][-3:] == ["non-seizure", "not-monitoring/stopped", "non-seizure"]
    assert (table[-2]["start_utc"], table[-2]["duration_s"]) == ("2023-11-14T22:18:20.000Z", "700.000")
    ended, lost = [row for row in table if row["said"] == "seizure"]
    assert (ended["outcome"], ended["duration_s"], ended["event_id"]) == ("ended", "35.000", "a")
    assert (lost["outcome"], lost["duration_s"], lost["end_utc"]) == ("unknown", "n/a", "n/a")
    assert lost["last_seen_utc"] == "2023-11-14T22:15:30.000Z"


def test_edf_annotations_are_in_utc_and_say_what_was_not_watched(tmp_path: Path) -> None:
    later = replace(WATCH, clock=((1000, UTC_S + 0.25),))
    write_edf(tmp_path / "a.edf", [later, SECOND])
    edf = edfio.read_edf(tmp_path / "a.edf")
    assert (str(edf.startdate), str(edf.starttime)) == ("2023-11-14", "22:13:20")
    told = [(a.onset, a.duration, a.text) for a in edf.annotations]
    assert told[:6] == [
        (0.25, 10, "not-monitoring/warmup"),
        (10.25, 15, "non-seizure"),
        (25.25, 35, "seizure"),
        (60.25, 40, "non-seizure"),
        (100.25, 30, "seizure (outcome unknown)"),
        (130.25, 70, "not-monitoring/crashed"),
    ]
    assert told[-2:] == [(300.25, 699.75, "not-monitoring/stopped"), (1000, 10, "non-seizure")]


def test_edf_refuses_a_clock_that_was_set_back_where_the_others_do_not(tmp_path: Path) -> None:
    back = replace(SECOND, clock=((5, UTC_S - 3000),))
    with pytest.raises(BadDataError, match="set back by 3300 s at 2023-11-14T22:18:20"):
        write_edf(tmp_path / "a.edf", [WATCH, back])
    assert not [*tmp_path.iterdir()]
    write_csv(tmp_path / "a.csv", [WATCH, back])
    write_bids(tmp_path / "bids", [WATCH, back], "ward-1")


def test_edf_refuses_a_year_that_it_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match="no year but 1985 to 2084"):
        write_edf(tmp_path / "a.edf", [replace(WATCH, clock=((1000, 3600.0),))])


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DetectorError, match="cannot write"):
        write_bids(tmp_path / "file" / "a", [WATCH], "ward-1")
    with pytest.raises(DetectorError, match="cannot write"):
        write_csv(tmp_path / "file" / "a.csv", [WATCH])


@st.composite
def watches(draw: st.DrawFn) -> Watch:
    """Draw states of some length, and seizures of any outcome where a seizure is said."""
    words = ["non-seizure", "seizure", "not-monitoring/lost", "not-monitoring/crashed"]
    start_s = now_s = draw(st.floats(0, 1e6))
    spans: list[Span] = []
    seizures: list[JournalSeizure] = []
    for word, length_s in draw(st.lists(st.tuples(st.sampled_from(words), st.floats(0.01, 1e4)), min_size=1)):
        spans.append(Span(now_s, now_s + length_s, word))
        if word == "seizure":
            last_end_s = seizures[-1].end_s if seizures else start_s
            onset_s = max(now_s - draw(st.floats(0, 9)), last_end_s)
            ended = draw(st.booleans())
            end_s = now_s + length_s * draw(st.floats(0.2, 1))
            outcome = Outcome.ENDED if ended else Outcome.UNKNOWN
            seizures.append(
                JournalSeizure("x", onset_s, now_s, end_s if ended else None, now_s + length_s, 0.5, outcome)
            )
        now_s += length_s
    return Watch("b", "ward", tuple(spans), tuple(seizures), "not-monitoring/unknown", ((start_s, UTC_S),))


@deterministic(200)
@given(watches())
def test_whatever_was_said_only_what_was_watched_is_background(
    tmp_path_factory: pytest.TempPathFactory, watch: Watch
) -> None:
    watched = [(span.start_s, span.end_s) for span in watch.spans if not span.said.startswith("not-")]
    events = [(seizure.onset_s, seizure.end_s) for seizure in watch.seizures]
    for stretch in stretches(watch):
        middle_s = (stretch.start_s + stretch.end_s) / 2
        if stretch.said == "non-seizure":
            assert not any(start_s < middle_s < end_s for start_s, end_s in events)
            # All of it was watched: the parts of it that were are as long as it is.
            inside = (min(stretch.end_s, end_s) - max(stretch.start_s, start_s) for start_s, end_s in watched)
            assert math.isclose(
                sum(length_s for length_s in inside if length_s > 0), stretch.end_s - stretch.start_s, abs_tol=0.01
            )
    folder = tmp_path_factory.mktemp("bids")
    for path in write_bids(folder, [watch], "ward"):
        if path.name.endswith("_events.tsv") and watch.end_s - watch.start_s >= 1:
            assert len(read_annotated(path).seizures) == len(events)
