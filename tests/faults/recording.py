"""What an observer outside of the daemon sees: its outlets, read with nothing but pylsl, and its /proc entry."""

from __future__ import annotations

import json
import math
import threading
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psutil
import pylsl

from detector.messages import State

_VITALS_EVERY_S = 0.25


@dataclass(frozen=True)
class Marker:
    """A text of the events outlet; ``arrived_s`` and ``stamp_s`` are on this machine's LSL clock, here as below."""

    arrived_s: float
    stamp_s: float
    text: str

    @property
    def state(self) -> str:
        """``seizure``, ``non-seizure`` or ``not-monitoring``; empty for any other marker."""
        word = self.text.split("/")[0]
        return word if word in {state.label for state in State} else ""

    @property
    def cause(self) -> str:
        """Why nothing is watched; empty for any other marker."""
        return self.text.partition("/")[2] if self.state == State.NOT_MONITORING.label else ""


@dataclass(frozen=True)
class Sample:
    """A sample of the status outlet."""

    arrived_s: float
    stamp_s: float
    probability: float
    state: State
    good_channels: float
    input_age_s: float
    missing_samples: float
    burden: float


@dataclass(frozen=True)
class Detail:
    """A message of the detail outlet."""

    arrived_s: float
    stamp_s: float
    payload: dict[str, Any]


@dataclass(frozen=True)
class Vitals:
    """What /proc says of the daemon."""

    arrived_s: float
    rss_mb: float
    threads: int
    files: int
    cpu_s: float


_Row = TypeVar("_Row", Marker, Sample, Detail, Vitals)


@dataclass
class Recording:
    """All that was seen, in the order in which it came."""

    markers: list[Marker] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    details: list[Detail] = field(default_factory=list)
    vitals: list[Vitals] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)  # what ended: the process, or an outlet

    def between(self, since_s: float, until_s: float = math.inf) -> Recording:
        """Return the part that came in this time."""
        return Recording(
            _part(self.markers, since_s, until_s),
            _part(self.samples, since_s, until_s),
            _part(self.details, since_s, until_s),
            _part(self.vitals, since_s, until_s),
            self.ended,
        )


def _part(rows: list[_Row], since_s: float, until_s: float) -> list[_Row]:
    first = bisect_left(rows, since_s, key=_arrival)
    return rows[first : bisect_right(rows, until_s, first, key=_arrival)]


def _arrival(row: Marker | Sample | Detail | Vitals) -> float:
    return row.arrived_s


Outlets = dict[str, pylsl.StreamInfo]


def outlets_of(bed: str, within_s: float) -> Outlets:
    """Return the outlets of a bed by their kind; wait for them."""
    deadline_s = pylsl.local_clock() + within_s
    while pylsl.local_clock() < deadline_s:
        found = pylsl.resolve_bypred(f"starts-with(source_id,'seizure-detector:{bed}:')", 3, 2.0)
        outlets = {info.source_id().rpartition(":")[2]: info for info in found}
        if set(outlets) == {"events", "detail", "status"}:
            return outlets
    raise AssertionError(f"bed {bed} does not publish within {within_s:g} s")


class Recorder:
    """Records the daemon of a bed in a thread of its own, from construction until `stop`.

    Parameters
    ----------
    outlets
        What `outlets_of` returned.
    process
        The daemon.
    """

    def __init__(self, outlets: Outlets, process: psutil.Process) -> None:
        self.recording = Recording()
        self._process = process
        self._stopped = threading.Event()
        self._inlets = {kind: pylsl.StreamInlet(info, max_buflen=60, recover=False) for kind, info in outlets.items()}
        for inlet in self._inlets.values():
            inlet.open_stream(timeout=10)
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        looked_s = -math.inf
        while not self._stopped.is_set() and not self.recording.ended:
            try:
                self._pull()
            except pylsl.util.LostError:
                self.recording.ended.append("an outlet")
            if pylsl.local_clock() - looked_s >= _VITALS_EVERY_S:
                looked_s = pylsl.local_clock()
                try:
                    self.recording.vitals.append(self._look(looked_s))
                except psutil.NoSuchProcess:
                    self.recording.ended.append("the process")

    def _pull(self) -> None:
        for kind, timeout_s in (("status", 0.1), ("events", 0.0), ("detail", 0.0)):
            values, stamps = self._inlets[kind].pull_chunk(timeout=timeout_s, max_samples=1 if timeout_s else 1024)
            arrived_s = pylsl.local_clock()
            for value, stamp in zip(values, stamps, strict=True):
                if kind == "status":
                    probability, state, *rest = value
                    self.recording.samples.append(Sample(arrived_s, stamp, probability, State(int(state)), *rest))
                elif kind == "events":
                    self.recording.markers.append(Marker(arrived_s, stamp, value[0]))
                else:
                    self.recording.details.append(Detail(arrived_s, stamp, json.loads(value[0])))

    def _look(self, now_s: float) -> Vitals:
        process = self._process
        with process.oneshot():
            cpu = process.cpu_times()
            rss_mb = process.memory_info().rss / 1e6
            return Vitals(now_s, rss_mb, process.num_threads(), process.num_fds(), cpu.user + cpu.system)
