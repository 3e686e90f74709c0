"""What is measured of a ward: a step or a sample that did not come is counted."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "wards_figures.py"
LOST = [(0.0, 1.0), (3.0, 1.0)]


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


def _summary(figures: dict[str, Any], stamps: list[list[float]], lost: list[tuple[float, float]]) -> dict[str, float]:
    told = [figures["Told"]([0.002] * len(s), s, [1.0] * len(s), [0.01] * len(s)) for s in stamps]
    spent = [figures["Use"](0.1, 1e6, 100.0)] * (len(stamps) + 2)
    n = np.ones(len(stamps))
    held = np.ones((len(stamps), 3)) * 1e6
    ports = {"tcp": 6, "udp": 6}
    made: dict[str, float] = figures["summary"](2, 10.0, 1.0, 1.0, told, spent, held, n, n, LOST, lost, ports)
    return made


def test_a_ward_without_losses_has_none(figures: dict[str, Any]) -> None:
    steps = [[0.5 * k for k in range(20)], [0.2 + 0.5 * k for k in range(20)]]
    made = _summary(figures, steps, LOST)
    assert (made["steps heard"], made["steps that did not come"]) == (40, 0)
    assert (made["samples missing"], made["sessions ended"]) == (0, 0)
    assert made["processor of all beds, % of two cores"] == pytest.approx(1.0)


def test_steps_samples_and_sessions_that_were_lost_are_counted(figures: dict[str, Any]) -> None:
    steps = [[0.5 * k for k in range(20) if k not in (7, 8)], [0.2 + 0.5 * k for k in range(20)]]
    made = _summary(figures, steps, [(2.0, 1.0), (3.0, 2.0)])
    assert made["steps that did not come"] == 2
    assert (made["samples missing"], made["sessions ended"]) == (2, 1)


def test_a_bed_that_falls_silent_misses_the_steps_until_the_end(figures: dict[str, Any]) -> None:
    steps = [[0.5 * k for k in range(12)], [0.2 + 0.5 * k for k in range(20)]]
    assert _summary(figures, steps, LOST)["steps that did not come"] >= 7
    assert _summary(figures, [[], steps[1]], LOST)["steps that did not come"] == 20


def test_memory_that_is_shared_counts_less_than_what_is_resident(figures: dict[str, Any]) -> None:
    resident, proportional, private = figures["memory"](psutil.Process())
    assert 0 < private <= proportional < resident
