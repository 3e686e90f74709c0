"""What the page knows of one bed, and what may be shown of it now. No LSL and no clock: both are passed in."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

from detector.client.lsl import About, Marker, Record, StatusSample
from detector.client.view import View, meaning
from detector.messages import State
from detector.page.alarm import DEAD_AFTER_S, Seen
from detector.sinks.lsl import CONTRACT_VERSION

BIN_S = 10
_SPARK_BINS = 90  # a quarter of an hour
# A status is about samples of now, or says that they are old; one that is itself older was kept on its way.
LATE_S = 5.0
TOLD_S = 75.0  # settings that were not repeated for so long, over twice their time, are not known any more
METADATA_S = 5.0  # for so long may a detector that talks not say who it is


@dataclass(frozen=True, slots=True)
class Thresholds:
    """A seizure begins at or above ``onset`` and ends below ``offset``, of the probability smoothed over a time, s."""

    onset: float
    offset: float
    smoothing_s: float


@dataclass(frozen=True, slots=True)
class Bin:
    """What a bed said in `BIN_S` seconds from ``bin_s`` (UNIX): the highest probability, and the state in doubt.

    A seizure in any part of it is a seizure; else anything that was not monitored, silence included, makes it
    not-monitoring. ``probability`` and ``burden`` are ``None`` where there was none.
    """

    bin_s: int
    probability: float | None
    burden: float | None
    state: State
    good_channels: int


class BedBook:
    """Follows one bed.

    Parameters
    ----------
    name
        The bed.
    seen_s
        UNIX time when it was seen last, where it is known from before.
    found_s
        When it was found now, on the monotonic clock: its first heartbeat may take a moment.
    """

    def __init__(self, name: str, seen_s: float | None = None, found_s: float = -math.inf) -> None:
        self.name = name
        self.view = View(name)
        self.about: About | None = None
        #: What is wrong with how it is published; empty where nothing is.
        self.problem = ""
        self.last_seizure_s: float | None = None
        self.seen_s = seen_s
        self.n_markers = 0
        self.bins: deque[Bin] = deque(maxlen=_SPARK_BINS)
        #: Whether a seizure was said since this was set to False.
        self.had_seizure = False
        self._seizure_s = -math.inf  # the sample time of the newest word of a seizure
        self._heard_since_s: float | None = None
        self._heard_s = found_s
        self._bin: list[StatusSample | None] = []
        self._bin_s: int | None = None
        self._thresholds: Thresholds | None = None
        self._told_s = -math.inf

    def tell(self, thresholds: Thresholds, now_s: float) -> None:
        """Take in what the detector says that it decides by; ``now_s`` is the monotonic clock."""
        self._thresholds, self._told_s = thresholds, now_s

    def thresholds(self, now_s: float) -> Thresholds | None:
        """Return by what the bed is decided; ``None`` where its detector does not tell."""
        return self._thresholds if now_s - self._told_s <= TOLD_S and not self.is_dead(now_s) else None

    def connected(self) -> None:
        """Forget what another run of the detector said."""
        if not self.is_readable:
            self.had_seizure = False
        self.about = None
        self.view.forget()
        self.view.sample = None
        self._heard_since_s, self._seizure_s = None, -math.inf
        self._thresholds = None

    def take(self, record: Record, utc_s: float, now_s: float, age_s: float | None) -> None:
        """Take in a record.

        Parameters
        ----------
        record
            What came.
        utc_s
            Its time, UNIX seconds.
        now_s
            The monotonic clock.
        age_s
            How old it is at least, by the LSL clocks, see `detector.page.clock`; ``None`` for a marker.
        """
        is_late = age_s is not None and age_s > LATE_S
        if isinstance(record, Marker):
            self.n_markers += 1
            self.view.take(record, "")
            if record.text == State.SEIZURE.label:
                self._saw_seizure(record.time_s, utc_s)
            return
        if record.state is State.SEIZURE:
            self._saw_seizure(record.time_s, utc_s)
        if is_late:
            return
        self.view.take(record, "")
        if self._heard_since_s is None:
            self._heard_since_s = now_s
        self._heard_s, self.seen_s = now_s, utc_s
        self._bin.append(record)

    def _saw_seizure(self, time_s: float, utc_s: float) -> None:
        # Also one that came late, or came and went since the alarms looked: it was said, and somebody must know.
        self.had_seizure = True
        self._seizure_s, self.last_seizure_s = time_s, utc_s

    def silence_s(self, now_s: float) -> float:
        """Return the seconds since a status of now came; infinite before the first."""
        return now_s - self._heard_s

    def is_dead(self, now_s: float) -> bool:
        """Whether the detector has no heartbeat."""
        return self.silence_s(now_s) > DEAD_AFTER_S

    @property
    def is_readable(self) -> bool:
        """Whether it is known to speak the contract that this page reads."""
        return self.about is not None and self.about.contract == str(CONTRACT_VERSION)

    def seen(self, now_s: float) -> Seen:
        """Return what is known now, for the alarms."""
        silence_s, sample, problem = self.silence_s(now_s), self.view.sample, self.problem
        if self.about is not None and not self.is_readable:
            return Seen(None, silence_s=silence_s, problem=problem)
        had = self.had_seizure
        if self.is_dead(now_s) or sample is None:
            return Seen(None, silence_s=silence_s, problem=problem, had_seizure=had)
        if self.about is None:
            if self._heard_since_s is None or now_s - self._heard_since_s <= METADATA_S:
                return Seen(None, silence_s=silence_s, problem=problem)
            # Whose contract stays unknown is not believed, but for a seizure.
            problem = problem or "its metadata do not come, so nothing that it says can be relied upon"
            return Seen(State.SEIZURE if sample.state is State.SEIZURE else None, "", silence_s, problem, had)
        state = sample.state
        if state is State.NON_SEIZURE and sample.time_s < self._seizure_s:
            state = State.SEIZURE  # the marker came before the status of its step
        return Seen(state, self._cause(), silence_s, problem, had)

    def close_bin(self, utc_s: float, now_s: float) -> Bin | None:
        """Return the bin that is over, once; to be called at least once a second."""
        bin_s = math.floor(utc_s / BIN_S) * BIN_S
        if self.is_dead(now_s):
            self._bin.append(None)
        if self._bin_s is None or not bin_s > self._bin_s:
            self._bin_s = bin_s  # the first, the same, or the wall clock was set back
            return None
        done = _summed(self._bin_s, self._bin) if self._bin else None
        self._bin_s, self._bin = bin_s, []
        if done is not None:
            self.bins.append(done)
        return done

    def state(self, now_s: float) -> tuple[str, str]:
        """Return what may be said of it now: a word, and what it means."""
        seen = self.seen(now_s)
        if self.is_dead(now_s):
            return "dead", "no heartbeat of the detector: nothing is being watched"
        if seen.state is None:
            return ("unknown", seen.problem) if seen.problem else ("connecting", "connecting to the detector")
        return seen.state.label, seen.cause or meaning(seen.state.label)

    def facts(self, now_s: float) -> dict[str, Any]:
        """Return what may be shown now, for JSON: nothing old looks like something of now."""
        seen, sample = self.seen(now_s), self.view.sample
        live = seen.state is not None and sample is not None
        state, words = self.state(now_s)
        silence_s = seen.silence_s
        return {
            "bed": self.name,
            "state": state,
            "words": words,
            "problem": seen.problem,
            "silence_s": round(silence_s, 1) if math.isfinite(silence_s) else None,
            "seen_s": self.seen_s,
            "last_seizure_s": self.last_seizure_s,
            "probability": _number(sample.probability, 3) if live and sample else None,
            "burden": _number(sample.burden, 3) if live and sample else None,
            "good_channels": sample.good_channels if live and sample else None,
            "derivations": self.about.n_derivations if self.about else None,
            "input_age_s": _number(sample.input_age_s, 1) if live and sample else None,
            "missing_samples": sample.missing_samples if live and sample else None,
            "model": self.about.model_id if self.about else None,
            "montage": self.about.montage if self.about else None,
            "source": (self.about.source_name or self.about.source_id) if self.about else None,
            "host": self.about.hostname if self.about else None,
            "n_markers": self.n_markers,
            "thresholds": asdict(told) if (told := self.thresholds(now_s)) is not None else None,
            "spark": [[one.bin_s, one.probability, int(one.state)] for one in self.bins],
        }

    def _cause(self) -> str:
        sample = self.view.sample
        if sample is None or sample.state is not State.NOT_MONITORING:
            return ""
        said = self.view.said
        return (
            meaning(said)
            if said.startswith(State.NOT_MONITORING.label)
            else "not monitored (why was said before this page listened)"
        )


def _summed(bin_s: int, samples: list[StatusSample | None]) -> Bin:
    said = [sample for sample in samples if sample is not None]
    states = {State.NOT_MONITORING if sample is None else sample.state for sample in samples}
    worst = next(state for state in (State.SEIZURE, State.NOT_MONITORING, State.NON_SEIZURE) if state in states)
    probabilities = [sample.probability for sample in said if math.isfinite(sample.probability)]
    burdens = [sample.burden for sample in said if math.isfinite(sample.burden)]
    good = min((sample.good_channels for sample in said), default=0)
    return Bin(bin_s, max(probabilities, default=None), burdens[-1] if burdens else None, worst, good)


def _number(value: float, digits: int) -> float | None:
    return round(value, digits) if math.isfinite(value) else None
