"""BIDS with the events of SzCORE: the person is the subject, and no events file is never "no seizure"."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.training.datasets import find
from tests.training.datasets.written import events_file, problems_of, seizures_of, small_edf, text_file


def bids(folder: Path, name: str, *rows: tuple[float | str, float | str, str], kind: str = "eventType") -> Path:
    sub, ses = name.split("_")[:2]
    eeg = folder / sub / ses / "eeg" if ses.startswith("ses-") else folder / sub / "eeg"
    if rows:
        events_file(eeg / f"{name}_events.tsv", *rows, kind=kind)
    return small_edf(eeg / f"{name}_eeg.edf")


def test_sessions_and_runs_of_a_subject_are_one_person_and_every_kind_of_seizure_counts(tmp_path: Path) -> None:
    bids(
        tmp_path, "sub-01_ses-01_task-szMonitoring_run-00", (10, 5, "sz_foc_ia"), (15, 5, "artefact"), (40.5, 9.5, "sz")
    )
    bids(tmp_path, "sub-01_ses-02_task-szMonitoring_run-00", (0, 100, "bckg"))
    bids(tmp_path, "sub-02_task-rest", (3, 4, "sz"), kind="trial_type")
    text_file(tmp_path / "participants.tsv", "participant_id\tage\nsub-01\t30\n")
    small_edf(tmp_path / "derivatives" / "sub-01" / "eeg" / "sub-01_clean_eeg.edf")
    data = find(tmp_path)
    assert data.layout == "bids"
    assert not data.problems
    assert [(r.person, r.seizures) for r in data.recordings] == [
        ("sub-01", ((10, 15), (40.5, 50))),
        ("sub-01", ()),
        ("sub-02", ((3, 7),)),
    ]
    assert seizures_of(find(tmp_path / "sub-02")) == {"sub-02_task-rest_eeg.edf": ((3, 7),)}


def test_a_recording_without_events_is_a_problem_and_never_seizure_free(tmp_path: Path) -> None:
    bids(tmp_path, "sub-01_task-rest", (0, 100, "bckg"))
    bids(tmp_path, "sub-02_task-rest")
    events_file(tmp_path / "sub-03" / "eeg" / "sub-03_task-rest_events.tsv")
    small_edf(tmp_path / "sub-03" / "eeg" / "sub-03_task-rest_eeg.edf")
    data = find(tmp_path)
    assert list(seizures_of(data)) == ["sub-01_task-rest_eeg.edf"]
    problems = problems_of(data)
    assert "expected sub-02_task-rest_events.tsv beside it" in problems["sub-02_task-rest_eeg.edf"]
    assert "says nothing" in problems["sub-03_task-rest_eeg.edf"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([(50, 10, "sz"), (10, 10, "sz")], "not in order"),
        ([(10, 10, "sz"), (15, 10, "sz")], "overlap"),
        ([(95, 10, "sz")], "inside the recording"),
        ([(10, "n/a", "sz")], "an end that is after the onset"),
        ([("soon", 10, "sz")], "expected the columns onset, duration"),
        ([(0, 10, "blink")], "'blink'; expected at least one event sz"),
    ],
)
def test_events_that_are_not_in_order_leave_the_recording_out(
    tmp_path: Path, rows: list[tuple[float | str, float | str, str]], said: str
) -> None:
    bids(tmp_path, "sub-01_task-rest", *rows)
    data = find(tmp_path)
    assert not data.recordings
    assert said in problems_of(data)["sub-01_task-rest_eeg.edf"]


def test_formats_that_are_not_read_are_named(tmp_path: Path) -> None:
    bids(tmp_path, "sub-01_task-rest", (0, 100, "bckg"))
    text_file(tmp_path / "sub-02" / "eeg" / "sub-02_task-rest_eeg.vhdr", "Brain Vision")
    assert "'.vhdr', expected one of .edf, .bdf" in problems_of(find(tmp_path))["sub-02_task-rest_eeg.vhdr"]
