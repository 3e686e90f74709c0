"""``models`` tells which bundles are there, what they can do, and whether they are what their cards say."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from detector.cli import commands
from detector.errors import BundleError, UsageError
from detector.network.bundle import DEFAULT_BUNDLE, load_bundle
from tests.bundles import make_bundle
from tests.installations import run_without


def test_the_list_names_every_bundle_with_what_was_measured() -> None:
    said = CliRunner().invoke(commands, ["models", "list"], catch_exceptions=False, env={"COLUMNS": "160"}).output
    card = load_bundle().card
    assert f"{DEFAULT_BUNDLE} (default)" in said
    assert f"{card.figures['mean_over_seeds']['latency_median_s']:.1f} s" in said


def test_a_bundle_is_shown_with_its_figures_its_persons_and_everything_that_it_cannot_do() -> None:
    result = CliRunner().invoke(commands, ["models", "show", DEFAULT_BUNDLE], catch_exceptions=False)
    said = " ".join(result.output.split())
    card = load_bundle().card
    assert card.files["model.keras"] in said
    assert all(" ".join(limit.split()) in said for limit in card.limits)
    assert all(data.attribution in said for data in card.data)
    assert f"seizures: {card.figures['seizures']}" in said


def test_what_is_verified_has_run(tmp_path: Path) -> None:
    good = make_bundle(tmp_path / "a")
    said = CliRunner().invoke(commands, ["models", "verify", f"{good}/"], catch_exceptions=False).output
    assert "all is well (tensorflow)" in said


def test_a_bundle_is_made_light_once_and_then_verified_on_both_engines(tmp_path: Path) -> None:
    path = make_bundle(tmp_path)
    lighten = ["models", "lighten", f"{path}/"]
    said = CliRunner().invoke(commands, lighten, catch_exceptions=False).output
    sha256 = load_bundle(f"{path}/").card.files["model.tflite"]
    assert f"model.tflite: sha256 {sha256}" in said
    said = CliRunner().invoke(commands, ["models", "verify", f"{path}/"], catch_exceptions=False).output
    assert "all is well (litert and tensorflow, which answer alike)" in said
    again = CliRunner().invoke(commands, lighten)
    assert isinstance(again.exception, UsageError)
    assert "has its model.tflite already" in str(again.exception)


def test_without_tensorflow_the_light_engine_is_verified_alone() -> None:
    done = run_without("keras", "models", "verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert "all is well (litert; TensorFlow is not installed" in done.stdout


def test_a_bundle_that_cannot_run_fails_the_verification_and_the_others_are_tried_all_the_same(tmp_path: Path) -> None:
    bad, good = make_bundle(tmp_path / "a"), make_bundle(tmp_path / "b")
    (bad / "model.keras").write_bytes(b"another network")
    result = CliRunner().invoke(commands, ["models", "verify", f"{bad}/", f"{good}/"])
    assert isinstance(result.exception, BundleError)
    assert "1 of 2" in str(result.exception)
    assert f"{good}/: " in result.output
    assert "all is well" in result.output
    with pytest.raises(BundleError):
        load_bundle(f"{bad}/")
