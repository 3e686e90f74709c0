"""Intervals: against tables and against the slow way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.evaluation.intervals import drawn_centile, drawn_sum, draws, garwood, interval, ratio


@pytest.mark.parametrize(
    ("count", "low", "high"), [(0, 0.0, 3.6889), (1, 0.0253, 5.5716), (5, 1.6235, 11.6683), (100, 81.364, 121.627)]
)
def test_the_poisson_interval_is_that_of_the_tables(count: int, low: float, high: float) -> None:
    # Garwood 1936, as in the tables of Johnson, Kotz and Kemp; in one day the rate per 24 h is the count's.
    assert garwood(count, 24.0) == pytest.approx((low, high), rel=1e-3)
    assert garwood(count, 48.0) == pytest.approx((low / 2, high / 2), rel=1e-3)


def test_no_hours_say_nothing() -> None:
    assert all(math.isnan(value) for value in garwood(0, 0.0))


def test_draws_are_the_same_for_a_seed_and_draw_as_many_as_there_are() -> None:
    first = draws(7, 3, 50)
    np.testing.assert_array_equal(first, draws(7, 3, 50))
    assert (first.sum(axis=1) == 7).all()
    assert (first != draws(7, 4, 50)).any()


def test_an_interval_is_that_of_a_plain_bootstrap() -> None:
    # The mean of persons: its standard error is known, and so is about where 95 % of the draws are.
    values = np.random.default_rng(0).normal(5, 2, 100)
    low, high = interval(drawn_sum(values.tolist(), draws(100, 1)) / 100, 100)
    half = 1.96 * values.std() / 10
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


def test_one_person_or_undefined_draws_have_no_interval() -> None:
    assert all(math.isnan(value) for value in interval(np.ones(100), 1))
    values = np.where(np.arange(100) < 6, math.nan, 0.5)
    assert all(math.isnan(value) for value in interval(values, 9))
    assert interval(values[3:], 9) == (0.5, 0.5)


def test_nothing_to_divide_by_is_not_a_number() -> None:
    np.testing.assert_array_equal(ratio([1, 0, 0], [2, 0, 3]), [0.5, math.nan, 0.0])
    assert math.isnan(float(ratio(0, 0)))


@given(
    st.lists(st.lists(st.floats(-5, 100), max_size=4), min_size=2, max_size=6),
    st.sampled_from([0, 50, 90, 100]),
    st.integers(0, 9),
)
def test_a_drawn_centile_is_that_of_the_values_written_out(
    by_person: list[list[float]], centile: float, seed: int
) -> None:
    weights = draws(len(by_person), seed, 20)
    found = drawn_centile(by_person, weights, centile)
    for value, times in zip(found, weights, strict=True):
        drawn = [one for values, n in zip(by_person, times, strict=True) for one in values * n]
        expected = float(np.percentile(drawn, centile)) if drawn else math.nan
        assert value == pytest.approx(expected, nan_ok=True, abs=1e-9)
