"""Cross-validation by person: what a network says about people that it has not seen, with several seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from detector.evaluation.events import Tally
from detector.evaluation.steps import auroc, sigmoid
from detector.messages import FloatArray
from detector.network.bundle import CardDecision
from detector.training.choosing import HeldOut, Tallies, best, tallies_of
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
    persons: list[tuple[str, ...]],
    seeds: Sequence[int],
    on_progress: OnProgress,
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    folder: RunFolder | None = None,
) -> list[Run]:
    """Train for each seed once without each fold's persons and return what is said about them.

    Parameters
    ----------
    persons
        Of each fold.
    jobs, scheduler
        See `detector.training.trainings.answers_of`; they change the speed only.
    folder
        Keeps what is done; a cross-validation that was killed goes on from there.
    """
    n_folds = len(persons)
    folds = [
        Fold(f"seed {seed}, fold {k + 1} of {n_folds}", fold, seed * 1000 + k, folder.fold(seed, k) if folder else None)
        for seed in seeds
        for k, fold in enumerate(persons)
    ]
    answers = answers_of(folds, data, plan, jobs, on_progress, scheduler=scheduler)
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


def merged(runs: list[Run]) -> Tallies:
    """Return the counts of all seeds as one, to choose the shipped thresholds on."""
    whole: Tallies = {}
    for run in runs:
        for choice, persons in run.tallies.items():
            into = whole.setdefault(choice, {})
            for name, tally in persons.items():
                into.setdefault(name, Tally()).add(replace(tally, latencies_s=list(tally.latencies_s)))
    return whole
