"""The writer never keeps anybody waiting, tries again, and tells what became of each clip."""

from __future__ import annotations

import logging
import threading
from io import BufferedWriter
from pathlib import Path
from typing import Any

import pytest

from detector.sinks.clips_clip import Clip
from detector.sinks.clips_place import ClipName, Limits, clips_in, write_clip
from detector.sinks.clips_writer import ClipWriter
from tests.live import until
from tests.sinks.test_clips_edf import clip, noise

LIMITS = Limits(100, 30, 1e9)


def made(event_id: str) -> Clip:
    return clip(noise(20), event_id=event_id)


def test_a_clip_is_written_and_told_of(tmp_path: Path) -> None:
    writer = ClipWriter(tmp_path / "a" / "b", LIMITS, 1_000_000)
    writer.put(made("one"))
    until(lambda: clips_in(tmp_path / "a" / "b"), 10, "the clip is there without being asked for")
    writer.close(10)
    [told] = writer.told()
    [(_, path)] = clips_in(tmp_path / "a" / "b")
    assert told == {"event_id": "one", "file": path.name, "length_s": 20.0}
    assert [*writer.told()] == []


def test_a_full_disk_is_told_until_there_is_room_and_then_all_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detector.sinks.clips_writer._RETRY_S", 0.01)
    has_room = threading.Event()

    def write(folder: Path, name: ClipName, content: Any, limits: Limits, mode: int) -> Path:
        if not has_room.is_set():
            raise OSError(28, "No space left on device")
        return write_clip(folder, name, content, limits, mode)

    monkeypatch.setattr("detector.sinks.clips_writer.write_clip", write)
    writer = ClipWriter(tmp_path, LIMITS, 1_000_000)
    writer.put(made("one"))
    writer.put(made("two"))
    until(lambda: writer.trouble, 10, "the trouble is known")
    assert "make room on its disk" in str(writer.trouble)
    has_room.set()
    until(lambda: writer.trouble is None and len(clips_in(tmp_path)) == 2, 10, "both are written")
    writer.close(10)
    assert [told["event_id"] for told in writer.told()] == ["one", "two"]


def test_a_folder_that_cannot_be_made_is_known_before_there_is_a_clip(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    writer = ClipWriter(tmp_path / "file" / "clips", LIMITS, 1_000_000)
    until(lambda: writer.trouble, 10, "the trouble is known")
    assert "let this program write in its folder" in str(writer.trouble)
    writer.close(10)


def test_a_folder_that_is_removed_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.sinks.clips_writer._RETRY_S", 0.01)
    folder = tmp_path / "clips"
    writer = ClipWriter(folder, LIMITS, 1_000_000)
    until(folder.exists, 10, "it is made")
    folder.rmdir()
    writer.put(made("one"))
    until(lambda: clips_in(folder), 10, "the clip is there")
    writer.close(10)


def test_a_disk_that_hangs_is_told_and_nobody_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.sinks.clips_writer._SLOW_S", 0.0)
    goes_on = threading.Event()

    def hangs(_clip: Clip, _file: BufferedWriter) -> float:
        goes_on.wait(60)
        return 20.0

    monkeypatch.setattr("detector.sinks.clips_writer.write_edf", hangs)
    writer = ClipWriter(tmp_path, LIMITS, 50_000)
    for i in range(9):
        writer.put(made(str(i)))
    assert "wait for the disk" in str(writer.trouble)
    writer.close(0.0)
    told = [*writer.told()]
    assert sorted(fact["event_id"] for fact in told) == [str(i) for i in range(9)], "each is told of"
    assert all("lost" in fact for fact in told)
    goes_on.set()


def test_a_mistake_of_ours_loses_one_clip_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from detector.sinks.clips_edf import write_edf

    def once(clip: Clip, file: BufferedWriter) -> float:
        if clip.event_id == "one":
            raise ZeroDivisionError("of ours")
        return write_edf(clip, file)

    monkeypatch.setattr("detector.sinks.clips_writer.write_edf", once)
    writer = ClipWriter(tmp_path, LIMITS, 1_000_000)
    with caplog.at_level(logging.ERROR):
        writer.put(made("one"))
        writer.put(made("two"))
        writer.close(10)
    told = [*writer.told()]
    assert told[0] == {"event_id": "one", "lost": "internal error ZeroDivisionError('of ours')"}
    assert told[1]["event_id"] == "two"
    assert "ZeroDivisionError" in caplog.text


def test_without_a_thread_it_is_tried_again_with_the_next_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as broken:
        broken.setattr("threading.Thread.start", none_left)
        writer = ClipWriter(tmp_path, LIMITS, 1_000_000)
    assert "more threads" in str(writer.trouble)
    writer.put(made("one"))
    writer.close(10)
    assert len(clips_in(tmp_path)) == 1


@pytest.mark.parametrize(("step_s", "left"), [(0.0, 1), (7200.0, 2)])
def test_old_clips_go_unless_the_wall_clock_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step_s: float, left: int
) -> None:
    now = [0.0, 1_770_000_000.0]
    writer = ClipWriter(tmp_path, Limits(100, 1, 1e9), 1_000_000, clock=lambda: now[0], utc=lambda: now[0] + now[1])
    old = ClipName("bed1", 1_770_000_000 - 10 * 86400, "old", 1)
    write_clip(tmp_path, old, lambda file: None, LIMITS)
    now[0] += 3601
    now[1] += step_s
    writer.put(clip(noise(20), event_id="new", ahead_s=1_770_000_000.0))
    writer.close(10)
    assert len(clips_in(tmp_path)) == left
