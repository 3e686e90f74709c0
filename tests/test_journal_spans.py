"""Only what is proved was watched: not around a crash, a silence, a boundary, a lost row or a damaged one."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from detector.journal_schema import Alive, Row, RowKind
from detector.journal_spans import Span, Watch, watches_of
from detector.messages import Outcome
from tests.journals import Bed, watches

UTC_S = 1e9


class Rows:
    """Makes the rows of a journal."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.boot, self.utc_ahead_s = "boot-1", UTC_S

    def add(self, kind: str, lsl_s: float, **facts: object) -> Rows:
        n = len(self.rows) + 1
        self.rows.append(Row(self.boot, "session", kind, lsl_s, self.utc_ahead_s + lsl_s, None, json.dumps(facts), n))
        return self

    def start(self, lsl_s: float) -> Rows:
        return self.add(RowKind.START, lsl_s, bed="ward-1")

    def state(self, state: str, lsl_s: float) -> Rows:
        return self.add(RowKind.STATE, lsl_s, state=state)

    def seizure(self, lsl_s: float, outcome: str = "ongoing", **facts: object) -> Rows:
        told = {"id": "a", "number": 1, "onset_s": 25.0, "declared_s": 30.0, "offset_s": None, "peak_probability": 0.8}
        return self.add(RowKind.SEIZURE, lsl_s, outcome=outcome, **(told | facts))

    def crash(self, lsl_s: float, seen_s: float, boot: str = "boot-1") -> Rows:
        alive = {"boot": boot, "lsl_s": seen_s, "utc_s": UTC_S + seen_s, "state": "non-seizure"}
        return self.add(RowKind.CRASH, lsl_s, alive=alive)

    def watches(self, alive_s: float | None = None) -> list[Watch]:
        alive = None if alive_s is None else Alive(self.boot, alive_s, self.utc_ahead_s + alive_s, "non-seizure")
        return watches_of(self.rows, alive)

    def spans(self, alive_s: float | None = None) -> list[tuple[float, float, str]]:
        [watch] = self.watches(alive_s)
        return [(span.start_s, span.end_s, span.said) for span in watch.spans]


def test_a_state_holds_until_the_next_and_the_last_as_long_as_the_program_lived() -> None:
    rows = Rows().start(0).state("not-monitoring/warmup", 1).state("non-seizure", 10)
    assert rows.spans(alive_s=42) == [
        (0, 1, "not-monitoring/starting"),
        (1, 10, "not-monitoring/warmup"),
        (10, 42, "non-seizure"),
    ]
    assert rows.spans()[-1] == (1, 10, "not-monitoring/warmup")  # nothing proves more
    [watch] = watches_of(rows.rows, Alive("boot-0", 9000, 0.0, "non-seizure"))  # of before this boot's first
    assert watch.end_s == 10


def test_a_row_of_any_kind_proves_that_the_state_still_held() -> None:
    rows = Rows().start(0).state("non-seizure", 10).add(RowKind.CONDITION, 50, condition="lost")
    assert rows.spans()[-1] == (10, 50, "non-seizure")
    # But only the sign of life knows up to which sample.
    assert rows.spans(alive_s=49)[-1] == (10, 49, "non-seizure")


def test_what_is_lost_was_watched_up_to_its_last_sample() -> None:
    rows = Rows().start(0).state("non-seizure", 10).add(RowKind.STATE, 50, state="not-monitoring/lost", seen_s=48.5)
    assert rows.spans(alive_s=60)[1:] == [(10, 48.5, "non-seizure"), (48.5, 60, "not-monitoring/lost")]


def test_behind_a_stop_nothing_is_watched() -> None:
    rows = Rows().start(0).state("non-seizure", 10).add(RowKind.STOP, 20).start(60).state("non-seizure", 70)
    assert rows.spans(alive_s=80)[1:] == [
        (10, 20, "non-seizure"),
        (20, 60, "not-monitoring/stopped"),
        (60, 70, "not-monitoring/starting"),
        (70, 80, "non-seizure"),
    ]


def test_between_the_last_sign_of_life_and_the_next_start_nothing_is_watched() -> None:
    rows = Rows().start(0).state("non-seizure", 10).crash(60, seen_s=25).start(60).state("non-seizure", 70)
    assert rows.spans(alive_s=80)[1:4] == [
        (10, 25, "non-seizure"),
        (25, 60, "not-monitoring/crashed"),
        (60, 70, "not-monitoring/starting"),
    ]


def test_a_boot_is_a_watch_of_its_own_on_its_own_clock() -> None:
    rows = Rows().start(1000).state("non-seizure", 1010)
    rows.boot, rows.utc_ahead_s = "boot-2", UTC_S + 2000
    rows.crash(5, seen_s=1100, boot="boot-1").start(5).state("non-seizure", 15)
    first, second = rows.watches(alive_s=20)
    assert first.spans[-1] == Span(1010, 1100, "non-seizure")
    assert (first.after, first.bed) == ("not-monitoring/crashed", "ward-1")
    assert [(span.start_s, span.end_s) for span in second.spans] == [(5, 15), (15, 20)]
    assert second.utc_s(20) == UTC_S + 2020


