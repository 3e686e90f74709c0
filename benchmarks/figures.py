"""How a benchmark hands its figures over to `benchmarks/run.py`, beside what it prints for who runs it by hand."""

from __future__ import annotations

import json
import os
from pathlib import Path

FILE = "SEIZURE_DETECTOR_FIGURES"  # the environment variable that names the file; without it nothing is handed over


def figure(
    what: str, value: float, unit: str = "", *, at_most: float | None = None, at_least: float | None = None
) -> None:
    """Hand over what was measured, with the goal that it has, if it has one."""
    _add({"what": what, "value": float(value), "unit": unit, "at_most": at_most, "at_least": at_least})


def skipped(what: str, reason: str) -> None:
    """Hand over that something could not be measured here."""
    _add({"what": what, "skipped": reason})


def _add(entry: dict[str, object]) -> None:
    if path := os.environ.get(FILE):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
