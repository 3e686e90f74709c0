"""The doctor reads an LSL configuration as liblsl does; liblsl itself, in a process of its own, is asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from detector.errors import ConfigError
from detector.lsl_settings import LslSettings, places, read_settings

ASK = (
    "import pylsl; info = pylsl.StreamOutlet(pylsl.StreamInfo('x', 'y', 1, 0, 'int32', 'z')).get_info(); "
    "print(info.session_id())"
)


def session_of_liblsl(path: Path) -> str:
    environment = os.environ | {"LSLAPICFG": str(path)}
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=True, env=environment)
    return done.stdout.strip()


def settings(path: Path, text: str | bytes) -> LslSettings:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_settings({"LSLAPICFG": str(path)})


@pytest.mark.parametrize(
    "text",
    [
        "[lab]\nSessionID = ward7\n",
        "; a comment\n\n[lab]\r\nSessionID=ward7\r\n[log]\nlevel = -3\n",
        "[lab] and more\n  SessionID \t= ward7  \n",
    ],
)
def test_what_liblsl_understands_is_understood(tmp_path: Path, text: str) -> None:
    read = settings(tmp_path / "lsl_api.cfg", text)
    assert read.session == session_of_liblsl(tmp_path / "lsl_api.cfg") == "ward7"
    assert read.path == tmp_path / "lsl_api.cfg"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# a comment\n[lab]\nSessionID = ward7\n", "line 1: '# a comment' is no `key = value`"),
        ("[lab]\nSessionID = ward7\n ; indented\n", "line 3: '; indented' is no `key = value`"),
        ("[lab]\nSessionID = ward7\nKnownPeers =\n", "line 3: 'KnownPeers =' lacks a key or a value"),
        ("[lab]\nSessionID = ward7\nSessionID = ward8\n", "line 3: SessionID of [lab] is there twice"),
        ("[lab\nSessionID = ward7\n", "line 1: [ without ]"),
        ("\ufeff[lab]\nSessionID = ward7\n", "line 1: '\\ufeff[lab]' is no `key = value`"),
        (
            "[lab]\nSessionID = ward7\n[multicast]\nResolveScope = sight\n",
            "ResolveScope is 'sight' (did you mean 'site'?)",
        ),
        ("[lab]\nSessionID = ward7\n[ports]\nIPv6 = no\n", "IPv6 is 'no'; the choices are allow, disable, force"),
    ],
)
def test_what_liblsl_drops_for_its_defaults_is_an_error(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        settings(tmp_path / "lsl_api.cfg", text)
    assert said in str(raised.value)
    assert str(tmp_path / "lsl_api.cfg") in str(raised.value)
    assert session_of_liblsl(tmp_path / "lsl_api.cfg") == "default"


def test_what_liblsl_takes_for_something_else_is_an_error(tmp_path: Path) -> None:
    for text, of_liblsl in (("ward7 ; the seventh", "ward7 ; the seventh"), ('"ward7"', '"ward7"')):
        with pytest.raises(ConfigError, match="is taken as it stands"):
            settings(tmp_path / "lsl_api.cfg", f"[lab]\nSessionID = {text}\n")
        assert session_of_liblsl(tmp_path / "lsl_api.cfg") == of_liblsl


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[ports]\nPortRange = 4x\n", "PortRange is '4x'; expected 1 to 65535"),
        ("[ports]\nBasePort = 70000\n", "BasePort is '70000'; expected 1 to 65535"),
        ("[lab]\nKnownPeers = 10.0.0.5\n", "'10.0.0.5': expected a list like {10.0.0.5, 10.0.0.6}"),
    ],
)
def test_values_that_liblsl_would_bend_are_errors(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        settings(tmp_path / "lsl_api.cfg", text)
    assert said in str(raised.value)


def test_everything_that_the_doctor_needs_is_read(tmp_path: Path) -> None:
    read = settings(
        tmp_path / "x.cfg",
        "[ports]\nMulticastPort = 1\nBasePort = 2\nPortRange = 3\nAllowRandomPorts = false\nIPv6 = forced\n"
        "[multicast]\nResolveScope = link\nLinkAddresses = {224.0.0.9, FF02::9}\n[lab]\nKnownPeers = {a, b.c}\n",
    )
    assert read == LslSettings(
        tmp_path / "x.cfg", "default", 1, 2, 3, False, "force", "link", ("127.0.0.1", "224.0.0.9"), ("a", "b.c")
    )


@pytest.mark.parametrize(
    ("scope", "groups"),
    [
        ("machine", "127.0.0.1"),
        ("link", "127.0.0.1 255.255.255.255 224.0.0.1 224.0.0.183"),
        ("site", "127.0.0.1 255.255.255.255 224.0.0.1 224.0.0.183 239.255.172.215"),
        ("global", "127.0.0.1 255.255.255.255 224.0.0.1 224.0.0.183 239.255.172.215"),
    ],
)
def test_a_scope_asks_its_groups_and_those_below(tmp_path: Path, scope: str, groups: str) -> None:
    assert settings(tmp_path / "x.cfg", f"[multicast]\nResolveScope = {scope}\n").groups == tuple(groups.split())
    over = settings(
        tmp_path / "x.cfg", f"[multicast]\nResolveScope = {scope}\nAddressesOverride = {{224.0.0.7, ::1}}\n"
    )
    assert over.groups == ("224.0.0.7",)


def test_the_first_file_that_is_there_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "lsl_api").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    home = {"HOME": str(tmp_path)}
    (tmp_path / "lsl_api" / "lsl_api.cfg").write_text("[lab]\nSessionID = home\n")
    assert read_settings(home).session == "home"
    Path("lsl_api.cfg").write_text("[lab]\nSessionID = here\n")
    assert read_settings(home).session == "here"
    (tmp_path / "given.cfg").write_text("[lab]\nSessionID = given\n")
    assert read_settings(home | {"LSLAPICFG": str(tmp_path / "given.cfg")}).session == "given"
    assert places({})[-1] == Path("/etc/lsl_api/lsl_api.cfg")


def test_a_named_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"LSLAPICFG names .*nowhere\.cfg, which cannot be read"):
        read_settings({"LSLAPICFG": str(tmp_path / "nowhere.cfg")})
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_settings({"LSLAPICFG": str(tmp_path)})
