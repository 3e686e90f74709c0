"""``calibrate`` makes a patient's bundle that names its parent, and knows which recordings are the earlier ones."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from detector.cli import commands
from detector.errors import BadDataError, BundleError, UsageError
from detector.network.bundle import load_bundle
from detector.training import choosing
from detector.training.calibrate_command import in_time
from detector.training.labelled import Labelled
from detector.training.light import require_same
from tests.synthetic_edf import write_edf
from tests.training.made_up import write_parent, write_untrained

# Keras 3.15 reads TensorFlow's variables through a protocol that NumPy 2 has replaced.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ward") / "patient"
    folder.mkdir()
    for day in range(1, 5):
        # The names tell another order than the times.
        path = write_edf(folder / f"n{9 - day}.edf", 80, (40.0, 65.0), start=datetime(2024, 1, day, 12), seed=day)
        path.with_name(f"{path.stem}_events.tsv").write_text("onset\tduration\teventType\n40\t25\tsz\n")
    return folder.parent


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_parent(folder, "general")
    write_untrained(folder, "mute")
    return folder


def test_a_patients_bundle_names_its_parent_and_what_was_measured(
    patient: Path, models: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(choosing, "_SMOOTHING_S", (1.0,))
    monkeypatch.setattr(choosing, "_ONSET_HOLD_S", (0.5,))
    options = ["--bundle", f"{models}/general", "--patient", str(patient), "--output", str(models), "--id", "own"]
    done = CliRunner().invoke(commands, ["calibrate", *options], catch_exceptions=False)
    assert done.exit_code == 0
    assert "earlier recordings, held out in turn: 2 seizures" in done.output
    assert "later recordings, calibrated" in done.output
    bundle, parent = load_bundle(f"{models}/own"), load_bundle(f"{models}/general")
    assert bundle.card.parent == f"general sha256 {parent.sha256}"
    assert bundle.card.limits[0] == "Calibrated to one patient: for nobody else."
    assert bundle.card.figures["later_calibrated"].split(" of ")[1].startswith("2 seizures")
    require_same(bundle)
    with pytest.raises(UsageError, match="never change"):
        CliRunner().invoke(commands, ["calibrate", *options], catch_exceptions=False)


def test_a_bundle_that_cannot_go_on_learning_is_refused(patient: Path, models: Path, tmp_path: Path) -> None:
    options = ["--bundle", f"{models}/mute", "--patient", str(patient), "--output", str(tmp_path), "--id", "own"]
    with pytest.raises(BundleError, match="does not say how its network was built"):
        CliRunner().invoke(commands, ["calibrate", *options], catch_exceptions=False)
    assert list(tmp_path.iterdir()) == []


def test_the_order_is_that_of_time_and_of_names_only_where_told(patient: Path) -> None:
    recordings = [Labelled("patient", path, ()) for path in sorted(patient.rglob("*.edf"))]
    by_time = [recording.path.stem for recording in in_time(recordings, by_name=False)]
    assert by_time == ["n8", "n7", "n6", "n5"]
    assert [recording.path.stem for recording in in_time(recordings, by_name=True)] == by_time[::-1]


def test_a_recording_that_does_not_say_when_it_was_made_is_refused(
    patient: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Anonymous:
        start = None

    monkeypatch.setattr("detector.source.recording.open_recording", lambda _path: Anonymous())
    with pytest.raises(BadDataError, match="--by-name"):
        in_time([Labelled("patient", patient / "n5.edf", ())], by_name=False)
