"""Sequences: what the daemon's conditioning gives, with the truth at the step where the daemon would meet it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detector.messages import Chunk, Description
from detector.pipeline import Conditioning
from detector.training.sequences import plain_sequences, read_sequences, sequence_of, training_sequences
from detector.training.sessions import compose, compose_plain
from tests.training.made_up import CARD, made_up_person


def test_sequences_equal_what_a_live_bed_makes_of_small_chunks() -> None:
    session = compose_plain(made_up_person(2), np.random.default_rng(0))[0]
    sequence = sequence_of(session, CARD)
    n = len(CARD.derivations)
    live = Conditioning(CARD, Description(CARD.derivations, 256.0, (1.0,) * n, ("uV",) * n))
    times = np.arange(len(session.samples)) / 256.0
    features = []
    for start in range(0, len(times), 64):
        features += live.process(Chunk(session.samples[start : start + 64], times[start : start + 64]))
    np.testing.assert_allclose(sequence.values, np.stack([f.values for f in features]), atol=1e-4)
    assert len(sequence) > 300


def test_a_step_is_ictal_where_its_newest_sample_is() -> None:
    session = compose(made_up_person(4), np.random.default_rng(2))[0]
    sequence = sequence_of(session, CARD)
    for end_s, target in zip(sequence.end_s, sequence.target, strict=True):
        assert target == session.ictal[round(end_s * 256)]
    assert 0.05 < sequence.target.mean() < 0.8


@pytest.mark.parametrize("rate_hz", [250.0, 256.0, 500.0])
def test_the_cache_gives_back_what_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate_hz: float) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    person = made_up_person(3, rate_hz)
    made = training_sequences([person], CARD, 4)
    files = list(tmp_path.rglob("*.npz"))
    assert len(files) == 1
    for first, again in zip(made, read_sequences(files[0]), strict=True):
        assert (first.person, first.duration_s, first.seizures) == (again.person, again.duration_s, again.seizures)
        for name in ("values", "good", "end_s", "target", "weight"):
            np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    np.testing.assert_array_equal(training_sequences([person], CARD, 4)[0].values, made[0].values)
    assert len(list(tmp_path.rglob("*.npz"))) == 1
    other = training_sequences([person], CARD, 5)[0]
    assert other.values.shape != made[0].values.shape or not np.array_equal(other.values, made[0].values)
    plain_sequences([person], CARD, 4)
    assert len(list(tmp_path.rglob("*.npz"))) == 3
