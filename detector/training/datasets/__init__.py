"""Data sets: a folder of EEG in, whatever its layout, labelled recordings and a list of problems out.

Each layout is one module that knows its traps. What the recordings hold is not read here, only their headers.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from detector.errors import BadDataError, DetectorError, MissingInputError, UsageError, nearest
from detector.training.datasets import bids, chbmit, clips, folder, siena, tusz
from detector.training.datasets.duplicates import without_duplicates
from detector.training.datasets.reference import Layout, labelled
from detector.training.labelled import DataSet, Labelled, Problem

# The last one takes any recording and is tried only where no other fits.
LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (clips.LAYOUT, chbmit.LAYOUT, bids.LAYOUT, tusz.LAYOUT, siena.LAYOUT, folder.LAYOUT)
}


def find(folder: Path, layout: str | None = None, on_recording: Callable[[Path], None] = lambda _path: None) -> DataSet:
    """Return the recordings of a folder with their seizures, and what cannot be used and why.

    Parameters
    ----------
    folder
        Where the data set is, or one case or person of it.
    layout
        A key of `LAYOUTS`; by default the one that the folder has.
    on_recording
        Called once for each recording that has been looked at, and each problem.

    Raises
    ------
    MissingInputError
        When the folder is not there.
    UsageError
        When there is no such layout, the folder has not the one that is named, or it has several or none.
    """
    if not folder.is_dir():
        raise MissingInputError(f"{folder} is not there or no folder; expected a folder of EEG")
    chosen = _chosen(folder, layout)
    recordings: list[Labelled] = []
    problems: list[Problem] = []
    for found in chosen.read(folder):
        if isinstance(found, Problem):
            problems.append(found)
        else:
            try:
                recordings.append(labelled(found))
            except DetectorError as error:
                problems.append(Problem(found.path, str(error)))
        on_recording(found.path)
    kept, copies = without_duplicates(recordings)
    return DataSet(
        layout=chosen.name,
        folder=folder,
        recordings=tuple(sorted(kept, key=lambda recording: (recording.person, recording.path))),
        problems=tuple(sorted((*problems, *copies), key=lambda problem: problem.path)),
    )


def require(data: DataSet, *, skip_bad: bool = False, seizures: bool = True) -> tuple[Labelled, ...]:
    """Return the recordings of a data set that is fit for use.

    Parameters
    ----------
    data
        What `find` gave.
    skip_bad
        Whether its problems are accepted: their recordings are left out.
    seizures
        Whether there must be at least one seizure, as for training.

    Raises
    ------
    BadDataError
        When there are problems that are not accepted, no recording, or no seizure where one is needed.
    """
    if data.problems and not skip_bad:
        raise BadDataError(
            f"{data.folder} has {len(data.problems)} problems: {told(data.problems[:3])}"
            f"{' ...' if len(data.problems) > 3 else ''} (list them: seizure-detector data check {data.folder}; "
            "leave their recordings out: --skip-bad)"
        )
    if not data.recordings:
        raise BadDataError(f"{data.folder} holds no recording that can be used; expected some, as {data.layout}")
    if seizures and not any(recording.seizures for recording in data.recordings):
        raise BadDataError(
            f"none of the {len(data.recordings)} recordings of {data.folder} holds a seizure; expected at least one "
            f"(read as {data.layout}; are the annotations where that layout has them?)"
        )
    return data.recordings


def told(problems: tuple[Problem, ...]) -> str:
    """Return the problems as one text, each with its file named once."""
    texts = (p.text if str(p.path) in p.text else f"{p.path}: {p.text}" for p in problems)
    return "; ".join(texts)


def _chosen(folder: Path, layout: str | None) -> Layout:
    if layout is not None:
        if layout not in LAYOUTS:
            raise UsageError(
                f"the layout {layout!r} is not known{nearest(layout, LAYOUTS)}; expected one of {_needs()}"
            )
        if not LAYOUTS[layout].fits(folder):
            raise UsageError(f"{folder} is not of the layout {layout}, which needs {LAYOUTS[layout].needs}")
        return LAYOUTS[layout]
    *special, general = LAYOUTS.values()
    fitting = [candidate for candidate in special if candidate.fits(folder)]
    if not fitting and general.fits(folder):
        fitting = [general]
    if len(fitting) != 1:
        several = ", ".join(candidate.name for candidate in fitting)
        raise UsageError(
            f"{folder} has {f'several layouts ({several})' if fitting else 'none of the layouts'}; name one with "
            f"--layout. The layouts are {_needs()}"
        )
    return fitting[0]


def _needs() -> str:
    return "; ".join(f"{layout.name}: {layout.needs}" for layout in LAYOUTS.values())
