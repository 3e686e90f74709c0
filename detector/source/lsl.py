"""The live source: one LSL stream, found, validated, pulled, lost and found again.

liblsl's own recovery swaps in a restarted source at another rate and with other labels and says nothing, so inlets
are opened with ``recover=False`` and this file owns the reconnect. Nothing here blocks longer than a quarter second:
whatever may (connecting, reading the metadata, measuring the clocks) runs in a thread of its own.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable

import pylsl

from detector.conditions import Kind
from detector.config import Source
from detector.errors import BadDataError
from detector.messages import Cause, Chunk, Description, Gap, Reset
from detector.plain_state import Plain
from detector.source.ledger import MAX_RATE_ERROR
from detector.source.lsl_identity import Doubles, require_same_host, shown, why_new
from detector.source.lsl_search import FORGET_S, LslSearch
from detector.source.lsl_stream import BUFFER_S, MAX_BLOCK_S, Opening, Stream
from detector.source.said import Obstacle, Opened

log = logging.getLogger(__name__)

_AMBIGUOUS_S = 3 * FORGET_S  # a restarted source is listed twice until the old one is forgotten
_RETRY_S = 2.0
_REOPEN_AFTER_S = 10.0  # a stalled stream that still answers queries has a dead connection
_GIVE_UP_S = 60.0  # ... and what the detector remembers of before is of no use any more

# A peer that is announced and never answers is no stream to be watched either.
_KINDS = {cause: Kind(cause.value) for cause in (Cause.WAITING, Cause.REFUSED, Cause.LOST)} | {
    Cause.VALIDATING: Kind.WAITING
}

Polled = Opened | Chunk | Gap


def local_clock() -> float:
    """Return now on this machine's LSL clock, s."""
    return float(pylsl.local_clock())


