"""What a view keeps and says in words, whatever it is given."""

from __future__ import annotations

import math
import re

from detector.client.view import ViewSummary, meaning, time_of_day
from detector.messages import Cause, Reset, State
from tests.client.test_terminal import sample


def test_every_state_cause_and_reset_reason_has_a_meaning() -> None:
    texts = [f"not-monitoring/{cause}" for cause in Cause] + [f"session-reset/{reason}" for reason in Reset]
    texts += ["seizure", "non-seizure", "monitoring-start", "monitoring-stop"]
    assert len({meaning(text) for text in texts}) == len(texts)
    assert not [text for text in texts if "contract" in meaning(text)]
    assert meaning("anything else") == "(not a marker of contract v1)"


def test_any_number_is_a_time_of_day() -> None:
    assert re.fullmatch(r"\d\d:\d\d:\d\d", time_of_day(1e9))
    for absurd in (math.nan, math.inf, 1e300, -1e300):
        assert time_of_day(absurd) == "??:??:??"


def test_a_probability_that_is_none_takes_no_peak_away() -> None:
    summary = ViewSummary()
    for record in (sample(State.SEIZURE, probability=0.9), sample(State.NOT_MONITORING), sample(probability=0.2)):
        summary.take(record)
    assert summary.peak_probability == 0.9
