"""The operating curve: the decision run again, on the probabilities that were stored, with other onset thresholds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from detector.decision import DecisionConfig
from detector.evaluation.events import Spans, Tally, decided
from detector.evaluation.intervals import Values, drawn_centile, drawn_sum, interval, ratio
from detector.messages import BoolArray, Features, Gap, Probability, Reset
from detector.pipeline import Network

THRESHOLDS = tuple(round(0.05 * k, 2) for k in range(1, 20))


@dataclass
class Recorder:
    """A network that notes what it says, warm-up and poor signal included; sessions end where it is reset.

    Parameters
    ----------
    network
        The one that answers.
    period_s
        Of a sample: times are noted as `detector.scoring.Scored` gives them, of a sample's end.
    """

    network: Network
    period_s: float
    _end_s: list[float] = field(default_factory=list)
    _value: list[float] = field(default_factory=list)
    _good: list[int] = field(default_factory=list)
    _boundaries: list[int] = field(default_factory=list)

    def process(self, features: list[Features]) -> list[Probability]:
        """Return one probability for each step."""
        said = self.network.process(features)
        for step in said:
            self._end_s.append(step.end_s + self.period_s)
            self._value.append(step.value)
            self._good.append(int(step.good.sum()))
        return said

    def reset(self) -> None:
        """Forget the recurrent state, and note that a session ended."""
        self.network.reset()
        self._boundaries.append(len(self._value))

    def stored(self) -> Stored:
        """Return what was said so far, in little memory."""
        return Stored(
            np.array(self._end_s),
            np.array(self._value),
            np.array(self._good, dtype=np.uint16),
            np.array(sorted(set(self._boundaries) - {0}), dtype=np.int64),
        )


@dataclass(frozen=True)
class Stored:
    """All probabilities of a recording.

    Parameters
    ----------
    end_s, value, good
        (n_steps,) each: time, probability, and number of derivations that could be trusted.
    boundaries
        Before which steps a session ended.
    """

    end_s: npt.NDArray[np.float64]
    value: npt.NDArray[np.float64]
    good: npt.NDArray[np.uint16]
    boundaries: npt.NDArray[np.int64]

    def steps(self) -> Iterator[Probability | Gap]:
        """Yield what the decision takes."""
        masks: list[BoolArray] = [np.ones(n, dtype=bool) for n in range(int(self.good.max(initial=0)) + 1)]
        ends = set(self.boundaries.tolist())
        rows = zip(self.end_s.tolist(), self.value.tolist(), self.good.tolist(), strict=True)
        for i, (end_s, value, good) in enumerate(rows):
            if i in ends:
                # The decision sees by itself where time runs backwards, so that one reason does for all.
                yield Gap(float(self.end_s[i - 1]), end_s, Reset.GAP)
            yield Probability(value, masks[good], end_s)


@dataclass(frozen=True)
class Point:
    """What one onset threshold gives, everybody's seizures and hours pooled, with 95 % intervals over persons."""

    onset_threshold: float
    offset_threshold: float
    seizures: int
    detected: int
    sensitivity: float
    sensitivity_low: float
    sensitivity_high: float
    false_alarms: int
    hours: float
    false_per_hour: float
    false_per_hour_low: float
    false_per_hour_high: float
    latency_median_s: float
    latency_median_low_s: float
    latency_median_high_s: float
    latency_90th_s: float


@dataclass(frozen=True)
class Operating:
    """The curve, and the threshold that the bundle has."""

    points: tuple[Point, ...]
    own_threshold: float


def operating_curve(
    stored: Mapping[str, Sequence[tuple[Stored, Spans]]],
    config: DecisionConfig,
    weights: npt.NDArray[np.int64],
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    on_progress: Callable[[], None] = lambda: None,
) -> Operating:
    """Return the curve over the thresholds and the config's own.

    Parameters
    ----------
    stored
        By person: the probabilities of each recording, and its seizures.
    config
        The decision; the offset threshold keeps its share of the onset threshold.
    weights
        (draws, n_persons), see `detector.evaluation.intervals.draws`.
    thresholds
        Onset thresholds.
    on_progress
        Called once a threshold.
    """
    share = config.offset_threshold / config.onset_threshold
    points = []
    for threshold in sorted({*thresholds, config.onset_threshold}):
        # The bundle's own is taken as it is: a product of floats is not always the number that stands there.
        own = threshold == config.onset_threshold
        changed = config if own else replace(config, onset_threshold=threshold, offset_threshold=threshold * share)
        persons = [Tally() for _ in stored]
        for tally, recordings in zip(persons, stored.values(), strict=True):
            for recording, seizures in recordings:
                tally.add(decided(recording.steps(), seizures, changed))
        points.append(_point(changed, persons, weights))
        on_progress()
    return Operating(tuple(points), config.onset_threshold)


def _point(config: DecisionConfig, persons: Sequence[Tally], weights: npt.NDArray[np.int64]) -> Point:
    pooled = Tally()
    for tally in persons:
        pooled.add(tally)

    def drawn(name: str) -> Values:
        return drawn_sum([getattr(tally, name) for tally in persons], weights)

    n = len(persons)
    late = drawn_centile([tally.latencies_s for tally in persons], weights, 50)
    sensitivity = interval(ratio(drawn("detected"), drawn("seizures")), n)
    false = interval(ratio(drawn("false_alarms"), drawn("hours")), n)
    return Point(
        config.onset_threshold,
        config.offset_threshold,
        pooled.seizures,
        pooled.detected,
        pooled.sensitivity,
        *sensitivity,
        pooled.false_alarms,
        pooled.hours,
        pooled.alarms_per_hour,
        *false,
        pooled.latency_s(50),
        *interval(late, n),
        pooled.latency_s(90),
    )
