"""Counts are pooled, then divided once; what has no denominator is not a number."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.evaluation.pairs import Pair
from detector.evaluation.totals import Totals, figures_of, onset_latencies, totals_of
from tests.evaluation.files import Spans, made_up_pair

ONCE = np.ones((1, 1), dtype=int)


def figures(*pairs: Pair, declared: bool = False) -> dict[str, float]:
    pooled = Totals()
    for pair in pairs:
        pooled.add(totals_of(pair))
    return {name: float(values[0]) for name, values in figures_of([pooled], ONCE, declared=declared).items()}


def test_figures_by_hand() -> None:
    first = made_up_pair("a", ((100.0, 130.0),), ((110.0, 130.0), (400.0, 410.0)), 1800.0)
    second = made_up_pair("b", ((500.0, 530.0),), (), 1800.0)
    found = figures(first, second)
    assert found["event_sensitivity"] == 1 / 2
    assert found["event_precision"] == 1 / 2
    assert found["event_f1"] == pytest.approx(2 * 1 / (2 * 1 + 1 + 1))
    assert found["sample_sensitivity"] == pytest.approx(20 / 60)
    assert found["sample_precision"] == pytest.approx(20 / 30)
    assert found["sample_f1"] == pytest.approx(2 * 20 / (2 * 20 + 10 + 40))
    assert found["false_alarms_per_24h"] == pytest.approx(24.0)  # one in an hour
    assert found["latency_median_s"] == 10.0
    assert "alarm_sensitivity" not in found


def test_a_silent_detector_has_no_good_f1() -> None:
    with_seizure = figures(made_up_pair("a", ((100.0, 130.0),), ()))
    assert with_seizure["event_f1"] == with_seizure["sample_f1"] == 0.0
    assert with_seizure["event_sensitivity"] == 0.0
    assert math.isnan(with_seizure["event_precision"])
    without = figures(made_up_pair("a", (), ()))
    assert all(math.isnan(without[f"event_{name}"]) for name in ("f1", "sensitivity", "precision"))
    assert without["false_alarms_per_24h"] == 0.0
    assert math.isnan(without["latency_median_s"])


def test_alarms_are_per_monitored_hour_where_that_is_known() -> None:
    hour = made_up_pair("a", (), ((1000.0, 1030.0),), 3600.0)
    assert figures(hour)["false_alarms_per_24h"] == 24.0
    watched = made_up_pair("a", (), ((1000.0, 1030.0),), 3600.0, steps=True)
    assert watched.steps is not None
    watched.steps.state[1800:] = 0
    assert figures(watched)["false_alarms_per_24h"] == pytest.approx(24 * 3600 / (1800 - 9))


def test_declared_alarms_are_counted_on_their_own() -> None:
    seizures, said = ((5.0, 9.0), (100.0, 130.0), (300.0, 320.0)), ((104.0, 130.0), (500.0, 520.0))
    pair = made_up_pair("a", seizures, said, steps=True)
    totals = totals_of(pair)
    tally = totals.tally
    assert (tally.seizures, tally.detected, tally.false_alarms, tally.left_out) == (2, 1, 1, 1)
    assert tally.latencies_s == [6.0]  # declared two seconds after its onset, which is four after the reference's
    assert tally.hours == pytest.approx((591 - 31 - 21) / 3600)
    assert figures(pair, declared=True)["alarm_sensitivity"] == 0.5
    # SzCORE counts the seizure of the warm-up as well.
    assert totals.event.reference == 3
    assert totals_of(pair, warm_s=0.0).tally.left_out == 0


@pytest.mark.parametrize(
    ("hypothesis", "expected"),
    [
        (((110.0, 120.0), (125.0, 126.0)), [10.0]),
        (((70.0, 75.0),), [-30.0]),
        (((69.9, 120.0),), []),  # one that began long before says nothing about this seizure
        (((190.0, 195.0),), [90.0]),
        (((190.1, 195.0),), []),
    ],
)
def test_onset_latency_is_of_what_begins_near_the_seizure(hypothesis: Spans, expected: list[float]) -> None:
    assert onset_latencies(made_up_pair("a", ((100.0, 130.0),), hypothesis)) == pytest.approx(expected)


TOTALS = st.builds(
    lambda places, said: totals_of(
        made_up_pair(
            "a",
            tuple((k * 200.0 + 50, k * 200.0 + 80) for k in sorted(places)),
            tuple((k * 200.0 + 55, k * 200.0 + 75) for k in sorted(said)),
            1000.0,
            steps=True,
        )
    ),
    st.sets(st.integers(0, 4)),
    st.sets(st.integers(0, 4)),
)


@given(st.lists(TOTALS, min_size=1, max_size=5), st.integers(0, 5))
def test_the_whole_is_the_same_however_it_is_divided(parts: list[Totals], at: int) -> None:
    def pooled(some: list[Totals]) -> Totals:
        whole = Totals()
        for one in some:
            whole.add(replace(one, tally=replace(one.tally, latencies_s=list(one.tally.latencies_s))))
        return whole

    everything, halves = pooled(parts), [pooled(parts[:at]), pooled(parts[at:])]
    expected = figures_of([everything], ONCE, declared=True)
    for persons in (halves, parts):
        found = figures_of(persons, np.ones((1, len(persons)), dtype=int), declared=True)
        for name, values in expected.items():
            assert found[name] == pytest.approx(values, nan_ok=True), name


def test_a_person_drawn_twice_counts_twice() -> None:
    a = totals_of(made_up_pair("a", ((100.0, 130.0),), ((110.0, 130.0),)))
    b = totals_of(made_up_pair("b", ((100.0, 130.0),), ()))
    found = figures_of([a, b], np.array([[1, 1], [2, 0], [0, 2]]), declared=False)
    np.testing.assert_array_equal(found["event_sensitivity"], [0.5, 1.0, 0.0])
    np.testing.assert_array_equal(found["latency_median_s"], [10.0, 10.0, math.nan])
