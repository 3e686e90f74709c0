"""The streams in reach, pushed by another process, and the table of them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from detector.messages import Description
from detector.source.lsl_discover import Found, discover, table

AMPLIFIERS = """
import sys, time, pylsl

def outlet(name, n, rate_hz, form="float32", unit="microvolts"):
    info = pylsl.StreamInfo(name, "EEG", n, rate_hz, form, f"{name}-id")
    channels = info.desc().append_child("channels")
    for k in range(n if unit else 0):
        channel = channels.append_child("channel")
        channel.append_child_value("label", f"C{k}")
        channel.append_child_value("unit", unit)
    return pylsl.StreamOutlet(info)

steady, slow = outlet("a-steady", 22, 200.0), outlet("b-slow", 2, 10.0, "int16", "")
kept = outlet("c-silent", 2, 100.0), outlet("d-text", 1, 0.0, "string"), outlet("e-odd", 2, 0.0)
wide = outlet("f-wide", 1200, 10.0, unit="")
print("ready", flush=True)
begin_s, pushed = time.monotonic(), 0
while True:
    time.sleep(0.1)
    # by the clock, 50 samples a second of 200 that were promised
    due = int((time.monotonic() - begin_s) * 50)
    for _ in range(due - pushed):
        steady.push_sample([1.0] * 22)
    pushed = due
    slow.push_sample([1, 2])
"""


@pytest.fixture(scope="module")
def found() -> Iterator[dict[str, Found]]:
    process = subprocess.Popen([sys.executable, "-c", AMPLIFIERS], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        begin_s = time.monotonic()
        streams = discover(1.0)
        assert time.monotonic() - begin_s < 6, "all at the same time"
        yield {one.name: one for one in streams}
    finally:
        process.kill()
        process.communicate()


def fits(description: Description) -> str:
    return "" if len(description.labels) == 22 else "it lacks [f7-t7] and 19 more"


def test_nothing_in_reach_is_an_empty_list(tmp_path: Path) -> None:
    # In an LSL session of its own, whatever the tests before have left in ours.
    config = Path(os.environ["LSLAPICFG"]).read_text()
    assert "SessionID = " in config
    empty = tmp_path / "lsl_api.cfg"
    empty.write_text(config.replace("SessionID = ", "SessionID = empty-"))
    script = "from detector.source.lsl_discover import discover; print(discover(1.0))"
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | {"LSLAPICFG": str(empty)}, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_every_stream_in_reach_is_found_with_what_it_says(found: dict[str, Found]) -> None:
    assert list(found) == ["a-steady", "b-slow", "c-silent", "d-text", "e-odd", "f-wide"]
    steady = found["a-steady"]
    assert (steady.type, steady.source_id, steady.rate_hz, steady.n_channels, steady.format) == (
        "EEG",
        "a-steady-id",
        200.0,
        22,
        "float32",
    )
    assert steady.hostname
    assert steady.description is not None
    assert steady.description.labels[:2] == ("C0", "C1")
    assert set(steady.description.scales_uv) == {1.0}
    assert found["b-slow"].format == "int16"


def test_the_rate_is_measured_and_not_believed(found: dict[str, Found]) -> None:
    assert found["a-steady"].measured_rate_hz == pytest.approx(50, rel=0.15)
    assert found["b-slow"].measured_rate_hz == pytest.approx(10, rel=0.25)
    assert found["d-text"].measured_rate_hz is None


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("a-steady", ""),
        ("b-slow", ""),
        ("c-silent", "it is silent"),
        ("d-text", "it carries text"),
        ("e-odd", "its rate is irregular"),
        ("f-wide", "it has 1200 channels"),
    ],
)
def test_what_can_be_no_source_says_why(found: dict[str, Found], name: str, problem: str) -> None:
    assert found[name].problem.startswith(problem)
    assert bool(found[name].problem) is bool(problem)


def test_the_table_says_what_fits_and_why_the_others_do_not(found: dict[str, Found]) -> None:
    console = Console(file=io.StringIO(), width=100)
    console.print(table(list(found.values()), fits))
    assert isinstance(console.file, io.StringIO)
    shown = " ".join(console.file.getvalue().replace("│", " ").split())
    assert "6 LSL streams in reach" in shown
    assert shown.count(" yes ") == 1
    # brackets are text here, not markup
    assert "it lacks [f7-t7]" in shown
    for text in (
        "a-steady",
        "a-steady-id",
        "microvolts",
        "22 float32",
        "measured",
        "irregular",
        "it is silent",
    ):
        assert text in shown, text
