"""Who a bed's outlets say they are."""

from __future__ import annotations

from dataclasses import dataclass

from detector.errors import ConfigError
from detector.loading import Loaded


@dataclass(frozen=True, slots=True)
class OutletIdentity:
    """What the outlets of one bed are called and what their metadata say. No patient data belongs here.

    Parameters
    ----------
    bed
        Letters, digits, ``_`` and ``-`` (the config checks it).
    step_s
        Hop of the model in seconds: time between two status samples, at most 1.
    model_id, model_sha256
        The bundle that is served.
    montage, derivations
        Name of the montage and the labels of its derivations, in order.
    source_name, source_id, source_hostname
        The stream that is watched, as it describes itself or as it is configured.
    algorithmic_delay_s
        Seconds by which the stamps lag behind the EEG that they speak of (filters, frame, smoothing).
    detail, codes
        Whether the opt-in outlets exist.
    repeat_hz
        Rate at which the status is held and repeated, for viewers that need one; 0 for one sample a step.

    Raises
    ------
    ConfigError
        A step longer than 1 s, or a repetition slower than the steps.
    """

    bed: str
    step_s: float
    model_id: str
    model_sha256: str
    montage: str
    derivations: tuple[str, ...]
    source_name: str = ""
    source_id: str = ""
    source_hostname: str = ""
    algorithmic_delay_s: float = 0.0
    detail: bool = False
    codes: bool = False
    repeat_hz: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.step_s <= 1:
            raise ConfigError(
                f"the model steps every {self.step_s:g} s, but the status outlet promises at least one "
                "sample a second: serve a model with a hop of at most 1 s"
            )
        if self.repeat_hz and not self.repeat_hz * self.step_s >= 1:
            raise ConfigError(
                f"the status cannot be repeated at {self.repeat_hz:g} Hz when the model steps at "
                f"{1 / self.step_s:g} Hz: give 0 (off) or at least that (SigVisualizer needs 12.5)"
            )

    @property
    def status_rate_hz(self) -> float:
        """Nominal rate of the status outlet."""
        return self.repeat_hz or 1 / self.step_s


def outlet_identity(loaded: Loaded) -> OutletIdentity:
    """Return who the outlets say they are.

    Raises
    ------
    ConfigError
        When the model and the outlets do not go together.
    """
    config, card = loaded.config, loaded.bundle.card
    seen_samples = card.features.power_samples or card.frame_samples
    return OutletIdentity(
        bed=config.bed.name,
        step_s=card.step_s,
        model_id=card.id,
        model_sha256=loaded.bundle.sha256,
        montage=card.montage,
        derivations=card.derivations,
        source_name=config.source.name,
        source_id=config.source.source_id,
        source_hostname=config.source.hostname,
        algorithmic_delay_s=seen_samples / 2 / card.rate_hz + loaded.decision.smoothing_s,
        detail=config.outlets.detail,
        codes=config.outlets.codes,
        repeat_hz=config.outlets.repeat_hz,
    )
