"""A stream whose samples count themselves, and what is said about it, for tests of clips."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import edfio
import numpy as np
import numpy.typing as npt

from detector.messages import Chunk, Description, Event, FloatArray, Gap, Outcome, Reset, State, Status
from detector.sinks.clips import Clips
from detector.sinks.clips_place import Limits, clips_in
from detector.sinks.clips_settings import ClipsConfig
from detector.source.said import Opened

RATE = 128.0
UTC_S = 1_770_000_000.253  # at 0 of the LSL clock
BEGIN_S = 1000.0


def description(n_channels: int = 3, rate_hz: float = RATE, **changes: Any) -> Description:
    """Return a stream's description."""
    labels = tuple(f"C{i + 1}" for i in range(n_channels))
    found = Description(labels, rate_hz, (1.0,) * n_channels, ("uV",) * n_channels)
    return replace(found, **changes)


class Stream:
    """Feeds clips with samples and steps as a service does; the LSL clock is that of the newest sample.

    The first channel counts the samples in µV from 0, the others are sines.
    """

    def __init__(self, folder: Path, *, memory_bytes: int = 40_000_000, form: Description | None = None) -> None:
        self.folder, self.form = folder, form or description()
        self.now_s = self.next_s = BEGIN_S
        self.count = 0
        self.notes: list[Mapping[str, Any]] = []
        self.config = ClipsConfig(folder, Limits(100, 30, 1e9), memory_bytes, "bed1", "model-1", 1.0)
        self.clips = self.started()
        self.event = Event(1, math.nan, math.nan, None, 0.9, Outcome.ONGOING, "abc1")

    def started(self) -> Clips:
        """Return the clips of a new program, with the stream open."""
        clips = Clips(self.config, clock=lambda: self.now_s, note=self.notes.append, utc=lambda: UTC_S + self.now_s)
        clips.see(Opened(self.form, Reset.NEW_STREAM))
        return clips

    def samples(self, n: int) -> FloatArray:
        """Return the next samples."""
        index = np.arange(self.count, self.count + n)
        sines = [50 * np.sin(index / (5 + i)) for i in range(len(self.form.labels) - 1)]
        return np.stack([index, *sines], axis=1).astype(np.float32)

    def give(
        self, seconds: float, *, state: State = State.NON_SEIZURE, probability: float = 0.1, **change: Any
    ) -> None:
        """Give samples in chunks of half a second, and a step behind each."""
        for _ in range(round(seconds * 2)):
            n = round(self.form.rate_hz / 2)
            samples = self.samples(n)
            stamps = self.next_s + np.arange(n) / self.form.rate_hz
            self.count += n
            self.next_s = float(stamps[-1]) + 1 / self.form.rate_hz
            self.now_s = max(self.now_s, float(stamps[-1]))
            self.clips.see(Chunk(samples, stamps))
            cause = None
            self.clips.push_status(Status(self.last_s, probability, state, cause, 22, 0, 0.0), 0.0)

    @property
    def last_s(self) -> float:
        """Stamp of the newest sample."""
        return self.next_s - 1 / self.form.rate_hz

    def hole(self, seconds: float, reason: Reset = Reset.GAP) -> None:
        """Let samples be missing."""
        start_s = self.last_s
        self.next_s += seconds
        self.count += round(seconds * self.form.rate_hz)
        self.clips.see(Gap(start_s, self.next_s, reason))
        self.clips.push_marker(f"session-reset/{reason}", start_s)

    def declare(self, onset_ago_s: float = 2.0) -> None:
        """Declare a seizure at the newest sample."""
        self.event = replace(self.event, onset_s=self.last_s - onset_ago_s, declared_s=self.last_s)
        self.clips.push_event(self.event, self.now_s)

    def end(self, offset_ago_s: float | None = 5.0) -> None:
        """End it; without an offset its outcome is not known."""
        outcome = Outcome.UNKNOWN if offset_ago_s is None else Outcome.ENDED
        offset_s = None if offset_ago_s is None else self.last_s - offset_ago_s
        self.event = replace(self.event, offset_s=offset_s, outcome=outcome)
        self.clips.push_event(self.event, self.now_s)

    def seizure(self, seconds: float) -> None:
        """Give a seizure that is declared after 2 s and whose end is known after 5 s."""
        self.give(2)
        self.declare()
        self.give(seconds - 2 + 5, state=State.SEIZURE, probability=0.9)
        self.end()

    def closed(self) -> list[Path]:
        """Return the clips when all of them are written."""
        self.clips.close(30)
        return [path for _, path in clips_in(self.folder)]


def read(path: Path) -> edfio.Edf:
    """Read a clip; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return edfio.read_edf(path)


def texts(edf: edfio.Edf) -> list[str]:
    """Return the texts of a clip's annotations."""
    return [annotation.text for annotation in edf.annotations]


def counted(edf: edfio.Edf) -> npt.NDArray[np.int64]:
    """Return the numbers of a clip's samples."""
    return np.rint(edf.get_signal("C1").data).astype(np.int64)


def onset_of(edf: edfio.Edf, text: str) -> float:
    """Return when the only annotation of this text is, in seconds from the first sample."""
    [found] = [annotation.onset for annotation in edf.annotations if annotation.text == text]
    return float(found)
