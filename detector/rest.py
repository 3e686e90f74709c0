"""A rest that ends early where a signal asks for something."""

from __future__ import annotations

import contextlib
import os
import select


class Rest:
    """Rests by waiting for a pipe; no lock is in it, which the code that a signal interrupts might hold."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)
        self._poll = select.poll()
        self._poll.register(self._reading, select.POLLIN)

    def take(self, seconds: float) -> bool:
        """Rest for so long, not at all where it is nothing; return whether the rest was ended."""
        if seconds <= 0 or not self._poll.poll(seconds * 1e3):
            return False
        os.read(self._reading, 65536)  # all that a pipe holds
        return True

    def end(self) -> None:
        """End the rest that is taken, or the next one; may be called from a signal."""
        with contextlib.suppress(BlockingIOError):  # full: it is ended already
            os.write(self._writing, b".")

    def __del__(self) -> None:
        """Give the pipe back: only now, for whoever can still end a rest has a hold of this."""
        os.close(self._reading)
        os.close(self._writing)
