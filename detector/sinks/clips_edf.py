"""A clip as an EDF+ file (https://www.edfplus.info/specs/edfplus.html), for reviewers and for `seizure-detector score`.

The time axis counts samples. What was not received is filled by holding the last sample, for readers take a file with
real discontinuities for one without (edfio does), and all times behind the first would be wrong; each fill is annotated
as ``BAD_gap``, which MNE leaves out of what it computes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from io import BufferedWriter

import edfio
import numpy as np
import numpy.typing as npt

from detector.messages import BoolArray, FloatArray
from detector.sinks.clips_annotations import Axis, annotations_of
from detector.sinks.clips_clip import Clip, Mark
from detector.sinks.clips_tape import Block, not_received, split

NOT_MONITORED = -1.0  # of the probability, which EDF cannot leave out
_STEP_UV = 0.2  # at least so fine, an error of 0.1 µV, is the resolution of what 16 bits of it can hold
_MOST_UV = 9_999_999.0  # what a header's eight characters can say
_RECORD_BYTES = 61440  # a data record should not be longer (EDF specification)
_YEARS = range(1985, 2085)  # what the date of EDF can say

_Values = npt.NDArray[np.float64]


def record_of(rate_hz: float, n_channels: int) -> tuple[int, float]:
    """Return the samples of a data record and its duration, s, in no more than the eight characters that it has."""
    n = round(rate_hz)
    while 2 * n * (n_channels + 1) > _RECORD_BYTES and n % 2 == 0:
        n //= 2
    return n, round(n / rate_hz, 6)


def write_edf(clip: Clip, file: BufferedWriter) -> float:
    """Write a clip and return how long it is, s.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    record, record_s = record_of(clip.description.rate_hz, len(clip.description.labels))
    blocks = _whole_records(clip, record)
    times = np.concatenate([block.stamps for block in blocks])
    filled = np.concatenate([block.filled for block in blocks])
    axis = Axis(times, record / record_s)
    marks = [*annotations_of(clip, axis, filled)]
    start = datetime.fromtimestamp(0, UTC) + timedelta(seconds=axis.first_s + clip.ahead_s)
    if start.year not in _YEARS:
        marks.append(Mark(0.0, 0.0, f"the wall clock said {start:%Y-%m-%d %H:%M:%S}"))
        start = start.replace(year=_YEARS[0], month=1, day=1)
    signals = []
    for i, scale in enumerate(clip.description.scales_uv):
        if scale is None:
            marks.append(Mark(0.0, 0.0, f"channel {i + 1} of the stream is not recorded, its unit is not known"))
            continue
        values, notes = _bounded([block.samples[:, i] for block in blocks], filled, axis.rate_hz, i)
        marks += notes
        label, limits = _label(clip.description.labels[i], i), _range(values)
        signals.append(
            edfio.EdfSignal(values, axis.rate_hz, label=label, physical_dimension="uV", physical_range=limits)
        )
    said = _ascii(f"model {clip.model_id}, {NOT_MONITORED:g}: not monitored")[:80]
    track = _probability(clip, axis, filled)
    signals.append(
        edfio.EdfSignal(track, axis.rate_hz, label="probability", physical_range=(-1, 1), transducer_type=said)
    )
    # The id is in the header and not in an annotation, and so is the bed's name: it may be any word.
    event = clip.event_id or "unknown-event"
    edf = edfio.Edf(
        signals,
        patient=edfio.Patient(additional=(f"bed-{clip.bed}",)),
        recording=edfio.Recording(startdate=start.date(), equipment_code="seizure-detector", additional=("UTC", event)),
        starttime=start.time(),
        data_record_duration=record_s,
        annotations=[edfio.EdfAnnotation(mark.time_s, mark.duration_s or None, mark.text) for mark in marks],
    )
    edf.write(file)
    return len(times) / axis.rate_hz


