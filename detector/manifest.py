"""The manifest beside the results of an archive: what was made of which recording by which model.

A line of JSON for each recording, behind what was there, so that a run that was killed goes on where it was, and what
was made of another recording, by another model or in another way is made again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any

from detector.errors import DetectorError, MissingInputError, UsageError

NAME = "manifest.jsonl"
Entry = dict[str, Any]


@dataclass(frozen=True)
class Identity:
    """What a recording is known by: its content, or, where nobody has touched it, size and time of change."""

    sha256: str
    n_bytes: int
    mtime_ns: int


class Manifest:
    """Read at construction, and kept from then on; for one run at a time.

    Parameters
    ----------
    folder
        Of the results.
    run
        What makes results what they are, beside the recording: model, version, settings.

    Raises
    ------
    UsageError
        When another run is writing it.
    DetectorError
        When it cannot be read or written.
    """

    def __init__(self, folder: Path, run: Mapping[str, Any]) -> None:
        self._folder, self._run = folder, dict(run)
        try:
            self._file = (folder / NAME).open("a+b")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._file.seek(0)
            self._entries = {entry["recording"]: entry for line in self._file if (entry := _entry(line))}
            self._file.seek(-1, os.SEEK_END) if self._file.tell() else None
            if self._file.read(1) not in (b"", b"\n"):
                self._file.write(b"\n")  # behind what a run that was killed had begun to write
        except BlockingIOError as error:
            self._file.close()
            raise UsageError(f"another run writes into {folder}; wait for it, or choose another folder") from error
        except OSError as error:
            raise DetectorError(f"cannot use {folder / NAME}: {error.strerror}") from error

    def __enter__(self) -> Manifest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def said(self, place: Path, recording: Path, results: Sequence[Path]) -> str | None:
        """Return what was said of a recording whose results are there; ``None`` where they are to be made.

        A recording of the same size and time of change counts as the same, as for other tools; else its hash tells.

        Parameters
        ----------
        place
            What it is known by.
        recording
            Its file.
        results
            The files that are wanted.
        """
        entry = self._entries.get(place.as_posix())
        if entry is None or entry["run"] != self._run:
            return None
        try:
            was, now = Identity(**entry["input"]), recording.stat()
            same = (was.n_bytes, was.mtime_ns) == (now.st_size, now.st_mtime_ns)
            if not same and was.sha256 != sha256_of(recording):
                return None
            hashes = {path: sha256_of(path) for path in results}
        except (OSError, MissingInputError):  # whoever scores it tells what is wrong with it
            return None
        known = entry["results"]
        return str(entry["said"]) if all(known.get(self._name(path)) == hashes[path] for path in results) else None

    def add(self, place: Path, identity: Identity, results: Mapping[Path, bytes], said: str) -> None:
        """Write that the results of a recording are there.

        Parameters
        ----------
        place, said
            See `said`.
        identity
            Of the recording as it was read.
        results
            What each file holds.

        Raises
        ------
        DetectorError
            When it cannot be written.
        """
        entry = {
            "recording": place.as_posix(),
            "input": asdict(identity),
            "run": self._run,
            "results": {self._name(path): hashlib.sha256(data).hexdigest() for path, data in results.items()},
            "said": said,
        }
        try:
            self._file.write(json.dumps(entry).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise DetectorError(f"cannot write {self._folder / NAME}: {error.strerror}") from error

    def _name(self, path: Path) -> str:
        return os.path.relpath(path, self._folder)


def identity_of(path: Path) -> Identity:
    """Return the identity of a recording; raises MissingInputError where it cannot be read."""
    try:
        stat = path.stat()  # before it is read: what is changed meanwhile is another one
    except OSError as error:
        raise MissingInputError(f"cannot read {path}: {error.strerror}") from error
    return Identity(sha256_of(path), stat.st_size, stat.st_mtime_ns)


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 as hexadecimal digits; raises MissingInputError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise MissingInputError(f"cannot read {path}: {error.strerror}") from error


def _entry(line: bytes) -> Entry | None:
    """Return an entry; ``None`` where a line is none: what it told of is made again."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    wanted = {"recording": str, "input": dict, "run": dict, "results": dict, "said": str}
    if not isinstance(entry, dict) or any(not isinstance(entry.get(key), kind) for key, kind in wanted.items()):
        return None
    return entry if set(entry["input"]) == {field.name for field in fields(Identity)} else None
