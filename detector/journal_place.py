"""Where a journal lies: the file, its lock beside it, and what becomes of a file that cannot be used."""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import itertools
import os
import stat
from pathlib import Path

from detector.rights import set_rights

# The file itself is renamed last: without it SQLite would delete its log.
_SUFFIXES = ("-shm", "-wal", "-journal", "")


def take_lock(path: Path) -> int:
    """Return the descriptor of a lock on the journal; it is given up by closing it, or with the process.

    Two writers would each take the other one's life for a crash. The lock is not on the file itself, as closing that
    would undo the locks of SQLite (https://www.sqlite.org/howtocorrupt.html).

    Raises
    ------
    BlockingIOError
        Another process has it.
    OSError
        There is no such folder, or nothing can be written in it.
    """
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise
    return lock


def create(path: Path, mode: int | None = None) -> None:
    """Make an empty file that only its owner can read, where there is none.

    SQLite itself would make it readable for everybody; what it puts beside the file gets the file's rights.

    Parameters
    ----------
    path
        The file.
    mode
        Rights that it is given, also one that is there; ``None`` leaves them.

    Raises
    ------
    OSError
        It cannot be written to, or is no plain file.
    """
    made = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(made).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file", str(path))
    finally:
        os.close(made)
    if mode is not None:
        for suffix in ("", "-wal", "-shm"):
            set_rights(Path(f"{path}{suffix}"), mode)


def identity(path: Path) -> tuple[int, int]:
    """Return what tells a file from another one of that name; raises OSError where there is none."""
    found = path.stat()
    return found.st_dev, found.st_ino


def set_aside(path: Path, word: str) -> Path:
    """Rename a file together with its log, over nothing that is there, and return its new name."""
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    for number in itertools.count(1):
        kept = path.with_name(f"{path.name}.{word}-{stamp}" + (f"-{number}" if number > 1 else ""))
        if not any(os.path.lexists(f"{kept}{suffix}") for suffix in _SUFFIXES):
            break
    for suffix in _SUFFIXES:
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{kept}{suffix}")
    return kept
