"""The nemesis suite with many seeds: other phases, amplitudes, channels and times of every fault.

    nice python benchmarks/nemesis.py --seeds 20

Runs ``pytest tests/faults`` once for each seed from ``--first`` on, one after the other, and prints a row of Markdown
for each as it ends: how many tests ran, failed and were skipped, how often the oracle heard non-seizure while
monitoring was untrue (the goal is 0), the slowest notice of a loss and the slowest recovery of those that the tests
limit, and the minutes. What failed is told below the table; exit code 1 where anything did.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Ran:
    """What one seed gave."""

    tests: int
    failed: tuple[str, ...]
    skipped: int
    judged: int
    false_non_seizure: int
    notice_s: float
    recover_s: float
    minutes: float


def run(seed: int, beds: int, folder: Path) -> Ran:
    """Run the suite with a seed."""
    report, results = folder / f"{seed}.xml", folder / f"{seed}.jsonl"
    results.touch()
    environment = os.environ | {
        "FAULTS_SEED": str(seed), "FAULTS_RESULTS": str(results), "FAULTS_BEDS": str(beds), "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    began_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", "tests/faults"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    minutes = (time.monotonic() - began_s) / 60
    if not report.exists():
        raise SystemExit(f"pytest has ended with {done.returncode} and no report:\n{done.stdout}\n{done.stderr}")
    failed, skipped, tests = [], 0, 0
    for case in ElementTree.parse(report).iter("testcase"):
        tests += 1
        skipped += case.find("skipped") is not None
        for fault in (*case.findall("failure"), *case.findall("error")):
            lines = (fault.get("message") or "").strip().splitlines()
            failed.append(f"{case.get('name')}: {lines[0] if lines else 'no message'}")
    judged = [json.loads(line) for line in results.read_text().splitlines()]
    return Ran(
        tests,
        tuple(failed),
        skipped,
        len(judged),
        sum(result["false_non_seizure"] for result in judged),
        max((s for result in judged for s in result["notice_s"]), default=0.0),
        max((s for result in judged for s in result["recover_s"]), default=0.0),
        minutes,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--beds", type=int, default=8, help="side by side, 0.8 GB each")
    arguments = parser.parse_args()
    columns = (
        "seed", "tests", "failed", "skipped", "judged by the oracle", "false non-seizure", "slowest notice, s",
        "slowest recovery, s", "minutes",
    )  # fmt: skip
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}", flush=True)
    all_ran: dict[int, Ran] = {}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(arguments.first, arguments.first + arguments.seeds):
            ran = all_ran[seed] = run(seed, arguments.beds, Path(folder))
            print(
                f"| {seed} | {ran.tests} | {len(ran.failed)} | {ran.skipped} | {ran.judged} | {ran.false_non_seizure} "
                f"| {ran.notice_s:.1f} | {ran.recover_s:.1f} | {ran.minutes:.1f} |",
                flush=True,
            )
    for seed, ran in all_ran.items():
        for text in ran.failed:
            print(f"\n* seed {seed}: {text}")
    return int(any(ran.failed or ran.false_non_seizure for ran in all_ran.values()))


if __name__ == "__main__":
    raise SystemExit(main())
