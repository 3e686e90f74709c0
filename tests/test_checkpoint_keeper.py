"""The newest checkpoint is in the file as a whole or not at all, nobody waits for it, and what goes wrong is said."""

from __future__ import annotations

import errno
import itertools
import os
import random
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from detector.checkpoint import Checkpoint, decoded, read_checkpoint
from detector.checkpoint_keeper import CheckpointKeeper
from detector.errors import CheckpointError
from tests.live import until


def numbered(number: int, **state: Any) -> Checkpoint:
    return Checkpoint({"model": "m"}, float(number), "", 0, {}, {"numbers": [number] * 2000, **state})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "bed.checkpoint"


@pytest.fixture
def keeper(path: Path) -> Iterator[CheckpointKeeper]:
    keeper = CheckpointKeeper(path, every_s=2.0)
    yield keeper
    keeper.close()


def newest(path: Path) -> float | None:
    found = read_checkpoint(path)
    return None if found is None else found.newest_s


def wait_for(path: Path, number: float | None) -> None:
    until(lambda: newest(path) == number, 5, f"checkpoint {number} in the file")


def test_it_is_written_as_often_as_was_asked_and_made_only_then(keeper: CheckpointKeeper, path: Path) -> None:
    made: list[int] = []

    def make() -> Checkpoint:
        made.append(len(made))
        return numbered(made[-1])

    for tenth in range(65):
        keeper.offer(make, 100.0 + tenth / 10)
    assert made == [0, 1, 2, 3]
    wait_for(path, 3.0)
    assert keeper.trouble is None


def test_what_was_said_of_a_seizure_is_kept_at_once(keeper: CheckpointKeeper, path: Path) -> None:
    keeper.offer(lambda: numbered(1), 100.0)
    keeper.offer(lambda: numbered(2), 100.1)
    keeper.offer(lambda: numbered(3), 100.2, at_once=True)
    wait_for(path, 3.0)


