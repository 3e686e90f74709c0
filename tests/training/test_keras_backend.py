"""The same file trains on another backend: on JAX, and both engines serve what comes out of it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from detector.network.bundle import load_bundle
from detector.training.keras_backend import keras
from detector.training.light import require_same
from tests.training.made_up import made_up_sequence

_ROOT = Path(__file__).parents[2]
_SCRIPT = """
import sys
class NoTensorFlow:  # the network and the methods must not need it; Keras takes it where it is
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tensorflow":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, NoTensorFlow())
from pathlib import Path
import numpy as np
from detector.training.data import Data
from detector.training.fitting import Plan, train
from detector.training.keras_backend import array_of, keras
from detector.training.networks import deployable
from tests.training.made_up import CARD, RECIPE, made_up_sequence

assert keras.backend.backend() == "jax"
method, folder = sys.argv[1], Path(sys.argv[2])
sequences = [made_up_sequence(n, seed) for seed, n in enumerate((30, 9, 14))]
losses = []
plan = Plan(method, RECIPE, CARD, 4)
trained = train(plan, Data([sequences], sequences), 0, on_epoch=lambda _epoch, loss: losses.append(loss))
assert losses[-1] < losses[0], losses
network = deployable(trained.members, RECIPE, CARD, trained.scale)
network.save(folder / "model.keras")
values = made_up_sequence(20, 9).values[None]
np.save(folder / "answers.npy", np.concatenate([np.asarray(network(values[:, a : a + 4])) for a in range(0, 20, 4)], 1))
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed; it is in the extra `test`")
@pytest.mark.parametrize("method", ["stateful", "whole-recording"])
def test_a_network_trained_on_jax_answers_the_same_on_tensorflow(method: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, method, str(tmp_path)],
        cwd=_ROOT,
        env=os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert keras.backend.backend() == "tensorflow"
    network = keras.models.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    assert network.input_shape[0] == 1
    values = made_up_sequence(20, 9).values[None]
    answers = np.load(tmp_path / "answers.npy")
    assert np.ptp(answers) > 1e-3
    np.testing.assert_allclose(keras.ops.convert_to_numpy(network(values)), answers, atol=1e-5)


_WRITE = """
import sys
from pathlib import Path
from detector.training.networks import build, deployable
from detector.training.writing import write_bundle
from tests.training.made_up import CARD, RECIPE, SCALE

network = deployable(build(1, RECIPE, CARD, SCALE), RECIPE, CARD, SCALE)
write_bundle(network, CARD.model_copy(update={"id": "own"}), Path(sys.argv[1]))
"""


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed; it is in the extra `test`")
def test_a_bundle_that_jax_has_written_is_light_too(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WRITE, str(tmp_path)],
        cwd=_ROOT,
        env=os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    require_same(load_bundle(f"{tmp_path}/own"))
