"""Alarms by the live decision itself: what is declared when, against the seizures of the reference."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from detector.decision import Decision, DecisionConfig
from detector.messages import Event, FloatArray, Gap, Outcome, Probability, State, Status, TimeArray

# A seizure that is declared this long after its end still counts, as a smoothed and held probability lags behind.
LATE_S = 6.0

Spans = tuple[tuple[float, float], ...]  # (onset_s, offset_s) of each, in order


class Judged(Protocol):
    """Steps with a reference: a `detector.training.sequences.Sequence`, for instance."""

    @property
    def seizures(self) -> Spans:
        """(onset_s, offset_s) of each."""

    def with_probabilities(self, probabilities: FloatArray) -> list[Probability]:
        """Return (n_steps,) probabilities as the decision takes them."""


@dataclass
class Tally:
    """Pooled counts of events; divide once, at the end."""

    seizures: int = 0
    detected: int = 0
    latencies_s: list[float] = field(default_factory=list)
    false_alarms: int = 0
    hours: float = 0.0  # monitored and not ictal
    left_out: int = 0  # seizures that began before the decision was warm

    def add(self, other: Tally) -> None:
        """Pool another tally into this one."""
        self.seizures += other.seizures
        self.detected += other.detected
        self.latencies_s += other.latencies_s
        self.false_alarms += other.false_alarms
        self.hours += other.hours
        self.left_out += other.left_out

    @property
    def sensitivity(self) -> float:
        """Share of the seizures that were detected; NaN where there was none."""
        return self.detected / self.seizures if self.seizures else math.nan

    @property
    def alarms_per_hour(self) -> float:
        """False alarms per monitored non-ictal hour."""
        return self.false_alarms / self.hours if self.hours else math.nan

    def latency_s(self, centile: float) -> float:
        """Return a centile of the detection latency: declared minus reference onset."""
        return float(np.percentile(self.latencies_s, centile)) if self.latencies_s else math.nan


def tally_of(judged: Judged, probabilities: FloatArray, config: DecisionConfig) -> Tally:
    """Return what the live decision makes of (n_steps,) probabilities.

    A seizure is detected when one is *declared* between its onset and its offset + 6 s; what is declared elsewhere is a
    false alarm. A seizure that began before the decision was warm does not count, nor does what is declared in it.
    """
    return decided(judged.with_probabilities(probabilities), judged.seizures, config)


def decided(steps: Iterable[Probability | Gap], seizures: Spans, config: DecisionConfig) -> Tally:
    """Return what the live decision makes of steps and the gaps between them, as `tally_of`."""
    decision = Decision(config)
    declared: list[float] = []
    watched: list[float] = []
    for step in steps:
        for said in decision.process(step):
            if isinstance(said, Event) and said.outcome is Outcome.ONGOING:
                declared.append(said.declared_s)
            elif isinstance(said, Status) and said.state is not State.NOT_MONITORING:
                watched.append(said.time_s)
    return tallied(declared, np.array(watched), seizures, step_s=config.step_s, warm_s=config.warm_up_s)


def tallied(
    declared_s: Iterable[float], watched_s: TimeArray, seizures: Spans, *, step_s: float, warm_s: float
) -> Tally:
    """Return the counts of alarms that are known by when they were declared.

    Parameters
    ----------
    declared_s
        When each alarm was declared.
    watched_s
        (n_steps,), ends of the steps that were monitored.
    seizures
        The reference.
    step_s
        Between two steps.
    warm_s
        A seizure that began before this time does not count, nor does what is declared in it.
    """
    declared = list(declared_s)
    ictal = np.zeros(len(watched_s), dtype=bool)
    explained: set[float] = set()
    tally = Tally()
    for onset, offset in seizures:
        ictal |= (watched_s >= onset) & (watched_s <= offset)
        inside = [at for at in declared if onset <= at <= offset + LATE_S]
        explained.update(inside)
        if onset < warm_s:
            tally.left_out += 1
            continue
        tally.seizures += 1
        if inside:
            tally.detected += 1
            tally.latencies_s.append(inside[0] - onset)
    tally.false_alarms = len([at for at in declared if at not in explained])
    tally.hours = int((~ictal).sum()) * step_s / 3600
    return tally
