"""Faults 5 to 21 that need a network: the amplifier is another machine, and something is between the two."""

from __future__ import annotations

import pytest

from tests.faults.bed import LOSS_S, RATE_S, WATCHED_S
from tests.faults.hosts import Host, service_ports
from tests.faults.remote_bed import STREAM_BYTES_PER_S, RemoteBed

UDP = "meta l4proto udp"
DISCOVERY = ("pkttype multicast", "pkttype broadcast")
BACKLOG_S = 8.0  # after the network's return: TCP doubles the time between its tries
REOPENED_S = 15.0 + RATE_S + 4.0  # a stream that answers and was silent for 10 s is opened anew, and begins a session
MEASURED_S = 20.0  # TCP takes what is late for lost until it has measured the line: 5 s where it is 0.5 s long
DOUBLE_S = 25.0  # others of the same identity are looked for every 20 s


def _nothing_lost(bed: RemoteBed) -> bool:
    return not bed.resets() and bed.missing() == 0


def test_fault_5_a_cable_that_is_out_for_a_second_costs_nothing(remote_bed: RemoteBed) -> None:
    bed = remote_bed
    bed.watch()
    with bed.amplifier():
        bed.watched()
        bed.unsure()  # TCP tries again after 1.4 s or after 3 s
        with bed.amplifier_host.unplugged():
            bed.goes_on(1)
        bed.watched(within_s=BACKLOG_S, not_before_s=0)
        bed.goes_on(2)
        assert _nothing_lost(bed)


@pytest.mark.parametrize("which", ["amplifier_host", "bedside"])
def test_fault_5_a_cable_that_is_out_for_five_seconds_is_told_and_its_backlog_is_whole(
    remote_bed: RemoteBed, which: str
) -> None:
    bed = remote_bed
    bed.watch()
    with bed.amplifier():
        bed.watched()
        bed.unwatchable("lost")
        with getattr(bed, which).unplugged():
            bed.goes_on(5)
        bed.watched(within_s=BACKLOG_S, not_before_s=0)
        bed.goes_on(2)
        assert _nothing_lost(bed)
        assert bed.lost() == [1]


def test_fault_7_lost_packets_are_sent_again_and_nobody_notices(remote_bed: RemoteBed) -> None:
    bed = remote_bed
    bed.watch()
    with bed.amplifier():
        bed.watched()
        with bed.amplifier_host.dropping("numgen random mod 100 < 5"):
            bed.goes_on(12)
            assert bed.amplifier_host.dropped() > 5
        assert _nothing_lost(bed)


def _steady(bed: RemoteBed, least_s: float, most_s: float) -> bool:
    """Return whether samples have been as old as the line makes them for three seconds."""
    ages = [sample.input_age_s for sample in bed.now.samples[-6:]]
    return len(ages) == 6 and least_s - 0.05 < min(ages) and max(ages) < most_s + 0.3


@pytest.mark.parametrize(("delay_s", "jitter_s"), [(0.5, 0.0), (0.1, 0.3)])
def test_fault_8_a_slow_line_is_told_by_the_age_and_makes_no_gaps(
    remote_bed: RemoteBed, delay_s: float, jitter_s: float
) -> None:
    bed = remote_bed
    bed.watch()
    with bed.amplifier():
        bed.watched()
        bed.unsure()
        with bed.amplifier_host.behind_a_line(delay_s=delay_s, jitter_s=jitter_s):
            bed.until(lambda: _steady(bed, delay_s, delay_s + jitter_s), MEASURED_S, "TCP has measured the line")
            bed.watched(within_s=1, not_before_s=0)
            bed.goes_on(5)
            ages = [sample.input_age_s for sample in bed.now.samples]
            bed.unsure()
        assert delay_s - 0.05 < min(ages)
        assert delay_s + jitter_s / 2 < max(ages)
        assert _nothing_lost(bed)


def test_fault_9_a_line_that_carries_half_of_the_stream_is_stale_until_it_carries_all(remote_bed: RemoteBed) -> None:
    bed = remote_bed
    bed.watch()
    with bed.amplifier():
        bed.watched()
        bed.unwatchable("stale", within_s=8)
        with bed.amplifier_host.behind_a_line(bytes_per_s=STREAM_BYTES_PER_S / 2):
            bed.said_unwatchable()
            bed.goes_on(3)
        bed.watched(within_s=BACKLOG_S, not_before_s=0)
        bed.goes_on(2)
        assert _nothing_lost(bed)


def test_fault_10_without_udp_it_goes_on_and_the_clock_is_alarmed(remote_bed: RemoteBed) -> None:
    bed = remote_bed
    bed.watch()
    with bed.amplifier():
        bed.watched()
        with bed.bedside.dropping(UDP):
            bed.until(lambda: bed.conditions("clock-unmeasured"), 15, "the condition")
            bed.goes_on(3)
            assert bed.bedside.dropped() > 5
        assert [c["priority"] for c in bed.conditions("clock-unmeasured")] == ["low"]
        assert _nothing_lost(bed)


