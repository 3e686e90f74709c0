"""The checkpoint: what must be known to go on with a session after a crash, as a file holds it.

The file is a line with its format and a checksum, and JSON, which keeps every number exactly and executes nothing; an
array is in it as the text of its bytes, for as numbers it takes five times as long to be written.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from detector.errors import CheckpointError
from detector.plain_state import Plain

FORMAT = 2
MAX_BYTES = 4_000_000  # a network of 10,000 units fits in; a thousand labels are a tenth of it
_MAGIC = "seizure-detector checkpoint"
_KINDS = {kind: np.dtype(kind) for kind in ("<f4", "<f8", "<i8")}  # of arrays
_ARRAY = {"kind", "shape", "bytes"}


@dataclass(frozen=True)
class Checkpoint:
    """Where a session stands.

    Parameters
    ----------
    identity
        Whose it is, see `detector.resumption.identity`.
    newest_s
        Sample time of the newest sample that the state has seen.
    event_id
        Of the seizure that was declared last, as it was published; may be empty.
    resumptions
        How often the session was taken up in quick succession, see `detector.resumption`.
    source, pipeline
        What their ``get_state`` returned.
    """

    identity: Plain
    newest_s: float
    event_id: str
    resumptions: int
    source: Plain
    pipeline: Plain

    def encoded(self) -> bytes:
        """Return the file's content.

        Raises
        ------
        CheckpointError
            When a number is not finite, or it is larger than `MAX_BYTES`.
        """
        content = {field.name: getattr(self, field.name) for field in fields(self)}
        try:
            text = json.dumps(content, allow_nan=False, default=_written).encode()
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
        found = Checkpoint(**json.loads(text, parse_constant=_refuse, object_hook=_array))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise CheckpointError(f"its content is not that of a checkpoint ({error})") from error
    kinds = {"identity": dict, "newest_s": float, "event_id": str, "resumptions": int, "source": dict, "pipeline": dict}
    for name, kind in kinds.items():
        if not isinstance(getattr(found, name), kind):
            raise CheckpointError(f"its content is not that of a checkpoint ({name} is no {kind.__name__})")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _written(value: object) -> Any:
    if not isinstance(value, np.ndarray) or value.dtype.str not in _KINDS:
        raise TypeError(f"{type(value).__name__} is not a plain value")
    if not np.isfinite(value).all():
        raise ValueError("an array with what is no number")
    return {"kind": value.dtype.str, "shape": value.shape, "bytes": base64.b64encode(value.tobytes()).decode()}


def _array(found: Plain) -> Any:
    if found.keys() != _ARRAY:
        return found
    if (kind := _KINDS.get(found["kind"])) is None:
        raise ValueError(f"an array of {found['kind']!r:.20}")
    return np.frombuffer(base64.b64decode(found["bytes"], validate=True), kind).reshape(found["shape"])
