"""Mail arrives as plain text over TLS, and nothing that is in an alarm becomes a header."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from detector.errors import ConfigError
from detector.page.alarm import Action
from detector.page.alerts.alert import make_test_alert
from detector.page.alerts.config import MailTarget
from detector.page.alerts.mail import Mail, mail_of
from detector.page.alerts.worker import RefusedAlertError
from tests.live import free_port
from tests.page.alerts.receiver import certificate, secret
from tests.page.alerts.samples import alert, defaults

WORD = "the password of the mail server"


class Server:
    """Keeps the mail that came, with its envelope; ``answers`` are for the next ones."""

    def __init__(self) -> None:
        self.mails: list[tuple[Any, Message]] = []
        self.answers: list[str] = []
        self.unknown: set[str] = set()
        self.logins: list[tuple[bytes, bytes]] = []

    async def handle_RCPT(self, _: Any, __: Any, envelope: Any, address: str, ___: Any) -> str:  # noqa: N802 - its name
        if address in self.unknown:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:  # noqa: N802 - its name
        if self.answers:
            return self.answers.pop(0)
        self.mails.append((envelope, message_from_bytes(envelope.content)))
        return "250 OK"

    def log_in(self, _: Any, __: Any, ___: Any, ____: Any, data: Any) -> AuthResult:
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == WORD.encode(), handled=False)


@contextmanager
def mail_server(**options: Any) -> Iterator[tuple[Server, int]]:
    server = Server()
    controller = Controller(server, "127.0.0.1", free_port(), authenticator=server.log_in, **options)
    controller.start()
    yield server, controller.port
    controller.stop()


def target(port: int, **given: Any) -> MailTarget:
    own = {
        "name": "mail", "host": "127.0.0.1", "port": port, "security": "none",
        "sender": "eeg@hospital.example", "to": ["ward3@hospital.example", "night@hospital.example"],
    }  # fmt: skip
    return MailTarget.model_validate({**defaults("mail"), **own, **given})


def test_an_alert_is_one_mail_in_plain_text_to_all(tmp_path: Path) -> None:
    with mail_server() as (server, port):
        assert Mail(target(port)).deliver(alert()) == ""
    [(envelope, mail)] = server.mails
    assert envelope.rcpt_tos == ["ward3@hospital.example", "night@hospital.example"]
    assert mail["subject"] == "[seizure-detector] bed1: seizure raised"
    assert mail.get_content_type() == "text/plain"
    text = mail.get_payload(decode=True).decode()  # type: ignore[union-attr]
    assert "priority: high" in text
    assert "since_s: 1970-01-01 00:16:40+00:00" in text
    assert "never a sole alarm" in text
    assert "Joy" not in envelope.content.decode()


def test_a_second_copy_is_known_by_its_id() -> None:
    ids = [
        mail_of(one, target(25))["message-id"] for one in (alert(0), alert(0), alert(1), alert(0, action=Action.OVER))
    ]
    assert len(set(ids)) == 3
    assert ids[0] == ids[1]
    assert re.fullmatch(r"<[\w.-]+@hospital\.example>", ids[0])


@pytest.mark.parametrize("text", ["x\r\nBcc: thief@evil.example", "x\n\n.\r\nMAIL FROM:<a@b.example>", "x\u2028y\x00"])
def test_no_text_of_an_alarm_becomes_a_header_or_a_command(tmp_path: Path, text: str) -> None:
    with mail_server() as (server, port):
        Mail(target(port)).deliver(alert(text=text, bed="bed1"))
    [(envelope, mail)] = server.mails
    assert mail["bcc"] is None
    assert set(envelope.rcpt_tos) == {"ward3@hospital.example", "night@hospital.example"}
    assert mail_of(make_test_alert("mail", 1.0), target(25))["subject"] == "[seizure-detector] test alert"
    with pytest.raises(ValueError, match="linefeed"):
        mail_of(alert(bed="bed1\r\nBcc: thief@evil.example"), target(25))


def test_with_starttls_it_logs_in_only_to_a_server_that_is_trusted(tmp_path: Path) -> None:
    context, own = certificate(tmp_path)
    login = {"security": "starttls", "username": "eeg", "password_file": str(secret(tmp_path, WORD))}
    with mail_server(tls_context=context, require_starttls=True, auth_required=True) as (server, port):
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            Mail(target(port, **login)).deliver(alert())
        assert server.logins == []
        Mail(target(port, **login, ca_file=str(own))).deliver(alert())
        assert len(server.mails) == 1
        secret(tmp_path, "another")
        with pytest.raises(OSError, match="535"):
            Mail(target(port, **login, ca_file=str(own))).deliver(alert())


def test_a_server_that_offers_no_starttls_gets_nothing(tmp_path: Path) -> None:
    with mail_server() as (server, port), pytest.raises(OSError, match="STARTTLS"):
        Mail(target(port, security="starttls")).deliver(alert())
    assert server.mails == []


def test_over_tls_from_the_first_byte(tmp_path: Path) -> None:
    context, own = certificate(tmp_path)
    with mail_server(ssl_context=context) as (server, port):
        Mail(target(port, security="tls", ca_file=str(own))).deliver(alert())
    assert len(server.mails) == 1


def test_what_is_refused_now_is_tried_again_and_what_is_refused_for_good_is_not(tmp_path: Path) -> None:
    with mail_server() as (server, port):
        server.answers = ["451 later", "554 spam"]
        with pytest.raises(OSError, match="451"):
            Mail(target(port)).deliver(alert())
        with pytest.raises(RefusedAlertError, match="554"):
            Mail(target(port)).deliver(alert())
        Mail(target(port)).deliver(alert())
        server.unknown = {"night@hospital.example"}
        assert Mail(target(port)).deliver(alert(1)) == "not taken for night@hospital.example"
        server.unknown |= {"ward3@hospital.example"}
        with pytest.raises(OSError, match="no such user"):
            Mail(target(port)).deliver(alert(2))
    assert len(server.mails) == 2


def test_its_password_is_nobody_elses(tmp_path: Path) -> None:
    file = secret(tmp_path, WORD, 0o640)
    with pytest.raises(ConfigError, match=re.escape("[[mail]] password_file")):
        Mail(target(25, username="eeg", password_file=str(file)))
