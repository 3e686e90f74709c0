"""Sequences of whole recordings: what the daemon makes of them between gaps, with the truth at each step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edfio import Edf, EdfSignal, read_edf

from detector.errors import BadDataError
from detector.messages import Chunk
from detector.source.recording import open_recording
from detector.training.datasets import find
from detector.training.labelled import Labelled
from detector.training.recorded import recorded_sequences, sequences_of
from detector.training.sequences import sequence_of
from detector.training.sessions import Session
from tests.recordings import real_seizure
from tests.synthetic_edf import RATE_HZ, write_edf
from tests.training.made_up import CARD


def test_a_recording_gives_what_the_same_samples_give_as_a_session(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "a.edf", 60, (20, 40))
    # The newest sample of a step is the first of the seizure, and another's is the first after it.
    onset, end = 20 * RATE_HZ - 1, 40 * RATE_HZ - 1
    seizures = ((onset / RATE_HZ, end / RATE_HZ),)
    sequence = sequences_of(Labelled("anna", path, seizures), CARD)[0]
    chunks = [m for m in open_recording(path).messages() if isinstance(m, Chunk)]
    samples = np.concatenate([chunk.samples for chunk in chunks])
    ictal = (np.arange(len(samples)) >= onset) & (np.arange(len(samples)) < end)
    expected = sequence_of(Session("anna", float(RATE_HZ), samples, ictal), CARD)
    assert (sequence.person, sequence.duration_s, sequence.seizures) == ("anna", 60.0, seizures)
    assert {onset, end} <= set(np.round(sequence.end_s * RATE_HZ))
    assert len(sequence) > 100
    assert 0.2 < sequence.target.mean() < 0.5
    for name in ("good", "end_s", "target", "weight"):
        np.testing.assert_array_equal(getattr(sequence, name), getattr(expected, name))
    np.testing.assert_allclose(sequence.values, expected.values, atol=1e-4)


def test_each_stretch_between_gaps_is_a_sequence_from_a_cold_start_with_its_part_of_the_seizure(
    tmp_path: Path,
) -> None:
    # 30 s, a gap of 100 s, 10 s, a gap of 5 s, 20 s; the seizure goes on over the second gap.
    path = write_edf(tmp_path / "a.edf", 60, (20, 55), holes=((30, 100), (40, 5)))
    first, second, third = sequences_of(Labelled("anna", path, ((20.0, 25.0), (136.0, 150.0))), CARD)
    assert [s.duration_s for s in (first, second, third)] == pytest.approx([30, 10, 20])
    assert first.seizures == ((20, 25),)
    assert second.seizures == pytest.approx(np.array([(6, 10)]))
    assert third.seizures == pytest.approx(np.array([(0, 5)]))
    for sequence in (first, second, third):
        assert sequence.end_s[0] < 2
        ictal = [any(a <= end < b - 1e-6 for a, b in sequence.seizures) for end in sequence.end_s]
        np.testing.assert_array_equal(sequence.target, np.array(ictal, dtype=np.float32))
        assert 0 < sequence.target.mean() < 1
    # Nothing is remembered over a gap: the third is what a recording of its own gives.
    alone = Labelled("anna", _tail(path, tmp_path / "tail.edf", 20 * RATE_HZ), ())
    np.testing.assert_allclose(third.values, sequences_of(alone, CARD)[0].values, atol=1e-4)


def _tail(path: Path, target: Path, n_samples: int) -> Path:
    """Write the last samples of a recording as another one."""
    signals = [
        EdfSignal(s.data[-n_samples:], RATE_HZ, label=s.label, physical_dimension="uV", physical_range=(-3200, 3200))
        for s in read_edf(path).signals
    ]
    Edf(signals, data_record_duration=0.5).write(target)
    return target


def test_recordings_that_give_no_sequence_are_problems_and_the_others_are_there(tmp_path: Path) -> None:
    good = Labelled("anna", write_edf(tmp_path / "a.edf", 20), ())
    other = Labelled("bert", write_edf(tmp_path / "b.edf", 20, labels=("FP1-F7", "C3")), ())
    short = Labelled("cleo", _tail(good.path, tmp_path / "c.edf", RATE_HZ // 2), ())
    gone = Labelled("dora", tmp_path / "d.edf", ())
    seen: list[Labelled] = []
    sequences, problems = recorded_sequences([other, good, short, gone], CARD, seen.append)
    assert [sequence.person for sequence in sequences] == ["anna"]
    assert [problem.path.name for problem in problems] == ["b.edf", "c.edf", "d.edf"]
    for problem, said in zip(
        problems, ("needs at least 12", "no stretch of its 0.5 s", "cannot be opened"), strict=True
    ):
        assert said in problem.text
    assert seen == [other, good, short, gone]


def test_a_seizure_without_a_signal_is_said(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "a.edf", 60, holes=((30, 100),))
    with pytest.raises(BadDataError, match="from 50 to 70 s lies in a gap"):
        sequences_of(Labelled("anna", path, ((5.0, 10.0), (50.0, 70.0))), CARD)


def test_the_cache_gives_back_what_was_made_until_recording_or_reference_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    labelled = Labelled("anna", write_edf(tmp_path / "a.edf", 30, (10, 20)), ((10.0, 20.0),))
    (made,), _ = recorded_sequences([labelled], CARD)
    (again,), _ = recorded_sequences([labelled], CARD)
    assert len(list((tmp_path / "cache").rglob("*.npz"))) == 1
    assert (made.person, made.duration_s, made.seizures) == (again.person, again.duration_s, again.seizures)
    for name in ("values", "good", "end_s", "target", "weight"):
        np.testing.assert_array_equal(getattr(made, name), getattr(again, name))
    (moved,), _ = recorded_sequences([Labelled("anna", labelled.path, ((12.0, 20.0),))], CARD)
    assert moved.target.sum() < made.target.sum()
    write_edf(labelled.path, 30, (2, 28))
    (other,), _ = recorded_sequences([labelled], CARD)
    assert not np.allclose(other.values, made.values)


def test_a_real_recording_with_its_annotation_gives_its_seizure(eeg_data: Path, tmp_path: Path) -> None:
    onset_s, end_s = real_seizure(eeg_data, tmp_path / "chb03.edf")
    sequences, problems = recorded_sequences(find(tmp_path).recordings, CARD)
    assert not problems
    (sequence,) = sequences
    assert sequence.seizures == ((onset_s, end_s),)
    assert sequence.target.sum() == pytest.approx((end_s - onset_s) * 2, abs=1)
    assert sequence.good.mean() > 0.98
