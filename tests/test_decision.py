"""Non-seizure is said only while it is true; a seizure exactly by its thresholds, holds and refractory time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.decision import BURDEN_S, Decision, DecisionConfig
from detector.errors import ConfigError
from detector.messages import (
    Cause,
    Decided,
    Event,
    Gap,
    Outcome,
    Probability,
    Reset,
    SessionReset,
    State,
    Status,
)
from tests.signals import deterministic

PLAIN = DecisionConfig(
    step_s=1.0,
    smoothing_s=0.0,
    onset_threshold=0.6,
    offset_threshold=0.4,
    onset_hold_s=2.0,
    offset_hold_s=3.0,
    refractory_s=0.0,
    warm_up_s=5.0,
    min_good=16,
    poor_seizure_s=4.0,
)
Step = float | None | Gap  # a probability, a poor signal, or a gap


def run(config: DecisionConfig, steps: Iterable[Step], start_s: float = 100.0) -> list[Decided]:
    decision, said = Decision(config), []
    for i, step in enumerate(steps):
        if isinstance(step, Gap):
            said += decision.process(step)
        else:
            said += decision.process(probability(start_s + i * config.step_s, step))
    return said


def probability(at_s: float, value: float | None) -> Probability:
    good = np.arange(22) < (15 if value is None else 16)
    return Probability(0.99 if value is None else value, good, at_s)


def gap(reason: Reset = Reset.GAP, missing: int = 0) -> Gap:
    return Gap(0.0, math.nan, reason, missing)


def events(said: Iterable[Decided]) -> list[Event]:
    return [x for x in said if isinstance(x, Event)]


def states(said: Iterable[Decided]) -> list[State | Cause]:
    return [x.cause or x.state for x in said if isinstance(x, Status)]


WARM = [0.0] * 6


def test_nothing_is_said_in_the_warm_up() -> None:
    assert states(run(PLAIN, [0.0] * 7)) == [Cause.WARMUP] * 5 + [State.NON_SEIZURE] * 2


def test_the_onset_threshold_is_reached_by_its_own_value_and_held() -> None:
    said = run(PLAIN, [*WARM, 0.6, 0.6, 0.6])
    assert states(said)[6:] == [State.NON_SEIZURE, State.NON_SEIZURE, State.SEIZURE]
    assert events(said) == [Event(1, 105.0, 108.0, None, 0.6, Outcome.ONGOING)]
    assert not events(run(PLAIN, [*WARM, 0.6, 0.6]))


def test_just_below_the_onset_threshold_is_none_and_begins_the_hold_anew() -> None:
    below = float(np.nextafter(0.6, 0))
    assert not events(run(PLAIN, [*WARM, *[below] * 20]))
    assert [e.declared_s for e in events(run(PLAIN, [*WARM, 0.7, 0.7, below, 0.7, 0.7, 0.7]))] == [111.0]


def test_the_offset_threshold_is_not_below_itself() -> None:
    began = [*WARM, 0.9, 0.9, 0.9]
    assert len(events(run(PLAIN, [*began, *[0.4] * 20]))) == 1
    below = float(np.nextafter(0.4, 0))
    said = run(PLAIN, [*began, 0.4, *[below] * 3, 0.4, *[below] * 4])
    assert events(said)[1:] == [Event(1, 105.0, 108.0, 114.0, 0.9, Outcome.ENDED)]
    assert states(said)[-2:] == [State.SEIZURE, State.NON_SEIZURE]


def test_the_peak_is_the_highest_of_this_seizure_only() -> None:
    one = [*[0.7] * 3, 0.95, *[0.1] * 4]
    two = [*[0.7] * 3, *[0.1] * 4]
    assert [e.peak_probability for e in events(run(PLAIN, [*WARM, *one, *two]))] == [0.7, 0.95, 0.7, 0.7]


def test_the_peak_before_a_poor_stretch_is_not_of_the_seizure_after_it() -> None:
    assert [e.peak_probability for e in events(run(PLAIN, [*WARM, 0.95, None, 0.7, 0.7, 0.7]))] == [0.7]


@pytest.mark.parametrize("jitter_s", [-0.45, 0.45])
def test_less_than_half_a_step_of_jitter_decides_nothing(jitter_s: float) -> None:
    values = [*WARM, 0.9, 0.9, 0.9, *[0.1] * 5]

    def states_with(jitter: float) -> list[State | Cause]:
        decision = Decision(PLAIN)
        # Every second stamp of a hold's beginning and end is off.
        stamps = [100.0 + i + (jitter if i in (5, 8, 12) else 0.0) for i in range(len(values))]
        return states(x for t, v in zip(stamps, values, strict=True) for x in decision.process(probability(t, v)))

    assert states_with(jitter_s) == states_with(0.0)


def test_a_seizure_that_began_in_the_warm_up_is_declared_at_its_end() -> None:
    said = run(PLAIN, [0.9] * 7)
    assert states(said) == [Cause.WARMUP] * 5 + [State.SEIZURE] * 2
    assert [e.declared_s for e in events(said)] == [105.0]


def test_in_the_refractory_time_none_is_declared() -> None:
    config = replace(PLAIN, refractory_s=10.0)
    first = [*WARM, 0.9, 0.9, 0.9, *[0.1] * 4]
    said = run(config, [*first, *[0.9] * 10])
    ended, second = events(said)[1:]
    assert ended.offset_s is not None
    assert second.declared_s == ended.offset_s + 10.0
    assert second.onset_s >= ended.offset_s


def test_right_after_a_seizure_more_is_needed_for_another_and_less_as_time_goes() -> None:
    config = replace(PLAIN, caution=2.0, caution_s=10.0)
    first = [*WARM, 0.9, 0.9, 0.9, *[0.1] * 4]
    said = run(config, [*first, *[0.7] * 30])
    ended, second = events(said)[1:]
    assert ended.offset_s is not None
    # 2 exp(-t / 10) falls below the distance of 0.7 from 0.6 in log odds, 0.44, at 15.1 s; then it holds for 2 s.
    assert second.declared_s == ended.offset_s + 18.0
    # Before the first seizure, and where it is off, nothing is higher.
    assert [e.declared_s for e in events(run(config, [*WARM, *[0.7] * 5]))] == [108.0]
    off = replace(config, caution=0.0)
    assert events(run(off, [*first, *[0.7] * 30]))[2].declared_s < second.declared_s


def test_smoothing_is_an_exponential_mean() -> None:
    config = replace(PLAIN, smoothing_s=4.0, onset_hold_s=0.0)
    # 1 - exp(-n / 4) passes 0.6 at n = 4.
    assert [e.declared_s for e in events(run(config, [*WARM, *[1.0] * 6]))] == [109.0]


def test_a_poor_signal_is_never_non_seizure_and_never_a_new_seizure() -> None:
    said = run(PLAIN, [*WARM, *[None] * 20])
    assert states(said)[6:] == [Cause.POOR] * 20
    assert not events(said)


def test_a_poor_signal_does_not_count_towards_a_hold() -> None:
    assert not events(run(PLAIN, [*WARM, 0.9, *[None] * 10, 0.9, 0.9]))
    said = run(PLAIN, [*WARM, 0.9, 0.9, 0.9, 0.1, None, None, None, 0.1, 0.1])
    assert [e.outcome for e in events(said)] == [Outcome.ONGOING]
    assert states(said)[-1] is State.SEIZURE


def test_what_was_before_a_poor_stretch_is_no_mean_of_what_comes_after() -> None:
    config = replace(PLAIN, smoothing_s=60.0, onset_hold_s=0.0)
    assert not events(run(config, [*WARM[:2], *[None] * 3, *[0.1] * 20]))
    long_ago = [*[0.99] * 3, *[None] * 100, *[0.1] * 20]
    assert not events(run(config, long_ago))


def test_a_seizure_outlasts_a_short_poor_stretch_and_not_a_long_one() -> None:
    began = [*WARM, 0.9, 0.9, 0.9]
    said = run(PLAIN, [*began, *[None] * 4, 0.9])
    assert states(said)[9:] == [State.SEIZURE] * 5
    said = run(PLAIN, [*began, *[None] * 5, 0.9])
    assert states(said)[9:] == [State.SEIZURE] * 4 + [Cause.POOR, State.NON_SEIZURE]
    assert events(said)[1] == Event(1, 105.0, 108.0, None, 0.9, Outcome.UNKNOWN)


def test_poor_stretches_with_a_good_signal_between_do_not_add_up() -> None:
    said = run(PLAIN, [*WARM, 0.9, 0.9, 0.9, *[None, None, None, 0.9] * 5])
    assert [e.outcome for e in events(said)] == [Outcome.ONGOING]
    assert states(said)[-1] is State.SEIZURE


def test_the_probability_is_nan_in_warm_up_and_while_poor() -> None:
    said = [x for x in run(PLAIN, [*WARM, None, 0.5]) if isinstance(x, Status)]
    assert [math.isnan(x.probability) for x in said] == [True] * 5 + [False, True, False]


def test_a_gap_ends_a_seizure_with_an_unknown_outcome_and_begins_a_warm_up() -> None:
    said = run(PLAIN, [*WARM, 0.9, 0.9, 0.9, gap(missing=7), 0.1])
    ended, boundary, status = said[-3:]
    assert isinstance(ended, Event)
    assert (ended.outcome, ended.offset_s) == (Outcome.UNKNOWN, None)
    assert boundary == SessionReset(0.0, Reset.GAP, 7)
    assert isinstance(status, Status)
    assert (status.cause, status.missing_samples) == (Cause.WARMUP, 7)


@pytest.mark.parametrize("reason", [Reset.CLOCK, Reset.RECONNECT, Reset.BACKWARDS, Reset.GAP])
def test_a_clock_that_jumps_back_does_not_silence_the_next_seizure(reason: Reset) -> None:
    config = replace(PLAIN, refractory_s=60.0)
    decision = Decision(config)
    for i, value in enumerate([*WARM, 0.9, 0.9, 0.9, *[0.1] * 4]):
        decision.process(probability(200_000.0 + i, value))
    decision.process(gap(reason))
    said = [x for i in range(20) for x in decision.process(probability(float(i), 0.9 if i > 8 else 0.0))]
    assert [e.declared_s for e in events(said)] == [11.0]
    assert all(x.burden < 0.1 for x in said if isinstance(x, Status))


@pytest.mark.parametrize("reason", [Reset.NEW_STREAM, Reset.CLOCK, Reset.BACKWARDS])
def test_times_of_another_clock_silence_nobody_and_are_no_burden(reason: Reset) -> None:
    decision = Decision(replace(PLAIN, refractory_s=60.0))
    for i, value in enumerate([*WARM, 0.9, 0.9, 0.9, *[0.1] * 4]):
        decision.process(probability(100.0 + i, value))
    decision.process(gap(reason))
    later = [x for i in range(12) for x in decision.process(probability(115.0 + i, 0.9 if i > 5 else 0.0))]
    assert [x.burden for x in later if isinstance(x, Status)][:6] == [0.0] * 6
    assert [e.declared_s for e in events(later)] == [123.0]


def test_stamps_that_go_back_without_a_gap_begin_a_session() -> None:
    decision = Decision(PLAIN)
    for i, value in enumerate([*WARM, 0.9, 0.9, 0.9]):
        decision.process(probability(200.0 + i, value))
    ended, boundary, status = decision.process(probability(50.0, 0.9))
    assert isinstance(ended, Event)
    assert ended.outcome is Outcome.UNKNOWN
    assert isinstance(boundary, SessionReset)
    assert boundary.reason is Reset.BACKWARDS
    assert isinstance(status, Status)
    assert status.cause is Cause.WARMUP


def test_the_burden_is_the_ictal_share_of_the_last_five_minutes() -> None:
    said = run(PLAIN, [*WARM, *[0.9] * 62, *[0.0] * 350])
    burden = [x.burden for x in said if isinstance(x, Status)]
    ictal = sum(state is State.SEIZURE for state in states(said))
    assert ictal == 63
    assert max(burden) == pytest.approx(ictal / BURDEN_S)
    assert burden[-1] == 0.0
    assert max(x.burden for x in run(PLAIN, [*WARM, *[0.9] * 700]) if isinstance(x, Status)) == 1.0


def test_the_burden_forgets_a_step_after_exactly_five_minutes() -> None:
    burden = [x.burden for x in run(PLAIN, [*WARM, *[0.9] * 62, *[0.0] * 350]) if isinstance(x, Status)]
    first = next(i for i, share in enumerate(burden) if share)
    assert burden[first + 299] == pytest.approx(63 / 300)
    assert burden[first + 300] == pytest.approx(62 / 300)


def test_a_decision_that_takes_the_place_of_another_keeps_its_counts_and_burden() -> None:
    before = Decision(PLAIN)
    said: list[Decided] = []
    for i, value in enumerate([*WARM, *[0.9] * 20]):
        said += before.process(probability(float(i), value))
    after = Decision(PLAIN, before.record)
    last = said[-1]
    assert isinstance(last, Status)
    assert last.burden > 0
    said = [x for i in range(30) for x in after.process(probability(30.0 + i, 0.9))]
    assert [x.number for x in said if isinstance(x, Event)] == [2]
    assert next(x for x in said if isinstance(x, Status)).burden == last.burden


def test_reset_forgets_the_session_and_says_nothing() -> None:
    decision = Decision(PLAIN)
    said: list[Decided] = []
    for i, value in enumerate([*WARM, 0.9, 0.9, 0.9]):
        said += decision.process(probability(float(i), value))
    assert states(said)[-1] is State.SEIZURE
    decision.reset()
    assert states(decision.process(probability(9.0, 0.9))) == [Cause.WARMUP]


@pytest.mark.parametrize(("onset", "offset"), [(0.4, 0.6), (0.5, 0.0), (1.1, 0.5)])
def test_thresholds_that_contradict_each_other_are_refused(onset: float, offset: float) -> None:
    with pytest.raises(ConfigError, match="expected 0 < offset_threshold <= onset_threshold <= 1"):
        replace(PLAIN, onset_threshold=onset, offset_threshold=offset)


value_or_poor = st.one_of(st.floats(0, 1), st.none(), st.sampled_from([0.4, 0.6, 0.95, 0.05]))
stretch = st.tuples(value_or_poor, st.integers(1, 30))
steps_or_gaps = st.one_of(stretch, st.sampled_from([gap(reason) for reason in Reset]))


@deterministic(300)
@given(
    st.lists(steps_or_gaps, min_size=1, max_size=25),
    st.floats(-0.24, 0.24),
    st.sampled_from([0.0, 1.5, 10.0]),
    st.sampled_from([0.0, 12.0]),
)
def test_whatever_comes_the_promises_hold(
    parts: list[tuple[float | None, int] | Gap], jitter: float, smoothing_s: float, refractory_s: float
) -> None:
    config = replace(PLAIN, step_s=0.5, smoothing_s=smoothing_s, refractory_s=refractory_s)
    decision = Decision(config)
    now, parity, since_start, open_event, last_offset = 50.0, 1, 0, None, None
    numbers: list[int] = []
    for part in parts:
        if isinstance(part, Gap):
            said = decision.process(part)
            ended = events(said)
            assert [e.number for e in ended] == ([open_event.number] if open_event else [])
            assert all(e.outcome is Outcome.UNKNOWN and e.offset_s is None for e in ended)
            assert isinstance(said[-1], SessionReset)
            if open_event or part.reason in (Reset.BACKWARDS, Reset.NEW_STREAM, Reset.CLOCK):
                last_offset = None
            open_event, since_start = None, 0
            now += 100.0
            continue
        value, n = part
        for _ in range(n):
            now += config.step_s
            parity = -parity
            stamp = now + jitter * config.step_s * parity
            said = decision.process(probability(stamp, value))
            *changed, status = said
            assert isinstance(status, Status)
            for event in events(changed):
                if open_event is None:
                    assert event.outcome is Outcome.ONGOING
                    assert event.onset_s <= event.declared_s == stamp
                    assert value is not None
                    if last_offset is not None:
                        assert event.declared_s - last_offset >= refractory_s - config.step_s / 2
                        assert event.onset_s >= last_offset - config.step_s / 2
                    numbers.append(event.number)
                    open_event = event
                else:
                    assert (event.number, event.onset_s) == (open_event.number, open_event.onset_s)
                    assert event.outcome in (Outcome.ENDED, Outcome.UNKNOWN)
                    assert event.offset_s is None or event.declared_s <= event.offset_s <= stamp
                    assert event.peak_probability >= open_event.peak_probability
                    last_offset, open_event = event.offset_s, None
            warm = since_start * config.step_s >= config.warm_up_s
            assert (status.state is State.SEIZURE) == (open_event is not None)
            if status.state is State.NON_SEIZURE:
                assert warm
                assert value is not None
            if status.state is State.NOT_MONITORING:
                assert math.isnan(status.probability)
            assert math.isnan(status.probability) == (value is None or not warm)
            assert 0 <= status.burden <= 1
            since_start = 0 if value is None and not warm else since_start + 1
    assert numbers == list(range(1, len(numbers) + 1))


def test_warm_up_begins_with_the_first_signal_that_can_be_watched_as_where_electrodes_are_attached_late() -> None:
    decision = Decision(PLAIN)
    for k in range(200):
        assert states(decision.process(probability(k * 1.0, None))) == [Cause.POOR]
    said = [states(decision.process(probability(200.0 + k, 0.9)))[-1] for k in range(7)]
    assert said == [Cause.WARMUP] * 5 + [State.SEIZURE] * 2


def test_a_poor_stretch_in_warm_up_begins_it_anew_and_one_after_it_does_not() -> None:
    decision = Decision(PLAIN)
    values: list[float | None] = [0.1] * 4 + [None] + [0.1] * 6 + [None, 0.1]
    said = [states(decision.process(probability(k * 1.0, value)))[-1] for k, value in enumerate(values)]
    assert said[:10] == [Cause.WARMUP] * 4 + [Cause.POOR] + [Cause.WARMUP] * 5
    assert said[10:] == [State.NON_SEIZURE, Cause.POOR, State.NON_SEIZURE]


def test_as_few_good_channels_as_the_card_tolerates_are_enough() -> None:
    decision = Decision(replace(PLAIN, warm_up_s=0.0))
    for n_good, state in ((PLAIN.min_good, State.NON_SEIZURE), (PLAIN.min_good - 1, Cause.POOR)):
        assert states(decision.process(Probability(0.1, np.arange(22) < n_good, 100.0))) == [state]


def test_the_peak_counts_from_the_onset_and_not_from_the_declaration() -> None:
    assert [e.peak_probability for e in events(run(PLAIN, [0.99, *WARM, 0.95, 0.7, 0.7]))] == [0.95]


def hole(start_s: float, end_s: float, missing: int = 0) -> Gap:
    return Gap(start_s, end_s, Reset.GAP, missing)


def resumed(
    config: DecisionConfig, before: Sequence[float | None], hole_s: float, after: Sequence[float]
) -> list[Decided]:
    """Steps from 100 s on, a hole that nobody saw and a new decision that is told of it; what that one says."""
    decision = Decision(config)
    for i, value in enumerate(before):
        decision.process(probability(100.0 + i, value))
    another, newest_s = Decision(config), 99.0 + len(before)
    another.set_state(decision.get_state())
    said = another.resume(hole(newest_s, newest_s + hole_s))
    for i, value in enumerate(after):
        said += another.process(probability(newest_s + hole_s + 1 + i, value))
    return said


ON = [*WARM, 0.9, 0.9, 0.9]


def test_behind_a_hole_a_seizure_is_said_at_once_and_stays_one_event() -> None:
    said = resumed(replace(PLAIN, poor_seizure_s=30.0), [*ON], 8.0, [0.9, 0.9, *[0.1] * 4])
    assert isinstance(said[0], Status)
    assert (said[0].time_s, said[0].state, said[0].good_channels) == (116.0, State.SEIZURE, 0)
    assert math.isnan(said[0].probability)
    assert events(said) == [Event(1, 105.0, 108.0, 119.0, 0.9, Outcome.ENDED)]


def test_behind_a_hole_non_seizure_is_said_with_a_step_and_not_before() -> None:
    said = resumed(PLAIN, WARM, 8.0, [0.1])
    assert states(said) == [Cause.WARMUP, State.NON_SEIZURE]


def test_a_hole_counts_towards_no_hold() -> None:
    config = replace(PLAIN, poor_seizure_s=30.0)
    assert not events(resumed(config, [*WARM, 0.9, 0.9], 8.0, [0.9, 0.9]))
    assert [e.declared_s for e in events(resumed(config, [*WARM, 0.9, 0.9], 8.0, [0.9, 0.9, 0.9]))] == [118.0]
    assert not events(resumed(config, [*ON, 0.1, 0.1], 8.0, [0.1, 0.1, 0.1]))
    ended = events(resumed(config, [*ON, 0.1, 0.1], 8.0, [0.1, 0.1, 0.1, 0.1]))
    assert [(e.number, e.offset_s) for e in ended] == [(1, 119.0)]


def test_a_hole_counts_towards_no_warm_up_however_often_there_is_one() -> None:
    assert states(resumed(PLAIN, [0.0] * 3, 50.0, [0.0] * 5)) == [Cause.WARMUP] * 4 + [State.NON_SEIZURE] * 2
    decision = Decision(PLAIN)
    now, said = 100.0, []
    for _ in range(4):
        said += decision.process(probability(now, 0.0))
        said += decision.process(probability(now + 1, 0.0))
        another = Decision(PLAIN)
        another.set_state(decision.get_state())
        another.resume(hole(now + 1, now + 21))
        decision, now = another, now + 22
    # One second between two steps is all that was watched each time.
    assert states(said) == [Cause.WARMUP] * 8
    said = [x for i in range(3) for x in decision.process(probability(now + i, 0.0))]
    assert states(said) == [Cause.WARMUP, State.NON_SEIZURE, State.NON_SEIZURE]


def test_what_was_before_a_hole_is_no_mean_of_what_comes_after() -> None:
    config = replace(PLAIN, smoothing_s=60.0, onset_hold_s=0.0)
    assert not events(resumed(config, [0.99] * 3, 8.0, [0.1] * 20))


@pytest.mark.parametrize(
    ("before", "hole_s", "outcomes"),
    [([], 3.0, []), ([], 4.0, ["unknown"]), ([None, None], 2.0, []), ([None, None], 3.0, ["unknown"])],
)
def test_a_seizures_outcome_is_unknown_after_a_hole_as_long_as_a_poor_stretch(
    before: list[None], hole_s: float, outcomes: list[str]
) -> None:
    said = resumed(PLAIN, [*ON, *before], hole_s, [])
    assert [e.outcome for e in events(said)] == outcomes
    assert states(said) == [Cause.WARMUP if outcomes else State.SEIZURE]


def test_behind_a_hole_counts_refractory_time_and_burden_go_on() -> None:
    config = replace(PLAIN, refractory_s=20.0)
    said = resumed(config, [*ON, *[0.1] * 4], 8.0, [0.9] * 20)
    [second] = events(said)
    assert (second.number, second.declared_s) == (2, 129.0)  # the first one's offset was at 109
    burden = [x.burden for x in said if isinstance(x, Status)]
    assert burden[0] == burden[1] == pytest.approx(4 / BURDEN_S)


def test_the_samples_of_a_hole_are_missing() -> None:
    decision = Decision(PLAIN)
    decision.process(gap(missing=5))
    [status] = decision.resume(hole(0.0, 4.0, missing=1023))
    assert isinstance(status, Status)
    assert status.missing_samples == 1028


@deterministic(200)
@given(
    st.lists(stretch, min_size=1, max_size=12),
    st.integers(0, 120),
    st.sampled_from([0.0, 1.5]),
    st.sampled_from([0.5, 3.0, 30.0, 119.0]),
)
def test_whatever_comes_a_hole_decides_nothing(
    parts: list[tuple[float | None, int]], cut: int, smoothing_s: float, hole_s: float
) -> None:
    config = replace(PLAIN, step_s=0.5, smoothing_s=smoothing_s)
    values = [value for value, n in parts for _ in range(n)]
    cut = min(cut, len(values))
    decision, before = Decision(config), list[Decided]()
    for i, value in enumerate(values[:cut]):
        before += decision.process(probability(50.0 + i / 2, value))
    was_on = bool(before) and states(before)[-1] is State.SEIZURE
    newest_s = 50.0 + (cut - 1) / 2
    *ended, status = decision.resume(hole(newest_s, newest_s + hole_s))
    assert [e.outcome for e in events(ended)] in ([], [Outcome.UNKNOWN])
    assert states([status]) == [State.SEIZURE if was_on and not ended else Cause.WARMUP]
    for k, value in enumerate(values[cut:]):
        *changed, status = decision.process(probability(newest_s + hole_s + (k + 1) / 2, value))
        for event in events(changed):
            if event.outcome is Outcome.ONGOING:
                assert k / 2 >= config.onset_hold_s
                assert event.onset_s >= newest_s + hole_s
            elif event.outcome is Outcome.ENDED:
                assert k / 2 >= config.offset_hold_s
        if states([status]) == [State.NON_SEIZURE]:
            assert value is not None
            assert (max(cut - 1, 0) + k) / 2 >= config.warm_up_s
