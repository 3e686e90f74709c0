"""How much the shipped network's answers change when channels are missing, the gain is off, or mains hums.

    python benchmarks/robustness.py [--data FOLDER]

AUROC per step of 0.5 s over all patients' sessions and the healthy people's. The network has been trained on these very
persons, so the figures are too good as such; what counts is by how much a row differs from the first one.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy import signal

from detector.evaluation.steps import auroc
from detector.messages import FloatArray
from detector.network.bundle import load_bundle
from detector.network.keras_lstm import KerasLstm
from detector.training.clips import default_folder, load_persons
from detector.training.sequences import sequence_of
from detector.training.sessions import Session, compose_plain


def without(names: tuple[str, ...], derivations: tuple[str, ...]) -> Callable[[Session], Session]:
    columns = [derivations.index(name) for name in names]

    def change(session: Session) -> Session:
        samples = session.samples.copy()
        samples[:, columns] = np.nan
        return replace(session, samples=samples)

    return change


def gain(factor: float) -> Callable[[Session], Session]:
    return lambda session: replace(session, samples=(session.samples * factor).astype(np.float32))


def mains(hz: float, rms_uv: float) -> Callable[[Session], Session]:
    def change(session: Session) -> Session:
        t = np.arange(len(session.samples))[:, None] / session.rate_hz
        phases = np.random.default_rng(0).uniform(0, 2 * np.pi, session.samples.shape[1])
        line = rms_uv * np.sqrt(2) * np.sin(2 * np.pi * hz * t + phases)
        return replace(session, samples=(session.samples + line).astype(np.float32))

    return change


def at_rate(rate_hz: float) -> Callable[[Session], Session]:
    def change(session: Session) -> Session:
        ratio = Fraction(rate_hz / session.rate_hz).limit_denominator(1024)
        samples: FloatArray = signal.resample_poly(session.samples, ratio.numerator, ratio.denominator, axis=0)
        n = len(samples)
        index = np.minimum((np.arange(n) / float(ratio)).astype(int), len(session.ictal) - 1)
        return replace(session, samples=samples.astype(np.float32), rate_hz=rate_hz, ictal=session.ictal[index])

    return change


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=default_folder())
    bundle = load_bundle()
    card, network = bundle.card, KerasLstm(bundle)
    persons = load_persons(parser.parse_args().data)
    sessions = [session for person in persons for session in compose_plain(person, np.random.default_rng(0))]
    ears = tuple(name for name in card.derivations if "FT9" in name or "FT10" in name)
    chosen = np.random.default_rng(0).permutation(len(card.derivations))[: len(card.derivations) - card.min_derivations]
    most = tuple(card.derivations[i] for i in sorted(chosen))
    changes: list[tuple[str, Callable[[Session], Session]]] = [
        ("as recorded", lambda session: session),
        (f"without {' '.join(ears)}", without(ears, card.derivations)),
        (
            f"with {card.min_derivations} of {len(card.derivations)} derivations, picked at random",
            without(most, card.derivations),
        ),
        ("half the amplitude", gain(0.5)),
        ("twice the amplitude", gain(2.0)),
        ("50 Hz, 30 µV rms on every derivation", mains(50, 30)),
        ("60 Hz, 30 µV rms on every derivation", mains(60, 30)),
        ("resampled to 250 Hz at the source", at_rate(250.0)),
        ("resampled to 512 Hz at the source", at_rate(512.0)),
    ]
    print("| change | AUROC | difference | steps |\n| --- | --- | --- | --- |")
    first = None
    for name, change in changes:
        targets, scores = [], []
        for session in sessions:
            sequence = sequence_of(change(session), card)
            if not len(sequence):
                continue
            network.reset()
            said = np.array([p.value for p in network.process(sequence.features)], dtype=np.float32)
            warm = sequence.end_s - sequence.end_s[0] >= card.decision.warm_up_s
            watched = warm & (sequence.good.sum(axis=1) >= card.min_derivations)
            targets.append(sequence.target[watched])
            scores.append(said[watched])
        value = auroc(np.concatenate(targets), np.concatenate(scores))
        first = value if first is None else first
        print(f"| {name} | {value:.3f} | {value - first:+.3f} | {sum(map(len, targets))} |", flush=True)


if __name__ == "__main__":
    main()
