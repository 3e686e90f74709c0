"""All benchmarks by one command; what they measured is written to ``benchmarks/RESULTS.md`` and ``RESULTS.json``.

    python benchmarks/run.py                        # an hour on a machine that does nothing else
    python benchmarks/run.py --quick                # minutes: shorter, and only whether all of them run
    python benchmarks/run.py --only score,archive   # some of them, by the name of their file
    python benchmarks/run.py --endurance            # those that take hours, too: kills, soak, reconnects, faults

Each benchmark is a process of its own, one after the other, and hands its figures over by `figures.figure`. What cannot
run here is listed with its reason, as is one that failed; then the exit code is 1. A goal that was missed is marked.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
from figures import FILE

from detector import __version__
from detector.training.clips import default_folder

HERE = Path(__file__).parent
LIBRARIES = (
    "numpy", "scipy", "edfio", "ai-edge-litert", "tensorflow", "keras", "pylsl", "distributed",
)  # fmt: skip


@dataclass(frozen=True)
class Benchmark:
    """A command below ``benchmarks/``, and what it is called with when it must be quick; ``None`` leaves it out then.

    Parameters
    ----------
    modules
        What must be installed.
    eeg
        Whether it reads the real EEG, which is no part of this repository.
    """

    command: str
    quick: str | None
    modules: tuple[str, ...] = ()
    eeg: bool = False

    @property
    def name(self) -> str:
        """Of its file, without the suffix."""
        return self.command.split()[0].removesuffix(".py")


_TF = ("tensorflow",)
BENCHMARKS = (
    Benchmark("hot_path.py", "hot_path.py --seconds 10 --engines litert", _TF),
    Benchmark("hot_path.py --chunk 8 --engines litert", None),
    Benchmark("wards.py", "wards.py --beds 4 --minutes 0.2"),
    Benchmark("instructions.py", None),
    Benchmark("score.py --repeats 5", "score.py --repeats 1"),
    Benchmark("archive.py", "archive.py --recordings 6"),
    Benchmark("alternatives.py", "alternatives.py --seconds 10", _TF),
    Benchmark("engines.py --rounds 5", "engines.py --rounds 1", _TF),
    Benchmark("live.py delay --engine litert --seconds 120", "live.py delay --engine litert --seconds 10"),
    Benchmark("live.py delay --engine tensorflow --seconds 120", None, _TF),
    Benchmark("live.py memory", "live.py memory --steps 2000"),
    Benchmark("conditioning.py", "conditioning.py"),
    Benchmark("resamplers.py", None),
    Benchmark("onednn.py", None, _TF),
    Benchmark("methods.py", None, _TF),
    Benchmark("consumers.py", "consumers.py --consumers 20 --seconds 5"),
    Benchmark("page.py", "page.py --beds 5 --screens 2 --seconds 5"),
    Benchmark("resume.py", None, (), eeg=True),
    Benchmark("robustness.py", None, _TF, eeg=True),
)
ENDURANCE = (
    Benchmark("journal_kills.py", None),
    Benchmark("kills.py", None, _TF),
    Benchmark("nemesis.py", None, ("pytest",)),
    Benchmark("mutants.py", None, ("pytest",)),
    Benchmark("reconnects.py", None),
    Benchmark("soak.py", None),
    Benchmark("fuzz.py", None, ("atheris",)),
)


@dataclass
class Outcome:
    """What became of a benchmark; ``skipped`` and ``failed`` say why, and are empty where it ran."""

    command: str
    seconds: float = 0.0
    load_before: float = 0.0
    figures: list[dict[str, Any]] = field(default_factory=list)
    printed: str = ""
    skipped: str = ""
    failed: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--endurance", action="store_true")
    parser.add_argument("--only", default="", metavar="NAME,...", help="of those that are listed here")
    parser.add_argument("--mne-python", default="", help="of alternatives.py: an interpreter that has mne-lsl")
    parser.add_argument("--output", type=Path, default=HERE, help="the folder for the two files")
    given = parser.parse_args()
    wanted = [one for one in (*BENCHMARKS, *ENDURANCE) if not given.only or one.name in given.only.split(",")]
    if not wanted:
        parser.error(f"--only {given.only}: known are {', '.join(dict.fromkeys(one.name for one in BENCHMARKS))}")
    began = datetime.now(UTC)
    outcomes = []
    for benchmark in wanted:
        command = (benchmark.quick if given.quick else benchmark.command) or benchmark.command
        here = ["--mne-python", given.mne_python] if benchmark.name == "alternatives" and given.mne_python else []
        reason = why_not(benchmark, quick=given.quick, endurance=given.endurance or bool(given.only))
        print(f"{command}: {reason or '...'}", file=sys.stderr, flush=True)
        outcomes.append(Outcome(command, skipped=reason) if reason else run(command, here))
        if outcomes[-1].failed:
            print(outcomes[-1].failed, file=sys.stderr)
    machine = described(began, quick=given.quick)
    (given.output / "RESULTS.json").write_text(
        json.dumps({"machine": machine, "benchmarks": [asdict(one) for one in outcomes]}, indent=1) + "\n"
    )
    (given.output / "RESULTS.md").write_text(markdown(machine, outcomes))
    sys.exit(any(one.failed for one in outcomes))


def why_not(benchmark: Benchmark, *, quick: bool, endurance: bool) -> str:
    """Return why a benchmark does not run, or nothing."""
    if benchmark in ENDURANCE and not endurance:
        return "takes hours (--endurance)"
    if quick and benchmark.quick is None:
        return "left out by --quick"
    if missing := [module for module in benchmark.modules if importlib.util.find_spec(module) is None]:
        return f"{', '.join(missing)} is not installed"
    if benchmark.eeg and not default_folder().exists():
        return f"the real EEG is not in {default_folder().name}/ of the cache"
    return ""


def run(command: str, here: Sequence[str] = ()) -> Outcome:
    """Run a benchmark and return what it handed over; options of this machine alone are not told."""
    outcome = Outcome(command, load_before=psutil.getloadavg()[0])
    with tempfile.TemporaryDirectory() as name:
        handed = Path(name, "figures.jsonl")
        script, *options = command.split()
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, str(HERE / script), *options, *here],
            env={**os.environ, FILE: str(handed), "PYTHONPATH": str(HERE.parent), "COLUMNS": "100"},
            cwd=HERE.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        outcome.seconds = time.monotonic() - began
        outcome.printed = done.stdout.strip()
        if handed.exists():
            outcome.figures = [json.loads(line) for line in handed.read_text("utf-8").splitlines()]
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-3:])
        outcome.failed = f"exit code {done.returncode}: {last}"
    return outcome


def described(began: datetime, *, quick: bool) -> dict[str, Any]:
    """Return where and when it was measured."""
    return {
        "date": began.strftime("%Y-%m-%d %H:%M UTC"),
        "quick": quick,
        "version": __version__,
        "processor": processor(),
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "libraries": {name: installed for name in LIBRARIES if (installed := version_of(name))},
    }


def processor() -> str:
    """Return the processor's name, as Linux tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def version_of(library: str) -> str:
    """Return the version that is installed, or nothing."""
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def markdown(machine: dict[str, Any], outcomes: Sequence[Outcome]) -> str:
    """Return the figures as a table, then what each benchmark printed."""
    libraries = ", ".join(f"{name} {number}" for name, number in machine["libraries"].items())
    lines = [
        "# What was measured",
        "",
        f"By `python benchmarks/run.py{' --quick' if machine['quick'] else ''}` on {machine['date']}: version "
        f"{machine['version']}, {machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['system']}, Python {machine['python']}; {libraries}.",
        "",
    ]
    if machine["quick"]:
        lines += ["**Quick: shorter than it must be for these figures to be quoted.**", ""]
    lines += ["| benchmark | figure | value | goal | |", "| --- | --- | --- | --- | --- |"]
    for outcome in outcomes:
        lines += [row(outcome.command, one) for one in outcome.figures]
        if outcome.skipped or outcome.failed:
            told = f"skipped: {outcome.skipped}" if outcome.skipped else "**failed**, see below"
            lines.append(f"| `{outcome.command}` | {told} | | | |")
    for outcome in outcomes:
        if not outcome.skipped:
            load = f"{outcome.seconds:.0f} s; load of the machine before: {outcome.load_before:.1f}"
            lines += ["", f"## `{outcome.command}`", "", load, "", "```", outcome.printed, outcome.failed, "```"]
    return "\n".join(lines) + "\n"


def row(command: str, one: dict[str, Any]) -> str:
    """Return a figure's row of the table."""
    if "skipped" in one:
        return f"| `{command}` | {one['what']} | skipped: {one['skipped']} | | |"
    value, most, least = one["value"], one["at_most"], one["at_least"]
    limits = (("at most", most), ("at least", least))
    goals = [f"{word} {limit:g}" for word, limit in limits if limit is not None]
    met = (most is None or value <= most) and (least is None or value >= least)
    verdict = ("yes" if met else "**missed**") if goals else ""
    return f"| `{command}` | {one['what']} | {value:.4g} {one['unit']} | {', '.join(goals)} | {verdict} |"


if __name__ == "__main__":
    main()
