"""What of a bed outlives its process: what was said, where the session stands, and the EEG around events."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from detector.boot import boot_id
from detector.conditions import Kind
from detector.config import differences
from detector.continuity import Continuity
from detector.journal_schema import RowKind
from detector.loading import Loaded
from detector.messages import Chunk, Description, Gap
from detector.monitor import Sink
from detector.sinks.clips import Clips
from detector.sinks.clips_settings import clips_config
from detector.sinks.journal import Journal, journal_config, journal_path
from detector.source.lsl import local_clock
from detector.source.said import Opened
from detector.state_folder import state_folder

log = logging.getLogger(__name__)

_RUNS = ("version", "model_id", "model_sha256", "config_sha256")


class Keeping:
    """Opens a bed's journal, its checkpoint and its clips at construction.

    Parameters
    ----------
    loaded
        What runs.
    correction
        What is added to the stream's own stamps at present, s; NaN while that is unknown.
    """

    def __init__(self, loaded: Loaded, correction: Callable[[], float]) -> None:
        config, path = loaded.config, journal_path(loaded.config)
        self.journal: Journal | None = None
        if path is not None:
            self.journal = Journal(journal_config(path, loaded), clock=local_clock, correction=correction)
        path = state_folder() / f"{config.bed.name}.checkpoint"
        self.continuity = Continuity(path, config.checkpoint, boot_id(), self._report)
        self._may_resume = True
        self.clips = self._new_clips(loaded)
        self._description: Description | None = None

    @property
    def troubles(self) -> dict[Kind, str | None]:
        """What keeps any of it from being written, by the condition that it is."""
        journal = None if self.journal is None else self.journal.trouble
        clips = None if self.clips is None else self.clips.trouble
        return {Kind.JOURNAL: journal, Kind.CHECKPOINT: self.continuity.trouble, Kind.CLIPS: clips}

    @property
    def sinks(self) -> list[Sink]:
        """Those that are to be told all that is said."""
        return [sink for sink in (self.journal, self.clips) if sink is not None]

    def see(self, message: Opened | Chunk | Gap) -> None:
        """Take what the source gave, before anything is made of it."""
        if isinstance(message, Opened):
            self._description = message.description
        if self.clips is not None:
            self.clips.see(message)

    def take_over(self, loaded: Loaded) -> None:
        """Go on with another configuration; the session of before has ended."""
        before = self.clips
        if (None if before is None else before.config) == clips_config(loaded):
            return
        if before is not None:
            before.close()
        self.clips = self._new_clips(loaded)
        if self.clips is not None and self._description is not None:
            self.clips.open(self._description)

    def note_reload(self, before: Loaded, after: Loaded) -> None:
        """Write which configuration and which model go on."""
        if self.journal is not None:
            runs = {
                key: value for key, value in asdict(journal_config(self.journal.path, after)).items() if key in _RUNS
            }
            changes = [*differences(before.config, after.config)]
            self.journal.note(RowKind.CONFIG, runs | {"changes": changes}, local_clock())

    def give_up_what_is_not_resumed(self, event_id: str, *, at_once: bool = False) -> None:
        """Say once that nobody saw the end of a seizure that was on when the process before was killed.

        Parameters
        ----------
        event_id
            Of the seizure that was published last, which may be the one that goes on.
        at_once
            Whether none can be taken up any more.
        """
        if not self._may_resume or (self.continuity.is_pending(local_clock()) and not at_once):
            return
        self._may_resume = False
        resumed_id = event_id if self.continuity.has_resumed else ""
        if self.clips is not None and resumed_id:
            self.clips.resumed(resumed_id)
        if self.journal is not None:
            self.journal.give_up_open_seizure(local_clock(), resumed_id=resumed_id)

    def fail(self, error: BaseException) -> None:
        """Write why this process ends; the session is left as by a kill, for the next process to take it up."""
        if self.journal is not None:
            self.journal.fail(repr(error))

    def close(self) -> None:
        """Write what waits, as far as the disk does it in under a second."""
        with contextlib.ExitStack() as steps:
            if self.journal is not None:
                steps.callback(self.journal.close)
            steps.callback(self.continuity.close)
            if self.clips is not None:  # first, for the journal is told of them
                steps.callback(self.clips.close)

    def _new_clips(self, loaded: Loaded) -> Clips | None:
        config = clips_config(loaded)
        return None if config is None else Clips(config, clock=local_clock, note=self._note_clip)

    def _note_clip(self, facts: Mapping[str, Any]) -> None:
        if self.journal is not None:
            self.journal.note(RowKind.CLIP, facts, local_clock())

    def _report(self, sentence: str) -> None:
        log.info("%s", sentence)
        if self.journal is not None:
            self.journal.note(RowKind.CHECKPOINT, {"text": sentence}, local_clock())
