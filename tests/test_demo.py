"""The demo tells the truth about what it saw, ends by itself, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from detector.client.lsl import Marker, StatusSample
from detector.demo import _START_S, LENGTH_S, SEIZURE_S, Seen, _child, summarise
from detector.errors import DetectorError
from detector.messages import State
from detector.network.bundle import DEFAULT_BUNDLE, installed_bundles
from tests.live import until

TRUTH = [(113.0, "seizure/onset"), (133.0, "seizure/offset")]


def seen(*markers: tuple[float, str]) -> Seen:
    one = Seen()
    for time_s, text in markers:
        one.take(Marker(time_s, text))
    return one


def status(time_s: float, state: State) -> StatusSample:
    return StatusSample(time_s, 0.5, state, 22, 0.1, 0, 0.0)


def test_detected_in_time_and_back_is_a_success() -> None:
    summary = summarise(seen((112.0, "non-seizure"), (120.0, "seizure"), (138.5, "non-seizure")), TRUTH)
    assert summary.exit_code == 0
    assert (summary.seizure_s, summary.latency_s, summary.back_s, summary.false_alarms) == (20.0, 7.0, 5.5, 0)
    assert "detected            yes, declared 7.0 s after its onset" in str(summary)
    assert "non-seizure again   yes, declared 5.5 s after its end" in str(summary)


@pytest.mark.parametrize(
    ("markers", "latency_s", "back_s", "false_alarms"),
    [
        ([(112.0, "non-seizure")], None, None, 0),  # missed
        ([(112.0, "seizure"), (140.0, "non-seizure")], None, None, 1),  # declared before its onset
        ([(139.5, "seizure"), (145.0, "non-seizure")], None, None, 1),  # too late
        ([(120.0, "seizure")], 7.0, None, 0),  # never back
        ([(120.0, "seizure"), (138.0, "non-seizure"), (145.0, "seizure")], 7.0, None, 1),  # the last word
        ([(120.0, "seizure"), (130.0, "not-monitoring/lost")], 7.0, None, 0),  # nothing is known
    ],
)
def test_anything_else_is_a_failure(
    markers: list[tuple[float, str]], latency_s: float | None, back_s: float | None, false_alarms: int
) -> None:
    summary = summarise(seen(*markers), TRUTH)
    assert summary.exit_code == 1
    assert (summary.latency_s, summary.back_s, summary.false_alarms) == (latency_s, back_s, false_alarms)
    assert "NO" in str(summary)


@pytest.mark.parametrize(
    ("markers", "latency_s", "back_s", "false_alarms"),
    [
        # Late, but within the tolerance.
        ([(138.5, "seizure"), (145.0, "non-seizure")], 25.5, 12.0, 0),
        # Over too early.
        ([(120.0, "seizure"), (130.0, "non-seizure")], 7.0, -3.0, 0),
        # A false alarm before, and declared in two pieces.
        (
            [(105.0, "seizure"), (107.0, "non-seizure"), (115.0, "seizure"), (120.0, "non-seizure"),
             (125.0, "seizure"), (137.0, "non-seizure")],
            2.0,
            4.0,
            1,
        ),
        # What came back was lost for a moment.
        (
            [(120.0, "seizure"), (136.0, "non-seizure"), (137.0, "not-monitoring/poor"), (139.0, "non-seizure")],
            7.0, 3.0, 0,
        ),
    ],
)  # fmt: skip
def test_what_is_counted(markers: list[tuple[float, str]], latency_s: float, back_s: float, false_alarms: int) -> None:
    summary = summarise(seen(*markers), TRUTH)
    assert summary.exit_code == 0
    assert (summary.latency_s, summary.back_s, summary.false_alarms) == (latency_s, back_s, false_alarms)
    assert f"{abs(back_s)} s {'before' if back_s < 0 else 'after'} its end" in str(summary)


def test_of_several_seizures_that_the_amplifier_tells_of_the_first_counts() -> None:
    truth = [*TRUTH, (233.0, "seizure/onset"), (253.0, "seizure/offset")]
    summary = summarise(seen((120.0, "seizure"), (138.5, "non-seizure")), truth)
    assert (summary.seizure_s, summary.latency_s, summary.back_s) == (20.0, 7.0, 5.5)


def test_without_the_truth_nothing_counts_as_detected() -> None:
    summary = summarise(seen((120.0, "seizure"), (138.0, "non-seizure")), [])
    assert summary.exit_code == 1
    assert "none was told of" in str(summary)
    assert summary.false_alarms == 1


def test_only_what_was_watched_counts_as_monitored() -> None:
    one = Seen()
    for time_s, state in enumerate([0, 0, 1, 1, 2, 2, 0, 1, 1]):
        one.take(status(float(time_s), State(state)))
    assert one.monitored_s == 4.0


def test_the_story_is_told_when_non_seizure_has_been_back_for_a_moment() -> None:
    one = seen((112.0, "non-seizure"))
    one.take(status(119.0, State.NON_SEIZURE))
    assert not one.is_over, "the first non-seizure is the beginning"
    one.take(Marker(120.0, "seizure"))
    one.take(status(137.0, State.SEIZURE))
    assert not one.is_over
    one.take(Marker(138.0, "non-seizure"))
    one.take(status(138.5, State.NON_SEIZURE))
    assert not one.is_over
    one.take(status(140.0, State.NON_SEIZURE))
    assert one.is_over


def test_a_child_that_ends_is_told_with_what_it_wrote_and_its_code(tmp_path: Path) -> None:
    with _child(tmp_path / "log", "run", "--config", str(tmp_path / "missing.toml")) as daemon:
        daemon.process.wait(20)
        with pytest.raises(DetectorError, match=r"the detector has ended:\n.*cannot read the configuration") as failure:
            daemon.check("the detector")
    assert failure.value.exit_code == 66


@contextmanager
def demo(tmp_path: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "detector", "demo", "--plain", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.terminate()  # it ends its children


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_all_its_children(tmp_path: Path, number: signal.Signals) -> None:
    with demo(tmp_path) as process:
        started = [["run"], ["simulate"]]
        me = psutil.Process(process.pid)
        until(lambda: [child.cmdline()[3:4] for child in me.children()] == started, 20, "both children start")
        children = me.children()
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "interrupted; the detector and the amplifier have been stopped"
    assert "summary" not in out
    assert not any(child.is_running() for child in children)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(DEFAULT_BUNDLE not in installed_bundles(), reason=f"models/{DEFAULT_BUNDLE} is not there")
def test_it_detects_the_seizure_and_ends_by_itself_in_under_a_minute(tmp_path: Path) -> None:
    began = time.monotonic()
    with demo(tmp_path) as process:
        out, err = process.communicate(timeout=LENGTH_S + _START_S)
    took_s = time.monotonic() - began
    assert process.returncode == 0, out + err
    assert "Traceback" not in err
    times_s = [float(text) for text in re.findall(r" event t=([\d.]+) (?:non-)?seizure: ", out)]
    events = re.findall(r" event t=[\d.]+ (\S+): ", out)
    told = [event for event in events if event.startswith(("session-reset", "not-monitoring/warmup", "seizure", "non"))]
    assert told == ["session-reset/new-stream", "not-monitoring/warmup", "non-seizure", "seizure", "non-seizure"]
    length_s = SEIZURE_S[1] - SEIZURE_S[0]
    assert re.search(rf"simulated seizure +{length_s:.1f} s long", out)
    [latency_s] = re.findall(r"detected +yes, declared ([\d.]+) s after its onset", out)
    assert 2 < float(latency_s) < length_s
    assert times_s[0] < times_s[1] - float(latency_s), "non-seizure is said before the seizure begins"
    assert re.search(r"non-seizure again +yes, declared [\d.]+ s after its end", out)
    assert re.search(r"false alarms +0 in \d\d monitored seconds", out)
    assert list(tmp_path.iterdir()) == []
    assert took_s < 60
