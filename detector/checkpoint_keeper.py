"""Keeps the newest checkpoint in a file, by a thread of its own: the main loop never waits for a disk."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from detector.checkpoint import Checkpoint
from detector.errors import CheckpointError

_SLOW_S = 10.0  # a disk that takes so long for some kilobytes does not work
_SHARE = 0.05  # of the time: a starved program, or a slow disk, has better things to do than the next one


class CheckpointKeeper:
    """Writes what is offered, as a whole or not at all, until closed.

    The file is not forced onto the disk: it outlives the process, and a boot of the machine it must not outlive.

    Parameters
    ----------
    path
        Of the file; its folder is made where it is not there.
    every_s
        How often what is offered is taken; 0 is never.
    """

    def __init__(self, path: Path, every_s: float) -> None:
        self._path, self._every_s = path, every_s
        self._part = path.with_name(f".{path.name}.part")
        self._taken_at_s: float | None = None
        self._wanted: Checkpoint | None = None  # in the file; none is no file
        self._is_asked = self._is_closed = False
        self._asked = threading.Condition()
        self._busy_since_s: float | None = None
        self._took_s = 0.0  # the last one
        self._trouble: str | None = None
        self._thread = threading.Thread(target=self._run, name="checkpoint", daemon=True)
        self._thread.start()

    @property
    def trouble(self) -> str | None:
        """Why the newest checkpoint is not in the file, or ``None``."""
        busy_since_s = self._busy_since_s
        if busy_since_s is not None and (busy_s := time.monotonic() - busy_since_s) > _SLOW_S:
            return f"{self._path}: the disk has not answered for {busy_s:.0f} s; a restart would have to warm up"
        return self._trouble

    def offer(self, make: Callable[[], Checkpoint], now_s: float, *, at_once: bool = False) -> None:
        """Take a checkpoint if it is time for one.

        Parameters
        ----------
        make
            Makes it; called only if it is time.
        now_s
            The monotonic clock now.
        at_once
            Whether it is time in any case: what was said of a seizure must not be forgotten.
        """
        if self._every_s <= 0:
            return
        every_s = max(self._every_s, self._took_s / _SHARE)
        if at_once or self._taken_at_s is None or now_s - self._taken_at_s >= every_s:
            self._taken_at_s = now_s
            self._ask(make())

    def discard(self) -> None:
        """Remove the file: the session has ended, or its checkpoint has been taken up."""
        self._taken_at_s = None
        self._ask(None)

    def close(self, timeout_s: float = 0.3) -> None:
        """Do what was asked, as far as the disk does it in this time, and end."""
        with self._asked:
            self._is_closed = True
            self._asked.notify()
        self._thread.join(timeout_s)

    def _ask(self, wanted: Checkpoint | None) -> None:
        with self._asked:
            self._wanted, self._is_asked = wanted, True  # what was not written yet never will be: it is old
            self._asked.notify()

    def _run(self) -> None:
        while True:
            with self._asked:
                self._asked.wait_for(lambda: self._is_asked or self._is_closed)
                if not self._is_asked:
                    return
                wanted, self._is_asked = self._wanted, False
            self._busy_since_s = time.monotonic()
            self._trouble = self._try(wanted)
            self._took_s = time.monotonic() - self._busy_since_s
            self._busy_since_s = None

    def _try(self, wanted: Checkpoint | None) -> str | None:
        try:
            if wanted is None:
                self._remove()
            else:
                self._write(wanted.encoded())
        except OSError as error:
            did = "remove" if wanted is None else "write"
            return f"cannot {did} {self._path}: {error.strerror}; a restart would have to warm up"
        except CheckpointError as error:
            return f"{self._path} is not written: {error}; a restart would have to warm up"
        except Exception as error:  # noqa: BLE001 - a thread that ended here would keep quiet about it
            return f"{self._path} is not written: internal error {error!r}; a restart would have to warm up"
        return None

    def _write(self, data: bytes) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._part.unlink(missing_ok=True)  # of a process that was killed; made anew, it is ours and 0600
        with os.fdopen(os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
        self._part.replace(self._path)

    def _remove(self) -> None:
        for path in (self._path, self._part):
            path.unlink(missing_ok=True)
