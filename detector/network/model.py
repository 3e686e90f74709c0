"""A model that other processes find and load for themselves, and that must be the same one there."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from detector.config import Engine
from detector.errors import BundleError
from detector.network.bundle import DEFAULT_BUNDLE, Bundle, load_bundle
from detector.network.engines import chosen, make_engine
from detector.pipeline import Network
from detector.review import ReviewNetwork

_loaded = threading.local()  # a network has a state: each thread has its own


@dataclass(frozen=True)
class Model:
    """By what it is found, and what it must be.

    Parameters
    ----------
    name
        The id of an installed bundle, or its folder.
    sha256
        Of its network.
    engine
        What runs it: another one gives the same figures but for their last digits.
    """

    name: str
    sha256: str
    engine: Engine

    @classmethod
    def of(cls, name: str | None, engine: Engine = "auto") -> Model:
        """Return the model of this name; raises BundleError."""
        bundle = load_bundle(name or DEFAULT_BUNDLE)
        # A folder as a whole, for processes have working directories of their own.
        found_by = str(bundle.folder.resolve()) if name and "/" in name else bundle.card.id
        return cls(found_by, bundle.sha256, chosen(bundle, engine))

    def load(self) -> tuple[Bundle, Network | ReviewNetwork]:
        """Return the bundle and this thread's engine for it, which may bring TensorFlow the first time.

        Raises
        ------
        BundleError
            When it is not there, or another one.
        EngineError
            When what runs it is not installed.
        """
        if getattr(_loaded, "model", None) != self:
            bundle = load_bundle(self.name)
            if bundle.sha256 != self.sha256:
                raise BundleError(f"the network of {self.name} has SHA-256 {bundle.sha256}, expected {self.sha256}")
            _loaded.model, _loaded.engine = self, (bundle, _engine(bundle, self.engine))
        engine: tuple[Bundle, Network | ReviewNetwork] = _loaded.engine
        return engine


def _engine(bundle: Bundle, engine: Engine) -> Network | ReviewNetwork:
    if bundle.card.direction == "bidirectional":
        from detector.network.keras_review import KerasReview

        return KerasReview(bundle)
    return make_engine(bundle, engine)
