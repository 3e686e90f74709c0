"""One retained topic of an MQTT broker, on a connection of its own, so that the broker itself overwrites it.

A connection has one will only. What is retained about a bed must not outlive the page that says it, so each bed has a
connection whose will is about this bed.
"""

from __future__ import annotations

import json
import secrets
import ssl
import time
from contextlib import suppress
from typing import Any

from detector.errors import ConfigError
from detector.page.alerts.config import MqttTarget

_KEEPALIVE_S = 10  # a broker publishes the will when it has heard nothing for one and a half times this
_AGAIN_S = 5.0
_LATEST_RETRY_S = 30


class RetainedTopic:
    """Says what is now, and has the broker say what is when this connection is gone.

    Parameters
    ----------
    target
        The broker.
    password
        Of its user; empty where there is none.
    context
        Of TLS; ``None`` for none.
    topic
        Whose message is retained.
    gone
        What the broker is to retain once nobody says anything here any more.

    Raises
    ------
    ConfigError
        paho-mqtt is not installed.
    """

    def __init__(
        self, target: MqttTarget, password: str, context: ssl.SSLContext | None, topic: str, gone: dict[str, Any]
    ) -> None:
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as error:
            raise ConfigError(f"[[mqtt]] needs an extra ({error}): pip install 'seizure-detector[page]'") from error
        self._topic, self._gone = topic, json.dumps(gone)
        self._said: dict[str, Any] | None = None
        self._said_s = 0.0
        self.problem = "not connected to the broker yet"
        self._client = client = Client(
            CallbackAPIVersion.VERSION2, f"seizure-detector-{secrets.token_hex(8)}", clean_session=True
        )
        client.will_set(topic, self._gone, qos=1, retain=True)
        if target.username:
            client.username_pw_set(target.username, password or None)
        if context is not None:
            client.tls_set_context(context)
        client.connect_timeout = target.timeout_s
        client.reconnect_delay_set(1, _LATEST_RETRY_S)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_connect_fail = self._on_connect_fail
        client.connect_async(target.host, target.port, keepalive=_KEEPALIVE_S)
        client.loop_start()

    def say(self, what: dict[str, Any]) -> None:
        """Have it retained, with the time, where it is news, the connection is new, or some seconds have passed."""
        now_s = time.monotonic()
        if not self._client.is_connected() or (what == self._said and now_s - self._said_s < _AGAIN_S):
            return
        # Without an acknowledgement: nothing is kept for a later connection, when it may be true no more.
        sent = self._client.publish(self._topic, json.dumps({**what, "time_s": round(time.time(), 3)}), 0, retain=True)
        if sent.rc == 0:
            self._said, self._said_s = what, now_s

    def deliver(self, topic: str, body: str, within_s: float) -> None:
        """Publish a message; return when the broker has it. Raises OSError where it has it not."""
        if not self._client.is_connected():
            raise ConnectionError(self.problem)
        sent = self._client.publish(topic, body, qos=1)
        sent.wait_for_publish(within_s)
        if not sent.is_published():
            raise TimeoutError(f"the broker has not said within {within_s:g} s that it has the alert")

    def end(self, last: str | None = None, within_s: float = 1.0) -> None:
        """Retain a last word, that nobody is here any more if none is given, and leave."""
        if not self._client.is_connected():
            self._client.disconnect()  # nothing to be waited for: its thread ends by itself
            return
        sent = self._client.publish(self._topic, self._gone if last is None else last, qos=1, retain=True)
        with suppress(RuntimeError, ValueError):  # the connection was lost meanwhile
            sent.wait_for_publish(within_s)
        if sent.rc == 0 and sent.is_published():  # whoever leaves without a word has the broker publish the will
            self._client.disconnect()
            self._client.loop_stop()

    def _on_connect(self, _client: Any, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._said = None
        self.problem = f"the broker refuses the connection: {reason}" if reason.is_failure else ""

    def _on_disconnect(self, _client: Any, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if not self.problem.startswith("the broker refuses"):
            self.problem = f"the connection to the broker is lost: {reason}"

    def _on_connect_fail(self, _client: Any, _userdata: Any) -> None:
        self.problem = "the broker cannot be reached, or its certificate is not trusted"
