"""The light engine: the bundle's ``model.tflite``, one step a call, with the recurrent state given and returned.

Its network has the weights of ``model.keras`` (`detector.training.light` makes it) and no memory of its own. It needs
no TensorFlow: a step takes 25 µs where that of `detector.network.keras_lstm` takes 0.7 ms, and the process has a sixth
of its memory (``benchmarks/engines.py``).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from detector.errors import BundleError, EngineError, StateError
from detector.messages import Features, FloatArray, Probability
from detector.network.bundle import LIGHT_FILE, Bundle, require_causal
from detector.network.frozen import FrozenCheck
from detector.network.held_stderr import held_stderr
from detector.network.recurrent_state import checked_states
from detector.network.self_test import noise, require_probabilities
from detector.pipeline import bands_config

if TYPE_CHECKING:
    from pathlib import Path

    from ai_edge_litert.interpreter import Interpreter

SIGNATURE = "step"


class LiteRt:
    """Runs a bundle's light network, one probability a step.

    Raises
    ------
    EngineError
        At construction when LiteRT is not installed.
    BundleError
        At construction when the bundle has no light network, or it is not one for its card.
    """

    def __init__(self, bundle: Bundle) -> None:
        require_causal(bundle)
        path = light_file(bundle)
        n_features = bands_config(bundle.card).n_features
        self._interpreter = _open(path)
        self._tensors = _Tensors(self._interpreter, path, n_features)
        self._frozen = FrozenCheck()
        self.reset()
        self._self_test(path, n_features)
        self.reset()

    def process(self, features: list[Features]) -> list[Probability]:
        """Return one probability for each step.

        Raises
        ------
        StateError
            When an input, an output or the recurrent state is not finite, or the output is frozen.
        """
        if not features:
            return []
        values = np.array([f.values for f in features])
        if not np.isfinite(values).all():
            raise StateError("the network's input is not finite; conditioning has let something through")
        probabilities = [
            Probability(self._step(row), f.good, f.end_s, f.missing)
            for row, f in zip(values[:, None, None], features, strict=True)
        ]
        self._frozen.check(features, probabilities)
        return probabilities

    def reset(self) -> None:
        """Forget the recurrent state."""
        self._states = [np.zeros(shape, dtype=np.float32) for shape in self._tensors.shapes]

    def get_state(self) -> list[FloatArray]:
        """Return copies of the recurrent states, each (1, n_units), as `KerasLstm.get_state` does."""
        return [state.copy() for state in self._states]

    def set_state(self, state: object) -> None:
        """Go on with what `get_state` of any engine returned, as arrays or as lists of numbers.

        Raises
        ------
        StateError
            When the number, a shape or a value is not what this network can have; then nothing is changed.
        """
        self._states = checked_states(self._states, state)

    def _step(self, values: FloatArray) -> float:
        """Return the probability behind one step, (1, 1, n_features)."""
        # Not by the signature's runner, which prepares everything anew at each call and takes twice the time.
        interpreter, tensors = self._interpreter, self._tensors
        interpreter.set_tensor(tensors.features, values)
        for index, state in zip(tensors.states_in, self._states, strict=True):
            interpreter.set_tensor(index, state)
        interpreter.invoke()
        self._states = [interpreter.get_tensor(index) for index in tensors.states_out]
        probability, check = interpreter.get_tensor(tensors.answer).tolist()
        if math.isnan(check):
            raise StateError("the network's state or output is not finite; it must be reset")
        return float(probability)

    def _self_test(self, path: Path, n_features: int) -> None:
        try:
            answers = np.array([self._step(values[None, None]) for values in noise(n_features)[0]], dtype=np.float32)
        except StateError as error:
            raise BundleError(f"{path}: its output on a test signal is not finite") from error
        require_probabilities(path, answers)
        if not all(state.any() for state in self._states):
            raise BundleError(f"{path}: a recurrent state stays 0 on a test signal; the network remembers nothing")


class _Tensors:
    """Where the interpreter has what; refuses a file whose signature is not that of `detector.training.light`."""

    def __init__(self, interpreter: Interpreter, path: Path, n_features: int) -> None:
        signatures = interpreter.get_signature_list()
        if list(signatures) != [SIGNATURE]:
            found = ", ".join(signatures) or "none"
            raise BundleError(f"{path}: its signatures are {found}, expected one called {SIGNATURE}")
        runner = interpreter.get_signature_runner(SIGNATURE)
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        names = [f"state_{i}" for i in range(len(inputs) - 1)]
        shapes_in = {name: tuple(details["shape"]) for name, details in inputs.items()}
        shapes_out = {name: tuple(details["shape"]) for name, details in outputs.items()}
        states = {name: shapes_in.get(name, ()) for name in names}
        expected_in = {"features": (1, 1, n_features), **states}
        expected_out = {"answer": (2,), **states}
        if not states or shapes_in != expected_in or shapes_out != expected_out:
            raise BundleError(
                f"{path}: its step takes {_said(shapes_in)} and returns {_said(shapes_out)}; the card's features ask "
                f"for features (1, 1, {n_features}) and states in, answer (2) and the same states out"
            )
        kinds = {details["dtype"] for details in (*inputs.values(), *outputs.values())}
        if kinds != {np.float32}:
            raise BundleError(f"{path}: its step takes and returns more than numbers of 32 bits")
        self.features, self.answer = inputs["features"]["index"], outputs["answer"]["index"]
        self.states_in = [inputs[name]["index"] for name in names]
        self.states_out = [outputs[name]["index"] for name in names]
        self.shapes = list(states.values())


def light_file(bundle: Bundle) -> Path:
    """Return the path of the bundle's light network.

    Raises
    ------
    BundleError
        When it has none.
    """
    if LIGHT_FILE not in bundle.card.files:
        raise BundleError(
            f"bundle {bundle.card.id!r} has no {LIGHT_FILE}, which the engine 'litert' runs; add it where TensorFlow "
            f"is installed (seizure-detector models lighten {bundle.folder}/), or choose the engine 'tensorflow'"
        )
    return bundle.folder / LIGHT_FILE


def _open(path: Path) -> Interpreter:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise EngineError(
            f"the engine 'litert' is not installed ({error}): pip install 'seizure-detector[litert]', "
            "or choose the engine 'tensorflow'"
        ) from error
    try:
        with held_stderr(b"INFO: "):
            # A step is too small for more than one thread, and a bed must not take more than one core.
            interpreter = Interpreter(model_path=str(path), num_threads=1)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:  # a file that is damaged, and a network that cannot be run
        raise BundleError(f"{path} is no LiteRT network that can be loaded: {error}") from error
    return interpreter


def _said(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {tuple(map(int, shape))}" for name, shape in shapes.items())
