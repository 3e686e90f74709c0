"""Small inputs that fuzzing found (benchmarks/fuzz.py): each is refused with an error that says why, and at once."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
from edfio import Bdf, BdfSignal, Edf, EdfSignal

from detector.checkpoint import FORMAT, decoded
from detector.config import load_config
from detector.errors import BadDataError, BundleError, CheckpointError, ConfigError
from detector.network.bundle import load_bundle
from detector.source.recording import open_recording
from tests.source.xdf_writer import XdfStream, write_xdf

NESTED = "[" * 100_000
NOISE = np.random.default_rng(0).normal(0, 40, 64)


def test_a_configuration_that_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bed.toml"
    path.write_text(f"a = {NESTED}")
    with pytest.raises(ConfigError, match=r"bed\.toml: maximum recursion depth"):
        load_config(path)


def test_a_card_that_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "card.toml").write_text(f"a = {NESTED}")
    with pytest.raises(BundleError, match=r"card\.toml: maximum recursion depth"):
        load_bundle(str(tmp_path))


def test_a_checkpoint_that_is_nested_without_end_is_refused() -> None:
    text = NESTED.encode()
    head = f"seizure-detector checkpoint {FORMAT} {hashlib.sha256(text).hexdigest()}\n"
    with pytest.raises(CheckpointError, match="maximum recursion depth"):
        decoded(head.encode() + text)


@pytest.mark.parametrize(
    ("at", "field"),
    [
        (236, b"1e9     "),  # data records
        (244, b"nan     "),  # of no duration
        (244, b"0       "),
        (244, b"-1      "),
        (256 + 104, b"nan     "),  # physical_min
        (256 + 104, b"\xff" * 8),
        (256 + 112, b"inf     "),  # physical_max
        (256 + 120, b"        "),  # digital_min
        (256 + 216, b"0       "),  # samples in a record
        (256 + 216, b"-7      "),
        (256 + 216, b"99999999"),
    ],
)
@pytest.mark.parametrize("suffix", ["edf", "bdf"])
def test_a_header_with_a_broken_field_is_refused(suffix: str, at: int, field: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    unit, span = "uV", (-400.0, 400.0)
    if suffix == "edf":
        Edf([EdfSignal(NOISE, 64, label="A", physical_dimension=unit, physical_range=span)]).write(path)
    else:
        Bdf([BdfSignal(NOISE, 64, label="A", physical_dimension=unit, physical_range=span)]).write(path)
    data = bytearray(path.read_bytes())
    data[at : at + len(field)] = field
    path.write_bytes(data)
    with pytest.raises(BadDataError, match=str(path)):
        list(open_recording(path).messages())


@pytest.mark.parametrize("stamp", [np.nan, np.inf, -np.inf])
def test_stamps_of_a_recording_that_are_no_times_are_refused(stamp: float, tmp_path: Path) -> None:
    stamps = np.arange(64) / 100
    stamps[7] = stamp
    path = write_xdf(tmp_path / "a.xdf", XdfStream("a", NOISE[:, None].astype(np.float32), stamps, labels=["A"]))
    with pytest.raises(BadDataError, match=r"a\.xdf has 1 stamps that are no times"):
        open_recording(path)


@pytest.mark.parametrize(
    ("was", "is_now"),
    [
        (b"<nominal_srate>100.0<", b"<nominal_srate>x<"),
        (b"<channel_count>1<", b"<channel_count>9<"),
        (b"<channel_count>1<", b"<channel_count>-1<"),
        (b"<info><version>1.0</version></info>", b"<info></info>"),
        (b"<sample_count>64<", b"<sample_count>many<"),
        (b"</info>", b"</inf>"),
        (b"\x04" + struct.pack("<I", 64), b"\x08" + struct.pack("<Q", 2**63)),  # samples in the chunk
    ],
)
def test_chunks_that_contradict_themselves_are_refused(was: bytes, is_now: bytes, tmp_path: Path) -> None:
    stream = XdfStream("a", NOISE[:, None].astype(np.float32), np.arange(64) / 100, labels=["A"])
    data = write_xdf(tmp_path / "a.xdf", stream).read_bytes()
    assert was in data
    changed, at = b"XDF:", 4
    while at < len(data):
        content = data[at + 5 : at + 5 + struct.unpack("<I", data[at + 1 : at + 5])[0]]
        at += 5 + len(content)
        content = content.replace(was, is_now, 1)
        changed += b"\x04" + struct.pack("<I", len(content)) + content
    path = tmp_path / "b.xdf"
    path.write_bytes(changed)
    with pytest.raises(BadDataError, match=r"b\.xdf"):
        open_recording(path)
