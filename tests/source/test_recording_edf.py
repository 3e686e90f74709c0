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
from detector.messages import Chunk, FloatArray, Gap, Reset
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


def retime(path: Path, onsets: list[str], kind: bytes = b"EDF+D") -> Path:
    """Give the data records of a file other times."""
    data = bytearray(path.read_bytes())
    n_signals = int(data[252:256])
    at = 256 + 216 * n_signals
    counts = [int(data[at + 8 * i : at + 8 * i + 8]) for i in range(n_signals)]
    data[192:197] = kind
    for record, onset in enumerate(onsets):
        begin = 256 * (n_signals + 1) + 2 * (record * sum(counts) + sum(counts[:-1]))
        timekeeping = f"{onset}\x14\x14\x00".encode()
        assert len(timekeeping) <= 2 * counts[-1]
        data[begin : begin + 2 * counts[-1]] = timekeeping.ljust(2 * counts[-1], b"\0")
    path.write_bytes(data)
    return path


def with_times(path: Path, onsets: list[str], kind: bytes = b"EDF+D") -> Path:
    room = EdfAnnotation(0, None, "long enough for any time of a record")
    return retime(write(path, annotations=(room,)), onsets, kind)


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


@pytest.mark.parametrize("chunk_samples", [1, 7, 64, 10**6])
def test_chunk_size_never_changes_a_sample_or_a_gap(tmp_path: Path, chunk_samples: int) -> None:
    onsets = [f"+{k}" for k in range(4)] + [f"+{k + 2 / 64}" for k in range(4, 6)] + [f"+{k}" for k in range(9, 13)]
    recording = open_recording(with_times(tmp_path / "a.edf", onsets))

    def flat(n: int) -> tuple[FloatArray, list[float], list[Gap], int]:
        messages = list(recording.messages(n))
        chunks = [m for m in messages if isinstance(m, Chunk)]
        assert max(len(chunk.samples) for chunk in chunks) <= n
        times = [float(stamp) for chunk in chunks for stamp in chunk.timestamps]
        gaps = [m for m in messages if isinstance(m, Gap)]
        return np.concatenate([c.samples for c in chunks]), times, gaps, sum(c.missing for c in chunks)

    samples, times, gaps, missing = flat(chunk_samples)
    expected = flat(4096)
    np.testing.assert_array_equal(samples, expected[0])
    assert (times, gaps, missing) == expected[1:]
    assert len(gaps) == 1
    assert missing == 2


def test_a_hole_between_records_is_a_gap(tmp_path: Path) -> None:
    onsets = [f"+{k}" for k in (0, 1, 2, 3, 7, 8, 9, 20, 21, 22)]
    recording = open_recording(with_times(tmp_path / "a.edf", onsets))
    messages = list(recording.messages())
    assert [type(m) for m in messages] == [Chunk, Gap, Chunk, Gap, Chunk]
    assert messages[1] == Gap(4 - 1 / 64, 7.0, Reset.GAP, missing=3 * 64)
    assert messages[3] == Gap(10 - 1 / 64, 20.0, Reset.GAP, missing=10 * 64)
    assert isinstance(messages[4], Chunk)
    np.testing.assert_array_equal(messages[4].timestamps, 20 + np.arange(3 * 64) / 64)
    assert recording.duration_s == 23


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_up_to_three_missing_samples_are_held_and_counted(tmp_path: Path, missing: int) -> None:
    onsets = [f"+{k}" for k in range(4)] + [f"+{k + missing / 64}" for k in range(4, 10)]
    messages = list(open_recording(with_times(tmp_path / "a.edf", onsets)).messages())
    before, fill, after = messages
    assert isinstance(before, Chunk)
    assert isinstance(fill, Chunk)
    assert isinstance(after, Chunk)
    assert (before.missing, fill.missing, after.missing) == (0, missing, 0)
    np.testing.assert_array_equal(fill.samples, np.repeat(before.samples[-1:], missing, axis=0))
    times = np.concatenate([before.timestamps, fill.timestamps, after.timestamps])
    np.testing.assert_allclose(np.diff(times), 1 / 64)


def test_four_missing_samples_are_a_gap(tmp_path: Path) -> None:
    onsets = [f"+{k}" for k in range(4)] + [f"+{k + 4 / 64}" for k in range(4, 10)]
    messages = list(open_recording(with_times(tmp_path / "a.edf", onsets)).messages())
    assert [m.missing for m in messages if isinstance(m, Gap)] == [4]


def test_records_that_go_back_in_time_end_the_session(tmp_path: Path) -> None:
    onsets = [f"+{k}" for k in (0, 1, 2, 3, 4, 2, 3, 4, 5, 6)]
    gaps = [m for m in open_recording(with_times(tmp_path / "a.edf", onsets)).messages() if isinstance(m, Gap)]
    assert gaps == [Gap(5 - 1 / 64, 2.0, Reset.BACKWARDS)]


def test_a_discontinuous_file_whose_records_have_no_time_is_refused(tmp_path: Path) -> None:
    path = with_times(tmp_path / "a.edf", ["+0", "+1", "nonsense"])
    with pytest.raises(BadDataError):
        open_recording(path)


def test_a_signal_of_another_rate_is_left_out_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "a.edf", signal(0, "FP1-F7"), signal(1, "ECG", "mV", 128, 1e-3), signal(2, "T7-P7"))
    with caplog.at_level(logging.INFO):
        recording = open_recording(path)
    assert recording.description.labels == ("FP1-F7", "T7-P7")
    assert recording.description.rate_hz == 64
    assert "ECG" in caplog.text
    np.testing.assert_allclose(samples_of(path), NOISE[:, [0, 2]], atol=0.02)


def test_a_channel_of_unknown_unit_is_nan_without_a_scale(tmp_path: Path) -> None:
    path = write(tmp_path / "a.edf", signal(0, "A"), signal(1, "B", ""), signal(2, "C", "%"))
    assert open_recording(path).description.scales_uv == (1.0, None, None)
    samples = samples_of(path)
    assert np.isfinite(samples[:, 0]).all()
    assert np.isnan(samples[:, 1:]).all()


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
