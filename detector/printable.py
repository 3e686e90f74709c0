"""Text of others, made fit to be shown."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return ``text`` with control, format and unassigned characters as escapes, so that it can be shown."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
