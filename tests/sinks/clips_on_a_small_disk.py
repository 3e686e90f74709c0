"""Run as a program of its own, in a mount namespace of its own: clips on a disk that is full or read-only.

unshare -m python -m tests.sinks.clips_on_a_small_disk SCENARIO FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from detector.sinks.clips_place import Limits, clips_in
from detector.sinks.clips_writer import ClipWriter
from tests.clips import read
from tests.live import until
from tests.sinks.journal_on_a_small_disk import fill, mount
from tests.sinks.test_clips_edf import clip, noise

LIMITS = Limits(100, 30, 1e9)


def started(folder: Path) -> ClipWriter:
    """Return a writer that has seen its folder."""
    writer = ClipWriter(folder / "clips", LIMITS, 1_000_000)
    until((folder / "clips").exists, 10, "the folder is made")
    return writer


def in_trouble(writer: ClipWriter, words: str) -> None:
    until(lambda: words in (writer.trouble or ""), 10, words)


def full_for_a_while(folder: Path) -> None:
    writer = started(folder)
    filler = fill(folder)
    for event_id in ("one", "two"):
        writer.put(clip(noise(20), event_id=event_id))
    in_trouble(writer, "make room on its disk")
    assert [*(folder / "clips").iterdir()] == [], "no half clip is left"
    filler.unlink()
    until(lambda: writer.trouble is None and len(clips_in(folder / "clips")) == 2, 20, "both are written")
    writer.close(10)
    assert [told["event_id"] for told in writer.told()] == ["one", "two"]
    assert all(read(path).duration == 20 for _, path in clips_in(folder / "clips"))


def full_to_the_end(folder: Path) -> None:
    writer = started(folder)
    fill(folder)
    writer.put(clip(noise(20), event_id="one"))
    in_trouble(writer, "make room on its disk")
    writer.close(1.0)
    [told] = writer.told()
    assert "No space left" in told["lost"]
    assert [*(folder / "clips").iterdir()] == []


def read_only_for_a_while(folder: Path) -> None:
    writer = started(folder)
    mount(folder, "-o", "remount,ro")
    writer.put(clip(noise(20)))
    in_trouble(writer, "let this program write in its folder")
    mount(folder, "-o", "remount,rw")
    until(lambda: clips_in(folder / "clips"), 20, "it is written")
    writer.close(10)


if __name__ == "__main__":
    scenario, place = sys.argv[1], Path(sys.argv[2])
    mount(place, "-t", "tmpfs", "-o", "size=1m", "tmpfs")
    globals()[scenario](place)
