"""The result of an evaluation, with an interval for every pooled figure, and its form as JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from detector import __version__
from detector.evaluation.intervals import REPLICATES, Values, draws, garwood, interval
from detector.evaluation.operating import Operating
from detector.evaluation.pairs import Pair
from detector.evaluation.steps import (
    Reliability,
    auroc,
    average_precision,
    drawn_ranking,
    drawn_reliability,
    reliability,
)
from detector.evaluation.szcore import scorer
from detector.evaluation.totals import Totals, figures_of, totals_of

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Figure:
    """A figure and its 95 % interval; NaN is "not known"."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Calibration:
    """The calibration curve: sums of everybody's steps in bins, and the interval of each bin's ictal share."""

    pooled: Reliability
    low: Values
    high: Values


@dataclass(frozen=True)
class Result:
    """What was measured, and on what.

    Parameters
    ----------
    data, scorer, denominators, latency
        In words: what was evaluated, by which scorer, per which hours, and what the latency is.
    pairs
        Every recording.
    recordings
        Each one's totals, in the same order.
    persons
        Totals by person.
    pooled
        Everybody's.
    figures
        Pooled, with intervals by drawing persons again.
    declared
        Whether it is known when each seizure was declared.
    calibration, operating
        Where steps are known, and where the decision could be run again.
    skipped
        Recordings that could not be evaluated, and why.
    seed
        Of the draws.
    """

    data: str
    scorer: str
    denominators: str
    latency: str
    pairs: tuple[Pair, ...]
    recordings: tuple[Totals, ...]
    persons: dict[str, Totals]
    pooled: Totals
    figures: dict[str, Figure]
    declared: bool
    calibration: Calibration | None
    operating: Operating | None
    skipped: tuple[tuple[str, str], ...]
    seed: int


def evaluate(
    pairs: Sequence[Pair],
    data: str,
    *,
    warm_s: float | None = None,
    operating: Callable[[Sequence[str], Any], Operating] | None = None,
    skipped: Sequence[tuple[str, str]] = (),
    seed: int = 0,
) -> Result:
    """Return every figure of these recordings.

    Parameters
    ----------
    pairs
        At least one recording.
    data
        What they are, in words.
    warm_s
        See `detector.evaluation.totals.totals_of`.
    operating
        Gives the operating curve for persons and draws.
    skipped
        Which recordings are not among them, and why.
    seed
        Of the draws of persons.
    """
    version = scorer()
    recordings = tuple(totals_of(pair, warm_s) for pair in pairs)
    persons: dict[str, Totals] = {}
    for pair, totals in sorted(zip(pairs, recordings, strict=True), key=lambda both: both[0].person):
        persons.setdefault(pair.person, Totals()).add(totals)
    pooled = Totals()
    for totals in persons.values():
        pooled.add(totals)
    declared = all(pair.declared_s is not None for pair in pairs)
    weights = draws(len(persons), seed)
    once = np.ones((1, len(persons)), dtype=int)
    values = figures_of(list(persons.values()), once, declared=declared)
    drawn = figures_of(list(persons.values()), weights, declared=declared)
    figures = {name: _figure(float(values[name][0]), drawn[name], len(persons)) for name in values}
    calibration = None
    if all(pair.steps is not None for pair in pairs):
        calibration = _of_steps(pairs, list(persons), weights, figures)
    return Result(
        data=data,
        scorer=f"{version}, SzCORE's default parameters",
        denominators=_denominators(pooled),
        latency="detection latency: declared - reference onset, of seizures declared between onset and offset + 6 s"
        if declared
        else "onset latency: hypothesis onset - reference onset; events files do not say when it was declared",
        pairs=tuple(pairs),
        recordings=recordings,
        persons=persons,
        pooled=pooled,
        figures=figures,
        declared=declared,
        calibration=calibration,
        operating=operating(list(persons), weights) if operating else None,
        skipped=tuple(skipped),
        seed=seed,
    )


def _figure(value: float, drawn: Values, n_persons: int) -> Figure:
    return Figure(value, *interval(drawn, n_persons))


