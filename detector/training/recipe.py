"""What is chosen before training: how the signal is conditioned and how long and how hard the network is trained."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from detector.errors import UsageError, nearest
from detector.network.bundle import FORMAT, Card, CardDecision, CardFeatures, CardFilters, CardRhythm
from detector.training.clips import MONTAGE


@dataclass(frozen=True)
class Recipe:
    """Every figure here was chosen by cross-validation over persons, see ``models/experiments.md``.

    Parameters
    ----------
    frame_samples
        Frame length at 256 Hz; the hop is 128, half a second.
    power_samples
        The newest part of a frame that the band powers are taken from; the rhythm needs all of it.
    baseline_s
        Time constant of the features' slow baseline.
    rhythm
        Whether it looks at the rhythm beside the band powers.
    rhythm_band_hz, rhythm_repeats_hz
        See `detector.conditioning.rhythm`.
    from_level
        See `detector.conditioning.bands`.
    members
        Networks that are trained side by side and averaged; each has random weights of its own.
    channel_units, recurrent_units
        Of each member.
    dropout
        Share of the pooled channel features that a training step does not see.
    lanes, chunk_steps
        Sessions side by side, and steps between two updates of the weights.
    look_back, batch_windows
        Of the method ``windowed``: steps of a window, and windows in one update.
    batch_recordings
        Of the method ``padded``: recordings in one update.
    jit
        Whether the update is compiled by XLA: faster, at some seconds for each shape, and with other rounding. JAX
        always does.
    learning_rate
        At the start; it falls to 0 along half a cosine.
    balance
        0 counts every step alike, 1 every person; between, rare persons are raised in part.
    early_weight
        How much the steps of a seizure's first ten seconds count.
    versions
        Different compositions of the sessions that the passes take turns in.
    """

    frame_samples: int = 512
    power_samples: int = 256
    bands_hz: tuple[tuple[float, float], ...] = (
        (0.5, 2.0), (2.0, 4.0), (4.0, 6.0), (6.0, 8.0), (8.0, 12.0), (12.0, 18.0), (18.0, 25.0), (25.0, 40.0),
    )  # fmt: skip
    baseline_s: float = 120.0
    rhythm: bool = True
    rhythm_band_hz: tuple[float, float] = (1.0, 12.0)
    rhythm_repeats_hz: tuple[float, float] = (1.5, 10.0)
    from_level: bool = False
    members: int = 5
    channel_units: int = 24
    recurrent_units: int = 32
    dropout: float = 0.3
    lanes: int = 24
    chunk_steps: int = 50
    look_back: int = 60
    batch_windows: int = 256
    batch_recordings: int = 8
    jit: bool = False
    learning_rate: float = 2e-3
    balance: float = 0.5
    early_weight: float = 2.0
    versions: int = 4


def changed(recipe: Recipe, changes: Iterable[str]) -> Recipe:
    """Return the recipe with each ``key=value`` of ``changes``.

    Raises
    ------
    UsageError
        When a key is not one of the recipe's, or its value is of another kind than the recipe's own.
    """
    names = [field.name for field in fields(Recipe)]
    for change in changes:
        key, _, text = change.partition("=")
        if key not in names:
            raise UsageError(f"--set {change}: expected one of {', '.join(names)}{nearest(key, names)}")
        own = getattr(recipe, key)
        value: Any
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            value = None
        value = float(value) if isinstance(own, float) and type(value) is int else value
        if type(value) is not type(own):
            raise UsageError(f"--set {change}: expected a value like {own!r}")
        departure: dict[str, Any] = {key: value}
        recipe = replace(recipe, **departure)
    return recipe


def recipe_of(table: Mapping[str, Any]) -> Recipe:
    """Return the recipe that a card or a run folder tells of."""
    values = {key: _hashable(value) for key, value in table.items()}
    return Recipe(**values)


def _hashable(value: Any) -> Any:
    return tuple(_hashable(entry) for entry in value) if isinstance(value, list | tuple) else value


def card_of(recipe: Recipe) -> Card:
    """Return the card that the network of this recipe begins with; shipping fills in what is measured."""
    rhythm = CardRhythm(band_hz=recipe.rhythm_band_hz, repeats_hz=recipe.rhythm_repeats_hz)
    return Card(
        format=FORMAT,
        id="untrained",
        created="",
        direction="causal",
        parameters=1,
        montage=MONTAGE,
        min_derivations=12,
        rate_hz=256.0,
        frame_samples=recipe.frame_samples,
        hop_samples=128,
        files={},
        filters=CardFilters(highpass_hz=0.5, clip_uv=2000.0),
        features=CardFeatures(
            bands_hz=recipe.bands_hz,
            baseline_s=recipe.baseline_s,
            power_samples=recipe.power_samples,
            rhythm=rhythm if recipe.rhythm else None,
            from_level=recipe.from_level,
        ),
        decision=CardDecision(
            smoothing_s=2.0,
            onset_threshold=0.6,
            offset_threshold=0.4,
            onset_hold_s=1.0,
            offset_hold_s=5.0,
            refractory_s=0.0,
            warm_up_s=10.0,
        ),
        data=(),
        figures={},
        limits=(),
    )
