"""EDF and BDF files give all their samples, in µV, with their gaps, or are refused with a reason."""

from __future__ import annotations

import csv
import logging
from datetime import date, datetime, time
from pathlib import Path

import numpy as np
import pytest
from edfio import Bdf, BdfSignal, Edf, EdfAnnotation, EdfSignal, read_edf
from edfio import Recording as Header

from detector.errors import BadDataError, MissingInputError, UsageError
from detector.messages import Chunk, FloatArray
from detector.source.recording import Annotation, open_recording, seizures_of

RATE_HZ = 64
SECONDS = 10
RNG = np.random.default_rng(0)
NOISE = RNG.normal(0, 40, (SECONDS * RATE_HZ, 3))


def signal(i: int, label: str, unit: str = "uV", rate_hz: int = RATE_HZ, scale: float = 1.0) -> EdfSignal:
    data = np.resize(NOISE[:, i] * scale, SECONDS * rate_hz)
    limit = round(400 * scale, 4)
    return EdfSignal(data, rate_hz, label=label, physical_dimension=unit, physical_range=(-limit, limit))


def write(path: Path, *signals: EdfSignal, annotations: tuple[EdfAnnotation, ...] | None = ()) -> Path:
    Edf(
        signals or [signal(i, label) for i, label in enumerate(("FP1-F7", "F7-T7", "T7-P7"))],
        annotations=annotations,
        data_record_duration=1,
    ).write(path)
    return path


def samples_of(path: Path, chunk_samples: int = 4096, unit: str | None = None) -> FloatArray:
    chunks = [m for m in open_recording(path, unit=unit).messages(chunk_samples) if isinstance(m, Chunk)]
    assert chunks
    return np.concatenate([chunk.samples for chunk in chunks])


def test_samples_are_those_of_edfio_to_a_millionth(tmp_path: Path) -> None:
    path = write(tmp_path / "a.edf", signal(0, "A"), signal(1, "B", "mV", scale=1e-3), signal(2, "C", "V", scale=0.01))
    expected = np.column_stack([s.data for s in read_edf(path).signals]) * [1, 1e3, 1e6]
    samples = samples_of(path)
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, expected, rtol=1e-6)
    assert open_recording(path).description.scales_uv == (1.0, 1e3, 1e6)


def test_samples_of_bdf_are_those_that_were_written(tmp_path: Path) -> None:
    path = tmp_path / "a.bdf"
    signals = [
        BdfSignal(NOISE[:, i], RATE_HZ, label=f"C{i}", physical_dimension="uV", physical_range=(-400, 400))
        for i in range(3)
    ]
    Bdf(signals, annotations=[EdfAnnotation(3, 2, "Seizure")], data_record_duration=1).write(path)
    np.testing.assert_allclose(samples_of(path), NOISE, atol=1e-4)
    assert open_recording(path).seizures == ((3, 5),)


def test_a_signal_of_another_rate_is_left_out_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "a.edf", signal(0, "FP1-F7"), signal(1, "ECG", "mV", 128, 1e-3), signal(2, "T7-P7"))
    with caplog.at_level(logging.INFO):
        recording = open_recording(path)
    assert recording.description.labels == ("FP1-F7", "T7-P7")
    assert recording.description.rate_hz == 64
    assert "ECG" in caplog.text
    np.testing.assert_allclose(samples_of(path), NOISE[:, [0, 2]], atol=0.02)


def test_the_rate_is_that_of_the_voltages_and_not_of_most_channels(tmp_path: Path) -> None:
    others = [signal(i, f"R{i}", "%", 128) for i in range(3)]
    recording = open_recording(write(tmp_path / "a.edf", signal(0, "A"), signal(1, "B"), *others))
    assert (recording.description.rate_hz, recording.description.labels) == (64, ("A", "B"))


def test_a_channel_of_unknown_unit_is_nan_without_a_scale(tmp_path: Path) -> None:
    path = write(tmp_path / "a.edf", signal(0, "A"), signal(1, "B", ""), signal(2, "C", "%"))
    assert open_recording(path).description.scales_uv == (1.0, None, None)
    samples = samples_of(path)
    assert np.isfinite(samples[:, 0]).all()
    assert np.isnan(samples[:, 1:]).all()


def test_a_channel_without_a_range_is_not_calibrated_and_nan(tmp_path: Path) -> None:
    path = write(tmp_path / "a.edf")
    data = bytearray(path.read_bytes())
    n_signals = int(data[252:256])
    lowest, highest = 256 + 104 * n_signals, 256 + 112 * n_signals
    data[lowest + 8 : lowest + 16] = data[highest + 8 : highest + 16]
    path.write_bytes(data)
    recording = open_recording(path)
    assert recording.description.scales_uv == (1.0, None, 1.0)
    [chunk] = recording.messages()
    assert isinstance(chunk, Chunk)
    assert np.isnan(chunk.samples).all(axis=0).tolist() == [False, True, False]


def test_the_unit_given_fills_in_what_is_not_declared(tmp_path: Path) -> None:
    path = write(tmp_path / "a.edf", signal(0, "A", "", scale=1e-3), signal(1, "B", "?", scale=1e-3))
    np.testing.assert_allclose(samples_of(path, unit="mV"), NOISE[:, :2], atol=0.02)


def test_the_unit_given_may_not_contradict_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.edf", signal(0, "A"), signal(1, "B", ""))
    with pytest.raises(BadDataError, match=r"declares 'uV' for 'A'.*given is 'mV'"):
        open_recording(path, unit="mV")
    with pytest.raises(UsageError, match=r"'furlong'.*microvolts"):
        open_recording(path, unit="furlong")


