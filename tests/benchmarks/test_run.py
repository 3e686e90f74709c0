"""What benchmarks hand over arrives in the table, with what was missed, skipped or failed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import run

    (tmp_path / "good.py").write_text(
        "from figures import figure, skipped\n"
        "figure('fast enough', 3100, 'x', at_least=3000)\n"
        "figure('too slow', 2.5, 's', at_most=2)\n"
        "figure('no goal', 7)\n"
        "skipped('another', 'is not installed')\n"
        "print('a table')\n"
    )
    (tmp_path / "bad.py").write_text("raise SystemExit('it cannot')\n")
    (tmp_path / "figures.py").write_text((BENCHMARKS / "figures.py").read_text())
    monkeypatch.setattr(run, "HERE", tmp_path)
    return run


def test_figures_goals_failures_and_what_was_skipped_are_told(run: ModuleType) -> None:
    outcomes = [run.run("good.py"), run.run("bad.py"), run.Outcome("long.py", skipped="takes hours")]
    assert [one.failed for one in outcomes] == ["", "exit code 1: it cannot", ""]
    text = run.markdown({"quick": True, "libraries": {"numpy": "2"}} | dict.fromkeys(MACHINE, "x"), outcomes)
    for line in (
        "| `good.py` | fast enough | 3100 x | at least 3000 | yes |",
        "| `good.py` | too slow | 2.5 s | at most 2 | **missed** |",
        "| `good.py` | no goal | 7  |  |  |",
        "| `good.py` | another | skipped: is not installed | | |",
        "| `bad.py` | **failed**, see below | | | |",
        "| `long.py` | skipped: takes hours | | | |",
        "a table",
        "exit code 1: it cannot",
    ):
        assert line in text.splitlines()


MACHINE = ("date", "version", "processor", "cores", "memory_gb", "system", "python")


def test_every_benchmark_that_is_listed_is_there_and_one_that_is_not_known_is_told(run: ModuleType) -> None:
    for one in (*run.BENCHMARKS, *run.ENDURANCE):
        assert (BENCHMARKS / f"{one.name}.py").is_file()
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "run.py"), "--only", "nothing"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "known are hot_path, wards" in done.stderr


def test_what_cannot_run_here_says_why(run: ModuleType) -> None:
    absent = run.Benchmark("good.py", None, ("no_such_module",))
    assert run.why_not(absent, quick=False, endurance=False) == "no_such_module is not installed"
    assert run.why_not(absent, quick=True, endurance=False) == "left out by --quick"
    assert run.why_not(run.ENDURANCE[0], quick=False, endurance=False) == "takes hours (--endurance)"
    assert run.why_not(run.Benchmark("good.py", None), quick=False, endurance=False) == ""


def test_the_machine_is_described(run: ModuleType, tmp_path: Path) -> None:
    from datetime import UTC, datetime

    described = run.described(datetime(2026, 1, 2, 3, 4, tzinfo=UTC), quick=False)
    assert described["date"] == "2026-01-02 03:04 UTC"
    assert {*MACHINE, "libraries", "quick"} == described.keys()
    assert "numpy" in json.loads(json.dumps(described))["libraries"]
