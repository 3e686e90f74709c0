"""Clock texts of annotation lists, and the seconds between two of them."""

from __future__ import annotations

import re

from detector.errors import BadDataError

DAY_S = 86400
# A blank may have slipped in anywhere: "1 6.49.25" is 16:49:25 (Siena, PN10).
_CLOCK = re.compile(r"(\d{1,2})[.:](\d{1,2})[.:](\d{1,2})")


def seconds_of(text: str) -> int:
    """Return the seconds since midnight of ``h:mm:ss`` or ``h.mm.ss``; hours from 24 on are those of the next day.

    Raises
    ------
    BadDataError
        When the text is anything else, or holds two times.
    """
    match = _CLOCK.fullmatch(re.sub(r"\s", "", text))
    hours, minutes, seconds = map(int, match.groups()) if match else (99, 99, 99)
    if hours >= 48 or minutes >= 60 or seconds >= 60:
        raise BadDataError(
            f"the time {text.strip()!r}; expected hours, minutes and seconds, as in 19:39:33 or 19.39.33"
        )
    return hours * 3600 + minutes * 60 + seconds


def elapsed_s(start: str, end: str) -> int:
    """Return the seconds from one clock text to a later one less than a day after it, over midnight where need be.

    24:10:00 and 0:10:00 are the same end of what began at 23:00:00.

    Raises
    ------
    BadDataError
        When one of them is no time.
    """
    return (seconds_of(end) - seconds_of(start)) % DAY_S
