"""What the card says was measured: figures as means over the seeds, with the spread of the seeds and of the persons.

The two say different things: seeds differ by chance of training, persons by nature, and far more.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from detector.evaluation.events import Tally
from detector.evaluation.intervals import Values, drawn_centile, drawn_sum, draws, interval, ratio
from detector.evaluation.steps import auroc, average_precision, drawn_ranking
from detector.messages import FloatArray
from detector.training.choosing import pooled
from detector.training.data import Data
from detector.training.validation import Run

_REPLICATES = 1000
_SEED = 0


def figures_of(runs: list[Run], data: Data, folds: list[tuple[str, ...]]) -> dict[str, object]:
    """Return the figures of a cross-validation.

    Parameters
    ----------
    runs
        One for each seed.
    data
        What it was measured with.
    folds
        The persons of each fold.
    """
    patients = sorted(data.with_seizures())
    others = sorted(set(data.names) - set(patients))
    rows = [_of_run(run, patients, others) for run in runs]
    first = runs[0]
    own, healthy = pooled(first.events, but=tuple(others)), pooled(first.events, but=tuple(patients))
    return {
        "split": f"{len(folds)}-fold cross-validation by person; thresholds chosen on the persons of the other folds",
        "scorer": "detector.evaluation.events: detected = declared between onset and offset + 6 s; "
        "latency = declared - reference onset; AUROC and average precision per step",
        "seeds": [run.seed for run in runs],
        "persons_with_seizures": len(patients),
        "persons_without": len(others),
        "seizures": own.seizures,
        "hours_of_patients": round(own.hours, 3),
        "hours_of_others": round(healthy.hours, 3),
        "mean_over_seeds": {name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]},
        "lowest_and_highest": {
            name: [round(min(row[name] for row in rows), 4), round(max(row[name] for row in rows), 4)]
            for name in rows[0]
        },
        "interval_over_persons": _intervals(runs, patients, others),
        f"by_person_seed_{first.seed}": {name: _told(tally) for name, tally in sorted(first.events.items())},
    }


def _of_run(run: Run, patients: list[str], others: list[str]) -> dict[str, float]:
    own, healthy = pooled(run.events, but=tuple(others)), pooled(run.events, but=tuple(patients))
    found: dict[str, float] = {}
    for name, persons in (("patients", patients), ("everybody", [*patients, *others])):
        target, score = _steps(run, persons)
        found[f"auroc_{name}"] = auroc(target, score)
        found[f"average_precision_{name}"] = average_precision(target, score)
    return found | {
        "auroc_of_one_member": float(np.mean(run.members)),
        "seizures_detected": own.detected,
        "sensitivity": own.sensitivity,
        "sensitivity_mean_of_persons": float(np.mean([run.events[name].sensitivity for name in patients])),
        "latency_median_s": own.latency_s(50),
        "latency_90th_s": own.latency_s(90),
        "false_alarms_patients": own.false_alarms,
        "false_alarms_patients_per_hour": own.alarms_per_hour,
        "false_alarms_others": healthy.false_alarms,
    }


def _intervals(runs: list[Run], patients: list[str], others: list[str]) -> dict[str, list[float]]:
    """Return the 95 % interval over persons of each figure's mean over the seeds, where there can be one."""
    drawn: dict[str, list[Values]] = {}
    for run in runs:
        for name, values in _drawn(run, patients, others).items():
            drawn.setdefault(name, []).append(values)
    n = {"everybody": len(patients) + len(others)}
    found = {
        name: interval(np.mean(values, axis=0), n.get(name.rpartition("_")[2], len(patients)))
        for name, values in drawn.items()
    }
    return {name: [round(low, 4), round(high, 4)] for name, (low, high) in found.items() if np.isfinite(low + high)}


def _drawn(run: Run, patients: list[str], others: list[str]) -> dict[str, Values]:
    found: dict[str, Values] = {}
    for name, persons in (("patients", patients), ("everybody", [*patients, *others])):
        weights = draws(len(persons), _SEED, _REPLICATES)
        ranked = drawn_ranking([_steps(run, [person]) for person in persons], weights)
        found[f"auroc_{name}"], found[f"average_precision_{name}"] = ranked
    weights = draws(len(patients), _SEED, _REPLICATES)
    tallies = [run.events[name] for name in patients]

    def summed(name: str) -> Values:
        return drawn_sum([getattr(tally, name) for tally in tallies], weights)

    latencies = [tally.latencies_s for tally in tallies]
    return found | {
        "sensitivity": ratio(summed("detected"), summed("seizures")),
        "latency_median_s": drawn_centile(latencies, weights, 50),
        "latency_90th_s": drawn_centile(latencies, weights, 90),
        "false_alarms_patients_per_hour": ratio(summed("false_alarms"), summed("hours")),
    }


def _steps(run: Run, persons: list[str]) -> tuple[FloatArray, FloatArray]:
    chosen = [one for one in run.held_out if one.sequence.person in persons]
    target: npt.NDArray[np.float32] = np.concatenate([one.sequence.target for one in chosen])
    return target, np.concatenate([one.probabilities for one in chosen])


def _told(tally: Tally) -> str:
    alarms = f"{tally.false_alarms} false alarm{'' if tally.false_alarms == 1 else 's'} in {tally.hours:.2f} h"
    if not tally.seizures:
        return alarms
    return f"{tally.detected} of {tally.seizures} seizures, median latency {tally.latency_s(50):.1f} s, {alarms}"
