"""What nobody else may read: words and keys, each in a file of its own."""

from __future__ import annotations

import os
from pathlib import Path

from detector.errors import ConfigError


def read_secret(path: Path, key: str) -> str:
    """Return what stands in a file, without the white space around it; ``key`` is its name in the configuration.

    Raises
    ------
    ConfigError
        When it cannot be read, can be read by others, or is empty.
    """
    try:
        mode, secret = path.stat().st_mode, path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{key} {path} cannot be read: {error}") from error
    # systemd shows a credential to the service's user by an access control list, whose mask is the group's bit.
    credentials = os.environ.get("CREDENTIALS_DIRECTORY", "")
    allowed = 0o040 if credentials and path.is_relative_to(credentials) else 0
    if mode & 0o077 & ~allowed:
        raise ConfigError(f"{key} {path} can be read by others; expected mode 0600 (chmod 600 {path})")
    if not secret:
        raise ConfigError(f"{key} {path} is empty")
    return secret
