"""Thresholds and holds, chosen on persons that the network has not seen, never on those that they are measured on."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from detector.evaluation.events import Tally, tally_of
from detector.messages import FloatArray
from detector.network.bundle import Card, CardDecision
from detector.pipeline import decision_config
from detector.training.sequences import Sequence

_SMOOTHING_S = (1.0, 2.0, 3.0)
_ONSET_THRESHOLDS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_ONSET_HOLD_S = (0.5, 2.0, 4.0)
_CAUTION = (0.0, 2.0)  # log odds, fading with the card's time constant
_OFFSET_SHARE = 0.6  # of the onset threshold
# What a choice is worth: a false alarm in an hour of post-ictal EEG costs as much as 3 % of the seizures, a second of
# delay as 1.5 %.
_PER_ALARM_HOUR, _PER_SECOND = 0.03, 0.015


@dataclass(frozen=True)
class HeldOut:
    """What a network that has not seen the person says: (n_steps,) probabilities of a sequence."""

    sequence: Sequence
    probabilities: FloatArray


Tallies = dict[CardDecision, dict[str, Tally]]


def tallies_of(held_out: list[HeldOut], card: Card) -> Tallies:
    """Return for each choice that there is, and each person, what the decision makes of the probabilities."""
    found: Tallies = {}
    for smoothing, onset, hold, caution in itertools.product(_SMOOTHING_S, _ONSET_THRESHOLDS, _ONSET_HOLD_S, _CAUTION):
        choice = card.decision.model_copy(
            update={
                "smoothing_s": smoothing,
                "onset_threshold": onset,
                "offset_threshold": round(onset * _OFFSET_SHARE, 3),
                "onset_hold_s": hold,
                "caution": caution,
            }
        )
        found[choice] = tallies_by_person(held_out, card, choice)
    return found


def tallies_by_person(held_out: list[HeldOut], card: Card, decision: CardDecision) -> dict[str, Tally]:
    """Return what this decision makes of each person's probabilities."""
    config = decision_config(card.model_copy(update={"decision": decision}))
    persons: dict[str, Tally] = {}
    for one in held_out:
        tally = tally_of(one.sequence, one.probabilities, config)
        persons.setdefault(one.sequence.person, Tally()).add(tally)
    return persons


def best(tallies: Tallies, but: tuple[str, ...] = ()) -> CardDecision:
    """Return the choice that is worth most, leaving these persons out of account."""
    return max(tallies, key=lambda choice: worth(pooled(tallies[choice], but)))


def pooled(persons: dict[str, Tally], but: tuple[str, ...] = ()) -> Tally:
    """Return the persons' counts as one."""
    whole = Tally()
    for name in sorted(persons):
        if name not in but:
            whole.add(persons[name])
    return whole


def worth(tally: Tally) -> float:
    """Return what a detector with these counts is worth: minus infinity where nothing was detected."""
    latency = tally.latency_s(50)
    if math.isnan(latency):
        return -math.inf
    return tally.sensitivity - _PER_ALARM_HOUR * tally.alarms_per_hour - _PER_SECOND * latency
