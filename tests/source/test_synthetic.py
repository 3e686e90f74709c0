"""The simulated amplifier looks like EEG, and gives the same samples whatever is asked of it."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.signal import welch

from detector.errors import UsageError
from detector.messages import Chunk, FloatArray
from detector.source.recording import seizures_of
from detector.source.synthetic import CHB_MIT_22, SyntheticConfig, SyntheticEeg

SEIZURE_S = (60.0, 110.0)
LEFT_TEMPORAL, RIGHT_TEMPORAL = CHB_MIT_22.index("T7-P7"), CHB_MIT_22.index("F8-T8")


def walk(config: SyntheticConfig, chunk_samples: int = 4096) -> list[Chunk]:
    messages = list(SyntheticEeg(config).messages(chunk_samples))
    chunks = [message for message in messages if isinstance(message, Chunk)]
    assert len(chunks) == len(messages) > 0
    return chunks


def samples_of(config: SyntheticConfig, chunk_samples: int = 4096) -> FloatArray:
    return np.concatenate([chunk.samples for chunk in walk(config, chunk_samples)])


@pytest.fixture(scope="module")
def night() -> FloatArray:
    return samples_of(SyntheticConfig(duration_s=180, seizures=(SEIZURE_S,), seed=3))


def peak_hz(samples: FloatArray, above_hz: float) -> float:
    hz, power = welch(samples, 256, nperseg=512)
    inside = hz >= above_hz
    return float(hz[inside][power[inside].argmax()])


@pytest.mark.parametrize("chunk_samples", [1, 7, 64, 10**6])
def test_chunk_size_never_changes_a_sample(chunk_samples: int) -> None:
    config = SyntheticConfig(duration_s=20.3, seizures=((5, 15),), seed=1)
    chunks = walk(config, chunk_samples)
    assert all(len(chunk.samples) == min(chunk_samples, 5197) for chunk in chunks[:-1])
    assert len(chunks[-1].samples) <= chunk_samples
    np.testing.assert_array_equal(np.concatenate([c.samples for c in chunks]), samples_of(config, 2048))
    times = np.concatenate([chunk.timestamps for chunk in chunks])
    np.testing.assert_array_equal(times, np.arange(round(20.3 * 256)) / 256)


def test_the_seed_decides_the_signal() -> None:
    assert np.array_equal(samples_of(SyntheticConfig(seed=1)), samples_of(SyntheticConfig(seed=1)))
    assert not np.array_equal(samples_of(SyntheticConfig(seed=1)), samples_of(SyntheticConfig(seed=2)))


def test_the_background_has_the_amplitude_of_scalp_eeg(night: FloatArray) -> None:
    rms_uv = night[: 60 * 256].std(axis=0)
    assert 15 < np.median(rms_uv) < 25
    assert ((rms_uv > 8) & (rms_uv < 60)).all()


def test_the_background_falls_with_frequency_and_has_a_posterior_alpha(night: FloatArray) -> None:
    background = night[: 60 * 256]
    hz, power = welch(background, 256, nperseg=1024, axis=0)
    assert (power[hz == 2] > 5 * power[hz == 40]).all()
    assert 9 <= peak_hz(background[:, CHB_MIT_22.index("P7-O1")], 5) <= 10


def test_the_signal_has_no_joints(night: FloatArray) -> None:
    steps_uv = np.abs(np.diff(night, axis=0))
    joints = steps_uv[2047::2048]
    assert len(joints) > 20
    assert np.median(joints) < 1.5 * np.median(steps_uv)


def test_neighbouring_electrodes_have_more_in_common_than_distant_ones() -> None:
    config = SyntheticConfig(duration_s=60, referential=True)
    labels = SyntheticEeg(config).description.labels
    corr = np.atleast_2d(np.corrcoef(samples_of(config).T))
    near = corr[labels.index("EEG C3-REF"), labels.index("EEG P3-REF")]
    far = corr[labels.index("EEG F7-REF"), labels.index("EEG O2-REF")]
    assert near > far + 0.2


def test_a_seizure_begins_focal_and_fast_and_ends_slow_large_and_everywhere(night: FloatArray) -> None:
    start, end = (int(second * 256) for second in SEIZURE_S)
    early, late = night[start : start + 6 * 256], night[end - 12 * 256 : end]
    before = night[: 50 * 256]
    assert 6 <= peak_hz(early[:, LEFT_TEMPORAL], 4) <= 7
    assert 2.5 <= peak_hz(late[:, LEFT_TEMPORAL], 2) <= 4
    assert early[:, LEFT_TEMPORAL].std() > 1.1 * before[:, LEFT_TEMPORAL].std()
    assert early[:, RIGHT_TEMPORAL].std() < 1.3 * before[:, RIGHT_TEMPORAL].std()
    assert late[:, RIGHT_TEMPORAL].std() > 2 * before[:, RIGHT_TEMPORAL].std()
    amplitude_uv = np.percentile(np.abs(late), 99, axis=0)
    assert 150 < np.sort(amplitude_uv)[-4] < 350


def test_a_seizure_changes_no_sample_before_its_start_and_those_right_behind_it() -> None:
    with_one, without = (samples_of(SyntheticConfig(20, seizures=seizures)) for seizures in (((8.0, 16.0),), ()))
    changed = np.flatnonzero((with_one != without).any(axis=1))
    assert changed[0] / 256 == pytest.approx(8, abs=0.05)


def test_a_seizure_ends_abruptly_and_leaves_the_eeg_weak_and_slow(night: FloatArray) -> None:
    end = int(SEIZURE_S[1] * 256)
    before, after, later = night[: 50 * 256], night[end : end + 8 * 256], night[end + 40 * 256 :]
    assert np.median(after.std(axis=0) / before.std(axis=0)) < 0.7
    assert 0.8 < np.median(later.std(axis=0) / before.std(axis=0)) < 1.25


def test_what_is_annotated_is_what_was_asked_for() -> None:
    source = SyntheticEeg(SyntheticConfig(duration_s=100, seizures=((10, 30.5), (50, 80))))
    assert seizures_of(source.annotations) == ((10, 30.5), (50, 80))


def test_the_default_has_the_22_derivations_and_they_are_differences_of_electrodes() -> None:
    config = SyntheticConfig(duration_s=12, seizures=((4, 9),), seed=5)
    electrodes = SyntheticEeg(SyntheticConfig(referential=True)).description.labels
    bipolar, referential = (
        samples_of(config),
        samples_of(SyntheticConfig(duration_s=12, seizures=((4, 9),), seed=5, referential=True)),
    )
    assert SyntheticEeg(config).description.labels == CHB_MIT_22
    assert len(CHB_MIT_22) == 22
    for i, label in enumerate(CHB_MIT_22):
        plus, minus = (electrodes.index(f"EEG {name}-REF") for name in label.split("-"))
        np.testing.assert_allclose(
            bipolar[:, i], referential[:, plus] - referential[:, minus], atol=1e-3, err_msg=label
        )


@pytest.mark.parametrize("rate_hz", [100.0, 199.9, 512.0])
def test_any_rate_gives_finite_samples_of_the_same_amplitude(rate_hz: float) -> None:
    samples = samples_of(SyntheticConfig(duration_s=40, rate_hz=rate_hz, seizures=((10, 30),)))
    assert len(samples) == round(40 * rate_hz)
    assert np.isfinite(samples).all()
    assert 12 < np.median(samples[: int(9 * rate_hz)].std(axis=0)) < 30


def test_the_sample_channel_counts_every_sample() -> None:
    config = SyntheticConfig(duration_s=30, sample_index=True)
    samples = samples_of(config, 77)
    assert SyntheticEeg(config).description.labels == (*CHB_MIT_22, "SAMPLE")
    np.testing.assert_array_equal(samples[:, -1], np.arange(30 * 256))


def test_it_runs_at_least_fifty_times_faster_than_real_time() -> None:
    begin = time.process_time()
    assert len(samples_of(SyntheticConfig(duration_s=600))) == 600 * 256
    assert time.process_time() - begin < 600 / 50


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (SyntheticConfig(labels=("FP1-F77",)), "did you mean 'F7'"),
        (SyntheticConfig(labels=("FP1",)), "two electrodes"),
        (SyntheticConfig(duration_s=0), "nothing to simulate"),
        (SyntheticConfig(seizures=((30, 10),)), "in order"),
        (SyntheticConfig(seizures=((10, 30), (20, 40))), "not overlapping"),
        (SyntheticConfig(seizures=((-5, 5),)), "seizures are"),
        (SyntheticConfig(seizures=((5, 5),)), "seizures are"),
    ],
)
def test_what_cannot_be_simulated_is_refused(config: SyntheticConfig, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        SyntheticEeg(config)
