"""What travels from the source to the sinks.

Arrays are always (n_samples, n_channels), float32 µV; times are float64 seconds on one clock: this machine's
LSL clock for live streams, seconds from the start for recordings. "Not yet" and "not known" are ``None`` or NaN,
never 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
TimeArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

MIN_RATE_HZ, MAX_RATE_HZ = 128.0, 2048.0  # nominal rates that can be monitored


@dataclass(frozen=True, slots=True)
class Description:
    """What a source says about itself before the first sample.

    Parameters
    ----------
    labels
        Channel labels as the source writes them.
    rate_hz
        Nominal sampling rate.
    scales_uv
        Per channel, the factor that was applied at the edge to reach µV; ``None`` where the unit is unknown
        (such a channel carries NaN).
    units
        Per channel, the unit as declared (for error messages).
    name, source_id, uid, hostname
        The identity of a stream; empty for recordings.
    """

    labels: tuple[str, ...]
    rate_hz: float
    scales_uv: tuple[float | None, ...]
    units: tuple[str, ...]
    name: str = ""
    source_id: str = ""
    uid: str = ""
    hostname: str = ""

    def __post_init__(self) -> None:
        assert len(self.labels) == len(self.scales_uv) == len(self.units)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Samples that arrived together, any number of them.

    Parameters
    ----------
    samples
        (n_samples, n_channels), float32 µV.
    timestamps
        (n_samples,), float64 s, the time of each sample.
    good
        (n_samples, n_channels), whether the channel could be trusted at that sample; set by the quality stage.
    missing
        How many of the samples were lost by the source and filled by holding the last one.
    """

    samples: FloatArray
    timestamps: TimeArray
    good: BoolArray | None = None
    missing: int = 0


class Reset(StrEnum):
    """Why a session ended. A session boundary resets every stage."""

    NEW_STREAM = "new-stream"
    RECONNECT = "reconnect"
    GAP = "gap"
    BACKWARDS = "timestamps-backwards"
    CLOCK = "clock-jump"
    LOST = "lost"
    RATE = "rate-change"
    LABELS = "label-change"
    OPERATOR = "operator"
    RELOAD = "reload"
    FAULT = "fault"
    END = "end"


@dataclass(frozen=True, slots=True)
class Gap:
    """Samples that are not there: ``start_s`` is the last sample's time before, ``end_s`` the first one's after.

    ``end_s`` is NaN while nothing has come after it yet. Every stage forgets what it knew.
    """

    start_s: float
    end_s: float
    reason: Reset
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Frame:
    """A fixed number of conditioned samples and when they end.

    Parameters
    ----------
    samples
        (frame_samples, n_derivations), float32 µV at the model's rate.
    good
        (n_derivations,), which derivations can be trusted at the frame's end.
    end_s
        Time of the newest source sample that the frame saw.
    missing
        Samples filled since the frame before.
    """

    samples: FloatArray
    good: BoolArray
    end_s: float
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Features:
    """What the network takes in one step: (n_features,) float32, see `detector.conditioning.bands`."""

    values: FloatArray
    good: BoolArray
    end_s: float
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Probability:
    """The network's output for one step, in 0..1."""

    value: float
    good: BoolArray
    end_s: float
    missing: int = 0


class State(IntEnum):
    """The three things that can be said, with the codes of the status outlet."""

    NOT_MONITORING = 0
    NON_SEIZURE = 1
    SEIZURE = 2

    @property
    def label(self) -> str:
        """The word that the events outlet uses."""
        return ("not-monitoring", "non-seizure", "seizure")[self]


class Cause(StrEnum):
    """Why nothing is being watched."""

    STARTING = "starting"
    WAITING = "waiting"
    VALIDATING = "validating"
    REFUSED = "refused"
    WARMUP = "warmup"
    LOST = "lost"
    STALE = "stale"
    POOR = "poor"
    FAULT = "fault"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Status:
    """One step of the decision, also while not monitoring.

    Parameters
    ----------
    time_s
        Sample time of the step's end.
    probability
        The network's output; NaN when not monitoring.
    state, cause
        ``cause`` is set exactly when the state is not-monitoring.
    good_channels
        Derivations that could be trusted.
    missing_samples
        Filled or lost samples, counted since the source was opened.
    burden
        Ictal share of the last five minutes, 0..1.
    """

    time_s: float
    probability: float
    state: State
    cause: Cause | None
    good_channels: int
    missing_samples: int
    burden: float

    def __post_init__(self) -> None:
        assert (self.cause is not None) == (self.state is State.NOT_MONITORING)

    @property
    def label(self) -> str:
        """What the events outlet calls it."""
        return self.state.label if self.cause is None else f"{self.state.label}/{self.cause}"


class Outcome(StrEnum):
    """What became of a seizure."""

    ONGOING = "ongoing"
    ENDED = "ended"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Event:
    """A seizure: sent when it is declared and again when it ends or the signal is lost.

    Parameters
    ----------
    number
        Counts the seizures of this pipeline from 1.
    onset_s
        Estimated onset.
    declared_s
        Sample time at which the decision was sure.
    offset_s
        End of the seizure; ``None`` while it goes on, and for ever when the signal was lost.
    peak_probability
        Highest probability so far.
    id
        The same for all that is said of this seizure, and of no other one; given when it is published.
    """

    number: int
    onset_s: float
    declared_s: float
    offset_s: float | None
    peak_probability: float
    outcome: Outcome
    id: str = ""


class Priority(StrEnum):
    """How soon somebody should look."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """0 for the lowest."""
        return list(Priority).index(self)


@dataclass(frozen=True, slots=True)
class Condition:
    """A technical condition: said when it is raised, when its text is another one, and when it is cleared.

    Parameters
    ----------
    kind
        What is wrong, in a word; see `detector.conditions`.
    text
        What came, what was expected and what to do.
    since_s, cleared_s
        Seconds on this machine's LSL clock; ``cleared_s`` is ``None`` while it stands.
    count
        How often it came in that time.
    """

    kind: str
    priority: Priority
    text: str
    since_s: float
    count: int
    cleared_s: float | None


@dataclass(frozen=True, slots=True)
class SessionReset:
    """A session boundary, as it leaves the pipeline towards the sinks."""

    time_s: float
    reason: Reset
    missing: int = field(default=0)


Decided = Status | Event | SessionReset
