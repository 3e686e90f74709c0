"""The checkpoint of a training: weights, optimiser, random numbers and history, written whole or not at all."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from detector.errors import BadDataError
from detector.messages import FloatArray

FILE = "checkpoint.npz"
_Arrays = list[np.typing.NDArray[Any]]


@dataclass
class Checkpoint:
    """Where a training stands after some passes.

    Parameters
    ----------
    job
        What is trained, in words that differ when it does; a checkpoint of another is not gone on with.
    rng
        State of the generator that shuffles and augments.
    history
        A row of figures for each pass that is done.
    variables, optimizer
        Of the network (weights, recurrent state, seeds of dropout) and of the optimiser, in Keras' order.
    best
        Trainable weights of the best pass; empty where nobody is held out.
    """

    job: str
    rng: dict[str, Any]
    history: list[dict[str, float]] = field(default_factory=list)
    variables: _Arrays = field(default_factory=list)
    optimizer: _Arrays = field(default_factory=list)
    best: list[FloatArray] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write it into the folder, in place of the one before."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"job": self.job, "rng": self.rng, "history": self.history})
        arrays: dict[str, np.typing.NDArray[Any]] = {"text": np.array(text)}
        for name in ("variables", "optimizer", "best"):
            arrays |= {f"{name}_{i}": array for i, array in enumerate(getattr(self, name))}
        part = folder / f".{FILE}.part"
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
            # A power cut must not leave a new name on data that is not there yet.
            file.flush()
            os.fsync(file.fileno())
        part.replace(folder / FILE)


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the folder's checkpoint; ``None`` where there is none.

    Raises
    ------
    BadDataError
        When there is one that cannot be read.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with path.open("rb") as file, np.load(file) as stored:
            arrays = {name: stored[name] for name in stored.files}
        text = json.loads(str(arrays.pop("text")))
        found = Checkpoint(text["job"], text["rng"], text["history"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise BadDataError(f"{path} is no checkpoint that can be read ({error}); delete it to begin anew") from error
    for name in ("variables", "optimizer", "best"):
        n = sum(key.startswith(f"{name}_") for key in arrays)
        setattr(found, name, [arrays[f"{name}_{i}"] for i in range(n)])
    return found
