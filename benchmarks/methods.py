"""Steps a second of each method of training, side by side: `python benchmarks/methods.py [--jit] [NAME ...]`.

A step counts when the weights have learned from its target. All methods train the recipe's own network on the same
made-up sessions, as long as those that it is trained on. ``windowed`` looks back over 60 steps and computes each step
60 times; what that costs it is the ratio in the last column. A first pass of each method, which traces and compiles,
is not counted. ``KERAS_BACKEND=jax`` measures JAX (it compiles always); ``--jit`` lets TensorFlow compile, too.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.table import Table

from detector.pipeline import bands_config
from detector.training.augmenting import augment_of
from detector.training.keras_backend import keras
from detector.training.methods import NAMES, method_named
from detector.training.networks import Scale
from detector.training.recipe import Recipe, card_of
from detector.training.sequences import Sequence

# Steps of each session: 4 to 16 minutes.
_LENGTHS = (500, 650, 800, 950, 1100, 1250, 1400, 1550, 1700, 1900) * 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(NAMES), help="of the methods; all by default")
    parser.add_argument("--jit", action="store_true", help="compile by XLA")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--windows", type=int, default=2000, help="of the windowed method, to measure it with")
    arguments = parser.parse_args()
    recipe = replace(Recipe(), jit=arguments.jit)
    sequences = [made_up(length, seed) for seed, length in enumerate(_LENGTHS)]
    found = {}
    for name in {"windowed": 0} | dict.fromkeys(arguments.names):
        own = sequences if name != "windowed" else [part_for(sequences[0], arguments.windows, recipe.look_back)]
        own = own[:10] if name in ("whole-recording", "bidirectional") else own
        found[name] = steps_per_second(name, own, recipe, arguments.repeats)
    show(found, recipe)


def made_up(n_steps: int, seed: int) -> Sequence:
    """Return random features with every derivation good."""
    bands = bands_config(card_of(Recipe()))
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((n_steps, bands.n_derivations, bands.per_derivation)).astype(np.float32)
    values[:, :, -1] = 1
    return Sequence(
        person=f"person{seed}",
        duration_s=n_steps / 2,
        seizures=(),
        values=values.reshape(n_steps, -1),
        good=np.ones((n_steps, bands.n_derivations), dtype=bool),
        end_s=np.arange(n_steps) / 2,
        target=(rng.random(n_steps) < 0.3).astype(np.float32),
        weight=np.ones(n_steps, dtype=np.float32),
    )


def part_for(sequence: Sequence, n_windows: int, look_back: int) -> Sequence:
    """Return a session, made longer or shorter, that has this many windows."""
    index = np.arange(n_windows + look_back - 1) % len(sequence)
    arrays = {name: getattr(sequence, name)[index] for name in ("values", "good", "end_s", "target", "weight")}
    return replace(sequence, **arrays)


def steps_per_second(name: str, sequences: list[Sequence], recipe: Recipe, repeats: int) -> float:
    """Return how many targets a second the method learns from, in the best of the passes."""
    card = card_of(recipe)
    if name == "bidirectional":
        card = card.model_copy(update={"direction": "bidirectional"})
    per_derivation = bands_config(card).per_derivation
    scale = Scale((0.0,) * (per_derivation - 1), (1.0,) * (per_derivation - 1))
    method = method_named(name)
    keras.utils.set_random_seed(0)
    model = method.network(recipe, card, scale)
    model.compile(
        keras.optimizers.AdamW(1e-3, weight_decay=1e-3, clipnorm=1.0),
        keras.losses.BinaryCrossentropy(from_logits=True),
        jit_compile=True if recipe.jit else "auto",
    )
    steps = sum(map(len, sequences))
    if name == "windowed":
        steps -= len(sequences) * (recipe.look_back - 1)
    seconds = []
    for _ in range(repeats + 1):
        # The same shuffle each time, so that nothing is compiled in a pass that counts.
        rng, began = np.random.default_rng(0), time.perf_counter()
        losses = [u.loss for u in method.one_pass(model, sequences, recipe, rng, augment_of(card, per_derivation))]
        seconds.append(time.perf_counter() - began)
        assert np.isfinite(losses).all()
    return steps / min(seconds[1:])


def show(found: dict[str, float], recipe: Recipe) -> None:
    """Print the table."""
    batches = {
        "stateful": f"{recipe.lanes} lanes of {recipe.chunk_steps} steps",
        "whole-recording": "1 session",
        "padded": f"{recipe.batch_recordings} sessions",
        "windowed": f"{recipe.batch_windows} windows of {recipe.look_back} steps",
        "bidirectional": "1 session",
    }
    compiled = ", compiled by XLA" if recipe.jit or keras.backend.backend() == "jax" else ""
    table = Table(title=f"training {recipe.members} members on {keras.backend.backend()}{compiled}: best of the passes")
    table.add_column("method")
    table.add_column("an update is made from")
    table.add_column("steps a second", justify="right")
    table.add_column("times windowed", justify="right")
    for name, value in found.items():
        table.add_row(name, batches[name], f"{value:,.0f}", f"{value / found['windowed']:.1f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
