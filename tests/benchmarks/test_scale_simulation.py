"""The models of scale: what they must give where the answer is known without them."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "scale_simulation.py"
BASE_S = (0.002, 0.006)


@pytest.fixture(scope="module")
def model() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


@pytest.mark.parametrize("beds", [4, 50])
def test_cores_are_busy_with_what_is_asked_of_them_and_few_beds_wait_for_nobody(
    model: dict[str, Any], beds: int
) -> None:
    share, median_s, high_s = model["queue"](beds, 0.008, 0.002 * beds, BASE_S)
    assert share == pytest.approx(beds * 0.01 / 2, rel=0.02)
    assert median_s == pytest.approx(BASE_S[0], rel=0.25)
    assert high_s == pytest.approx(BASE_S[1], rel=0.3)


def test_beds_that_ask_for_more_than_there_is_wait_ever_longer(model: dict[str, Any]) -> None:
    share, median_s, _ = model["queue"](110, 0.02, 0.0, BASE_S)
    assert share > 1
    assert median_s > 1


def test_questions_to_every_outlet_cost_the_square_of_them(
    model: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    delivery_s, answer_s = 30e-6, 60e-6
    rows = [
        {
            "what": what,
            "outlets": n,
            "bytes out": 400 * asked,
            "bytes in": 10_000 * n,
            "processor, s": delivery_s * asked * n + answer_s * n,
        }
        for n in (5, 10, 20, 40)
        for what, asked in (("each for its own", n), ("one for all", 1))
    ]
    model["discovery"](rows)
    said = capsys.readouterr().out
    assert "a delivery to an outlet 30.0 µs, an outlet's answers 60 µs" in said
    assert "| processor time of the outlets | 50.4 ms | 50.4 ms |" in said
    assert "| 10000 | 500 per second | 5200 kB/s | 225.00% of a core |" in said


def test_an_archive_takes_its_processor_time_and_deaths_only_add_to_it(model: dict[str, Any]) -> None:
    hours, workers = 20_000, 8
    sound_h, ideal_h = model["archive"](hours, workers, 1e-9)
    assert ideal_h == pytest.approx(hours * model["ARCHIVE_CPU_S_PER_HOUR"] / workers / 3600)
    assert ideal_h * 0.99 < sound_h < ideal_h * 1.2
    dying_h, _ = model["archive"](hours, workers, 500.0)
    assert sound_h * 1.1 < dying_h < sound_h * 2
