"""A training that a worker of a cluster has done by a process of its own, which nothing else runs in.

Keras draws the seeds of what is random (first weights, dropout) from Python's `random`, of which a process has one. A
Dask worker's own threads draw from it, too, and so does every other training beside: of 24 trainings in a worker with
one thread two had other weights than in a process that does nothing else, in one with three threads all had. TensorFlow
takes as many threads as there are cores, and their number decides in which order it adds up: it is told to a worker.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from detector.errors import DetectorError
from detector.spreading import cores
from detector.training.checkpoint import FILE

_THREADS = "TF_NUM_INTRAOP_THREADS"
Files = dict[str, bytes]  # by their path below the training's folder


@dataclass(frozen=True)
class Given:
    """What is the same for all trainings.

    Parameters
    ----------
    data_and_plan
        Pickled, so that no worker has to load what they are made of, TensorFlow among it.
    environment
        Variables by which the weights differ: see `environment_here`.
    """

    data_and_plan: bytes
    environment: dict[str, str]


@dataclass(frozen=True)
class Task:
    """A training without some persons, who are then answered about; goes on from a checkpoint if there is one."""

    persons: tuple[str, ...]
    seed: int
    checkpoint: bytes | None


def environment_here() -> dict[str, str]:
    """Return what a training in this process is made with: Keras' backend and the number of TensorFlow's threads."""
    return {
        "KERAS_BACKEND": os.environ.get("KERAS_BACKEND", "tensorflow"),
        _THREADS: os.environ.get(_THREADS, str(cores())),
    }


def train_apart(given: Given, task: Task) -> Files:
    """Return what a training leaves in its folder, `detector.training.trainings.ANSWERS` among it.

    Raises
    ------
    DetectorError
        When the training fails, or its process ends before it.
    """
    ours, theirs = multiprocessing.Pipe()
    command = [sys.executable, "-m", __name__, str(theirs.fileno())]
    with (
        subprocess.Popen(  # noqa: S603 - no shell, own program
            command,
            env={**os.environ, **given.environment},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        ),
        ours,  # closed before the process is waited for: then it leaves
    ):
        theirs.close()
        try:
            ours.send_bytes(given.data_and_plan)
            ours.send(task)
            made: Files | Exception = ours.recv()
        except (EOFError, OSError) as error:
            raise DetectorError("its process was ended from outside: out of memory?") from error
    if isinstance(made, Exception):
        raise made
    return made


def main() -> None:
    """Train what comes by the file descriptor that is named, and send it back."""
    asked = Connection(int(sys.argv[1]))
    with tempfile.TemporaryDirectory(prefix="seizure-detector-") as name:
        folder = Path(name)
        try:
            given, task = asked.recv_bytes(), asked.recv()
            _end_with(asked, folder)
            made: Files | Exception = _trained(given, task, folder)
        except Exception as error:  # noqa: BLE001 - of one training: whoever asked is told, and the others go on
            made = error
        asked.send(made)


def _trained(given: bytes, task: Task, folder: Path) -> Files:
    from detector.training.trainings import Fold, answers_of

    data, plan = pickle.loads(given)  # noqa: S301 - of the process that began this one
    if task.checkpoint is not None:
        (folder / FILE).write_bytes(task.checkpoint)
    answers_of([Fold("", task.persons, task.seed, folder)], data, plan, 1, lambda _what, _passes: None)
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _end_with(asked: Connection, folder: Path) -> None:
    """Leave, and leave nothing behind, when the worker that asked is not there any more."""

    def leave() -> None:
        asked.poll(None)  # nothing more is sent: what can be read is the end
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=leave, daemon=True).start()


if __name__ == "__main__":
    main()
