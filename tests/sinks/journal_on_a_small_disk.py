"""Run as a program of its own, in a mount namespace of its own: a journal on a disk that is full or read-only.

unshare -m python -m tests.sinks.journal_on_a_small_disk SCENARIO FOLDER
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from detector.errors import MissingInputError
from detector.journal_reading import JournalReader
from detector.journal_schema import RowKind
from tests.journals import Bed, rows_of, said, watches
from tests.live import until

STATES = ["not-monitoring/warmup", "non-seizure", "seizure", "non-seizure"]


def fill(folder: Path) -> Path:
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return filler


def mount(folder: Path, *options: str) -> None:
    subprocess.run(["mount", *options, str(folder)], check=True)


def in_trouble(bed: Bed, words: str) -> None:
    until(lambda: words in (bed.journal.trouble or ""), 10, words)


def full_while_running(folder: Path) -> None:
    bed = Bed(folder / "a.journal.sqlite")
    bed.start()
    bed.settle()
    filler = fill(folder)
    n = 0

    def say_and_look() -> bool:
        nonlocal n
        bed.say(STATES[n % 4], 1)
        n += 1
        return "make room on its disk" in (bed.journal.trouble or "")

    until(say_and_look, 10, "the trouble is told")
    for _ in range(20):
        say_and_look()
    filler.unlink()
    until(lambda: bed.journal.trouble is None, 60, "the trouble is over")
    bed.stop()
    assert said(bed.path) == [("start", None), *(("state", STATES[k % 4]) for k in range(n)), ("stop", None)]


def full_from_the_start(folder: Path) -> None:
    bed = Bed(folder / "a.journal.sqlite")
    filler = fill(folder)
    assert bed.start().open_seizure(10) is None
    in_trouble(bed, "make room on its disk")
    bed.say("non-seizure", 1)
    filler.unlink()
    until(lambda: bed.journal.trouble is None, 60, "the trouble is over")
    bed.stop()
    assert said(bed.path) == [("start", None), ("state", "non-seizure"), ("stop", None)]


def full_for_too_long(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("detector.sinks.journal_writer.CAPACITY", 50)
        bed = Bed(folder / "a.journal.sqlite")
        bed.start()
        bed.say("non-seizure", 10)
        bed.settle()
        filler = fill(folder)

        def note_and_look() -> bool:
            bed.journal.note("config", {"filling": "x" * 4000}, bed.now_s)
            return bed.journal.trouble is not None

        until(note_and_look, 10, "the trouble is told")
        full_s = bed.now_s
        for n in range(200):
            bed.say("not-monitoring/lost" if n % 2 else "non-seizure", 10)
            if n % 20 == 0:
                bed.declare(n)
        filler.unlink()
        until(lambda: bed.journal.trouble is None, 60, "the trouble is over")
        bed.stop()
    rows = rows_of(bed.path)
    [lost] = [row.facts for row in rows if row.kind == RowKind.ROWS_LOST]
    assert lost["lost"]["state"] > 100
    assert [row.facts["number"] for row in rows if row.kind == RowKind.SEIZURE] == [*range(0, 200, 20)]
    [watch] = watches(bed.path)
    [unknown] = [span for span in watch.spans if span.said == "not-monitoring/rows-lost"]
    assert unknown.start_s <= full_s + 20
    assert unknown.end_s - unknown.start_s >= 10 * lost["lost"]["state"]


def read_only_at_the_start(folder: Path) -> None:
    bed = Bed(folder / "a.journal.sqlite")
    mount(folder, "-o", "remount,ro")
    bed.start()
    in_trouble(bed, "let this program write in its folder")
    bed.say("non-seizure", 1)
    mount(folder, "-o", "remount,rw")
    until(lambda: bed.journal.trouble is None, 60, "the trouble is over")
    bed.stop()
    assert said(bed.path) == [("start", None), ("state", "non-seizure"), ("stop", None)]


def read_from_where_nothing_can_be_written(folder: Path) -> None:
    stopped, killed = Bed(folder / "stopped.journal.sqlite"), Bed(folder / "killed.journal.sqlite")
    stopped.start()
    stopped.stop()
    killed.start()
    killed.crash()
    mount(folder, "-o", "remount,ro")
    assert said(stopped.path) == [("start", None), ("stop", None)]
    try:
        with closing(JournalReader(killed.path)):
            raise AssertionError("its log cannot have been read")
    except MissingInputError as error:
        assert "copy it with its -wal file" in str(error)  # noqa: PT017 - what it says is looked at


if __name__ == "__main__":
    scenario, place = sys.argv[1], Path(sys.argv[2])
    mount(place, "-t", "tmpfs", "-o", "size=1m", "tmpfs")
    globals()[scenario](place)
