"""Who may read what a bed writes about its patient: its own user alone or, where it is told so, its group as well."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path

OWNER, GROUP_TOO = 0o600, 0o640


def set_rights(path: Path, mode: int) -> None:
    """Give a file that is there these rights, as far as its owner can; nothing is followed that is a link."""
    with contextlib.suppress(FileNotFoundError, PermissionError):  # it has gone, or is somebody else's
        found = path.lstat().st_mode
        if stat.S_ISREG(found) and stat.S_IMODE(found) != mode:
            path.chmod(mode)


def let_in(folder: Path, mode: int) -> None:
    """Let those into a folder who may read files of this mode; whoever is in already stays so."""
    if mode == OWNER:
        return
    with contextlib.suppress(PermissionError):  # it is somebody else's, who knows why
        found = stat.S_IMODE(folder.stat().st_mode)
        if found & 0o050 != 0o050:
            folder.chmod(found | 0o050)