def test_fault_10_where_clocks_can_never_be_compared_the_arrival_stands_in(remote_bed: RemoteBed) -> None:
    bed = remote_bed
    bed.watch()
    time_probes = f'iifname "eth0" udp dport {service_ports()}'
    with bed.amplifier_host.dropping(time_probes):
        bed.unsure()
        with bed.amplifier():
            bed.watched(within_s=WATCHED_S + 2)
            bed.goes_on(2)
            assert bed.amplifier_host.dropped() > 5
            assert "taken from their arrival" in bed.log
            assert [c["priority"] for c in bed.conditions("clock-unmeasured")] == ["low"]


def test_fault_11_without_multicast_a_known_peer_is_found_and_no_other(remote_bed: RemoteBed) -> None:
    bed = remote_bed
    bed.watch()
    bed.unwatchable("waiting", "lost")
    with bed.stranger.dropping(*DISCOVERY), bed.amplifier(host=bed.stranger, wait=False):
        bed.goes_on(6)
        assert bed.stranger.dropped() > 0
    with bed.amplifier_host.dropping(*DISCOVERY), bed.amplifier():
        bed.watched()
        assert bed.amplifier_host.dropped() > 0


def test_fault_13_a_stranger_of_the_same_identity_is_told_and_never_watched(remote_bed: RemoteBed) -> None:
    bed = remote_bed
    bed.watch()
    with bed.amplifier() as true:
        bed.watched()
        with bed.amplifier(host=bed.stranger, wait=False):
            bed.until(lambda: bed.conditions("duplicate-source"), DOUBLE_S, "the condition")
            assert "'amplifier' on 'stranger'" in bed.conditions("duplicate-source")[0]["text"]
            bed.goes_on(1)
            bed.unwatchable("lost")
            true.process.kill()
            bed.said_unwatchable()
            bed.is_refused("its machine is 'stranger', it was 'amplifier' before")
            with bed.amplifier():
                bed.watched()


def test_fault_13_on_a_pinned_machine_no_other_is_believed(pinned_bed: RemoteBed) -> None:
    bed = pinned_bed
    bed.watch()
    with bed.amplifier(host=bed.stranger, wait=False):
        bed.is_refused("its machine is 'stranger', expected 'amplifier'")
        with bed.amplifier():
            bed.watched()


def test_fault_15_a_dead_connection_is_opened_anew(remote_bed: RemoteBed) -> None:
    bed = remote_bed
    bed.watch()
    with bed.amplifier():
        bed.watched()
        bed.unwatchable("lost")
        # For good: what is let through again may be sent again before the stream is opened anew, or after it.
        with bed.bedside.dropping(*_connections_to(bed.amplifier_host, bed.bedside)):
            bed.said_unwatchable()
            bed.watched(within_s=REOPENED_S, not_before_s=RATE_S)
            assert bed.bedside.dropped() > 5
            assert bed.resets() == ["reconnect"]
            bed.unsure()


def _connections_to(there: Host, here: Host) -> tuple[str, str]:
    """Return expressions of nftables for the TCP connections that stand now; a new one gets a port of its own."""
    listed = here.run("ss", "-tnH", "state", "established", "dst", there.address).splitlines()
    ports = ", ".join({line.split()[2].rpartition(":")[2] for line in listed})
    assert ports
    return f"tcp sport {{ {ports} }}", f"tcp dport {{ {ports} }}"


def test_fault_15_a_machine_that_lost_its_power_is_replaced_by_the_next(remote_bed: RemoteBed) -> None:
    bed = remote_bed
    bed.watch()
    with bed.amplifier() as source:
        bed.watched()
        bed.unwatchable("lost")
        with bed.amplifier_host.unplugged():
            source.process.kill()
            source.process.wait()
            bed.replace_amplifier_host()
        bed.said_unwatchable()
    bed.recovers()
    assert bed.resets() == ["new-stream"]


def test_fault_21_an_amplifier_that_gets_another_address_is_found_there(remote_bed: RemoteBed) -> None:
    bed = remote_bed
    bed.watch()
    with bed.amplifier() as source:
        bed.watched()
        bed.unwatchable("lost")
        with bed.amplifier_host.moved_to(22):
            bed.said_unwatchable()
            bed.watched(within_s=REOPENED_S)
            bed.unsure()
            source.process.kill()  # while it can tell so
            bed.until_marker("not-monitoring/lost", LOSS_S)


def test_fault_21_a_daemon_whose_machine_gets_another_address_finds_its_amplifier(remote_bed: RemoteBed) -> None:
    bed = remote_bed
    bed.watch()
    with bed.amplifier() as source:
        bed.watched()
        bed.unwatchable("lost")
        with bed.bedside.moved_to(11):
            bed.said_unwatchable()
            bed.watched(within_s=REOPENED_S)
            bed.unsure()
            source.process.kill()
            bed.until_marker("not-monitoring/lost", LOSS_S)


@pytest.mark.parametrize("which", ["amplifier_host", "bedside"])
def test_fault_21_another_network_interface_with_the_same_address_goes_on(remote_bed: RemoteBed, which: str) -> None:
    bed = remote_bed
    bed.watch()
    with bed.amplifier():
        bed.watched()
        bed.unsure()
        getattr(bed, which).swap_interface()
        bed.goes_on(1)
        bed.watched(within_s=BACKLOG_S, not_before_s=0)
        bed.goes_on(2)
        assert _nothing_lost(bed)
