"""What detectors say of their settings on the opt-in detail outlets; where there is none, nothing is known."""

from __future__ import annotations

import contextlib
import json
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pylsl
from pylsl.util import InternalError, LostError
from pylsl.util import TimeoutError as LslTimeoutError

from detector.client.lsl import pull
from detector.page.bed import BedBook, Thresholds
from detector.page.store import Store

log = logging.getLogger(__name__)

_FORM = 1, pylsl.cf_string
_SCHEMA = 1
_MOST_CHARACTERS = 10_000  # settings are a few hundred
_BUFFER_SAMPLES = 1  # LSL takes a hundredfold where the rate is irregular


class Details:
    """Follows the detail outlets of all beds; nothing here waits.

    Parameters
    ----------
    store
        Where the thresholds are kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[str, tuple[float, float] | tuple[None, None]] = {}
        self._inlets: dict[str, tuple[str, pylsl.StreamInlet]] = {}

    def follow(self, found: Mapping[str, Sequence[pylsl.StreamInfo]]) -> None:
        """Read these, of several of one bed the youngest, and no others."""
        for bed in self._inlets.keys() - found.keys():
            del self._inlets[bed]
        for bed, infos in found.items():
            fitting = [info for info in infos if (info.channel_count(), info.channel_format()) == _FORM]
            if not fitting:
                continue
            newest = max(fitting, key=lambda info: float(info.created_at()))
            if bed in self._inlets and self._inlets[bed][0] == newest.uid():
                continue
            try:
                inlet = pylsl.StreamInlet(newest, max_buflen=_BUFFER_SAMPLES, recover=False, as_numpy=True)
            except (RuntimeError, LostError, InternalError) as error:  # out of threads or open files; tried again
                log.error("the detail of %s cannot be connected to: %s", bed, error)
                continue
            with contextlib.suppress(LslTimeoutError, LostError, InternalError):
                inlet.open_stream(timeout=0.0)
            self._inlets[bed] = newest.uid(), inlet

    def tell(self, books: Mapping[str, BedBook], now_s: float) -> None:
        """Tell each bed's book what the bed has said of its thresholds; ``now_s`` is the monotonic clock."""
        for bed, (_, inlet) in [*self._inlets.items()]:
            samples, is_lost = pull(inlet, 0.0)
            newest = [thresholds for values, _ in samples if (thresholds := thresholds_of(values[0])) is not None]
            if newest and bed in books:
                books[bed].tell(newest[-1], now_s)
            if is_lost:
                del self._inlets[bed]

    def keep(self, book: BedBook, utc_s: float, now_s: float) -> None:
        """Write down the thresholds of a bed where they are others than before."""
        told = book.thresholds(now_s)
        pair = (told.onset, told.offset) if told is not None else (None, None)
        if self._kept.get(book.name) != pair:
            self._kept[book.name] = pair
            self._store.thresholds(book.name, utc_s, *pair)


def thresholds_of(text: bytes | str) -> Thresholds | None:
    """Return the thresholds in a message of the detail outlet; ``None`` where it is another one, or makes no sense."""
    if len(text) > _MOST_CHARACTERS:
        return None
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or (message.get("schema"), message.get("kind")) != (_SCHEMA, "settings"):
        return None
    decision = message.get("decision")
    if not isinstance(decision, dict):
        return None
    onset, offset, smoothing_s = (
        _number(decision.get(key)) for key in ("onset_threshold", "offset_threshold", "smoothing_s")
    )
    if not (0 < offset <= onset <= 1 and smoothing_s >= 0):
        return None
    return Thresholds(onset, offset, smoothing_s)


def _number(value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < 1e9 else math.nan
