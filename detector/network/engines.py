"""Which engine runs a bundle's network: the light one where the bundle has its file, otherwise TensorFlow."""

from __future__ import annotations

from typing import Literal

from detector.config import Engine
from detector.errors import EngineError
from detector.network.bundle import LIGHT_FILE, Bundle
from detector.pipeline import LiveNetwork


def chosen(bundle: Bundle, name: Engine = "auto") -> Literal["litert", "tensorflow"]:
    """Return what ``"auto"`` comes to, which the bundle alone decides: not what else is installed on a machine."""
    if name == "auto":
        return "litert" if LIGHT_FILE in bundle.card.files else "tensorflow"
    return name


def make_engine(bundle: Bundle, name: Engine = "auto") -> LiveNetwork:
    """Return what runs the bundle's causal network; it has run once.

    Raises
    ------
    EngineError
        When the engine is not installed.
    BundleError
        When the bundle's network cannot be run by it.
    """
    engine = chosen(bundle, name)
    # Each brings a library of its own: only the one that is used.
    if engine == "litert":
        from detector.network.litert import LiteRt

        return LiteRt(bundle)
    try:
        from detector.network.keras_lstm import KerasLstm
    except EngineError as error:
        if LIGHT_FILE in bundle.card.files:
            raise
        raise EngineError(
            f"{error}; bundle {bundle.card.id!r} has no {LIGHT_FILE}, which would do without: where TensorFlow is "
            f"installed, seizure-detector models lighten adds it"
        ) from error
    return KerasLstm(bundle)
