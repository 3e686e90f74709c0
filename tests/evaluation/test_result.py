"""Every pooled figure has an interval over persons, and JSON says what is not known."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from detector.evaluation.pairs import Pair
from detector.evaluation.result import SCHEMA_VERSION, Result, evaluate, to_json
from detector.evaluation.steps import auroc, average_precision
from detector.messages import FloatArray
from tests.evaluation.files import made_up_pair


def four_persons(*, steps: bool = True) -> list[Pair]:
    found = {"a": True, "b": True, "c": False, "d": True}
    return [
        made_up_pair(f"{name}_{k}", ((100.0, 130.0),), ((110.0, 130.0),) if hit else ((400.0, 420.0),), steps=steps)
        for name, hit in found.items()
        for k in (1, 2)
    ]


def constant(value: Any) -> None:
    raise AssertionError(f"{value} is no JSON")


def test_pooled_figures_have_intervals_over_persons() -> None:
    result = evaluate(four_persons(), "made up")
    assert list(result.persons) == ["a", "b", "c", "d"]
    assert (result.pooled.recordings, result.pooled.seizures) == (8, 8)
    sensitivity = result.figures["event_sensitivity"]
    assert sensitivity.value == 6 / 8
    assert (sensitivity.low, sensitivity.high) == (0.25, 1.0)
    assert result.figures["alarm_sensitivity"].value == 6 / 8
    assert result.figures["latency_median_s"].value == 12.0
    for name, figure in result.figures.items():
        assert figure.low <= figure.value <= figure.high or math.isnan(figure.value), name


def test_intervals_are_the_same_for_a_seed() -> None:
    pairs = [made_up_pair(f"p{k}_1", ((100.0, 130.0),), ((101.0 + 3 * k, 130.0),)) for k in range(9)]
    found = [evaluate(pairs, "made up", seed=seed).figures["sample_sensitivity"] for seed in (7, 7, 8)]
    assert found[0] == found[1] != found[2]


def test_one_person_has_figures_and_no_interval() -> None:
    result = evaluate(four_persons()[:2], "made up")
    assert result.figures["event_sensitivity"].value == 1.0
    assert all(math.isnan(figure.low) and math.isnan(figure.high) for figure in result.figures.values())


def test_what_it_was_measured_on_is_said() -> None:
    def words(*pairs: Pair) -> Result:
        return evaluate(pairs, "made up")

    known, unknown = four_persons(), four_persons(steps=False)
    assert words(*known).denominators == "1.313 h monitored, of 1.333 h recorded"
    assert words(*unknown).denominators.startswith("1.333 h of whole recordings, of which it is not known")
    assert words(*known[:4], *unknown[4:]).denominators.startswith("1.323 h: 0.657 h monitored and 0.667 h of whole")
    assert words(*known).latency.startswith("detection latency: declared - reference onset")
    # Where one recording's declared times are not known, no latency pretends to be one of detection.
    for result in (words(*unknown), words(*known[:4], *unknown[4:])):
        assert result.latency.startswith("onset latency: hypothesis onset - reference onset")
        assert not [name for name in result.figures if name.startswith(("alarm_", "step_"))]
        assert result.figures["latency_median_s"].value == 10.0
    assert "timescoring" in words(*known).scorer


def test_json_is_json_and_has_a_version() -> None:
    result = evaluate([*four_persons(), made_up_pair("e_1", (), (), steps=True)], "made up", skipped=[("x", "bad")])
    said = json.loads(json.dumps(to_json(result), allow_nan=False), parse_constant=constant)
    assert said["schema_version"] == SCHEMA_VERSION
    assert said["persons"]["e"]["figures"]["event_f1"] is None
    assert said["persons"]["e"]["false_alarms_per_24h_poisson"]["low"] == 0.0
    assert said["persons"]["c"]["event"] == {"reference": 2, "hits": 0, "false": 2}
    assert said["pooled"]["figures"]["event_sensitivity"]["value"] == 6 / 8
    assert said["skipped"] == [{"recording": "x", "why": "bad"}]
    assert len(said["recordings"]) == 9
    assert sum(row["steps"] for row in said["calibration"]) == 9 * 591
    assert said["operating_curve"] is None


def test_counts_of_one_call_never_leak_into_another() -> None:
    pairs = four_persons()
    assert evaluate(pairs, "x").pooled == evaluate(pairs, "x").pooled
    totals = evaluate(pairs, "x")
    assert totals.persons["a"].tally.seizures == 2
    assert [one.tally.seizures for one in totals.recordings] == [1] * 8


@pytest.mark.parametrize(("name", "ranked"), [("step_auroc", auroc), ("step_average_precision", average_precision)])
def test_steps_are_ranked_over_all_persons(name: str, ranked: Callable[[FloatArray, FloatArray], float]) -> None:
    pairs = four_persons()
    target, probability = (np.concatenate([pair.target()[k] for pair in pairs]) for k in (0, 1))
    figure = evaluate(pairs, "made up").figures[name]
    assert figure.value == pytest.approx(ranked(target, probability))
    assert figure.low < figure.value < figure.high
