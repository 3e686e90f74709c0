"""Faults 44 to 48: stamps that are wrong."""

from __future__ import annotations

from math import nan

import pytest

from tests.faults.bed import AGAIN_S, LOSS_S, RATE_S, WATCHED_S, Bed
from tests.faults.corruption import Disordered, Doubled, Lost, Shifted, Stamped


@pytest.mark.parametrize("n", [1, 3])
def test_fault_44_a_few_lost_samples_are_held_and_counted(bed: Bed, n: int) -> None:
    bed.watch()
    with bed.amplifier(Lost(n)) as amplifier:
        bed.watched()
        before = bed.recording.samples[-1].missing_samples
        amplifier.corrupt()
        bed.until(lambda: bed.recording.samples[-1].missing_samples == before + n, 3, "they are counted")
        bed.goes_on(2)


@pytest.mark.parametrize("n", [10, 1000])
def test_fault_44_more_lost_samples_begin_a_session_and_are_counted(bed: Bed, n: int) -> None:
    bed.watch()
    with bed.amplifier(Lost(n)) as amplifier:
        bed.watched()
        before = bed.recording.samples[-1].missing_samples
        bed.unwatchable("warmup", "lost", within_s=LOSS_S + n / 256)
        amplifier.corrupt()
        bed.said_unwatchable()
        bed.until_marker("session-reset/gap", 6)
        bed.watched(within_s=AGAIN_S + 3, not_before_s=AGAIN_S - 1)
        assert bed.recording.samples[-1].missing_samples == before + n


def test_fault_45_stamps_that_go_back_begin_a_session(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier(Shifted(-1.0)) as amplifier:
        bed.watched()
        bed.unwatchable("warmup")
        amplifier.corrupt()
        bed.until_marker("session-reset/timestamps-backwards", 3)
        bed.watched(within_s=AGAIN_S + 3, not_before_s=AGAIN_S - 1)
        bed.goes_on(2)


def test_fault_45_doubled_samples_are_dropped(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier(Doubled()) as amplifier:
        bed.watched()
        amplifier.corrupt()
        bed.as_reference(amplifier, n=12)


def test_fault_45_samples_out_of_order_are_not_watched(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier(Disordered()) as amplifier:
        bed.watched()
        bed.unwatchable("warmup")
        amplifier.corrupt()
        bed.said_unwatchable()
        bed.unwatchable("lost", within_s=LOSS_S + 1)  # samples that cannot be used are as good as none
        bed.goes_on(5)
        amplifier.heal()
        bed.watched(within_s=1 + AGAIN_S + 3, not_before_s=AGAIN_S - 1)
    assert len([m for m in bed.recording.markers if "reset" in m.text]) < 8


@pytest.mark.parametrize("value", [nan, -5.0, 1e300])
def test_fault_46_stamps_that_are_no_times_are_counted_on_and_alarmed(bed: Bed, value: float) -> None:
    bed.watch()
    with bed.amplifier(Stamped(value)) as amplifier:
        bed.watched()
        amplifier.corrupt()
        bed.goes_on(6)
        bed.until(lambda: bed.conditions("bad-stamps"), 3, "the condition")


def test_fault_46_a_stamp_of_0_is_the_time_of_the_push_and_costs_one_session(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier(Stamped(0.0)) as amplifier:
        bed.watched()
        bed.unsure()  # what is pushed in blocks of one time looks like lost samples, until it is known for jitter
        amplifier.corrupt()
        bed.until_marker("session-reset/gap", 3)
        bed.watched()
        bed.goes_on(3)


@pytest.mark.parametrize(("by_s", "ahead_s"), [(200_000.0, 0.0), (-200_000.0, 300_000.0)])
def test_fault_47_a_clock_that_jumps_begins_a_session_at_true_times(bed: Bed, by_s: float, ahead_s: float) -> None:
    bed.watch()
    with bed.amplifier(Shifted(by_s), ahead_s=ahead_s) as amplifier:
        bed.watched()
        bed.unwatchable("warmup")
        amplifier.corrupt()
        bed.until_marker("session-reset/clock-jump", 3)
        bed.watched(within_s=AGAIN_S + 3, not_before_s=AGAIN_S - 1)
        bed.goes_on(3)
        sample = bed.recording.samples[-1]
        assert abs(sample.arrived_s - sample.stamp_s) < 2


@pytest.mark.parametrize("drift", [1e-4, -1e-4, 0.01, -0.01])
def test_fault_48_a_clock_that_drifts_is_followed(bed: Bed, drift: float) -> None:
    bed.watch()
    with bed.amplifier(drift=drift):
        bed.watched()
        bed.goes_on(25)
        sample = bed.recording.samples[-1]
        assert abs(sample.arrived_s - sample.stamp_s) < 2


def test_fault_48_a_clock_that_drifts_too_much_is_refused(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier(drift=0.04):
        bed.is_refused("Hz by its stamps and declares 256 Hz", within_s=WATCHED_S + RATE_S + 10)
    bed.recovers()
