"""A recording or the simulated amplifier as a live LSL stream, with the truth about it beside it.

Stamps are what a real amplifier would give: start + k / rate, whatever the speed and however late this
process was woken up. Only who listens to the truth outlet knows when the seizures are; the detector has no
use for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pylsl

from detector.errors import UsageError
from detector.messages import Chunk, Description, TimeArray
from detector.source.recording import Source

ONSET, OFFSET = "seizure/onset", "seizure/offset"
_LOOP_HOLE_S = 1.0  # a detector must see that the recording begins anew
_WAKE_S = 0.05  # how long a stop may take
_DRAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class _Truth:
    time_s: float
    text: str


def simulate(
    source: Source,
    *,
    name: str,
    source_id: str,
    stop: Callable[[], bool],
    speed: float = 1.0,
    loop: bool = False,
    chunk: int = 32,
    markers: bool = True,
    on_start: Callable[[float], None] | None = None,
    wait_for_consumer_s: float | None = None,
) -> int:
    """Push a source as a live EEG stream until it ends or ``stop`` says so.

    Parameters
    ----------
    source
        A recording, or the simulated amplifier.
    name, source_id
        Of the EEG stream; the markers are ``<name>-truth`` and ``<source_id>:truth``.
    stop
        Asked at least every 50 ms.
    speed
        Seconds of signal per second; the stamps do not depend on it.
    loop
        Begin anew at the end, with a hole of 1 s in the stamps.
    chunk
        The most samples in one push.
    markers
        Whether to open the truth outlet: ``seizure/onset``, ``seizure/offset`` and the texts of other
        annotations, each with the stamp of the first sample at or after its time.
    on_start
        Called once, with the stamp of the first sample (this machine's LSL clock), before it is pushed.
    wait_for_consumer_s
        Wait this long for the first consumer of the EEG; by default not at all.

    Returns
    -------
    int
        How many samples were pushed.

    Raises
    ------
    UsageError
        The speed is not positive.
    """
    if not speed > 0:
        raise UsageError(f"the speed is {speed:g}, expected more than 0 (1 is real time)")
    eeg = pylsl.StreamOutlet(_eeg_info(source.description, name, source_id), chunk_size=chunk)
    truth = pylsl.StreamOutlet(_truth_info(name, source_id)) if markers else None
    deadline_s = pylsl.local_clock() + (wait_for_consumer_s or 0.0)
    while not eeg.have_consumers() and pylsl.local_clock() < deadline_s and not stop():
        eeg.wait_for_consumers(_WAKE_S)
    start_s = pylsl.local_clock()
    if on_start is not None:
        on_start(start_s)
    pushed, begin_s = 0, start_s
    due_s = start_s
    while not stop():
        waiting = _truths(source)
        last_s = begin_s
        for part in _chunks(source, chunk):
            stamps = begin_s + part.timestamps
            # Never earlier than what was pushed before, also where a recording's time runs backwards.
            due_s = max(due_s, start_s + (float(stamps[-1]) - start_s) / speed)
            if not _sleep_until(due_s, stop):
                return pushed
            waiting = _push_truth(truth, waiting, part.timestamps, stamps)
            eeg.push_chunk(part.samples, stamps)
            pushed += len(stamps)
            last_s = float(stamps[-1])
        for left in waiting:
            if truth is not None:
                truth.push_sample([left.text], last_s)
        if not loop:
            break
        begin_s = last_s + 1 / source.description.rate_hz + _LOOP_HOLE_S
    _drain([eeg] if truth is None else [eeg, truth], stop)
    return pushed


def _chunks(source: Source, chunk: int) -> Iterator[Chunk]:
    """Yield the chunks; a gap needs no message, as the stamps say it."""
    return (message for message in source.messages(chunk) if isinstance(message, Chunk))


def _truths(source: Source) -> list[_Truth]:
    truths: list[_Truth] = []
    for annotation in source.annotations:
        if annotation.is_seizure:
            truths.append(_Truth(annotation.onset_s, ONSET))
            truths.append(_Truth(annotation.onset_s + annotation.duration_s, OFFSET))
        else:
            truths.append(_Truth(annotation.onset_s, annotation.text))
    return sorted(truths, key=lambda truth: truth.time_s)


def _push_truth(
    truth: pylsl.StreamOutlet | None, waiting: list[_Truth], times: TimeArray, stamps: TimeArray
) -> list[_Truth]:
    """Push what is true at the samples of this chunk and return what is still to come."""
    if truth is None:
        return []
    while waiting and waiting[0].time_s <= times[-1]:
        at = int(times.searchsorted(waiting[0].time_s))
        truth.push_sample([waiting.pop(0).text], float(stamps[at]))
    return waiting


def _sleep_until(due_s: float, stop: Callable[[], bool]) -> bool:
    """Return True at ``due_s`` of the LSL clock, at once when that is past, or False when asked to stop."""
    while not stop():
        left_s = due_s - pylsl.local_clock()
        if left_s <= 0:
            return True
        time.sleep(min(left_s, _WAKE_S))
    return False


def _drain(outlets: list[pylsl.StreamOutlet], stop: Callable[[], bool]) -> None:
    """Keep the outlets until their consumers have left, for a second at most.

    LSL does not say what has arrived, and an inlet without recovery gives nothing of what it holds once the
    outlet is gone.
    """
    deadline_s = pylsl.local_clock() + _DRAIN_S
    while pylsl.local_clock() < deadline_s and not stop():
        if not any(outlet.have_consumers() for outlet in outlets):
            return
        time.sleep(0.01)


def _eeg_info(description: Description, name: str, source_id: str) -> pylsl.StreamInfo:
    info = pylsl.StreamInfo(name, "EEG", len(description.labels), description.rate_hz, pylsl.cf_float32, source_id)
    info.desc().append_child_value("manufacturer", "seizure-detector simulator")
    channels = info.desc().append_child("channels")
    for label, scale, unit in zip(description.labels, description.scales_uv, description.units, strict=True):
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", unit if scale is None else "microvolts")
        channel.append_child_value("type", "EEG")
    return info


def _truth_info(name: str, source_id: str) -> pylsl.StreamInfo:
    info = pylsl.StreamInfo(f"{name}-truth", "Markers", 1, pylsl.IRREGULAR_RATE, pylsl.cf_string, f"{source_id}:truth")
    info.desc().append_child_value("manufacturer", "seizure-detector simulator")
    return info
