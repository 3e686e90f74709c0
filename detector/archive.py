"""An archive: which recordings are meant by what a user names, and where the results of each have their place."""

from __future__ import annotations

import glob
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from detector.errors import MissingInputError
from detector.source.recording import SUFFIXES

_COPIES = ("derivatives", "sourcedata")  # of a BIDS data set: not the data set


@dataclass(frozen=True)
class Found:
    """A recording.

    Parameters
    ----------
    path
        Of its file.
    place
        Its path below what was named, a pattern's first part without a * among it, or its file name: that of its
        results below their folder.
    """

    path: Path
    place: Path

    @property
    def events(self) -> Path:
        """Where its events go: as BIDS names them where it is named so."""
        stem = self.place.stem
        bids = stem.endswith("_eeg")
        return self.place.with_name(f"{stem.removesuffix('_eeg')}_events.tsv" if bids else f"{stem}.tsv")

    @property
    def steps(self) -> Path:
        """Where its steps go."""
        return self.place.with_suffix(".csv")


def find_recordings(named: Sequence[Path]) -> list[Found]:
    """Return the recordings that are named: files, folders with all below them, and patterns that no shell expanded.

    Of a BIDS data set its ``derivatives`` and ``sourcedata`` are left out, as hidden folders are everywhere. A file is
    taken as it is, also where it is none.

    Raises
    ------
    MissingInputError
        When a folder holds no recording, or a pattern fits none.
    """
    found: list[Found] = []
    for path in named:
        if path.is_dir():
            below = [Found(one, one.relative_to(path)) for one in _below(path)]
        elif glob.has_magic(str(path)) and not path.exists():
            root = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts))
            matching = sorted(root.glob(path.relative_to(root).as_posix()))
            below = [Found(one, one.relative_to(root)) for one in matching if _is_recording(one)]
        else:
            found.append(Found(path, Path(path.name)))
            continue
        if not below:
            raise MissingInputError(f"{path} holds no recording; expected {', '.join(SUFFIXES)}")
        found += below
    return found


def _below(folder: Path) -> Iterator[Path]:
    is_bids = (folder / "dataset_description.json").exists() or any(folder.glob("sub-*"))
    for path in sorted(folder.rglob("*")):
        above = path.relative_to(folder).parts[:-1]
        if any(part.startswith(".") for part in above) or (is_bids and above and above[0] in _COPIES):
            continue
        if _is_recording(path):
            yield path


def _is_recording(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
