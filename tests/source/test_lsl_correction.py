"""A clock that cannot be measured neither blocks nor hides: arrival stands in for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from detector.source.lsl_correction import TimeCorrection
from tests.live import until


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


def test_a_drift_that_another_connection_has_found_is_no_lateness_of_this_one() -> None:
    """A crystal that is 0.05 % slow is four seconds late after two hours, and as late in the next connection."""
    correction = TimeCorrection(Inlet(12.5))
    correction.expect_drift(4.0)
    assert correction.value(newest_stamp=100.0, arrived_s=116.6) == 16.5
    assert correction.drift_s == 4.0
    correction.clock_jumped()
    assert correction.value(newest_stamp=100.0, arrived_s=112.6) == 12.5, "a clock that has jumped begins anew"
    assert correction.drift_s == 0.0
    correction.stop()


def test_the_first_samples_have_the_first_measurement() -> None:
    class Slow(Inlet):
        def time_correction(self, timeout: float) -> float:
            threading.Event().wait(0.2)
            return super().time_correction(timeout)

    correction = TimeCorrection(Slow(12.5))
    assert correction.value(newest_stamp=100.0, arrived_s=112.6) == 12.5
    correction.stop()


@pytest.mark.parametrize("error", [TimeoutError(), RuntimeError("liblsl")])
def test_a_measurement_that_fails_is_tried_again(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.source.lsl_correction._TIMEOUT_S", 0.05)
    monkeypatch.setattr("detector.source.lsl_correction._EVERY_S", 0.01)
    inlet = Inlet(error)
    correction = TimeCorrection(inlet)
    inlet.answer = 12.5
    assert correction._known.wait(10)
    assert correction.value(newest_stamp=100.0, arrived_s=112.6) == 12.5
    correction.stop()


def test_an_answer_that_is_the_last_one_again_is_no_measurement(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr("detector.source.lsl_correction._EVERY_S", 0.01)
    inlet = Inlet(12.5)
    correction = TimeCorrection(inlet)
    until(lambda: correction.fails, 10, "liblsl answers for ever with what it measured before UDP was blocked")
    assert correction.value(newest_stamp=100.0, arrived_s=112.6) == 12.5, "it is used all the same"
    inlet.answer = 12.5000001
    until(lambda: "is measured again" in caplog.text, 10, "a new answer")
    correction.stop()


def test_arrival_stands_in_where_the_clock_cannot_be_measured(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("detector.source.lsl_correction._TIMEOUT_S", 0.05)
    inlet = Inlet(TimeoutError())
    correction = TimeCorrection(inlet)
    assert inlet.asked.is_set()
    assert correction.value(newest_stamp=100.0, arrived_s=612.0) == 512.0
    # It stays what it was: a network's delays must not make sample times jump.
    assert correction.value(newest_stamp=101.0, arrived_s=613.4) == 512.0
    assert "cannot be measured (TimeoutError); UDP blocked?" in caplog.text
    correction.stop()


@pytest.mark.parametrize("stamp", [5.0, 1.7e9], ids=["counts from zero", "counts from 1970"])
def test_stamps_of_another_clock_than_the_measured_one_are_taken_from_their_arrival(stamp: float) -> None:
    correction = TimeCorrection(Inlet(0.01))
    assert correction.value(newest_stamp=stamp, arrived_s=5000.0) == 5000.0 - stamp
    correction.stop()


def test_after_a_jump_of_the_remote_clock_the_old_measurement_is_doubted() -> None:
    correction = TimeCorrection(Inlet(12.5))
    assert correction.value(newest_stamp=100.0, arrived_s=112.6) == 12.5
    correction.clock_jumped()
    assert correction.value(newest_stamp=200100.0, arrived_s=113.6) == pytest.approx(-199986.4)
    correction.stop()


def test_after_a_jump_backwards_the_old_measurement_is_not_believed_again() -> None:
    correction = TimeCorrection(Inlet(12.5))
    assert correction.value(newest_stamp=300_000.0, arrived_s=300_012.6) == 12.5
    correction.clock_jumped()
    # Not measured anew yet: what was measured before makes these stamps very old.
    for second in range(3):
        assert correction.value(100.0 + second, 300_013.6 + second) == pytest.approx(299_913.6)
    correction.stop()


def test_what_is_known_of_the_correction_is_what_was_applied() -> None:
    correction = TimeCorrection(Inlet(12.5))
    assert correction.known == 12.5, "before any samples it is what was measured"
    correction.value(newest_stamp=200_100.0, arrived_s=112.6)
    assert correction.known == pytest.approx(-199_987.4)
    correction.stop()


def _late_s(
    correction: TimeCorrection,
    *,
    hours: float,
    stamps_per_s: float = 1.0,
    delay_s: Callable[[float], float] = lambda _: 0.05,
) -> tuple[float, float]:
    """Run hours of a chunk a second and return the least and the greatest lateness after the first minute."""
    late = []
    for second in range(1, round(hours * 3600)):
        arrived_s, stamp = 1000.0 + second + delay_s(second), 1000.0 + second * stamps_per_s
        late.append(arrived_s - (stamp + correction.value(stamp, arrived_s)))
    return min(late[60:]), max(late[60:])


@pytest.mark.parametrize("measured", [0.0, TimeoutError()], ids=["measured", "UDP blocked"])
@pytest.mark.parametrize("drift", [-1e-4, 1e-4, 5e-4])
def test_stamps_that_drift_against_this_clock_never_make_the_input_old(
    monkeypatch: pytest.MonkeyPatch, measured: float | Exception, drift: float
) -> None:
    monkeypatch.setattr("detector.source.lsl_correction._TIMEOUT_S", 0.05)
    correction = TimeCorrection(Inlet(measured))
    least, greatest = _late_s(correction, hours=8, stamps_per_s=1 + drift)
    assert -0.3 < least < greatest < 0.5
    correction.stop()


def test_a_network_that_is_too_slow_makes_the_input_old() -> None:
    correction = TimeCorrection(Inlet(0.0))
    _, greatest = _late_s(correction, hours=1, delay_s=lambda second: 0.05 + 0.01 * second)
    assert greatest > 0.9 * 36
    correction.stop()


def test_a_cut_and_its_backlog_are_late_by_what_they_are() -> None:
    correction = TimeCorrection(Inlet(0.0))
    _late_s(correction, hours=0.1)
    last = 1000.0 + 360
    for second in range(25):  # all that waited for 25 s comes at once
        stamp = last + second
        late_s = last + 25 - (stamp + correction.value(stamp, last + 25))
        assert late_s == pytest.approx(25 - second, abs=0.1)
    correction.stop()


def test_the_jitter_of_the_measurements_moves_sample_times_slowly() -> None:
    correction = TimeCorrection(Inlet(0.0))
    rng = np.random.default_rng(0)
    before = correction.value(1000.0, 1000.5)
    for second in range(1, 600):
        correction._measured = float(rng.uniform(-0.2, 0.2))
        now = correction.value(1000.0 + second, 1000.5 + second)
        assert abs(now - before) <= 0.0201
        before = now
    correction.stop()


def test_a_measurement_that_has_jumped_is_a_new_beginning() -> None:
    correction = TimeCorrection(Inlet(0.0))
    correction.value(1000.0, 1000.1)
    correction._measured = -5.0
    assert correction.value(1006.0, 1001.1) == -5.0
    correction.stop()


def test_a_replay_that_is_faster_than_life_keeps_the_correction_that_it_began_with() -> None:
    correction = TimeCorrection(Inlet(0.0), replay=True)
    values = {correction.value(1000.0 + 4 * second, 1000.0 + second) for second in range(1000)}
    assert values == {0.0}
    correction.stop()
