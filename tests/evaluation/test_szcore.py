"""SzCORE's scores, by hand, and what holds for any recording."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.errors import UsageError
from detector.evaluation.events import tallied
from detector.evaluation.pairs import Pair
from detector.evaluation.szcore import Counts, scorer, scores_of
from tests.evaluation.files import Spans, made_up_pair

# Seizures of 20 s in places 300 s apart: far enough that SzCORE neither merges them nor takes one for another.
PLACES = 8
DURATION_S = PLACES * 300.0


def spans_at(places: set[int], late_s: float = 0.0) -> Spans:
    return tuple((300.0 * k + 100 + late_s, 300.0 * k + 120 + late_s) for k in sorted(places))


def test_scores_by_hand() -> None:
    reference = ((100.0, 120.0), (400.0, 420.0), (800.0, 840.0))
    # In the first; 25 s before the second, which is near enough; nothing at the third; and twice where nothing is.
    hypothesis = ((110.0, 130.0), (370.0, 375.0), (1000.0, 1010.0), (1200.0, 1204.0))
    scores = scores_of(made_up_pair("a", reference, hypothesis, 1800.0))
    assert scores.event == Counts(reference=3, hits=2, false=2)
    assert scores.sample == Counts(reference=80, hits=10, false=10 + 5 + 10 + 4)


def test_events_are_merged_and_split_as_szcore_does_it() -> None:
    assert scores_of(made_up_pair("a", ((100.0, 110.0), (150.0, 160.0)), ())).event == Counts(1, 0, 0)
    assert scores_of(made_up_pair("a", (), ((100.0, 500.0),))).event == Counts(0, 0, 2)


@given(st.sets(st.integers(0, PLACES - 1)), st.sampled_from([0.0, 0.4, 0.96]))
def test_a_perfect_hypothesis_finds_all_and_alarms_never(places: set[int], part_s: float) -> None:
    spans = spans_at(places)
    scores = scores_of(made_up_pair("a", spans, spans, DURATION_S + part_s))
    assert scores.event == Counts(len(places), len(places), 0)
    assert scores.sample == Counts(20 * len(places), 20 * len(places), 0)


@given(st.sets(st.integers(0, PLACES - 2)), st.sets(st.integers(0, PLACES - 2)), st.integers(0, 250))
def test_shifting_both_changes_nothing(reference: set[int], hypothesis: set[int], by_s: int) -> None:
    there = scores_of(made_up_pair("a", spans_at(reference), spans_at(hypothesis, 5.0), DURATION_S))
    shifted = scores_of(
        made_up_pair("a", spans_at(reference, float(by_s)), spans_at(hypothesis, by_s + 5.0), DURATION_S)
    )
    assert shifted == there


@given(st.sets(st.integers(0, PLACES - 1)), st.sets(st.integers(0, PLACES - 1)))
def test_our_own_count_of_alarms_is_the_same_where_the_definitions_agree(
    reference: set[int], hypothesis: set[int]
) -> None:
    # An alarm is declared inside a seizure or minutes away from all, so that both ways count it alike.
    spans, said = spans_at(reference), spans_at(hypothesis, 2.0)
    pair: Pair = replace(made_up_pair("a", spans, said, DURATION_S, steps=True))
    assert pair.steps is not None
    assert pair.declared_s is not None
    tally = tallied(pair.declared_s, pair.steps.time_s, spans, step_s=1.0, warm_s=0.0)
    assert scores_of(pair).event == Counts(tally.seizures, tally.detected, tally.false_alarms)


def test_counts_are_added() -> None:
    assert Counts(1, 2, 3) + Counts(10, 20, 30) == Counts(11, 22, 33)


def test_a_scorer_that_flatters_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert scorer().startswith("timescoring 0.")
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: "0.0.6")
    with pytest.raises(UsageError, match=r"timescoring 0.0.6 is installed, SzCORE scores need timescoring >= 0.0.7"):
        scorer()
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: "0.1.0")
    assert scorer() == "timescoring 0.1.0"


def test_a_scorer_that_is_not_there_is_told_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(UsageError, match=r"pip install 'seizure-detector\[evaluation\]'"):
        scorer()
