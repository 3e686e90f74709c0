"""A configuration and the model that it names, read and checked as a whole before anything is taken over."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from detector.config import Config, load_config
from detector.decision import DecisionConfig
from detector.network.bundle import Bundle, load_bundle, require_causal
from detector.network.engines import chosen, make_engine
from detector.pipeline import Network, decision_config

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """What a service runs on."""

    config: Config
    bundle: Bundle
    network: Network
    decision: DecisionConfig


def load_engine(config: Config) -> tuple[Bundle, Network]:
    """Return the checked bundle and a network that has run once.

    Raises
    ------
    BundleError, EngineError
        When the bundle cannot serve a live bed, or what runs it is not installed.
    """
    bundle = load_bundle(config.model.bundle)
    require_causal(bundle)
    decision_config(bundle.card, config.decision.overrides())
    # TensorFlow takes seconds to import: only now, when everything cheap has been checked.
    network = make_engine(bundle, config.model.engine)
    log.info("model %s runs on %s", bundle.card.id, chosen(bundle, config.model.engine))
    return bundle, network


def load(config: Config) -> Loaded:
    """Return all that a configuration names.

    Raises
    ------
    ConfigError, BundleError, EngineError
        When something of it is wrong.
    """
    bundle, network = load_engine(config)
    return Loaded(config, bundle, network, decision_config(bundle.card, config.decision.overrides()))


def reload(path: Path, before: Loaded) -> Loaded:
    """Return what the file names now; the network is loaded only if it is another one.

    Raises
    ------
    MissingInputError, ConfigError, BundleError, EngineError
        When something of it is wrong.
    """
    config = load_config(path)
    if config.model != before.config.model or load_bundle(config.model.bundle).card.files != before.bundle.card.files:
        return load(config)
    return Loaded(
        config, before.bundle, before.network, decision_config(before.bundle.card, config.decision.overrides())
    )
