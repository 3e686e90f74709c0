"""What is in the file is what came, as exactly as 16 bits say it, and what they cannot say is told."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import edfio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.messages import MAX_RATE_HZ, MIN_RATE_HZ, Event, FloatArray, Outcome
from detector.sinks.clips_clip import Clip, Mark
from detector.sinks.clips_edf import record_of, write_edf
from detector.sinks.clips_tape import received
from detector.source.recording import open_recording
from tests.clips import RATE, description, read, texts

EVENT = Event(1, 1060.0, 1061.0, 1070.0, 0.9, Outcome.ENDED, "abc")


def noise(seconds: float = 100, n_channels: int = 3, rate_hz: float = RATE, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(round(seconds * rate_hz), n_channels)) * 40).astype(np.float32)


def clip(samples: FloatArray, rate_hz: float = RATE, **changes: Any) -> Clip:
    stamps = 1000 + np.arange(len(samples)) / rate_hz
    made = Clip(
        bed="bed1",
        model_id="model-1",
        event_id="abc",
        description=description(samples.shape[1], rate_hz),
        ahead_s=1_770_000_000.25,
        event=EVENT,
        blocks=(received(samples, stamps),),
        steps=((1010.0, 0.25),),
        marks=(),
        end_s=None,
        is_first=True,
        goes_on=False,
    )
    return replace(made, **changes)


def written(made: Clip, folder: Path) -> edfio.Edf:
    path = folder / "a.edf"
    with path.open("wb") as file:
        write_edf(made, file)
    return read(path)


def test_samples_are_those_that_came_to_a_tenth_of_a_microvolt(tmp_path: Path) -> None:
    samples = noise()
    samples[500, 1], samples[700, 1] = 6000, -6000
    edf = written(clip(samples), tmp_path)
    assert edf.labels == ("C1", "C2", "C3", "probability")
    for i in range(3):
        signal = edf.signals[i]
        assert signal.physical_dimension == "uV"
        assert np.abs(signal.data - samples[:, i]).max() <= 0.1
    assert np.abs(edf.signals[0].data - samples[:, 0]).max() <= 0.005, "much finer where nothing is large"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e9, -1e30])
def test_a_sample_that_is_no_eeg_is_told_and_takes_nothing_from_the_others(tmp_path: Path, bad: float) -> None:
    samples = noise()
    samples[1280:1290, 1] = bad
    edf = written(clip(samples), tmp_path)
    told = [a for a in edf.annotations if a.text.startswith("channel 2: 10 samples")]
    assert [(a.onset, a.duration) for a in told] == [(10.0, 10 / RATE)]
    others = np.ones(len(samples), bool)
    others[1280:1290] = False
    assert np.abs(edf.signals[1].data - samples[:, 1])[others].max() <= 0.1
    assert np.abs(edf.signals[1].data).max() <= 7000


def test_a_channel_of_nothing_but_nonsense_is_written_all_the_same(tmp_path: Path) -> None:
    samples = noise()
    samples[:, 0], samples[:, 1], samples[:, 2] = math.nan, 1e30, -7.25
    edf = written(clip(samples), tmp_path)
    assert (edf.signals[0].data == 0).all()
    assert edf.signals[1].data.max() <= 1e7
    assert np.abs(edf.signals[2].data + 7.25).max() < 0.1
    assert "channel 1: 12800 samples are no numbers, the last is held" in texts(edf)
    assert any(text.startswith("channel 2: 12800 samples are cut to") for text in texts(edf))


def test_a_wide_drift_is_kept_as_a_whole(tmp_path: Path) -> None:
    samples = noise()
    samples[:, 0] += np.linspace(-100_000, 100_000, len(samples))
    edf = written(clip(samples), tmp_path)
    assert np.abs(edf.signals[0].data - samples[:, 0]).max() < 2
    assert not any("cut" in text for text in texts(edf))


def test_labels_that_a_header_cannot_hold_and_units_that_nobody_knows(tmp_path: Path) -> None:
    labels = ("EDF Annotations", "µ" * 30, "", "T8-P8", "T8-P8")
    form = replace(description(5), labels=labels, scales_uv=(1.0, 1.0, 1.0, None, 1.0))
    edf = written(clip(noise(n_channels=5), description=form), tmp_path)
    assert edf.labels == ("channel 1", "?" * 16, "channel 3", "T8-P8", "probability")
    assert "channel 4 of the stream is not recorded, its unit is not known" in texts(edf)


def test_nothing_in_it_is_taken_for_the_word_of_an_expert(tmp_path: Path) -> None:
    marks = (Mark(1005.0, 0.0, "session-reset/operator"), Mark(1006.0, 0.0, "not-monitoring/poor"))
    for event in (EVENT, replace(EVENT, outcome=Outcome.UNKNOWN, offset_s=None), None):
        for changes in ({"goes_on": True}, {"is_first": False}, {"end_s": 1080.0}):
            made = clip(noise(), event=event, marks=marks, bed="seizure-1", model_id="seizure", **changes)
            assert texts(written(made, tmp_path))
            assert open_recording(tmp_path / "a.edf").seizures == ()


def test_no_header_says_more_of_a_patient_than_the_bed(tmp_path: Path) -> None:
    edf = written(clip(noise(), bed="b" * 40, event_id="0" * 32), tmp_path)
    assert edf.local_patient_identification == f"X X X X bed-{'b' * 40}"
    assert edf.local_recording_identification == f"Startdate 02-FEB-2026 X X seizure-detector UTC {'0' * 32}"


def test_a_wall_clock_of_another_age_is_told(tmp_path: Path) -> None:
    edf = written(clip(noise(), ahead_s=0.0), tmp_path)
    assert "the wall clock said 1970-01-01 00:16:40" in texts(edf)


def test_a_storm_of_marks_is_bounded(tmp_path: Path) -> None:
    marks = tuple(Mark(1000 + i / 100, 0.0, "session-reset/gap") for i in range(5000))
    assert len(written(clip(noise(), marks=marks), tmp_path).annotations) < 110


@settings(max_examples=30, deadline=None)
@given(
    st.one_of(st.floats(MIN_RATE_HZ, MAX_RATE_HZ), st.integers(128, 2048).map(float)),
    st.integers(1, 300),
    st.integers(1, 4000),
)
def test_times_are_right_to_a_sample_at_any_rate_and_length(
    tmp_path_factory: pytest.TempPathFactory, rate_hz: float, n_channels: int, n: int
) -> None:
    samples = np.zeros((n, n_channels), np.float32)
    stamps = 1000 + np.arange(n) / rate_hz
    at = n // 2
    mark = Mark(float(stamps[at]) + 1e-7, 0.0, "here")
    made = clip(samples, rate_hz, marks=(mark,), event=None)
    edf = written(made, tmp_path_factory.mktemp("clip"))
    record, record_s = record_of(rate_hz, n_channels)
    assert edf.num_data_records == -(-n // record)
    [here] = [a for a in edf.annotations if a.text == "here"]
    assert round(here.onset * record / record_s) == at
    assert abs(here.onset - at / rate_hz) * rate_hz < 0.5


def test_mne_and_edfio_read_the_same_times(tmp_path: Path) -> None:
    mne = pytest.importorskip("mne")
    samples = noise(rate_hz=250.0)
    made = clip(samples, 250.0, ahead_s=1_770_000_000.002)
    edf = written(made, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        raw = mne.io.read_raw_edf(tmp_path / "a.edf", preload=True, verbose="warning")
    assert raw.ch_names == ["C1", "C2", "C3", "probability"]
    assert raw.info["sfreq"] == 250
    assert np.abs(raw.get_data(picks=["C2"])[0] * 1e6 - samples[:, 1]).max() < 0.01, "in volts, MNE's unit"
    assert abs(raw.info["meas_date"].timestamp() - 1_770_001_000.002) < 1 / 250, "to a sample at a whole second"
    assert {a["description"]: a["onset"] for a in raw.annotations} == {a.text: a.onset for a in edf.annotations}
    assert dict(zip(raw.annotations.description, raw.annotations.onset, strict=True))["detected onset"] == 60
