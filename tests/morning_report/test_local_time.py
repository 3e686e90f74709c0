"""A time of day is that of the clock at the bed, also in the night in which it is changed."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from detector.morning_report.local_time import LocalTime

BERLIN = LocalTime(ZoneInfo("Europe/Berlin"))
EVENING_S = datetime(2026, 10, 24, 20, tzinfo=UTC).timestamp()


def test_the_hour_that_comes_twice_is_told_apart() -> None:
    at_s = datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()
    assert BERLIN.moment(at_s) == "2026-10-25 02:30:00 +02:00"
    assert BERLIN.moment(at_s + 3600) == "2026-10-25 02:30:00 +01:00"
    assert BERLIN.clock(at_s) == "02:30:00"


def test_a_night_in_which_the_clocks_are_changed_has_two_zones() -> None:
    changed_s = datetime(2026, 10, 25, 1, tzinfo=UTC).timestamp()
    assert BERLIN.zones(EVENING_S, EVENING_S + 36_000) == [
        (EVENING_S, "CEST (UTC+02:00)"),
        (changed_s, "CET (UTC+01:00)"),
    ]


def test_any_other_night_has_one() -> None:
    assert LocalTime(UTC).zones(EVENING_S, EVENING_S + 86_400) == [(EVENING_S, "UTC (UTC+00:00)")]
