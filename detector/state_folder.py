"""Where a bed keeps what must outlive its process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return systemd's state folder, else the user's (https://specifications.freedesktop.org/basedir-spec/)."""
    given = environment.get("STATE_DIRECTORY", "")
    if given:
        return Path(given.split(":")[0])  # systemd joins several by colons
    base = environment.get("XDG_STATE_HOME", "")
    # The specification has relative paths ignored.
    folder = Path(base) if base and Path(base).is_absolute() else Path.home() / ".local" / "state"
    return folder / "seizure-detector"
