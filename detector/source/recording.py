"""Recordings as a source: EDF, BDF and XDF files give the same messages as a live stream.

Times are seconds from the recording's first sample. Nothing is guessed: what cannot be read as meant is refused.
"""

from __future__ import annotations

import csv
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import numpy as np

from detector.errors import BadDataError, MissingInputError, UsageError, nearest
from detector.messages import Chunk, Description, FloatArray, Gap, Reset, TimeArray
from detector.units import KNOWN, microvolts_per

log = logging.getLogger(__name__)

SUFFIXES = (".edf", ".bdf", ".xdf")
PROBABILITY = "probability"  # what a clip of ours has beside the EEG is no voltage, and nobody need be told
MAX_FILLED_SAMPLES = 3
_BLOCK_SAMPLES = 16384  # what is read at once: 1.4 MB for 22 channels, whatever the size of the chunks
_NOT_A_SEIZURE = re.compile(r"\b(non|no|not)[\s_-]*(a[\s_-]+)?seizure", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Annotation:
    """Something that was written down about a stretch of the recording.

    Parameters
    ----------
    onset_s
        Seconds from the recording's first sample; may be outside of the recording.
    duration_s
        0 where none was given.
    text
        As written, or the ``eventType`` of an events file.
    """

    onset_s: float
    duration_s: float
    text: str

    @property
    def is_seizure(self) -> bool:
        """Whether it is a seizure: a SzCORE event type ``sz*``, or a text that says "seizure"."""
        text = self.text.casefold()
        return text.startswith("sz") or ("seizure" in text and not _NOT_A_SEIZURE.search(text))


def seizures_of(annotations: Sequence[Annotation]) -> tuple[tuple[float, float], ...]:
    """Return (onset_s, end_s) of the annotations that are seizures, in order of onset."""
    return tuple(sorted((a.onset_s, a.onset_s + a.duration_s) for a in annotations if a.is_seizure))


class Source(Protocol):
    """What a recording and the simulated amplifier have in common."""

    @property
    def description(self) -> Description:
        """Labels, rate and units."""

    @property
    def duration_s(self) -> float:
        """Seconds from the first sample to the end of the last one, gaps included."""

    @property
    def annotations(self) -> tuple[Annotation, ...]:
        """What was written down about it."""

    def messages(self, chunk_samples: int = 4096) -> Iterator[Chunk | Gap]:
        """Yield the samples in chunks of at most ``chunk_samples``, and the gaps between."""


@dataclass(frozen=True, slots=True)
class Run:
    """Stored samples ``first`` to ``stop`` (exclusive) that follow each other, and what precedes them.

    ``missing`` samples are not there before the run: up to `MAX_FILLED_SAMPLES` are filled, more are a gap,
    and so is a negative number, where time runs backwards.
    """

    first: int
    stop: int
    missing: int = 0

    @property
    def is_gap(self) -> bool:
        """Whether the session ends before this run."""
        return not 0 <= self.missing <= MAX_FILLED_SAMPLES


@dataclass(frozen=True)
class Recording:
    """A recording on disk; nothing of its signals is read before `messages` is walked (but BDF and XDF are).

    Parameters
    ----------
    description
        Labels as in the file, rate, declared units and the factors to µV.
    duration_s
        Seconds from the first sample to the end of the last one, gaps included.
    start
        When it was recorded, as far as the file says.
    annotations
        From the file and from the ``_events.tsv`` beside it, in order of onset.
    runs
        The stretches that are stored, in order; at least one.
    read
        Takes (first, stop), gives those stored samples: (stop - first, n_channels), float32 µV.
    times
        Takes (first, stop), gives their times: (stop - first,), float64 s from the first sample.
    """

    description: Description
    duration_s: float
    start: datetime | None
    annotations: tuple[Annotation, ...]
    runs: tuple[Run, ...]
    read: Callable[[int, int], FloatArray]
    times: Callable[[int, int], TimeArray]

    @property
    def seizures(self) -> tuple[tuple[float, float], ...]:
        """(onset_s, end_s) of every annotated seizure."""
        return seizures_of(self.annotations)

    def messages(self, chunk_samples: int = 4096) -> Iterator[Chunk | Gap]:
        """Yield the recording as a live source would.

        Parameters
        ----------
        chunk_samples
            The most samples in one chunk.

        Yields
        ------
        Chunk
            (n_samples, n_channels), float32 µV, times in seconds from the first sample. Up to three samples
            that are not there are held from the last one, in chunks of their own that count them in
            ``missing``.
        Gap
            Where more samples are not there, or time runs backwards.
        """
        if chunk_samples < 1:
            raise UsageError(f"a chunk has at least 1 sample, not {chunk_samples}")
        last: tuple[FloatArray, float] | None = None
        for run in self.runs:
            if last is not None:
                yield from self._before(run, *last, chunk_samples)
            step = -(-_BLOCK_SAMPLES // chunk_samples) * chunk_samples
            for first in range(run.first, run.stop, step):
                stop = min(first + step, run.stop)
                samples, times = self.read(first, stop), self.times(first, stop)
                for at in range(0, stop - first, chunk_samples):
                    part = slice(at, at + chunk_samples)
                    yield Chunk(samples[part], times[part])
                last = samples[-1:], float(times[-1])

    def _before(self, run: Run, held: FloatArray, held_s: float, chunk_samples: int) -> Iterator[Chunk | Gap]:
        next_s = float(self.times(run.first, run.first + 1)[0])
        if run.is_gap:
            reason = Reset.BACKWARDS if run.missing < 0 else Reset.GAP
            yield Gap(held_s, next_s, reason, max(run.missing, 0))
            return
        times = np.linspace(held_s, next_s, run.missing + 2)[1:-1]
        for at in range(0, run.missing, chunk_samples):
            part = times[at : at + chunk_samples]
            yield Chunk(np.repeat(held, len(part), axis=0), part, missing=len(part))


def open_recording(path: Path, *, unit: str | None = None) -> Recording:
    """Open a recording by its suffix: EDF(+C/+D), BDF(+C/+D) or XDF.

    Parameters
    ----------
    path
        The file. An events file beside it (``<stem>_events.tsv``, or with ``_eeg`` replaced) is read with it.
    unit
        The unit of the channels that declare none, or one that is not understood.

    Raises
    ------
    UsageError
        The suffix or ``unit`` is not known.
    MissingInputError
        The file does not exist or cannot be opened.
    BadDataError
        The file is empty, truncated or not what its suffix says, has no EEG or several, or declares another
        unit.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(
            f"{path} has the suffix {path.suffix!r}, expected one of {', '.join(SUFFIXES)}" + nearest(suffix, SUFFIXES)
        )
    if unit is not None and microvolts_per(unit) is None:
        raise UsageError(f"the unit {unit!r} is not known, expected one of {KNOWN}")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise MissingInputError(f"{path} cannot be opened: {error.strerror}; expected a recording") from error
    if empty:
        raise BadDataError(f"{path} is empty, expected {suffix.removeprefix('.').upper()} data")
    # Late, as each brings its library.
    if suffix == ".xdf":
        from detector.source.xdf import open_xdf

        return open_xdf(path, unit)
    from detector.source.edf import open_edf

    return open_edf(path, unit)


def scales_to_microvolts(
    path: Path, labels: Sequence[str], units: Sequence[str], unit: str | None
) -> tuple[float | None, ...]:
    """Return the factor to µV of each channel, with ``unit`` for those that declare no known one.

    Raises
    ------
    BadDataError
        Most channels that declare a known unit declare another one than ``unit``.
    """
    scales = tuple(microvolts_per(declared) for declared in units)
    if unit is not None:
        given = microvolts_per(unit)
        known = Counter(scale for scale in scales if scale is not None)
        # An ECG in mV among EEG in µV contradicts nobody.
        if known and known.most_common(1)[0][0] != given:
            i = next(i for i, scale in enumerate(scales) if scale == known.most_common(1)[0][0])
            raise BadDataError(
                f"{path} declares {units[i]!r} for {labels[i]!r}, but the unit given is {unit!r}: "
                "leave it out to use what the file says"
            )
        scales = tuple(given if scale is None else scale for scale in scales)
    unknown = [i for i, scale in enumerate(scales) if scale is None and labels[i] != PROBABILITY]
    if unknown:
        declared = sorted({units[i] for i in unknown})
        what = f"{len(unknown)} of {len(scales)} channels (first {labels[unknown[0]]!r}) declare no known unit"
        log.warning("%s: %s but %s; known are %s", path, what, ", ".join(map(repr, declared)), KNOWN)
    return scales


def read_events(path: Path) -> tuple[Annotation, ...]:
    """Read the BIDS/SzCORE events file beside the recording ``path``, if there is one.

    Raises
    ------
    BadDataError
        As `events_in`.
    """
    events = events_beside(path)
    return () if events is None else events_in(events)


def events_beside(path: Path) -> Path | None:
    """Return the BIDS/SzCORE events file of a recording, or ``None`` where there is none."""
    names = [f"{path.stem}_events.tsv"]
    if path.stem.endswith("_eeg"):
        names.append(f"{path.stem.removesuffix('_eeg')}_events.tsv")
    return next((events for events in (path.with_name(name) for name in names) if events.exists()), None)


def events_in(events: Path) -> tuple[Annotation, ...]:
    """Return the rows of an events file, in their order.

    Raises
    ------
    BadDataError
        It lacks the columns ``onset`` and ``duration``, or a value in them is not a number of seconds.
    """
    return tuple(_event_rows(events))


def _event_rows(events: Path) -> Iterator[Annotation]:
    try:
        rows = list(csv.DictReader(events.read_text("utf-8-sig").splitlines(), delimiter="\t"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadDataError(f"{events} cannot be read: {error}; expected tab-separated UTF-8 text") from error
    for line, row in enumerate(rows, start=2):
        text = row.get("eventType") or row.get("trial_type") or row.get("value") or ""
        try:
            onset_s = float(row["onset"])
            duration_s = 0.0 if row["duration"].strip().casefold() in {"", "n/a"} else float(row["duration"])
        except (KeyError, ValueError, AttributeError, TypeError) as error:
            raise BadDataError(
                f"{events}, line {line}: expected the columns onset, duration (seconds) and eventType, "
                f"found {dict(row)}"
            ) from error
        if not (np.isfinite(onset_s) and duration_s >= 0 and np.isfinite(duration_s)):
            raise BadDataError(f"{events}, line {line}: onset {onset_s} s, duration {duration_s} s")
        yield Annotation(onset_s, duration_s, text)
