"""The one thread that writes clips, and tries again for as long as it cannot. Nobody waits for it."""

from __future__ import annotations

import errno
import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from io import BufferedWriter
from pathlib import Path
from typing import Any

from detector.rights import OWNER
from detector.sinks.clips_clip import Clip
from detector.sinks.clips_edf import write_edf
from detector.sinks.clips_place import UNKNOWN_EVENT, ClipName, Limits, keep_within, prepare, write_clip

log = logging.getLogger(__name__)

_RETRY_S, _LONGEST_RETRY_S = 0.5, 8.0
_SLOW_S = 10.0  # a disk that takes so long for some megabytes does not work
# How often old clips are looked for. Never right after a start, when the machine may not have been told the time yet.
_RETENTION_S = 3600.0


class ClipWriter:
    """Writes clips in the order in which they come.

    Parameters
    ----------
    folder
        Where to; made where it is not there.
    limits
        See `Limits`.
    max_waiting_bytes
        Of samples that wait; beyond them the oldest that is not being written is given up.
    utc, clock
        The wall clock and a clock that is never set, s.
    mode
        Rights of each file.
    """

    def __init__(
        self,
        folder: Path,
        limits: Limits,
        max_waiting_bytes: int,
        *,
        utc: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        mode: int = OWNER,
    ) -> None:
        self._folder, self._limits, self._max_waiting_bytes = folder, limits, max_waiting_bytes
        self._utc, self._clock, self._mode = utc, clock, mode
        self._waiting: deque[Clip] = deque()
        self._told: deque[Mapping[str, Any]] = deque()
        self._lock = threading.Lock()
        self._wake, self._closing = threading.Event(), threading.Event()
        self._busy_since_s: float | None = None  # on the monotonic clock
        self._trouble: str | None = None
        self._is_prepared = False
        self._retained_s, self._ahead_s = clock(), utc() - clock()
        self._thread: threading.Thread | None = None
        self._run()

    @property
    def trouble(self) -> str | None:
        """What keeps clips from being written and what is to be done about it; ``None`` while they are."""
        busy_since_s = self._busy_since_s
        if busy_since_s is not None and (busy_s := time.monotonic() - busy_since_s) > _SLOW_S:
            return f"clips wait for the disk of {self._folder} for {busy_s:.0f} s: look after it; {self._outlook}"
        return self._trouble

    def put(self, clip: Clip) -> None:
        """Have a clip written."""
        with self._lock:
            self._waiting.append(clip)
            while len(self._waiting) > 2 and sum(clip.n_bytes for clip in self._waiting) > self._max_waiting_bytes:
                self._tell_lost(self._waiting[1], self.trouble or "too many came at once")
                del self._waiting[1]  # the first is being written
        self._run()
        self._wake.set()

    def told(self) -> Iterator[Mapping[str, Any]]:
        """Yield what became of clips since the last call, for the journal: their file, or why they are lost."""
        while self._told:
            yield self._told.popleft()

    def close(self, timeout_s: float) -> None:
        """Write what waits, for at most so long, and end; what is left is lost, and told so."""
        self._closing.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        with self._lock:
            while self._waiting:
                clip = self._waiting.popleft()
                log.warning("the clip of event %s is not written: %s", clip.event_id, self.trouble or "no time")
                self._tell_lost(clip, self.trouble or "the program ended before it was written")

    @property
    def _outlook(self) -> str:
        return f"up to {self._max_waiting_bytes / 1e6:.0f} MB wait in memory and are written then"

    def _run(self) -> None:
        """Have a thread; without one (the machine may have none left) it is tried again with the next clip."""
        if self._thread is not None or self._closing.is_set():
            return
        thread = threading.Thread(target=self._write_on, name="clips", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._trouble = f"clips are not written ({error}): allow this program more threads"
            return
        self._thread = thread

    def _write_on(self) -> None:
        retry_s = _RETRY_S
        while True:
            self._wake.clear()
            is_last = self._closing.is_set()
            self._busy_since_s = time.monotonic()
            try:
                self._write()
            except OSError as error:
                self._trouble = (
                    f"clips cannot be written to {self._folder} ({error}): {_advice(error)}; {self._outlook}"
                )
            else:
                self._trouble, retry_s = None, _RETRY_S
            self._busy_since_s = None
            if is_last:
                return
            if self._trouble is None:
                self._wake.wait(_RETENTION_S)
            else:
                self._closing.wait(retry_s)
                retry_s = min(2 * retry_s, _LONGEST_RETRY_S)

    def _write(self) -> None:
        if not self._is_prepared:
            prepare(self._folder, self._mode)
            self._is_prepared = True
        while (clip := self._first()) is not None:
            self._write_one(clip)
            self._busy_since_s = time.monotonic()
        now_s, ahead_s = self._clock(), self._utc() - self._clock()
        if now_s - self._retained_s >= _RETENTION_S:
            # A wall clock that was set meanwhile may be set again, and what is removed does not come back.
            is_sure = abs(ahead_s - self._ahead_s) < _RETENTION_S
            self._retained_s, self._ahead_s = now_s, ahead_s
            before_utc_s = self._utc() - self._limits.keep_days * 86400 if is_sure else None
            keep_within(self._folder, self._limits, before_utc_s=before_utc_s)

    def _first(self) -> Clip | None:
        with self._lock:
            return self._waiting[0] if self._waiting else None

    def _write_one(self, clip: Clip) -> None:
        lengths_s: list[float] = []
        name = ClipName(clip.bed, clip.onset_utc_s, clip.event_id or UNKNOWN_EVENT, 1)

        def write(file: BufferedWriter) -> None:
            lengths_s.append(write_edf(clip, file))

        try:
            path = write_clip(self._folder, name, write, self._limits, self._mode)
        except FileNotFoundError:
            self._is_prepared = False  # somebody has removed the folder
            raise
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - a mistake of ours must not keep the clips behind it from the disk
            # As text: a record that keeps the error keeps all samples of the clip.
            log.error("a clip cannot be made: %s", "".join(traceback.format_exception(error)))
            told: Mapping[str, Any] = {"event_id": clip.event_id, "lost": f"internal error {error!r:.200}"}
        else:
            told = {"event_id": clip.event_id, "file": path.name, "length_s": round(lengths_s[-1], 3)}
        with self._lock:
            if self._waiting and self._waiting[0] is clip:
                self._waiting.popleft()
                self._told.append(told)

    def _tell_lost(self, clip: Clip, why: str) -> None:
        self._told.append({"event_id": clip.event_id, "lost": why})


def _advice(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "make room on its disk"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
        return "let this program write in its folder"
    return "look after its disk"
