"""A bundle from a folder of EEG: cross-validate by person, train on everybody, write the network and its card."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from detector import __version__
from detector.errors import UsageError
from detector.network.bundle import Bundle, Card, CardData, load_bundle, sha256_of
from detector.training.choosing import best
from detector.training.clips import load_persons
from detector.training.data import Data
from detector.training.fitting import Plan, train
from detector.training.keras_backend import keras
from detector.training.networks import deployable
from detector.training.recipe import Recipe, card_of
from detector.training.runs import RunFolder
from detector.training.sequences import plain_sequences, training_sequences
from detector.training.synthetic import synthetic_sequences
from detector.training.toml import to_toml
from detector.training.trainings import OnProgress
from detector.training.validation import cross_validate, figures_of, merged

LIMITS = (
    "Research software, not a medical device, and never a sole alarm.",
    "False alarms per 24 h are not known: the patients' only non-ictal EEG is from the minutes after their seizures, "
    "some of it from the same minutes again; there are no interictal hours and no sleep in the training data.",
    "The patients are 15 children and young adults of one hospital with one amplifier; adults with seizures were not "
    "seen. The people without seizures are 12 healthy adults, awake, on another amplifier.",
    "Epileptic spasms, neonates, status epilepticus and seizures that do not show on the scalp were not measured.",
    "Thresholds are for people in general; seizures of some persons are missed altogether (see figures by person).",
    "The sessions were put together from clips; only 17 of 140 seizures have the true seconds before their onset.",
    "A little simulated EEG (detector.training.synthetic, 0.3 of the weight of real EEG) is in the training, so that "
    "the demonstration works; what it does there says nothing about patients.",
    "In the first ten seconds after a session's start nothing is said.",
)
REVIEW_ONLY = "It needs the whole recording: for offline review (score --review), never at a bed."
LICENCE = "ODC-By 1.0"
CHB_ATTRIBUTION = (
    "CHB-MIT Scalp EEG Database, PhysioNet. A. Shoeb (2009), Application of machine learning to epileptic seizure "
    "onset detection and treatment, PhD thesis, MIT. A. L. Goldberger et al. (2000), PhysioBank, PhysioToolkit, and "
    "PhysioNet, Circulation 101(23):e215-e220."
)
EEGMAT_ATTRIBUTION = (
    "EEG During Mental Arithmetic Tasks, PhysioNet. I. Zyma et al. (2019), Electroencephalograms during mental "
    "arithmetic task performance, Data 4(1):14. A. L. Goldberger et al. (2000), Circulation 101(23):e215-e220."
)


@dataclass(frozen=True)
class Order:
    """What is to be made.

    Parameters
    ----------
    data, output
        The folder with the EEG, and the folder in which the bundle's folder is made.
    bundle_id, created
        The name of the bundle, and its date (part of the order, so that the same order gives the same card).
    folds, seeds, epochs
        Of the cross-validation; ``epochs`` also of the training on everybody.
    method, validate_share, patience
        See `detector.training.fitting.Plan`.
    jobs
        Trainings at a time; changes the speed only.
    run_folder, resume
        Where what is done is kept (``None`` keeps nothing), and whether to go on with what is there.
    """

    data: Path
    output: Path
    bundle_id: str
    created: str
    folds: int
    seeds: int
    epochs: int
    replace: bool = False
    method: str = "stateful"
    validate_share: float = 0.0
    patience: int = 3
    jobs: int = 1
    run_folder: Path | None = None
    resume: bool = False

    def plan(self, recipe: Recipe) -> Plan:
        """Return how each network is trained."""
        card = card_of(recipe)
        if self.method == "bidirectional":
            card = card.model_copy(update={"direction": "bidirectional"})
        return Plan(self.method, recipe, card, self.epochs, self.validate_share, self.patience)


def work_of(order: Order) -> float:
    """Return how many passes of training the order takes."""
    return order.epochs * (order.folds * order.seeds + 1)


def prepare(folder: Path, recipe: Recipe, card: Card, on_progress: OnProgress) -> Data:
    """Return everything that is trained on and measured with."""
    on_progress("reading", 0.0)
    persons = load_persons(folder)

    def told(name: str) -> None:
        on_progress(f"conditioning {name}", 0.0)

    versions = [training_sequences(persons, card, seed, told) for seed in range(recipe.versions)]
    simulated = [synthetic_sequences(card, version, told) for version in range(recipe.versions)]
    together = [real + extra for real, extra in zip(versions, simulated, strict=True)]
    return Data(together, plain_sequences(persons, card, 0, told))


def ship(order: Order, recipe: Recipe, on_progress: OnProgress) -> Bundle:
    """Make the bundle and return it, checked as the daemon checks it.

    Raises
    ------
    UsageError
        When a bundle of that name is there already: bundles do not change once they are made.
    """
    folder = order.output / order.bundle_id
    if folder.exists() and not order.replace:
        raise UsageError(f"{folder} is there already, and bundles never change; choose another --id, or --replace it")
    plan = order.plan(recipe)
    run = _run_folder(order, plan)
    data = prepare(order.data, recipe, plan.card, on_progress)
    if run:
        run.begin({"data": data.digest(), "folds": data.folds(order.folds)})
    runs = cross_validate(data, plan, order.folds, range(order.seeds), on_progress, jobs=order.jobs, folder=run)
    decision = best(merged(runs))
    passes = 0

    def on_epoch(_epoch: int, loss: float) -> None:
        nonlocal passes
        passes += 1
        on_progress(f"training on everybody, loss {loss:.3f}", 1.0)

    trained = train(plan, data, 0, folder=run.everybody if run else None, on_epoch=on_epoch)
    on_progress("writing", float(plan.epochs - passes))
    network = deployable(trained.members, recipe, plan.card, trained.scale)
    part = order.output / f".{order.bundle_id}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    network.save(part / "model.keras")
    patients = data.with_seizures()
    finished = plan.card.model_copy(
        update={
            "id": order.bundle_id,
            "created": order.created,
            "parameters": int(network.count_params()),
            "files": {"model.keras": sha256_of(part / "model.keras")},
            "decision": decision,
            "data": (
                CardData(
                    name="CHB-MIT Scalp EEG Database (clips of 140 seizures)",
                    licence=LICENCE,
                    attribution=CHB_ATTRIBUTION,
                    persons=tuple(sorted(patients)),
                ),
                CardData(
                    name="EEG During Mental Arithmetic Tasks (12 of 36 people)",
                    licence=LICENCE,
                    attribution=EEGMAT_ATTRIBUTION,
                    persons=tuple(sorted(set(data.names) - patients)),
                ),
            ),
            "figures": figures_of(runs, data, plan, order.folds),
            "limits": LIMITS if plan.card.direction == "causal" else (REVIEW_ONLY, *LIMITS),
        }
    )
    (part / "card.toml").write_text(to_toml(finished.model_dump(exclude_none=True)), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    return load_bundle(f"{folder.resolve()}")


def _run_folder(order: Order, plan: Plan) -> RunFolder | None:
    if order.run_folder is None:
        return None
    config = {
        "order": {
            "bundle_id": order.bundle_id,
            "method": plan.method,
            "folds": order.folds,
            "seeds": order.seeds,
            "epochs": plan.epochs,
            "validate_share": plan.validate_share,
            "patience": plan.patience,
        },
        "recipe": asdict(plan.recipe),
        "made_with": {
            "seizure-detector": __version__,
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
            "numpy": np.__version__,
        },
    }
    return RunFolder(order.run_folder, config, resume=order.resume)
