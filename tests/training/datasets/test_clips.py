"""The shared data as labelled recordings: every second of the real clips is ictal or not, as `clips.csv` says."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from detector.training.datasets import find
from detector.training.labelled import DataSet
from tests.training.datasets.written import problems_of, seizures_of, small_edf, text_file


@pytest.fixture(scope="module")
def data(eeg_data: Path) -> DataSet:
    return find(eeg_data)


def test_every_clip_is_there_by_person_without_a_problem(data: DataSet) -> None:
    assert data.layout == "clips"
    assert not data.problems
    assert len(data.recordings) == 2 * 140 + 24
    persons = {recording.person for recording in data.recordings}
    assert len(persons) == 15 + 12
    assert "chb21" not in persons


def test_a_seizure_clip_is_ictal_throughout_and_a_normal_clip_as_far_as_the_table_says(
    data: DataSet, eeg_data: Path
) -> None:
    found = seizures_of(data)
    with (eeg_data / "chbmit" / "clips" / "clips.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 140
    for row in rows:
        assert found[f"{row['clip']}-seizure.edf"] == ((0, float(row["dur"])),)
        start_s = float(row["nonictal_part_of_normal_s"].split("-")[0])
        assert found[f"{row['clip']}.edf"] == (((0, start_s),) if start_s else ())
    assert len([row for row in rows if found[f"{row['clip']}.edf"]]) == 47
    assert not any(spans for name, spans in found.items() if name.startswith("Subject"))


def test_a_clip_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    text_file(
        tmp_path / "chbmit" / "clips" / "clips.csv",
        "clip,case,dur,nonictal_part_of_normal_s\nchb21_19_x,chb21,100,40-100\n",
    )
    small_edf(tmp_path / "chbmit" / "clips" / "normal" / "chb21_19_x.edf")
    data = find(tmp_path)
    assert [(r.person, r.seizures) for r in data.recordings] == [("chb01", ((0, 40),))]
    assert "cannot be opened" in problems_of(data)["chb21_19_x-seizure.edf"]
