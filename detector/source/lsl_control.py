"""The operator's control stream: an LSL marker stream whose ``session/start`` begins a new session."""

from __future__ import annotations

import logging

import pylsl

from detector.source.lsl_describe import printable

log = logging.getLogger(__name__)

START = "session/start"
_FORGET_S = 10.0
_MOST_MARKERS = 32  # of one sender in one turn: a flood must not keep the main loop


class LslControl:
    """Listens to every marker stream of one name; never blocks."""

    def __init__(self, name: str) -> None:
        self._resolver = pylsl.ContinuousResolver(pred=f"name='{name}' and type='Markers'", forget_after=_FORGET_S)
        self._inlets: dict[str, pylsl.StreamInlet] = {}

    def start_asked(self) -> bool:
        """Return whether a ``session/start`` has come since the last call; other markers are logged."""
        there = {info.uid(): info for info in self._resolver.results()}
        for uid in self._inlets.keys() - there.keys():
            del self._inlets[uid]  # a sender that was unplugged ends no connection
        for uid, info in there.items():
            if uid not in self._inlets and info.channel_format() == pylsl.cf_string:
                inlet = pylsl.StreamInlet(info, max_buflen=10, recover=False, processing_flags=0, as_numpy=True)
                # A pull opens the stream in the background; nothing here waits for it.
                self._inlets[uid] = inlet
                log.info("control stream %r on %r", printable(info.name()), printable(info.hostname()))
        asked = False
        for uid, inlet in list(self._inlets.items()):
            try:
                for _ in range(_MOST_MARKERS):
                    if (marker := inlet.pull_sample(timeout=0.0)[0]) is None:
                        break
                    text = bytes(marker[0]).decode(errors="backslashreplace")
                    if text == START:
                        asked = True
                    else:
                        log.info("control marker %r: not understood, the only one is %r", printable(text), START)
            except pylsl.util.LostError:
                del self._inlets[uid]
        return asked

    def close(self) -> None:
        """Let go of the streams."""
        self._inlets.clear()
