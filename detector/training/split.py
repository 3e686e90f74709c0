"""A split of a data set by person, in a file: who trains and who is held out is decided once and can be read later."""

from __future__ import annotations

import itertools
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from detector.errors import BadDataError, MissingInputError, UsageError, nearest
from detector.scoring import write_whole
from detector.training.labelled import DataSet
from detector.training.toml import to_toml

_KEYS = ("format", "layout", "seed", "parts")


@dataclass(frozen=True)
class Split:
    """Parts of a data set that share no person.

    Parameters
    ----------
    layout
        Of the data set, as in `DataSet`.
    parts
        The persons of each part, by its name ("fold1", or "train" and "test" where people wrote the file).
    seed
        What the parts were dealt with; ``None`` where people wrote them.

    Raises
    ------
    BadDataError
        When a person is in two parts, or twice in one, or a part is empty.
    """

    layout: str
    parts: Mapping[str, tuple[str, ...]]
    seed: int | None = None

    def __post_init__(self) -> None:
        for name, persons in self.parts.items():
            if not persons:
                raise BadDataError(f"the part {name} of the split is empty; expected persons")
            twice = [person for person, n in Counter(persons).items() if n > 1]
            if twice:
                raise BadDataError(f"the part {name} of the split names {', '.join(twice)} twice; expected once")
        for (one, of_one), (other, of_other) in itertools.combinations(self.parts.items(), 2):
            if shared := sorted(set(of_one) & set(of_other)):
                raise BadDataError(
                    f"{', '.join(shared)} {'is' if len(shared) == 1 else 'are'} in both {one} and {other} of the "
                    "split; expected each person in one part only"
                )


def make_split(data: DataSet, n_folds: int, seed: int) -> Split:
    """Return the persons of a data set dealt to ``fold1`` ... with about as much ictal time each.

    Raises
    ------
    BadDataError
        When there are fewer persons than folds.
    """
    # Brings the decision and the features: late.
    from detector.training.folds import folds_of

    sizes = ictal_seconds(data)
    folds = folds_of(sizes, n_folds, seed, sizes)
    return Split(data.layout, {f"fold{i}": persons for i, persons in enumerate(folds, start=1)}, seed)


def ictal_seconds(data: DataSet) -> dict[str, float]:
    """Return the seconds of seizures of each person, 0 where there is none."""
    seconds: dict[str, float] = defaultdict(float)
    for recording in data.recordings:
        seconds[recording.person] += sum(end_s - onset_s for onset_s, end_s in recording.seizures)
    return dict(seconds)


def write_split(split: Split, path: Path) -> None:
    """Write a split as TOML.

    Raises
    ------
    DetectorError
        When it cannot be written.
    """
    head = {"format": 1, "layout": split.layout} | ({} if split.seed is None else {"seed": split.seed})
    write_whole(path, to_toml(head | {"parts": {name: list(persons) for name, persons in split.parts.items()}}))


def read_split(path: Path) -> Split:
    """Return the split in a file that `write_split` or people wrote; see `check_split` for whether it is of a data set.

    Raises
    ------
    MissingInputError
        When the file is not there.
    BadDataError
        When it is not a split, or a person is in two of its parts.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise MissingInputError(f"{path} cannot be opened: {error.strerror}; expected a split file") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadDataError(f"{path} is not a split: {error}; expected TOML") from error
    for key in table:
        if key not in _KEYS:
            raise BadDataError(f"{path} has the key {key!r}; expected one of {', '.join(_KEYS)}{nearest(key, _KEYS)}")
    parts, layout, seed = table.get("parts"), table.get("layout"), table.get("seed")
    if table.get("format") != 1 or not isinstance(layout, str) or not (seed is None or type(seed) is int):
        raise BadDataError(
            f"{path} has format {table.get('format')!r}, layout {layout!r}, seed {seed!r}; expected format = 1, "
            "layout = the data set's, and seed = a number or nothing"
        )
    if not isinstance(parts, dict) or not parts or not all(_is_names(persons) for persons in parts.values()):
        raise BadDataError(f'{path} has the parts {parts!r}; expected lines like train = ["chb01", "chb02"] in [parts]')
    try:
        return Split(layout, {name: tuple(persons) for name, persons in parts.items()}, seed)
    except BadDataError as error:
        raise BadDataError(f"{path}: {error}") from error


def check_split(split: Split, data: DataSet) -> None:
    """Check that a split is one of this data set: every person of either is in the other.

    Raises
    ------
    BadDataError
        When the layouts differ, the split names persons that the data set has not, or leaves out some that it has.
    """
    if split.layout != data.layout:
        raise BadDataError(f"the split is of the layout {split.layout}, {data.folder} of {data.layout}; expected one")
    dealt = {person for persons in split.parts.values() for person in persons}
    there = {recording.person for recording in data.recordings}
    if unknown := sorted(dealt - there):
        raise BadDataError(
            f"the split names {', '.join(unknown)}, but {data.folder} has {', '.join(sorted(there))}"
            f"{nearest(unknown[0], there)}"
        )
    if left_out := sorted(there - dealt):
        raise BadDataError(f"the split has no part for {', '.join(left_out)} of {data.folder}; expected all persons")


def of_part(split: Split, data: DataSet, names: Iterable[str]) -> DataSet:
    """Return the recordings of some parts, with the problems of the data set.

    Raises
    ------
    UsageError
        When there is no such part.
    BadDataError
        When the split is not one of this data set, see `check_split`.
    """
    check_split(split, data)
    persons: set[str] = set()
    for name in names:
        if name not in split.parts:
            raise UsageError(
                f"the split has no part {name!r}, only {', '.join(split.parts)}{nearest(name, split.parts)}"
            )
        persons.update(split.parts[name])
    return replace(data, recordings=tuple(r for r in data.recordings if r.person in persons))


def _is_names(persons: object) -> bool:
    return isinstance(persons, list) and all(isinstance(person, str) and person for person in persons)
