"""Contract v1 as somebody else's program sees it, and what is never sent."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pylsl
import pytest

from detector.errors import ConfigError
from detector.messages import Outcome, State
from detector.sinks.identity import OutletIdentity
from detector.sinks.lsl import FUTURE_S, SETTINGS_S, LslOutlets
from tests.client.lsl_publisher import identity, publisher, status

ROOT = Path(__file__).parents[2]


@contextmanager
def opened(config: OutletIdentity) -> Iterator[LslOutlets]:
    outlets = LslOutlets(config)
    try:
        yield outlets
    finally:
        outlets.close()


def reader(name: str) -> pylsl.StreamInlet:
    """Subscribe to a stream by its name; what is pushed from here on arrives."""
    infos = pylsl.resolve_byprop("name", name, minimum=1, timeout=10)
    assert len(infos) == 1, f"{len(infos)} streams called {name}"
    inlet = pylsl.StreamInlet(infos[0], recover=False)
    inlet.open_stream(timeout=10)
    return inlet


def pulled(inlet: pylsl.StreamInlet, n: int) -> list[tuple[list[Any], float]]:
    """Return exactly ``n`` samples, and make sure that no more come at once."""
    got: list[tuple[list[Any], float]] = []
    deadline_s = time.monotonic() + 10
    while len(got) < n and time.monotonic() < deadline_s:
        samples, stamps = inlet.pull_chunk(timeout=0.2, min_samples=1, max_samples=256)
        got.extend(zip(samples, stamps, strict=True))
    samples, stamps = inlet.pull_chunk(timeout=0.05)
    got.extend(zip(samples, stamps, strict=True))
    assert len(got) == n
    return got


CONTRACT = [
    ("events", "Markers", "string", 0.0, [("event", "none")]),
    (
        "status",
        "Probability",
        "float32",
        10.0,
        [
            ("probability", "none"),
            ("state", "none"),
            ("good_channels", "count"),
            ("input_age", "seconds"),
            ("missing_samples", "count"),
            ("burden", "none"),
        ],
    ),
    ("detail", "Metadata", "string", 0.0, [("detail", "none")]),
    ("codes", "Markers", "int32", 0.0, [("state", "none")]),
]


@pytest.mark.parametrize(("kind", "type_", "form", "rate_hz", "channels"), CONTRACT)
def test_a_stranger_sees_contract_v1(
    kind: str, type_: str, form: str, rate_hz: float, channels: list[tuple[str, str]]
) -> None:
    with publisher("contract"):
        info = reader(f"contract-{kind}").info(timeout=10)
    assert info.source_id() == f"seizure-detector:contract:{kind}"
    assert info.type() == type_
    assert info.channel_format() == getattr(pylsl, f"cf_{form}")
    assert info.nominal_srate() == pytest.approx(rate_hz)
    assert info.channel_count() == len(channels)
    desc = info.desc()
    assert list(zip(info.get_channel_labels(), info.get_channel_units(), strict=True)) == channels
    assert desc.child_value("contract_version") == "1"
    assert desc.child_value("manufacturer") == "seizure-detector"
    assert desc.child("model").child_value("id") == "chb-lstm-2"
    assert desc.child("model").child_value("sha256") == "ab" * 32
    assert desc.child("montage").child_value("name") == "chb-mit-22"
    assert desc.child("source").child_value("name") == "amp?[31m-7"
    assert desc.child("source").child_value("source_id") == "amp-7-id"
    assert desc.child("source").child_value("hostname") == "bedside-pc"
    assert float(desc.child("synchronization").child_value("offset_mean")) == 1.25


def test_the_contract_is_these_outlets_and_no_more() -> None:
    with publisher("all-of-it"):
        names = {f"all-of-it-{kind}" for kind, *_ in CONTRACT}
        found = pylsl.resolve_bypred("starts-with(name,'all-of-it')", minimum=len(names), timeout=10)
        assert {info.name() for info in found} == names


def test_detail_and_codes_are_opt_in() -> None:
    with opened(identity("quiet")) as outlets:
        outlets.push_code(State.SEIZURE, 1.0)
        outlets.push_detail({})
        found = pylsl.resolve_bypred("starts-with(name,'quiet')", minimum=2, timeout=10)
        assert {info.name() for info in found} == {"quiet-events", "quiet-status"}
        assert pylsl.resolve_bypred("name='quiet-detail' or name='quiet-codes'", minimum=1, timeout=0.5) == []


def test_samples_from_another_process_arrive_with_their_values_and_sample_times() -> None:
    with publisher("values", auto=False) as process:
        events, codes, statuses = (reader(f"values-{kind}") for kind in ("events", "codes", "status"))
        process.tell("outlets.push_marker('not-monitoring/warmup', 100.5)")
        process.tell("outlets.push_code(State.SEIZURE, 100.75)")
        process.tell("outlets.push_status(status(101.0, State.SEIZURE, 0.75), 0.5)")
        assert pulled(events, 1) == [(["not-monitoring/warmup"], 100.5)]
        assert pulled(codes, 1) == [([2], 100.75)]
        assert pulled(statuses, 1) == [([0.75, 2.0, 21.0, 0.5, 3.0, 0.125], 101.0)]


def test_no_probability_is_nan_and_never_0() -> None:
    with opened(identity("nan")) as outlets:
        inlet = reader("nan-status")
        outlets.push_status(status(10.0, State.NOT_MONITORING, probability=0.9), math.nan)
        [(values, _)] = pulled(inlet, 1)
    assert math.isnan(values[0])
    assert values[1] == 0
    assert math.isnan(values[3])


def test_every_status_is_sent_and_its_stamps_never_go_backwards() -> None:
    with opened(identity("order")) as outlets:
        inlet = reader("order-status")
        for time_s in (10.0, 10.1, 9.0, 10.1, 10.2):
            outlets.push_status(status(time_s), 0.0)
        assert [stamp for _, stamp in pulled(inlet, 5)] == [10.0, 10.1, 10.1, 10.1, 10.2]


def test_a_seizure_that_is_said_late_is_not_lost() -> None:
    with opened(identity("late")) as outlets:
        inlet = reader("late-status")
        outlets.push_status(status(100.0, State.NOT_MONITORING), 9.0)
        outlets.push_status(status(95.0, State.SEIZURE), 9.0)
        assert [values[1] for values, _ in pulled(inlet, 2)] == [0, 2]


@pytest.mark.parametrize("wrong", [math.nan, 0.0, -1.0, math.inf])
def test_a_status_without_a_time_is_sent_as_of_now(wrong: float) -> None:
    with opened(identity("timeless")) as outlets:
        inlet = reader("timeless-status")
        before_s = pylsl.local_clock()
        outlets.push_status(status(wrong), 0.0)
        [(_, stamp)] = pulled(inlet, 1)
    assert before_s <= stamp <= pylsl.local_clock()


def test_one_stamp_from_the_future_does_not_hold_the_status_there_for_ever() -> None:
    with opened(identity("future")) as outlets:
        inlet = reader("future-status")
        now_s = pylsl.local_clock()
        for time_s in (now_s, now_s + FUTURE_S + 1000, now_s + 0.1, now_s + 0.05, now_s + 0.2):
            outlets.push_status(status(time_s), 0.0)
        stamps = [stamp for _, stamp in pulled(inlet, 5)]
        assert stamps[2:] == [now_s + 0.1, now_s + 0.1, now_s + 0.2]


def test_a_marker_is_not_lost_over_a_stamp_that_is_no_time() -> None:
    with opened(identity("stampless")) as outlets:
        inlet = reader("stampless-events")
        before_s = pylsl.local_clock()
        outlets.push_marker("seizure", math.nan)
        [(values, stamp)] = pulled(inlet, 1)
    assert values == ["seizure"]
    assert before_s <= stamp <= pylsl.local_clock()


def test_repeated_status_is_regular_and_says_nothing_before_it_was_declared() -> None:
    config = identity("repeat", step_s=0.5, repeat_hz=25.0)
    with opened(config) as outlets:
        inlet = reader("repeat-status")
        assert inlet.info(timeout=10).nominal_srate() == 25
        for k, state in enumerate((State.NON_SEIZURE, State.NON_SEIZURE, State.SEIZURE, State.NOT_MONITORING)):
            outlets.push_status(status(10 + 0.5 * k, state), 0.0)
        samples = pulled(inlet, 1 + 12 * 3)
    stamps = np.array([stamp for _, stamp in samples])
    codes = np.array([values[1] for values, _ in samples])
    np.testing.assert_allclose(np.diff(stamps), 1 / 25, rtol=0.05)
    assert set(codes[stamps < 11.0]) == {1.0}
    assert codes[stamps == 11.0] == [2.0]
    # what was held is not claimed in the half second that ended in not-monitoring
    assert set(codes[stamps > 11.0]) == {0.0}


def test_a_repeated_status_has_the_age_that_it_was_said_with() -> None:
    with opened(identity("ages", step_s=0.5, repeat_hz=25.0)) as outlets:
        inlet = reader("ages-status")
        outlets.push_status(status(10.0), 1.0)
        outlets.push_status(status(10.5), 2.0)
        assert [values[3] for values, _ in pulled(inlet, 13)] == [1.0] * 12 + [2.0]


def test_repeating_does_not_fill_a_gap_with_an_old_state() -> None:
    with opened(identity("hole", step_s=0.5, repeat_hz=25.0)) as outlets:
        inlet = reader("hole-status")
        for time_s in (10.0, 20.0):
            outlets.push_status(status(time_s), 0.0)
        assert [stamp for _, stamp in pulled(inlet, 2)] == [10.0, 20.0]


@pytest.mark.parametrize("changes", [{"step_s": 2.0}, {"step_s": 0.0}, {"step_s": 0.5, "repeat_hz": 1.0}])
def test_a_rate_that_the_contract_does_not_allow_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"step|repeated"):
        replace(identity("rate"), **changes)  # type: ignore[arg-type]


def test_detail_is_json_with_a_schema_and_without_nan() -> None:
    with opened(identity("detail", detail=True)) as outlets:
        inlet = reader("detail-detail")
        payload = {
            "peak_probability": math.nan,
            "onset_s": np.float64(12.5),
            "outcome": Outcome.ONGOING,
            "channels": [np.int64(3), math.inf],
            "offset_s": None,
        }
        outlets.push_detail(payload, 13.0)
        [(values, stamp)] = pulled(inlet, 1)
    assert stamp == 13.0
    assert json.loads(values[0], parse_constant=pytest.fail) == {
        "schema": 1,
        "peak_probability": None,
        "onset_s": 12.5,
        "outcome": "ongoing",
        "channels": [3, None],
        "offset_s": None,
    }


def test_settings_are_told_at_once_and_again_for_whoever_comes_late(monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(identity("settings", detail=True)) as outlets:
        inlet = reader("settings-detail")
        before_s = pylsl.local_clock()
        outlets.tell_settings({"onset_threshold": 0.8, "offset_threshold": 0.4})
        [(values, stamp)] = pulled(inlet, 1)
        message = json.loads(values[0])
        assert message == {
            "schema": 1,
            "kind": "settings",
            "decision": {"onset_threshold": 0.8, "offset_threshold": 0.4},
            "emitted": stamp,
        }
        assert before_s <= stamp <= pylsl.local_clock()
        late, clock = reader("settings-detail"), SimpleNamespace(**vars(pylsl))
        for after_s, n in ((SETTINGS_S - 1, 0), (SETTINGS_S + 1, 1), (SETTINGS_S + 2, 0), (2 * SETTINGS_S + 2, 1)):
            now_s = stamp + after_s
            clock.local_clock = lambda now_s=now_s: now_s
            monkeypatch.setattr("detector.sinks.lsl.pylsl", clock)
            outlets.push_status(status(now_s), 0.1)
            got = pulled(late, n)
            assert [json.loads(values[0])["decision"] for values, _ in got] == [message["decision"]] * n
        monkeypatch.undo()
        outlets.tell_settings({"onset_threshold": 0.9, "offset_threshold": 0.4})
        [(values, _)] = pulled(late, 1)
        assert json.loads(values[0])["decision"]["onset_threshold"] == 0.9


def test_a_bed_without_the_detail_outlet_tells_no_settings() -> None:
    with opened(identity("silent")) as outlets:
        events = reader("silent-events")
        outlets.tell_settings({"onset_threshold": 0.8})
        outlets.push_status(status(pylsl.local_clock()), 0.1)
        assert pulled(events, 0) == []


def test_the_last_marker_before_the_end_arrives_also_where_the_reader_polls() -> None:
    with publisher("stop", auto=False) as process, ThreadPoolExecutor() as beside:
        inlet = reader("stop-events")
        beside.submit(process.tell, "[outlets.push_marker('monitoring-stop', 5.0), outlets.close()]")
        got: list[tuple[list[str], float]] = []
        deadline_s = time.monotonic() + 10
        while not got and time.monotonic() < deadline_s:
            time.sleep(0.15)
            samples, stamps = inlet.pull_chunk(timeout=0.0)
            got.extend(zip(samples, stamps, strict=True))
    assert got == [(["monitoring-stop"], 5.0)]


def test_no_reader_no_wait_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    outlets = LslOutlets(identity("alone"))
    waits = SimpleNamespace(sleep=lambda _: pytest.fail("it waits for nobody"))
    monkeypatch.setattr("detector.sinks.lsl.time", waits)
    outlets.close()


def test_import_detector_and_help_load_no_pylsl() -> None:
    code = "import sys, detector; sys.exit('pylsl' in sys.modules or 'tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def _outlets_in_two_ports(folder: Path, more: str) -> subprocess.CompletedProcess[str]:
    """Open a bed's two outlets where one port of the two is taken."""
    path = folder / "lsl_api.cfg"
    path.write_text(
        f"[ports]\nBasePort = 42000\nPortRange = 2\nIPv6 = disable\n{more}[multicast]\nResolveScope = machine\n"
        "[lab]\nSessionID = two-ports\n[log]\nlevel = -3\n"
    )
    script = (
        "import logging, pylsl\n"
        "logging.basicConfig()\n"
        "from tests.client.lsl_publisher import identity\n"
        "from detector.sinks.lsl import LslOutlets\n"
        "taken = pylsl.StreamOutlet(pylsl.StreamInfo('taken', 'EEG', 1, 256, 'float32', 'taken'))\n"
        "LslOutlets(identity('two')).close()\n"
    )
    environment = {**os.environ, "LSLAPICFG": str(path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)


def test_an_outlet_that_other_machines_may_not_find_is_warned_of(tmp_path: Path) -> None:
    done = _outlets_in_two_ports(tmp_path, "")
    assert done.returncode == 0, done.stderr
    [line] = done.stderr.splitlines()
    assert "-status is on port" in line
    assert "as LSL's ports 42000 to 42001 are used up" in line


def test_an_outlet_that_gets_no_port_is_an_error_that_says_so(tmp_path: Path) -> None:
    done = _outlets_in_two_ports(tmp_path, "AllowRandomPorts = 0\n")
    assert done.returncode == 1
    assert "DetectorError: liblsl could not open the outlet" in done.stderr
    assert "used-up ports (BasePort and PortRange" in done.stderr
