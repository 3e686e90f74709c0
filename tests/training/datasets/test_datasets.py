"""Finding a data set: its layout, what cannot be read, what comes twice, and what is needed to train."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from detector.errors import BadDataError, MissingInputError, UsageError
from detector.training.datasets import LAYOUTS, find, require
from tests.training.datasets.written import events_file, problems_of, seizures_of, small_edf, text_file


def labelled_edf(path: Path, *rows: tuple[float, float, str]) -> Path:
    events_file(path.with_name(f"{path.stem}_events.tsv"), *rows or ((0, 100, "bckg"),))
    return small_edf(path)


def test_a_folder_of_no_layout_is_refused_with_what_each_layout_needs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none of the layouts") as caught:
        find(tmp_path)
    for layout in LAYOUTS.values():
        assert f"{layout.name}: {layout.needs}" in str(caught.value)
    with pytest.raises(MissingInputError, match="nowhere"):
        find(tmp_path / "nowhere")


def test_a_folder_of_two_layouts_asks_for_one_and_takes_the_one_that_is_named(tmp_path: Path) -> None:
    labelled_edf(tmp_path / "sub-01" / "eeg" / "sub-01_eeg.edf", (10, 5, "sz"))
    text_file(tmp_path / "chb01" / "chb01-summary.txt", "File Name: chb01_01.edf\nNumber of Seizures in File: 0\n")
    small_edf(tmp_path / "chb01" / "chb01_01.edf")
    with pytest.raises(UsageError, match=r"several layouts \(chb-mit, bids\)"):
        find(tmp_path)
    assert list(seizures_of(find(tmp_path, "bids"))) == ["sub-01_eeg.edf"]
    assert list(seizures_of(find(tmp_path, "chb-mit"))) == ["chb01_01.edf"]
    with pytest.raises(UsageError, match=r"not of the layout tusz, which needs edf"):
        find(tmp_path, "tusz")
    with pytest.raises(UsageError, match=r"'sienna' is not known \(did you mean 'siena'\?\)"):
        find(tmp_path, "sienna")


def test_a_recording_that_cannot_be_read_is_named_and_the_others_are_there(tmp_path: Path) -> None:
    seen: list[Path] = []
    labelled_edf(tmp_path / "a.edf")
    text_file(labelled_edf(tmp_path / "b.edf"), "no EEG at all")
    cut = labelled_edf(tmp_path / "c.edf")
    cut.write_bytes(cut.read_bytes()[:-2000])
    data = find(tmp_path, on_recording=seen.append)
    assert list(seizures_of(data)) == ["a.edf"]
    assert "has 13 bytes, expected a header of EDF, 256 or more" in problems_of(data)["b.edf"]
    assert "truncated" in problems_of(data)["c.edf"]
    assert sorted(path.name for path in seen) == ["a.edf", "b.edf", "c.edf"]


def test_a_recording_under_two_persons_is_left_out_of_both_and_a_copy_under_one_is_taken_once(tmp_path: Path) -> None:
    first = labelled_edf(tmp_path / "a" / "1.edf", (10, 5, "sz"))
    labelled_edf(tmp_path / "a" / "2.edf")
    for other in ("a/3", "b/1", "b/2"):
        labelled_edf(tmp_path / f"{other}.edf", (10, 5, "sz"))
    shutil.copy(first, tmp_path / "a" / "3.edf")
    data = find(tmp_path)
    assert [str(r.path.relative_to(tmp_path)) for r in data.recordings] == ["a/1.edf", "a/2.edf", "b/1.edf", "b/2.edf"]
    assert "same content as" in problems_of(data)["3.edf"]
    shutil.copy(tmp_path / "a" / "2.edf", tmp_path / "b" / "2.edf")
    data = find(tmp_path)
    assert [str(r.path.relative_to(tmp_path)) for r in data.recordings] == ["a/1.edf", "b/1.edf"]
    assert sum("same content as" in problem.text for problem in data.problems) == 3


def test_problems_stop_unless_they_are_skipped_and_training_needs_a_seizure(tmp_path: Path) -> None:
    labelled_edf(tmp_path / "a.edf")
    with pytest.raises(BadDataError, match=r"none of the 1 recordings .* holds a seizure"):
        require(find(tmp_path))
    assert len(require(find(tmp_path), seizures=False)) == 1
    labelled_edf(tmp_path / "b.edf", (10, 5, "sz"))
    assert len(require(find(tmp_path))) == 2
    small_edf(tmp_path / "c.edf")
    with pytest.raises(BadDataError, match=r"1 problems: .*c\.edf says nothing"):
        require(find(tmp_path))
    assert [r.path.name for r in require(find(tmp_path), skip_bad=True)] == ["a.edf", "b.edf"]
    for name in ("a.edf", "b.edf"):
        (tmp_path / name).unlink()
    with pytest.raises(BadDataError, match="no recording that can be used"):
        require(find(tmp_path), skip_bad=True)
