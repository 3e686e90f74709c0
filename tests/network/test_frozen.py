"""A dead network is found out by an output that stands still while its input moves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from detector.errors import StateError
from detector.messages import Features, Probability
from detector.network.frozen import FrozenCheck

GOOD = np.ones(2, dtype=bool)


def _steps(n: int, output: Callable[[int], float], moving: bool = True) -> tuple[list[Features], list[Probability]]:
    rng = np.random.default_rng(0)
    still = np.zeros(3, dtype=np.float32)
    features = [Features(rng.normal(size=3).astype(np.float32) if moving else still, GOOD, k / 2) for k in range(n)]
    return features, [Probability(output(k), GOOD, k / 2) for k in range(n)]


def test_an_output_that_stands_still_for_a_minute_while_the_input_moves_is_a_fault() -> None:
    check = FrozenCheck()
    check.check(*_steps(120, lambda _: 0.25))
    with pytest.raises(StateError, match=r"has been 0\.25 to the bit for 120 steps"):
        check.check(*_steps(1, lambda _: 0.25))


def test_it_stays_one_until_the_output_moves() -> None:
    check = FrozenCheck()
    for _ in range(3):
        with pytest.raises(StateError):
            check.check(*_steps(200, lambda _: 0.0))
    check.check(*_steps(1, lambda _: 0.5))
    check.check(*_steps(100, lambda _: 0.0))


def test_a_moving_output_a_still_input_and_a_full_one_are_none() -> None:
    FrozenCheck().check(*_steps(1000, lambda k: 0.5 + 1e-7 * (k % 2)))
    FrozenCheck().check(*_steps(1000, lambda _: 0.5, moving=False))
    FrozenCheck().check(*_steps(1000, lambda _: 1.0))
