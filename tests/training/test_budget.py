"""A budget is kept by the upper end of the interval, or refused with what it would take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.errors import BadDataError
from detector.evaluation.events import Tally
from detector.evaluation.intervals import clopper_pearson
from detector.training.budget import Offer, within
from tests.training.made_up import CARD


def offer(threshold: float, detected: int, false_alarms: int, hours: float = 100.0, seizures: int = 10) -> Offer:
    decision = CARD.decision.model_copy(update={"onset_threshold": threshold})
    return Offer(decision, Tally(seizures, detected, [5.0] * detected, false_alarms, hours))


def test_the_most_sensitive_decision_that_keeps_within_the_budget_is_taken() -> None:
    offers = [offer(0.5, 10, 40), offer(0.7, 9, 2), offer(0.9, 4, 0)]
    assert within(offers, per_24_h=2.0).decision.onset_threshold == 0.7
    # 2 alarms in 100 h are .48 in 24 h, and may be 1.7: that is what is promised.
    assert within(offers, per_24_h=1.0).decision.onset_threshold == 0.9


def test_recordings_that_are_too_short_to_promise_anything_are_refused_with_what_it_takes() -> None:
    with pytest.raises(
        BadDataError, match=r"at most 1 false alarms in 24 h cannot be told from 3.0 h .* at least 89 h"
    ):
        within([offer(0.9, 4, 0, hours=3.0)], per_24_h=1.0)


def test_a_budget_that_nothing_keeps_is_refused_with_the_quietest() -> None:
    with pytest.raises(BadDataError, match=r"the quietest had 30 in 100.0 h"):
        within([offer(0.5, 10, 40), offer(0.9, 4, 30)], per_24_h=1.0)


@given(st.integers(0, 30), st.integers(1, 30))
def test_the_exact_interval_holds_the_share_and_is_wider_for_fewer(hits: int, n: int) -> None:
    hits = min(hits, n)
    low, high = clopper_pearson(hits, n)
    assert 0 <= low <= hits / n <= high <= 1
    wide = clopper_pearson(hits * 10, n * 10)
    assert wide[1] - wide[0] <= high - low


def test_the_exact_interval_is_the_published_one() -> None:
    # Newcombe 1998, Statistics in Medicine 17:857-872, table I: 81 of 263 by the Clopper-Pearson method.
    assert clopper_pearson(81, 263) == pytest.approx((0.2527, 0.3676), abs=5e-5)
