"""The run folder, ``runs/<id>/``: what was asked for, who was where, and what is done so far, so that it can go on.

| file | what |
|---|---|
| ``config.toml`` | recipe and order, and with what it was made |
| ``split.toml`` | the persons of each fold, and the digest of the data |
| ``seed-0/fold-1/`` | checkpoint, history, curves and answers of one training of the cross-validation |
| ``everybody/`` | the same of the training that is shipped |
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from detector.errors import BadDataError, UsageError
from detector.scoring import write_whole
from detector.training.toml import to_toml

CONFIG, SPLIT = "config.toml", "split.toml"


class RunFolder:
    """A folder of one run; a second run, or one that was asked for otherwise, is refused.

    Parameters
    ----------
    path
        Made by `begin`, where it is not there.
    config
        What was asked for, as it is written into ``config.toml``.
    resume
        Whether to go on with what is there.

    Raises
    ------
    UsageError
        When there is a run in it and it is not to go on, or it is another.
    """

    def __init__(self, path: Path, config: Mapping[str, Any], *, resume: bool) -> None:
        self.path = path
        if (path / CONFIG).exists() and not resume:
            raise UsageError(f"{path} holds a run already; go on with it by --resume, or choose another --run-folder")
        self._config = config
        self._agree(CONFIG, config, "--resume with what it was begun with")

    def begin(self, split: Mapping[str, Any]) -> None:
        """Note what was asked for and who is in which fold; from now on there is something to go on with.

        Raises
        ------
        UsageError
            When the run was begun on other data.
        """
        self._agree(SPLIT, split, "begin another run, as the data have changed")
        for name, table in ((SPLIT, split), (CONFIG, self._config)):
            if not (self.path / name).exists():
                self.path.mkdir(parents=True, exist_ok=True)
                write_whole(self.path / name, to_toml(table))

    def fold(self, seed: int, fold: int) -> Path:
        """Return the folder of a training of the cross-validation; folds count from 0, their folders from 1."""
        return self.path / f"seed-{seed}" / f"fold-{fold + 1}"

    @property
    def everybody(self) -> Path:
        """The folder of the training that is shipped."""
        return self.path / "everybody"

    def _agree(self, name: str, wanted: Mapping[str, Any], remedy: str) -> None:
        path = self.path / name
        if not path.exists():
            return
        try:
            there = dict(_flat(tomllib.loads(path.read_text("utf-8"))))
        except (OSError, ValueError) as error:
            raise BadDataError(f"{path} cannot be read ({error}); delete the folder to begin anew") from error
        asked = dict(_flat(tomllib.loads(to_toml(wanted))))
        if there != asked:
            keys = sorted(key for key in there.keys() | asked.keys() if there.get(key) != asked.get(key))
            told = ", ".join(f"{key} ({there.get(key)!r}, now {asked.get(key)!r})" for key in keys[:5])
            raise UsageError(f"{path} is of another run: {told}; {remedy}, or choose another --run-folder")


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
