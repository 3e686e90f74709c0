"""A false-alarm budget: which decision keeps within it on recordings that the network has not learnt, and at what cost.

What is promised is the upper end of the exact interval of the rate, and not the rate itself: no alarm in an hour says
nothing about a night.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from detector.errors import BadDataError
from detector.evaluation.events import Tally
from detector.evaluation.intervals import clopper_pearson, garwood
from detector.network.bundle import CardDecision
from detector.training.choosing import worth


@dataclass(frozen=True)
class Offer:
    """A decision and what it costs, counted on the patient's own recordings.

    Parameters
    ----------
    decision
        Thresholds, smoothing and holds.
    tally
        Seizures, alarms and hours.
    """

    decision: CardDecision
    tally: Tally

    @property
    def alarms_per_24_h(self) -> tuple[float, float, float]:
        """Rate of false alarms and the exact 95 % interval of it, lower and upper end."""
        return (self.tally.alarms_per_hour * 24, *garwood(self.tally.false_alarms, self.tally.hours))

    @property
    def sensitivity(self) -> tuple[float, float, float]:
        """Share of the seizures that were detected and the exact 95 % interval of it."""
        return (self.tally.sensitivity, *clopper_pearson(self.tally.detected, self.tally.seizures))


def within(offers: Iterable[Offer], per_24_h: float) -> Offer:
    """Return the offer that is worth most among those that keep within the budget.

    Parameters
    ----------
    offers
        All of the same recordings.
    per_24_h
        How many false alarms in 24 h there may be at most: an offer keeps within it if the upper end of its interval
        does.

    Raises
    ------
    BadDataError
        When the recordings are too short to say so of any decision, or no decision keeps within it.
    """
    offers = list(offers)
    hours = max(offer.tally.hours for offer in offers)
    least = garwood(0, hours)[1] if hours else math.inf
    if least > per_24_h:
        needed = hours * least / per_24_h if hours else garwood(0, 1.0)[1] / per_24_h
        raise BadDataError(
            f"at most {per_24_h:g} false alarms in 24 h cannot be told from {hours:.1f} h without a seizure: not one "
            f"alarm in them says no more than at most {least:.1f}; expected at least {needed:.0f} h"
        )
    fitting = [offer for offer in offers if offer.alarms_per_24_h[2] <= per_24_h and offer.tally.seizures]
    if not fitting:
        best = min(offers, key=lambda offer: offer.alarms_per_24_h[2])
        raise BadDataError(
            f"no decision keeps to at most {per_24_h:g} false alarms in 24 h; the quietest had "
            f"{best.tally.false_alarms} in {best.tally.hours:.1f} h, which says at most {best.alarms_per_24_h[2]:.1f}"
        )
    return max(fitting, key=lambda offer: worth(offer.tally))
