"""What is drawn of hours of EEG is its power in dB and its amplitude in µV, of each hemisphere, and holes are holes."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

from detector.conditioning.montage import MONTAGES
from detector.messages import Chunk
from detector.page.bed import BIN_S
from detector.page.spectrum import (
    FLOOR_DB,
    N_BANDS,
    NO_MARGIN,
    PACKED_BYTES,
    STEP_DB,
    STEP_HZ,
    STEP_UV,
    EegBin,
    Hemisphere,
    Spectrum,
    side_of,
    told,
)
from tests.signals import cut, deterministic, noise

NAMES = MONTAGES["chb-mit-22"]
LEFT = [i for i, name in enumerate(NAMES) if side_of(name) == "left" and name != "P7-T7"]
RIGHT = [i for i, name in enumerate(NAMES) if side_of(name) == "right"]
START_S = 1_700_000_000  # of a bin
Floats = npt.NDArray[Any]


def chunk_of(samples: Floats, rate_hz: float = 256.0, good: Floats | None = None) -> Chunk:
    stamps = 50.0 + np.arange(len(samples)) / rate_hz
    return Chunk(samples.astype(np.float32), stamps, good=np.ones(samples.shape, bool) if good is None else good)


def bins_of(chunk: Chunk, rate_hz: float = 256.0, size: int = 256, names: tuple[str, ...] = NAMES) -> list[EegBin]:
    spectrum = Spectrum(names, rate_hz)
    bins = [one for part in cut(chunk, size) for one in spectrum.process(part, START_S - 50.0)]
    return bins + spectrum.close(np.inf)


def sine(hz: float, amplitude_uv: float, seconds: float = 30, rate_hz: float = 256.0) -> Floats:
    wave = amplitude_uv * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)
    return np.repeat(wave[:, None], len(NAMES), axis=1)


def shown(one: EegBin) -> tuple[Hemisphere, Hemisphere]:
    assert one.left is not None
    assert one.right is not None
    return one.left, one.right


@pytest.mark.parametrize("rate_hz", [128.0, 250.0, 256.0, 2048.0])
@pytest.mark.parametrize("hz", [2.5, 10.0, 12.0])
def test_a_sine_is_at_its_frequency_with_its_power(rate_hz: float, hz: float) -> None:
    one = shown(bins_of(chunk_of(sine(hz, 50.0, rate_hz=rate_hz), rate_hz), rate_hz)[1])[0]
    assert (one.power_db.argmax() + 1) * STEP_HZ == hz
    # All of its power, half of the amplitude's square, is in that band and its neighbours.
    assert (10 ** (one.power_db / 10)).sum() * STEP_HZ == pytest.approx(50.0**2 / 2, rel=1e-3)
    assert one.power_db.max() == pytest.approx(10 * np.log10(50.0**2 / 2 * 5 / 6 / STEP_HZ), abs=0.01)


def test_a_sine_of_10_hz_is_on_the_amplitude_integrated_eeg_from_peak_to_peak() -> None:
    for one in shown(bins_of(chunk_of(sine(10.0, 50.0)))[1]):
        assert one.lower_uv == pytest.approx(100.0, rel=0.01)
        assert one.upper_uv == pytest.approx(100.0, rel=0.01)


@pytest.mark.parametrize(
    ("hz", "gain_db", "within_db"), [(3, -6.3, 0.5), (5, -3.6, 0.3), (8, -1.2, 0.2), (14, 1.75, 0.5)]
)
def test_its_filter_gains_12_db_a_decade(hz: float, gain_db: float, within_db: float) -> None:
    one = shown(bins_of(chunk_of(sine(hz, 50.0)))[1])[0]
    middle_uv = (one.lower_uv + one.upper_uv) / 2
    assert 20 * np.log10(middle_uv / 100) == pytest.approx(12 * np.log10(hz / 10), abs=within_db)
    assert 20 * np.log10(middle_uv / 100) == pytest.approx(gain_db, abs=0.1)


@pytest.mark.parametrize("hz", [0.5, 1.0, 18.0, 25.0, 50.0])
def test_its_filter_stops_what_is_outside_of_2_to_15_hz(hz: float) -> None:
    assert shown(bins_of(chunk_of(sine(hz, 50.0)))[1])[0].upper_uv < 0.3


def test_bursts_and_what_is_between_them_are_its_margins() -> None:
    seconds = np.arange(30 * 256) / 256
    bursts = np.where(seconds % 5 < 1.5, 60.0, 5.0)[:, None] * sine(8.0, 1.0)
    one = shown(bins_of(chunk_of(bursts))[1])[0]
    gain = 10 ** (12 * np.log10(0.8) / 20)
    assert one.lower_uv == pytest.approx(10 * gain, rel=0.1)
    assert one.upper_uv == pytest.approx(120 * gain, rel=0.1)


@pytest.mark.parametrize("rate_hz", [200.0, 256.0, 500.0])
def test_the_power_is_that_of_welch(rate_hz: float) -> None:
    samples = np.random.default_rng(3).normal(0, 20, (round(30 * rate_hz), len(NAMES))) + 300
    part = samples[round(8 * rate_hz) : round(20 * rate_hz)]  # the segments whose middles lie in the bin
    n = round(4 * rate_hz)
    hz, density = scipy.signal.welch(part[:, LEFT], rate_hz, "hann", n, n // 2, axis=0)
    mean = density.mean(axis=1)
    middles = np.arange(1, N_BANDS + 1) * 2
    expected = (mean[middles - 1] + 2 * mean[middles] + mean[middles + 1]) / 4
    np.testing.assert_allclose(hz[middles], np.arange(1, N_BANDS + 1) * STEP_HZ)
    got = shown(bins_of(chunk_of(samples, rate_hz), rate_hz)[1])[0]
    np.testing.assert_allclose(got.power_db, 10 * np.log10(expected), atol=0.02)


def test_an_electrodes_potential_is_no_slow_wave() -> None:
    without, with_it = (bins_of(chunk_of(sine(10.0, 5.0) + uv))[1] for uv in (0.0, 5000.0))
    for one, other in zip(shown(without), shown(with_it), strict=True):
        np.testing.assert_allclose(np.maximum(one.power_db, -40), np.maximum(other.power_db, -40), atol=0.1)
        assert one.upper_uv == pytest.approx(other.upper_uv, rel=0.01)


def test_each_hemisphere_is_its_own_and_the_middle_is_neither() -> None:
    samples = noise(30 * 256) * 1e-3
    samples[:, LEFT] += sine(10.0, 50.0)[:, LEFT]
    samples[:, RIGHT] += sine(5.0, 20.0)[:, RIGHT]
    for i in set(range(len(NAMES))) - {*LEFT, *RIGHT, NAMES.index("P7-T7")}:
        samples[:, i] = 1000.0 * np.random.default_rng(i).normal(size=len(samples))
    left, right = shown(bins_of(chunk_of(samples))[1])
    assert (left.power_db.argmax() + 1) * STEP_HZ == 10.0
    assert (right.power_db.argmax() + 1) * STEP_HZ == 5.0
    assert left.power_db[9] < -20


@pytest.mark.parametrize(
    ("name", "side"),
    [("FP1-F7", "left"), ("T8-P8", "right"), ("FZ-CZ", ""), ("FT9-FT10", ""), ("C3-CZ", ""), ("CZ-C4", "")],
)
def test_odd_electrodes_are_left_and_even_ones_right(name: str, side: str) -> None:
    assert side_of(name) == side


def test_a_derivation_in_both_directions_counts_once() -> None:
    names = ("F7-T7", "T7-P7", "P7-T7", "P7-O1")
    samples = np.zeros((20 * 256, 4), np.float32)
    samples[:, 1], samples[:, 2] = sine(10.0, 50.0, 20)[:, 0], -sine(10.0, 50.0, 20)[:, 0]
    samples += noise(20 * 256)[:, :4] * 1e-3
    one = bins_of(chunk_of(samples), names=names)[1].left
    assert one is not None
    assert (10 ** (one.power_db / 10)).sum() * STEP_HZ == pytest.approx(50.0**2 / 2 / 3, rel=0.01)


@given(sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=40), shift=st.integers(0, 5000))
@deterministic(20)
def test_the_size_of_chunks_changes_nothing(sizes: list[int], shift: int) -> None:
    whole = chunk_of(noise(35 * 256 + shift))
    expected = [one.pack() for one in bins_of(whole, size=10**6)]
    spectrum, got, at = Spectrum(NAMES, 256.0), list[EegBin](), 0
    assert len(expected) >= 3
    for size in [*sizes, *[4096] * 10]:
        part = slice(at, at + size)
        good = np.ones((len(whole.samples[part]), len(NAMES)), bool)
        got += spectrum.process(Chunk(whole.samples[part], whole.timestamps[part], good=good), START_S - 50.0)
        at += size
    got += spectrum.close(np.inf)
    assert [one.pack() for one in got] == expected
    assert [one.bin_s for one in got] == [START_S + BIN_S * i for i in range(len(got))]


def test_a_bad_derivation_is_left_out_whatever_it_carries() -> None:
    samples, good = noise(30 * 256), np.ones((30 * 256, len(NAMES)), bool)
    others = [i for i in range(len(NAMES)) if i != LEFT[1]]
    expected = bins_of(chunk_of(samples[:, others]), names=tuple(NAMES[i] for i in others))
    for value in (np.nan, np.inf, 1e6, 0.0):
        samples[:, LEFT[1]], good[:, LEFT[1]] = value, False
        got = bins_of(chunk_of(samples, good=good))
        assert [one.pack() for one in got] == [one.pack() for one in expected]


@given(n_bad=st.integers(0, len(LEFT)))
@deterministic(12)
def test_a_hemisphere_with_half_of_its_derivations_bad_has_nothing(n_bad: int) -> None:
    good = np.ones((20 * 256, len(NAMES)), bool)
    good[:, LEFT[:n_bad]] = False
    one = bins_of(chunk_of(noise(20 * 256), good=good))[1]
    assert (one.left is None) == (2 * (len(LEFT) - n_bad) < len(LEFT))
    assert one.right is not None


def test_of_nothing_good_there_is_nothing() -> None:
    samples = noise(60 * 256)
    assert bins_of(chunk_of(samples, good=np.zeros(samples.shape, bool))) == []
    assert bins_of(chunk_of(samples[: 3 * 256])) == []


@pytest.mark.parametrize("bad_s", [0, 2, 3, 6, 10])
def test_a_bin_that_was_bad_for_most_of_its_time_has_nothing(bad_s: int) -> None:
    good = np.ones((40 * 256, len(NAMES)), bool)
    good[10 * 256 : (10 + bad_s) * 256] = False
    there = [one.bin_s - START_S for one in bins_of(chunk_of(noise(40 * 256), good=good))]
    # With what is bad goes the rest of each segment that it is in.
    assert (10 in there) == (bad_s <= 2)
    assert {0, 20, 30} <= {*there}


def test_a_gap_leaves_a_hole_and_nothing_is_joined_over_it() -> None:
    spectrum, chunk = Spectrum(NAMES, 256.0), chunk_of(sine(10.0, 50.0, 60))
    parts = [*cut(chunk, 256)]
    got = [one for part in parts[:15] for one in spectrum.process(part, START_S - 50.0)]
    spectrum.reset()
    got += [one for part in parts[38:] for one in spectrum.process(part, START_S - 50.0)]
    got += spectrum.close(np.inf)
    assert [one.bin_s - START_S for one in got] == [0, 40, 50]
    for one in got:
        for side in shown(one):
            assert side.lower_uv == pytest.approx(100.0, rel=0.01), "a segment went over the gap"


def test_a_bin_is_over_when_its_time_is_though_nothing_comes() -> None:
    spectrum = Spectrum(NAMES, 256.0)
    assert spectrum.process(chunk_of(sine(10.0, 50.0, 9.5)), START_S - 50.0) == []
    assert spectrum.close(START_S + BIN_S - 0.1) == []
    [one] = spectrum.close(START_S + BIN_S)
    assert one.bin_s == START_S
    assert spectrum.close(np.inf) == []


def test_it_is_packed_to_half_a_db_and_a_tenth_of_a_microvolt_and_nothing_is_told_from_little() -> None:
    power_db = np.linspace(-200, 200, N_BANDS).astype(np.float32)
    packed = EegBin(START_S, 1, Hemisphere(power_db, 0.0, 1e9), None).pack()
    assert len(packed) == PACKED_BYTES
    bands, margins = np.frombuffer(packed[:N_BANDS], np.uint8), np.frombuffer(packed[N_BANDS : N_BANDS + 4], "<u2")
    assert bands.min() == 1
    middle = (bands > 1) & (bands < 255)
    assert middle.sum() >= 10
    np.testing.assert_allclose(FLOOR_DB + STEP_DB * bands[middle], power_db[middle], atol=STEP_DB / 2)
    assert margins.tolist() == [0, NO_MARGIN - 1]
    assert packed[N_BANDS + 4 :] == bytes(N_BANDS) + b"\xff" * 4
    assert STEP_UV * (NO_MARGIN - 1) > 6000


def test_a_screen_is_told_how_to_read_it() -> None:
    facts = told([{"bin_s": START_S, "packed": bytes(PACKED_BYTES)}])
    assert (facts["bin_s"], facts["n_bands"], facts["step_hz"]) == (BIN_S, N_BANDS, STEP_HZ)
    assert base64.b64decode(facts["bins"]) == START_S.to_bytes(4, "little") + bytes(PACKED_BYTES)
