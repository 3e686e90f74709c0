"""Figures: the span on its time line, and the EEG around an onset. The only place of the report with matplotlib."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from detector.evaluation.plots import BLUE, GREEN, ORANGE, RED, new_figure
from detector.morning_report.eeg import AFTER_S, BEFORE_S, Eeg
from detector.morning_report.local_time import LocalTime
from detector.morning_report.night import Night
from detector.morning_report.page_file import BIN_S
from detector.morning_report.timeline import Kind
from detector.printable import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Each kind has a height and a hatch of its own as well: never colour alone, and it may be printed in black.
_LOOKS: dict[Kind, tuple[float, dict[str, Any]]] = {
    Kind.SEIZURE: (3, {"facecolor": RED, "edgecolor": RED, "lw": 0.6}),
    Kind.NON_SEIZURE: (2, {"facecolor": GREEN, "lw": 0}),  # no edge: it would lie over a short loss beside it
    Kind.NOT_MONITORED: (1, {"facecolor": "#c8c8c8", "edgecolor": "#606060", "hatch": "///", "lw": 0.6}),
    Kind.UNKNOWN: (0, {"facecolor": "white", "edgecolor": "black", "hatch": "xxx", "lw": 0.6}),
}
_TICKS_S = (60, 300, 600, 1800, 3600, 2 * 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400)
_MOST_TICKS = 13
_SPACING_UV = 150.0  # between two channels


def timeline_figure(night: Night, time: LocalTime) -> Figure:
    """Return state, probability, burden and good channels over the span; what is not known has no line."""
    figure, (states, probability, burden, good) = new_figure(
        10.5, 6.6, 4, 1, sharex=True, height_ratios=[1.5, 1.3, 0.8, 0.8]
    )
    for kind, (row, look) in _LOOKS.items():
        parts = [(s.start_s, s.length_s) for s in night.timeline if s.kind is kind]
        states.broken_barh(parts, (row - 0.4, 0.8), **look)
    for event in night.events:
        states.plot(max(event.onset_s, night.since_s), 3.65, "v", color=RED, ms=6, clip_on=False)
    for label in night.known.standing_labels():
        mark = "x" if label.kind == "false-alarm" else "P"
        states.plot(label.at_s, 4.1, mark, color="black", ms=6, clip_on=False)
    states.set_yticks([row for row, _ in _LOOKS.values()], [kind.value for kind in _LOOKS])
    states.set_ylim(-0.5, 4.3)
    bins = night.known.bins
    times = np.array([one.bin_s for one in bins], float)
    for axes, name, colour, words in (
        (probability, "probability", BLUE, "probability"),
        (burden, "burden", ORANGE, "burden"),
        (good, "good_channels", "black", "good channels"),
    ):
        _line(axes, times, np.array([getattr(one, name) for one in bins], float), colour)
        axes.set_ylabel(words)
        _hatch_unwatched(axes, night)
    probability.set_ylim(0, 1.03)
    burden.set_ylim(bottom=0)
    good.set_ylim(bottom=0)
    _time_axis(good, night.since_s, night.until_s, time)
    return figure


def _line(axes: Axes, times: Any, values: Any, colour: str) -> None:
    if not np.isfinite(values).any():
        axes.text(0.5, 0.5, "not known", transform=axes.transAxes, ha="center", va="center")
        return
    breaks = np.flatnonzero(np.diff(times) > 1.5 * BIN_S) + 1  # a line never crosses a hole
    times, values = np.insert(times, breaks, np.nan), np.insert(values, breaks, np.nan)
    # A dot as well, as a value between two holes is no line.
    axes.plot(times + BIN_S / 2, values, ".-", color=colour, lw=0.8, ms=1.5)


def _hatch_unwatched(axes: Axes, night: Night) -> None:
    parts = [(s.start_s, s.length_s) for s in night.timeline if s.kind in (Kind.NOT_MONITORED, Kind.UNKNOWN)]
    # One artist for all: a stream that comes and goes all night makes thousands.
    axes.broken_barh(
        parts, (0, 1), transform=axes.get_xaxis_transform(), facecolor="#f0f0f0", hatch="///", edgecolor="#d5d5d5", lw=0
    )


def _time_axis(axes: Axes, since_s: float, until_s: float, time: LocalTime) -> None:
    step_s = next((s for s in _TICKS_S if (until_s - since_s) / s <= _MOST_TICKS), None)
    if step_s is None:
        step_s = 86400 * int((until_s - since_s) / 86400 / _MOST_TICKS + 1)
    shift_s = (time.at(since_s).utcoffset() or timedelta()).total_seconds()  # ticks at whole hours of the local clock
    first_s = -(-(since_s + shift_s) // step_s) * step_s - shift_s
    ticks = np.arange(first_s, until_s + 1e-6, step_s)
    words = []
    for i, at_s in enumerate(ticks.tolist()):
        at = time.at(at_s)
        is_new = i == 0 or at.date() != time.at(at_s - step_s).date()
        words.append(f"{at:%H:%M}\n{at:%d %b}" if is_new else f"{at:%H:%M}")
    axes.set_xticks(ticks, words)
    axes.set_xlim(since_s, until_s)
    names = [name for _, name in time.zones(since_s, until_s)]
    axes.set_xlabel("local time, " + ", then ".join(names))


def eeg_figure(eeg: Eeg, declared_s: float, offset_s: float | None) -> Figure:
    """Return the EEG around an onset, channels one below the other, negative up as EEG readers know it.

    Parameters
    ----------
    eeg
        What is shown.
    declared_s, offset_s
        When it was declared and when it ended, s from the onset; ``None`` where the end was not seen.
    """
    n = len(eeg.labels)
    figure, axes = new_figure(10.5, 1.2 + 0.24 * n)
    places = -np.arange(n) * _SPACING_UV
    # Three channels' space at most, else one that has lost its contact hides all others.
    drawn = np.clip(-eeg.samples, -1.5 * _SPACING_UV, 1.5 * _SPACING_UV)
    axes.plot(eeg.times, drawn + places, color="black", lw=0.5)
    for start_s, end_s in eeg.gaps:
        axes.axvspan(start_s, end_s, facecolor="#e0e0e0", hatch="///", edgecolor="#a0a0a0", lw=0)
    for at_s, words, style in ((0.0, "onset", "-"), (declared_s, "declared", "--"), (offset_s, "offset", ":")):
        if at_s is not None and -BEFORE_S <= at_s <= AFTER_S:
            axes.axvline(at_s, color=RED, lw=1.2, ls=style)
            axes.annotate(words, (at_s, 1.0), xycoords=("data", "axes fraction"), fontsize=8, color=RED, va="bottom")
    # A label is a stream's own text: no dollar of it is the beginning of a formula.
    axes.set_yticks(places, [printable(label).replace("$", r"\$") for label in eeg.labels], fontsize=8)
    axes.set_ylim(places[-1] - _SPACING_UV, _SPACING_UV)
    axes.set_xlim(-BEFORE_S, AFTER_S)
    axes.set_xlabel(f"seconds from the onset; channels are {_SPACING_UV:.0f} µV apart, negative is up")
    axes.grid(visible=False, axis="y")
    return figure
