"""Conditions: raised at once, cleared slowly, one row with a count for what comes and goes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from detector.conditions import CLEAR_S, Conditions, Kind
from detector.messages import Priority


def test_a_condition_is_said_at_once_and_only_once_while_it_stands() -> None:
    conditions = Conditions()
    for k in range(100):
        conditions.tell(Kind.LOST, "gone", 10.0 + k)
        said = conditions.changes(10.0 + k)
        assert [(c.kind, c.since_s, c.cleared_s) for c in said] == ([("lost", 10.0, None)] if k == 0 else [])


def test_it_is_cleared_when_it_has_been_away_for_a_while() -> None:
    conditions = Conditions()
    conditions.tell(Kind.LOST, "gone", 10.0)
    conditions.changes(10.0)
    conditions.tell(Kind.LOST, None, 11.0)
    assert conditions.changes(10.0 + CLEAR_S - 0.1) == []
    assert [c.kind for c in conditions.standing] == ["lost"]
    [cleared] = conditions.changes(10.0 + CLEAR_S)
    assert (cleared.since_s, cleared.cleared_s, cleared.count) == (10.0, 10.0 + CLEAR_S, 1)
    assert conditions.standing == []


def test_a_link_that_flaps_every_two_seconds_for_ten_minutes_is_one_condition_with_a_count() -> None:
    conditions, said = Conditions(), []
    for second in range(600):
        conditions.tell(Kind.LOST, "gone" if second % 4 < 2 else None, float(second))
        said += conditions.changes(float(second))
    said += conditions.changes(700.0)
    assert [(c.cleared_s is None, c.count) for c in said] == [(True, 1), (False, 150)]


def test_another_text_of_a_standing_condition_is_said_at_most_once_a_minute() -> None:
    conditions, said = Conditions(), []
    for second in range(121):
        conditions.tell(Kind.REFUSED, f"stream {second} does not fit", float(second))
        said += conditions.changes(float(second))
    assert [c.text for c in said] == [f"stream {second} does not fit" for second in (0, 60, 120)]
    assert {c.since_s for c in said} == {0.0}


def test_a_stream_has_ten_seconds_to_be_found_before_it_is_a_condition() -> None:
    conditions = Conditions()
    assert conditions.see({Kind.WAITING: "no stream"}, 100.0) == []
    assert conditions.see({Kind.WAITING: "no stream"}, 109.9) == []
    assert [c.kind for c in conditions.see({Kind.WAITING: "no stream"}, 110.0)] == ["waiting"]
    assert [c.kind for c in conditions.standing] == ["waiting"]


def test_an_artefact_of_a_few_seconds_is_no_condition_however_often_it_comes() -> None:
    conditions = Conditions()
    for second in range(100):
        found = {Kind.DEGRADED: "21 of 22"} if second % 10 < 8 else {}
        assert conditions.see(found, float(second)) == []


def test_what_is_not_found_any_more_is_cleared() -> None:
    conditions = Conditions()
    conditions.see({Kind.LOST: "gone", Kind.CLOCK: "blocked"}, 10.0)
    conditions.see({Kind.CLOCK: "blocked"}, 11.0)
    assert [(c.kind, c.cleared_s) for c in conditions.see({Kind.CLOCK: "blocked"}, 21.0)] == [("lost", 21.0)]


def test_what_stands_is_listed_with_the_most_urgent_first() -> None:
    conditions = Conditions()
    for now_s, kind in enumerate((Kind.CLOCK, Kind.DUPLICATE, Kind.LOST, Kind.POOR)):
        conditions.tell(kind, "x", float(now_s))
    assert [c.kind for c in conditions.standing] == ["lost", "poor", "duplicate-source", "clock-unmeasured"]
    assert [p.rank for p in (Priority.LOW, Priority.MEDIUM, Priority.HIGH)] == [0, 1, 2]


@given(st.lists(st.tuples(st.sampled_from(list(Kind)), st.booleans(), st.floats(0, 30)), max_size=60))
def test_each_raise_has_one_clear_and_nothing_that_is_true_is_ever_cleared(
    steps: list[tuple[Kind, bool, float]],
) -> None:
    conditions, now_s = Conditions(), 0.0
    raised: set[str] = set()
    true_now: set[str] = set()
    for kind, is_true, pause_s in steps:
        now_s += pause_s
        conditions.tell(kind, "text" if is_true else None, now_s)
        (true_now.add if is_true else true_now.discard)(kind)
        for said in conditions.changes(now_s):
            if said.cleared_s is None:
                assert said.kind not in raised
                raised.add(said.kind)
            else:
                assert said.kind in raised
                raised.remove(said.kind)
        assert true_now - {Kind.WAITING, Kind.DEGRADED} <= raised == {c.kind for c in conditions.standing}
