"""Nothing that is old, of another contract or from a dead detector is shown as something of now."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from detector.client.lsl import About, Marker, StatusSample
from detector.messages import State
from detector.page.bed import BIN_S, LATE_S, BedBook
from tests.signals import deterministic

ABOUT = About("pc", "chb-lstm-2", "chb-mit-22", 22, "amp", "amp-1", "1")
SAMPLE = StatusSample(1.0, 0.2, State.NON_SEIZURE, 22, 0.1, 0, 0.0)
BLIND = replace(SAMPLE, state=State.NOT_MONITORING, probability=math.nan)


def book(*samples: StatusSample, about: About | None = ABOUT) -> BedBook:
    bed = BedBook("bed1")
    bed.about = about
    for sample in samples:
        bed.take(sample, 1000.0, 10.0, 0.1)
    return bed


def test_a_bed_that_is_monitored_is_shown_as_such() -> None:
    facts = book(SAMPLE).facts(10.5)
    assert (facts["state"], facts["probability"], facts["good_channels"]) == ("non-seizure", 0.2, 22)


def test_without_a_heartbeat_it_is_dead_and_nothing_it_said_is_shown() -> None:
    facts = book(SAMPLE).facts(13.1)
    assert (facts["state"], facts["probability"], facts["input_age_s"]) == ("dead", None, None)
    assert book(SAMPLE).facts(12.9)["state"] == "non-seizure"


def test_a_status_that_was_kept_on_its_way_is_no_heartbeat() -> None:
    bed = book(SAMPLE)
    bed.take(SAMPLE, 1000.0, 20.0, LATE_S + 0.1)
    assert bed.is_dead(20.1)
    bed.take(SAMPLE, 1000.0, 20.0, LATE_S - 0.1)
    assert not bed.is_dead(20.1)


def test_nothing_is_believed_before_the_contract_is_known_or_of_another_one() -> None:
    assert book(SAMPLE, about=None).facts(10.0)["state"] == "connecting"
    other = book(SAMPLE, about=replace(ABOUT, contract="2"))
    other.problem = "it speaks contract 2"
    assert (other.facts(10.0)["state"], other.facts(10.0)["words"]) == ("unknown", "it speaks contract 2")
    assert other.seen(10.0).state is None


def test_a_detector_that_does_not_say_who_it_is_is_a_problem_and_its_seizures_are_believed() -> None:
    bed = book(about=None)
    for n in range(7):
        bed.take(SAMPLE, 1000.0, 10.0 + n, 0.1)
    assert "its metadata do not come" in bed.seen(16.0).problem
    assert bed.facts(16.0)["state"] == "unknown"
    bed.take(replace(SAMPLE, state=State.SEIZURE), 1000.0, 16.0, 0.1)
    assert bed.seen(16.0).state is State.SEIZURE


def test_a_seizure_that_came_late_or_went_before_anybody_looked_is_not_lost() -> None:
    seizure = replace(SAMPLE, time_s=2.0, state=State.SEIZURE)
    bed = book(SAMPLE, seizure, replace(SAMPLE, time_s=3.0))
    assert (bed.seen(10.0).state, bed.seen(10.0).had_seizure) == (State.NON_SEIZURE, True)
    bed = book(SAMPLE)
    bed.take(seizure, 1000.0, 10.0, LATE_S + 10)
    assert (bed.seen(10.0).state, bed.seen(10.0).had_seizure) == (State.SEIZURE, True)
    assert bed.facts(10.0)["probability"] == 0.2


def test_a_marker_that_comes_before_the_status_of_its_step_is_one_seizure() -> None:
    bed = book(SAMPLE)
    bed.take(Marker(2.0, "seizure"), 1000.0, 10.0, None)
    assert bed.seen(10.0).state is State.SEIZURE
    bed.take(replace(SAMPLE, time_s=2.5), 1000.0, 10.0, 0.1)
    assert bed.seen(10.0).state is State.NON_SEIZURE


def test_why_it_is_not_monitored_is_said_where_it_was_heard() -> None:
    bed = book(BLIND)
    assert "why was said before" in bed.facts(10.0)["words"]
    bed.take(Marker(1.0, "not-monitoring/lost"), 1000.0, 10.0, None)
    assert bed.facts(10.0)["words"] == "the EEG stream is lost"


def test_another_run_of_the_detector_begins_with_nothing_known() -> None:
    bed = book(SAMPLE)
    bed.connected()
    assert bed.facts(10.1)["state"] == "connecting"


def test_a_second_that_was_not_monitored_or_silent_makes_its_bin_so() -> None:
    for end_s, samples, state in (
        (11.0, [SAMPLE] * 9, State.NON_SEIZURE),
        (11.0, [SAMPLE, BLIND, SAMPLE], State.NOT_MONITORING),
        (11.0, [SAMPLE, replace(SAMPLE, state=State.SEIZURE), BLIND], State.SEIZURE),
        (13.5, [SAMPLE], State.NOT_MONITORING),
    ):
        bed = book(SAMPLE)
        assert bed.close_bin(1000.0, 10.0) is None
        for sample in samples:
            bed.take(sample, 1001.0, 10.0, 0.1)
        bed.close_bin(1009.0, end_s)
        done = bed.close_bin(1010.0, end_s)
        assert done is not None
        assert (done.bin_s, done.state) == (1000, state)


@deterministic(200)
@given(
    steps=st.lists(
        st.tuples(st.floats(-5, 30), st.sampled_from([SAMPLE, BLIND, replace(SAMPLE, state=State.SEIZURE), None])),
        max_size=60,
    )
)
def test_bins_never_overlap_and_a_seizure_is_in_one(steps: list[tuple[float, StatusSample | None]]) -> None:
    bed, utc_s, now_s, bins, seizures = book(), 1000.0, 10.0, [], 0
    for step_s, sample in [*steps, (100.0, None), (100.0, None)]:
        utc_s, now_s = utc_s + step_s, now_s + abs(step_s)
        if sample is not None:
            bed.take(sample, utc_s, now_s, 0.1)
        if (done := bed.close_bin(utc_s, now_s)) is not None:
            bins.append(done)
    assert all(one.bin_s % BIN_S == 0 for one in bins)
    if all(step_s >= 0 for step_s, _ in steps):
        assert len({one.bin_s for one in bins}) == len(bins)
        seizures = sum(sample is not None and sample.state is State.SEIZURE for _, sample in steps)
        assert (State.SEIZURE in {one.state for one in bins}) == (seizures > 0)
