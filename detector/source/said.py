"""What a live source says beside samples and gaps."""

from __future__ import annotations

from dataclasses import dataclass

from detector.messages import Cause, Description, Reset


@dataclass(frozen=True, slots=True)
class Opened:
    """A stream was found and fits; its samples follow. ``reason`` says what kind of session begins."""

    description: Description
    reason: Reset


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why nothing comes, with what came, what was expected and what to do."""

    cause: Cause
    text: str
