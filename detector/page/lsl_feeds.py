"""One reader of the EEG of each bed, which screens join; where the page is set so, it reads all the time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from detector.errors import DetectorError
from detector.page.bed import BedBook
from detector.page.config import Eeg
from detector.page.lsl_eeg import EegFeed
from detector.page.spectrum import EegBin, told
from detector.page.store import Store

log = logging.getLogger(__name__)

MOST_READ = 64  # each is a connection and some threads, and anybody on the network can say that there is a bed
_TURN_S = 2.0
_END_S = 1.0  # for so long are readers waited for that end
_RETRY_S = 10.0  # before one that has ended is begun anew


class Feeds:
    """Keeps the readers. All of it may be called from any thread.

    Parameters
    ----------
    settings
        Whether to read also what nobody looks at.
    store
        Where trends are kept.
    """

    def __init__(self, settings: Eeg, store: Store) -> None:
        self._reads, self._store = settings.read, store
        self._feeds: dict[str, EegFeed] = {}
        self._why_not: dict[str, str] = {}
        self._tried_s: dict[str, float] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def begin(self, books: Callable[[], Iterable[BedBook]]) -> None:
        """Read the beds that there are, until `close`."""

        def keep() -> None:
            while not self._stop.wait(_TURN_S):
                try:
                    self.turn(books())
                except Exception as error:  # noqa: BLE001 - one bed that cannot be read must not end all others' trends
                    log.error("the EEG of the beds: %r", error)

        if self._reads:
            self._thread = threading.Thread(target=keep, name="feeds", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Read no more; what is known of the bins that have begun is kept."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_TURN_S)
        with self._lock:
            feeds = [*self._feeds.values()]
        for feed in feeds:
            feed.end()
        until_s = time.monotonic() + _END_S
        for feed in feeds:
            feed.wait(max(until_s - time.monotonic(), 0.0))
        self._is_closed = True

    def turn(self, books: Iterable[BedBook]) -> None:
        """Begin to read the beds that are new, and end with those that are gone."""
        there = {book.name: book for book in books}
        with self._lock:
            for bed in self._feeds.keys() - there.keys():
                self._feeds.pop(bed).end()
            for known in (self._why_not, self._tried_s):
                for bed in known.keys() - there.keys():
                    del known[bed]
        for bed, book in sorted(there.items()):
            with self._lock:
                n_read = sum(not feed.ended for feed in self._feeds.values())
                if bed not in self._feeds and n_read >= MOST_READ:
                    self._why_not[bed] = f"this page reads the EEG of {MOST_READ} beds, and of no more"
                    continue
            try:
                self.open(book)
            except DetectorError as error:
                with self._lock:
                    self._why_not[bed] = str(error)

    def open(self, book: BedBook) -> EegFeed:
        """Return the reader of a bed, begun anew where what the bed watches is another stream.

        Raises
        ------
        DetectorError
            The bed does not say what it watches, or reading it ended a moment ago.
        """
        with self._lock:
            feed = self._feeds.get(book.name)
            if feed is not None and not feed.is_of(book):
                feed.end()  # its screens come back for the other one
                feed = None
            if feed is not None and not feed.ended:
                return feed
            now_s = time.monotonic()
            if feed is not None and feed.obstacle and now_s - self._tried_s.get(book.name, now_s) < _RETRY_S:
                raise DetectorError(feed.obstacle)
            feed = EegFeed(book, (lambda one: self._keep(book.name, one)) if self._reads else None)
            self._feeds[book.name], self._tried_s[book.name] = feed, now_s
            self._why_not.pop(book.name, None)
            return feed

    def told(self, bed: str, since_s: float) -> dict[str, Any]:
        """Return the trends of a bed for JSON, and why there are no more of them where there are not."""
        return {"why_not": self.why_not(bed), **told(self._store.eeg_bins(bed, since_s))}

    def why_not(self, bed: str) -> str:
        """Return why the EEG of a bed is not read for trends; empty where it is."""
        if not self._reads:
            return "it is not read, as [eeg] read = false in the page's configuration says"
        with self._lock:
            feed = self._feeds.get(bed)
            if feed is not None:
                return feed.obstacle
            return self._why_not.get(bed, "it is about to be looked for")

    def _keep(self, bed: str, one: EegBin) -> None:
        if not self._is_closed:
            self._store.eeg_bin(bed, one.bin_s, one.n_good, one.pack())
