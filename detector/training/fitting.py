"""One training, by any method: passes, optimiser, early stopping, checkpoints; the method says how a pass is made."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from detector.errors import BadDataError, StateError, UsageError
from detector.evaluation.steps import sigmoid
from detector.messages import FloatArray
from detector.network.bundle import Card
from detector.pipeline import bands_config
from detector.training.augmenting import Augment, augment_of
from detector.training.checkpoint import FILE, Checkpoint, read_checkpoint
from detector.training.choosing import HeldOut, pooled, tallies_by_person, worth
from detector.training.data import Data
from detector.training.keras_backend import array_of, keras
from detector.training.logbook import Logbook
from detector.training.methods import method_named
from detector.training.methods.method import Method, Update
from detector.training.networks import Scale, scale_of
from detector.training.recipe import Recipe
from detector.training.sequences import Sequence
from detector.training.weighing import weigh


@dataclass(frozen=True)
class Plan:
    """How a network is trained, whoever it is trained on.

    Parameters
    ----------
    method
        One of `detector.training.methods.NAMES`.
    epochs
        Passes, at most; the versions of the data take turns in them.
    validate_share
        Share of the persons that are held out to stop early; 0 trains on all, for all passes.
    patience
        Passes without a better one before it stops.
    """

    method: str
    recipe: Recipe
    card: Card
    epochs: int
    validate_share: float = 0.0
    patience: int = 3


@dataclass(frozen=True)
class Trained:
    """What has been trained; ``members`` has a logit for each member and the method's own batch."""

    members: keras.Model
    scale: Scale
    epochs: int
    validated_on: tuple[str, ...]


def train(
    plan: Plan,
    data: Data,
    seed: int,
    *,
    folder: Path | None = None,
    begin: tuple[Scale, list[FloatArray]] | None = None,
    on_epoch: Callable[[int, float], None] = lambda _epoch, _loss: None,
) -> Trained:
    """Return the network, trained; the same arguments give the same weights on one machine.

    Parameters
    ----------
    folder
        Keeps a checkpoint of each pass, the history and its curves; a training that was killed goes on from there.
    begin
        Scale and trainable weights of a network that goes on learning; by default it begins at random.
    on_epoch
        Called with the number of passes done and the mean loss of the last.

    Raises
    ------
    BadDataError
        When there is no seizure to learn from, or a session holds what is not finite.
    StateError
        When the loss is not finite for another reason. In both cases the folder keeps the last good checkpoint.
    UsageError
        When the folder's checkpoint is of another training.
    """
    method, recipe, card = method_named(plan.method), plan.recipe, plan.card
    validated_on = _validated_on(plan, data, seed)
    versions = [weigh(version, recipe) for version in data.without(validated_on).versions]
    _require_seizures(versions)
    scale = begin[0] if begin else scale_of(versions[0], bands_config(card).per_derivation)
    held_out = data.of(validated_on)

    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    model = method.network(recipe, card, scale)
    for variable, value in zip(model.trainable_variables, begin[1], strict=True) if begin else ():
        variable.assign(value)
    updates = sum(method.updates_of(versions[epoch % len(versions)], recipe) for epoch in range(plan.epochs))
    rate = keras.optimizers.schedules.CosineDecay(recipe.learning_rate, updates)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-3, clipnorm=1.0)
    model.compile(
        optimizer, keras.losses.BinaryCrossentropy(from_logits=True), jit_compile=True if recipe.jit else "auto"
    )
    augment = augment_of(card, bands_config(card).per_derivation)

    at = _begin_or_go_on(Checkpoint(_job(plan, scale, seed), {}), model, rng, folder)
    logbook = Logbook(folder) if folder else None
    while len(at.history) < plan.epochs and not _has_stalled(at.history, plan.patience):
        epoch = len(at.history)
        row = {"epoch": float(epoch + 1)}
        sequences = versions[epoch % len(versions)]
        row["loss"] = _pass(method, model, sequences, recipe, rng, augment, epoch, folder)
        row["learning_rate"] = float(optimizer.learning_rate)
        if held_out:
            row |= _measure(method, model, held_out, plan, scale)
        at.history.append(row)
        if held_out and _best(at.history) == epoch:
            at.best = [array_of(v) for v in model.trainable_variables]
        if folder and logbook:
            at.rng = rng.bit_generator.state  # type: ignore[assignment]
            at.variables, at.optimizer = [[array_of(v) for v in of] for of in (model.variables, optimizer.variables)]
            at.write(folder)
            logbook.write(at.history)
        on_epoch(epoch + 1, row["loss"])
    if at.best:
        for variable, value in zip(model.trainable_variables, at.best, strict=True):
            variable.assign(value)
    if logbook:
        logbook.close(at.history)
    return Trained(model, scale, len(at.history), validated_on)


