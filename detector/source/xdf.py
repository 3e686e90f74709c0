"""XDF files: the one EEG stream, its gaps and clock resets, and the marker streams beside it.

pyxdf brings the stamps of all streams to the recorder's clock, which also mends clock resets. Its removal
of jitter is not used: it draws one line through everything that is not a break of at least a second *and*
500 samples, and so hides shorter gaps. Gaps are found here instead.
"""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyxdf

from detector.errors import BadDataError, DetectorError
from detector.messages import Description, FloatArray, TimeArray
from detector.source.recording import (
    MAX_FILLED_SAMPLES,
    Annotation,
    Recording,
    Run,
    read_events,
    scales_to_microvolts,
)

log = logging.getLogger(__name__)
logging.getLogger("pyxdf").setLevel(logging.ERROR)  # what matters of what it says is checked and told here

_JITTER_S = 1.0  # how long the stamps may need to catch up after a late one
_OWN_STREAMS = "seizure-detector:"  # what we said ourselves is a hypothesis, no reference

_Stream = dict[str, Any]


def open_xdf(path: Path, unit: str | None) -> Recording:
    """Open the EEG stream of an XDF file; see `detector.source.recording.open_recording`."""
    _check_chunks(path)
    try:
        return _opened(path, unit)
    except DetectorError:
        raise
    except Exception as error:  # its texts and counts may be anything, and pyxdf believes them
        raise BadDataError(f"{path} cannot be read as XDF: {error!r:.200}") from error


def _opened(path: Path, unit: str | None) -> Recording:
    infos = pyxdf.resolve_streams(str(path))
    wanted = [i["stream_id"] for i in infos if _is_regular(i) or i["channel_format"] == "string"]
    if not wanted:
        raise BadDataError(f"{path} has no EEG stream; it has {_listed(infos)}")
    streams, file_header = pyxdf.load_xdf(str(path), select_streams=wanted, dejitter_timestamps=False)
    stream = _eeg_stream(path, streams, infos)
    stamps: TimeArray = np.asarray(stream["time_stamps"], dtype=np.float64)
    _check_count(path, stream, len(stamps))
    rate_hz = float(_field(stream, "nominal_srate"))
    if not np.isfinite(stamps).all():
        raise BadDataError(
            f"{path} has {np.count_nonzero(~np.isfinite(stamps))} stamps that are no times, expected none"
        )
    labels, units = _channels(stream)
    scales = scales_to_microvolts(path, labels, units, unit)
    factors = np.array([np.nan if scale is None else scale for scale in scales])
    begin = float(stamps[0])
    runs = find_runs(stamps, rate_hz)
    seconds = stamps - begin
    for run in runs:
        # Jitter may swap neighbouring stamps; within a run, time does not go back.
        seconds[run.first : run.stop] = np.maximum.accumulate(seconds[run.first : run.stop])

    def read(first: int, stop: int) -> FloatArray:
        samples: FloatArray = (stream["time_series"][first:stop] * factors).astype(np.float32)
        return samples

    markers = [a for s in streams if s is not stream for a in _annotations(s, begin)]
    return Recording(
        description=Description(
            labels,
            rate_hz,
            scales,
            units,
            name=_field(stream, "name"),
            source_id=_field(stream, "source_id"),
            uid=_field(stream, "uid"),
            hostname=_field(stream, "hostname"),
        ),
        duration_s=float(seconds.max()) + 1 / rate_hz,
        start=_start(file_header),
        annotations=tuple(sorted((*markers, *read_events(path)), key=lambda a: a.onset_s)),
        runs=runs,
        read=read,
        times=lambda first, stop: seconds[first:stop],
    )


def find_runs(stamps: TimeArray, rate_hz: float) -> tuple[Run, ...]:
    """Find where samples are not there, in stamps that have jitter.

    A stamp can only be late, so what the stamps say is the lower envelope of ``stamp - index * interval``;
    where that rises for good, samples are not there, and where it only rises until the stamps have caught
    up, they are.

    Parameters
    ----------
    stamps
        (n_samples,), float64 s, n_samples >= 1.
    rate_hz
        Nominal rate; the interval is measured, as the effective rate may be another (7 % in a real
        recording).
    """
    n = len(stamps)
    width = max(2, round(_JITTER_S * rate_hz))
    lag = min(width, n - 1)
    interval_s = float(np.median(stamps[lag:] - stamps[:-lag])) / lag if lag else 1 / rate_hz
    if not 0.5 < interval_s * rate_hz < 2:
        log.warning("the stamps are %g s apart, at %g Hz nominal; using the latter", interval_s, rate_hz)
        interval_s = 1 / rate_hz
    late_s = stamps - np.arange(n) * interval_s
    steps_s = np.diff(stamps)
    jumps = np.append(np.flatnonzero(np.abs(steps_s - interval_s) > _JITTER_S) + 1, n)
    runs: list[Run] = []
    first, missing, gap_at = 0, 0, 0
    for i in np.flatnonzero((steps_s > 1.5 * interval_s) | (steps_s < -0.5 * interval_s)) + 1:
        before_s = late_s[max(gap_at, i - width) : i].min()
        after_s = late_s[i : min(i + width, jumps[np.searchsorted(jumps, i, side="right")])].min()
        lost = round(float(after_s - before_s) / interval_s)
        if steps_s[i - 1] > 0:
            lost = min(lost, round(steps_s[i - 1] / interval_s) - 1)
        if -MAX_FILLED_SAMPLES <= lost <= 0:
            continue
        runs.append(Run(first, int(i), missing))
        first, missing = int(i), lost
        if lost > MAX_FILLED_SAMPLES or lost < 0:
            gap_at = int(i)
        else:
            late_s[i:] -= lost * interval_s
    runs.append(Run(first, n, missing))
    return tuple(runs)


