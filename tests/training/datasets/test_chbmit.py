"""CHB-MIT: all 20 summaries of the data set against an independent count, and each trap on small files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from detector.errors import BadDataError
from detector.training.datasets import find
from detector.training.datasets.chbmit import read_summary
from tests.training.datasets.written import problems_of, seizures_of, small_edf, text_file

CASES = "01 02 03 04 05 06 07 08 09 10 11 14 15 17 18 19 20 21 22 23".split()


@pytest.mark.parametrize("case", CASES)
def test_everything_that_a_real_summary_says_is_understood(eeg_data: Path, case: str) -> None:
    path = eeg_data / "chbmit" / "summaries" / f"chb{case}-summary.txt"
    text = path.read_text("ascii")
    listed = read_summary(path)
    assert list(listed) == re.findall(r"^File Name: (\S+)$", text, re.MULTILINE)
    announced = [int(n) for n in re.findall(r"Number of Seizures in File: *(\d+)", text)]
    assert [entry.announced for entry in listed.values()] == announced
    assert [len(entry.seizures) for entry in listed.values()] == announced
    assert sum(announced) >= 3
    # Every number of seconds, in the order of the text, whatever the line before it is called.
    seconds = [float(s) for s in re.findall(r"(\d+) seconds", text)]
    assert [s for entry in listed.values() for span in entry.seizures for s in span] == seconds
    assert all(onset < end for entry in listed.values() for onset, end in entry.seizures)
    for entry in listed.values():
        # The longest recordings have 4 hours and a few seconds; none is negative or a day too long.
        assert entry.hours is not None
        assert 0.1 < entry.hours < 4.1
        assert all(end <= entry.hours * 3600 for _, end in entry.seizures)


def test_the_real_hours_are_those_of_the_clocks(eeg_data: Path) -> None:
    total = 0.0
    for path in sorted((eeg_data / "chbmit" / "summaries").glob("*.txt")):
        total += sum(entry.hours or 0.0 for entry in read_summary(path).values())
        clocks = re.findall(r"File (?:Start|End) Time: *(\d+):(\d+):(\d+)", path.read_text("ascii"))
        ticks = [int(h) * 3600 + int(m) * 60 + int(s) for h, m, s in clocks]
        own = sum(
            end - start + (86400 if end < start else 0) for start, end in zip(ticks[::2], ticks[1::2], strict=True)
        )
        total -= own / 3600
    assert total == pytest.approx(0.0, abs=1e-6)


def test_the_real_summaries_without_their_recordings_are_problems_that_count_what_is_absent(eeg_data: Path) -> None:
    data = find(eeg_data / "chbmit" / "summaries")
    assert data.layout == "chb-mit"
    assert not data.recordings
    assert len(data.problems) == len(CASES)
    assert "lists 42 recordings of which 42 are not there (40.6 h, 7 seizures)" in data.problems[0].text


SUMMARY = """Data Sampling Rate: 256 Hz
*************************

Channels in EDF Files:
**********************
Channel 1: FP1-F7

File Name: chb09_08.edf
File Start Time: 23:59:30
File End Time: 24:01:10
Number of Seizures in File: 2
Seizure 1 Start Time:  10 seconds
Seizure 1 End Time: 20 seconds
Seizure 2 Start Time: 40 seconds
Seizure 1 End Time: 55 seconds

Channels changed:
*****************
Channel 1: F7
Channel 2: CS2

