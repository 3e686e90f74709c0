"""The checkpoint: what must be known to go on with a session after a crash, as a file holds it.

It is taken up only by the same program with the same model and settings, only for the same outlet on the same boot of
the machine (whose LSL clock begins anew at each), and only over a short hole in the samples. Anything else is refused
with a reason, and the session begins anew.

The file is a line with its format and a checksum, and JSON, which keeps every number exactly and executes nothing.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from detector import __version__
from detector.errors import CheckpointError, StateError
from detector.loading import Loaded
from detector.messages import Chunk, Decided, Description, Gap, Reset
from detector.pipeline import Pipeline
from detector.plain_state import Plain

FORMAT = 1
MAX_BYTES = 4_000_000  # a network of 10,000 units fits in; a thousand labels are a tenth of it
_MAGIC = "seizure-detector checkpoint"


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
        "boot of the machine": boot,
        "model": card.id,
        "hash of the network": loaded.bundle.sha256,
        "hash of the model's card": hashlib.sha256(card.model_dump_json().encode()).hexdigest(),
        "montage": card.montage,
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


@dataclass(frozen=True)
class Checkpoint:
    """Where a session stands.

    Parameters
    ----------
    identity
        See `identity`.
    newest_s
        Sample time of the newest sample that the state has seen.
    event_id
        Of the seizure that was declared last, as it was published; may be empty.
    source, pipeline
        What their ``get_state`` returned.
    """

    identity: Plain
    newest_s: float
    event_id: str
    source: Plain
    pipeline: Plain

    def require(self, now: Plain) -> None:
        """Refuse where something is not what it was.

        Raises
        ------
        CheckpointError
            Naming the first of what differs, as it is and as it was.
        """
        for word, value in now.items():
            if word not in self.identity:
                raise CheckpointError(f"the checkpoint does not say its {word}")
            was = self.identity[word]
            if was != value:
                raise CheckpointError(f"the {word} is {_shown(value, was)}, in the checkpoint {_shown(was, value)}")

    def resume(self, pipeline: Pipeline, first: Chunk | Gap, within_s: float) -> list[Decided]:
        """Make the pipeline go on with the session; return what is to be said at once.

        Parameters
        ----------
        pipeline
            For the same identity.
        first
            What came first of the stream after its state had been set. A chunk is still to be processed.
        within_s
            The longest hole.

        Raises
        ------
        CheckpointError
            When the hole is too long, or not just a hole, or the state does not fit; then the pipeline is as new.
        """
        if isinstance(first, Chunk):
            first = Gap(self.newest_s, float(first.timestamps[0]), Reset.GAP)
        if first.reason is not Reset.GAP:
            raise CheckpointError(f"its stream does not go on: {first.reason}")
        hole_s = first.end_s - self.newest_s
        if not 0 < hole_s <= within_s:
            raise CheckpointError(f"its newest sample is {hole_s:.1f} s old, expected 0 to {within_s:g} s")
        try:
            pipeline.set_state(self.pipeline)
        except StateError as error:
            raise CheckpointError(f"its state does not fit: {error}") from error
        return pipeline.resume(replace(first, start_s=self.newest_s))

    def encoded(self) -> bytes:
        """Return the file's content.

        Raises
        ------
        CheckpointError
            When a number is not finite, or it is larger than `MAX_BYTES`.
        """
        content = {field.name: getattr(self, field.name) for field in fields(self)}
        try:
            text = json.dumps(content, allow_nan=False, default=_listed).encode()
        except ValueError as error:
            raise CheckpointError(f"the state is not finite ({error})") from error
        data = f"{_MAGIC} {FORMAT} {hashlib.sha256(text).hexdigest()}\n".encode() + text
        if len(data) > MAX_BYTES:
            raise CheckpointError(f"the state takes {len(data)} bytes, expected at most {MAX_BYTES}")
        return data


def read_checkpoint(path: Path) -> Checkpoint | None:
    """Return the file's checkpoint; ``None`` where there is none.

    Raises
    ------
    CheckpointError
        When there is one that cannot be read or is damaged.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from error
    return decoded(data)


def decoded(data: bytes) -> Checkpoint:
    """Return the checkpoint that `Checkpoint.encoded` made these bytes of.

    Raises
    ------
    CheckpointError
        When they are not what was written.
    """
    if len(data) > MAX_BYTES:
        raise CheckpointError(f"it has more than {MAX_BYTES} bytes")
    line, _, text = data.partition(b"\n")
    magic, _, rest = line.partition(f"{_MAGIC} ".encode())
    number, _, checksum = rest.partition(b" ")
    if magic or not checksum:
        raise CheckpointError("it does not begin as a checkpoint does")
    if number != str(FORMAT).encode():
        raise CheckpointError(f"it is written in format {number!r:.20}, expected {FORMAT}")
    if checksum != hashlib.sha256(text).hexdigest().encode():
        raise CheckpointError(f"it is damaged: the checksum of its {len(text)} bytes is another one")
    try:
        found = Checkpoint(**json.loads(text, parse_constant=_refuse))
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"its content is not that of a checkpoint ({error})") from error
    if not (isinstance(found.identity, dict) and isinstance(found.newest_s, float) and isinstance(found.event_id, str)):
        raise CheckpointError("its content is not that of a checkpoint (fields of other types)")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _listed(value: object) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not a plain value")


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
