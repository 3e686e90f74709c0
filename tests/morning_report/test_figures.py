"""A line never crosses what is not known, and each state has a lane of its own."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.evaluation.plots import png
from detector.morning_report.eeg import Eeg
from detector.morning_report.figures import eeg_figure, timeline_figure
from detector.morning_report.local_time import LocalTime
from detector.morning_report.night import Night, gather
from detector.morning_report.page_file import Bin, PageFile
from detector.morning_report.timeline import Stretch

pytest.importorskip("matplotlib")
GMT = LocalTime(UTC)


def made(bins: tuple[Bin, ...], until_s: float = 86_400) -> Night:
    line = (
        Stretch(0, 1000, "non-seizure"),
        Stretch(1000, 1100, "seizure"),
        Stretch(1100, 2000, "not-monitoring/lost"),
        Stretch(2000, until_s, "not-monitoring/unknown"),
    )
    return Night("b", 0, until_s, line, (), (), (), 0, 0, (), PageFile(bins), "")


def lanes(axes: Any) -> dict[str, list[tuple[float, float]]]:
    """Return (start, end) of the bars in each lane, by its name."""
    found = {}
    for tick, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True):
        paths = [path.get_extents() for bars in axes.collections for path in bars.get_paths()]
        found[label.get_text()] = [(box.x0, box.x1) for box in paths if box.y0 < tick < box.y1]
    return found


def test_each_state_is_in_its_own_lane() -> None:
    figure = timeline_figure(made(()), GMT)
    assert lanes(figure.axes[0]) == {
        "seizure": [(1000, 1100)],
        "non-seizure": [(0, 1000)],
        "not monitored": [(1100, 2000)],
        "nothing is known": [(2000, 86_400)],
    }


def test_a_hole_breaks_the_line_and_what_is_not_known_is_no_zero() -> None:
    bins = (Bin(0, 0.1, 0.0, 22), Bin(10, 0.2, 0.0, 22), Bin(20, None, None, None), Bin(600, 0.3, 0.5, 20))
    figure = timeline_figure(made(bins), GMT)
    [line] = figure.axes[1].lines
    values = np.asarray(line.get_ydata())
    assert values[:2].tolist() == [0.1, 0.2]
    assert np.isnan(values[2:-1]).all()
    assert values[-1] == 0.3
    assert len(values) == 5, "beside the unknown bin there is one for the hole"


def test_without_the_page_no_line_is_drawn() -> None:
    figure = timeline_figure(made(()), GMT)
    assert [len(axes.lines) for axes in figure.axes[1:]] == [0, 0, 0]
    assert [[text.get_text() for text in axes.texts] for axes in figure.axes[1:]] == [["not known"]] * 3


@pytest.mark.parametrize("until_s", [60, 3600, 86_400, 30 * 86_400, 400 * 86_400])
def test_a_span_of_any_length_can_be_read(until_s: float) -> None:
    figure = timeline_figure(made((), until_s), GMT)
    assert 2 <= len(figure.axes[-1].get_xticks()) <= 14
    assert png(figure).startswith(b"\x89PNG")


def test_labels_of_channels_are_no_formulas() -> None:
    times = np.linspace(-10, 20, 300)
    samples = np.zeros((300, 3), np.float32)
    eeg = Eeg("f", ("$x^2$", "\x07bell", "$\\frac$"), times, samples, ((1.0, 2.0),), (), 90.0)
    assert png(eeg_figure(eeg, 5.0, None)).startswith(b"\x89PNG")
    shown = [label.get_text() for label in eeg_figure(eeg, 5.0, None).axes[0].get_yticklabels()]
    assert shown[:2] == [r"\$x^2\$", r"\x07bell"]


def test_a_night_is_drawn(tmp_path: Path) -> None:
    from tests.morning_report.nights import SINCE_S, UNTIL_S, night

    files = night(tmp_path)
    found = gather(files.journal, files.page, files.clips, SINCE_S, UNTIL_S)
    assert len(timeline_figure(found, GMT).axes[0].lines) == 4, "two onsets and two labels"
