"""What a session must not lose with its process: kept as it goes on, taken up by the next process."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from detector.checkpoint import Checkpoint
from detector.checkpoint_keeper import CheckpointKeeper
from detector.config import Checkpoint as Settings
from detector.loading import Loaded
from detector.messages import Chunk, Decided, Description, Event, Gap, SessionReset, State, Status
from detector.pipeline import Pipeline
from detector.plain_state import Plain
from detector.resumption import Resumption, identity


class Source(Protocol):
    """What is asked of a source."""

    def get_state(self) -> Plain:
        """Return what another connection to the same outlet can go on with."""
        ...

    def set_state(self, state: object) -> None:
        """Go on with it; raises StateError where that cannot be."""
        ...


class Continuity:
    """Told of all that is said, and asked at the beginning of each stream and at the end of each turn.

    Parameters
    ----------
    path
        Of the checkpoint.
    settings
        How often it is written, and for how long it is good.
    boot
        Names this boot of the machine.
    report
        Is told, in a sentence, that a checkpoint was taken up or why not; nothing where there was none.
    """

    def __init__(self, path: Path, settings: Settings, boot: str, report: Callable[[str], None]) -> None:
        self._boot = boot
        self._resumption: Resumption | None = None
        if settings.every_s > 0:
            self._resumption = Resumption(path, settings.resume_within_s, boot, report)
        self._keeper = CheckpointKeeper(path, settings.every_s)
        self._description: Description | None = None
        self._identity: tuple[Loaded, Plain] | None = None  # of the stream that is open: its card alone has kilobytes
        self._resumed_s = -math.inf
        self._has_stepped = self._is_urgent = self._has_resumed = False

    @property
    def trouble(self) -> str | None:
        """Why the newest checkpoint is not in the file, or ``None``."""
        return self._keeper.trouble

    def is_pending(self, now_s: float) -> bool:
        """Return whether a checkpoint may still be taken up; ``now_s`` is of this machine's LSL clock."""
        return self._resumption is not None and self._resumption.is_pending(now_s)

    @property
    def has_resumed(self) -> bool:
        """Whether a seizure that was on when the process before was killed goes on in this one.

        A session may go on without it: it may have been declared when the last checkpoint had been written.
        """
        return self._has_resumed

    def opened(self, loaded: Loaded, description: Description, source: Source, now_s: float) -> bool:
        """Return whether its first sample will show that a stream goes on; until then nothing is said about it.

        ``now_s`` is of this machine's LSL clock.
        """
        self._description, self._identity = description, None
        if self._resumption is None:
            return False
        return self._resumption.opened(self._identity_of(loaded, description), source.set_state, now_s)

    def resume(self, pipeline: Pipeline, first: Chunk | Gap) -> tuple[str, list[Decided]] | None:
        """Take the checkpoint up, see `Resumption.resume`; ``None`` where there is nothing to be taken up."""
        if self._resumption is None:
            return None
        taken_up = self._resumption.resume(pipeline, first)
        if taken_up is not None:
            self._resumed_s = pipeline.last_s
            self._has_resumed = any(isinstance(x, Status) and x.state is State.SEIZURE for x in taken_up[1])
        return taken_up

    def hear(self, said: Decided) -> None:
        """Take what the pipeline said: with a session its checkpoint ends."""
        if isinstance(said, SessionReset):
            self._has_stepped = self._is_urgent = False
            self._resumed_s = -math.inf  # times may be of another clock now
            self._keeper.discard()
            if self._resumption is not None:
                self._resumption.forget()
        elif isinstance(said, Event):
            self._is_urgent = True
        elif isinstance(said, Status) and said.time_s > self._resumed_s:
            self._has_stepped = True

    def keep(self, loaded: Loaded, pipeline: Pipeline, source: Source, event_id: str, now_s: float) -> None:
        """Keep where the session stands, if it is time for it.

        Before a step has been made nothing is kept: it would not be more than what is there, and if the state that was
        taken up ends this program, it will be too old in the end.

        Parameters
        ----------
        loaded, pipeline, source
            What runs.
        event_id
            Of the seizure that was published last.
        now_s
            The monotonic clock now.
        """
        description, resumption = self._description, self._resumption
        if description is None or resumption is None or not self._has_stepped:
            return

        def make() -> Checkpoint:
            newest_s = pipeline.last_s
            return Checkpoint(
                self._identity_of(loaded, description),
                newest_s,
                event_id,
                resumption.count(newest_s),
                source.get_state(),
                pipeline.get_state(),
            )

        self._keeper.offer(make, now_s, at_once=self._is_urgent)
        self._is_urgent = False

    def _identity_of(self, loaded: Loaded, description: Description) -> Plain:
        if self._identity is None or self._identity[0] is not loaded:
            self._identity = loaded, identity(loaded, description, self._boot)
        return self._identity[1]

    def close(self) -> None:
        """End; what was asked last is done first."""
        self._keeper.close()
