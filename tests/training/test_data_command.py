"""`data check` and `data split`: a table or JSON, every problem named, and the exit code that says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from detector.cli import main
from detector.training.split import read_split
from tests.training.datasets.test_check import ALL, add


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert isinstance(caught.value.code, int)
    return caught.value.code, out, err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for person, length in (("anna", 40), ("bert", 30), ("cleo", 20), ("dora", 10)):
        add(tmp_path / "eeg" / f"{person}_1.edf", ALL, 200, (10, length, "sz"))
    return tmp_path / "eeg"


def test_a_table_names_persons_channels_and_totals_and_ends_with_0(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "data", "check", folder)
    assert code == 0
    assert all(person in out for person in ("anna", "bert", "cleo", "dora", "4 persons"))
    assert "channels A, in 4 recordings: 22: FP1-F7, F7-T7" in out
    assert "problem" not in out


def test_problems_are_listed_and_end_with_65(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(folder / "emil_1.edf", ("ECG", "C3"), 200)
    (folder / "fred_1.edf").write_bytes(b"nothing")
    code, out, err = run(capsys, "data", "check", folder)
    assert code == 65
    assert "emil_1.edf: montage chb-mit-22 needs at least" in out
    assert "fred_1.edf: has 7 bytes" in out
    assert "has 2 problems" in err


def test_json_says_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(folder / "emil_1.edf", ("ECG", "C3"), 200)
    code, out, _ = run(capsys, "data", "check", folder, "--json")
    assert code == 65
    said = json.loads(out)
    assert said["layout"] == "folder"
    assert said["persons"]["anna"] == {
        "recordings": 1, "hours": 0.0278, "seizures": 1, "ictal_minutes": 0.667, "rates_hz": {"200": 1},
        "channel_sets": {"A": 1}, "derivations": {"22": 1},
    }  # fmt: skip
    assert said["total"]["seizures"] == 4
    assert [Path(problem["path"]).name for problem in said["problems"]] == ["emil_1.edf"]


def test_a_layout_or_folder_that_is_not_there_has_its_exit_code(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "data", "check", folder, "--layout", "siena")[0] == 64
    code, _, err = run(capsys, "data", "check", folder / "nowhere")
    assert code == 66
    assert "nowhere is not there" in err


def test_a_split_is_written_with_every_person_once_and_the_same_for_the_same_seed(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, again = tmp_path / "first.toml", tmp_path / "again.toml"
    code, out, _ = run(capsys, "data", "split", folder, "--folds", "2", "--seed", "3", "--output", first)
    assert code == 0
    # 40 + 10 and 30 + 20 seconds: as even as it can be.
    assert out.count("0.8 ictal minutes") == 2
    assert run(capsys, "data", "split", folder, "--folds", "2", "--seed", "3", "--output", again)[0] == 0
    assert first.read_bytes() == again.read_bytes()
    assert sorted(p for persons in read_split(first).parts.values() for p in persons) == [
        "anna",
        "bert",
        "cleo",
        "dora",
    ]
    code, _, err = run(capsys, "data", "split", folder, "--output", first)
    assert code == 64
    assert "--replace" in err
    assert run(capsys, "data", "split", folder, "--folds", "4", "--output", first, "--replace")[0] == 0
    assert len(read_split(first).parts) == 4


def test_a_split_of_a_folder_with_problems_needs_skip_bad_and_says_so_all_the_same(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "fred_1.edf").write_bytes(b"nothing")
    target = tmp_path / "split.toml"
    code, _, err = run(capsys, "data", "split", folder, "--folds", "2", "--output", target)
    assert (code, target.exists()) == (65, False)
    assert "--skip-bad" in err
    code, _, err = run(capsys, "data", "split", folder, "--folds", "2", "--output", target, "--skip-bad")
    assert (code, target.exists()) == (65, True)
    assert "without the recordings of 1 problems" in err


def test_the_real_data_has_no_problem(eeg_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "data", "check", eeg_data, "--json")
    assert code == 0
    said = json.loads(out)
    assert (said["total"]["recordings"], len(said["persons"]), said["total"]["seizures"]) == (304, 27, 187)
    assert said["total"]["derivations"] == {"17": 14, "19": 36, "22": 254}
