"""All stages of the conditioning in a row: what completes a frame, what a boundary forgets, which source fits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detector.conditioning.montage import MONTAGES
from detector.errors import BadDataError
from detector.messages import Chunk
from detector.network.bundle import Card
from detector.pipeline import Conditioning, SourceConfig
from tests.bundles import tiny_bundle
from tests.signals import cut, describe, noise, whole

CHB = MONTAGES["chb-mit-22"]


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return tiny_bundle(tmp_path_factory.mktemp("bundle")).card


@pytest.mark.parametrize("rate_hz", [250.0, 256.0, 500.0, 1000.0])
def test_needed_is_what_completes_the_next_frame(card: Card, rate_hz: float) -> None:
    conditioning = Conditioning(card, describe(CHB, rate_hz))
    samples, start, done = noise(int(30 * rate_hz)), 0, 0
    rng = np.random.default_rng(0)
    while start < len(samples) - 3000:
        needed = conditioning.needed
        assert needed >= 1
        n = needed if rng.random() < 0.3 else max(needed - 1, 1) if rng.random() < 0.5 else int(rng.integers(1, 100))
        features = conditioning.process(whole(samples[start : start + n], rate_hz, start / rate_hz))
        assert bool(features) == (n >= needed)
        done += len(features)
        start += n
    assert done > 5


def test_a_live_chunk_that_completes_no_frame_costs_next_to_nothing(card: Card) -> None:
    conditioning = Conditioning(card, describe(CHB))
    walked: list[int] = []
    process = conditioning.montage.process

    def counted(chunk: Chunk) -> Chunk:
        walked.append(len(chunk.samples))
        return process(chunk)

    conditioning.montage.process = counted  # type: ignore[method-assign]
    for part in cut(whole(noise(10 * 256)), 8):
        conditioning.process(part)
    assert walked == [512] + [256] * 8


def test_missing_samples_of_chunks_that_waited_are_all_counted(card: Card) -> None:
    conditioning = Conditioning(card, describe(CHB))
    parts = [replace(part, missing=1) for part in cut(whole(noise(2560)), 64)]
    features = [f for part in parts for f in conditioning.process(part)]
    assert sum(f.missing for f in features) == len(parts)


def test_missing_samples_of_a_chunk_that_is_taken_in_pieces_are_counted_once(card: Card) -> None:
    features = Conditioning(card, describe(CHB)).process(replace(whole(noise(100 * 256)), missing=5))
    assert sum(f.missing for f in features) == 5


def test_a_channel_that_was_bad_before_a_boundary_is_looked_at_anew(card: Card) -> None:
    conditioning = Conditioning(card, describe(CHB))
    before = noise(2560)
    before[-10:, 3] = 20_000
    assert not conditioning.process(whole(before))[-1].good[3]
    conditioning.reset()
    assert conditioning.process(whole(noise(512)))[0].good.all()


def test_a_source_that_does_not_fit_is_refused_at_construction(card: Card) -> None:
    with pytest.raises(BadDataError, match="nominal rate 0 Hz: expected 128 to 2048 Hz"):
        Conditioning(card, describe(CHB, 0.0))
    with pytest.raises(BadDataError, match="unit of 22 needed channels is not known"):
        Conditioning(card, describe(CHB, scale=None))
    with pytest.raises(BadDataError, match="no labels"):
        Conditioning(card, describe([""] * 22))
    assert Conditioning(card, describe([""] * 22), SourceConfig(match="order")).montage.missing == ()


def test_stand_ins_are_taken_where_the_configuration_says_so(card: Card) -> None:
    description = describe([label.replace("FT9", "T1").replace("FT10", "T2") for label in CHB])
    assert Conditioning(card, description).montage.missing == ("T7-FT9", "FT9-FT10", "FT10-T8")
    assert Conditioning(card, description, SourceConfig(stand_ins=True)).montage.missing == ()


def test_faults_name_the_derivations(card: Card) -> None:
    labels = [name for name in CHB if name != "FZ-CZ"]
    conditioning = Conditioning(card, describe(labels))
    samples = noise(5 * 256, 21)
    samples[:, labels.index("P3-O1")] = 0
    conditioning.process(whole(samples))
    assert conditioning.faults == {"FZ-CZ": "missing", "P3-O1": "flat"}
