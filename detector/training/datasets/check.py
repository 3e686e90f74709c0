"""What a data set holds, counted from headers and annotations: who, how long, how many seizures, what fits a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detector.errors import BadDataError
from detector.messages import Description
from detector.network.bundle import Card
from detector.pipeline import Conditioning
from detector.source.recording import open_recording
from detector.training.labelled import DataSet, Problem


@dataclass
class PersonCount:
    """What there is of one person; hours and minutes as the recordings' headers and annotations say."""

    recordings: int = 0
    hours: float = 0.0
    seizures: int = 0
    ictal_minutes: float = 0.0
    rates_hz: Counter[float] = field(default_factory=Counter)
    channel_sets: Counter[str] = field(default_factory=Counter)
    derivations: Counter[int] = field(default_factory=Counter)

    def add(self, other: PersonCount) -> None:
        """Pool another person's counts into this one."""
        self.recordings += other.recordings
        self.hours += other.hours
        self.seizures += other.seizures
        self.ictal_minutes += other.ictal_minutes
        self.rates_hz += other.rates_hz
        self.channel_sets += other.channel_sets
        self.derivations += other.derivations


@dataclass(frozen=True)
class Survey:
    """A data set and what was counted in it.

    Parameters
    ----------
    data
        The data set.
    persons
        By name, in order.
    channel_sets
        The labels of each set of channels, by the name that `persons` use for it ("A", "B", ...).
    n_derivations
        Of the model's montage; `PersonCount.derivations` counts how many of them recordings have.
    problems
        Those of the data set, and the recordings that do not fit the model.
    """

    data: DataSet
    persons: dict[str, PersonCount]
    channel_sets: dict[str, tuple[str, ...]]
    n_derivations: int
    problems: tuple[Problem, ...]

    @property
    def total(self) -> PersonCount:
        """All persons together."""
        total = PersonCount()
        for person in self.persons.values():
            total.add(person)
        return total

    def to_dict(self) -> dict[str, Any]:
        """Return the survey as plain values, for JSON."""
        return {
            "folder": str(self.data.folder),
            "layout": self.data.layout,
            "persons": {name: _plain(person) for name, person in self.persons.items()},
            "total": _plain(self.total),
            "channel_sets": {name: list(labels) for name, labels in self.channel_sets.items()},
            "montage_derivations": self.n_derivations,
            "problems": [{"path": str(problem.path), "text": problem.text} for problem in self.problems],
        }


def survey(data: DataSet, card: Card, on_recording: Callable[[Path], None] = lambda _path: None) -> Survey:
    """Return what a data set holds for a model.

    Parameters
    ----------
    data
        What `detector.training.datasets.find` gave.
    card
        The model's card: which montage is asked for, and how much of it.
    on_recording
        Called once for each recording.
    """
    persons: dict[str, PersonCount] = {}
    names: dict[tuple[str, ...], str] = {}
    fits: dict[tuple[Any, ...], int | str] = {}
    problems = list(data.problems)
    for labelled in data.recordings:
        recording = open_recording(labelled.path)
        found = recording.description
        # One montage is planned once, however many recordings have it.
        key = (found.labels, found.rate_hz, found.scales_uv)
        if key not in fits:
            fits[key] = _derivations(card, found)
        made = fits[key]
        if isinstance(made, str):
            problems.append(Problem(labelled.path, made))
        person = persons.setdefault(labelled.person, PersonCount())
        person.add(
            PersonCount(
                recordings=1,
                hours=recording.duration_s / 3600,
                seizures=len(labelled.seizures),
                ictal_minutes=sum(end_s - onset_s for onset_s, end_s in labelled.seizures) / 60,
                rates_hz=Counter([found.rate_hz]),
                channel_sets=Counter([names.setdefault(found.labels, _letters(len(names)))]),
                derivations=Counter([made] if isinstance(made, int) else []),
            )
        )
        on_recording(labelled.path)
    return Survey(
        data=data,
        persons=persons,
        channel_sets={name: labels for labels, name in names.items()},
        n_derivations=len(card.derivations),
        problems=tuple(sorted(problems, key=lambda problem: problem.path)),
    )


def _derivations(card: Card, description: Description) -> int | str:
    """Return how many of the model's derivations a source has, or why it does not fit."""
    try:
        return len(card.derivations) - len(Conditioning(card, description).montage.missing)
    except BadDataError as error:
        return str(error)


def _letters(number: int) -> str:
    """Return A to Z for 0 to 25, then AA, AB and so on."""
    first, last = divmod(number, 26)
    return (_letters(first - 1) if first else "") + chr(ord("A") + last)


def _plain(person: PersonCount) -> dict[str, Any]:
    return {
        "recordings": person.recordings,
        "hours": round(person.hours, 4),
        "seizures": person.seizures,
        "ictal_minutes": round(person.ictal_minutes, 3),
        "rates_hz": _pairs(person.rates_hz),
        "channel_sets": _pairs(person.channel_sets),
        "derivations": _pairs(person.derivations),
    }


def _pairs(counts: Counter[Any]) -> dict[str, int]:
    return {format(key, "g") if isinstance(key, float) else str(key): n for key, n in sorted(counts.items())}


def told_once(problems: Iterable[Problem]) -> list[str]:
    """Return a line for each problem; recordings that have the same one share a line."""
    texts: dict[str, list[Path]] = {}
    for problem in problems:
        texts.setdefault(problem.text.replace(str(problem.path), "").strip(" :"), []).append(problem.path)
    lines = []
    for text, paths in texts.items():
        others = f" and {len(paths) - 1} more (of the same kind: {', '.join(p.name for p in paths[1:])})"
        lines.append(f"{paths[0]}{others if len(paths) > 1 else ''}: {text}")
    return lines
