"""The survey of a data set: what is counted equals what was written, and what does not fit a model is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.conditioning.montage import MONTAGES
from detector.training.datasets import find
from detector.training.datasets.check import survey, told_once
from detector.training.labelled import Problem
from tests.training.datasets.written import events_file, small_edf
from tests.training.made_up import CARD

ALL = MONTAGES["chb-mit-22"]


def add(path: Path, labels: tuple[str, ...], rate_hz: int, *rows: tuple[float, float, str]) -> None:
    small_edf(path, labels=labels, rate_hz=rate_hz)
    events_file(path.with_name(f"{path.stem}_events.tsv"), *rows or ((0, 100, "bckg"),))


def test_everything_is_counted_by_person_and_pooled(tmp_path: Path) -> None:
    add(tmp_path / "a_1.edf", ALL, 128, (10, 30, "sz"), (60, 15, "sz"))
    add(tmp_path / "a_2.edf", ALL[:19], 200)
    add(tmp_path / "b_1.edf", ALL, 200, (10, 15, "sz"))
    result = survey(find(tmp_path), CARD)
    assert not result.problems
    a, b = result.persons["a"], result.persons["b"]
    assert (a.recordings, a.seizures, b.recordings, b.seizures) == (2, 2, 1, 1)
    assert a.hours == pytest.approx(200 / 3600)
    assert (a.ictal_minutes, b.ictal_minutes) == (0.75, 0.25)
    assert (set(a.rates_hz), set(a.derivations)) == ({128, 200}, {22, 19})
    assert result.channel_sets == {"A": ALL, "B": ALL[:19]}
    assert result.total.channel_sets == {"A": 2, "B": 1}
    assert (result.total.recordings, result.total.ictal_minutes) == (3, 1.0)


def test_a_recording_that_does_not_fit_the_model_is_a_problem_that_names_what_it_has(tmp_path: Path) -> None:
    add(tmp_path / "a_1.edf", ALL, 128, (10, 30, "sz"))
    add(tmp_path / "b_1.edf", ("C3-P3", "ECG"), 128)
    add(tmp_path / "b_2.edf", MONTAGES["tuh-tcp-22"], 128)
    result = survey(find(tmp_path), CARD)
    texts = {problem.path.name: problem.text for problem in result.problems}
    assert "needs at least 12 of its 22 derivations, found 1" in texts["b_1.edf"]
    assert "derivations of tuh-tcp-22" in texts["b_2.edf"]
    assert list(texts) == ["b_1.edf", "b_2.edf"]


def test_more_sets_of_channels_than_letters_have_names_of_their_own(tmp_path: Path) -> None:
    for i in range(28):
        add(tmp_path / f"a_{i:02d}.edf", (*ALL[:12], f"X{i}"), 200)
    names = list(survey(find(tmp_path), CARD).channel_sets)
    assert names[0] == "A"
    assert names[25:] == ["Z", "AA", "AB"]


def test_problems_of_one_kind_share_a_line_and_each_file_is_named() -> None:
    problems = [Problem(Path(f"/d/{name}"), text) for name, text in (("a", "x"), ("b", "/d/b: y"), ("c", "x"))]
    assert told_once(problems) == ["/d/a and 1 more (of the same kind: c): x", "/d/b: y"]
