"""Cross-validation by person: what a network says about people that it has not seen, with several seeds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from detector.evaluation.events import Tally
from detector.evaluation.steps import auroc, average_precision, sigmoid
from detector.network.bundle import Card, CardDecision
from detector.pipeline import bands_config
from detector.training import stateful
from detector.training.choosing import HeldOut, Tallies, best, pooled, tallies_of
from detector.training.folds import folds_of
from detector.training.networks import scale_of
from detector.training.recipe import Recipe
from detector.training.sequences import Sequence

OnProgress = Callable[[str, float], None]  # what is being done, and how many passes of training that took


@dataclass(frozen=True)
class Data:
    """Sequences of all persons: compositions to train on, and plain ones to measure with."""

    versions: list[list[Sequence]]
    plain: list[Sequence]

    @property
    def names(self) -> list[str]:
        """Everybody."""
        return sorted({sequence.person for sequence in self.plain})

    def with_seizures(self) -> set[str]:
        """Return who has seizures."""
        return {sequence.person for sequence in self.plain if sequence.seizures}

    def folds(self, n_folds: int) -> list[tuple[str, ...]]:
        """Return the persons dealt to folds: the same for every seed."""
        sizes = dict.fromkeys(self.names, 0.0)
        for sequence in self.plain:
            sizes[sequence.person] += sum(offset - onset for onset, offset in sequence.seizures)
        return folds_of(self.names, n_folds, 0, sizes)


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
    data: Data, recipe: Recipe, card: Card, n_folds: int, seed: int, epochs: int, on_progress: OnProgress
) -> Run:
    """Train ``n_folds`` times without one fold's persons and return what is said about them."""
    folds = data.folds(n_folds)
    sequences: list[Sequence] = []
    logits = []
    for k, fold in enumerate(folds):
        versions = [[s for s in version if s.person not in fold] for version in data.versions]
        scale = scale_of(versions[0], bands_config(card).per_derivation)

        def on_epoch(_epoch: int, loss: float, k: int = k) -> None:
            on_progress(f"seed {seed}, fold {k + 1} of {len(folds)}, loss {loss:.3f}", 1.0)

        members = stateful.train(versions, recipe, card, scale, seed * 1000 + k, epochs, on_epoch)
        mine = [s for s in data.plain if s.person in fold]
        sequences += mine
        logits += stateful.logits_of(members, mine, recipe, card, scale)
    held_out = [HeldOut(s, sigmoid(found.mean(axis=1))) for s, found in zip(sequences, logits, strict=True)]
    tallies = tallies_of(held_out, card)
    chosen = [best(tallies, but=fold) for fold in folds]
    patients = data.with_seizures()
    own = [i for i, sequence in enumerate(sequences) if sequence.person in patients]
    target = np.concatenate([sequences[i].target for i in own])
    members_auroc = [auroc(target, np.concatenate([logits[i][:, m] for i in own])) for m in range(recipe.members)]
    events = {name: tallies[choice][name] for fold, choice in zip(folds, chosen, strict=True) for name in fold}
    return Run(seed, held_out, members_auroc, tallies, chosen, events)


def figures_of(runs: list[Run], data: Data, n_folds: int, epochs: int) -> dict[str, object]:
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
        "command": f"seizure-detector train --method stateful --folds {n_folds} --seeds {len(runs)} --epochs {epochs}",
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
