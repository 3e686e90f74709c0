"""The decision is run again on what was stored, and the bundle's own threshold gives what was said at first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detector.decision import DecisionConfig
from detector.evaluation.intervals import draws
from detector.evaluation.operating import Recorder, Stored, operating_curve
from detector.messages import Features, Gap, Probability

CONFIG = DecisionConfig(
    step_s=1.0, smoothing_s=0.0, onset_threshold=0.6, offset_threshold=0.3, onset_hold_s=0.0, offset_hold_s=0.0,
    refractory_s=0.0, warm_up_s=0.0, min_good=16, poor_seizure_s=30.0,
)  # fmt: skip


def stored(*peaks: tuple[int, int, float], n: int = 300, boundaries: tuple[int, ...] = ()) -> Stored:
    value = np.full(n, 0.1)
    for first, stop, height in peaks:
        value[first:stop] = height
    return Stored(np.arange(1.0, n + 1), value, np.full(n, 22, dtype=np.uint16), np.array(boundaries, dtype=np.int64))


def test_a_curve_by_hand() -> None:
    persons = {
        "a": [(stored((100, 110, 0.9), (200, 205, 0.5)), ((95.0, 120.0),))],
        "b": [(stored((100, 110, 0.7), (250, 255, 0.7)), ((99.0, 120.0),))],
    }
    curve = operating_curve(persons, CONFIG, draws(2, 0, 50), thresholds=(0.4, 0.8))
    found = [(p.onset_threshold, p.seizures, p.detected, p.false_alarms) for p in curve.points]
    assert found == [(0.4, 2, 2, 2), (0.6, 2, 2, 1), (0.8, 2, 1, 0)]
    assert [p.offset_threshold for p in curve.points] == pytest.approx([0.2, 0.3, 0.4])
    hours = (600 - 26 - 22) / 3600
    assert [p.false_per_hour for p in curve.points] == pytest.approx([2 / hours, 1 / hours, 0])
    assert [p.latency_median_s for p in curve.points] == pytest.approx([4.0, 4.0, 6.0])
    assert curve.own_threshold == 0.6
    assert (curve.points[2].sensitivity_low, curve.points[2].sensitivity_high) == (0.0, 1.0)


def test_too_few_good_derivations_are_seen_when_it_is_run_again() -> None:
    poor = stored((100, 110, 0.9))
    poor.good[90:120] = 15
    curve = operating_curve({"a": [(poor, ())]}, CONFIG, draws(1, 0, 5), thresholds=())
    assert curve.points[0].false_alarms == 0
    assert curve.points[0].hours == pytest.approx(270 / 3600)


def test_a_session_that_ended_ends_when_it_is_run_again() -> None:
    whole = stored((100, 200, 0.9))
    assert [isinstance(step, Gap) for step in stored(boundaries=(5, 7)).steps()][4:8] == [False, True, False, False]
    alarms = []
    for recording in (whole, replace(whole, boundaries=np.array([150]))):
        curve = operating_curve({"a": [(recording, ())]}, CONFIG, draws(1, 0, 5), thresholds=())
        alarms.append(curve.points[0].false_alarms)
    assert alarms == [1, 2]


def test_what_the_network_said_is_noted_and_passed_on() -> None:
    class Network:
        resets = 0

        def process(self, features: list[Features]) -> list[Probability]:
            return [Probability(0.25, one.good, one.end_s) for one in features]

        def reset(self) -> None:
            self.resets += 1

    network = Network()
    recorder = Recorder(network, 0.5)
    good = np.array([True, True, False])
    features = [Features(np.zeros(3, dtype=np.float32), good, float(t)) for t in range(3)]
    recorder.reset()
    assert [step.end_s for step in recorder.process(features)] == [0.0, 1.0, 2.0]
    recorder.reset()
    recorder.process(features[:1])
    noted = recorder.stored()
    assert network.resets == 2
    np.testing.assert_array_equal(noted.end_s, [0.5, 1.5, 2.5, 0.5])
    np.testing.assert_array_equal(noted.value, [0.25] * 4)
    np.testing.assert_array_equal(noted.good, [2] * 4)
    np.testing.assert_array_equal(noted.boundaries, [3])
