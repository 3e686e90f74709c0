"""What travels says when it makes no sense."""

from __future__ import annotations

import math

import pytest

from detector.messages import Cause, Description, Outcome, Reset, State, Status


def status(state: State, cause: Cause | None) -> Status:
    return Status(1.0, math.nan, state, cause, 22, 0, 0.0)


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("cause", [None, Cause.POOR])
def test_a_cause_is_given_exactly_when_nothing_is_monitored(state: State, cause: Cause | None) -> None:
    if (cause is not None) == (state is State.NOT_MONITORING):
        assert status(state, cause).cause is cause
    else:
        with pytest.raises(AssertionError):
            status(state, cause)


def test_the_words_and_codes_of_contract_v1_stay() -> None:
    assert {state.label: int(state) for state in State} == {"not-monitoring": 0, "non-seizure": 1, "seizure": 2}
    assert " ".join(Cause) == "starting waiting validating refused warmup lost stale poor fault stopping"
    assert " ".join(Outcome) == "ongoing ended unknown"
    assert " ".join(Reset) == (
        "new-stream reconnect gap timestamps-backwards clock-jump lost rate-change label-change operator reload "
        "fault end"
    )


def test_a_description_names_every_channel_once() -> None:
    with pytest.raises(AssertionError):
        Description(("A", "B"), 256.0, (1.0,), ("uV", "uV"))
