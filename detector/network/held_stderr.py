"""What libraries in C++ say on stderr before anybody can tell them not to: held back, unless something goes wrong."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_stderr(beginning: bytes = b"") -> Iterator[None]:
    """Hold back what is written to the file descriptor, where C++ writes; show it if the block raises.

    Parameters
    ----------
    beginning
        Of the lines that are dropped; others, which another thread may have written, are shown behind the block.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        kept = os.dup(2)
        os.dup2(held.fileno(), 2)
        shown = b""
        try:
            yield
        except BaseException:  # whatever it was is raised again, with what was held back
            shown = _read(held.fileno())
            raise
        else:
            shown = b"".join(line for line in _read(held.fileno()).splitlines(True) if not line.startswith(beginning))
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            sys.stderr.write(shown.decode(errors="backslashreplace"))


def _read(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
