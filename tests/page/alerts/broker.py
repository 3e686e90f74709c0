"""A real MQTT broker on the loopback; where there is none the tests are skipped, visibly."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.live import free_port, until

_UNPACKED = Path(__file__).parents[3] / "build" / "mosquitto"


class Broker:
    """The broker, which can be ended and begun again."""

    def __init__(self, folder: Path, lines: str = "") -> None:
        places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", str(_UNPACKED / "usr" / "sbin")])
        program = shutil.which("mosquitto", path=places)
        if program is None:
            pytest.skip("no mosquitto is installed (.ci/tools unpacks Debian's)")
        self._program, self.port, self._config = program, free_port(), folder / "mosquitto.conf"
        # As another user it could not read the files of a test.
        self._config.write_text(
            f"user {getpass.getuser()}\nlistener {self.port} 127.0.0.1\n" + (lines or "allow_anonymous true\n")
        )
        self._log = folder / "mosquitto.log"
        self.begin()

    def begin(self) -> None:
        libraries = os.pathsep.join(str(path) for path in _UNPACKED.glob("usr/lib/*-linux-gnu"))
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [self._program, "-c", str(self._config)],
                stdout=log,
                stderr=log,
                env={**os.environ, "LD_LIBRARY_PATH": libraries},
            )
        until(self._answers, 10, "the broker answers")

    def end(self) -> None:
        self.process.kill()
        self.process.wait()

    def _answers(self) -> bool:
        assert self.process.poll() is None, self._log.read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


@contextmanager
def broker(folder: Path, lines: str = "") -> Iterator[Broker]:
    one = Broker(folder, lines)
    yield one
    one.end()


class Subscriber:
    """Hears everything below a topic."""

    def __init__(self, port: int, topic: str = "#", **login: str) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.heard: list[tuple[str, bool, Any]] = []
        self._client = Client(CallbackAPIVersion.VERSION2)
        if login:
            self._client.username_pw_set(**login)
        self._client.on_message = lambda _, __, message: self.heard.append(
            (message.topic, message.retain, json.loads(message.payload) if message.payload else None)
        )
        subscribed: list[object] = []
        self._client.on_subscribe = lambda *_: subscribed.append(True)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        until(lambda: subscribed, 10, "it has subscribed")

    def last(self, topic: str) -> Any:
        """What was heard last about a topic."""
        return next((content for name, _, content in reversed(self.heard) if name == topic), None)

    def publish(self, topic: str, text: str, *, retain: bool = False) -> None:
        self._client.publish(topic, text, 1, retain).wait_for_publish(10)

    def end(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def subscriber(port: int, topic: str = "#", **login: str) -> Iterator[Subscriber]:
    one = Subscriber(port, topic, **login)
    yield one
    one.end()


def retained(port: int, topic: str) -> Any:
    """Return what somebody who comes now is told of a topic; ``None`` where nothing is retained."""
    with subscriber(port) as late:
        late.publish("ping", "1")  # what is retained is sent before anything of now
        until(lambda: late.last("ping"), 10, "all that is retained was told")
        return next((content for name, old, content in late.heard if old and name == topic), None)
