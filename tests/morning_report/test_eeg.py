"""The EEG around an onset is that of the clip, in the clip's own time, and a clip that cannot be read is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detector.errors import BadDataError
from detector.messages import Event, FloatArray, Outcome
from detector.morning_report.eeg import AFTER_S, BEFORE_S, Eeg, clips_of, eeg_of, read_eeg
from detector.sinks.clips_edf import write_edf
from detector.sinks.clips_place import ClipName
from detector.sinks.clips_tape import Block, not_received, received
from tests.clips import RATE
from tests.sinks.test_clips_edf import EVENT, clip, noise


def stored(
    folder: Path,
    samples: FloatArray,
    event_id: str = "abc",
    event: Event | None = EVENT,
    part: int = 1,
    blocks: tuple[Block, ...] = (),
) -> Path:
    path = folder / str(ClipName("bed1", 1_770_000_000.0, event_id, part))
    with path.open("wb") as file:
        made = clip(samples, event_id=event_id, event=event)
        write_edf(replace(made, blocks=blocks or made.blocks), file)
    return path


def test_what_happened_at_the_onset_is_at_second_0(tmp_path: Path) -> None:
    samples = np.zeros((round(100 * RATE), 2), np.float32)
    samples[round(60 * RATE), 1] = 500.0  # EVENT begins 60 s behind the first sample
    eeg = read_eeg(stored(tmp_path, samples))
    assert eeg.labels == ("C1", "C2"), "the probability is no channel"
    assert eeg.samples.shape == (len(eeg.times), 2)
    assert eeg.times[0] == pytest.approx(-BEFORE_S, abs=1 / RATE)
    assert eeg.times[-1] == pytest.approx(AFTER_S, abs=1 / RATE)
    assert eeg.times[int(np.argmax(eeg.samples[:, 1]))] == pytest.approx(0.0, abs=0.5 / RATE)
    assert eeg.length_s == pytest.approx(100)


def test_each_channel_is_judged_by_its_whole_seconds(tmp_path: Path) -> None:
    samples = noise(100)
    samples[: round(25 * RATE), 1] = 7.0
    samples[round(90 * RATE) :: 2, 2] = 9000.0
    first, flat, huge = read_eeg(stored(tmp_path, samples)).quality
    assert (first.label, first.flat, first.huge) == ("C1", 0, 0)
    assert [flat.flat, flat.huge] == pytest.approx([0.25, 0])
    assert [huge.flat, huge.huge] == pytest.approx([0, 0.1])
    ranges = np.ptp(samples[:, 0].reshape(100, round(RATE)), axis=1)
    assert first.median_uv == pytest.approx(np.median(ranges), abs=0.5)


def test_what_was_not_received_is_told_and_judges_no_channel(tmp_path: Path) -> None:
    before, after = noise(70), noise(20, seed=1)
    blocks = (
        received(before, 1000 + np.arange(len(before)) / RATE),
        not_received(round(10 * RATE), 3, 1070 - 1 / RATE, 1 / RATE),
        received(after, 1080 + np.arange(len(after)) / RATE),
    )
    eeg = read_eeg(stored(tmp_path, before, blocks=blocks))
    assert list(eeg.gaps[0]) == pytest.approx([10, 20], abs=1 / RATE)
    assert len(eeg.gaps) == 1
    assert [channel.flat for channel in eeg.quality] == [0, 0, 0], "what is held is flat, and not the channel's fault"


def test_the_part_with_the_onset_is_shown(tmp_path: Path) -> None:
    stored(tmp_path, noise(100), part=2)
    stored(tmp_path, noise(100))
    eeg = eeg_of("abc", clips_of(tmp_path))
    assert isinstance(eeg, Eeg)
    assert eeg.file.endswith("_abc_1.edf")


def test_why_there_is_no_eeg_is_told(tmp_path: Path) -> None:
    assert clips_of(None) == clips_of(tmp_path / "none") == ()
    assert eeg_of("abc", ()) == "there is no clip of it"
    assert eeg_of("", clips_of(tmp_path)) == "there is no clip of it"
    stored(tmp_path, noise(100), "lead", Event(1, 900.0, 901.0, 1070.0, 0.9, Outcome.ENDED, "lead"))
    assert "does not have the onset" in str(eeg_of("lead", clips_of(tmp_path)))
    path = stored(tmp_path, noise(100))
    path.write_bytes(path.read_bytes()[:700])
    assert "its clip cannot be shown: " in str(eeg_of("abc", clips_of(tmp_path)))


def test_a_clip_without_an_onset_has_nothing_to_show(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match="does not have the onset"):
        read_eeg(stored(tmp_path, noise(100), event=None))
