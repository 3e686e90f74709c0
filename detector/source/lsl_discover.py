"""The LSL streams in reach, and why one would or would not do as a source."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pylsl
from pylsl.util import InternalError, LostError
from pylsl.util import TimeoutError as LslTimeoutError
from rich.table import Table
from rich.text import Text

from detector.errors import BadDataError
from detector.messages import Description
from detector.source.lsl_describe import MAX_CHANNELS, describe, printable

INFO_TIMEOUT_S = 5.0
CLOCK_TIMEOUT_S = 2.0
MEASURE_S = 1.0
# Some amplifiers send once a second.
SILENT_AFTER_S = 3.0
MAX_THREADS = 32

_FORMATS = {
    pylsl.cf_float32: "float32",
    pylsl.cf_double64: "double64",
    pylsl.cf_string: "string",
    pylsl.cf_int8: "int8",
    pylsl.cf_int16: "int16",
    pylsl.cf_int32: "int32",
    pylsl.cf_int64: "int64",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A stream in reach. All texts are safe to show.

    Parameters
    ----------
    name, type, source_id, hostname
        As the stream announces itself.
    rate_hz
        Nominal rate; 0 where it is irregular.
    measured_rate_hz
        Samples that came per second during about one second (0 for a silent stream); ``None`` where it was not
        measured: irregular or not numeric.
    n_channels
        Number of channels.
    format
        For instance ``"float32"``.
    description
        Labels and units; ``None`` where they could not be read.
    problem
        Why the stream can be no source whatever the montage; empty where it can.
    uid
        What tells this stream from another one that says the same of itself.
    correction_s
        Seconds to be added to its stamps to have this machine's LSL clock; ``None`` where it was not measured.
    """

    name: str
    type: str
    source_id: str
    hostname: str
    rate_hz: float
    measured_rate_hz: float | None
    n_channels: int
    format: str
    description: Description | None
    problem: str
    uid: str
    correction_s: float | None


def discover(timeout_s: float) -> list[Found]:
    """Look for streams, ask each for its metadata and measure its rate, all at the same time.

    Takes ``timeout_s`` and about a second more; 3 s more where a stream is silent, `CLOCK_TIMEOUT_S` more where a clock
    cannot be measured, and `INFO_TIMEOUT_S` more where one does not answer.
    A stream that lies, breaks or goes away meanwhile is in the list with its problem.

    Parameters
    ----------
    timeout_s
        How long streams have to show up, in seconds.

    Returns
    -------
    list of Found
        By name, then source_id.
    """
    infos = pylsl.resolve_streams(wait_time=timeout_s)
    if not infos:
        return []
    with ThreadPoolExecutor(max_workers=min(MAX_THREADS, len(infos))) as pool:
        found = list(pool.map(_examine, infos))
    return sorted(found, key=lambda one: (one.name, one.source_id))


def table(found: list[Found], fits: Callable[[Description], str]) -> Table:
    """Return the streams as a table, one row each.

    Parameters
    ----------
    found
        What `discover` returned.
    fits
        Returns why a stream with this description does not fit the montage, or an empty string where it fits.
    """
    shown = Table(title=f"{len(found)} LSL streams in reach", title_justify="left", show_lines=True)
    shown.add_column("name, type, source_id, host", overflow="fold")
    shown.add_column("rate (Hz)", justify="right")
    shown.add_column("channels")
    shown.add_column("fits", overflow="fold")
    for one in found:
        why_not = reason(one, fits)
        shown.add_row(
            Text(f"{one.name}\n{one.type}\n{one.source_id or '(no source_id)'}\n{one.hostname}"),
            Text(_rates(one)),
            Text(f"{one.n_channels} {one.format}\n{_units(one)}"),
            Text(f"no: {why_not}", "yellow") if why_not else Text("yes", "bold green"),
        )
    return shown


def reason(one: Found, fits: Callable[[Description], str]) -> str:
    """Return why a stream does not fit, or an empty string where it fits."""
    if one.problem:
        return one.problem
    return fits(one.description) if one.description else "its metadata could not be read"


def _examine(info: pylsl.StreamInfo) -> Found:
    form = _FORMATS.get(info.channel_format(), "unknown")
    rate_hz, n_channels = info.nominal_srate(), info.channel_count()
    measured_rate_hz: float | None = None
    correction_s: float | None = None
    description: Description | None = None
    problem = ""
    try:
        # Before anything is allocated for that many channels.
        if n_channels > MAX_CHANNELS:
            raise BadDataError(f"it has {n_channels} channels: at most {MAX_CHANNELS} can be read")
        inlet = pylsl.StreamInlet(info, max_buflen=10, recover=False, as_numpy=True)
        description = describe(inlet.info(timeout=INFO_TIMEOUT_S))
        correction_s = _correction(inlet)
        if form in ("string", "unknown"):
            problem = "it carries text, not numbers" if form == "string" else "it carries no format that LSL knows"
        elif not rate_hz > 0:
            problem = "its rate is irregular: EEG comes at a regular one"
        else:
            measured_rate_hz = _measure(inlet)
            problem = "" if measured_rate_hz > 0 else f"it is silent: nothing came in {SILENT_AFTER_S:g} s"
    except BadDataError as error:
        problem = str(error)
    except LslTimeoutError:
        problem = f"it did not tell its metadata within {INFO_TIMEOUT_S:g} s"
    except (LostError, InternalError):
        problem = "it went away while it was asked"
    return Found(
        name=printable(info.name()),
        type=printable(info.type()),
        source_id=printable(info.source_id()),
        hostname=printable(info.hostname()),
        rate_hz=rate_hz,
        measured_rate_hz=measured_rate_hz,
        n_channels=n_channels,
        format=form,
        description=description,
        problem=problem,
        uid=printable(info.uid()),
        correction_s=correction_s,
    )


def _correction(inlet: pylsl.StreamInlet) -> float | None:
    try:
        return float(inlet.time_correction(timeout=CLOCK_TIMEOUT_S))
    except LslTimeoutError:
        return None


def _measure(inlet: pylsl.StreamInlet) -> float:
    """Count the samples after the first ones; by this machine's monotonic clock, as the stamps may be anything.

    What came in one go counts from its end: n arrivals after the first one took the time from there to the last.
    """
    deadline_s = time.monotonic() + SILENT_AFTER_S
    first_s = last_s = 0.0
    n = 0
    while time.monotonic() < deadline_s and (n == 0 or time.monotonic() < first_s + MEASURE_S):
        _, stamps = inlet.pull_chunk(timeout=0.1, min_samples=1, max_samples=4096)
        if len(stamps) == 0:
            continue
        last_s = time.monotonic()
        if not first_s:
            first_s = last_s
        else:
            n += len(stamps)
    return n / (last_s - first_s) if n else 0.0


def _rates(one: Found) -> str:
    nominal = f"{one.rate_hz:g}" if one.rate_hz > 0 else "irregular"
    return nominal if one.measured_rate_hz is None else f"{nominal}\nmeasured {one.measured_rate_hz:.1f}"


def _units(one: Found) -> str:
    units = dict.fromkeys(one.description.units) if one.description else {}
    return ", ".join(unit or "no unit" for unit in list(units)[:3]) + (", ..." if len(units) > 3 else "")
