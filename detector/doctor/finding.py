"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """``warn`` is what works and may be meant, ``fail`` what keeps a bed from being watched as it should be."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line.

    Parameters
    ----------
    check
        What was looked at.
    text
        What came, and what was expected where that is another thing.
    advice
        What to do; empty where there is nothing to do.
    """

    check: str
    level: Level
    text: str
    advice: str = ""


def ok(check: str, text: str) -> Finding:
    """Return that all is well."""
    return Finding(check, Level.OK, text)


def warn(check: str, text: str, advice: str) -> Finding:
    """Return what somebody should know."""
    return Finding(check, Level.WARN, text, advice)


def fail(check: str, text: str, advice: str = "") -> Finding:
    """Return what somebody must do."""
    return Finding(check, Level.FAIL, text, advice)
