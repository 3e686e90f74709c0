"""A calibrated network has learnt from the earlier recordings only, and half the way; the later ones measure it."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.errors import BadDataError, BundleError
from detector.messages import FloatArray
from detector.network.bundle import load_bundle
from detector.network.keras_lstm import KerasLstm
from detector.training import calibration, choosing
from detector.training.calibration import Parent, calibrate, in_halves, parent_of
from detector.training.fitting import Trained, train
from detector.training.keras_backend import array_of
from detector.training.networks import build, deployable
from detector.training.sequences import Sequence
from detector.training.writing import write_bundle
from tests.training.made_up import CARD, RECIPE, SCALE, made_up_sequence

# Keras 3.15 reads TensorFlow's variables through a protocol that NumPy 2 has replaced.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(autouse=True)
def _few_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "_SMOOTHING_S", (1.0,))
    monkeypatch.setattr(choosing, "_ONSET_HOLD_S", (0.5,))


def _parent() -> Parent:
    members = build(1, RECIPE, CARD, SCALE)
    return Parent(CARD, RECIPE, SCALE, [array_of(v) for v in members.trainable_variables])


def _patient(n: int) -> list[Sequence]:
    """Return recordings with a seizure each, which shows in every feature."""
    found = []
    for i in range(n):
        sequence = made_up_sequence(80, i)
        ictal = sequence.target[:, None] * 3
        values = sequence.values.reshape(80, 22, -1).copy()
        values[:, :, :-1] += ictal[:, :, None]
        found.append(replace(sequence, person="patient", values=values.reshape(80, -1)))
    return found


def test_the_middle_seizure_parts_the_earlier_from_the_later() -> None:
    patient = _patient(5)
    quiet = replace(patient[0], seizures=(), target=np.zeros(80, dtype=np.float32))
    earlier, later = in_halves([quiet, *patient, quiet])
    assert [len(earlier), len(later)] == [4, 3]
    assert sum(len(s.seizures) for s in earlier) == 3


@pytest.mark.parametrize("n", [0, 1, 3])
def test_too_few_seizures_are_refused_with_what_it_takes(n: int) -> None:
    quiet = replace(_patient(1)[0], seizures=())
    with pytest.raises(BadDataError, match="expected at least 2 in each half"):
        in_halves([*_patient(n), quiet])


def test_recordings_of_two_persons_are_refused() -> None:
    with pytest.raises(BadDataError, match=r"recordings of 2 persons"):
        in_halves([*_patient(4), replace(_patient(1)[0], person="else")])


def test_it_learns_what_the_patients_seizures_look_like_and_stays_half_way(monkeypatch: pytest.MonkeyPatch) -> None:
    parent = _parent()
    monkeypatch.setattr(calibration, "LEARNING_RATE", 0.02)
    tuned: list[list[FloatArray]] = []

    def spy(*arguments: Any, **keys: Any) -> Trained:
        trained = train(*arguments, **keys)
        tuned.append([array_of(v) for v in trained.members.trainable_variables])
        return trained

    monkeypatch.setattr(calibration, "train", spy)
    found = calibrate(parent, _patient(8), epochs=12)
    assert found.has_learnt
    assert found.after.seizures == 4
    assert found.after.detected == 4
    assert found.before.detected < 4
    for now, before, after in zip(found.members.trainable_variables, parent.weights, tuned[-1], strict=True):
        np.testing.assert_allclose(array_of(now), (before + after) / 2, atol=1e-6)


def test_where_learning_gains_nothing_the_parents_weights_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    parent = _parent()
    monkeypatch.setattr(calibration, "LEARNING_RATE", 0.0)
    monkeypatch.setattr(calibration, "_SHARE", 0.0)
    found = calibrate(parent, _patient(6), epochs=1)
    assert not found.has_learnt
    for now, before in zip(found.members.trainable_variables, parent.weights, strict=True):
        np.testing.assert_array_equal(array_of(now), before)


def test_the_later_recordings_choose_nothing() -> None:
    parent, patient = _parent(), _patient(6)
    spoilt = [*patient[:3], *(replace(s, values=np.zeros_like(s.values)) for s in patient[3:])]
    one, other = (calibrate(parent, sequences, epochs=1) for sequences in (patient, spoilt))
    assert one.decision == other.decision
    for a, b in zip(one.members.trainable_variables, other.members.trainable_variables, strict=True):
        np.testing.assert_array_equal(array_of(a), array_of(b))


def test_a_budget_that_the_recordings_cannot_promise_is_refused() -> None:
    with pytest.raises(BadDataError, match=r"cannot be told from 0\.0 h"):
        calibrate(_parent(), _patient(6), epochs=1, per_24_h=1.0)


def test_a_bundle_gives_back_the_network_that_it_was_made_from(tmp_path: Path) -> None:
    members = build(1, RECIPE, CARD, SCALE)
    card = CARD.model_copy(update={"id": "tiny", "training": {"recipe": asdict(RECIPE)}})
    bundle = write_bundle(deployable(members, RECIPE, CARD, SCALE), card, tmp_path)
    KerasLstm(bundle)
    parent = parent_of(bundle)
    assert (parent.recipe, parent.scale) == (RECIPE, SCALE)
    for a, b in zip(parent.weights, members.trainable_variables, strict=True):
        np.testing.assert_array_equal(a, array_of(b))


def test_a_bundle_that_does_not_say_how_it_was_built_is_refused(tmp_path: Path) -> None:
    network = deployable(build(1, RECIPE, CARD, SCALE), RECIPE, CARD, SCALE)
    write_bundle(network, CARD.model_copy(update={"id": "tiny"}), tmp_path)
    with pytest.raises(BundleError, match="does not say how its network was built"):
        parent_of(load_bundle(f"{tmp_path}/tiny"))
