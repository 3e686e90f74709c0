"""The EEG of one bed for those who look at it: the source that its detector names, as derivations of its montage."""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections import deque
from typing import Any

import numpy as np
import pylsl

from detector.client.lsl import About
from detector.conditioning.montage import MONTAGES, Montage, MontageConfig
from detector.conditioning.quality import Quality, QualityConfig
from detector.config import Source, make_config
from detector.errors import DetectorError
from detector.messages import Chunk, Description
from detector.page.bed import BedBook
from detector.source.lsl import LslSource
from detector.source.lsl_stream import MAX_BLOCK_S
from detector.source.said import Opened

log = logging.getLogger(__name__)

STEP_UV = 0.1  # of the 16-bit numbers that are sent: up to 3.2 mV, as EEG amplifiers go
NO_SAMPLE = -32768
_MOST_WAITING = 50  # blocks of a screen that does not fetch them: it has lost some then, which it is told
_MAX_RATE_HZ = 300.0  # what a screen can show; faster streams are thinned behind a mean of their samples


class EegFeed:
    """Reads a source for as long as somebody looks.

    Parameters
    ----------
    book
        The bed.

    Raises
    ------
    DetectorError
        The bed does not say what it watches, or by which montage.
    """

    def __init__(self, book: BedBook) -> None:
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
        self._screens: list[deque[dict[str, Any]]] = []
        self._opened: dict[str, Any] | None = None  # what a screen must know that comes later
        self._obstacle: dict[str, Any] | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name=f"eeg-{book.name}", daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether it reads no more."""
        return not self._thread.is_alive()

    def join(self) -> deque[dict[str, Any]]:
        """Return the blocks for one more screen, which takes them from the left."""
        blocks: deque[dict[str, Any]] = deque(maxlen=_MOST_WAITING)
        with self._lock:
            blocks.extend(block for block in (self._opened, self._obstacle) if block is not None)
            self._screens.append(blocks)
        return blocks

    def is_of(self, book: BedBook) -> bool:
        """Whether it reads what the detector of the bed watches now, as far as that is known."""
        return book.about is None or _watched(book.about) == _watched(self.about)

    def end(self) -> None:
        """Read no more, whoever looks."""
        self._stop.set()

    def leave(self, blocks: deque[dict[str, Any]]) -> bool:
        """Send that screen no more; return whether nobody looks any longer, and nothing is read."""
        with self._lock:
            self._screens = [one for one in self._screens if one is not blocks]
            if not self._screens:
                self._stop.set()
            return not self._screens

    def _read(self) -> None:
        made: list[_Maker] = []

        def accept(description: Description) -> None:
            made[:] = [_Maker(self._montage_name, description)]

        source = LslSource(self._config, accept)
        said = ""
        try:
            while not self._stop.is_set():
                polled = source.poll()
                obstacle = source.obstacle.text if source.obstacle is not None else ""
                if obstacle != said:
                    said = obstacle
                    self._obstacle = {"obstacle": obstacle} if obstacle else None
                    self._send({"obstacle": obstacle})
                for message in polled:
                    if isinstance(message, Opened):
                        self._opened = {"opened": True, "rate_hz": made[0].rate_hz, "missing": made[0].missing}
                        self._send(self._opened)
                    elif isinstance(message, Chunk):
                        for block in made[0].blocks(message):
                            self._send(block)
                    else:
                        made[0].reset()
                        self._send({"gap": str(message.reason)})
                if not polled:
                    self._stop.wait(MAX_BLOCK_S / 4)
        except DetectorError as error:
            self._send({"obstacle": str(error)})
        finally:
            source.close()

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
    """Turns chunks of a source into blocks for a screen."""

    def __init__(self, montage: str, description: Description) -> None:
        # One derivation is enough to look at; the detector asks for more.
        self._montage = Montage(MontageConfig(montage, min_derivations=1), description)
        self.missing = list(self._montage.missing)
        self._thin = max(int(np.ceil(description.rate_hz / _MAX_RATE_HZ)), 1)
        self.rate_hz = description.rate_hz / self._thin
        self._quality = Quality(QualityConfig(description.rate_hz, len(self._montage.names)))
        self._rest: Chunk | None = None

    def reset(self) -> None:
        """Forget what was before a gap."""
        self._quality.reset()
        self._rest = None

    def blocks(self, chunk: Chunk) -> list[dict[str, Any]]:
        derived = self._montage.process(chunk)
        self._quality.process(derived)
        samples, stamps = derived.samples, derived.timestamps
        if self._rest is not None:
            samples = np.concatenate([self._rest.samples, samples])
            stamps = np.concatenate([self._rest.timestamps, stamps])
        n = len(samples) // self._thin * self._thin
        self._rest = Chunk(samples[n:], stamps[n:]) if n < len(samples) else None
        if not n:
            return []
        shown = samples[:n].reshape(-1, self._thin, samples.shape[1]).mean(axis=1) / STEP_UV
        numbers = np.where(np.isfinite(shown), np.clip(np.rint(shown), NO_SAMPLE + 1, -NO_SAMPLE - 1), NO_SAMPLE)
        faults = {self._montage.names[i]: str(fault) for i, fault in self._quality.faults.items()}
        return [
            {
                "end_s": time.time() - float(pylsl.local_clock()) + float(stamps[n - 1]),
                "n": len(shown),
                "samples": base64.b64encode(numbers.astype("<i2").tobytes()).decode(),
                "faults": faults,
            }
        ]
