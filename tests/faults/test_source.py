"""Faults 1 to 21: the source, and the network as far as it needs no other machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from detector.conditioning.montage import MONTAGES
from tests.faults.bed import LOSS_S, REFUSE_S, SEED, Bed, Signals, running_bed
from tests.faults.corruption import Scaled
from tests.faults.fake_peer import CLOSES, KEEPS_SILENT, fake_peer
from tests.faults.outlet import CHB_MIT
from tests.live import amplifier

SEIZURE = ((9.0, 60.0),)
DECLARED_S = 35.0  # the simulated seizure is declared 8 to 15 s after its onset
FLAPS = int(os.environ.get("FAULTS_FLAPS", "4"))


def _cpu_share(bed: Bed) -> float:
    vitals = bed.now.vitals
    return (vitals[-1].cpu_s - vitals[0].cpu_s) / (vitals[-1].arrived_s - vitals[0].arrived_s)


def test_fault_1_no_stream_at_the_start_is_waited_for_without_work_and_alarmed_after_a_while(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    supervisor = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    supervisor.bind(path)
    with supervisor, running_bed("fresh", tmp_path, Signals(tmp_path, SEED), NOTIFY_SOCKET=path) as bed:
        bed.started()
        bed.unwatchable("waiting")
        bed.said_unwatchable()
        bed.until(lambda: bed.conditions("waiting"), 13, "the condition")
        assert _cpu_share(bed) < 0.05
        assert any(b"READY=1" in supervisor.recv(65536) for _ in range(5))
        bed.recovers()
        bed.rest()
        assert bed.verdict()[0] == []


def test_fault_2_a_killed_outlet_is_lost_and_found_again(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier() as first:
        bed.watched()
        bed.unwatchable("lost", within_s=1.0)
        first.process.kill()
        bed.said_unwatchable()
    bed.recovers()


def test_fault_2_a_seizure_whose_outlet_is_killed_has_an_unknown_outcome(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier(seizures=SEIZURE) as first:
        bed.watched()
        bed.until_marker("seizure", DECLARED_S)
        bed.unwatchable("lost", within_s=1.0)
        first.process.kill()
        bed.said_unwatchable()
    bed.until(lambda: len(bed.seizures()) == 2, 3, "what became of it")
    (declared, ongoing), (lost, unknown) = bed.seizures()
    assert (declared, ongoing, unknown) == (lost, "ongoing", "unknown")
    bed.recovers()


def test_fault_3_a_source_that_comes_back_at_another_rate_begins_a_session_and_is_resampled(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier():
        bed.watched()
        bed.unwatchable("lost")
    bed.said_unwatchable()
    with bed.amplifier(rate_hz=512.0):
        bed.watched()
        assert "session-reset/rate-change" in [m.text for m in bed.now.markers]


def test_fault_3_a_source_that_comes_back_as_another_montage_is_refused(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier():
        bed.watched()
        bed.unwatchable("lost")
    bed.said_unwatchable()
    with bed.amplifier(labels=MONTAGES["tuh-tcp-22"], wait=False):
        bed.is_refused("These are the derivations of tuh-tcp-22")
    bed.recovers()


def test_fault_4_a_frozen_outlet_is_lost_by_the_clock_and_its_backlog_goes_on(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier() as source:
        bed.watched()
        missing = bed.recording.samples[-1].missing_samples
        bed.unwatchable("lost")
        source.process.send_signal(signal.SIGSTOP)
        bed.said_unwatchable()
        source.process.send_signal(signal.SIGCONT)
        bed.watched(within_s=4, not_before_s=0)
        bed.goes_on(3)
        assert not [m for m in bed.now.markers if "reset" in m.text], "nothing was lost"
        assert bed.recording.samples[-1].missing_samples == missing


def test_fault_4_a_seizure_goes_on_behind_a_frozen_outlet(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier(seizures=SEIZURE) as source:
        bed.watched()
        bed.until_marker("seizure", DECLARED_S)
        bed.unwatchable("lost")
        source.process.send_signal(signal.SIGSTOP)
        bed.said_unwatchable()
        source.process.send_signal(signal.SIGCONT)
        bed.watched(within_s=4, not_before_s=0)
        assert [m.state for m in bed.now.markers if m.state and not m.cause] == ["seizure"]
        assert [outcome for _, outcome in bed.seizures()] == ["ongoing"]


def test_fault_6_an_outlet_that_comes_and_goes_is_one_condition_with_a_count(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier() as source:
        bed.watched()
        bed.until(lambda: not bed.standing, 12, "the last test's loss is cleared")
        bed.unsure()
        for _ in range(FLAPS):
            source.process.send_signal(signal.SIGSTOP)
            bed.until(lambda: bed.cause == "lost", LOSS_S, "lost")
            source.process.send_signal(signal.SIGCONT)
            bed.until(lambda: not bed.cause, LOSS_S, "watched")
        bed.until(lambda: [c for c in bed.conditions("lost") if c["cleared"]], 15, "the condition is cleared")
        assert [(c["count"], c["cleared"] is None) for c in bed.conditions("lost")] == [(1, True), (FLAPS, False)]
        bed.watched(not_before_s=0)


def test_fault_12_two_sources_of_one_id_are_refused_and_both_are_listed(bed: Bed) -> None:
    bed.watch(predicate="name='nobody'")  # it looks for them when both are there
    with bed.amplifier():
        with bed.amplifier(name="impostor", wait=False):
            bed.watch()
            bed.is_refused("2 streams match")
            assert "'amplifier' on" in bed.log
            assert "'impostor' on" in bed.log
        bed.watched()


def test_fault_12_a_second_source_of_that_id_changes_nothing_and_is_alarmed(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier() as source:
        bed.watched()
        with bed.amplifier(Scaled(0.0), name="impostor", wait=False) as impostor:
            impostor.corrupt()
            bed.until(lambda: bed.conditions("duplicate-source"), 25, "the condition")
            bed.as_reference(source, 12)


def test_fault_14_another_bed_of_the_same_name_is_told_apart_by_a_predicate(bed: Bed) -> None:
    bed.watch(predicate="type='EEG'")
    with bed.amplifier(Scaled(0.0), kind="Other", wait=False) as other:
        other.corrupt()
        with bed.amplifier() as source:
            bed.watched()
            bed.as_reference(source)


_BROKEN = b'<?xml version="1.0"?><info><name>amplifier</name><desc><channels><channel><label>FP1'


@pytest.mark.parametrize("answer", [CLOSES, KEEPS_SILENT, bytes(range(256)) * 16, _BROKEN])
def test_fault_16_a_peer_that_is_none_is_not_asked_all_the_time(bed: Bed, answer: bytes | None) -> None:
    bed.watch()
    with fake_peer(bed.source_id, answer) as peer:
        bed.unwatchable("waiting", within_s=REFUSE_S)
        bed.said_unwatchable()
        bed.until(lambda: bed.recording.vitals, 3, "a look at the process")
        asked, cpu = peer.connections, bed.recording.vitals[-1].cpu_s
        bed.goes_on(8)
        assert peer.connections - asked < 40
        assert bed.recording.vitals[-1].cpu_s - cpu < 1.0
    bed.recovers()


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"ballast_bytes": 2_000_000}, "has more than 1 MB of metadata"),
        ({"unlabelled": 10_000}, "it declares 10022 channels at 256 Hz; expected at most 1024 channels"),
    ],
)
def test_fault_17_what_is_too_large_is_refused_with_the_limit(bed: Bed, keys: dict[str, Any], reason: str) -> None:
    bed.watch()
    with bed.amplifier(wait=False, **keys):
        bed.is_refused(reason)
    bed.recovers()


def test_fault_18_labels_that_are_no_utf_8_are_shown_escaped(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier(labels=(*CHB_MIT, "\udcff\udcfe", "\x9b31mred")) as source:
        bed.watched()
        bed.as_reference(source)
        [line] = [line for line in bed.log.splitlines() if "channels not used" in line]
        assert line.isprintable()
        assert "\\x9b31mred" in line


def test_fault_18_a_host_that_is_no_utf_8_is_shown_escaped(bed: Bed) -> None:
    bed.watch()
    with fake_peer(bed.source_id, KEEPS_SILENT, hostname="caf\udce9"):
        bed.unwatchable("validating", within_s=REFUSE_S)
        bed.said_unwatchable()
        assert all(line.isprintable() for line in bed.log.splitlines())
    bed.recovers()


def test_fault_19_a_source_in_another_session_is_not_seen(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier(session="another", wait=False):
        bed.unwatchable("waiting", "lost")
        bed.said_unwatchable()
        bed.goes_on(5)
    bed.recovers()


def test_fault_20_outlets_that_get_no_port_of_the_range_end_the_program_with_the_reason(tmp_path: Path) -> None:
    lsl = tmp_path / "lsl_api.cfg"
    base_port = 32000 + os.getpid() % 90 * 8  # of this run alone, and below those that the kernel gives to connections
    lsl.write_text(
        f"[ports]\nBasePort = {base_port}\nPortRange = 8\nAllowRandomPorts = 0\nIPv6 = disable\n"
        "[multicast]\nResolveScope = machine\n[lab]\nSessionID = full\n[log]\nlevel = -3\n"
    )
    config = tmp_path / "bed.toml"
    config.write_text('[bed]\nname = "full"\n[source]\nsource_id = "full"\n')
    outlets = (
        "import pylsl, time\n"
        "kept = [pylsl.StreamOutlet(pylsl.StreamInfo(f'o{k}', 'EEG', 1, 256, 'float32', f'o{k}')) for k in range(8)]\n"
        "print('open', flush=True)\ntime.sleep(600)\n"
    )
    environment = {**os.environ, "LSLAPICFG": str(lsl)}
    with amplifier(outlets, stdout=subprocess.PIPE, env=environment) as taken:
        assert taken.stdout is not None
        with taken.stdout:
            assert taken.stdout.readline() == b"open\n"
        done = subprocess.run(
            [sys.executable, "-m", "detector", "run", "--config", str(config)],
            env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 70
    assert "liblsl could not open the outlet full-events" in done.stderr
    assert "used-up ports" in done.stderr
