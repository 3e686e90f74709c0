"""Figures: operating curve, latency, calibration, and a recording on its time line. The only place with matplotlib."""

from __future__ import annotations

import importlib.util
import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from detector.errors import UsageError
from detector.messages import State

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from detector.evaluation.operating import Operating, Point
    from detector.evaluation.pairs import Pair
    from detector.evaluation.result import Calibration

ROW_S = 3600.0  # the most of a recording in one row
_ROWS_MAX = 24
_DPI = 110
# Okabe and Ito 2008: told apart by people who are colour-blind, too.
BLUE, ORANGE, GREEN, GREY, RED = "#0072B2", "#E69F00", "#009E73", "#9A9A9A", "#D55E00"
_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
}


def require_matplotlib(what: str = "--report") -> None:
    """Refuse before anything is computed; ``what`` is what draws.

    Raises
    ------
    UsageError
        When matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError(f"{what} draws with matplotlib; install it with: pip install 'seizure-detector[evaluation]'")


def png(figure: Figure) -> bytes:
    """Return the figure as PNG, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def operating_figure(operating: Operating) -> Figure:
    """Return sensitivity against false alarms, and latency against the threshold, with bands over persons."""
    points = operating.points
    own = next(point for point in points if point.onset_threshold == operating.own_threshold)

    def column(name: str) -> Any:
        return np.array([getattr(point, name) for point in points], dtype=float)

    figure, (left, right) = new_figure(9.5, 4.2, 1, 2)
    false = column("false_per_hour")
    sensitivity = column("sensitivity")
    left.plot(false, sensitivity, color=BLUE, lw=0.9, alpha=0.6)
    for name, at, beyond in (("x", "false_per_hour", false), ("y", "sensitivity", sensitivity)):
        reach = np.maximum([beyond - column(f"{at}_low"), column(f"{at}_high") - beyond], 0)
        left.errorbar(
            false, sensitivity, **{f"{name}err": reach}, fmt="o", color=BLUE, ecolor="#b5d3e7", elinewidth=1.1, ms=4,
            label="onset thresholds, 95 % intervals over persons" if name == "y" else "_",
        )  # fmt: skip
    left.plot(own.false_per_hour, own.sensitivity, "D", color=RED, ms=8, label=f"the bundle's, {own.onset_threshold:g}")
    _name_points(left, points)
    left.set(
        xlabel=f"false alarms per monitored non-ictal hour ({own.hours:.2f} h)",
        ylabel=f"seizures detected (of {own.seizures})",
        ylim=(-0.03, 1.03),
    )
    left.legend(loc="upper center", bbox_to_anchor=(0.5, 1.15), frameon=False, fontsize=8)
    thresholds = column("onset_threshold")
    low, high = column("latency_median_low_s"), column("latency_median_high_s")
    right.fill_between(thresholds, low, high, color=GREEN, alpha=0.18, lw=0, label="95 % interval of the median")
    right.plot(thresholds, column("latency_median_s"), "o-", color=GREEN, ms=3.5, lw=1.4, label="median")
    right.plot(thresholds, column("latency_90th_s"), "s--", color=GREY, ms=3.5, lw=1.2, label="90th centile")
    right.axvline(own.onset_threshold, color=RED, lw=1.2, ls=":", label=f"the bundle's, {own.onset_threshold:g}")
    right.set(xlabel="onset threshold", ylabel="detection latency (s)", xlim=(0, 1))
    right.set_ylim(bottom=0)
    right.legend(loc="best", frameon=False, fontsize=8)
    return figure


def _name_points(axes: Axes, points: tuple[Point, ...]) -> None:
    """Write the threshold beside each point that is not next to one that is named already."""
    named: list[tuple[float, float]] = []
    widest = max((point.false_per_hour for point in points), default=0.0) or 1.0
    for point in points:
        x, y = point.false_per_hour / widest, point.sensitivity
        if all(abs(x - a) > 0.12 or abs(y - b) > 0.06 for a, b in named):
            at = (point.false_per_hour, point.sensitivity)
            axes.annotate(f"{point.onset_threshold:g}", at, (5, 4), textcoords="offset points", fontsize=8)
            named.append((x, y))


