"""Fault 62: readers of the outlets, some of which never pull and some of which have stopped altogether."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.faults.bed import Bed
from tests.live import amplifier

CONSUMERS = 8  # of each kind; benchmarks/consumers.py has 200
COST_MB = 30.0  # with all of them, two connections each
LATE_S = 2.0  # a status after its newest sample, on a machine that has other things to do

_READ = """
import time, pylsl
found = pylsl.resolve_bypred("starts-with(source_id,'seizure-detector:{bed}:')", 3, 10)
of = [info for info in found if 'detail' not in info.name()]
inlets = [pylsl.StreamInlet(info, max_buflen={buffer_s}, recover=False) for _ in range({n}) for info in of]
for inlet in inlets:
    inlet.open_stream(timeout=20)
print("connected", flush=True)
while True:
    time.sleep(0.1)
    for inlet in inlets:
        {pull}
"""


@contextmanager
def _consumers(bed: Bed, pull: str = "pass", buffer_s: int = 360) -> Iterator[subprocess.Popen[bytes]]:
    """Have them connected, each to the status and to the events, with so much that is to be kept for them."""
    script = _READ.format(bed=bed.name, n=CONSUMERS, pull=pull, buffer_s=buffer_s)
    with amplifier(script, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        with process.stdout as said:
            assert said.readline() == b"connected\n"
            yield process


def test_fault_62_readers_that_are_slow_and_readers_that_have_stopped_change_nothing(bed: Bed) -> None:
    bed.watch()
    with bed.amplifier() as source, ExitStack() as readers:
        bed.watched()
        before = bed.whole.vitals[-1]
        readers.enter_context(_consumers(bed, pull="inlet.pull_chunk()"))
        readers.enter_context(_consumers(bed))
        stopped = readers.enter_context(_consumers(bed, buffer_s=20_000))
        served = before.threads + 3 * 2 * CONSUMERS
        bed.until(lambda: bed.whole.vitals[-1].threads >= served, 5, "all of them are served")
        stopped.send_signal(signal.SIGSTOP)
        bed.goes_on(8)
        bed.as_reference(source, n=12)
        assert max(sample.arrived_s - sample.stamp_s for sample in bed.now.samples) < LATE_S
        assert bed.whole.vitals[-1].rss_mb < before.rss_mb + COST_MB
        readers.close()
        bed.until(lambda: bed.whole.vitals[-1].threads < before.threads + CONSUMERS, 10, "they are let go")
