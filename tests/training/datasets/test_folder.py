"""Any folder: annotations beside each recording or in it, and a person for each folder or name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from edfio import Bdf, BdfSignal, EdfAnnotation

from detector.training.datasets import find
from tests.training.datasets.written import events_file, problems_of, seizures_of, small_edf


def test_annotations_are_taken_from_beside_the_recording_or_from_within(tmp_path: Path) -> None:
    inside = EdfAnnotation(10, 5, "Seizure, left temporal")
    small_edf(tmp_path / "a_1.edf", 100, inside, EdfAnnotation(2, None, "blink"))
    small_edf(tmp_path / "a_2.edf", 100, EdfAnnotation(0, None, "no seizure"))
    # What is beside a recording is its reference, also where there are annotations in it.
    small_edf(tmp_path / "b-1.edf", 100, inside)
    events_file(tmp_path / "b-1.tsv", (0, 100, "bckg"))
    small_edf(tmp_path / "carol" / "night" / "1.edf")
    events_file(tmp_path / "carol" / "night" / "1_events.tsv", (20, 10, "sz"))
    signal = BdfSignal(
        np.arange(6400, dtype=np.float64) % 50, 64, label="FP1-F7", physical_dimension="uV", physical_range=(-400, 400)
    )
    Bdf([signal], data_record_duration=1).write(tmp_path / "d.bdf")
    events_file(tmp_path / "d_events.tsv", (90, 10, "sz_gen"))
    data = find(tmp_path)
    assert data.layout == "folder"
    assert not data.problems
    assert [(r.person, r.path.name, r.seizures) for r in data.recordings] == [
        ("a", "a_1.edf", ((10, 15),)),
        ("a", "a_2.edf", ()),
        ("b", "b-1.edf", ()),
        ("carol", "1.edf", ((20, 30),)),
        ("d", "d.bdf", ((90, 100),)),
    ]


def test_a_recording_that_nobody_says_anything_about_is_a_problem(tmp_path: Path) -> None:
    small_edf(tmp_path / "a.edf")
    small_edf(tmp_path / "b.edf", 100, EdfAnnotation(2, None, "recording starts"))
    small_edf(tmp_path / "c.edf", 100, EdfAnnotation(2, None, "seizure starts"))
    small_edf(tmp_path / "d.edf", 100, EdfAnnotation(2, 10, "seizure"))
    data = find(tmp_path)
    assert list(seizures_of(data)) == ["d.edf"]
    problems = problems_of(data)
    assert "says nothing" in problems["a.edf"]
    assert "'recording starts'" in problems["b.edf"]
    assert "an end that is after the onset" in problems["c.edf"]
