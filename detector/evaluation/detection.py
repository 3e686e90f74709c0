"""A bundle on a data set: every recording scored as `score` does it, beside its reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from detector.decision import DecisionConfig
from detector.errors import BadDataError, MissingInputError
from detector.evaluation.events import Spans
from detector.evaluation.operating import Recorder, Stored
from detector.evaluation.pairs import Pair, Steps
from detector.network.bundle import load_bundle
from detector.network.model import Model
from detector.pipeline import decision_config
from detector.review import ReviewNetwork
from detector.scoring import score
from detector.source.recording import open_recording
from detector.spreading import spread
from detector.training.labelled import DataSet, Labelled

# An annotation's seconds are rounded.
_ROUNDING_S = 0.05

Scored = tuple[Pair, Stored]


@dataclass
class Detected:
    """What a bundle said about a data set.

    Parameters
    ----------
    config
        The bundle's decision.
    pairs
        The recordings that could be scored, in the data set's order.
    stored
        By person: all probabilities of each recording, and its seizures.
    skipped
        Which recordings are not there, and why.
    """

    config: DecisionConfig
    pairs: list[Pair] = field(default_factory=list)
    stored: dict[str, list[tuple[Stored, Spans]]] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def stored_of(self, persons: list[str]) -> dict[str, list[tuple[Stored, Spans]]]:
        """Return the probabilities of these persons, in this order."""
        return {name: self.stored[name] for name in persons}


def detect(
    data: DataSet,
    model: Model,
    *,
    unit: str | None = None,
    skip_bad: bool = False,
    jobs: int = 1,
    scheduler: str | None = None,
    on_progress: Callable[[str, float], None] = lambda _name, _share: None,
) -> Detected:
    """Return what the bundle says about each recording.

    Parameters
    ----------
    data
        Recordings with references.
    model
        Causal.
    unit
        Of recordings that declare none.
    skip_bad
        Go on without recordings that cannot be used, and list them.
    jobs, scheduler
        See `detector.spreading.spread`.
    on_progress
        Called with the recording's name and the share of all recordings that is done.

    Raises
    ------
    BadDataError, MissingInputError
        When a recording cannot be used and ``skip_bad`` is not set, or none can be.
    """
    found = Detected(decision_config(load_bundle(model.name).card))
    for problem in data.problems:
        found.skipped.append((_name(problem.path, data.folder), problem.text))
    if found.skipped and not skip_bad:
        lines = "\n  ".join(f"{name}: {why}" for name, why in found.skipped)
        raise BadDataError(f"{data.folder}: {len(found.skipped)} things cannot be used as they are (--skip-bad goes on "
                           f"without them):\n  {lines}")  # fmt: skip
    shared, scored = (model, data.folder, unit), dict[int, Scored | BadDataError | MissingInputError]()
    for number, made in spread(_scored, shared, data.recordings, jobs=jobs, scheduler=scheduler):
        name = _name(data.recordings[number].path, data.folder)
        if isinstance(made, Exception) and not isinstance(made, BadDataError | MissingInputError):
            raise made
        if isinstance(made, Exception) and not skip_bad:
            raise type(made)(f"{_said(made, data.recordings[number])} (--skip-bad goes on without it)") from made
        scored[number] = made
        on_progress(name, len(scored) / len(data.recordings))
    for number, one in enumerate(data.recordings):
        made = scored[number]
        if isinstance(made, Exception):
            found.skipped.append((_name(one.path, data.folder), _said(made, one)))
            continue
        pair, stored = made
        found.pairs.append(pair)
        found.stored.setdefault(one.person, []).append((stored, one.seizures))
    if not found.pairs:
        why = "".join(f"\n  {name}: {why}" for name, why in found.skipped)
        raise BadDataError(f"{data.folder}: not one recording could be evaluated{why}")
    return found


def _scored(shared: tuple[Model, Path, str | None], one: Labelled) -> Scored:
    model, folder, unit = shared
    bundle, network = model.load()
    assert not isinstance(network, ReviewNetwork), "whoever asks has required a causal one"
    recording = open_recording(one.path, unit=unit)
    if one.seizures and one.seizures[-1][1] > recording.duration_s + _ROUNDING_S:
        onset, offset = one.seizures[-1]
        raise BadDataError(
            f"{one.path}: the seizure from {onset:g} to {offset:g} s is outside of the recording of "
            f"{recording.duration_s:g} s"
        )
    period_s = 1 / recording.description.rate_hz
    recorder = Recorder(network, period_s)
    scored = score(recording, bundle, recorder)
    steps = Steps(
        np.array([step.time_s for step in scored.steps]) + period_s,
        np.array([step.probability for step in scored.steps], dtype=np.float32),
        np.array([step.state for step in scored.steps], dtype=np.uint8),
        bundle.card.step_s,
    )
    pair = Pair(
        name=_name(one.path, folder),
        person=one.person,
        duration_s=scored.duration_s,
        reference=one.seizures,
        hypothesis=tuple((event.onset_s, min(event.offset_s, scored.duration_s)) for event in scored.events),
        steps=steps,
        declared_s=tuple(event.declared_s for event in scored.events),
    )
    return pair, recorder.stored()


def _said(error: Exception, one: Labelled) -> str:
    return str(error) if str(one.path) in str(error) else f"{one.path}: {error}"


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
