"""The truth that a simulated amplifier tells beside its EEG; the detector has no use for it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pylsl
from pylsl.util import InternalError, LostError
from pylsl.util import TimeoutError as LslTimeoutError

from detector.errors import NoStreamError
from detector.source.lsl_describe import printable

_LOOK_S = 0.2  # signals are not served inside a call


class TruthClient:
    """Collects the markers of ``<name>-truth``.

    Parameters
    ----------
    source_id
        Of the EEG stream.
    timeout_s
        How long to look for it; the construction blocks for that.
    keep_waiting
        Asked several times a second while looking; False gives up at once.

    Raises
    ------
    NoStreamError
        When it is not there in time.
    """

    def __init__(
        self, source_id: str, timeout_s: float = 10.0, keep_waiting: Callable[[], bool] = lambda: True
    ) -> None:
        deadline_s = time.monotonic() + timeout_s
        self._markers: list[tuple[float, str]] = []
        while keep_waiting() and time.monotonic() < deadline_s:
            # Several may answer while one that has ended is still remembered.
            for info in pylsl.resolve_byprop("source_id", f"{source_id}:truth", 1, _LOOK_S):
                self._inlet = pylsl.StreamInlet(info, recover=False, as_numpy=True)
                try:
                    self._inlet.open_stream(timeout=_LOOK_S)
                except (LslTimeoutError, LostError, InternalError):
                    continue
                return
        raise NoStreamError(f"the simulated amplifier {source_id!r} did not start in {timeout_s:g} s")

    def read(self) -> list[tuple[float, str]]:
        """Return all markers so far, as (stamp, text safe to show)."""
        while True:
            try:
                # One at a time: pylsl throws a chunk away when the stream is lost in the middle of it.
                texts, stamp = self._inlet.pull_sample(timeout=0.0)
            except (LostError, InternalError):
                break  # the amplifier has ended; what it said stands
            if stamp is None:
                break
            self._markers.append((stamp, printable(texts[0].decode("utf-8", "backslashreplace"))))
        return list(self._markers)
