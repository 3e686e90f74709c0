"""All targets: hands each change of an alarm to those that want it."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from typing import Any

from detector.errors import ConfigError, DetectorError, UsageError, nearest
from detector.page.alarm import AlarmRow
from detector.page.alerts.alert import alert_of, make_test_alert
from detector.page.alerts.config import MailTarget, MqttTarget, Target, WebhookTarget
from detector.page.alerts.mail import Mail
from detector.page.alerts.mqtt import Beds, Mqtt
from detector.page.alerts.queue import SCHEMA, Queue
from detector.page.alerts.webhook import Webhook
from detector.page.alerts.worker import Way, Worker
from detector.page.config import PageConfig
from detector.page.store import Store, Write

log = logging.getLogger(__name__)

_TOLD_AFTER_S = 60.0  # one that fails shorter is no news
_BURIED_TOLD_S = 3600.0
_DISK_S = 5.0


class Alerts:
    """Sends alerts; nothing here waits for a target.

    Parameters
    ----------
    config
        Of the page.
    store
        The page's file.

    Raises
    ------
    ConfigError
        At construction: a file of a target cannot be used.
    """

    def __init__(self, config: PageConfig, store: Store) -> None:
        self._store = store
        self._targets: dict[str, Target] = {
            target.name: target for target in (*config.webhook, *config.mqtt, *config.mail)
        }
        if not store.put(*SCHEMA).result(_DISK_S):
            raise ConfigError(f"[storage] path {store.path} cannot be written: {store.trouble}")
        give_up_s, keep_s = config.alerts.give_up_h * 3600, config.storage.keep_days * 86400
        self._ways = {name: _way(target) for name, target in self._targets.items()}
        self._workers = {
            name: Worker(name, way, Queue(name, store), give_up_s, keep_s) for name, way in self._ways.items()
        }
        self._bury_the_orphaned()

    def begin(self, beds: Callable[[], Beds]) -> None:
        """Start to deliver, first what a page before this one left; ``beds`` says what each bed is now, at once."""
        for way in self._ways.values():
            if isinstance(way, Mqtt):
                way.begin(beds)
        for worker in self._workers.values():
            worker.begin()

    def put(self, row: AlarmRow) -> list[Write]:
        """Take in a change of an alarm; return what is to be written together with it."""
        wanting = [name for name, target in self._targets.items() if target.wants(row)]
        if not wanting:
            return []
        alert = alert_of(row)
        writes = [self._workers[name].queue.put(alert) for name in wanting]
        for name in wanting:
            self._workers[name].wake()
        return writes

    def send_test(self, name: str) -> bool:
        """Send a test alert behind those that wait; return whether it is safe on disk. Raises UsageError."""
        if name not in self._workers:
            choices = f"the targets are {', '.join(self._workers)}" if self._workers else "none is configured"
            raise UsageError(f"there is no target {name!r}{nearest(name, self._workers)}; {choices}")
        worker = self._workers[name]
        written = self._store.put(worker.queue.put(make_test_alert(name, time.time())))
        worker.wake()
        try:
            return written.result(_DISK_S)
        except TimeoutError:
            return False

    def report(self) -> list[dict[str, Any]]:
        """Return for each target how it is, for JSON; raises DetectorError where the disk fails."""
        try:
            return [worker.facts() for worker in self._workers.values()]
        except sqlite3.Error as error:
            raise DetectorError(f"what was sent cannot be read: {error}") from error

    def notices(self) -> list[str]:
        """Return what everybody who looks at the page has to know."""
        now_s = time.time()
        said = []
        for worker in self._workers.values():
            if worker.failing_s is not None and now_s - worker.failing_s > _TOLD_AFTER_S:
                minutes = (now_s - worker.failing_s) / 60
                said.append(f"alerts to {worker.name} wait, for {minutes:.0f} min now: {worker.error}")
            if now_s - worker.buried_s < _BURIED_TOLD_S:
                said.append(f"alerts to {worker.name} were given up or refused in the last hour: see Alerts")
        return said

    def close(self) -> None:
        """End; what waits is sent by the next page."""
        for worker in self._workers.values():
            worker.stop()
        ends_s = time.monotonic() + 2.0
        for worker in self._workers.values():
            worker.join(max(ends_s - time.monotonic(), 0.0))

    def _bury_the_orphaned(self) -> None:
        where = f"state = 'waiting' AND target NOT IN ({', '.join('?' * len(self._targets))})"
        [row] = self._store.facts(f"SELECT count(*) AS n FROM alert WHERE {where}", *self._targets)  # noqa: S608 - only ?s
        if row["n"]:
            log.warning("%d alerts wait for targets that are not configured any more: they are not sent", row["n"])
            self._store.put(
                (
                    f"UPDATE alert SET state = 'dead', done_s = ?, error = 'the target is gone' WHERE {where}",  # noqa: S608
                    (time.time(), *self._targets),
                )
            )


def _way(target: Target) -> Way:
    if isinstance(target, WebhookTarget):
        return Webhook(target)
    if isinstance(target, MqttTarget):
        return Mqtt(target)
    assert isinstance(target, MailTarget)
    return Mail(target)
