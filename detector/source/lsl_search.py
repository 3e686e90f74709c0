"""Which stream on the network is meant: those that match the configuration and have not been refused."""

from __future__ import annotations

import logging
import math
import time

import pylsl

from detector.config import Source
from detector.errors import ConfigError, DetectorError
from detector.lsl_setup import search_ports_used_up
from detector.source.lsl_describe import printable

log = logging.getLogger(__name__)

FORGET_S = 2.0  # a stream that stopped answering is listed for so long
_SETTLE_S = 1.0  # a second stream of the same name may answer later than the first
_MAX_REFUSED = 100


class LslSearch:
    """Asks in the background from its construction, or the first `found` after a `rest`; never blocks.

    Raises
    ------
    ConfigError
        At construction when the predicate is none.
    DetectorError
        At construction when liblsl cannot look for any.
    """

    def __init__(self, config: Source) -> None:
        self.predicate, self._hostname = _predicate(config), config.hostname
        self._refused: dict[str, str] = {}  # uid, which an outlet keeps until it is restarted, and why
        self._listed: set[str] = set()
        self._listed_since = math.inf
        self.refused_here: tuple[pylsl.StreamInfo, str] | None = None
        try:
            self._resolver: pylsl.ContinuousResolver | None = self._new_resolver()
        except RuntimeError as error:
            if not config.predicate:
                raise DetectorError(
                    f"liblsl cannot look for streams ({error}): out of threads or open files?"
                ) from error
            raise ConfigError(
                f"[source] predicate: {config.predicate!r} is no XPath predicate that liblsl understands; "
                "expected one like starts-with(name, 'EEG')"
            ) from error

    def found(self) -> list[pylsl.StreamInfo]:
        """Return the streams that match now; those that were refused are left out, the first is in `refused_here`."""
        if self._resolver is None:
            try:
                self._resolver = self._new_resolver()
            except RuntimeError as error:
                log.error("liblsl cannot look for streams (%s): out of threads or open files? trying again", error)
                return []
        listed = self._resolver.results()
        refused = [(info, why) for info in listed if (why := self._why_not(info))]
        self.refused_here = refused[0] if refused else None
        found = [info for info in listed if not self._why_not(info)]
        if (uids := {info.uid() for info in found}) != self._listed:
            self._listed, self._listed_since = uids, time.monotonic()
        return found

    @property
    def settled(self) -> bool:
        """Whether what `found` returned last has been the same for a while."""
        return time.monotonic() - self._listed_since > _SETTLE_S

    def refuse(self, uid: str, why: str) -> None:
        """Leave this stream out until it is restarted."""
        self._refused[uid] = why
        if len(self._refused) > _MAX_REFUSED:
            del self._refused[next(iter(self._refused))]

    def rest(self) -> None:
        """Ask no more: the network has better things to carry."""
        self._resolver, self._listed = None, set()

    def _why_not(self, info: pylsl.StreamInfo) -> str:
        # The hostname is no part of the predicate: a stream of this name on another machine must be told about.
        if self._hostname and info.hostname() != self._hostname:
            return (
                f"its machine is {printable(info.hostname())!r}, expected {self._hostname!r} (hostname in [source]): a "
                "stranger, or the amplifier has moved"
            )
        return self._refused.get(info.uid(), "")

    def _new_resolver(self) -> pylsl.ContinuousResolver:
        if why := search_ports_used_up():
            log.error("streams may not be found: %s", why)
        return pylsl.ContinuousResolver(pred=self.predicate, forget_after=FORGET_S)


def _predicate(config: Source) -> str:
    parts = [f"{key}='{value}'" for key, value in (("source_id", config.source_id), ("name", config.name)) if value]
    return " and ".join(parts + ([f"({config.predicate})"] if config.predicate else []))
