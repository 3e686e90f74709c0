"""What a manifest says is made is what was made of this recording in this way; else it says nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.errors import DetectorError, MissingInputError, UsageError
from detector.manifest import NAME, Manifest, identity_of
from tests.signals import deterministic

RUN = {"model": "a", "version": 1}
PLACE = Path("sub-01/a.edf")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "a.edf"
    path.write_bytes(b"EEG")
    return path


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    return folder


def make(results: Path, recording: Path, run: dict[str, object] | None = None) -> Path:
    """Write a result of the recording, and that it is there."""
    made = results / "a.tsv"
    made.write_bytes(b"result")
    with Manifest(results, RUN if run is None else run) as manifest:
        manifest.add(PLACE, identity_of(recording), {made: b"result"}, "1 seizure")
    return made


def said(results: Path, recording: Path, run: dict[str, object] | None = None, *more: str) -> str | None:
    with Manifest(results, RUN if run is None else run) as manifest:
        return manifest.said(PLACE, recording, [results / "a.tsv", *(results / name for name in more)])


def test_what_was_made_is_known(results: Path, recording: Path) -> None:
    make(results, recording)
    assert said(results, recording) == "1 seizure"
    recording.touch()
    assert said(results, recording) == "1 seizure", "its content is the same"


def test_another_recording_way_result_or_wish_is_made_again(results: Path, recording: Path) -> None:
    made = make(results, recording)
    assert said(results, recording, {"model": "b", "version": 1}) is None
    assert said(results, recording, None, "a.csv") is None
    made.write_bytes(b"changed")
    assert said(results, recording) is None
    made.unlink()
    assert said(results, recording) is None
    make(results, recording)
    recording.write_bytes(b"other EEG")
    assert said(results, recording) is None
    recording.unlink()
    assert said(results, recording) is None
    with pytest.raises(MissingInputError, match="cannot read"):
        identity_of(recording)


def test_the_last_word_about_a_recording_counts(results: Path, recording: Path) -> None:
    make(results, recording)
    make(results, recording, {"model": "b"})
    assert said(results, recording) is None
    assert said(results, recording, {"model": "b"}) == "1 seizure"


@deterministic(100)
@given(rubbish=st.lists(st.binary(max_size=60), max_size=4), torn=st.integers(0, 400))
def test_rubbish_and_a_line_that_was_torn_cost_nothing_else(
    rubbish: list[bytes], torn: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("manifest")
    recording = folder / "a.edf"
    recording.write_bytes(b"EEG")
    make(folder, recording)
    line = (folder / NAME).read_bytes()
    (folder / NAME).write_bytes(b"\n".join([*rubbish, line[:torn]]))
    whole = torn >= len(line) - 1  # the end of the line may be lacking
    assert said(folder, recording) == ("1 seizure" if whole else None)
    make(folder, recording)
    assert said(folder, recording) == "1 seizure"


def test_one_run_at_a_time_and_a_folder_that_cannot_be_used_is_told(results: Path, tmp_path: Path) -> None:
    with Manifest(results, RUN), pytest.raises(UsageError, match="another run writes into"):
        Manifest(results, RUN)
    with pytest.raises(DetectorError, match="No such file or directory"):
        Manifest(tmp_path / "none", RUN)
    (results / NAME).unlink()
    (results / NAME).mkdir()
    with pytest.raises(DetectorError, match="Is a directory"):
        Manifest(results, RUN)
