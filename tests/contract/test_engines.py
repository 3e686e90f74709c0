"""Both engines give the same answers, go on with each other's state, and the light one brings no TensorFlow."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detector.checkpoint import Checkpoint, decoded
from detector.conditioning.montage import MONTAGES
from detector.config import make_config
from detector.decision import Decision
from detector.loading import Loaded
from detector.messages import Chunk, Features, FloatArray, Gap, Reset, Status
from detector.network.bundle import Bundle, load_bundle
from detector.network.keras_lstm import KerasLstm
from detector.network.litert import LiteRt
from detector.pipeline import Conditioning, LiveNetwork, Pipeline, decision_config
from detector.resumption import identity
from detector.source.synthetic import SyntheticConfig, SyntheticEeg
from tests.signals import SIZES, cut, describe, whole

HOUR_S = 3600.0
ATOL, STATE_ATOL = 1e-5, 1e-4


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle()


@pytest.fixture(scope="module")
def engines(bundle: Bundle) -> tuple[LiteRt, KerasLstm]:
    return LiteRt(bundle), KerasLstm(bundle)


@pytest.fixture(autouse=True)
def _anew(engines: tuple[LiteRt, KerasLstm]) -> None:
    for engine in engines:
        engine.reset()


@pytest.fixture(scope="module")
def eeg() -> list[Chunk]:
    """Five minutes with two seizures, in chunks."""
    messages = SyntheticEeg(SyntheticConfig(duration_s=300, seizures=((60, 100), (200, 230)))).messages()
    return [message for message in messages if isinstance(message, Chunk)]


@pytest.fixture(scope="module")
def hour(bundle: Bundle, eeg: list[Chunk]) -> list[list[Features]]:
    """Twelve times five minutes of features, each of them otherwise."""
    conditioning = Conditioning(bundle.card, describe(MONTAGES["chb-mit-22"]))
    features = [step for chunk in eeg for step in conditioning.process(chunk)]
    rng = np.random.default_rng(0)
    return [
        [replace(f, values=f.values + rng.normal(0, 0.2, f.values.shape).astype(np.float32)) for f in features]
        for _ in range(12)
    ]


def answers(engine: LiveNetwork, features: list[Features], sizes: Iterable[int] = (10**9,)) -> FloatArray:
    """Return the probabilities of steps that come in such numbers at a time."""
    probabilities: list[float] = []
    left = features
    for size in itertools.cycle(sizes):
        probabilities += [p.value for p in engine.process(left[:size])]
        left = left[size:]
        if not left:
            return np.array(probabilities)
    raise AssertionError


def test_over_an_hour_with_resets_they_answer_alike(
    engines: tuple[LiteRt, KerasLstm], hour: list[list[Features]]
) -> None:
    said: list[FloatArray] = []
    for i, features in enumerate(hour):
        if i % 3 == 0:
            for engine in engines:
                engine.reset()
        light, full = answers(engines[0], features, (1, 7, 64, 1000)), answers(engines[1], features, (64, 3, 250))
        np.testing.assert_allclose(light, full, rtol=0, atol=ATOL)
        states = [engine.get_state() for engine in engines]
        assert [state.shape for state in states[0]] == [state.shape for state in states[1]]
        for one, other in zip(*states, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=STATE_ATOL)
        said.append(full)
    whole_hour = np.concatenate(said)
    assert len(whole_hour) > 0.98 * HOUR_S / 0.5
    assert whole_hour.min() < 0.1 < 0.9 < whole_hour.max()


def statuses(engine: LiveNetwork, bundle: Bundle, eeg: list[Chunk], size: int) -> FloatArray:
    """Return what a pipeline says about the signal in such chunks, with a gap in the middle."""
    decision = Decision(decision_config(bundle.card))
    pipeline = Pipeline(Conditioning(bundle.card, describe(MONTAGES["chb-mit-22"])), engine, decision)
    samples = np.concatenate([chunk.samples for chunk in eeg[: len(eeg) // 2]])
    half_s = len(samples) / 512

    def messages() -> Iterator[Chunk | Gap]:
        n = len(samples) // 2
        yield from cut(whole(samples[:n]), size)
        yield Gap(half_s, half_s + 5.0, Reset.GAP)
        yield from cut(whole(samples[n:], start_s=half_s + 5.0), size)

    said = [status for message in messages() for status in pipeline.process(message) if isinstance(status, Status)]
    return np.array([status.probability for status in said])


@pytest.mark.parametrize("size", [*SIZES, 10**9])
def test_they_answer_alike_whatever_the_size_of_the_chunks(
    engines: tuple[LiteRt, KerasLstm], bundle: Bundle, eeg: list[Chunk], size: int
) -> None:
    light, full = statuses(engines[0], bundle, eeg, size), statuses(engines[1], bundle, eeg, 10**9)
    assert len(full) > 250
    assert np.nanmax(full) > 0.9
    np.testing.assert_allclose(light, full, rtol=0, atol=ATOL, equal_nan=True)


@pytest.mark.parametrize("first", [0, 1])
def test_one_goes_on_with_what_the_other_has_written_down(
    engines: tuple[LiteRt, KerasLstm], hour: list[list[Features]], first: int
) -> None:
    one, other = engines[first], engines[1 - first]
    before, after = hour[0][:150], hour[0][150:300]  # in the middle of a seizure
    answers(one, before)
    kept = decoded(Checkpoint({}, 0.0, "", 0, {}, {"state": one.get_state()}).encoded()).pipeline["state"]
    other.set_state(kept)
    found, expected = answers(other, after), answers(one, after)
    np.testing.assert_allclose(found, expected, rtol=0, atol=ATOL)
    other.reset()
    assert np.abs(answers(other, after) - expected).max() > 1e-3, "there was nothing to go on with"


def test_a_checkpoint_names_the_model_and_not_the_engine(bundle: Bundle, engines: tuple[LiteRt, KerasLstm]) -> None:
    """So that a bed that is started again with the other engine goes on with its session."""
    description, decision = describe(MONTAGES["chb-mit-22"]), decision_config(bundle.card)
    bed = {"bed": {"name": "b"}, "source": {"source_id": "s"}}
    configs = [make_config({**bed, "model": {"engine": name}}) for name in ("litert", "tensorflow")]
    names = [
        identity(Loaded(configs[i], bundle, engines[i], decision), description, "boot") for i in range(len(configs))
    ]
    assert names[0] == names[1]
    assert names[0]["hash of the network"] == bundle.sha256


def test_a_bed_with_the_light_engine_imports_neither_tensorflow_nor_scipy(tmp_path: Path) -> None:
    config = tmp_path / "bed.toml"
    config.write_text('[bed]\nname = "light"\n[source]\nsource_id = "none"\n[model]\nengine = "litert"\n')
    program = f"""
import sys
from pathlib import Path
import numpy as np
from detector.config import load_config
from detector.messages import Chunk, Description
from detector.decision import Decision
from detector.pipeline import Conditioning, Pipeline
from detector.service import Service

config = load_config(Path({str(config)!r}))
service = Service(config)
loaded = service._loaded
card, n, rate_hz = loaded.bundle.card, 20 * 500, 500.0
description = Description(card.derivations, rate_hz, (1.0,) * 22, ("microvolts",) * 22)
pipeline = Pipeline(Conditioning(card, description), loaded.network, Decision(loaded.decision))
samples = np.random.default_rng(0).normal(0, 30, (n, 22)).astype(np.float32)
print(len(list(pipeline.process(Chunk(samples, np.arange(n) / rate_hz)))))
print([name for name in sys.modules if name.partition(".")[0] in ("tensorflow", "keras", "jax", "h5py", "scipy")])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    said, heavy = done.stdout.splitlines()
    assert int(said) > 30
    assert heavy == "[]"
    assert done.stderr == ""
