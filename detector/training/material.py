"""What a network is made from: the sequences of a folder of EEG, whose they are, and on what terms."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from detector.errors import BadDataError
from detector.network.bundle import Card, CardData
from detector.training.clips import load_persons
from detector.training.data import Data
from detector.training.datasets import clips as clips_layout
from detector.training.datasets import find, require, told
from detector.training.labelled import DataSet
from detector.training.recipe import Recipe
from detector.training.recorded import recorded_sequences
from detector.training.sequences import plain_sequences, training_sequences
from detector.training.split import check_split, read_split
from detector.training.synthetic import synthetic_sequences
from detector.training.trainings import OnProgress

_LICENCE = "ODC-By 1.0"
_GOLDBERGER = "A. L. Goldberger et al. (2000), PhysioBank, PhysioToolkit, and PhysioNet, Circulation 101(23):e215-e220."
_CHB = (
    "CHB-MIT Scalp EEG Database, PhysioNet. A. Shoeb (2009), Application of machine learning to epileptic seizure "
    f"onset detection and treatment, PhD thesis, MIT. {_GOLDBERGER}"
)
_EEGMAT = (
    "EEG During Mental Arithmetic Tasks, PhysioNet. I. Zyma et al. (2019), Electroencephalograms during mental "
    f"arithmetic task performance, Data 4(1):14. {_GOLDBERGER}"
)
_ALWAYS = "Research software, not a medical device, and never a sole alarm."
_OF_CLIPS = (
    _ALWAYS,
    "False alarms per 24 h are not known: the patients' only non-ictal EEG is from the minutes after their seizures, "
    "some of it from the same minutes again; there are no interictal hours and no sleep in the training data.",
    "The patients are 15 children and young adults of one hospital with one amplifier; adults with seizures were not "
    "seen. The people without seizures are 12 healthy adults, awake, on another amplifier.",
    "Epileptic spasms, neonates, status epilepticus and seizures that do not show on the scalp were not measured.",
    "Thresholds are for people in general; seizures of some persons are missed altogether (see figures by person).",
    "The sessions were put together from clips; only 17 of 140 seizures have the true seconds before their onset.",
    "A little simulated EEG (detector.training.synthetic, 0.3 of the weight of real EEG) is in the training, so that "
    "the demonstration works; what it does there says nothing about patients.",
    "For the first ten seconds after a session's start it says not-monitoring/warmup, whatever happens.",
)
_OF_RECORDINGS = (
    _ALWAYS,
    "It was measured on persons of the data set that it was trained on, each held out in turn: of other hospitals, "
    "amplifiers and ages nothing is known.",
    "After a session's start it says not-monitoring/warmup for as long as its warm-up takes, whatever happens.",
)


@dataclass(frozen=True)
class Terms:
    """What the card says of a data set that this program does not know."""

    licence: str = "not stated"
    attribution: str = "not stated"


@dataclass(frozen=True)
class Material:
    """What a network is made from.

    Parameters
    ----------
    data
        The sequences.
    described
        What kind of EEG they are, in words.
    credited
        The data sets, for the card.
    limits
        What the network cannot do, or nobody knows of it, for the card.
    folds
        The persons of each part of the split file; ``None`` where there is none.
    """

    data: Data
    described: str
    credited: tuple[CardData, ...]
    limits: tuple[str, ...]
    folds: tuple[tuple[str, ...], ...] | None = None


def prepare(
    folder: Path,
    recipe: Recipe,
    card: Card,
    on_progress: OnProgress,
    *,
    layout: str | None = None,
    split: Path | None = None,
    skip_bad: bool = False,
    terms: Terms | None = None,
) -> Material:
    """Return everything that is trained on and measured with.

    Clips are put together to sessions; recordings are taken as they are.

    Parameters
    ----------
    folder, layout
        Where the EEG is, and how; see `detector.training.datasets.find`.
    split
        A file of `detector.training.split`, whose parts are the folds.
    skip_bad
        Leave out what cannot be used instead of refusing the whole.
    terms
        For the card, where the data set is not one that this program knows.

    Raises
    ------
    BadDataError
        When something cannot be used and is not to be left out, or there is nothing to learn from.
    """
    on_progress("reading", 0.0)
    found = find(folder, layout)
    folds = None
    if split is not None:
        parts = read_split(split)
        check_split(parts, found)
        folds = tuple(parts.parts.values())
    if found.layout == clips_layout.LAYOUT.name:
        return _of_clips(folder, recipe, card, on_progress, folds)
    return _of_recordings(found, card, on_progress, folds, skip_bad=skip_bad, terms=terms or Terms())


def _of_clips(
    folder: Path, recipe: Recipe, card: Card, on_progress: OnProgress, folds: tuple[tuple[str, ...], ...] | None
) -> Material:
    def told_name(name: str) -> None:
        on_progress(f"conditioning {name}", 0.0)

    persons = load_persons(folder)
    versions = [training_sequences(persons, card, seed, told_name) for seed in range(recipe.versions)]
    simulated = [synthetic_sequences(card, version, told_name) for version in range(recipe.versions)]
    together = [real + extra for real, extra in zip(versions, simulated, strict=True)]
    data = Data(together, plain_sequences(persons, card, 0, told_name))
    patients = data.with_seizures()
    credited = (
        CardData(
            name="CHB-MIT Scalp EEG Database (clips of 140 seizures)",
            licence=_LICENCE,
            attribution=_CHB,
            persons=tuple(sorted(patients)),
        ),
        CardData(
            name="EEG During Mental Arithmetic Tasks (12 of 36 people)",
            licence=_LICENCE,
            attribution=_EEGMAT,
            persons=tuple(sorted(set(data.names) - patients)),
        ),
    )
    described = "CHB-MIT clips and EEGMAT, put together to sessions of tens of minutes; non-ictal EEG is post-ictal"
    return Material(data, described, credited, _OF_CLIPS, folds)


def _of_recordings(
    found: DataSet,
    card: Card,
    on_progress: OnProgress,
    folds: tuple[tuple[str, ...], ...] | None,
    *,
    skip_bad: bool,
    terms: Terms,
) -> Material:
    recordings = require(found, skip_bad=skip_bad)
    sequences, problems = recorded_sequences(
        recordings, card, lambda labelled: on_progress(f"conditioning {labelled.path.name}", 0.0)
    )
    if problems and not skip_bad:
        raise BadDataError(f"{told(problems[:3])}{' ...' if len(problems) > 3 else ''} (leave such out: --skip-bad)")
    data = Data([sequences], sequences)
    hours = sum(sequence.duration_s for sequence in sequences) / 3600
    described = f"{len(recordings)} recordings, {hours:.1f} h, as {found.layout}"
    left_out = len(found.problems) + len(problems)
    if left_out:
        described += f"; {left_out} left out, as they cannot be used"
    credit = CardData(
        name=found.folder.resolve().name,
        licence=terms.licence,
        attribution=terms.attribution,
        persons=tuple(data.names),
    )
    return Material(data, described, (credit,), _OF_RECORDINGS, folds)
