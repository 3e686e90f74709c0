"""Journals of a made-up bed, on clocks that a test sets; a crash leaves on disk what a killed process would."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

from detector.errors import DetectorError
from detector.journal_reading import JournalReader
from detector.journal_schema import Row
from detector.journal_spans import Watch, watches_of
from detector.messages import Cause, Event, Outcome, State, Status
from detector.sinks.journal import Journal, JournalConfig
from tests.live import until

UTC_S = 1_700_000_000.0  # the wall clock when the LSL clock of the first boot was 0
_SETTLED = "settled"
START: dict[str, Any] = {
    "bed": "ward-1",
    "version": "1",
    "model_id": "m-1",
    "model_sha256": "a" * 64,
    "config_sha256": "b" * 64,
}


class Bed:
    """A daemon's life, or several, as far as the journal sees it.

    Parameters
    ----------
    path
        The journal.
    boot
        The machine's boot.
    """

    def __init__(self, path: Path, boot: str = "boot-1", *, keep_days: float = 400, max_mb: float = 256) -> None:
        self.path, self.boot, self.now_s, self.utc_ahead_s = path, boot, 1000.0, UTC_S
        self.correction_s: float | None = 0.25
        self._limits = keep_days, max_mb
        self._left = 0
        self._journal: Journal | None = None
        self._n = 0

    @property
    def journal(self) -> Journal:
        """The journal of this life."""
        assert self._journal is not None
        return self._journal

    @property
    def is_open(self) -> bool:
        """Whether there is a life."""
        return self._journal is not None

    def start(self) -> Journal:
        """Begin a life."""
        keep_days, max_mb = self._limits
        self._journal = Journal(
            JournalConfig(self.path, keep_days, max_mb, **START),
            clock=lambda: self.now_s,
            correction=lambda: self.correction_s,
            utc=lambda: self.utc_ahead_s + self.now_s,
            boot=self.boot,
        )
        return self._journal

    def stop(self, timeout_s: float = 10) -> None:
        """End it in order."""
        self.journal.close(timeout_s)
        self._journal = None

    def crash(self) -> None:
        """End it as a kill does, once what was said is on disk: the files are as they are, the log was not moved."""
        self.settle()
        kept = self.path.with_name(f"killed-{self._n}")
        kept.mkdir()
        for suffix in ("", "-wal"):
            shutil.copy(f"{self.path}{suffix}", kept / f"{self.path.name}{suffix}")
        self.stop()
        for suffix in ("-shm", "-wal", ""):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        for suffix in ("", "-wal"):
            shutil.copy(kept / f"{self.path.name}{suffix}", f"{self.path}{suffix}")
        shutil.rmtree(kept)

    def settle(self) -> None:
        """Wait until all that was said so far is written; leaves a row of its own, which `rows_of` passes over."""
        self._n += 1
        self.journal.note(_SETTLED, {"n": self._n}, self.now_s)
        until(lambda: self._is_written(self._n), 10, "the rows are written")

    def _is_written(self, n: int) -> bool:
        try:
            with closing(JournalReader(self.path)) as reader:
                return any(row.kind == _SETTLED and row.facts == {"n": n} for row in reader.rows())
        except DetectorError:  # there is none yet, or it has no tables yet
            return False

    def say(self, state: str, seconds: int, *, mark: bool = True) -> None:
        """Enter a state (a word of the events outlet) and say it for so long, once a second."""
        if mark:
            self.journal.push_marker(state, self.now_s)
        label, _, cause = state.partition("/")
        value = next(value for value in State if value.label == label)
        for _ in range(seconds):
            self.now_s += 1
            status = Status(self.now_s, 0.1, value, Cause(cause) if cause else None, 22, 0, 0.0)
            self.journal.push_status(status, 0.0)

    def declare(self, number: int) -> Event:
        """Declare a seizure that began 5 s ago."""
        event = Event(number, self.now_s - 5, self.now_s, None, 0.9, Outcome.ONGOING, f"seizure-{number}")
        self.journal.push_event(event, self.now_s)
        return event


def rows_of(path: Path) -> list[Row]:
    """Return all rows of a journal."""
    with closing(JournalReader(path)) as reader:
        return [row for row in reader.rows() if row.kind != _SETTLED]


def said(path: Path) -> list[tuple[str, object]]:
    """Return the kind of each row, with the state, reason, outcome or count that it tells of."""
    told = ("state", "reason", "outcome", "change", "n", "because")
    return [(row.kind, next((row.facts[key] for key in told if key in row.facts), None)) for row in rows_of(path)]


def watches(path: Path) -> list[Watch]:
    """Return what a journal proves."""
    with closing(JournalReader(path)) as reader:
        return watches_of(reader.rows(), reader.alive)