File Name: chb09_16+.edf
File Start Time: 00:01:15
File End Time: 0:02:55
Number of Seizures in File: 0
"""


def chb(folder: Path, case: str, summary: str, *names: str) -> Path:
    text_file(folder / case / f"{case}-summary.txt", summary)
    for name in names:
        small_edf(folder / case / name)
    return folder


def test_a_case_is_read_with_its_odd_names_numbers_and_clocks(tmp_path: Path) -> None:
    data = find(chb(tmp_path, "chb09", SUMMARY, "chb09_08.edf", "chb09_16+.edf"))
    assert data.layout == "chb-mit"
    assert not data.problems
    assert {recording.person for recording in data.recordings} == {"chb09"}
    assert seizures_of(data) == {"chb09_08.edf": ((10, 20), (40, 55)), "chb09_16+.edf": ()}
    # The folder of one case is a data set too.
    assert seizures_of(find(tmp_path / "chb09")) == seizures_of(data)


def test_two_cases_of_one_girl_are_one_person(tmp_path: Path) -> None:
    for case in ("chb01", "chb21", "chb17"):
        names = [f"{case}_03.edf" if case != "chb17" else "chb17a_03.edf"]
        chb(tmp_path, case, f"File Name: {names[0]}\nNumber of Seizures in File: 0\n", *names)
    persons = {recording.path.name: recording.person for recording in find(tmp_path).recordings}
    assert persons == {"chb01_03.edf": "chb01", "chb21_03.edf": "chb01", "chb17a_03.edf": "chb17"}


def test_a_recording_that_no_summary_lists_is_a_problem_and_not_seizure_free(tmp_path: Path) -> None:
    # chb24's summary has no clocks and leaves out recordings.
    summary = (
        "File Name: chb24_01.edf\nNumber of Seizures in File: 1\n"
        "Seizure Start Time: 48 seconds\nSeizure End Time: 50 seconds\n"
    )
    data = find(chb(tmp_path, "chb24", summary, "chb24_01.edf", "chb24_02.edf"))
    assert seizures_of(data) == {"chb24_01.edf": ((48, 50),)}
    assert "no summary lists it" in problems_of(data)["chb24_02.edf"]
    without = small_edf(tmp_path / "chb25" / "chb25_01.edf")
    assert "no summary lists it" in problems_of(find(tmp_path))[without.name]


def test_what_is_listed_and_absent_is_said_with_its_seizures(tmp_path: Path) -> None:
    data = find(chb(tmp_path, "chb09", SUMMARY, "chb09_16+.edf"))
    assert list(seizures_of(data)) == ["chb09_16+.edf"]
    assert "2 recordings of which 1 are not there (0.0 h, 2 seizures): chb09_08.edf" in data.problems[0].text


def test_a_seizures_file_contradicts_a_summary_without_seizures(tmp_path: Path) -> None:
    folder = chb(tmp_path, "chb09", SUMMARY, "chb09_08.edf", "chb09_16+.edf")
    for name in ("chb09_08.edf", "chb09_16+.edf"):
        (folder / "chb09" / f"{name}.seizures").write_bytes(b"\x00")
    data = find(folder)
    assert list(seizures_of(data)) == ["chb09_08.edf"]
    assert "chb09_16+.edf.seizures is there" in problems_of(data)["chb09_16+.edf"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("in File: 2", "in File: 3", "announces 3 seizures and has 2 starts and 2 ends"),
        ("Seizure 2 Start Time: 40 seconds\n", "", "has 1 starts and 2 ends"),
        ("Number of Seizures in File: 2\n", "", "announces None seizures"),
        ("40 seconds", "15 seconds", "overlap"),
        ("55 seconds", "155 seconds", "inside the recording, 0 to 100 s"),
    ],
)
def test_a_recording_whose_entry_is_wrong_is_left_out_and_the_others_are_not(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert SUMMARY.count(old) == 1
    data = find(chb(tmp_path, "chb09", SUMMARY.replace(old, new), "chb09_08.edf", "chb09_16+.edf"))
    assert list(seizures_of(data)) == ["chb09_16+.edf"]
    assert said in problems_of(data)["chb09_08.edf"]


def test_a_line_about_a_seizure_that_is_not_understood_spoils_the_summary(tmp_path: Path) -> None:
    bad = SUMMARY.replace("Seizure 2 Start Time: 40 seconds", "Seizure 2 Start Time: 40 minutes")
    with pytest.raises(BadDataError, match="line 14: 'Seizure 2 Start Time: 40 minutes'"):
        read_summary(text_file(tmp_path / "chb09-summary.txt", bad))
    twice = SUMMARY + SUMMARY
    with pytest.raises(BadDataError, match=r"chb09_08\.edf comes twice"):
        read_summary(text_file(tmp_path / "chb09-summary.txt", twice))
    # Not one of its recordings passes for seizure-free.
    data = find(chb(tmp_path, "chb10", bad.replace("chb09", "chb10"), "chb10_08.edf", "chb10_16+.edf"))
    assert not data.recordings
