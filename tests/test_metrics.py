"""The figures: named as Prometheus has it, always the same series, true, and nobody's data."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from detector.conditions import PRIORITIES, Kind
from detector.config import Health as HealthConfig
from detector.health import Health, Snapshot
from detector.messages import Cause, Condition, Description, Event, Outcome, State, Status
from detector.metrics import exposition

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]

SECRET = "Jane-Doe-1970"
SOURCE = Description((SECRET,), 256.0, (1.0,), ("uV",), SECRET, SECRET, SECRET, SECRET)


def health() -> Health:
    return Health(HealthConfig(host="127.0.0.1", port=0), SECRET)


def snapshot(status: Status, **changes: Any) -> Snapshot:
    taken = Snapshot(status, 0.1, (), SOURCE, "model-1", "f" * 64, 22, is_ready=True, turned_s=time.monotonic())
    return replace(taken, **changes)


def saying(state: State, cause: Cause | None = None) -> Status:
    return Status(100.0, 0.25, state, cause, 21, 3, 0.125)


def read(one: Health) -> Series:
    found: Series = {}
    for family in text_string_to_metric_families(exposition(one).decode()):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, "each series once"
            found[key] = sample.value
    return found


def value(series: Series, name: str, **labels: str) -> float:
    return series[f"seizure_detector_{name}", frozenset(labels.items())]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("cause", Cause)
def test_exactly_what_is_said_is_1(state: State, cause: Cause) -> None:
    one = health()
    one.update(snapshot(saying(state, cause if state is State.NOT_MONITORING else None)))
    series = read(one)
    for other in State:
        assert value(series, "state", state=other.label) == (other is state)
    for why in Cause:
        expected = state is State.NOT_MONITORING and why is cause
        assert value(series, "not_monitoring", cause=why) == expected


def test_a_loop_that_stands_still_is_not_monitoring_and_its_heartbeat_is_old() -> None:
    one = health()
    one.update(snapshot(saying(State.NON_SEIZURE), turned_s=time.monotonic() - 60))
    series = read(one)
    assert value(series, "state", state="non-seizure") == 0
    assert value(series, "not_monitoring", cause="stale") == 1
    assert value(series, "ready") == 0
    assert value(series, "last_turn_timestamp_seconds") == pytest.approx(time.time() - 60, abs=5)
    assert value(series, "input_age_seconds") == pytest.approx(60.1, abs=5), "it has grown since"


@pytest.mark.parametrize("kind", Kind)
def test_exactly_the_conditions_that_stand_are_active(kind: Kind) -> None:
    one = health()
    standing = Condition(kind, PRIORITIES[kind], SECRET, 1.0, 1, None)
    one.update(snapshot(saying(State.NON_SEIZURE), conditions=(standing,)))
    series = read(one)
    for other, priority in PRIORITIES.items():
        assert value(series, "condition_active", kind=other, priority=priority) == (other is kind)


def test_figures_are_those_of_the_snapshot_and_of_what_was_counted() -> None:
    one = health()
    one.push_event(Event(1, 1.0, 2.0, None, 0.9, Outcome.ONGOING), 2.0)
    one.push_marker("session-reset/gap", 1.0)
    now_s = time.monotonic()
    one.update(snapshot(saying(State.NON_SEIZURE), turned_s=now_s - 0.2))
    one.update(snapshot(saying(State.NON_SEIZURE), turned_s=now_s))
    series = read(one)
    assert value(series, "seizures_total") == 1
    assert value(series, "session_resets_total", reason="gap") == 1
    assert value(series, "session_resets_total", reason="lost") == 0
    assert value(series, "missing_samples_total") == 3
    assert (value(series, "good_derivations"), value(series, "derivations")) == (21, 22)
    assert (value(series, "source_connected"), value(series, "ready")) == (1, 1)
    assert value(series, "turn_seconds_bucket", le="0.1") == 0
    assert value(series, "turn_seconds_bucket", le="0.25") == value(series, "turn_seconds_bucket", le="+Inf") == 1
    assert value(series, "turn_seconds_sum") == pytest.approx(0.2)


def test_samples_that_are_ahead_of_the_clock_have_no_age() -> None:
    one = health()
    one.update(snapshot(saying(State.NON_SEIZURE), input_age_s=-5.0))
    assert value(read(one), "input_age_seconds") == 0


def test_what_is_not_known_is_no_number() -> None:
    assert math.isnan(value(read(health()), "input_age_seconds"))


def test_there_are_always_the_same_series_and_none_of_them_names_anybody() -> None:
    one = health()
    before = read(one).keys()
    one.push_marker("session-reset/gap", 1.0)
    one.push_event(Event(1, 1.0, 2.0, None, 0.9, Outcome.ONGOING, SECRET), 2.0)
    standing = tuple(Condition(kind, PRIORITIES[kind], SECRET, 1.0, 1, None) for kind in Kind)
    one.update(snapshot(saying(State.SEIZURE), conditions=standing))
    after = read(one).keys()
    assert {name for name, _ in after} == {name for name, _ in before}
    assert len(after) == len(before) < 100
    assert SECRET not in exposition(one).decode()


def test_this_process_is_told_truly() -> None:
    series = {name: figure for (name, _), figure in read(health()).items() if name.startswith("process_")}
    me = psutil.Process()
    assert series["process_start_time_seconds"] == pytest.approx(me.create_time(), abs=2)
    assert series["process_resident_memory_bytes"] == pytest.approx(me.memory_info().rss, rel=0.2)
    assert series["process_open_fds"] == pytest.approx(me.num_fds(), abs=2)
    assert series["process_max_fds"] == os.sysconf("SC_OPEN_MAX")
    assert series["process_cpu_seconds_total"] == pytest.approx(sum(me.cpu_times()[:2]), abs=1)


def test_promtool_finds_nothing_wrong_with_the_names(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not here (it is in Debian's package prometheus)")
    done = subprocess.run([promtool, "check", "metrics"], input=exposition(health()), capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
