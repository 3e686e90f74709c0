"""Alerts as HTTP requests, signed as https://www.standardwebhooks.com has it, so that receivers find a library."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from detector import __version__
from detector.errors import ConfigError
from detector.page.alerts.alert import Alert
from detector.page.alerts.config import WebhookTarget
from detector.page.alerts.tls import tls_context
from detector.page.alerts.worker import RefusedAlertError
from detector.page.secret import read_secret

_PREFIX = "whsec_"
# What is said about this one request and not about the way to the receiver; all else may be mended and is tried again.
_FOR_GOOD = {400, 405, 406, 410, 411, 413, 414, 415, 422, 501}


class Webhook:
    """Posts alerts to a URL; follows no redirect.

    Raises
    ------
    ConfigError
        At construction: the key or the certificates cannot be read.
    """

    def __init__(self, target: WebhookTarget) -> None:
        parts = target.parts
        assert parts.hostname is not None
        self._host, self._port = parts.hostname, parts.port
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._timeout_s = target.timeout_s
        self._context = tls_context(target.ca_file) if parts.scheme == "https" else None
        self._key = _key(Path(target.secret_file))
        self.where = f"{parts.scheme}://{parts.netloc}"  # not the path, which may be a secret

    def deliver(self, alert: Alert) -> str:
        """Post an alert; raises OSError, http.client.HTTPException or RefusedAlertError."""
        stamp = str(int(time.time()))
        body = alert.body.encode("ascii")
        headers = {
            "content-type": "application/json",
            "user-agent": f"seizure-detector/{__version__}",
            "idempotency-key": f'"{alert.key}"',
            "webhook-id": alert.key,
            "webhook-timestamp": stamp,
            "webhook-signature": signature(self._key, alert.key, stamp, body),
            "connection": "close",
        }
        connection = self._connection()
        try:
            with _ended_after(connection, self._timeout_s):
                connection.request("POST", self._path, body, headers)
                status = connection.getresponse().status
        finally:
            connection.close()
        if 200 <= status < 300:
            return ""
        if status in _FOR_GOOD:
            raise RefusedAlertError(f"the receiver answers {status}")
        redirect = ", a redirect, which is not followed" if 300 <= status < 400 else ""
        raise OSError(f"the receiver answers {status}{redirect}")

    def close(self) -> None:
        """End; nothing is kept open."""

    def _connection(self) -> http.client.HTTPConnection:
        if self._context is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout_s, context=self._context)


def signature(key: bytes, alert_key: str, stamp: str, body: bytes) -> str:
    """Return what the header ``webhook-signature`` says: HMAC-SHA256 over key, time and body."""
    signed = f"{alert_key}.{stamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def _key(path: Path) -> bytes:
    secret = read_secret(path, "[[webhook]] secret_file")
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(_PREFIX) or not 24 <= len(key) <= 64:
        raise ConfigError(
            f"[[webhook]] secret_file {path} holds no key; expected {_PREFIX} and the base64 of 24 to 64 bytes "
            f'(echo "{_PREFIX}$(openssl rand -base64 32)" makes one)'
        )
    return key


@contextmanager
def _ended_after(connection: http.client.HTTPConnection, seconds: float) -> Iterator[None]:
    """Cut a request off as a whole: a receiver that sends a byte now and then would never time out."""
    cut = threading.Event()

    def cut_off() -> None:
        cut.set()
        if connection.sock is not None:
            with suppress(OSError):  # it has just ended by itself
                connection.sock.shutdown(socket.SHUT_RDWR)  # not closed, which would leave the reader waiting

    timer = threading.Timer(seconds, cut_off)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        if not cut.is_set():
            raise
        raise TimeoutError(f"no answer within {seconds:g} s") from error
    finally:
        timer.cancel()
    if cut.is_set():  # half an answer looks like a whole one where the connection ends in its headers
        raise TimeoutError(f"no whole answer within {seconds:g} s")
