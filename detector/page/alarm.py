"""What is known of a bed, an alarm that comes of it, and what is written down about one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from detector.messages import Priority, State

DEAD_AFTER_S = 3.0  # without a heartbeat, which comes at least once a second


class AlarmKind(StrEnum):
    """What an alarm is about."""

    SEIZURE = "seizure"
    DEAD = "dead"
    NOT_MONITORING = "not-monitoring"
    PROBLEM = "problem"

    @property
    def is_physiological(self) -> bool:
        """Whether it is about the patient and not about the watching."""
        return self is AlarmKind.SEIZURE


class Action(StrEnum):
    """What is written about an alarm; nothing that is written is ever changed."""

    RAISED = "raised"
    ESCALATED = "escalated"
    OUTCOME_UNKNOWN = "outcome-unknown"
    SEEN_AGAIN = "seen-again"
    OVER = "over"
    ACKNOWLEDGED = "acknowledged"
    UNDONE = "acknowledgement-undone"
    FORGOTTEN = "bed-forgotten"


class LabelKind(StrEnum):
    """What somebody says about an alarm, or about a moment; what is said last about one stands."""

    FALSE_ALARM = "false-alarm"
    MISSED = "missed-seizure"
    WITHDRAWN = "withdrawn"  # what was said before about it is not so


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a bed at a moment.

    Parameters
    ----------
    state
        What its last status said; ``None`` where none has come, the detector is dead or its contract is another one.
    cause
        Why it is not monitoring, in words.
    silence_s
        Seconds since its last heartbeat.
    problem
        Why it cannot be read, or relied upon; empty where it can.
    had_seizure
        Whether a seizure was said since the look before this one, also where it is over already.
    """

    state: State | None
    cause: str = ""
    silence_s: float = 0.0
    problem: str = ""
    had_seizure: bool = False


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm of one bed; times are UNIX seconds of the page's machine.

    ``over_s`` is ``None`` while it goes on; ``unknown_s`` is since when nobody can tell whether a seizure goes on.
    """

    id: str
    bed: str
    kind: AlarmKind
    priority: Priority
    text: str
    since_s: float
    over_s: float | None = None
    unknown_s: float | None = None
    escalated_s: float | None = None
    acknowledged_s: float | None = None
    acknowledged_by: str = ""

    @property
    def stands(self) -> bool:
        """Whether it is to be shown: a seizure until it is acknowledged and over, all else until it is over."""
        if self.kind.is_physiological:
            return self.over_s is None or self.acknowledged_s is None
        return self.over_s is None

    def facts(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {name: getattr(self, name) for name in self.__slots__} | {"physiological": self.kind.is_physiological}


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """What is written down: an alarm as it is after an action."""

    time_s: float
    action: Action
    alarm: Alarm
    who: str = ""
