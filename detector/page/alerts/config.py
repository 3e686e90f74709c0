"""Where alerts go: the sections of the page's configuration, one for each target."""

from __future__ import annotations

import ipaddress
import re
from email.headerregistry import Address
from fnmatch import fnmatchcase
from typing import Annotated, Literal, TypeAlias
from urllib.parse import SplitResult, urlsplit

import pydantic
from pydantic import Field

from detector.config import Section
from detector.messages import Priority
from detector.page.alarm import Action, AlarmKind, AlarmRow

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_HOST = re.compile(r"[A-Za-z0-9.:_-]{1,253}")
_Kind = Annotated[AlarmKind, Field(strict=False)]
_Priority = Annotated[Priority, Field(strict=False)]
_Action = Annotated[Action, Field(strict=False)]
Port: TypeAlias = Annotated[int, Field(ge=1, le=65535)]


class Alerting(Section):
    """What holds for all targets."""

    give_up_h: Annotated[float, Field(gt=0, le=720)]


class Target(Section):
    """Which alarms go to a target, and how it is reached."""

    name: str
    beds: list[str]
    kinds: list[_Kind]
    priorities: list[_Priority]
    actions: list[_Action]
    ca_file: str
    plain: bool
    timeout_s: Annotated[float, Field(ge=1, le=60)]

    @pydantic.field_validator("name")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError(
                f"got {value!r}; expected 1 to 40 letters, digits, '_' or '-', beginning with a letter or digit"
            )
        return value

    def wants(self, row: AlarmRow) -> bool:
        """Whether a change of an alarm is for this target; an empty list admits all."""
        alarm = row.alarm
        return (
            self.wants_bed(alarm.bed)
            and (not self.kinds or alarm.kind in self.kinds)
            and (not self.priorities or alarm.priority in self.priorities)
            and (not self.actions or row.action in self.actions)
        )

    def wants_bed(self, bed: str) -> bool:
        """Whether a bed is for this target."""
        return not self.beds or any(fnmatchcase(bed, pattern) for pattern in self.beds)

    def _check_cleartext(self, host: str, encrypted: bool, instead: str) -> None:
        if not (encrypted or self.plain or _is_loopback(host)):
            raise ValueError(
                f"alerts to {host} would cross the network in the clear; use {instead}, "
                "or set plain = true where that network is protected otherwise"
            )


class WebhookTarget(Target):
    """An HTTP server that takes each alert as a POST."""

    url: str
    secret_file: str

    @property
    def parts(self) -> SplitResult:
        """The URL, taken apart."""
        return urlsplit(self.url)

    @pydantic.model_validator(mode="after")
    def _reachable(self) -> WebhookTarget:
        try:
            parts = urlsplit(self.url)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            host = ""
        if not (_HOST.fullmatch(host) and re.fullmatch(r"https?://[!-~]+", self.url) and not parts.fragment):
            raise ValueError(f"got the url {self.url!r}; expected one like https://pager.example/alerts")
        if parts.username is not None or parts.password is not None:
            raise ValueError("the url holds a user or a password; expected neither: alerts are signed by secret_file")
        if not self.secret_file:
            raise ValueError("no secret_file is given; expected the file of the key that alerts are signed with")
        self._check_cleartext(host, parts.scheme == "https", "https://")
        return self


class MqttTarget(Target):
    """An MQTT broker, which is told each alert and keeps the state of each bed."""

    host: str
    port: Port
    security: Literal["tls", "none"]
    username: str
    password_file: str
    prefix: str

    @pydantic.model_validator(mode="after")
    def _reachable(self) -> MqttTarget:
        if not _HOST.fullmatch(self.host):
            raise ValueError(f"got the host {self.host!r}; expected the name or address of a broker")
        if not re.fullmatch(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+){0,7}", self.prefix):
            raise ValueError(f"got the prefix {self.prefix!r}; expected a topic like seizure-detector or ward3/eeg")
        if self.password_file and not self.username:
            raise ValueError("a password_file is given, but no username")
        self._check_cleartext(self.host, self.security == "tls", 'security = "tls"')
        return self


class MailTarget(Target):
    """A mail server and who gets the mail."""

    host: str
    port: Port
    security: Literal["starttls", "tls", "none"]
    username: str
    password_file: str
    sender: str
    to: list[str]

    @pydantic.model_validator(mode="after")
    def _reachable(self) -> MailTarget:
        if not _HOST.fullmatch(self.host):
            raise ValueError(f"got the host {self.host!r}; expected the name or address of a mail server")
        if not 1 <= len(self.to) <= 50:
            raise ValueError(f"got {len(self.to)} addresses in to; expected 1 to 50")
        for address in (self.sender, *self.to):
            if not _is_mail_address(address):
                raise ValueError(f"got the address {address!r}; expected one like ward3@hospital.example")
        if bool(self.password_file) != bool(self.username):
            raise ValueError("username and password_file belong together; expected both or neither")
        self._check_cleartext(self.host, self.security != "none", 'security = "starttls" or "tls"')
        return self


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_mail_address(text: str) -> bool:
    try:
        address = Address(addr_spec=text)
    except (ValueError, IndexError):  # the latter for some texts that are no address at all
        return False
    return text.isascii() and text.isprintable() and " " not in text and bool(address.username and address.domain)
