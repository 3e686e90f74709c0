"""Nothing that a broker retains says "non-seizure" while nothing is being watched, whatever has died."""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from detector.errors import ConfigError
from detector.page.alerts.config import MqttTarget
from detector.page.alerts.mqtt import Beds, Mqtt
from detector.page.alerts.mqtt_topic import RetainedTopic
from tests.client.lsl_publisher import publisher
from tests.live import free_port, until
from tests.page.alerts.broker import Broker, Subscriber, broker, retained, subscriber
from tests.page.alerts.receiver import certificate
from tests.page.alerts.samples import alert, defaults, state
from tests.page.browser import Served

WATCHED = {"bed1": ("non-seizure", "no seizure, and monitoring")}
STATE = "seizure-detector/bed1/state"
PAGE = "seizure-detector/page"


def target(port: int, **given: Any) -> MqttTarget:
    own = {"name": "broker", "host": "127.0.0.1", "port": port, "security": "none", "timeout_s": 2.0}
    return MqttTarget.model_validate({**defaults("mqtt"), **own, **given})


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Broker]:
    with broker(tmp_path) as one:
        yield one


@pytest.fixture
def others(own: Broker) -> Iterator[Subscriber]:
    with subscriber(own.port) as one:
        yield one


def says(mqtt: Mqtt, beds: Beds, listener: Subscriber, topic: str, word: str) -> None:
    def is_heard() -> bool:
        mqtt.tell(beds)
        return bool(listener.last(topic)) and listener.last(topic)["state"] == word

    until(is_heard, 15, f"{topic} says {word}")


def test_what_a_bed_is_now_is_retained_and_is_replaced_by_what_it_is_next(own: Broker, others: Subscriber) -> None:
    mqtt = Mqtt(target(own.port))
    says(mqtt, WATCHED, others, STATE, "non-seizure")
    assert others.last(STATE)["words"] == "no seizure, and monitoring"
    assert others.last(STATE)["time_s"] > 1e9
    for word in ("seizure", "not-monitoring", "dead", "unknown"):
        says(mqtt, {"bed1": (word, "")}, others, STATE, word)
        assert retained(own.port, STATE)["state"] == word
    mqtt.close()
    until(lambda: others.last(STATE)["state"] == "page-gone", 5, "a page that ends says so")
    assert retained(own.port, STATE)["state"] == retained(own.port, PAGE)["state"] == "page-gone"