def latency_figure(latencies_s: list[float], n_seizures: int, words: str, centiles: dict[str, float]) -> Figure:
    """Return the histogram of latencies with its centiles, by name; ``words`` say what a latency is."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = new_figure(6.2, 3.8)
    values = np.array(latencies_s)
    width = next((w for w in (1, 2, 5, 10, 30) if np.ptp(values) / w <= 25), 60)
    edges = np.arange(math.floor(values.min() / width), math.floor(values.max() / width) + 2) * width
    axes.hist(values, bins=[float(edge) for edge in edges], color=BLUE, edgecolor="white")
    for (name, at), style in zip(centiles.items(), ("-", "--"), strict=True):
        axes.axvline(at, color=RED, ls=style, lw=1.4, label=f"{name} {at:.1f} s")
    axes.set(
        xlabel=f"{words} (s), bins of {width} s",
        ylabel="seizures",
        title=f"{len(values)} of {n_seizures} seizures have one",
    )
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(left=min(0.0, float(edges[0])))
    axes.legend(frameon=False)
    return figure


def calibration_figure(calibration: Calibration) -> Figure:
    """Return the calibration curve over the number of steps in each bin."""
    bins = calibration.pooled
    used = bins.steps > 0
    mean, share = bins.mean_probability[used], bins.ictal_share[used]
    low, high = calibration.low[used], calibration.high[used]
    figure, (upper, lower) = new_figure(6.2, 5.4, 2, 1, sharex=True, height_ratios=[3, 1])
    upper.plot([0, 1], [0, 1], color=GREY, ls="--", lw=1, label="a probability that means what it says")
    known = np.isfinite(low) & np.isfinite(high)
    upper.fill_between(
        mean[known], low[known], high[known], color=BLUE, alpha=0.18, lw=0, label="95 % interval over persons"
    )
    upper.plot(mean, share, "o-", color=BLUE, ms=4.5, lw=1.4, label="measured")
    upper.set(ylabel="share of the steps that are ictal", xlim=(0, 1), ylim=(-0.02, 1.02))
    upper.set_title(
        f"Brier score {float(bins.brier):.4f}, expected calibration error {float(bins.expected_error):.4f}", fontsize=10
    )
    upper.legend(loc="upper left", frameon=False, fontsize=8)
    width = 1 / len(bins.steps)
    lower.bar((np.arange(len(bins.steps)) + 0.5) * width, bins.steps, width=width * 0.9, color=BLUE)
    lower.set(yscale="log", xlabel="probability", ylabel="steps")
    lower.set_ylim(0.8, 8 * bins.steps.max())
    for i, n in enumerate(bins.steps):
        lower.annotate(f"{int(n)}", ((i + 0.5) * width, max(n, 1)), ha="center", va="bottom", fontsize=7)
    return figure


def recording_figure(pair: Pair, thresholds: tuple[float, float] | None) -> Figure:
    """Return a recording's probability, thresholds, decision and reference, in rows of at most an hour.

    Parameters
    ----------
    pair
        The recording.
    thresholds
        Onset and offset threshold, where they are known.
    """
    rows = max(math.ceil(pair.duration_s / ROW_S - 1e-9), 1)
    row_s = ROW_S
    if rows > _ROWS_MAX:
        rows, row_s = _ROWS_MAX, pair.duration_s / _ROWS_MAX
    length_s = pair.duration_s if rows == 1 else row_s
    height = 2.6 if pair.steps is not None else 1.5
    figure, grid = new_figure(10.5, 0.7 + height * rows, rows, squeeze=False)
    all_axes = grid[:, 0]
    per, unit = 3600.0, "h"
    if pair.duration_s <= 4 * 3600:
        per, unit = (60.0, "min") if pair.duration_s > 600 else (1.0, "s")
    for i, axes in enumerate(all_axes):
        start_s = i * row_s
        _row(axes, pair, thresholds, start_s, start_s + length_s, per)
        axes.set_xlim(start_s / per, (start_s + length_s) / per)
    all_axes[-1].set_xlabel(f"time from the recording's start ({unit})")
    handles, labels = all_axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=8, frameon=False, fontsize=8)
    return figure


def _row(
    axes: Axes, pair: Pair, thresholds: tuple[float, float] | None, start_s: float, end_s: float, per: float
) -> None:
    """Draw a stretch: lanes of reference and decision below 0, the probability above."""
    lanes = {"reference": (-0.24, BLUE), "decision": (-0.50, ORANGE)}
    for (name, (bottom, colour)), spans in zip(lanes.items(), (pair.reference, pair.hypothesis), strict=True):
        axes.broken_barh(
            [(on / per, (off - on) / per) for on, off in spans], (bottom, 0.2), color=colour, lw=0.8,
            label=f"{name}: seizure",
        )  # fmt: skip
    # Not monitored is what is left when all that is monitored is taken away.
    for label, (on, off) in zip(("not monitored", *["_"] * 10**6), _unwatched(pair), strict=False):
        axes.axvspan(on / per, off / per, facecolor="#f0f0f0", hatch="///", edgecolor="#cfcfcf", lw=0, label=label)
    for k, at in enumerate(pair.declared_s or ()):
        axes.plot(at / per, -0.40, "v", color=RED, ms=5, clip_on=True, label="declared" if k == 0 else "_")
    ticks, words = [-0.40, -0.14], ["decision", "reference"]
    bottom, top = -0.56, 0.06
    if pair.steps is not None:
        inside = (pair.steps.time_s >= start_s - 60) & (pair.steps.time_s <= end_s + 60)
        times, values = pair.steps.time_s[inside], pair.steps.probability[inside].astype(float)
        # A line never crosses a gap.
        breaks = np.flatnonzero(np.diff(times) > 1.5 * pair.steps.step_s) + 1
        times, values = np.insert(times, breaks, np.nan), np.insert(values, breaks, np.nan)
        axes.plot(times / per, values, color="black", lw=0.8, label="probability")
        for value, style, name in zip(thresholds or (), ("-", ":"), ("onset", "offset"), strict=False):
            axes.axhline(value, color=GREEN, lw=1.0, ls=style, label=f"{name} threshold {value:g}")
        ticks, words, top = [*ticks, 0, 0.5, 1], [*words, "0", "0.5", "1"], 1.05
        axes.set_ylabel("probability", y=0.68)
    axes.set_yticks(ticks, words)
    axes.set_ylim(bottom, top)
    axes.grid(visible=False, axis="y")


def _unwatched(pair: Pair) -> list[tuple[float, float]]:
    """Return (start_s, end_s) of what was not monitored, gaps included; nothing where that is not known."""
    if pair.steps is None:
        return []
    step_s = pair.steps.step_s
    ends = pair.steps.time_s[pair.steps.state != State.NOT_MONITORING]
    stretches, last_s = [], 0.0
    for end_s in ends.tolist():
        if end_s - step_s - last_s > 0.5 * step_s:
            stretches.append((last_s, end_s - step_s))
        last_s = end_s
    if pair.duration_s - last_s > step_s:
        stretches.append((last_s, pair.duration_s))
    return stretches


def new_figure(width: float, height: float, *grid: int, **how: Any) -> tuple[Figure, Any]:
    """Return a figure, inches wide and high, and its axes in our style; nothing of a display is touched."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as Made

    # Axes take their style when they are made.
    with mpl.rc_context(_STYLE):
        figure = Made(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(*grid, **how)
