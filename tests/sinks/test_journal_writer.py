"""Whatever the disk does, nobody waits for it; what is wrong is told, and what waited is written once it can be."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from detector.journal_file import JournalFile
from detector.journal_schema import RowKind
from detector.sinks.journal_writer import _RETENTION_S
from tests.journals import Bed, rows_of, said
from tests.live import until

STATES = ["not-monitoring/warmup", "non-seizure", "not-monitoring/lost", "non-seizure"]


@pytest.fixture
def bed(tmp_path: Path) -> Bed:
    return Bed(tmp_path / "state" / "ward-1.journal.sqlite")


def all_is_told(bed: Bed) -> list[str]:
    return [str(what) for kind, what in said(bed.path) if kind == "state"]


def in_trouble(bed: Bed, words: str) -> None:
    until(lambda: bed.journal.trouble, 10, "the trouble is told")
    trouble = bed.journal.trouble
    assert trouble is not None
    assert words in trouble
    assert str(bed.path) in trouble


def is_over(bed: Bed) -> None:
    until(lambda: bed.journal.trouble is None, 20, "the trouble is over")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file as another program would."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


def test_a_file_that_another_program_has_locked_is_written_when_it_is_free(bed: Bed) -> None:
    bed.start()
    bed.settle()
    with locked(bed.path):
        for state in STATES:
            bed.say(state, 1)
        in_trouble(bed, "another program has locked it")
        assert bed.journal.trouble is not None
    is_over(bed)
    bed.stop()
    assert all_is_told(bed) == STATES
    assert not [row for row in rows_of(bed.path) if row.kind == RowKind.FILE_BEGUN]


def test_pushing_takes_no_time_while_nothing_can_be_written(bed: Bed) -> None:
    bed.start()
    bed.settle()
    with locked(bed.path):
        in_trouble_after = len(STATES) * 2000
        longest_s = 0.0
        for n in range(in_trouble_after):
            began = time.perf_counter()
            bed.journal.push_marker(STATES[n % 4], bed.now_s)
            longest_s = max(longest_s, time.perf_counter() - began)
    bed.stop()
    assert longest_s < 0.2  # the lock is waited for 0.2 s at a time, by another thread
    assert len(all_is_told(bed)) == in_trouble_after


def test_a_folder_that_cannot_be_made_is_made_later(bed: Bed, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    bed.start()
    bed.say("non-seizure", 1)
    in_trouble(bed, "let this program write in its folder")
    (tmp_path / "state").unlink()
    is_over(bed)
    bed.stop()
    assert said(bed.path) == [("start", None), ("state", "non-seizure"), ("stop", None)]


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: os.mkfifo(path), lambda path: path.symlink_to("/dev/null")])
def test_what_is_no_file_is_left_as_it_is(bed: Bed, make: Any) -> None:
    bed.path.parent.mkdir()
    make(bed.path)
    bed.start()
    in_trouble(bed, "cannot be written")
    bed.stop(0.1)
    assert not bed.path.is_file()
    assert {path.name for path in bed.path.parent.iterdir()} <= {bed.path.name, f"{bed.path.name}.lock"}


def test_two_programs_do_not_write_one_journal(bed: Bed) -> None:
    bed.path.parent.mkdir()
    held = os.open(f"{bed.path}.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    bed.start()
    in_trouble(bed, "let one program watch the bed")
    assert bed.journal.open_seizure(10) is None
    os.close(held)
    is_over(bed)
    bed.stop()
    assert said(bed.path) == [("start", None), ("stop", None)]


def test_a_seizure_that_is_given_up_before_the_file_can_be_opened_is_given_up_then(bed: Bed) -> None:
    bed.start()
    bed.declare(1)
    bed.crash()
    held = os.open(f"{bed.path}.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    assert bed.start().open_seizure(10) is None
    bed.journal.give_up_open_seizure(bed.now_s)
    bed.declare(2)
    os.close(held)
    bed.stop()
    assert [(row.facts["number"], row.facts["outcome"]) for row in rows_of(bed.path) if row.kind == "seizure"] == [
        (1, "ongoing"),
        (1, "unknown"),
        (2, "ongoing"),
    ]


def test_a_file_that_is_removed_is_begun_anew_with_what_stands(bed: Bed) -> None:
    bed.start()
    bed.say("non-seizure", 2)
    bed.declare(1)
    bed.say("seizure", 2)
    bed.settle()
    for path in bed.path.parent.glob("*.sqlite*"):
        path.unlink()
    bed.say("not-monitoring/lost", 1)
    bed.settle()
    bed.stop()
    assert said(bed.path) == [
        ("file-begun", "the file that was written to has gone"),
        ("start", None),
        ("seizure", "ongoing"),
        ("state", "seizure"),
        ("state", "not-monitoring/lost"),
        ("stop", None),
    ]


def test_closing_is_done_in_its_time_also_when_nothing_can_be_written(
    bed: Bed, caplog: pytest.LogCaptureFixture
) -> None:
    bed.start()
    bed.settle()
    bed.say("non-seizure", 1)
    with locked(bed.path):
        began = time.monotonic()
        bed.journal.close(0.5)
        assert time.monotonic() - began < 1.5
        until(lambda: "journal" not in {thread.name for thread in threading.enumerate()}, 10, "the writer has ended")
    assert "ends without its last" in caplog.text


def test_a_disk_that_does_not_answer_is_told_and_what_waits_is_written_when_it_does(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    bed.start()
    bed.settle()
    answers, asked, append = threading.Event(), threading.Event(), JournalFile.append

    def hang(*arguments: Any) -> Any:
        asked.set()
        assert answers.wait(20)
        return append(*arguments)

    monkeypatch.setattr("detector.sinks.journal_writer.JournalFile.append", hang)
    bed.say("non-seizure", 1)
    assert asked.wait(10)
    assert bed.journal.trouble is None
    monkeypatch.setattr("detector.sinks.journal_writer._SLOW_S", 0.0)
    in_trouble(bed, "has waited for its disk for 0 s: look after its disk")
    answers.set()
    is_over(bed)
    bed.stop()
    assert all_is_told(bed)[-1] == "non-seizure"


def test_without_a_thread_it_says_so_and_begins_later(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def fail(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)
    bed.start()
    in_trouble(bed, "allow this program more threads")
    assert bed.journal.open_seizure(10) is None
    monkeypatch.setattr(threading.Thread, "start", start)
    bed.say("non-seizure", 1)
    is_over(bed)
    bed.stop()
    assert said(bed.path) == [("start", None), ("state", "non-seizure"), ("stop", None)]


class Failing:
    """A connection of SQLite that fails at its N-th statement; before doing it, or only after it was done."""

    def __init__(self, nth: int, *, done: bool, error: Callable[[], Exception]) -> None:
        self.left, self._done, self._error = nth, done, error

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        failing, connection = self, sqlite3_connect(*arguments, **named)
        if threading.current_thread().name != "journal":
            return connection  # of the test itself

        class Connection:
            def _guarded(self, name: str, statement: str, *values: Any) -> Any:
                failing.left -= 1
                if failing.left == 0 and not failing._done:
                    raise failing._error()
                result = getattr(connection, name)(statement, *values)
                if failing.left == 0:
                    raise failing._error()
                return result

            def execute(self, *arguments: Any) -> Any:
                return self._guarded("execute", *arguments)

            def executemany(self, *arguments: Any) -> Any:
                return self._guarded("executemany", *arguments)

            def executescript(self, *arguments: Any) -> Any:
                return self._guarded("executescript", *arguments)

            def close(self) -> None:
                connection.close()

            def __setattr__(self, name: str, value: Any) -> None:
                setattr(connection, name, value)

        return Connection()


sqlite3_connect = sqlite3.connect


def _error(code: int) -> Callable[[], Exception]:
    def made_up() -> Exception:  # a new one each time: an error that is kept keeps what was open alive
        error = sqlite3.OperationalError("made up")
        error.sqlite_errorcode = code
        return error

    return made_up


@pytest.mark.parametrize(
    ("error", "done"),
    [
        (_error(sqlite3.SQLITE_FULL), False),
        (_error(sqlite3.SQLITE_IOERR), True),
        (lambda: OSError(5, "made up"), False),
        (MemoryError, True),
    ],
    ids=["full", "io-but-done", "os", "memory-but-done"],
)
def test_any_statement_may_fail_and_no_row_is_lost_or_written_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Callable[[], Exception], done: bool
) -> None:
    monkeypatch.setattr("detector.sinks.journal_writer._RETRY_S", 0.01)
    for nth in range(1, 200):
        bed = Bed(tmp_path / f"{nth}.journal.sqlite")
        failing = Failing(nth, done=done, error=error)
        monkeypatch.setattr("detector.journal_file.sqlite3.connect", failing)
        bed.start()
        bed.journal.open_seizure(10)
        for state in STATES:
            bed.say(state, 1)
        bed.settle()
        is_over(bed)
        bed.stop()
        monkeypatch.undo()
        monkeypatch.setattr("detector.sinks.journal_writer._RETRY_S", 0.01)
        assert said(bed.path) == [("start", None), *(("state", state) for state in STATES), ("stop", None)]
        if failing.left > 0:
            assert nth > 20
            return
    pytest.fail("every one of many statements failed")


def test_old_rows_are_dropped_an_hour_after_the_start_and_not_by_a_clock_that_was_set(tmp_path: Path) -> None:
    bed = Bed(tmp_path / "a.journal.sqlite", keep_days=1)

    def days(n: float) -> None:
        bed.now_s += n * 86400

    def kept() -> list[object]:
        bed.settle()
        return [what for kind, what in said(bed.path) if kind == "state"]

    bed.start()
    bed.say("non-seizure", 1)
    bed.stop()
    bed.utc_ahead_s += 30 * 86400  # the machine's clock has run ahead, or it was off for a month
    bed.start()
    assert kept() == ["non-seizure"]
    bed.utc_ahead_s -= 30 * 86400  # it is told the time
    bed.now_s += _RETENTION_S + 1
    assert kept() == ["non-seizure"]
    bed.utc_ahead_s += 60 * 86400  # somebody mistypes a date, and rights it
    bed.now_s += _RETENTION_S + 1
    assert kept() == ["non-seizure"]
    bed.utc_ahead_s -= 60 * 86400
    bed.now_s += _RETENTION_S + 1
    assert kept() == ["non-seizure"]
    bed.say("not-monitoring/lost", 1)
    days(1.5)
    bed.say("non-seizure", 1)
    bed.settle()
    until(lambda: kept() == ["not-monitoring/lost", "non-seizure"], 10, "what is older than a day is dropped")
    bed.stop()


@pytest.mark.parametrize("kills", [25])
def test_a_writer_that_is_killed_at_any_moment_leaves_a_whole_journal(kills: int) -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "journal_kills.py"
    done = subprocess.run(
        [sys.executable, str(script), "--kills", str(kills)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(script.parents[1])},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lives = int(done.stdout.splitlines()[-1].split("|")[2])
    assert lives >= kills // 3
