"""Alerts as mail: one for each, text only."""

from __future__ import annotations

import datetime
import smtplib
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path

from detector.page.alerts.alert import Alert
from detector.page.alerts.config import MailTarget
from detector.page.alerts.tls import tls_context
from detector.page.alerts.worker import RefusedAlertError
from detector.page.secret import read_secret

_FOOT = "Research software, not a medical device, and never a sole alarm. This mail may be late: see the page."


class Mail:
    """Sends alerts to a mail server.

    Raises
    ------
    ConfigError
        At construction: the password or the certificates cannot be read.
    """

    def __init__(self, target: MailTarget) -> None:
        self._target = target
        self._password = (
            read_secret(Path(target.password_file), "[[mail]] password_file") if target.password_file else ""
        )
        self._context = None if target.security == "none" else tls_context(target.ca_file)
        self.where = f"{target.host}:{target.port}"

    def deliver(self, alert: Alert) -> str:
        """Send an alert; raises OSError (`smtplib.SMTPException` is one) or RefusedAlertError."""
        target = self._target
        if target.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                target.host, target.port, timeout=target.timeout_s, context=self._context
            )
        else:
            server = smtplib.SMTP(target.host, target.port, timeout=target.timeout_s)
        with server:
            if target.security == "starttls":
                server.starttls(context=self._context)
            if target.username:
                server.login(target.username, self._password)
            try:
                missed = server.send_message(mail_of(alert, target))
            except smtplib.SMTPDataError as error:
                if 500 <= error.smtp_code < 600:
                    raise RefusedAlertError(f"the mail server answers {error}") from error
                raise
        return f"not taken for {', '.join(missed)}" if missed else ""

    def close(self) -> None:
        """End; nothing is kept open."""


def mail_of(alert: Alert, target: MailTarget) -> EmailMessage:
    """Return an alert as a mail; the policy refuses a header with a line break in it."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = target.sender
    mail["To"] = ", ".join(target.to)
    mail["Subject"] = f"[seizure-detector] {alert.title}"
    mail["Date"] = format_datetime(datetime.datetime.fromtimestamp(alert.time_s, datetime.UTC))
    # The same each time that it is sent, so that mailboxes know a second copy.
    mail["Message-ID"] = f"<{alert.key.replace(':', '.')}@{target.sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Priority"] = "1" if alert.data.get("physiological") else "3"
    lines = [f"{name}: {_line(value, name)}" for name, value in alert.data.items() if value not in (None, "")]
    mail.set_content("\n".join([alert.title, "", *lines, "", _FOOT]) + "\n")
    return mail


def _line(value: object, name: str) -> str:
    if name.endswith("_s") and isinstance(value, int | float):
        return datetime.datetime.fromtimestamp(value, datetime.UTC).isoformat(sep=" ", timespec="seconds")
    return str(value)
