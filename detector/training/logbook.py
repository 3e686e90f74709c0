"""What can be looked at while a training runs: its history as CSV, the curves as a figure, and TensorBoard's logs.

The figure needs matplotlib and the logs tensorboard, both of the extra ``training``; without them there is the CSV.
"""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

from detector.scoring import write_whole

HISTORY, CURVES, LOGS = "history.csv", "curves.png", "tensorboard"
_PANELS = {
    "loss": ("loss", "held_out_loss"),
    "held-out persons": ("sensitivity", "worth"),
    "false alarms per hour": ("alarms_per_hour",),
    "median latency (s)": ("latency_median_s",),
}

History = list[dict[str, float]]


class Logbook:
    """Writes into a training's folder after each pass.

    Parameters
    ----------
    folder
        Of the training; made where it is not there.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._events: Any = None

    def write(self, history: History) -> None:
        """Note the last pass; the CSV is written anew, so that no pass is in it twice after a restart."""
        write_whole(self._folder / HISTORY, history_csv(history))
        if importlib.util.find_spec("tensorboard") is None:
            return
        if self._events is None:
            from tensorboard.summary import Writer

            self._events = Writer(str(self._folder / LOGS))
        for name, value in history[-1].items():
            if name != "epoch" and math.isfinite(value):
                self._events.add_scalar(name, value, step=int(history[-1]["epoch"]))
        self._events.flush()

    def close(self, history: History) -> None:
        """Draw the curves."""
        if self._events is not None:
            self._events.close()
        if history and importlib.util.find_spec("matplotlib") is not None:
            draw_curves(self._folder / CURVES, history)


def history_csv(history: History) -> str:
    """Return a line for each pass."""
    lines = [",".join(history[0])]
    lines += [",".join(f"{value:.7g}" for value in row.values()) for row in history]
    return "\n".join(lines) + "\n"


def draw_curves(path: Path, history: History) -> None:
    """Draw loss and held-out figures over the passes; needs matplotlib."""
    from matplotlib.figure import Figure

    panels = {title: [n for n in names if n in history[0]] for title, names in _PANELS.items()}
    panels = {title: names for title, names in panels.items() if names}
    figure = Figure(figsize=(5 * len(panels), 4), layout="constrained")
    for axes, (title, names) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for name in names:
            points = [(row["epoch"], row[name]) for row in history if math.isfinite(row[name])]
            axes.plot(*zip(*points, strict=True) if points else ([], []), marker=".", label=name.replace("_", " "))
        axes.set(title=title, xlabel="pass")
        axes.legend()
    figure.savefig(path)
