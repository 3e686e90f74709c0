"""Correction of a stream's stamps: what takes them to this machine's LSL clock.

The clocks' offset is measured in a thread, as that may block for seconds when UDP is filtered. It counts only where the
stamps are of the clock that is measured; else a chunk's arrival stands in, which is late by the network's delay. Either
way the correction follows what drifts, slowly, and a jump of it is a boundary of the session.
"""

from __future__ import annotations

import logging
import math
import statistics
import threading
from collections import deque

import pylsl

log = logging.getLogger(__name__)

MAX_LEAD_S = 1.0  # a sample cannot be younger than its arrival; clocks are measured to milliseconds
_EVERY_S = 5.0
_TIMEOUT_S = 2.0
_MEDIAN_OF = 5  # measurements: one alone is off by half of the network's jitter
_SLEW = 0.02  # s/s: no faster does the correction move, so that the network's jitter is no jump of sample times
_JUMP_S = 1.0  # ... and measurements that move by more than this have jumped
_PLAUSIBLE_S = (
    10.0  # a new connection brings only new samples: older ones are not stamped by the clock that is measured
)
# Crystals are off by 0.01 %; where stamps count on such a crystal, lateness grows for ever and says nothing.
_DRIFT = 1e-3  # s/s
_SLACK_S = 0.25  # lateness over its least, or earliness, that is taken for such a drift ...
_TOO_LATE_S = 1.0  # ... and lateness that no longer is: the network is late, and input age must say so


class TimeCorrection:
    """Measures in the background until stopped.

    Parameters
    ----------
    inlet
        Whose clock is measured.
    replay
        Whether stamps run ahead of the clock, as those of a fast replay do: then the correction stays as it begins.
    """

    def __init__(self, inlet: pylsl.StreamInlet, *, replay: bool = False) -> None:
        self._inlet, self._replay = inlet, replay
        self._measured: float | None = None  # written by the thread, as a whole
        self._correction_s: float | None = None
        self._believed = False
        self.drift_s = 0.0  # of the stamps against the measured clock, since they began
        self._expected_drift_s = 0.0
        self._least_late_s = self._lately_s = 0.0  # the least lateness of all, and of late
        self._asked_at_s = 0.0
        self._stopped = threading.Event()
        self._known = threading.Event()
        self.fails = False  # the last measurement, written by the thread
        self._thread = threading.Thread(target=self._measure, name="lsl-correction", daemon=True)
        self._thread.start()
        # Called while connecting: a first estimate takes some milliseconds, and spares a move of all later times.
        self._known.wait(_TIMEOUT_S)

    def value(self, newest_stamp: float, arrived_s: float) -> float:
        """Return the seconds to be added to the stamps of a chunk that has just arrived."""
        elapsed_s, self._asked_at_s = max(arrived_s - self._asked_at_s, 0.0), arrived_s
        if self._correction_s is None:
            return self._anchor(arrived_s - newest_stamp)
        if self._replay:
            return self._correction_s
        measured = self._measured
        if measured is not None and self._believed and abs(measured + self.drift_s - self._correction_s) > _JUMP_S:
            return self._anchor(arrived_s - newest_stamp)
        if measured is not None and not self._believed and 0 <= arrived_s - newest_stamp - measured < _JUMP_S:
            self._believed, self.drift_s = True, 0.0  # it took long to be measured
        wanted = self._correction_s if measured is None or not self._believed else measured + self.drift_s
        drift_s = self._drift(arrived_s - newest_stamp - wanted, elapsed_s)
        self.drift_s += drift_s
        most_s = _SLEW * elapsed_s
        self._correction_s += min(max(wanted + drift_s - self._correction_s, -most_s), most_s)
        return self._correction_s

    @property
    def known(self) -> float:
        """The correction as far as it is known, s; 0 before anything is."""
        if self._correction_s is not None:
            return self._correction_s
        return self._measured or 0.0

    def clock_jumped(self) -> None:
        """Begin anew with the next chunk: its clock has jumped, or is not the one that was believed."""
        self._correction_s = None

    def expect_drift(self, drift_s: float) -> None:
        """Begin with a drift that was found in another connection to the same outlet: it is no lateness."""
        self._expected_drift_s = drift_s

    def stop(self) -> None:
        """End the thread at its next turn; the inlet lives until then."""
        self._stopped.set()

    def _anchor(self, behind_s: float) -> float:
        """Begin with what was measured, if stamps that are so far behind this clock can be of the measured one."""
        measured, most_ahead_s = self._measured, math.inf if self._replay else MAX_LEAD_S
        drift_s, self._expected_drift_s = self._expected_drift_s, 0.0
        self._believed = measured is not None and -most_ahead_s < behind_s - measured - drift_s < _PLAUSIBLE_S
        if not self._believed:
            why = "was not measured (UDP blocked?)" if measured is None else "is not the one of its stamps"
            log.warning("the clock of the source %s; its stamps are taken from their arrival", why)
        self.drift_s = drift_s if self._believed else 0.0
        self._correction_s = measured + drift_s if measured is not None and self._believed else behind_s
        self._least_late_s = self._lately_s = max(behind_s - self._correction_s, 0.0)
        return self._correction_s

    def _drift(self, late_s: float, elapsed_s: float) -> float:
        """Return by how much the correction has to follow stamps that drift against this clock."""
        if late_s < -_SLACK_S:  # samples from the future
            self._least_late_s = self._lately_s = -_SLACK_S
            return late_s + _SLACK_S
        self._least_late_s = min(self._least_late_s, late_s)
        self._lately_s = min(late_s, self._lately_s + _DRIFT * elapsed_s)
        over_s = self._lately_s - self._least_late_s
        return _DRIFT * elapsed_s if over_s > _SLACK_S and late_s - self._least_late_s < _TOO_LATE_S else 0.0

    def _measure(self) -> None:
        last: deque[float] = deque(maxlen=_MEDIAN_OF)
        while not self._stopped.is_set():
            try:
                answer = self._inlet.time_correction(timeout=_TIMEOUT_S)
            except pylsl.util.LostError:
                return
            except (TimeoutError, RuntimeError) as error:
                self._failed(type(error).__name__)
            else:
                # liblsl measures every 2 s, and answers with its last measurement for as long as no other succeeds: two
                # of them never agree to the last bit.
                if last and answer == last[-1]:
                    self._failed("no new answer")
                else:
                    last.append(answer)
                    self._succeeded(statistics.median(last))
            self._stopped.wait(_EVERY_S)

    def _failed(self, why: str) -> None:
        if not self.fails:
            log.warning("the clock of the source cannot be measured (%s); UDP blocked?", why)
        self.fails = True

    def _succeeded(self, correction_s: float) -> None:
        if self.fails:
            log.info("the clock of the source is measured again")
        self.fails = False
        self._measured = correction_s
        self._known.set()
