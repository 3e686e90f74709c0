"""A journal whose writer is killed again and again: whether it is whole, holds what was written, and nothing else.

    python benchmarks/journal_kills.py              # 1000 kills, prints a line of Markdown
    python benchmarks/journal_kills.py --kills 25

Each life of the writer is a process that opens the journal and writes as fast as it can, seizures among the rest, until
it is killed at a random moment of its first tenth of a second: while it opens the file, checks it, makes its tables,
writes, drops old rows or has SQLite move its log. Every other life writes to a journal of 0.1 MB at most, so that
dropping and shrinking is always going on. After each kill the rows are compared with what the writer had reported as
written before it died.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from detector.journal_file import JournalFile
from detector.journal_reading import JournalReader
from detector.journal_schema import Alive, Row, RowKind
from detector.messages import Event, Outcome, State, Status
from detector.sinks.journal import Journal, JournalConfig

SMALL_MB = 0.1


def live(path: Path, max_mb: float, life: int, pipe: int) -> None:
    """Write until killed; report each row that is written, and the seizure that was found going on."""
    append = JournalFile.append

    def reporting(self: JournalFile, rows: Sequence[Row], alive: Alive | None) -> list[Row]:
        written = append(self, rows, alive)
        if written:
            os.write(pipe, f"written {written[-1].id}\n".encode())
        return written

    JournalFile.append = reporting  # type: ignore[method-assign]
    config = JournalConfig(path, 400, max_mb, "bed", "0", "model", "0" * 64, "0" * 64)
    journal = Journal(config, clock=time.monotonic, correction=lambda: 0.0)
    seizure = journal.open_seizure(10)
    os.write(pipe, f"open {seizure.id if seizure else '-'}\n".encode())
    if life % 3 == 0:
        journal.give_up_open_seizure(time.monotonic())
    # Every 40 rows one is declared, or the one that is on ends: that of the life before first, where it was resumed.
    on = seizure.id if seizure and life % 3 else ""
    n = 0
    while True:
        now_s = time.monotonic()
        journal.note("count", {"life": life, "n": n}, now_s)
        journal.push_status(Status(now_s, 0.1, State.NON_SEIZURE, None, 22, 0, 0.0), 0.1)
        if n % 40 == 0:
            outcome, offset_s = (Outcome.ENDED, now_s) if on else (Outcome.ONGOING, None)
            journal.push_event(Event(n, now_s, now_s, offset_s, 0.9, outcome, on or f"{life}-{n}"), now_s)
            on = "" if on else f"{life}-{n}"
        n += 1
        time.sleep(0.0005)


@dataclass
class Kept:
    """What one journal is known to hold."""

    path: Path
    max_mb: float
    kills: int = 0
    rows: int = 0
    last_id: int = 0
    crashes: int = 0
    starts: int = 0
    counted: dict[int, int] = field(default_factory=dict)
    open_seizure: str = "-"
    faults: list[str] = field(default_factory=list)

    def fault(self, text: str) -> None:
        """Remember what is not as it must be."""
        self.faults.append(f"{self.path.name}, kill {self.kills}: {text}")

    def check(self, said: list[str]) -> None:
        """Compare the file with what the life that has just been killed reported."""
        self.kills += 1
        expected, reported = self.open_seizure, 0
        for line in said:
            word, _, value = line.partition(" ")
            if word == "open" and value != expected:
                self.fault(f"the writer found the seizure {value} going on, {expected} was")
            elif word == "written":
                reported = int(value)
        if any("damaged" in other.name for other in self.path.parent.iterdir()):
            self.fault("a writer set the file aside")
        if not self.path.exists() or not self.path.stat().st_size:
            return
        try:
            reader = JournalReader(self.path)
        except sqlite3.DatabaseError as error:
            self.fault(str(error))
            return
        except Exception as error:  # noqa: BLE001 - the tables were not made yet
            if reported or self.last_id:
                self.fault(str(error))
            return
        before: Row | None = None
        for row in reader.rows():
            if row.id > self.last_id:
                self._take(row, before)
                self.rows += 1
            before = row
        reader.close()
        self.last_id = before.id if before else self.last_id
        if self.last_id < reported:
            self.fault(f"row {reported} was reported as written, {self.last_id} is the last one")

    def _take(self, row: Row, before: Row | None) -> None:
        if row.kind in (RowKind.DAMAGED, RowKind.MISSING, RowKind.ROWS_LOST, RowKind.FILE_BEGUN):
            self.fault(f"row {row.id} is {row.kind}")
            return
        facts = row.facts
        if row.kind == RowKind.CRASH:
            self.crashes += 1
        elif row.kind == RowKind.START:
            self.starts += 1
            if self.starts > 1 and (before is None or before.kind != RowKind.CRASH):
                self.fault(f"row {row.id} starts, and no crash is told before")
        elif row.kind == RowKind.SEIZURE:
            self.open_seizure = facts["id"] if facts["outcome"] == Outcome.ONGOING else "-"
        elif row.kind == "count":
            if facts["n"] != self.counted.get(facts["life"], 0):
                self.fault(f"row {row.id} counts {facts['n']}, expected {self.counted.get(facts['life'], 0)}")
            self.counted[facts["life"]] = facts["n"] + 1


def kill_again(kills: int, seed: int, folder: Path) -> list[Kept]:
    """Kill so many writers and return what was found."""
    rng = random.Random(seed)
    journals = [Kept(folder / "large.journal.sqlite", 256), Kept(folder / "small.journal.sqlite", SMALL_MB)]
    for life in range(kills):
        kept = journals[life % 2]
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(read_end)
                live(kept.path, kept.max_mb, life, write_end)
            finally:
                os._exit(1)
        os.close(write_end)
        time.sleep(rng.uniform(0, 0.1))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with os.fdopen(read_end) as pipe:
            kept.check(pipe.read().splitlines())
    for kept in journals:
        connection = sqlite3.connect(kept.path)
        [[said]] = connection.execute("PRAGMA integrity_check").fetchall()
        connection.close()
        if said != "ok":
            kept.fault(f"integrity_check says {said}")
    return journals


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        journals = kill_again(arguments.kills, arguments.seed, Path(folder))
        size = max(kept.path.stat().st_size for kept in journals if kept.max_mb == SMALL_MB) / 1e6
    print(f"| kills | lives that wrote | crash rows | rows | faults | the {SMALL_MB} MB journal | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    faults = [fault for kept in journals for fault in kept.faults]
    lives, crashes, rows = (sum(getattr(kept, name) for kept in journals) for name in ("starts", "crashes", "rows"))
    took_s = time.monotonic() - began_s
    print(f"| {arguments.kills} | {lives} | {crashes} | {rows} | {len(faults)} | {size:.2f} MB | {took_s:.0f} |")
    for fault in faults:
        print(f"\n* {fault}")
    return bool(faults)


if __name__ == "__main__":
    raise SystemExit(main())
