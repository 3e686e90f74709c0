"""What is made of the metadata of any LSL stream, as they come over the network."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pylsl
import pytest
from pylsl.lib import lib

from detector.errors import BadDataError
from detector.messages import Description
from detector.source.lsl_describe import MAX_CHANNELS, describe, printable


def over_the_network(
    labels: list[str | bytes | None],
    units: list[str | bytes | None] | None = None,
    *,
    n_channels: int | None = None,
    rate_hz: float = 256.0,
    more: Callable[[Any], object] = lambda desc: None,
) -> pylsl.StreamInfo:
    """Open an outlet with this metadata and return the info that an inlet gets of it."""
    source_id = f"describe-{time.monotonic_ns()}"
    info = pylsl.StreamInfo("amp", "EEG", n_channels or len(labels), rate_hz, "float32", source_id)
    more(info.desc())
    if labels:
        channels = info.desc().append_child("channels")
        for label, unit in zip(labels, units or [None] * len(labels), strict=True):
            channel = channels.append_child("channel")
            for tag, value in (("label", label), ("unit", unit)):
                if value is not None:
                    _append(channel, tag, value)
    outlet = pylsl.StreamOutlet(info)
    [found] = pylsl.resolve_byprop("source_id", source_id, timeout=10)
    inlet = pylsl.StreamInlet(found, recover=False)
    try:
        return inlet.info(timeout=10)
    finally:
        del inlet, outlet


def _append(node: Any, tag: str, value: str | bytes) -> None:
    if isinstance(value, bytes):
        # past pylsl, which would encode it: what other programs put there
        lib.lsl_append_child_value(node.e, tag.encode(), value)
        return
    node.append_child_value(tag, value)


def test_labels_units_and_scales_in_the_order_of_the_stream() -> None:
    described = describe(over_the_network(["FP1-F7", "F7-T7", "ECG"], ["microvolts", "mV", "furlong"]))
    assert isinstance(described, Description)
    assert described.labels == ("FP1-F7", "F7-T7", "ECG")
    assert described.units == ("microvolts", "mV", "furlong")
    assert described.scales_uv == (1.0, 1000.0, None)
    assert described.rate_hz == 256.0
    assert described.name == "amp"
    assert described.source_id.startswith("describe-")
    assert len(described.uid) > 10
    assert described.hostname


def test_missing_labels_and_units_are_empty_and_have_no_scale() -> None:
    bare = describe(over_the_network([], n_channels=3))
    assert (bare.labels, bare.units, bare.scales_uv) == (("",) * 3, ("",) * 3, (None,) * 3)
    partial = describe(over_the_network(["A", None], [None, "uV"], n_channels=3))
    assert (partial.labels, partial.units) == (("A", "", ""), ("", "uV", ""))
    assert partial.scales_uv == (None, 1.0, None)


def test_channels_elsewhere_in_the_metadata_are_not_the_channels() -> None:
    def more(desc: Any) -> None:
        decoy = desc.append_child("setup").append_child("channels").append_child("channel")
        decoy.append_child_value("label", "decoy")
        group = desc.append_child("channels").append_child("group")
        group.append_child("channel").append_child_value("label", "decoy")
        desc.append_child("channel").append_child_value("label", "decoy")

    assert describe(over_the_network(["A"], more=more)).labels == ("A",)


def test_what_is_no_utf8_or_would_act_on_a_terminal_can_be_shown() -> None:
    labels: list[str | bytes | None] = [b"F\xff7", b"\xc2\x9b2J", " Fz\u202e ", "é" * 300]
    described = describe(over_the_network(labels, [b"\xb5V", "µV", "μV", None]))
    assert all(label.isprintable() for label in described.labels)
    assert described.labels[1:3] == (r"\x9b2J", r"Fz\u202e")
    assert len(described.labels[3]) == 100
    # pylsl reads as Latin-1 what is no UTF-8, which is right for the µ of older Windows programs
    assert described.scales_uv[:3] == (1.0, 1.0, 1.0)
    assert printable("a\x1b[31m\n\ud800b") == r"a\x1b[31m\n\ud800b"


def test_more_channels_than_can_be_read_are_refused() -> None:
    assert len(describe(over_the_network([], n_channels=MAX_CHANNELS)).labels) == MAX_CHANNELS
    with pytest.raises(BadDataError, match=f"has {MAX_CHANNELS + 1} channels: 1 to {MAX_CHANNELS} can"):
        describe(over_the_network([], n_channels=MAX_CHANNELS + 1))


def test_more_labels_than_channels_are_refused() -> None:
    with pytest.raises(BadDataError, match="describes 3 channels but has 2"):
        describe(over_the_network(["A", "B", "C"], n_channels=2))


@pytest.mark.parametrize(
    "more",
    [
        lambda desc: desc.append_child_value("long", "x" * 1_100_000),
        lambda desc: [desc.append_child_value("many", "x" * 10) for _ in range(60_000)],
    ],
    ids=["one long text", "many small ones"],
)
def test_more_than_a_megabyte_of_metadata_is_refused_soon(more: Callable[[Any], object]) -> None:
    info = over_the_network(["A"], more=more)
    begin_s = time.monotonic()
    with pytest.raises(BadDataError, match="more than 1 MB of metadata"):
        describe(info)
    assert time.monotonic() - begin_s < 2


def test_just_under_a_megabyte_is_read() -> None:
    info = over_the_network(["A"], more=lambda desc: desc.append_child_value("long", "x" * 990_000))
    assert describe(info).labels == ("A",)


def test_a_deep_tree_is_no_recursion() -> None:
    def more(desc: Any) -> None:
        for _ in range(3000):
            desc = desc.append_child("d")

    assert describe(over_the_network(["A"], more=more)).labels == ("A",)


@pytest.mark.parametrize("rate_hz", [float("nan"), float("inf")])
def test_a_rate_that_is_no_number_is_refused(rate_hz: float) -> None:
    info = pylsl.StreamInfo("amp", "EEG", 1, rate_hz, "float32", "rate")
    with pytest.raises(BadDataError, match="rate"):
        describe(info)
