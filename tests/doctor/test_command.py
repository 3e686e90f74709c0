"""The command in a process of its own: its lines, its JSON, its exit code, its time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bundles import make_bundle
from tests.doctor.amplifiers import amplifiers

# Keras, when it saves the bundle that is tested with.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def doctor(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "detector", "doctor", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, timeout=60)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundle"))


def bed(folder: Path, bundle: Path, more: str = "") -> Path:
    path = folder / "bed1.toml"
    path.write_text(f'[bed]\nname = "bed1"\n[source]\nsource_id = "doc-cmd"\n[model]\nbundle = "{bundle}"\n{more}')
    return path


def test_a_bed_that_is_set_up_passes(tmp_path: Path, bundle: Path) -> None:
    with amplifiers({"name": "good", "source_id": "doc-cmd"}):
        done = doctor("--config", bed(tmp_path, bundle), "--json", STATE_DIRECTORY=str(tmp_path / "state"))
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    assert (said["schema"], said["passed"]) == (1, True)
    levels = {one["check"]: one["level"] for one in said["findings"]}
    for check in (
        "configuration",
        "model",
        "liblsl",
        "LSL configuration",
        "ports",
        "discovery",
        "clock correction",
        "source montage",
        "source samples",
        "source clock",
        "state folder",
        "journal",
        "disk",
        "health port",
    ):
        assert levels[check] == "ok", check
    assert "stream 'good'" in levels
    assert not (tmp_path / "state").exists(), "it leaves nothing behind"


def test_a_machine_on_which_much_is_wrong_fails_line_by_line(tmp_path: Path, bundle: Path) -> None:
    broken = tmp_path / "tiny-1"
    broken.mkdir()
    for file in bundle.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    with (broken / "model.keras").open("ab") as model:
        model.write(b"x")
    path = bed(tmp_path, broken)
    path.chmod(0o666)
    with amplifiers(
        {"name": "one", "source_id": "doc-cmd", "unit": "furlong"}, {"name": "two", "source_id": "doc-cmd"}
    ):
        done = doctor("--config", path, STATE_DIRECTORY="/proc/no")
    assert (done.returncode, done.stderr) == (78, ""), done.stderr
    failed = [line.split("  ", 1)[1] for line in done.stdout.splitlines() if line.startswith("fail")]
    for said in (
        f"configuration: {path} may be written by everybody (mode 0666): chmod o-w {path}",
        f"model: {broken / 'model.keras'}: its SHA-256 is ",
        "source ids: 2 streams say they are 'doc-cmd'",
        "state folder: /proc/no: ",
    ):
        assert [line for line in failed if line.startswith(said)], f"{said}\n{done.stdout}"
    n_lines = sum(line.startswith(("ok  ", "warn", "fail")) for line in done.stdout.splitlines())
    assert done.stdout.splitlines()[-1] == f"{len(failed)} of {n_lines} failed"


def test_without_liblsl_it_says_so_and_examines_the_rest(tmp_path: Path, bundle: Path) -> None:
    library = tmp_path / "liblsl.so"
    library.write_bytes(b"no library")
    done = doctor(PYLSL_LIB=str(library))
    assert done.returncode == 78
    assert "fail  liblsl: liblsl library" in done.stdout
    assert "found but could not be loaded" in done.stdout
    assert "set PYLSL_LIB to the path of liblsl.so" in done.stdout
    assert "ok    disk: " in done.stdout
