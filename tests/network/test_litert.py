"""The light engine notices what cannot be right, and refuses files that are not a step of its bundle's network.

That it answers as the other engine does, and remembers and forgets, is in ``tests/contract``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.errors import BundleError, StateError
from detector.messages import Features, FloatArray
from detector.network.bundle import LIGHT_FILE, Bundle, load_bundle, sha256_of
from detector.network.keras_tensorflow import keras
from detector.network.litert import LiteRt
from detector.training.light import convert
from tests.bundles import N_FEATURES, light_bundle, make_bundle, tiny_model

# Keras 3.15 under numpy 2.4, when weights are saved or copied.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

GOOD = np.ones(22, dtype=bool)
layers = keras.layers


def features(n: int, seed: int = 0) -> list[Features]:
    values = np.random.default_rng(seed).normal(0, 1, (n, N_FEATURES)).astype(np.float32)
    return [Features(row, GOOD, float(i), missing=i) for i, row in enumerate(values)]


def values(network: LiteRt, steps: list[Features]) -> FloatArray:
    return np.array([p.value for p in network.process(steps)], dtype=np.float32)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return light_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def network(bundle: Bundle) -> LiteRt:
    return LiteRt(bundle)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("n", [1, 40])
def test_an_input_that_is_not_finite_raises_and_a_reset_makes_it_as_new(network: LiteRt, value: float, n: int) -> None:
    fresh = values(network, features(50))
    spoilt = features(n)
    spoilt[n // 2].values[3] = value
    with pytest.raises(StateError, match="input is not finite"):
        network.process(spoilt)
    network.reset()
    np.testing.assert_array_equal(values(network, features(50)), fresh)


@pytest.mark.parametrize(("which", "value"), [(0, np.nan), (1, np.nan), (1, np.inf)])
def test_a_poisoned_state_is_noticed_at_the_next_step_and_forgotten_by_reset(
    network: LiteRt, which: int, value: float
) -> None:
    fresh = values(network, features(50))
    # The unit that the output does not depend on; an infinite memory leaves even that unit's output finite.
    network._states[which] = np.array([[0.0, value]], dtype=np.float32)
    with pytest.raises(StateError, match="must be reset"):
        network.process(features(3))
    network.reset()
    np.testing.assert_array_equal(values(network, features(50)), fresh)


def test_an_output_that_does_not_move_any_more_is_a_fault(network: LiteRt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_step", lambda _: 0.5)
    with pytest.raises(StateError, match=r"has been 0\.5 to the bit for"):
        network.process(features(200))


def test_each_step_keeps_its_time_its_derivations_and_what_was_missing(network: LiteRt) -> None:
    steps = features(40)
    assert [(p.end_s, p.good is GOOD, p.missing) for p in network.process(steps)] == [
        (float(i), True, i) for i in range(40)
    ]
    assert network.process([]) == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda s: s[:1], "recurrent states: 1, expected 2"),
        (lambda s: [x[:, :1] for x in s], r"recurrent state 0: float32 of shape \(1, 1\), expected float32 of shape"),
        (lambda s: [s[0], s[1] * np.nan], "recurrent state 1: not finite"),
    ],
)
def test_a_state_of_another_network_is_refused_and_changes_nothing(
    network: LiteRt, spoil: Callable[[list[FloatArray]], object], said: str
) -> None:
    values(network, features(10))
    before = network.get_state()
    with pytest.raises(StateError, match=said):
        network.set_state(spoil(before))
    np.testing.assert_array_equal(network.get_state(), before)


def test_a_saved_state_is_a_copy(network: LiteRt) -> None:
    values(network, features(10))
    kept = [state.copy() for state in network.get_state()]
    for state in network.get_state():
        state[:] = 0.0
    np.testing.assert_array_equal(network.get_state(), kept)


def with_light_file(folder: Path, data: bytes) -> Bundle:
    """Return a bundle with this as its light file, as its card says."""
    path = make_bundle(folder)
    (path / LIGHT_FILE).write_bytes(data)
    card = path / "card.toml"
    card.write_text(
        card.read_text().replace("[filters]", f'"{LIGHT_FILE}" = "{sha256_of(path / LIGHT_FILE)}"\n[filters]')
    )
    return load_bundle(str(path))


def light(folder: Path, *inner: Any, n_features: int = N_FEATURES) -> bytes:
    folder.mkdir()
    keras.Sequential([keras.Input(batch_shape=(1, None, n_features)), *inner]).save(folder / "model.keras")
    return convert(folder / "model.keras")


def lstm() -> Any:
    return layers.LSTM(2, stateful=True, return_sequences=True)


def dead_lstm() -> Any:
    """One that is 0 whatever comes, and whose bias a layer behind it may add to."""
    return layers.LSTM(2, stateful=True, return_sequences=True, kernel_initializer="zeros", use_bias=False)


@pytest.mark.parametrize(
    ("inner", "n_features", "said"),
    [
        (lambda: (lstm(), layers.Dense(1, activation="sigmoid")), 5, rf"takes .*\(1, 1, 5\).* ask for .*{N_FEATURES}"),
        (lambda: (layers.Dense(1, activation="sigmoid"),), N_FEATURES, "the same states out"),
        (lambda: (lstm(), layers.Dense(1)), N_FEATURES, r"expected probabilities in 0\.\.1"),
        (lambda: (dead_lstm(), layers.Dense(1, activation="sigmoid")), N_FEATURES, "0.5 all the time"),
    ],
)
def test_a_file_that_is_no_step_of_the_bundles_network_is_refused(
    tmp_path: Path, inner: Callable[[], tuple[Any, ...]], n_features: int, said: str
) -> None:
    keras.utils.set_random_seed(0)
    bundle = with_light_file(tmp_path, light(tmp_path / "other", *inner(), n_features=n_features))
    with pytest.raises(BundleError, match=said) as raised:
        LiteRt(bundle)
    assert str(bundle.folder / LIGHT_FILE) in str(raised.value)


def test_a_network_whose_state_stays_0_is_refused(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    inputs = keras.Input(batch_shape=(1, None, N_FEATURES))
    outputs = layers.Dense(1, activation="sigmoid")(layers.Concatenate()([inputs, dead_lstm()(inputs)]))
    keras.Model(inputs, outputs).save(tmp_path / "model.keras")
    bundle = with_light_file(tmp_path / "bundle", convert(tmp_path / "model.keras"))
    with pytest.raises(BundleError, match="a recurrent state stays 0 on a test signal; the network remembers nothing"):
        LiteRt(bundle)


def test_a_file_with_another_signature_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.training.light.SIGNATURE", "stride")
    tiny_model().save(tmp_path / "model.keras")
    bundle = with_light_file(tmp_path / "bundle", convert(tmp_path / "model.keras"))
    with pytest.raises(BundleError, match="its signatures are stride, expected one called step"):
        LiteRt(bundle)


@pytest.mark.parametrize("keep", [0, 3, 100, 2000])
def test_a_damaged_file_whose_hash_is_right_is_no_network(tmp_path: Path, bundle: Bundle, keep: int) -> None:
    whole = (bundle.folder / LIGHT_FILE).read_bytes()
    with pytest.raises(BundleError, match="is no LiteRT network that can be loaded"):
        LiteRt(with_light_file(tmp_path, whole[:keep]))
