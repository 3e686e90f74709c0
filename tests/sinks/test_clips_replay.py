"""A clip is as good as what was live: the same event is found in it, also when it plays again as a stream."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.config import make_config
from detector.decision import Decision
from detector.loading import Loaded, load
from detector.messages import Chunk, Event, FloatArray, Gap, Outcome, Reset
from detector.monitor import Monitor, MonitorConfig
from detector.pipeline import Conditioning, Pipeline
from detector.scoring import score
from detector.sinks.clips import Clips
from detector.sinks.clips_place import Limits, clips_in
from detector.sinks.clips_settings import ClipsConfig
from detector.source.recording import Source, open_recording
from detector.source.said import Opened
from detector.source.synthetic import SyntheticConfig, SyntheticEeg
from tests.clips import onset_of, read, texts


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load(make_config({"bed": {"name": "bed1"}, "source": {"source_id": "amp"}}))


def samples_of(source: Source) -> FloatArray:
    return np.concatenate([message.samples for message in source.messages() if isinstance(message, Chunk)])


def watched(loaded: Loaded, eeg: SyntheticEeg, folder: Path) -> list[Event]:
    """Watch simulated EEG as a service does, with clips; return its events."""
    now = [0.0]
    events: list[Event] = []
    notes: list[Mapping[str, Any]] = []
    config = ClipsConfig(folder, Limits(9, 9, 1e9), 40_000_000, "bed1", loaded.bundle.card.id, 1.0)
    clips = Clips(config, clock=lambda: now[0], note=notes.append, utc=lambda: now[0] + 1_770_000_000)
    monitor = Monitor(MonitorConfig(loaded.bundle.card.step_s, 2.0), [clips])
    loaded.network.reset()
    conditioning = Conditioning(loaded.bundle.card, eeg.description)
    pipeline = Pipeline(conditioning, loaded.network, Decision(loaded.decision))
    clips.see(Opened(eeg.description, Reset.NEW_STREAM))
    for message in (*eeg.messages(100), Gap(math.nan, math.nan, Reset.END)):
        if not isinstance(message, Gap):
            now[0] = float(message.timestamps[-1])
            clips.see(message)
        for said in pipeline.process(message):
            monitor.take(said, now[0])
            if isinstance(said, Event) and said.outcome is not Outcome.ONGOING:
                events.append(said)
    clips.close(30)
    assert ["file" in note for note in notes] == [True] * len(notes)
    return events


@pytest.mark.parametrize("referential", [False, True])
def test_score_finds_the_same_event_in_its_clip(loaded: Loaded, tmp_path: Path, referential: bool) -> None:
    eeg = SyntheticEeg(SyntheticConfig(330, seizures=((200, 260),), referential=referential))
    [event] = watched(loaded, eeg, tmp_path)
    [(_, path)] = clips_in(tmp_path)
    recording = open_recording(path)
    assert recording.seizures == (), "what this program said is no reference"
    loaded.network.reset()
    [found] = score(recording, loaded.bundle, loaded.network).events
    edf = read(path)
    assert event.offset_s is not None
    # The steps of a replay lie elsewhere between the samples, and its baseline is learned from one minute.
    assert found.onset_s == pytest.approx(onset_of(edf, "detected onset"), abs=3)
    assert found.declared_s == pytest.approx(onset_of(edf, "declared"), abs=3)
    assert found.offset_s == pytest.approx(onset_of(edf, "detected offset"), abs=3)
    assert found.offset_s - found.onset_s == pytest.approx(event.offset_s - event.onset_s, abs=3)
    assert found.outcome is Outcome.ENDED


def test_the_samples_of_a_clip_are_those_that_came(loaded: Loaded, tmp_path: Path) -> None:
    eeg = SyntheticEeg(SyntheticConfig(330, seizures=((200, 260),), sample_index=True))
    [event] = watched(loaded, eeg, tmp_path)
    [(_, path)] = clips_in(tmp_path)
    recording, edf = open_recording(path), read(path)
    first = round((event.onset_s - onset_of(edf, "detected onset")) * 256)
    came, kept = (samples_of(source) for source in (eeg, recording))
    assert kept.shape[1] == 24, "22 derivations, the number of the sample, and the probability"
    assert abs(kept[:, :22] - came[first : first + len(kept), :22]).max() < 0.1
    assert abs(kept[:, 22] - came[first : first + len(kept), 22]).max() < 0.5, "the number of each sample"
    assert edf.get_signal("probability").data.max() == pytest.approx(event.peak_probability, abs=1e-4)


def test_a_seizure_at_the_end_is_written_with_an_unknown_outcome(loaded: Loaded, tmp_path: Path) -> None:
    [event] = watched(loaded, SyntheticEeg(SyntheticConfig(230, seizures=((200, 230),))), tmp_path)
    assert event.outcome is Outcome.UNKNOWN
    [(_, path)] = clips_in(tmp_path)
    assert "outcome unknown: the end of the event was not seen" in texts(read(path))
    loaded.network.reset()
    [found] = score(open_recording(path), loaded.bundle, loaded.network).events
    assert found.onset_s == pytest.approx(onset_of(read(path), "detected onset"), abs=3)
