"""Offline review: a network that reads both ways answers when the session is over, and only where it was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.cli import main
from detector.errors import BundleError, StateError
from detector.messages import Features
from detector.network.bundle import Bundle, load_bundle
from detector.network.keras_review import KerasReview
from detector.network.keras_tensorflow import keras
from detector.scoring import score
from detector.source.synthetic import SyntheticConfig, SyntheticEeg
from tests.bundles import N_FEATURES, make_bundle, tiny_model
from tests.synthetic_edf import rows, write_edf

# Keras, when it saves the bundle that is tested with.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

BIDIRECTIONAL = {"direction": 'direction = "bidirectional"'}


def _both_ways() -> Any:
    """Return `tiny_model` read both ways: the mean of what it says forwards and backwards."""
    one_way = tiny_model()
    lstm, head = one_way.layers
    both = keras.layers.Bidirectional(keras.layers.LSTM(lstm.units, return_sequences=True), merge_mode="ave")
    model = keras.Sequential(
        [keras.Input(batch_shape=(1, None, N_FEATURES)), both, keras.layers.Dense(1, activation="sigmoid")]
    )
    both.set_weights([*lstm.get_weights(), *lstm.get_weights()])
    model.layers[-1].set_weights(head.get_weights())
    return model


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("review")
    return load_bundle(str(make_bundle(folder, model=_both_ways(), changes=BIDIRECTIONAL)))


def _steps(n: int, seed: int) -> list[Features]:
    values = np.random.default_rng(seed).standard_normal((n, N_FEATURES)).astype(np.float32)
    return [Features(row, np.ones(22, dtype=bool), 0.5 * i, missing=i) for i, row in enumerate(values)]


def test_nothing_is_said_before_the_end_and_then_each_step_sees_those_after_it(bundle: Bundle) -> None:
    engine, steps = KerasReview(bundle), _steps(20, 0)
    assert engine.process(steps[:7]) == engine.process(steps[7:]) == []
    whole = engine.finish()
    assert [(p.end_s, p.missing) for p in whole] == [(s.end_s, s.missing) for s in steps]
    assert engine.finish() == []
    engine.process(steps[:19])
    shorter = engine.finish()
    assert abs(whole[18].value - shorter[18].value) > 1e-4


def test_a_session_knows_nothing_of_the_one_before(bundle: Bundle) -> None:
    engine = KerasReview(bundle)
    engine.process(_steps(20, 0))
    first = engine.finish()
    engine.process(_steps(9, 1))
    engine.reset()
    engine.process(_steps(20, 0))
    assert [p.value for p in engine.finish()] == [p.value for p in first]


def test_an_input_that_is_not_finite_is_an_error(bundle: Bundle) -> None:
    engine = KerasReview(bundle)
    engine.process([Features(np.full(N_FEATURES, np.nan, dtype=np.float32), np.ones(22, dtype=bool), 0.0)])
    with pytest.raises(StateError, match="not finite"):
        engine.finish()


def test_a_network_that_reads_one_way_only_is_refused(tmp_path: Path) -> None:
    one_way = load_bundle(str(make_bundle(tmp_path, changes=BIDIRECTIONAL)))
    with pytest.raises(BundleError, match="does not read both ways"):
        KerasReview(one_way)


@pytest.mark.parametrize("chunk_samples", [7, 1000, 100_000])
def test_a_seizure_is_reviewed_and_the_cut_of_the_input_changes_nothing(bundle: Bundle, chunk_samples: int) -> None:
    eeg = SyntheticEeg(SyntheticConfig(duration_s=70.0, seizures=((25.0, 45.0),)))
    found = score(eeg, bundle, KerasReview(bundle), chunk_samples=chunk_samples)
    assert len(found.events) == 1
    # Somewhere in the seizure: this network is the mean of one that comes late and one that leaves early.
    assert 25 < found.events[0].onset_s < 45
    reference = score(eeg, bundle, KerasReview(bundle))
    assert found.events == reference.events
    assert [step.time_s for step in found.steps] == [step.time_s for step in reference.steps]


def test_score_reviews_only_when_asked_to(bundle: Bundle, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_edf(tmp_path / "seizure.edf", 60, (20.0, 40.0))
    causal = make_bundle(tmp_path / "causal")
    for folder, extra, code, said in (
        (bundle.folder, [], 64, "add --review"),
        (causal, ["--review"], 64, "leave it out"),
        (bundle.folder, ["--review", "--engine", "litert"], 64, "runs on tensorflow only"),
        (bundle.folder, ["--review"], 0, ""),
    ):
        with pytest.raises(SystemExit) as left:
            main(["score", "--bundle", str(folder), *extra, str(tmp_path / "seizure.edf")])
        printed = capfd.readouterr()
        assert left.value.code == code, printed.err
        assert said in printed.err
    assert [row["eventType"] for row in rows(printed.out)] == ["bckg", "sz", "bckg"]
