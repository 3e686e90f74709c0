"""Weights: what nobody can know counts less, early ictal steps and rare persons more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detector.training.weighing import step_weights, weigh
from tests.training.made_up import RECIPE, made_up_sequence


def test_steps_count_by_what_can_be_known_about_them() -> None:
    end_s = np.linspace(2.0, 101.5, 200)
    weight = dict(zip(end_s.tolist(), step_weights(end_s, ((40.0, 70.0),), 3.0).tolist(), strict=True))
    assert weight[2.0] == pytest.approx(0.2)  # nothing has been seen
    assert weight[20.0] == 1
    assert weight[33.0] == 0.5  # may already hold the seizure
    assert weight[40.0] == pytest.approx(0.3)  # nobody marks to the second
    assert weight[45.0] == 3.0  # early
    assert weight[60.0] == 1
    assert weight[69.5] == pytest.approx(0.3)
    assert weight[75.0] == 1


def test_a_person_with_ten_times_the_steps_counts_about_three_times_and_simulated_eeg_keeps_its_share() -> None:
    much, little = made_up_sequence(1000, 1), made_up_sequence(100, 2)
    recipe = replace(RECIPE, balance=0.5)
    first, second = weigh([much, little], recipe)
    assert np.median(second.weight) / np.median(first.weight) == pytest.approx(10**0.5, rel=1e-3)
    light = replace(little, weight=little.weight * 0.25)
    np.testing.assert_allclose(weigh([much, light], recipe)[1].weight, second.weight * 0.25, rtol=1e-5)
