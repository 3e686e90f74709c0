"""No moment of a span is left out, and what nobody wrote down is told as that."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.journal_spans import Span, Watch
from detector.morning_report.timeline import Kind, Stretch, clock_steps, hours_by, timeline_of
from tests.journals import UTC_S, Bed, watches
from tests.morning_report.nights import SINCE_S, UNTIL_S, night

WORDS = ("seizure", "non-seizure", "not-monitoring/lost", "not-monitoring/missing")


def watch(begin_s: float, parts: list[tuple[float, str]], after: str, utc_s: float = 0.0) -> Watch:
    spans = []
    at_s = begin_s
    for length_s, said in parts:
        spans.append(Span(at_s, at_s + length_s, said))
        at_s += length_s
    return Watch("boot", "bed", tuple(spans), (), after, ((begin_s, utc_s + begin_s),))


def test_a_night_is_what_was_said_with_what_is_not_known_between(tmp_path: Path) -> None:
    found = timeline_of(watches(night(tmp_path).journal), SINCE_S, UNTIL_S)
    assert [(s.start_s - UTC_S, s.end_s - UTC_S, s.kind, s.said.partition("/")[2]) for s in found] == [
        (0, 1000, Kind.UNKNOWN, "unknown"),
        (1000, 1030, Kind.NOT_MONITORED, "warmup"),
        (1030, 2030, Kind.NON_SEIZURE, ""),
        (2030, 2090, Kind.SEIZURE, ""),
        (2090, 2390, Kind.NON_SEIZURE, ""),
        (2390, 2450, Kind.NOT_MONITORED, "lost"),
        (2450, 2750, Kind.NON_SEIZURE, ""),
        (2750, 2770, Kind.SEIZURE, ""),
        (2770, 5770, Kind.NOT_MONITORED, "crashed"),
        (5770, 5800, Kind.NOT_MONITORED, "warmup"),
        (5800, 6000, Kind.NON_SEIZURE, ""),
        (6000, 10_000, Kind.NOT_MONITORED, "stopped"),
    ]


def test_a_program_that_is_heard_no_more_leaves_nothing_that_is_known(tmp_path: Path) -> None:
    bed = Bed(tmp_path / "ward-1.journal.sqlite")
    bed.start()
    bed.say("non-seizure", 60)
    bed.crash()
    *_, last = timeline_of(watches(bed.path), UTC_S + 1000, UTC_S + 2000)
    assert (last.start_s, last.end_s, last.kind) == (UTC_S + 1060, UTC_S + 2000, Kind.UNKNOWN)


def test_what_was_lost_when_it_was_heard_last_is_not_known_to_be_lost_for_ever() -> None:
    *_, lost, last = timeline_of([watch(1000, [(60, "not-monitoring/lost")], "not-monitoring/lost")], 0, 2000)
    assert (lost.end_s, lost.kind, last.kind) == (1060, Kind.NOT_MONITORED, Kind.UNKNOWN)


@pytest.mark.parametrize("cause", ["damaged", "missing", "rows-lost", "unknown"])
def test_rows_that_cannot_be_believed_are_nothing_that_is_known(cause: str) -> None:
    assert Stretch(0, 1, f"not-monitoring/{cause}").kind is Kind.UNKNOWN


def test_no_word_but_the_two_is_monitored() -> None:
    assert Stretch(0, 1, "nonsense").kind is Kind.UNKNOWN


@given(
    st.lists(st.tuples(st.floats(1, 5000), st.sampled_from(WORDS)), min_size=1, max_size=6),
    st.sampled_from(["not-monitoring/unknown", "not-monitoring/stopped", "not-monitoring/lost"]),
    st.floats(0, 9000),
    st.floats(1, 9000),
)
def test_a_span_has_no_hole_and_no_moment_twice(
    parts: list[tuple[float, str]], after: str, since_s: float, length_s: float
) -> None:
    found = timeline_of([watch(1000, parts, after)], since_s, since_s + length_s)
    assert found[0].start_s == since_s
    assert found[-1].end_s == pytest.approx(since_s + length_s)
    for one, following in itertools.pairwise(found):
        assert one.end_s == pytest.approx(following.start_s, abs=1e-3)
    assert sum(hours_by(found).values()) == pytest.approx(length_s / 3600)
    end_s = 1000 + sum(length_s for length_s, _ in parts)
    beside = [s for s in found if s.start_s >= end_s or s.end_s <= 1000]
    assert not any(s.kind in (Kind.NON_SEIZURE, Kind.SEIZURE) for s in beside)


def test_a_clock_that_is_set_takes_no_time_away_and_is_told() -> None:
    spans = (Span(0, 2000, "non-seizure"),)
    set_back = Watch("boot", "bed", spans, (), "not-monitoring/unknown", ((0, 10_000), (1000, 7400)))
    assert clock_steps([set_back], 0, 20_000) == ((7400, -3600),)
    assert hours_by(timeline_of([set_back], 0, 20_000))["non-seizure"] == pytest.approx(2000 / 3600)
