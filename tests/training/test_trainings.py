"""A cross-validation gives the same answers whatever the number of processes, and a killed one goes on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from detector.errors import BadDataError
from detector.messages import FloatArray
from detector.training import trainings
from detector.training.data import Data
from detector.training.fitting import Plan, Trained, train
from detector.training.trainings import Fold, answers_of
from tests.clusters import cluster
from tests.live import until
from tests.training.made_up import CARD, RECIPE
from tests.training.training import SEQUENCES

DATA = Data([SEQUENCES], SEQUENCES)
PLAN = Plan("stateful", replace(RECIPE, dropout=0.3), CARD, 2)


def _folds(folder: Path | None = None) -> list[Fold]:
    persons = DATA.folds(3)
    return [Fold(f"fold {k}", fold, k, folder / str(k) if folder else None) for k, fold in enumerate(persons)]


def _assert_same(one: list[list[FloatArray]], other: list[list[FloatArray]]) -> None:
    for of_fold, of_other in zip(one, other, strict=True):
        for a, b in zip(of_fold, of_other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_two_processes_give_the_answers_of_one_and_all_passes_are_told(tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    one = answers_of(_folds(), DATA, PLAN, 1, lambda what, passes: told.append((what, passes)))
    assert sum(passes for _, passes in told) == 6
    told.clear()
    two = answers_of(_folds(tmp_path), DATA, PLAN, 2, lambda what, passes: told.append((what, passes)))
    assert sum(passes for _, passes in told) == 6
    _assert_same(one, two)
    for fold, answers in zip(_folds(), one, strict=True):
        assert [len(found) for found in answers] == [len(s) for s in DATA.of(fold.persons)]


def test_a_cluster_that_loses_a_worker_gives_the_answers_and_files_of_one_process_byte_for_byte(tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    with cluster(tmp_path) as (address, kill_one), ThreadPoolExecutor(1) as thread:
        arguments = (_folds(tmp_path / "cluster"), DATA, PLAN, 1, lambda what, passes: told.append((what, passes)))
        answers = thread.submit(answers_of, *arguments, scheduler=address)
        until(lambda: len(_apart()) == 2 or answers.done(), 200, "both workers train")
        before = _apart()
        kill_one()
        until(lambda: not before <= _apart(), 30, "the training of the worker that was killed ends with it")
        clustered = answers.result(400)
    assert not _apart()
    assert sorted(told) == [(fold.name, 2.0) for fold in _folds()]
    _assert_same(clustered, answers_of(_folds(tmp_path / "one"), DATA, PLAN, 1, lambda _what, _passes: None))
    for k in range(3):
        names = {path.name for path in (tmp_path / "one" / str(k)).iterdir()}
        assert {"answers.npz", "checkpoint.npz", "history.csv"} <= names
        assert names == {path.name for path in (tmp_path / "cluster" / str(k)).iterdir()}
        for name in ("answers.npz", "checkpoint.npz", "history.csv"):
            assert (tmp_path / "one" / str(k) / name).read_bytes() == (
                tmp_path / "cluster" / str(k) / name
            ).read_bytes(), name


def _apart() -> set[int]:
    """Return the processes that train for a worker of a cluster."""
    command = "detector.training.apart"
    return {one.pid for one in psutil.process_iter(["cmdline"]) if command in (one.info["cmdline"] or ())}


def test_what_is_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folds = _folds(tmp_path)
    first = answers_of(folds[:2], DATA, PLAN, 1, lambda _what, _passes: None)
    trained: list[int] = []

    def noted(plan: Plan, data: Data, seed: int, **options: Any) -> Trained:
        trained.append(seed)
        return train(plan, data, seed, **options)

    monkeypatch.setattr(trainings, "train", noted)
    passes: list[float] = []
    again = answers_of(folds, DATA, PLAN, 1, lambda _what, done: passes.append(done))
    assert trained == [2]
    assert sum(passes) == 6
    _assert_same(first, again[:2])
    _assert_same(again, answers_of(_folds(), DATA, PLAN, 1, lambda _what, _passes: None))


def test_an_error_in_a_process_of_its_own_comes_out_as_itself() -> None:
    quiet = [replace(s, target=s.target * 0) for s in SEQUENCES]
    with pytest.raises(BadDataError, match="no seizure in the training data"):
        answers_of(_folds(), Data([quiet], quiet), PLAN, 2, lambda _what, _passes: None)


@pytest.mark.parametrize("damaged", [b"", b"PK\3\4 nothing"])
def test_answers_that_cannot_be_read_are_named(tmp_path: Path, damaged: bytes) -> None:
    fold = _folds(tmp_path)[0]
    assert fold.folder is not None
    fold.folder.mkdir()
    (fold.folder / "answers.npz").write_bytes(damaged)
    with pytest.raises(BadDataError, match=r"answers.npz cannot be read .*delete it"):
        answers_of([fold], DATA, PLAN, 1, lambda _what, _passes: None)