def test_a_crash_that_left_no_row_of_itself_is_not_watched_either() -> None:
    rows = Rows().start(0).state("non-seizure", 10).add(RowKind.CONDITION, 15)
    rows.boot = "boot-2"
    rows.start(500).state("non-seizure", 510)
    first, second = rows.watches(alive_s=520)
    assert (first.end_s, first.after, second.start_s) == (15, "not-monitoring/unknown", 500)
    rows = Rows().start(0).state("non-seizure", 10).add(RowKind.CONDITION, 15).start(100)
    assert rows.spans(alive_s=110)[1:] == [
        (10, 15, "non-seizure"),
        (15, 100, "not-monitoring/unknown"),
        (100, 110, "not-monitoring/starting"),
    ]


def test_behind_a_boundary_nothing_is_known_until_the_next_state() -> None:
    rows = Rows().state("non-seizure", 10).add(RowKind.SESSION, 20, reason="gap").state("not-monitoring/warmup", 500)
    assert rows.spans(alive_s=510) == [
        (10, 20, "non-seizure"),
        (20, 500, "not-monitoring/gap"),
        (500, 510, "not-monitoring/warmup"),
    ]


def test_while_it_stood_still_nothing_was_watched_whatever_was_said_later() -> None:
    rows = Rows().state("non-seizure", 10).add(RowKind.SILENCE, 20, until_s=50).state("seizure", 30)
    assert rows.spans(alive_s=60) == [
        (10, 20, "non-seizure"),
        (20, 30, "not-monitoring/silence"),
        (30, 50, "not-monitoring/silence"),
        (50, 60, "seizure"),
    ]
    rows = Rows().state("not-monitoring/lost", 10).add(RowKind.SILENCE, 20, until_s=50)
    assert rows.spans(alive_s=60) == [(10, 60, "not-monitoring/lost")]


def test_where_states_were_lost_nothing_is_known_until_the_next_one() -> None:
    rows = Rows().state("non-seizure", 10).add(RowKind.ROWS_LOST, 30, watched_unknown=True, lost={"state": 3})
    assert rows.state("non-seizure", 90).spans(alive_s=100)[1:] == [
        (30, 90, "not-monitoring/rows-lost"),
        (90, 100, "non-seizure"),
    ]
    rows = Rows().state("non-seizure", 10).add(RowKind.ROWS_LOST, 30, watched_unknown=False, lost={"condition": 3})
    assert rows.spans(alive_s=100) == [(10, 100, "non-seizure")]


@pytest.mark.parametrize("kind", [RowKind.DAMAGED, RowKind.MISSING])
def test_from_the_last_row_before_a_damaged_one_nothing_is_known_until_the_next_state(kind: RowKind) -> None:
    rows = Rows().state("non-seizure", 10).add(RowKind.CONDITION, 25).add(kind, 25).add(RowKind.CONDITION, 60)
    assert rows.state("non-seizure", 80).spans(alive_s=100) == [
        (10, 25, "non-seizure"),
        (25, 80, f"not-monitoring/{kind}"),
        (80, 100, "non-seizure"),
    ]


def test_a_journal_without_its_beginning_knows_nothing_before_its_first_state() -> None:
    rows = Rows().add(RowKind.CONDITION, 5).state("non-seizure", 10)
    assert rows.spans(alive_s=20) == [(5, 10, "not-monitoring/unknown"), (10, 20, "non-seizure")]
    assert rows.watches(alive_s=20)[0].bed == ""


def test_a_journal_without_time_proves_nothing() -> None:
    assert watches_of([], None) == []
    assert Rows().start(5).watches() == []
    damaged = Row("", "", RowKind.DAMAGED, None, 0.0, None, "{}", 1)
    assert watches_of([damaged], None) == []


def test_a_seizure_that_ended_lasts_from_its_onset_to_its_offset() -> None:
    rows = Rows().start(0).state("non-seizure", 10).seizure(30).state("seizure", 30)
    rows.seizure(50, "ended", offset_s=50.0, peak_probability=0.95).state("non-seizure", 55)
    [seizure] = rows.watches(alive_s=60)[0].seizures
    assert (seizure.onset_s, seizure.declared_s, seizure.end_s) == (25, 30, 50)
    assert (seizure.outcome, seizure.peak_probability) == (Outcome.ENDED, 0.95)


