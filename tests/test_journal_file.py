"""Whatever is on disk, a journal is begun or gone on with: nothing is invented, and no file that was there changed."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.journal_file import JournalFile
from detector.journal_schema import MIGRATIONS, Alive, Row, RowKind
from detector.rights import GROUP_TOO, OWNER
from detector.sinks.journal import Journal
from tests.journals import UTC_S, Bed, rows_of, said
from tests.live import until
from tests.signals import deterministic

_GIVEN_UP = (RowKind.DAMAGED, RowKind.MISSING)


def row(n: int, kind: str = "state", text: str = "non-seizure") -> Row:
    return Row("boot-1", "session", kind, float(n), UTC_S + n, None, f'{{"state": "{text}"}}')


def opened(path: Path) -> JournalFile:
    file = JournalFile(path)
    file.open()
    return file


def kept_in(folder: Path, word: str) -> list[Path]:
    return sorted(path for path in folder.iterdir() if f".{word}-" in path.name)


@pytest.fixture(scope="module", params=["killed", "stopped"])
def lived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a journal; where it was killed, a part of its rows is still in its log."""
    bed = Bed(tmp_path_factory.mktemp("lived") / "a.journal.sqlite")
    for _ in range(2):
        bed.start()
        for n in range(40):
            bed.say("non-seizure" if n % 2 else "not-monitoring/lost", 10)
            if n % 10 == 3:
                bed.declare(n)
        bed.stop()
    if request.param == "killed":
        bed.start()
        bed.say("non-seizure", 10)
        bed.crash()
    return bed.path.parent


def test_the_group_reads_it_and_its_log_only_where_it_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "a.journal.sqlite"

    def modes() -> dict[str, int]:
        return {found.name.removeprefix(path.name): found.stat().st_mode & 0o777 for found in tmp_path.iterdir()}

    before = os.umask(0o077)
    try:
        for mode, expected in ((OWNER, 0o600), (GROUP_TOO, 0o640), (OWNER, 0o600)):
            file = JournalFile(path, mode)
            file.open()
            file.append([row(1)], None)
            assert modes() == {"": expected, "-wal": expected, "-shm": expected, ".lock": 0o600}
            file.close()
    finally:
        os.umask(before)


def test_a_journal_is_in_wal_and_synced_at_each_commit(tmp_path: Path) -> None:
    file = opened(tmp_path / "a.journal.sqlite")
    settings = {name: file._pragma(name) for name in ("synchronous", "auto_vacuum", "page_size", "user_version")}
    assert settings == {"synchronous": 2, "auto_vacuum": 2, "page_size": 4096, "user_version": len(MIGRATIONS)}
    assert file._run("PRAGMA journal_mode") == [("wal",)]
    file.close()


def test_rows_are_never_changed(tmp_path: Path) -> None:
    file = opened(tmp_path / "a.journal.sqlite")
    file.append([row(1)], None)
    with pytest.raises(sqlite3.IntegrityError, match="never changed"):
        file._run("UPDATE rows SET kind = 'x'")
    file.close()


@deterministic(150)
@given(seed=st.integers(0, 2**32), n_bits=st.sampled_from([1, 1, 1, 2, 10, 200]), in_log=st.booleans())
def test_whatever_bits_are_flipped_it_starts_invents_nothing_and_keeps_the_file(
    lived: Path, tmp_path_factory: pytest.TempPathFactory, seed: int, n_bits: int, in_log: bool
) -> None:
    folder = tmp_path_factory.mktemp("flipped")
    bed = Bed(folder / "a.journal.sqlite")
    for name in ("a.journal.sqlite", "a.journal.sqlite-wal"):
        with contextlib.suppress(FileNotFoundError):
            shutil.copy(lived / name, folder / name)
    log = Path(f"{bed.path}-wal")
    target = log if in_log and log.exists() and log.stat().st_size else bed.path
    content, rng = bytearray(target.read_bytes()), random.Random(seed)
    for _ in range(n_bits):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    target.write_bytes(content)
    before = {path.read_bytes() for path in (bed.path, log) if path.exists() and path.stat().st_size}

    bed.start()
    bed.say("non-seizure", 1)
    bed.settle()
    assert bed.journal.trouble is None
    bed.stop()

    rows = [one for one in rows_of(bed.path) if one.kind not in _GIVEN_UP]
    ours = {(one.id, one.kind, one.lsl_s, one.payload) for one in rows_of(lived / bed.path.name)}
    new = [one for one in rows if (one.id, one.kind, one.lsl_s, one.payload) not in ours]
    assert {one.kind for one in new} <= {"start", "state", "stop", "crash-detected", "file-begun"}
    assert [one.kind for one in new][-2:] == ["state", "stop"]
    kept = [path for path in kept_in(folder, "damaged") if not path.name.endswith("-shm")]
    if kept:
        assert {path.read_bytes() for path in kept} - {b""} == before
        assert new[0].kind == "file-begun"
        assert new[0].facts["kept_as"] in {path.name for path in kept}
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"this is a text " * 1000, "file is not a database"),
        (b"\0" * 8192, "file is not a database"),
    ],
)
def test_what_is_no_journal_is_set_aside_as_it_is(tmp_path: Path, content: bytes, why: str) -> None:
    bed = Bed(tmp_path / "a.journal.sqlite")
    bed.path.write_bytes(content)
    bed.start()
    bed.stop()
    [kept] = kept_in(tmp_path, "damaged")
    assert kept.read_bytes() == content
    assert [kind for kind, _ in said(bed.path)] == ["file-begun", "start", "stop"]
    assert why in rows_of(bed.path)[0].facts["because"]


