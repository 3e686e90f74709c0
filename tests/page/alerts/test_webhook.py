"""A receiver gets each alert signed, over a connection that it is the only end of, and holds nobody up."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from detector.errors import ConfigError
from detector.page.alerts.config import WebhookTarget
from detector.page.alerts.webhook import Webhook, signature
from detector.page.alerts.worker import RefusedAlertError
from tests.live import free_port
from tests.page.alerts.receiver import SECRET, certificate, receiver, secret
from tests.page.alerts.samples import alert, defaults


def webhook(folder: Path, url: str, **given: Any) -> Webhook:
    file = secret(folder)
    return Webhook(
        WebhookTarget.model_validate(
            {**defaults("webhook"), "name": "pager", "url": url, "secret_file": str(file), **given}
        )
    )


def test_the_signature_is_that_of_the_standard() -> None:
    # The example of the reference implementations at https://github.com/standard-webhooks/standard-webhooks.
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    said = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert said == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_alert_arrives_as_it_is_signed_over_exactly_these_bytes(tmp_path: Path) -> None:
    one = alert()
    with receiver() as server:
        webhook(tmp_path, f"{server.url}alerts?ward=3").deliver(one)
    [post] = server.posts
    assert post.path == "/alerts?ward=3"
    assert post.body == one.body.encode()
    assert post.headers["content-type"] == "application/json"
    assert post.headers["idempotency-key"] == f'"{one.key}"'
    assert post.key == one.key
    assert "." not in one.key
    stamp = post.headers["webhook-timestamp"]
    assert abs(time.time() - int(stamp)) < 60
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    mac = hmac.new(key, f"{one.key}.{stamp}.".encode() + post.body, hashlib.sha256)
    assert post.headers["webhook-signature"] == "v1," + base64.b64encode(mac.digest()).decode()


def test_of_people_it_says_only_the_name_of_the_bed() -> None:
    said = json.loads(alert(acknowledged_by="Nurse Joy", text="a\x1b[2J" + "x" * 1000).body)
    assert said["type"] == "alarm.raised"
    assert said["timestamp"] == "1970-01-01T00:16:40.000+00:00"
    assert said["data"]["bed"] == "bed1"
    assert "Joy" not in json.dumps(said)
    assert len(said["data"]["text"]) == 500
    assert "\x1b" not in said["data"]["text"]


def test_over_tls_only_a_receiver_whose_certificate_is_trusted_gets_it(tmp_path: Path) -> None:
    context, own = certificate(tmp_path)
    with receiver(context) as server:
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            webhook(tmp_path, server.url).deliver(alert())
        webhook(tmp_path, server.url, ca_file=str(own)).deliver(alert())
    assert [post.key for post in server.posts] == [alert().key]


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    with receiver() as server:
        server.answer = lambda post: 307
        with pytest.raises(OSError, match="answers 307, a redirect, which is not followed"):
            webhook(tmp_path, server.url).deliver(alert())
    assert [post.path for post in server.posts] == ["/"]


@pytest.mark.parametrize("status", [400, 413, 422])
def test_what_is_said_about_the_alert_itself_is_for_good(tmp_path: Path, status: int) -> None:
    with receiver() as server:
        server.answer = lambda post: status
        with pytest.raises(RefusedAlertError, match=str(status)):
            webhook(tmp_path, server.url).deliver(alert())


@pytest.mark.parametrize("status", [401, 403, 404, 408, 409, 429, 500, 503])
def test_what_may_be_mended_is_tried_again(tmp_path: Path, status: int) -> None:
    with receiver() as server:
        server.answer = lambda post: status
        with pytest.raises(OSError, match=str(status)):
            webhook(tmp_path, server.url).deliver(alert())


@pytest.mark.parametrize("drips", [False, True], ids=["silent", "dripping"])
def test_a_receiver_that_does_not_answer_in_time_is_left(tmp_path: Path, drips: bool) -> None:
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    if drips:
                        connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
                    while not done.wait(0.1):
                        if drips:
                            connection.sendall(b"y")
                except OSError:
                    pass  # the client has left

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(TimeoutError):
            webhook(tmp_path, f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout_s=1.0).deliver(alert())
        done.set()
        thread.join()


def test_nobody_there_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConnectionRefusedError):
        webhook(tmp_path, f"http://127.0.0.1:{free_port()}/").deliver(alert())


def test_where_it_goes_is_told_without_what_may_be_a_secret(tmp_path: Path) -> None:
    assert webhook(tmp_path, "https://pager.example:8443/T0K3N?key=x").where == "https://pager.example:8443"


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (SECRET, 0o644, "can be read by others"),
        ("", 0o600, "is empty"),
        ("whsec_c2hvcnQ=", 0o600, "base64 of 24 to 64 bytes"),
        (SECRET.removeprefix("whsec_"), 0o600, "expected whsec_"),
        ("whsec_" + "ä" * 40, 0o600, "holds no key"),
    ],
)
def test_a_key_is_long_and_nobody_elses(tmp_path: Path, text: str, mode: int, said: str) -> None:
    with receiver() as server:
        target = {
            **defaults("webhook"),
            "name": "a",
            "url": server.url,
            "secret_file": str(secret(tmp_path, text, mode)),
        }
        with pytest.raises(ConfigError, match=re.escape(said)):
            Webhook(WebhookTarget.model_validate(target))