def _whole_records(clip: Clip, record: int) -> list[Block]:
    """Return samples up to the clip's end and to that of a record; what was not received of it is filled."""
    blocks = list(clip.blocks)
    n = sum(map(len, blocks))
    if clip.end_s is not None:
        times: npt.NDArray[np.float64] = np.concatenate([block.stamps for block in blocks])
        until = max(int(np.searchsorted(np.maximum.accumulate(times), clip.end_s, side="right")), 1)
        n = min(n, -(-until // record) * record)
        blocks, _ = split(blocks, n)
    if lacking := -n % record:
        last = blocks[-1]
        period_s = 1 / clip.description.rate_hz
        blocks.append(not_received(lacking, last.samples.shape[1], float(last.stamps[-1]), period_s))
    return blocks


def _bounded(parts: Sequence[FloatArray], filled: BoolArray, rate_hz: float, i: int) -> tuple[_Values, list[Mark]]:
    """Return numbers that a channel of EDF can hold, and what is to be said of those that it could not."""
    notes = []
    values = np.concatenate(parts).astype(np.float64)
    is_number = np.isfinite(values)
    if not is_number.all():
        if (bad := ~is_number & ~filled).any():
            notes.append(_note(bad, rate_hz, f"channel {i + 1}: {bad.sum()} samples are no numbers, the last is held"))
        at = np.maximum.accumulate(np.where(is_number, np.arange(len(values)), -1))
        numbers = values[is_number]
        # Before the first number there is none to be held.
        values = np.where(at >= 0, values[at], numbers[0] if len(numbers) else 0.0)
    low_uv, high_uv = _limits(values)
    cut = (values < low_uv) | (values > high_uv)
    if cut.any():
        text = f"channel {i + 1}: {cut.sum()} samples are cut to {low_uv:.0f} to {high_uv:.0f} uV"
        notes.append(_note(cut, rate_hz, text))
        values = np.clip(values, low_uv, high_uv)
    return values, notes


def _note(where: BoolArray, rate_hz: float, text: str) -> Mark:
    """Return a mark from the first to the last of the samples that it is about."""
    first, last = (int(i) for i in np.flatnonzero(where)[[0, -1]])
    return Mark(first / rate_hz, (last + 1 - first) / rate_hz, text)


def _limits(values: _Values) -> tuple[float, float]:
    """Return the lowest and highest value that is kept: all, unless a few would take the resolution of the others."""
    half = _STEP_UV * 65535 / 2
    low, high = float(values.min()), float(values.max())
    if high - low > 2 * half:
        # What most samples are near to is kept in any case, be it as wide as the drift of an electrode.
        few, middle, most = (float(q) for q in np.quantile(values, (0.1, 0.5, 0.9)))
        low = max(low, min(few - (most - few), middle - half))
        high = min(high, max(most + (most - few), middle + half))
    return max(low, -_MOST_UV), min(high, _MOST_UV)


def _range(values: _Values) -> tuple[float, float]:
    """Return whole µV, which a header can say exactly."""
    low, high = math.floor(values.min()), math.ceil(values.max())
    if high > low:
        return low, high
    return (low, low + 1) if low < _MOST_UV else (low - 1, low)


def _probability(clip: Clip, axis: Axis, filled: BoolArray) -> _Values:
    """Return for each sample what was known then: a step holds until the next one."""
    track: _Values = np.full(len(axis), NOT_MONITORED)
    for time_s, probability in clip.steps:
        track[axis.index(time_s) :] = NOT_MONITORED if math.isnan(probability) else min(max(probability, 0.0), 1.0)
    track[filled] = NOT_MONITORED
    return track


def _label(label: str, i: int) -> str:
    """Return what a header can hold of a label."""
    text = _ascii(label)[:16].strip()
    # The name of what EDF+ keeps its annotations in is no name of a channel.
    return text if text and text != "EDF Annotations" else f"channel {i + 1}"


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode()
