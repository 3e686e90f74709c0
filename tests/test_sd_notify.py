"""systemd hears what it must, byte for byte, and nothing that goes wrong with it reaches the main loop."""

from __future__ import annotations

import logging
import os
import re
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.sd_notify import Notifier


class Manager:
    """systemd's end: a real socket, by path or by an abstract name."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address[0] == "@" else address)
        self.socket.setblocking(False)
        self.environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}

    def heard(self) -> list[bytes]:
        """Return the messages that have come since the last call."""
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(10_000))
            except BlockingIOError:
                return messages


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(str(tmp_path / "notify") if request.param == "path" else f"@{uuid.uuid4()}")
    yield manager
    manager.socket.close()


@pytest.fixture
def notifier(manager: Manager) -> Iterator[Notifier]:
    notifier = Notifier(manager.environment)
    yield notifier
    notifier.close()


def _fill(notifier: Notifier) -> None:
    """Write until the manager's queue is full, as when it does not read."""
    for number in range(100_000):
        notifier.status(f"{number}")
        if notifier._fails:
            return
    raise AssertionError("the socket takes everything")


def test_a_life_is_told_in_the_protocols_words(manager: Manager, notifier: Notifier) -> None:
    notifier.ready()
    notifier.status("bed1: monitoring")
    notifier.watchdog()
    notifier.stopping()
    assert manager.heard() == [b"READY=1", b"STATUS=bed1: monitoring", b"WATCHDOG=1", b"STOPPING=1"]


def test_a_reload_tells_when_it_began_on_the_clock_that_systemd_compares_it_with(
    manager: Manager, notifier: Notifier
) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.reloading()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.ready()
    [reloading, ready] = manager.heard()
    found = re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=(\d+)", reloading)
    assert found is not None
    assert before <= int(found[1]) <= after
    assert ready == b"READY=1"


def test_a_text_that_stands_is_not_sent_again(manager: Manager, notifier: Notifier) -> None:
    for text in ("waiting", "waiting", "monitoring", "waiting"):
        notifier.status(text)
    assert manager.heard() == [b"STATUS=waiting", b"STATUS=monitoring", b"STATUS=waiting"]


def test_a_name_from_the_network_cannot_say_anything_in_the_services_name(manager: Manager, notifier: Notifier) -> None:
    notifier.status("stream 'amp\nSTOPPING=1\r\0MAINPID=1\u2028\udc80'")
    assert manager.heard() == [b"STATUS=stream 'amp STOPPING=1  MAINPID=1  '"]


@given(st.text(st.characters(codec=None), max_size=40), st.sampled_from(["", "x" * 4070, "µ" * 2040, "脑" * 1360]))
def test_any_text_is_one_message_of_utf8_that_systemd_takes(text: str, head: str) -> None:
    manager = Manager(f"@{uuid.uuid4()}")
    notifier = Notifier(manager.environment)
    notifier.status(f"{head}{text}.")
    notifier.close()
    [data] = manager.heard()
    manager.socket.close()
    assert len(data) <= 4096
    name, _, told = data.decode().partition("=")
    assert name == "STATUS"
    assert "\n" not in told
    assert "\0" not in told
    assert told.startswith(head[:1])


def test_a_long_text_with_letters_of_three_bytes_is_cut_between_them(manager: Manager, notifier: Notifier) -> None:
    notifier.status("脑" * 2000)
    [data] = manager.heard()
    assert data == b"STATUS=" + "脑".encode() * ((4096 - 7) // 3)


def test_the_watchdog_is_fed_four_times_in_its_time_however_fast_the_loop_turns(manager: Manager) -> None:
    now_s = [100.0]
    notifier = Notifier(manager.environment, lambda: now_s[0])
    assert notifier.watchdog_s == 20
    for _ in range(200):
        notifier.watchdog()
        now_s[0] += 0.1
    assert manager.heard() == [b"WATCHDOG=1"] * 4
    notifier.close()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": ""}, None),
        ({"WATCHDOG_USEC": "1500000"}, 1.5),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": str(os.getpid())}, 1.5),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_the_watchdogs_time_is_taken_where_it_is_meant_for_this_process(
    environment: dict[str, str], expected: float | None, manager: Manager
) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.environment["NOTIFY_SOCKET"], **environment})
    assert notifier.watchdog_s == expected
    notifier.watchdog()
    assert manager.heard() == ([] if expected is None else [b"WATCHDOG=1"])
    notifier.close()


@pytest.mark.parametrize("given", ["0", "-5", "2s", "1e6", "٣"])
def test_a_watchdogs_time_that_is_none_is_told(given: str, caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier({"WATCHDOG_USEC": given})
    assert notifier.watchdog_s is None
    assert "expected microseconds" in caplog.text
    notifier.close()


def test_a_full_socket_loses_a_status_and_nothing_else(
    manager: Manager, notifier: Notifier, caplog: pytest.LogCaptureFixture
) -> None:
    _fill(notifier)
    notifier.ready()
    notifier.watchdog()
    notifier.status("monitoring")
    assert notifier._socket is not None
    assert notifier._socket.gettimeout() == 0, "it must not wait for room"
    assert len(caplog.records) == 1, "told once, not at every turn"
    assert caplog.records[0].levelno == logging.WARNING
    assert b"READY=1" not in manager.heard()
    notifier.watchdog()
    notifier.watchdog()
    notifier.status("monitoring")
    assert manager.heard() == [b"READY=1\nWATCHDOG=1", b"STATUS=monitoring"]


def test_of_changes_that_could_not_be_told_the_last_one_is(manager: Manager, notifier: Notifier) -> None:
    _fill(notifier)
    notifier.reloading()
    notifier.ready()
    manager.heard()
    notifier.status("monitoring")
    assert manager.heard() == [b"READY=1\nSTATUS=monitoring"]


def test_a_manager_that_goes_and_comes_back_is_told_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    address = str(tmp_path / "notify")
    manager = Manager(address)
    notifier = Notifier(manager.environment)
    notifier.ready()
    for gone in range(2):
        manager.socket.close()
        Path(address).unlink()
        notifier.watchdog()
        notifier.status(f"gone {gone}")
        manager = Manager(address)
        notifier.status(f"back {gone}")
        assert manager.heard() == [f"STATUS=back {gone}".encode()]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"], "once each time"
    notifier.close()
    manager.socket.close()


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "@nobody-listens", "/" + "x" * 300, "@" + "x" * 300])
def test_without_a_manager_the_service_goes_on(address: str) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000"})
    notifier.ready()
    notifier.status("waiting")
    notifier.watchdog()
    notifier.reloading()
    notifier.stopping()
    notifier.close()


@pytest.mark.parametrize("address", ["vsock:2:5000", "relative/notify"])
def test_an_address_of_another_kind_is_told_and_not_used(address: str, caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": address})
    notifier.ready()
    notifier.close()
    assert "expected a path or an abstract name" in caplog.text
    assert len(caplog.records) == 1
