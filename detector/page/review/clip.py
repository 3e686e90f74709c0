"""A clip as a screen shows it: what it says of itself, and its EEG piece by piece."""

from __future__ import annotations

import math
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from io import BufferedReader
from pathlib import Path
from typing import Any

import edfio
import numpy as np

from detector.conditioning.montage import MONTAGES, Montage, MontageConfig
from detector.conditioning.quality import Quality, QualityConfig
from detector.errors import BadDataError
from detector.messages import BoolArray, Chunk, Description
from detector.page.eeg_block import block_of, thinning
from detector.printable import printable
from detector.sinks.clips_annotations import DECLARED, GAP, OFFSET, ONSET
from detector.sinks.clips_edf import NOT_MONITORED
from detector.source.recording import PROBABILITY, open_recording

MOST_BYTES = 64_000_000  # of a clip that is shown; the detector's own are some megabytes
_MOST_ANNOTATION_BYTES = 8_000_000  # in all data records: 100 annotations widen the field of each by some kilobytes
MOST_S = 20.0  # of EEG that is read at once
_MOST_VALUES = 8_000_000  # numbers that are read at once: 32 MB
_STEP_S = 0.25  # of the probability that is sent
_MOST_STEPS = 20_000
_MOST_ANNOTATIONS, _MOST_LETTERS = 500, 300


class ClipEeg:
    """A clip that was opened.

    What is read is a copy that nobody else has: a file that becomes shorter while it is mapped into memory would end
    the page, and files that lie beside it are not looked at.

    Parameters
    ----------
    file
        The clip, as it was opened.
    name
        Its name, for messages.
    montage
        Of the bed, where it is known; else the one that the clip has most derivations of.

    Raises
    ------
    BadDataError
        It is too large to be shown, half written, no EDF+ file, or has no derivation of any montage.
    """

    def __init__(self, file: BufferedReader, name: str, montage: str | None) -> None:
        self.name = name
        with tempfile.TemporaryDirectory(prefix="seizure-detector-page-") as folder:
            path = Path(folder) / "clip.edf"
            _copy(file, path, name)
            try:
                self._probability = _probability(path)
                self._recording = open_recording(path)
            except BadDataError as error:
                raise BadDataError(str(error).replace(str(path), name)) from error
        self.rate_hz = self._recording.description.rate_hz
        self.n_samples = self._recording.runs[-1].stop
        self._montage = _montage(self._recording.description, montage)
        self._thin = thinning(self.rate_hz)
        self.gaps = [(mark.onset_s, mark.onset_s + mark.duration_s) for mark in self._marks() if GAP in mark.text]

    def facts(self) -> dict[str, Any]:
        """Return what it says of itself, for JSON; times are seconds from its first sample."""
        start, marks = self._recording.start, self._marks()
        at = {mark.text: mark.onset_s for mark in reversed(marks)}
        return {
            "file": self.name,
            "start_s": None if start is None else start.replace(tzinfo=UTC).timestamp(),
            "duration_s": self.n_samples / self.rate_hz,
            "rate_hz": self.rate_hz / self._thin,
            "derivations": self._montage.names,
            "missing": self._montage.missing,
            "onset_s": at.get(ONSET),
            "declared_s": at.get(DECLARED),
            "offset_s": at.get(OFFSET),
            "gaps": self.gaps,
            "annotations": [
                {"onset_s": mark.onset_s, "duration_s": mark.duration_s, "text": printable(mark.text[:_MOST_LETTERS])}
                for mark in marks
            ],
            "probability": self._probability,
            "probability_step_s": _STEP_S,
        }

    def block(self, from_s: float, length_s: float) -> dict[str, Any]:
        """Return a piece of its EEG, see `detector.page.eeg_block.block_of`; what was not received is a hole in it.

        Raises
        ------
        BadDataError
            It has more channels or a higher rate than can be shown, or channels that contradict each other.
        """
        rate_hz, thin = self.rate_hz, self._thin
        first = min(max(round(from_s * rate_hz), 0), self.n_samples) // thin * thin
        n = min(round(min(length_s, MOST_S) * rate_hz), self.n_samples - first) // thin * thin
        n_channels = len(self._recording.description.labels)
        if n * n_channels > _MOST_VALUES:
            raise BadDataError(
                f"{self.name} has {n_channels} channels of {rate_hz:g} Hz, which is too much to be shown"
            )
        if n <= 0:
            return {"from_s": first / rate_hz, "faults": {}, "n": 0, "samples": ""}
        times = (first + np.arange(n)) / rate_hz
        derived = self._montage.process(Chunk(self._recording.read(first, first + n), times))
        received = np.ones(n, bool)
        for start_s, end_s in self.gaps:
            received[(times >= start_s - 0.5 / rate_hz) & (times < end_s - 0.5 / rate_hz)] = False
        samples = np.where(received[:, None], derived.samples, np.float32(np.nan))
        return {
            "from_s": first / rate_hz,
            "faults": self._faults(derived, received),
            **block_of(samples, thin),
        }

    def _marks(self) -> list[Any]:
        marks = self._recording.annotations
        found = [mark for mark in marks if math.isfinite(mark.onset_s) and math.isfinite(mark.duration_s)]
        return [replace(mark, duration_s=max(mark.duration_s, 0.0)) for mark in found[:_MOST_ANNOTATIONS]]

    def _faults(self, derived: Chunk, received: BoolArray) -> dict[str, str]:
        """Return what is wrong with which derivation behind the last sample, as the live EEG says it."""
        quality = Quality(QualityConfig(self.rate_hz, len(self._montage.names)))
        for start, stop in _runs(received):
            quality.reset()
            quality.process(Chunk(derived.samples[start:stop], derived.timestamps[start:stop]))
        return {self._montage.names[i]: str(fault) for i, fault in quality.faults.items()}


