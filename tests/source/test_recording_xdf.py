"""XDF files give their one EEG stream with its gaps, also where the stamps have jitter or the clock was reset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from detector.errors import BadDataError
from detector.messages import Chunk, Gap, Reset
from detector.source.recording import open_recording
from tests.source.xdf_writer import XdfStream, write_xdf

RATE_HZ = 100
LABELS = ("FP1-F7", "F7-T7")
N = 1000
VALUES = np.random.default_rng(0).normal(0, 40, (N, 2)).astype(np.float32)
STAMPS = 5000 + np.arange(N) / RATE_HZ


def eeg(stamps: npt.NDArray[np.float64] = STAMPS, name: str = "amp", **fields: str | int) -> XdfStream:
    values = VALUES[: len(stamps)]
    return XdfStream(name, values, stamps, labels=LABELS, **fields)  # type: ignore[arg-type]


def walk(path: Path) -> tuple[list[Chunk], list[Gap]]:
    messages = list(open_recording(path).messages(256))
    return [m for m in messages if isinstance(m, Chunk)], [m for m in messages if isinstance(m, Gap)]


def test_samples_labels_units_and_times_arrive(tmp_path: Path) -> None:
    path = write_xdf(tmp_path / "a.xdf", eeg(unit="mV"))
    recording = open_recording(path)
    chunks, gaps = walk(path)
    assert gaps == []
    assert recording.description.labels == LABELS
    assert recording.description.scales_uv == (1e3, 1e3)
    assert recording.description.source_id == "amp"
    assert recording.duration_s == pytest.approx(10)
    np.testing.assert_allclose(np.concatenate([c.samples for c in chunks]), VALUES * 1e3, rtol=1e-6)
    np.testing.assert_allclose(np.concatenate([c.timestamps for c in chunks]), np.arange(N) / RATE_HZ, atol=1e-9)


@pytest.mark.parametrize("missing", [1, 3, 4, 50, 300])
@pytest.mark.parametrize("jitter_s", [0.0, 0.002])
def test_missing_samples_are_filled_up_to_three_and_are_a_gap_beyond(
    tmp_path: Path, missing: int, jitter_s: float
) -> None:
    stamps = STAMPS.copy()
    stamps[600:] += missing / RATE_HZ
    stamps += np.random.default_rng(1).exponential(jitter_s, N) if jitter_s else 0
    chunks, gaps = walk(write_xdf(tmp_path / "a.xdf", eeg(stamps)))
    filled = sum(chunk.missing for chunk in chunks)
    if missing <= 3:
        assert (gaps, filled) == ([], missing)
        assert sum(len(chunk.samples) for chunk in chunks) == N + missing
    else:
        assert filled == 0
        assert [(gap.reason, gap.missing) for gap in gaps] == [(Reset.GAP, missing)]
        assert gaps[0].start_s == pytest.approx(5.99, abs=0.02)
        assert gaps[0].end_s == pytest.approx(6 + missing / RATE_HZ, abs=0.02)


def test_late_stamps_that_catch_up_are_no_gap(tmp_path: Path) -> None:
    late_s = np.zeros(N)
    late_s[500:530] = 0.2 * np.linspace(1, 0, 30)
    late_s[800] = 0.1  # and one that is back at once
    chunks, gaps = walk(write_xdf(tmp_path / "a.xdf", eeg(STAMPS + late_s)))
    assert gaps == []
    assert sum(chunk.missing for chunk in chunks) == 0
    assert (np.diff(np.concatenate([chunk.timestamps for chunk in chunks])) >= 0).all()


def test_stamps_that_go_back_end_the_session(tmp_path: Path) -> None:
    stamps = STAMPS.copy()
    stamps[700:] -= 3
    _, gaps = walk(write_xdf(tmp_path / "a.xdf", eeg(stamps)))
    assert [gap.reason for gap in gaps] == [Reset.BACKWARDS]
    assert (gaps[0].start_s, gaps[0].end_s) == pytest.approx((6.99, 4.0))


def test_a_real_clock_reset_is_one_gap_of_the_time_that_passed(eeg_data: Path) -> None:
    path = eeg_data / "xdf" / "clock_resets.xdf"
    chunks = [m for m in open_recording(path, unit="uV").messages() if isinstance(m, Chunk)]
    gaps = [m for m in open_recording(path, unit="uV").messages() if isinstance(m, Gap)]
    assert [gap.reason for gap in gaps] == [Reset.GAP]
    assert gaps[0].end_s - gaps[0].start_s == pytest.approx(273.6, abs=0.2)
    missing = sum(chunk.missing for chunk in chunks)
    assert sum(len(chunk.samples) for chunk in chunks) - missing == 27814
    assert missing < 30


def test_markers_and_truth_become_annotations_and_our_own_events_do_not(tmp_path: Path) -> None:
    texts = ["button", "seizure/onset", "seizure/offset"]
    truth = XdfStream("bed-truth", texts, np.array([5001.0, 5003.0, 5007.5]), "Markers", 0)
    ours = XdfStream(
        "bed-events", ["seizure"], np.array([5004.0]), "Markers", 0, source_id="seizure-detector:bed:events"
    )
    recording = open_recording(write_xdf(tmp_path / "a.xdf", truth, eeg(), ours))
    assert [(a.text, a.onset_s) for a in recording.annotations] == [("button", 1.0), ("seizure", 3.0)]
    assert recording.seizures == ((3.0, 7.5),)


def test_several_eeg_streams_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match=r"2 EEG streams: 'amp' \(2 channels\), 'other'"):
        open_recording(write_xdf(tmp_path / "a.xdf", eeg(), eeg(name="other")))


def test_a_regular_stream_with_labels_will_do_where_none_is_of_type_eeg(tmp_path: Path) -> None:
    aux = XdfStream("aux", VALUES, STAMPS, "Aux")
    path = write_xdf(tmp_path / "a.xdf", aux, eeg(kind="Signal"))
    assert open_recording(path).description.name == "amp"


def test_text_alone_is_no_eeg(tmp_path: Path) -> None:
    marks = XdfStream("marks", ["a"], np.array([1.0]), "EEG", 0)
    with pytest.raises(BadDataError, match="no EEG stream; it has 'marks'"):
        open_recording(write_xdf(tmp_path / "a.xdf", marks))


def test_a_stream_without_units_is_nan_until_a_unit_is_given(tmp_path: Path) -> None:
    path = write_xdf(tmp_path / "a.xdf", eeg(unit=""))
    chunks, _ = walk(path)
    assert all(np.isnan(chunk.samples).all() for chunk in chunks)
    assert open_recording(path, unit="uV").description.scales_uv == (1.0, 1.0)


def test_a_truncated_file_is_refused(tmp_path: Path, eeg_data: Path) -> None:
    data = (eeg_data / "xdf" / "clock_resets.xdf").read_bytes()
    path = tmp_path / "a.xdf"
    for kept in (5, 2000, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:kept])
        with pytest.raises(BadDataError, match="truncated"):
            open_recording(path)


def test_fewer_samples_than_the_footer_promises_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match="1000 of the 1200 samples"):
        open_recording(write_xdf(tmp_path / "a.xdf", eeg(promised=1200)))
