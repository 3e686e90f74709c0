"""What the bedside page wrote down about a bed, read from its file while it may go on writing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from detector.errors import BadDataError, MissingInputError
from detector.page.alarm import Action, AlarmKind, LabelKind

BIN_S = 10
_Answer = TypeVar("_Answer")
_VERSIONS = (1, 2)  # the later one added what is not read here
_BEFORE_S = 86400.0  # what was done about an alarm may lie outside of the span that it was raised in


@dataclass(frozen=True)
class Bin:
    """What the page saw in `BIN_S` seconds from ``bin_s`` on, UTC s; ``None`` is what it did not know."""

    bin_s: float
    probability: float | None
    burden: float | None
    good_channels: int | None


@dataclass(frozen=True)
class Deed:
    """What somebody, or the page, did about an alarm; times are UTC s of the page's machine."""

    time_s: float
    action: str
    who: str
    alarm_id: str
    kind: str
    text: str
    since_s: float

    @property
    def is_of_seizure(self) -> bool:
        """Whether the alarm is of a seizure."""
        return self.kind == AlarmKind.SEIZURE


@dataclass(frozen=True)
class Label:
    """What somebody said about an alarm or, without one, a moment: a `detector.page.alarm.LabelKind`."""

    time_s: float
    kind: str
    at_s: float
    who: str
    alarm_id: str


@dataclass(frozen=True)
class PageFile:
    """What the page knows of a bed in a span; deeds and labels in the order in which they were written."""

    bins: tuple[Bin, ...] = ()
    deeds: tuple[Deed, ...] = ()
    labels: tuple[Label, ...] = ()

    def raised(self) -> tuple[Deed, ...]:
        """Return the alarms, each as it was raised."""
        return tuple(deed for deed in self.deeds if deed.action == Action.RAISED)

    def standing_labels(self) -> tuple[Label, ...]:
        """Return the newest label of each alarm and moment, but those that were taken back."""
        newest: dict[str | float, Label] = {}
        for label in self.labels:
            about = label.alarm_id or label.at_s
            newest.pop(about, None)
            if label.kind != LabelKind.WITHDRAWN:
                newest[about] = label
        return tuple(newest.values())

    def deeds_of(self, alarm_ids: Sequence[str]) -> tuple[Deed, ...]:
        """Return what was done about alarms."""
        return tuple(deed for deed in self.deeds if deed.alarm_id in alarm_ids)


def read_page_file(path: Path, bed: str, since_s: float, until_s: float) -> PageFile:
    """Read what is known of a bed in a span of UTC.

    Raises
    ------
    MissingInputError
        The file is not there, cannot be opened or is locked.
    BadDataError
        It is no file of the page, is damaged, or is of another version.
    """
    return _asked(path, lambda connection: _read(connection, bed, since_s, until_s))


def labelled_beds(path: Path) -> list[str]:
    """Return the beds that somebody has said something about; raises as `read_page_file`."""
    statement = "SELECT DISTINCT bed FROM label ORDER BY bed"
    return _asked(path, lambda connection: [bed for (bed,) in connection.execute(statement)])


def _asked(path: Path, ask: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
    try:
        path.open("rb").close()
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)) as connection:
            connection.execute("BEGIN")  # all of one moment
            [[version]] = connection.execute("PRAGMA user_version")
            if version not in _VERSIONS:
                expected = " or ".join(map(str, _VERSIONS))
                raise BadDataError(f"the page's file {path} is of version {version}, expected {expected}")
            return ask(connection)
    except OSError as error:
        raise MissingInputError(f"cannot read the page's file {path}: {error.strerror}") from error
    except sqlite3.OperationalError as error:
        if "no such" in str(error):
            raise BadDataError(f"{path} is no file of the page: {error}") from error
        raise MissingInputError(f"cannot read the page's file {path}: {error}") from error
    except (sqlite3.DatabaseError, ValueError, TypeError, KeyError) as error:
        raise BadDataError(f"{path} is no file of the page that can be read: {error}") from error


def _read(connection: sqlite3.Connection, bed: str, since_s: float, until_s: float) -> PageFile:
    bins = connection.execute(
        "SELECT bin_s, probability, burden, good_channels FROM trend WHERE bed = ? AND bin_s > ? AND bin_s < ?"
        " ORDER BY bin_s",
        (bed, since_s - BIN_S, until_s),
    )
    deeds = connection.execute(
        "SELECT time_s, action, who, alarm_id, alarm FROM alarm_log WHERE bed = ? AND time_s >= ? ORDER BY id",
        (bed, since_s - _BEFORE_S),
    )
    labels = connection.execute(
        "SELECT time_s, kind, at_s, who, alarm_id FROM label WHERE bed = ? AND at_s >= ? AND at_s <= ? ORDER BY id",
        (bed, since_s, until_s),
    )
    told = tuple(_deed(*row) for row in deeds)
    mine = {deed.alarm_id for deed in told if since_s <= deed.time_s <= until_s}
    return PageFile(
        # A bin without a single heartbeat has nobody who counted channels.
        tuple(Bin(at_s, p, burden, None if p is None and not good else good) for at_s, p, burden, good in bins),
        tuple(deed for deed in told if deed.alarm_id in mine),
        tuple(Label(*row) for row in labels),
    )


def _deed(time_s: float, action: str, who: str, alarm_id: str, alarm: str) -> Deed:
    facts: dict[str, Any] = json.loads(alarm)
    return Deed(time_s, action, who, alarm_id, str(facts["kind"]), str(facts["text"]), float(facts["since_s"]))
