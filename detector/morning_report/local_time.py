"""Times of day as people at the bed read them off their clock, with the zone named."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, tzinfo

_QUARTER_S = 900  # zones change at whole quarters of an hour


@dataclass(frozen=True)
class LocalTime:
    """Turns UTC into the time of a zone; ``None`` is this machine's."""

    zone: tzinfo | None = None

    def at(self, utc_s: float) -> datetime:
        """Return a time, s since 1970, in the zone."""
        return datetime.fromtimestamp(utc_s, self.zone).astimezone(self.zone)

    def clock(self, utc_s: float) -> str:
        """Return the time of day to the second."""
        return f"{self.at(utc_s):%H:%M:%S}"

    def moment(self, utc_s: float) -> str:
        """Return date and time to the second with the offset from UTC, so that no hour is meant that comes twice."""
        at = self.at(utc_s)
        return f"{at:%Y-%m-%d %H:%M:%S} {_offset(at)}"

    def zones(self, since_s: float, until_s: float) -> list[tuple[float, str]]:
        """Return (from when on, UTC s, zone and offset) of a span; several where the clocks were changed in it."""
        found: list[tuple[float, str]] = []
        at_s = since_s
        while at_s <= until_s:
            name = self._name(at_s)
            if not found or found[-1][1] != name:
                found.append((at_s, name))
            at_s = (math.floor(at_s / _QUARTER_S) + 1) * _QUARTER_S
        return found

    def _name(self, utc_s: float) -> str:
        at = self.at(utc_s)
        return f"{at.tzname()} (UTC{_offset(at)})"


def _offset(at: datetime) -> str:
    text = f"{at:%z}"
    return f"{text[:3]}:{text[3:5]}"
