"""Alerts over MQTT, and the state of each bed, retained by the broker as long as somebody says it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from detector.page.alerts.alert import Alert
from detector.page.alerts.config import MqttTarget
from detector.page.alerts.mqtt_topic import RetainedTopic
from detector.page.alerts.tls import tls_context
from detector.page.secret import read_secret

log = logging.getLogger(__name__)

_TURN_S = 0.25
_END_S = 1.0  # for all last words together
GONE = "page-gone"
_GONE_WORDS = "the page that says what this bed is has gone: nothing is known"

#: By bed: its state as the page shows it, and the words for it.
Beds: TypeAlias = Mapping[str, tuple[str, str]]


class Mqtt:
    """A broker: ``<prefix>/<bed>/alarm`` for alerts, ``<prefix>/<bed>/state`` and ``<prefix>/page`` are retained.

    Raises
    ------
    ConfigError
        At construction: the password or the certificates cannot be read, or paho-mqtt is not installed.
    """

    def __init__(self, target: MqttTarget) -> None:
        self._target = target
        self._password = (
            read_secret(Path(target.password_file), "[[mqtt]] password_file") if target.password_file else ""
        )
        self._context = None if target.security == "none" else tls_context(target.ca_file)
        self.where = f"{target.host}:{target.port}"
        self._beds: dict[str, RetainedTopic] = {}
        self._failing: set[str] = set()
        self._page = self._topic("page", {"state": GONE})
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, beds: Callable[[], Beds]) -> None:
        """Start to say what each bed is."""

        def tell() -> None:
            while not self._stop.wait(_TURN_S):
                self.tell(beds())

        self._thread = threading.Thread(target=tell, name=f"states-{self._target.name}", daemon=True)
        self._thread.start()

    def tell(self, beds: Beds) -> None:
        """Say what each bed is now, and drop those that are there no more."""
        self._page.say({"state": "watching"})
        for bed in self._beds.keys() - beds.keys():
            self._beds.pop(bed).end("")  # an empty message takes the retained one away
        for bed, (state, words) in beds.items():
            if self._target.wants_bed(bed):
                try:
                    self._tell(bed, state, words)
                except Exception as error:  # noqa: BLE001 - whatever is wrong with one bed, the others are told
                    self._failed(bed, error)

    def deliver(self, alert: Alert) -> str:
        """Publish an alert; raises OSError where the broker has not said that it has it."""
        bed = alert.data["bed"]
        self._page.deliver(
            f"{self._target.prefix}/{f'{bed}/alarm' if bed else 'test'}", alert.body, self._target.timeout_s
        )
        return ""

    def close(self) -> None:
        """Say that nobody says anything here any more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(1.0)
        ends_s = time.monotonic() + _END_S
        for topic in (*self._beds.values(), self._page):
            topic.end(within_s=max(ends_s - time.monotonic(), 0.0))

    def _tell(self, bed: str, state: str, words: str) -> None:
        if bed not in self._beds:
            gone = {"bed": bed, "state": GONE, "words": _GONE_WORDS, "time_s": None}
            self._beds[bed] = self._topic(f"{bed}/state", gone)
        self._beds[bed].say({"bed": bed, "state": state, "words": words})
        self._failing.discard(bed)

    def _failed(self, bed: str, error: Exception) -> None:
        if bed not in self._failing:
            self._failing.add(bed)
            log.error(
                "the state of %s cannot be told to %s: %s: %s", bed, self._target.name, type(error).__name__, error
            )

    def _topic(self, topic: str, gone: dict[str, Any]) -> RetainedTopic:
        return RetainedTopic(self._target, self._password, self._context, f"{self._target.prefix}/{topic}", gone)
