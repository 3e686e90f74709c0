"""Cross-validation by person: what a network says about people that it has not seen, with several seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from detector.evaluation.events import Tally
from detector.evaluation.steps import auroc, average_precision, sigmoid
from detector.messages import FloatArray
from detector.network.bundle import CardDecision
from detector.training.choosing import HeldOut, Tallies, best, pooled, tallies_of
from detector.training.data import Data
from detector.training.fitting import Plan
from detector.training.runs import RunFolder
from detector.training.trainings import Fold, OnProgress, answers_of


@dataclass(frozen=True)
class Run:
    """One seed's cross-validation.

    Parameters
    ----------
    held_out
        Every sequence, as the network that has not seen its person answers.
    tallies
        What each choice of thresholds makes of that.
    chosen
        The choice for each fold, made on the persons of the other folds.
    events
        Each person's events with the choice of the person's fold.
    """

    seed: int
    held_out: list[HeldOut]
    members: list[float]  # AUROC of each member alone, on the persons with seizures
    tallies: Tallies
    chosen: list[CardDecision]
    events: dict[str, Tally]


def cross_validate(
    data: Data,
    plan: Plan,
    n_folds: int,
    seeds: Sequence[int],
    on_progress: OnProgress,
    *,
    jobs: int = 1,
    folder: RunFolder | None = None,
) -> list[Run]:
    """Train for each seed ``n_folds`` times without one fold's persons and return what is said about them.

    Parameters
    ----------
    jobs
        Trainings at a time; changes the speed only.
    folder
        Keeps what is done; a cross-validation that was killed goes on from there.
    """
    persons = data.folds(n_folds)
    folds = [
        Fold(f"seed {seed}, fold {k + 1} of {n_folds}", fold, seed * 1000 + k, folder.fold(seed, k) if folder else None)
        for seed in seeds
        for k, fold in enumerate(persons)
    ]
    answers = answers_of(folds, data, plan, jobs, on_progress)
    by_seed = [answers[i : i + n_folds] for i in range(0, len(answers), n_folds)]
    return [_run(data, plan, persons, seed, found) for seed, found in zip(seeds, by_seed, strict=True)]


def _run(data: Data, plan: Plan, folds: list[tuple[str, ...]], seed: int, answers: list[list[FloatArray]]) -> Run:
    sequences = [sequence for fold in folds for sequence in data.of(fold)]
    logits = [found for of_fold in answers for found in of_fold]
    held_out = [HeldOut(s, sigmoid(found.mean(axis=1))) for s, found in zip(sequences, logits, strict=True)]
    tallies = tallies_of(held_out, plan.card)
    chosen = [best(tallies, but=fold) for fold in folds]
    patients = data.with_seizures()
    own = [i for i, sequence in enumerate(sequences) if sequence.person in patients]
    target = np.concatenate([sequences[i].target for i in own])
    members = [auroc(target, np.concatenate([logits[i][:, m] for i in own])) for m in range(plan.recipe.members)]
    events = {name: tallies[choice][name] for fold, choice in zip(folds, chosen, strict=True) for name in fold}
    return Run(seed, held_out, members, tallies, chosen, events)


def figures_of(runs: list[Run], data: Data, plan: Plan, n_folds: int) -> dict[str, object]:
    """Return what the card says was measured: mean over the seeds, and [lowest, highest]."""
    patients = data.with_seizures()
    rows: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        rows.setdefault(name, []).append(value)

    for run in runs:
        for name, persons in (("patients", patients), ("everybody", set(data.names))):
            chosen = [one for one in run.held_out if one.sequence.person in persons]
            target = np.concatenate([one.sequence.target for one in chosen])
            score = np.concatenate([one.probabilities for one in chosen])
            note(f"auroc_{name}", auroc(target, score))
            note(f"average_precision_{name}", average_precision(target, score))
        note("auroc_of_one_member", float(np.mean(run.members)))
        own = pooled(run.events, but=tuple(set(data.names) - patients))
        healthy = pooled(run.events, but=tuple(patients))
        each = [run.events[name].sensitivity for name in sorted(patients)]
        note("seizures_detected", own.detected)
        note("sensitivity", own.sensitivity)
        note("sensitivity_mean_of_persons", float(np.mean(each)))
        note("latency_median_s", own.latency_s(50))
        note("latency_90th_s", own.latency_s(90))
        note("false_alarms_postictal", own.false_alarms)
        note("false_alarms_postictal_per_hour", own.alarms_per_hour)
        note("false_alarms_healthy", healthy.false_alarms)
    first = runs[0]
    own = pooled(first.events, but=tuple(set(data.names) - patients))
    healthy = pooled(first.events, but=tuple(patients))
    by_person = {
        name: (
            f"{t.detected} of {t.seizures} seizures, median latency {t.latency_s(50):.1f} s, "
            f"{t.false_alarms} false alarms in {t.hours:.2f} h"
            if t.seizures
            else f"{t.false_alarms} false alarms in {t.hours:.2f} h"
        )
        for name, t in sorted(first.events.items())
    }
    return {
        "data": "CHB-MIT clips and EEGMAT, put together to sessions of tens of minutes; non-ictal EEG is post-ictal",
        "split": f"{n_folds}-fold cross-validation by person (chb01 and chb21 are one); thresholds chosen on the "
        "persons of the other folds",
        "scorer": "detector.evaluation.events: detected = declared between onset and offset + 6 s; "
        "latency = declared - reference onset; AUROC and average precision per step of 0.5 s",
        "command": f"seizure-detector train --method {plan.method} --folds {n_folds} --seeds {len(runs)} "
        f"--epochs {plan.epochs}"
        + (f" --validate-share {plan.validate_share:g} --patience {plan.patience}" if plan.validate_share else ""),
        "seeds": [run.seed for run in runs],
        "persons_with_seizures": len(patients),
        "persons_without": len(data.names) - len(patients),
        "seizures": own.seizures,
        "hours_postictal": round(own.hours, 3),
        "hours_healthy": round(healthy.hours, 3),
        "mean_over_seeds": {name: round(float(np.mean(values)), 4) for name, values in rows.items()},
        "lowest_and_highest": {name: [round(min(values), 4), round(max(values), 4)] for name, values in rows.items()},
        f"by_person_seed_{first.seed}": by_person,
    }


def merged(runs: list[Run]) -> Tallies:
    """Return the counts of all seeds as one, to choose the shipped thresholds on."""
    whole: Tallies = {}
    for run in runs:
        for choice, persons in run.tallies.items():
            into = whole.setdefault(choice, {})
            for name, tally in persons.items():
                into.setdefault(name, Tally()).add(replace(tally, latencies_s=list(tally.latencies_s)))
    return whole
