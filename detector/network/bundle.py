"""A bundle: the folder ``models/<id>`` with ``card.toml`` and the network's files, immutable once made.

The card says how the signal was conditioned, how probabilities are decided upon, what the network was trained and
measured on, and what it cannot do. A bundle whose files do not have the hashes in the card is refused.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field
from pydantic_core import ErrorDetails

from detector.conditioning.montage import MONTAGES
from detector.errors import BundleError, nearest

DEFAULT_BUNDLE = "chb-lstm-2"
LIGHT_FILE = "model.tflite"  # the same network for the light engine; a bundle may have it
FORMAT = 1


class _Section(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CardFilters(_Section):
    """Filters at the source's rate; frequencies in Hz."""

    highpass_hz: Annotated[float, Field(gt=0, le=5)]
    clip_uv: Annotated[float, Field(ge=200, le=10000)]
    lowpass_hz: Annotated[float, Field(gt=5)] | None = None
    notch_hz: tuple[float, ...] = ()


class CardRhythm(_Section):
    """What counts as a rhythm: the part of the spectrum, and the slowest and fastest repetition, in Hz."""

    band_hz: tuple[Annotated[float, Field(gt=0)], float]
    repeats_hz: tuple[Annotated[float, Field(gt=0)], float]


class CardFeatures(_Section):
    """What the network sees of a frame; a card without ``power_samples`` takes the powers from all of it."""

    bands_hz: Annotated[tuple[tuple[float, float], ...], Field(min_length=1)]
    baseline_s: Annotated[float, Field(gt=0)]
    power_samples: Annotated[int, Field(gt=0)] | None = None
    rhythm: CardRhythm | None = None
    from_level: bool = False


class CardDecision(_Section):
    """How the probabilities of this network are decided upon; seconds, and ``caution`` in log odds."""

    smoothing_s: Annotated[float, Field(ge=0, le=60)]
    onset_threshold: Annotated[float, Field(gt=0, le=1)]
    offset_threshold: Annotated[float, Field(gt=0, le=1)]
    onset_hold_s: Annotated[float, Field(ge=0, le=60)]
    offset_hold_s: Annotated[float, Field(ge=0, le=120)]
    refractory_s: Annotated[float, Field(ge=0, le=600)]
    warm_up_s: Annotated[float, Field(ge=0, le=600)]
    poor_seizure_s: Annotated[float, Field(ge=0, le=300)] = 30.0
    caution: Annotated[float, Field(ge=0, le=10)] = 0.0
    caution_s: Annotated[float, Field(ge=1, le=3600)] = 60.0

    @pydantic.model_validator(mode="after")
    def _ordered(self) -> CardDecision:
        if self.offset_threshold > self.onset_threshold:
            raise ValueError(
                f"offset_threshold {self.offset_threshold} is above onset_threshold {self.onset_threshold}"
            )
        return self


class CardData(_Section):
    """A data set that the network was trained on."""

    name: str
    licence: str
    attribution: str
    persons: tuple[str, ...]


class Card(_Section):
    """``card.toml``, validated.

    ``training`` says how the network was made, in the words of `detector.training`; ``parent`` is the bundle that it
    was calibrated from, as its id and the hash of its network.
    """

    format: Literal[1]
    id: str
    created: str
    direction: Literal["causal", "bidirectional"]
    parameters: Annotated[int, Field(gt=0)]
    montage: str
    min_derivations: Annotated[int, Field(ge=1)]
    rate_hz: Annotated[float, Field(ge=100, le=2048)]
    frame_samples: Annotated[int, Field(gt=0)]
    hop_samples: Annotated[int, Field(gt=0)]
    files: dict[str, str]
    filters: CardFilters
    features: CardFeatures
    decision: CardDecision
    data: tuple[CardData, ...]
    training: dict[str, Any] = {}
    parent: str | None = None
    figures: dict[str, Any]
    limits: tuple[str, ...]

    @pydantic.field_validator("montage")
    @classmethod
    def _known_montage(cls, value: str) -> str:
        if value not in MONTAGES:
            raise ValueError(f"montage {value!r}: the choices are {', '.join(MONTAGES)}")
        return value

    @pydantic.model_validator(mode="after")
    def _fits_together(self) -> Card:
        if self.hop_samples > self.frame_samples:
            raise ValueError(
                f"hop_samples {self.hop_samples} is above frame_samples {self.frame_samples}: samples between two "
                "frames would never be seen"
            )
        if self.min_derivations > len(self.derivations):
            raise ValueError(f"min_derivations {self.min_derivations}: {self.montage} has {len(self.derivations)}")
        self._features_fit()
        return self

    def _features_fit(self) -> None:
        nyquist, frame_s = self.rate_hz / 2, self.frame_samples / self.rate_hz
        rhythm, power_samples = self.features.rhythm, self.features.power_samples
        for low, high in (*self.features.bands_hz, *([rhythm.band_hz] if rhythm else [])):
            if not 0 <= low < high <= nyquist:
                raise ValueError(f"band {low:g} to {high:g} Hz: expected 0 <= low < high <= {nyquist:g} Hz")
        if power_samples is not None and power_samples > self.frame_samples:
            raise ValueError(f"power_samples {power_samples}: the frame has {self.frame_samples}")
        if rhythm and not 1.5 / frame_s <= rhythm.repeats_hz[0] < rhythm.repeats_hz[1] <= nyquist:
            slowest, fastest = rhythm.repeats_hz
            raise ValueError(
                f"a rhythm that repeats {slowest:g} to {fastest:g} times a second: in frames of {frame_s:g} s expected "
                f"{1.5 / frame_s:g} <= slowest < fastest <= {nyquist:g}"
            )

    @property
    def step_s(self) -> float:
        """Seconds between two probabilities."""
        return self.hop_samples / self.rate_hz

    @property
    def derivations(self) -> tuple[str, ...]:
        """The montage's derivations, in the network's order."""
        return MONTAGES[self.montage]


