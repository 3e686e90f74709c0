"""What the daemon says of itself over HTTP, asked over a real connection."""

from __future__ import annotations

import errno
import http.client
import json
import logging
import math
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.config import Health as HealthConfig
from detector.health import ALIVE_S, Health, Snapshot
from detector.health_server import DEADLINE_S, MOST_REQUESTS, Answer, HealthServer
from detector.messages import Cause, Condition, Description, Event, Outcome, Priority, Reset, State, Status
from detector.monitor import Sink
from tests.live import free_port, until

WATCHING = Status(100.0, 0.25, State.NON_SEIZURE, None, 21, 3, 0.125)
SOURCE = Description(("a", "b"), 256.0, (1.0, 1.0), ("uV", "uV"), "amp", "amp-1", "uid", "cart")
LOST = Condition("lost", Priority.HIGH, "no samples for 3 s", 90.0, 2, None)


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def snapshot(turned_s: float, **changes: Any) -> Snapshot:
    taken = Snapshot(WATCHING, 0.1, (), SOURCE, "model-1", "f" * 64, 22, is_ready=True, turned_s=turned_s)
    return replace(taken, **changes)


@contextmanager
def serving(
    clock: Clock | None = None, host: str = "127.0.0.1", port: int | None = None
) -> Iterator[tuple[Health, int]]:
    port = port or free_port()
    health = Health(HealthConfig(host=host, port=port), "bed1", clock or Clock())
    try:
        until(lambda: reachable(host, port), 5, "it listens")
        yield health, port
    finally:
        health.close()


def reachable(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 1).close()
    except OSError:
        return False
    return True


def ask(port: int, path: str, method: str = "GET", host: str = "127.0.0.1") -> tuple[int, str]:
    with closing(http.client.HTTPConnection(host, port, timeout=5)) as connection:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read().decode()


def test_it_is_a_sink() -> None:
    health: Sink = Health(HealthConfig(host="127.0.0.1", port=0), "bed1")
    health.push_code(State.SEIZURE, 1.0)
    health.push_status(WATCHING, 0.1)
    health.push_condition(LOST, 1.0)


def test_before_the_first_turn_it_is_alive_and_not_ready_and_watches_nothing() -> None:
    clock = Clock()
    with serving(clock) as (_, port):
        clock.now_s += 60  # a model takes long to load
        assert ask(port, "/livez")[0] == 200
        assert ask(port, "/readyz")[0] == 503
        said = json.loads(ask(port, "/status.json")[1])
        assert (said["state"], said["cause"], said["probability"]) == ("not-monitoring", "starting", None)


def test_a_daemon_that_turns_is_alive_and_ready_and_says_what_is_true() -> None:
    clock = Clock()
    with serving(clock) as (health, port):
        health.push_event(Event(1, 1.0, 2.0, None, 0.9, Outcome.ONGOING), 2.0)
        health.push_event(Event(1, 1.0, 2.0, 9.0, 0.9, Outcome.ENDED), 9.0)
        health.push_marker("session-reset/gap", 3.0)
        health.push_marker("non-seizure", 4.0)
        health.update(snapshot(clock.now_s, conditions=(LOST,)))
        clock.now_s += 0.5
        assert ask(port, "/livez") == (200, "alive\n")
        assert ask(port, "/readyz")[0] == 200
        said = json.loads(ask(port, "/status.json?pretty=1")[1])
    assert said | {"version": ""} == {
        "schema": 1,
        "bed": "bed1",
        "version": "",
        "alive": True,
        "ready": True,
        "turn_age_s": 0.5,
        "state": "non-seizure",
        "cause": None,
        "time_s": 100.0,
        "probability": 0.25,
        "burden": 0.125,
        "good_derivations": 21,
        "derivations": 22,
        "missing_samples": 3,
        "input_age_s": pytest.approx(0.6),
        "seizures": 1,
        "session_resets": {"gap": 1},
        "source": {"name": "amp", "source_id": "amp-1", "hostname": "cart", "rate_hz": 256.0, "channels": 2},
        "model": {"id": "model-1", "sha256": "f" * 64},
        "conditions": [{"kind": "lost", "priority": "high", "text": "no samples for 3 s", "since_s": 90.0, "count": 2}],
    }


