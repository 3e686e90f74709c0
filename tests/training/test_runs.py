"""A run folder keeps what was asked for, and goes on only with the same."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from detector.errors import BadDataError, UsageError
from detector.training.runs import RunFolder

CONFIG: dict[str, Any] = {
    "order": {"method": "padded", "epochs": 3},
    "recipe": {"bands_hz": ((0.5, 2.0), (2.0, 4.0)), "dropout": 0.3},
}
SPLIT: dict[str, Any] = {"data": "abc", "folds": [("a",), ("b", "c")]}


def test_it_says_what_was_asked_for_and_has_a_folder_for_each_training(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run", CONFIG, resume=False)
    # Nothing is there before the data have been read: what fails until then can be called again.
    assert not run.path.exists()
    run.begin(SPLIT)
    written = tomllib.loads((run.path / "config.toml").read_text())
    assert written["order"] == CONFIG["order"]
    assert written["recipe"]["bands_hz"] == [[0.5, 2.0], [2.0, 4.0]]
    assert len({run.fold(0, 0), run.fold(0, 1), run.fold(1, 0), run.everybody}) == 4


def test_a_second_run_is_refused_and_the_same_goes_on(tmp_path: Path) -> None:
    RunFolder(tmp_path, CONFIG, resume=False).begin(SPLIT)
    with pytest.raises(UsageError, match=r"--resume, or choose another --run-folder"):
        RunFolder(tmp_path, CONFIG, resume=False)
    RunFolder(tmp_path, CONFIG, resume=True).begin(SPLIT)


def test_what_differs_is_named(tmp_path: Path) -> None:
    RunFolder(tmp_path, CONFIG, resume=False).begin(SPLIT)
    with pytest.raises(UsageError, match=r"another run: order.epochs \(3, now 4\); --resume with what it was begun"):
        RunFolder(tmp_path, CONFIG | {"order": {"method": "padded", "epochs": 4}}, resume=True)
    run = RunFolder(tmp_path, CONFIG, resume=True)
    with pytest.raises(UsageError, match=r"data \('abc', now 'abd'\); begin another run"):
        run.begin(SPLIT | {"data": "abd"})


def test_a_config_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("= nothing")
    with pytest.raises(BadDataError, match=r"config.toml cannot be read"):
        RunFolder(tmp_path, CONFIG, resume=True)
