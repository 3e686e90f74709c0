"""Technical conditions: what is wrong with the watching, raised at once and cleared slowly.

Whatever is true is told again and again (`Conditions.see`), and only what changes is said: a condition when it is
raised, when its text becomes another one, and when it has been away for a while. A fault that comes and goes is one
condition with a count, not a storm (the words are those of IEC 60601-1-8; no conformity is claimed).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from detector.messages import Condition, Priority

CLEAR_S = 10.0  # away for so long is away: a link that flaps faster is one condition
_UPDATE_S = 60.0  # so often, at most, is another text of a standing condition said


class Kind(StrEnum):
    """What can be wrong."""

    WAITING = "waiting"  # no stream to be watched
    REFUSED = "refused"  # a stream, but none that may be watched
    LOST = "lost"  # the stream has gone or gives nothing
    STALE = "stale"  # its samples come late
    POOR = "poor"  # too few derivations can be trusted
    UNSETTLED = "unsettled"  # samples come, and the warm-up does not end
    FAULT = "fault"  # network or data were not what they must be
    DEGRADED = "degraded"  # it is watched, with fewer derivations than the model knows
    DUPLICATE = "duplicate-source"  # another stream says it is the one that is watched
    STAMPS = "bad-stamps"  # samples are stamped with what is no time
    CLOCK = "clock-unmeasured"  # the sender's clock cannot be compared with this one
    CONFIG = "config-refused"  # a new configuration is wrong, the old one goes on
    JOURNAL = "journal-behind"  # what was said cannot be written down
    CHECKPOINT = "checkpoint-not-written"  # a restart would have to warm up
    CLIPS = "clips-not-written"  # the EEG around an event is not on disk
    HEALTH = "health-not-served"  # nobody can ask how it is


# How soon somebody should look: nothing is watched; something may soon not be; nothing is missed.
PRIORITIES = {
    Kind.WAITING: Priority.HIGH,
    Kind.REFUSED: Priority.HIGH,
    Kind.LOST: Priority.HIGH,
    Kind.STALE: Priority.HIGH,
    Kind.POOR: Priority.HIGH,
    Kind.UNSETTLED: Priority.HIGH,
    Kind.FAULT: Priority.HIGH,
    Kind.DEGRADED: Priority.MEDIUM,
    Kind.DUPLICATE: Priority.MEDIUM,
    Kind.STAMPS: Priority.MEDIUM,
    Kind.CLOCK: Priority.LOW,
    Kind.CONFIG: Priority.LOW,
    Kind.JOURNAL: Priority.LOW,
    Kind.CHECKPOINT: Priority.LOW,
    Kind.CLIPS: Priority.LOW,
    Kind.HEALTH: Priority.LOW,
}
assert set(PRIORITIES) == set(Kind)

# How long these may be true without a word; what ends the watching is raised at once. A movement spoils a derivation
# for a second and is nobody's business; a stream takes seconds to be found.
_GRACE_S = {Kind.WAITING: 10.0, Kind.DEGRADED: 10.0}


@dataclass
class _Standing:
    condition: Condition
    is_true: bool
    true_s: float  # when it was true last
    said_s: float
    told: str  # what was said last


class Conditions:
    """Keeps which conditions stand.

    Parameters
    ----------
    clear_s
        How long a condition must have been away to be cleared.
    """

    def __init__(self, clear_s: float = CLEAR_S) -> None:
        self._clear_s = clear_s
        self._standing: dict[Kind, _Standing] = {}
        self._true_since_s: dict[Kind, float] = {}  # of those that have a grace and do not stand yet
        self._changed: list[Condition] = []

    def tell(self, kind: Kind, text: str | None, now_s: float) -> None:
        """Say what is true now.

        Parameters
        ----------
        kind
            Of what.
        text
            What came, what was expected and what to do; ``None`` where nothing is wrong.
        now_s
            The clock now, s.
        """
        standing = self._standing.get(kind)
        if text is None:
            self._true_since_s.pop(kind, None)
            if standing is not None:
                standing.is_true = False
            return
        if standing is None:
            if now_s - self._true_since_s.setdefault(kind, now_s) < _GRACE_S.get(kind, 0.0):
                return
            condition = Condition(kind, PRIORITIES[kind], text, now_s, 1, None)
            self._standing[kind] = _Standing(condition, True, now_s, now_s, text)
            self._changed.append(condition)
            return
        count = standing.condition.count + (not standing.is_true)
        standing.condition = replace(standing.condition, text=text, count=count)
        standing.is_true, standing.true_s = True, now_s
        if text != standing.told and now_s - standing.said_s >= _UPDATE_S:
            standing.said_s, standing.told = now_s, text
            self._changed.append(standing.condition)

    def see(self, found: Mapping[Kind, str], now_s: float) -> list[Condition]:
        """Say of all kinds what is true now, and return the `changes`."""
        if found or self._standing or self._true_since_s:
            for kind in Kind:
                self.tell(kind, found.get(kind), now_s)
        return self.changes(now_s)

    def changes(self, now_s: float) -> list[Condition]:
        """Return what was raised, has another text or was cleared since the last call, in order."""
        if not self._standing and not self._changed:
            return []
        for kind, standing in list(self._standing.items()):
            if not standing.is_true and now_s - standing.true_s >= self._clear_s:
                del self._standing[kind]
                self._changed.append(replace(standing.condition, cleared_s=now_s))
        changed, self._changed = self._changed, []
        return changed

    @property
    def standing(self) -> list[Condition]:
        """What stands, the most urgent first."""
        conditions = [standing.condition for standing in self._standing.values()]
        return sorted(conditions, key=lambda condition: (-condition.priority.rank, condition.since_s))
