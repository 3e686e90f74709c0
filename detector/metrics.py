"""The figures of ``/metrics``, named as Prometheus has it (https://prometheus.io/docs/practices/naming/).

The bed is no label of them: what is scraped gets its labels where the scraping is configured. Nothing here names a
stream, a host or a patient, and every label has a few values that are known beforehand.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.registry import Collector

from detector import __version__
from detector.conditions import PRIORITIES
from detector.health import TURN_BOUNDS_S
from detector.messages import Cause, State

if TYPE_CHECKING:
    from detector.health import Counts, Health, Snapshot

__all__ = ["CONTENT_TYPE", "exposition"]

_NAME = "seizure_detector"
_STARTED = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)  # of the machine


def exposition(health: Health) -> bytes:
    """Return all figures as they are now, in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(health))
    return generate_latest(registry)


class _Collector(Collector):
    """Makes the figures out of the last snapshot when it is asked."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterator[Metric]:
        snapshot, turn_age_s = self._health.now()
        yield from _program(snapshot, turn_age_s)
        yield from _watching(snapshot)
        yield from _counted(snapshot, self._health.counts)
        yield from _process()


def _program(snapshot: Snapshot, turn_age_s: float) -> Iterator[Metric]:
    model = {"version": __version__, "model_id": snapshot.model_id, "model_sha256": snapshot.model_sha256}
    yield InfoMetricFamily(f"{_NAME}_build", "Version of the program and the model that is served.", model)
    yield _gauge("ready", "Whether configuration, model, self-test and outlets stand.", snapshot.is_ready)
    yield _gauge(
        "last_turn_timestamp_seconds", "Unix time of the main loop's last turn; it is the heartbeat.",
        time.time() - turn_age_s,
    )  # fmt: skip


def _watching(snapshot: Snapshot) -> Iterator[Metric]:
    status = snapshot.status
    states = _gauge("state", "What is said: 1 for the one that is true.", label="state")
    for state in State:
        states.add_metric([state.label], status.state is state)
    yield states
    causes = _gauge("not_monitoring", "Why nothing is watched: 1 for the one that is true.", label="cause")
    for cause in Cause:
        causes.add_metric([cause], status.cause is cause)
    yield causes
    standing = {condition.kind for condition in snapshot.conditions}
    conditions = GaugeMetricFamily(
        f"{_NAME}_condition_active", "Technical conditions: 1 for those that stand.", labels=["kind", "priority"]
    )
    for kind, priority in PRIORITIES.items():
        conditions.add_metric([kind, priority], kind in standing)
    yield conditions
    yield _gauge("source_connected", "Whether there is a stream.", snapshot.source is not None)
    yield _gauge("input_age_seconds", "Age of the newest sample; NaN before any.", snapshot.input_age_s)
    yield _gauge("good_derivations", "Derivations that can be trusted.", status.good_channels)
    yield _gauge("derivations", "Derivations that the model knows.", snapshot.derivations)


def _counted(snapshot: Snapshot, counts: Counts) -> Iterator[Metric]:
    yield CounterMetricFamily(
        f"{_NAME}_missing_samples", "Samples that were filled or lost.", snapshot.status.missing_samples
    )
    yield CounterMetricFamily(f"{_NAME}_seizures", "Seizures that were declared.", counts.seizures)
    resets = CounterMetricFamily(f"{_NAME}_session_resets", "Sessions that ended, and why.", labels=["reason"])
    for reason, n in counts.resets.items():
        resets.add_metric([reason], n)
    yield resets
    up_to = list(accumulate(list(counts.turns)))  # a copy: the main loop goes on counting
    bounds = [*map(str, TURN_BOUNDS_S), "+Inf"]
    turns = HistogramMetricFamily(f"{_NAME}_turn_seconds", "From one turn of the main loop to the next.")
    turns.add_metric([], list(zip(bounds, up_to, strict=True)), counts.turns_s)
    yield turns


def _process() -> Iterator[Metric]:
    """Yield the figures that every program gives (the library's own need /proc/stat, which a hardened unit hides)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    for name, text, value in (
        ("start_time_seconds", "Unix time of this process's start.", _started()),
        ("resident_memory_bytes", "Memory in use.", pages * resource.getpagesize()),
        ("open_fds", "Open file descriptors.", sum(1 for _ in Path("/proc/self/fd").iterdir())),
        ("max_fds", "Most of them that there may be.", resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
    ):
        yield GaugeMetricFamily(f"process_{name}", text, value)
    yield CounterMetricFamily("process_cpu_seconds", "Processor time used.", time.process_time())


def _started() -> float:
    ticks = int(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    return _STARTED + ticks / os.sysconf("SC_CLK_TCK")


def _gauge(name: str, text: str, value: float | None = None, label: str | None = None) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{_NAME}_{name}", text, value, labels=None if label is None else [label])
