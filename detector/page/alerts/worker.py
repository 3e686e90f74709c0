"""Brings the alerts of one target to it, one after the other, in a thread of its own."""

from __future__ import annotations

import logging
import math
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from detector.page.alerts.alert import Alert
from detector.page.alerts.queue import Queue
from detector.printable import printable

log = logging.getLogger(__name__)

_FIRST_RETRY_S, _LAST_RETRY_S = 1.0, 60.0
_DROP_EVERY_S = 3600.0
_DISK_AGAIN_S = 5.0
_SET_S = 3600.0
_LONGEST_ERROR = 300


class RefusedAlertError(Exception):
    """The target will never have this alert, whatever it says about others."""


class Way(Protocol):
    """How alerts reach a target."""

    #: Where that is, without anything secret.
    where: str

    def deliver(self, alert: Alert) -> str:
        """Return when the target has it, with what is to be said about that; raises where it has it not."""

    def close(self) -> None:
        """End."""


class Worker:
    """Delivers in order: the first that fails holds up those behind it, and no other target.

    Parameters
    ----------
    name
        Of the target.
    way
        How it is reached.
    queue
        What waits for it.
    give_up_s
        An alert that is older than this is buried when a delivery fails.
    keep_s
        For so long is it known what was delivered, and what is dead.
    clock
        UNIX seconds.
    steady
        Seconds that never go back.
    """

    def __init__(
        self,
        name: str,
        way: Way,
        queue: Queue,
        give_up_s: float,
        keep_s: float,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.way, self.queue = name, way, queue
        self._give_up_s, self._keep_s, self._clock, self._steady = give_up_s, keep_s, clock, steady
        self._ahead_s = clock() - steady()
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"alerts-{name}", daemon=True)
        self._tries = 0
        self._is_left = False  # it hung when the page ended: what became of its alert is found out by the next page
        #: When one was given up, or refused, last.
        self.buried_s = -math.inf
        #: Since when nothing is delivered, and why; ``None`` and empty while all is well.
        self.failing_s: float | None = None
        self.error = ""

    def begin(self) -> None:
        """Start to deliver."""
        self._thread.start()

    def wake(self) -> None:
        """Say that something waits."""
        self._wake.set()

    def stop(self) -> None:
        """Deliver nothing more; what is under way may end."""
        self._stop.set()
        self._wake.set()

    def join(self, within_s: float) -> None:
        """Wait for the end; a target that hangs keeps nobody from ending."""
        self._thread.join(within_s)
        self._is_left = self._thread.is_alive()
        if not self._is_left:
            self.way.close()

    def turn(self) -> float | None:
        """Try to deliver one alert; return after how many seconds to try the next, ``None`` where none waits."""
        try:
            first = self.queue.first()
        except (sqlite3.Error, TimeoutError) as error:
            self._failed(f"the alerts that wait cannot be read: {error}")
            return _DISK_AGAIN_S
        if first is None:
            return None if self.queue.is_empty else _DISK_AGAIN_S
        try:
            remark = self.way.deliver(first.alert)
        except RefusedAlertError as error:
            said = _short(error)
            log.error(
                "alerts to %s: %s was refused and is in the list of the dead: %s", self.name, first.alert.key, said
            )
            self.buried_s = self._clock()
            self.queue.bury(first, self._clock(), said)
        except Exception as error:  # noqa: BLE001 - a worker that ended would deliver nothing more: it is told and tried again
            if self._is_left:
                return None
            said = f"{type(error).__name__}: {_short(error)}"
            self._failed(said)
            self._tries += 1
            if first.alert.time_s < self._clock() - self._give_up_s and not self._clock_was_set():
                self.buried_s = self._clock()
                self.queue.bury_older(self._clock() - self._give_up_s, self._clock(), said)
                log.error("alerts to %s: those of before were given up and are in the list of the dead", self.name)
            return float(min(_FIRST_RETRY_S * 2.0 ** min(self._tries - 1, 30), _LAST_RETRY_S))
        else:
            if self._is_left:
                return None
            self.queue.delivered(first, self._clock(), _short(remark))
        if self.failing_s is not None:
            log.warning("alerts to %s are delivered again", self.name)
        self.failing_s, self.error, self._tries = None, "", 0
        return 0.0

    def facts(self) -> dict[str, Any]:
        """Return how it is, for JSON; raises `sqlite3.Error`."""
        return {
            "name": self.name,
            "where": self.way.where,
            "failing_s": self.failing_s,
            "error": self.error,
            "tries": self._tries,
            **self.queue.report(),
        }

    def _failed(self, said: str) -> None:
        if self.failing_s is None:
            self.failing_s = self._clock()
            log.error("alerts to %s wait: %s", self.name, said)
        self.error = said

    def _clock_was_set(self) -> bool:
        """Whether ages cannot be told: it may be set again, and what was given up or dropped does not come back."""
        return abs(self._clock() - self._steady() - self._ahead_s) > _SET_S

    def _run(self) -> None:
        dropped_at = 0.0
        while not self._stop.is_set():
            if time.monotonic() - dropped_at >= _DROP_EVERY_S and not self._clock_was_set():
                dropped_at = time.monotonic()
                self.queue.drop_done(self._clock() - self._keep_s)
            self._wake.clear()
            pause_s = self.turn()
            if pause_s is None:
                self._wake.wait(_DROP_EVERY_S)
            else:
                self._stop.wait(pause_s)  # a new alert does not hurry a target that fails


def _short(what: object) -> str:
    return printable(str(what))[:_LONGEST_ERROR]
