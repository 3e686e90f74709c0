"""Figures: by hand where they can be, and persons never on both sides."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from detector.errors import BadDataError
from detector.pipeline import decision_config
from detector.training.evaluation import auroc, average_precision, folds_of, tally_of
from tests.training.made_up import CARD, made_up_sequence

CONFIG = replace(decision_config(CARD), smoothing_s=0.0, onset_hold_s=0.0, offset_hold_s=0.0, refractory_s=0.0)


@pytest.mark.parametrize("n_folds", [2, 3, 5])
def test_a_person_is_in_exactly_one_fold(n_folds: int) -> None:
    names = [f"p{i}" for i in range(17)]
    sizes = {f"p{i}": float(i % 6 * 50) for i in range(17)}
    folds = folds_of(names, n_folds, 0, sizes)
    assert sorted(name for fold in folds for name in fold) == sorted(names)
    assert len(folds) == n_folds
    # Those without seizures are spread, too.
    assert all(any(sizes[name] == 0 for name in fold) for fold in folds) or n_folds > 3
    assert folds == folds_of(names[::-1], n_folds, 0, sizes)


def test_no_fold_stays_empty_where_hardly_anybody_has_a_seizure() -> None:
    assert sorted(folds_of(["a", "b", "c"], 3, 0, {"a": 50.0})) == [("a",), ("b",), ("c",)]


def test_a_person_named_twice_is_an_error() -> None:
    with pytest.raises(BadDataError, match="named twice"):
        folds_of(["a", "b", "a"], 2, 0, {})
    with pytest.raises(BadDataError, match="3 folds of 2 persons"):
        folds_of(["a", "b"], 3, 0, {})


def test_auroc_and_average_precision_by_hand() -> None:
    target = np.array([1, 0, 1, 0, 0], dtype=np.float32)
    score = np.array([0.9, 0.8, 0.7, 0.7, 0.1], dtype=np.float32)
    # Pairs won: 3 of the first, 1 and a half of the second, of six.
    assert auroc(target, score) == pytest.approx(4.5 / 6)
    # 1/1 at the first hit; the tie comes as a whole, two hits of four.
    assert average_precision(target, score) == pytest.approx((1.0 + 0.5) / 2)
    assert math.isnan(auroc(np.zeros(3, dtype=np.float32), score[:3]))


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