@dataclass(frozen=True)
class Bundle:
    """A card and the folder that it stands in; its files have been checked against it."""

    folder: Path
    card: Card

    @property
    def sha256(self) -> str:
        """Hash of the Keras network: the model's identity in every outlet."""
        return self.card.files["model.keras"]


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def installed_bundles() -> dict[str, Path]:
    """Return the bundles that come with the package, by id."""
    package = Path(__file__).parents[1]
    # The wheel carries them inside the package; a checkout has them beside it.
    for folder in (package / "models", package.parent / "models"):
        if found := {path.parent.name: path.parent for path in sorted(folder.glob("*/card.toml"))}:
            return found
    return {}


def load_bundle(name: str = DEFAULT_BUNDLE) -> Bundle:
    """Return the checked bundle of this id or folder.

    Parameters
    ----------
    name
        The id of an installed bundle, or a path (anything with a slash) to a bundle's folder.

    Raises
    ------
    BundleError
        When it is not there, its card is wrong, or a file's hash is not the card's.
    """
    installed = installed_bundles()
    folder = Path(name) if "/" in name else installed.get(name)
    if folder is None or not _is_there(folder / "card.toml"):
        choices = ", ".join(installed) or "none"
        raise BundleError(
            f"model bundle {name!r} is not there; installed: {choices}{nearest(name, installed)}; "
            "or give the path of a bundle's folder, with a slash in it"
        )
    path = folder / "card.toml"
    try:
        card = Card.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise BundleError(f"{path}: {error}") from error
    except pydantic.ValidationError as error:
        raise BundleError(f"{path}: {'; '.join(map(_explain, error.errors()))}") from error
    if card.id != folder.resolve().name:
        raise BundleError(f"{path}: its id is {card.id!r}, its folder {folder.resolve().name!r}; they must agree")
    if "model.keras" not in card.files:
        raise BundleError(f"{path}: [files] names no model.keras")
    for file, expected in card.files.items():
        if file in ("", "..") or Path(file).name != file:
            raise BundleError(f"{path}: file {file!r} is not a plain name inside the bundle")
        if not _is_there(folder / file):
            raise BundleError(f"{folder / file} is missing; the card lists it")
        try:
            found = sha256_of(folder / file)
        except OSError as error:
            raise BundleError(f"{folder / file} cannot be read: {error.strerror}") from error
        if found != expected:
            raise BundleError(f"{folder / file}: its SHA-256 is {found}, the card says {expected}: not the same file")
    return Bundle(folder, card)


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError) as error:  # a folder that may not be looked into, a name that can be none
        raise BundleError(f"model bundle {path.parent} cannot be looked at: {error}") from error


def _explain(error: ErrorDetails) -> str:
    """Return which key is wrong and why; for a key that does not exist, the nearest that does."""
    where = ".".join(map(str, error["loc"])) or "card"
    if error["type"] == "extra_forbidden":
        sections = (Card, CardFilters, CardFeatures, CardRhythm, CardDecision, CardData)
        known = [key for section in sections for key in section.model_fields]
        return f"{where}: there is no such key{nearest(str(error['loc'][-1]), known)}"
    return f"{where}: {error['msg']}"


def require_causal(bundle: Bundle) -> None:
    """Refuse a network that looks into the future.

    Raises
    ------
    BundleError
        When the card says bidirectional.
    """
    if bundle.card.direction != "causal":
        raise BundleError(
            f"bundle {bundle.card.id!r} is {bundle.card.direction}: it needs the whole recording and is for offline "
            "review only; a live bed needs a causal one"
        )
