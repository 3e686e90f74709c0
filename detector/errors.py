"""The errors that users see. Each says what came, what was expected and the choices; each has an exit code.

The codes are those of ``sysexits.h``, so that systemd and shell scripts can tell them apart.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DetectorError(Exception):
    """Base of every error that this project raises on purpose; 70 is an internal error."""

    exit_code = 70


class UsageError(DetectorError):
    """The command line asks for something that does not exist or does not fit together."""

    exit_code = 64


class BadDataError(DetectorError):
    """A recording or stream cannot be monitored as it is."""

    exit_code = 65


class MissingInputError(DetectorError):
    """An input file does not exist or cannot be opened."""

    exit_code = 66


class NoStreamError(DetectorError):
    """A one-shot command found no stream (the daemon waits instead)."""

    exit_code = 69


class ConfigError(DetectorError):
    """A configuration file is wrong."""

    exit_code = 78


class BundleError(DetectorError):
    """A model bundle is missing, corrupt or not fit for live use."""

    exit_code = 78


class EngineError(DetectorError):
    """What runs a network, or trains one, is not installed."""

    exit_code = 78


class StateError(DetectorError):
    """The network's state or output is not finite any more; monitoring must stop and reset."""


class CheckpointError(DetectorError):
    """A checkpoint cannot be read, written or taken up; the session begins anew."""


def nearest(word: str, choices: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the choice nearest to ``word``, or an empty string."""
    matches = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.6)
    return f" (did you mean {matches[0]!r}?)" if matches else ""
