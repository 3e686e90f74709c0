"""What a line kept back is not taken for something of now, also where nobody can tell the time at the other end."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.page.alarm import DEAD_AFTER_S
from detector.page.bed import LATE_S
from detector.page.clock import BedClock, uncompared
from tests.client.lsl_publisher import Publisher, publisher
from tests.faults.hosts import Host, Network, missing, service_ports, write_lsl_configuration
from tests.live import until
from tests.page.alerts.samples import state
from tests.page.browser import Served
from tests.page.screen import Screen
from tests.signals import deterministic

AHEAD_S = 12_345.0  # of their clock


def clock(*arrivals: tuple[float, float]) -> BedClock:
    """Return one that has heard stamps, each (sent, arrived) by our clock."""
    one = BedClock()
    for sent_s, arrived_s in arrivals:
        one.hear([sent_s + AHEAD_S], arrived_s)
    return one


def test_a_measured_clock_is_believed() -> None:
    one = clock((100.0, 120.0))
    assert one.age_s(100.0 + AHEAD_S, 120.0) == 0.0
    one.measured_s = -AHEAD_S
    assert one.age_s(100.0 + AHEAD_S, 120.0) == 20.0
    assert one.here_s(100.0 + AHEAD_S, 120.0) == 100.0


def test_without_a_measurement_what_was_kept_back_is_as_old_as_it_came_later_than_others() -> None:
    one = clock((100.0, 100.1), (101.0, 101.1))
    one.hear([102.0 + AHEAD_S, 121.0 + AHEAD_S], 121.2)  # a backlog, all at once
    assert one.age_s(102.0 + AHEAD_S, 121.2) == pytest.approx(19.1, abs=0.01)
    assert one.age_s(121.0 + AHEAD_S, 121.2) == pytest.approx(0.1, abs=0.01)
    assert one.here_s(102.0 + AHEAD_S, 121.2) == pytest.approx(102.1, abs=0.01)


def test_what_came_first_may_be_late_and_is_put_right_by_what_comes_quicker() -> None:
    one = clock((100.0, 103.0), (102.9, 103.0))
    assert one.age_s(100.0 + AHEAD_S, 103.0) == pytest.approx(2.9)


@deterministic(200)
@given(
    ways_s=st.lists(st.floats(0.001, 60), min_size=1, max_size=40),
    drift=st.floats(-1e-4, 1e-4),
    ahead_s=st.floats(-1e6, 1e6),
)
def test_it_is_never_told_older_than_it_is_and_the_quickest_way_bounds_how_much_younger(
    ways_s: list[float], drift: float, ahead_s: float
) -> None:
    one, arrived_s, least_s = BedClock(), 0.0, math.inf
    for n, way_s in enumerate(ways_s):
        sent_s = n * 60.0
        arrived_s = max(sent_s + way_s, arrived_s)  # one never comes before another that was sent earlier
        stamp = sent_s + ahead_s + drift * sent_s
        one.hear([stamp], arrived_s)
        age_s = arrived_s - sent_s
        least_s = min(least_s, age_s)
        slack_s = 2e-4 * arrived_s + 1e-6
        assert -1e-9 <= one.age_s(stamp, arrived_s) <= age_s + slack_s
        assert one.age_s(stamp, arrived_s) >= age_s - least_s - slack_s


def test_days_of_drift_make_nothing_old() -> None:
    one = BedClock()
    for n in range(3 * 8640):
        one.hear([n * 10.0 * (1 - 9e-5)], n * 10.0 + 0.05)
        assert one.age_s(n * 10.0 * (1 - 9e-5), n * 10.0 + 0.05) < 0.1


@pytest.mark.parametrize("stamp", [math.nan, math.inf, -math.inf, 1e300])
def test_a_stamp_that_cannot_be_is_of_now_and_changes_nothing(stamp: float) -> None:
    one = clock((100.0, 100.1))
    one.hear([stamp], 101.0)
    assert one.here_s(stamp, 101.0) == 101.0
    assert one.age_s(101.0 + AHEAD_S, 101.1) == pytest.approx(0.0, abs=0.001)


def test_beds_that_cannot_be_compared_are_told_by_name_and_not_without_end() -> None:
    assert uncompared([]) == ""
    assert "b1, b2." in uncompared(["b2", "b1"])
    assert len(uncompared([f"bed{n}" for n in range(200)])) < 400
    assert not BedClock().is_unknown(1.0)
    assert BedClock().is_unknown(11.0)


@contextmanager
def remote_page(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Host, Publisher, Screen]]:
    """Run a bed on one machine and the page on another one, which can never compare their clocks."""
    with ExitStack() as stack:
        network = Network()
        stack.callback(network.close)
        bedside, desk = network.host("bedside", 1), network.host("desk", 2)
        stack.callback(desk.close)
        stack.callback(bedside.close)
        write_lsl_configuration(folder / "lsl.cfg", bedside)
        monkeypatch.setenv("LSLAPICFG", str(folder / "lsl.cfg"))
        stack.enter_context(bedside.dropping(f'iifname "eth0" udp dport {service_ports()}'))
        with bedside.entered():
            process = stack.enter_context(publisher("far"))
        with desk.entered():
            served = Served(folder)
            stack.callback(served.end)
            screen = Screen(served.port)
        yield bedside, process, screen
        served.end()
        screen.end()
        assert bedside.dropped() > 5, "no clock was asked for"


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_where_udp_is_blocked_nothing_old_is_shown_as_live_and_no_seizure_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with remote_page(tmp_path, monkeypatch) as (bedside, process, screen):
        # All processes are of one machine and have one clock: what is shown says when it was said.
        process.tell(
            "globals().update(status=lambda at, state, of=status: "
            "dataclasses.replace(of(at, state), missing_samples=int(at * 10)))"
        )
        screen.says("far", "non-seizure")
        until(lambda: "not compared with the clock of this page" in screen.notices(), 30, "it is told")
        n = len(screen.told)
        with bedside.behind_a_line(delay_s=LATE_S + 7.0):
            state(process, "SEIZURE")
            screen.says("far", "dead")
            until(lambda: "seizure" in screen.alarms(), 90, "the seizure is an alarm, however late it comes")
            screen.is_told(10)
        screen.says("far", "seizure", 90)  # it is watched again
        ages_s = [
            told["monotonic_s"] - bed["missing_samples"] / 10
            for told in screen.told[n:]
            for bed in told["beds"]
            if bed["missing_samples"] is not None
        ]
        assert max(ages_s) < LATE_S + DEAD_AFTER_S + 1.0
