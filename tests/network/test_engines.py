"""The bundle decides which engine runs it, the configuration may decide otherwise, and what is missing is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from detector.errors import BundleError
from detector.network.bundle import Bundle, load_bundle
from detector.network.engines import chosen, make_engine
from detector.network.keras_lstm import KerasLstm
from detector.network.litert import LiteRt
from tests.bundles import light_bundle, tiny_bundle
from tests.installations import run_without
from tests.synthetic_edf import run_program


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return light_bundle(tmp_path_factory.mktemp("light"))


def test_a_bundle_that_has_a_light_file_is_run_by_the_light_engine(light: Bundle) -> None:
    assert isinstance(make_engine(light), LiteRt)
    assert isinstance(make_engine(light, "litert"), LiteRt)
    assert isinstance(make_engine(light, "tensorflow"), KerasLstm)


def test_one_that_has_none_is_run_by_tensorflow(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path)
    assert isinstance(make_engine(bundle), KerasLstm)
    with pytest.raises(BundleError, match=r"has no model\.tflite.*models lighten .*/tiny-1/.*engine 'tensorflow'"):
        make_engine(bundle, "litert")


def test_the_bundle_that_comes_with_the_program_is_light() -> None:
    assert chosen(load_bundle()) == "litert"


def config(folder: Path, bundle: Path | str, engine: str) -> str:
    path = folder / "bed.toml"
    path.write_text(
        f'[bed]\nname = "bed"\n[source]\nsource_id = "none"\n[model]\nbundle = "{bundle}"\nengine = "{engine}"\n'
    )
    return str(path)


@pytest.mark.parametrize("engine", ["auto", "litert"])
def test_a_bed_without_the_light_engine_says_what_to_install(tmp_path: Path, light: Bundle, engine: str) -> None:
    done = run_without("ai_edge_litert", "run", "--check", "--config", config(tmp_path, light.folder, engine))
    assert done.returncode == 78, done.stderr
    assert "the engine 'litert' is not installed" in done.stderr
    assert "pip install 'seizure-detector[litert]', or choose the engine 'tensorflow'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bed_whose_bundle_has_another_light_file_than_its_card_says_is_refused(tmp_path: Path, light: Bundle) -> None:
    spoilt = tmp_path / light.folder.name
    shutil.copytree(light.folder, spoilt)
    with (spoilt / "model.tflite").open("ab") as file:
        file.write(b"more")
    done = run_program("run", "--check", "--config", config(tmp_path, spoilt, "litert"))
    assert done.returncode == 78
    assert f"{spoilt / 'model.tflite'}: its SHA-256 is " in done.stderr


def test_a_bed_whose_bundle_has_no_light_file_says_what_to_do(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path)
    done = run_program("run", "--check", "--config", config(tmp_path, bundle.folder, "litert"))
    assert done.returncode == 78
    assert "seizure-detector models lighten" in done.stderr
