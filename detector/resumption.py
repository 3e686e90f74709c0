"""Whether the checkpoint of the process before is taken up: only where the session has gone on without this program.

That is the same program with the same model and settings, the same outlet on the same boot of the machine (whose LSL
clock begins anew at each), and a short hole in the samples. Anything else is refused with a reason, and the session
begins anew.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from detector import __version__
from detector.checkpoint import Checkpoint, read_checkpoint
from detector.errors import CheckpointError, StateError
from detector.loading import Loaded
from detector.messages import Chunk, Decided, Description, Gap, Reset
from detector.pipeline import Pipeline
from detector.plain_state import Plain

# A state that ends the program would end it again and again: so often, each time within a minute, is enough.
_MOST = 5
_QUIET_S = 60.0

_BOOT = "boot of the machine"


def identity(loaded: Loaded, description: Description, boot: str) -> Plain:
    """Return what must be the same where a checkpoint is taken up, by the words that say what differs.

    Parameters
    ----------
    loaded
        Model and settings.
    description
        The stream's.
    boot
        Names this boot of the machine.
    """
    card, source = loaded.bundle.card, loaded.config.source
    return {
        "version of the program": __version__,
        _BOOT: boot,
        "model": card.id,
        "montage": card.montage,
        "hash of the network": loaded.bundle.sha256,
        "hash of the model's card": hashlib.sha256(card.model_dump_json().encode()).hexdigest(),
        "match": source.match,
        "stand_ins": source.stand_ins,
        "decision": asdict(loaded.decision),
        "uid of the stream": description.uid,  # another one is another outlet, whatever its name
        "source_id": description.source_id,
        "name of the stream": description.name,
        "hostname": description.hostname,
        "rate": description.rate_hz,
        "labels": list(description.labels),
        "scales to µV": list(description.scales_uv),
    }


class Resumption:
    """Tries the checkpoint once: with the first stream that is opened, and with the first that it gives.

    Parameters
    ----------
    path
        Of the checkpoint.
    within_s
        The longest hole in the samples.
    boot
        Names this boot of the machine: times of another one cannot be compared.
    report
        Is told, in a sentence, that it was taken up or why not; nothing where there is none.
    """

    def __init__(self, path: Path, within_s: float, boot: str, report: Callable[[str], None]) -> None:
        self._within_s, self._report = within_s, report
        self._found: Checkpoint | None = None
        self._fits = False
        self._resumptions, self._resumed_s = 0, -math.inf
        try:
            self._found = read_checkpoint(path)
            if self._found is not None:
                _require_same(self._found.identity, {_BOOT: boot})
        except CheckpointError as error:
            self._refuse(error)

    def is_pending(self, now_s: float) -> bool:
        """Return whether there is a checkpoint that may still be taken up; too old once, it is refused for good.

        ``now_s`` is of this machine's LSL clock.
        """
        if self._found is not None and not abs(age_s := now_s - self._found.newest_s) <= self._within_s:
            self._refuse(CheckpointError(f"its newest sample is {age_s:.1f} s old, expected 0 to {self._within_s:g} s"))
        return self._found is not None

    def forget(self) -> None:
        """Take nothing up any more: another session has begun."""
        if self._found is not None:
            self._refuse(CheckpointError("another session has begun"))

    def opened(self, now: Plain, set_source_state: Callable[[object], None], now_s: float) -> bool:
        """Return whether a stream that has just been opened may be what the checkpoint goes on with.

        Parameters
        ----------
        now
            The `identity` of what is watched.
        set_source_state
            Of the stream's source; called where it may.
        now_s
            This machine's LSL clock now.
        """
        self._fits = False
        found = self._found
        if found is None or not self.is_pending(now_s):
            return False
        try:
            _require_same(found.identity, now)
            if found.resumptions >= _MOST:
                raise CheckpointError(f"it was taken up {_MOST} times in a row and never lived for {_QUIET_S:g} s")
            set_source_state(found.source)
        except (CheckpointError, StateError) as error:
            self._refuse(error)
        else:
            self._fits = True
        return self._fits

    def resume(self, pipeline: Pipeline, first: Chunk | Gap) -> tuple[str, list[Decided]] | None:
        """Make the pipeline go on with the session.

        Parameters
        ----------
        pipeline
            New, and for the identity that was given.
        first
            What came first of the stream that was opened.

        Returns
        -------
        tuple or None
            The id of the seizure that was declared last, and what is to be said at once; a gap is dealt with then, a
            chunk is still to be processed. ``None`` where nothing is taken up; the pipeline is as new.
        """
        found, self._found = self._found, None
        if found is None or not self._fits:
            return None
        gap = Gap(found.newest_s, float(first.timestamps[0]), Reset.GAP) if isinstance(first, Chunk) else first
        try:
            if gap.reason is not Reset.GAP:
                raise CheckpointError(f"its stream does not go on: {gap.reason}")
            hole_s = gap.end_s - found.newest_s
            if not 0 < hole_s <= self._within_s:
                raise CheckpointError(f"its newest sample is {hole_s:.1f} s old, expected 0 to {self._within_s:g} s")
            pipeline.set_state(found.pipeline)
        except (CheckpointError, StateError) as error:
            self._refuse(error)
            return None
        self._resumptions, self._resumed_s = found.resumptions + 1, gap.end_s
        self._report(f"the checkpoint is taken up: {hole_s:.1f} s and {gap.missing} samples were not seen")
        return found.event_id, pipeline.resume(replace(gap, start_s=found.newest_s))

    def count(self, newest_s: float) -> int:
        """Return the `Checkpoint.resumptions` of a checkpoint with this newest sample."""
        return self._resumptions if newest_s - self._resumed_s < _QUIET_S else 0

    def _refuse(self, error: CheckpointError | StateError) -> None:
        self._found = None
        self._report(f"the checkpoint is not taken up: {error}")


def _require_same(then: Plain, now: Plain) -> None:
    for word, value in now.items():
        if word not in then:
            raise CheckpointError(f"it does not say its {word}")
        if (was := then[word]) != value:
            raise CheckpointError(f"the {word} is {_shown(value, was)}, in the checkpoint {_shown(was, value)}")


def _shown(value: object, other: object) -> str:
    """Return what of a value differs from the other one: that of whole lists would fill pages."""
    if isinstance(value, list) and isinstance(other, list):
        if len(value) != len(other):
            return f"a list of {len(value)}"
        i = next(i for i, (a, b) in enumerate(zip(value, other, strict=True)) if a != b)
        return f"{value[i]!r:.60} for number {i + 1}"
    if isinstance(value, dict) and isinstance(other, dict):
        return ", ".join(f"{key} {value[key]!r}" for key in value if value[key] != other.get(key, math.nan))
    return f"{value!r:.60}"
