"""One alert: what is said of a change of an alarm, the same bytes each time that it is sent."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from typing import Any

from detector.page.alarm import AlarmRow
from detector.printable import printable

_LONGEST_TEXT = 500


@dataclass(frozen=True, slots=True)
class Alert:
    """What is sent.

    Parameters
    ----------
    key
        Another one for each change of each alarm, and the same one each time that this is sent: whoever gets a key a
        second time has this alert already.
    time_s
        UNIX seconds of the change.
    body
        JSON in ASCII with ``type``, ``timestamp`` and ``data``, as https://www.standardwebhooks.com has them.
    """

    key: str
    time_s: float
    body: str

    @property
    def data(self) -> dict[str, Any]:
        """What the body says."""
        data: dict[str, Any] = json.loads(self.body)["data"]
        return data

    @property
    def title(self) -> str:
        """The alert in a line."""
        data = self.data
        return f"{data['bed']}: {data['kind']} {data['action']}" if data["bed"] else "test alert"


def alert_of(row: AlarmRow) -> Alert:
    """Return the alert about a change of an alarm: of the patient only the bed's name, and no name of anybody."""
    alarm = row.alarm
    return _alert(
        # Full stops would be taken for the ends of what is signed.
        f"{alarm.id}.{row.action}.{row.time_s * 1000:.0f}".replace(".", ":"),
        row.time_s,
        f"alarm.{row.action}",
        {
            "bed": alarm.bed,
            "alarm": alarm.id,
            "kind": alarm.kind,
            "physiological": alarm.kind.is_physiological,
            "priority": alarm.priority,
            "action": row.action,
            "text": printable(alarm.text)[:_LONGEST_TEXT],
            "since_s": alarm.since_s,
            "over_s": alarm.over_s,
            "unknown_s": alarm.unknown_s,
            "escalated_s": alarm.escalated_s,
            "acknowledged_s": alarm.acknowledged_s,
        },
    )


def make_test_alert(target: str, now_s: float) -> Alert:
    """Return an alert that says only that alerts arrive."""
    data = {"bed": "", "alarm": "", "kind": "test", "action": "test", "text": "a test: alerts of the page arrive here"}
    return _alert(f"test:{target}:{now_s * 1000:.0f}", now_s, "test", data)


def _alert(key: str, time_s: float, about: str, data: dict[str, Any]) -> Alert:
    at = datetime.datetime.fromtimestamp(time_s, datetime.UTC).isoformat(timespec="milliseconds")
    return Alert(key, time_s, json.dumps({"type": about, "timestamp": at, "data": {"key": key, **data}}))
