"""The configuration of the page: ``page.toml`` overlaid with a file of its own."""

from __future__ import annotations

import datetime
import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import Field

from detector.config import Section, overlaid, read_toml
from detector.errors import ConfigError
from detector.messages import Priority
from detector.page.alerts.config import Alerting, MailTarget, MqttTarget, WebhookTarget
from detector.page.secret import read_secret
from detector.state_folder import state_folder

DEFAULTS = Path(__file__).with_name("page.toml")
_MIN_TOKEN = 16


class Server(Section):
    """Where the page is, and who may see it."""

    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    token_file: str
    trusted_proxy: str
    read_only_screens: bool

    @pydantic.field_validator("host", "trusted_proxy")
    @classmethod
    def _address(cls, value: str) -> str:
        if value:
            try:
                ipaddress.ip_address(value)
            except ValueError:
                raise ValueError(f"got {value!r}; expected an IP address like 127.0.0.1 or 10.0.0.5") from None
        return value

    @pydantic.model_validator(mode="after")
    def _not_open_to_anybody(self) -> Server:
        if not self.host:
            raise ValueError("host is empty; expected an IP address like 127.0.0.1")
        if not ipaddress.ip_address(self.host).is_loopback and not (self.token_file or self.trusted_proxy):
            raise ValueError(
                f"host is {self.host}, where anybody on the network could read and acknowledge; set token_file, or "
                "trusted_proxy, or keep to 127.0.0.1"
            )
        return self


class Eeg(Section):
    """When the EEG is read."""

    read: bool


_Priority = Annotated[Priority, Field(strict=False)]


class AlarmSettings(Section):
    """When something is an alarm, and how urgent."""

    not_monitoring_s: Annotated[float, Field(ge=0, le=600)]
    not_monitoring_priority: _Priority
    dead_priority: _Priority
    clear_s: Annotated[float, Field(ge=0, le=60)]
    escalate_s: Annotated[float, Field(ge=10, le=3600)]
    quiet: str

    @pydantic.field_validator("quiet")
    @classmethod
    def _times(cls, value: str) -> str:
        if value and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d", value):
            raise ValueError(f'got {value!r}; expected two times of day like "22:00-06:00", or "" for none')
        return value

    def is_quiet(self, at: datetime.time) -> bool:
        """Whether a local time of day is in the quiet hours, which may go over midnight."""
        if not self.quiet:
            return False
        begin, end = (datetime.time.fromisoformat(text) for text in self.quiet.split("-"))
        return begin <= at < end if begin <= end else at >= begin or at < end


class Storage(Section):
    """What is kept, and for how long."""

    path: str
    keep_days: Annotated[int, Field(ge=1, le=10_000)]
    trend_hours: Annotated[int, Field(ge=24, le=720)]


class ReviewSettings(Section):
    """Where the beds of this machine keep what can be looked at later."""

    folder: str

    @pydantic.field_validator("folder")
    @classmethod
    def _whole(cls, value: str) -> str:
        if value not in ("", "off") and not Path(value).is_absolute():
            raise ValueError(f'got {value!r}; expected an absolute path, "" for the state folder, or "off"')
        return value

    def root(self) -> Path | None:
        """Return the folder; ``None`` where nothing is to be shown."""
        if self.folder == "off":
            return None
        return Path(self.folder) if self.folder else state_folder()


class PageConfig(Section):
    """The page's whole configuration."""

    server: Server
    eeg: Eeg
    alarms: AlarmSettings
    storage: Storage
    review: ReviewSettings
    alerts: Alerting
    webhook: list[WebhookTarget]
    mqtt: list[MqttTarget]
    mail: list[MailTarget]

    @pydantic.model_validator(mode="after")
    def _names_differ(self) -> PageConfig:
        names = [target.name for target in (*self.webhook, *self.mqtt, *self.mail)]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{names.count(name)} targets of alerts are called {name!r}; expected a name for each")
        return self


def load_page_config(path: Path | None, **server: Any) -> PageConfig:
    """Return the configuration in ``path``, if there is one, over the defaults; ``server`` goes over both.

    Raises
    ------
    MissingInputError
        When the file cannot be read.
    ConfigError
        Naming file, key, what came, what was expected and the nearest valid key.
    """
    given = {} if path is None else read_toml(path)
    if server and isinstance(given.get("server", {}), dict):
        given["server"] = {**given.get("server", {}), **server}
    return overlaid(PageConfig, DEFAULTS, given, "the page's configuration" if path is None else str(path))


def read_token(config: Server) -> str:
    """Return the word that people log in with, or an empty text where none is asked for.

    Raises
    ------
    ConfigError
        When its file cannot be read, can be read by others, or holds too short a word.
    """
    if not config.token_file:
        return ""
    path = Path(config.token_file)
    token = read_secret(path, "[server] token_file")
    if len(token) < _MIN_TOKEN:
        raise ConfigError(
            f"[server] token_file {path} holds {len(token)} characters; expected at least {_MIN_TOKEN} "
            "(openssl rand -hex 16 makes some)"
        )
    return token
