"""Two folders of events files: which hypothesis belongs to which reference, and whose recording it is."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from detector.errors import BadDataError, DetectorError, MissingInputError
from detector.evaluation.annotations import Annotated, read_annotated, read_steps
from detector.evaluation.pairs import Pair

# Tools write whole seconds, or leave out a last record that is not full.
_AGREE_S = 1.0
_SHOWN = 20
_PERSON = re.compile(r"(?:^|/)(sub-[A-Za-z0-9]+)(?=[/_])")


def pairs_of(reference: Path, hypothesis: Path, steps: Path | None = None) -> list[Pair]:
    """Return every recording of the two folders, in order of person and name.

    Files belong together when they have the same path below their folder but for the suffix, ``_events`` and
    ``_eeg``; or the same name, where a folder has no sub-folders and no other file has the name. Steps (CSV) are
    looked for beside the hypothesis, or in ``steps``.

    Raises
    ------
    MissingInputError
        A folder is not there.
    BadDataError
        Naming every file that is missing, cannot be read or does not fit the other one.
    """
    references, hypotheses = _found(reference, "reference"), _found(hypothesis, "hypothesis")
    problems: list[str] = []
    pairs: list[Pair] = []
    used: set[str] = set()
    csvs = _by_key(steps or hypothesis, sorted((steps or hypothesis).rglob("*.csv")))
    if steps is not None and not csvs:
        raise MissingInputError(f"{steps} holds no *.csv; expected what `score --probabilities` writes")
    for key, path in references.items():
        mine = _partner(key, hypotheses, references)
        if mine is None:
            problems.append(f"{path}: no hypothesis in {hypothesis}; a missing one is never taken for 'no seizure'")
            continue
        used.add(mine)
        said_by_steps = _partner(key, csvs, references)
        if steps is not None and said_by_steps is None:
            problems.append(f"{path}: no steps in {steps}")
            continue
        try:
            pairs.append(_pair(key, path, hypotheses[mine], csvs[said_by_steps] if said_by_steps else None))
        except DetectorError as error:
            problems.append(str(error))
    problems += [f"{hypotheses[key]}: no reference in {reference}" for key in hypotheses if key not in used]
    if problems:
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise BadDataError("\n  ".join([f"{len(problems)} files are wrong:", *problems[:_SHOWN], *more]))
    return sorted(pairs, key=lambda pair: (pair.person, pair.name))


def person_of(name: str) -> str:
    """Return whose recording a path below a data set's folder is.

    BIDS ``sub-...`` anywhere in it; else its first folder; else its name up to the first ``_``, as in ``chb01_03``.
    """
    if found := _PERSON.search(name):
        return found[1]
    parts = PurePosixPath(name).parts
    return parts[0] if len(parts) > 1 else parts[0].partition("_")[0]


def _pair(name: str, reference: Path, hypothesis: Path, steps: Path | None) -> Pair:
    expert, ours = _read_both(reference, hypothesis)
    if abs(expert.duration_s - ours.duration_s) > _AGREE_S:
        raise BadDataError(
            f"{hypothesis}: recordingDuration {ours.duration_s:g} s, {expert.duration_s:g} s in {reference}; "
            "expected the same recording"
        )
    duration_s = expert.duration_s
    seizures = tuple((on, min(off, duration_s)) for on, off in ours.seizures if on < duration_s)
    if steps is None:
        return Pair(name, person_of(name), duration_s, expert.seizures, seizures)
    read = read_steps(steps, max(duration_s, ours.duration_s))
    if len(read.declared_s) != len(ours.seizures):
        raise BadDataError(
            f"{steps}: seizures are declared {len(read.declared_s)} times, {hypothesis} has {len(ours.seizures)}; "
            "expected events and steps of the same run"
        )
    return Pair(name, person_of(name), duration_s, expert.seizures, seizures, read, read.declared_s)


def _read_both(reference: Path, hypothesis: Path) -> tuple[Annotated, Annotated]:
    wrong, read = [], []
    for path in (reference, hypothesis):
        try:
            read.append(read_annotated(path))
        except BadDataError as error:
            wrong.append(str(error))
    if wrong:
        raise BadDataError("\n  ".join(wrong))
    return read[0], read[1]


def _found(folder: Path, what: str) -> dict[str, Path]:
    """Return the events files below a folder by what pairs them; other tables of a BIDS data set are none."""
    if not folder.is_dir():
        raise MissingInputError(f"the {what} folder {folder} is not there")
    everything = sorted(folder.rglob("*.tsv"))
    paths = [path for path in everything if path.stem.endswith("_events")] or everything
    if not paths:
        raise BadDataError(f"the {what} folder {folder} holds no *_events.tsv and no other *.tsv")
    return _by_key(folder, paths)


def _by_key(folder: Path, paths: list[Path]) -> dict[str, Path]:
    keys: dict[str, Path] = {}
    for path in paths:
        stem = path.stem.removesuffix("_events").removesuffix("_eeg")
        key = path.relative_to(folder).with_name(stem).as_posix()
        if key in keys:
            raise BadDataError(f"{keys[key]} and {path} are both about {key}; expected one file for a recording")
        keys[key] = path
    return keys


def _partner(key: str, candidates: dict[str, Path], others: dict[str, Path]) -> str | None:
    """Return which of the candidates belongs to ``key``; by name alone only where that cannot be mistaken."""
    if key in candidates:
        return key
    name = PurePosixPath(key).name
    same = [one for one in candidates if PurePosixPath(one).name == name]
    rivals = [one for one in others if PurePosixPath(one).name == name]
    flat = all("/" not in one for one in candidates) or all("/" not in one for one in others)
    return same[0] if flat and len(same) == len(rivals) == 1 else None
