"""Alarms are counted by the live decision."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detector.evaluation.events import decided, tallied, tally_of
from detector.messages import Gap, Probability, Reset
from detector.pipeline import decision_config
from tests.training.made_up import CARD, made_up_sequence

CONFIG = replace(decision_config(CARD), smoothing_s=0.0, onset_hold_s=0.0, offset_hold_s=0.0, refractory_s=0.0)


def test_events_are_counted_by_the_live_decision() -> None:
    sequence = replace(made_up_sequence(400, 0), seizures=((50.0, 70.0), (100.0, 110.0), (150.0, 160.0)))
    t = sequence.end_s
    p = np.zeros(400, dtype=np.float32)
    p[(t >= 53) & (t < 60)] = 0.9  # detected after 3 s
    p[(t >= 62) & (t < 66)] = 0.9  # again in the same seizure: no false alarm
    p[(t >= 115) & (t < 120)] = 0.9  # 5 s after the end: still that seizure
    p[(t >= 130) & (t < 135)] = 0.9  # nothing is there
    p[t < 9] = 0.9  # nothing is said during the warm-up
    tally = tally_of(sequence, p, CONFIG)
    assert (tally.detected, tally.seizures, tally.false_alarms) == (2, 3, 1)
    assert tally.latencies_s == [3.0, 15.0]
    assert tally.hours == pytest.approx((t[-1] - 12 - 40) / 3600, abs=2 / 3600)


def test_a_seizure_that_began_before_the_decision_was_warm_counts_neither_way() -> None:
    sequence = replace(made_up_sequence(100, 0), seizures=((0.0, 25.0),))
    p = (sequence.end_s < 25).astype(np.float32)
    tally = tally_of(sequence, p, CONFIG)
    assert (tally.seizures, tally.detected, tally.false_alarms) == (0, 0, 0)


def test_a_seizure_that_is_on_already_is_not_declared_anew() -> None:
    tally = tallied([90.0], np.arange(200.0), ((100.0, 120.0),), step_s=1.0, warm_s=0.0)
    assert (tally.seizures, tally.detected, tally.false_alarms) == (1, 0, 1)


def test_a_gap_between_steps_begins_a_session() -> None:
    good = np.ones(CARD.min_derivations, dtype=bool)
    steps: list[Probability | Gap] = [Probability(0.9, good, float(t)) for t in range(1, 100)]
    without = decided(steps, (), CONFIG)
    with_gap = decided([*steps[:50], Gap(50.0, 51.0, Reset.GAP), *steps[50:]], (), CONFIG)
    # The alarm that was on is over, and a second one comes after another warm-up.
    assert (without.false_alarms, with_gap.false_alarms) == (1, 2)
    assert with_gap.hours < without.hours
