"""liblsl keeps quiet, and a user's own configuration is left as it is."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from detector.lsl_setup import quiet, search_ports_used_up, stream_ports


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Collect the configurations that are set, in a place where the user has none."""
    contents: list[str] = []
    monkeypatch.setattr("pylsl.set_config_content", contents.append)
    monkeypatch.delenv("LSLAPICFG", raising=False)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    if Path("/etc/lsl_api/lsl_api.cfg").exists():
        pytest.skip("this machine has an LSL configuration of its own")
    return contents


def test_without_a_configuration_only_the_log_is_changed(given: list[str]) -> None:
    quiet()
    assert given == ["[log]\nlevel = -3\n"]


@pytest.mark.parametrize("place", ["lsl_api.cfg", "home/lsl_api/lsl_api.cfg"])
def test_a_users_configuration_is_used_as_it_is(given: list[str], tmp_path: Path, place: str) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_text("[log]\nlevel = 2\n")
    quiet()
    assert given == []


def test_the_variable_wins(given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSLAPICFG", "/anywhere.cfg")
    quiet()
    assert given == []


def test_a_service_without_a_home_starts(given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", lambda _uid: (_ for _ in ()).throw(KeyError("no such user")))
    quiet()
    assert len(given) == 1


def test_a_home_that_may_not_be_looked_into_is_none(given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.stat", refused)
    quiet()
    assert len(given) == 1


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("", range(16572, 16604)),
        ("[ports]\nBasePort = 2000\n", range(2000, 2032)),
        ("[ports]\nBasePort = 2000\nPortRange = 8 \n[log]\nlevel = 2\n", range(2000, 2008)),
        ("[ports]\nBasePort = many\n", range(1, 65536)),
        ("ports without a section", range(1, 65536)),
    ],
)
def test_the_ports_are_those_of_the_configuration(given: list[str], text: str, ports: range) -> None:
    assert stream_ports() == range(16572, 16604)
    Path("lsl_api.cfg").write_text(text)
    assert stream_ports() == ports


def test_the_ports_are_those_of_the_file_that_the_variable_names(
    given: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("lsl_api.cfg").write_text("[ports]\nBasePort = 1\n")
    Path("mine.cfg").write_text("[ports]\nBasePort = 3000\n")
    monkeypatch.setenv("LSLAPICFG", "mine.cfg")
    assert stream_ports() == range(3000, 3032)


@pytest.mark.parametrize(("others", "is_told"), [("", False), ("AllowRandomPorts = 0\n", True)])
def test_a_search_that_has_no_port_to_hear_at_is_told_where_it_may_take_no_other(
    given: list[str], others: str, is_told: bool
) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as taken:
        taken.bind(("", 0))
        port = taken.getsockname()[1]
        Path("lsl_api.cfg").write_text(f"[ports]\nBasePort = {port}\nPortRange = 1\n{others}")
        assert bool(why := search_ports_used_up()) is is_told
        assert f"{port} to {port}" in why or not is_told
    assert search_ports_used_up() == ""


def test_the_ports_of_a_search_are_no_matter_where_the_configuration_cannot_be_read(given: list[str]) -> None:
    Path("lsl_api.cfg").write_text("[ports]\nBasePort = many\nAllowRandomPorts = 0\n")
    assert search_ports_used_up() == ""


@pytest.mark.parametrize("is_quiet", [True, False])
def test_liblsl_says_nothing_of_its_own(tmp_path: Path, is_quiet: bool) -> None:
    # An outlet without a source_id is what it would warn of.
    script = (
        "from detector.lsl_setup import quiet\n" + "quiet()\n" * is_quiet + "import pylsl\n"
        "pylsl.StreamOutlet(pylsl.StreamInfo('x', 'y', 1, 0, 'float32', ''))\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "LSLAPICFG"}
    environment |= {"HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=tmp_path)
    assert (done.stderr == "") == is_quiet
