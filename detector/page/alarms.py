"""The alarms of all beds: raised, latched, acknowledged, over. No clock and no disk: both are passed in.

The words are those of IEC 60601-1-8 (physiological and technical alarm conditions, priority, latching, acknowledged);
no conformity is claimed. The two kinds never touch one another: whatever is wrong with the watching neither hides nor
ends a seizure, which goes only when somebody has acknowledged it *and* a monitored "non-seizure" was heard after it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from detector.errors import UsageError
from detector.messages import Priority, State
from detector.page.alarm import DEAD_AFTER_S, Action, Alarm, AlarmKind, AlarmRow, Seen
from detector.page.config import AlarmSettings

LONGEST_NAME = 60


@dataclass
class _Technical:
    """Since when, and until when, something was true of a bed."""

    since_s: float
    true_s: float


class Alarms:
    """Keeps the alarms that stand.

    Parameters
    ----------
    settings
        Delays and priorities.
    write
        Called with each row for the alarm log.
    standing
        The alarms that stood when the page before this one ended.
    """

    def __init__(
        self, settings: AlarmSettings, write: Callable[[AlarmRow], object], standing: Iterable[Alarm] = ()
    ) -> None:
        self.settings, self._write = settings, write
        self._alarms = {alarm.id: alarm for alarm in standing if alarm.stands}
        self._raised_s: dict[str, float] = {}  # on the clock of the delays
        self._true: dict[tuple[str, AlarmKind], _Technical] = {}
        self._n = 0

    def standing(self) -> list[Alarm]:
        """Return the alarms that stand, those first that somebody should look at first."""
        return sorted(
            self._alarms.values(),
            key=lambda alarm: (
                alarm.acknowledged_s is not None,
                not alarm.kind.is_physiological,
                -alarm.priority.rank,
                alarm.since_s,
            ),
        )

    def see(self, bed: str, seen: Seen, now_s: float, utc_s: float) -> None:
        """Take in what is known of a bed; to be called several times a second also where nothing new has come.

        Parameters
        ----------
        bed
            The bed.
        seen
            What is known of it.
        now_s
            Seconds that never go back, by which delays are judged.
        utc_s
            UNIX time, which is only told.
        """
        self._see_seizure(bed, seen, now_s, utc_s)
        settings = self.settings
        long = f"for {seen.silence_s:.0f} s" if math.isfinite(seen.silence_s) else "since this page began"
        dead = f"no heartbeat of the detector {long}: nothing is being watched"
        cause = f"nothing is being watched: {seen.cause or 'the cause was not heard'}"
        for kind, is_true, grace_s, priority, text in (
            (AlarmKind.DEAD, seen.silence_s > DEAD_AFTER_S, 0.0, settings.dead_priority, dead),
            (
                AlarmKind.NOT_MONITORING,
                seen.state is State.NOT_MONITORING,
                settings.not_monitoring_s,
                settings.not_monitoring_priority,
                cause,
            ),
            (AlarmKind.PROBLEM, bool(seen.problem), 0.0, Priority.HIGH, seen.problem),
        ):
            self._see_technical(bed, kind, is_true, grace_s, priority, text, now_s, utc_s)

    def acknowledge(self, alarm_id: str, who: str, now_s: float) -> Alarm:
        """Have somebody take notice of an alarm.

        Raises
        ------
        UsageError
            There is no such alarm any more, somebody has, or no name was given.
        """
        alarm, who = self._named(alarm_id, who)
        if alarm.acknowledged_s is not None:
            raise UsageError(f"{alarm.acknowledged_by} has acknowledged this alarm already")
        return self._change(
            replace(alarm, acknowledged_s=now_s, acknowledged_by=who), Action.ACKNOWLEDGED, now_s, who=who
        )

    def undo(self, alarm_id: str, who: str, now_s: float) -> Alarm:
        """Take an acknowledgement back, by a row of its own.

        Raises
        ------
        UsageError
            As `acknowledge`, or nobody has acknowledged it.
        """
        alarm, who = self._named(alarm_id, who)
        if alarm.acknowledged_s is None:
            raise UsageError("nobody has acknowledged this alarm")
        return self._change(replace(alarm, acknowledged_s=None, acknowledged_by=""), Action.UNDONE, now_s, who=who)

    def forget(self, bed: str, who: str, now_s: float) -> None:
        """Drop a bed whose detector is dead for good, and its technical alarms.

        Raises
        ------
        UsageError
            It is not dead, a seizure of it still stands, or no name was given.
        """
        mine = [alarm for alarm in self._alarms.values() if alarm.bed == bed]
        if any(alarm.kind.is_physiological for alarm in mine):
            raise UsageError("a seizure of this bed stands: acknowledge it, and see to the patient, first")
        if not any(alarm.kind is AlarmKind.DEAD for alarm in mine):
            raise UsageError("this bed is not dead: only one whose detector is gone can be forgotten")
        who = _name(who)
        for alarm in mine:
            self._true.pop((bed, alarm.kind), None)
            self._change(replace(alarm, over_s=now_s), Action.FORGOTTEN, now_s, who=who)

    def _named(self, alarm_id: str, who: str) -> tuple[Alarm, str]:
        who = _name(who)
        if alarm_id not in self._alarms:
            raise UsageError("this alarm does not stand any more")
        return self._alarms[alarm_id], who

    def _see_seizure(self, bed: str, seen: Seen, now_s: float, utc_s: float) -> None:
        mine = [alarm for alarm in self._alarms.values() if alarm.bed == bed and alarm.kind.is_physiological]
        alarm = next((one for one in mine if one.over_s is None), None)
        if seen.state is State.SEIZURE or seen.had_seizure:
            if alarm is None:
                alarm = self._raise(bed, AlarmKind.SEIZURE, Priority.HIGH, "seizure", now_s, utc_s)
            elif alarm.unknown_s is not None:
                # Nobody knows whether it is the one that somebody has acknowledged: it has to be looked after again.
                again = replace(alarm, unknown_s=None, escalated_s=None, acknowledged_s=None, acknowledged_by="")
                self._raised_s[alarm.id] = now_s
                alarm = self._change(again, Action.SEEN_AGAIN, utc_s)
        if alarm is not None and seen.state is State.NON_SEIZURE:
            self._change(replace(alarm, over_s=utc_s, unknown_s=None), Action.OVER, utc_s)
        elif alarm is not None and seen.state is not State.SEIZURE and alarm.unknown_s is None:
            self._change(replace(alarm, unknown_s=utc_s), Action.OUTCOME_UNKNOWN, utc_s)
        for one in [*self._alarms.values()]:
            waits = one.bed == bed and one.kind.is_physiological and one.acknowledged_s is None
            raised_s = self._raised_s.setdefault(one.id, now_s)  # those of before this page count from now
            if waits and one.escalated_s is None and now_s - raised_s >= self.settings.escalate_s:
                self._change(replace(one, escalated_s=utc_s), Action.ESCALATED, utc_s)

    def _see_technical(
        self,
        bed: str,
        kind: AlarmKind,
        is_true: bool,
        grace_s: float,
        priority: Priority,
        text: str,
        now_s: float,
        utc_s: float,
    ) -> None:
        alarm = next((one for one in self._alarms.values() if (one.bed, one.kind) == (bed, kind)), None)
        if is_true:
            true = self._true.setdefault((bed, kind), _Technical(now_s, now_s))
            true.true_s = now_s
            if alarm is not None and kind is AlarmKind.PROBLEM and _form(text) != _form(alarm.text):
                self._change(replace(alarm, over_s=utc_s), Action.OVER, utc_s)  # this is another one
                alarm = None
            if alarm is None and now_s - true.since_s >= grace_s:
                self._raise(bed, kind, priority, text, now_s, utc_s)
            elif alarm is not None:
                self._alarms[alarm.id] = replace(alarm, text=text)
            return
        seen = self._true.get((bed, kind))
        if seen is None and alarm is not None:  # it stood before this page began
            seen = self._true[(bed, kind)] = _Technical(now_s, now_s)
        if seen is None or now_s - seen.true_s < self.settings.clear_s:
            return
        del self._true[(bed, kind)]
        if alarm is not None:
            self._change(replace(alarm, over_s=utc_s), Action.OVER, utc_s)

    def _raise(self, bed: str, kind: AlarmKind, priority: Priority, text: str, now_s: float, utc_s: float) -> Alarm:
        self._n += 1
        alarm = Alarm(f"{bed}.{kind}.{utc_s * 1000:.0f}.{self._n}", bed, kind, priority, text, utc_s)
        self._raised_s[alarm.id] = now_s
        return self._change(alarm, Action.RAISED, utc_s)

    def _change(self, alarm: Alarm, action: Action, now_s: float, *, who: str = "") -> Alarm:
        if alarm.stands:
            self._alarms[alarm.id] = alarm
        else:
            self._alarms.pop(alarm.id, None)
            self._raised_s.pop(alarm.id, None)
        self._write(AlarmRow(now_s, action, alarm, who))
        return alarm


def _name(who: str) -> str:
    who = " ".join(who.split())
    if not 0 < len(who) <= LONGEST_NAME or not who.isprintable():
        raise UsageError(f"got a name of {len(who)} characters; expected who it is, in 1 to {LONGEST_NAME} letters")
    return who


def _form(text: str) -> str:
    """Return a text without its numbers."""
    return re.sub(r"[0-9]+", "", text)
