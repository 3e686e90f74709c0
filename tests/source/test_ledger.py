"""What was lost is known from the stamps alone, and lateness is not taken for loss."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.errors import StateError
from detector.messages import Reset, TimeArray
from detector.source.ledger import Ledger, Segment

RATE = 256.0
STAMPS = 1000 + np.arange(60 * 256) / RATE
LATE = STAMPS + np.repeat(np.random.default_rng(1).exponential(0.004, len(STAMPS) // 32), 32)  # pushed late by some ms


def _run(stamps: TimeArray, chunk: int = 32, silent_s: float = 0.1) -> tuple[list[Segment], Ledger]:
    ledger = Ledger(RATE, max_filled=3)
    segments = [
        segment
        for start in range(0, len(stamps), chunk)
        for segment in ledger.process(stamps[start : start + chunk], 1000 + (start + chunk) / RATE, silent_s)
    ]
    return segments, ledger


def _losses(segments: list[Segment]) -> list[int | tuple[Reset, int]]:
    return [
        (segment.gap.reason, segment.gap.missing) if segment.gap else segment.filled
        for segment in segments
        if segment.gap or segment.filled
    ]


def test_an_unbroken_stream_has_no_losses_and_its_rate_is_measured() -> None:
    segments, ledger = _run(STAMPS)
    assert sum(s.stop - s.start for s in segments) == len(STAMPS)
    assert _losses(segments) == []
    assert ledger.effective_rate_hz == pytest.approx(RATE)


@pytest.mark.parametrize("chunk", [1, 7, 64, 100000])
@pytest.mark.parametrize(
    ("lost", "said"), [(1, 1), (3, 3), (4, (Reset.GAP, 4)), (10, (Reset.GAP, 10)), (1000, (Reset.GAP, 1000))]
)
def test_up_to_three_lost_samples_are_filled_and_more_are_a_gap(
    lost: int, said: int | tuple[Reset, int], chunk: int
) -> None:
    segments, _ = _run(np.delete(STAMPS, slice(2000, 2000 + lost)), chunk)
    assert _losses(segments) == [said]


def test_the_gap_says_where_it_lies() -> None:
    segments, _ = _run(np.delete(STAMPS, slice(2000, 2100)))
    gap = next(s.gap for s in segments if s.gap)
    assert (gap.start_s, gap.end_s) == (STAMPS[1999], STAMPS[2100])


@given(st.lists(st.tuples(st.integers(100, 15000), st.integers(1, 40)), max_size=5), st.integers(1, 500))
@settings(deadline=None, derandomize=True, max_examples=60)
def test_every_lost_sample_of_an_exact_source_is_counted_for_any_chunking(
    holes: list[tuple[int, int]], chunk: int
) -> None:
    keep = np.ones(len(STAMPS), dtype=bool)
    for start, length in holes:
        keep[start : start + length] = False
    segments, ledger = _run(STAMPS[keep], chunk)
    counted = sum(s.filled + (s.gap.missing if s.gap else 0) for s in segments)
    assert counted == (~keep[: np.flatnonzero(keep)[-1]]).sum()
    assert np.array_equal(np.concatenate([s.stamps for s in segments]), STAMPS[keep])
    assert not ledger.jittery


def test_late_pushes_are_not_taken_for_losses() -> None:
    segments, ledger = _run(LATE)
    assert ledger.jittery
    # Until the first late push is made up for, it looks like lost samples: once, and in the first second.
    assert len(_losses(segments)) <= 2
    assert all(s.stamps[0] < STAMPS[256] for s in segments if s.gap or s.filled)


def test_a_lasting_loss_shows_through_the_jitter_within_two_seconds() -> None:
    segments, _ = _run(np.delete(LATE, slice(7000, 7060)))
    gaps = [s.gap for s in segments if s.gap and s.gap.start_s > STAMPS[256]]
    assert len(gaps) == 1
    assert gaps[0].missing == pytest.approx(60, abs=4)
    assert gaps[0].end_s - STAMPS[7000] < 2.5


def test_a_hole_of_half_a_second_is_a_gap_at_once_where_stamps_jitter() -> None:
    segments, _ = _run(np.delete(LATE, slice(7008, 7008 + 256)))
    [gap] = [s.gap for s in segments if s.gap and s.gap.start_s > STAMPS[256]]
    assert gap.reason is Reset.GAP
    assert gap.end_s == LATE[7008 + 256]
    assert gap.missing == pytest.approx(256, abs=6)


def test_a_push_that_is_late_by_a_fifth_of_a_second_now_and_then_is_no_loss() -> None:
    held_up = np.random.default_rng(1).random(len(STAMPS) // 32) < 0.2
    segments, ledger = _run(STAMPS + np.repeat(held_up, 32) * 0.2)
    assert ledger.jittery
    assert not [s for s in segments if (s.gap or s.filled) and s.stamps[0] > STAMPS[1024]]


def test_bursts_stamped_on_arrival_cost_one_reset_and_then_are_understood() -> None:
    stamps = np.repeat(STAMPS[31::32], 32) + np.tile(np.arange(32) * 1e-5, len(STAMPS) // 32)
    segments, ledger = _run(stamps)
    assert ledger.jittery
    assert len(_losses(segments)) == 1


def test_stamps_that_go_back_are_a_boundary() -> None:
    stamps = STAMPS.copy()
    stamps[3000:] -= 1
    segments, _ = _run(stamps)
    assert _losses(segments) == [(Reset.BACKWARDS, 0)]


def test_stamps_that_go_back_are_a_boundary_where_they_jitter_too() -> None:
    late = LATE.copy()
    late[7008:] -= 1
    segments, _ = _run(late)
    assert [s.gap.reason for s in segments if s.gap and s.gap.end_s > STAMPS[512]] == [Reset.BACKWARDS]


def test_a_stamp_that_is_early_by_most_of_a_period_costs_no_sample() -> None:
    stamps = STAMPS.copy()
    stamps[3000:] -= 0.7 / RATE
    segments, ledger = _run(stamps)
    assert sum(s.stop - s.start for s in segments) == len(STAMPS)
    assert ledger.thrown == 0


def test_a_sample_that_comes_twice_is_left_out_and_counted() -> None:
    segments, ledger = _run(np.insert(STAMPS, 3000, STAMPS[2999]))
    assert np.array_equal(np.concatenate([s.stamps for s in segments]), STAMPS)
    assert ledger.thrown == 1


def test_a_loss_of_long_ago_does_not_make_a_doubled_sample_a_late_push() -> None:
    stamps = np.delete(np.insert(STAMPS, 8000, STAMPS[7999]), slice(2000, 2003))
    segments, ledger = _run(stamps)
    assert (ledger.thrown, ledger.jittery) == (1, False)
    assert _losses(segments) == [3]


@pytest.mark.parametrize("chunk", [1, 16, 100])
def test_samples_in_the_wrong_order_are_thrown_away_until_a_second_has_come_in_order(chunk: int) -> None:
    stamps = STAMPS.copy()
    stamps[3008:7008] = STAMPS[3008:7008].reshape(-1, 2, 8)[:, ::-1].ravel()  # halves of blocks have changed places
    segments, ledger = _run(stamps, chunk)
    assert not ledger.jittery
    disordered = [s for s in segments if STAMPS[3008] <= s.stamps[-1] < STAMPS[7008]]
    assert sum(s.stop - s.start for s in disordered) <= 32, "until it is noticed"
    [*_, last] = [s for s in segments if s.gap]
    assert last.gap is not None
    assert last.gap.reason is Reset.BACKWARDS
    assert last.gap.end_s == pytest.approx(STAMPS[7008] + 1, abs=0.1)
    came = sum(s.stop - s.start for s in segments)
    assert came + last.gap.missing == pytest.approx(len(STAMPS), abs=1)
    assert last.stamps[-1] == pytest.approx(last.gap.end_s, abs=0.5)


@pytest.mark.parametrize("jump_s", [600, 200000])
def test_a_clock_jump_is_a_boundary_and_no_loss(jump_s: float) -> None:
    stamps = STAMPS.copy()
    stamps[3000:] += jump_s
    stamps[9000:] -= jump_s
    segments, _ = _run(stamps)
    assert _losses(segments) == [(Reset.CLOCK, 0), (Reset.CLOCK, 0)]


def test_after_a_long_silence_the_same_jump_is_a_loss() -> None:
    stamps = STAMPS.copy()
    stamps[3008:] += 600
    segments, _ = _run(stamps, silent_s=600)
    assert _losses(segments) == [(Reset.GAP, 600 * 256)]


def test_minutes_that_a_full_queue_threw_away_are_a_loss_for_what_it_kept_is_late() -> None:
    stamps = STAMPS - 300
    stamps[3008:] += 60
    segments, _ = _run(stamps)
    assert _losses(segments) == [(Reset.GAP, 60 * 256)]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, -3.0, 1e300])
def test_a_count_of_samples_stands_in_for_stamps_that_are_no_times(wrong: float) -> None:
    stamps = STAMPS.copy()
    stamps[3000:3100] = wrong
    segments, ledger = _run(stamps)
    assert _losses(segments) == []
    np.testing.assert_allclose(np.concatenate([s.stamps for s in segments]), STAMPS)
    assert ledger.bad_stamps == 100


def test_a_stream_without_any_time_is_counted_from_its_arrival() -> None:
    segments, _ = _run(np.full(512, np.nan))
    stamps = np.concatenate([s.stamps for s in segments])
    np.testing.assert_allclose(np.diff(stamps), 1 / RATE)
    assert stamps[31] == pytest.approx(1000 + 32 / RATE)


def test_a_source_without_stamps_that_paused_is_counted_on_from_its_return() -> None:
    ledger = Ledger(RATE, max_filled=3)
    ledger.process(np.full(256, np.nan), arrived_s=100.0)
    [segment] = ledger.process(np.full(256, np.nan), arrived_s=106.0)
    assert segment.stamps[-1] == pytest.approx(106.0)
    assert segment.gap is not None
    assert segment.gap.missing == 5 * 256


def test_the_rate_is_known_after_eight_seconds_and_forgets_what_is_long_past() -> None:
    ledger = Ledger(RATE, max_filled=3)
    for start in range(0, len(STAMPS), 32):
        ledger.process(STAMPS[start : start + 32], 0.0)
        assert (ledger.effective_rate_hz is None) == (start + 32 <= 8 * 256)
    faster = STAMPS[-1] + np.arange(1, 20 * 256) / (RATE * 1.25)
    for start in range(0, len(faster), 32):
        ledger.process(faster[start : start + 32], 0.0)
    assert ledger.effective_rate_hz == pytest.approx(RATE * 1.25, rel=0.01)


def test_frequent_gaps_do_not_keep_the_rate_unknown() -> None:
    stamps = 1000 + np.arange(60 * 256) / RATE * 1.05
    stamps += np.arange(len(stamps)) // (5 * 256) * 2.0  # a hole of two seconds every five
    _, ledger = _run(stamps)
    assert ledger.effective_rate_hz == pytest.approx(RATE / 1.05, rel=0.005)


def test_half_the_samples_lost_one_by_one_is_half_the_rate() -> None:
    _, ledger = _run(STAMPS[::2])
    assert ledger.effective_rate_hz == pytest.approx(RATE / 2, rel=0.01)


def test_a_rate_that_is_two_percent_off_is_measured_and_makes_no_gap() -> None:
    segments, ledger = _run(1000 + np.arange(60 * 256) / RATE * 1.02)
    assert _losses(segments) == []
    assert ledger.effective_rate_hz == pytest.approx(RATE / 1.02, rel=1e-4)


def _pushed_in_blocks(stamps: TimeArray, n: int) -> TimeArray:
    """Return the stamps of samples that are pushed one by one, n of them whenever the n-th is there."""
    whole = len(stamps) // n * n
    return np.repeat(stamps[n - 1 : whole : n], n) + np.tile(np.arange(n) * 1e-5, whole // n)


_RNG = np.random.default_rng(0)
_HELD_UP = STAMPS + np.repeat(_RNG.exponential(0.004, len(STAMPS) // 32), 32)
RIGHT = {
    "blocks of 32": _pushed_in_blocks(STAMPS, 32),
    "blocks of 64": _pushed_in_blocks(STAMPS, 64),
    "one stamp for each block": np.repeat(STAMPS[31::32], 32),
    "a clock of 16 ms": np.round(STAMPS / 0.016) * 0.016,
    "jitter of 2 ms": STAMPS + _RNG.normal(0, 0.002, len(STAMPS)),
}


@pytest.mark.parametrize("chunk", [7, 128])
@pytest.mark.parametrize("name", RIGHT)
def test_a_right_rate_is_known_to_be_right_however_the_samples_are_stamped(name: str, chunk: int) -> None:
    ledger = Ledger(RATE, max_filled=3)
    for start in range(0, len(RIGHT[name]), chunk):
        ledger.process(RIGHT[name][start : start + chunk], 0.0, 0.1)
        assert ledger.wrong_rate_hz is None
        assert ledger.rate_is_right or start < 11 * RATE
    assert ledger.rate_is_right


@pytest.mark.parametrize("chunk", [7, 128])
@pytest.mark.parametrize("held_up_s", [0.2, 0.6, 3.0])
def test_a_sender_that_was_held_up_once_is_not_refused_for_its_rate(held_up_s: float, chunk: int) -> None:
    stamps = _HELD_UP.copy()
    first, stop = 20 * 256, round((20 + held_up_s) * 256)
    stamps[first:stop] = stamps[stop] - 1e-5 * np.arange(stop - first, 0, -1)
    ledger = Ledger(RATE, max_filled=3)
    for start in range(0, len(stamps), chunk):
        ledger.process(stamps[start : start + chunk], 0.0, 0.1)
        assert ledger.wrong_rate_hz is None
    assert ledger.rate_is_right


@pytest.mark.parametrize("chunk", [7, 128])
@pytest.mark.parametrize("block", [1, 32])
@pytest.mark.parametrize("factor", [0.97, 1.03])
def test_a_rate_that_is_three_percent_off_is_never_right_and_wrong_in_the_end(
    factor: float, block: int, chunk: int
) -> None:
    stamps = _pushed_in_blocks(1000 + np.arange(60 * 256) / (RATE * factor), block)
    ledger = Ledger(RATE, max_filled=3)
    for start in range(0, len(stamps), chunk):
        ledger.process(stamps[start : start + chunk], 0.0, 0.1)
        assert not ledger.rate_is_right
    assert ledger.wrong_rate_hz == pytest.approx(RATE * factor, rel=0.005)


@pytest.mark.parametrize("factor", [0.985, 1.015])
def test_a_rate_that_is_off_by_less_than_two_percent_is_right(factor: float) -> None:
    _, ledger = _run(1000 + np.arange(60 * 256) / (RATE * factor))
    assert ledger.rate_is_right
    assert ledger.wrong_rate_hz is None


def _through_a_file(ledger: Ledger) -> Any:
    return json.loads(json.dumps(ledger.get_state(), allow_nan=False))


LOSSES = {
    "exact": np.delete(STAMPS, [*range(700, 703), *range(2500, 2600), *range(9000, 9001)]),
    "late": np.delete(LATE, range(7000, 7060)),
    "bad": np.where(np.arange(len(STAMPS)) % 700 < 5, np.nan, STAMPS),
    "doubled": np.repeat(STAMPS, np.where(np.arange(len(STAMPS)) % 900 == 0, 2, 1)),
}


@pytest.mark.parametrize("at", [1, 33, 701, 2499, 2551, 7010, 9001, 15000])
@pytest.mark.parametrize("name", LOSSES)
def test_another_ledger_goes_on_with_its_state_to_the_last_bit(name: str, at: int) -> None:
    stamps = LOSSES[name]
    _, ledger = _run(stamps[:at])
    another = Ledger(RATE, max_filled=3)
    another.set_state(_through_a_file(ledger))

    def rest(of: Ledger) -> list[Segment]:
        return [s for i in range(at, len(stamps), 32) for s in of.process(stamps[i : i + 32], 1000 + i / RATE, 0.1)]

    assert repr(rest(another)) == repr(rest(ledger))
    assert _through_a_file(another) == _through_a_file(ledger)
    assert _through_a_file(another) != _through_a_file(Ledger(RATE, max_filled=3))


@pytest.mark.parametrize("stamps", [STAMPS, LATE])
def test_behind_a_hole_the_rate_is_still_known_and_the_hole_is_a_gap(stamps: TimeArray) -> None:
    _, ledger = _run(stamps[: 20 * 256])
    another = Ledger(RATE, max_filled=3)
    another.set_state(_through_a_file(ledger))
    assert another.rate_is_right
    behind = stamps[27 * 256 : 28 * 256]
    segment = another.process(behind, float(behind[-1]), 7.5)[0]
    assert segment.gap is not None
    assert (segment.gap.reason, segment.gap.end_s) == (Reset.GAP, behind[0])
    assert segment.gap.missing == pytest.approx(7 * 256, abs=6)
    assert another.rate_is_right


@pytest.mark.parametrize("wrong", [{}, {"last": math.nan}, {"jittery": 1}, {"measured": {}}, {"more": 1}])
def test_a_state_of_something_else_is_refused_and_changes_nothing(wrong: dict[str, Any]) -> None:
    _, ledger = _run(STAMPS[:5000])
    before = _through_a_file(ledger)
    with pytest.raises(StateError):
        ledger.set_state(before | wrong if wrong else {})
    assert _through_a_file(ledger) == before
