"""A model that other processes find and load for themselves, and that must be the same one there."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from detector.errors import BundleError
from detector.network.bundle import DEFAULT_BUNDLE, Bundle, load_bundle
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
    """

    name: str
    sha256: str

    @classmethod
    def of(cls, name: str | None) -> Model:
        """Return the model of this name; raises BundleError."""
        bundle = load_bundle(name or DEFAULT_BUNDLE)
        # A folder as a whole, for processes have working directories of their own.
        return cls(str(bundle.folder.resolve()) if name and "/" in name else bundle.card.id, bundle.sha256)

    def load(self) -> tuple[Bundle, Network | ReviewNetwork]:
        """Return the bundle and this thread's engine for it, which brings TensorFlow the first time.

        Raises
        ------
        BundleError
            When it is not there, or another one.
        """
        if getattr(_loaded, "model", None) != self:
            bundle = load_bundle(self.name)
            if bundle.sha256 != self.sha256:
                raise BundleError(f"the network of {self.name} has SHA-256 {bundle.sha256}, expected {self.sha256}")
            _loaded.model, _loaded.engine = self, (bundle, offline_engine(bundle))
        engine: tuple[Bundle, Network | ReviewNetwork] = _loaded.engine
        return engine


def offline_engine(bundle: Bundle) -> Network | ReviewNetwork:
    """Return what runs the network over recordings; brings TensorFlow."""
    if bundle.card.direction == "bidirectional":
        from detector.network.keras_review import KerasReview

        return KerasReview(bundle)
    from detector.network.keras_lstm import KerasLstm

    return KerasLstm(bundle)