@pytest.mark.parametrize("form", [(3, 2), (2, 3)], ids=["to write", "to read"])
def test_a_form_of_file_that_sqlite_would_only_read_is_set_aside(tmp_path: Path, form: tuple[int, int]) -> None:
    bed = Bed(tmp_path / "a.journal.sqlite")
    bed.start()
    bed.stop()
    content = bytearray(bed.path.read_bytes())
    content[18:20] = bytes(form)
    bed.path.write_bytes(content)
    bed.start()
    bed.stop()
    [kept] = kept_in(tmp_path, "damaged")
    assert kept.read_bytes() == content
    assert [kind for kind, _ in said(bed.path)] == ["file-begun", "start", "stop"]


def test_a_database_of_something_else_is_set_aside_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.journal.sqlite"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE beds (name TEXT)")
    other.close()
    before = path.read_bytes()
    opened(path).close()
    assert [kept.read_bytes() for kept in kept_in(tmp_path, "damaged")] == [before]


def test_a_journal_of_a_later_version_is_kept_and_a_new_one_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bed = Bed(tmp_path / "a.journal.sqlite")
    monkeypatch.setattr("detector.journal_schema.MIGRATIONS", (*MIGRATIONS, "CREATE TABLE more (x INTEGER)"))
    monkeypatch.setattr("detector.journal_file.MIGRATIONS", (*MIGRATIONS, "CREATE TABLE more (x INTEGER)"))
    opened(bed.path).close()
    monkeypatch.undo()
    before = bed.path.read_bytes()
    bed.start()
    bed.stop()
    assert before in [path.read_bytes() for path in kept_in(tmp_path, "newer")]
    assert "written by a later program" in rows_of(bed.path)[0].facts["because"]


def test_a_file_is_never_renamed_over_another_one(tmp_path: Path) -> None:
    path = tmp_path / "a.journal.sqlite"
    for n in range(3):
        path.write_bytes(b"no journal %d" % n)
        opened(path).close()
        Path(f"{path}-wal").unlink(missing_ok=True)
    assert {kept.read_bytes() for kept in kept_in(tmp_path, "damaged")} == {b"no journal %d" % n for n in range(3)}


def ruin(file: JournalFile, path: Path) -> OSError:
    """Leave on disk what is no journal, in place of the one that is being written, and return its error."""
    file._disconnect()
    Path(f"{path}-wal").unlink(missing_ok=True)
    path.write_bytes(b"nothing that SQLite knows")
    return OSError(5, "made up")


def test_a_disk_that_damages_every_file_is_not_filled_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detector.sinks.journal_writer._RETRY_S", 0.001)
    bed = Bed(tmp_path / "a.journal.sqlite")

    def append(file: JournalFile, rows: object, alive: object) -> None:
        raise ruin(file, bed.path)

    monkeypatch.setattr(JournalFile, "append", append)
    bed.start()
    until(lambda: "file is not a database" in (bed.journal.trouble or ""), 10, "it gives up")
    bed.stop(0.1)
    assert len(kept_in(tmp_path, "damaged")) == 3


