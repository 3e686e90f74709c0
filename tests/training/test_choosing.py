"""Choosing thresholds: on other persons than those that they are measured on, and for what they are worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from detector.training.choosing import HeldOut, best, pooled, tallies_of
from tests.training.made_up import CARD, made_up_sequence


def _held_out(person: str, ictal: float, background: float) -> HeldOut:
    sequence = replace(made_up_sequence(300, 0), person=person)
    sequence = replace(sequence, seizures=((100.0, 130.0),))
    inside = (sequence.end_s >= 100) & (sequence.end_s < 130)
    return HeldOut(sequence, np.where(inside, ictal, background).astype(np.float32))


def test_the_choice_lies_between_the_background_and_the_seizures() -> None:
    tallies = tallies_of([_held_out("a", 0.75, 0.55), _held_out("b", 0.78, 0.5)], CARD)
    choice = best(tallies)
    assert 0.55 < choice.onset_threshold <= 0.75
    whole = pooled(tallies[choice])
    assert (whole.detected, whole.seizures, whole.false_alarms) == (2, 2, 0)


def test_persons_left_out_have_no_say() -> None:
    # With a low threshold "loud" alarms all the time; "quiet" is only detected with one.
    tallies = tallies_of([_held_out("loud", 0.95, 0.65), _held_out("quiet", 0.45, 0.1)], CARD)
    assert best(tallies, but=("loud",)).onset_threshold == 0.4
    assert best(tallies, but=("quiet",)).onset_threshold > 0.65


def test_of_two_that_detect_the_same_the_faster_is_chosen() -> None:
    choice = best(tallies_of([_held_out("a", 1.0, 0.0)], CARD))
    assert (choice.smoothing_s, choice.onset_hold_s, choice.onset_threshold) == (1.0, 0.5, 0.4)


def test_caution_is_chosen_where_the_aftermath_looks_like_the_seizure() -> None:
    held_out = _held_out("a", 0.78, 0.1)
    after = (held_out.sequence.end_s >= 140) & (held_out.sequence.end_s < 149)
    probabilities = np.where(after, np.float32(0.78), held_out.probabilities)
    tallies = tallies_of([replace(held_out, probabilities=probabilities)], CARD)
    choice = best(tallies)
    assert choice.caution > 0
    whole = pooled(tallies[choice])
    assert (whole.detected, whole.false_alarms) == (1, 0)
