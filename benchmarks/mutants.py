"""Whether a test notices when a guard between a fault and a false non-seizure is taken away.

    python benchmarks/mutants.py [--only WORD]

Each guard is a text of a file and what stands there once it is broken. In a temporary copy of the tree the tests of the
guard run on the whole file and must pass, and on the broken one and must fail. Printed is a table; the exit code is 1
where one survived or where the text is not there (once) any more, so that the list is kept up. Last: 45 of 45 killed.
"""

from __future__ import annotations

import argparse
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Guard:
    """What is promised, where it is kept, how it is broken, and who must notice."""

    promise: str
    file: str
    old: str
    new: str
    tests: str


MONITOR, DECISION = "tests/test_monitor.py tests/test_monitor_lives.py", "tests/test_decision.py"
LIVES = "tests/test_decision_lives.py"
LEDGER, IDENTITY, SESSION = (
    "tests/source/test_ledger.py",
    "tests/source/test_lsl_identity.py",
    "tests/source/test_lsl.py -k why_a_session_begins",
)
FOUND = "tests/test_journal_found.py tests/test_journal_file.py tests/sinks/test_journal_writer.py"
RESUMPTION = "tests/test_resumption.py"
SPANS = "tests/test_journal_spans.py"
GUARDS = (
    Guard("a late step is stale", "monitor.py", "age_s > self._config.stall_s else None", "False else None", MONITOR),
    Guard(
        "no samples are stale",
        "monitor.py",
        "cause is None and age_s <= self._config.stall_s",
        "cause is None",
        MONITOR,
    ),
    Guard("no step is stale", "monitor.py", "now_s - self._stepped_s > _OLD_STEP_S", "False", MONITOR),
    Guard("validation", "monitor.py", " or (doubt and said.state is State.NON_SEIZURE)", "", MONITOR),
    Guard("a session takes its state along", "monitor.py", "was_said or said.reason is Reset.FAULT", "False", MONITOR),
    Guard("late samples end no seizure", "monitor.py", "said.state is not State.SEIZURE and (stale", "(stale", MONITOR),
    Guard("min_good", "decision.py", "poor = good < c.min_good", "poor = False", DECISION),
    Guard("min_good, as the lives see it", "decision.py", "poor = good < c.min_good", "poor = False", LIVES),
    Guard("warm-up", "decision.py", "warming = not self._reached(", "warming = False and not self._reached(", DECISION),
    Guard("warm-up on a poor signal", "decision.py", "state.first_s, state.watched_s = None, 0.0", "pass", DECISION),
    Guard(
        "a gap resets",
        "decision.py",
        "        self.reset()\n        self.record.missing",
        "        self.record.missing",
        DECISION,
    ),
    Guard("a gap ends a seizure, unknown", "decision.py", "if self._state.event is not None:", "if False:", DECISION),
    Guard("backward stamps", "decision.py", "newest_s is not None and now < newest_s", "False", DECISION),
    Guard(
        "a hole is no warm-up",
        "decision.py",
        "newest_s - state.first_s, None",
        "newest_s - state.first_s, state.first_s",
        DECISION,
    ),
    Guard(
        "gaps are seen",
        "source/ledger.py",
        "round(jump) if round(jump) <= self._max_filled else Reset.GAP",
        "round(jump)",
        LEDGER,
    ),
    Guard("the sender's machine", "source/lsl_identity.py", "now.hostname != before.hostname", "False", IDENTITY),
    Guard("another rate", "source/lsl_identity.py", "before.rate_hz != now.rate_hz", "False", SESSION),
    Guard(
        "other labels",
        "source/lsl_identity.py",
        "(before.labels, before.scales_uv) != (now.labels, now.scales_uv)",
        "False",
        SESSION,
    ),
    Guard("a frozen network", "network/frozen.py", "self._same >= _MOST_SAME", "False", "tests/network/test_frozen.py"),
    Guard(
        "a state that is not finite",
        "plain_state.py",
        "if not np.isfinite(array).all():",
        "if False:",
        "tests/test_plain_state.py",
    ),
    Guard("samples become steps", "proof.py", "self._owed_s <= _MOST_OWED_S and ", "", "tests/test_proof.py"),
    Guard("the status is young", "proof.py", " and now_s - published_s <= _MOST_SILENT_S", "", "tests/test_proof.py"),
    Guard("a checkpoint's age", "resumption.py", "if not 0 < hole_s <= self._within_s:", "if False:", RESUMPTION),
    Guard(
        "a checkpoint's source and model",
        "resumption.py",
        "(was := then[word]) != value",
        "(was := then[word]) != value and False",
        RESUMPTION,
    ),
    Guard("a checkpoint's stream goes on", "resumption.py", "if gap.reason is not Reset.GAP:", "if False:", RESUMPTION),
    Guard("a checkpoint's loop", "resumption.py", "if found.resumptions >= _MOST:", "if False:", RESUMPTION),
    Guard(
        "a checkpoint's checksum",
        "checkpoint.py",
        "if checksum != hashlib",
        "if False and checksum != hashlib",
        "tests/test_checkpoint.py",
    ),
    Guard(
        "a damaged row",
        "journal_schema.py",
        "    if checksum != _checksum(tuple(values)):\n        return None\n",
        "",
        "tests/test_journal_reading.py",
    ),
    Guard(
        "a missing row",
        "journal_reading.py",
        "if stored[0] != expected and before is not None:",
        "if False:",
        "tests/test_journal_reading.py",
    ),
    Guard(
        "damage was not watched",
        "journal_spans.py",
        '                self._enter(f"{NOT_MONITORING}/{row.kind}", self.lived_s)\n                return',
        "                return",
        SPANS,
    ),
    Guard(
        "a crash was not watched",
        "journal_spans.py",
        'self._enter(f"{NOT_MONITORING}/crashed", self.lived_s)',
        "pass",
        SPANS,
    ),
    Guard("silence was not watched", "journal_spans.py", "self._silences.append(", "list().append(", SPANS),
    Guard("until the last sample only", "journal_spans.py", 'row.facts.get("seen_s", lsl_s)', "lsl_s", SPANS),
    Guard(
        "only non-seizure is background",
        "journal_export.py",
        "elif stretch.said == NON_SEIZURE:",
        "elif True:",
        "tests/test_journal_export.py",
    ),
    Guard("a crash is told", "journal_found.py", "crashed=stopped is None or", "crashed=False and", FOUND),
    Guard("a crash behind a stop", "journal_found.py", "begun.id > stopped.id", "False", FOUND),
    Guard("an open seizure", "journal_found.py", "seizure=_open_seizure(connection)", "seizure=None", FOUND),
    Guard("an end that was written", "journal_found.py", 'elif facts["id"] not in over:', "else:", FOUND),
    Guard("a page that is damaged", "journal_found.py", 'if said != "ok":', "if False:", FOUND),
    Guard("a sign of life that is damaged", "journal_found.py", "if stored and alive is None:", "if False:", FOUND),
    Guard("a model's hash", "network/bundle.py", "if found != expected:", "if False:", "tests/network/test_bundle.py"),
    Guard(
        "a causal model",
        "network/bundle.py",
        'if bundle.card.direction != "causal":',
        "if False:",
        "tests/network/test_bundle.py",
    ),
    Guard(
        "another montage",
        "conditioning/montage.py",
        " or (missing and _other_montage(config, description))",
        "",
        "tests/conditioning/test_montage.py",
    ),
    Guard(
        "unknown units",
        "conditioning/montage.py",
        "    if unknown:\n",
        "    if False:\n",
        "tests/conditioning/test_montage.py",
    ),
    Guard(
        "contradicting duplicates",
        "conditioning/montage.py",
        "if not np.array_equal(",
        "if False and not np.array_equal(",
        "tests/conditioning/test_montage.py",
    ),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="WORD", help="guards whose promise or file has this in it")
    arguments = parser.parse_args()
    guards = [guard for guard in GUARDS if arguments.only in f"{guard.promise} {guard.file}"]
    bad = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = Path(folder) / "tree"
        ignored = shutil.ignore_patterns(".git", ".venv", ".*_cache", "__pycache__", "build", "dist", "runs")
        shutil.copytree(ROOT, tree, ignore=ignored)
        print("| guard | file | |\n| --- | --- | --- |")
        for guard in guards:
            verdict = judge(guard, tree)
            bad += verdict != "killed"
            print(f"| {guard.promise} | `{guard.file}` | {verdict} |", flush=True)
    print(f"\n{len(guards) - bad} of {len(guards)} killed")
    return min(bad, 1)


def judge(guard: Guard, tree: Path) -> str:
    path = tree / "detector" / guard.file
    text = path.read_text(encoding="utf-8")
    if (n := text.count(guard.old)) != 1:
        return f"**not there** ({n} times): {guard.old.strip()!r}"
    if exit_code := exit_of_whole(guard.tests, tree):
        return f"**its tests fail without it, too** (exit {exit_code})"
    path.write_text(text.replace(guard.old, guard.new), encoding="utf-8")
    broken = run(guard.tests, tree)
    path.write_text(text, encoding="utf-8")
    if broken.returncode == 0:
        return "**survived**"
    # What could not even be imported has not noticed anything.
    return "killed" if re.search(r"\d+ failed", broken.stdout) else f"**no test failed** (exit {broken.returncode})"


@functools.cache
def exit_of_whole(tests: str, tree: Path) -> int:
    return run(tests, tree).returncode


def run(tests: str, tree: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests.split()]
    environment = os.environ | {"PYTHONPATH": str(tree)}
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
