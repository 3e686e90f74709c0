"""What one machine cannot show: more beds than it has, the network's queries, an archive on many machines.

    python benchmarks/scale_simulation.py --wards 4.json 50.json --traffic traffic.json

takes what `benchmarks/wards.py --json` and `benchmarks/traffic.py --json` have measured, fits the models to some of the
points, says how far they are off the others, and goes on to those that were not measured. The models:

* beds: on two cores, each bed wakes for its pushes and, each half second, computes a step; whoever waits for a core
  waits in one queue (first come, first served). A step's delay is that of the smallest ward, drawn with its median and
  99th centile, and this waiting. The scheduler's switching and what else the machine does are not in it.
* discovery: a query is one datagram per multicast group and reaches every outlet; who matches answers. Bytes and time
  are sums over queries, deliveries and answers.
* archive: workers that take an hour of EEG each, of which some are slow and some die and lose what they had.
"""

from __future__ import annotations

import argparse
import heapq
import json
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from detector.sinks.journal import Journal, JournalConfig

CORES, STEP_S, PUSHES_HZ = 2, 0.5, 32
ASKS_S = 20.0  # so often a bed looks for doubles of its stream (detector.source.lsl_identity)
ARCHIVE_CPU_S_PER_HOUR = 0.95  # benchmarks/archive.py: an hour of EEG from EDF to TSV, on one core
SHARE_OF_STEP = 0.06  # of a bed's processor time is in the step itself: 0.57 ms twice a second of 10 ms a second


def queue(
    beds: int, cpu_per_bed: float, others: float, base_s: tuple[float, float], seed: int = 1
) -> tuple[float, float, float]:
    """Simulate 60 s; return the share of the two cores, and the median and 99th centile of a step's delay, s.

    Parameters
    ----------
    cpu_per_bed
        Seconds of processor time per second.
    others
        The same of the amplifiers and the client, for all beds together; they are pushes of a bed's own here.
    base_s
        Median and 99th centile of the delay where nobody waits.
    """
    rng = np.random.default_rng(seed)
    step_job_s = cpu_per_bed * SHARE_OF_STEP * STEP_S
    push_job_s = (cpu_per_bed * (1 - SHARE_OF_STEP) + others / beds) / PUSHES_HZ
    pushes_per_step = round(PUSHES_HZ * STEP_S)
    jobs: list[tuple[float, float, bool]] = []
    for phase in rng.uniform(0, STEP_S, beds):
        for k in range(60 * PUSHES_HZ):
            is_step = k % pushes_per_step == 0
            size = push_job_s + step_job_s * is_step
            jobs.append((phase + k / PUSHES_HZ, rng.exponential(size), is_step))
    jobs.sort()
    free = [0.0] * CORES
    spread = np.log(base_s[1] / base_s[0]) / 2.326  # of a lognormal, by its 99th centile
    delays, busy = [], 0.0
    for at, size, is_step in jobs:
        begins = max(at, heapq.heappop(free))
        heapq.heappush(free, begins + size)
        busy += size
        if is_step:
            delays.append(base_s[0] * np.exp(spread * rng.standard_normal()) + begins - at)
    return busy / 60 / CORES, float(np.median(delays)), float(np.percentile(delays, 99))


def beds(measured: list[dict[str, Any]]) -> None:
    first, last = measured[0], measured[-1]
    base_s = first["delay, median, ms"] / 1e3, first["delay, 99th centile, ms"] / 1e3
    print("| beds on two cores | share of them | delay: median, 99th centile | measured |\n| --- | --- | --- | --- |")
    known = {one["beds"]: one for one in measured}
    for n in sorted({*known, 100, 120, 140, 150}):
        one = known.get(n)
        cpu, others = _per_bed(first if one else last)  # what was measured is foretold from the smallest ward
        share, median, high = queue(n, cpu, others * n, base_s)
        told = "not measured"
        if one:
            keys = ("all beds", "the amplifiers", "the client")
            total = sum(one[f"processor of {key}, % of two cores"] for key in keys)
            told = f"{total:.0f} %, {one['delay, median, ms']:.1f} ms, {one['delay, 99th centile, ms']:.1f} ms"
        print(f"| {n} | {share:.0%} | {median * 1e3:.1f} ms, {high * 1e3:.1f} ms | {told} |")


def _per_bed(one: dict[str, Any]) -> tuple[float, float]:
    """Return seconds of processor time per second and bed: of the bed, and of the amplifiers and the client."""
    keys = ("all beds", "the amplifiers", "the client")
    own, *others = (one[f"processor of {key}, % of two cores"] / 50 / one["beds"] for key in keys)
    return own, sum(others)


