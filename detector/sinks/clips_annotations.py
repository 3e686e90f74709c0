"""What a clip says about its samples. No text of it has the word seizure: readers take that for an expert's word."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from detector.messages import BoolArray, Event, Outcome, TimeArray
from detector.sinks.clips_clip import LEAD_S, TAIL_S, Clip, Mark

ONSET, DECLARED, OFFSET, GAP = "detected onset", "declared", "detected offset", "BAD_gap"
_MOST = 100  # marks of a clip: each widens the same field of every data record
_NEAR_S = 0.5  # a lead or tail that lacks less is whole


class Axis:
    """Times of this machine's LSL clock as places in a file.

    Parameters
    ----------
    times
        (n_samples,), float64 s, of each sample of the file.
    rate_hz
        Of the file.
    """

    def __init__(self, times: TimeArray, rate_hz: float) -> None:
        self._times: TimeArray = np.maximum.accumulate(times)  # a clock may have been set back
        self._half_s = 0.5 / rate_hz
        self.rate_hz = rate_hz
        self.first_s, self.last_s = float(self._times[0]), float(self._times[-1])

    def __len__(self) -> int:
        return len(self._times)

    def index(self, time_s: float) -> int:
        """Return the first sample that is not older, to half a sample; one behind the last where all are older."""
        return int(np.searchsorted(self._times, time_s - self._half_s))

    def has(self, time_s: float) -> bool:
        """Return whether the file has a sample of this time."""
        return self.first_s - self._half_s <= time_s <= self.last_s + self._half_s


def annotations_of(clip: Clip, axis: Axis, filled: BoolArray) -> Iterator[Mark]:
    """Yield all but what is of single channels; times are those of samples, in seconds from the file's first.

    Parameters
    ----------
    clip
        What the file is made of.
    axis
        The file's.
    filled
        (n_samples,), which samples were not received.
    """
    for word, time_s in _times_of(clip.event):
        if axis.has(time_s):
            yield Mark(axis.index(time_s) / axis.rate_hz, 0.0, word)
        elif time_s < axis.first_s:
            yield Mark(0.0, 0.0, f"{word} {axis.first_s - time_s:.1f} s before the first sample")
    received = np.flatnonzero(~filled)
    end_s = (int(received[-1]) + 1 if len(received) else len(axis)) / axis.rate_hz
    yield from _of_its_beginning(clip, axis)
    yield from _of_its_end(clip, axis, end_s)
    yield from _gaps(filled, axis.rate_hz)
    for mark in [mark for mark in clip.marks if axis.has(mark.time_s)][-_MOST:]:
        yield Mark(axis.index(mark.time_s) / axis.rate_hz, mark.duration_s, mark.text)


def _times_of(event: Event | None) -> Iterator[tuple[str, float]]:
    if event is not None:
        yield ONSET, event.onset_s
        yield DECLARED, event.declared_s
        if event.offset_s is not None:
            yield OFFSET, event.offset_s


def _of_its_beginning(clip: Clip, axis: Axis) -> Iterator[Mark]:
    if not clip.is_first:
        yield Mark(0.0, 0.0, "goes on from the file before")
    elif clip.event is None:
        yield Mark(0.0, 0.0, "the event began before the first sample, the program was started anew in it")
    elif (lead_s := clip.event.onset_s - axis.first_s) < LEAD_S - _NEAR_S:
        yield Mark(0.0, 0.0, f"{max(lead_s, 0.0):.1f} of {LEAD_S:g} s before the onset: no more was received or kept")


def _of_its_end(clip: Clip, axis: Axis, end_s: float) -> Iterator[Mark]:
    event = clip.event
    if clip.goes_on:
        yield Mark(end_s, 0.0, "goes on in the next file")
    elif event is None or event.outcome is Outcome.ONGOING:
        yield Mark(end_s, 0.0, "outcome unknown: the recording ends before the event")
    elif event.outcome is Outcome.UNKNOWN:
        yield Mark(end_s, 0.0, "outcome unknown: the end of the event was not seen")
    elif event.offset_s is not None and (tail_s := axis.first_s + end_s - event.offset_s) < TAIL_S - _NEAR_S:
        yield Mark(end_s, 0.0, f"{max(tail_s, 0.0):.1f} of {TAIL_S:g} s behind the offset: no more was received")


def _gaps(filled: BoolArray, rate_hz: float) -> Iterator[Mark]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], filled, [False]])))
    for start, stop in edges.reshape(-1, 2).tolist():
        n = stop - start
        yield Mark(start / rate_hz, n / rate_hz, f"{GAP}: {n} samples were not received, the last is held")