def test_a_micro_sign_in_latin_1_or_utf_8_is_a_micro_sign(tmp_path: Path) -> None:
    path = write(tmp_path / "a.edf", signal(0, "A"), signal(1, "B"))
    data = path.read_bytes()
    assert data.count(b"uV      ") == 2
    data = data.replace(b"uV      ", b"\xb5V      ", 1).replace(b"uV      ", b"\xc2\xb5V     ", 1)
    path.write_bytes(data)
    assert open_recording(path).description.units == ("µV", "µV")
    assert open_recording(path).description.scales_uv == (1.0, 1.0)


def test_annotations_come_from_the_file_and_from_the_events_beside_it(tmp_path: Path) -> None:
    path = write(
        tmp_path / "sub-01_run-00_eeg.edf",
        annotations=(EdfAnnotation(1, None, "eyes closed"), EdfAnnotation(2, 3.5, "Seizure")),
    )
    (tmp_path / "sub-01_run-00_events.tsv").write_text(
        "onset\tduration\teventType\tconfidence\n6\t2\tsz_foc_ia\tn/a\n0\tn/a\tbckg\t1\n"
    )
    recording = open_recording(path)
    assert recording.annotations == (
        Annotation(0, 0, "bckg"),
        Annotation(1, 0, "eyes closed"),
        Annotation(2, 3.5, "Seizure"),
        Annotation(6, 2, "sz_foc_ia"),
    )
    assert recording.seizures == ((2, 5.5), (6, 8))


@pytest.mark.parametrize("row", ["six\t2\tsz", "6\t-1\tsz", "nan\t1\tsz"])
def test_events_that_are_no_times_are_refused(tmp_path: Path, row: str) -> None:
    path = write(tmp_path / "a.edf")
    (tmp_path / "a_events.tsv").write_text(f"onset\tduration\teventType\n1\t1\tbckg\n{row}\n")
    with pytest.raises(BadDataError, match="line 3"):
        open_recording(path)


@pytest.mark.parametrize(
    ("text", "is_seizure"),
    [
        ("sz", True),
        ("sz_gen", True),
        ("Seizure 3", True),
        ("bckg", False),
        ("non-seizure", False),
        ("no seizure", False),
    ],
)
def test_only_what_says_seizure_is_one(text: str, is_seizure: bool) -> None:
    assert seizures_of([Annotation(1, 2, text)]) == (((1, 3),) if is_seizure else ())


def test_the_start_is_what_the_header_says(tmp_path: Path) -> None:
    made = Header(startdate=date(2024, 2, 29))
    Edf([signal(0, "A")], recording=made, starttime=time(21, 30, 5)).write(tmp_path / "a.edf")
    assert open_recording(tmp_path / "a.edf").start == datetime(2024, 2, 29, 21, 30, 5)


def test_a_truncated_file_says_how_much_is_there(tmp_path: Path) -> None:
    path = write(tmp_path / "a.edf")
    data = path.read_bytes()
    path.write_bytes(data[: 256 * 5 + (len(data) - 256 * 5) * 45 // 100])
    with pytest.raises(BadDataError, match=r"truncated: 4 of 10 s"):
        open_recording(path)


@pytest.mark.parametrize("suffix", [".edf", ".bdf", ".xdf"])
@pytest.mark.parametrize("content", [b"", b"\0", b"0       " + b"x" * 400, b"\xffBIOSEMI" + b" " * 300, b"XDF:\x04abc"])
def test_what_is_no_recording_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(BadDataError, match=r"expected|header"):
        open_recording(path)


@pytest.mark.parametrize("kept", [255, 256, 900, 1279, 1280])
def test_a_file_cut_anywhere_in_its_header_is_refused(tmp_path: Path, kept: int) -> None:
    path = write(tmp_path / "a.edf")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(BadDataError):
        open_recording(path)


def test_missing_files_and_unknown_suffixes_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"nowhere\.edf"):
        open_recording(tmp_path / "nowhere.edf")
    with pytest.raises(UsageError, match=r"'\.mat'.*\.edf, \.bdf, \.xdf"):
        open_recording(tmp_path / "a.mat")


def test_every_real_recording_gives_every_sample(eeg_data: Path) -> None:
    clips = sorted((eeg_data / "chbmit" / "clips").glob("*/*.edf"))
    with (eeg_data / "chbmit" / "clips" / "clips.csv").open() as table:
        rows = {row["clip"]: row for row in csv.DictReader(table)}
    assert len(clips) == 280
    for path in clips:
        recording = open_recording(path)
        messages = list(recording.messages())
        assert all(isinstance(m, Chunk) and np.isfinite(m.samples).all() for m in messages), path
        assert sum(len(m.samples) for m in messages if isinstance(m, Chunk)) == recording.duration_s * 256
        assert len(recording.description.labels) == 23
        assert set(recording.description.scales_uv) == {1.0}
        if path.parent.name == "seizures":
            assert recording.duration_s == float(rows[path.stem.removesuffix("-seizure")]["dur"])


def test_a_real_recording_has_the_values_of_edfio(eeg_data: Path) -> None:
    path = eeg_data / "eegmat" / "Subject00_2.edf"
    signals = read_edf(path).signals
    expected = np.column_stack([s.data * (1e3 if s.physical_dimension == "mV" else 1) for s in signals])
    np.testing.assert_allclose(samples_of(path, 1000), expected, rtol=1e-6, atol=1e-6)
