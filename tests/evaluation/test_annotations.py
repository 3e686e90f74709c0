"""Events and steps are read strictly: what is wrong has a file and a line, and is never "no seizure"."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detector.errors import BadDataError
from detector.evaluation.annotations import read_annotated, read_steps
from detector.scoring import COLUMNS
from tests.evaluation.files import made_up_steps, write_events, write_steps

HEADER = "\t".join(COLUMNS)


def row(onset: object, duration: object, kind: str = "sz", recording: object = 600) -> str:
    return f"{onset}\t{duration}\t{kind}\tn/a\tn/a\tn/a\t{recording}"


def test_seizures_and_duration_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a_events.tsv"
    lines = [HEADER, row(0, 10, "bckg"), row(10, 20.5), row(100, 5, "sz_foc_ia"), "", row(300, 0, "impd")]
    path.write_text("\n".join(lines), encoding="utf-8-sig")
    read = read_annotated(path)
    assert (read.duration_s, read.seizures) == (600.0, ((10.0, 30.5), (100.0, 105.0)))


def test_no_seizure_is_one_row_of_background(tmp_path: Path) -> None:
    assert read_annotated(write_events(tmp_path / "a.tsv", 600)).seizures == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty; expected a header"),
        (HEADER, "no rows; expected events, or one row 'bckg'"),
        (HEADER.replace("recordingDuration", "recordingduration") + "\n" + row(1, 2), "line 1: no column"),
        (f"{HEADER}\n{row(1, 2)}\tmore", "line 2: 8 columns; the header has 7"),
        (f"{HEADER}\n{row('one', 2)}", "line 2: onset 'one'; expected a number"),
        (f"{HEADER}\n{row(1, 'n/a')}", "line 2: duration 'n/a'"),
        (f"{HEADER}\n{row('nan', 2)}", "line 2: onset 'nan'"),
        (f"{HEADER}\n{row(1, 2, recording='n/a')}", "line 2: recordingDuration 'n/a'"),
        (f"{HEADER}\n{row(1, 2, recording=0)}", "line 2: recordingDuration 0 s"),
        (f"{HEADER}\n{row(1, 2)}\n{row(9, 2, recording=601)}", "line 3: recordingDuration 601 s, 600 s in line 2"),
        (f"{HEADER}\n{row(1, 2, 'seizure')}", r"line 2: eventType 'seizure'.*did you mean 'sz'"),
        (f"{HEADER}\n{row(1, 2, 'szare')}", "line 2: eventType 'szare'"),
        (f"{HEADER}\n{row(1, 0)}", "line 2: sz at 1 s lasts 0 s"),
        (f"{HEADER}\n{row(-1, 2)}", "line 2: sz from -1 to 1 s is outside"),
        (f"{HEADER}\n{row(5, -2)}", "line 2: sz from 5 to 3 s is outside"),
        (f"{HEADER}\n{row(599, 2)}", "line 2: sz from 599 to 601 s is outside of the recording of 600 s"),
        (f"{HEADER}\n{row(50, 2)}\n{row(10, 2)}", "line 3: onset 10 s is before 50 s"),
        (f"{HEADER}\n{row(50, 20)}\n{row(60, 20)}", "line 3: onset 60 s overlaps the event before"),
        (f"{HEADER}\n{row(0, 600, 'bckg')}\n{row(60, 20)}", "line 3: onset 60 s overlaps"),
    ],
)
def test_what_is_wrong_has_a_file_and_a_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "a_events.tsv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadDataError, match=said) as failure:
        read_annotated(path)
    assert str(path) in str(failure.value)


def test_what_is_no_text_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a_events.tsv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadDataError, match="cannot be read"):
        read_annotated(path)


def test_steps_are_read_as_they_were_written(tmp_path: Path) -> None:
    steps = made_up_steps(60, ((20, 30),))
    read = read_steps(write_steps(tmp_path / "a.csv", steps), 60)
    np.testing.assert_array_equal(read.time_s, steps.time_s)
    np.testing.assert_allclose(read.probability, steps.probability, atol=1e-6)
    np.testing.assert_array_equal(read.state, steps.state)
    assert read.step_s == 1.0
    assert read.declared_s == (20.0,)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("3.0000,", "2.0000,", "line 4: time_s 2 is not after 2"),
        ("60.0000,", "61.0000,", "line 61: time_s 61 is outside"),
        (",2,22", ",3,22", "state '3'; expected 0"),
        (",0.", ",7.", "expected 0 to 1"),
        ("time_s", "time", "no column 'time_s'"),
        (",22\n", "\n", "columns; the header has 4"),
    ],
)
def test_steps_that_are_wrong_have_a_file_and_a_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = write_steps(tmp_path / "a.csv", made_up_steps(60, ((20, 30),)))
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(BadDataError, match=said) as failure:
        read_steps(path, 60)
    assert str(path) in str(failure.value)
