"""A bundle on disk: written beside its place, checked as the daemon checks it, and there as a whole or not at all."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from detector.errors import BundleError, UsageError
from detector.network.bundle import Bundle, Card, load_bundle, sha256_of
from detector.training.keras_backend import keras
from detector.training.toml import to_toml


def require_new(folder: Path, *, replace: bool) -> None:
    """Refuse to change a bundle that is there.

    Raises
    ------
    UsageError
        When it is, and is not to be replaced.
    """
    if folder.exists() and not replace:
        raise UsageError(f"{folder} is there already, and bundles never change; choose another --id, or --replace it")


def write_bundle(network: keras.Model, card: Card, output: Path) -> Bundle:
    """Write a network and its card to ``<output>/<id>``, in place of what is there, and return the bundle.

    Parameters
    ----------
    network
        As it is served.
    card
        Everything but the number of parameters and the hashes, which are filled in.

    Raises
    ------
    BundleError
        When the network for the light engine cannot be made, or answers otherwise.
    """
    folder, part = output / card.id, output / f".{card.id}.part"
    made = part / card.id
    shutil.rmtree(part, ignore_errors=True)
    made.mkdir(parents=True)
    network.save(made / "model.keras")
    files = {"model.keras": sha256_of(made / "model.keras")}
    finished = card.model_copy(update={"parameters": int(network.count_params()), "files": files})
    (made / "card.toml").write_text(to_toml(finished.model_dump(exclude_none=True)), encoding="utf-8")
    if card.direction == "causal":
        _lighten(made.resolve())
    shutil.rmtree(folder, ignore_errors=True)
    made.rename(folder)
    part.rmdir()
    return load_bundle(f"{folder.resolve()}")


def _lighten(folder: Path) -> None:
    """Add the network for the light engine; needs TensorFlow, whatever trained the network."""
    if keras.backend.backend() == "tensorflow":
        from detector.training.light import lighten

        lighten(load_bundle(str(folder)))
        return
    command = [sys.executable, "-m", "detector", "models", "lighten", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell, own program
    if done.returncode:
        raise BundleError(f"the network for the light engine cannot be made: {done.stderr.strip()}")
