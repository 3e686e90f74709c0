"""The EEG of one bed: the source that its detector names, as derivations of its montage.

It is read for those who look at it and, where somebody keeps them, for trends; then all the time, calmly while nobody
looks.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pylsl

from detector.client.lsl import About
from detector.conditioning.montage import MONTAGES, Montage, MontageConfig
from detector.conditioning.quality import Quality, QualityConfig
from detector.config import Source, make_config
from detector.errors import DetectorError
from detector.messages import MIN_RATE_HZ, Chunk, Description
from detector.page.bed import BedBook
from detector.page.eeg_block import block_of, thinning
from detector.page.spectrum import EegBin, Spectrum
from detector.source.lsl import LslSource
from detector.source.lsl_stream import MAX_BLOCK_S
from detector.source.said import Opened

log = logging.getLogger(__name__)

_MOST_WAITING = 50  # blocks of a screen that does not fetch them: it has lost some then, which it is told
_CALM_S = 1.0  # between two looks while no screen waits
_BUFFER_S = 30  # what is kept for a page that does not come to look; with 360 s each bed costs 1.5 MB
_LATE_S = 30.0  # so long after its end a bin is taken as over, though it is not full


class EegFeed:
    """Reads a source for as long as somebody looks or, with ``keep``, until `end`.

    Parameters
    ----------
    book
        The bed.
    keep
        Takes each bin of the EEG's trends, in a thread of its own.

    Raises
    ------
    DetectorError
        The bed does not say what it watches, or by which montage.
    """

    def __init__(self, book: BedBook, keep: Callable[[EegBin], object] | None = None) -> None:
        about = book.about
        if about is None:
            raise DetectorError("the detector of this bed is not there to say which stream it watches")
        if about.montage not in MONTAGES:
            raise DetectorError(f"the montage {about.montage!r} is not known here; known are {', '.join(MONTAGES)}")
        names = {"source_id": about.source_id, "name": about.source_name}
        given = {key: value for key, value in names.items() if value and "'" not in value}
        if not given:
            raise DetectorError("the detector finds its stream by a predicate, which it does not tell")
        #: What is read; another detector of the bed may watch something else.
        self.about = about
        self.derivations = MONTAGES[about.montage]
        self._montage_name = about.montage
        self._config: Source = make_config({"bed": {"name": "page"}, "source": given}).source
        self._keep = keep
        self._screens: list[deque[dict[str, Any]]] = []
        self._opened: dict[str, Any] | None = None  # what a screen must know that comes later
        self._obstacle: dict[str, Any] | None = None
        self._lock = threading.Lock()
        self._stop, self._hurry = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._read, name=f"eeg-{book.name}", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether it reads no more."""
        return not self._thread.is_alive()

    @property
    def obstacle(self) -> str:
        """Why nothing comes; empty where something does, or may."""
        return str(self._obstacle["obstacle"]) if self._obstacle is not None else ""

    def join(self) -> deque[dict[str, Any]]:
        """Return the blocks for one more screen, which takes them from the left."""
        blocks: deque[dict[str, Any]] = deque(maxlen=_MOST_WAITING)
        with self._lock:
            blocks.extend(block for block in (self._opened, self._obstacle) if block is not None)
            self._screens.append(blocks)
        self._hurry.set()
        return blocks

    def is_of(self, book: BedBook) -> bool:
        """Whether it reads what the detector of the bed watches now, as far as that is known."""
        return book.about is None or _watched(book.about) == _watched(self.about)

    def end(self) -> None:
        """Read no more, whoever looks."""
        self._stop.set()
        self._hurry.set()

    def wait(self, timeout_s: float) -> None:
        """Wait until it reads no more, behind `end`."""
        self._thread.join(timeout_s)

    def leave(self, blocks: deque[dict[str, Any]]) -> bool:
        """Send that screen no more; return whether nothing is read any longer."""
        with self._lock:
            self._screens = [one for one in self._screens if one is not blocks]
            is_over = not self._screens and self._keep is None
            if not self._screens:
                self._hurry.clear()
        if is_over:
            self.end()
        return is_over

    def _read(self) -> None:
        made: list[_Maker] = []

        def accept(description: Description) -> None:
            made[:] = [_Maker(self._montage_name, description)]

        source = LslSource(self._config, accept, _BUFFER_S)
        try:
            while not self._stop.is_set():
                polled = source.poll(1 if self._hurry.is_set() else 0)
                self._note(source.obstacle.text if source.obstacle is not None else "")
                for message in polled:
                    if isinstance(message, Opened):
                        self._opened = {"opened": True, "rate_hz": made[0].rate_hz, "missing": made[0].missing}
                        self._send(self._opened)
                    elif isinstance(message, Chunk):
                        self._take(made[0], message)
                    else:
                        made[0].reset()
                        self._send({"gap": str(message.reason)})
                if made:
                    self._put(made[0].close(time.time() - _LATE_S))
                if not polled and self._hurry.is_set():
                    self._stop.wait(MAX_BLOCK_S / 4)
                elif not polled:
                    self._hurry.wait(_CALM_S)
        except DetectorError as error:
            self._note(str(error))
        finally:
            if made:
                self._put(made[0].close(math.inf))
            source.close()

    def _take(self, maker: _Maker, chunk: Chunk) -> None:
        ahead_s = time.time() - float(pylsl.local_clock())
        derived, judged = maker.derive(chunk)
        if self._keep is not None:
            self._put(maker.bins(judged, ahead_s))
        if self._screens:
            for block in maker.blocks(derived, ahead_s):
                self._send(block)

    def _put(self, bins: list[EegBin]) -> None:
        if self._keep is not None:
            for one in bins:
                self._keep(one)

    def _note(self, obstacle: str) -> None:
        if obstacle != self.obstacle:
            self._obstacle = {"obstacle": obstacle} if obstacle else None
            self._send({"obstacle": obstacle})

    def _send(self, block: dict[str, Any]) -> None:
        with self._lock:
            for screen in self._screens:
                if len(screen) == _MOST_WAITING:  # it is too slow, and must not join what it has with what comes
                    screen.clear()
                    screen.extend(one for one in (self._opened, {"gap": "screen too slow"}) if one is not None)
                screen.append(block)