def test_a_file_that_is_damaged_while_it_is_written_is_set_aside_and_what_stands_is_said_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detector.sinks.journal_writer._RETRY_S", 0.001)
    bed = Bed(tmp_path / "a.journal.sqlite")
    bed.start()
    bed.say("non-seizure", 1)
    bed.declare(1)
    bed.say("seizure", 1)
    bed.settle()
    append, ruined = JournalFile.append, threading.Event()

    def ruin_once(file: JournalFile, rows: Sequence[Row], alive: Alive | None) -> list[Row]:
        if not ruined.is_set():
            ruined.set()
            raise ruin(file, bed.path)
        return append(file, rows, alive)

    monkeypatch.setattr(JournalFile, "append", ruin_once)
    bed.say("not-monitoring/lost", 1)
    bed.settle()
    bed.stop()
    kept = [path for path in kept_in(tmp_path, "damaged") if not path.name.endswith(("-wal", "-shm"))]  # beside it
    assert len(kept) == 1
    assert said(bed.path) == [
        ("file-begun", "file is not a database"),
        ("start", None),
        ("seizure", "ongoing"),
        ("state", "seizure"),
        ("state", "not-monitoring/lost"),
        ("stop", None),
    ]


_STEP = """
    ALTER TABLE alive ADD COLUMN more TEXT;
    CREATE TABLE more AS SELECT id, kind FROM rows;
"""


@pytest.mark.parametrize("fails", [False, True])
def test_a_journal_of_an_earlier_version_is_brought_to_the_present_one_or_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    path = tmp_path / "a.journal.sqlite"
    file = opened(path)
    written = file.append([row(n) for n in range(10)], None)
    file.close()
    last = "CREATE TABLE few (n CHECK (n = 0)); INSERT INTO few SELECT count(*) FROM rows" if fails else "SELECT 1"
    steps = (*MIGRATIONS, _STEP, last)
    monkeypatch.setattr("detector.journal_schema.MIGRATIONS", steps)
    monkeypatch.setattr("detector.journal_file.MIGRATIONS", steps)
    found = file.open()
    if fails:  # it is a mistake of the program, but the file is there
        assert found.set_aside is not None
        connection = sqlite3.connect(found.set_aside[0])
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    else:
        assert found.last == written[-1]
        connection = sqlite3.connect(path)
        assert connection.execute("PRAGMA user_version").fetchone() == (3,)
    assert connection.execute("SELECT count(*) FROM more").fetchone() == (10,)
    connection.close()
    file.close()


def test_it_is_kept_below_its_greatest_size_and_really_shrinks(tmp_path: Path) -> None:
    path, max_bytes = tmp_path / "a.journal.sqlite", 500_000
    file = opened(path)
    largest, n = 0, itertools.count()
    for _ in range(40):
        file.append([row(next(n)) for _ in range(500)], None)
        while file.shrink(None, max_bytes):
            pass
        largest = max(largest, path.stat().st_size)
    assert max_bytes / 2 < largest < max_bytes * 1.3
    steps = 0
    while file.shrink(None, 50_000):
        steps += 1
    assert path.stat().st_size < 50_000
    assert steps < 50  # some tenths of what is there in each, and not a page of it
    file.close()
    kept = rows_of(path)
    assert kept[-1].lsl_s == next(n) - 1
    assert [one.id for one in kept] == [*range(kept[0].id, kept[0].id + len(kept))]


def test_what_is_too_old_is_dropped_up_to_the_first_row_that_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a.journal.sqlite"
    file = opened(path)
    file.append([row(n) for n in (1, 2, 3, 50, 4, 60)], None)
    while file.shrink(UTC_S + 40, 1e9):
        pass
    assert [one.lsl_s for one in rows_of(path)] == [50, 4, 60]
    while file.shrink(UTC_S + 1000, 1e9):
        pass
    assert [one.lsl_s for one in rows_of(path)] == [60]  # the next row's place follows from it
    [written] = file.append([row(70)], None)
    assert written.id == 7
    file.close()


def test_a_link_is_followed_and_stays_one(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    path, target = tmp_path / "a.journal.sqlite", tmp_path / "elsewhere" / "b.sqlite"
    path.symlink_to(target)
    target.write_bytes(b"no journal")
    opened(path).close()
    assert path.is_symlink()
    assert target.exists()
    assert len(kept_in(tmp_path / "elsewhere", "damaged")) == 1


def test_the_sink_is_what_the_monitor_needs() -> None:
    from detector.monitor import Sink

    assert {name for name in vars(Sink) if name.startswith("push")} <= set(dir(Journal))
