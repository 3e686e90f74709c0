"""What is meant is found: files, folders and patterns; and each result has a place that no other one has."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.archive import Found, find_recordings
from detector.errors import MissingInputError

FILES = (
    "dataset_description.json",
    "README",
    "sub-01/ses-01/eeg/sub-01_ses-01_task-x_eeg.edf",
    "sub-01/ses-01/eeg/sub-01_ses-01_task-x_events.tsv",
    "sub-02/eeg/sub-02_task-x_eeg.EDF",
    "sub-02/eeg/.sub-03_eeg.edf.part",
    "sub-02/eeg/notes.bdf.txt",
    "derivatives/clean/sub-01/eeg/sub-01_eeg.edf",
    "sourcedata/sub-01.bdf",
    ".git/annex/objects/a.edf",
    "more/one.bdf",
    "more/two.xdf",
)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / "archive" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "archive"


def places(found: list[Found]) -> list[str]:
    return [one.place.as_posix() for one in found]


def test_a_data_set_is_all_its_recordings_and_no_copies(archive: Path) -> None:
    assert places(find_recordings([archive])) == [
        "more/one.bdf",
        "more/two.xdf",
        "sub-01/ses-01/eeg/sub-01_ses-01_task-x_eeg.edf",
        "sub-02/eeg/sub-02_task-x_eeg.EDF",
    ]


def test_a_folder_that_is_no_data_set_may_name_its_folders_as_it_likes(archive: Path) -> None:
    (archive / "dataset_description.json").unlink()
    assert "sourcedata/sub-01.bdf" not in places(find_recordings([archive])), "it has persons as BIDS has them"
    assert places(find_recordings([archive / "derivatives"])) == ["clean/sub-01/eeg/sub-01_eeg.edf"]
    assert places(find_recordings([archive / "sourcedata"])) == ["sub-01.bdf"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("more/*", ["one.bdf", "two.xdf"]),
        ("sub-0[2-9]/**/*", ["sub-02/eeg/sub-02_task-x_eeg.EDF"]),
        ("sub-*/*/*/*_eeg.edf", ["sub-01/ses-01/eeg/sub-01_ses-01_task-x_eeg.edf"]),
    ],
)
def test_a_pattern_that_no_shell_has_expanded_is_expanded(archive: Path, pattern: str, found: list[str]) -> None:
    assert places(find_recordings([archive / pattern])) == found


def test_a_file_is_taken_as_it_is_named_even_where_it_is_none(archive: Path) -> None:
    named = [archive / "more/one.bdf", archive / "missing.edf", archive / "README"]
    assert find_recordings(named) == [Found(path, Path(path.name)) for path in named]


@pytest.mark.parametrize("name", ["empty", "*.bdf"])
def test_where_there_is_none_it_is_said(archive: Path, name: str) -> None:
    (archive / "empty").mkdir()
    with pytest.raises(MissingInputError, match=r"holds no recording; expected \.edf, \.bdf, \.xdf"):
        find_recordings([archive / name])


@pytest.mark.parametrize(
    ("place", "events", "steps"),
    [
        ("sub-01/eeg/sub-01_task-x_eeg.edf", "sub-01/eeg/sub-01_task-x_events.tsv", "sub-01/eeg/sub-01_task-x_eeg.csv"),
        ("chb01_03.edf", "chb01_03.tsv", "chb01_03.csv"),
    ],
)
def test_results_are_named_as_their_recording_is(place: str, events: str, steps: str) -> None:
    found = Found(Path("anywhere"), Path(place))
    assert (found.events.as_posix(), found.steps.as_posix()) == (events, steps)
