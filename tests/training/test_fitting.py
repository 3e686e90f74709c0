"""A training goes on after a kill as if nothing had been, stops where it no longer helps, and names what is broken."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from detector.errors import BadDataError, StateError, UsageError
from detector.training import fitting
from detector.training.checkpoint import read_checkpoint
from detector.training.data import Data
from detector.training.fitting import Plan, train
from detector.training.sequences import Sequence
from tests.training.made_up import CARD, RECIPE, made_up_sequence
from tests.training.training import SEQUENCES, weights_of

RECIPE_D = replace(RECIPE, dropout=0.3, batch_recordings=2)
DATA = Data([SEQUENCES, [made_up_sequence(n, 20 + n) for n in (12, 25)]], SEQUENCES)
PLAN = Plan("stateful", RECIPE_D, CARD, 4)


class _Killed(BaseException):
    pass


def _killed_after(epochs: int) -> Any:
    def on_epoch(epoch: int, _loss: float) -> None:
        if epoch == epochs:
            raise _Killed

    return on_epoch


@pytest.mark.parametrize("method", ["stateful", "padded"])
def test_a_training_that_was_killed_gives_the_weights_of_one_that_was_not(method: str, tmp_path: Path) -> None:
    plan = replace(PLAN, method=method)
    whole = weights_of(train(plan, DATA, 3).members)
    with pytest.raises(_Killed):
        train(plan, DATA, 3, folder=tmp_path, on_epoch=_killed_after(2))
    told: list[int] = []
    again = train(plan, DATA, 3, folder=tmp_path, on_epoch=lambda epoch, _loss: told.append(epoch))
    assert told == [3, 4]
    _assert_same(weights_of(again.members), whole)
    # And what is finished is not trained again.
    finished = train(plan, DATA, 3, folder=tmp_path, on_epoch=_killed_after(4))
    _assert_same(weights_of(finished.members), whole)


def test_a_process_that_is_killed_leaves_a_checkpoint_to_go_on_from(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; import sys, os, signal\n"
        "from tests.training.test_fitting import DATA, PLAN, train\n"
        "train(PLAN, DATA, 3, folder=Path(sys.argv[1]), on_epoch=lambda epoch, _loss:"
        " os.kill(os.getpid(), signal.SIGKILL) if epoch == 2 else None)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=root, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    found = read_checkpoint(tmp_path)
    assert found is not None
    assert len(found.history) == 2
    _assert_same(weights_of(train(PLAN, DATA, 3, folder=tmp_path).members), weights_of(train(PLAN, DATA, 3).members))


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    first, again, other = (weights_of(train(PLAN, DATA, seed).members) for seed in (5, 5, 6))
    _assert_same(first, again)
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    train(replace(PLAN, epochs=1), DATA, 3, folder=tmp_path)
    for plan, seed in ((replace(PLAN, epochs=1), 4), (replace(PLAN, epochs=2), 3)):
        with pytest.raises(UsageError, match="checkpoint of another training"):
            train(plan, DATA, seed, folder=tmp_path)
    (tmp_path / "checkpoint.npz").write_bytes(b"PK\3\4 nothing")
    with pytest.raises(BadDataError, match="delete it to begin anew"):
        train(replace(PLAN, epochs=1), DATA, 3, folder=tmp_path)


def test_it_stops_when_held_out_persons_gain_nothing_and_gives_the_best_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worths = iter([0.2, 0.5, 0.4, 0.5, 0.1])
    measured = fitting._measure
    seen: list[list[npt.NDArray[Any]]] = []
    persons: set[str] = set()

    def measure(method: Any, model: Any, held_out: list[Sequence], *rest: Any) -> dict[str, float]:
        persons.update(s.person for s in held_out)
        seen.append(weights_of(model))
        return {**measured(method, model, held_out, *rest), "worth": next(worths), "held_out_loss": 1.0}

    monkeypatch.setattr(fitting, "_measure", measure)
    plan = replace(PLAN, epochs=20, validate_share=0.4, patience=2)
    losses: list[float] = []
    trained = train(plan, DATA, 3, folder=tmp_path, on_epoch=lambda _epoch, loss: losses.append(loss))
    # Passes 3 and 4 were no better than the second.
    assert trained.epochs == len(losses) == 4
    assert set(trained.validated_on) == persons
    assert 0 < len(persons) < 5
    _assert_same(weights_of(trained.members), seen[1])
    assert not np.array_equal(seen[1][0], seen[3][0])
    # A restart after the end gives the same.
    _assert_same(weights_of(train(plan, DATA, 3, folder=tmp_path).members), seen[1])
    header, *rows = (tmp_path / "history.csv").read_text().splitlines()
    assert header.startswith("epoch,loss,learning_rate,held_out_loss,worth,sensitivity")
    assert [row.split(",")[4] for row in rows] == ["0.2", "0.5", "0.4", "0.5"]


def test_who_is_held_out_is_not_trained_on() -> None:
    plan = replace(PLAN, epochs=1, validate_share=0.4)
    held_out = train(plan, DATA, 3).validated_on
    broken = [replace(s, values=s.values * np.nan) if s.person in held_out else s for s in SEQUENCES]
    assert len(held_out) == 2
    # They are broken in what is trained on, and nobody notices.
    train(plan, Data([broken], SEQUENCES), 3)


def test_no_seizure_in_the_training_data_is_an_error_that_names_the_persons() -> None:
    quiet = [replace(s, target=s.target * 0, seizures=()) for s in SEQUENCES]
    with pytest.raises(BadDataError, match=r"no seizure in the training data: 5 sessions .* of person0, person1"):
        train(PLAN, Data([quiet], quiet), 0)


def test_features_that_are_not_finite_stop_it_and_the_session_is_named(tmp_path: Path) -> None:
    values = SEQUENCES[3].values.copy()
    values[4, 7] = np.nan
    broken = [*SEQUENCES[:3], replace(SEQUENCES[3], values=values), *SEQUENCES[4:]]
    # The second version is broken, so one pass is good.
    with pytest.raises(BadDataError, match=r"epoch 2 is nan: the features of session 1 of 1 of person3 .*of epoch 1"):
        train(PLAN, Data([SEQUENCES, broken], SEQUENCES), 3, folder=tmp_path)
    kept = read_checkpoint(tmp_path)
    assert kept is not None
    assert len(kept.history) == 1
    assert all(np.isfinite(array).all() for array in kept.variables)


@pytest.mark.parametrize("method", ["stateful", "whole-recording", "padded"])
def test_a_loss_that_is_not_finite_without_a_broken_session_stops_it(method: str) -> None:
    plan = replace(PLAN, method=method, recipe=replace(RECIPE_D, learning_rate=1e38))
    with pytest.raises(
        StateError, match=r"(is nan|is inf|not finite).*session 1 of 1 of person.*smaller learning rate"
    ):
        train(plan, DATA, 0)


def _assert_same(one: list[npt.NDArray[Any]], other: list[npt.NDArray[Any]]) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