def _copy(file: BufferedReader, path: Path, name: str) -> None:
    left = MOST_BYTES
    with path.open("xb") as copy:
        while part := file.read(min(1 << 20, left + 1)):
            left -= len(part)
            if left < 0:
                raise BadDataError(f"{name} is larger than {MOST_BYTES / 1e6:.0f} MB: download it to look at it")
            copy.write(part)


def _montage(description: Description, wanted: str | None) -> Montage:
    names = [wanted] if wanted in MONTAGES else [*MONTAGES]
    made: list[Montage] = []
    refused: list[BadDataError] = []
    for name in names:
        assert name is not None
        try:
            made.append(Montage(MontageConfig(name, min_derivations=1), description))
        except BadDataError as error:
            refused.append(error)
    if not made:
        raise refused[0]
    return min(made, key=lambda montage: len(montage.missing))


def _probability(path: Path) -> list[float | None]:
    """Return the probability each `_STEP_S`; ``None`` where the bed was not monitored."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # whatever is wrong is told when the recording is opened
            edf = edfio.read_edf(path, lazy_load_data=True, header_encoding="latin-1")
            n_bytes = path.stat().st_size - edf.bytes_in_header_record
            n_bytes -= sum(2 * signal.samples_per_data_record for signal in edf.signals) * edf.num_data_records
            if n_bytes > _MOST_ANNOTATION_BYTES:
                raise BadDataError(f"{path} has {n_bytes / 1e6:.0f} MB of annotations: too much to be shown")
            track = next((signal for signal in edf.signals if signal.label == PROBABILITY), None)
            if track is None or track.digital_max == track.digital_min:
                return []
            n = min(math.ceil(len(track.digital) / track.sampling_frequency / _STEP_S), _MOST_STEPS)
            at = np.minimum((np.arange(n) * _STEP_S * track.sampling_frequency).astype(int), len(track.digital) - 1)
            gain = (track.physical_max - track.physical_min) / (track.digital_max - track.digital_min)
            values = (track.digital[at].astype(np.float64) - track.digital_min) * gain + track.physical_min
    except BadDataError:
        raise
    except Exception as error:  # over a broken header edfio stumbles in any way at all
        raise BadDataError(f"{path} cannot be read as EDF: {error}") from error
    return [round(min(float(value), 1.0), 3) if value > NOT_MONITORED / 2 else None for value in values]


def _runs(received: BoolArray) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], received, [False]])))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
