"""The light network is made of the same weights, checked against the other one, and there as a whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detector.errors import BundleError
from detector.network.bundle import LIGHT_FILE, Bundle, load_bundle
from detector.network.keras_tensorflow import keras
from detector.network.litert import LiteRt
from detector.training.light import convert, lighten
from tests.bundles import N_FEATURES, make_bundle, tiny_bundle

# Keras 3.15 under numpy 2.4, when weights are saved.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

layers = keras.layers


def test_the_same_network_gives_the_same_file() -> None:
    path = load_bundle().folder / "model.keras"
    assert convert(path) == convert(path)


def test_nothing_of_the_bundle_changes_but_the_files_that_its_card_names(tmp_path: Path) -> None:
    before = tiny_bundle(tmp_path)
    after = lighten(before)
    assert after.card.model_copy(update={"files": before.card.files}) == before.card
    assert after.sha256 == before.sha256
    assert sorted(path.name for path in after.folder.iterdir()) == ["card.toml", "model.keras", LIGHT_FILE]


@pytest.mark.parametrize(
    "inner",
    [
        lambda: [layers.GRU(3, stateful=True, return_sequences=True)],
        lambda: [
            layers.LSTM(3, stateful=True, return_sequences=True),
            layers.SimpleRNN(4, stateful=True, return_sequences=True),
        ],
        lambda: [keras.Sequential([layers.LSTM(3, stateful=True, return_sequences=True)])],
    ],
    ids=["gru", "two-layers", "nested"],
)
def test_any_network_that_can_be_served_can_be_made_light(tmp_path: Path, inner: Callable[[], list[Any]]) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input(batch_shape=(1, None, N_FEATURES)), *inner(), layers.Dense(1, activation="sigmoid")]
    )
    LiteRt(lighten(load_bundle(str(make_bundle(tmp_path, model=model)))))


def unchanged(bundle: Bundle) -> bool:
    return load_bundle(str(bundle.folder)).card == bundle.card and not (bundle.folder / LIGHT_FILE).exists()


def test_one_that_answers_otherwise_is_not_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, other = tiny_bundle(tmp_path / "a"), tiny_bundle(tmp_path / "b")
    keras.utils.set_random_seed(0)
    model = keras.models.load_model(other.folder / "model.keras", compile=False)
    model.layers[-1].set_weights([weights * 1.001 for weights in model.layers[-1].get_weights()])
    model.save(tmp_path / "other.keras")
    wrong = convert(tmp_path / "other.keras")
    monkeypatch.setattr("detector.training.light.convert", lambda _: wrong)
    with pytest.raises(BundleError, match=r"answer a test signal with probabilities that differ by .*at most 1e-05"):
        lighten(bundle)
    assert unchanged(bundle)


def test_a_bundle_that_cannot_be_written_to_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tiny_bundle(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(BundleError, match=r"model\.tflite cannot be added: No space left on device"):
        lighten(bundle)
    assert unchanged(bundle)


def test_one_for_review_has_no_step_to_be_made_light(tmp_path: Path) -> None:
    bundle = load_bundle(str(make_bundle(tmp_path, changes={"direction": 'direction = "bidirectional"'})))
    with pytest.raises(BundleError, match="offline review only"):
        lighten(bundle)
