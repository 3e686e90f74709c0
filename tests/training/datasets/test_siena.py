"""Siena: seizure lists as people typed them, and what cannot be told from them is a problem."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest

from detector.errors import BadDataError
from detector.training.datasets import find
from detector.training.datasets.siena import read_list
from tests.training.datasets.written import problems_of, seizures_of, small_edf, text_file

HEAD = "DATA SAMPLING RATE: 512 Hz\n**********\n\nCHANNELS IN EDF FILES:\nCHANNEL 1: Fp1\nChannel 5: 1\n\n"


def siena(folder: Path, person: str, text: str, **begins: time) -> Path:
    text_file(folder / person / f"Seizures-list-{person}.txt", HEAD + text)
    for name, begin in begins.items():
        small_edf(folder / person / f"{name.replace('_', '-')}.edf", start=begin)
    return folder


def test_points_colons_blanks_and_midnight_give_the_same_seconds(tmp_path: Path) -> None:
    text = (
        "Seizure n 1 (in sleep):\nFile name: PN10-1.edf\nRegistration start time:2 3.59.20\n"
        "Registration end time:  00.01.00\nSeizure start time: 23:59.40\nSeizure end time:00:00:05\n\n"
        "Seizure n2\nFile name:PN10-1.edf\nRegistration start time: 23.59.20\nRegistration end time: 0.1.0\n"
        "seizure start time:  00.00.30\nseizure end time : 0.0.50\n"
    )
    data = find(siena(tmp_path, "PN10", text, PN10_1=time(23, 59, 20)))
    assert data.layout == "siena"
    assert not data.problems
    assert [(r.person, r.seizures) for r in data.recordings] == [("PN10", ((20, 45), (70, 90)))]
    assert seizures_of(find(tmp_path / "PN10")) == seizures_of(data)


def test_a_file_named_once_holds_for_the_seizures_after_it(tmp_path: Path) -> None:
    text = (
        "File name: PN01.edf\nRegistration start time: 19.00.00\nRegistration end time: 19.01.40\n\n"
        "Seizure n 1\nStart time: 19.00.10\nEnd time: 19.00.20\n\n"
        "Seizure n 2\nStart time: 19.00.50\nEnd time: 19.01.00\n"
    )
    data = find(siena(tmp_path, "PN01", text, PN01_1=time(19, 0, 0)))
    assert seizures_of(data) == {"PN01-1.edf": ((10, 20), (50, 60))}


def block(name: str, begin: str, start: str, end: str) -> str:
    times = f"Registration start time: {begin}\nSeizure start time: {start}\nSeizure end time: {end}\n\n"
    return f"Seizure n 1\nFile name: {name}\n{times}"


def test_misspelt_names_are_the_files_that_were_meant(tmp_path: Path) -> None:
    text = block("PNO6-1.edf", "10.00.00", "10.00.10", "10.00.20") + block(
        "pn06-2 .EDF", "11.00.00", "11.00.30", "11.00.40"
    )
    text += block("PN06-1.edf", "10.00.00", "10.00.50", "10.01.00")
    siena(tmp_path, "PN06", text, PN06_1=time(10, 0, 0), PN06_2=time(11, 0, 0))
    siena(tmp_path, "PN11", block("PN11-.edf", "11.31.00", "11.31.05", "11.31.15"), PN11_1=time(11, 31, 0))
    data = find(tmp_path)
    assert not data.problems
    assert seizures_of(data) == {
        "PN06-1.edf": ((10, 20), (50, 60)),
        "PN06-2.edf": ((30, 40),),
        "PN11-1.edf": ((5, 15),),
    }


def test_a_name_that_may_mean_several_files_is_a_problem_and_no_file_passes_for_seizure_free(tmp_path: Path) -> None:
    text = block("PN09.edf", "10.00.00", "10.00.10", "10.00.20")
    data = find(siena(tmp_path, "PN09", text, PN09_1=time(10, 0, 0), PN09_2=time(10, 0, 0)))
    assert not data.recordings
    problems = problems_of(data)
    assert "names the recording 'PN09.edf'" in problems["Seizures-list-PN09.txt"]
    assert all("no list names it" in problems[name] for name in ("PN09-1.edf", "PN09-2.edf"))


@pytest.mark.parametrize(
    ("begin", "start", "end", "said"),
    [
        ("10.00.00", "10.00.10", "11.00.20", "inside the recording"),
        ("09.00.00", "09.00.10", "09.00.20", "10:00:00 by its own header and at 09.00.00 by the list"),
        ("10.00.00", "10.00.10 (10.00.12)", "10.00.20", "expected hours, minutes and seconds"),
        ("10.00.00", "10.00.10", "", "expected hours, minutes and seconds"),
        ("10.00.00", "10.00.10", "10.00.10", "an end that is after the onset"),
        ("10.00.00", "10.00.10", "10.00.05", "from 10 to 5 s; expected an end that is after the onset"),
    ],
)
def test_times_that_contradict_the_recording_or_each_other_leave_it_out(
    tmp_path: Path, begin: str, start: str, end: str, said: str
) -> None:
    data = find(siena(tmp_path, "PN00", block("PN00-1.edf", begin, start, end), PN00_1=time(10, 0, 0)))
    assert not data.recordings
    assert said in problems_of(data)["PN00-1.edf"]


def test_a_start_without_an_end_and_two_registrations_leave_the_recording_out(tmp_path: Path) -> None:
    one = block("PN00-1.edf", "10.00.00", "10.00.10", "10.00.20")
    siena(tmp_path, "PN00", one.replace("Seizure end time: 10.00.20\n", ""), PN00_1=time(10, 0, 0))
    assert "expected pairs" in problems_of(find(tmp_path))["PN00-1.edf"]
    siena(tmp_path, "PN00", one + one.replace("Registration start time: 10.00.00", "Registration start time: 10.00.01"))
    assert "expected one" in problems_of(find(tmp_path))["PN00-1.edf"]


def test_a_time_before_any_file_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match=r"line 8: 'Seizure start time: 10\.00\.10'; expected a line 'File name:'"):
        read_list(text_file(tmp_path / "list.txt", HEAD + "Seizure start time: 10.00.10\n"))
