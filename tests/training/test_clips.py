"""The loader: every trap of the shared data, on the real files."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from edfio import read_edf

from detector.errors import MissingInputError
from detector.training.clips import Person, load_clips, load_eegmat


@pytest.fixture(scope="module")
def persons(eeg_data: Path) -> dict[str, Person]:
    return {person.name: person for person in load_clips(eeg_data)}


@pytest.fixture(scope="module")
def rows(eeg_data: Path) -> dict[str, dict[str, str]]:
    with (eeg_data / "chbmit" / "clips" / "clips.csv").open() as file:
        return {row["clip"]: row for row in csv.DictReader(file)}


def test_all_seizures_of_fifteen_people_are_there_and_two_cases_are_one_girl(persons: dict[str, Person]) -> None:
    assert len(persons) == 15
    assert sum(len(person.seizures) for person in persons.values()) == 140
    assert "chb21" not in persons
    assert {s.clip[:5] for s in persons["chb01"].seizures} == {"chb01", "chb21"}


def test_a_normal_clip_gives_only_the_seconds_that_hold_no_seizure(
    persons: dict[str, Person], rows: dict[str, dict[str, str]], eeg_data: Path
) -> None:
    seizure = next(s for s in persons["chb15"].seizures if s.clip == "chb15_22_Zz")
    # The normal clip is [onset + 60 s, end + 60 s] of a seizure of 205 s: its first 145 s are the seizure's last.
    normal = read_edf(eeg_data / "chbmit" / "clips" / "normal" / "chb15_22_Zz.edf")
    column = normal.labels.index("FP1-F7")
    whole = normal.signals[column].data.astype(np.float32)
    np.testing.assert_array_equal(seizure.ictal[60 * 256 :, 0], whole[: 145 * 256])
    np.testing.assert_array_equal(seizure.after[:, 0], whole[145 * 256 :])
    for person in persons.values():
        for s in person.seizures:
            assert len(s.after) <= 60 * 256
            # Nothing of the seizure is left at the beginning of what comes after it.
            length = min(len(s.after), len(s.ictal), 256)
            assert not np.array_equal(s.after[:length, 0], s.ictal[-length:, 0])
            assert len(s.ictal) / 256 == pytest.approx(float(rows[s.clip]["dur"]), abs=1)


def test_referential_clips_give_derivations_without_ft9_and_ft10(persons: dict[str, Person]) -> None:
    seizures = {s.clip: s for s in persons["chb12"].seizures}
    odd = [s for name, s in seizures.items() if name.startswith(("chb12_27", "chb12_28", "chb12_29"))]
    assert len(odd) == 13
    for s in odd:
        absent = np.isnan(s.ictal).all(axis=0)
        # The three at FT9 and FT10; O1 is there, though seven of these files write it with a zero.
        np.testing.assert_array_equal(np.flatnonzero(absent), [19, 20, 21])
        assert np.isfinite(s.ictal[:, ~absent]).all()


def test_the_seconds_before_an_onset_run_into_the_seizure_without_a_joint(persons: dict[str, Person]) -> None:
    with_before = [s for p in persons.values() for s in p.seizures if len(s.before)]
    assert len(with_before) == 17
    for s in with_before:
        assert s.before.shape == (2560, 22)
        inside = np.abs(np.diff(np.concatenate([s.before[-256:], s.ictal[:256]]), axis=0)).mean(axis=1)
        assert inside[255] < 3 * np.median(inside)


def test_eegmat_is_seizure_free_and_lacks_three_derivations(eeg_data: Path) -> None:
    persons = load_eegmat(eeg_data)
    assert len(persons) == 12
    for person in persons:
        assert not person.seizures
        assert person.rate_hz == 500
        for background in person.background:
            assert np.isnan(background).all(axis=0).sum() == 3


def test_a_folder_without_the_data_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match=r"clips\.csv"):
        load_clips(tmp_path)
    with pytest.raises(MissingInputError, match="eegmat"):
        load_eegmat(tmp_path)