def test_a_main_loop_that_stands_still_is_neither_alive_nor_ready_nor_watching() -> None:
    clock = Clock()
    with serving(clock) as (health, port):
        health.update(snapshot(clock.now_s))
        clock.now_s += ALIVE_S + 0.1
        code, text = ask(port, "/livez")
        assert (code, "3.1 s ago, expected 3 s at most" in text) == (503, True)
        assert ask(port, "/readyz")[0] == 503
        said = json.loads(ask(port, "/status.json")[1])
        assert (said["alive"], said["state"], said["cause"]) == (False, "not-monitoring", "stale")
        assert said["probability"] is None
        health.update(snapshot(clock.now_s))
        assert ask(port, "/livez")[0] == 200


@given(
    st.sampled_from([WATCHING, replace(WATCHING, state=State.SEIZURE), replace(
        WATCHING, state=State.NOT_MONITORING, cause=Cause.LOST
    )]),
    st.floats(0, 100),
)  # fmt: skip
def test_non_seizure_is_never_said_of_a_loop_that_stands_still_and_a_seizure_is_never_taken_back(
    status: Status, later_s: float
) -> None:
    clock = Clock()
    health = Health(HealthConfig(host="127.0.0.1", port=0), "bed1", clock)
    health.update(snapshot(clock.now_s, status=status))
    clock.now_s += later_s
    now, _ = health.now()
    stands_still = clock.now_s - 1000.0 > ALIVE_S  # as it was added up
    assert (now.status == status) == (not (stands_still and status.state is State.NON_SEIZURE))
    assert now.is_ready == (not stands_still)


def test_a_daemon_that_stops_is_not_ready_any_more() -> None:
    clock = Clock()
    with serving(clock) as (health, port):
        health.update(snapshot(clock.now_s, is_ready=False))
        assert (ask(port, "/livez")[0], ask(port, "/readyz")[0]) == (200, 503)


