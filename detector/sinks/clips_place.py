"""Where a bed's clips lie, what they are called, and which of them are kept.

A name says the bed, the onset in UTC, the event and the part, so that a list of clips needs none of them opened:
``<bed>_<YYYYmmddTHHMMSSZ>_<event id>_<part>.edf``. What is being written begins with a dot and is no clip.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import stat
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedWriter
from pathlib import Path

from detector.rights import OWNER, let_in, set_rights

FOLDER = "clips"  # of those of all beds, in the state folder
UNKNOWN_EVENT = "unknown"
_NAME = re.compile(r"([A-Za-z0-9_-]+)_(\d{8}T\d{6}Z)_([0-9A-Za-z]+)_(\d+)\.edf")
_TIME = "%Y%m%dT%H%M%SZ"
_PART = ".edf.part"
_PROCESS = uuid.uuid4().hex[:12]  # tells what this program is writing from what one before left behind


@dataclass(frozen=True)
class ClipName:
    """What the name of a clip says.

    Parameters
    ----------
    bed
        The bed's name.
    onset_utc_s
        Onset of the event, whole seconds since 1970; where it is not known, the clip's first sample.
    event_id
        As in the journal; `UNKNOWN_EVENT` where the program ended before it was known.
    part
        From 1; a long event, and one that outlives a program, has several.
    """

    bed: str
    onset_utc_s: float
    event_id: str
    part: int

    def __str__(self) -> str:
        onset = datetime.fromtimestamp(self.onset_utc_s, UTC).strftime(_TIME)
        return f"{self.bed}_{onset}_{self.event_id}_{self.part}.edf"


@dataclass(frozen=True)
class Limits:
    """How many clips, for how many days and how much of them, in bytes, is kept."""

    keep: int
    keep_days: float
    max_bytes: float


def name_of(text: str) -> ClipName | None:
    """Return what a file's name says; ``None`` where it is no clip's."""
    match = _NAME.fullmatch(text)
    if match is None:
        return None
    try:
        onset = datetime.strptime(match[2], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return ClipName(match[1], onset.timestamp(), match[3], int(match[4]))


def clips_in(folder: Path) -> list[tuple[ClipName, Path]]:
    """Return a folder's clips, the oldest first; none where there is no folder.

    Raises
    ------
    OSError
        The folder cannot be read.
    """
    try:
        paths = [*folder.iterdir()]
    except FileNotFoundError:
        return []
    found = [(name, path) for path in paths if (name := name_of(path.name)) is not None]
    return sorted(found, key=lambda clip: (clip[0].onset_utc_s, clip[0].event_id, clip[0].part))


def prepare(folder: Path, mode: int = OWNER) -> None:
    """Make the folder, remove what a program that was killed left half written, and give clips their rights.

    Parameters
    ----------
    folder
        Of the clips.
    mode
        Rights of each file.

    Raises
    ------
    OSError
        It cannot be made or written to.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in folder.glob(f".*{_PART}"):
        if not path.name.endswith(f".{_PROCESS}{_PART}"):
            path.unlink(missing_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(13, os.strerror(13), str(folder))
    let_in(folder, mode)
    if folder.parent.name == FOLDER:  # it was made for this, too
        let_in(folder.parent, mode)
    for _, path in clips_in(folder):
        set_rights(path, mode)


def write_clip(
    folder: Path, name: ClipName, write: Callable[[BufferedWriter], None], limits: Limits, mode: int = OWNER
) -> Path:
    """Write a clip: all of it and for good, or nothing; older ones make room for it.

    Parameters
    ----------
    folder
        Prepared.
    name
        Its part is that of the first one that is not there yet from this part on.
    write
        Writes the content.
    limits
        See `Limits`.
    mode
        The file's rights.

    Raises
    ------
    OSError
        It cannot be written.
    """
    temporary = folder / f".{uuid.uuid4().hex}.{_PROCESS}{_PART}"
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            write(file)
            file.flush()
            os.fchmod(file.fileno(), mode)  # the process has a mask of its own
            os.fsync(file.fileno())
        keep_within(folder, limits, coming_bytes=temporary.stat().st_size)
        parts = (ClipName(name.bed, name.onset_utc_s, name.event_id, n) for n in itertools.count(name.part))
        path = next(path for part in parts if not os.path.lexists(path := folder / str(part)))
        temporary.rename(path)
    except BaseException:  # whatever it was is raised again, with no half file left
        with contextlib.suppress(OSError):  # it is removed at the next start
            temporary.unlink()
        raise
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)  # else the name may be lost with the machine's power
    finally:
        os.close(descriptor)
    return path


def keep_within(folder: Path, limits: Limits, *, coming_bytes: int = 0, before_utc_s: float | None = None) -> None:
    """Remove the oldest clips.

    Parameters
    ----------
    folder, limits
        Of the clips.
    coming_bytes
        Of the one that room is made for; 0 where there is none.
    before_utc_s
        Those of before go in any case; ``None`` where the age says nothing, as the wall clock may be wrong.

    Raises
    ------
    OSError
        One cannot be removed.
    """
    clips = [(name, path, found) for name, path in clips_in(folder) if stat.S_ISREG((found := path.lstat()).st_mode)]
    n_bytes = coming_bytes + sum(found.st_size for _, _, found in clips)
    n = len(clips) + (coming_bytes > 0)
    for name, path, found in clips:
        is_old = before_utc_s is not None and name.onset_utc_s < before_utc_s
        if not is_old and n <= limits.keep and n_bytes <= limits.max_bytes:
            break
        path.unlink(missing_ok=True)
        n, n_bytes = n - 1, n_bytes - found.st_size
