"""What is shown of a clip is what was received, hole for hole, and a file that is none ends nothing."""

from __future__ import annotations

import base64
import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.errors import BadDataError
from detector.page.eeg_block import NO_SAMPLE, STEP_UV
from detector.page.review import clip as clip_module
from detector.page.review.clip import ClipEeg
from detector.sinks.clips_tape import received
from tests.page.review.beds import HOSTILE, NAMES, ONSET_UTC_S, RATE_HZ, write
from tests.signals import deterministic, noise

_READ: dict[str, bytes] = {}


def opened(path: Path, montage: str | None = "chb-mit-22") -> ClipEeg:
    with path.open("rb") as file:
        return ClipEeg(file, path.name, montage)


def numbers(block: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.int16]]:
    return np.frombuffer(base64.b64decode(block["samples"]), "<i2").reshape(block["n"], len(NAMES))


def test_each_sample_of_each_derivation_is_there_to_a_tenth_of_a_microvolt(tmp_path: Path) -> None:
    clip = opened(write(tmp_path))
    block = clip.block(50.0, 15.0)
    first = round(50 * RATE_HZ)
    expected = noise(round(120 * RATE_HZ))[first : first + block["n"]]
    assert (block["from_s"], block["n"]) == (50.0, 15 * RATE_HZ)
    np.testing.assert_allclose(numbers(block) * STEP_UV, expected, atol=STEP_UV)
    assert block["faults"] == {}


def test_what_was_not_received_is_a_hole_and_not_a_flat_line(tmp_path: Path) -> None:
    clip = opened(write(tmp_path))
    block = clip.block(98.0, 10.0)
    is_hole = (numbers(block) == NO_SAMPLE).all(axis=1)
    at_s = 98 + np.flatnonzero(is_hole) / RATE_HZ
    assert (at_s[0], at_s[-1]) == (100.0, 105 - 1 / RATE_HZ)
    assert is_hole.sum() == 5 * RATE_HZ
    assert not (numbers(block)[~is_hole] == NO_SAMPLE).any()
    assert clip.block(95.0, 10.0)["faults"] == {}, "what is held is no flat channel"


def test_it_says_when_what_was_and_what_was_written_down(tmp_path: Path) -> None:
    facts = opened(write(tmp_path)).facts()
    assert facts["start_s"] == ONSET_UTC_S - 60
    assert (facts["onset_s"], facts["declared_s"], facts["offset_s"]) == (60.0, 62.0, 90.0)
    assert facts["duration_s"] == 120
    assert facts["gaps"] == [(100.0, 105.0)]
    assert facts["derivations"] == NAMES
    assert HOSTILE in [one["text"] for one in facts["annotations"]]
    track, step_s = facts["probability"], facts["probability_step_s"]
    assert len(track) == 120 / step_s
    at = {s: track[round(s / step_s)] for s in (0, 20, 70, 92, 97, 102)}
    assert at == {0: None, 20: 0.25, 70: 0.75, 92: None, 97: 0.125, 102: None}, "unknown is none and never 0"


def test_a_fast_clip_is_thinned_behind_a_mean_and_the_hole_stays(tmp_path: Path) -> None:
    clip = opened(write(tmp_path, rate_hz=1024.0))
    assert clip.facts()["rate_hz"] == 256
    block = clip.block(95.0, 10.0)
    expected = noise(120 * 1024)[95 * 1024 : 100 * 1024].reshape(-1, 4, 22).mean(axis=1)
    np.testing.assert_allclose(numbers(block)[: 5 * 256] * STEP_UV, expected, atol=STEP_UV)
    assert (numbers(block)[5 * 256 :] == NO_SAMPLE).all()


@pytest.mark.parametrize(
    ("from_s", "length_s", "n"), [(-5, 5, 5), (119, 10, 1), (120, 10, 0), (1e12, 1, 0), (0, 1e9, 20)]
)
def test_only_what_is_there_is_read_and_never_much(tmp_path: Path, from_s: float, length_s: float, n: float) -> None:
    block = opened(write(tmp_path)).block(from_s, length_s)
    assert block["n"] == n * RATE_HZ
    assert len(base64.b64decode(block["samples"])) == block["n"] * 44


def test_a_montage_that_is_not_known_is_found_by_the_labels(tmp_path: Path) -> None:
    path = write(tmp_path)
    for montage in (None, "none of ours"):
        assert opened(path, montage).facts()["missing"] == ()
    with pytest.raises(BadDataError, match="These are the derivations of chb-mit-22"):
        opened(path, "tuh-tcp-22")


def test_a_flat_channel_comes_with_the_reason(tmp_path: Path) -> None:
    samples = noise(round(30 * RATE_HZ))
    samples[:, 3] = 7.0
    path = write(tmp_path, blocks=(received(samples, 1000 + np.arange(len(samples)) / RATE_HZ),))
    assert list(opened(path).block(0, 15)["faults"]) == [NAMES[3]]


def test_half_a_file_is_told_by_its_name(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(path.read_bytes()[:300_000])
    with pytest.raises(BadDataError, match=rf"^{path.name} is truncated: \d+ of 120 s are there"):
        opened(path)


def test_what_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("detector.page.review.clip.MOST_BYTES", 100_000)
        with pytest.raises(BadDataError, match="larger than 0 MB: download it"):
            opened(path)
    with monkeypatch.context() as patched:
        patched.setattr("detector.page.review.clip._MOST_ANNOTATION_BYTES", 100)
        with pytest.raises(BadDataError, match="of annotations: too much to be shown"):
            opened(path)
    monkeypatch.setattr("detector.page.review.clip._MOST_VALUES", 1000)
    with pytest.raises(BadDataError, match="23 channels of 256 Hz, which is too much to be shown"):
        opened(path).block(0, 10)


def test_what_is_shown_does_not_change_with_the_file_under_it(tmp_path: Path) -> None:
    path = write(tmp_path)
    clip = opened(path)
    before = clip.block(50, 10)
    with path.open("r+b") as file:
        file.truncate(0)  # read through a mapping of the file itself, this would end the page
    assert clip.block(50, 10) == before


@deterministic(200)
@given(
    changes=st.lists(st.tuples(st.integers(0, 6400) | st.integers(0, 100_000), st.integers(0, 255)), max_size=6),
    cut=st.just(0) | st.integers(1, 100_000),
)
def test_whatever_is_in_a_file_is_shown_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], cut: int
) -> None:
    if not _READ:
        samples = noise(round(8 * RATE_HZ))
        blocks = (received(samples, 1000 + np.arange(len(samples)) / RATE_HZ),)
        _READ["clip"] = write(tmp_path_factory.mktemp("clip"), blocks=blocks).read_bytes()
    content = bytearray(_READ["clip"])
    for at, value in changes:
        content[min(at, len(content) - 1)] = value
    path = tmp_path_factory.getbasetemp() / "any.edf"
    path.write_bytes(content[: len(content) - min(cut, len(content))])
    with contextlib.suppress(BadDataError):
        clip = opened(path)
        json.dumps(clip.facts(), allow_nan=False)
        json.dumps(clip.block(0, 10), allow_nan=False)


def test_the_copy_that_is_read_is_nobody_elses_and_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    clip = opened(write(tmp_path / "clips"))
    assert clip.block(0, 1)["n"] == RATE_HZ
    assert [*(tmp_path / "temporary").iterdir()] == []
    assert clip_module.MOST_S == 20
