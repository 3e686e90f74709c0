"""The engine's state is carried, saved and forgotten exactly; a network that cannot serve a live bed is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.errors import BundleError, StateError
from detector.messages import Features, FloatArray
from detector.network.bundle import load_bundle
from detector.network.keras_lstm import KerasLstm
from detector.network.keras_tensorflow import keras
from tests.bundles import N_FEATURES, make_bundle, tiny_bundle, tiny_model, write_card

# Keras 3.15 under numpy 2.4, when weights are saved or copied.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

GOOD = np.ones(22, dtype=bool)
layers = keras.layers


def features(n: int, seed: int = 0) -> list[Features]:
    values = np.random.default_rng(seed).normal(0, 1, (n, N_FEATURES)).astype(np.float32)
    return [Features(row, GOOD, float(i), missing=i) for i, row in enumerate(values)]


def values(network: KerasLstm, steps: Sequence[Features], size: int = 10**6) -> FloatArray:
    out = [p.value for i in range(0, len(steps), size) for p in network.process(list(steps[i : i + size]))]
    return np.array(out, dtype=np.float32)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> KerasLstm:
    return KerasLstm(tiny_bundle(tmp_path_factory.mktemp("bundle")))


@pytest.fixture(autouse=True)
def _anew(network: KerasLstm) -> None:
    network.reset()


def test_many_steps_in_one_call_equal_single_steps(network: KerasLstm) -> None:
    steps = features(600)
    together = values(network, steps)  # calls of 512, 32 and 1
    network.reset()
    np.testing.assert_allclose(values(network, steps, 1), together, atol=1e-5)
    assert together.std() > 0.01


def test_stateful_step_by_step_equals_a_stateless_whole_recording(network: KerasLstm) -> None:
    stateless = keras.Sequential(
        [
            keras.Input(batch_shape=(1, None, N_FEATURES)),
            layers.LSTM(2, return_sequences=True),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    stateless.set_weights(tiny_model().get_weights())
    steps = features(100)
    expected = np.array(stateless(np.stack([f.values for f in steps])[None], training=False))[0, :, 0]
    np.testing.assert_allclose(values(network, steps, 7), expected, atol=1e-5)
    assert expected.std() > 0.01


def test_the_state_is_carried_from_call_to_call(network: KerasLstm) -> None:
    steps = features(40)
    after = values(network, steps)[-1]
    network.reset()
    assert abs(values(network, steps[-1:])[0] - after) > 1e-3


def test_reset_makes_it_as_new(network: KerasLstm) -> None:
    fresh = values(network, features(50))
    network.reset()
    np.testing.assert_array_equal(values(network, features(50)), fresh)


def test_a_state_that_was_saved_goes_on_where_it_was(network: KerasLstm) -> None:
    steps = features(60)
    values(network, steps[:30])
    saved = network.get_state()
    assert all(state.any() for state in saved)
    expected = values(network, steps[30:])
    network.reset()
    network.set_state(saved)
    np.testing.assert_array_equal(values(network, steps[30:]), expected)


def test_a_saved_state_is_a_copy(network: KerasLstm) -> None:
    values(network, features(10))
    saved = network.get_state()
    kept = [state.copy() for state in saved]
    values(network, features(10, seed=1))
    np.testing.assert_array_equal(saved, kept)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda s: s[:1], "recurrent states: 1, expected 2"),
        (lambda s: None, "recurrent states: NoneType, expected 2"),
        (lambda s: [x[:, :1] for x in s], r"recurrent state 0: float32 of shape \(1, 1\), expected float32 of shape"),
        (lambda s: [s[0], s[1] * np.nan], "recurrent state 1: not finite"),
    ],
)
def test_a_state_of_another_network_is_refused_and_changes_nothing(
    network: KerasLstm, spoil: Callable[[list[FloatArray]], object], said: str
) -> None:
    values(network, features(10))
    before = network.get_state()
    with pytest.raises(StateError, match=said):
        network.set_state(spoil(before))
    np.testing.assert_array_equal(network.get_state(), before)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("n", [1, 40])
def test_an_input_that_is_not_finite_raises_and_a_reset_makes_it_as_new(
    network: KerasLstm, value: float, n: int
) -> None:
    fresh = values(network, features(50))
    spoilt = features(n)
    spoilt[n // 2].values[3] = value
    with pytest.raises(StateError, match="input is not finite"):
        network.process(spoilt)
    network.reset()
    np.testing.assert_array_equal(values(network, features(50)), fresh)


@pytest.mark.parametrize("n", [1, 32])
@pytest.mark.parametrize(("which", "value"), [(0, np.nan), (1, np.nan), (1, np.inf)])
def test_a_poisoned_state_is_noticed_at_the_next_step_and_forgotten_by_reset(
    network: KerasLstm, n: int, which: int, value: float
) -> None:
    fresh = values(network, features(50))
    # The unit that the output does not depend on; an infinite memory leaves even that unit's output finite.
    poison = np.array([[0.0, value]], dtype=np.float32)
    network._recurrent[0].states[which].assign(poison)
    with pytest.raises(StateError, match="must be reset"):
        network.process(features(n))
    network.reset()
    np.testing.assert_array_equal(values(network, features(50)), fresh)


def test_an_output_that_does_not_move_any_more_is_a_fault(tmp_path: Path) -> None:
    network = KerasLstm(tiny_bundle(tmp_path))
    network._model.layers[-1].set_weights([np.zeros((2, 1), np.float32), np.zeros(1, np.float32)])
    with pytest.raises(StateError, match=r"has been 0\.5 to the bit for"):
        network.process(features(200))


def test_each_step_keeps_its_time_its_derivations_and_what_was_missing(network: KerasLstm) -> None:
    steps = features(40)
    assert [(p.end_s, p.good is GOOD, p.missing) for p in network.process(steps)] == [
        (float(i), True, i) for i in range(40)
    ]
    assert network.process([]) == []


def test_the_file_is_loaded_once_and_nothing_is_traced_at_a_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[object] = []
    load_model = keras.models.load_model

    def counted(*args: Any, **options: Any) -> Any:
        loaded.append(args)
        return load_model(*args, **options)

    monkeypatch.setattr(keras.models, "load_model", counted)
    network = KerasLstm(tiny_bundle(tmp_path))
    traced: list[object] = []
    monkeypatch.setattr(type(network._model), "__call__", lambda *a, **k: traced.append(a))
    values(network, features(600))
    network.reset()
    values(network, features(3), 1)
    assert len(loaded) == 1
    assert traced == []


def sequential(*inner: Any, shape: tuple[int | None, ...] = (1, None, N_FEATURES)) -> Any:
    return keras.Sequential([keras.Input(batch_shape=shape), *inner])


def lstm(units: int = 2, **options: Any) -> Any:
    return layers.LSTM(units, **{"stateful": True, "return_sequences": True, **options})


def sigmoid() -> Any:
    return layers.Dense(1, activation="sigmoid")


def nested(*inner: Any) -> Any:
    return sequential(keras.Sequential([keras.Sequential(list(inner))]), sigmoid())


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: sequential(lstm(), layers.Dense(2)), r"to \(1, None, 2\), the card's features ask for"),
    (lambda: sequential(lstm(), sigmoid(), shape=(1, None, 22)), r"maps \(1, None, 22\) to"),
    (lambda: sequential(lstm(), sigmoid(), shape=(2, None, N_FEATURES)), r"maps \(2, None"),
    (lambda: sequential(lstm(), sigmoid(), shape=(1, 9, N_FEATURES)), r"maps \(1, 9"),
    (lambda: sequential(lstm(stateful=False), sigmoid()), "expected recurrent layers with stateful=True"),
    (lambda: nested(lstm(stateful=False)), "expected recurrent layers with stateful=True"),
    (lambda: sequential(lstm(), lstm(stateful=False), sigmoid()), "expected recurrent layers with stateful=True"),
    (lambda: sequential(sigmoid()), "expected recurrent layers"),
    (lambda: sequential(layers.Bidirectional(lstm()), sigmoid()), "it is bidirectional, whatever its card says"),
    (lambda: nested(layers.Bidirectional(lstm())), "it is bidirectional, whatever its card says"),
    (lambda: sequential(lstm(go_backwards=True), sigmoid()), "a step sees the future"),
    (lambda: sequential(layers.Conv1D(8, 5, padding="same"), lstm(), sigmoid()), "a step sees the future"),
    (lambda: sequential(layers.Conv1D(8, 5, padding="causal"), lstm(), sigmoid()), "state of a layer is not kept"),
    (lambda: sequential(lstm(), layers.Dense(1, bias_initializer="ones", activation="exponential")), "in 0..1"),
    (lambda: sequential(lstm(), layers.Dense(1, "sigmoid", kernel_initializer="zeros")), "is 0.5 all the time"),
]


@pytest.mark.parametrize(("make", "said"), REFUSED)
def test_a_network_that_cannot_serve_a_live_bed_is_refused(tmp_path: Path, make: Callable[[], Any], said: str) -> None:
    keras.utils.set_random_seed(0)
    bundle = load_bundle(str(make_bundle(tmp_path, model=make())))
    with pytest.raises(BundleError, match=said) as raised:
        KerasLstm(bundle)
    assert str(bundle.folder / "model.keras") in str(raised.value)


def test_a_network_with_code_of_its_own_is_not_run(tmp_path: Path) -> None:
    model = sequential(lstm(), layers.Lambda(lambda x: x * 1.0), sigmoid())
    with pytest.raises(BundleError, match="is no Keras network that can be loaded"):
        KerasLstm(load_bundle(str(make_bundle(tmp_path, model=model))))


def test_recurrent_layers_of_a_nested_model_are_carried_and_reset(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    nested_network = KerasLstm(load_bundle(str(make_bundle(tmp_path, model=nested(lstm(3), lstm(4))))))
    steps = features(40)
    fresh = values(nested_network, steps)
    assert sorted(state.shape for state in nested_network.get_state()) == [(1, 3), (1, 3), (1, 4), (1, 4)]
    nested_network.reset()
    assert not any(state.any() for state in nested_network.get_state())
    np.testing.assert_allclose(values(nested_network, steps, 1), fresh, atol=1e-5)


def test_a_card_of_another_number_of_parameters_is_refused(tmp_path: Path) -> None:
    path = make_bundle(tmp_path, changes={"parameters": "parameters = 9"})
    with pytest.raises(BundleError, match=r"it has \d+ parameters, the card says 9"):
        KerasLstm(load_bundle(str(path)))


def test_a_bidirectional_card_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    path = make_bundle(tmp_path, changes={"direction": 'direction = "bidirectional"'})
    (path / "model.keras").write_bytes(b"broken")
    write_card(path, parameters=1, changes={"direction": 'direction = "bidirectional"'})
    with pytest.raises(BundleError, match="offline review only"):
        KerasLstm(load_bundle(str(path)))


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_file_is_a_bundle_error_whatever_is_damaged(tmp_path: Path, seed: int) -> None:
    path = make_bundle(tmp_path)
    data = bytearray((path / "model.keras").read_bytes())
    rng = np.random.default_rng(seed)
    if seed % 3 == 0:
        data = data[: int(rng.integers(0, len(data) - 1))]
    else:
        where = rng.integers(0, len(data), 30)
        for i in where:
            data[i] ^= 0xFF
    (path / "model.keras").write_bytes(data)
    write_card(path, parameters=tiny_model().count_params())
    with pytest.raises(BundleError) as raised:
        KerasLstm(load_bundle(str(path)))
    assert str(path / "model.keras") in str(raised.value)
