"""The method `windowed`: as many windows as there should be, each ending in its step, and none in memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detector.errors import BadDataError
from detector.training.keras_backend import keras
from detector.training.methods import windowed
from detector.training.methods.windowed import Windows
from tests.training.made_up import RECIPE, made_up_sequence
from tests.training.training import SEQUENCES, network_of, unchanged

RECIPE_5 = replace(RECIPE, look_back=5, batch_windows=16)


def test_n_recordings_of_m_steps_give_n_times_m_less_l_plus_1_windows() -> None:
    sequences = [made_up_sequence(33, seed) for seed in range(4)]
    assert len(Windows(sequences, [s.values for s in sequences], 12)) == 4 * (33 - 12 + 1)
    # A session that is shorter than a window has none, one that is as long has one.
    assert len(Windows(SEQUENCES, [s.values for s in SEQUENCES], 14)) == 17 + 0 + 1 + 0 + 9


def test_each_window_ends_in_the_step_that_it_is_labelled_by() -> None:
    windows = Windows(SEQUENCES, [s.values for s in SEQUENCES], 5)
    expected = [(i, last) for i, sequence in enumerate(SEQUENCES) for last in range(4, len(sequence))]
    order = np.random.default_rng(0).permutation(len(windows))
    values, target, weight, owners = windows.batch(order)
    assert owners == (0, 1, 2, 3, 4)
    assert len(order) == len(expected)
    for row, number in enumerate(order.tolist()):
        i, last = expected[number]
        np.testing.assert_array_equal(values[row], SEQUENCES[i].values[last - 4 : last + 1])
        assert target[row, -1] == SEQUENCES[i].target[last]
    assert (weight[:, :-1] == 0).all()
    assert (weight[:, -1] == 5).all()


def test_windows_take_no_memory_before_they_are_asked_for() -> None:
    sequences = [made_up_sequence(2000, seed) for seed in range(2)]
    windows = Windows(sequences, [s.values for s in sequences], 1000)
    for view, sequence in zip(windows._views, sequences, strict=True):
        assert view is not None
        assert np.shares_memory(view, sequence.values)


def test_the_loss_is_the_mean_over_the_windows_last_steps() -> None:
    model = network_of(windowed, learning_rate=0.0)
    updates = list(windowed.one_pass(model, SEQUENCES[:1], RECIPE_5, np.random.default_rng(0), unchanged))
    sequence = SEQUENCES[0]
    losses = []
    for last in range(4, 30):
        logit = keras.ops.convert_to_numpy(model(sequence.values[None, last - 4 : last + 1]))[0, -1]
        losses.append(np.mean(np.log1p(np.exp(-logit if sequence.target[last] else logit))))
    n = [16, 10]
    assert sum(u.loss * k for u, k in zip(updates, n, strict=True)) / 26 == pytest.approx(np.mean(losses), abs=1e-5)


def test_a_look_back_longer_than_every_session_is_refused() -> None:
    with pytest.raises(BadDataError, match=r"look_back is 31 steps, and the longest session has 30"):
        windowed.updates_of(SEQUENCES, replace(RECIPE, look_back=31))
