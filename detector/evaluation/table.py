"""The result as a terminal shows it: what it was measured on first, then the figures."""

from __future__ import annotations

import math

from rich.console import Console
from rich.table import Table

from detector.evaluation.intervals import REPLICATES
from detector.evaluation.result import Figure, Result, own_figures, rate_per_24h
from detector.evaluation.totals import Totals

# Events and samples are scored as SzCORE does it. What a figure is called, how many decimals it has, and what of.
WORDS: dict[str, tuple[str, int, str]] = {
    "event_sensitivity": ("event sensitivity", 3, ""),
    "event_precision": ("event precision", 3, ""),
    "event_f1": ("event F1", 3, ""),
    "sample_sensitivity": ("sample sensitivity", 3, ""),
    "sample_precision": ("sample precision", 3, ""),
    "sample_f1": ("sample F1", 3, ""),
    "false_alarms_per_24h": ("false alarms", 2, "/24 h"),
    "alarm_sensitivity": ("seizures declared in time", 3, ""),
    "alarm_false_per_hour": ("alarms declared elsewhere", 3, "/h"),
    "latency_median_s": ("latency, median", 1, "s"),
    "latency_90th_s": ("latency, 90th centile", 1, "s"),
    "step_auroc": ("AUROC of steps", 4, ""),
    "step_average_precision": ("average precision of steps", 4, ""),
    "step_brier_score": ("Brier score of steps", 4, ""),
    "step_expected_calibration_error": ("calibration error of steps", 4, ""),
}


def show(result: Result, console: Console) -> None:
    """Print the result."""
    for line in introduction(result):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    everybody = Table(title="pooled over all persons", title_justify="left")
    everybody.add_column("figure")
    everybody.add_column("value", justify="right")
    everybody.add_column("95 % interval", justify="right")
    everybody.add_column("of")
    for name, figure in result.figures.items():
        words, decimals, unit = WORDS[name]
        everybody.add_row(words, said(figure.value, decimals, unit), said_interval(figure, decimals), of(name, result))
    console.print(everybody)
    persons = Table(title="by person; latency: median / 90th centile", title_justify="left")
    for head in HEADS:
        persons.add_column(head, justify="left" if head == "person" else "right")
    for name, totals in result.persons.items():
        persons.add_row(name, *cells(totals, result.declared))
    console.print(persons)
    for name, why in result.skipped:
        console.print(f"not evaluated: {name}: {why}", markup=False, highlight=False, soft_wrap=True)


def introduction(result: Result) -> list[str]:
    """Return what it was measured on and how, line by line."""
    pooled, n = result.pooled, len(result.persons)
    lines = [
        f"data: {result.data}; {pooled.recordings} recordings of {n} person{'' if n == 1 else 's'}, "
        f"{pooled.seizures} seizures",
        f"scorer: {result.scorer}",
        f"false alarms per: {result.denominators}",
        f"latency: {result.latency}",
        f"intervals: 95 %, percentiles of {REPLICATES} draws of the persons, seed {result.seed}; one without width "
        "says that these persons are alike, not that the figure is certain"
        if n > 1
        else "intervals: none, as one person says nothing about others",
    ]
    if pooled.tally.left_out:
        lines.append(
            f"{pooled.tally.left_out} seizures began before the detector was warm: they count for SzCORE's scores, "
            "and neither way for alarms and latency"
        )
    if result.skipped:
        lines.append(f"left out as they are bad: {len(result.skipped)}, see the end")
    return lines


HEADS = ("person", "seizures", "event sens.", "F1 event", "sample", "false alarms", "per 24 h, 95 % Poisson", "latency")


def cells(totals: Totals, declared: bool) -> list[str]:
    """Return a row of the table by person or recording, without its name."""
    figures = own_figures(totals, declared)
    rate = rate_per_24h(totals)
    latencies = [said(figures[f"latency_{name}_s"], 1) for name in ("median", "90th")]
    return [
        str(totals.seizures),
        said(figures["event_sensitivity"], 2),
        said(figures["event_f1"], 2),
        said(figures["sample_f1"], 2),
        f"{totals.event.false} in {totals.hours:.2f} h",
        f"{said(rate.value, 1)} {said_interval(rate, 1)}",
        "–" if latencies == ["–", "–"] else f"{' / '.join(latencies)} s",
    ]


def of(name: str, result: Result) -> str:
    """Return the counts that a pooled figure is made of."""
    pooled, tally = result.pooled, result.pooled.tally
    event, sample = pooled.event, pooled.sample
    rate = rate_per_24h(pooled)
    n_late = len(tally.latencies_s if result.declared else pooled.onset_latencies_s)
    texts = {
        "event_sensitivity": f"{event.hits} of {event.reference} events",
        "event_precision": f"{event.hits} right, {event.false} false",
        "sample_sensitivity": f"{sample.hits} of {sample.reference} s",
        "sample_precision": f"{sample.hits} s right, {sample.false} s false",
        "false_alarms_per_24h": f"{event.false} in {pooled.hours:.2f} h, Poisson {said_interval(rate, 2)}",
        "alarm_sensitivity": f"{tally.detected} of {tally.seizures} seizures, from onset to offset + 6 s",
        "alarm_false_per_hour": f"{tally.false_alarms} in {tally.hours:.2f} monitored non-ictal h",
        "latency_median_s": f"{n_late} seizures",
        "latency_90th_s": f"{n_late} seizures",
    }
    if name.startswith("step_") and result.calibration:
        bins = result.calibration.pooled
        return f"{int(bins.ictal.sum())} ictal of {int(bins.steps.sum())} monitored steps"
    return texts.get(name, "")


def said(value: float, decimals: int, unit: str = "") -> str:
    """Return a number with its unit, or that it is not known."""
    return "–" if math.isnan(value) else f"{value:.{decimals}f}{' ' if unit else ''}{unit}"


def said_interval(figure: Figure, decimals: int) -> str:
    """Return the interval in brackets."""
    return "–" if math.isnan(figure.low) else f"[{figure.low:.{decimals}f}, {figure.high:.{decimals}f}]"
