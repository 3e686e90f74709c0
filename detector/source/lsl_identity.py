"""Who a stream says it is, and whether that is who it was before.

LSL has no authentication, so whoever takes a name is believed; what can be done is to take no change for granted.
"""

from __future__ import annotations

import logging
import time

import pylsl

from detector.background import Background
from detector.errors import BadDataError
from detector.messages import Description, Reset
from detector.source.lsl_describe import printable

log = logging.getLogger(__name__)

_EVERY_S = 20.0  # a query is a multicast that every machine on the network answers
_LISTEN_S = 1.0


def shown(info: pylsl.StreamInfo) -> str:
    """Return who a stream says it is."""
    return f"{printable(info.name())!r} on {printable(info.hostname())!r} (source_id {printable(info.source_id())!r})"


def require_same_host(before: Description | None, now: Description, pinned: str) -> None:
    """Refuse a sender on another machine than the one that was believed before.

    Raises
    ------
    BadDataError
        When the machine is another one and the configuration does not name it.
    """
    if before is not None and not pinned and now.hostname != before.hostname:
        raise BadDataError(
            f"its machine is {now.hostname!r}, it was {before.hostname!r} before; anybody can take a name on this "
            f"network. If the amplifier has moved, set hostname = {now.hostname!r} in [source] and reload"
        )


def why_new(before: Description | None, now: Description) -> Reset:
    """Return what kind of session begins with a stream after another one."""
    if before is None:
        return Reset.NEW_STREAM
    if before.rate_hz != now.rate_hz:
        return Reset.RATE
    if (before.labels, before.scales_uv) != (now.labels, now.scales_uv):
        return Reset.LABELS
    return Reset.RECONNECT if before.uid == now.uid else Reset.NEW_STREAM


class Doubles:
    """Looks, now and then and in the background, for other streams that say they are the one that is watched.

    Parameters
    ----------
    predicate
        What the watched stream is found by.
    pinned
        The only machine that it may be on; empty where any may be.
    """

    def __init__(self, predicate: str, pinned: str = "") -> None:
        self._predicate, self._pinned = predicate, pinned
        self._asking: Background[list[pylsl.StreamInfo]] | None = None
        self._ask_at = time.monotonic() + _EVERY_S
        self.text = ""

    def look(self, uid: str) -> str:
        """Return what there is beside the stream of this uid, as far as it is known; empty where it is alone."""
        if self._asking is None and time.monotonic() >= self._ask_at:
            self._ask_at = time.monotonic() + _EVERY_S
            self._asking = Background(self._ask)
        if self._asking is not None and self._asking.wait():
            asking, self._asking = self._asking, None
            try:
                found = asking.result()
            except RuntimeError as error:  # what is watched goes on, and it is tried again
                log.warning("liblsl cannot look for doubles (%s): out of threads or open files?", error)
                return self.text
            self.text = self._told([info for info in found if info.uid() != uid])
        return self.text

    def _told(self, others: list[pylsl.StreamInfo]) -> str:
        if not others:
            return ""
        listed = "; ".join(sorted(shown(info) for info in others))
        what = f"{len(others)} more stream{'s' * (len(others) > 1)} of the identity that is watched, expected none: "
        if self._pinned and all(info.hostname() != self._pinned for info in others):
            return f"{what}{listed}. They are strangers, for the only machine is {self._pinned!r}; stop them"
        do = "stop the other" if self._pinned else "stop the other, or set hostname in [source]"
        return f"{what}{listed}. The first one goes on being watched; {do}"

    def _ask(self) -> list[pylsl.StreamInfo]:
        return list(pylsl.resolve_bypred(self._predicate, minimum=100, timeout=_LISTEN_S))
