"""One connection: its correction, its backlog and its end, with the inlet at its edges replaced."""

from __future__ import annotations

import json
import threading
from typing import Any

import numpy as np
import pylsl
import pytest

from detector.config import make_config
from detector.errors import StateError
from detector.messages import Chunk, Gap, Reset
from detector.source.lsl_stream import BUFFER_S, MAX_BLOCK_S, Stream

RATE = 256.0
CHANNELS = (("a", "uV"), ("b", "uV"))


class Inlet:
    """Hands out chunks; what is an exception is raised."""

    def __init__(self, chunks: list[Any], info: pylsl.StreamInfo) -> None:
        self.chunks, self._info = chunks, info
        self.correction = 0.0

    def info(self, timeout: float) -> pylsl.StreamInfo:
        return self._info

    def open_stream(self, timeout: float) -> None: ...

    def time_correction(self, timeout: float) -> float:
        return self.correction

    def samples_available(self) -> int:
        return 0 if not self.chunks or isinstance(self.chunks[0], Exception) else len(self.chunks[0])

    def pull_chunk(self, timeout: float, max_samples: int, as_numpy: bool) -> Any:
        chunk = self.chunks.pop(0) if self.chunks else np.empty(0)
        if isinstance(chunk, Exception):
            raise chunk
        return np.ones((len(chunk), 2), dtype=np.float32), np.asarray(chunk)


def _info(labels_and_units: tuple[tuple[str, str], ...]) -> pylsl.StreamInfo:
    info = pylsl.StreamInfo("amp", "EEG", len(labels_and_units), RATE, "float32", "s")
    channels = info.desc().append_child("channels")
    for label, unit in labels_and_units:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", unit)
    return info


def _stream(
    monkeypatch: pytest.MonkeyPatch,
    chunks: list[Any],
    channels: tuple[tuple[str, str], ...] = CHANNELS,
    **source: object,
) -> tuple[Stream, Inlet]:
    info = _info(channels)
    inlet = Inlet(chunks, info)
    monkeypatch.setattr("detector.source.lsl_stream.pylsl.StreamInlet", lambda *_, **__: inlet)
    config = make_config({"bed": {"name": "b"}, "source": {"source_id": "s", **source}}).source
    return Stream(info, config), inlet


def _stamps(n: int, start_s: float | None = None) -> Any:
    start = pylsl.local_clock() - n / RATE if start_s is None else start_s
    return start + np.arange(n) / RATE


def test_samples_that_came_before_the_loss_are_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, _ = _stream(monkeypatch, [_stamps(10), pylsl.util.LostError(), pylsl.util.LostError()])
    [chunk] = stream.pull(10)
    assert isinstance(chunk, Chunk)
    assert len(chunk.samples) == 10
    with pytest.raises(pylsl.util.LostError):
        stream.pull(10)
    stream.close()


def test_a_correction_that_steps_is_a_boundary_and_not_a_jump_of_sample_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = _stamps(64)
    stream, inlet = _stream(monkeypatch, [first])
    stream.pull(64)
    stream._correction._measured = -5.0
    inlet.chunks.append(_stamps(64, first[-1] + 1 / RATE))
    gap, chunk = stream.pull(64)
    assert isinstance(gap, Gap)
    assert gap.reason is Reset.CLOCK
    assert gap.start_s == pytest.approx(first[-1])
    assert isinstance(chunk, Chunk)
    assert chunk.timestamps[0] == pytest.approx(first[-1] + 1 / RATE - 5)
    stream.close()


def test_a_correction_that_drifts_is_followed_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    first = _stamps(64)
    stream, inlet = _stream(monkeypatch, [first])
    stream.pull(64)
    stream._correction._measured = 0.002
    inlet.chunks.append(_stamps(64, first[-1] + 1 / RATE))
    [chunk] = stream.pull(64)
    assert isinstance(chunk, Chunk)
    assert chunk.timestamps[0] == pytest.approx(first[-1] + 1 / RATE, abs=0.003)
    stream.close()


def test_stamps_from_the_future_are_believed_where_a_recording_is_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    first = _stamps(64) + 30
    stream, _ = _stream(monkeypatch, [first], replay=True)
    [chunk] = stream.pull(64)
    assert isinstance(chunk, Chunk)
    np.testing.assert_allclose(chunk.timestamps, first)
    stream.close()


def test_no_more_is_waited_for_than_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, inlet = _stream(monkeypatch, [])
    asked: list[tuple[float, int]] = []

    def pull_chunk(timeout: float, max_samples: int, as_numpy: bool) -> Any:
        asked.append((timeout, max_samples))
        return np.empty((0, 2), dtype=np.float32), np.empty(0)

    monkeypatch.setattr(inlet, "pull_chunk", pull_chunk)
    stream.pull(17)
    assert asked == [(MAX_BLOCK_S, 17)]
    stream.close()


