"""The times of the records of an EDF file: holes are gaps, short ones are held, and no time is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edfio import EdfAnnotation

from detector.errors import BadDataError
from detector.messages import Chunk, FloatArray, Gap, Reset
from detector.source.recording import open_recording
from tests.source.test_recording_edf import write


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


def test_a_discontinuous_file_whose_records_have_no_time_is_refused(tmp_path: Path) -> None:
    path = with_times(tmp_path / "a.edf", ["+0", "+1", "nonsense"])
    with pytest.raises(BadDataError):
        open_recording(path)


def test_a_discontinuous_file_with_one_record_without_its_time_is_refused(tmp_path: Path) -> None:
    path = with_times(tmp_path / "a.edf", [f"+{k}" for k in range(10)])
    data = path.read_bytes()
    assert data.count(b"+7\x14\x14") == 1
    path.write_bytes(data.replace(b"+7\x14\x14", bytes(4)))
    with pytest.raises(BadDataError, match=r"data record 7 does not say its time"):
        open_recording(path)


def test_times_count_from_the_first_sample_also_where_the_first_record_is_late(tmp_path: Path) -> None:
    recording = open_recording(with_times(tmp_path / "a.edf", [f"+{k}.25" for k in range(10)]))
    [chunk] = recording.messages()
    assert isinstance(chunk, Chunk)
    assert (chunk.timestamps[0], recording.duration_s) == (0.0, 10.0)
