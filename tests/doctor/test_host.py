"""What the machine gives: folders that cannot be written, files that are no journal, units without a watchdog."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from detector.config import Config, Health, make_config
from detector.doctor import host
from detector.doctor.finding import Finding, Level
from detector.errors import ConfigError
from detector.health import Health as Answering
from tests.live import free_port, until


def one(findings: Iterable[Finding]) -> Finding:
    [found] = findings
    assert bool(found.advice) == (found.level is not Level.OK) or found.level is Level.FAIL
    return found


def bed(**sections: Any) -> Config:
    return make_config({"bed": {"name": "bed1"}, "source": {"source_id": "amp"}} | sections)


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    return tmp_path / "state"


def test_a_state_folder_can_be_there_or_be_made_and_nothing_is_left_in_it(folder: Path) -> None:
    assert one(host.state(None)).text.startswith(f"{folder} can be made")
    assert not folder.exists()
    folder.mkdir()
    found = one(host.state(None))
    assert (found.level, found.text.startswith(f"{folder} can be written")) == (Level.OK, True)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("unwritable", ["/proc/seizure-detector", "/sys"])
def test_a_state_folder_that_cannot_be_written_fails(monkeypatch: pytest.MonkeyPatch, unwritable: str) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", unwritable)
    found = one(host.state(None))
    assert found.level is Level.FAIL
    assert found.text.startswith(f"{unwritable}: ")
    assert found.advice


def test_a_file_in_the_place_of_the_folder_fails(folder: Path) -> None:
    folder.write_text("")
    assert one(host.state(None)).level is Level.FAIL
    found = one(host.journal(None, bed()))
    assert (found.level, "Not a directory" in found.text) == (Level.FAIL, True)


def test_a_bed_that_its_unit_runs_has_the_units_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("detector.doctor.host._CONFIG_FOLDER", tmp_path / "etc")
    monkeypatch.setattr("detector.doctor.host._STATE_FOLDER", tmp_path / "var")
    assert f"{tmp_path / 'var' / 'bed1'} can be made" in one(host.state(tmp_path / "etc" / "bed1.toml")).text
    assert f"{tmp_path / 'home' / 'seizure-detector'} can be made" in one(host.state(tmp_path / "bed1.toml")).text


def test_a_journal_can_be_made_or_written_and_is_only_looked_at(folder: Path) -> None:
    found = one(host.journal(None, bed()))
    assert (found.level, "does not exist yet, and can be made" in found.text) == (Level.OK, True)
    folder.mkdir()
    path = folder / "bed1.journal.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE rows (id INTEGER)")
        database.commit()
        # The daemon has it open, and is writing.
        database.execute("BEGIN IMMEDIATE")
        found = one(host.journal(None, bed()))
    assert (found.level, found.text) == (Level.OK, f"{path} can be written, and read: 1 tables")


def test_what_is_no_journal_is_a_warning_as_the_daemon_sets_it_aside(folder: Path) -> None:
    folder.mkdir()
    (folder / "bed1.journal.sqlite").write_bytes(b"\xff" * 5000)
    found = one(host.journal(None, bed()))
    assert (found.level, "is no journal that can be read" in found.text) == (Level.WARN, True)


def test_a_journal_that_cannot_be_written_fails(tmp_path: Path) -> None:
    (tmp_path / "a folder").mkdir()
    found = one(host.journal(None, bed(journal={"path": str(tmp_path / "a folder")})))
    assert (found.level, "cannot be written: Is a directory" in found.text) == (Level.FAIL, True)


def test_no_journal_is_a_warning() -> None:
    assert one(host.journal(None, bed(journal={"path": "off"}))).level is Level.WARN


@pytest.mark.parametrize(
    ("free", "level"), [(400_000_000, Level.OK), (300_000_000, Level.WARN), (99_000_000, Level.FAIL)]
)
def test_a_disk_needs_room_for_a_whole_journal(monkeypatch: pytest.MonkeyPatch, free: int, level: Level) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=free))
    assert one(host.disk(None, bed())).level is level
    without = one(host.disk(None, bed(journal={"path": "off"})))
    assert without.level is (Level.OK if free > 100_000_000 else Level.FAIL)


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("MemTotal:  9 kB\nMemAvailable:    1500000 kB\n", Level.OK),
        ("MemAvailable:    400000 kB\n", Level.WARN),
        ("MemTotal: 9 kB\n", Level.WARN),
    ],
)
def test_another_bed_must_fit_into_memory(monkeypatch: pytest.MonkeyPatch, text: str, level: Level) -> None:
    monkeypatch.setattr("pathlib.Path.read_text", lambda self, encoding: text)
    assert one(host.memory()).level is level


def test_this_machine_says_what_memory_it_has() -> None:
    assert " available" in one(host.memory()).text


@pytest.mark.parametrize(("microseconds", "level"), [("20000000", Level.OK), ("", Level.FAIL), ("x", Level.FAIL)])
def test_inside_a_service_systemd_says_what_it_watches(
    monkeypatch: pytest.MonkeyPatch, microseconds: str, level: Level
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    found = one(host.watchdog(None))
    assert found.level is level
    assert level is Level.FAIL or found.text == "systemd asks for a sign every 20 s"


@pytest.mark.parametrize(
    ("unit", "level"),
    [
        ("[Service]\nType=notify\nWatchdogSec=20\n", Level.OK),
        ("[Service]\nType=notify\n", Level.FAIL),
        ("[Service]\nType=notify\nWatchdogSec=0\n", Level.FAIL),
        ("[Service]\nType=simple\nWatchdogSec=20\n", Level.FAIL),
        ("", Level.FAIL),
        (None, Level.WARN),
    ],
)
def test_outside_the_installed_unit_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, unit: str | None, level: Level
) -> None:
    monkeypatch.setattr("detector.doctor.host._UNIT_FOLDERS", (str(tmp_path / "none"), str(tmp_path)))
    monkeypatch.setattr("detector.doctor.host._systemctl", lambda *_: "")
    if unit is not None:
        (tmp_path / "seizure-detector@.service").write_text(unit)
    assert one(host.watchdog(tmp_path / "bed1.toml")).level is level


def test_where_systemd_runs_it_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "seizure-detector@.service").write_text("")
    monkeypatch.setattr("detector.doctor.host._UNIT_FOLDERS", (str(tmp_path),))
    monkeypatch.setattr("detector.doctor.host._CONFIG_FOLDER", tmp_path)
    said = {
        "cat": "[Service]\nType=notify\nWatchdogSec=10\n# a drop-in\n[Service]\nWatchdogSec=20\n",
        "show": "active\n",
    }
    monkeypatch.setattr("detector.doctor.host._systemctl", lambda what, *_: said[what])
    found = one(host.watchdog(tmp_path / "bed1.toml"))
    assert (found.level, found.text) == (Level.OK, "seizure-detector@bed1.service: Type=notify, WatchdogSec=20")
    said["show"] = "inactive\n"
    found = one(host.watchdog(tmp_path / "bed1.toml"))
    assert (found.level, found.advice) == (Level.WARN, "systemctl enable --now seizure-detector@bed1.service")
    assert one(host.watchdog(None)).level is Level.OK
    said["cat"] += "WatchdogSec=0\n"
    assert one(host.watchdog(None)).level is Level.FAIL


@pytest.mark.skipif(Path("/run/systemd/system").is_dir(), reason="here systemd runs")
def test_without_a_systemd_nobody_is_asked() -> None:
    assert host._systemctl("show", "seizure-detector@bed1.service") == ""


def test_the_port_for_questions_is_off_or_free_or_the_beds_own_or_an_error() -> None:
    assert one(host.health_port(bed())).text.startswith("off")
    port = free_port()
    config = bed(health={"port": port})
    assert one(host.health_port(config)).text == f"127.0.0.1:{port}: free"
    health = Answering(Health(host="127.0.0.1", port=port), "bed1")
    try:
        until(lambda: "answers there" in one(host.health_port(config)).text, 5, "it listens")
        other = make_config({"bed": {"name": "b"}, "source": {"source_id": "a"}, "health": {"port": port}})
        with pytest.raises(ConfigError, match="a port of its own"):
            list(host.health_port(other))
    finally:
        health.close()


def test_a_port_that_is_open_to_the_network_is_a_warning() -> None:
    found = one(host.health_port(bed(health={"port": free_port(), "host": "0.0.0.0"})))
    assert (found.level, "without a password" in found.text) == (Level.WARN, True)
