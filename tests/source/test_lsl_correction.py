"""A clock that cannot be measured neither blocks nor hides: arrival stands in for it."""

from __future__ import annotations

import threading

import pytest

from detector.source.lsl_correction import TimeCorrection


class Inlet:
    """What the thread needs of an inlet; answers what it is told to."""

    def __init__(self, answer: float | Exception) -> None:
        self.answer = answer
        self.asked = threading.Event()

    def time_correction(self, timeout: float) -> float:
        self.asked.set()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_a_measured_correction_is_used() -> None:
    correction = TimeCorrection(Inlet(12.5))
    assert correction.value(newest_stamp=100.0, arrived_s=112.6) == 12.5
    correction.stop()


def test_arrival_stands_in_where_the_clock_cannot_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.source.lsl_correction._TIMEOUT_S", 0.05)
    inlet = Inlet(TimeoutError())
    correction = TimeCorrection(inlet)
    assert inlet.asked.is_set()
    assert correction.value(newest_stamp=100.0, arrived_s=612.0) == 512.0
    # It stays what it was: a network's delays must not make sample times jump.
    assert correction.value(newest_stamp=101.0, arrived_s=613.4) == 512.0
    assert correction.failures >= 1
    correction.stop()


def test_after_a_jump_of_the_remote_clock_the_old_measurement_is_doubted() -> None:
    correction = TimeCorrection(Inlet(12.5))
    correction.clock_jumped(newest_stamp=200100.0, arrived_s=112.6)
    assert correction.value(newest_stamp=200100.0, arrived_s=112.6) == pytest.approx(-199987.4)
    correction._measured = -199987.5
    assert correction.value(newest_stamp=200101.0, arrived_s=113.6) == -199987.5
    correction.stop()
