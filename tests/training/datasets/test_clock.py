"""Clock texts: whatever way midnight is written, the seconds between two of them are the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.errors import BadDataError
from detector.training.datasets.clock import DAY_S, elapsed_s, seconds_of


def written(seconds: int, separators: tuple[str, str], pad: bool, blank_at: int | None) -> str:
    hours, rest = divmod(seconds, 3600)
    first, second = separators
    text = f"{hours:02d}" if pad else str(hours)
    text += f"{first}{rest // 60:02d}{second}{rest % 60:02d}"
    return text if blank_at is None else text[:blank_at] + " " + text[blank_at:]


WAYS = {
    "separators": st.tuples(st.sampled_from(":."), st.sampled_from(":.")),
    "pad": st.booleans(),
    "blank_at": st.one_of(st.none(), st.integers(0, 7)),
}


@given(start=st.integers(0, DAY_S - 1), length=st.integers(0, DAY_S - 1), beyond=st.booleans(), **WAYS)
def test_the_time_between_two_clocks_is_what_went_by_over_midnight_too(
    start: int, length: int, beyond: bool, separators: tuple[str, str], pad: bool, blank_at: int | None
) -> None:
    end = start + length if beyond else (start + length) % DAY_S
    assert elapsed_s(written(start, separators, pad, None), written(end, separators, pad, blank_at)) == length


@given(seconds=st.integers(0, 2 * DAY_S - 1), **WAYS)
def test_every_way_of_writing_a_time_is_the_same_second(
    seconds: int, separators: tuple[str, str], pad: bool, blank_at: int | None
) -> None:
    assert seconds_of(written(seconds, separators, pad, blank_at)) == seconds


@given(st.text(max_size=12))
def test_a_text_is_a_time_within_two_days_or_refused(text: str) -> None:
    try:
        seconds = seconds_of(text)
    except BadDataError:
        return
    assert 0 <= seconds < 2 * DAY_S
    assert {":", "."} & set(text)


@pytest.mark.parametrize("text", ["", "12:30", "48:00:00", "12:60:00", "12:00:60", "10.15.16 (10.15.20)", "-1:00:00"])
def test_what_is_no_time_or_two_is_refused_with_what_came(text: str) -> None:
    with pytest.raises(BadDataError) as caught:
        seconds_of(text)
    assert repr(text) in str(caught.value)
