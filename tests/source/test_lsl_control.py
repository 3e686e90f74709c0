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
    outlet.push_sample(["session/start"])
    assert not _asked(control, 0.5), "each costs a warm-up: not again within ten seconds"
    control._again_at = time.monotonic()
    outlet.push_sample(["session/start"])
    assert _asked(control, 5), "and again behind them"
    control.close()


def test_a_control_stream_that_goes_and_comes_back_is_heard_again() -> None:
    name = uuid.uuid4().hex
    control = LslControl(name, every_s=0)
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
    control = LslControl(name, every_s=0)
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


@pytest.mark.parametrize("shape", [(2, 0.0, "string"), (1, 100.0, "string"), (1, 0.0, "int32")])
def test_what_is_no_plain_marker_stream_is_not_listened_to(shape: tuple[int, float, str]) -> None:
    name = uuid.uuid4().hex
    odd = pylsl.StreamOutlet(pylsl.StreamInfo(name, "Markers", *shape, "odd"))
    plain = pylsl.StreamOutlet(pylsl.StreamInfo(name, "Markers", 1, 0, "string", "plain"))
    control = LslControl(name)
    deadline = time.monotonic() + 10
    while not plain.have_consumers():
        assert time.monotonic() < deadline
        control.start_asked()
    assert not odd.have_consumers()
    control.close()


def test_of_many_senders_only_a_few_are_listened_to() -> None:
    name = uuid.uuid4().hex
    outlets = [pylsl.StreamOutlet(pylsl.StreamInfo(name, "Markers", 1, 0, "string", f"s{i}")) for i in range(6)]
    control = LslControl(name)
    deadline = time.monotonic() + 10
    while sum(outlet.have_consumers() for outlet in outlets) < 4:
        assert time.monotonic() < deadline
        control.start_asked()
    _asked(control, 0.5)
    assert len(control._inlets) == 4
    control.close()


def test_where_liblsl_has_no_more_threads_it_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError("no more threads")

    monkeypatch.setattr("detector.source.lsl_control.pylsl.ContinuousResolver", fail)
    control = LslControl("nobody")
    assert not control.start_asked()
    assert not control.start_asked()
    assert caplog.text.count("cannot be listened to (no more threads)") == 1, "not tried at each turn"
    control._retry_at = 0.0
    assert not control.start_asked()
    assert caplog.text.count("cannot be listened to") == 2
    control.close()


def test_a_marker_without_end_is_shown_in_part(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    name = uuid.uuid4().hex
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "Markers", 1, 0, "string", name))
    control = LslControl(name)
    deadline = time.monotonic() + 10
    while not outlet.have_consumers():
        assert time.monotonic() < deadline
        control.start_asked()
    outlet.push_sample(["x" * 1_000_000])
    while "not understood" not in caplog.text:
        assert time.monotonic() < deadline
        assert not control.start_asked()
    assert len(caplog.messages[-1]) < 400
    control.close()
