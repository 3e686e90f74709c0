"""A bundle from a folder of EEG: cross-validate by person, train on everybody, write the network and its card."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from detector import __version__
from detector.network.bundle import Bundle
from detector.training.choosing import best
from detector.training.figures import figures_of
from detector.training.fitting import Plan, train
from detector.training.keras_backend import keras
from detector.training.material import Terms, prepare
from detector.training.networks import deployable
from detector.training.recipe import Recipe, card_of
from detector.training.runs import RunFolder
from detector.training.trainings import OnProgress
from detector.training.validation import cross_validate, merged
from detector.training.writing import require_new, write_bundle

REVIEW_ONLY = "It needs the whole recording: for offline review (score --review), never at a bed."


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
    jobs, scheduler
        Trainings at a time, or a Dask cluster for those of the cross-validation; they change the speed only.
    run_folder, resume
        Where what is done is kept (``None`` keeps nothing), and whether to go on with what is there.
    layout, split, skip_bad, terms
        See `detector.training.material.prepare`.
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
    scheduler: str | None = None
    run_folder: Path | None = None
    resume: bool = False
    layout: str | None = None
    split: Path | None = None
    skip_bad: bool = False
    terms: Terms | None = None

    def command(self, recipe: Recipe) -> str:
        """Return the command line that makes the same bundle, where the data are found by it."""
        told = [f"--method {self.method} --id {self.bundle_id} --created {self.created}"]
        told.append(f"--split {self.split.name}" if self.split else f"--folds {self.folds}")
        told.append(f"--seeds {self.seeds} --epochs {self.epochs}")
        if self.validate_share:
            told.append(f"--validate-share {self.validate_share:g} --patience {self.patience}")
        if self.skip_bad:
            told.append("--skip-bad")
        usual = Recipe()
        told += [
            f"--set '{field.name}={getattr(recipe, field.name)!r}'"
            for field in fields(recipe)
            if getattr(recipe, field.name) != getattr(usual, field.name)
        ]
        return " ".join(["seizure-detector train", *told])

    def plan(self, recipe: Recipe) -> Plan:
        """Return how each network is trained."""
        card = card_of(recipe)
        if self.method == "bidirectional":
            card = card.model_copy(update={"direction": "bidirectional"})
        return Plan(self.method, recipe, card, self.epochs, self.validate_share, self.patience)


def work_of(order: Order) -> float:
    """Return how many passes of training the order takes."""
    return order.epochs * (order.folds * order.seeds + 1)


def ship(order: Order, recipe: Recipe, on_progress: OnProgress) -> Bundle:
    """Make the bundle and return it, checked as the daemon checks it.

    Raises
    ------
    UsageError
        When a bundle of that name is there already: bundles do not change once they are made.
    """
    require_new(order.output / order.bundle_id, replace=order.replace)
    plan = order.plan(recipe)
    run = _run_folder(order, plan)
    material = prepare(
        order.data,
        recipe,
        plan.card,
        on_progress,
        layout=order.layout,
        split=order.split,
        skip_bad=order.skip_bad,
        terms=order.terms,
    )
    data = material.data
    folds = list(material.folds or data.folds(order.folds))
    if run:
        run.begin({"data": data.digest(), "folds": folds})
    runs = cross_validate(
        data, plan, folds, range(order.seeds), on_progress, jobs=order.jobs, scheduler=order.scheduler, folder=run
    )
    decision = best(merged(runs))
    passes = 0

    def on_epoch(_epoch: int, loss: float) -> None:
        nonlocal passes
        passes += 1
        on_progress(f"training on everybody, loss {loss:.3f}", 1.0)

    trained = train(plan, data, 0, folder=run.everybody if run else None, on_epoch=on_epoch)
    on_progress("writing", float(plan.epochs - passes))
    network = deployable(trained.members, recipe, plan.card, trained.scale)
    card = plan.card.model_copy(
        update={
            "id": order.bundle_id,
            "created": order.created,
            "decision": decision,
            "data": material.credited,
            "training": {
                "method": plan.method,
                "epochs": trained.epochs,
                "command": order.command(recipe),
                "recipe": asdict(recipe),
            },
            "figures": {"data": material.described, "command": order.command(recipe)} | figures_of(runs, data, folds),
            "limits": material.limits if plan.card.direction == "causal" else (REVIEW_ONLY, *material.limits),
        }
    )
    return write_bundle(network, card, order.output)


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
