"""A small real bundle, made in a moment: its network has weights set by hand and says seizure when power rises."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from detector.conditioning.montage import MONTAGES
from detector.network.bundle import Bundle, load_bundle, sha256_of

BANDS_HZ = ((1.0, 4.0), (4.0, 8.0), (8.0, 13.0), (13.0, 30.0))
PER_DERIVATION = 2 * len(BANDS_HZ) + 1
N_FEATURES = 22 * PER_DERIVATION
UNITS = 2
# A rhythm of 3 to 6 Hz that is ten times as loud as the baseline has a relative log power of 2 in a band.
_RISE = 0.45


def make_bundle(
    folder: Path, *, model: Any = None, changes: dict[str, str] | None = None, montage: str = "chb-mit-22"
) -> Path:
    """Write ``folder/tiny-1`` and return it.

    Parameters
    ----------
    model
        Another Keras network to be saved; by default `tiny_model`.
    changes
        Lines of the card, by the text that they begin with, and what they are instead.
    """
    path = folder / "tiny-1"
    path.mkdir(parents=True)
    model = model or tiny_model()
    with warnings.catch_warnings():
        # Keras 3.15 under numpy 2.4.
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        model.save(path / "model.keras")
    write_card(path, parameters=model.count_params(), changes=changes, montage=montage)
    return path


def write_card(
    path: Path, *, parameters: int, changes: dict[str, str] | None = None, montage: str = "chb-mit-22"
) -> None:
    """Write the card of the network that stands in ``path``, with its hash."""
    lines = f"""format = 1
id = "{path.name}"
created = "2026-11-23"
direction = "causal"
parameters = {parameters}
montage = "{montage}"
min_derivations = 16
rate_hz = 256.0
frame_samples = 512
hop_samples = 256
limits = ["made by hand for tests"]
[files]
"model.keras" = "{sha256_of(path / "model.keras")}"
[filters]
highpass_hz = 0.5
clip_uv = 800.0
[features]
bands_hz = {[list(band) for band in BANDS_HZ]}
baseline_s = 120.0
[decision]
smoothing_s = 2.0
onset_threshold = 0.6
offset_threshold = 0.4
onset_hold_s = 2.0
offset_hold_s = 4.0
refractory_s = 10.0
warm_up_s = 10.0
[[data]]
name = "none"
licence = "none"
attribution = "none"
persons = []
[figures]
""".splitlines()
    for start, line in (changes or {}).items():
        matching = [i for i, old in enumerate(lines) if old.startswith(start)]
        assert len(matching) == 1, f"{start!r} begins {len(matching)} lines"
        lines[matching[0]] = line
    (path / "card.toml").write_text("\n".join(lines), encoding="utf-8")


def tiny_bundle(folder: Path) -> Bundle:
    """Return the checked bundle."""
    return load_bundle(str(make_bundle(folder)))


def light_bundle(folder: Path) -> Bundle:
    """Return the checked bundle, with the network for the light engine."""
    from detector.training.light import lighten

    return lighten(tiny_bundle(folder))


def tiny_model() -> Any:
    """Return a stateful LSTM whose first unit leaks towards the mean relative power of the two lower bands."""
    from detector.network.keras_tensorflow import keras

    lstm = keras.layers.LSTM(UNITS, stateful=True, return_sequences=True)
    model = keras.Sequential(
        [keras.Input(batch_shape=(1, None, N_FEATURES)), lstm, keras.layers.Dense(1, activation="sigmoid")]
    )
    kernel = np.zeros((N_FEATURES, 4, UNITS), dtype=np.float32)  # gates: input, forget, cell, output
    for derivation in range(len(MONTAGES["chb-mit-22"])):
        relative = derivation * PER_DERIVATION + len(BANDS_HZ)
        kernel[relative : relative + 2, 2, 0] = 1 / 44
        kernel[derivation * PER_DERIVATION, 2, 1] = 0.02  # so that the second unit's state moves too
    bias = np.zeros((4, UNITS), dtype=np.float32)
    bias[0], bias[1], bias[2, 0], bias[3] = 2.0, -1.0, -_RISE, 4.0
    recurrent = np.zeros((UNITS, 4 * UNITS), dtype=np.float32)
    lstm.set_weights([kernel.reshape(N_FEATURES, -1), recurrent, bias.reshape(-1)])
    model.layers[-1].set_weights([np.array([[8.0], [0.0]], dtype=np.float32), np.array([0.0], dtype=np.float32)])
    return model
