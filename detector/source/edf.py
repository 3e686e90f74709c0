"""EDF and BDF files, also the discontinuous ones, read piece by piece (https://www.edfplus.info/specs/)."""

from __future__ import annotations

import itertools
import logging
import re
import warnings
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from edfio import Bdf, BdfSignal, Edf, EdfSignal, read_bdf, read_edf

from detector.errors import BadDataError
from detector.messages import Description, FloatArray, TimeArray
from detector.source.recording import Annotation, Recording, Run, read_events, scales_to_microvolts
from detector.units import microvolts_per

log = logging.getLogger(__name__)

_MAGIC = {".edf": b"0       ", ".bdf": b"\xffBIOSEMI"}
_SAMPLE_BYTES = {".edf": 2, ".bdf": 3}
# A record's first annotation is empty; its onset is the record's own (EDF+ specification, 2.2.4).
_TIMEKEEPING = re.compile(rb"([+-]\d+(?:\.\d*)?)(?:\x15[\d.]*)?\x14")


@dataclass(frozen=True, slots=True)
class _Header:
    """The part of the header that says how long the file should be and where its records' times are."""

    n_bytes: int
    n_records: int
    record_s: float
    discontinuous: bool
    labels: tuple[str, ...]
    record_samples: tuple[int, ...]


