"""The logbook: history as CSV, curves as a figure, TensorBoard's logs; without their packages the CSV alone."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import pytest

from detector.training import logbook
from detector.training.logbook import Logbook

HISTORY = [
    {"epoch": 1.0, "loss": 0.7, "held_out_loss": 0.8, "worth": -math.inf, "sensitivity": 0.0},
    {"epoch": 2.0, "loss": 0.5, "held_out_loss": 0.6, "worth": 0.4, "sensitivity": 0.9},
]


def _missing(package: str) -> bool:
    return importlib.util.find_spec(package) is None


def test_every_pass_has_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    book = Logbook(tmp_path / "run")
    for n in (1, 2, 2):  # the second again, after a restart
        book.write(HISTORY[:n])
    book.close(HISTORY)
    assert (tmp_path / "run" / "history.csv").read_text().splitlines() == [
        "epoch,loss,held_out_loss,worth,sensitivity",
        "1,0.7,0.8,-inf,0",
        "2,0.5,0.6,0.4,0.9",
    ]
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["history.csv"]


@pytest.mark.skipif(_missing("matplotlib"), reason="matplotlib is not installed; it is in the extra `training`")
def test_the_curves_are_a_figure(tmp_path: Path) -> None:
    logbook.draw_curves(tmp_path / "curves.png", HISTORY)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "curves.png").stat().st_size > 5000


@pytest.mark.skipif(_missing("tensorboard"), reason="tensorboard is not installed; it is in the extra `training`")
def test_tensorboard_reads_the_logs(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    book = Logbook(tmp_path)
    book.write(HISTORY[:1])
    book.write(HISTORY)
    book.close(HISTORY)
    found = EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    values = [(event.step, event.tensor_proto.float_val[0]) for event in found.Tensors("loss")]
    assert values == [(1, pytest.approx(0.7)), (2, pytest.approx(0.5))]
    # What is not finite draws no curve.
    assert [event.step for event in found.Tensors("worth")] == [2]
