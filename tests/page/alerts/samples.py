"""Changes of alarms, and targets, for the tests of the alerts."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

from detector.messages import Priority
from detector.page.alarm import Action, Alarm, AlarmKind, AlarmRow
from detector.page.alerts.alert import Alert, alert_of
from detector.page.config import DEFAULTS, PageConfig, load_page_config
from tests.client.lsl_publisher import Publisher

ALARM = Alarm("bed1.seizure.1000.1", "bed1", AlarmKind.SEIZURE, Priority.HIGH, "seizure", 1000.0)


def row(n: int = 0, action: Action = Action.RAISED, **changes: Any) -> AlarmRow:
    return AlarmRow(1000.0 + n, action, replace(ALARM, id=f"bed1.seizure.{n}.1", **changes), who="Joy")


def alert(n: int = 0, **changes: Any) -> Alert:
    return alert_of(row(n, **changes))


def defaults(section: str) -> dict[str, Any]:
    known: dict[str, Any] = tomllib.loads(DEFAULTS.read_text())[section][0]
    return known


def config(folder: Path, text: str) -> PageConfig:
    path = folder / "page.toml"
    path.write_text(text)
    return load_page_config(path)


def state(process: Publisher, name: str) -> None:
    """Have a bed say another state."""
    process.tell(f"shown.update(state=State.{name})")
