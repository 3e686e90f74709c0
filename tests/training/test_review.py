"""What people said about alarms reaches the reference, or is refused with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detector.errors import BadDataError, MissingInputError
from detector.training.labelled import Labelled
from detector.training.recorded import sequences_of
from detector.training.review import reviewed
from tests.synthetic_edf import write_edf
from tests.training.made_up import CARD

HEAD = "recording\tonset\tduration\tlabel\n"


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> tuple[Labelled, ...]:
    folder = tmp_path_factory.mktemp("patient")
    first, second = write_edf(folder / "a.edf", 60), write_edf(folder / "b.edf", 60, seed=1)
    return Labelled("p", first, ((40.0, 50.0),)), Labelled("p", second, ())


def test_a_missed_seizure_is_one_and_a_false_alarm_counts_more(
    recordings: tuple[Labelled, ...], tmp_path: Path
) -> None:
    path = tmp_path / "review.tsv"
    path.write_text(HEAD + "b.edf\t20\t10\tmissed\na.edf\t10\t5\tfalse alarm\n")
    first, second = reviewed(recordings, path)
    assert (first.seizures, first.false_alarms) == (((40.0, 50.0),), ((10.0, 15.0),))
    assert (second.seizures, second.false_alarms) == (((20.0, 30.0),), ())
    [sequence] = sequences_of(first, CARD)
    inside = (sequence.end_s >= 10) & (sequence.end_s < 15)
    assert inside.any()
    assert (sequence.weight == np.where(inside, 4, 1)).all()
    [sequence] = sequences_of(second, CARD)
    assert sequence.target.any()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("c.edf\t1\t2\tmissed", "there is no recording 'c.edf'"),
        ("a.edf\t1\t2\tfalse", "the choices are 'false alarm' and 'missed'"),
        ("a.edf\tsoon\t2\tmissed", "expected onset and duration in seconds"),
        ("a.edf\t1\t0\tmissed", "expected a stretch of time"),
        ("a.edf\t55\t20\tmissed", "expected it inside the recording"),
        ("a.edf\t45\t2\tmissed", "overlap"),
        ("a.edf\t45\t2\tfalse alarm", "expected one or the other"),
    ],
)
def test_a_row_that_cannot_be_is_refused(recordings: tuple[Labelled, ...], tmp_path: Path, row: str, said: str) -> None:
    path = tmp_path / "review.tsv"
    path.write_text(HEAD + row + "\n")
    with pytest.raises(BadDataError, match=said):
        reviewed(recordings, path)


def test_a_name_that_two_recordings_have_is_refused(recordings: tuple[Labelled, ...], tmp_path: Path) -> None:
    path = tmp_path / "review.tsv"
    path.write_text(HEAD + "a.edf\t1\t2\tmissed\n")
    with pytest.raises(BadDataError, match=r"2 recordings are called 'a\.edf'; expected a name for each"):
        reviewed((*recordings, recordings[0]), path)


def test_a_file_that_is_not_there_or_has_other_columns_is_refused(
    recordings: tuple[Labelled, ...], tmp_path: Path
) -> None:
    with pytest.raises(MissingInputError, match="expected a review file"):
        reviewed(recordings, tmp_path / "nothing.tsv")
    (tmp_path / "other.tsv").write_text("onset\tduration\n1\t2\n")
    with pytest.raises(BadDataError, match="expected recording, onset, duration, label"):
        reviewed(recordings, tmp_path / "other.tsv")
