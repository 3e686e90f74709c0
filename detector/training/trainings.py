"""The trainings of a cross-validation, one by one, in processes side by side or on a cluster; each is kept when done.

Every training has a seed of its own and shares nothing with the others, so their number at a time changes no answer.
"""

from __future__ import annotations

import multiprocessing
import pickle
import tempfile
import zipfile
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from detector.errors import BadDataError, DetectorError
from detector.messages import FloatArray
from detector.scoring import write_whole
from detector.spreading import end_with_parent, spread
from detector.training.apart import Given, Task, environment_here, train_apart
from detector.training.checkpoint import FILE
from detector.training.data import Data
from detector.training.fitting import Plan, train
from detector.training.methods import method_named
from detector.training.sequences import read_sequences, write_sequences

OnProgress = Callable[[str, float], None]  # what is being done, and how many passes of training that took

ANSWERS = "answers.npz"
_POLL_S = 0.2


@dataclass(frozen=True)
class Fold:
    """One training: without ``persons``, who are then answered about.

    Parameters
    ----------
    name
        For those who watch.
    seed
        Of the training.
    folder
        Where it is kept; ``None`` keeps nothing.
    """

    name: str
    persons: tuple[str, ...]
    seed: int
    folder: Path | None = None


def answers_of(
    folds: list[Fold], data: Data, plan: Plan, jobs: int, on_progress: OnProgress, *, scheduler: str | None = None
) -> list[list[FloatArray]]:
    """Return for each fold the (n_steps, members) logits of its persons' plain sequences, in the data's order.

    Parameters
    ----------
    jobs
        Trainings at a time, each in a process of its own if there are several.
    scheduler
        Address of a Dask cluster that does it instead; there a worker's thread is a training, told of when it is done.

    Raises
    ------
    UsageError, NoStreamError
        When a cluster is asked for that cannot be used, see `detector.spreading.spread`.
    DetectorError
        When a training fails, or its process ends before it; what the others have done is kept.
    """
    if scheduler is not None:
        return _on_cluster(folds, data, plan, scheduler, on_progress)
    if jobs == 1:
        return [_answers(fold, data, plan, on_progress) for fold in folds]
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    told: Any = context.SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="seizure-detector-") as folder:
        _write_data(Path(folder), data)
        arguments = (Path(folder), plan, told)
        with ProcessPoolExecutor(min(jobs, len(folds)), context, _begin_worker, arguments) as workers:
            futures = [workers.submit(_work, fold) for fold in folds]
            try:
                _watch(futures, told, on_progress)
            except BrokenProcessPool as error:
                raise DetectorError(
                    f"a process of the {jobs} was ended from outside, by the system for its memory perhaps; "
                    "go on with --resume and fewer --jobs"
                ) from error
            finally:
                workers.shutdown(wait=True, cancel_futures=True)
        return [future.result() for future in futures]


def _watch(futures: list[Future[list[FloatArray]]], told: Any, on_progress: OnProgress) -> None:
    """Pass on what the workers tell until all are done; raise the first error."""
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=_POLL_S, return_when=FIRST_COMPLETED)
        while not told.empty():
            on_progress(*told.get())
        for future in done:
            future.result()


def _on_cluster(
    folds: list[Fold], data: Data, plan: Plan, scheduler: str, on_progress: OnProgress
) -> list[list[FloatArray]]:
    with tempfile.TemporaryDirectory(prefix="seizure-detector-") as name:
        kept = [fold if fold.folder else replace(fold, folder=Path(name, str(i))) for i, fold in enumerate(folds)]
        answers = {
            i: _answers(fold, data, plan, on_progress) for i, fold in enumerate(kept) if _path(fold, ANSWERS).exists()
        }
        left = [i for i in range(len(kept)) if i not in answers]
        tasks = [Task(kept[i].persons, kept[i].seed, _read(_path(kept[i], FILE))) for i in left]
        given = Given(pickle.dumps((data, plan)), environment_here())
        failed: list[DetectorError] = []
        for number, made in spread(train_apart, given, tasks, scheduler=scheduler):
            i = left[number]
            if isinstance(made, Exception):
                failed.append(made if isinstance(made, DetectorError) else DetectorError(f"{kept[i].name}: {made!r}"))
                continue
            # The answers last: where they are, the training is done.
            for place in sorted(made, key=lambda place: place == ANSWERS):
                path = _path(kept[i], place)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, made[place])
            answers[i] = _answers(kept[i], data, plan, on_progress)
    if failed:
        raise failed[0]
    return [answers[i] for i in range(len(folds))]


def _path(fold: Fold, place: str) -> Path:
    assert fold.folder is not None
    return fold.folder / place


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


class _Worker:
    """What a process of its own has been given."""

    data: Data
    plan: Plan
    told: Any


def _begin_worker(folder: Path, plan: Plan, told: Any) -> None:
    end_with_parent()  # it would write into a run that is resumed
    _Worker.data, _Worker.plan, _Worker.told = _read_data(folder), plan, told


def _work(fold: Fold) -> list[FloatArray]:
    return _answers(fold, _Worker.data, _Worker.plan, lambda what, passes: _Worker.told.put((what, passes)))


def _answers(fold: Fold, data: Data, plan: Plan, on_progress: OnProgress) -> list[FloatArray]:
    sequences = data.of(fold.persons)
    path = fold.folder / ANSWERS if fold.folder else None
    passes = 0
    if path and path.exists():
        logits = _read_answers(path, [len(sequence) for sequence in sequences])
    else:

        def on_epoch(_epoch: int, loss: float) -> None:
            nonlocal passes
            passes += 1
            on_progress(f"{fold.name}, loss {loss:.3f}", 1.0)

        trained = train(plan, data.without(fold.persons), fold.seed, folder=fold.folder, on_epoch=on_epoch)
        method = method_named(plan.method)
        logits = method.logits_of(trained.members, sequences, plan.recipe, plan.card, trained.scale)
        if path:
            _write_answers(path, logits)
    # Those made before a restart, and those that an early stop spared.
    on_progress(fold.name, float(plan.epochs - passes))
    return logits


def _write_answers(path: Path, logits: list[FloatArray]) -> None:
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        np.savez(file, allow_pickle=False, logits=np.concatenate(logits), lengths=[len(found) for found in logits])
    part.replace(path)


def _read_answers(path: Path, lengths: list[int]) -> list[FloatArray]:
    try:
        with path.open("rb") as file, np.load(file) as stored:
            logits, found = stored["logits"], stored["lengths"].tolist()
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise BadDataError(f"{path} cannot be read ({error}); delete it to train that fold again") from error
    if found != lengths:
        raise BadDataError(f"{path} answers about other sequences; delete it to train that fold again")
    return np.split(logits, np.cumsum(lengths)[:-1])


def _write_data(folder: Path, data: Data) -> None:
    write_sequences(folder / "plain.npz", data.plain)
    for number, version in enumerate(data.versions):
        write_sequences(folder / f"version-{number:03}.npz", version)


def _read_data(folder: Path) -> Data:
    return Data(
        [read_sequences(path) for path in sorted(folder.glob("version-*.npz"))], read_sequences(folder / "plain.npz")
    )
