"""A new configuration: read and validated in the background, while the old one goes on watching."""

from __future__ import annotations

import logging
from pathlib import Path

from detector.background import Background
from detector.config import differences
from detector.config_check import open_to_anybody
from detector.errors import ConfigError, DetectorError
from detector.loading import Loaded, reload
from detector.sinks.identity import outlet_identity
from detector.source.lsl import LslSource

log = logging.getLogger(__name__)


class Reloading:
    """Reads a bed's file again when it is asked to.

    Parameters
    ----------
    path
        The file; ``None`` where there is none to be read again.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._asked = False
        self._loading: Background[Loaded] | None = None
        self.trouble = ""  # why the last one was not taken over

    def ask(self) -> None:
        """Begin at the next turn; may be called from a signal."""
        # A plain flag: a lock, which an event has, may be held by the very code that a signal interrupts.
        self._asked = True

    def result(self, before: Loaded) -> Loaded | None:
        """Return what is to be taken over now, if there is something; a wrong file changes nothing."""
        if self._asked and self._loading is None:
            self._asked = False
            self._begin(before)
        if self._loading is None or not self._loading.wait():
            return None
        loading, self._loading = self._loading, None
        try:
            loaded = loading.result()
            _require_possible(before, loaded)
        except Exception as error:  # noqa: BLE001 - whatever it is, the bed goes on being watched as before
            text = str(error) if isinstance(error, DetectorError) else f"internal error {error!r}"
            log.error("the configuration is kept as it was: %s", text)
            self.trouble = f"{text}; the configuration of before goes on: mend the file and reload"
            return None
        self.trouble = ""
        changes = [*differences(before.config, loaded.config)]
        if loaded.network is not before.network:
            changes.append(f"the network is that of {loaded.bundle.card.id} now")
        if not changes:
            log.info("the configuration has not changed")
            return None
        log.info("the configuration is taken over: %s", "; ".join(changes))
        return loaded

    def _begin(self, before: Loaded) -> None:
        if self._path is None:
            log.warning("no configuration file to read again")
            return
        path = self._path

        def read() -> Loaded:
            loaded = reload(path, before)
            if wrong := [*open_to_anybody(path)]:
                raise ConfigError("; ".join(wrong))
            return loaded

        self._loading = Background(read)  # a model takes seconds to load


def _require_possible(before: Loaded, after: Loaded) -> None:
    """Refuse what can be told before anything is closed; raises DetectorError."""
    old, new = before.config, after.config
    if new.bed.name != old.bed.name:
        raise ConfigError(f"the bed's name changed from {old.bed.name!r} to {new.bed.name!r}; restart for that")
    for section in ("journal", "checkpoint", "files", "health"):
        if getattr(new, section) != getattr(old, section):
            raise ConfigError(f"[{section}] changed, which a running detector cannot take over; restart for that")
    LslSource(new.source, lambda _: None).close()
    outlet_identity(after)
