"""Figures of single steps, by hand where they can be."""

from __future__ import annotations

import math

import numpy as np
import pytest

from detector.evaluation.steps import (
    auroc,
    average_precision,
    drawn_ranking,
    drawn_reliability,
    reliability,
    sigmoid,
)
from detector.messages import FloatArray


def test_auroc_and_average_precision_by_hand() -> None:
    target = np.array([1, 0, 1, 0, 0], dtype=np.float32)
    score = np.array([0.9, 0.8, 0.7, 0.7, 0.1], dtype=np.float32)
    # Pairs won: 3 of the first, 1 and a half of the second, of six.
    assert auroc(target, score) == pytest.approx(4.5 / 6)
    # 1/1 at the first hit; the tie comes as a whole, two hits of four.
    assert average_precision(target, score) == pytest.approx((1.0 + 0.5) / 2)
    assert math.isnan(auroc(np.zeros(3, dtype=np.float32), score[:3]))


def test_reliability_by_hand() -> None:
    probability = np.array([0.1, 0.1, 0.3, 0.8, 1.0], dtype=np.float32)
    target = np.array([0, 1, 0, 1, 1], dtype=np.float32)
    found = reliability(target, probability, n_bins=2)
    np.testing.assert_array_equal(found.steps, [3, 2])  # a probability of 1 is in the last bin
    np.testing.assert_array_equal(found.ictal, [1, 2])
    np.testing.assert_allclose(found.mean_probability, [0.5 / 3, 0.9], atol=1e-6)
    np.testing.assert_allclose(found.ictal_share, [1 / 3, 1.0])
    assert float(found.brier) == pytest.approx((0.01 + 0.81 + 0.09 + 0.04) / 5, abs=1e-6)
    assert float(found.expected_error) == pytest.approx((0.5 + 0.2) / 5, abs=1e-6)


def test_a_bin_without_steps_has_no_share() -> None:
    found = reliability(np.zeros(3, dtype=np.float32), np.full(3, 0.05, dtype=np.float32))
    assert np.isnan(found.ictal_share[1:]).all()
    assert np.isnan(found.mean_probability[1:]).all()
    assert float(found.expected_error) == pytest.approx(0.05)


def persons() -> list[tuple[FloatArray, FloatArray]]:
    rng = np.random.default_rng(0)
    made = []
    for n, shift in ((300, 0.5), (500, 1.5), (200, 0.0)):
        target = (rng.uniform(size=n) < 0.3).astype(np.float32)
        # Rounded, so that there are ties.
        made.append((target, np.round(sigmoid((rng.normal(size=n) + shift * target).astype(np.float32)), 1)))
    return made


def test_draws_of_persons_give_what_their_steps_written_out_give() -> None:
    weights = np.array([[1, 1, 1], [2, 0, 1], [0, 3, 0]])
    areas, precisions = drawn_ranking(persons(), weights, n_bins=10_000)
    drawn = drawn_reliability([reliability(*one) for one in persons()], weights)
    for i, times in enumerate(weights):
        target, probability = (
            np.concatenate([np.tile(one[k], n) for one, n in zip(persons(), times, strict=True)]) for k in (0, 1)
        )
        assert areas[i] == pytest.approx(auroc(target, probability), abs=1e-6)
        assert precisions[i] == pytest.approx(average_precision(target, probability), abs=1e-6)
        whole = reliability(target, probability)
        assert drawn.brier[i] == pytest.approx(float(whole.brier))
        assert drawn.expected_error[i] == pytest.approx(float(whole.expected_error))
    # As coarse as it is used, it is good for an interval.
    coarse = drawn_ranking(persons(), weights, n_bins=200)
    np.testing.assert_allclose(coarse[0], areas, atol=2e-3)


def test_one_kind_of_step_has_no_ranking() -> None:
    only = [(np.zeros(9, dtype=np.float32), np.linspace(0, 1, 9).astype(np.float32))]
    areas, precisions = drawn_ranking(only, np.ones((1, 1), dtype=int))
    assert math.isnan(areas[0])
    assert math.isnan(precisions[0])