def open_edf(path: Path, unit: str | None) -> Recording:
    """Open an EDF or BDF file; see `detector.source.recording.open_recording`.

    EDF signals stay on disk until they are walked; edfio holds those of BDF in memory, as int32.
    """
    header = _read_header(path)
    with warnings.catch_warnings():
        # edfio warns of what is refused or logged here, with what came and what was promised.
        warnings.simplefilter("ignore")
        try:
            file = read_bdf(path, header_encoding="latin-1") if path.suffix.lower() == ".bdf" else _lazy(path)
            n_records = file.num_data_records
            annotations = file.annotations
            start = _start(file)
            ranges = [(s.physical_min, s.physical_max, s.digital_min, s.digital_max) for s in file.signals]
            rates_hz = [float(signal.sampling_frequency) for signal in file.signals]
        except Exception as error:  # over a broken header edfio stumbles in any way at all
            raise BadDataError(f"{path} cannot be read as {_format(path)}: {error}") from error
    _check_length(path, header, n_records)
    if not np.isfinite([*itertools.chain(*ranges), *rates_hz]).all() or not all(rate_hz > 0 for rate_hz in rates_hz):
        raise BadDataError(f"{path} has ranges or rates that are no numbers, expected those of {_format(path)}")
    signals = _same_rate(path, file.signals)
    rate_hz = float(signals[0].sampling_frequency)
    labels = tuple(_text(signal.label) for signal in signals)
    units = tuple(_text(signal.physical_dimension) for signal in signals)
    scales = list(scales_to_microvolts(path, labels, units, unit))
    for i, signal in enumerate(signals):
        if signal.physical_min == signal.physical_max or signal.digital_min == signal.digital_max:
            log.warning("%s: channel %r is not calibrated (its range is empty)", path, labels[i])
            scales[i] = None
    reader = _Reader(tuple(signals), rate_hz, tuple(scales))
    onsets_s = _record_onsets_s(path, header, n_records)
    runs, starts_s = _runs(onsets_s, signals[0].samples_per_data_record, rate_hz)
    firsts = np.array([run.first for run in runs])

    def times(first: int, stop: int) -> TimeArray:
        at = int(np.searchsorted(firsts, first, side="right")) - 1
        index: TimeArray = np.arange(first - firsts[at], stop - firsts[at], dtype=np.float64)
        return starts_s[at] + index / rate_hz

    return Recording(
        description=Description(labels, rate_hz, tuple(scales), units),
        duration_s=float(np.max(onsets_s)) + header.record_s,
        start=start,
        annotations=tuple(
            sorted(
                (*(Annotation(a.onset, a.duration or 0.0, a.text) for a in annotations), *read_events(path)),
                key=lambda annotation: annotation.onset_s,
            )
        ),
        runs=runs,
        read=reader.read,
        times=times,
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    signals: tuple[EdfSignal | BdfSignal, ...]
    rate_hz: float
    scales_uv: tuple[float | None, ...]

    def read(self, first: int, stop: int) -> FloatArray:
        """Return stored samples first to stop: (stop - first, n_channels), float32 µV."""
        samples = np.full((stop - first, len(self.signals)), np.nan, np.float32)
        for i, (signal, scale) in enumerate(zip(self.signals, self.scales_uv, strict=True)):
            if scale is None:
                continue
            digital = signal.get_digital_slice(first / self.rate_hz, stop / self.rate_hz)
            gain = (signal.physical_max - signal.physical_min) / (signal.digital_max - signal.digital_min)
            # In float64 up to here: a gain rounded to float32 would be off by 6e-8 of the full range.
            microvolts: TimeArray = np.multiply(digital, gain * scale, dtype=np.float64)
            microvolts += (signal.physical_min - signal.digital_min * gain) * scale
            samples[:, i] = microvolts
        return samples


def _lazy(path: Path) -> Edf:
    return read_edf(path, lazy_load_data=True, header_encoding="latin-1")


def _read_header(path: Path) -> _Header:
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        fixed = file.read(256)
        if len(fixed) < 256:
            raise BadDataError(f"{path} has {len(fixed)} bytes, expected a header of {_format(path)}, 256 or more")
        if not fixed.startswith(_MAGIC[suffix]):
            raise BadDataError(f"{path} begins with {fixed[:8]!r}, expected {_MAGIC[suffix]!r} of {_format(path)}")
        try:
            n_signals = int(fixed[252:256])
            n_bytes, n_records, record_s = int(fixed[184:192]), int(fixed[236:244]), float(fixed[244:252])
        except ValueError as error:
            raise BadDataError(f"{path} has a header that is not {_format(path)}: {error}") from error
        fields = file.read(256 * n_signals) if n_signals > 0 else b""
    if not fields or len(fields) < 256 * n_signals or n_bytes != 256 * (n_signals + 1):
        raise BadDataError(
            f"{path} has {256 + len(fields)} bytes of header for {n_signals} signals, "
            f"expected {256 * (n_signals + 1)} and at least 1 signal"
        )
    try:
        counts = fields[216 * n_signals : 224 * n_signals]
        record_samples = tuple(int(counts[8 * i : 8 * i + 8]) for i in range(n_signals))
    except ValueError as error:
        raise BadDataError(f"{path} does not say how many samples its records have: {error}") from error
    labels = tuple(fields[16 * i : 16 * i + 16].decode("latin-1").strip() for i in range(n_signals))
    return _Header(n_bytes, n_records, record_s, fixed[196:197] == b"D", labels, record_samples)


def _check_length(path: Path, header: _Header, n_records: int) -> None:
    if n_records < header.n_records:
        there_s, promised_s = n_records * header.record_s, header.n_records * header.record_s
        raise BadDataError(
            f"{path} is truncated: {there_s:g} of {promised_s:g} s are there ({n_records} of {header.n_records} "
            "data records), expected all that its header promises"
        )
    if n_records == 0 or header.record_s <= 0:
        raise BadDataError(f"{path} has {n_records} data records of {header.record_s:g} s, expected samples")
    if n_records > header.n_records:
        log.warning("%s: the header promises %d records, %d are there", path, header.n_records, n_records)


def _same_rate(path: Path, signals: tuple[EdfSignal | BdfSignal, ...]) -> list[EdfSignal | BdfSignal]:
    """Return the signals that have the rate of most voltages; a stream has one rate."""
    if not signals:
        raise BadDataError(f"{path} has annotations only, expected at least one signal")
    voltages = [s for s in signals if microvolts_per(_text(s.physical_dimension)) is not None] or signals
    counts = Counter(signal.sampling_frequency for signal in voltages)
    rate_hz = max(counts, key=lambda rate: (counts[rate], rate))
    for signal in signals:
        if signal.sampling_frequency != rate_hz:
            log.info("%s: %r has %g Hz, not %g: left out", path, signal.label, signal.sampling_frequency, rate_hz)
    return [signal for signal in signals if signal.sampling_frequency == rate_hz]


def _record_onsets_s(path: Path, header: _Header, n_records: int) -> TimeArray:
    """Return each data record's time from the first one: (n_records,), float64 s."""
    regular: TimeArray = np.arange(n_records, dtype=np.float64) * header.record_s
    kind = f"{_format(path)} Annotations"
    if kind not in header.labels:
        return regular
    width = _SAMPLE_BYTES[path.suffix.lower()]
    at = header.labels.index(kind)
    record_bytes = sum(header.record_samples) * width
    begin = sum(header.record_samples[:at]) * width
    records = np.memmap(path, np.uint8, mode="r", offset=header.n_bytes, shape=(n_records, record_bytes))[
        :, begin : begin + header.record_samples[at] * width
    ]
    found = [_TIMEKEEPING.match(record.tobytes()) for record in records]
    onsets_s: TimeArray = np.array([float(match[1]) if match else np.nan for match in found])
    if np.isnan(onsets_s).any():
        if header.discontinuous:
            bad = int(np.flatnonzero(np.isnan(onsets_s))[0])
            raise BadDataError(f"{path}: data record {bad} does not say its time, as {_format(path)}+D must")
        return regular
    shifted: TimeArray = onsets_s - onsets_s[0]
    return shifted


def _runs(onsets_s: TimeArray, record_samples: int, rate_hz: float) -> tuple[tuple[Run, ...], list[float]]:
    """Return the continuous stretches of records and when each starts."""
    missing = np.rint((np.diff(onsets_s) - record_samples / rate_hz) * rate_hz).astype(int)
    breaks = [0, *(int(i) + 1 for i in np.flatnonzero(missing)), len(onsets_s)]
    runs = tuple(
        Run(a * record_samples, b * record_samples, int(missing[a - 1]) if a else 0)
        for a, b in itertools.pairwise(breaks)
    )
    return runs, [float(onsets_s[a]) for a in breaks[:-1]]


def _start(file: Edf | Bdf) -> datetime | None:
    try:
        return file.startdatetime
    except ValueError:  # an anonymised date
        return None


def _text(field: str) -> str:
    """Return a header field that was read as Latin-1 but may be UTF-8."""
    try:
        return field.encode("latin-1").decode("utf-8").strip()
    except UnicodeDecodeError:
        return field.strip()


def _format(path: Path) -> str:
    return path.suffix.lower().removeprefix(".").upper()