def _validated_on(plan: Plan, data: Data, seed: int) -> tuple[str, ...]:
    if not plan.validate_share:
        return ()
    return data.folds(max(round(1 / plan.validate_share), 2), seed)[0]


def _require_seizures(versions: list[list[Sequence]]) -> None:
    for number, version in enumerate(versions):
        if not any(sequence.target.any() for sequence in version):
            persons = sorted({sequence.person for sequence in version})
            raise BadDataError(
                f"no seizure in the training data: {len(version)} sessions (version {number + 1}) of "
                f"{', '.join(persons) or 'nobody'}; expected at least one, as a network cannot learn from none"
            )


def _begin_or_go_on(fresh: Checkpoint, model: keras.Model, rng: np.random.Generator, folder: Path | None) -> Checkpoint:
    """Return where the folder's training stands, having set the network and the generator so; or the fresh one."""
    found = read_checkpoint(folder) if folder else None
    model.optimizer.build(model.trainable_variables)
    if found is None:
        return fresh
    if found.job != fresh.job:
        raise UsageError(f"{folder} holds a checkpoint of another training; choose another folder, or delete it")
    for variables, values in ((model.variables, found.variables), (model.optimizer.variables, found.optimizer)):
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
    rng.bit_generator.state = found.rng
    return found


def _job(plan: Plan, scale: Scale, seed: int) -> str:
    # The scale stands for the data that it was taken from.
    card = plan.card.model_dump(include={"direction", "montage", "filters", "features", "decision"})
    backend = keras.backend.backend()
    return repr((plan.method, plan.recipe, plan.epochs, plan.validate_share, card, asdict(scale), seed, backend))


def _pass(
    method: Method,
    model: keras.Model,
    sequences: list[Sequence],
    recipe: Recipe,
    rng: np.random.Generator,
    augment: Augment,
    epoch: int,
    folder: Path | None,
) -> float:
    """Train one pass and return its mean loss."""
    losses = []
    for update in method.one_pass(model, sequences, recipe, rng, augment):
        if not math.isfinite(update.loss):
            raise _not_finite(update, sequences, f"the loss of epoch {epoch + 1} is {update.loss}", epoch, folder)
        losses.append(update.loss)
    if not all(np.isfinite(array_of(v)).all() for v in model.trainable_variables):
        # The last update can spoil the weights without a loss that tells.
        raise _not_finite(update, sequences, f"the weights after epoch {epoch + 1} are not finite", epoch, folder)
    return float(np.mean(losses))


def _not_finite(
    update: Update, sequences: list[Sequence], what: str, epoch: int, folder: Path | None
) -> BadDataError | StateError:
    broken = [i for i in update.sequences if not _is_finite(sequences[i])]
    told = ", ".join(_name(sequences, i) for i in broken or update.sequences)
    kept = f"; the last good checkpoint is {folder / FILE}, of epoch {epoch}" if folder and epoch else ""
    if broken:
        return BadDataError(f"{what}: the features of {told} are not finite{kept}")
    return StateError(f"{what}, in the update by {told}; a smaller learning rate may help{kept}")


def _is_finite(sequence: Sequence) -> bool:
    return all(np.isfinite(array).all() for array in (sequence.values, sequence.target, sequence.weight))


def _name(sequences: list[Sequence], index: int) -> str:
    person = sequences[index].person
    own = [i for i, sequence in enumerate(sequences) if sequence.person == person]
    return f"session {own.index(index) + 1} of {len(own)} of {person} ({sequences[index].duration_s / 60:.1f} min)"


def _measure(
    method: Method, model: keras.Model, held_out: list[Sequence], plan: Plan, scale: Scale
) -> dict[str, float]:
    """Return what the network is worth on the persons that are held out, by the card's decision."""
    logits = method.logits_of(model, held_out, plan.recipe, plan.card, scale)
    answers = [HeldOut(s, sigmoid(found.mean(axis=1))) for s, found in zip(held_out, logits, strict=True)]
    tally = pooled(tallies_by_person(answers, plan.card, plan.card.decision))
    return {
        "held_out_loss": method.validation_loss(model, held_out, logits),
        "worth": worth(tally),
        "sensitivity": tally.sensitivity,
        "alarms_per_hour": tally.alarms_per_hour,
        "latency_median_s": tally.latency_s(50),
    }


def _best(history: list[dict[str, float]]) -> int:
    """Return the pass that is worth most; among equals, that with the smallest loss."""
    return max(range(len(history)), key=lambda i: (history[i]["worth"], -history[i]["held_out_loss"]))


def _has_stalled(history: list[dict[str, float]], patience: int) -> bool:
    return bool(history) and "worth" in history[0] and len(history) - 1 - _best(history) >= patience