def test_a_seizure_that_goes_on_was_seen_as_long_as_the_program_lived() -> None:
    [seizure] = Rows().start(0).seizure(30).state("seizure", 30).watches(alive_s=60)[0].seizures
    assert (seizure.outcome, seizure.offset_s, seizure.last_seen_s) == (Outcome.ONGOING, None, 60)


def test_a_seizure_whose_signal_was_lost_was_seen_until_then() -> None:
    rows = Rows().start(0).seizure(30).state("seizure", 30).state("not-monitoring/lost", 40)
    for told in (rows, rows.seizure(70, "unknown")):
        [seizure] = told.watches(alive_s=80)[0].seizures
        assert (seizure.outcome, seizure.last_seen_s) == (Outcome.UNKNOWN, 40)


@pytest.mark.parametrize("gives_up", [False, True])
def test_a_seizure_in_a_crash_was_seen_until_the_last_sign_of_life(gives_up: bool) -> None:
    rows = Rows().start(0).seizure(30).state("seizure", 30).crash(90, seen_s=48).start(90)
    if gives_up:
        rows.seizure(91, "unknown", boot="boot-1")
    [seizure] = rows.state("non-seizure", 100).watches(alive_s=110)[0].seizures
    assert (seizure.outcome, seizure.last_seen_s) == (Outcome.UNKNOWN, 48)


def test_a_seizure_of_a_boot_before_stays_on_the_clock_of_that_boot() -> None:
    rows = Rows().start(0).seizure(30).state("seizure", 30)
    rows.boot = "boot-2"
    rows.crash(5, seen_s=48, boot="boot-1").start(5).seizure(6, "unknown", boot="boot-1").state("non-seizure", 15)
    first, second = rows.watches(alive_s=20)
    assert [(s.onset_s, s.last_seen_s, s.outcome) for s in first.seizures] == [(25, 48, Outcome.UNKNOWN)]
    assert second.seizures == ()


def test_a_seizure_that_was_resumed_is_one() -> None:
    rows = Rows().start(0).seizure(30).state("seizure", 30).crash(55, seen_s=50).start(55).state("seizure", 58)
    rows.seizure(90, "ended", offset_s=90.0).state("non-seizure", 92)
    [seizure] = rows.watches(alive_s=100)[0].seizures
    assert (seizure.outcome, seizure.onset_s, seizure.end_s) == (Outcome.ENDED, 25, 90)


def test_a_state_of_seizure_without_its_row_is_a_seizure_of_unknown_outcome() -> None:
    rows = Rows().start(0).state("seizure", 30).state("non-seizure", 40)
    [seizure] = rows.watches(alive_s=50)[0].seizures
    assert (seizure.id, seizure.onset_s, seizure.end_s, seizure.outcome) == ("", 30, 40, Outcome.UNKNOWN)
    assert math.isnan(seizure.peak_probability)


def test_a_watch_can_be_looked_at_from_a_time_on_and_never_cuts_a_seizure() -> None:
    rows = Rows().start(0).state("non-seizure", 10).seizure(30).state("seizure", 30)
    [watch] = rows.seizure(50, "ended", offset_s=50.0).state("non-seizure", 55).watches(alive_s=100)
    later = watch.since(UTC_S + 60)
    assert later is not None
    assert (later.spans, later.seizures) == ((Span(60, 100, "non-seizure"),), ())
    cut = watch.since(UTC_S + 40)
    assert cut is not None
    assert (cut.start_s, [seizure.onset_s for seizure in cut.seizures]) == (25, [25])
    assert watch.since(UTC_S + 200) is None
    assert watch.since(UTC_S - 1) == watch


def test_a_wall_clock_that_is_set_changes_what_is_told_from_then_on_only() -> None:
    rows = Rows().start(0).state("non-seizure", 10)
    rows.utc_ahead_s += 3600
    [watch] = rows.add(RowKind.CONDITION, 20).watches(alive_s=40)
    assert [watch.utc_s(time_s) - UTC_S for time_s in (-1, 0, 15, 20, 30)] == [-1, 0, 15, 3620, 3630]
    for since_s, start_s in ((12, 12), (1000, 20), (3625, 25)):
        later = watch.since(UTC_S + since_s)
        assert later is not None
        assert later.start_s == start_s


def test_two_lives_of_real_rows(tmp_path: Path) -> None:
    bed = Bed(tmp_path / "a.journal.sqlite")
    bed.start()
    bed.say("not-monitoring/warmup", 5)
    bed.say("non-seizure", 10)
    bed.crash()
    bed.now_s += 100
    bed.start()
    bed.say("non-seizure", 3)
    bed.stop()
    [watch] = watches(bed.path)
    assert [(span.start_s, span.end_s, span.said) for span in watch.spans] == [
        (1000, 1005, "not-monitoring/warmup"),
        (1005, 1015, "non-seizure"),
        (1015, 1115, "not-monitoring/crashed"),
        (1115, 1118, "non-seizure"),
    ]
