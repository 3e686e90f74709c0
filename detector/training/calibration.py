"""Calibration: a bundle's network goes on learning from one patient's earlier recordings, and is measured on the later.

The weights are the mean of the parent's and of those that have gone on learning (Wortsman et al. 2022, "Robust
fine-tuning of zero-shot models", CVPR): half the way keeps what the parent knows of other people. Thresholds are chosen
on earlier recordings that a network has not learnt from, and there it must be worth more than the parent: else the
parent's weights stay, with thresholds of the patient's own. The later recordings are measured once, and choose nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from detector.errors import BadDataError, BundleError
from detector.evaluation.events import Tally
from detector.evaluation.steps import sigmoid
from detector.messages import FloatArray
from detector.network.bundle import Bundle, Card, CardDecision
from detector.training.budget import Offer, within
from detector.training.choosing import HeldOut, pooled, tallies_by_person, tallies_of, worth
from detector.training.data import Data
from detector.training.fitting import Plan, train
from detector.training.keras_backend import array_of, keras
from detector.training.methods import method_named
from detector.training.networks import Scale, build, move_weights
from detector.training.recipe import Recipe, recipe_of
from detector.training.sequences import Sequence

METHOD = "stateful"
EPOCHS = 8
LEARNING_RATE = 5e-4
_SHARE = 0.5  # of what has gone on learning, in the mean
_GROUPS = 4  # of the earlier recordings, each held out in turn
_LEAST = 2  # seizures before, and after, which are needed to learn from and to measure with


@dataclass(frozen=True)
class Parent:
    """A trained network that can go on learning.

    Parameters
    ----------
    card
        How its signal is conditioned.
    recipe, scale
        How it was built.
    weights
        Its trainable weights, in Keras' order.
    """

    card: Card
    recipe: Recipe
    scale: Scale
    weights: list[FloatArray]


@dataclass(frozen=True)
class Calibrated:
    """What became of it.

    Parameters
    ----------
    members
        The network, with a logit for each member.
    decision
        The thresholds that were chosen.
    offers
        What each choice of thresholds costs on the earlier recordings, held out in turn.
    earlier
        The chosen one of the offers.
    has_learnt
        Whether the weights are other ones than the parent's.
    before, after
        The later recordings, by the parent with its own thresholds, and by the calibrated network.
    """

    members: keras.Model
    decision: CardDecision
    offers: tuple[Offer, ...]
    earlier: Offer
    has_learnt: bool
    before: Tally
    after: Tally


def parent_of(bundle: Bundle) -> Parent:
    """Return the network of a bundle as it was before it was made ready for a bed.

    Raises
    ------
    BundleError
        When its card does not say how it was built.
    """
    card, told = bundle.card, bundle.card.training.get("recipe")
    if told is None:
        raise BundleError(
            f"bundle {card.id!r} does not say how its network was built ([training] in its card); train it again to "
            "calibrate it"
        )
    recipe = recipe_of(told)
    served = keras.models.load_model(bundle.folder / "model.keras", compile=False, safe_mode=True)
    normalised = served.get_layer("scale")
    mean, variance = (keras.ops.convert_to_numpy(value) for value in (normalised.mean, normalised.variance))
    scale = Scale(tuple(mean.ravel().tolist()), tuple(variance.ravel().tolist()))
    members = build(1, recipe, card, scale)
    move_weights(served, members)
    return Parent(card, recipe, scale, [array_of(v) for v in members.trainable_variables])


def in_halves(sequences: list[Sequence]) -> tuple[list[Sequence], list[Sequence]]:
    """Return the earlier sequences, up to the one with the middle seizure, and the later ones.

    Parameters
    ----------
    sequences
        Of one patient, in order of time.

    Raises
    ------
    BadDataError
        When there are too few seizures to learn from and to measure with, or they are of several persons.
    """
    persons = sorted({sequence.person for sequence in sequences})
    if len(persons) != 1:
        raise BadDataError(
            f"recordings of {len(persons)} persons ({', '.join(persons)}); expected those of one patient"
        )
    counts = np.cumsum([len(sequence.seizures) for sequence in sequences])
    middle = int(np.searchsorted(counts, counts[-1] / 2)) + 1
    earlier, later = sequences[:middle], sequences[middle:]
    before, after = (sum(len(sequence.seizures) for sequence in half) for half in (earlier, later))
    if before < _LEAST or after < _LEAST or sum(bool(sequence.seizures) for sequence in earlier) < _LEAST:
        raise BadDataError(
            f"{before} seizures in the {len(earlier)} earlier stretches and {after} in the {len(later)} later ones; "
            f"expected at least {_LEAST} in each half, the earlier ones in different recordings, to learn from and to "
            "measure with"
        )
    return earlier, later


def calibrate(
    parent: Parent,
    sequences: list[Sequence],
    *,
    per_24_h: float | None = None,
    epochs: int = EPOCHS,
    seed: int = 0,
    on_progress: Callable[[str, float], None] = lambda _what, _passes: None,
) -> Calibrated:
    """Return the network calibrated on the earlier sequences and measured on the later ones.

    Parameters
    ----------
    parent
        What it begins with.
    sequences
        Of one patient, in order of time, conditioned as the parent's card says.
    per_24_h
        The false-alarm budget, see `detector.training.budget.within`; ``None`` for the choice that is worth most.
    on_progress
        Called with what is being done and the passes that it took.

    Raises
    ------
    BadDataError
        When there is too little to calibrate with, or to say whether the budget is kept.
    """
    earlier, later = in_halves(sequences)
    held_out: list[HeldOut] = []
    groups = _groups(earlier)
    for number, group in enumerate(groups):
        others = [s for other in groups if other is not group for s in other]
        members = _tuned(
            parent, others, epochs, seed, _told(on_progress, f"part {number + 1} of {len(groups)} held out")
        )
        held_out += _answers(members, group, parent)
    untouched = build(1, parent.recipe, parent.card, parent.scale)
    _assign(untouched, parent.weights)
    offers, kept = _offers(held_out, parent), _offers(_answers(untouched, earlier, parent), parent)
    taken, of_parent = _taken(offers, per_24_h), _taken(kept, per_24_h)
    has_learnt = worth(taken.tally) > worth(of_parent.tally)
    if has_learnt:
        members = _tuned(parent, earlier, epochs, seed, _told(on_progress, "on all earlier recordings"))
    else:
        members, offers, taken = untouched, kept, of_parent
    return Calibrated(
        members=members,
        decision=taken.decision,
        offers=offers,
        earlier=taken,
        has_learnt=has_learnt,
        before=_measured(untouched, later, parent, parent.card.decision),
        after=_measured(members, later, parent, taken.decision),
    )


def _offers(held_out: list[HeldOut], parent: Parent) -> tuple[Offer, ...]:
    return tuple(Offer(decision, pooled(persons)) for decision, persons in tallies_of(held_out, parent.card).items())


def _taken(offers: tuple[Offer, ...], per_24_h: float | None) -> Offer:
    if per_24_h is not None:
        return within(offers, per_24_h)
    return max(offers, key=lambda offer: worth(offer.tally))


def _told(on_progress: Callable[[str, float], None], what: str) -> Callable[[int, float], None]:
    return lambda _epoch, loss: on_progress(f"{what}, loss {loss:.3f}", 1.0)


def _groups(earlier: list[Sequence]) -> list[list[Sequence]]:
    """Return up to four parts with about as many seizures each; every one leaves a seizure to learn from."""
    ictal = [sequence for sequence in earlier if sequence.seizures]
    quiet = [sequence for sequence in earlier if not sequence.seizures]
    n = min(_GROUPS, len(ictal))
    return [ictal[i::n] + quiet[i::n] for i in range(n)]


def _tuned(
    parent: Parent, sequences: list[Sequence], epochs: int, seed: int, on_epoch: Callable[[int, float], None]
) -> keras.Model:
    recipe = replace(parent.recipe, lanes=min(len(sequences), 8), learning_rate=LEARNING_RATE, versions=1)
    plan = Plan(METHOD, recipe, parent.card, epochs)
    members = train(plan, Data([sequences], sequences), seed, begin=(parent.scale, parent.weights), on_epoch=on_epoch)
    tuned = [array_of(v) for v in members.members.trainable_variables]
    mixed = [
        ((1 - _SHARE) * old + _SHARE * new).astype(np.float32) for old, new in zip(parent.weights, tuned, strict=True)
    ]
    network = build(1, parent.recipe, parent.card, parent.scale)
    _assign(network, mixed)
    return network


def _assign(network: keras.Model, weights: Iterable[FloatArray]) -> None:
    for variable, value in zip(network.trainable_variables, weights, strict=True):
        variable.assign(value)


def _answers(members: keras.Model, sequences: list[Sequence], parent: Parent) -> list[HeldOut]:
    recipe = replace(parent.recipe, lanes=min(len(sequences), 8))
    logits = method_named(METHOD).logits_of(members, sequences, recipe, parent.card, parent.scale)
    return [HeldOut(s, sigmoid(found.mean(axis=1))) for s, found in zip(sequences, logits, strict=True)]


def _measured(members: keras.Model, sequences: list[Sequence], parent: Parent, decision: CardDecision) -> Tally:
    return pooled(tallies_by_person(_answers(members, sequences, parent), parent.card, decision))
