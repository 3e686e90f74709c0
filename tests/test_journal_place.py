"""A file that cannot be used is kept whole and over nothing, one is nobody else's to read, and has one writer."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from detector.journal_place import create, identity, set_aside, take_lock
from tests.conftest import ROOT

_HOLD = (
    "import sys, pathlib; from detector.journal_place import take_lock; take_lock(pathlib.Path(sys.argv[1])); "
    "print('has it', flush=True); input()"
)


def test_what_is_set_aside_is_whole_with_its_log_and_replaces_nothing(tmp_path: Path) -> None:
    kept = []
    for n in range(3):
        path = tmp_path / "a.sqlite"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TABLE t (n)")
            connection.execute("INSERT INTO t VALUES (?)", (n,))
            connection.commit()
            assert Path(f"{path}-wal").stat().st_size, "all of it is in the file already: nothing is tried here"
            kept.append(set_aside(path, "damaged"))
        assert not path.exists()
        assert not Path(f"{path}-wal").exists()
    assert len(set(kept)) == 3
    for n, path in enumerate(kept):
        assert path.name.startswith("a.sqlite.damaged-")
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT n FROM t").fetchall() == [(n,)]


def test_a_name_that_only_a_log_has_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Now:
        @staticmethod
        def strftime(_: str) -> str:
            return "20240101T000000Z"

    monkeypatch.setattr("detector.journal_place.datetime.datetime", type("D", (), {"now": lambda _: Now}))
    (tmp_path / "a.damaged-20240101T000000Z-wal").write_text("of another file")
    (tmp_path / "a").write_text("file")
    assert set_aside(tmp_path / "a", "damaged").name == "a.damaged-20240101T000000Z-2"
    assert (tmp_path / "a.damaged-20240101T000000Z-wal").read_text() == "of another file"


def test_a_file_is_its_owners_whatever_the_umask_and_one_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        create(tmp_path / "new")
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
    (tmp_path / "new").write_text("content")
    was = identity(tmp_path / "new")
    create(tmp_path / "new")
    assert (tmp_path / "new").read_text() == "content"
    assert identity(tmp_path / "new") == was


def test_what_is_no_plain_file_is_refused_and_nobody_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no plain file"):
        create(tmp_path / "pipe")
    with pytest.raises(OSError, match="Is a directory"):
        create(tmp_path)


def test_one_process_has_the_lock_until_it_ends(tmp_path: Path) -> None:
    hold = subprocess.Popen(
        [sys.executable, "-c", _HOLD, tmp_path / "j"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert hold.stdout is not None
    assert hold.stdout.readline() == b"has it\n"
    with pytest.raises(BlockingIOError):
        take_lock(tmp_path / "j")
    assert not (tmp_path / "j").exists(), "the lock is beside the file, not on it"
    hold.kill()
    hold.communicate()
    os.close(take_lock(tmp_path / "j"))