def test_a_channel_in_millivolts_among_those_in_the_operators_unit_contradicts_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    channels = (("a", "uV"), ("ECG", "mV"), ("b", ""))
    stream, _ = _stream(monkeypatch, [], channels=channels, unit="uV")
    assert stream.description.scales_uv == (1.0, 1000.0, 1.0)
    stream.close()


def test_a_sender_that_is_faster_than_we_are_does_not_keep_us(monkeypatch: pytest.MonkeyPatch) -> None:
    start_s = pylsl.local_clock() - 600
    full = [_stamps(1280, start_s + k * 1280 / RATE) for k in range(100)]
    stream, inlet = _stream(monkeypatch, full)
    stream.pull(1280)
    assert len(inlet.chunks) > 80, "the rest is for the next turn"
    stream.close()


def test_a_stream_that_cannot_be_opened_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(self: Inlet, timeout: float) -> None:
        raise TimeoutError

    monkeypatch.setattr(Inlet, "open_stream", never)
    before = set(threading.enumerate())  # the thread of a stream that was closed before may be ending just now
    with pytest.raises(TimeoutError):
        _stream(monkeypatch, [])
    assert set(threading.enumerate()) <= before


def _interrupted(
    monkeypatch: pytest.MonkeyPatch, seen_s: int, hole_s: float
) -> tuple[Stream, Inlet, dict[str, float], float]:
    """Return a connection with the state of another one to the same outlet, the clock, and that one's newest stamp."""
    clock = {"now_s": 1000.0}
    monkeypatch.setattr("detector.source.lsl_stream.pylsl.local_clock", lambda: clock["now_s"])
    stream, inlet = _stream(monkeypatch, [])
    for second in range(seen_s):
        clock["now_s"] = 1001.0 + second
        inlet.chunks.append(_stamps(256))
        stream.pull(256)
    another, inlet = _stream(monkeypatch, [])
    newest_s = clock["now_s"] - 1 / RATE
    clock["now_s"] += hole_s
    another.set_state(json.loads(json.dumps(stream.get_state())))
    stream.close()
    return another, inlet, clock, newest_s


@pytest.mark.parametrize("hole_s", [2.0, 25.0])
def test_another_connection_to_the_same_outlet_knows_its_rate_and_what_was_not_seen(
    monkeypatch: pytest.MonkeyPatch, hole_s: float
) -> None:
    stream, inlet, clock, newest_s = _interrupted(monkeypatch, 12, hole_s)
    assert stream.newest_s is None, "nothing has come here yet"
    assert stream.silent_s() < 1.0
    assert stream.rate_is_right
    clock["now_s"] += 0.25
    inlet.chunks.append(_stamps(64))
    gap, chunk = stream.pull(64)
    assert isinstance(gap, Gap)
    assert (gap.reason, gap.missing) == (Reset.GAP, round(hole_s * RATE))
    assert (gap.start_s, gap.end_s) == pytest.approx((newest_s, newest_s + hole_s + 1 / RATE))
    assert isinstance(chunk, Chunk)
    assert stream.newest_s == pytest.approx(newest_s + hole_s + 0.25)
    # The hole is over: the next stamps may not jump as far.
    clock["now_s"] += 0.25
    inlet.chunks.append(_stamps(64) + 20.0)
    gap, _ = stream.pull(64)
    assert isinstance(gap, Gap)
    assert (gap.reason, gap.missing) == (Reset.CLOCK, 0)
    stream.close()


def test_another_connection_whose_clock_is_another_one_does_not_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, inlet, *_ = _interrupted(monkeypatch, 3, 2.0)
    stream._correction._measured = -0.5
    inlet.chunks.append(_stamps(64))
    gap = stream.pull(64)[0]
    assert isinstance(gap, Gap)
    assert gap.reason is Reset.CLOCK
    stream.close()


