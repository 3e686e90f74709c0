"""The truth of a simulated amplifier arrives whole, is safe to show, and outlives the amplifier."""

from __future__ import annotations

import time
import uuid

import pylsl
import pytest

from detector.client.lsl_truth import TruthClient
from detector.errors import NoStreamError
from tests.live import until


def outlet(source_id: str) -> pylsl.StreamOutlet:
    info = pylsl.StreamInfo("amp-truth", "Markers", 1, pylsl.IRREGULAR_RATE, pylsl.cf_string, f"{source_id}:truth")
    return pylsl.StreamOutlet(info)


def test_every_marker_comes_once_with_its_stamp() -> None:
    source_id = uuid.uuid4().hex
    amplifier = outlet(source_id)
    truth = TruthClient(source_id)
    assert truth.read() == []
    expected = [(100.0 + k, f"marker {k}") for k in range(50)]
    for stamp, text in expected:
        amplifier.push_sample([text], stamp)
    until(lambda: len(truth.read()) >= 50, 5, "the markers arrive")
    assert truth.read() == expected


def test_what_was_said_outlives_the_amplifier() -> None:
    source_id = uuid.uuid4().hex
    amplifier = outlet(source_id)
    truth = TruthClient(source_id)
    amplifier.push_sample(["seizure/onset"], 1.0)
    until(truth.read, 5, "the marker arrives")
    del amplifier
    for _ in range(20):
        assert truth.read() == [(1.0, "seizure/onset")]
        time.sleep(0.02)


def test_what_a_peer_sends_is_safe_to_show() -> None:
    source_id = uuid.uuid4().hex
    amplifier = outlet(source_id)
    truth = TruthClient(source_id)
    amplifier.push_sample(["\x1b[2Jµ"], 1.0)
    until(truth.read, 5, "the marker arrives")
    assert truth.read() == [(1.0, "\\x1b[2Jµ")]


def test_an_amplifier_that_does_not_start_is_an_error_in_time() -> None:
    began = time.monotonic()
    with pytest.raises(NoStreamError, match=r"'nobody' did not start in 0\.5 s"):
        TruthClient("nobody", 0.5)
    assert 0.4 < time.monotonic() - began < 2


def test_looking_is_given_up_at_once() -> None:
    asked: list[float] = []

    def keep_waiting() -> bool:
        asked.append(time.monotonic())
        return len(asked) < 3

    with pytest.raises(NoStreamError):
        TruthClient("nobody", 60, keep_waiting)
    assert len(asked) == 3
    assert asked[-1] - asked[0] < 1.5
