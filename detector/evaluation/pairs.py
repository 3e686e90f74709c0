"""A recording as it is judged: what the reference says beside what was said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detector.evaluation.events import Spans
from detector.messages import BoolArray, FloatArray, State, TimeArray


@dataclass(frozen=True)
class Steps:
    """Every step of a recording.

    Parameters
    ----------
    time_s
        (n_steps,), ends of the steps, seconds from the recording's start.
    probability
        (n_steps,), NaN where nothing was monitored.
    state
        (n_steps,), the codes of `detector.messages.State`.
    step_s
        Between two steps.
    """

    time_s: TimeArray
    probability: FloatArray
    state: npt.NDArray[np.uint8]
    step_s: float

    @property
    def monitored(self) -> BoolArray:
        """(n_steps,), whether anything was said."""
        return np.not_equal(self.state, State.NOT_MONITORING)

    @property
    def declared_s(self) -> tuple[float, ...]:
        """When each seizure was declared: the first step of the state, also where a gap is between two."""
        ictal = self.state == State.SEIZURE
        follows = np.concatenate([[False], ictal[:-1] & (np.diff(self.time_s) < 1.5 * self.step_s)])
        return tuple(self.time_s[ictal & ~follows].tolist())


@dataclass(frozen=True)
class Pair:
    """A recording's reference and hypothesis.

    Parameters
    ----------
    name
        Which recording, relative to its folder.
    person
        Whose it is.
    duration_s
        Of the recording.
    reference, hypothesis
        (onset_s, offset_s) of the expert's seizures and of ours, in order, not overlapping, inside the recording.
    steps
        What was said step by step, where that is known.
    declared_s
        When each seizure of the hypothesis was declared, where that is known.
    """

    name: str
    person: str
    duration_s: float
    reference: Spans
    hypothesis: Spans
    steps: Steps | None = None
    declared_s: tuple[float, ...] | None = None

    @property
    def monitored_s(self) -> float | None:
        """Seconds that were monitored, ictal or not; ``None`` where that is not known."""
        return None if self.steps is None else float(self.steps.monitored.sum() * self.steps.step_s)

    @property
    def hours(self) -> float:
        """What false alarms are counted per: monitored hours, or the recording's where those are not known."""
        return (self.duration_s if self.monitored_s is None else min(self.monitored_s, self.duration_s)) / 3600

    def target(self) -> tuple[FloatArray, FloatArray]:
        """Return for the monitored steps whether each is ictal, 0 or 1, and its probability: (n_monitored,) each."""
        assert self.steps is not None
        # A seizure that goes on while the signal is poor has a state, but no probability.
        known = self.steps.monitored & ~np.isnan(self.steps.probability)
        times = self.steps.time_s[known]
        ictal = np.zeros(len(times), dtype=bool)
        for onset, offset in self.reference:
            ictal |= (times >= onset) & (times <= offset)
        return ictal.astype(np.float32), self.steps.probability[known]
