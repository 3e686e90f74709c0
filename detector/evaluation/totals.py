"""Figures of persons and of everybody: counts and hours are pooled, then divided once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from detector.evaluation.events import Tally, tallied
from detector.evaluation.intervals import Values, drawn_centile, drawn_sum, ratio
from detector.evaluation.pairs import Pair
from detector.evaluation.szcore import TOLERANCE_END_S, TOLERANCE_START_S, Counts, scores_of
from detector.messages import State


@dataclass
class Totals:
    """What can be added: of a recording, a person, or everybody.

    Parameters
    ----------
    recordings, seizures, hours
        How many, how many seizures the reference has, and the hours that false alarms are counted per.
    recorded_hours, unknown_hours
        Of the recordings; and of those of which it is not known what was monitored.
    event, sample
        SzCORE's counts.
    tally
        Alarms by when they were declared; empty where that is not known.
    onset_latencies_s
        Hypothesis onset - reference onset, of each seizure near whose onset an event of the hypothesis begins.
    """

    recordings: int = 0
    seizures: int = 0
    hours: float = 0.0
    recorded_hours: float = 0.0
    unknown_hours: float = 0.0
    event: Counts = field(default_factory=Counts)
    sample: Counts = field(default_factory=Counts)
    tally: Tally = field(default_factory=Tally)
    onset_latencies_s: list[float] = field(default_factory=list)

    def add(self, other: Totals) -> None:
        """Pool another one into this."""
        self.recordings += other.recordings
        self.seizures += other.seizures
        self.hours += other.hours
        self.recorded_hours += other.recorded_hours
        self.unknown_hours += other.unknown_hours
        self.event += other.event
        self.sample += other.sample
        self.tally.add(other.tally)
        self.onset_latencies_s += other.onset_latencies_s


def totals_of(pair: Pair, warm_s: float | None = None) -> Totals:
    """Return what there is to count in a recording.

    Parameters
    ----------
    pair
        The recording.
    warm_s
        A seizure that began before this time counts neither way among the alarms; by default the end of the first step
        that was monitored. SzCORE's scores count all.
    """
    scores = scores_of(pair)
    totals = Totals(
        recordings=1,
        seizures=len(pair.reference),
        hours=pair.hours,
        recorded_hours=pair.duration_s / 3600,
        unknown_hours=0.0 if pair.steps else pair.duration_s / 3600,
        event=scores.event,
        sample=scores.sample,
        onset_latencies_s=onset_latencies(pair),
    )
    if pair.steps is not None and pair.declared_s is not None:
        watched = pair.steps.time_s[pair.steps.state != State.NOT_MONITORING]
        if warm_s is None:
            warm_s = float(watched[0]) if len(watched) else pair.duration_s
        totals.tally = tallied(pair.declared_s, watched, pair.reference, step_s=pair.steps.step_s, warm_s=warm_s)
    return totals


def onset_latencies(pair: Pair) -> list[float]:
    """Return hypothesis onset - reference onset of each seizure that has a hypothesis beginning near it.

    Near is what SzCORE calls near: from 30 s before the seizure to 60 s after it. Of several, the first counts.
    """
    found: list[float] = []
    for onset, offset in pair.reference:
        near = [on for on, _ in pair.hypothesis if onset - TOLERANCE_START_S <= on <= offset + TOLERANCE_END_S]
        found += [on - onset for on in near[:1]]
    return found


def figures_of(persons: Sequence[Totals], weights: npt.NDArray[np.int64], *, declared: bool) -> dict[str, Values]:
    """Return every pooled figure for each draw of persons.

    Parameters
    ----------
    persons
        Each person's totals.
    weights
        (draws, n_persons), how often each person is drawn: one row of ones for the figures themselves.
    declared
        Whether it is known when each seizure was declared; figures of alarms are there only then.

    Returns
    -------
    dict
        (draws,) of each figure; NaN where it has no denominator.
    """

    def pooled(values: Sequence[float]) -> Values:
        return drawn_sum(values, weights)

    figures: dict[str, Values] = {}
    for kind in ("event", "sample"):
        counts: list[Counts] = [getattr(person, kind) for person in persons]
        reference, hits, false = (pooled([getattr(one, n) for one in counts]) for n in ("reference", "hits", "false"))
        figures[f"{kind}_sensitivity"] = ratio(hits, reference)
        figures[f"{kind}_precision"] = ratio(hits, hits + false)
        # timescoring's own form of it; with neither a seizure nor an alarm there is no F1.
        figures[f"{kind}_f1"] = np.where(reference + false > 0, ratio(2 * hits, hits + false + reference), np.nan)
    false = pooled([person.event.false for person in persons])
    figures["false_alarms_per_24h"] = ratio(24 * false, pooled([person.hours for person in persons]))
    if declared:
        tallies = [person.tally for person in persons]
        figures["alarm_sensitivity"] = ratio(
            pooled([one.detected for one in tallies]), pooled([one.seizures for one in tallies])
        )
        figures["alarm_false_per_hour"] = ratio(
            pooled([one.false_alarms for one in tallies]), pooled([one.hours for one in tallies])
        )
    late = [person.tally.latencies_s if declared else person.onset_latencies_s for person in persons]
    figures["latency_median_s"] = drawn_centile(late, weights, 50)
    figures["latency_90th_s"] = drawn_centile(late, weights, 90)
    return figures
