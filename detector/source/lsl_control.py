"""The operator's control stream: an LSL marker stream whose ``session/start`` begins a new session.

Anybody on the network may be its sender, so what comes is bounded: few senders, short texts, one session now and then.
"""

from __future__ import annotations

import logging
import time

import pylsl

from detector.source.lsl_describe import printable

log = logging.getLogger(__name__)

START = "session/start"
_FORGET_S = 10.0
_MOST_SENDERS = 4
_MOST_MARKERS = 32  # of one sender in one turn: a flood must not keep the main loop
_MOST_BYTES = 200  # of a marker that is shown
_RETRY_S = 2.0
EVERY_S = 10.0  # at most so often a session is begun: each costs a warm-up


class LslControl:
    """Listens to every marker stream of one name; never blocks.

    Parameters
    ----------
    name
        Of the stream.
    every_s
        At most so often a session is begun.
    """

    def __init__(self, name: str, every_s: float = EVERY_S) -> None:
        self._name, self._every_s = name, every_s
        self._resolver: pylsl.ContinuousResolver | None = None
        self._inlets: dict[str, pylsl.StreamInlet] = {}
        self._retry_at = self._again_at = 0.0

    def start_asked(self) -> bool:
        """Return whether a ``session/start`` has come since the last call; other markers are logged."""
        if time.monotonic() >= self._retry_at:
            try:
                self._connect()
            except RuntimeError as error:  # the bed goes on being watched, and it is tried again
                self._retry_at = time.monotonic() + _RETRY_S
                log.error("the control stream cannot be listened to (%s): out of threads or open files?", error)
        asked = [self._hear(uid, inlet) for uid, inlet in list(self._inlets.items())]
        if not any(asked):
            return False
        if (now := time.monotonic()) < self._again_at:
            log.warning("control marker %r: ignored, it came within %g s of the last one", START, self._every_s)
            return False
        self._again_at = now + self._every_s
        return True

    def close(self) -> None:
        """Let go of the streams."""
        self._inlets.clear()
        self._resolver = None

    def _connect(self) -> None:
        if self._resolver is None:
            predicate = f"name='{self._name}' and type='Markers'"
            self._resolver = pylsl.ContinuousResolver(pred=predicate, forget_after=_FORGET_S)
        there = {info.uid(): info for info in self._resolver.results() if _is_plain(info)}
        for uid in self._inlets.keys() - there.keys():
            del self._inlets[uid]  # a sender that was unplugged ends no connection
        for uid, info in there.items():
            if uid not in self._inlets and len(self._inlets) < _MOST_SENDERS:
                # A pull opens the stream in the background; nothing here waits for it.
                self._inlets[uid] = pylsl.StreamInlet(
                    info, max_buflen=10, recover=False, processing_flags=0, as_numpy=True
                )
                log.info("control stream %r on %r", printable(info.name()), printable(info.hostname()))

    def _hear(self, uid: str, inlet: pylsl.StreamInlet) -> bool:
        asked = False
        try:
            for _ in range(_MOST_MARKERS):
                if (marker := inlet.pull_sample(timeout=0.0)[0]) is None:
                    break
                text = bytes(marker[0])[:_MOST_BYTES].decode(errors="backslashreplace")
                if text == START:
                    asked = True
                else:
                    log.info("control marker %r: not understood, the only one is %r", printable(text), START)
        except (pylsl.util.LostError, RuntimeError):  # it is connected anew for as long as it is announced
            del self._inlets[uid]
        return asked


def _is_plain(info: pylsl.StreamInfo) -> bool:
    """Whether it is a marker stream as is expected, and no buffer of whatever size it announces has to be made."""
    return bool(info.channel_format() == pylsl.cf_string and info.channel_count() == 1 and info.nominal_srate() == 0)
