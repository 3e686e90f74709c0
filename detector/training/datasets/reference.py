"""What a layout says about a recording, and the checks that every reference has to pass."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from detector.errors import BadDataError
from detector.source.recording import Annotation, Recording, open_recording
from detector.training.labelled import Labelled, Problem

# Annotations are often in whole seconds: an end may lie this far behind the last sample, and is then cut to it.
ROUNDING_S = 1.0

Spans = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Candidate:
    """A recording that has a reference, before either has been looked at.

    Parameters
    ----------
    person
        Whose it is.
    path
        The recording.
    stated
        Takes the opened recording, gives the (onset_s, end_s) that its annotations state, in their order there; raises
        `BadDataError` where they cannot be understood.
    """

    person: str
    path: Path
    stated: Callable[[Recording], Spans]


@dataclass(frozen=True)
class Layout:
    """A way of laying out a data set in files.

    Parameters
    ----------
    name
        As given to ``--layout``.
    needs
        What makes a folder one of these, for people.
    fits
        Whether a folder is one.
    read
        Yields its recordings, and what is wrong with the folder itself.
    """

    name: str
    needs: str
    fits: Callable[[Path], bool]
    read: Callable[[Path], Iterator[Candidate | Problem]]


def labelled(candidate: Candidate) -> Labelled:
    """Open the recording and return it with its reference.

    Raises
    ------
    DetectorError
        When the recording cannot be read, or its reference is not in order, see `checked`.
    """
    recording = open_recording(candidate.path)
    seizures = checked(candidate.stated(recording), recording.duration_s)
    return Labelled(candidate.person, candidate.path, seizures)


def checked(seizures: Spans, duration_s: float) -> tuple[tuple[float, float], ...]:
    """Return the seizures of a recording of this duration; an end that was rounded up is cut to it.

    Raises
    ------
    BadDataError
        When one has no length or is outside the recording, or they are not in order, overlap, or one comes twice.
        None of these is mended: whoever wrote it meant something else.
    """
    for onset_s, end_s in seizures:
        if not end_s > onset_s:
            raise BadDataError(f"a seizure from {onset_s:g} to {end_s:g} s; expected an end that is after the onset")
        if not (0 <= onset_s < duration_s and end_s <= duration_s + ROUNDING_S):
            raise BadDataError(
                f"a seizure from {onset_s:g} to {end_s:g} s; expected it inside the recording, 0 to {duration_s:g} s"
            )
    for first, second in itertools.pairwise(seizures):
        both = f"the seizures from {first[0]:g} to {first[1]:g} s and from {second[0]:g} to {second[1]:g} s"
        if first == second:
            raise BadDataError(f"the seizure from {first[0]:g} to {first[1]:g} s comes twice; expected each once")
        if second[0] < first[0]:
            raise BadDataError(f"{both} are not in order; expected them in order of onset")
        if second[0] < first[1]:
            raise BadDataError(f"{both} overlap; expected one to end before the next begins")
    return tuple((onset_s, min(end_s, duration_s)) for onset_s, end_s in seizures)


def seizures_in(annotations: Iterable[Annotation], where: Path) -> Spans:
    """Return the seizures among annotations, in their order.

    Annotations count as a reference only where at least one says ``sz...``, "seizure", or that there is none
    (``bckg``, "background", "no seizure"): a list of eye blinks does not say that nobody had a seizure.

    Raises
    ------
    BadDataError
        When none does.
    """
    listed = list(annotations)
    if not any(a.is_seizure or _is_background(a) for a in listed):
        texts = ", ".join(sorted({repr(a.text[:40]) for a in listed})[:8]) or "nothing"
        raise BadDataError(
            f"{where} says {texts}; expected at least one event sz..., or bckg where the recording holds no seizure"
        )
    return [(a.onset_s, a.onset_s + a.duration_s) for a in listed if a.is_seizure]


def _is_background(annotation: Annotation) -> bool:
    text = annotation.text.casefold()
    return text.startswith(("bckg", "background")) or ("seizure" in text and not annotation.is_seizure)