def _watched(about: About) -> tuple[str, str, str]:
    return about.source_id, about.source_name, about.montage


class _Maker:
    """Turns chunks of a source into derivations, and those into blocks for a screen and bins of trends."""

    def __init__(self, montage: str, description: Description) -> None:
        # One derivation is enough to look at; the detector asks for more.
        self._montage = Montage(MontageConfig(montage, min_derivations=1), description)
        self.missing = list(self._montage.missing)
        rate_hz = description.rate_hz
        self._thin = thinning(rate_hz)
        self.rate_hz = rate_hz / self._thin
        self._quality = Quality(QualityConfig(rate_hz, len(self._montage.names)))
        # No detector watches a slower one.
        self._spectrum = Spectrum(self._montage.names, rate_hz) if rate_hz >= MIN_RATE_HZ else None
        self._rest: Chunk | None = None

    def reset(self) -> None:
        """Forget what was before a gap."""
        self._quality.reset()
        self._rest = None
        if self._spectrum is not None:
            self._spectrum.reset()

    def derive(self, chunk: Chunk) -> tuple[Chunk, Chunk]:
        """Return the derivations as they are, and as they are judged: finite, with what is good of them."""
        derived = self._montage.process(chunk)
        return derived, self._quality.process(derived)

    def bins(self, judged: Chunk, ahead_s: float) -> list[EegBin]:
        """Return the bins that these derivations end; ``ahead_s`` takes their stamps to UNIX time."""
        return [] if self._spectrum is None else self._spectrum.process(judged, ahead_s)

    def close(self, before_s: float) -> list[EegBin]:
        """Return the bin that was over before a UNIX time."""
        return [] if self._spectrum is None else self._spectrum.close(before_s)

    def blocks(self, derived: Chunk, ahead_s: float) -> list[dict[str, Any]]:
        """Return what a screen shows of these derivations."""
        samples, stamps = derived.samples, derived.timestamps
        # Between what is left of the last ones and these, some may have come while nobody looked.
        if self._rest is not None and stamps[0] - self._rest.timestamps[-1] < 1.5 / (self.rate_hz * self._thin):
            samples = np.concatenate([self._rest.samples, samples])
            stamps = np.concatenate([self._rest.timestamps, stamps])
        n = len(samples) // self._thin * self._thin
        self._rest = Chunk(samples[n:], stamps[n:]) if n < len(samples) else None
        if not n:
            return []
        faults = {self._montage.names[i]: str(fault) for i, fault in self._quality.faults.items()}
        return [{"end_s": float(stamps[n - 1]) + ahead_s, "faults": faults, **block_of(samples[:n], self._thin)}]