def test_where_writing_one_takes_long_they_are_fewer(
    keeper: CheckpointKeeper, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = itertools.count()
    monkeypatch.setattr("detector.checkpoint_keeper.time", SimpleNamespace(monotonic=lambda: float(next(seconds))))
    keeper.offer(lambda: numbered(0), 100.0)
    wait_for(path, 0.0)
    keeper.offer(lambda: numbered(1), 100.0, at_once=True)
    wait_for(path, 1.0)  # so the first is over: it took a second
    made: list[float] = []

    def make() -> Checkpoint:
        made.append(now_s)
        return numbered(2)

    for now_s in (102.0, 110.0, 119.0, 121.0):
        keeper.offer(make, now_s)
    assert made == [121.0], "a twentieth of the time"


def test_only_its_owner_may_read_it_whatever_lay_there(keeper: CheckpointKeeper, path: Path, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path.parent.mkdir()
        other = tmp_path / "other"
        other.write_text("of somebody else")
        (path.parent / f".{path.name}.part").symlink_to(other)
        keeper.offer(lambda: numbered(1), 0.0)
        wait_for(path, 1.0)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.is_symlink()
    assert other.read_text() == "of somebody else"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_what_is_discarded_is_gone_and_stays_away(keeper: CheckpointKeeper, path: Path) -> None:
    keeper.offer(lambda: numbered(1), 0.0)
    wait_for(path, 1.0)
    keeper.discard()
    wait_for(path, None)
    keeper.discard()
    # The session after it has its first one at once.
    keeper.offer(lambda: numbered(2), 0.1)
    wait_for(path, 2.0)


def test_at_the_end_what_was_asked_is_done(path: Path) -> None:
    keeper = CheckpointKeeper(path, every_s=2.0)
    keeper.offer(lambda: numbered(1), 0.0)
    keeper.close()
    assert newest(path) == 1.0
    keeper = CheckpointKeeper(path, every_s=2.0)
    keeper.offer(lambda: numbered(2), 0.0)
    keeper.discard()
    keeper.close()
    assert list(path.parent.iterdir()) == []
    assert not [thread for thread in threading.enumerate() if thread is keeper._thread]


def test_switched_off_it_makes_and_writes_nothing(path: Path) -> None:
    keeper = CheckpointKeeper(path, every_s=0.0)
    keeper.offer(lambda: pytest.fail("made"), 0.0, at_once=True)
    keeper.close()
    assert not path.parent.exists()


def test_a_disk_that_does_not_answer_keeps_nobody_and_only_the_newest_waits_for_it(
    keeper: CheckpointKeeper, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, began = threading.Event(), threading.Event()
    replace = Path.replace

    def slow(self: Path, target: Path) -> Path:
        began.set()
        assert answers.wait(10)
        return replace(self, target)

    monkeypatch.setattr("detector.checkpoint_keeper.Path.replace", slow)
    keeper.offer(lambda: numbered(0), 0.0)
    assert began.wait(10)
    started = time.monotonic()
    for number in range(1, 50):
        keeper.offer(lambda number=number: numbered(number), 10.0 * number)  # type: ignore[misc]
    assert time.monotonic() - started < 1.0
    assert keeper.trouble is None
    monkeypatch.setattr("detector.checkpoint_keeper._SLOW_S", 0.0)
    assert "the disk has not answered for 0 s" in str(keeper.trouble)
    written: list[bytes] = []
    write = CheckpointKeeper._write

    def noted(self: CheckpointKeeper, data: bytes) -> None:
        written.append(data)
        write(self, data)

    monkeypatch.setattr("detector.checkpoint_keeper.CheckpointKeeper._write", noted)
    answers.set()
    wait_for(path, 49.0)
    assert [decoded(data).newest_s for data in written] == [49.0]


def fails_with(number: int) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("call", ["os.open", "os.fdopen", "Path.replace", "Path.mkdir"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO, errno.EMFILE])
def test_a_disk_that_fails_is_said_and_the_last_one_is_kept(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    keeper = CheckpointKeeper(path, every_s=2.0)
    keeper.offer(lambda: numbered(1), 0.0)
    wait_for(path, 1.0)
    with monkeypatch.context() as broken:
        broken.setattr(f"detector.checkpoint_keeper.{call}", fails_with(number))
        keeper.offer(lambda: numbered(2), 2.0)
        until(lambda: keeper.trouble, 5, "trouble")
    assert keeper.trouble == f"cannot write {path}: {os.strerror(number)}; a restart would have to warm up"
    assert newest(path) == 1.0
    keeper.offer(lambda: numbered(3), 4.0)
    wait_for(path, 3.0)
    until(lambda: keeper.trouble is None, 5, "no trouble any more")
    keeper.close()


def test_a_full_disk_in_the_middle_of_the_writing_leaves_the_last_one(
    keeper: CheckpointKeeper, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper.offer(lambda: numbered(1), 0.0)
    wait_for(path, 1.0)
    with monkeypatch.context() as full:
        open_file = os.open
        full.setattr("detector.checkpoint_keeper.os.open", lambda *_: open_file("/dev/full", os.O_WRONLY))
        keeper.offer(lambda: numbered(2), 2.0)
        until(lambda: keeper.trouble, 5, "trouble")
    assert "No space left on device" in str(keeper.trouble)
    assert newest(path) == 1.0


def test_where_it_cannot_be_removed_that_is_said(keeper: CheckpointKeeper, path: Path) -> None:
    path.mkdir(parents=True)
    keeper.discard()
    until(lambda: keeper.trouble, 5, "trouble")
    assert str(keeper.trouble).startswith(f"cannot remove {path}: ")


@pytest.mark.parametrize(
    ("state", "why"), [(float("nan"), "is not written: the state is not finite"), ({1}, "internal error TypeError")]
)
def test_what_cannot_be_written_down_is_said_and_does_not_end_the_thread(
    keeper: CheckpointKeeper, path: Path, state: Any, why: str
) -> None:
    keeper.offer(lambda: numbered(1, value=state), 0.0)
    until(lambda: keeper.trouble, 5, "trouble")
    assert why in str(keeper.trouble)
    keeper.offer(lambda: numbered(2), 2.0)
    wait_for(path, 2.0)


WRITER = """
import sys
from pathlib import Path
from detector.checkpoint_keeper import CheckpointKeeper
from tests.test_checkpoint_keeper import numbered
keeper = CheckpointKeeper(Path(sys.argv[1]), 2.0)
print("began", flush=True)
number = int(sys.argv[2])
while True:
    number += 1
    keeper._write(numbered(number).encoded())
"""


def test_killed_at_any_moment_it_leaves_the_old_one_or_the_new_one(path: Path) -> None:
    rng, last, moved = random.Random(0), 0.0, 0
    for _ in range(8):
        command = [sys.executable, "-c", WRITER, str(path), str(int(last))]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"began\n"
            before = last
            until(lambda: (newest(path) or 0.0) > before + rng.randrange(1, 40), 10, "some are written")  # noqa: B023
        finally:
            process.kill()
            process.wait()
            process.stdout.close()  # type: ignore[union-attr]
        found = read_checkpoint(path)  # raises where it is half of one
        assert found is not None
        assert found.pipeline["numbers"] == [int(found.newest_s)] * 2000
        moved += found.newest_s > last
        last = found.newest_s
    assert moved == 8
    assert {file.name for file in path.parent.iterdir()} <= {path.name, f".{path.name}.part"}


def test_while_it_is_written_again_and_again_a_reader_finds_a_whole_one(path: Path) -> None:
    keeper = CheckpointKeeper(path, every_s=2.0)
    keeper._write(numbered(0).encoded())
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            keeper._write(numbered(number).encoded())

    thread = threading.Thread(target=write)
    thread.start()
    try:
        seen = {newest(path) for _ in range(300)}
    except CheckpointError as error:
        pytest.fail(f"half of one was read: {error}")
    finally:
        stop.set()
        thread.join()
        keeper.close()
    assert len(seen) > 3
