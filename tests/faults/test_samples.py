"""Faults 35 to 43: samples that are no EEG."""

from __future__ import annotations

from math import inf, nan

import pytest

from tests.faults.bed import RATE_S, WATCHED_S, Bed
from tests.faults.corruption import Calibration, Clipped, Corruption, Held, Hum, Offset, Pops, Repeated, Scaled

POOR_S = 5.0
_ALL = tuple(range(22))
_ELEVEN = tuple(range(0, 22, 2))  # one more than the card of the model tolerates


def _poor_and_good_again(bed: Bed, corruption: Corruption) -> None:
    bed.watch()
    with bed.amplifier(corruption) as amplifier:
        bed.watched()
        bed.unwatchable("poor", within_s=POOR_S)
        amplifier.corrupt()
        bed.said_unwatchable()
        bed.goes_on(3)
        amplifier.heal()
        bed.watched(within_s=6, not_before_s=0)
        bed.goes_on(2)
    assert not bed.seizures()


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_fault_35_a_sample_that_is_no_number_is_held_and_counted(bed: Bed, value: float) -> None:
    bed.watch()
    with bed.amplifier(Held(value, (int(bed.rng.integers(22)),), n=1)) as amplifier:
        bed.watched()
        before = bed.recording.samples[-1].missing_samples
        amplifier.corrupt()
        bed.until(lambda: bed.recording.samples[-1].missing_samples == before + 1, 3, "it is counted")
        bed.goes_on(3)
        assert bed.recording.samples[-1].good_channels == 22


def test_fault_36_a_channel_that_is_never_a_number_is_bad_and_the_others_are_watched(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier(Held(nan, (7,))) as amplifier:
        bed.watched()
        amplifier.corrupt()
        bed.until(lambda: bed.recording.samples[-1].good_channels == 21, POOR_S, "it is masked")
        bed.goes_on(3)
        bed.until(lambda: bed.conditions("degraded"), 13, "the condition")


def test_fault_36_too_many_such_channels_are_poor(bed: Bed) -> None:
    _poor_and_good_again(bed, Held(nan, _ELEVEN))


def test_fault_37_a_flat_channel_is_bad_and_the_others_are_watched(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier(Held(0.0, (int(bed.rng.integers(22)),))) as amplifier:
        bed.watched()
        amplifier.corrupt()
        bed.until(lambda: bed.recording.samples[-1].good_channels == 21, POOR_S, "it is masked")
        bed.goes_on(3)


@pytest.mark.parametrize("value", [0.0, 37.0])
def test_fault_37_leads_that_are_off_are_poor(bed: Bed, value: float) -> None:
    _poor_and_good_again(bed, Held(value, _ALL))


def test_fault_38_a_clipped_signal_is_poor(bed: Bed) -> None:
    _poor_and_good_again(bed, Clipped(float(bed.rng.uniform(200, 3000))))


@pytest.mark.parametrize("hz", [50.0, 60.0])
def test_fault_39_a_signal_that_is_swamped_by_the_line_is_poor(bed: Bed, hz: float) -> None:
    _poor_and_good_again(bed, Hum(hz, 400.0))


def test_fault_39_a_step_of_100_mv_is_poor_until_it_is_over(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier(Offset(1e5)) as amplifier:
        bed.watched()
        bed.unwatchable("poor", within_s=POOR_S)
        amplifier.corrupt()
        bed.said_unwatchable()
        bed.watched(within_s=6, not_before_s=0)
        bed.goes_on(3)
    assert not bed.seizures()


def test_fault_39_a_signal_that_drifts_away_is_poor(bed: Bed) -> None:
    _poor_and_good_again(bed, Offset(0.0, uv_per_s=20_000.0))


@pytest.mark.parametrize("factor", [1000.0, 0.001])
def test_fault_40_a_slip_of_the_unit_is_poor(bed: Bed, factor: float) -> None:
    _poor_and_good_again(bed, Scaled(factor))


@pytest.mark.parametrize("factor", [1000.0, 0.001])
def test_fault_40_a_unit_that_was_wrong_from_the_start_is_never_watched(bed: Bed, factor: float) -> None:
    bed.watch()
    with bed.amplifier(per_uv=factor):
        bed.unwatchable("poor", within_s=WATCHED_S)
        bed.said_unwatchable()
        bed.goes_on(RATE_S)


@pytest.mark.parametrize("n", [8, 100, 256])
def test_fault_41_a_buffer_that_comes_again_and_again_is_poor(bed: Bed, n: int) -> None:
    _poor_and_good_again(bed, Repeated(n))


@pytest.mark.parametrize("corruption", [Calibration(1.0, 100.0), Pops(2.0, 800.0)])
def test_fault_42_calibration_and_pops_are_no_storm_of_alarms(bed: Bed, corruption: Corruption) -> None:
    bed.watch()
    with bed.amplifier(corruption) as amplifier:
        bed.watched()
        bed.unsure()
        amplifier.corrupt()
        bed.goes_on(15)
        amplifier.heal()
        bed.goes_on(8)
    assert len(bed.seizures()) <= 2, "one that begins and ends at the most"
    assert len([m for m in bed.recording.markers if m.state]) < 14


@pytest.mark.parametrize("value", [1e-40, 1e30])
def test_fault_43_values_at_the_ends_of_float_are_poor_and_cost_nothing(bed: Bed, value: float) -> None:
    _poor_and_good_again(bed, Held(value, _ALL))
    vitals = bed.recording.vitals
    half = len(vitals) // 2
    first, second = (
        (b.cpu_s - a.cpu_s) / (b.arrived_s - a.arrived_s)
        for a, b in ((vitals[0], vitals[half]), (vitals[half], vitals[-1]))
    )
    assert second < 2 * first + 0.1