def _check_chunks(path: Path) -> None:
    """Refuse a file that does not begin or does not end as its chunks say."""
    size = path.stat().st_size
    with path.open("rb") as file:
        magic = file.read(4)
        if magic != b"XDF:":
            raise BadDataError(f"{path} begins with {magic!r}, expected b'XDF:'")
        at = 4
        while at < size:
            width = file.read(1)[0]
            length = file.read(width) if width in {1, 4, 8} else b""
            stop = at + 1 + width + int.from_bytes(length, "little")
            if not length or len(length) < width or stop > size:
                raise BadDataError(
                    f"{path} is truncated or damaged: {at} of {size} bytes are whole chunks, "
                    "expected chunks up to the end"
                )
            file.seek(stop)
            at = stop


def _eeg_stream(path: Path, streams: list[_Stream], infos: list[dict[str, Any]]) -> _Stream:
    """Return the stream of type EEG, else the only numeric and regular one that names its channels."""
    regular = [s for s in streams if _field(s, "channel_format") != "string" and len(s["time_stamps"])]
    found = [s for s in regular if _field(s, "type").casefold() == "eeg"]
    found = found or [s for s in regular if any(_text(channel, "label") for channel in _channel_list(s))]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(f"{_field(s, 'name')!r} ({_field(s, 'channel_count')} channels)" for s in found)
        raise BadDataError(f"{path} has {len(found)} EEG streams: {names}; expected one")
    raise BadDataError(
        f"{path} has no EEG stream; it has {_listed(infos)}, expected one with samples, numbers, a regular "
        "rate and the type EEG or channel labels"
    )


def _is_regular(info: dict[str, Any]) -> bool:
    return bool(info["channel_format"] != "string" and info["nominal_srate"] > 0)


def _listed(infos: list[dict[str, Any]]) -> str:
    if not infos:
        return "no stream at all"
    return ", ".join(
        f"{i['name']!r} (type {i['type']!r}, {i['channel_format']}, {i['nominal_srate']:g} Hz)" for i in infos
    )


def _check_count(path: Path, stream: _Stream, count: int) -> None:
    footers = stream.get("footer", {}).get("info", {}).get("sample_count", [])
    if not footers:
        log.warning("%s: the recorder was stopped before it wrote the stream's footer", path)
    elif count < int(footers[0]):
        raise BadDataError(f"{path} has {count} of the {footers[0]} samples that its footer promises")


def _field(stream: _Stream, name: str) -> str:
    values = stream["info"].get(name) or [""]
    return str(values[0] or "")


def _channel_list(stream: _Stream) -> list[dict[str, Any]]:
    desc = (stream["info"].get("desc") or [None])[0]
    channels = (desc.get("channels") or [None])[0] if isinstance(desc, dict) else None
    found = channels.get("channel", []) if isinstance(channels, dict) else []
    return [channel for channel in found if isinstance(channel, dict)]


def _text(channel: dict[str, Any], name: str) -> str:
    return str((channel.get(name) or [""])[0] or "").strip()


def _channels(stream: _Stream) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return labels and units; channels that nobody described get their number and no unit."""
    count = int(_field(stream, "channel_count"))
    listed = _channel_list(stream)
    listed = listed if len(listed) == count else [{}] * count
    labels = tuple(_text(channel, "label") or str(i) for i, channel in enumerate(listed, start=1))
    return labels, tuple(_text(channel, "unit") for channel in listed)


def _annotations(stream: _Stream, begin: float) -> list[Annotation]:
    """Return the texts of a marker stream; a ``seizure/onset`` and its ``seizure/offset`` are one seizure."""
    if _field(stream, "channel_format") != "string" or _field(stream, "source_id").startswith(_OWN_STREAMS):
        return []
    annotations: list[Annotation] = []
    onset_s: float | None = None
    for stamp, values in zip(stream["time_stamps"], stream["time_series"], strict=True):
        time_s, text = float(stamp) - begin, "/".join(values)
        if text == "seizure/onset":
            onset_s = time_s
        elif text == "seizure/offset" and onset_s is not None:
            annotations.append(Annotation(onset_s, time_s - onset_s, "seizure"))
            onset_s = None
        else:
            annotations.append(Annotation(time_s, 0.0, text))
    if onset_s is not None:
        annotations.append(Annotation(onset_s, 0.0, "seizure"))
    return annotations


def _start(file_header: dict[str, Any]) -> datetime | None:
    texts = file_header["info"].get("datetime") or [""]
    try:
        return datetime.fromisoformat(texts[0])
    except ValueError:
        return None
