"""What calibration gains: each patient's network goes on learning from the first half of that patient's seizures.

    python benchmarks/calibration.py --run runs/chb-lstm-2 [--data FOLDER] [--seed 0]

The parents are the networks of a run's cross-validation, each of which has not seen the patient. Every seizure is a
session of its own, in the order of the records, with other EEG of the same half only; the later half is measured.
Prints Markdown.
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from detector.evaluation.events import Tally
from detector.pipeline import bands_config
from detector.training.calibrate_command import in_words
from detector.training.calibration import METHOD, Parent, calibrate
from detector.training.checkpoint import read_checkpoint
from detector.training.clips import Person, default_folder, load_persons
from detector.training.data import Data
from detector.training.keras_backend import array_of
from detector.training.material import prepare
from detector.training.methods import method_named
from detector.training.networks import scale_of
from detector.training.recipe import Recipe, card_of, recipe_of
from detector.training.sequences import Sequence, sequence_of
from detector.training.sessions import compose_each

LEAST = 4  # seizures


def parent_without(persons: list[str], data: Data, recipe: Recipe, folder: Path) -> Parent:
    """Return the network of one fold of a run."""
    card, method = card_of(recipe), method_named(METHOD)
    scale = scale_of(data.without(persons).versions[0], bands_config(card).per_derivation)
    model = method.network(recipe, card, scale)
    checkpoint = read_checkpoint(folder)
    assert checkpoint is not None, f"{folder} holds no checkpoint"
    for variable, value in zip(model.variables, checkpoint.variables, strict=True):
        variable.assign(value)
    return Parent(card, recipe, scale, [array_of(v) for v in model.trainable_variables])


def in_order(person: Person, parent: Parent) -> Iterator[Sequence]:
    """Yield a sequence for each seizure; the halves share no EEG."""
    rng = np.random.default_rng(0)
    seizures = sorted(person.seizures, key=lambda seizure: seizure.clip)
    middle = -(-len(seizures) // 2)
    for half in (seizures[:middle], seizures[middle:]):
        for session in compose_each(replace(person, seizures=tuple(half)), rng):
            yield sequence_of(session, parent.card)


def main() -> None:
    """Print a row for each patient, and all of them pooled."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=default_folder())
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    config = tomllib.loads((options.run / "config.toml").read_text("utf-8"))
    recipe = recipe_of(config["recipe"])
    folds = tomllib.loads((options.run / "split.toml").read_text("utf-8"))["folds"]
    data = prepare(options.data, recipe, card_of(recipe), lambda *_: None).data
    persons = {person.name: person for person in load_persons(options.data)}
    before, after = Tally(), Tally()
    print("| patient | seizures | later half, by the parent | later half, calibrated |\n| --- | --- | --- | --- |")
    for k, fold in enumerate(folds):
        chosen = [name for name in fold if len(persons[name].seizures) >= LEAST]
        if not chosen:
            continue
        parent = parent_without(fold, data, recipe, options.run / f"seed-{options.seed}" / f"fold-{k + 1}")
        for name in chosen:
            found = calibrate(parent, list(in_order(persons[name], parent)))
            before.add(found.before)
            after.add(found.after)
            n = len(persons[name].seizures)
            print(f"| {name} | {n} | {in_words(found.before)} | {in_words(found.after)} |", flush=True)
    print(f"| all | | {in_words(before)} | {in_words(after)} |")
    for what, tally in (("parent", before), ("calibrated", after)):
        print(f"\n{what}: sensitivity {tally.sensitivity:.1%}, latency 90th centile {tally.latency_s(90):.1f} s")


if __name__ == "__main__":
    main()
