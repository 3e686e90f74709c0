"""Sequences of whole recordings: each stretch between gaps as the network of a live bed would meet it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from detector.errors import BadDataError, DetectorError
from detector.messages import Chunk, Features, FloatArray, Gap, TimeArray
from detector.network.bundle import Card
from detector.pipeline import Conditioning
from detector.source.recording import Recording, open_recording
from detector.training.labelled import Labelled, Problem
from detector.training.sequences import Sequence, cached

# How much a step counts that reviewers have called a false alarm.
_FALSE_ALARM_WEIGHT = 4.0


def recorded_sequences(
    recordings: Iterable[Labelled], card: Card, on_progress: Callable[[Labelled], None] = lambda _labelled: None
) -> tuple[list[Sequence], tuple[Problem, ...]]:
    """Return the sequences of recordings, from the cache where they are, and the recordings that give none.

    Parameters
    ----------
    recordings
        Those of a `detector.training.labelled.DataSet`.
    card
        How the signal is conditioned.
    on_progress
        Called once for each recording that is done.
    """
    found: list[Sequence] = []
    problems: list[Problem] = []
    for labelled in recordings:
        try:
            found += cached(_named(labelled), card, partial(sequences_of, labelled, card))
        except DetectorError as error:
            problems.append(Problem(labelled.path, str(error)))
        on_progress(labelled)
    return found, tuple(problems)


def sequences_of(labelled: Labelled, card: Card) -> list[Sequence]:
    """Return a sequence for each stretch of a recording between gaps, each from a cold start.

    A seizure that a gap cuts is a seizure in each stretch that holds a part of it. Stretches that are shorter than a
    frame give no sequence.

    Raises
    ------
    DetectorError
        When the recording cannot be read, does not fit the card's montage, or a seizure of it, or all of it, lies in
        stretches that give no step.
    """
    recording = open_recording(labelled.path)
    stretches = _stretches(recording, Conditioning(card, recording.description))
    kept = [stretch for stretch in stretches if stretch.steps]
    rate_hz = recording.description.rate_hz
    for onset_s, end_s in labelled.seizures:
        if not any(stretch.start_s < end_s and onset_s < stretch.end_s(rate_hz) for stretch in kept):
            raise BadDataError(f"the seizure from {onset_s:g} to {end_s:g} s lies in a gap; expected signal in it")
    if not kept:
        raise BadDataError(
            f"no stretch of its {recording.duration_s:g} s gives a step; expected one of at least a frame, "
            f"{card.frame_samples / card.rate_hz:g} s"
        )
    return [_sequence(labelled, stretch, rate_hz) for stretch in kept]


@dataclass
class _Stretch:
    """Signal without a gap; times are the recording's."""

    start_s: float
    last_s: float
    steps: list[Features] = field(default_factory=list)

    def end_s(self, rate_hz: float) -> float:
        return self.last_s + 1 / rate_hz


def _stretches(recording: Recording, conditioning: Conditioning) -> list[_Stretch]:
    stretches: list[_Stretch] = []
    begun = False
    for message in recording.messages():
        if isinstance(message, Gap):
            begun = False
        elif isinstance(message, Chunk) and len(message.timestamps):
            first_s, last_s = float(message.timestamps[0]), float(message.timestamps[-1])
            if not begun:
                stretches.append(_Stretch(first_s, last_s))
                begun = True
            stretches[-1].last_s = last_s
        steps = conditioning.process(message)
        if steps:
            stretches[-1].steps += steps
    return stretches


def _sequence(labelled: Labelled, stretch: _Stretch, rate_hz: float) -> Sequence:
    duration_s = stretch.end_s(rate_hz) - stretch.start_s
    seizures = tuple(
        (max(onset_s - stretch.start_s, 0.0), min(end_s - stretch.start_s, duration_s))
        for onset_s, end_s in labelled.seizures
        if onset_s < stretch.end_s(rate_hz) and stretch.start_s < end_s
    )
    end_s = np.array([step.end_s for step in stretch.steps]) - stretch.start_s
    return Sequence(
        person=labelled.person,
        duration_s=duration_s,
        seizures=seizures,
        values=np.stack([step.values for step in stretch.steps]),
        good=np.stack([step.good for step in stretch.steps]),
        end_s=end_s,
        target=_target(end_s, seizures, rate_hz),
        weight=_weight(end_s + stretch.start_s, labelled.false_alarms),
    )


def _target(end_s: TimeArray, seizures: Iterable[tuple[float, float]], rate_hz: float) -> FloatArray:
    """Return 1 for each step whose newest sample is in a seizure, from its onset up to, not with, its end."""
    newest = np.round(end_s * rate_hz)
    target = np.zeros(len(end_s), dtype=np.float32)
    for onset_s, offset_s in seizures:
        target[(newest >= np.round(onset_s * rate_hz)) & (newest < np.round(offset_s * rate_hz))] = 1
    return target


def _weight(end_s: TimeArray, false_alarms: Iterable[tuple[float, float]]) -> FloatArray:
    weight = np.ones(len(end_s), dtype=np.float32)
    for onset_s, offset_s in false_alarms:
        weight[(end_s >= onset_s) & (end_s < offset_s)] = _FALSE_ALARM_WEIGHT
    return weight


def _named(labelled: Labelled) -> dict[str, object]:
    """Return what makes a recording's sequences its own; a file that was written anew is another one."""
    try:
        stat = labelled.path.stat()
    except OSError as error:
        raise BadDataError(f"{labelled.path} cannot be opened: {error.strerror}; expected a recording") from error
    return {
        "kind": "recorded",
        "person": labelled.person,
        "path": str(labelled.path.resolve()),
        "size": stat.st_size,
        "written_ns": stat.st_mtime_ns,
        "seizures": [list(span) for span in labelled.seizures],
        "false_alarms": [list(span) for span in labelled.false_alarms],
    }
