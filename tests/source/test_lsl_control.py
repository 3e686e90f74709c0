"""An operator's marker begins a session; nothing else that arrives does anything."""

from __future__ import annotations

import time
import uuid
from types import SimpleNamespace

import pylsl
import pytest

from detector.source.lsl_control import LslControl


def _asked(control: LslControl, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if control.start_asked():
            return True
    return False


def test_only_session_start_asks_for_a_session() -> None:
    name = uuid.uuid4().hex
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "Markers", 1, 0, "string", name))
    control = LslControl(name)
    deadline = time.monotonic() + 10
    while not outlet.have_consumers():
        assert time.monotonic() < deadline
        assert not control.start_asked()
    outlet.push_sample(["session/stop"])
    outlet.push_sample(["\x1b[2J"])
    assert not _asked(control, 0.5)
    outlet.push_sample(["session/start"])
    assert _asked(control, 5)
    assert not _asked(control, 0.3), "asked once, answered once"
    control.close()


def test_a_control_stream_that_goes_and_comes_back_is_heard_again() -> None:
    name = uuid.uuid4().hex
    control = LslControl(name)
    for _ in range(2):
        outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "Markers", 1, 0, "string", name))
        deadline = time.monotonic() + 10
        while not outlet.have_consumers():
            assert time.monotonic() < deadline
            control.start_asked()
        outlet.push_sample(["session/start"])
        assert _asked(control, 5)
        del outlet
    control.close()


def test_a_sender_that_is_not_there_any_more_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    name = uuid.uuid4().hex
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "Markers", 1, 0, "string", name))
    control = LslControl(name)
    deadline = time.monotonic() + 10
    while not outlet.have_consumers():
        assert time.monotonic() < deadline
        control.start_asked()
    # An unplugged sender ends no connection; it only stops to answer.
    monkeypatch.setattr(control, "_resolver", SimpleNamespace(results=list))
    control.start_asked()
    while outlet.have_consumers():
        assert time.monotonic() < deadline
        control.start_asked()
    control.close()


def test_a_flood_of_markers_is_taken_in_turns() -> None:
    name = uuid.uuid4().hex
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "Markers", 1, 0, "string", name))
    control = LslControl(name)
    deadline = time.monotonic() + 10
    while not outlet.have_consumers():
        assert time.monotonic() < deadline
        control.start_asked()
    outlet.push_sample(["session/start"])
    assert _asked(control, 5), "connected"
    for _ in range(200):
        outlet.push_sample(["noise"])
    outlet.push_sample(["session/start"])
    turns = 1
    while not control.start_asked():
        turns += 1
        assert time.monotonic() < deadline
    assert turns > 6, "32 markers a turn"
    control.close()
