"""The same recording twice in a data set: two names for one person would let a network be tested on what it learnt."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import TypeVar

from detector.network.bundle import sha256_of
from detector.training.labelled import Labelled, Problem

_HEAD_BYTES = 65536  # the header and the first seconds: the whole file is read only where these are equal

_Key = TypeVar("_Key", bound=Hashable)


def without_duplicates(recordings: Iterable[Labelled]) -> tuple[list[Labelled], list[Problem]]:
    """Return the recordings whose bytes come once, and a problem for each that is left out.

    Of copies under one person the first stays. Copies under several persons all go, as nobody can say whose it is.
    """
    kept: list[Labelled] = []
    problems: list[Problem] = []
    for group in _same(recordings):
        if len({recording.person for recording in group}) == 1:
            kept.append(group[0])
            copies = group[1:]
        else:
            copies = group
        for copy in copies:
            other = next(recording for recording in group if recording is not copy)
            problems.append(
                Problem(copy.path, f"has the same content as {other.path} of {other.person}; expected it once")
            )
    return kept, problems


def _same(recordings: Iterable[Labelled]) -> list[list[Labelled]]:
    groups: list[list[Labelled]] = []
    for same_size in _grouped((r, r.path.stat().st_size) for r in recordings):
        for same_head in _grouped((r, _head(r.path) if len(same_size) > 1 else "") for r in same_size):
            groups += _grouped((r, sha256_of(r.path) if len(same_head) > 1 else "") for r in same_head)
    return groups


def _grouped(pairs: Iterable[tuple[Labelled, _Key]]) -> list[list[Labelled]]:
    groups: dict[_Key, list[Labelled]] = defaultdict(list)
    for recording, key in pairs:
        groups[key].append(recording)
    return list(groups.values())


def _head(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.sha256(file.read(_HEAD_BYTES)).hexdigest()