def test_what_a_peer_said_is_told_as_text_and_what_is_no_number_as_null() -> None:
    clock = Clock()
    nasty = replace(LOST, text='"},\n\x1b]0;<script>µ')
    with serving(clock) as (health, port):
        health.update(snapshot(clock.now_s, conditions=(nasty,), input_age_s=math.nan, source=None))
        body = ask(port, "/status.json")[1]
    assert body.isascii()
    assert not [letter for letter in body if letter != "\n" and not letter.isprintable()]
    said = json.loads(body, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert said["conditions"][0]["text"] == nasty.text
    assert (said["input_age_s"], said["source"]) == (None, None)


@pytest.mark.parametrize("path", ["/", "/metrics/", "/../etc/passwd", "/%6Civez", "/detector"])
def test_there_is_nothing_else_to_be_had(path: str) -> None:
    with serving() as (_, port):
        assert ask(port, path) == (404, "not here; there is /livez, /readyz, /status.json, /metrics\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_it_can_be_read_and_nothing_else(method: str) -> None:
    with serving() as (_, port):
        assert ask(port, "/livez", method)[0] == 501


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_it_listens_at_names_and_at_both_kinds_of_address(host: str) -> None:
    with serving(host=host) as (_, port):
        assert ask(port, "/livez", host=host)[0] == 200


def test_it_closes_at_once_and_the_port_is_free_again_at_once() -> None:
    with serving() as (health, port):
        assert ask(port, "/livez")[0] == 200
        began = time.monotonic()
        health.close()
        assert time.monotonic() - began < 0.5
        until(lambda: not reachable("127.0.0.1", port), 2, "it is closed")
    with serving(port=port) as (_, port):
        assert ask(port, "/livez")[0] == 200


def test_a_port_that_is_taken_is_told_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("detector.health._RETRY_S", 0.05)
    tries: list[int] = []

    def counted(host: str, port: int, answer: Callable[[str], Answer]) -> HealthServer:
        tries.append(port)
        return HealthServer(host, port, answer)

    monkeypatch.setattr("detector.health.HealthServer", counted)
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        health = Health(HealthConfig(host="127.0.0.1", port=port), "bed1", Clock())
        until(lambda: health.problem, 5, "it is told")
        assert f"[health] 127.0.0.1:{port} cannot be listened at (Address already in use)" in health.problem
        health.update(snapshot(1000.0))  # and the main loop goes on
        until(lambda: len(tries) > 3, 5, "it is tried again and again")
    until(lambda: not health.problem, 5, "it is tried again")
    assert ask(port, "/livez")[0] == 200
    health.close()
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"], "each once"


def test_an_address_that_this_machine_has_not_is_told() -> None:
    health = Health(HealthConfig(host="203.0.113.7", port=free_port()), "bed1", Clock())
    until(lambda: health.problem, 5, "it is told")
    assert "203.0.113.7" in health.problem
    health.close()


def test_without_a_port_it_listens_nowhere_and_has_no_thread() -> None:
    before = threading.active_count()
    health = Health(HealthConfig(host="127.0.0.1", port=0), "bed1")
    assert threading.active_count() == before
    assert not health.problem
    health.close()


def test_those_who_say_nothing_keep_nobody_else_out_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.health_server.DEADLINE_S", 1.0)
    until(lambda: answering() == 0, 5, "nothing of the tests before is left")
    with serving() as (_, port):
        silent = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(MOST_REQUESTS + 4)]
        until(lambda: answering() >= MOST_REQUESTS, 5, "all places are taken")
        assert answering() == MOST_REQUESTS, "and there are no more"
        until(lambda: answers(port), 5, "it answers again")
        for one in silent:
            one.close()
    until(lambda: answering() == 0, 5, "the threads are gone")


def answering() -> int:
    return sum("process_request_thread" in thread.name for thread in threading.enumerate())


def test_a_question_that_comes_in_drops_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.health_server.DEADLINE_S", 0.3)
    assert DEADLINE_S > 0.3
    with serving() as (_, port), closing(socket.create_connection(("127.0.0.1", port), 5)) as slow:
        began = time.monotonic()
        slow.settimeout(0.05)
        ended = False
        while not ended and time.monotonic() - began < 5:
            try:
                slow.sendall(b"G")
                ended = slow.recv(1) == b""
            except TimeoutError:
                pass
            except OSError:
                ended = True
        assert ended
        assert time.monotonic() - began < 2


def answers(port: int) -> bool:
    try:
        return ask(port, "/livez")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def test_rubbish_and_hanging_up_leave_no_line_in_the_log(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving() as (_, port):
        for sent in (
            b"",
            b"\x00\xff\n\n",
            b"GET /metrics HTTP/1.0\r\n",
            b"GET /\x1b[2J HTTP/1.0\r\n\r\n",
            b"A" * 70_000,
        ):
            with closing(socket.create_connection(("127.0.0.1", port), 5)) as other:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # hangs up rudely
                other.sendall(sent)
        assert ask(port, "/livez")[0] == 200
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_a_mistake_of_ours_is_logged_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr("detector.metrics.exposition", broken)
    with serving() as (_, port):
        assert not any(ask_or_none(port, "/metrics"))
        assert ask(port, "/livez")[0] == 200
    [record] = caplog.records
    assert record.getMessage() == "a question about the health could not be answered"


def ask_or_none(port: int, path: str) -> tuple[int, str]:
    try:
        return ask(port, path)
    except http.client.RemoteDisconnected:
        return 0, ""


def test_without_free_descriptors_it_does_not_spin_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[float] = []
    is_full = threading.Event()
    accept = socketserver.TCPServer.get_request

    def counted(server: HealthServer) -> object:
        # Not by taking all descriptors of this process, in which other tests' sockets may end and give theirs back.
        tries.append(time.monotonic())
        if is_full.is_set():
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(server)

    monkeypatch.setattr("socketserver.TCPServer.get_request", counted)
    with serving() as (_, port), closing(socket.socket()) as waiting:
        is_full.set()
        tries.clear()
        waiting.connect(("127.0.0.1", port))  # and cannot be accepted
        until(lambda: len(tries) > 4, 10, "it tries")
        assert tries[4] - tries[0] > 0.3
        is_full.clear()
        until(lambda: answers(port), 5, "it answers again")


def test_turns_are_counted_by_their_length() -> None:
    health = Health(HealthConfig(host="127.0.0.1", port=0), "bed1")
    for turned_s in (10.0, 10.03125, 10.28125, 11.28125, 41.28125):
        health.update(snapshot(turned_s))
    assert health.counts.turns_s == 31.28125
    assert health.counts.turns == [1, 0, 1, 0, 0, 1, 0, 0, 0, 1], "a bound belongs to its bucket"


def test_every_reason_of_a_reset_is_counted() -> None:
    health = Health(HealthConfig(host="127.0.0.1", port=0), "bed1")
    for reason in Reset:
        health.push_marker(f"session-reset/{reason}", 1.0)
    assert health.counts.resets == dict.fromkeys(Reset, 1)
