"""Clock correction of a stream: how to take its stamps to this machine's LSL clock.

Measuring it may block for seconds when UDP is filtered, so it happens in a thread; until it is known, and after
the remote clock has jumped, a chunk's arrival stands in, which is late by the network's delay.
"""

from __future__ import annotations

import logging
import threading

import pylsl

log = logging.getLogger(__name__)

MAX_LEAD_S = 1.0  # a sample cannot be younger than its arrival; clocks are measured to milliseconds
_EVERY_S = 5.0
_TIMEOUT_S = 2.0
_PLAUSIBLE_S = (
    60.0  # how far arrival and corrected stamp may differ before the measurement is not believed after a jump
)


class TimeCorrection:
    """Measures in the background until stopped."""

    def __init__(self, inlet: pylsl.StreamInlet) -> None:
        self._inlet = inlet
        self._measured: float | None = None
        self._by_arrival: float | None = None
        self._doubted = False
        self._stopped = threading.Event()
        self._known = threading.Event()
        self.failures = 0
        self._thread = threading.Thread(target=self._measure, name="lsl-correction", daemon=True)
        self._thread.start()
        # Called while connecting: a first estimate takes some milliseconds, and spares a jump of all later times.
        self._known.wait(_TIMEOUT_S)

    def value(self, newest_stamp: float, arrived_s: float) -> float:
        """Return the seconds to be added to stamps of a chunk that has just arrived."""
        measured = self._measured
        if measured is not None and self._doubted:
            self._doubted = not -_PLAUSIBLE_S < newest_stamp + measured - arrived_s < MAX_LEAD_S
        if measured is not None and not self._doubted:
            return measured
        if self._by_arrival is None:
            self._by_arrival = arrived_s - newest_stamp
            log.warning(
                "the clock of the source is not measured (UDP blocked?); its stamps are taken from their arrival"
            )
        return self._by_arrival

    @property
    def known(self) -> float:
        """The correction as far as it is known, s; 0 before anything is."""
        if self._measured is not None and not self._doubted:
            return self._measured
        return self._by_arrival or 0.0

    def clock_jumped(self, newest_stamp: float, arrived_s: float) -> None:
        """Doubt what was measured: the remote clock has jumped, or is not the one that the stamps are of."""
        self._doubted = True
        self._by_arrival = arrived_s - newest_stamp

    def stop(self) -> None:
        """End the thread at its next turn; the inlet lives until then."""
        self._stopped.set()

    def _measure(self) -> None:
        while not self._stopped.is_set():
            try:
                self._measured = self._inlet.time_correction(timeout=_TIMEOUT_S)
                self._known.set()
            except pylsl.util.LostError:
                return
            except (TimeoutError, RuntimeError):
                self.failures += 1
            self._stopped.wait(_EVERY_S)
