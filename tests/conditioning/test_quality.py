"""Each fault of FAULTS.md is found in time, named, and forgotten when it ends; real EEG is left alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.conditioning.montage import Montage, MontageConfig
from detector.conditioning.quality import Fault, Quality, QualityConfig
from detector.errors import BadDataError
from detector.messages import BoolArray, Chunk, FloatArray
from detector.source.recording import open_recording
from tests.signals import RATE_HZ, cut, deterministic, noise, whole

BEGIN = 10 * 256  # where the faults begin
N = 20 * 256
CHANNEL = 3
T = (np.arange(N) / RATE_HZ)[:, None].astype(np.float32)


def run(samples: FloatArray, sizes: int | list[int] = 16, rate_hz: float = RATE_HZ) -> Chunk:
    stage = Quality(QualityConfig(rate_hz, samples.shape[1]))
    parts = [stage.process(part) for part in cut(whole(samples, rate_hz), sizes)]
    good = [part.good for part in parts if part.good is not None]
    missing = sum(part.missing for part in parts)
    return Chunk(
        np.concatenate([p.samples for p in parts]), np.arange(len(samples)) / rate_hz, np.concatenate(good), missing
    )


def good_of(samples: FloatArray, rate_hz: float = RATE_HZ) -> BoolArray:
    good = run(samples, rate_hz=rate_hz).good
    assert good is not None
    return good


def fault_at_the_end(samples: FloatArray) -> Fault | None:
    stage = Quality(QualityConfig(RATE_HZ, samples.shape[1]))
    for part in cut(whole(samples), 16):
        stage.process(part)
    return stage.faults.get(CHANNEL)


def _flat(x: FloatArray) -> None:
    x[BEGIN:, CHANNEL] = x[BEGIN, CHANNEL]


def _nan(x: FloatArray) -> None:
    x[BEGIN:, CHANNEL] = np.nan


def _infinite(x: FloatArray) -> None:
    x[BEGIN:, CHANNEL] = np.inf


def _too_small(x: FloatArray) -> None:
    x[BEGIN:] /= 1000


def _too_large(x: FloatArray) -> None:
    x[BEGIN:] *= 1000


def _clipped(x: FloatArray) -> None:
    x[BEGIN:, CHANNEL] = np.clip(20 * x[BEGIN:, CHANNEL], -400, 400)


def _square_wave(x: FloatArray) -> None:
    x[BEGIN:] = 100 * np.sign(np.sin(2 * np.pi * 2.3 * T[BEGIN:]))


def _mains_50(x: FloatArray) -> None:
    x[BEGIN:] += 300 * np.sin(2 * np.pi * 50.2 * T[BEGIN:])


def _mains_60(x: FloatArray) -> None:
    x[BEGIN:] += 300 * np.sin(2 * np.pi * 59.9 * T[BEGIN:])


def _step(x: FloatArray) -> None:
    x[BEGIN + 40 :] += 100_000


def _huge(x: FloatArray) -> None:
    x[BEGIN::50, CHANNEL] = 1e30


def _subnormal(x: FloatArray) -> None:
    x[BEGIN:] = 1e-42


def _zero(x: FloatArray) -> None:
    x[BEGIN:] = 0


# The fault, its name, and the seconds within which a channel must be marked. What is judged over a second needs it.
FAULTS: list[tuple[Callable[[FloatArray], None], Fault, float]] = [
    (_flat, Fault.FLAT, 1.25),
    (_zero, Fault.FLAT, 1.25),
    (_subnormal, Fault.FLAT, 1.25),
    (_too_small, Fault.FLAT, 1.25),
    (_nan, Fault.MISSING, 0.3),
    (_infinite, Fault.MISSING, 0.3),
    (_too_large, Fault.AMPLITUDE, 0.5),
    (_huge, Fault.AMPLITUDE, 0.3),
    (_clipped, Fault.RAILED, 1.0),
    (_square_wave, Fault.RAILED, 1.0),
    (_mains_50, Fault.MAINS, 1.0),
    (_mains_60, Fault.MAINS, 1.0),
]


@pytest.mark.parametrize(("spoil", "fault", "within_s"), FAULTS)
def test_a_fault_is_found_in_time_and_named(spoil: Callable[[FloatArray], None], fault: Fault, within_s: float) -> None:
    samples = noise(N)
    assert good_of(samples)[64:].all(), "the noise itself must be good"
    spoil(samples)
    good = good_of(samples)[:, CHANNEL]
    assert good[64:BEGIN].all()
    marked = int(np.argmin(good[BEGIN:])) / RATE_HZ
    assert 0 < marked <= within_s
    assert not good[BEGIN + int(within_s * 256) :].any()
    assert fault_at_the_end(samples) is fault


@pytest.mark.parametrize("spoil", [spoil for spoil, _, _ in FAULTS])
def test_what_comes_out_is_finite(spoil: Callable[[FloatArray], None]) -> None:
    samples = noise(N)
    spoil(samples)
    out = run(samples).samples
    assert np.isfinite(out).all()
    assert np.abs(out).max() <= 1e6


@pytest.mark.parametrize("length", [8, 13, 63, 64, 65, 100, 256, 300, 448])
def test_a_frozen_buffer_of_any_length_is_found(length: int) -> None:
    samples = noise(N)
    samples[BEGIN:] = np.resize(samples[BEGIN - length : BEGIN], (N - BEGIN, 22))
    good = good_of(samples)
    assert good[64:BEGIN].all()
    # At the latest when the buffer has come twice, and a block is filled.
    assert not good[BEGIN + length + 128 :].any()
    assert fault_at_the_end(samples) is Fault.FROZEN


def test_a_frozen_buffer_is_found_where_derivations_are_missing() -> None:
    samples = noise(N)
    samples[:, 0] = np.nan
    samples[BEGIN:] = np.resize(samples[BEGIN - 100 : BEGIN], (N - BEGIN, 22))
    assert not good_of(samples)[BEGIN + 256 :].any()


def test_one_live_channel_shows_that_the_signal_is_not_frozen() -> None:
    samples = noise(N)
    samples[BEGIN:, 1:] = np.resize(samples[BEGIN - 100 : BEGIN, 1:], (N - BEGIN, 21))
    assert good_of(samples)[64:].all()


def test_a_step_of_100_millivolts_is_marked_and_recovers_without_help() -> None:
    samples = noise(N)
    _step(samples)
    good = good_of(samples)
    assert not good[BEGIN + 128 : BEGIN + 2 * 256].any()
    assert good[BEGIN + 4 * 256 :].all()


def test_a_constant_potential_of_100_millivolts_is_no_fault() -> None:
    assert good_of(noise(N) + np.float32(100_000))[64:].all()


@pytest.mark.parametrize("mains_uv", [20.0, 100.0])
def test_a_little_mains_is_no_fault(mains_uv: float) -> None:
    samples = noise(N) + (mains_uv * 2**0.5 * np.sin(2 * np.pi * 50 * T)).astype(np.float32)
    assert good_of(samples)[64:].all()


@pytest.mark.parametrize("rate_hz", [250.0, 500.0, 512.0, 1000.0])
def test_mains_are_found_at_any_rate(rate_hz: float) -> None:
    n = int(6 * rate_hz)
    wave = np.sin(2 * np.pi * 50 * np.arange(n) / rate_hz)[:, None]
    for uv, is_good in ((200.0, False), (120.0, True)):
        samples = (noise(n) + 1000 + uv * 2**0.5 * wave).astype(np.float32)
        assert (good_of(samples, rate_hz)[-int(rate_hz) :] == is_good).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n_lost", [1, 3])
def test_up_to_three_lost_samples_are_held_and_counted(value: float, n_lost: int) -> None:
    samples = noise(N) + 10_000  # an electrode's constant potential must not make holding a step
    expected = samples.copy()
    expected[BEGIN : BEGIN + n_lost, CHANNEL] = samples[BEGIN - 1, CHANNEL]
    samples[BEGIN : BEGIN + n_lost, CHANNEL] = value
    out = run(samples)
    np.testing.assert_array_equal(out.samples, expected)
    assert out.good is not None
    assert out.good[64:].all()
    assert out.missing == n_lost


def test_only_what_is_held_on_a_channel_that_counts_is_missing() -> None:
    samples = noise(N)
    samples[:, CHANNEL] = np.nan
    samples[BEGIN, CHANNEL + 1] = np.nan
    assert run(samples).missing == 1


@pytest.mark.parametrize("begin", [BEGIN, BEGIN + 30, BEGIN + 62, BEGIN + 63])
def test_more_than_three_lost_samples_in_a_row_are_marked_wherever_they_begin(begin: int) -> None:
    samples = noise(N)
    samples[begin : begin + 4, CHANNEL] = np.nan
    good = good_of(samples)[:, CHANNEL]
    assert not good[begin + 68 : begin + 256].any()
    assert good[begin + 3 * 256 :].all()


def test_lost_samples_at_the_end_of_a_block_are_marked_with_that_block() -> None:
    samples = noise(N)
    samples[BEGIN + 60 : BEGIN + 64, CHANNEL] = np.nan
    good = good_of(samples)[:, CHANNEL]
    assert good[BEGIN + 62]
    assert not good[BEGIN + 63]


def test_a_strong_rhythm_beside_the_line_is_not_mains() -> None:
    samples = noise(N) + (2600 * np.sin(2 * np.pi * 47.5 * T)).astype(np.float32)
    assert good_of(samples)[64:].all()


def test_a_fault_that_ends_is_forgotten_after_two_clean_seconds() -> None:
    samples = noise(N)
    samples[BEGIN : BEGIN + 512, CHANNEL] = 0
    good = good_of(samples)[:, CHANNEL]
    back = BEGIN + 512 + int(np.argmax(good[BEGIN + 512 :]))
    assert 2.0 <= (back + 1 - BEGIN - 512) / 256 <= 2.5
    assert good[back:].all()
    assert fault_at_the_end(samples) is None


def test_before_the_first_verdict_no_channel_is_good() -> None:
    good = good_of(noise(N))
    assert not good[:63].any()
    assert good[63:].all()


@deterministic(40)
@given(
    st.lists(st.integers(1, 700), min_size=1, max_size=6),
    st.lists(
        st.tuples(
            st.integers(0, 1900), st.integers(1, 500), st.sampled_from([0.0, np.nan, np.inf, 1e30, 5000.0, 1e-42])
        ),
        max_size=4,
    ),
    st.integers(0, 900),
)
def test_the_size_of_the_chunks_changes_no_verdict(
    sizes: list[int], faults: list[tuple[int, int, float]], repeated: int
) -> None:
    samples = noise(2400, 4)
    for begin, length, value in faults:
        samples[begin : begin + length, begin % 4] = value
    samples[1500 : 1500 + repeated] = np.resize(samples[1403:1500], (repeated, 4))
    expected, out = run(samples, 10**6), run(samples, sizes)
    assert expected.good is not None
    assert expected.good.any()
    np.testing.assert_array_equal(out.good, expected.good)
    np.testing.assert_array_equal(out.samples, expected.samples)
    assert out.missing == expected.missing


@pytest.mark.parametrize("value", [1e30, 1e-42, np.nan])
def test_absurd_values_do_not_slow_it_down(value: float) -> None:
    def seconds(samples: FloatArray) -> float:
        best = np.inf
        for _ in range(3):
            began = time.thread_time()
            run(samples, 256)
            best = min(best, time.thread_time() - began)
        return best

    # NaN takes the slow way round, where values are held; that may cost something.
    assert seconds(np.full((N, 22), value, dtype=np.float32)) < 5 * seconds(noise(N))


def _bad_share(paths: list[Path], least: int) -> tuple[float, float]:
    """Return the share of channel-seconds marked bad, and the share for amplitude or mains."""
    bad = false = total = 0
    for path in paths:
        recording = open_recording(path)
        rate_hz = recording.description.rate_hz
        try:
            montage = Montage(MontageConfig("chb-mit-22", least), recording.description)
        except BadDataError:
            continue  # 13 clips of chb12 have other derivations
        made = [i for i, name in enumerate(montage.names) if name not in montage.missing]
        stage = Quality(QualityConfig(rate_hz, 22))
        for chunk in recording.messages(round(rate_hz / 4)):
            assert isinstance(chunk, Chunk)
            stage.process(montage.process(chunk))
            faults = [fault for i, fault in stage.faults.items() if i in made]
            bad += len(faults)
            false += sum(fault in (Fault.AMPLITUDE, Fault.MAINS) for fault in faults)
            total += len(made)
    assert total > 1000
    return bad / total, false / total


def test_ictal_and_other_real_eeg_is_hardly_ever_marked_bad(eeg_data: Path) -> None:
    # Every sixth clip, with the worst one (15 % of chb19_28_Pz). Over all clips it is 0.50 % of the ictal and 0.14 % of
    # the other channel-seconds, each clipped at 800 µV or filled with one value, and 1.4 % in EEGMAT: the last second
    # of its files is one value held.
    ictal, ictal_false = _bad_share(sorted((eeg_data / "chbmit/clips/seizures").glob("*.edf"))[::6], 22)
    other, other_false = _bad_share(sorted((eeg_data / "chbmit/clips/normal").glob("*.edf"))[::6], 22)
    healthy, healthy_false = _bad_share(sorted((eeg_data / "eegmat").glob("*.edf"))[::6], 15)
    assert ictal < 0.015
    assert other < 0.005
    assert healthy < 0.02
    assert ictal_false == other_false == healthy_false == 0


def test_a_railed_clip_of_a_real_seizure_is_found(eeg_data: Path) -> None:
    recording = open_recording(eeg_data / "chbmit/clips/seizures/chb13_55_sx-seizure.edf")
    montage = Montage(MontageConfig("chb-mit-22", 22), recording.description)
    stage = Quality(QualityConfig(256.0, 22))
    stage.process(montage.process(next(c for c in recording.messages(256) if isinstance(c, Chunk))))
    assert {montage.names[i]: fault for i, fault in stage.faults.items()} == {
        "T7-FT9": Fault.RAILED,
        "FT9-FT10": Fault.RAILED,
    }
