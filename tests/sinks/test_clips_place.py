"""A clip is there as a whole or not at all, and no more of them than was allowed."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import BufferedWriter
from pathlib import Path

import pytest

from detector.rights import GROUP_TOO
from detector.sinks.clips_place import FOLDER, ClipName, Limits, clips_in, keep_within, name_of, prepare, write_clip

LIMITS = Limits(100, 30, 1e9)


def content(n_bytes: int) -> Callable[[BufferedWriter], None]:
    def write(file: BufferedWriter) -> None:
        file.write(b"x" * n_bytes)

    return write


def named(number: int, part: int = 1) -> ClipName:
    return ClipName("bed1", 1_770_000_000.0 + number, "abc", part)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_name_says_bed_onset_event_and_part() -> None:
    name = ClipName("bed-1_b", 1_770_000_000.0, "0a1b", 2)
    assert str(name) == "bed-1_b_20260202T024000Z_0a1b_2.edf"
    assert name_of(str(name)) == name


@pytest.mark.parametrize("text", ["bed1.edf", "bed1_20260202T024000Z_a_1.edf.part", "b_20269902T024000Z_a_1.edf", ""])
def test_what_is_no_clip_has_no_name(text: str) -> None:
    assert name_of(text) is None


def test_a_clip_takes_the_place_of_no_other(tmp_path: Path) -> None:
    first = write_clip(tmp_path, named(0), content(10), LIMITS)
    second = write_clip(tmp_path, named(0), content(20), LIMITS)
    assert first.read_bytes() == b"x" * 10
    assert [name.part for name, _ in clips_in(tmp_path)] == [1, 2]
    assert second.stat().st_mode & 0o777 == 0o600


def test_the_group_reads_clips_and_gets_to_them_only_where_it_is_told_so(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER / "bed1"

    def modes(*paths: Path) -> list[int]:
        return [path.stat().st_mode & 0o777 for path in paths]

    before = os.umask(0o077)
    try:
        prepare(folder)
        old = write_clip(folder, named(0), content(10), LIMITS)
        assert modes(old, folder, folder.parent) == [0o600, 0o700, 0o700]
        prepare(folder, GROUP_TOO)
        new = write_clip(folder, named(1), content(10), LIMITS, GROUP_TOO)
        assert modes(old, new, folder, folder.parent, tmp_path) == [0o640, 0o640, 0o750, 0o750, 0o700]
        prepare(folder)
        assert modes(old, new) == [0o600, 0o600], "and not any more where it is told so no longer"
    finally:
        os.umask(before)


def test_a_clip_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    def full(file: BufferedWriter) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_clip(tmp_path, named(0), full, LIMITS)
    assert names(tmp_path) == []


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.rename"])
def test_a_disk_that_fails_at_any_step_leaves_no_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fails(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(step, fails)
    with pytest.raises(OSError, match="Input/output"):
        write_clip(tmp_path, named(0), content(10), LIMITS)
    assert names(tmp_path) == []


def test_it_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[list[str]] = []
    fsync = os.fsync

    def looked(descriptor: int) -> None:
        found.append(names(tmp_path))
        fsync(descriptor)

    monkeypatch.setattr("os.fsync", looked)
    path = write_clip(tmp_path, named(0), content(10), LIMITS)
    [before], after = found
    assert before.startswith("."), "a reader takes no half of it for a clip"
    assert after == [path.name], "and the name is on the disk, too"


def test_what_a_program_that_was_killed_left_is_removed_and_what_is_being_written_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "clips" / "bed1"
    prepare(folder)
    left = folder / ".abc.0123.edf.part"
    left.write_bytes(b"half")
    other = folder / "notes.txt"
    other.write_bytes(b"not ours")
    seen: list[list[str]] = []

    def write(file: BufferedWriter) -> None:
        prepare(folder)
        seen.append(names(folder))

    path = write_clip(folder, named(0), write, LIMITS)
    assert not left.exists()
    assert len(seen[0]) == 2, "the one that was being written is there"
    assert names(folder) == sorted([path.name, "notes.txt"])
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_oldest_make_room_by_number(tmp_path: Path) -> None:
    for number in range(5):
        write_clip(tmp_path, named(number), content(10), Limits(3, 30, 1e9))
    assert [name.onset_utc_s - 1_770_000_000 for name, _ in clips_in(tmp_path)] == [2, 3, 4]


def test_the_oldest_make_room_by_size_and_the_newest_is_always_kept(tmp_path: Path) -> None:
    for number in range(5):
        write_clip(tmp_path, named(number), content(100), Limits(100, 30, 250))
    assert [name.onset_utc_s - 1_770_000_000 for name, _ in clips_in(tmp_path)] == [3, 4]
    write_clip(tmp_path, named(9), content(1000), Limits(100, 30, 250))
    assert len(clips_in(tmp_path)) == 1
    write_clip(tmp_path, named(-9), content(10), Limits(1, 30, 250))
    assert [name.onset_utc_s - 1_770_000_000 for name, _ in clips_in(tmp_path)] == [-9], "by a wrong clock, too"


def test_those_that_are_too_old_go_and_nothing_else_does(tmp_path: Path) -> None:
    for number in range(4):
        write_clip(tmp_path, named(number), content(10), LIMITS)
    (tmp_path / "a.edf").write_bytes(b"of somebody")
    keep_within(tmp_path, LIMITS)
    assert len(clips_in(tmp_path)) == 4
    keep_within(tmp_path, LIMITS, before_utc_s=1_770_000_002.0)
    assert [name.onset_utc_s - 1_770_000_000 for name, _ in clips_in(tmp_path)] == [2, 3]
    assert (tmp_path / "a.edf").exists()


def test_where_there_is_no_folder_there_are_no_clips(tmp_path: Path) -> None:
    assert clips_in(tmp_path / "none") == []
