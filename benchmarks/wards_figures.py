"""What `wards.py` measures of processes, what its client hears, and the figures that come of both."""

from __future__ import annotations

import math
import re
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

MB = 1e6


@dataclass
class Use:
    """What processes have used: seconds of processor time, bytes, and what they hold."""

    cpu_s: float = 0.0
    written: float = 0.0  # bytes that went to the disk, metadata included
    switches: float = 0.0


@dataclass
class Told:
    """What the client has heard of one bed."""

    delays_s: list[float]
    stamps_s: list[float]
    states: list[float]
    ages_s: list[float]


def use(process: psutil.Process) -> Use:
    times, io, switches = process.cpu_times(), process.io_counters(), process.num_ctx_switches()
    return Use(times.user + times.system, float(io.write_bytes), float(switches.voluntary + switches.involuntary))


def less(after: Use, before: Use) -> Use:
    return Use(after.cpu_s - before.cpu_s, after.written - before.written, after.switches - before.switches)


def memory(process: psutil.Process) -> tuple[float, float, float]:
    """Return resident, proportional and private memory, bytes (man 5 proc, smaps_rollup)."""
    text = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
    kb = {key: int(value) for key, value in re.findall(r"^(\w+): +(\d+) kB$", text, re.MULTILINE)}
    return kb["Rss"] * 1024, kb["Pss"] * 1024, (kb["Private_Clean"] + kb["Private_Dirty"]) * 1024


def losses(port: int) -> tuple[float, float]:
    """Return missing samples and ended sessions since the start, as a bed counts them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    missing = re.search(r"^seizure_detector_missing_samples_total (\S+)$", text, re.MULTILINE)
    resets = re.findall(r"^seizure_detector_session_resets_total\{\S+\} (\S+)$", text, re.MULTILINE)
    assert missing is not None
    return float(missing[1]), sum(map(float, resets))


def _missed(stamps_s: list[float], step_s: float, took_s: float) -> int:
    """Return how many steps are missing between others, or before and after them."""
    if not stamps_s:
        return math.floor(took_s / step_s)
    between = round((stamps_s[-1] - stamps_s[0]) / step_s) + 1 - len(stamps_s)
    return max(between, math.floor(took_s / step_s) - 1 - len(stamps_s))  # one may fall on either edge


def summary(
    beds: int,
    took_s: float,
    ready_s: float,
    warm_s: float,
    told: list[Told],
    spent: list[Use],
    held: np.ndarray,
    threads: np.ndarray,
    descriptors: np.ndarray,
    lost_before: list[tuple[float, float]],
    lost: list[tuple[float, float]],
    ports: dict[str, int],
) -> dict[str, float]:
    delays_ms = np.concatenate([bed.delays_s for bed in told]) * 1e3
    steps = [np.diff(bed.stamps_s) for bed in told]
    step_s = float(np.median(np.concatenate(steps)))
    of_beds = spent[:beds]
    cpu = np.array([one.cpu_s for one in of_beds]) / took_s
    a_day = 86400 / took_s / beds
    return {
        "beds": beds,
        "seconds measured": took_s,
        "all ready after the start, s": ready_s,
        "all monitoring after that, s": warm_s,
        "steps heard": len(delays_ms),
        "steps that did not come": sum(_missed(bed.stamps_s, step_s, took_s) for bed in told),
        "steps not monitoring": sum(state == 0 for bed in told for state in bed.states),
        "samples missing": sum(b[0] - a[0] for a, b in zip(lost_before, lost, strict=True)),
        "sessions ended": sum(b[1] - a[1] for a, b in zip(lost_before, lost, strict=True)),
        "oldest input, s": max(age for bed in told for age in bed.ages_s if not math.isnan(age)),
        "delay, median, ms": float(np.median(delays_ms)),
        "delay, 99th centile, ms": float(np.percentile(delays_ms, 99)),
        "delay, longest, ms": float(delays_ms.max()),
        "processor per bed, % of a core": float(cpu.mean() * 100),
        "processor of the dearest bed, % of a core": float(cpu.max() * 100),
        "processor of all beds, % of two cores": float(cpu.sum() * 50),
        "processor of the amplifiers, % of two cores": spent[beds].cpu_s / took_s * 50,
        "processor of the client, % of two cores": spent[beds + 1].cpu_s / took_s * 50,
        "context switches per bed and second": sum(one.switches for one in of_beds) / took_s / beds,
        "resident per bed, MB": float(held[:, 0].mean() / MB),
        "proportional (PSS) per bed, MB": float(held[:, 1].mean() / MB),
        "private per bed, MB": float(held[:, 2].mean() / MB),
        "threads per bed, most": int(threads.max()),
        "open files per bed, most": int(descriptors.max()),
        "LSL ports taken per bed, TCP": ports["tcp"] / beds,
        "LSL ports taken per bed, UDP": ports["udp"] / beds,
        "written to disk per bed and day, MB": sum(one.written for one in of_beds) * a_day / MB,
    }