class LslSource:
    """Yields what a stream on the network gives, for ever.

    Parameters
    ----------
    config
        Which stream, see ``default.toml``.
    accept
        Called with each stream's description before any of its samples; raises BadDataError to refuse it.
    buffer_s
        For how long samples are kept for us that are not fetched.
    """

    def __init__(self, config: Source, accept: Callable[[Description], None], buffer_s: int = BUFFER_S) -> None:
        self._config, self._accept, self._buffer_s = config, accept, buffer_s
        self._search = LslSearch(config)
        self._wanted = self._search.predicate
        self._doubles = Doubles(self._wanted, config.hostname)
        self.obstacle: Obstacle | None = Obstacle(Cause.WAITING, f"no stream yet that matches {self._wanted}")
        self.newest_s = math.nan  # sample time of the newest sample, on this machine's LSL clock
        self._opening: Opening | None = None
        self._stream: Stream | None = None
        self._reopened: Opened | None = None  # what is to be said once the first sample of a reopened stream has come
        self._in_session = False
        self._came_at = -math.inf
        self._last: Description | None = None
        self._last_drift_s = self._retry_at = 0.0
        self._several_since: float | None = None

    @property
    def rate_is_right(self) -> bool:
        """Whether the connected stream's rate has been measured and is the declared one."""
        return self._stream is not None and self._stream.rate_is_right

    def get_state(self) -> Plain:
        """Return what another connection to the same outlet can go on with."""
        assert self._stream is not None
        return self._stream.get_state()

    def set_state(self, state: object) -> None:
        """Go on with it; raises StateError where that cannot be."""
        assert self._stream is not None
        self._stream.set_state(state)

    @property
    def connected(self) -> Description | None:
        """What the stream that is connected says about itself."""
        return None if self._stream is None else self._stream.description

    @property
    def correction_s(self) -> float:
        """What is added to the stream's own stamps, s; NaN while that is unknown."""
        return math.nan if self._stream is None else self._stream.correction_s

    def rest_s(self, min_samples: int) -> float:
        """Return for how long `poll` would be of no use, s: so many samples cannot be there before."""
        return 0.0 if self._stream is None else self._stream.rest_s(min_samples)

    def wrong(self) -> dict[Kind, str]:
        """Return what is wrong with the stream, or with there being none."""
        wrong: dict[Kind, str] = {}
        if self.obstacle is not None and self.obstacle.cause in _KINDS:
            wrong[_KINDS[self.obstacle.cause]] = self.obstacle.text
        if self._stream is not None:
            wrong |= self._stream.wrong()
            if doubles := self._doubles.look(self._stream.uid):
                wrong[Kind.DUPLICATE] = doubles
        return wrong

    def poll(self, min_samples: int = 1) -> list[Polled]:
        """Return what has come, waiting at most `MAX_BLOCK_S` for ``min_samples``, and for none with 0."""
        if self._stream is not None:
            polled = self._pull(self._stream, min_samples)
            if not self._stalled() or self._stream is None:
                return polled
            return polled + self._reopen_if_it_answers()
        if self._opening is not None:
            return self._finish_opening(self._opening)
        self._look()
        return []

    def refuse(self, why: str, reason: Reset = Reset.FAULT) -> list[Polled]:
        """Let go of the stream for as long as it is not restarted; return the gap that this makes."""
        assert self._stream is not None
        self._search.refuse(self._stream.uid, why)
        self._let_go()
        self._say(Cause.REFUSED, why)
        return self._end_of_session(reason)

    def close(self) -> None:
        """Let go of the stream."""
        self._abandon_opening()
        self._let_go()
        self._search.rest()

    def _let_go(self) -> None:
        if self._stream is not None:
            self._last_drift_s = self._stream.drift_s
            self._stream.close()
        self._stream = self._reopened = None

    def _end_of_session(self, reason: Reset) -> list[Polled]:
        """Return the gap behind what has come; none where nothing has come since the last."""
        if not self._in_session:
            return []
        self._in_session = False
        return [Gap(self.newest_s, math.nan, reason)]

    def _abandon_opening(self) -> None:
        if self._opening is not None:
            self._opening.abandon()
        self._opening = None

    # Waiting: until exactly one stream matches.

    def _look(self) -> None:
        found = self._search.found()
        if len(found) == 1 and self._search.settled and time.monotonic() >= self._retry_at:
            self._several_since = None
            if self.obstacle is None or self.obstacle.cause is not Cause.REFUSED:
                self._say(Cause.VALIDATING, f"connecting to {shown(found[0])}")
            self._opening = Opening(found[0], self._config, self._buffer_s)
            return
        if len(found) > 1:
            self._several_since = self._several_since or time.monotonic()
            if time.monotonic() - self._several_since > _AMBIGUOUS_S:
                listed = "; ".join(shown(info) for info in found)
                self._say(
                    Cause.REFUSED,
                    f"{len(found)} streams match {self._wanted}, expected one: {listed}. Set source_id or "
                    "hostname so that only one matches",
                )
        elif not found:
            self._several_since = None
            if self._search.refused_here is not None:
                info, why = self._search.refused_here
                self._say(Cause.REFUSED, f"{shown(info)}: {why}")
            elif self.obstacle is None or self.obstacle.cause not in (Cause.WAITING, Cause.LOST):
                self._say(Cause.WAITING, f"no stream that matches {self._wanted}")
        time.sleep(MAX_BLOCK_S / 2)

    # Validating: connecting and reading the metadata happen in a thread.

    def _finish_opening(self, opening: Opening) -> list[Polled]:
        # Where there is a stream, the pull has waited already.
        if not opening.wait(MAX_BLOCK_S if self._stream is None else 0.0):
            return []
        self._opening = None
        try:
            stream = opening.result()
        except BadDataError as error:
            self._refuse_candidate(opening.info, error)
            return []
        except (pylsl.util.LostError, TimeoutError, RuntimeError) as error:
            self._retry_at = time.monotonic() + _RETRY_S
            if self._stream is None:  # a stalled stream is lost already
                text = f"{shown(opening.info)} does not answer ({error!r:.200}); trying again"
                self._say(Cause.WAITING, text)
            return []
        try:
            require_same_host(self._last, stream.description, self._config.hostname)
            self._accept(stream.description)
        except BadDataError as error:
            stream.close()
            self._refuse_candidate(opening.info, error)
            return []
        opened = Opened(stream.description, why_new(self._last, stream.description))
        again = self._stream is not None and self._stream.uid == stream.uid
        self._let_go()
        if self._last is not None and self._last.uid == stream.uid:
            stream.expect_drift(self._last_drift_s)
        self._stream, self._last = stream, stream.description
        log.info(
            "connected to %s: %d channels at %g Hz",
            shown(opening.info),
            len(stream.description.labels),
            stream.description.rate_hz,
        )
        if again:
            # An amplifier on standby keeps its outlet and sends nothing: nothing is said before it does.
            self._reopened = opened
            return []
        return self._begin(opened)

    def _begin(self, opened: Opened) -> list[Polled]:
        self._search.rest()
        self._reopened, self._in_session = None, True
        self.obstacle, self.newest_s, self._came_at = None, math.nan, time.monotonic()
        return [opened]

    def _refuse_candidate(self, info: pylsl.StreamInfo, error: BadDataError) -> None:
        self._search.refuse(info.uid(), str(error))
        if self._stream is not None:  # without one, whoever looks for one says so
            self._say(Cause.REFUSED, f"{shown(info)}: {error}")

    # Streaming.

    def _pull(self, stream: Stream, min_samples: int) -> list[Polled]:
        try:
            messages: list[Polled] = list(stream.pull(min_samples))
        except pylsl.util.LostError:
            self._let_go()
            self._say(Cause.LOST, f"the stream's connection has ended; waiting for {self._wanted}")
            return self._end_of_session(Reset.LOST)
        if messages and self._reopened is not None:
            messages = self._begin(self._reopened) + messages
        if stream.newest_s is not None:
            self.newest_s = stream.newest_s
        if (rate_hz := stream.wrong_rate_hz) is not None:
            return self.refuse(
                f"it delivers {rate_hz:.2f} Hz by its stamps and declares {stream.description.rate_hz:g} Hz: more than "
                f"{MAX_RATE_ERROR:.0%} off. Correct the source's rate and restart it",
                Reset.RATE,
            )
        if messages:
            self._came_at, self._in_session = time.monotonic(), True
            if self.obstacle is not None:
                log.info("samples again")
                self.obstacle = None
                self._abandon_opening()
                self._search.rest()
        return messages

    def _stalled(self) -> bool:
        stream = self._stream
        if stream is None or (silent_s := stream.silent_s()) < self._config.stall_s:
            return False
        if self.obstacle is None:
            self._say(Cause.LOST, f"no new samples for {silent_s:.1f} s; the connection stands")
        return True

    def _reopen_if_it_answers(self) -> list[Polled]:
        """Keep a stalled stream, for its backlog may come; but not when its source is there for new connections."""
        stream = self._stream
        assert stream is not None
        if time.monotonic() - self._came_at > _GIVE_UP_S and self._in_session:
            self._reopened = Opened(stream.description, Reset.RECONNECT)
            return self._end_of_session(Reset.LOST)
        if self._opening is not None:
            return self._finish_opening(self._opening)
        found = self._search.found()
        if len(found) == 1 and found[0].uid() != stream.uid:
            self._opening = Opening(found[0], self._config, self._buffer_s)
        elif len(found) == 1 and stream.silent_s() > _REOPEN_AFTER_S and time.monotonic() >= self._retry_at:
            self._retry_at = time.monotonic() + _REOPEN_AFTER_S
            self._opening = Opening(found[0], self._config, self._buffer_s)
        return []

    def _say(self, cause: Cause, text: str) -> None:
        obstacle = Obstacle(cause, text)
        if obstacle != self.obstacle and cause not in (Cause.LOST, Cause.REFUSED):  # these are told as conditions
            log.info("%s: %s", cause, text)
        self.obstacle = obstacle
