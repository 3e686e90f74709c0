"""References that are not in order are refused, whatever the layout: nothing of them is mended."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.errors import BadDataError
from detector.source.recording import Annotation
from detector.training.datasets.reference import checked, seizures_in


def test_seizures_in_order_stay_as_they_are_and_may_touch() -> None:
    assert checked([(0, 5), (5, 9.5), (20, 100)], 100.0) == ((0, 5), (5, 9.5), (20, 100))
    assert checked([], 100.0) == ()


def test_an_end_that_was_rounded_up_is_cut_to_the_recording() -> None:
    assert checked([(90, 101)], 100.25) == ((90, 100.25),)


@pytest.mark.parametrize(
    ("seizures", "said"),
    [
        ([(90, 101.5)], "inside the recording, 0 to 100 s"),
        ([(100, 100.5)], "inside the recording"),
        ([(-1, 5)], "inside the recording"),
        ([(5, 5)], "an end that is after the onset"),
        ([(5, float("nan"))], "an end that is after the onset"),
        ([(5, float("inf"))], "inside the recording"),
        ([(50, 60), (10, 20)], "not in order"),
        ([(10, 20), (19, 30)], "overlap"),
        ([(10, 30), (15, 20)], "overlap"),
        ([(10, 20), (10, 20)], "comes twice"),
    ],
)
def test_what_is_not_in_order_is_said(seizures: list[tuple[float, float]], said: str) -> None:
    with pytest.raises(BadDataError, match=said) as caught:
        checked(seizures, 100.0)
    assert f"{seizures[-1][0]:g}" in str(caught.value)


@pytest.mark.parametrize("text", ["bckg", "Background", "no seizure", "non-seizure"])
def test_no_seizure_counts_where_somebody_says_so(text: str) -> None:
    assert seizures_in([Annotation(0, 100, text)], Path("a.tsv")) == []


@pytest.mark.parametrize("texts", [(), ("",), ("eyes open", "blink")])
def test_a_list_that_says_nothing_of_seizures_is_no_reference(texts: tuple[str, ...]) -> None:
    with pytest.raises(BadDataError, match=r"a\.tsv says .*expected at least one event sz"):
        seizures_in([Annotation(0, 10, text) for text in texts], Path("a.tsv"))
