"""A call that may take seconds, in a thread of its own, so that the main loop goes on meanwhile."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Background(Generic[T]):
    """Begin ``call`` at once; ask for its result, or its error, when it is done.

    Parameters
    ----------
    call
        What is to be done.
    discard
        What becomes of a result that nobody wants any more.
    """

    def __init__(self, call: Callable[[], T], discard: Callable[[T], None] = lambda _: None) -> None:
        self._call, self._discard = call, discard
        self._results: list[T] = []
        self._error: Exception | None = None
        self._abandoned = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"background-{call!r}"[:40], daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # no more threads: an error of the call, which can be tried again
            self._error = error

    def wait(self, timeout_s: float = 0.0) -> bool:
        """Return whether it is done, waiting for it at most so long."""
        if self._thread.ident is not None:  # it was started
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def result(self) -> T:
        """Return what the call returned, or raise what it raised."""
        if self._error is not None:
            raise self._error
        return self._results[0]

    def abandon(self) -> None:
        """Discard the result, now or when it comes."""
        with self._lock:
            self._abandoned = True
            if self._results:
                self._discard(self._results[0])

    def _run(self) -> None:
        try:
            result = self._call()
        except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it
            # What the call held, a connection for one, ends now, and not when somebody collects the garbage.
            traceback.clear_frames(error.__traceback__)
            self._error = error
            return
        with self._lock:
            self._results.append(result)
            if self._abandoned:
                self._discard(result)