def discovery(rows: list[dict[str, Any]]) -> None:
    own = [row for row in rows if row["what"] == "each for its own"]
    every = [row for row in rows if row["what"] == "one for all"]
    fitted, left = own[:-1], own[-1]
    out = np.mean([row["bytes out"] / row["outlets"] for row in fitted])
    back = np.mean([row["bytes in"] / row["outlets"] for row in fitted])
    # Processor time of the outlets: deliveries (queries x outlets) and answers (outlets, for there is one for each).
    seen = [(row["outlets"] * row["outlets"], row["outlets"], row["processor, s"]) for row in fitted]
    seen += [(row["outlets"], row["outlets"], row["processor, s"]) for row in every[:-1]]
    system = np.array([[a, b] for a, b, _ in seen], dtype=float)
    (delivery_s, answer_s), *_ = np.linalg.lstsq(system, np.array([c for *_, c in seen]), rcond=None)
    n = left["outlets"]
    print(f"\n| discovery, {n} outlets and {n} queries, fitted to fewer | model | measured |\n| --- | --- | --- |")
    print(f"| bytes of the queries | {out * n:.0f} | {left['bytes out']} |")
    print(f"| bytes of the answers | {back * n:.0f} | {left['bytes in']} |")
    cpu = delivery_s * n * n + answer_s * n
    print(f"| processor time of the outlets | {cpu * 1e3:.1f} ms | {left['processor, s'] * 1e3:.1f} ms |")
    print(
        f"\nA query: {out:.0f} B out, {back:.0f} B of answers; a delivery to an outlet {delivery_s * 1e6:.1f} µs, an "
        f"outlet's answers {answer_s * 1e6:.0f} µs.\n"
    )
    print(
        "| beds in one session, each asking every 20 s | queries | on the wire | for 50 beds' and amplifiers' outlets |"
    )
    print("| --- | --- | --- | --- |")
    for n in (20, 50, 500, 10_000):
        asked = n / ASKS_S
        here = min(n, 50) * 3  # of a machine: events, status and the amplifier's own
        share = asked * here * delivery_s
        print(f"| {n} | {asked:.0f} per second | {asked * (out + back) / 1e3:.0f} kB/s | {share:.2%} of a core |")


def journal_row_bytes(rows: int = 5000) -> float:
    """Return what a row of a journal takes in its file, by writing that many changes of the state."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bed.journal.sqlite"
        config = JournalConfig(path, 400, 256, "bed", "1", "model", "0" * 64, "0" * 64)
        journal = Journal(config, clock=time.monotonic, correction=lambda: 0.0)
        journal.open_seizure()  # the file has been opened
        for i in range(rows):
            journal.push_marker(("non-seizure", "not-monitoring/poor")[i % 2], time.monotonic())
            if i % 200 == 0:
                time.sleep(0.05)  # its queue is bounded
        journal.close(timeout_s=10)
        with closing(sqlite3.connect(path)) as file:
            (n,) = file.execute("SELECT count(*) FROM rows").fetchone()
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return path.stat().st_size / int(n)


def archive(hours: int, workers: int, dying_per_day: float, seed: int = 1) -> tuple[float, float]:
    """Return the hours that it takes, and those if every worker were sound.

    Parameters
    ----------
    dying_per_day
        Deaths of one worker; what it was at is begun anew by another one, and it is back after a minute.
    """
    rng = np.random.default_rng(seed)
    block = max(hours // (workers * 200), 1)  # recordings that are simulated as one, so that this ends
    slow = np.where(rng.random(workers) < 0.05, 3.0, 1.0)  # every 20th takes three times as long
    ready = [(0.0, w) for w in range(workers)]
    heapq.heapify(ready)
    left, end_s = hours / block, 0.0
    while left > 0:
        now_s, w = heapq.heappop(ready)
        took_s = ARCHIVE_CPU_S_PER_HOUR * block * slow[w] * rng.uniform(0.9, 1.1)
        dies_s = rng.exponential(86400 / dying_per_day)
        if dies_s < took_s:
            # Only the recording that it was at is lost; the ones before it are in the manifest.
            left -= int(dies_s / took_s * block) / block
            heapq.heappush(ready, (now_s + dies_s + 60, w))
            continue
        left -= 1
        end_s = max(end_s, now_s + took_s)
        heapq.heappush(ready, (now_s + took_s, w))
    return end_s / 3600, ARCHIVE_CPU_S_PER_HOUR * hours / workers / 3600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wards", type=Path, nargs="+", required=True, help="of benchmarks/wards.py --json")
    parser.add_argument("--traffic", type=Path, required=True, help="of benchmarks/traffic.py --json")
    given = parser.parse_args()
    beds(sorted((json.loads(path.read_text()) for path in given.wards), key=lambda one: int(one["beds"])))
    discovery(json.loads(given.traffic.read_text()))
    print(f"\nA row of the journal: {journal_row_bytes():.0f} B.")
    print("\n| archive, 1,000,000 h | all sound | every 20th worker 3x slower | and each dies once a day |")
    print("| --- | --- | --- | --- |")
    for workers in (2, 16, 64, 512):
        slow, ideal = archive(1_000_000, workers, 1e-9)
        dying, _ = archive(1_000_000, workers, 1.0)
        print(f"| {workers} cores | {ideal:.1f} h | {slow:.1f} h | {dying:.1f} h |")


if __name__ == "__main__":
    main()
