"""What liblsl is and hears: in the tests' own LSL session, and in networks of their own with a firewall in the way."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from detector.config import make_config
from detector.doctor import lsl
from detector.doctor.finding import Finding, Level
from detector.doctor.lsl_query import Target, ask
from detector.errors import ConfigError
from detector.lsl_settings import read_settings
from tests.doctor.amplifiers import amplifiers

BED = make_config({"bed": {"name": "bed1"}, "source": {"source_id": "amp"}})
# Prints what the network check found, in a process that can have another network and another LSL configuration.
NETWORK = (
    "import json; from dataclasses import asdict; from detector.doctor import lsl; "
    "print(json.dumps([asdict(finding) for finding in lsl.network()]))"
)


def of(findings: list[Finding], check: str) -> Finding:
    [found] = [finding for finding in findings if finding.check == check]
    return found


def test_liblsl_is_named_with_its_version() -> None:
    [found] = lsl.library()
    assert found.level is Level.OK
    assert found.text.startswith("liblsl 1.")


def test_a_library_that_is_named_and_not_there_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYLSL_LIB", "/nowhere/liblsl.so")
    [found] = lsl.library()
    assert found.level is Level.WARN
    assert "PYLSL_LIB names /nowhere/liblsl.so" in found.text


def test_an_old_liblsl_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pylsl.library_version", lambda: 113)
    [found] = lsl.library()
    assert (found.level, found.text.endswith("expected 1.16 or later")) == (Level.WARN, True)


def test_the_configuration_in_use_is_told() -> None:
    [found] = lsl.configuration()
    assert found.level is Level.OK
    assert found.text.startswith(os.environ["LSLAPICFG"])
    assert f"session {read_settings().session!r}, ResolveScope machine, IPv6 disable, KnownPeers none" in found.text


def test_a_session_that_is_not_the_configurations_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.doctor.lsl.read_settings", lambda: replace(read_settings(), session="another"))
    found = of(list(lsl.network()), "session")
    assert found.level is Level.FAIL
    assert "liblsl is in session 'test-" in found.text


def test_a_configuration_that_liblsl_drops_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "lsl_api.cfg").write_text("# no comment\n")
    monkeypatch.setenv("LSLAPICFG", str(tmp_path / "lsl_api.cfg"))
    with pytest.raises(ConfigError, match="line 1"):
        list(lsl.configuration())


@pytest.mark.parametrize(
    ("others", "level", "said"),
    [("", Level.WARN, "and gets others"), ("AllowRandomPorts = false\n", Level.FAIL, "and none beyond")],
)
def test_ports_that_are_taken_are_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, others: str, level: Level, said: str
) -> None:
    with ExitStack() as stack:
        taken = [stack.enter_context(closing(socket.socket())) for _ in range(2)]
        for one in taken:
            one.bind(("", 0))
            one.listen()
        first = taken[0].getsockname()[1]
        path = tmp_path / "lsl_api.cfg"
        path.write_text(f"[ports]\nBasePort = {first}\nPortRange = 1\nIPv6 = disable\n{others}")
        monkeypatch.setenv("LSLAPICFG", str(path))
        [found] = lsl.ports(BED)
    assert found.level is level
    assert f"0 of 1 free from BasePort {first} to {first}; a bed takes 2, {said}" in found.text


def test_ports_that_are_free_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    [found] = lsl.ports(BED)
    assert found.level is Level.OK
    monkeypatch.setattr("detector.doctor.lsl._is_free", lambda port: False)
    [found] = lsl.ports(BED)
    assert found.level is Level.WARN


def test_an_outlet_of_this_program_is_found_and_measured() -> None:
    found = list(lsl.network())
    assert [finding.check for finding in found] == ["discovery", "clock correction", "multicast"]
    assert {finding.level for finding in found} == {Level.OK}
    assert "only streams of this machine" in of(found, "multicast").text


def test_where_no_other_session_is_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    # Not by multicast, whose port all programs of this machine share.
    monkeypatch.setattr("detector.doctor.lsl.read_settings", lambda: replace(read_settings(), groups=()))
    [found] = lsl.elsewhere()
    assert (found.check, found.level) == ("sessions", Level.OK)


def test_a_stream_of_another_session_is_told_and_not_seen(tmp_path: Path) -> None:
    mine = Path(os.environ["LSLAPICFG"]).read_text()
    session = read_settings().session
    path = tmp_path / "lsl_api.cfg"
    path.write_text(mine.replace(session, f"{session}-ward8"))
    with amplifiers({"name": "astray", "source_id": "doc-astray"}, environment={"LSLAPICFG": str(path)}):
        found = of(list(lsl.elsewhere()), "sessions")
    assert found.level is Level.WARN
    assert f"'astray' of 127.0.0.1 is in '{session}-ward8'" in found.text
    assert "SessionID" in found.advice


def test_peers_that_are_known_are_asked_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    peers = ("127.0.0.1", "no-such-machine.invalid")
    monkeypatch.setattr("detector.doctor.lsl.read_settings", lambda: replace(read_settings(), peers=peers))
    with amplifiers({"name": "one", "source_id": "doc-one"}, {"name": "two", "source_id": "doc-two"}):
        found = list(lsl.elsewhere())
    answering = of(found, "peer 127.0.0.1")
    assert answering.level is Level.OK
    assert int(answering.text.split()[0]) >= 2
    unknown = of(found, "peer no-such-machine.invalid")
    assert (unknown.level, unknown.text.startswith("its address is not known")) == (Level.WARN, True)


def test_a_peer_on_which_nobody_answers_is_a_warning_with_the_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    unused = replace(read_settings(), base_port=read_settings().base_port + 92, port_range=3, peers=("127.0.0.1",))
    monkeypatch.setattr("detector.doctor.lsl.read_settings", lambda: unused)
    silent = of(list(lsl.elsewhere()), "peer 127.0.0.1")
    assert (silent.level, silent.text) == (Level.WARN, "no stream answers")
    assert f"UDP {unused.base_port} to {unused.base_port + 2}" in silent.advice


def test_what_answers_to_a_question_is_read_and_cannot_harm() -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as peer:
        peer.bind(("127.0.0.1", 0))
        target = Target("127.0.0.1", peer.getsockname()[1])
        answers, unsent = ask("name='x'", [target], 0.0)
        assert (answers, unsent) == ([], {})
        question = peer.recv(1000).decode().split("\r\n")
        assert question[:2] == ["LSL:shortinfo", "name='x'"]
        assert question[2].split()[1] == "0"


@pytest.mark.parametrize(
    ("sent", "n_answers"),
    [
        (b"0\r\n<info><name>a&amp;b\x1b[2J</name><session_id>s</session_id><uid>u</uid></info>", 1),
        (b"0\r\n\xff\xfe", 1),
        (b"7\r\n<name>not asked</name>", 0),
        (b"-1\r\n<name>no</name>", 0),
        (b"9999999999999999999999\r\n", 0),
        (b"", 0),
        (b"0\r\n" + b"<name>" * 9000, 1),
    ],
)
def test_an_answer_may_be_anything(sent: bytes, n_answers: int) -> None:
    script = (
        "import socket, sys\n"
        "peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); peer.bind(('127.0.0.1', 0))\n"
        "print(peer.getsockname()[1], flush=True)\n"
        "question, _ = peer.recvfrom(1000)\n"
        "port = int(question.decode().split('\\r\\n')[2].split()[0])\n"
        f"peer.sendto({sent!r}, ('127.0.0.1', port))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        target = Target("127.0.0.1", int(process.stdout.readline()))
        answers, _ = ask("name='x'", [target], 0.5)
    finally:
        process.kill()
        process.communicate()
    assert len(answers) == n_answers
    if sent.startswith(b"0\r\n<info>"):
        assert (answers[0].name, answers[0].session, answers[0].uid) == ("a&b\\x1b[2J", "s", "u")
    assert all(text.isprintable() for one in answers for text in (one.name, one.session, one.uid, one.source_id))


def network_in(setup: str, tmp_path: Path, config: str = "") -> list[Finding]:
    """Return what is found in a network of its own, which the shell commands have set up."""
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("a network namespace needs root, unshare and ip")
    if "nft" in setup and shutil.which("nft") is None:
        pytest.skip("a firewall needs nft")
    path = tmp_path / "lsl_api.cfg"
    path.write_text(f"[log]\nlevel = -3\n[ports]\nIPv6 = disable\n{config}")
    script = f"set -e\nip link set lo up\n{setup}\nexec \"$0\" -c '{NETWORK}'"
    command = ["unshare", "--net", "bash", "-c", script, sys.executable]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"LSLAPICFG": str(path)}, timeout=60
    )
    if "Operation not permitted" in done.stderr or "not supported" in done.stderr:
        pytest.skip(f"no network namespace here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return [Finding(**one) for one in json.loads(done.stdout.splitlines()[-1])]


WIRE = (
    "ip link add wire0 type veth peer name wire1; ip addr add 198.51.100.7/24 dev wire0; "
    "ip link set wire0 up; ip link set wire1 up; ip route add default dev wire0; "
)
FIREWALL = (
    "nft add table inet f; nft add chain inet f out '{ type filter hook output priority 0; }'; nft add rule inet f out "
)


def test_multicast_comes_back_over_an_interface_that_lets_it_pass(tmp_path: Path) -> None:
    found = network_in(WIRE, tmp_path)
    assert [finding.check for finding in found] == ["discovery", "clock correction", "multicast wire0"]
    assert {finding.level for finding in found} == {"ok"}
    assert "224.0.0.183, 239.255.172.215 come back" in of(found, "multicast wire0").text


def test_a_machine_that_nothing_is_plugged_into_is_a_warning(tmp_path: Path) -> None:
    found = of(network_in("", tmp_path), "multicast")
    assert (found.level, found.text.startswith("no interface but the loopback is up")) == ("warn", True)


def test_multicast_that_is_blocked_fails_and_says_which_port_and_what_helps(tmp_path: Path) -> None:
    blocked = WIRE + FIREWALL + "ip daddr { 224.0.0.0/4, 255.255.255.255 } drop"
    found = network_in(blocked, tmp_path)
    assert of(found, "discovery").level == "ok", "on one machine streams are found all the same"
    multicast = of(found, "multicast wire0")
    assert multicast.level == "fail"
    assert "no answer by 255.255.255.255, 224.0.0.1, 224.0.0.183, 239.255.172.215" in multicast.text
    assert multicast.advice == "let UDP 16571 pass, or name the sender's machine in KnownPeers"
    with_peer = network_in(blocked, tmp_path, "[lab]\nKnownPeers = {198.51.100.9}\n")
    assert of(with_peer, "multicast wire0").level == "warn"


def test_a_clock_that_cannot_be_measured_is_a_warning(tmp_path: Path) -> None:
    timedata = b"LSL:timedata".hex()
    found = network_in(f"{WIRE}{FIREWALL}meta l4proto udp @th,64,96 0x{timedata} drop", tmp_path)
    assert of(found, "discovery").level == "ok"
    clock = of(found, "clock correction")
    assert (clock.level, "UDP is blocked" in clock.text) == ("warn", True)


def test_a_loopback_that_lets_nothing_pass_fails(tmp_path: Path) -> None:
    found = of(network_in(f"{WIRE}{FIREWALL}meta l4proto udp drop", tmp_path), "discovery")
    assert (found.level, "UDP 16571 and TCP and UDP 16572 to 16603" in found.advice) == ("fail", True)
