"""A training in a process of its own is the same whatever happens beside it, and how it fails is told."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from detector.errors import BadDataError, DetectorError, EngineError
from detector.spreading import cores
from detector.training.apart import Given, Task, environment_here, train_apart
from detector.training.data import Data
from detector.training.fitting import Plan
from detector.training.trainings import ANSWERS, Fold, answers_of
from tests.live import until
from tests.training.made_up import CARD, RECIPE
from tests.training.training import SEQUENCES

DATA = Data([SEQUENCES], SEQUENCES)
PLAN = Plan("stateful", replace(RECIPE, dropout=0.3), CARD, 1)
PERSONS = DATA.folds(3)[0]


def given(data: Data = DATA, plan: Plan = PLAN) -> Given:
    return Given(pickle.dumps((data, plan)), environment_here())


def apart(of: int | None = None) -> list[psutil.Process]:
    children = psutil.Process(of).children()
    return [child for child in children if "detector.training.apart" in child.cmdline()]


def test_trainings_side_by_side_leave_what_each_leaves_alone(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as threads:
        made = list(threads.map(lambda seed: train_apart(given(), Task(PERSONS, seed, None)), (1, 2)))
    for seed, files in zip((1, 2), made, strict=True):
        folder = tmp_path / str(seed)
        answers_of([Fold("alone", PERSONS, seed, folder)], DATA, PLAN, 1, lambda _what, _passes: None)
        assert files[ANSWERS] == (folder / ANSWERS).read_bytes()
        assert {place.partition("/")[0] for place in files} == {path.name for path in folder.iterdir()}
    assert made[0][ANSWERS] != made[1][ANSWERS]


def test_it_is_made_with_what_the_one_who_asks_makes_it_with(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment_here() == {"KERAS_BACKEND": "tensorflow", "TF_NUM_INTRAOP_THREADS": str(cores())}
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "7")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    asked = environment_here()
    assert asked == {"KERAS_BACKEND": "torch", "TF_NUM_INTRAOP_THREADS": "7"}
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    with pytest.raises(EngineError, match="KERAS_BACKEND=torch needs it"):
        train_apart(replace(given(), environment=asked), Task(PERSONS, 0, None))


def test_its_own_error_comes_out_as_itself() -> None:
    quiet = [replace(s, target=s.target * 0) for s in SEQUENCES]
    with pytest.raises(BadDataError, match="no seizure in the training data"):
        train_apart(given(Data([quiet], quiet)), Task(PERSONS, 0, None))


def test_it_goes_on_from_the_checkpoint_that_it_is_given() -> None:
    with pytest.raises(BadDataError, match=r"is no checkpoint that can be read"):
        train_apart(given(), Task(PERSONS, 0, b"none"))


def test_a_process_that_is_ended_from_outside_is_told() -> None:
    with ThreadPoolExecutor(1) as thread:
        result = thread.submit(train_apart, given(), Task(PERSONS, 0, None))
        until(apart, 30, "it has begun")
        [child] = apart()
        child.kill()
        with pytest.raises(DetectorError, match="its process was ended from outside"):
            result.result(30)


def test_it_ends_with_the_worker_that_asked_and_leaves_nothing(tmp_path: Path) -> None:
    long = given(plan=replace(PLAN, epochs=10**6))
    (tmp_path / "given").write_bytes(pickle.dumps((long, Task(PERSONS, 0, None))))
    (tmp_path / "script.py").write_text(
        "import pickle, sys, pathlib\n"
        "from detector.training.apart import train_apart\n"
        f"train_apart(*pickle.loads(pathlib.Path({str(tmp_path / 'given')!r}).read_bytes()))\n"
    )
    (tmp_path / "tmp").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "TMPDIR": str(tmp_path / "tmp")}
    with subprocess.Popen([sys.executable, str(tmp_path / "script.py")], env=environment) as worker:
        until(lambda: [*(tmp_path / "tmp").glob("*/checkpoint.npz")], 200, "a pass is done")
        [child] = apart(worker.pid)
        worker.kill()
    until(lambda: not child.is_running(), 30, "it has ended")
    assert [*(tmp_path / "tmp").glob("seizure-detector-*")] == []
