"""What is known of a recording from its steps."""

from __future__ import annotations

import numpy as np

from detector.evaluation.pairs import Pair, Steps
from tests.evaluation.files import made_up_pair


def test_a_seizure_is_declared_at_its_first_step_also_behind_a_gap() -> None:
    times = np.array([1, 2, 3, 4, 20, 21, 22], dtype=float)
    state = np.array([1, 2, 2, 1, 2, 2, 0], dtype=np.uint8)
    assert Steps(times, np.full(7, 0.5, dtype=np.float32), state, 1.0).declared_s == (2.0, 20.0)
    state[3] = 2
    assert Steps(times, np.full(7, 0.5, dtype=np.float32), state, 1.0).declared_s == (2.0, 20.0)


def test_hours_are_the_monitored_ones_where_they_are_known() -> None:
    assert made_up_pair("a", (), (), 3600).hours == 1.0
    with_steps = made_up_pair("a", (), (), 3600, steps=True)
    assert with_steps.monitored_s == 3600 - 9  # the step that ends at 10 s is the first
    assert with_steps.hours == (3600 - 9) / 3600


def test_the_target_is_of_monitored_steps_with_a_probability() -> None:
    steps = Steps(
        np.arange(1.0, 7.0),
        np.array([0.7, 0.1, 0.9, np.nan, 0.8, 0.2], dtype=np.float32),
        np.array([0, 1, 2, 2, 2, 1], dtype=np.uint8),  # too poor for a probability at 4 s, and still declared
        1.0,
    )
    target, probability = Pair("a", "a", 6.0, ((3.0, 5.0),), (), steps).target()
    np.testing.assert_array_equal(target, [0, 1, 1, 0])
    np.testing.assert_array_equal(probability, steps.probability[[1, 2, 4, 5]])
