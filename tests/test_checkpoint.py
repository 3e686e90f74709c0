"""A checkpoint is read exactly as it was written, or refused with its reason; half of one never is read."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.checkpoint import FORMAT, MAX_BYTES, Checkpoint, decoded, read_checkpoint
from detector.errors import CheckpointError
from tests.signals import deterministic


def small(**state: Any) -> Checkpoint:
    return Checkpoint({"model": "m"}, 12.5, "abc", 0, {"ledger": {"last": 0.1}}, {"values": [1.0, None, "x"], **state})


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "b.checkpoint"
    path.write_bytes(small().encoded())
    assert read_checkpoint(path) == small()


@pytest.mark.parametrize("kind", ["float32", "float64", "int64"])
def test_an_array_is_read_to_the_bit(kind: str) -> None:
    array = (np.random.default_rng(0).normal(0, 1e3, (3, 2, 4)) / 3).astype(kind)
    for value in (array, array[:0], array[:, ::-1], np.array(array[0, 0, 0])):
        read = decoded(small(value=[value]).encoded()).pipeline["value"][0]
        assert read.dtype == value.dtype
        np.testing.assert_array_equal(read, value, strict=True)


@pytest.mark.parametrize("value", [np.array(["x"]), np.array([None]), np.array([True]), np.array([1j])])
def test_an_array_of_anything_but_numbers_is_not_written(value: Any) -> None:
    with pytest.raises(TypeError, match="not a plain value"):
        small(value=value).encoded()


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "|O"},
        {"kind": [1]},
        {"shape": [3]},
        {"shape": ["2"]},
        {"shape": [10**30]},
        {"bytes": "AAAAAAAAAA"},
        {"bytes": "\u00e4AAAAAAA"},
        {"bytes": 8},
    ],
)
def test_what_is_no_array_is_refused(wrong: dict[str, Any]) -> None:
    array = {"kind": "<f4", "shape": [2], "bytes": "AAAAAAAAAAA="}
    assert decoded(small(value=array).encoded()).pipeline["value"].tolist() == [0.0, 0.0]
    with pytest.raises(CheckpointError, match="not that of a checkpoint"):
        decoded(small(value=array | wrong).encoded())


def test_where_there_is_none_there_is_none(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path / "nowhere" / "b.checkpoint") is None


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"cannot read {tmp_path}: Is a directory"):
        read_checkpoint(tmp_path)


def test_a_truncated_file_is_refused_wherever_it_ends() -> None:
    data = small().encoded()
    for end in range(len(data)):
        with pytest.raises(CheckpointError, match=r"does not begin as|damaged"):
            decoded(data[:end])


def test_a_file_with_a_flipped_bit_is_refused_wherever_it_is() -> None:
    data = small().encoded()
    for place in range(len(data) * 8):
        spoilt = bytearray(data)
        spoilt[place // 8] ^= 1 << place % 8
        with pytest.raises(CheckpointError, match=r"does not begin as|in format|damaged"):
            decoded(bytes(spoilt))


@deterministic(200)
@given(st.binary(max_size=300))
def test_whatever_is_in_the_file_it_is_refused(data: bytes) -> None:
    for content in (data, small().encoded()[:-1] + data[:1] + data):
        with pytest.raises(CheckpointError):
            decoded(content)


def test_another_format_is_refused() -> None:
    data = small().encoded().replace(f"checkpoint {FORMAT} ".encode(), f"checkpoint {FORMAT + 1} ".encode(), 1)
    with pytest.raises(CheckpointError, match=f"in format b'{FORMAT + 1}', expected {FORMAT}"):
        decoded(data)


@pytest.mark.parametrize("value", [math.nan, math.inf, np.array([1.0, math.nan]), [[-math.inf]]])
def test_what_is_not_finite_is_not_written(value: Any) -> None:
    with pytest.raises(CheckpointError, match="not finite"):
        small(value=value).encoded()


NAN = '{"identity": {}, "newest_s": 1.0, "event_id": "", "resumptions": 0, "source": {"a": NaN}, "pipeline": {}}'


@pytest.mark.parametrize("text", [NAN, "[1]", "1", "{}", '{"a": 1}', "{", '"\\ud800"'])
def test_what_no_checkpoint_says_is_refused_although_it_is_whole(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.checkpoint.json.dumps", lambda *_, **__: text)
    data = small().encoded()
    with pytest.raises(CheckpointError, match="not that of a checkpoint"):
        decoded(data)


@pytest.mark.parametrize(
    "wrong", [{"identity": []}, {"newest_s": "1"}, {"event_id": None}, {"resumptions": 1.5}, {"source": 1}]
)
def test_fields_of_another_type_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=f"{next(iter(wrong))} is no "):
        decoded(replace(small(), **wrong).encoded())


def test_its_size_is_bounded(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"expected at most {MAX_BYTES}"):
        small(text="x" * MAX_BYTES).encoded()
    path = tmp_path / "b.checkpoint"
    path.write_bytes(b"x" * (MAX_BYTES + 1))
    with pytest.raises(CheckpointError, match=f"more than {MAX_BYTES} bytes"):
        read_checkpoint(path)
