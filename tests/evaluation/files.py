"""Events and steps files as detectors and experts write them."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from detector.evaluation.pairs import Pair, Steps
from detector.scoring import COLUMNS

Spans = tuple[tuple[float, float], ...]


def write_events(path: Path, duration_s: float, *seizures: tuple[float, float]) -> Path:
    """Write (onset_s, offset_s) of each seizure in SzCORE's form; background where there is none."""
    spans = [(onset, offset - onset, "sz") for onset, offset in seizures] or [(0.0, duration_s, "bckg")]
    rows = [f"{on:.3f}\t{length:.3f}\t{kind}\tn/a\tn/a\tn/a\t{duration_s:.3f}" for on, length, kind in spans]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["\t".join(COLUMNS), *rows]) + "\n", encoding="utf-8")
    return path


def write_steps(path: Path, steps: Steps) -> Path:
    """Write steps as ``score --probabilities`` does."""
    rows = zip(steps.time_s, steps.probability, steps.state, strict=True)
    lines = ["time_s,probability,state,good_channels", *(f"{t:.4f},{p:.7f},{s:d},22" for t, p, s in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def made_up_steps(duration_s: float, declared: Spans, warm_s: float = 10.0, seed: int = 0) -> Steps:
    """Return steps of a second: nothing is said before ``warm_s``, a seizure in each (declared_s, end_s)."""
    rng = np.random.default_rng(seed)
    times = np.arange(1.0, duration_s + 0.5)
    state = np.where(times < warm_s, 0, 1).astype(np.uint8)
    for begin, end in declared:
        state[(times >= begin) & (times < end) & (state > 0)] = 2
    noise = rng.uniform(0, 0.4, len(times))
    probability = np.where(state == 2, 0.6 + noise, noise).astype(np.float32)
    return Steps(times, np.where(state == 0, np.nan, probability).astype(np.float32), state, 1.0)


def made_up_pair(
    name: str, reference: Spans, hypothesis: Spans, duration_s: float = 600.0, *, steps: bool = False
) -> Pair:
    """Return a recording; with steps, each seizure of the hypothesis is declared 2 s after its onset."""
    person = name.partition("_")[0]
    if not steps:
        return Pair(name, person, duration_s, reference, hypothesis)
    said = made_up_steps(duration_s, tuple((on + 2, off) for on, off in hypothesis), seed=zlib.crc32(name.encode()))
    return Pair(name, person, duration_s, reference, hypothesis, said, said.declared_s)
