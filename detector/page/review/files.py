"""The files that beds keep below one folder, opened so that nothing outside of it can be reached.

A bed is a program of its own, whose folder may hold anything. Names are checked first, and then each step of the way
is opened by itself and may not be a link.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from detector.config import BED_NAME
from detector.errors import MissingInputError
from detector.journal_schema import SUFFIX
from detector.sinks.clips_place import FOLDER, ClipName, name_of

_MOST_NAMES = 20_000  # of a folder that are looked at
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # opening a pipe would wait for its other end


@dataclass(frozen=True)
class ClipFile:
    """A clip that is there."""

    name: ClipName
    n_bytes: int


class BedFiles:
    """Finds and opens what a bed has written.

    Parameters
    ----------
    root
        The folder: ``<bed>.journal.sqlite`` and ``clips/<bed>`` lie in it, as whoever runs several beds has them, or in
        ``<bed>``, as beds that systemd runs do. ``None`` where nothing is to be shown.
    """

    def __init__(self, root: Path | None) -> None:
        self.root = root

    def clips(self, bed: str) -> list[ClipFile]:
        """Return a bed's clips, the newest first.

        Raises
        ------
        MissingInputError
            There is no folder of them, or it may not be read.
        """
        found = []
        with self._clips_of(bed) as folder:
            try:
                with os.scandir(folder) as entries:
                    for entry in itertools.islice(entries, _MOST_NAMES):
                        name = name_of(entry.name)
                        if name is not None and name.bed == bed and entry.is_file(follow_symlinks=False):
                            with contextlib.suppress(FileNotFoundError):  # it has just been removed
                                found.append(ClipFile(name, entry.stat(follow_symlinks=False).st_size))
            except OSError as error:
                raise MissingInputError(f"the clips of {bed} cannot be read: {_told(error)}") from error
        return sorted(found, key=lambda clip: (-clip.name.onset_utc_s, clip.name.event_id, clip.name.part))

    def open_clip(self, bed: str, file: str) -> BufferedReader:
        """Open a clip.

        Raises
        ------
        MissingInputError
            It is not there, is no clip of this bed, or may not be read.
        """
        name = name_of(file)
        if name is None or name.bed != bed or str(name) != file:
            raise MissingInputError("this is no clip of this bed")
        with self._clips_of(bed) as folder:
            try:
                descriptor = os.open(file, _FILE, dir_fd=folder)
            except FileNotFoundError:
                raise MissingInputError(f"{file} is not there any more") from None
            except OSError as error:
                raise MissingInputError(f"{file} cannot be read: {_told(error)}") from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise MissingInputError(f"{file} is no plain file")
        return os.fdopen(descriptor, "rb")

    def journal(self, bed: str) -> Path:
        """Return where a bed's journal is.

        Raises
        ------
        MissingInputError
            There is none, or its folder may not be read.
        """
        file = f"{bed}{SUFFIX}"
        for parts in ((bed,), ()):
            with self._folder(bed, parts) as folder:
                if folder is None:
                    continue
                try:
                    descriptor = os.open(file, _FILE, dir_fd=folder)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    raise MissingInputError(f"the journal of {bed} cannot be read: {_told(error)}") from error
                is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
                os.close(descriptor)
                if is_file:
                    assert self.root is not None
                    return self.root.joinpath(*parts, file)
        raise MissingInputError(f"there is no journal of this bed in {self.root}")

    @contextmanager
    def _clips_of(self, bed: str) -> Iterator[int]:
        for parts in ((bed, FOLDER, bed), (FOLDER, bed)):
            with self._folder(bed, parts) as folder:
                if folder is not None:
                    yield folder
                    return
        raise MissingInputError(f"there are no clips of this bed in {self.root}")

    @contextmanager
    def _folder(self, bed: str, parts: tuple[str, ...]) -> Iterator[int | None]:
        """Yield the descriptor of a folder below the root; ``None`` where there is none."""
        if self.root is None:
            raise MissingInputError('this page is not told where beds keep their clips ([review] folder is "off")')
        if not BED_NAME.fullmatch(bed):
            raise MissingInputError("no bed of this machine has such a name")
        with closing(_Steps(self.root)) as steps:
            try:
                found = steps.down(parts)
            except (FileNotFoundError, NotADirectoryError):
                found = None
            except PermissionError as error:
                raise MissingInputError(
                    f"this page may not read {steps.where}: the bed has to allow it ([files] group_can_read = true)"
                ) from error
            except OSError as error:  # a link, or a disk that does not answer
                raise MissingInputError(f"{steps.where} cannot be read: {_told(error)}") from error
            yield found


class _Steps:
    """A way into a folder, one step after the other; to be closed."""

    def __init__(self, root: Path) -> None:
        self.where = root
        self._descriptor: int | None = None

    def down(self, parts: tuple[str, ...]) -> int:
        self._descriptor = os.open(self.where, _FOLDER & ~os.O_NOFOLLOW)  # the root is the administrator's own word
        for part in parts:
            self.where /= part
            following = os.open(part, _FOLDER, dir_fd=self._descriptor)
            self.close()
            self._descriptor = following
        return self._descriptor

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _told(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "this page may not; the bed has to allow it ([files] group_can_read = true)"
    return os.strerror(error.errno) if error.errno else str(error)
