"""How well it does on persons that it has not seen: events by the live decision itself, steps by AUROC."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from detector.decision import Decision, DecisionConfig
from detector.errors import BadDataError
from detector.messages import Event, FloatArray, State, Status
from detector.training.sequences import Sequence

# A seizure that is declared this long after its end still counts, as a smoothed and held probability lags behind.
LATE_S = 6.0


def folds_of(persons: Iterable[str], n_folds: int, seed: int, sizes: dict[str, float]) -> list[tuple[str, ...]]:
    """Return the persons dealt to ``n_folds`` folds, each with about as much of ``sizes`` (seconds of seizures).

    Raises
    ------
    BadDataError
        When there are fewer persons than folds, or one is named twice.
    """
    names = sorted(persons)
    if len(set(names)) != len(names):
        raise BadDataError(f"a person is named twice: {', '.join(names)}; each must be in one fold only")
    if not 2 <= n_folds <= len(names):
        raise BadDataError(f"{n_folds} folds of {len(names)} persons: expected 2 to {len(names)}")
    shuffled = np.random.default_rng(seed).permutation(names).tolist()
    folds: list[list[str]] = [[] for _ in range(n_folds)]
    for name in sorted(shuffled, key=lambda name: -sizes.get(name, 0.0)):

        def load(fold: list[str], with_seizures: bool = sizes.get(name, 0.0) > 0) -> tuple[bool, float, int]:
            # Persons without a seizure are dealt by their number, but no fold stays empty.
            same = [other for other in fold if (sizes.get(other, 0.0) > 0) == with_seizures]
            return bool(fold), sum(sizes.get(other, 0.0) for other in same), len(same)

        smallest = min(folds, key=load)
        smallest.append(name)
    return [tuple(sorted(fold)) for fold in folds]


@dataclass
class Tally:
    """Pooled counts of events; divide once, at the end."""

    seizures: int = 0
    detected: int = 0
    latencies_s: list[float] = field(default_factory=list)
    false_alarms: int = 0
    hours: float = 0.0  # monitored and not ictal

    def add(self, other: Tally) -> None:
        """Pool another tally into this one."""
        self.seizures += other.seizures
        self.detected += other.detected
        self.latencies_s += other.latencies_s
        self.false_alarms += other.false_alarms
        self.hours += other.hours

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


def tally_of(sequence: Sequence, probabilities: FloatArray, config: DecisionConfig) -> Tally:
    """Return what the live decision makes of (n_steps,) probabilities.

    A seizure is detected when one is *declared* between its onset and its offset + 6 s; what is declared elsewhere is a
    false alarm. A seizure that began before the decision was warm does not count, nor does what is declared in it.
    """
    decision = Decision(config)
    declared: list[float] = []
    monitored = 0
    for step in sequence.with_probabilities(probabilities):
        for said in decision.process(step):
            if isinstance(said, Event) and said.offset_s is None and said.declared_s == step.end_s:
                declared.append(said.declared_s)
            elif isinstance(said, Status) and said.state is not State.NOT_MONITORING:
                monitored += not any(onset <= step.end_s <= offset for onset, offset in sequence.seizures)
    tally = Tally(hours=monitored * config.step_s / 3600)
    explained: set[float] = set()
    for onset, offset in sequence.seizures:
        inside = [at for at in declared if onset <= at <= offset + LATE_S]
        explained.update(inside)
        if onset < config.warm_up_s:
            continue
        tally.seizures += 1
        if inside:
            tally.detected += 1
            tally.latencies_s.append(inside[0] - onset)
    tally.false_alarms = len([at for at in declared if at not in explained])
    return tally


def auroc(target: FloatArray, score: FloatArray) -> float:
    """Return the area under the ROC curve: the chance that an ictal step scores above another (ties count half).

    By the rank sum (Mann and Whitney 1947). NaN where there is one class only.
    """
    positive = target > 0.5
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        return math.nan
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[positive].sum() - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def average_precision(target: FloatArray, score: FloatArray) -> float:
    """Return the mean precision over the ictal steps, as the threshold falls; NaN where there is none."""
    positive = target > 0.5
    if not positive.any():
        return math.nan
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(positive[order])
    # Steps of the same score are taken together.
    last = np.flatnonzero(np.diff(np.append(-score[order], np.inf)) > 0)
    precision = hits[last] / (last + 1)
    gained = np.diff(np.concatenate([[0], hits[last]]))
    return float((precision * gained).sum() / hits[-1])


def sigmoid(logits: FloatArray) -> FloatArray:
    """Return probabilities."""
    return (1 / (1 + np.exp(-np.clip(logits, -60, 60)))).astype(np.float32)
