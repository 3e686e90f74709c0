"""What stands in the way of watching is told with what came, what was expected and what to do."""

from __future__ import annotations

import math

import pytest

from detector.conditions import Kind
from detector.diagnosis import Settling, diagnose
from detector.messages import Cause, State, Status
from tests.test_service import CARD


def _status(state: State, cause: Cause | None, good: int) -> Status:
    return Status(1.0, math.nan, state, cause, good, 0, 0.0)


FLAT = {"FP1-F7": "flat", "P7-O1": "nan"}


@pytest.mark.parametrize("state", [State.NON_SEIZURE, State.SEIZURE])
def test_fewer_good_derivations_than_the_model_knows_are_degraded_as_long_as_it_is_watched(state: State) -> None:
    [(kind, text)] = diagnose(_status(state, None, 20), 0.1, 2.0, CARD, FLAT).items()
    assert kind is Kind.DEGRADED
    assert "20 of 22 derivations can be trusted, and 18 are enough (FP1-F7 flat, P7-O1 nan)" in text
    assert diagnose(_status(state, None, 22), 0.1, 2.0, CARD, {}) == {}


def test_too_few_are_poor_and_named() -> None:
    [(kind, text)] = diagnose(_status(State.NOT_MONITORING, Cause.POOR, 17), 0.1, 2.0, CARD, FLAT).items()
    assert kind is Kind.POOR
    assert "17 of 22 derivations can be trusted, expected at least 18 (FP1-F7 flat" in text


def test_late_samples_are_stale_with_their_age() -> None:
    [(kind, text)] = diagnose(_status(State.NOT_MONITORING, Cause.STALE, 0), 7.3, 2.0, CARD, FLAT).items()
    assert kind is Kind.STALE
    assert "7 s old, expected at most 2 s" in text


def test_samples_of_which_no_steps_are_made_are_stale_though_they_are_young() -> None:
    [(kind, text)] = diagnose(_status(State.NOT_MONITORING, Cause.STALE, 0), 0.3, 2.0, CARD, FLAT).items()
    assert kind is Kind.STALE
    assert "0.3 s old, and no step is made of them" in text


@pytest.mark.parametrize("causes", [(Cause.WARMUP,), (Cause.VALIDATING,), (Cause.WARMUP, Cause.VALIDATING)])
def test_a_warm_up_that_does_not_end_is_told(causes: tuple[Cause, ...]) -> None:
    settling = Settling()
    for k in range(50):
        assert settling.look(_status(State.NOT_MONITORING, causes[k % len(causes)], 0), 30.0, 1.0 + k) == {}
    [(kind, text)] = settling.look(_status(State.NOT_MONITORING, causes[0], 0), 30.0, 51.5).items()
    assert kind is Kind.UNSETTLED
    assert "samples have come for 50 s" in text


@pytest.mark.parametrize(
    "between",
    [None, _status(State.NON_SEIZURE, None, 22), _status(State.NOT_MONITORING, Cause.POOR, 3)],
    ids=["no stream", "watched", "poor"],
)
def test_a_warm_up_begins_anew_where_something_else_was_between(between: Status | None) -> None:
    settling = Settling()
    warming = _status(State.NOT_MONITORING, Cause.WARMUP, 0)
    settling.look(warming, 30.0, 1.0)
    settling.look(between, 30.0, 40.0)
    assert settling.look(warming, 30.0, 90.0) == {}
    assert settling.look(warming, 30.0, 140.0) == {}
    assert settling.look(warming, 30.0, 140.1) != {}


@pytest.mark.parametrize("cause", sorted(set(Cause) - {Cause.POOR, Cause.STALE}))
def test_what_has_a_condition_of_its_own_or_needs_none_is_not_told_twice(cause: Cause) -> None:
    assert diagnose(_status(State.NOT_MONITORING, cause, 0), 0.1, 2.0, CARD, FLAT) == {}
