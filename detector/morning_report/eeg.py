"""The EEG around an event, from its clip, and how good each channel was in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detector.conditioning.quality import QualityConfig
from detector.errors import BadDataError, DetectorError, MissingInputError
from detector.messages import BoolArray, FloatArray, TimeArray
from detector.sinks.clips_place import ClipName, clips_in
from detector.source.recording import Recording, open_recording

BEFORE_S, AFTER_S = 10.0, 20.0
BAND_HZ = (0.5, 35.0)  # what is shown; the clip itself has all
_ONSET = "detected onset"


@dataclass(frozen=True)
class ChannelQuality:
    """A channel in a clip: shares of its seconds, 0 to 1, and the median peak-to-peak amplitude of a second, µV."""

    label: str
    flat: float
    huge: float
    median_uv: float


@dataclass(frozen=True)
class Eeg:
    """What is shown of a clip.

    Parameters
    ----------
    file
        The clip's name.
    labels
        Of the channels.
    times
        (n_samples,), float64 s from the onset.
    samples
        (n_samples, n_channels), float32 µV, filtered to `BAND_HZ`.
    gaps
        (start, end) of what was not received, s from the onset.
    quality
        Of each channel over the whole clip, without what was not received.
    length_s
        Of the whole clip.
    """

    file: str
    labels: tuple[str, ...]
    times: TimeArray
    samples: FloatArray
    gaps: tuple[tuple[float, float], ...]
    quality: tuple[ChannelQuality, ...]
    length_s: float


def clips_of(folder: Path | None) -> tuple[tuple[ClipName, Path], ...]:
    """Return a bed's clips; none where it has no folder.

    Raises
    ------
    MissingInputError
        The folder cannot be read.
    """
    if folder is None:
        return ()
    try:
        return tuple(clips_in(folder))
    except OSError as error:
        raise MissingInputError(f"cannot read the clips in {folder}: {error.strerror}") from error


def eeg_of(event_id: str, clips: tuple[tuple[ClipName, Path], ...]) -> Eeg | str:
    """Return the EEG around an event's onset, or why there is none."""
    found = [path for name, path in clips if event_id and name.event_id == event_id]
    if not found:
        return "there is no clip of it"
    path = found[0]  # the part that has the onset
    try:
        return read_eeg(path)
    except DetectorError as error:
        return f"its clip cannot be shown: {error}"


def read_eeg(path: Path) -> Eeg:
    """Read what is shown of a clip.

    Raises
    ------
    DetectorError
        The clip cannot be read, or has no onset.
    """
    recording = open_recording(path)
    onset_s = next((mark.onset_s for mark in recording.annotations if mark.text == _ONSET), None)
    if onset_s is None:
        raise BadDataError(f"{path.name} does not have the onset")
    channels = [i for i, scale in enumerate(recording.description.scales_uv) if scale is not None]
    if not channels:
        raise BadDataError(f"{path.name} has no channel whose unit is known")
    labels = tuple(recording.description.labels[i] for i in channels)
    n = recording.runs[-1].stop
    samples = recording.read(0, n)[:, channels]
    times = recording.times(0, n)
    gaps = [
        (mark.onset_s, mark.onset_s + mark.duration_s) for mark in recording.annotations if mark.text.startswith("BAD")
    ]
    received = np.ones(n, bool)
    for start_s, end_s in gaps:
        received[(times >= start_s) & (times < end_s)] = False
    shown = (times >= onset_s - BEFORE_S) & (times <= onset_s + AFTER_S)
    return Eeg(
        path.name,
        labels,
        times[shown] - onset_s,
        _filtered(samples, recording)[shown],
        tuple((start_s - onset_s, end_s - onset_s) for start_s, end_s in gaps),
        _quality(labels, samples, received, recording.description.rate_hz),
        recording.duration_s,
    )


def _filtered(samples: FloatArray, recording: Recording) -> FloatArray:
    from scipy.signal import butter, sosfiltfilt

    sections = butter(2, BAND_HZ, "bandpass", fs=recording.description.rate_hz, output="sos")
    if len(samples) < recording.description.rate_hz:
        raise BadDataError(f"there is less than a second of EEG, {len(samples)} samples")
    filtered: FloatArray = sosfiltfilt(sections, samples.astype(np.float64), axis=0).astype(np.float32)
    return filtered


def _quality(
    labels: tuple[str, ...], samples: FloatArray, received: BoolArray, rate_hz: float
) -> tuple[ChannelQuality, ...]:
    """Judge whole seconds by the limits of the quality stage, which judges derivations; these are channels."""
    limits = QualityConfig(rate_hz, len(labels))
    size = round(rate_hz)
    n = len(samples) // size
    seconds = samples[: n * size].reshape(n, size, len(labels))
    seconds = seconds[received[: n * size].reshape(n, size).all(axis=1)]
    if not len(seconds):
        return ()
    ranges = np.ptp(seconds, axis=1)  # (n_seconds, n_channels)
    return tuple(
        ChannelQuality(
            label,
            float(np.mean(ranges[:, i] < limits.flat_uv)),
            float(np.mean(ranges[:, i] > limits.huge_uv)),
            float(np.median(ranges[:, i])),
        )
        for i, label in enumerate(labels)
    )
