"""Writes small XDF files (https://github.com/sccn/xdf/wiki/Specifications)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class XdfStream:
    name: str
    values: npt.NDArray[np.float32] | Sequence[str]
    stamps: npt.NDArray[np.float64]
    kind: str = "EEG"
    rate_hz: float = 100.0
    labels: Sequence[str] = ()
    unit: str = "microvolts"
    source_id: str = "amp"
    promised: int | None = None


def write_xdf(path: Path, *streams: XdfStream) -> Path:
    data = b"XDF:" + _chunk(1, b'<?xml version="1.0"?><info><version>1.0</version></info>')
    for number, stream in enumerate(streams, start=1):
        is_text = not isinstance(stream.values, np.ndarray)
        channels = "".join(
            f"<channel><label>{label}</label><unit>{stream.unit}</unit></channel>" for label in stream.labels
        )
        header = (
            f"<info><name>{stream.name}</name><type>{stream.kind}</type>"
            f"<channel_count>{1 if is_text else np.shape(stream.values)[1]}</channel_count>"
            f"<nominal_srate>{stream.rate_hz}</nominal_srate><source_id>{stream.source_id}</source_id>"
            f"<channel_format>{'string' if is_text else 'float32'}</channel_format>"
            f"<desc><channels>{channels}</channels></desc></info>"
        )
        identity = struct.pack("<I", number)
        data += _chunk(2, identity + header.encode())
        body = identity + b"\x04" + struct.pack("<I", len(stream.stamps))
        for stamp, value in zip(stream.stamps, stream.values, strict=True):
            body += b"\x08" + struct.pack("<d", stamp)
            if isinstance(value, str):
                body += b"\x01" + bytes([len(value.encode())]) + value.encode()
            else:
                body += value.astype("<f4").tobytes()
        if len(stream.stamps):
            data += _chunk(3, body)
        promised = len(stream.stamps) if stream.promised is None else stream.promised
        footer = f"<info><sample_count>{promised}</sample_count></info>"
        data += _chunk(6, identity + footer.encode())
    path.write_bytes(data)
    return path


def _chunk(tag: int, content: bytes) -> bytes:
    return b"\x04" + struct.pack("<I", len(content) + 2) + struct.pack("<H", tag) + content
