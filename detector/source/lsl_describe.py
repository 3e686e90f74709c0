"""What the metadata of a foreign LSL stream says about its channels. It may be anything at all."""

from __future__ import annotations

import math
from typing import Any

import pylsl

from detector.errors import BadDataError
from detector.messages import Description
from detector.printable import printable as printable
from detector.units import microvolts_per

MAX_CHANNELS = 1024
MAX_XML_BYTES = 1_000_000
MAX_TEXT = 100


def describe(info: pylsl.StreamInfo) -> Description:
    """Read labels and units out of the full info of a stream.

    Labels that the stream does not give are empty; so are units, and their scales are ``None``. The texts can be
    shown as they are: whatever a terminal might act upon is escaped.

    Parameters
    ----------
    info
        What ``StreamInlet.info()`` returns (what a resolve returns has no labels).

    Returns
    -------
    Description
        With one label, unit and scale (µV per unit) for each of the stream's channels, in its order.

    Raises
    ------
    BadDataError
        More than `MAX_CHANNELS` channels, more than `MAX_XML_BYTES` of metadata, more channels described than the
        stream has, a rate that is not a number, or texts in no encoding.
    """
    name = printable(_text(info.name, "name"))
    n_channels, rate_hz = info.channel_count(), info.nominal_srate()
    if not 1 <= n_channels <= MAX_CHANNELS:
        raise BadDataError(f"stream {name!r} has {n_channels} channels: 1 to {MAX_CHANNELS} can be read")
    if not (math.isfinite(rate_hz) and rate_hz >= 0):
        raise BadDataError(f"stream {name!r} gives a sampling rate of {rate_hz} Hz: it must be 0 or positive")
    labels, units = _channels(info, name)
    if len(labels) > n_channels:
        raise BadDataError(
            f"stream {name!r} describes {len(labels)} channels but has {n_channels}: its labels cannot be trusted"
        )
    missing = ("",) * (n_channels - len(labels))
    units = (*units, *missing)
    return Description(
        labels=(*labels, *missing),
        rate_hz=rate_hz,
        scales_uv=tuple(microvolts_per(unit) if unit else None for unit in units),
        units=units,
        name=name,
        source_id=printable(_text(info.source_id, "source_id")),
        uid=printable(_text(info.uid, "uid")),
        hostname=printable(_text(info.hostname, "hostname")),
    )


def _channels(info: pylsl.StreamInfo, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Walk the whole desc, within the limit, and return the labels and units of channels/channel.

    Not by ``info.as_xml()``: pylsl leaks its whole text at every call, which weeks of reconnects would add up.
    """
    labels: list[str] = []
    units: list[str] = []
    size = 0
    node: Any = info.desc().first_child()
    path: list[Any] = []
    while True:
        if node.empty():
            if not path:
                return tuple(labels), tuple(units)
            node = path.pop().next_sibling()
            continue
        tag, value = _text(node.name, name), _text(node.value, name)
        # <tag>, </tag> and the text between them, as the stream sent them
        size += 2 * len(tag) + 5 * bool(tag) + len(value)
        if size > MAX_XML_BYTES:
            raise BadDataError(
                f"stream {name!r} has more than {MAX_XML_BYTES / 1e6:g} MB of metadata: ask its sender to shorten it"
            )
        if tag == "channel" and len(path) == 1 and _text(path[0].name, name) == "channels":
            labels.append(_child(node, "label", name))
            units.append(_child(node, "unit", name))
        path.append(node)
        node = node.first_child()


def _child(node: Any, tag: str, name: str) -> str:
    text = printable(_text(lambda: node.child_value(tag), name).strip())
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."


def _text(read: Any, where: str) -> str:
    """Return what liblsl read; pylsl takes what is no UTF-8 as Latin-1, older versions of it raise."""
    try:
        return str(read())
    except UnicodeDecodeError as error:
        raise BadDataError(f"stream {where!r} has metadata that is not UTF-8: {error}") from error