def test_a_state_is_refused_once_samples_have_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their gap ledger and times would begin anew in the middle of what was watched."""
    stream, inlet, *_ = _interrupted(monkeypatch, 3, 2.0)
    state = stream.get_state()
    inlet.chunks.append(_stamps(64))
    assert stream.pull(64)
    with pytest.raises(StateError, match="samples have come already"):
        stream.set_state(state)
    stream.close()


def test_what_its_stamps_have_drifted_goes_on_in_another_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, inlet, clock, _ = _interrupted(monkeypatch, 3, 2.0)
    state = stream.get_state()
    assert isinstance(state["stamps"], dict)
    state["stamps"] |= {"drift_s": 3.5, "applied_s": 3.5}
    stream.set_state(state)
    clock["now_s"] += 3.75
    inlet.chunks.append(_stamps(64) - 3.5)
    stream.pull(64)
    assert (stream.drift_s, stream.correction_s) == (3.5, 3.5)
    assert stream.newest_s == pytest.approx(clock["now_s"], abs=0.01), "as fresh as it is"
    stream.close()


def test_a_state_of_something_else_is_refused_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, *_ = _interrupted(monkeypatch, 3, 2.0)
    before = stream.get_state()
    for wrong in (None, {}, before | {"ledger": {}}, before | {"stamps": {"newest_s": 1.0}}, before | {"more": 1}):
        with pytest.raises(StateError):
            stream.set_state(wrong)
        assert stream.get_state() == before
    stream.close()


def test_samples_are_left_waiting_while_what_is_wanted_cannot_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, inlet = _stream(monkeypatch, [_stamps(10)])
    assert stream.rest_s(10) == 0.0
    stream.pull(10)
    inlet.chunks.append(np.array([pylsl.local_clock()]))
    assert 0.4 < stream.rest_s(128) < 0.5
    assert 0.05 < stream.rest_s(25) < 25 / RATE  # a tenth of a second from now
    stream.close()


def test_who_wants_what_is_there_gets_it_and_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    first = _stamps(10)
    stream, inlet = _stream(monkeypatch, [first])
    pull_chunk = inlet.pull_chunk

    def pull(timeout: float, max_samples: int, as_numpy: bool) -> Any:
        asked.append(timeout)
        return pull_chunk(timeout, max_samples, as_numpy)

    monkeypatch.setattr(inlet, "pull_chunk", pull)
    [chunk] = stream.pull(0)
    assert isinstance(chunk, Chunk)
    assert len(chunk.samples) == 10
    inlet.chunks.append(first[-1] + np.arange(1, 201) / RATE)
    [chunk] = stream.pull(0)
    assert isinstance(chunk, Chunk)
    assert len(chunk.samples) == 200, "in one piece"
    assert stream.pull(0) == []
    assert set(asked) == {0.0}
    stream.close()


def test_a_connection_keeps_as_much_as_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []
    info = _info(CHANNELS)

    def inlet(*_: object, max_buflen: int, **__: object) -> Inlet:
        kept.append(max_buflen)
        return Inlet([], info)

    monkeypatch.setattr("detector.source.lsl_stream.pylsl.StreamInlet", inlet)
    config = make_config({"bed": {"name": "b"}, "source": {"source_id": "s"}}).source
    Stream(info, config).close()
    Stream(info, config, 30).close()
    assert kept == [BUFFER_S, 30]


@pytest.mark.parametrize("age_s", [0.5, 10.0, -5.0])
def test_nothing_is_left_waiting_that_is_wanted(monkeypatch: pytest.MonkeyPatch, age_s: float) -> None:
    """A backlog is taken as fast as it comes, whatever its stamps say."""
    first = _stamps(10, pylsl.local_clock() - age_s - 10 / RATE)
    stream, inlet = _stream(monkeypatch, [first], replay=age_s < 0)
    stream.pull(10)
    inlet.chunks.append(first[-1] + np.arange(1, 129) / RATE)
    assert stream.rest_s(128) <= 0
    assert stream.pull(128)
    stream.close()


def test_what_is_late_is_waited_for_where_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, _ = _stream(monkeypatch, [_stamps(10, pylsl.local_clock() - 0.5)])
    stream.pull(10)
    assert stream.rest_s(64) <= 0
    stream.close()


@pytest.mark.parametrize(("stall_s", "longest_s"), [(0.5, 0.25), (1.75, 0.5), (10.0, 0.5)])
def test_no_rest_makes_a_source_look_stalled(monkeypatch: pytest.MonkeyPatch, stall_s: float, longest_s: float) -> None:
    stream, _ = _stream(monkeypatch, [_stamps(10)], stall_s=stall_s)
    stream.pull(10)
    assert stream.rest_s(512) == pytest.approx(longest_s, abs=0.02)
    stream.close()


def test_a_stall_is_counted_from_when_samples_came_that_were_left_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, inlet = _stream(monkeypatch, [_stamps(10, pylsl.local_clock() - 0.3)])
    stream.pull(10)
    assert stream.silent_s() < 0.1
    stream._arrived_at -= 0.4  # a turn that slept
    inlet.chunks.append(np.array([stream.newest_s]) + 1 / RATE)
    assert stream.pull(128)
    assert stream.silent_s() == pytest.approx(0.25, abs=0.05)
    stream._arrived_at -= 5  # a backlog: it comes, however old it is
    inlet.chunks.append(np.array([stream.newest_s]) + 1 / RATE)
    assert stream.pull(128)
    assert stream.silent_s() <= 0.5
    stream.close()


def test_a_backlog_is_taken_in_pieces_of_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, inlet = _stream(monkeypatch, [])
    asked: list[int] = []

    def pull_chunk(timeout: float, max_samples: int, as_numpy: bool) -> Any:
        asked.append(max_samples)
        start_s = pylsl.local_clock() - 600 + sum(asked) / RATE
        return np.ones((max_samples, 2), dtype=np.float32), _stamps(max_samples, start_s)

    monkeypatch.setattr(inlet, "pull_chunk", pull_chunk)
    monkeypatch.setattr(inlet, "samples_available", lambda: 100_000)
    stream.pull(17)
    assert len(asked) > 1
    assert max(asked) <= 4 * RATE
    assert sum(asked) <= 10 * RATE, "and what stands is said before the rest"
    stream.close()
