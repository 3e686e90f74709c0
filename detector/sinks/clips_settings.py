"""Where a bed's clips go, and how many of them there may be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from detector.config import Config
from detector.loading import Loaded
from detector.rights import OWNER
from detector.sinks.clips_place import FOLDER, Limits
from detector.state_folder import state_folder


@dataclass(frozen=True)
class ClipsConfig:
    """Where clips go, what is kept of them, and what is said in them.

    Parameters
    ----------
    folder
        Where to.
    limits
        See `Limits`.
    memory_bytes
        What all of it may take at most.
    bed, model_id
        Said in each file.
    onset_hold_s
        How long behind its onset an event is declared.
    mode
        Rights of each file.
    """

    folder: Path
    limits: Limits
    memory_bytes: int
    bed: str
    model_id: str
    onset_hold_s: float
    mode: int = OWNER


def clips_folder(config: Config) -> Path | None:
    """Return where a bed's clips are; ``None`` where it has none."""
    given = config.clips.path
    if given == "off":
        return None
    return Path(given) if given else state_folder() / FOLDER / config.bed.name


def clips_config(loaded: Loaded) -> ClipsConfig | None:
    """Return how clips are written by what runs; ``None`` where none are."""
    folder, given = clips_folder(loaded.config), loaded.config.clips
    if folder is None:
        return None
    return ClipsConfig(
        folder=folder,
        limits=Limits(given.keep, given.keep_days, given.max_mb * 1e6),
        memory_bytes=given.memory_mb * 1_000_000,
        bed=loaded.config.bed.name,
        model_id=loaded.bundle.card.id,
        onset_hold_s=loaded.decision.onset_hold_s,
        mode=loaded.config.files.mode,
    )
