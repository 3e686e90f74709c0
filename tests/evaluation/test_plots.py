"""Figures show what was measured, with units and denominators, and survive what is not known."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from detector.errors import UsageError
from detector.evaluation import plots
from detector.evaluation.intervals import draws
from detector.evaluation.operating import Stored, operating_curve
from detector.evaluation.pairs import Steps
from detector.evaluation.result import evaluate
from tests.evaluation.files import Spans, made_up_pair
from tests.evaluation.test_operating import CONFIG, stored


def test_the_operating_curve_has_every_threshold_and_its_denominators() -> None:
    persons: dict[str, list[tuple[Stored, Spans]]] = {
        "a": [(stored((100, 110, 0.9)), ((95.0, 120.0),))],
        "b": [(stored((50, 60, 0.7)), ())],
    }
    curve = operating_curve(persons, CONFIG, draws(2, 0, 50))
    figure = plots.operating_figure(curve)
    left, right = figure.axes
    assert left.get_xlabel() == f"false alarms per monitored non-ictal hour ({curve.points[0].hours:.2f} h)"
    assert left.get_ylabel() == "seizures detected (of 1)"
    assert right.get_ylabel() == "detection latency (s)"
    drawn = np.asarray(left.lines[0].get_xdata(), dtype=float)
    assert drawn.tolist() == [point.false_per_hour for point in curve.points]
    assert plots.png(figure).startswith(b"\x89PNG")


def test_the_latency_histogram_counts_every_seizure() -> None:
    figure = plots.latency_figure([-3.0, 4.0, 4.5, 20.0], 6, "onset latency", {"median": 4.25, "90th centile": 15.4})
    [axes] = figure.axes
    assert sum(patch.get_height() for patch in axes.patches) == 4  # type: ignore[attr-defined]
    assert axes.get_title() == "4 of 6 seizures have one"
    assert "(s)" in axes.get_xlabel()
    plots.png(plots.latency_figure([5.0], 1, "onset latency", {"median": 5.0, "90th centile": 5.0}))


def test_the_calibration_curve_shows_the_steps_of_each_bin() -> None:
    pairs = [made_up_pair(f"{name}_1", ((100.0, 130.0),), ((110.0, 130.0),), steps=True) for name in "abc"]
    calibration = evaluate(pairs, "made up").calibration
    assert calibration is not None
    upper, lower = plots.calibration_figure(calibration).axes
    assert upper.get_ylabel() == "share of the steps that are ictal"
    assert [text.get_text() for text in lower.texts] == [str(int(n)) for n in calibration.pooled.steps]


@pytest.mark.parametrize(("duration_s", "rows", "unit"), [(600, 1, "s"), (3601, 2, "min"), (30 * 3600, 24, "h")])
def test_a_recording_is_on_one_time_line(duration_s: float, rows: int, unit: str) -> None:
    pair = made_up_pair("a", ((100.0, 130.0),), ((110.0, 130.0),), duration_s, steps=True)
    figure = plots.recording_figure(pair, (0.6, 0.3))
    assert len(figure.axes) == rows
    assert figure.axes[-1].get_xlabel() == f"time from the recording's start ({unit})"
    limits = [axes.get_xlim() for axes in figure.axes]
    assert limits[0][0] == 0
    # No row lacks what the one before it does not show.
    assert all(before[1] == pytest.approx(after[0]) for before, after in pairwise(limits))
    labels = figure.legends[0].get_texts()
    shown = {text.get_text() for text in labels}
    assert shown == {
        "reference: seizure", "decision: seizure", "declared", "not monitored", "probability", "onset threshold 0.6",
        "offset threshold 0.3",
    }  # fmt: skip


def test_a_line_never_crosses_a_gap_and_what_was_not_monitored_is_hatched() -> None:
    pair = made_up_pair("a", (), (), 100, steps=True)
    assert pair.steps is not None
    there = np.delete(np.arange(100), np.s_[40:60])
    gap = Steps(pair.steps.time_s[there], pair.steps.probability[there], pair.steps.state[there], 1.0)
    pair = replace(pair, steps=gap)
    assert plots._unwatched(pair) == [(0.0, 9.0), (40.0, 60.0)]
    [axes] = plots.recording_figure(pair, None).axes
    [line] = [line for line in axes.lines if line.get_label() == "probability"]
    drawn = np.asarray(line.get_ydata(), dtype=float)
    assert np.flatnonzero(np.isnan(drawn)).tolist() == [*range(9), 40]


def test_without_steps_there_are_two_lanes() -> None:
    [axes] = plots.recording_figure(made_up_pair("a", ((100.0, 130.0),), ()), None).axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["decision", "reference"]


def test_matplotlib_that_is_not_there_is_told_before_anything_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    plots.require_matplotlib()
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(UsageError, match=r"pip install 'seizure-detector\[evaluation\]'"):
        plots.require_matplotlib()