def _of_steps(pairs: Sequence[Pair], persons: list[str], weights: Any, figures: dict[str, Figure]) -> Calibration:
    """Add the figures of single steps to ``figures`` and return the calibration curve."""
    by_person = []
    for name in persons:
        parts = [pair.target() for pair in pairs if pair.person == name]
        by_person.append((np.concatenate([t for t, _ in parts]), np.concatenate([p for _, p in parts])))
    target, probability = (np.concatenate([one[i] for one in by_person]) for i in (0, 1))
    areas, precisions = drawn_ranking(by_person, weights)
    pooled = reliability(target, probability)
    drawn = drawn_reliability([reliability(*one) for one in by_person], weights)
    n = len(persons)
    figures["step_auroc"] = _figure(auroc(target, probability), areas, n)
    figures["step_average_precision"] = _figure(average_precision(target, probability), precisions, n)
    figures["step_brier_score"] = _figure(float(pooled.brier), drawn.brier, n)
    figures["step_expected_calibration_error"] = _figure(float(pooled.expected_error), drawn.expected_error, n)
    bands = [interval(shares, n) for shares in drawn.ictal_share.T]
    return Calibration(pooled, np.array([low for low, _ in bands]), np.array([high for _, high in bands]))


def _denominators(pooled: Totals) -> str:
    if pooled.unknown_hours == 0:
        return f"{pooled.hours:.3f} h monitored, of {pooled.recorded_hours:.3f} h recorded"
    whole = f"{pooled.unknown_hours:.3f} h of whole recordings, of which it is not known what was monitored"
    if pooled.unknown_hours == pooled.recorded_hours:
        return whole
    return f"{pooled.hours:.3f} h: {pooled.hours - pooled.unknown_hours:.3f} h monitored and {whole}"


def to_json(result: Result) -> dict[str, Any]:
    """Return the result as JSON takes it; what is not known is ``None``."""
    return {
        "schema_version": SCHEMA_VERSION,
        "program": f"seizure-detector {__version__}",
        "data": result.data,
        "scorer": result.scorer,
        "denominators": result.denominators,
        "latency": result.latency,
        "interval": f"95 % percentile interval of {REPLICATES} draws of {len(result.persons)} persons, "
        f"seed {result.seed}",
        "pooled": _totals(result.pooled, result.declared)
        | {"figures": {name: _known(asdict(figure)) for name, figure in result.figures.items()}},
        "persons": {name: _totals(totals, result.declared) for name, totals in result.persons.items()},
        "recordings": [
            {"name": pair.name, "person": pair.person} | _totals(totals, result.declared)
            for pair, totals in zip(result.pairs, result.recordings, strict=True)
        ],
        "calibration": None if result.calibration is None else _bins(result.calibration),
        "operating_curve": None
        if result.operating is None
        else [_known(asdict(point)) for point in result.operating.points],
        "skipped": [{"recording": name, "why": why} for name, why in result.skipped],
    }


def rate_per_24h(totals: Totals) -> Figure:
    """Return the false alarms per 24 h with the exact Poisson interval of their count."""
    value = totals.event.false * 24 / totals.hours if totals.hours else math.nan
    return Figure(value, *garwood(totals.event.false, totals.hours))


def own_figures(totals: Totals, declared: bool) -> dict[str, float]:
    """Return the figures of one person or recording."""
    once = np.ones((1, 1), dtype=int)
    return {name: float(values[0]) for name, values in figures_of([totals], once, declared=declared).items()}


def _totals(totals: Totals, declared: bool) -> dict[str, Any]:
    counts = asdict(totals)
    if not declared:
        del counts["tally"]
    said: dict[str, Any] = _known(counts | {"figures": own_figures(totals, declared)})
    said["false_alarms_per_24h_poisson"] = _known(asdict(rate_per_24h(totals)))
    return said


def _bins(calibration: Calibration) -> list[dict[str, Any]]:
    pooled = calibration.pooled
    columns = {
        "steps": pooled.steps,
        "mean_probability": pooled.mean_probability,
        "ictal_share": pooled.ictal_share,
        "low": calibration.low,
        "high": calibration.high,
    }
    return [_known({name: float(column[i]) for name, column in columns.items()}) for i in range(len(pooled.steps))]


def _known(value: Any) -> Any:
    """Return the value with ``None`` for every number that is not finite, which JSON has no word for."""
    if isinstance(value, dict):
        return {key: _known(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_known(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
