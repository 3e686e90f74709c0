"""Files find their partners, and what has none is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.errors import BadDataError, MissingInputError
from detector.evaluation.matching import pairs_of, person_of
from tests.evaluation.files import made_up_steps, write_events, write_steps

BIDS = "sub-01/ses-01/eeg/sub-01_ses-01_task-szMonitoring_run-00"


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    reference, hypothesis = tmp_path / "reference", tmp_path / "hypothesis"
    for name, seizure in ((BIDS, (100.0, 130.0)), (BIDS.replace("sub-01", "sub-02"), (50.0, 90.0))):
        write_events(reference / f"{name}_events.tsv", 600, seizure)
        write_events(hypothesis / f"{name}_events.tsv", 600.4, (seizure[0] + 5, seizure[1]))
    return reference, hypothesis


def test_a_data_set_is_paired_by_path(folders: tuple[Path, Path]) -> None:
    reference, hypothesis = folders
    (reference / "participants.tsv").write_text("participant_id\tage\nsub-01\t7\n")
    write_events(reference / "sub-01" / "sub-01_scans.tsv", 1)
    first, second = pairs_of(reference, hypothesis)
    assert (first.name, first.person, second.person) == (BIDS, "sub-01", "sub-02")
    assert (first.duration_s, first.reference, first.hypothesis) == (600.0, ((100.0, 130.0),), ((105.0, 130.0),))
    assert first.monitored_s is None
    assert first.declared_s is None


def test_what_score_writes_into_one_folder_is_paired_by_name(folders: tuple[Path, Path], tmp_path: Path) -> None:
    reference, _ = folders
    flat = tmp_path / "flat"
    for path in reference.rglob("*_events.tsv"):
        stem = path.stem.removesuffix("_events") + "_eeg"
        write_events(flat / f"{stem}.tsv", 600, (100.0, 120.0))
        write_steps(flat / f"{stem}.csv", made_up_steps(600, ((103, 120),)))
    pairs = pairs_of(reference, flat)
    assert [pair.person for pair in pairs] == ["sub-01", "sub-02"]
    assert [pair.declared_s for pair in pairs] == [(103.0,), (103.0,)]
    assert pairs[0].monitored_s == 591


def test_steps_of_another_folder_are_found(folders: tuple[Path, Path], tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    steps.mkdir()
    with pytest.raises(MissingInputError, match=r"holds no \*\.csv"):
        pairs_of(*folders, steps)
    write_steps(steps / f"{Path(BIDS).name}_eeg.csv", made_up_steps(600, ((107, 130),)))
    with pytest.raises(BadDataError, match=r"sub-02.*no steps in"):
        pairs_of(*folders, steps)
    write_steps(steps / f"{Path(BIDS).name.replace('01', '02', 1)}.csv", made_up_steps(600, ()))
    with pytest.raises(BadDataError, match=r"declared 0 times, .* has 1; expected events and steps of the same run"):
        pairs_of(*folders, steps)
    write_steps(steps / f"{Path(BIDS).name.replace('01', '02', 1)}.csv", made_up_steps(600, ((57, 90),)))
    assert [pair.declared_s for pair in pairs_of(*folders, steps)] == [(107.0,), (57.0,)]


def test_a_missing_hypothesis_is_an_error_that_names_it(folders: tuple[Path, Path]) -> None:
    reference, hypothesis = folders
    (hypothesis / f"{BIDS}_events.tsv").unlink()
    with pytest.raises(BadDataError, match=f"{BIDS}_events.tsv: no hypothesis in .*never taken for 'no seizure'"):
        pairs_of(reference, hypothesis)


def test_a_missing_reference_is_an_error_that_names_it(folders: tuple[Path, Path]) -> None:
    reference, hypothesis = folders
    (reference / f"{BIDS}_events.tsv").unlink()
    with pytest.raises(BadDataError, match=f"{BIDS}_events.tsv: no reference in"):
        pairs_of(reference, hypothesis)


def test_every_bad_file_is_named_not_only_the_first(folders: tuple[Path, Path]) -> None:
    reference, hypothesis = folders
    (hypothesis / f"{BIDS}_events.tsv").write_text("")
    (reference / f"{BIDS.replace('sub-01', 'sub-02')}_events.tsv").write_bytes(b"\xff")
    with pytest.raises(BadDataError, match="2 files are wrong") as failure:
        pairs_of(reference, hypothesis)
    assert "is empty" in str(failure.value)
    assert "cannot be read" in str(failure.value)


def test_recordings_of_other_durations_are_not_the_same(folders: tuple[Path, Path]) -> None:
    reference, hypothesis = folders
    write_events(hypothesis / f"{BIDS}_events.tsv", 602, (100.0, 130.0))
    with pytest.raises(BadDataError, match="recordingDuration 602 s, 600 s in"):
        pairs_of(reference, hypothesis)


def test_names_that_can_be_mistaken_are_never_guessed(tmp_path: Path) -> None:
    for person in ("a", "b"):
        write_events(tmp_path / "reference" / person / "1.tsv", 600)
    write_events(tmp_path / "hypothesis" / "1.tsv", 600)
    with pytest.raises(BadDataError, match="3 files are wrong"):
        pairs_of(tmp_path / "reference", tmp_path / "hypothesis")


def test_two_files_about_one_recording_are_an_error(tmp_path: Path) -> None:
    write_events(tmp_path / "a_events.tsv", 600)
    write_events(tmp_path / "a_eeg_events.tsv", 600)
    with pytest.raises(BadDataError, match="are both about a"):
        pairs_of(tmp_path, tmp_path)


def test_a_folder_that_is_not_there_or_empty_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="the reference folder"):
        pairs_of(tmp_path / "nowhere", tmp_path)
    with pytest.raises(BadDataError, match=r"holds no \*_events.tsv"):
        pairs_of(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("name", "person"),
    [
        (BIDS, "sub-01"),
        ("sub-7_run-1", "sub-7"),
        ("chb01/chb01_03", "chb01"),
        ("chb01_03", "chb01"),
        ("night", "night"),
    ],
)
def test_whose_recording_it_is(name: str, person: str) -> None:
    assert person_of(name) == person
