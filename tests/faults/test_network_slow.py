"""Faults of the network that take minutes: ``pytest -m slow -rA tests/faults``; the README has what was measured."""

from __future__ import annotations

import os

import numpy as np
import pytest

from detector.messages import State
from tests.faults.bed import RATE_S
from tests.faults.hosts import Host
from tests.faults.remote_bed import STREAM_BYTES_PER_S, RemoteBed

pytestmark = pytest.mark.slow

FLAPS_S = float(os.environ.get("FAULTS_FLAPS_S", "600"))
LOSSES_S = 120.0
BACKLOG_S = 60.0  # TCP waits longer and longer between its tries
REOPENED_S = BACKLOG_S + RATE_S + 4.0
CAUGHT_UP_S = 200.0  # with minutes of backlog, on a machine that has other things to do
OLDEST_S = 2.3  # samples of which non-seizure is said: the stall time, and the way to the observer


def _tell(bed: RemoteBed, what: str) -> None:
    """Print what is written down in the README, and fail where non-seizure was said of old samples.

    The machines of such a network have one clock, so that the stamps tell how old a sample is.
    """
    recording = bed.recording
    vitals, marked = recording.vitals, [m.text for m in recording.markers if m.state]
    print(
        f"{what}: resets {bed.resets()}, {bed.missing()} samples missing, {len(marked)} changes of state, "
        f"memory {vitals[0].rss_mb:.0f} MB, at most {max(v.rss_mb for v in vitals):.0f} MB; "
        f"threads {vitals[0].threads}, at most {max(v.threads for v in vitals)}; "
        f"files {vitals[0].files}, at most {max(v.files for v in vitals)}"
    )
    ages = [s.arrived_s - s.stamp_s for s in recording.samples if s.state is State.NON_SEIZURE]
    assert max(ages) < OLDEST_S, f"non-seizure was said of samples that were {max(ages):.1f} s old"


@pytest.mark.parametrize("which", ["amplifier_host", "bedside"])
@pytest.mark.parametrize("seconds", [25, 120])
def test_fault_5_a_cable_that_is_out_for_long_costs_a_session_at_most(
    remote_bed: RemoteBed, seconds: float, which: str
) -> None:
    bed = remote_bed
    host: Host = getattr(bed, which)
    bed.watch()
    with bed.amplifier():
        bed.watched()
        bed.unwatchable("lost")
        with host.unplugged():
            bed.goes_on(seconds)
        took_s = bed.watched(within_s=REOPENED_S, not_before_s=0)
        bed.goes_on(3)
        _tell(bed, f"{host.name} out for {seconds} s, watched again {took_s:.1f} s later")
        assert not bed.missing()
        assert set(bed.resets()) <= {"lost", "reconnect"}


def test_fault_5_a_seizure_is_one_event_or_of_unknown_outcome_over_a_cable_that_is_out(remote_bed: RemoteBed) -> None:
    bed = remote_bed
    bed.watch()
    with bed.amplifier(seizures=((9.0, 110.0),)):
        bed.watched()
        bed.until_marker("seizure", 40)
        bed.unwatchable("lost")
        with bed.amplifier_host.unplugged():
            bed.goes_on(25)
        took_s = bed.watched(within_s=REOPENED_S, not_before_s=0)
        bed.goes_on(3)
        outcomes = [outcome for _, outcome in bed.seizures()]
        _tell(bed, f"out for 25 s in a seizure, watched again {took_s:.1f} s later, {outcomes}")
        assert outcomes == ["ongoing"] if not bed.resets() else outcomes[:2] == ["ongoing", "unknown"]


def test_fault_6_a_link_that_flaps_is_one_condition_with_a_count_and_grows_nothing(remote_bed: RemoteBed) -> None:
    bed = remote_bed
    bed.watch()
    with bed.amplifier():
        bed.watched()
        bed.unsure()
        began_s = bed.recording.samples[-1].arrived_s
        while bed.whole.samples[-1].arrived_s < began_s + FLAPS_S:
            with bed.amplifier_host.unplugged():
                bed.goes_on(2)
            bed.goes_on(2)
        bed.watched(within_s=BACKLOG_S, not_before_s=0)
        bed.goes_on(3)
        _tell(bed, f"{FLAPS_S:.0f} s of flaps, condition `lost` with the counts {bed.lost()}")
        assert bed.lost() == sorted(set(bed.lost())), "one condition whose count grows"


@pytest.mark.parametrize("percent", [1, 5, 30])
def test_fault_7_lost_packets_are_told_by_the_age_at_most(remote_bed: RemoteBed, percent: int) -> None:
    bed = remote_bed
    bed.watch()
    with bed.amplifier():
        bed.watched()
        if percent > 5:
            bed.unsure()
        began_s = bed.recording.samples[-1].arrived_s
        with bed.amplifier_host.dropping(f"numgen random mod 100 < {percent}"):
            bed.goes_on(LOSSES_S)
            samples, dropped = bed.recording.between(began_s).samples, bed.amplifier_host.dropped()
        bed.unsure()
        bed.watched(within_s=BACKLOG_S, not_before_s=0)
        ages = np.array([s.input_age_s for s in samples])
        share = np.mean([s.state is not State.NOT_MONITORING for s in samples])
        _tell(
            bed,
            f"{percent} % lost for {LOSSES_S:.0f} s ({dropped} packets), watched {share:.0%} of the time, "
            f"age {np.nanmedian(ages):.2f} s, at most {np.nanmax(ages):.1f} s",
        )
        assert not bed.missing()


@pytest.mark.parametrize(("share", "seconds"), [(0.5, 60), (0.1, 480)])
def test_fault_9_a_line_that_carries_less_than_the_stream_is_stale(
    remote_bed: RemoteBed, share: float, seconds: float
) -> None:
    bed = remote_bed
    bed.watch()
    with bed.amplifier():
        bed.watched()
        bed.unwatchable("stale", "lost", within_s=8)
        with bed.amplifier_host.behind_a_line(bytes_per_s=share * STREAM_BYTES_PER_S):
            bed.goes_on(seconds)
            oldest_s = np.nanmax([s.input_age_s for s in bed.now.samples])
        bed.unsure()  # what comes now is old for as long as TCP waits
        took_s = bed.watched(within_s=CAUGHT_UP_S, not_before_s=0)
        bed.goes_on(3)
        _tell(
            bed, f"{share:.0%} of it for {seconds} s, {oldest_s:.0f} s old at most, watched again {took_s:.1f} s later"
        )