def test_the_broker_itself_overwrites_what_a_killed_page_has_said(own: Broker, others: Subscriber) -> None:
    script = (
        "import sys\n"
        "from detector.page.alerts.config import MqttTarget\n"
        "from detector.page.alerts.mqtt import Mqtt\n"
        "mqtt = Mqtt(MqttTarget.model_validate_json(sys.stdin.read()))\n"
        "mqtt.begin(lambda: {'bed1': ('non-seizure', ''), 'bed2': ('seizure', '')})\n"
        "import time; time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE)
    try:
        assert process.stdin is not None
        process.stdin.write(target(own.port).model_dump_json().encode())
        process.stdin.close()
        until(lambda: others.last(STATE) and others.last("seizure-detector/bed2/state"), 20, "both states are heard")
        assert retained(own.port, STATE)["state"] == "non-seizure"
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    for topic in (STATE, "seizure-detector/bed2/state", PAGE):
        until(lambda topic=topic: others.last(topic)["state"] == "page-gone", 5, f"{topic} is overwritten")  # type: ignore[misc]
        assert retained(own.port, topic)["state"] == "page-gone"


def test_a_page_whose_detector_is_dead_has_that_retained(tmp_path: Path, own: Broker, others: Subscriber) -> None:
    text = (
        f'[[mqtt]]\nname = "broker"\nhost = "127.0.0.1"\nport = {own.port}\nsecurity = "none"\nbeds = ["mqtt-a"]\n'
        'prefix = "ward3"\n'
    )
    page = Served(tmp_path, text)
    topic = "ward3/mqtt-a/state"
    with publisher("mqtt-a") as process:
        until(lambda: others.last(topic) and others.last(topic)["state"] == "non-seizure", 20, "it is watched")
        state(process, "SEIZURE")
        until(lambda: others.last(topic)["state"] == "seizure", 10, "a seizure is told")
        until(lambda: others.last("ward3/mqtt-a/alarm"), 10, "and its alarm")
        assert others.last("ward3/mqtt-a/alarm")["type"] == "alarm.raised"
    until(lambda: others.last(topic)["state"] == "dead", 10, "a dead detector is told")
    assert retained(own.port, topic)["state"] == "dead"
    page.end()  # kill -9
    until(lambda: others.last(topic)["state"] == "page-gone", 5, "and a dead page")
    assert not any(old for name, old, _ in others.heard if name.endswith("/alarm")), "an alarm was retained"


def test_after_a_broker_that_was_away_only_what_is_now_is_said(own: Broker) -> None:
    mqtt = Mqtt(target(own.port))
    with subscriber(own.port) as before:
        says(mqtt, WATCHED, before, STATE, "non-seizure")
    own.end()
    until(lambda: not mqtt._page._client.is_connected(), 10, "that it is gone is noticed")
    for _ in range(5):
        mqtt.tell(WATCHED)
    own.begin()
    with subscriber(own.port) as after:
        says(mqtt, {"bed1": ("not-monitoring", "the EEG stream is lost")}, after, STATE, "not-monitoring")
        assert [content["state"] for name, _, content in after.heard if name == STATE] == ["not-monitoring"]
    mqtt.close()


def test_the_same_is_said_again_to_a_broker_that_has_forgotten_it(own: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.page.alerts.mqtt_topic._AGAIN_S", 1e9)
    mqtt = Mqtt(target(own.port))
    with subscriber(own.port) as before:
        says(mqtt, WATCHED, before, STATE, "non-seizure")
    own.end()
    until(lambda: not mqtt._page._client.is_connected(), 10, "that it is gone is noticed")
    own.begin()
    with subscriber(own.port) as after:
        says(mqtt, WATCHED, after, STATE, "non-seizure")
    mqtt.close()


def test_what_does_not_change_is_said_again_so_that_its_age_tells_whether_it_holds(
    own: Broker, others: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detector.page.alerts.mqtt_topic._AGAIN_S", 0.1)
    mqtt = Mqtt(target(own.port))

    def times() -> set[float]:
        mqtt.tell(WATCHED)
        return {content["time_s"] for name, _, content in others.heard if name == STATE}

    until(lambda: len(times()) >= 3, 10, "it is said again and again")
    mqtt.close()


def test_a_bed_that_cannot_be_told_keeps_none_of_the_others_from_it(
    own: Broker, others: Subscriber, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mqtt = Mqtt(target(own.port))

    def fail(topic: str, gone: object) -> RetainedTopic:
        if topic.startswith("bed0"):
            raise RuntimeError("can't start new thread")
        return make(topic, gone)  # type: ignore[arg-type]

    make = mqtt._topic
    monkeypatch.setattr(mqtt, "_topic", fail)
    says(mqtt, {"bed0": ("dead", ""), **WATCHED}, others, STATE, "non-seizure")
    assert [record.getMessage() for record in caplog.records] == [
        "the state of bed0 cannot be told to broker: RuntimeError: can't start new thread"
    ]
    mqtt.close()


def test_a_bed_that_was_forgotten_is_retained_no_more(own: Broker, others: Subscriber) -> None:
    mqtt = Mqtt(target(own.port))
    says(mqtt, {**WATCHED, "bed2": ("dead", "")}, others, "seizure-detector/bed2/state", "dead")
    says(mqtt, WATCHED, others, STATE, "non-seizure")
    assert retained(own.port, "seizure-detector/bed2/state") is None
    assert retained(own.port, STATE)["state"] == "non-seizure"
    mqtt.close()


def test_only_beds_that_the_target_wants_are_told(own: Broker, others: Subscriber) -> None:
    mqtt = Mqtt(target(own.port, beds=["icu-*"]))
    says(mqtt, {**WATCHED, "icu-1": ("seizure", "")}, others, "seizure-detector/icu-1/state", "seizure")
    mqtt.close()
    assert others.last(STATE) is None


def test_an_alert_is_delivered_when_the_broker_says_so(own: Broker, others: Subscriber) -> None:
    mqtt = Mqtt(target(own.port))
    until(lambda: mqtt._page._client.is_connected(), 10, "connected")
    mqtt.deliver(alert())
    until(lambda: others.last("seizure-detector/bed1/alarm"), 5, "it is heard")
    assert others.last("seizure-detector/bed1/alarm") == json.loads(alert().body)
    os.kill(own.process.pid, signal.SIGSTOP)
    with pytest.raises(TimeoutError, match="has not said within 2 s"):
        mqtt.deliver(alert(1))
    os.kill(own.process.pid, signal.SIGCONT)
    own.end()
    until(lambda: not mqtt._page._client.is_connected(), 10, "that it is gone is noticed")
    with pytest.raises(ConnectionError, match="the connection to the broker is lost"):
        mqtt.deliver(alert(2))
    mqtt.close()


def test_a_broker_that_is_not_there_or_refuses_is_told(tmp_path: Path) -> None:
    nobody = Mqtt(target(free_port()))
    until(lambda: "cannot be reached" in nobody._page.problem, 10, "it is told")
    with pytest.raises(ConnectionError, match="cannot be reached"):
        nobody.deliver(alert())
    nobody.close()
    (tmp_path / "passwords").write_text("")
    with broker(tmp_path, f"allow_anonymous false\npassword_file {tmp_path}/passwords\n") as own:
        refused = Mqtt(target(own.port))
        until(lambda: "refuses the connection: Not authorized" in refused._page.problem, 10, "it is told")
        refused.close()


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_over_tls_only_a_broker_whose_certificate_is_trusted_is_told_anything(tmp_path: Path) -> None:
    _, file = certificate(tmp_path)
    lines = f"allow_anonymous true\ncertfile {file}\nkeyfile {tmp_path}/key.pem\n"
    with broker(tmp_path, lines) as own:
        stranger = Mqtt(target(own.port, security="tls"))
        until(lambda: "not trusted" in stranger._page.problem, 10, "it is told")
        stranger.close()
        stranger._page._client.loop_stop()
        gc.collect()  # paho does not close a socket whose handshake has failed
        mqtt = Mqtt(target(own.port, security="tls", ca_file=str(file)))
        until(lambda: mqtt._page._client.is_connected(), 10, "connected")
        mqtt.deliver(alert())
        mqtt.close()


def test_without_its_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(ConfigError, match=re.escape("pip install 'seizure-detector[page]'")):
        Mqtt(target(1))
